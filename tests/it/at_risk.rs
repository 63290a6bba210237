//! Of the rows only those at risk are kept: with all that goes along and all that they refer to, and
//! everything as soon as something is not known.

use std::collections::BTreeMap;

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::Server;
use crate::story::{PSQL, Story, Told};

/// Customers with orders with lines, orders in partitions, and tables that have nothing to do with
/// them.
const SHOP: &str = "
    CREATE TABLE regions (id int PRIMARY KEY);
    INSERT INTO regions SELECT generate_series(1, 3);
    CREATE TABLE customers (id int PRIMARY KEY, region int REFERENCES regions, note text);
    INSERT INTO customers SELECT n, n % 3 + 1, 'n' || n FROM generate_series(1, 40) n;
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE);
    INSERT INTO orders SELECT n, n % 40 + 1 FROM generate_series(1, 100) n;
    CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2);
    INSERT INTO events SELECT n, n % 2 + 1 FROM generate_series(1, 60) n;
    CREATE TABLE logs AS SELECT n, 'log ' || n AS line FROM generate_series(1, 500) n;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM logs;
    SELECT lo_from_bytea(0, 'bytes');";

fn shop(name: &str) -> Story {
    Story::of_sql(name, SHOP)
}

fn manifest(story: &Story) -> Value {
    let mut kept = story.snapshots();
    assert_eq!(kept.len(), 1, "one snapshot");
    let path = kept.remove(0).join("manifest.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The tables whose rows are in the snapshot, counted in its archive by pg_restore itself.
fn archived(story: &Story) -> BTreeMap<String, usize> {
    let archive = story.snapshots().remove(0).join("archive.dump.zst");
    let bytes = zstd::decode_all(std::fs::File::open(archive).unwrap()).unwrap();
    let dump = story.sandbox.path().join("archive.dump");
    std::fs::write(&dump, bytes).unwrap();
    let restore = story.db.server().bin.join("pg_restore");
    let output = std::process::Command::new(restore)
        .args(["--data-only", "--file=-"])
        .arg(&dump)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut tables = BTreeMap::new();
    let mut open: Option<String> = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match (&open, line.strip_prefix("COPY public.")) {
            (Some(_), _) if line == "\\." => open = None,
            (Some(table), _) => *tables.entry(table.clone()).or_default() += 1,
            (None, Some(copy)) => open = Some(copy.split(" (").next().unwrap().to_owned()),
            (None, None) => {}
        }
    }
    tables
}

#[track_caller]
fn holds(story: &Story, expected: &[(&str, usize)]) {
    let expected = expected.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
    assert_eq!(archived(story), expected);
}

/// The whole shop, as the archive holds it: partitions under their root.
const ALL: [(&str, usize); 5] =
    [("regions", 3), ("customers", 40), ("orders", 100), ("events", 60), ("logs", 500)];

fn agree(told: Told) -> Told {
    assert!(told.report["exit"] == 0, "{}\n{:#}", told.outcome, told.report);
    told
}

#[test]
fn a_known_migration_keeps_what_is_at_risk_and_what_that_refers_to() {
    needs_postgres!();
    let story = shop("at_risk_known");
    let allow = ["--allow", "drop-column customers.note: a test"];
    let told = agree(story.migrate("ALTER TABLE customers DROP COLUMN note;", &allow));
    assert!(told.outcome.stderr.contains("2 of 6 tables at risk, 43 rows"), "{}", told.outcome);
    holds(&story, &[("customers", 40), ("regions", 3)]);
    let manifest = manifest(&story);
    assert_eq!(manifest["schema"], "rowsafe.snapshot/2");
    assert_eq!(manifest["scope"], "at-risk");
    assert_eq!(manifest["large_objects"], 0);
    assert_eq!(manifest["verified"]["tables"], 2);
    assert_eq!(manifest["verified"]["rows"], 43);
    assert!(manifest["archive"]["seconds"].as_f64().unwrap() > 0.0);
    let tables = manifest["tables"].as_array().unwrap();
    let logs = tables.iter().find(|table| table["name"] == "logs").unwrap();
    assert_eq!((&logs["kept"], &logs["rows"]), (&false.into(), &500.into()));
}

#[test]
fn rows_that_follow_by_foreign_keys_are_at_risk() {
    needs_postgres!();
    let story = shop("at_risk_follows");
    let allow = ["--allow", "delete *: a test", "--allow", "delete-cascade *: a test"];
    agree(story.migrate("DELETE FROM customers WHERE id = 7;", &allow));
    holds(&story, &[("customers", 40), ("orders", 100), ("regions", 3)]);
}

#[test]
fn what_takes_nothing_away_keeps_the_schema_and_says_so() {
    needs_postgres!();
    let story = shop("at_risk_nothing");
    let told = agree(story.migrate("ALTER TABLE logs ADD COLUMN level int;", &[]));
    let said = "keeps the schema; no table is at risk";
    assert!(told.outcome.stderr.contains(said), "{}", told.outcome);
    holds(&story, &[]);
    let name = "at_risk_nothing_before";
    let told = story.restore(&["latest", "--into", name]).answers(Exit::Ok, "ok", "0 rows");
    assert!(told.outcome.stderr.contains("0 of 6 tables will have rows"), "{}", told.outcome);
    let beside = Server::shared().admin(name);
    assert_eq!(beside.query_one_i64("SELECT count(*) FROM logs"), 0);
}

#[test]
fn whatever_is_not_known_keeps_everything() {
    needs_postgres!();
    let cases = [
        ("dynamic", "DO $$ BEGIN EXECUTE (SELECT 'DELETE FROM ' || min(line) FROM logs); END $$;"),
        ("names", "SET search_path = public; ALTER TABLE logs DROP COLUMN line;"),
        ("function", "SELECT purge();"),
        ("view", "UPDATE recent SET line = 'x' WHERE n = 1;"),
        ("trigger", "INSERT INTO watched VALUES (1);"),
        (
            "made",
            "CREATE TRIGGER t BEFORE INSERT ON regions FOR EACH ROW
                  EXECUTE FUNCTION fired(); INSERT INTO regions VALUES (1000000);",
        ),
    ];
    for (name, sql) in cases {
        let story = shop(&format!("at_risk_unknown_{name}"));
        story.db.execute(
            "CREATE FUNCTION purge() RETURNS void LANGUAGE plpgsql AS
                 'BEGIN EXECUTE (SELECT ''SELECT '' || min(n) FROM logs); END';
             CREATE VIEW recent AS SELECT * FROM logs WHERE n < 10;
             CREATE TABLE watched (id int);
             CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN EXECUTE (SELECT ''SELECT '' || min(n) FROM logs); RETURN new; END';
             CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fired();",
        );
        let told = story.migrate(sql, &["--fail-on", "never"]);
        holds(&story, &ALL);
        let manifest = manifest(&story);
        assert_eq!(manifest["scope"], "all", "{name}\n{}", told.outcome);
        assert_eq!(manifest["schema"], "rowsafe.snapshot/1");
        assert_eq!(manifest["large_objects"], 1);
    }
}

/// What bodies do is at risk, be it harmful enough to be told or not.
#[test]
fn what_triggers_rules_and_functions_touch_is_at_risk() {
    needs_postgres!();
    let story = shop("at_risk_bodies");
    story.db.execute(
        "CREATE TABLE watched (id int);
         CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN DELETE FROM logs WHERE n = 1; RETURN new; END';
         CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fired();
         CREATE TABLE ruled (id int);
         CREATE RULE r AS ON INSERT TO ruled DO ALSO UPDATE regions SET id = id WHERE id > 100;
         CREATE TABLE totals_of (id int PRIMARY KEY, n int);
         INSERT INTO totals_of VALUES (1, 1);
         CREATE FUNCTION add_up() RETURNS void LANGUAGE sql AS
             'INSERT INTO totals_of VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = 2';",
    );
    let flags = ["--fail-on", "never"];
    for (sql, expected) in [
        ("INSERT INTO watched VALUES (1);", &[("logs", 500)][..]),
        ("INSERT INTO ruled VALUES (1);", &[("regions", 3)][..]),
        ("SELECT add_up();", &[("totals_of", 1)][..]),
    ] {
        let told = story.migrate(sql, &flags);
        assert_eq!(manifest(&story)["scope"], "at-risk", "{sql}\n{}", told.outcome);
        holds(&story, expected);
        std::fs::remove_dir_all(&story.snapshots()[0]).unwrap();
    }
}

#[test]
fn a_trigger_that_nothing_pending_fires_is_no_reason_to_keep_everything() {
    needs_postgres!();
    let story = shop("at_risk_quiet_trigger");
    story.db.execute(
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN DELETE FROM logs; RETURN new; END';
         CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fired();",
    );
    let sql = "ALTER TABLE orders ADD COLUMN note text; INSERT INTO regions VALUES (4);";
    agree(story.migrate(sql, &[]));
    holds(&story, &[]);
}

#[test]
fn a_command_that_may_run_more_than_it_was_said_to_keeps_everything() {
    needs_postgres!();
    let story = shop("at_risk_word");
    let told = story.surprise("DELETE FROM logs;");
    assert_eq!(told.outcome.code, Some(5));
    holds(&story, &ALL);
    let _ = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "500 rows of 1 table");
    assert_eq!(story.db.count("logs"), 500);
}

