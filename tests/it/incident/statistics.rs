//! Without any record: what the statistics, the files and the keys say.

use rowsafe::exit::Exit;

use super::look;
use crate::harness::{Database, Scene, Server};

/// The schema of the incident: three tables hang on `collection_flows`, and others on those.
const FLOWS: &str = "
CREATE SCHEMA migration; SET search_path = migration;
CREATE TABLE collection_flows (id int PRIMARY KEY, status text);
CREATE TABLE crewai_flow_state_extensions (id int PRIMARY KEY,
    flow int REFERENCES collection_flows ON DELETE CASCADE);
CREATE TABLE discovery_flows (id int PRIMARY KEY,
    extension int REFERENCES crewai_flow_state_extensions ON DELETE CASCADE);
CREATE TABLE data_imports (id int PRIMARY KEY, flow int REFERENCES collection_flows ON DELETE CASCADE);
CREATE TABLE raw_import_records (id int PRIMARY KEY,
    import int REFERENCES data_imports ON DELETE CASCADE);
CREATE TABLE assets (id int PRIMARY KEY, flow int REFERENCES collection_flows ON DELETE CASCADE);
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE canonical_applications (id int PRIMARY KEY);
INSERT INTO collection_flows SELECT n, 'completed' FROM generate_series(1, 141) n;
DELETE FROM collection_flows WHERE id <= 101;
INSERT INTO crewai_flow_state_extensions SELECT n, 102 + n % 40 FROM generate_series(1, 134) n;
DELETE FROM crewai_flow_state_extensions WHERE id <= 70;
INSERT INTO discovery_flows SELECT n, 70 + n FROM generate_series(1, 8) n;
DELETE FROM discovery_flows WHERE id = 1;
INSERT INTO data_imports SELECT n, 102 FROM generate_series(1, 8) n;
INSERT INTO raw_import_records SELECT n, 1 + n % 8 FROM generate_series(1, 115) n;
INSERT INTO assets SELECT n, 102 + n % 40 FROM generate_series(1, 81) n;
DELETE FROM assets WHERE id <= 33;
INSERT INTO users SELECT generate_series(1, 11);
INSERT INTO canonical_applications SELECT generate_series(1, 8);";

const WIPED: &str = "
TRUNCATE migration.collection_flows CASCADE;
INSERT INTO migration.collection_flows VALUES (142, 'new'), (143, 'new');
INSERT INTO migration.crewai_flow_state_extensions VALUES (135, 142), (136, 143);";

#[test]
fn wiped_tables_are_told_from_their_statistics() {
    needs_postgres!();
    let scene = Scene::new("incident_flows", FLOWS);
    scene.db.execute(WIPED);
    let report = look(&scene).exits(Exit::Loss, "P1");
    assert_eq!(
        report.tables(),
        [
            "raw_import_records 115 0 115 0 wiped",
            "assets 81 33 48 0 wiped",
            "data_imports 8 0 8 0 wiped",
            "discovery_flows 8 1 7 0 wiped",
            "crewai_flow_state_extensions 136 70 66 2 partial",
            "collection_flows 143 101 42 2 partial",
            "canonical_applications 8 0 8 8 intact",
            "users 11 0 11 11 intact",
        ]
    );
    let rule = report.incident()["rule"].as_str().unwrap();
    assert_eq!(rule, "half of all rows or more are missing: 282 of 305 expected rows");
    assert_eq!(
        report.explanations(),
        [
            "likely truncate-cascade assets crewai_flow_state_extensions data_imports discovery_flows \
             raw_import_records",
            "likely truncate collection_flows",
            "unlikely rolled-back collection_flows crewai_flow_state_extensions",
        ]
    );
    let why = report.explained("truncate");
    assert!(why.contains("143 inserted, 101 deleted, and its file is new"), "{why}");
    assert!(why.contains("gave 6 tables a new file"), "{why}");
    let relations = report.incident()["relations"].as_array().unwrap();
    assert_eq!(relations.len(), 5);
    assert!(relations.iter().all(|relation| relation["on_delete"] == "CASCADE"));
    let ways = report.incident()["ways_back"].as_array().unwrap();
    assert!(ways.len() == 6 && ways.iter().all(|way| way["snapshot"].is_null()), "{ways:?}");
    let outcome = report.outcome.prints("database  incident_flows@");
    let _ = outcome.prints("WIPED").prints("no snapshot holds the missing rows of");
}

