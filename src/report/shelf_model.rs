//! Snapshots of a store as other programs read of them: `snapshots` of a report, and the list.

use serde::Serialize;

use super::shelf::name;
use crate::record::Record;
use crate::record::shelf::{Checked, Item, Manifest, Written};

/// A snapshot of the store.
#[derive(Debug, Serialize)]
pub struct Shelved<'a> {
    id: &'a str,
    path: &'a str,
    /// `good`, `damaged` or `half-written`.
    state: &'static str,
    problem: Option<&'a str>,
    taken_at: String,
    bytes: u64,
    /// What its manifest says; null where that can't be read.
    database: Option<DatabaseModel<'a>>,
    revisions: &'a [String],
    command: &'a [String],
    scope: Option<&'a str>,
    tables: Option<u64>,
    of_tables: Option<u64>,
    rows: Option<u64>,
    dump_bytes: Option<u64>,
    /// When it was last read back and counted.
    verified_at: Option<String>,
    /// When it was last restored into a scratch database and counted.
    restored_at: Option<String>,
    /// Why the last attempt to restore it failed.
    not_restored: Option<&'a str>,
    /// The driver that holds its rows, where it is not the store.
    held_by: Option<&'a str>,
    /// Why it may not be removed.
    held: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<Contents<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<CheckedModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stays: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct DatabaseModel<'a> {
    name: &'a str,
    oid: u32,
    /// A string, because JSON's numbers are too small for it.
    system_identifier: Option<String>,
    server: &'a str,
    server_version: &'a str,
}

#[derive(Debug, Serialize)]
struct Contents<'a> {
    git_commit: Option<&'a str>,
    rowsafe_version: &'a str,
    pg_dump_version: &'a str,
    large_objects: u64,
    tables: Vec<TableModel<'a>>,
}

#[derive(Debug, Serialize)]
struct TableModel<'a> {
    schema: &'a str,
    name: &'a str,
    kind: &'a str,
    rows: u64,
    kept: bool,
}

#[derive(Debug, Serialize)]
struct CheckedModel<'a> {
    /// `read-back` or `restored`.
    how: &'static str,
    rows: u64,
    seconds: f64,
    problem: Option<&'a str>,
}

/// A file of a schedule.
#[derive(Debug, Serialize)]
pub struct FileModel<'a> {
    path: &'a str,
    text: &'a str,
    /// `shown`, `written` or `unchanged`.
    done: &'static str,
}

impl<'a> FileModel<'a> {
    /// The file as it was shown or written.
    pub fn of(written: &'a Written) -> Self {
        Self { path: &written.path, text: &written.text, done: written.done }
    }
}

/// The snapshots that a record speaks of.
pub(super) fn snapshots(record: &Record) -> Vec<Shelved<'_>> {
    let shows_all = record.command == "snapshot show";
    record.shelf.iter().map(|item| shelved(item, shows_all)).collect()
}

fn shelved(item: &Item, shows_all: bool) -> Shelved<'_> {
    let manifest = item.manifest.as_ref();
    let text = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    let decision = item.decision.as_ref();
    let kept = item.kept.as_ref();
    Shelved {
        id: &item.id,
        path: &item.location,
        state: name(item.state),
        problem: item.problem.as_deref(),
        taken_at: item.taken.to_string(),
        bytes: item.bytes,
        database: manifest.map(database),
        revisions: manifest.map_or(&[], |manifest| &manifest.revisions),
        command: manifest.map_or(&[], |manifest| &manifest.command),
        scope: manifest.map(|manifest| manifest.scope.as_str()),
        tables: kept.map(|kept| kept.tables),
        of_tables: kept.map(|kept| kept.of_tables),
        rows: kept.map(|kept| kept.rows),
        dump_bytes: manifest.map(|manifest| manifest.archive.dump_bytes),
        verified_at: text(item.proofs.read_back),
        restored_at: text(item.proofs.restored),
        not_restored: item.proofs.not_restored.as_deref(),
        held_by: item.holder(),
        held: item.held.as_deref(),
        contents: manifest.filter(|_| shows_all).map(contents),
        checked: item.checked.as_ref().map(checked),
        stays: decision.map(|decision| decision.stays),
        why: decision.map(|decision| decision.why.as_str()),
    }
}

fn database(manifest: &Manifest) -> DatabaseModel<'_> {
    let database = &manifest.database;
    DatabaseModel {
        name: &database.name,
        oid: database.oid,
        system_identifier: database.system_identifier.map(|system| system.to_string()),
        server: &database.server,
        server_version: &database.server_version,
    }
}

fn contents(manifest: &Manifest) -> Contents<'_> {
    let tables = manifest.tables.iter().map(|table| TableModel {
        schema: &table.schema,
        name: &table.name,
        kind: &table.kind,
        rows: table.rows,
        kept: table.kept,
    });
    Contents {
        git_commit: manifest.git_commit.as_deref(),
        rowsafe_version: &manifest.rowsafe_version,
        pg_dump_version: &manifest.pg_dump_version,
        large_objects: manifest.large_objects,
        tables: tables.collect(),
    }
}

fn checked(checked: &Checked) -> CheckedModel<'_> {
    CheckedModel {
        how: if checked.is_restored { "restored" } else { "read-back" },
        rows: checked.rows,
        seconds: checked.seconds,
        problem: checked.problem.as_deref(),
    }
}
