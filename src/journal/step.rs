//! What a line of the journal can say.

use serde::{Deserialize, Serialize};

use super::Process;
use crate::inventory::Identity;

/// One step of a run. A step is on the disk before what it announces is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A run has begun; always its first line.
    Begun {
        /// What kind of run.
        action: Action,
        /// The command's words, passwords masked.
        command: Vec<String>,
        /// The database, once one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<Database>,
        /// The numeric id of the user who started it.
        user: u32,
        /// rowsafe's version.
        rowsafe: String,
    },
    /// The database is not the one on record, and `--new-database` accepted it.
    IdentityAccepted {
        /// What differs, a sentence each.
        differences: Vec<String>,
    },
    /// What is there now was written down, for the next run to be held against.
    IdentityRecorded {
        /// The record's file.
        path: String,
    },
    /// What will happen is known.
    Planned {
        /// How many statements are pending.
        statements: u64,
        /// What they destroy, as `rule object`.
        findings: Vec<String>,
        /// What was agreed to, as `rule object: reason`.
        agreed: Vec<String>,
    },
    /// Findings without agreement: nothing is run.
    Blocked {
        /// The findings, as `rule object`.
        findings: Vec<String>,
    },
    /// A snapshot is about to be taken.
    SnapshotStarted {
        /// Its id.
        id: String,
        /// Where it is written.
        path: String,
    },
    /// The snapshot was read back and holds every row that was counted.
    SnapshotVerified {
        /// Its id.
        id: String,
    },
    /// A snapshot that was taken earlier was looked at again.
    SnapshotChecked {
        /// Its id.
        id: String,
        /// How closely.
        how: Proof,
        /// Rows that were found in it.
        rows: u64,
        /// What is not as it should be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// Somebody has said that nobody needs this snapshot any more.
    SnapshotReleased {
        /// Its id.
        id: String,
    },
    /// A snapshot is about to be removed.
    SnapshotRemoving {
        /// Its id.
        id: String,
    },
    /// The snapshot was taken by something else, which holds it.
    SnapshotHeld {
        /// Its id.
        id: String,
        /// `command` or `pgbackrest`.
        driver: String,
        /// What it is called there.
        reference: String,
        /// The command line that brings it back, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restore: Option<String>,
        /// Whether it was found to be there.
        verified: bool,
    },
    /// The command is about to be started.
    ChildStarting,
    /// The command was started.
    ChildStarted {
        /// Its process: it may outlive a rowsafe that is killed.
        child: Process,
    },
    /// The command has ended, or rowsafe has stopped waiting for it.
    ChildEnded {
        /// Its exit code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<i32>,
        /// The signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// rowsafe stopped waiting; the command may still have run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        abandoned: bool,
    },
    /// The rows were compared.
    Compared {
        /// The answer, such as `ok` or `lost`.
        verdict: String,
    },
    /// Rows are about to be put back.
    RestoreStarted {
        /// The snapshot they come from.
        snapshot: String,
        /// The database they go to.
        into: String,
        /// The tables; empty means all.
        tables: Vec<String>,
    },
    /// Rows were put back.
    RestoreFinished {
        /// How many.
        rows: u64,
    },
    /// A database is about to give its name to another one.
    ExchangeStarted {
        /// Its name.
        database: String,
        /// The one that gets it, until then.
        new: String,
        /// What the old one is called from then on.
        kept: String,
    },
    /// The names were exchanged.
    ExchangeFinished {
        /// What the old one is called now.
        kept: String,
    },
    /// The run has ended; always its last line but for `seen`.
    Finished {
        /// rowsafe's exit code.
        exit: u8,
    },
    /// A person was told that this run has no end.
    Seen,
    /// A step of a later rowsafe.
    #[serde(other)]
    Unknown,
}

impl Step {
    /// `child-started` of a process that runs now.
    pub fn child_started(pid: u32) -> Self {
        Self::ChildStarted { child: Process::numbered(pid) }
    }
}

/// How closely a snapshot was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Its archive was read back, and its rows counted.
    ReadBack,
    /// It was restored into a database of its own, and the rows counted there.
    Restored,
}

/// What kind of run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A migration command was run.
    Run,
    /// A snapshot was taken by itself.
    Snapshot,
    /// Rows were put back.
    Restore,
    /// An action of a later rowsafe.
    #[serde(other)]
    Unknown,
}

/// Which database a run was about; never with a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its oid.
    pub oid: u32,
    /// The role rowsafe was connected as.
    pub role: String,
    /// The server's address as the server sees it; none over a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The server's version.
    pub version: String,
    /// The cluster's system identifier, a string because JSON's numbers are too small for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

impl From<&Identity> for Database {
    fn from(identity: &Identity) -> Self {
        Self {
            name: identity.database.clone(),
            oid: identity.database_oid,
            role: identity.role.clone(),
            server: identity.server_address.clone(),
            version: identity.server_version.clone(),
            system: identity.system_identifier.map(|id| id.to_string()),
        }
    }
}
