//! The append-only record of every run, flushed to disk before each step.
//!
//! One JSON object a line (`docs/reference/journal.md`). Nothing here is ever rewritten: a run that
//! was killed has a last line, and that line says what state things are in.

mod file;
pub mod process;
pub mod step;
pub mod unfinished;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use process::Process;
pub use step::{Action, Database, Proof, Step};
pub use unfinished::{Fate, UnfinishedRun};

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::secret::{mask_urls, mask_words};

/// The version that stands in every line.
pub const SCHEMA: &str = "rowsafe.journal/1";

/// A journal file; it need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    path: PathBuf,
}

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("could not {attempt} the journal `{}`", .path.display())]
    Io {
        /// What was attempted: `read`, `write`.
        attempt: &'static str,
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line was written by another version, and guessing at it would be worse than stopping.
    #[error(
        "line {line} of the journal `{}` is of version `{found}`, and this rowsafe reads {SCHEMA}",
        .path.display()
    )]
    Version {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it says its version is; empty when it says none.
        found: String,
    },
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        let hint = match &error {
            JournalError::Io { path, .. } => {
                let place = path.parent().unwrap_or(path).display();
                format!("rowsafe records each step before it takes it; make {place} writable")
            }
            JournalError::Version { path, .. } => {
                format!("use the newer rowsafe that wrote it, or move {} away", path.display())
            }
        };
        let refusal = Self::new(Exit::NoAnswer, error.to_string()).hint(hint);
        match error {
            JournalError::Io { source, .. } => refusal.because(source),
            JournalError::Version { .. } => refusal,
        }
    }
}

/// One line of the journal.
///
/// Fields that a later rowsafe adds within this version are ignored when they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Always `rowsafe.journal/1`.
    pub schema: String,
    /// The run's id: eight letters and digits.
    pub run: String,
    /// When it was written, UTC.
    pub time: Timestamp,
    /// The rowsafe that wrote it.
    pub process: Process,
    /// What is about to happen, or has just happened.
    #[serde(flatten)]
    pub step: Step,
}

/// Everything a journal says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Its entries, oldest first.
    pub entries: Vec<Entry>,
    /// Lines (from 1) that could not be read: a rowsafe that was killed while it wrote leaves half
    /// a line. The step it would have announced was not taken.
    pub torn: Vec<usize>,
}

/// What a run is about to be, for its first line.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What kind of run.
    pub action: Action,
    /// The user's command, or rowsafe's own; passwords in it are masked by the journal.
    pub command: Vec<String>,
    /// The database it is about, once one is known.
    pub database: Option<Database>,
}

/// The record of one run, open for appending.
#[derive(Debug, Clone)]
pub struct RunJournal {
    path: PathBuf,
    run: String,
    process: Process,
}

impl Journal {
    /// The journal at this path; nothing is touched yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts the record of a run: the file is made (mode 0600) when there is none.
    pub fn begin(&self, run: &Run) -> Result<RunJournal, JournalError> {
        let journal =
            RunJournal { path: self.path.clone(), run: new_id(), process: Process::current() };
        journal.record(Step::Begun {
            action: run.action,
            command: mask_words(&run.command),
            database: run.database.clone(),
            user: process::user_id(),
            rowsafe: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
        Ok(journal)
    }

    /// Everything it says; a journal that does not exist says nothing.
    pub fn read(&self) -> Result<History, JournalError> {
        let bytes = file::read(&self.path).map_err(|source| self.io("read", source))?;
        let mut history = History::default();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let Ok(value) = serde_json::from_slice::<Value>(line) else {
                history.torn.push(index + 1);
                continue;
            };
            let found = value.get("schema").and_then(Value::as_str).unwrap_or_default();
            if found != SCHEMA {
                let (path, found) = (self.path.clone(), found.to_owned());
                return Err(JournalError::Version { path, line: index + 1, found });
            }
            match serde_json::from_value(value) {
                Ok(entry) => history.entries.push(entry),
                Err(_) => history.torn.push(index + 1),
            }
        }
        Ok(history)
    }

    /// Runs that have no end and whose process is gone, or can't be seen from here.
    pub fn unfinished(&self) -> Result<Vec<UnfinishedRun>, JournalError> {
        Ok(unfinished::find(&self.read()?, &Process::current()))
    }

    /// Notes that a person was told about a run, so that they are told once.
    pub fn mark_seen(&self, run: &UnfinishedRun) -> Result<(), JournalError> {
        let journal = RunJournal {
            path: self.path.clone(),
            run: run.run.clone(),
            process: Process::current(),
        };
        journal.record(Step::Seen)
    }

    fn io(&self, attempt: &'static str, source: std::io::Error) -> JournalError {
        JournalError::Io { attempt, path: self.path.clone(), source }
    }
}

impl RunJournal {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.run
    }

    /// Appends a step; it is on the disk when this returns.
    pub fn record(&self, step: Step) -> Result<(), JournalError> {
        let entry = Entry {
            schema: SCHEMA.to_owned(),
            run: self.run.clone(),
            time: Timestamp::now(),
            process: self.process.clone(),
            step,
        };
        let value = serde_json::to_value(&entry).expect("an entry is plain data");
        let line = format!("{}\n", masked(value));
        file::append(&self.path, line.as_bytes()).map_err(|source| JournalError::Io {
            attempt: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// The same with the passwords in every string masked: reasons and paths are people's words too.
fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask_urls(&text)),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, masked(field))).collect()
        }
        other => other,
    }
}

/// Eight letters and digits, none of which look alike.
fn new_id() -> String {
    const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";
    (0..8).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests;
