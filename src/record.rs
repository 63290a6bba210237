//! What a run knows so far, as plain data: filled step by step, told by the reports.

pub mod shelf;

use std::collections::BTreeSet;

use crate::aftermath::Incident;
use crate::exit::Exit;
use crate::finding::Finding;
use crate::inventory::Identity;
use crate::snapshot::elsewhere::Elsewhere;
use crate::snapshot::manifest::{self, KeptTable, Manifest};
use crate::text::QualifiedName;
use crate::text::number::plural;
use crate::verdict::Comparison;

/// What a command knows so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The rowsafe command: `run`, `restore`.
    pub command: &'static str,
    /// This run's id in the journal.
    pub run_id: String,
    /// When it started, UTC.
    pub started_at: jiff::Timestamp,
    /// Where the database is, without password, and what said so.
    pub database: Option<Reached>,
    /// The migration command's words, passwords masked.
    pub migration: Vec<String>,
    /// Revisions before and after.
    pub revisions: Revisions,
    /// The pending scripts.
    pub scripts: Vec<ScriptSummary>,
    /// The pending statements, where they are listed.
    pub statements: Vec<PlannedStatement>,
    /// Every finding, agreed to or not.
    pub findings: Vec<Finding>,
    /// What a run would keep.
    pub keep: Option<KeepSummary>,
    /// What to know that is no finding.
    pub warnings: Vec<String>,
    /// What was kept.
    pub snapshot: Option<Kept>,
    /// What a restore in place does.
    pub restore: Option<RestorePlan>,
    /// How the migration command ended.
    pub child: Option<ChildOutcome>,
    /// Before and after.
    pub comparison: Option<Comparison>,
    /// What `rowsafe doctor` looked at.
    pub checks: Vec<Check>,
    /// What `rowsafe incident` found.
    pub incident: Option<Box<Incident>>,
    /// Numbers to watch over time, where they were looked at.
    pub vitals: Option<Vitals>,
    /// The snapshots that `rowsafe snapshot` speaks of.
    pub shelf: Vec<shelf::Item>,
    /// What `rowsafe snapshot schedule` says or writes.
    pub files: Vec<shelf::Written>,
    /// What took how long.
    pub phases: Vec<Phase>,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
}

/// The database that was reached.
#[derive(Debug, Clone)]
pub struct Reached {
    /// `user@host:port/db`.
    pub label: String,
    /// What named it: `--database`, `alembic.ini`, `DATABASE_URL`.
    pub source: String,
    /// Which database it is.
    pub identity: Identity,
}

/// Revisions of the migration tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Where the database was.
    pub before: Vec<String>,
    /// Where it was to go, where that is known.
    pub target: Vec<String>,
    /// Where it is now.
    pub after: Option<Vec<String>>,
}

/// One pending script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSummary {
    /// How it is called.
    pub name: String,
    /// Its file.
    pub path: Option<String>,
    /// Its revision.
    pub revision: Option<String>,
    /// `known`, `partly-known` or `opaque`.
    pub knowledge: &'static str,
    /// Why it is not known.
    pub reasons: Vec<String>,
    /// Statements read in it.
    pub statements: usize,
}

/// One pending statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStatement {
    /// Its script, by index.
    pub script: usize,
    /// The line in the migration file, where it is known.
    pub line: Option<usize>,
    /// The statement in one line.
    pub text: String,
    /// The findings that speak of it, by index.
    pub findings: Vec<usize>,
}

/// What a run would keep before it starts the command.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepSummary {
    /// `all` or `at-risk`.
    pub scope: &'static str,
    /// Why the tables at risk are not enough, or what they do not cover.
    pub why: Vec<String>,
    /// The tables whose rows are kept, with their bytes on the server, the largest first.
    pub tables: Vec<(QualifiedName, u64)>,
    /// Tables that hold rows, kept or not.
    pub of_tables: usize,
    /// Bytes of the kept tables on the server.
    pub bytes: u64,
    /// Seconds that the dump takes at the rate measured so far, where one was.
    pub seconds: Option<f64>,
    /// Bytes free where snapshots are kept.
    pub free_space: Option<u64>,
}

/// A snapshot that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub path: String,
    /// Bytes kept.
    pub bytes: u64,
    /// Bytes that pg_dump wrote.
    pub dump_bytes: u64,
    /// Tables whose rows are in it.
    pub tables: u64,
    /// Rows in it, read back and counted.
    pub rows: u64,
    /// What was kept: `all` or `at-risk`.
    pub scope: String,
    /// Tables that hold rows, those included whose rows were left out.
    pub of_tables: u64,
    /// The tables whose rows were left out; their definitions are in it.
    pub left_out: BTreeSet<QualifiedName>,
    /// Who holds it, where it is not rowsafe's store.
    pub elsewhere: Option<Box<Elsewhere>>,
}

