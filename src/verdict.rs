//! Inventory before + inventory after + what was planned → every row accounted for, or not.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Inventory, Table, TableKind};
use crate::loss::{LARGE_OBJECTS, TableFate, TableLoss};
use crate::text::QualifiedName;
use crate::text::number::plural;

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
}

/// One thing that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// In words: `88,120 rows of sessions`.
    pub what: String,
    /// Rows that are gone; zero for a column.
    pub rows: u64,
    /// Whether the plan named it.
    pub planned: bool,
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
    /// What was lost and not named beforehand.
    pub fn unplanned(&self) -> Vec<&Lost> {
        self.losses().filter(|lost| !lost.planned).collect()
    }

    /// Everything that was lost.
    pub fn losses(&self) -> impl Iterator<Item = &Lost> {
        self.tables.iter().flat_map(|table| &table.losses)
    }

    /// Whether the two inventories show any difference at all.
    pub fn is_unchanged(&self) -> bool {
        self.large_objects.0 == self.large_objects.1
            && self
                .tables
                .iter()
                .all(|table| table.status == Status::Intact && table.columns.is_empty())
    }
}

/// Compares two inventories; `planned` is what the agreed findings take, `bookkeeping` the oids of
/// the migration tool's own version tables, whose rows come and go.
pub fn compare(
    before: &Inventory,
    after: &Inventory,
    planned: &[TableLoss],
    bookkeeping: &[u32],
) -> Comparison {
    let plan = Plan { settled: settled_trees(before, after), ..Plan::of(planned, bookkeeping) };
    let mut tables: Vec<TableChange> =
        before.tables.iter().map(|table| change(table, after, &plan)).collect();
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

/// What the plan says of each table.
struct Plan<'a> {
    fates: BTreeMap<u32, Vec<&'a TableFate>>,
    bookkeeping: &'a [u32],
    /// The partitioned tables that hold no fewer rows than before.
    settled: BTreeSet<u32>,
}

/// The partitioned tables whose partitions hold no fewer rows together than before.
fn settled_trees(before: &Inventory, after: &Inventory) -> BTreeSet<u32> {
    let sums = |inventory: &Inventory| {
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        for table in &inventory.tables {
            if let Some(root) = table.root {
                *sums.entry(root).or_default() += table.rows;
            }
        }
        sums
    };
    let now = sums(after);
    let held = |(root, rows): &(u32, u64)| now.get(root).is_some_and(|after| after >= rows);
    sums(before).into_iter().filter(held).map(|(root, _)| root).collect()
}

impl<'a> Plan<'a> {
    fn of(planned: &'a [TableLoss], bookkeeping: &'a [u32]) -> Self {
        let mut fates: BTreeMap<u32, Vec<&TableFate>> = BTreeMap::new();
        for loss in planned {
            fates.entry(loss.table).or_default().push(&loss.fate);
        }
        Self { fates, bookkeeping, settled: BTreeSet::new() }
    }

    /// Whether rows that a partition has fewer of went to its siblings: an UPDATE that the plan
    /// names may have changed their key, and all partitions together hold as many.
    fn moves_rows(&self, before: &Table, after: &Table) -> bool {
        before.root.is_some_and(|root| after.root == Some(root) && self.settled.contains(&root))
            && self.of_table(before.oid).iter().any(|fate| matches!(fate, TableFate::Values { .. }))
    }

    fn of_table(&self, oid: u32) -> &[&'a TableFate] {
        self.fates.get(&oid).map_or(&[], Vec::as_slice)
    }

    fn drops(&self, oid: u32, rows: u64) -> bool {
        self.of_table(oid).iter().any(|fate| match fate {
            TableFate::Dropped { limit } => limit.is_none_or(|most| rows <= most),
            _ => false,
        })
    }

    fn takes_rows(&self, oid: u32, gone: u64) -> bool {
        let mut limit = 0_u64;
        for fate in self.of_table(oid) {
            match fate {
                TableFate::Dropped { limit: None } | TableFate::Rows { limit: None } => {
                    return true;
                }
                TableFate::Dropped { limit: Some(most) }
                | TableFate::Rows { limit: Some(most) } => limit = limit.saturating_add(*most),
                TableFate::Columns(_) | TableFate::Values { .. } => {}
            }
        }
        gone <= limit
    }

    fn takes_column(&self, oid: u32, attnum: i16) -> bool {
        self.of_table(oid).iter().any(|fate| match fate {
            TableFate::Dropped { .. } => true,
            TableFate::Columns(attnums) => attnums.contains(&attnum),
            TableFate::Rows { .. } | TableFate::Values { .. } => false,
        })
    }
}

