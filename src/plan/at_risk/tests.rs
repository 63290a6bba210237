//! What is at risk in a small database: `lines` refer to `orders` refer to `users` refer to `teams`,
//! `events` is partitioned, `files` can name large objects, and `logs` has nothing to do with them.

use super::{Risk, Touched};
use crate::db::postgres::catalog::{Listed, Readable};
use crate::db::postgres::names::Names;
use crate::db::postgres::relations::{ForeignKey, Relation, Relations};
use crate::finding::{Certainty, Finding, Object, ObjectKind, Place, Severity};
use crate::inventory::{Table, TableKind};
use crate::loss::{Count, LARGE_OBJECTS, Loss, TableFate, TableLoss};
use crate::plan::scope::Scope;
use crate::policy::SnapshotMode;
use crate::rules;
use crate::script::{Knowledge, Origin, Script};
use crate::text::QualifiedName;

const TABLES: [&str; 9] =
    ["teams", "users", "orders", "lines", "events", "events_1", "events_2", "files", "logs"];

fn oid(name: &str) -> u32 {
    let index = TABLES.iter().position(|known| *known == name).expect("a table of the test");
    u32::try_from(index).expect("a few tables") + 1
}

fn relations() -> Relations {
    let tables = TABLES.iter().map(|name| Relation {
        oid: oid(name),
        name: QualifiedName::new("public", *name),
        holds_rows: *name != "events",
        estimated_bytes: 8192,
        names_objects: *name == "files",
    });
    let key = |child: &str, parent: &str, follows| ForeignKey {
        child: oid(child),
        parent: oid(parent),
        follows,
    };
    Relations {
        tables: tables.collect(),
        keys: vec![
            key("users", "teams", false),
            key("orders", "users", true),
            key("lines", "orders", false),
        ],
        children: vec![(oid("events"), oid("events_1")), (oid("events"), oid("events_2"))],
        ..Relations::default()
    }
}

fn names() -> Names {
    let listed: Vec<Listed> = TABLES
        .iter()
        .map(|name| Listed {
            table: Table {
                oid: oid(name),
                filenode: oid(name),
                name: QualifiedName::new("public", *name),
                kind: TableKind::Ordinary,
                root: None,
                extension: None,
                rows: 0,
                columns: Vec::new(),
            },
            bytes: 0,
            readable: Readable::Yes,
            is_populated: true,
        })
        .collect();
    Names::of(&listed, vec!["public".to_owned()])
}

fn touched(sql: &str) -> Touched {
    let origin = Origin { revision: Some("3f9c1a".to_owned()), ..Origin::default() };
    let script = Script::known(origin, sql.to_owned());
    let readings = [rules::read(&script)];
    let (mut names, mut touched) = (names(), Touched::default());
    touched.script(&script);
    for (_, effect) in rules::resolved(&readings).into_iter().flatten() {
        touched.effect(&script, effect, &names);
        names.advance(effect);
    }
    touched
}

fn named(risk: &Risk) -> String {
    let kept = risk.known.tables.iter().map(|oid| TABLES[*oid as usize - 1]);
    kept.collect::<Vec<_>>().join(" ")
}

/// The tables at risk, and the reasons why that may not be all.
fn check(sql: &str) -> String {
    let risk = touched(sql).risk(relations());
    let mut said = vec![named(&risk)];
    said.extend(risk.why.clone());
    said.join("; ")
}

#[test]
fn a_table_comes_with_those_that_it_refers_to() {
    assert_eq!(check("ALTER TABLE users DROP COLUMN a"), "teams users");
    assert_eq!(check("DROP TABLE lines"), "teams users orders lines");
    assert_eq!(check("UPDATE logs SET a = 1"), "logs");
    assert_eq!(check("ALTER TABLE teams ALTER COLUMN a TYPE int"), "teams");
}

#[test]
fn rows_that_follow_others_are_at_risk_with_them() {
    assert_eq!(check("DELETE FROM users WHERE id = 1"), "teams users orders");
    assert_eq!(check("UPDATE users SET id = 2 WHERE id = 1"), "teams users orders");
    assert_eq!(check("DELETE FROM orders"), "teams users orders");
    assert_eq!(check("TRUNCATE users CASCADE"), "teams users orders lines");
    assert_eq!(check("TRUNCATE logs"), "logs");
}

#[test]
fn partitions_come_with_their_table_but_not_with_each_other() {
    assert_eq!(check("DELETE FROM events WHERE id = 1"), "events events_1 events_2");
    assert_eq!(check("TRUNCATE events_2"), "events_2");
    assert_eq!(check("ALTER TABLE events DETACH PARTITION events_1"), "events_1");
    let attached = "ALTER TABLE events ATTACH PARTITION logs FOR VALUES IN (3);";
    assert_eq!(check(attached), "logs");
    let emptied = format!("{attached} DELETE FROM events WHERE id = 1");
    assert_eq!(check(&emptied), "events events_1 events_2 logs");
}

#[test]
fn names_are_followed_through_the_batch() {
    assert_eq!(check("ALTER TABLE logs RENAME TO old; DROP TABLE old"), "logs");
    assert_eq!(check("CREATE TABLE logs_2 (id int); DELETE FROM logs_2"), "");
    let swapped = "CREATE TABLE fresh AS SELECT * FROM logs; DROP TABLE logs;
                   ALTER TABLE fresh RENAME TO logs; UPDATE logs SET a = 1";
    assert_eq!(check(swapped), "logs");
}

