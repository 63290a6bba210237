//! What `rowsafe doctor` looked at, for a person: one line each, and under it what to do.

use super::findings::{WIDTH, wrapped};
use crate::record::{Check, CheckStatus};
use crate::text::clean::clean;
use crate::ui::style::Paint;

/// Where the sentence starts: behind the status and the name.
const GUTTER: usize = 24;

/// Every check, in the order in which they were made.
pub fn all(checks: &[Check]) -> String {
    checks.iter().map(one).collect()
}

fn one(check: &Check) -> String {
    let word = format!("{:8}", check.status.name());
    let word = match check.status {
        CheckStatus::Ok => Paint::Green.on(&word),
        CheckStatus::Note => word,
        CheckStatus::Warning => Paint::Yellow.on(&word),
        CheckStatus::Failed => Paint::Red.on(&word),
    };
    let indent = format!("\n{:GUTTER$}", "");
    let room = WIDTH - GUTTER;
    let message = wrapped(&clean(&check.message), room).join(&indent);
    let mut out = format!("{word}{:16}{message}\n", check.name);
    for hint in &check.hints {
        // Not wrapped: statements are pasted.
        out.push_str(&[&" ".repeat(GUTTER), "hint: ", &clean(hint), "\n"].concat());
    }
    out
}