#[test]
fn what_is_at_risk_can_be_forced_and_says_what_it_does_not_cover() {
    needs_postgres!();
    let story = shop("at_risk_forced");
    let sql = "DELETE FROM logs WHERE n < 10; DO $$ BEGIN EXECUTE (SELECT 'SELECT ' || min(n) FROM logs); END $$;";
    let flags = ["--snapshot", "at-risk", "--fail-on", "never"];
    let told = agree(story.migrate(sql, &flags));
    let said = "the snapshot holds only what is known to be at risk";
    assert!(told.outcome.stderr.contains(said), "{}", told.outcome);
    holds(&story, &[("logs", 500)]);
    let story = shop("at_risk_forced_all");
    agree(story.migrate("ALTER TABLE logs ADD COLUMN level int;", &["--snapshot", "all"]));
    holds(&story, &ALL);
}

#[test]
fn a_loss_in_a_table_that_was_not_kept_is_said_to_be_there_no_more() {
    needs_postgres!();
    let story = shop("at_risk_missing");
    story.sandbox.write("told.sql", "DELETE FROM customers WHERE id = 1;");
    story.sandbox.write("migration.sql", "DELETE FROM logs; TRUNCATE customers CASCADE;");
    let flags = ["--sql", "told.sql", "--snapshot", "at-risk", "--fail-on", "never"];
    let told = story.run(&flags, &shell_words::join(["sh", "-c", PSQL]));
    assert_eq!(told.outcome.code, Some(5), "{}", told.outcome);
    let hints = told.hints();
    assert!(hints.contains("holds the 143 rows of what was at risk"), "{hints}");
    let said = "not in it, because nothing pending was known to touch it: logs";
    assert!(hints.contains(said), "{hints}");
    assert!(hints.contains("put back what is in it: rowsafe restore"), "{hints}");
}

