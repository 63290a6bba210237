use std::collections::BTreeMap;

use super::{Known, KnownFile, Sight};
use crate::inventory::{Column, Identity, Inventory, Standing, Table, TableKind, Wal};
use crate::policy::{TableRule, TableRules};
use crate::text::QualifiedName;

fn identity() -> Identity {
    Identity {
        system_identifier: Some(7),
        database_oid: 16_384,
        database: "app".to_owned(),
        role: "app".to_owned(),
        server_version: "17.2".to_owned(),
        server_version_num: 170_002,
        is_standby: false,
        server_address: None,
        snapshot_xmax: 1_000,
    }
}

fn inventory(rows: &[(&str, u32, u64)]) -> Inventory {
    let column = Column { attnum: 1, name: "id".to_owned(), type_name: "bigint".to_owned() };
    let table = |(name, oid, rows): &(&str, u32, u64)| Table {
        oid: *oid,
        filenode: *oid,
        name: QualifiedName::new("public", *name),
        kind: TableKind::Ordinary,
        root: None,
        extension: None,
        rows: *rows,
        columns: vec![column.clone()],
    };
    let tables = rows.iter().map(table).collect();
    Inventory { identity: identity(), tables, large_objects: 0 }
}

fn standing(tables: &[(&str, u32)]) -> Standing {
    let named = |(name, oid): &(&str, u32)| (QualifiedName::new("public", *name), *oid);
    Standing {
        schemas: BTreeMap::from([("public".to_owned(), 2_200)]),
        tables: tables.iter().map(named).collect(),
        bytes: Some(80_000_000),
        wal: Some(Wal { position: 5_000_000, timeline: 1 }),
    }
}

/// On record: 11,204 users and 300 sessions in a version table's company.
fn known() -> Known {
    let revisions = [(QualifiedName::new("public", "alembic_version"), vec!["7b20".to_owned()])];
    let sight = Sight {
        run: "abcd2345",
        inventory: &inventory(&[
            ("users", 1, 11_204),
            ("sessions", 2, 300),
            ("alembic_version", 3, 1),
        ]),
        standing: &standing(&[("users", 1), ("sessions", 2), ("alembic_version", 3)]),
        revisions: &revisions,
    };
    let recorded_at = "2026-11-20T18:02:41Z".parse().unwrap();
    Known { recorded_at, ..Known::of(sight, "db:5432/app".to_owned()) }
}

/// What is said at the door; the ones that refuse are marked.
fn at_the_door(identity: &Identity, standing: &Standing) -> Vec<String> {
    let marked = |refuses, what| if refuses { format!("! {what}") } else { what };
    let found = known().differs(identity, standing, &TableRules::default());
    found.into_iter().map(|found| marked(found.refuses, found.what)).collect()
}

fn there() -> Standing {
    standing(&[("users", 1), ("sessions", 2), ("alembic_version", 3)])
}

#[test]
fn what_is_as_it_was_or_grew_is_quiet() {
    assert_eq!(at_the_door(&identity(), &there()), [""; 0]);
    let mut later = there();
    later.wal = Some(Wal { position: 9_000_000, timeline: 1 });
    later.bytes = Some(90_000_000);
    let identity = Identity { snapshot_xmax: 2_000, ..identity() };
    assert_eq!(at_the_door(&identity, &later), [""; 0]);
}

#[test]
fn a_managed_service_that_says_little_is_quiet() {
    let identity = Identity { system_identifier: None, ..identity() };
    let standing = Standing { wal: None, bytes: None, ..there() };
    assert_eq!(at_the_door(&identity, &standing), [""; 0]);
}

#[test]
fn another_server_a_new_database_and_a_new_schema_are_told_apart() {
    let other = Identity {
        system_identifier: Some(8),
        server_version: "18.1".to_owned(),
        snapshot_xmax: 3,
        ..identity()
    };
    assert_eq!(
        at_the_door(&other, &there()),
        [
            "! another server answers at db:5432/app than on 2026-11-20 18:02 UTC (system identifier 7 \
          then, 8 now; PostgreSQL 17.2 then, 18.1 now)"
        ]
    );
    let recreated = Identity { database_oid: 17_000, ..identity() };
    assert_eq!(
        at_the_door(&recreated, &standing(&[])),
        [
            "! `app` was dropped and created again since 2026-11-20 18:02 UTC (oid 16384 then, \
             17000 now)",
            "! all 2 tables that held 11,504 rows, the most of them `users` with 11,204, on \
             2026-11-20 18:02 UTC are gone"
        ]
    );
    let mut new_schema = there();
    new_schema.schemas.insert("public".to_owned(), 17_001);
    assert_eq!(
        at_the_door(&identity(), &new_schema),
        [
            "! schema `public`, which held 11,504 rows on 2026-11-20 18:02 UTC, was dropped and created \
          again since (oid 2200 then, 17001 now)"
        ]
    );
}

