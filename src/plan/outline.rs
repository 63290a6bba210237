//! Every pending statement in a line, with what was found in it.

use crate::finding::Finding;
use crate::record::PlannedStatement;
use crate::rules::{ScriptReading, excerpt};

/// More of a statement than this is not repeated in an outline.
const LONGEST: usize = 200;

/// The statements of the scripts in order; each with the findings that speak of it, by index.
pub fn of(readings: &[ScriptReading<'_>], findings: &[Finding]) -> Vec<PlannedStatement> {
    let mut left = findings.iter().enumerate().peekable();
    let mut outline = Vec::new();
    for (script, reading) in readings.iter().enumerate() {
        for (statement, _) in &reading.statements {
            let whole = excerpt(&statement.text);
            let revision = &reading.script.origin.revision;
            let is_of = |(_, finding): &(usize, &Finding)| {
                finding.statement == whole && finding.place.revision == *revision
            };
            // Findings about a whole script stand between those of its statements.
            while left.next_if(|(_, finding)| finding.statement.is_empty()).is_some() {}
            let mut found = Vec::new();
            while let Some((index, _)) = left.next_if(is_of) {
                found.push(index);
            }
            if is_frame(&whole) && found.is_empty() {
                continue;
            }
            outline.push(PlannedStatement {
                script,
                line: findings_line(&found, findings).or(line(reading, statement)),
                text: in_one_line(&statement.text),
                findings: found,
            });
        }
    }
    outline
}

fn findings_line(found: &[usize], findings: &[Finding]) -> Option<usize> {
    let first = findings.get(*found.first()?)?;
    first.place.position.map(|position| position.line)
}

/// The line in the migration file, where the statement was read there.
fn line(reading: &ScriptReading<'_>, statement: &crate::sql::Statement) -> Option<usize> {
    let is_of_file = reading.script.origin.path.is_some() && reading.script.source.is_none();
    is_of_file.then_some(statement.position.line)
}

/// What only frames the others.
fn is_frame(text: &str) -> bool {
    let bare = text.trim_end_matches(';').trim();
    ["BEGIN", "COMMIT", "START TRANSACTION"].iter().any(|frame| bare.eq_ignore_ascii_case(frame))
}

/// Comments and line ends left out, and of a long one the start.
fn in_one_line(text: &str) -> String {
    let text: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("--"))
        .flat_map(str::split_whitespace)
        .collect();
    let text = text.join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
