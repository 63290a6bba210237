//! Numbers for Prometheus: the text format of a node exporter's textfile collector
//! (prometheus.io, Exposition formats).

use std::fmt::Write as _;

use crate::finding::Severity;
use crate::record::{CheckStatus, Record};

/// The metrics of what `rowsafe doctor` found. What is not known has no line: a zero would be a
/// number.
pub fn render(record: &Record) -> String {
    let reached = record.database.as_ref();
    let vitals = record.vitals.clone().unwrap_or_default();
    let mut page = Page { text: String::new(), database: escaped(&vitals.database) };
    let is_up = record.checks.iter().any(|check| check.name == "connection")
        && reached.is_some_and(|reached| !reached.identity.is_standby);
    page.gauge("rowsafe_up", "Whether the database was reached and can be migrated.");
    page.value("rowsafe_up", "", u64::from(is_up));
    page.gauge("rowsafe_last_run_timestamp_seconds", "When rowsafe doctor last looked.");
    let started = record.started_at.as_second();
    page.value("rowsafe_last_run_timestamp_seconds", "", started);
    if let Some(taken) = vitals.last_snapshot {
        let name = "rowsafe_last_snapshot_timestamp_seconds";
        page.gauge(name, "When the last verified snapshot of everything was taken.");
        page.value(name, "", taken.as_second());
    }
    if let Some(seconds) = vitals.restore_seconds {
        let name = "rowsafe_last_restore_seconds";
        page.gauge(
            name,
            "How long the last restore took, of a whole snapshot where there was one.",
        );
        page.value(name, "", seconds);
    }
    if let Some(rows) = vitals.rows {
        page.gauge("rowsafe_database_rows", "Rows of all tables, counted.");
        page.value("rowsafe_database_rows", "", rows);
    }
    if let Some(bytes) = vitals.bytes {
        page.gauge("rowsafe_database_size_bytes", "Size of the database on disk.");
        page.value("rowsafe_database_size_bytes", "", bytes);
    }
    page.gauge("rowsafe_checks", "What rowsafe doctor looked at, by how it is.");
    for status in CheckStatus::ALL {
        let count = record.checks.iter().filter(|check| check.status == status).count();
        page.value("rowsafe_checks", &format!("status=\"{}\"", status.name()), count);
    }
    page.gauge("rowsafe_check_status", "Each check: 0 ok, 1 note, 2 warning, 3 failed.");
    for check in &record.checks {
        let label = format!("check=\"{}\"", escaped(check.name));
        page.value("rowsafe_check_status", &label, check.status as u8);
    }
    page.gauge("rowsafe_findings", "Findings of what is pending, by severity.");
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let count = record.findings.iter().filter(|finding| finding.severity == severity).count();
        page.value("rowsafe_findings", &format!("severity=\"{}\"", severity.name()), count);
    }
    page.text
}

struct Page {
    text: String,
    database: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str) {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge")
            .expect("writing to a string does not fail");
    }

    fn value(&mut self, name: &str, label: &str, value: impl std::fmt::Display) {
        let comma = if label.is_empty() { "" } else { "," };
        writeln!(self.text, "{name}{{database=\"{}\"{comma}{label}}} {value}", self.database)
            .expect("writing to a string does not fail");
    }
}

/// The value of a label: backslash, quote and line feed are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{escaped, render};
    use crate::record::{Check, CheckStatus, Record, Vitals};

    #[test]
    fn what_is_not_known_has_no_line() {
        let mut record = Record::start("doctor", String::new());
        let text = render(&record);
        assert!(!text.contains("rowsafe_database_rows"), "{text}");
        assert!(text.contains("\nrowsafe_up{database=\"\"} 0\n"), "{text}");
        record.vitals = Some(Vitals { rows: Some(51_004), ..Vitals::default() });
        record.checks.push(Check {
            name: "rights",
            status: CheckStatus::Failed,
            message: String::new(),
            hints: Vec::new(),
        });
        let text = render(&record);
        assert!(text.contains("\nrowsafe_database_rows{database=\"\"} 51004\n"), "{text}");
        assert!(text.contains("\nrowsafe_checks{database=\"\",status=\"failed\"} 1\n"), "{text}");
        assert!(text.contains("check_status{database=\"\",check=\"rights\"} 3\n"), "{text}");
    }

    #[test]
    fn a_label_is_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
