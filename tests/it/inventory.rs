//! What can make a count or a dump read less than there is, each with the measure against it.

use std::sync::atomic::{AtomicBool, Ordering};

use rowsafe::exit::Exit;

use crate::harness::postgres::Session;
use crate::harness::scene::HARMLESS;
use crate::harness::{Database, Scene};

/// Restores the only snapshot beside the database and opens a session there.
fn back(scene: &Scene) -> Session {
    let name = format!("{}_before", scene.db.name);
    let outcome =
        scene.rowsafe("restore").args(["latest", "--into", &name, "--confirm", &name]).run();
    let _ = outcome.exits(Exit::Ok);
    scene.db.server().admin(&name)
}

fn wait_until_it_waits(scene: &Scene) {
    scene.wait_until(&format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{}'
            AND application_name = 'rowsafe inventory' AND wait_event_type = 'Lock')",
        scene.db.name
    ));
}

/// While rowsafe waits for the lock on `a`, `change` is committed by another session.
fn changed_while_locking(name: &str, change: &str) -> Scene {
    let scene = Scene::new(
        name,
        "CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 7);
         CREATE TABLE z (id int); INSERT INTO z SELECT generate_series(1, 100)",
    );
    let holder = scene.db.session();
    holder.execute("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE");
    let running = scene.run(HARMLESS).spawn();
    wait_until_it_waits(&scene);
    scene.db.execute(change);
    holder.execute("COMMIT");
    let _ = running.finish().exits(Exit::Ok);
    assert_eq!(scene.kept_rows("a"), 7);
    scene
}

#[test]
fn a_table_truncated_between_listing_and_locking_does_not_read_as_empty() {
    needs_postgres!();
    let change = "BEGIN; TRUNCATE z; INSERT INTO z SELECT generate_series(1, 5); COMMIT";
    let scene = changed_while_locking("inventory_truncated", change);
    assert_eq!(scene.kept_rows("z"), 5);
    assert_eq!(back(&scene).query_one_i64("SELECT count(*) FROM z"), 5);
}

#[test]
fn a_table_rewritten_between_listing_and_locking_does_not_read_as_empty() {
    needs_postgres!();
    let change = "ALTER TABLE z ALTER COLUMN id TYPE text USING id::text";
    let scene = changed_while_locking("inventory_rewritten", change);
    assert_eq!(scene.kept_rows("z"), 100);
    assert_eq!(scene.manifest()["tables"][1]["columns"][0]["type"], "text");
    assert_eq!(back(&scene).query_one_i64("SELECT count(*) FROM z"), 100);
}

#[test]
fn tables_that_come_go_and_change_their_name_meanwhile_are_listed_as_they_are() {
    needs_postgres!();
    let change = "BEGIN; ALTER TABLE z RENAME TO y; CREATE TABLE z (id int);
        INSERT INTO z VALUES (1), (2); CREATE TABLE zz AS SELECT generate_series(1, 3); COMMIT";
    let scene = changed_while_locking("inventory_renamed", change);
    for (table, rows) in [("y", 100), ("z", 2), ("zz", 3)] {
        assert_eq!(scene.kept_rows(table), rows, "{table}");
    }
    let change = "BEGIN; DROP TABLE z; COMMIT";
    let scene = changed_while_locking("inventory_dropped", change);
    assert_eq!(scene.manifest()["tables"].as_array().unwrap().len(), 1);
}

#[test]
fn a_table_that_stays_locked_is_named_with_who_holds_it() {
    needs_postgres!();
    let scene = Scene::new("inventory_locked", "CREATE TABLE users (id int); CREATE TABLE b ()");
    let other = scene.db.session();
    other.execute("CREATE TEMP TABLE aside (id int); BEGIN; TRUNCATE aside");
    let holder = scene.db.session();
    holder.execute("SET application_name = 'nightly'; BEGIN; LOCK TABLE users");
    let pid = holder.rows("SELECT pg_backend_pid()")[0][0].clone();
    let impatient = || scene.run(HARMLESS).env("ROWSAFE_LOCK_TIMEOUT", "200ms");
    let outcome = impatient().run().exits(Exit::SnapshotFailed);
    let outcome = outcome.says(&format!("`public.users` is locked by session {pid} (nightly)"));
    let _ = outcome.says("hint: ");
    scene.assert_nothing_happened();

    // Whoever waits for an exclusive lock makes everybody behind it wait, and holds nothing.
    holder.execute("ROLLBACK; BEGIN; SELECT count(*) FROM users");
    let waiting = scene.db.name.clone();
    std::thread::scope(|threads| {
        let alter = || {
            let session = scene.db.session();
            let _ = session.try_rows("ALTER TABLE users ADD COLUMN more int");
        };
        threads.spawn(alter);
        scene.wait_until(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{waiting}'
               AND query LIKE 'ALTER TABLE%' AND wait_event_type = 'Lock')"
        ));
        let outcome = impatient().run();
        holder.execute("COMMIT");
        let outcome = outcome.exits(Exit::SnapshotFailed).says("`public.users`");
        let _ = outcome.says("waits for an exclusive lock");
    });
    scene.assert_nothing_happened();
}