fn change(before: &Table, after: &Inventory, plan: &Plan) -> TableChange {
    match after.table(before.oid) {
        Some(same) => kept(before, same, plan),
        None => gone(before, after.named(&before.name), plan),
    }
}

/// The same table (its oid) on both sides.
fn kept(before: &Table, after: &Table, plan: &Plan) -> TableChange {
    let is_derived = before.kind == TableKind::MaterializedView;
    let (columns, mut losses) = columns(before, after, plan);
    let renamed_to = (after.name != before.name).then(|| after.name.clone());
    let status = match (before.rows, after.rows) {
        (a, b) if b > a => Status::Grew,
        (a, b) if a == b && renamed_to.is_some() => Status::Renamed,
        (a, b) if a == b => Status::Intact,
        (_, 0) => Status::Wiped,
        _ => Status::Shrank,
    };
    let fewer = before.rows.checked_sub(after.rows).filter(|rows| *rows > 0);
    if let Some(rows) = fewer.filter(|_| !plan.moves_rows(before, after)) {
        losses.insert(
            0,
            Lost {
                what: format!("{} of {}", plural(rows, "row"), before.name.short()),
                rows,
                planned: plan.takes_rows(before.oid, rows),
            },
        );
    }
    if is_derived || plan.bookkeeping.contains(&before.oid) {
        losses.clear();
    }
    finish(before, renamed_to, status, Some(after.rows), columns, losses)
}

/// The table is gone; another may have its name.
fn gone(before: &Table, namesake: Option<&Table>, plan: &Plan) -> TableChange {
    let status = if namesake.is_some() { Status::Recreated } else { Status::Dropped };
    let is_derived = before.kind == TableKind::MaterializedView;
    let mut losses = Vec::new();
    if !is_derived {
        let what = format!("table {} with {}", before.name.short(), plural(before.rows, "row"));
        losses.push(Lost { what, rows: before.rows, planned: plan.drops(before.oid, before.rows) });
    }
    finish(before, None, status, namesake.map(|table| table.rows), Vec::new(), losses)
}

fn finish(
    before: &Table,
    renamed_to: Option<QualifiedName>,
    status: Status,
    rows_after: Option<u64>,
    columns: Vec<ColumnChange>,
    losses: Vec<Lost>,
) -> TableChange {
    TableChange {
        name: before.name.clone(),
        renamed_to,
        status,
        rows_before: Some(before.rows),
        rows_after,
        columns,
        planned: losses.iter().all(|lost| lost.planned),
        losses,
        is_derived: before.kind == TableKind::MaterializedView,
    }
}

fn columns(before: &Table, after: &Table, plan: &Plan) -> (Vec<ColumnChange>, Vec<Lost>) {
    let mut changes = Vec::new();
    let mut losses = Vec::new();
    for column in &before.columns {
        let same = after.columns.iter().find(|other| other.attnum == column.attnum);
        let status = match same {
            Some(same) if same.name != column.name => ColumnStatus::Renamed,
            Some(same) if same.type_name != column.type_name => ColumnStatus::Retyped,
            Some(_) => continue,
            None if after.columns.iter().any(|other| other.name == column.name) => {
                ColumnStatus::Recreated
            }
            None => ColumnStatus::Dropped,
        };
        changes.push(ColumnChange { name: column.name.clone(), status });
        if matches!(status, ColumnStatus::Dropped | ColumnStatus::Recreated) {
            losses.push(Lost {
                what: format!("column {}.{}", before.name.short(), column.name),
                rows: 0,
                planned: plan.takes_column(before.oid, column.attnum),
            });
        }
    }
    let is_known = |name: &str| before.columns.iter().any(|column| column.name == name);
    let is_new = |attnum: i16| before.columns.iter().all(|column| column.attnum != attnum);
    for column in &after.columns {
        if is_new(column.attnum) && !is_known(&column.name) {
            changes.push(ColumnChange { name: column.name.clone(), status: ColumnStatus::Added });
        }
    }
    (changes, losses)
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
    }
}

