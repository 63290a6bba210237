//! A snapshot that something else holds: rowsafe keeps its name and how to get it back.

use serde::{Deserialize, Serialize};

use super::Manifest;
use crate::exit::Exit;
use crate::hint::Refusal;

/// The driver of restore points.
pub const PGBACKREST: &str = "pgbackrest";

/// The driver of snapshot commands.
pub const COMMAND: &str = "command";

/// Who holds a snapshot, and how it is brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// `command` or `pgbackrest`.
    pub driver: String,
    /// The program that took it, such as `neonctl`.
    pub program: String,
    /// What it is called there.
    pub reference: String,
    /// The command line that brings it back, where one is known; rowsafe never runs it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restore: Option<String>,
    /// When it was found to be there, UTC; none where nothing could say so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verified_at: Option<jiff::Timestamp>,
}

impl Elsewhere {
    /// Whether it was found to be there.
    pub fn is_verified(&self) -> bool {
        self.verified_at.is_some()
    }

    /// `restore point rowsafe-98ys4g17 of pgBackRest, its WAL is in the archive`: what it is, and
    /// how sure that is.
    pub fn said(&self) -> String {
        let Self { program, reference, .. } = self;
        match (self.driver.as_str(), self.is_verified()) {
            (PGBACKREST, _) => {
                format!("restore point {reference} of pgBackRest, its WAL is in the archive")
            }
            (_, true) => format!("{reference}, held by `{program}`, verified by its `verify`"),
            (_, false) => format!(
                "{reference}, held by `{program}`; rowsafe has not verified it: there is no `verify`"
            ),
        }
    }

    /// How it is brought back, first thing first.
    pub fn ways_back(&self) -> Vec<String> {
        let mut ways = match &self.restore {
            Some(restore) => vec![format!("bring it back: {restore}")],
            None => vec![format!(
                "how to bring it back is not known here: [snapshot-command] has no `restore`; ask `{}`",
                self.program
            )],
        };
        if self.driver == PGBACKREST {
            ways.push("that restores the whole server, every database of it".to_owned());
            ways.push(
                "beside the server: add --pg1-path=EMPTY_DIRECTORY --archive-mode=off and start one \
                 there; over it: stop it first and add --delta"
                    .to_owned(),
            );
        }
        ways
    }
}

impl Manifest {
    /// Rows that it holds: read back and counted, or counted in the database where something else
    /// holds them.
    pub fn rows(&self) -> u64 {
        let holding = self.tables.iter().filter(|table| table.holds_rows());
        self.elsewhere.as_ref().map_or(self.verified.rows, |_| holding.map(|it| it.rows).sum())
    }

    /// When it was read back, or found to be where it is held; `None` where nobody has looked.
    pub fn verified_at(&self) -> Option<jiff::Timestamp> {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.verified_at,
            None => Some(self.verified.at),
        }
    }

    /// Refuses where there is no archive to read, because something else holds the rows.
    pub fn refuse_elsewhere(&self) -> Result<(), Refusal> {
        let Some(elsewhere) = &self.elsewhere else { return Ok(()) };
        let message = format!(
            "rowsafe can't read snapshot {}, because it does not hold it: it is {}",
            self.id,
            elsewhere.said()
        );
        let refusal = Refusal::new(Exit::NoAnswer, message);
        Err(elsewhere.ways_back().into_iter().fold(refusal, Refusal::hint))
    }
}