/// One table for each statement that may or may not take rows, as the module's table has them.
#[test]
fn what_each_statement_leaves_behind() {
    needs_postgres!();
    let scene = Scene::new("incident_statements", "");
    let kinds = [
        "untouched",
        "updated",
        "failed",
        "deleted",
        "kept",
        "truncated",
        "rewritten",
        "regained",
        "recreated",
        "dropped",
        "undone",
    ];
    for kind in kinds {
        scene.db.execute(&format!(
            "CREATE TABLE {kind} (id int); INSERT INTO {kind} SELECT generate_series(1, 10)"
        ));
    }
    for statement in [
        "UPDATE updated SET id = id + 100",
        "BEGIN; INSERT INTO failed SELECT generate_series(1, 7); ROLLBACK",
        "DELETE FROM deleted",
        "BEGIN; DELETE FROM kept; ROLLBACK",
        "TRUNCATE truncated",
        "VACUUM FULL rewritten",
        "BEGIN; TRUNCATE regained; INSERT INTO regained VALUES (1), (2), (3); COMMIT",
        "DROP TABLE dropped",
        "BEGIN; TRUNCATE undone; ROLLBACK",
        "CREATE TABLE parted (id int) PARTITION BY LIST (id)",
        "CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1)",
        "CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2)",
        "INSERT INTO parted SELECT 1 + n % 2 FROM generate_series(1, 20) n",
        "TRUNCATE part_1",
        "DROP TABLE recreated; CREATE TABLE recreated (id int)",
    ] {
        scene.db.execute(statement);
    }
    let report = look(&scene).exits(Exit::Loss, "P2");
    let mut tables = report.tables();
    tables.sort();
    assert_eq!(
        tables,
        [
            "deleted 10 10 - 0 emptied",
            "failed 17 0 17 10 intact",
            // As many deletes as inserts, and the rows are there: the statistics can't tell.
            "kept 10 10 - 10 unknown",
            "part_1 10 0 10 0 wiped",
            "part_2 10 0 10 10 intact",
            // Nothing but a record can tell of these.
            "recreated 0 0 - 0 empty",
            "regained 13 0 13 3 partial",
            "rewritten 10 0 10 10 intact",
            "truncated 10 0 10 0 wiped",
            "undone 10 0 10 10 intact",
            "untouched 10 0 10 10 intact",
            "updated 10 0 10 10 intact",
        ]
    );
    assert!(report.table("failed")["notes"].to_string().contains("7 inserts rolled back"));
    // It was not read: its deleted rows may still be there.
    assert_eq!(report.table("deleted")["found_by"], "estimated");
    assert_eq!(report.table("untouched")["found_by"], "counted");
    let why = report.explanations();
    assert!(why.contains(&"possible delete deleted".to_owned()), "{why:?}");
    assert!(why.contains(&"possible clean-up deleted".to_owned()), "{why:?}");
    assert!(why.contains(&"likely truncate truncated".to_owned()), "{why:?}");
    assert!(why.contains(&"possible recreate recreated".to_owned()), "{why:?}");
    let commands = report.commands();
    let off = "ALTER TABLE public.deleted SET (autovacuum_enabled = off);";
    assert!(commands.contains(&off), "{commands:?}");
}

#[test]
fn deleted_rows_are_left_in_their_file() {
    needs_postgres!();
    let scene = Scene::new(
        "incident_dead",
        "CREATE TABLE notes (id int, text text) WITH (autovacuum_enabled = off);
         INSERT INTO notes SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
         CREATE TABLE users AS SELECT 1 AS id",
    );
    scene.db.execute("DELETE FROM notes");
    let admin = scene.db.admin();
    if admin.try_rows("CREATE EXTENSION pageinspect").is_err() {
        // A server without its contrib modules can't show what is in a page.
        return;
    }
    let in_pages = || {
        scene.db.admin().query_one_i64(
            "SELECT count(*) FROM generate_series(0, pg_relation_size('notes') / 8192 - 1) b,
                    heap_page_items(get_raw_page('notes', b::int)) WHERE lp_flags = 1",
        )
    };
    drop(admin);
    let report = look(&scene).exits(Exit::Loss, "P3").is("notes", "emptied");
    assert_eq!(report.incident()["ways_back"][0]["dead"], 1000);
    assert_eq!(in_pages(), 1000, "looking has cleared deleted rows away");
    scene.wait_until_left_alone();
    let counted = super::look_by(scene.rowsafe("incident").args(["--count", "all"]));
    assert_eq!(counted.exits(Exit::Loss, "P3").table("notes")["found_by"], "counted");
    assert!(in_pages() < 1000, "the caution is needless");
}

