//! Annotations of GitHub Actions, written as workflow commands.
//!
//! GitHub shows ten errors and ten warnings of a step and drops the rest without a word, so the
//! worst ten are sent and the others counted.

use std::cmp::Reverse;

use super::facts;
use crate::finding::{Finding, Severity};
use crate::record::Record;
use crate::text::clean::{clean, clean_lines};
use crate::text::number::plural;

/// Annotations of one step.
const SHOWN: usize = 10;

/// The annotations, what was left out, and the answer.
pub(super) fn render(record: &Record) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(sentence) = facts::trouble(record) {
        lines.push(command("error", &[("title", "rowsafe")], &clean(sentence)));
    }
    // Notes and what was agreed to ask nobody to do anything, and would push out what does.
    let mut open: Vec<&Finding> =
        record.findings.iter().filter(|finding| facts::is_open(finding)).collect();
    open.sort_by_key(|finding| Reverse(finding.severity));
    let room = SHOWN - lines.len();
    lines.extend(open.iter().take(room).map(|finding| annotation(finding)));
    if open.len() > room {
        let more = plural((open.len() - room) as u64, "more finding");
        lines.push(format!("rowsafe: {more}, see the log or another format of the report"));
    }
    if let Some(answer) = &record.answer {
        lines.push(format!("{}: {}", answer.verdict.name(), clean(&answer.sentence)));
    }
    lines.join("\n") + "\n"
}

fn annotation(finding: &Finding) -> String {
    let place = &finding.place;
    let path = facts::file(place).map(clean);
    let number = |number: usize| number.to_string();
    let (line, column) = place.position.map(|at| (number(at.line), number(at.column))).unzip();
    let end = finding.snippet.as_ref().map(|snippet| snippet.end);
    let is_one_line = place.position.zip(end).is_some_and(|(start, end)| start.line == end.line);
    let mut properties: Vec<(&str, &str)> = Vec::new();
    let (end_line, end_column) =
        end.map(|end| (number(end.line), number(end.column.saturating_sub(1).max(1)))).unzip();
    if let (Some(path), Some(line)) = (&path, &line) {
        properties.extend([("file", path.as_str()), ("line", line)]);
        // GitHub refuses columns where a range has several lines.
        if let (true, Some(column), Some(end)) = (is_one_line, &column, &end_column) {
            properties.extend([("col", column.as_str()), ("endColumn", end)]);
        }
        if let Some(end_line) = &end_line {
            properties.push(("endLine", end_line));
        }
    } else if let Some(path) = &path {
        properties.push(("file", path));
    }
    properties.push(("title", finding.rule));
    let mut message = clean(&finding.message);
    if !finding.instead.is_empty() {
        message = message + "\n" + &clean_lines(&finding.instead);
    }
    let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
    command(severity, &properties, &message)
}

/// `::error file=a.sql,line=1::message`.
fn command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let value = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let properties: Vec<String> =
        properties.iter().map(|(key, text)| format!("{key}={}", value(text))).collect();
    format!("::{name} {}::{}", properties.join(","), escape(message))
}
