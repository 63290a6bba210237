//! Restores where something stands in the way or must stay as it is.

use rowsafe::exit::Exit;

use crate::story::{Story, Told};

#[test]
fn triggers_stay_as_they_were() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_triggers",
        "CREATE TABLE t (id int); CREATE TABLE log (what text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO log VALUES (TG_NAME); RETURN NULL; END $$;
         CREATE TRIGGER off AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER usual AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER always AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
         CREATE TRIGGER replica AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         ALTER TABLE t DISABLE TRIGGER USER;
         INSERT INTO t SELECT generate_series(1, 20);
         ALTER TABLE t ENABLE TRIGGER usual;
         ALTER TABLE t ENABLE ALWAYS TRIGGER always;
         ALTER TABLE t ENABLE REPLICA TRIGGER replica;",
    );
    let states =
        "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass ORDER BY 1";
    let before = story.db.rows(states);
    assert_eq!(story.surprise("TRUNCATE t;").outcome.code, Some(5));
    let told = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "20 rows of 1 table");
    assert_eq!(story.db.rows(states), before, "{}", told.outcome);
    assert_eq!((story.db.count("t"), story.db.count("log")), (20, 0));
}

#[test]
fn triggers_of_a_partitioned_table_are_not_fired() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_root_trigger",
        "CREATE TABLE t (id int) PARTITION BY RANGE (id);
         CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (100);
         INSERT INTO t SELECT generate_series(1, 20);
         CREATE TABLE log (what text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO log VALUES (TG_NAME); RETURN NULL; END $$;
         CREATE TRIGGER each_row AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER statement AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note();",
    );
    let states = "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2";
    let before = story.db.rows(states);
    assert_eq!(story.surprise("TRUNCATE t;").outcome.code, Some(5));
    let _ = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "20 rows of 1 table");
    assert_eq!((story.db.count("t"), story.db.count("log")), (20, 0));
    assert_eq!(story.db.rows(states), before);
}

#[test]
fn a_snapshot_of_another_database_is_refused() {
    needs_postgres!();
    let people = "CREATE TABLE people AS SELECT generate_series(1, 30) AS id;";
    let production = Story::of_sql("restore_production", people);
    let mut staging = Story::of_sql("restore_staging", people);
    staging.sandbox = crate::harness::Sandbox::new();
    let lost = production.surprise("TRUNCATE people;");
    assert_eq!(lost.outcome.code, Some(5));
    staging.db.execute("TRUNCATE people");
    let store = production.sandbox.path().join(".rowsafe/snapshots");
    let args = ["latest", "--store", store.to_str().unwrap()];
    let told = staging.restore_here(&args);
    let told = told.answers(Exit::DatabaseUnavailable, "error", "is of another database");
    assert!(told.hints().contains("--into"));
    assert_eq!(staging.db.count("people"), 0);
    // Beside it goes, for a role that may own what the other one owned.
    let into =
        |story: &Story| story.restore(&[&args[..], &["--into", "restore_beside_both"]].concat());
    assert_eq!(into(&staging).report["verdict"], "error");
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'restore_beside_both'";
    assert_eq!(staging.db.query_one_i64(left), 0);
    let _ = into(&production).answers(Exit::Ok, "ok", "30 rows of 1 table");
}

#[test]
fn a_database_that_was_renamed_is_the_same() {
    needs_postgres!();
    let story = Story::of_sql("restore_renamed", "CREATE TABLE t AS SELECT 1 AS id;");
    assert_eq!(story.surprise("TRUNCATE t;").outcome.code, Some(5));
    let admin = story.db.server().admin("postgres");
    admin.execute("ALTER DATABASE restore_renamed RENAME TO restore_renamed_now");
    let url = format!("{}_now", story.db.url());
    let args = ["latest", "--confirm", "restore_renamed_now", "--database", &url];
    let _ = story.restore(&args).answers(Exit::Ok, "ok", "1 row of 1 table");
}

#[test]
fn a_schema_with_its_types_and_functions() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "restore_incident_schema");
    let told = story.run(&["--allow", "drop-schema migration: gone"], "alembic downgrade base");
    let told = told.answers(Exit::Ok, "ok", "as planned");
    assert_eq!(told.report["snapshot"]["rows"], 42_801);
    let back = story.restore_here(&["latest"]);
    if back.outcome.code == Some(0) {
        assert_eq!(story.db.count("migration.assets"), 4800);
    } else {
        assert_eq!(back.report["verdict"], "error");
        assert!(back.hints().contains("--into NAME"), "{}", back.hints());
        assert_eq!(story.db.rows("SELECT to_regnamespace('migration')"), [["NULL"]]);
    }
}