#[test]
fn what_takes_nothing_away_puts_nothing_at_risk() {
    for sql in [
        "CREATE TABLE fresh (id int REFERENCES users)",
        "ALTER TABLE users ADD COLUMN a int",
        "CREATE INDEX i ON users (a)",
        "INSERT INTO users VALUES (1)",
        "DROP TABLE IF EXISTS never_there",
    ] {
        assert_eq!(check(sql), "", "{sql}");
    }
}

#[test]
fn what_is_not_known_says_why() {
    for (sql, why) in [
        ("DO $$ BEGIN EXECUTE (SELECT a FROM logs); END $$", "a statement of `3f9c1a` could not"),
        ("SET search_path = app", "`3f9c1a` moves names: "),
        ("EXECUTE elsewhere", "`elsewhere` was prepared elsewhere"),
        ("\\i other.sql", "psql may do anything: "),
        ("UPDATE recent SET a = 1 WHERE b", "`recent` is no table here: a view, or not there"),
        ("DROP DATABASE shop", "`shop` is dropped"),
        ("DROP MATERIALIZED VIEW v CASCADE", "what goes along with `v` is not known"),
    ] {
        let said = check(sql);
        assert!(said.contains(why), "{sql}: {said}");
    }
    let mut touched = Touched::default();
    let partly = Knowledge::PartlyKnown(vec!["it loops".to_owned()]);
    let origin = Origin { revision: Some("3f9c1a".to_owned()), ..Origin::default() };
    touched.script(&Script { knowledge: partly, ..Script::known(origin, String::new()) });
    let risk = touched.risk(relations());
    assert_eq!(risk.why(), ["`3f9c1a` could not be read in full"]);
}

fn finding(rule: &'static str, certainty: Certainty, loss: Option<Loss>) -> Finding {
    Finding {
        rule,
        severity: Severity::Note,
        certainty,
        object: Object::bare(ObjectKind::Type, "it"),
        place: Place::default(),
        statement: String::new(),
        snippet: None,
        loss,
        message: "nobody can tell".to_owned(),
        instead: String::new(),
        allowance: None,
    }
}

fn after(finding: &Finding) -> Risk {
    let mut touched = Touched::default();
    touched.finding(finding);
    touched.risk(relations())
}

fn loss(tables: &[u32], rows: Count) -> Loss {
    let fate = TableFate::Rows { limit: None };
    let tables = tables.iter().map(|table| TableLoss { table: *table, fate: fate.clone() });
    Loss { rows, tables: tables.collect(), ..Loss::default() }
}

#[test]
fn the_losses_of_findings_are_at_risk() {
    let certain = Certainty::Certain;
    let dropped =
        after(&finding("drop-type", certain, Some(loss(&[oid("users")], Count::Exact(3)))));
    assert_eq!((named(&dropped).as_str(), dropped.why().len()), ("teams users", 0));
    let objects = after(&finding(
        "unlink-large-object",
        certain,
        Some(loss(&[LARGE_OBJECTS], Count::AtMost(3))),
    ));
    assert!(objects.known.large_objects && objects.why().is_empty());
    let unused = after(&finding("unused-allowance", certain, None));
    assert_eq!((named(&unused).as_str(), unused.why().len()), ("", 0));
    assert!(!unused.known.large_objects);
}

#[test]
fn a_finding_that_does_not_tell_its_tables_is_a_reason_to_keep_everything() {
    let unknown = Count::Unknown("it is not there yet".to_owned());
    for finding in [
        finding("drop-attribute", Certainty::DependsOnData, None),
        finding("drop-type", Certainty::Certain, Some(loss(&[], unknown))),
        finding("fires-trigger", Certainty::Unknown, Some(loss(&[oid("users")], Count::Exact(1)))),
        finding("opaque", Certainty::Unknown, None),
    ] {
        assert_eq!(after(&finding).why().len(), 1, "{}", finding.rule);
    }
}

#[test]
fn large_objects_come_with_a_table_that_can_name_them() {
    assert!(touched("DROP TABLE files").risk(relations()).known.large_objects);
    assert!(!touched("DROP TABLE logs").risk(relations()).known.large_objects);
}

#[test]
fn the_mode_decides_what_becomes_of_it() {
    let known = touched("DROP TABLE logs").risk(relations());
    let doubtful = touched("DROP TABLE logs; SET search_path = app").risk(relations());
    let all = |scope| matches!(scope, Some(Scope::All { .. }));
    assert!(!all(known.scope(SnapshotMode::Auto)) && all(doubtful.scope(SnapshotMode::Auto)));
    assert!(!all(doubtful.scope(SnapshotMode::AtRisk)) && all(known.scope(SnapshotMode::All)));
    assert_eq!(known.scope(SnapshotMode::None), None);
    let forced = doubtful.scope(SnapshotMode::AtRisk).expect("something is kept");
    assert!(forced.warning().expect("not all is covered").contains("moves names"));
    assert_eq!(forced.left_out().len(), TABLES.len() - 1);
    assert_eq!(known.scope(SnapshotMode::AtRisk).expect("kept").warning(), None);
}