#[test]
fn row_level_security_that_hides_rows_stops_the_run() {
    needs_postgres!();
    let scene = Scene::new("inventory_rls", "");
    let admin = scene.db.admin();
    admin.execute(
        "CREATE TABLE secrets (id int); INSERT INTO secrets SELECT generate_series(1, 9);
         ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY few ON secrets USING (id < 3);
         GRANT SELECT ON secrets TO inventory_rls",
    );
    let refused = |scene: &Scene| {
        let outcome = scene.run(HARMLESS).run().exits(Exit::SnapshotFailed);
        let outcome = outcome.says("row-level security hides rows of 1 table");
        let _ = outcome.says("public.secrets").says("BYPASSRLS");
        scene.assert_nothing_happened();
    };
    refused(&scene);
    admin.execute(
        "ALTER TABLE secrets OWNER TO inventory_rls; ALTER TABLE secrets FORCE ROW LEVEL SECURITY",
    );
    refused(&scene);
    admin.execute("ALTER TABLE secrets NO FORCE ROW LEVEL SECURITY");
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    assert_eq!(scene.kept_rows("secrets"), 9);
}

#[test]
fn a_role_that_bypasses_row_level_security_passes() {
    needs_postgres!();
    let scene = Scene::new("inventory_bypass", "");
    scene.db.admin().execute(
        "CREATE TABLE secrets AS SELECT generate_series(1, 9) AS id;
         ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON secrets TO inventory_bypass; ALTER ROLE inventory_bypass BYPASSRLS",
    );
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    assert_eq!(scene.kept_rows("secrets"), 9);
}

#[test]
fn tables_that_the_role_may_not_read_are_named() {
    needs_postgres!();
    let scene = Scene::new("inventory_denied", "CREATE TABLE mine (id int)");
    scene.db.admin().execute("CREATE SCHEMA hidden; CREATE TABLE hidden.payroll (id int)");
    let outcome = scene.run(HARMLESS).run().exits(Exit::SnapshotFailed);
    let _ = outcome.says("the role may not read 1 table").says("hidden.payroll").says("GRANT");
    scene.db.admin().execute("GRANT SELECT ON hidden.payroll TO inventory_denied");
    // Still without USAGE of the schema.
    let _ = scene.run(HARMLESS).run().exits(Exit::SnapshotFailed).says("hidden.payroll");
    scene.assert_nothing_happened();
}

#[test]
fn children_are_counted_once() {
    needs_postgres!();
    let scene = Scene::new(
        "inventory_children",
        "CREATE TABLE parent (id int); CREATE TABLE child (more text) INHERITS (parent);
         INSERT INTO parent SELECT generate_series(1, 10);
         INSERT INTO child SELECT generate_series(1, 5);
         CREATE TABLE events (at int, what text) PARTITION BY RANGE (at);
         CREATE TABLE early PARTITION OF events FOR VALUES FROM (0) TO (10);
         CREATE TABLE late PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY LIST (at);
         CREATE TABLE later PARTITION OF late DEFAULT;
         INSERT INTO events SELECT n % 20 FROM generate_series(1, 60) n",
    );
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    for (table, rows) in
        [("parent", 10), ("child", 5), ("events", 0), ("early", 30), ("late", 0), ("later", 30)]
    {
        assert_eq!(scene.kept_rows(table), rows, "{table}");
    }
    assert_eq!(scene.manifest()["verified"]["rows"], 75);
    let back = back(&scene);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM ONLY parent"), 10);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM parent"), 15);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM later"), 30);
}

