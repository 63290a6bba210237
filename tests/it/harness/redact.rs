//! What differs from run to run becomes a placeholder, so that output can be compared.

use std::sync::LazyLock;

use regex::Regex;

use super::Sandbox;

/// In this order: a time of day must go before a port, and a path before everything.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"/tmp/rowsafe-[A-Za-z0-9_-]+(/[^\s:'\x22,]*)?", "[TEMP]"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?(\[\w+\])?", "[TIME]"),
        (r"\b\d\d:\d\d:\d\d\b", "[TIME]"),
        (r"\b(127\.0\.0\.1|localhost|\[::1\]):\d{4,5}\b", "[HOST]:[PORT]"),
        (r"\bport(=| )\d{4,5}\b", "port$1[PORT]"),
        (r"\b\d+ min \d+ s\b", "[SECONDS]"),
        (r"\b\d+(\.\d+)? (ms|s)\b", "[SECONDS]"),
        (r"\b\d+(\.\d+)? (B|bytes|kB|KB|MB|GB|KiB|MiB|GiB)(\W|$)", "[SIZE]$3"),
        (r"\bPostgreSQL \d+(\.\d+)*", "PostgreSQL [VERSION]"),
        (r"\b[0-9a-f]{64}\b", "[SHA256]"),
    ]
    .into_iter()
    .map(|(pattern, placeholder)| (Regex::new(pattern).unwrap(), placeholder))
    .collect()
});

static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[0-9a-z]{8}\b").unwrap());

/// The text with sandbox paths, times, sizes, ids, ports and hosts replaced.
pub fn redact(text: &str, sandbox: &Sandbox) -> String {
    let mut text = text
        .replace(&sandbox.path().display().to_string(), "[PROJECT]")
        .replace(&sandbox.home().display().to_string(), "[HOME]");
    for (pattern, placeholder) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *placeholder).into_owned();
    }
    ID.replace_all(&text, |found: &regex::Captures<'_>| {
        let word = &found[0];
        // A word has no digits, a number has no letters; a snapshot's id has both.
        let is_id = word.contains(|c: char| c.is_ascii_digit())
            && word.contains(|c: char| c.is_ascii_lowercase());
        if is_id { "[ID]".to_owned() } else { word.to_owned() }
    })
    .into_owned()
}
