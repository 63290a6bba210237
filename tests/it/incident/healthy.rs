//! A database that misses nothing, and what an ordinary role may not see.

use rowsafe::exit::Exit;

use super::{look, look_by};
use crate::harness::Scene;
use crate::harness::scene::HARMLESS;

const USERS: &str = "CREATE TABLE users (id serial PRIMARY KEY, name text);
    INSERT INTO users (name) SELECT 'n' || n FROM generate_series(1, 50) n;
    CREATE TABLE teams (id int); INSERT INTO teams SELECT generate_series(1, 10);
    CREATE TABLE later (id serial); CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('3f9c1a')";

#[test]
fn nothing_is_missing_from_a_healthy_database() {
    needs_postgres!();
    let scene = Scene::new("incident_healthy", USERS);
    scene.db.execute("UPDATE users SET name = 'x' WHERE id < 5; DELETE FROM users WHERE id = 7");
    scene.db.execute("VACUUM FULL teams");
    let report = look(&scene).exits(Exit::Ok, "none");
    assert_eq!(
        report.tables(),
        [
            "alembic_version 1 0 1 1 intact",
            "teams 10 0 10 10 intact",
            "users 50 1 49 49 intact",
            "later 0 0 - 0 empty",
        ]
    );
    assert_eq!(report.explanations(), [""; 0]);
    assert_eq!(report.commands(), [""; 0]);
    let message = report.report["message"].as_str().unwrap();
    assert_eq!(message, "nothing is missing as far as can be told, 60 rows in 4 tables");
    let facts = report.incident()["facts"].to_string();
    assert!(facts.contains("`alembic_version` is at 3f9c1a"), "{facts}");
    assert!(!scene.sandbox.path().join(".rowsafe").exists(), "it writes nothing down");
}

#[test]
fn a_record_of_a_healthy_database_agrees() {
    needs_postgres!();
    let scene = Scene::new("incident_agrees", USERS);
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    scene.db.execute("DELETE FROM users WHERE id <= 5; INSERT INTO teams VALUES (11)");
    let report = look(&scene).exits(Exit::Ok, "none").is("users", "intact");
    assert_eq!(report.table("teams")["expected_by"], "record");
    assert!(report.table("users")["notes"].to_string().contains("5 fewer than on record"));
    let runs = report.incident()["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["outcome"], "ok, exit 0");
    assert!(runs[0]["user"].is_u64(), "{runs:?}");
    // More than a tenth of them is a loss until somebody says otherwise.
    scene.db.execute("DELETE FROM users WHERE id <= 6");
    let _ = look(&scene).exits(Exit::Loss, "P3").is("users", "partial");
    scene.sandbox.write("rowsafe.toml", "[tables.users]\nvolatile = true\n");
    let _ = look(&scene).exits(Exit::Ok, "none").is("users", "intact");
}

#[test]
fn a_queue_that_is_empty_is_a_question_until_it_is_declared() {
    needs_postgres!();
    let scene = Scene::new("incident_queue", USERS);
    scene.db.execute("INSERT INTO later DEFAULT VALUES; DELETE FROM later");
    let report = look(&scene).exits(Exit::Loss, "P3").is("later", "emptied");
    let rule = report.incident()["rule"].as_str().unwrap();
    assert_eq!(rule, "1 table emptied by DELETE, which may be a clean-up");
    scene.sandbox.write("rowsafe.toml", "[tables.later]\nvolatile = true\n");
    let _ = look(&scene).exits(Exit::Ok, "none").is("later", "intact");
}

#[test]
fn a_database_without_rows_is_everything_gone() {
    needs_postgres!();
    let scene = Scene::new("incident_bare", "CREATE TABLE users (id int)");
    let report = look(&scene).exits(Exit::Loss, "P0");
    assert_eq!(report.explanations(), ["possible database-made-anew", "possible never-here"]);
    scene.db.execute("DROP TABLE users");
    let report = look(&scene).exits(Exit::Loss, "P0");
    assert_eq!(report.incident()["rule"], "the database holds no table");
}

#[test]
fn what_the_role_may_not_see_is_said() {
    needs_postgres!();
    let scene = Scene::new("incident_rights", USERS);
    let admin = scene.db.admin();
    admin.execute("CREATE TABLE hidden AS SELECT 1 AS id");
    drop(admin);
    scene.db.execute("ALTER TABLE teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    let report =
        look(&scene).exits(Exit::Ok, "none").is("hidden", "unknown").is("teams", "unknown");
    let message = report.report["message"].as_str().unwrap();
    assert!(message.ends_with("; of 2 tables it can't be told"), "{message}");
    assert!(report.table("hidden")["notes"].to_string().contains("may not read it"));
    let unseen = report.incident()["unseen"].to_string();
    assert!(unseen.contains("pg_read_all_stats"), "{unseen}");
    // The superuser sees both, and the session of another.
    let held = scene.db.session();
    held.execute("SELECT 'a secret value'");
    let url = scene.db.server().admin_url(&scene.db.name);
    let report = look_by(scene.rowsafe("incident").env("ROWSAFE_DATABASE", url));
    let report = report.exits(Exit::Ok, "none").is("hidden", "intact").is("teams", "intact");
    assert_eq!(report.incident()["sessions"][0]["role"], "incident_rights");
    assert!(!report.report.to_string().contains("a secret value"));
    assert_eq!(report.incident()["unseen"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_locked_table_is_waited_for_no_longer_than_is_set() {
    needs_postgres!();
    let scene = Scene::new("incident_locked", USERS);
    let holder = scene.db.session();
    holder.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    scene.sandbox.write("rowsafe.toml", "lock-timeout = \"50ms\"\n");
    let report = look_by(scene.rowsafe("incident").args(["--jobs", "2"]));
    let report = report.exits(Exit::Ok, "none").is("users", "unknown").is("teams", "intact");
    assert!(report.table("users")["notes"].to_string().contains("could not be counted"));
    let estimated = look_by(scene.rowsafe("incident").args(["--count", "none"]));
    assert_eq!(estimated.table("users")["found_by"], "estimated");
    drop(holder);
    let outcome = scene.rowsafe("incident").args(["--count", "some"]).run();
    let _ = outcome.exits(Exit::NoAnswer).says("`some` is none of auto, all, none");
}
