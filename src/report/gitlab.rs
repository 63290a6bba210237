//! GitLab's code quality report.

use serde_json::{Value, json};

use super::{facts, json};
use crate::finding::{Finding, Severity};
use crate::record::Record;
use crate::text::clean::clean;

/// Every finding as an issue of GitLab.
pub(super) fn render(record: &Record) -> String {
    let fingerprints = facts::fingerprints(&record.findings);
    let mut issues: Vec<Value> = Vec::new();
    if let Some(sentence) = facts::trouble(record) {
        issues.push(issue("rowsafe", sentence, "rowsafe", "blocker", ("rowsafe", 1)));
    }
    for (finding, fingerprint) in record.findings.iter().zip(&fingerprints) {
        let line = finding.place.position.map_or(1, |position| position.line);
        let place = (facts::whereabouts(&finding.place).unwrap_or("rowsafe"), line);
        issues.push(issue(finding.rule, &said(finding), fingerprint, severity(finding), place));
    }
    json::text(&issues)
}

fn issue(
    rule: &str,
    message: &str,
    fingerprint: &str,
    severity: &str,
    (path, line): (&str, usize),
) -> Value {
    json!({
        // GitLab does not show the name of the check.
        "description": format!("{rule}: {}", clean(message)),
        "check_name": rule,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    })
}

fn said(finding: &Finding) -> String {
    match &finding.allowance {
        Some(allowance) => format!("{} (agreed: {})", finding.message, allowance.reason),
        None => finding.message.clone(),
    }
}

fn severity(finding: &Finding) -> &'static str {
    match (&finding.allowance, finding.severity) {
        (Some(_), _) | (None, Severity::Note) => "info",
        (None, Severity::Warning) => "major",
        (None, Severity::Error) => "critical",
    }
}
