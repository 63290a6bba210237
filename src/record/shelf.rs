//! The snapshots of a store, as far as a person is told of them.

use jiff::Timestamp;

use super::Kept;
use crate::retention::{Decision, State};
pub use crate::snapshot::Manifest;

/// A snapshot of a store, or what is there of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub location: String,
    /// When it was taken; when something was last written there, where it is none.
    pub taken: Timestamp,
    /// What it occupies in the store.
    pub bytes: u64,
    /// What state it is in.
    pub state: State,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// What its manifest says.
    pub manifest: Option<Manifest>,
    /// How much of the database is in it, where there is a manifest.
    pub kept: Option<Kept>,
    /// When and how it was found to be good.
    pub proofs: Proofs,
    /// Why it may not be removed.
    pub held: Option<String>,
    /// Whether it stays, where that was asked.
    pub decision: Option<Decision>,
    /// What was found now, where it was looked at.
    pub checked: Option<Checked>,
}

/// When and how a snapshot was last found to be good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proofs {
    /// Its archive was read back, and its rows counted.
    pub read_back: Option<Timestamp>,
    /// It was restored into a database of its own, and the rows counted there.
    pub restored: Option<Timestamp>,
    /// The last attempt to restore it failed.
    pub not_restored: Option<String>,
}

/// What was found in a snapshot that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// It was restored into a scratch database, too.
    pub is_restored: bool,
    /// Rows that were found.
    pub rows: u64,
    /// How long it took, in seconds; where it was restored, restoring it.
    pub seconds: f64,
    /// What is not as it should be.
    pub problem: Option<String>,
}

/// A file that is shown, or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it belongs; empty where it is a line for `crontab -e`.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// What was done: `shown`, `written`, `unchanged`.
    pub done: &'static str,
}

impl Item {
    /// Which database it is of; the same text means the same database.
    pub fn database(&self) -> String {
        let Some(manifest) = &self.manifest else { return String::new() };
        let database = &manifest.database;
        match database.system_identifier {
            Some(system) => format!("{system}/{}", database.oid),
            None => format!("{}/{}/{}", database.server, database.name, database.oid),
        }
    }

    /// Who holds its rows, where it is not the store: the driver's name.
    pub fn holder(&self) -> Option<&str> {
        let elsewhere = self.manifest.as_ref()?.elsewhere.as_ref()?;
        Some(&elsewhere.driver)
    }
}
