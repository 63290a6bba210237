//! What a statement does to data, as a value.
//!
//! Reading fails closed: the kinds of statements that destroy nothing are listed one by one, every
//! other one is [`Effect::Opaque`], and a keyword tripwire looks over the reader's shoulder.

mod alter;
pub mod batch;
mod body;
pub mod called;
mod calls;
mod clear;
mod client;
mod copy;
pub mod demands;
mod grammar;
mod insert;
mod new_row;
mod query;
mod reach;
mod read;
pub mod selection;
#[cfg(test)]
mod soup;
mod successor;
mod switch;
mod tokens;
pub mod touches;
mod tripwire;
mod truth;
mod used;
mod utility;

pub use body::rule_actions;
pub use copy::source_of;
pub use new_row::sets_of_new;
pub use read::read;
pub use used::Used;

use crate::text::QualifiedName;

/// What one statement does to data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the sentence of a variant names its fields")]
pub enum Effect {
    /// `DROP TABLE`.
    DropTable { table: QualifiedName, cascade: bool },
    /// `DROP MATERIALIZED VIEW`: rows that its query can compute again.
    DropMaterializedView { view: QualifiedName, cascade: bool },
    /// `ALTER TABLE … DROP COLUMN`.
    DropColumn { table: QualifiedName, column: String, cascade: bool },
    /// `DROP SCHEMA`.
    DropSchema { schema: String, cascade: bool },
    /// `DROP DATABASE`.
    DropDatabase { database: String },
    /// `DROP TYPE` or `DROP DOMAIN`.
    DropType { name: QualifiedName, domain: bool, cascade: bool },
    /// `ALTER TYPE … DROP ATTRIBUTE`.
    DropAttribute { name: QualifiedName, attribute: String, cascade: bool },
    /// `DROP EXTENSION`.
    DropExtension { name: String, cascade: bool },
    /// `DROP OWNED BY`.
    DropOwned { roles: Vec<String>, cascade: bool },
    /// `DROP … CASCADE` of what holds no rows itself: columns and tables that use it go along.
    /// `arguments`, as they are written, tell functions of one name apart.
    DropUsed { what: Used, name: QualifiedName, arguments: Option<Vec<String>> },
    /// `ALTER TABLE … DETACH PARTITION` or `NO INHERIT`: the rows leave the parent but stay in their
    /// table.
    DetachPartition { parent: QualifiedName, partition: QualifiedName },
    /// `TRUNCATE` of one table.
    Truncate { table: QualifiedName, only: bool, cascade: bool },
    /// `DELETE`.
    Delete { table: QualifiedName, reach: Reach },
    /// `UPDATE`.
    Update { table: QualifiedName, columns: Vec<String>, reach: Reach },
    /// `MERGE` with a `DELETE` or `UPDATE` branch.
    Merge { table: QualifiedName, deletes: bool },
    /// `INSERT … ON CONFLICT DO UPDATE`.
    Upsert { table: QualifiedName, columns: Vec<String> },
    /// Rows are added: INSERT, COPY, MERGE. Nothing is lost by that, but triggers fire.
    Insert { table: QualifiedName },
    /// An UPDATE of columns that hold nothing where it reaches, or get the value that they have:
    /// nothing is lost by that, but triggers fire.
    Fill { table: QualifiedName, columns: Vec<String> },
    /// `ALTER TABLE … ALTER COLUMN … TYPE`.
    ChangeType { table: QualifiedName, column: String, to: String, using: Option<String> },
    /// `ALTER TABLE … SET UNLOGGED`: the rows are gone after a crash.
    SetUnlogged { table: QualifiedName },
    /// A call of a large-object function that destroys, such as `lo_unlink`.
    UnlinkLargeObject { call: String },
    /// A function or procedure that is not PostgreSQL's own is called.
    CallsFunction { name: QualifiedName },
    /// `CREATE TABLE`, in any form; `temporary` ones and those born in this batch hold no risk.
    /// `IF NOT EXISTS` proves no birth, `ON COMMIT DROP` ends with the transaction.
    CreateTable { table: QualifiedName, temporary: bool, if_not_exists: bool, until_commit: bool },
    /// `CREATE SCHEMA`.
    CreateSchema { schema: String },
    /// `CREATE TYPE` or `CREATE DOMAIN`.
    CreateType { name: QualifiedName },
    /// `ALTER TYPE` or `ALTER DOMAIN … RENAME TO` (or `SET SCHEMA`).
    RenameType { from: QualifiedName, to: QualifiedName },
    /// `ATTACH PARTITION` or `INHERIT`: what happens to the parent from here on reaches the other.
    AttachPartition { parent: QualifiedName, partition: QualifiedName },
    /// `ALTER TABLE … ADD COLUMN`, without `IF NOT EXISTS`.
    AddColumn { table: QualifiedName, column: String },
    /// `ALTER TABLE … RENAME TO` (or `SET SCHEMA`).
    RenameTable { from: QualifiedName, to: QualifiedName },
    /// `ALTER TABLE … RENAME COLUMN`.
    RenameColumn { table: QualifiedName, from: String, to: String },
    /// Rows of one table are copied into another.
    CopyRows { from: QualifiedName, to: QualifiedName, leaves_out: LeavesOut },
    /// `CREATE TABLE … PARTITION OF`: it holds a part of the parent's rows.
    PartitionOf { parent: QualifiedName, partition: QualifiedName },
    /// A foreign key that changes or deletes rows of `child` when a row of `parent` is deleted.
    Follows { child: QualifiedName, parent: QualifiedName },
    /// The end of a transaction that keeps what it did.
    Commit,
    /// From here on a name may mean another object than before (`ROLLBACK`, `SET search_path`).
    NamesMoved { why: String },
    /// `CREATE FUNCTION` or `PROCEDURE`: what every call of it does from here on. Parameters as they
    /// are written, to tell functions of one name apart.
    DefinesFunction { name: QualifiedName, parameters: String, effects: Vec<Effect> },
    /// A trigger or rule of a table is turned on or off, or all of them (no name); without a table an
    /// event trigger, and without a name what a session fires at all.
    Switches { table: Option<QualifiedName>, name: Option<String>, on: bool },
    /// `PREPARE`: what every EXECUTE of it does from here on.
    Prepares { name: String, effects: Vec<Effect> },
    /// `EXECUTE` of a prepared statement.
    ExecutesPrepared { name: String },
    /// What was made under a condition, at its end: it may be older than this batch.
    PerhapsOlder { births: Vec<Effect> },
    /// SQL that is built at run time (`EXECUTE` of something that is not constant).
    DynamicSql { why: String },
    /// A psql meta-command that can change data or read other files.
    ClientCommand { command: String },
    /// Could not be read; the reason says why.
    Opaque { why: String },
}

/// What does not come along when rows are copied; a later variant is worse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeavesOut {
    /// Every row and every column is copied.
    Nothing,
    /// Every row, but perhaps not every column: these are copied.
    Columns(String),
    /// Not every row, as this says.
    Rows(String),
}

/// Which rows a DELETE or UPDATE can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every row: no WHERE, one that is always true, or a join without a condition.
    All {
        /// Why it reaches all, for the message: `no WHERE`, `WHERE true`.
        why: String,
    },
    /// The rows that the condition selects.
    Some {
        /// The condition as written.
        condition: String,
    },
}