#[test]
fn large_objects_are_counted_kept_and_missed() {
    needs_postgres!();
    let objects = "SELECT lo_from_bytea(n, 'object') FROM generate_series(500001, 500003) n";
    let scene = Scene::new("inventory_large", objects);
    let outcome = scene.run("psql -qX \"$DB\" -c 'SELECT lo_unlink(500002)' >/dev/null").run();
    let _ = outcome.exits(Exit::Loss).says("1 large object");
    assert_eq!(scene.manifest()["large_objects"], 3);
    let back = back(&scene);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM pg_largeobject_metadata"), 3);
    assert_eq!(back.rows("SELECT convert_from(lo_get(500002), 'UTF8')"), [["object"]]);
}

#[test]
fn rows_that_a_dump_leaves_to_an_extension_are_not_called_kept() {
    needs_postgres!();
    let scene = Scene::new("inventory_extension", "CREATE TABLE mine AS SELECT 1 AS id");
    scene.db.admin().execute(
        "CREATE TABLE theirs AS SELECT generate_series(1, 4) AS id;
         ALTER EXTENSION plpgsql ADD TABLE theirs; GRANT ALL ON theirs TO inventory_extension",
    );
    let outcome = scene.run("psql -qX \"$DB\" -c 'DELETE FROM theirs'").run().exits(Exit::Loss);
    let outcome = outcome.says("4 rows of theirs, which the plan did not name");
    let outcome = outcome.says("`public.theirs` belongs to extension `plpgsql`");
    assert!(!outcome.stderr.contains("holds all 5 rows"), "{outcome}");
    assert_eq!(scene.manifest()["verified"]["rows"], 1);
    assert_eq!(scene.manifest()["verified"]["tables"], 1);
}

#[test]
fn every_kind_of_table_is_kept() {
    needs_postgres!();
    let scene = Scene::new(
        "inventory_kinds",
        "CREATE UNLOGGED TABLE unlogged AS SELECT generate_series(1, 6) AS id;
         CREATE TABLE nothing (); INSERT INTO nothing SELECT FROM generate_series(1, 4);
         CREATE TABLE generated (id int GENERATED ALWAYS AS IDENTITY, twice int
             GENERATED ALWAYS AS (n * 2) STORED, n int);
         INSERT INTO generated (n) SELECT generate_series(1, 3);
         CREATE TABLE trap (line text);
         INSERT INTO trap VALUES ('\\.'), ('COPY public.nothing FROM stdin;'), (E'a\\n\\\\.\\nb'),
             ('SELECT pg_catalog.lo_open(1, 131072);'), (NULL), (''), (repeat('x', 2000000));
         CREATE MATERIALIZED VIEW filled AS SELECT * FROM unlogged;
         CREATE MATERIALIZED VIEW unfilled AS SELECT * FROM unlogged WITH NO DATA;
         CREATE TEMP TABLE gone_with_the_session AS SELECT 1 AS id",
    );
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let kept = [("unlogged", 6), ("nothing", 4), ("generated", 3), ("trap", 7)];
    for (table, rows) in kept.into_iter().chain([("filled", 6), ("unfilled", 0)]) {
        assert_eq!(scene.kept_rows(table), rows, "{table}");
    }
    assert_eq!(scene.manifest()["tables"].as_array().unwrap().len(), 6);
    let back = back(&scene);
    for (table, rows) in kept {
        assert_eq!(back.query_one_i64(&format!("SELECT count(*) FROM {table}")), rows, "{table}");
    }
}

#[test]
fn names_are_names_whatever_they_hold() {
    needs_postgres!();
    let names = [
        "with space",
        "with.dot",
        "with\"quote",
        "with'apostrophe",
        "select",
        "Übergröße",
        "日本語",
        "UPPER",
        "back\\slash",
        "$1",
        "a;b",
        "--",
        "(id) FROM stdin;",
        "x\tx",
        "per%cent",
    ];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sql = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = quoted(name);
        let part = format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.{name} ({name} int);
             INSERT INTO {name}.{name} SELECT generate_series(1, {});",
            index + 1
        );
        sql.push_str(&part);
    }
    let scene = Scene::new("inventory_names", &sql);
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let back = back(&scene);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(scene.kept_rows(name), i64::try_from(index).unwrap() + 1, "{name}");
        let count = format!("SELECT count(*) FROM {0}.{0}", quoted(name));
        assert_eq!(back.query_one_i64(&count), i64::try_from(index).unwrap() + 1, "{name}");
    }
}

