//! What a check answers: one word, one sentence that stands alone, what to try next.

use super::CheckRequest;
use super::select::Selected;
use crate::exit::Exit;
use crate::finding::{Finding, Severity};
use crate::migration::alembic::Direction;
use crate::policy::FailOn;
use crate::record::{Answer, Record, Verdict};
use crate::text::number::plural;

/// The answer to what was read.
pub(super) fn answer(record: &Record, request: &CheckRequest, selected: &Selected) -> Answer {
    let blocking = request.fail_on.blocking(&record.findings);
    if let Some(first) = blocking.first() {
        let counts = by_severity(&blocking);
        return Answer {
            verdict: Verdict::Blocked,
            exit: Exit::Blocked,
            sentence: format!("{} in {}", counts.join(", "), subject(record)),
            hints: vec![format!("rowsafe explain {} says more", first.rule)],
        };
    }
    let sentence = if record.scripts.is_empty() {
        nothing(request, selected)
    } else {
        format!("{}, {}", subject(record), found(record, request.fail_on))
    };
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints: Vec::new() }
}

/// `2 revisions, 1 file, 5 statements`.
fn subject(record: &Record) -> String {
    let n_revisions = record.scripts.iter().filter(|script| script.revision.is_some()).count();
    let n_files = record.scripts.len() - n_revisions;
    let n_statements: usize = record.scripts.iter().map(|script| script.statements).sum();
    let counts = [(n_revisions, "revision"), (n_files, "file")].into_iter();
    let counts = counts.filter(|(number, _)| *number > 0).chain([(n_statements, "statement")]);
    counts.map(|(number, noun)| plural(number as u64, noun)).collect::<Vec<_>>().join(", ")
}

/// What was found that does not stop anybody.
fn found(record: &Record, fail_on: FailOn) -> String {
    let (agreed, open): (Vec<&Finding>, Vec<&Finding>) =
        record.findings.iter().partition(|finding| finding.allowance.is_some());
    let mut parts = by_severity(&open);
    let is_serious = |finding: &&Finding| finding.severity != Severity::Note;
    if open.iter().any(is_serious) {
        parts.push(format!("none of which fails with --fail-on {fail_on}"));
    }
    if !agreed.is_empty() {
        parts.push(format!("{} agreed to", plural(agreed.len() as u64, "finding")));
    }
    if parts.is_empty() { "nothing destructive".to_owned() } else { parts.join(", ") }
}

fn by_severity(findings: &[&Finding]) -> Vec<String> {
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count() as u64;
    [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (count(severity), severity.name()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| plural(number, name))
        .collect()
}

/// Why there was nothing to read, where that is no mistake.
fn nothing(request: &CheckRequest, selected: &Selected) -> String {
    let changed = request.changed.as_ref().map(|changed| &changed.base);
    let new = match (request.direction, changed, selected.n_old) {
        (_, Some(base), _) => format!("no migration is new or changed since `{base}`"),
        (_, None, 1..) => "no migration is newer than the baseline".to_owned(),
        (Direction::Upgrade, None, 0) => {
            "the files hold nothing for the way up; --downgrade reads the way down".to_owned()
        }
        (Direction::Downgrade, None, 0) => "the files hold nothing for the way down".to_owned(),
    };
    format!("nothing to check: {new}")
}
