//! What the traces of a loss say: how many rows there should be, what became of them, and why.
//!
//! # What each statement leaves behind
//!
//! Measured on PostgreSQL 15 and 18, which agree. `ins` and `del` are `n_tup_ins` and `n_tup_del` of
//! `pg_stat_user_tables`, *file* is whether `relfilenode` still equals `oid`.
//!
//! | what was done to a table with 10 inserts | ins | del | live | file |
//! |---|---|---|---|---|
//! | nothing | 10 | 0 | 10 | first |
//! | COPY of 10 more | 20 | 0 | 20 | first |
//! | INSERT of 7 more, rolled back | 17 | 0 | 10 | first |
//! | UPDATE | 10 | 0 | 10 | first |
//! | DELETE of all | 10 | 10 | 0 | first |
//! | DELETE of all, rolled back | 10 | 10 | 10 | first |
//! | ON DELETE CASCADE of 6 | 10 | 6 | 4 | first |
//! | TRUNCATE, or taken along by TRUNCATE … CASCADE | 10 | 0 | 0 | new |
//! | TRUNCATE, rolled back | 10 | 0 | 10 | first |
//! | INSERT of 4 more and TRUNCATE in one transaction | 10 | 0 | 0 | new |
//! | TRUNCATE and INSERT of 3 in one transaction | 13 | 0 | 3 | new |
//! | VACUUM FULL, CLUSTER, ALTER COLUMN … TYPE | 10 | 0 | 10 | new |
//! | DROP TABLE and CREATE TABLE | 0 | 0 | 0 | first |
//! | pg_restore into a new database | 10 | 0 | 10 | first |
//! | CREATE DATABASE … TEMPLATE, pg_stat_reset() | 0 | 0 | 10 | as it was |
//!
//! Partitions count on their own; the partitioned table itself counts nothing. Two conclusions carry
//! everything here. While a table has its first file, its rows have left by a counted DELETE or not
//! at all, so that fewer rows than `ins - del` are inserts that were rolled back. And a table that
//! was dropped and made again has no past: only a record of it can tell.
//!
//! `n_live_tup` is no proof: TRUNCATE and INSERT in two transactions of one session left it at 12
//! where 2 rows were. TRUNCATE writes the catalogue's row of the table anew, so that tables whose
//! rows there were written by one transaction were truncated together. And whoever reads a table
//! clears it of rows that were deleted: `SELECT count(*)` in a READ ONLY transaction removed 986 of
//! 1,000 deleted rows from their pages.

pub mod explain;
pub mod judge;
pub mod remembered;
mod severity;

pub use explain::{Explanation, Likelihood};
pub use judge::{Expected, Judged, Status, judge};
pub use severity::{Severity, severity};

use crate::text::QualifiedName;

/// Seconds since 1970, UTC.
pub type Moment = i64;

/// What is known of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Schema and name, as they are now where it is there.
    pub name: QualifiedName,
    /// What the catalogue and the statistics say; `None` when there is no such table any more.
    pub there: Option<There>,
    /// How many rows it holds.
    pub rows: Rows,
    /// What was counted in it before, the newest first.
    pub recorded: Vec<Recorded>,
    /// The configuration says that its rows come and go.
    pub is_volatile: bool,
    /// The configuration says that it never holds fewer.
    pub min_rows: Option<u64>,
}

/// What the catalogue and the statistics say of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct There {
    /// Its oid, which is that of its first file too.
    pub oid: u32,
    /// Its file, where it has one.
    pub filenode: u32,
    /// The topmost partitioned table above a partition.
    pub root: Option<u32>,
    /// How many transactions ago its row in the catalogue was written.
    pub age: u64,
    /// The transaction that wrote its row in the catalogue.
    pub writer: u32,
    /// When that was, where the server keeps such times.
    pub written_at: Option<Moment>,
    /// Rows inserted, those that were rolled back too.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted, those that were rolled back too.
    pub deleted: u64,
    /// Rows that are dead and were not vacuumed away, as far as the statistics know.
    pub dead: u64,
    /// Rows that live, as far as the statistics know.
    pub live: u64,
    /// The highest number that a sequence of its columns has given out.
    pub ids: Option<u64>,
    /// It held rows when it was analyzed: there are statistics of its columns.
    pub was_analyzed: bool,
    /// The last VACUUM, by hand or by itself.
    pub vacuumed_at: Option<Moment>,
    /// The last ANALYZE, by hand or by itself.
    pub analyzed_at: Option<Moment>,
    /// It is unlogged: a crash of the server empties it.
    pub is_unlogged: bool,
    /// A migration tool keeps its revision in it.
    pub is_of_tool: bool,
}

impl There {
    /// It was neither truncated nor rewritten since it was made.
    pub fn has_first_file(&self) -> bool {
        self.filenode == self.oid
    }
}

/// How many rows a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Exactly so many.
    Counted(u64),
    /// So many as far as the statistics know; why it was not counted.
    Estimated(u64, &'static str),
    /// It could not be read, for this reason.
    Unknown(String),
}

impl Rows {
    /// The number, where there is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Counted(rows) | Self::Estimated(rows, _) => Some(*rows),
            Self::Unknown(_) => None,
        }
    }
}

/// What was counted in a table at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How many rows.
    pub rows: u64,
    /// When.
    pub at: Moment,
    /// Where that is written.
    pub source: Source,
    /// The table's oid then.
    pub oid: u32,
    /// Its file then, where that was noted.
    pub filenode: Option<u32>,
    /// It was counted in this very database, not in one of the same name before.
    pub is_here: bool,
}