/// Half of the partitions is no picture of the table before.
#[test]
fn values_of_a_table_that_was_kept_in_part_are_not_said_to_be_compared() {
    needs_postgres!();
    let story = shop("at_risk_in_part");
    story.sandbox.write("told.sql", "UPDATE events_2 SET id = 1 WHERE id = 3;");
    story.sandbox.write("migration.sql", "UPDATE events_1 SET id = id + 1000;");
    let flags = ["--sql", "told.sql", "--snapshot", "at-risk", "--fail-on", "never"];
    let told = story.run(&flags, &shell_words::join(["sh", "-c", PSQL]));
    holds(&story, &[("events", 30)]);
    let said = "the values of `events` were not compared";
    assert!(told.outcome.stderr.contains(said), "{}", told.outcome);
}

#[test]
fn what_was_lost_comes_back_and_what_was_not_kept_is_refused() {
    needs_postgres!();
    let story = shop("at_risk_back");
    let allow = ["--allow", "drop-table *: a test", "--allow", "delete-all *: a test"];
    agree(story.migrate("DROP TABLE orders; DELETE FROM customers;", &allow));
    holds(&story, &[("customers", 40), ("orders", 100), ("regions", 3)]);
    story.db.execute("TRUNCATE logs");
    let told = story.restore_here(&["latest", "--table", "logs"]);
    let _ = told.answers(Exit::NoAnswer, "error", "the rows of `public.logs` are not in snapshot");
    let told = story.restore_here(&["latest"]);
    let told = told.answers(Exit::Ok, "ok", "140 rows of 2 tables are back");
    assert!(told.hints().contains("logs: gone or empty, and not in this snapshot"));
    assert_eq!((story.db.count("customers"), story.db.count("orders")), (40, 100));
    let told = story.restore_here(&["latest"]);
    let _ = told.answers(Exit::Blocked, "blocked", "no rows of 1 table that is gone or empty");
    assert_eq!(story.db.count("logs"), 0);
}