/// A name may hold a line end, and so may look like a part of a dump.
#[test]
fn a_name_of_several_lines_is_kept_or_refused_but_never_kept_wrongly() {
    needs_postgres!();
    let scene = Scene::new(
        "inventory_lines",
        "CREATE TABLE \"two\nlines\" AS SELECT generate_series(1, 5) AS id",
    );
    let outcome = scene.run(HARMLESS).run();
    match outcome.code {
        Some(0) => assert_eq!(back(&scene).query_one_i64("SELECT count(*) FROM \"two\nlines\""), 5),
        _ => drop(outcome.exits(Exit::SnapshotFailed)),
    }
}

#[test]
fn a_database_in_another_encoding_is_kept() {
    needs_postgres!();
    let scene = Scene::new("inventory_latin", "");
    scene.db.server().admin("postgres").execute(
        "CREATE DATABASE inventory_latin1 OWNER inventory_latin ENCODING 'LATIN1'
             TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    let admin = scene.db.server().admin("inventory_latin1");
    admin.execute(
        "SET ROLE inventory_latin;
         CREATE TABLE \"größe\" AS SELECT 'Käse ' || n AS text FROM generate_series(1, 8) n",
    );
    let url = scene.db.socket_url().replace("/inventory_latin?", "/inventory_latin1?");
    let outcome = scene
        .run("PGCLIENTENCODING=UTF8 psql -qX \"$DB\" -c 'DELETE FROM \"größe\"'")
        .env("ROWSAFE_DATABASE", &url)
        .env("DB", &url)
        .run();
    let _ = outcome.exits(Exit::Loss).says("8 rows of \"größe\"");
    let restore = ["latest", "--confirm", "inventory_latin1"];
    let outcome = scene.rowsafe("restore").args(restore).env("ROWSAFE_DATABASE", &url).run();
    let _ = outcome.exits(Exit::Ok);
    assert_eq!(admin.query_one_i64("SELECT count(*) FROM \"größe\" WHERE text LIKE 'Käse %'"), 8);
}

/// Whatever is written meanwhile: what was counted, what is in the dump and what comes back agree.
#[test]
fn a_table_that_others_write_to_is_kept_as_it_was_at_one_moment() {
    needs_postgres!();
    for round in 1..=3 {
        let name = format!("inventory_busy_{round}");
        let scene = Scene::new(
            &name,
            "CREATE TABLE busy (id serial, text text); CREATE TABLE twin (id int);
             INSERT INTO busy (text) SELECT repeat('x', 200) FROM generate_series(1, 20000);
             INSERT INTO twin SELECT id FROM busy",
        );
        let done = AtomicBool::new(false);
        let written = std::thread::scope(|threads| {
            let write = || {
                let session = scene.db.session();
                let mut written = 0;
                while !done.load(Ordering::Relaxed) {
                    session.execute(
                        "WITH new AS (INSERT INTO busy (text) SELECT 'y' FROM generate_series(1, 7)
                             RETURNING id) INSERT INTO twin SELECT id FROM new",
                    );
                    session.execute(
                        "WITH old AS (DELETE FROM busy WHERE id IN
                             (SELECT min(id) FROM busy) RETURNING id)
                         DELETE FROM twin USING old WHERE twin.id = old.id",
                    );
                    written += 1;
                }
                written
            };
            let writer = threads.spawn(write);
            // The command ends at once; what others delete afterwards is no matter here.
            let outcome = scene.run(HARMLESS).run();
            done.store(true, Ordering::Relaxed);
            drop(outcome);
            writer.join().unwrap()
        });
        assert!(written > 0, "nothing was written meanwhile");
        let (busy, twin) = (scene.kept_rows("busy"), scene.kept_rows("twin"));
        assert_eq!(busy, twin, "two tables of one moment");
        let back = back(&scene);
        for table in ["busy", "twin"] {
            let rows = back.query_one_i64(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(rows, busy, "{table} in round {round}");
        }
    }
}

#[test]
fn a_database_of_a_role_without_any_table_is_kept_too() {
    needs_postgres!();
    let scene = Scene::of(Database::new("inventory_empty"), "");
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    assert_eq!(scene.manifest()["verified"]["rows"], 0);
}
