//! Beginnings, measured deletes, and other things at the edge.

use rowsafe::exit::Exit;

use crate::harness::{Database, Rowsafe, Sandbox};
use crate::story::{Story, Told};

#[test]
fn from_an_empty_database() {
    needs_postgres!();
    let db = Database::new("run_from_nothing");
    let sandbox = Sandbox::of_project("version-table-elsewhere");
    let rowsafe = Rowsafe::new(&sandbox).env("DATABASE_URL", db.url()).with_report();
    let told = Told::by(rowsafe.args(["run", "--", "alembic", "upgrade", "0001"]));
    let told = told.answers(Exit::Ok, "ok", "is at 0001, every row accounted for");
    told.revisions(&[], &["0001"]);
    assert!(told.changes().contains(&"sensors null→300 created, planned".to_owned()));
    assert_eq!(db.count("sensors"), 300);
}

#[test]
fn a_batch_that_drops_what_it_made_from_an_empty_database() {
    needs_postgres!();
    let db = Database::new("run_all_from_nothing");
    let sandbox = Sandbox::of_project("noisy-stdout");
    let rowsafe = Rowsafe::new(&sandbox).env("DATABASE_URL", db.url()).with_report();
    // A line of the application's prose reads like a DELETE, and is no statement.
    let rowsafe = rowsafe.args(["run", "--allow", "opaque env.py: prose"]);
    let told = Told::by(rowsafe.args(["--", "alembic", "upgrade", "head"]));
    let told = told.answers(Exit::Ok, "ok", "is at 0003, every row accounted for");
    told.revisions(&[], &["0003"]);
    assert_eq!(db.count("notes"), 60);
}

#[test]
fn commands_that_run_no_revisions() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "run_alembic_current");
    let told = story.run(&[], "alembic current").answers(Exit::Ok, "ok", "is at 0001");
    assert!(told.outcome.stdout.contains("0001"));
    let told = story.run(&[], "alembic stamp 0003").answers(Exit::Ok, "ok", "is at 0003");
    told.revisions(&["0001"], &["0003"]);
    assert!(story.has_column("notes", "color"), "a stamp runs nothing");
}

#[test]
fn values_that_were_overwritten_are_found_or_named() {
    needs_postgres!();
    let story = Story::of_sql(
        "run_update_all",
        "CREATE TABLE t AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 90) n;",
    );
    let told = story.migrate("UPDATE t SET v = NULL;", &[]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert!(told.findings()[0].contains("update-all public.t"), "{:?}", told.findings());
    assert_eq!(story.db.query_one_i64("SELECT count(v) FROM t"), 90);
    let told = story.migrate("UPDATE t SET v = NULL;", &["--allow", "update-all t.v: not needed"]);
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(story.db.query_one_i64("SELECT count(v) FROM t"), 0);
}

#[test]
fn rows_agreed_to_for_one_table_do_not_cover_its_children() {
    needs_postgres!();
    let story = Story::of_sql(
        "run_cascade",
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 100);
         CREATE TABLE c (p int REFERENCES p ON DELETE CASCADE); INSERT INTO c SELECT id FROM p, generate_series(1, 5);",
    );
    let told = story.migrate("DELETE FROM p WHERE id <= 5;", &[]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    let through = told.report["findings"][0]["loss"]["through"].as_array().unwrap();
    assert!(
        through.iter().any(|line| line.as_str().unwrap().starts_with("table c ")),
        "{through:?}"
    );
    told.nothing_was_run();
    assert_eq!((story.db.count("p"), story.db.count("c")), (100, 500));
}

#[test]
fn truncate_cascade_names_what_goes_along() {
    needs_postgres!();
    let story = Story::of_sql(
        "run_truncate_cascade",
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 100);
         CREATE TABLE c (p int REFERENCES p); INSERT INTO c SELECT id FROM p;",
    );
    let told =
        story.migrate("TRUNCATE p CASCADE;", &["--allow", "truncate p rows<=100: empty soon"]);
    let told = told.answers(Exit::Blocked, "blocked", "200 rows would be gone");
    assert_eq!(told.findings(), ["error truncate public.p 200+0"]);
    assert_eq!((story.db.count("p"), story.db.count("c")), (100, 100));
    let told = story.migrate("TRUNCATE p CASCADE;", &["--allow", "truncate p: empty soon"]);
    let told = told.answers(Exit::Ok, "ok", "2 losses as planned");
    assert_eq!(told.changes(), ["c 100→0 wiped, planned", "p 100→0 wiped, planned"]);
}

#[test]
fn drop_schema_names_its_tables() {
    needs_postgres!();
    let story = Story::of_sql(
        "run_drop_schema",
        "CREATE SCHEMA old; CREATE TABLE old.a AS SELECT generate_series(1, 10) AS id;
         CREATE TABLE old.b AS SELECT generate_series(1, 20) AS id; CREATE TABLE keep AS SELECT 1 AS id;",
    );
    let drop = "DROP SCHEMA old CASCADE;";
    let told = story.migrate(drop, &[]).answers(Exit::Blocked, "blocked", "30 rows would be gone");
    assert_eq!(told.findings(), ["error drop-schema old 30+0"]);
    let told = story.migrate(drop, &["--allow", "drop-schema old: archived"]);
    let told = told.answers(Exit::Ok, "ok", "2 losses as planned");
    assert_eq!(told.changes(), ["a 10→null dropped, planned", "b 20→null dropped, planned"]);
    let back =
        story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "30 rows of 2 tables are back");
    assert_eq!(back.snapshot(), told.snapshot());
}

#[test]
fn a_detached_or_dropped_partition() {
    needs_postgres!();
    let story = Story::of_sql(
        "run_partition",
        "CREATE TABLE e (m int) PARTITION BY LIST (m);
         CREATE TABLE e_1 PARTITION OF e FOR VALUES IN (1); CREATE TABLE e_2 PARTITION OF e FOR VALUES IN (2);
         INSERT INTO e SELECT 1 + n % 2 FROM generate_series(1, 100) n;",
    );
    let told = story.migrate("ALTER TABLE e DETACH PARTITION e_1;\nDROP TABLE e_1;\n", &[]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert!(
        told.findings().iter().any(|found| found.contains("public.e_1 50+0")),
        "{:?}",
        told.findings()
    );
    assert_eq!(story.db.count("e"), 100);
    let told = story.migrate(
        "DROP TABLE e_1;",
        &["--allow", "drop-table e_1: old", "--allow", "drop-partition e_1: old"],
    );
    let told = told.answers(Exit::Ok, "ok", "gone as planned: table e_1 with 50 rows");
    assert_eq!(told.changes(), ["e_1 50→null dropped, planned"]);
    assert_eq!(story.db.count("e"), 50);
}

#[test]
fn a_version_table_does_not_vouch_for_a_command_that_lies() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "run_lies_beside_alembic");
    if story.db.server().major() < 15 {
        // A session that came and went may not be counted there: nobody can say that it lied.
        return;
    }
    let told = story.run(&["--allow", "opaque *: trust me"], "true");
    let told = told.answers(Exit::CommandFailed, "failed", "was not seen on");
    told.revisions(&["0001"], &["0001"]);
    assert_eq!(told.report["child"]["exit"], 0);
}