#[test]
fn a_narrow_snapshot_makes_a_whole_database_with_the_rows_that_it_has() {
    needs_postgres!();
    let story = shop("at_risk_into");
    story.db.execute("CREATE MATERIALIZED VIEW rare AS SELECT 10 / count(*) AS per FROM logs");
    let sql = "TRUNCATE events_2; ALTER TABLE orders DROP COLUMN customer;";
    agree(story.migrate(sql, &["--fail-on", "never"]));
    holds(&story, &[("customers", 40), ("events", 30), ("orders", 100), ("regions", 3)]);
    let name = "at_risk_into_before";
    let told = story.restore(&["latest", "--into", name]);
    let told = told.answers(Exit::Ok, "ok", "173 rows of 4 tables, counted again");
    let said =
        "holds only what was at risk: 4 of 6 tables will have rows, the others are made empty";
    assert!(told.outcome.stderr.contains(said), "{}", told.outcome);
    let beside = Server::shared().admin(name);
    let count = |what: &str| beside.query_one_i64(&format!("SELECT count(*) FROM {what}"));
    assert_eq!((count("customers"), count("orders"), count("logs")), (40, 100, 0));
    assert_eq!((count("events_1"), count("events_2")), (0, 30));
    assert_eq!(
        count("orders o JOIN customers c ON c.id = o.customer JOIN regions r ON r.id = c.region"),
        100
    );
    assert_eq!(count("pg_constraint WHERE contype = 'f' AND convalidated"), 2);
    assert_eq!(count("pg_matviews WHERE NOT ispopulated"), 2);
}

#[test]
fn one_partition_is_kept_without_its_siblings() {
    needs_postgres!();
    let story = shop("at_risk_partition");
    let allow = ["--allow", "truncate *: a test"];
    agree(story.migrate("TRUNCATE events_1;", &allow));
    holds(&story, &[("events", 30)]);
    let told = story.restore_here(&["latest"]);
    let _ = told.answers(Exit::Ok, "ok", "30 rows of 1 table are back");
    assert_eq!(story.db.count("events"), 60);
    let story = shop("at_risk_partitioned");
    agree(story.migrate("UPDATE events SET id = id + 1 WHERE day = 1;", &["--fail-on", "never"]));
    holds(&story, &[("events", 60)]);
}

/// Names with everything that means something in a pattern, a regular expression or a shell.
#[test]
fn odd_names_are_taken_literally() {
    needs_postgres!();
    let odd = [
        "Users", "a.b", "x*", "y?", "d$", "(p|q)", "[a-z]+", "b\\s", "qu\"ote", "it's", "ne\nw",
        "sp ace", "^s", "é", "%", "\"", ".*",
    ];
    let schemas = ["public", "My.App", "s*"];
    let quote = rowsafe::text::name::quote;
    let mut sql = String::new();
    for schema in schemas {
        sql += &format!("CREATE SCHEMA IF NOT EXISTS {};", quote(schema));
        for name in odd {
            let name = format!("{}.{}", quote(schema), quote(name));
            sql += &format!("CREATE TABLE {name} AS SELECT 1 AS id, 'x'::text AS note;");
        }
    }
    for name in ["users", "ab", "x", "xy", "p", "q", "a", "aXb"] {
        sql += &format!("CREATE TABLE {name} AS SELECT 1 AS id, 'x'::text AS note;");
    }
    let story = Story::of_sql("at_risk_odd_names", &sql);
    let migration =
        "ALTER TABLE \"My.App\".\"a.b\" DROP COLUMN note; ALTER TABLE x DROP COLUMN note;
         ALTER TABLE public.\".*\" DROP COLUMN note;";
    // What is passed on by another program arrives as it is, too.
    let flags = ["--fail-on", "never", "--pg-dump", "env LC_ALL=C pg_dump"];
    agree(story.migrate(migration, &flags));
    let manifest = manifest(&story);
    let kept =
        manifest["tables"].as_array().unwrap().iter().filter(|table| table["kept"].is_null());
    let mut kept: Vec<String> =
        kept.map(|table| format!("{} {}", table["schema"], table["name"])).collect();
    kept.sort();
    assert_eq!(kept, ["\"My.App\" \"a.b\"", "\"public\" \".*\"", "\"public\" \"x\""]);
    assert_eq!(manifest["verified"]["rows"], 3);
}

