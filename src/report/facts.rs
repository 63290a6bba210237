//! What several formats say of a record, worked out once.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::finding::{Finding, Place, Severity};
use crate::record::{Record, Verdict};

/// How SQL that was piped in is called.
const STDIN: &str = "<stdin>";

/// A finding that somebody has to look at: neither a note nor agreed to.
pub(super) fn is_open(finding: &Finding) -> bool {
    finding.allowance.is_none() && finding.severity > Severity::Note
}

/// What went wrong that no finding says: without it a report of a failure would look like one of
/// success.
pub(super) fn trouble(record: &Record) -> Option<&str> {
    let Some(answer) = &record.answer else { return Some("rowsafe ended without an answer") };
    let is_told = match answer.verdict {
        Verdict::Ok => true,
        Verdict::Blocked => record.findings.iter().any(is_open),
        Verdict::Failed | Verdict::Lost | Verdict::Restored | Verdict::Stopped | Verdict::Error => {
            false
        }
    };
    (!is_told).then_some(&answer.sentence)
}

/// The migration file of a place, as a path from the working directory where it lies below it.
pub(super) fn file(place: &Place) -> Option<&str> {
    let path = place.path.as_deref().filter(|path| ![STDIN, "-"].contains(path))?;
    Some(path.strip_prefix("./").unwrap_or(path))
}

/// What to call the place of a finding: its file, else its revision, else where it came in.
pub(super) fn whereabouts(place: &Place) -> Option<&str> {
    let piped_in = place.path.as_deref().map(|_| STDIN);
    file(place).or(place.revision.as_deref()).or(piped_in)
}

/// A name for each finding that is its own and stays the same when lines move: the digest of its
/// rule, file, object and statement; of several that are the same, also which one it is.
pub(super) fn fingerprints(findings: &[Finding]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let digests = findings.iter().map(|finding| {
        let digest = digest(finding, 0);
        let before = seen.entry(digest.clone()).or_default();
        *before += 1;
        if *before == 1 { digest } else { self::digest(finding, *before) }
    });
    digests.collect()
}

fn digest(finding: &Finding, repetition: usize) -> String {
    let mut hash = Sha256::new();
    let object = finding.object.to_string();
    let statement: Vec<&str> = finding.statement.split_whitespace().collect();
    let repetition = if repetition == 0 { String::new() } else { repetition.to_string() };
    let statement = statement.join(" ");
    let place = whereabouts(&finding.place).unwrap_or_default();
    for part in [finding.rule, place, &object, &statement, &repetition] {
        // With its length, so that no two lists of parts are the same text.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