/// The scope of a snapshot that holds only the rows of the tables at risk.
pub const SCOPE_AT_RISK: &str = manifest::SCOPE_AT_RISK;

impl Kept {
    /// What the snapshot in the directory `path` holds.
    pub fn of(manifest: &Manifest, path: String) -> Self {
        let left_out = manifest.tables.iter().filter(|table| !table.kept);
        let holding = || manifest.tables.iter().filter(|table| table.holds_rows());
        // What something else holds was counted here at that moment, and never read back.
        let tables = match &manifest.elsewhere {
            None => manifest.verified.tables,
            Some(_) => holding().count() as u64,
        };
        Self {
            id: manifest.id.clone(),
            path,
            bytes: manifest.archive.bytes,
            dump_bytes: manifest.archive.dump_bytes,
            tables,
            rows: manifest.rows(),
            scope: manifest.scope.clone(),
            of_tables: holding().count() as u64,
            left_out: left_out.map(KeptTable::qualified).collect(),
            elsewhere: manifest.elsewhere.clone(),
        }
    }

    /// Whether it was read back, or found to be where it is held.
    pub fn is_verified(&self) -> bool {
        self.elsewhere.as_ref().is_none_or(|elsewhere| elsewhere.is_verified())
    }

    /// What of the time before the run it holds, in words.
    pub fn holding(&self) -> String {
        if self.scope == SCOPE_AT_RISK {
            format!("the {} of what was at risk", plural(self.rows, "row"))
        } else {
            "everything".to_owned()
        }
    }
}

/// What a restore in place would do, and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The snapshot's id.
    pub snapshot: String,
    /// The database it is of.
    pub database: String,
    /// When it was taken, UTC.
    pub created_at: jiff::Timestamp,
    /// The revisions at that moment.
    pub revisions: Vec<String>,
    /// `missing` or `replace`.
    pub mode: &'static str,
    /// The tables that differ from the snapshot.
    pub tables: Vec<RestoreTable>,
    /// Tables that do not.
    pub same: u64,
    /// What comes along with tables that are gone: types, functions, views.
    pub along: Vec<String>,
    /// The snapshot of the present state, with which the restore can be taken back.
    pub present: Option<Kept>,
    /// Whether it was done.
    pub is_done: bool,
}

/// What a restore would do with one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreTable {
    /// The table, as it is called now.
    pub name: QualifiedName,
    /// What it was called in the snapshot, where it has another name now.
    pub was: Option<QualifiedName>,
    /// Rows in the snapshot.
    pub rows: u64,
    /// What is there now.
    pub fate: Fate,
    /// What would be done with it.
    pub changed: Changed,
}

/// What an exchange of databases would do, before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapPlan {
    /// The snapshot's id.
    pub snapshot: String,
    /// When it was taken, UTC.
    pub created_at: jiff::Timestamp,
    /// The database.
    pub database: String,
    /// The new one, until it gets the database's name.
    pub new: String,
    /// What the old one is called from then on.
    pub kept: String,
    /// All rows now.
    pub rows_now: u64,
    /// All rows in the snapshot.
    pub rows_then: u64,
    /// Who is connected and will be disconnected, as `role (application)`.
    pub sessions: Vec<String>,
    /// What the new database does not take over, a sentence each.
    pub stays: Vec<String>,
}

/// What is there now of a table that a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it is made again, with all that belongs to it.
    Gone,
    /// The table.
    There,
    /// The table is gone or empty, and its rows are not in the snapshot.
    NotKept,
}

impl Fate {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::There => "there",
            Self::NotKept => "not-kept",
        }
    }
}

/// What is done with the rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Rows that are put back.
    pub insert: u64,
    /// Values that are put back where there is NULL now, by column.
    pub fill: Vec<(String, u64)>,
    /// The columns of those, by number in the snapshot.
    pub filled: BTreeSet<i16>,
    /// Columns that are made again, with the values that they held.
    pub columns: Vec<(String, u64)>,
    /// Rows of now that the snapshot does not have, and that stay.
    pub newer: u64,
    /// Rows of now that hold other values than in the snapshot, and keep them.
    pub changed: u64,
    /// Rows that are overwritten.
    pub overwrite: u64,
    /// Rows that are deleted.
    pub delete: u64,
    /// What cannot be done.
    pub cannot: Vec<Cannot>,
}

