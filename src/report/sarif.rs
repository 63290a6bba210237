//! SARIF 2.1.0, as GitHub's code scanning and the viewers of editors read it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{facts, json, reference};
use crate::finding::{Allowance, AllowanceSource, Finding, Place};
use crate::record::{Record, Verdict};
use crate::rules::{RULES, Rule};
use crate::text::clean::clean;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a path keeps as it is; a colon is not among it, which would make a scheme of what is before.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The report as one run of the tool.
pub(super) fn render(record: &Record) -> String {
    let fingerprints = facts::fingerprints(&record.findings);
    let results: Vec<Value> = record
        .findings
        .iter()
        .zip(&fingerprints)
        .map(|(finding, fingerprint)| result(finding, fingerprint))
        .collect();
    let driver = json!({
        "name": "rowsafe",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
    });
    json::text(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "invocations": [invocation(record)],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

/// Whether the tool did its work; findings are work done.
fn invocation(record: &Record) -> Value {
    let answer = record.answer.as_ref();
    let is_done =
        answer.is_some_and(|answer| matches!(answer.verdict, Verdict::Ok | Verdict::Blocked));
    let mut invocation = json!({
        "executionSuccessful": is_done,
        "startTimeUtc": record.started_at.to_string(),
    });
    if let Some(answer) = answer {
        invocation["exitCode"] = answer.exit.code().into();
        invocation["exitCodeDescription"] = clean(&answer.sentence).into();
    }
    if let Some(sentence) = facts::trouble(record) {
        let notification = json!({"level": "error", "message": {"text": message(sentence)}});
        invocation["toolExecutionNotifications"] = json!([notification]);
    }
    invocation
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": message(rule.title)},
        "fullDescription": {"text": message(&format!("{} {}", rule.lost, rule.why))},
        "help": {
            "text": message(&reference::plain(rule)),
            "markdown": message(&reference::markdown(rule)),
        },
        "properties": {"precision": precision(rule.id), "tags": ["database", "data-loss"]},
    })
}

/// How often a finding of the rule is one: what it says happens, or depends on what is not there to
/// be read.
fn precision(id: &str) -> &'static str {
    match id {
        "calls-function" | "fires-trigger" | "dynamic-sql" | "client-command" | "opaque" => {
            "medium"
        }
        "delete" | "delete-cascade" | "drop-extension" | "merge-delete" | "narrow-type"
        | "set-unlogged" | "update-overwrite" | "upsert-overwrite" => "high",
        _ => "very-high",
    }
}

fn result(finding: &Finding, fingerprint: &str) -> Value {
    let mut text = finding.message.clone();
    if !finding.instead.is_empty() {
        text = text + ".\n\nInstead: " + &finding.instead;
    }
    let mut properties = json!({"certainty": finding.certainty.name()});
    if let Some(loss) = &finding.loss {
        properties["rows"] = json!(loss.rows.number());
        properties["values"] = json!(loss.values.number());
        properties["exact"] = json!(loss.rows.is_exact() && loss.values.is_exact());
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "level": finding.severity.name(),
        "message": {"text": message(&text)},
        "locations": [location(finding)],
        // Not `primaryLocationLineHash`: GitHub works that one out itself, and warns of another's.
        "partialFingerprints": {"rowsafe/v1": fingerprint},
        "properties": properties,
    });
    if let Some(index) = RULES.iter().position(|rule| rule.id == finding.rule) {
        result["ruleIndex"] = index.into();
    }
    // With one result that says so, every other has to say that nobody suppressed it.
    result["suppressions"] = finding.allowance.iter().map(suppression).collect();
    result
}

/// GitHub takes no result without a file and a line, and with one such refuses all of them.
fn location(finding: &Finding) -> Value {
    let place = &finding.place;
    let mut region = json!({"startLine": place.position.map_or(1, |start| start.line)});
    if let Some(start) = place.position {
        region["startColumn"] = start.column.into();
    }
    if let Some(end) = finding.snippet.as_ref().map(|snippet| snippet.end) {
        region["endLine"] = end.line.into();
        region["endColumn"] = end.column.into();
    }
    let name = place.revision.as_deref().or(facts::whereabouts(place));
    let name = name.unwrap_or(&finding.object.name);
    json!({
        "physicalLocation": {"artifactLocation": artifact(place, name), "region": region},
        "logicalLocations": [{"name": clean(name), "kind": "module"}],
    })
}

/// A URI relative to the directory where rowsafe ran, or of a file elsewhere; of what is no file,
/// such as standard input, the name.
fn artifact(place: &Place, name: &str) -> Value {
    let uri = |path: &str| utf8_percent_encode(path, PATH).to_string();
    match facts::file(place) {
        Some(path) if path.starts_with('/') => json!({"uri": format!("file://{}", uri(path))}),
        Some(path) => json!({"uri": uri(path), "uriBaseId": "%SRCROOT%"}),
        None => json!({"uri": uri(name)}),
    }
}

fn suppression(allowance: &Allowance) -> Value {
    let justification = clean(&allowance.reason);
    match &allowance.source {
        AllowanceSource::Comment(place) => {
            let mut suppression = json!({"kind": "inSource", "justification": justification});
            if let (Some(path), Some(position)) = (&place.path, place.position) {
                suppression["location"] = json!({"physicalLocation": {
                    "artifactLocation": artifact(place, path),
                    "region": {"startLine": position.line, "startColumn": position.column},
                }});
            }
            suppression
        }
        AllowanceSource::CommandLine | AllowanceSource::Configuration | AllowanceSource::Prompt => {
            json!({"kind": "external", "justification": justification})
        }
    }
}

/// A message string: braces stand for placeholders and brackets for links unless they are escaped.
fn message(text: &str) -> String {
    let text = text.lines().map(clean).collect::<Vec<_>>().join("\n");
    let text = text.replace('{', "{{").replace('}', "}}");
    if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text }
}