#[test]
fn thousands_of_tables_are_left_out() {
    needs_postgres!();
    let story = Story::of_sql(
        "at_risk_many",
        "DO $$ BEGIN FOR n IN 1..2500 LOOP
             EXECUTE format('CREATE TABLE a_table_with_a_rather_long_name_%s (id) AS SELECT 1', n);
             IF n % 500 = 0 THEN COMMIT; END IF;
         END LOOP; END $$;",
    );
    let sql = "DROP TABLE a_table_with_a_rather_long_name_77;";
    agree(story.migrate(sql, &["--fail-on", "never"]));
    holds(&story, &[("a_table_with_a_rather_long_name_77", 1)]);
}

#[test]
fn large_objects_are_kept_where_a_kept_table_can_name_them() {
    needs_postgres!();
    let story = shop("at_risk_objects");
    story.db.execute("CREATE TABLE files AS SELECT oid AS content FROM pg_largeobject_metadata");
    agree(story.migrate("DROP TABLE files;", &["--fail-on", "never"]));
    holds(&story, &[("files", 1)]);
    let manifest = manifest(&story);
    assert_eq!((&manifest["large_objects"], &manifest["scope"]), (&1.into(), &"at-risk".into()));
}

#[test]
fn the_plan_says_what_would_be_kept_and_how_long_that_takes() {
    needs_postgres!();
    let story = shop("at_risk_planned");
    story.db.execute("INSERT INTO logs SELECT n, repeat('x', 200) FROM generate_series(1, 9000) n");
    let plan = || {
        story.sandbox.write("migration.sql", "ALTER TABLE customers DROP COLUMN note;");
        let told = story.rowsafe(&["plan", "--sql", "migration.sql", "--", "psql", "-f"]);
        let told = Told::by(told.arg("migration.sql"));
        told.report["keep"].clone()
    };
    let keep = plan();
    assert_eq!((&keep["scope"], &keep["of_tables"]), (&"at-risk".into(), &6.into()));
    let names = |keep: &Value| -> Vec<String> {
        let tables = keep["tables"].as_array().unwrap().iter();
        tables.map(|table| table["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut kept = names(&keep);
    kept.sort();
    assert_eq!(kept, ["customers", "regions"]);
    let small = "pg_table_size('customers') + pg_table_size('regions')";
    assert_eq!(keep["bytes"], story.db.query_one_i64(&format!("SELECT {small}")));
    assert!(keep["free_space"].as_u64().unwrap() > 0);
    assert!(keep.get("seconds").is_none_or(Value::is_null), "nothing was measured yet: {keep}");

    agree(story.migrate("ALTER TABLE logs ADD COLUMN a int;", &["--snapshot", "all"]));
    let archive = &manifest(&story)["archive"];
    let rate = archive["table_bytes"].as_f64().unwrap() / archive["seconds"].as_f64().unwrap();
    let keep = plan();
    let expected = keep["bytes"].as_f64().unwrap() / rate;
    let seconds = keep["seconds"].as_f64().unwrap();
    assert!((seconds - expected).abs() < 0.01, "{seconds} {expected}");

    // Nobody's lock is waited for: then the catalogue's estimate is shown.
    story.db.execute("ANALYZE regions, customers");
    let holder = story.db.session();
    holder.execute("BEGIN; LOCK TABLE regions");
    let estimated = plan();
    holder.execute("ROLLBACK");
    assert_eq!(names(&estimated).len(), 2, "{estimated}");
}