/// Something that cannot be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cannot {
    /// Rows that stay away.
    pub rows: u64,
    /// Values that stay away.
    pub values: u64,
    /// What it is, and why.
    pub why: String,
}

impl Changed {
    /// Whether nothing is written.
    pub fn is_nothing(&self) -> bool {
        self.insert == 0
            && self.fill.is_empty()
            && self.columns.is_empty()
            && self.overwrite == 0
            && self.delete == 0
    }

    /// Whether the table holds all that the snapshot holds, and nothing else where it is to be so.
    pub fn is_same(&self) -> bool {
        self.is_nothing() && self.cannot.is_empty()
    }

    /// Values that are put back into rows that are there.
    pub fn values(&self) -> u64 {
        self.fill.iter().chain(&self.columns).map(|(_, values)| values).sum()
    }
}

impl RestorePlan {
    /// What cannot be done, table by table.
    pub fn cannot(&self) -> impl Iterator<Item = (&RestoreTable, &Cannot)> {
        self.tables
            .iter()
            .flat_map(|table| table.changed.cannot.iter().map(move |cannot| (table, cannot)))
    }

    /// Adds what turned out to be in the way while it was done.
    pub fn add(&mut self, cannot: &[(QualifiedName, Cannot)]) {
        for (name, cannot) in cannot {
            if let Some(table) = self.tables.iter_mut().find(|table| table.name == *name) {
                table.changed.cannot.push(cannot.clone());
            }
        }
    }

    /// Whether nothing is written.
    pub fn is_nothing(&self) -> bool {
        let is_written =
            |table: &RestoreTable| table.fate == Fate::Gone || !table.changed.is_nothing();
        !self.tables.iter().any(is_written)
    }
}

/// How the migration command ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildOutcome {
    /// Its exit code, when it ended by itself.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// It was still running when rowsafe stopped waiting for it.
    pub is_abandoned: bool,
}

impl ChildOutcome {
    /// It ended by itself and said that all is well.
    pub fn succeeded(&self) -> bool {
        self.exit == Some(0) && !self.is_abandoned
    }
}

/// One step and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name: `plan`, `inventory`, `snapshot`, `verify`, `command`, `compare`.
    pub name: &'static str,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// The answer: the last line.
#[derive(Debug, Clone)]
pub struct Answer {
    /// One word.
    pub verdict: Verdict,
    /// How the process exits.
    pub exit: Exit,
    /// One sentence that stands alone.
    pub sentence: String,
    /// What to do next, in the order to try it.
    pub hints: Vec<String>,
}

/// The answer in one word; the words of the JSON contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is accounted for.
    Ok,
    /// Nothing was run.
    Blocked,
    /// The command failed, nothing was lost.
    Failed,
    /// Rows, columns or values are gone that nobody had named.
    Lost,
    /// Something was gone that nobody had named, and was put back.
    Restored,
    /// Interrupted, nothing was lost.
    Stopped,
    /// rowsafe could not do its part.
    Error,
}

impl Verdict {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Restored => "restored",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

impl Record {
    /// A record of a command that starts now.
    pub fn start(command: &'static str, run_id: String) -> Self {
        Self { command, run_id, started_at: jiff::Timestamp::now(), ..Self::default() }
    }

    /// Notes how long a step took.
    pub fn timed(&mut self, name: &'static str, since: std::time::Instant) {
        self.phases.push(Phase { name, seconds: since.elapsed().as_secs_f64() });
    }

    /// The database's name, where one was reached.
    pub fn database_name(&self) -> &str {
        self.database.as_ref().map_or("the database", |reached| &reached.identity.database)
    }
}

/// One thing that `rowsafe doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `connection`, `rights`.
    pub name: &'static str,
    /// How it is.
    pub status: CheckStatus,
    /// One sentence.
    pub message: String,
    /// What to do, first thing first.
    pub hints: Vec<String>,
}

/// How something is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Worth doing something about.
    Warning,
    /// A run would fail, or would not be safe.
    Failed,
}

impl CheckStatus {
    /// Every status, the best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Note, Self::Warning, Self::Failed];

    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// Numbers to watch over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vitals {
    /// The database that was asked for, reached or not.
    pub database: String,
    /// When the last verified snapshot of everything was taken.
    pub last_snapshot: Option<jiff::Timestamp>,
    /// How many seconds the last restore took, that of a whole snapshot where there was one.
    pub restore_seconds: Option<f64>,
    /// All rows, counted.
    pub rows: Option<u64>,
    /// Bytes of the database.
    pub bytes: Option<u64>,
}
