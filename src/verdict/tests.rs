use std::collections::BTreeSet;

use super::{ColumnStatus, Comparison, Looked, Status, compare};
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
    compare(&inventory(before), &inventory(after), planned, &[], &Looked::default())
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