#[test]
fn a_server_that_went_back_is_noticed_and_a_failover_is_a_note() {
    let earlier = Identity { snapshot_xmax: 900, ..identity() };
    assert_eq!(
        at_the_door(&earlier, &there()),
        [
            "! the server was put back to a state from before 2026-11-20 18:02 UTC, as from an older \
          backup: its transaction id went back from 1,000 to 900"
        ]
    );
    let mut standing = there();
    standing.wal = Some(Wal { position: 4_000_000, timeline: 2 });
    assert!(at_the_door(&identity(), &standing)[0].ends_with("from 5,000,000 to 4,000,000"));
    standing.wal = Some(Wal { position: 6_000_000, timeline: 2 });
    let said = at_the_door(&identity(), &standing);
    assert!(said.len() == 1 && said[0].starts_with("the server is on timeline 2"), "{said:?}");
}

/// What is said once the rows are counted.
fn counted(rows: &[(&str, u32, u64)], bytes: u64, rules: &TableRules) -> Vec<String> {
    let marked = |refuses, what| if refuses { format!("! {what}") } else { what };
    let found = known().counted(&inventory(rows), Some(bytes), rules);
    found.into_iter().map(|found| marked(found.refuses, found.what)).collect()
}

#[test]
fn half_of_the_rows_is_enough_and_less_is_not() {
    let none = TableRules::default();
    let quiet = |rows: &[_]| assert_eq!(counted(rows, 80_000_000, &none), [""; 0], "{rows:?}");
    quiet(&[("users", 1, 11_204), ("sessions", 2, 0), ("alembic_version", 3, 1)]);
    quiet(&[("users", 1, 5_752)]);
    quiet(&[("renamed", 1, 11_204)]);
    quiet(&[("users", 9, 11_204)]);
    quiet(&[("people", 9, 11_204)]);
    assert_eq!(
        counted(&[("users", 1, 5_751)], 80_000_000, &none),
        [
            "! `users` held 11,204 rows on 2026-11-20 18:02 UTC, now 5,751; `sessions` held 300 rows on \
          2026-11-20 18:02 UTC, now 0; in all 11,504 rows, now 5,751"
        ]
    );
    let said = counted(&[("users", 1, 0), ("alembic_version", 3, 1)], 8_000_000, &none);
    assert!(said[0].ends_with("now 0; 80 MB on disk, now 8.0 MB"), "{said:?}");
}

#[test]
fn fewer_bytes_say_something_only_with_fewer_rows() {
    let none = TableRules::default();
    let rows = [("users", 1, 11_204), ("sessions", 2, 300)];
    assert_eq!(
        counted(&rows, 30_000_000, &none),
        ["the database takes 30 MB, 80 MB on 2026-11-20 18:02 UTC; hardly a row is gone"]
    );
    let said = counted(&[("users", 1, 11_204), ("sessions", 2, 100)], 30_000_000, &none);
    assert!(said[0].starts_with("! `sessions` held 300 rows"), "{said:?}");
}

#[test]
fn the_rows_of_a_volatile_table_come_and_go() {
    let volatile = TableRule { is_volatile: Some(true), ..TableRule::default() };
    let rules = TableRules::new([("users".to_owned(), volatile)]);
    let rows = [("users", 1, 0), ("sessions", 2, 300)];
    assert_eq!(counted(&rows, 80_000_000, &rules), [""; 0]);
    assert_eq!(counted(&rows, 80_000_000, &TableRules::default()).len(), 1);
}

#[test]
fn a_record_is_read_as_it_was_written_and_a_broken_one_is_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal.jsonl");
    let file = KnownFile::beside(&journal, "db:5432/app".to_owned());
    assert_eq!(file.read().unwrap(), None);
    assert_ne!(file, KnownFile::beside(&journal, "db:5432/app2".to_owned()));
    let (rows, stands) = (inventory(&[("users", 1, 3)]), standing(&[("users", 1)]));
    let sight = Sight { run: "abcd2345", inventory: &rows, standing: &stands, revisions: &[] };
    file.write(sight).unwrap();
    let known = file.read().unwrap().expect("it was written");
    assert_eq!((known.rows(), known.timeline), (3, Some(1)));
    assert_eq!(known.rows_of(9, &QualifiedName::new("public", "users")), Some(3));
    for text in ["", "{}", "{\"schema\": \"rowsafe.database/2\"}", "[1"] {
        crate::text::write_atomically(file.path(), text.as_bytes()).unwrap();
        let refusal = file.read().unwrap_err();
        assert!(refusal.to_string().starts_with("the record of db:5432/app can't be read"));
    }
}
