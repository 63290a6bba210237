//! Snapshots that rowsafe does not hold itself: those of a command of the user's own, and restore
//! points of pgBackRest.
//!
//! What is known of such a snapshot is what those programs say: a name for it, whether it is there,
//! and the command that brings it back, which is shown and never run.

pub mod command;
mod info;
pub mod pgbackrest;

use crate::child::Invocation;
use crate::child::capture::{Captured, capture};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::secret::{mask_urls, mask_words};
use crate::text::clean::clean;
use crate::text::number::seconds;

use std::time::Duration;

/// Lines of a program's output that are shown when it failed.
const SHOWN: usize = 10;

/// A snapshot that was taken, and is held elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What it is called there.
    pub reference: String,
    /// The command line that brings it back, where one is known.
    pub restore: Option<String>,
    /// When it was found to be there; `None` where nothing can say so.
    pub verified_at: Option<jiff::Timestamp>,
}

/// Runs a program to its end; any other ending than exit 0 is a refusal that shows what it said.
async fn ask(invocation: &Invocation, deadline: Duration) -> Result<Captured, Refusal> {
    let line = shown(invocation);
    let captured = capture(invocation, deadline).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => {
            failed(format!("`{line}` had not ended after {}", seconds(deadline)))
                .hint("`timeout` in the configuration gives it longer")
        }
        _ => failed(format!("`{line}` can't be run: {error}")).because(error),
    })?;
    if captured.status.success() {
        return Ok(captured);
    }
    let how = match captured.status.code() {
        Some(code) => format!("exited with {code}"),
        None => "was ended by a signal".to_owned(),
    };
    let refusal = failed(format!("`{line}` {how}"));
    Err(said(&captured).into_iter().fold(refusal, Refusal::hint))
}

fn failed(message: String) -> Refusal {
    Refusal::new(Exit::SnapshotFailed, message)
}

/// The last lines that a program said, on standard error before on standard output.
fn said(captured: &Captured) -> Vec<String> {
    let lines = captured.stderr.lines().chain(captured.stdout.lines());
    let lines = lines.filter(|line| !line.trim().is_empty());
    let mut lines: Vec<String> =
        lines.map(|line| format!("it said: {}", mask_urls(&clean(line)))).collect();
    lines.drain(..lines.len().saturating_sub(SHOWN));
    lines
}

/// A command line for people, passwords masked.
fn shown(invocation: &Invocation) -> String {
    let mut words = vec![invocation.program.clone()];
    words.extend(invocation.args.iter().cloned());
    line(&words)
}

/// The same of words. An option with its value reads better without quotes, and needs none.
fn line(words: &[String]) -> String {
    let is_plain = |word: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte);
        word.starts_with("--") && word.bytes().all(plain)
    };
    let words = mask_words(words);
    let words: Vec<_> = words
        .iter()
        .map(|word| if is_plain(word) { word.into() } else { shell_words::quote(word) })
        .collect();
    words.join(" ")
}
