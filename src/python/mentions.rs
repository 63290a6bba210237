//! Whether Python that is not followed could send anything, judged from its words.

/// Words without which nothing reaches a database.
const WORDS: [&str; 8] =
    ["op.", "execute", "delete", "drop", "update", "conn", "session", "cursor"];

/// Whether anything in this text speaks of a database.
pub(super) fn sends(text: &str) -> bool {
    WORDS.iter().any(|word| text.contains(word))
}