#[test]
fn rows_that_went_by_on_delete_cascade() {
    needs_postgres!();
    let scene = Scene::new(
        "incident_cascade",
        "CREATE TABLE flows (id int PRIMARY KEY); CREATE TABLE parts (id int PRIMARY KEY,
             flow int REFERENCES flows ON DELETE CASCADE); CREATE TABLE users (id int);
         INSERT INTO flows SELECT generate_series(1, 5); INSERT INTO users VALUES (1);
         INSERT INTO parts SELECT n, 1 + n % 5 FROM generate_series(1, 20) n; DELETE FROM flows",
    );
    let report = look(&scene).exits(Exit::Loss, "P3").is("parts", "emptied");
    let why = report.explanations();
    assert!(why.contains(&"likely delete-cascade parts".to_owned()), "{why:?}");
    assert!(why.contains(&"possible delete flows".to_owned()), "{why:?}");
    assert!(report.explained("delete-cascade").contains("ON DELETE CASCADE"));
}

#[test]
fn statistics_that_were_reset_say_nothing_and_that_is_said() {
    needs_postgres!();
    let scene = Scene::new(
        "incident_reset",
        "CREATE TABLE users (id serial, name text); CREATE TABLE notes (id serial);
         CREATE TABLE plain (id int); CREATE TABLE teams AS SELECT generate_series(1, 5) AS id;
         INSERT INTO users (name) SELECT 'n' FROM generate_series(1, 30);
         INSERT INTO plain SELECT generate_series(1, 30); ANALYZE plain; DELETE FROM plain",
    );
    scene.db.execute("DELETE FROM users");
    scene.wait_until_left_alone();
    scene.db.admin().execute("SELECT pg_stat_reset()");
    let report = look(&scene).exits(Exit::Loss, "P3");
    // Its sequence was not reset, and the statistics of its columns neither.
    let report = report.is("users", "emptied").is("plain", "emptied");
    let report = report.is("notes", "unknown").is("teams", "unknown");
    assert!(report.table("users")["notes"].to_string().contains("numbers up to 30"));
    let facts = report.incident()["facts"].to_string();
    assert!(facts.contains("reset on 20"), "{facts}");
}

#[test]
fn statements_that_the_server_remembers_and_when_it_was() {
    needs_postgres!();
    let server = Server::start(&[
        "shared_preload_libraries=pg_stat_statements",
        "track_commit_timestamp=on",
    ]);
    let scene = Scene::of(
        Database::on(&server, "incident_remembered", "planted"),
        "CREATE TABLE users (id int); INSERT INTO users SELECT generate_series(1, 50);
         CREATE TABLE teams (id int); INSERT INTO teams SELECT generate_series(1, 50)",
    );
    scene.db.admin().execute("CREATE EXTENSION pg_stat_statements");
    scene.db.execute("TRUNCATE users");
    scene.db.execute("DELETE FROM teams WHERE id < 4711");
    scene.db.execute("ALTER TABLE teams ADD CHECK (id <> 4712)");
    let report = look(&scene).exits(Exit::Loss, "P0");
    let statements = report.incident()["statements"].to_string();
    assert!(statements.contains("TRUNCATE users"), "{statements}");
    assert!(statements.contains("DELETE FROM teams WHERE id <"), "{statements}");
    assert!(!report.report.to_string().contains("471"), "a value is in the report");
    let why = report.explained("truncate");
    assert!(why.contains("pg_stat_statements: `TRUNCATE users`, 1 call"), "{why}");
    let why = report.explained("delete");
    assert!(why.contains("\"likely\"") && why.contains("50 rows deleted from `teams`"), "{why}");
    let timeline = report.incident()["timeline"].to_string();
    assert!(timeline.contains("`users`: its row in the catalogue was written"), "{timeline}");
}
