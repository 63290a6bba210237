//! Inventory before + inventory after + what was planned → every row accounted for, or not.

mod columns;
mod meanwhile;
mod plan;
mod table;

pub use meanwhile::{Meanwhile, attribute};

use std::collections::BTreeMap;

use crate::inventory::{Inventory, Table, TableKind};
use crate::loss::{LARGE_OBJECTS, TableLoss};
use crate::text::QualifiedName;
use crate::text::number::plural;
use crate::values::TableValues;
use plan::Plan;

/// What became of everything that was there, and of what came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Every table of either inventory, ordered by name before.
    pub tables: Vec<TableChange>,
    /// Large objects before and after.
    pub large_objects: (u64, u64),
    /// What is below a threshold now, agreed to or not; empty when nothing is.
    pub breaches: Vec<String>,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// Its name before; after, where it is new.
    pub name: QualifiedName,
    /// Its name after, where that changed.
    pub renamed_to: Option<QualifiedName>,
    /// What happened to its rows.
    pub status: Status,
    /// Rows before; `None` for a new table.
    pub rows_before: Option<u64>,
    /// Rows after; `None` for a table that is gone.
    pub rows_after: Option<u64>,
    /// Columns that went, came, or were dropped and added again.
    pub columns: Vec<ColumnChange>,
    /// Whether every loss of it was named beforehand.
    pub planned: bool,
    /// What was lost, in words; empty when nothing was.
    pub losses: Vec<Lost>,
    /// A materialised view: derived, so what goes of it is no loss.
    pub is_derived: bool,
    /// How closely it was looked at.
    pub compared: Compared,
    /// The columns in which values went, where they were compared.
    pub values: Vec<ValuesGone>,
}

/// How closely a table was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compared {
    /// Its rows were counted and its columns listed.
    #[default]
    Counts,
    /// The server's statistics show that no row of it was changed or deleted.
    Untouched,
    /// Every row and every value was compared.
    Values,
    /// One of so many rows was compared, value by value.
    Sampled(u64),
}

impl Compared {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Untouched => "untouched",
            Self::Values => "values",
            Self::Sampled(_) => "sampled",
        }
    }
}

/// The values of a column that went while their rows stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesGone {
    /// The column's name before.
    pub column: String,
    /// Values that are others now.
    pub overwritten: u64,
    /// Values that are NULL now.
    pub wiped: u64,
}

/// One thing that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What kind of thing.
    pub kind: LostKind,
    /// In words: `88,120 rows of sessions`.
    pub what: String,
    /// The column, where it is one, or values of one.
    pub column: Option<String>,
    /// Rows that are gone; zero for a column.
    pub rows: u64,
    /// Values that are gone while their rows stayed, as far as they were counted.
    pub values: u64,
    /// Whether the plan named it.
    pub planned: bool,
    /// Who may have done it.
    pub by: By,
}

/// The kinds of things that can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostKind {
    /// A table with its rows.
    Table,
    /// Rows of a table that stays, or large objects.
    Rows,
    /// A column with its values.
    Column,
    /// Values in a column that stays.
    Values,
}

/// Who may have taken what is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// The migration: nobody else wrote.
    #[default]
    Migration,
    /// The migration or other sessions, which wrote at the same time.
    Either,
    /// Other sessions.
    Others,
}

impl By {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Either => "either",
            Self::Others => "others",
        }
    }
}

/// What happened to a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// As many rows as before.
    Intact,
    /// More rows.
    Grew,
    /// Fewer rows, but some.
    Shrank,
    /// It had rows and has none.
    Wiped,
    /// It is gone.
    Dropped,
    /// Another table has its name (a new oid).
    Recreated,
    /// The same table under another name, with as many rows as before.
    Renamed,
    /// It was not there before.
    Created,
}

impl Status {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Grew => "grew",
            Self::Shrank => "shrank",
            Self::Wiped => "wiped",
            Self::Dropped => "dropped",
            Self::Recreated => "recreated",
            Self::Renamed => "renamed",
            Self::Created => "created",
        }
    }
}

/// What happened to a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnChange {
    /// Its name: before, or after for a new one.
    pub name: String,
    /// What happened.
    pub status: ColumnStatus,
}