/// Where an expectation comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Inserts less deletes, from the statistics views.
    Statistics,
    /// The record that the last run left.
    Record,
    /// The manifest of this snapshot.
    Snapshot(String),
    /// `min-rows` of the configuration.
    Threshold,
}

impl Source {
    /// One word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Statistics => "statistics",
            Self::Record => "record",
            Self::Snapshot(_) => "snapshot",
            Self::Threshold => "threshold",
        }
    }
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The table that refers, by oid.
    pub child: u32,
    /// The table that is referred to, by oid.
    pub parent: u32,
    /// What happens to rows of the child when those of the parent are deleted: `CASCADE`.
    pub on_delete: &'static str,
}

/// Whether there was anything to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// The database was reached.
    #[default]
    Reached,
    /// The server answers, and the database is not there.
    Missing,
    /// Nobody could look.
    Unreachable,
}

/// Whether it is the database on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sameness {
    /// It is, or nothing is on record.
    #[default]
    Same,
    /// Another server answers: on a new data directory, or another machine.
    OtherServer,
    /// It was dropped and created again on the same server.
    Recreated,
    /// The server was put back to an older state.
    Older,
}

/// How the database stands against what is on record of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// Whether it is there.
    pub presence: Presence,
    /// Whether it is the one on record.
    pub sameness: Sameness,
    /// What differs from the record, a sentence each.
    pub differences: Vec<String>,
    /// When the server's data directory was made.
    pub initialized_at: Option<Moment>,
    /// When the record was made.
    pub recorded_at: Option<Moment>,
    /// When the statistics were reset, where somebody did that.
    pub statistics_reset_at: Option<Moment>,
}

impl Whole {
    /// The server answers, and the database is not there.
    pub fn is_missing(&self) -> bool {
        self.presence == Presence::Missing
    }

    /// Nobody could look.
    pub fn is_unreachable(&self) -> bool {
        self.presence == Presence::Unreachable
    }

    /// It is not the database that is on record.
    pub fn is_another(&self) -> bool {
        self.sameness != Sameness::Same
    }
}

/// A destructive statement that the server remembers (`pg_stat_statements`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its text, without values.
    pub text: String,
    /// The rule that it falls under.
    pub rule: &'static str,
    /// The table it is about, where that is known.
    pub table: Option<QualifiedName>,
    /// How often it was run.
    pub calls: u64,
    /// Rows that it changed in all.
    pub rows: u64,
    /// Who ran it.
    pub role: Option<String>,
}

/// A session on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its process on the server.
    pub pid: i32,
    /// Who.
    pub role: Option<String>,
    /// What it calls itself.
    pub application: String,
    /// Where it comes from; nothing for the server's own machine.
    pub client: Option<String>,
    /// Since when, where the role may see it.
    pub since: Option<Moment>,
    /// What it does, where the role may see it.
    pub state: Option<String>,
}

/// A run of rowsafe that the journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSeen {
    /// Its id.
    pub id: String,
    /// When it began.
    pub at: Moment,
    /// What it ran, passwords masked.
    pub command: String,
    /// The numeric id of the user who started it.
    pub user: Option<u32>,
    /// The machine it ran on.
    pub host: String,
    /// How it ended: the answer and the exit code, or that it has no end.
    pub outcome: String,
    /// What it was told would be destroyed, as `rule object`.
    pub findings: Vec<String>,
}

/// Something looked at: a name and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What was looked at.
    pub name: &'static str,
    /// What it says.
    pub text: String,
}

/// A foreign key that a missing table has a part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The key's name.
    pub key: String,
    /// The table that refers.
    pub child: QualifiedName,
    /// The table that is referred to.
    pub parent: QualifiedName,
    /// What happens to rows of the child when those of the parent are deleted.
    pub on_delete: &'static str,
}

/// Where rows of a table still are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// The table.
    pub table: QualifiedName,
    /// The snapshot, how many of its rows it holds, and when it was taken.
    pub snapshot: Option<(String, u64, Moment)>,
    /// Commands, the first one first; without a snapshot there are none.
    pub commands: Vec<String>,
    /// Deleted rows that may still be in the table's file.
    pub dead: u64,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When: `now`, `scope`, `restore`, `verify`, `later`.
    pub phase: &'static str,
    /// What, in one sentence.
    pub what: String,
    /// Commands, ready to be pasted.
    pub commands: Vec<String>,
}

/// Something that happened at a known time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Moment,
    /// What.
    pub what: String,
}

/// Everything that is reported of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// How bad it is.
    pub severity: Severity,
    /// The rule that decided that, in one sentence.
    pub rule: String,
    /// Every table, the worst first.
    pub tables: Vec<Judged>,
    /// Foreign keys between what is missing and the rest.
    pub relations: Vec<Relation>,
    /// What was looked at besides.
    pub facts: Vec<Fact>,
    /// Who is connected.
    pub sessions: Vec<Session>,
    /// Destructive statements that the server remembers.
    pub statements: Vec<Remembered>,
    /// Runs of rowsafe on this database, the newest first.
    pub runs: Vec<RunSeen>,
    /// Why rows are missing, the likeliest first.
    pub explanations: Vec<Explanation>,
    /// Where the missing rows still are.
    pub ways_back: Vec<WayBack>,
    /// What happened when.
    pub timeline: Vec<Happened>,
    /// What to do.
    pub steps: Vec<Step>,
    /// What could not be looked at, and what that means.
    pub unseen: Vec<String>,
}

impl Incident {
    /// The tables that miss rows.
    pub fn missing(&self) -> impl Iterator<Item = &Judged> {
        self.tables.iter().filter(|table| table.misses())
    }
}
