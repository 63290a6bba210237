//! With a record or a snapshot: what the statistics can't know, and where the rows still are.

use rowsafe::exit::Exit;

use super::{look, look_by};
use crate::harness::Scene;
use crate::harness::scene::HARMLESS;

const USERS: &str = "CREATE TABLE users AS SELECT n AS id FROM generate_series(1, 500) n;
    CREATE TABLE teams AS SELECT n AS id FROM generate_series(1, 40) n;
    CREATE TABLE notes AS SELECT n AS id FROM generate_series(1, 20) n;
    CREATE TABLE \"Odd | name\" AS SELECT 1 AS id";

/// A database with a record and a snapshot of everything.
fn seen(name: &str) -> Scene {
    let scene = Scene::new(name, USERS);
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    scene
}

#[test]
fn deleted_dropped_and_made_again_are_told_apart_and_brought_back() {
    needs_postgres!();
    let scene = seen("incident_known");
    scene.db.execute("DELETE FROM notes; DROP TABLE teams");
    scene.db.execute("DROP TABLE \"Odd | name\"; CREATE TABLE \"Odd | name\" (id int)");
    let report = look(&scene).exits(Exit::Loss, "P2");
    let report = report.is("notes", "wiped").is("teams", "gone").is("users", "intact");
    let report = report.is("Odd | name", "wiped");
    assert_eq!(report.table("notes")["expected"], 20);
    assert_eq!(report.table("notes")["expected_by"], "record");
    let why = report.explanations();
    for wanted in ["likely drop teams", "likely recreate Odd | name", "likely delete notes"] {
        assert!(why.contains(&wanted.to_owned()), "{wanted} is not in {why:?}");
    }
    let id = scene.kept()[0].clone();
    let commands = report.commands();
    for wanted in [
        format!("rowsafe diff {id} --table public.teams"),
        format!("rowsafe restore {id} --table public.teams"),
        format!("rowsafe restore {id} --table public.notes"),
        format!("rowsafe restore {id} --table 'public.\"Odd | name\"'"),
    ] {
        assert!(commands.contains(&wanted.as_str()), "{wanted} is not in {commands:#?}");
    }
    // The commands are true.
    let restores: Vec<String> = commands
        .iter()
        .filter(|command| command.starts_with("rowsafe restore"))
        .map(|command| (*command).to_owned())
        .collect();
    assert_eq!(restores.len(), 3, "{restores:?}");
    for command in restores {
        let words = shell_words::split(&command).unwrap();
        let name = scene.db.name.clone();
        let restore = scene.rowsafe("restore").args(&words[2..]).args(["--confirm", &name]);
        let _ = restore.run().exits(Exit::Ok);
    }
    let _ = look(&scene).exits(Exit::Ok, "none");
}

#[test]
fn a_count_after_the_loss_does_not_make_it_none() {
    needs_postgres!();
    let scene = seen("incident_again");
    scene.db.execute("DELETE FROM notes");
    // A run afterwards: its record and its snapshot hold no row of the table any more.
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    let report = look(&scene).exits(Exit::Loss, "P2").is("notes", "wiped");
    assert_eq!(report.table("notes")["expected_by"], "snapshot");
    let way = &report.incident()["ways_back"][0];
    assert_eq!((&way["rows"], &way["table"]["name"]), (&20.into(), &"notes".into()));
    assert_eq!(way["snapshot"], report.table("notes")["snapshot"]);
}

#[test]
fn what_was_agreed_to_is_no_loss() {
    needs_postgres!();
    let scene = seen("incident_agreed");
    let truncate = r#"psql -qX "$DB" -c 'TRUNCATE notes'"#;
    scene.sandbox.write("m.sql", "TRUNCATE notes;\n");
    let flags = ["--sql", "m.sql", "--allow", "truncate notes: stale"];
    let _ = scene.run_with(&flags, truncate).run().exits(Exit::Ok);
    let _ = look(&scene).exits(Exit::Ok, "none");
    scene.db.execute("TRUNCATE teams");
    let report = look(&scene).exits(Exit::Loss, "P2").is("teams", "wiped");
    let facts = report.incident()["facts"].to_string();
    assert!(facts.contains(", after the record of 20"), "{facts}");
}

