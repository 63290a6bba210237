//! What was asked for, resolved: the stories' input.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::db::postgres::inventory::Counting;
use crate::db::target::Target;
use crate::environment::Environment;
use crate::finding::Allowance;
use crate::journal::Journal;
use crate::known::KnownFile;
use crate::policy::{Compare, Driver, FailOn, OnLoss, Protected, SnapshotMode, TableRules};
use crate::snapshot::Store;
use crate::snapshot::tools::Tools;

/// What `rowsafe run` was asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The database that is watched.
    pub target: Target,
    /// The migration command's words.
    pub command: Vec<String>,
    /// Variables for the command, on top of the inherited ones.
    pub command_env: BTreeMap<String, String>,
    /// `--sql` files.
    pub sql_files: Vec<PathBuf>,
    /// `--sql-command`.
    pub sql_command: Option<String>,
    /// Agreements of the command line and the configuration.
    pub allowances: Vec<Allowance>,
    /// From which severity on a finding stops the run.
    pub fail_on: FailOn,
    /// What to do about a loss that nobody had agreed to.
    pub on_loss: OnLoss,
    /// What to keep.
    pub keep: SnapshotMode,
    /// How before and after are compared.
    pub compare: Compare,
    /// How few rows are too few, and which rows others write too.
    pub tables: TableRules,
    /// Which databases need more care.
    pub protected: Protected,
    /// What is on record of the database.
    pub known: KnownFile,
    /// The database may be another one than on record.
    pub new_database: bool,
    /// Where to keep it.
    pub store: Store,
    /// Free space to leave in the store, in bytes.
    pub min_free_space: u64,
    /// What takes the snapshot.
    pub driver: Driver,
    /// pg_dump and pg_restore.
    pub tools: Tools,
    /// How many connections dump at once.
    pub jobs: Jobs,
    /// How to count.
    pub counting: Counting,
    /// How long rendering the pending SQL may take.
    pub render_timeout: Duration,
    /// The environment, for what the migration tool's configuration says.
    pub environment: Environment,
    /// Where every step is written down.
    pub journal: Journal,
}

/// How many connections do one thing at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jobs {
    /// How many.
    pub count: usize,
    /// Whether somebody said so.
    pub is_said: bool,
}

impl Jobs {
    /// One, whatever was said.
    pub const ONE: Self = Self { count: 1, is_said: false };
}

/// What taking a snapshot needs of a request, whoever asks for it.
#[derive(Debug, Clone, Copy)]
pub struct TakeRequest<'a> {
    /// The database to keep.
    pub target: &'a Target,
    /// The command it is taken for; empty where there is none.
    pub command: &'a [String],
    /// Where to keep it.
    pub store: &'a Store,
    /// Free space to leave in the store, in bytes.
    pub min_free_space: u64,
    /// What takes the snapshot.
    pub driver: &'a Driver,
    /// pg_dump and pg_restore.
    pub tools: &'a Tools,
    /// How many connections dump at once.
    pub jobs: Jobs,
    /// How to count.
    pub counting: &'a Counting,
}

impl RunRequest {
    /// The part that its snapshot needs.
    pub fn taking(&self) -> TakeRequest<'_> {
        TakeRequest {
            target: &self.target,
            command: &self.command,
            store: &self.store,
            min_free_space: self.min_free_space,
            driver: &self.driver,
            tools: &self.tools,
            jobs: self.jobs,
            counting: &self.counting,
        }
    }
}