/// Large objects are in no table; `pg_largeobject` stands for them in the report.
fn large_objects_gone((before, after): (u64, u64), plan: &Plan) -> TableChange {
    let gone = before - after;
    let planned = plan.takes_rows(LARGE_OBJECTS, gone);
    let lost = Lost { what: plural(gone, "large object"), rows: gone, planned };
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
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ColumnStatus, Comparison, Status, compare};
    use crate::inventory::{Column, Identity, Inventory, Table, TableKind};
    use crate::loss::{TableFate, TableLoss};
    use crate::text::QualifiedName;

    fn table(oid: u32, name: &str, rows: u64, columns: &[(i16, &str)]) -> Table {
        let column = |(attnum, name): &(i16, &str)| Column {
            attnum: *attnum,
            name: (*name).to_owned(),
            type_name: "text".to_owned(),
        };
        Table {
            oid,
            filenode: oid,
            name: QualifiedName::new("public", name),
            kind: TableKind::Ordinary,
            root: None,
            extension: None,
            rows,
            columns: columns.iter().map(column).collect(),
        }
    }

    fn inventory(tables: &[Table]) -> Inventory {
        let identity = Identity {
            system_identifier: None,
            database_oid: 1,
            database: "app".to_owned(),
            role: "app".to_owned(),
            server_version: "15.8".to_owned(),
            server_version_num: 150_008,
            is_standby: false,
            server_address: None,
            snapshot_xmax: 1,
        };
        Inventory { identity, tables: tables.to_vec(), large_objects: 0 }
    }

    fn check(before: &[Table], after: &[Table], planned: &[TableLoss]) -> Comparison {
        compare(&inventory(before), &inventory(after), planned, &[])
    }

    fn loss(table: u32, fate: TableFate) -> TableLoss {
        TableLoss { table, fate }
    }

    #[test]
    fn rows_that_go_without_a_plan_are_unplanned() {
        let before = [table(1, "users", 10, &[])];
        let wiped = check(&before, &[table(1, "users", 0, &[])], &[]);
        assert_eq!(wiped.tables[0].status, Status::Wiped);
        assert_eq!(wiped.unplanned()[0].what, "10 rows of users");

        let fate = TableFate::Rows { limit: None };
        let planned = check(&before, &[table(1, "users", 0, &[])], &[loss(1, fate)]);
        assert!(planned.unplanned().is_empty());
    }

    #[test]
    fn a_plan_for_some_rows_covers_no_more() {
        let before = [table(1, "users", 10, &[])];
        let planned = [loss(1, TableFate::Rows { limit: Some(2) })];
        assert!(check(&before, &[table(1, "users", 8, &[])], &planned).unplanned().is_empty());
        assert!(!check(&before, &[table(1, "users", 7, &[])], &planned).unplanned().is_empty());
    }

    #[test]
    fn an_update_may_move_rows_between_partitions() {
        let leaf = |oid, name, rows| Table { root: Some(9), ..table(oid, name, rows, &[]) };
        let before = [leaf(1, "p1", 20), leaf(2, "p2", 30)];
        let moved = [leaf(1, "p1", 0), leaf(2, "p2", 50)];
        let update = [loss(1, TableFate::Values { columns: BTreeSet::new(), limit: None })];
        assert!(check(&before, &moved, &update).unplanned().is_empty());
        assert!(!check(&before, &moved, &[]).unplanned().is_empty(), "nobody named an UPDATE");
        let lost = [leaf(1, "p1", 0), leaf(2, "p2", 49)];
        assert!(!check(&before, &lost, &update).unplanned().is_empty());
    }

    #[test]
    fn a_rename_is_no_loss_and_its_old_name_may_be_taken() {
        let before = [table(1, "users", 10, &[])];
        let after = [table(1, "people", 10, &[]), table(2, "users", 0, &[])];
        let comparison = check(&before, &after, &[]);
        assert_eq!(comparison.tables[0].status, Status::Renamed);
        assert_eq!(comparison.tables[1].status, Status::Created);
        assert!(comparison.unplanned().is_empty());
    }

    #[test]
    fn drop_and_create_is_a_loss_even_with_as_many_rows() {
        let before = [table(1, "users", 10, &[])];
        let after = [table(2, "users", 10, &[])];
        let comparison = check(&before, &after, &[]);
        assert_eq!(comparison.tables[0].status, Status::Recreated);
        assert_eq!(comparison.tables.len(), 1);
        assert_eq!(comparison.unplanned().len(), 1);
        assert!(
            check(&before, &after, &[loss(1, TableFate::Dropped { limit: None })])
                .unplanned()
                .is_empty()
        );
    }

    #[test]
    fn a_column_dropped_and_added_again_lost_its_values() {
        let before = [table(1, "users", 1, &[(1, "id"), (2, "note"), (3, "old")])];
        let after = [table(1, "users", 1, &[(1, "id"), (3, "new"), (4, "note"), (5, "more")])];
        let comparison = check(&before, &after, &[]);
        let statuses: Vec<_> =
            comparison.tables[0].columns.iter().map(|column| column.status).collect();
        let expected = [ColumnStatus::Recreated, ColumnStatus::Renamed, ColumnStatus::Added];
        assert_eq!(statuses, expected);
        assert_eq!(comparison.unplanned()[0].what, "column users.note");
        let planned = loss(1, TableFate::Columns(BTreeSet::from([2])));
        assert!(check(&before, &after, &[planned]).unplanned().is_empty());
    }
}