#[test]
fn tables_that_inherit() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_inherits",
        "CREATE TABLE base (id int); CREATE TABLE derived (note text) INHERITS (base);
         INSERT INTO base VALUES (1), (2); INSERT INTO derived VALUES (3, 'x'), (4, 'y'), (5, 'z');",
    );
    let rows = || (story.db.count("base"), story.db.count("ONLY base"), story.db.count("derived"));
    for sql in ["TRUNCATE ONLY base;", "DROP TABLE derived;", "DROP TABLE base CASCADE;"] {
        assert_eq!(story.surprise(sql).outcome.code, Some(5), "{sql}");
        let told = story.restore_here(&["latest"]);
        assert_eq!(told.outcome.code, Some(0), "{sql}");
        assert_eq!(rows(), (5, 2, 3), "{sql}");
    }
}

#[test]
fn a_tree_of_itself() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_tree",
        "CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
         INSERT INTO tree SELECT n, nullif(n - 1, 0) FROM generate_series(1, 50) n;
         UPDATE tree SET parent = 50 WHERE id = 1;
         CREATE TABLE x (id int PRIMARY KEY, y int); CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x);
         ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y;
         INSERT INTO x VALUES (1, NULL); INSERT INTO y VALUES (1, 1); UPDATE x SET y = 1;",
    );
    let lost = story.surprise("TRUNCATE tree; DROP TABLE x, y CASCADE;");
    assert_eq!(lost.outcome.code, Some(5));
    let _ = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "52 rows of 3 tables");
    assert_eq!(story.db.count("tree"), 50);
    assert_eq!(story.surprise("TRUNCATE x, y;").outcome.code, Some(5));
    // Neither can come first while the keys are checked at once: nothing or everything.
    let told = story.restore_here(&["latest"]);
    let both = (story.db.count("x"), story.db.count("y"));
    assert!(both == (1, 1) || (both == (0, 0) && told.report["verdict"] == "error"), "{both:?}");
    assert!(both == (1, 1) || told.hints().contains("--into NAME"));
}

#[test]
fn row_level_security_hides_nothing() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_rls",
        "CREATE TABLE t AS SELECT generate_series(1, 100) AS id;
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
         CREATE POLICY few ON t USING (id <= 10);",
    );
    let told = story.surprise("SELECT 1;");
    assert_ne!(told.outcome.code, Some(0), "90 rows can't be seen by this role");
    told.nothing_was_run();
    assert!(!told.hints().is_empty());
    let url = story.db.server().admin_url("restore_rls");
    story.sandbox.write("migration.sql", "TRUNCATE t;");
    story.sandbox.write("told.sql", "SELECT 1;");
    let psql = shell_words::join(["sh", "-c", crate::story::PSQL]);
    let told = story.run(&["--database", &url, "--sql", "told.sql"], &psql);
    let told = told.answers(Exit::Loss, "lost", "100 rows of t, which the plan did not name");
    let args = ["--database", &url, "--confirm", "restore_rls", told.snapshot()];
    let _ = story.restore(&args).answers(Exit::Ok, "ok", "100 rows of 1 table");
    assert_eq!(story.db.admin().query_one_i64("SELECT count(*) FROM t"), 100);
}

#[test]
fn another_rowsafe_is_at_work() {
    needs_postgres!();
    let story = Story::of_sql("restore_locked", "CREATE TABLE t AS SELECT 1 AS id;");
    assert_eq!(story.surprise("TRUNCATE t;").outcome.code, Some(5));
    story.sandbox.write("told.sql", "SELECT 1;");
    let waits = "sh -c 'touch started; while [ ! -e go ]; do sleep 0.02; done; \
                 psql -X -q -c \"SELECT 1\" \"$DATABASE_URL\"'";
    let mut running = story.command(&["--sql", "told.sql"], waits).spawn();
    let started = story.sandbox.path().join("started");
    running.wait_for("the command", || started.exists());
    let restore = crate::harness::Rowsafe::new(&story.sandbox).args(["restore", "latest"]);
    let restore = restore.args(["--confirm", "restore_locked"]).env("DATABASE_URL", story.db.url());
    let outcome = restore.run().exits(Exit::Blocked);
    let _ = outcome.says("blocked: another rowsafe is at work on this database");
    assert_eq!(story.db.count("t"), 0);
    story.sandbox.write("go", "");
    let told = Told::of(running.finish());
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn keys_that_can_wait() {
    needs_postgres!();
    let story = Story::of_sql(
        "restore_deferred",
        "CREATE TABLE x (id int PRIMARY KEY, y int);
         CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x DEFERRABLE INITIALLY DEFERRED);
         ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y DEFERRABLE;
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
         BEGIN; INSERT INTO y VALUES (1, 1); INSERT INTO x VALUES (1, 1); COMMIT;
         CREATE TRIGGER never AFTER INSERT ON y FOR EACH ROW EXECUTE FUNCTION no();",
    );
    assert_eq!(story.surprise("TRUNCATE x, y;").outcome.code, Some(5));
    let _ = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "2 rows of 2 tables");
    assert_eq!((story.db.count("x"), story.db.count("y")), (1, 1));
}