#[test]
fn a_database_that_was_created_again_is_another_one() {
    needs_postgres!();
    let scene = seen("incident_recreated");
    let admin = scene.db.server().admin("postgres");
    admin.execute("DROP DATABASE incident_recreated WITH (FORCE)");
    admin.execute("CREATE DATABASE incident_recreated OWNER incident_recreated");
    drop(admin);
    // The application made its tables and one user meanwhile.
    scene.db.execute("CREATE TABLE users AS SELECT 1 AS id; CREATE TABLE teams (id int)");
    let report = look(&scene).exits(Exit::DatabaseUnavailable, "P0");
    assert_eq!(report.explanations()[0], "likely database-recreated");
    assert_eq!(report.report["verdict"], "lost");
    let report = report.is("users", "partial").is("teams", "wiped").is("notes", "gone");
    let rule = report.incident()["rule"].as_str().unwrap();
    assert!(rule.contains("560 of 561 are missing") || rule.contains("of 561 rows"), "{rule}");
    // Looking again later, with a snapshot of the present state, changes nothing.
    let id = scene.kept()[0].clone();
    let into = format!("rowsafe restore {id} --into incident_recreated_before");
    assert!(report.commands().contains(&into.as_str()), "{:?}", report.commands());
}

#[test]
fn a_missing_database_is_told_from_its_record_and_brought_back() {
    needs_postgres!();
    let scene = seen("incident_missing");
    let admin = scene.db.server().admin("postgres");
    admin.execute("DROP DATABASE incident_missing WITH (FORCE)");
    drop(admin);
    let report = look_by(scene.rowsafe("incident")).exits(Exit::DatabaseUnavailable, "P0");
    assert_eq!(report.explanations(), ["likely database-dropped", "unlikely new-data-directory"]);
    assert_eq!(report.table("users")["status"], "gone");
    assert_eq!(report.table("users")["expected"], 500);
    let command = report.commands().into_iter().find(|command| command.contains("--into"));
    let words = shell_words::split(command.expect("there is a way back")).unwrap();
    assert_eq!(words[..2], ["rowsafe", "restore"]);
    let confirm = ["--confirm", "incident_missing_before"];
    let restore = scene.rowsafe("restore").args(&words[2..]).args(confirm);
    let _ = restore.run().exits(Exit::Ok).says("561 rows");
}

#[test]
fn an_unreachable_server_is_no_loss_and_no_answer() {
    needs_postgres!();
    let scene = Scene::new("incident_away", USERS);
    let url = "postgresql://app:pass@127.0.0.1:1/app";
    let report = look_by(scene.rowsafe("incident").env("ROWSAFE_DATABASE", url));
    let report = report.exits(Exit::DatabaseUnavailable, "unknown");
    assert_eq!(report.report["verdict"], "error");
    assert!(!report.report["hints"].as_array().unwrap().is_empty());
}

#[test]
fn another_server_at_the_same_address() {
    needs_postgres!();
    let scene = seen("incident_server");
    let directory = scene.sandbox.path().join(".rowsafe/databases");
    let path = directory.join(&crate::harness::scene::names(&directory)[0]);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut known: serde_json::Value = serde_json::from_str(&text).unwrap();
    // As if it had been made on a server of the year 2001.
    known["system_identifier"] = (1_000_000_000_u64 << 32).to_string().into();
    std::fs::write(&path, known.to_string()).unwrap();
    scene.db.execute("DELETE FROM users WHERE id > 1; TRUNCATE teams, notes, \"Odd | name\"");
    let report = look(&scene).exits(Exit::DatabaseUnavailable, "P0");
    assert_eq!(report.explanations()[0], "likely new-data-directory");
    let why = report.explained("new-data-directory");
    assert!(why.contains("another server answers"), "{why}");
    assert!(report.commands().contains(&"docker volume ls"));
}