/// What can happen to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnStatus {
    /// It is gone.
    Dropped,
    /// Another column has its name (a new attnum): its values are gone.
    Recreated,
    /// It was not there before.
    Added,
    /// The same column under another name.
    Renamed,
    /// The same column with another type.
    Retyped,
}

impl ColumnStatus {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Recreated => "recreated",
            Self::Added => "added",
            Self::Renamed => "renamed",
            Self::Retyped => "retyped",
        }
    }
}

impl Comparison {
    /// What was lost and not named beforehand, less what others changed meanwhile.
    pub fn unplanned(&self) -> Vec<&Lost> {
        self.losses().filter(|lost| !lost.planned && lost.by != By::Others).collect()
    }

    /// What others changed or deleted meanwhile.
    pub fn meanwhile(&self) -> Vec<&Lost> {
        self.losses().filter(|lost| !lost.planned && lost.by == By::Others).collect()
    }

    /// Everything that was lost.
    pub fn losses(&self) -> impl Iterator<Item = &Lost> {
        self.tables.iter().flat_map(|table| &table.losses)
    }

    /// Whether the two inventories show any difference at all.
    pub fn is_unchanged(&self) -> bool {
        self.large_objects.0 == self.large_objects.1
            && self.tables.iter().all(|table| {
                let is_same = table.status == Status::Intact && table.columns.is_empty();
                is_same && table.values.is_empty() && table.losses.is_empty()
            })
    }
}

/// What is known of the values, besides rows and columns.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// What became of the values, by table; of partitions under their root.
    pub values: BTreeMap<u32, TableValues>,
    /// Of tables that could not be compared: rows that the server counts as updated and deleted.
    pub written: BTreeMap<u32, (u64, u64)>,
}

/// Compares two inventories; `planned` is what the agreed findings take, `bookkeeping` the oids of
/// the migration tool's own version tables, whose rows come and go.
pub fn compare(
    before: &Inventory,
    after: &Inventory,
    planned: &[TableLoss],
    bookkeeping: &[u32],
    looked: &Looked,
) -> Comparison {
    let plan = Plan::of(before, after, planned, bookkeeping, looked);
    let mut tables: Vec<TableChange> =
        before.tables.iter().map(|table| table::change(table, after, &plan)).collect();
    let is_new = |table: &&Table| {
        let namesake = before.named(&table.name);
        before.table(table.oid).is_none()
            && namesake.is_none_or(|namesake| after.table(namesake.oid).is_some())
    };
    tables.extend(after.tables.iter().filter(is_new).map(created));
    let large_objects = (before.large_objects, after.large_objects);
    if large_objects.1 < large_objects.0 {
        tables.push(large_objects_gone(large_objects, &plan));
    }
    Comparison { tables, large_objects, breaches: Vec::new() }
}

fn created(table: &Table) -> TableChange {
    TableChange {
        name: table.name.clone(),
        renamed_to: None,
        status: Status::Created,
        rows_before: None,
        rows_after: Some(table.rows),
        columns: Vec::new(),
        planned: true,
        losses: Vec::new(),
        is_derived: table.kind == TableKind::MaterializedView,
        compared: Compared::Counts,
        values: Vec::new(),
    }
}

/// Large objects are in no table; `pg_largeobject` stands for them in the report.
fn large_objects_gone((before, after): (u64, u64), plan: &Plan) -> TableChange {
    let gone = before - after;
    let planned = plan.takes_rows(LARGE_OBJECTS, gone);
    let what = plural(gone, "large object");
    let kind = LostKind::Rows;
    let lost = Lost { kind, what, column: None, rows: gone, values: 0, planned, by: By::Migration };
    TableChange {
        name: QualifiedName::new("pg_catalog", "pg_largeobject_metadata"),
        renamed_to: None,
        status: if after == 0 { Status::Wiped } else { Status::Shrank },
        rows_before: Some(before),
        rows_after: Some(after),
        columns: Vec::new(),
        planned,
        losses: vec![lost],
        is_derived: false,
        compared: Compared::Counts,
        values: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
