//! Is it the database that was there the last time? Every refusal, and the twin that goes on.

use rowsafe::exit::Exit;
use serde_json::{Value, json};

use crate::harness::scene::{HARMLESS, names};
use crate::harness::{Database, Rowsafe, Scene, Server};
use crate::story::{Story, Told};

const USERS: &str = "CREATE TABLE users AS SELECT n AS id FROM generate_series(1, 500) n; \
                     CREATE TABLE teams AS SELECT n AS id FROM generate_series(1, 40) n;";

/// A database that a run has left its record of.
fn seen(name: &str) -> Scene {
    let scene = Scene::new(name, USERS);
    let _ = told(&scene, &[], HARMLESS).answers(Exit::Ok, "ok", "every row accounted for");
    std::fs::remove_file(scene.flag("ran")).unwrap();
    scene
}

fn told(scene: &Scene, flags: &[&str], script: &str) -> Told {
    Told::by(scene.run_with(flags, script).with_report())
}

fn record(scene: &Scene) -> Value {
    let directory = scene.sandbox.path().join(".rowsafe/databases");
    let files = names(&directory);
    assert_eq!(files.len(), 1, "one database, one record: {files:?}");
    serde_json::from_slice(&std::fs::read(directory.join(&files[0])).unwrap()).unwrap()
}

/// Changes what is on record, for states that no test can bring a server into quickly.
fn tamper(scene: &Scene, change: impl Fn(&mut Value)) {
    let directory = scene.sandbox.path().join(".rowsafe/databases");
    let mut known = record(scene);
    change(&mut known);
    std::fs::write(directory.join(&names(&directory)[0]), known.to_string()).unwrap();
}

/// Refused with these words, and nothing was run.
#[track_caller]
fn refused(scene: &Scene, said: &[&str]) {
    let snapshots = scene.kept();
    let told = told(scene, &[], HARMLESS);
    let told = told.answers(Exit::DatabaseUnavailable, "error", "is not the database on record");
    for words in said {
        assert!(told.outcome.stderr.contains(words), "lacks: {words}\n{}", told.outcome.stderr);
    }
    assert!(told.hints().contains("--new-database"), "{}", told.hints());
    assert!(!scene.flag("ran").exists(), "the command was run");
    assert_eq!(scene.kept(), snapshots, "a snapshot was taken");
}

/// `--new-database` goes on, once and for all.
#[track_caller]
fn accepted_once(scene: &Scene) {
    let told = told(scene, &["--new-database"], HARMLESS);
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert!(told.warnings().contains("accepted by --new-database: "), "{}", told.warnings());
    assert!(scene.steps().contains(&"identity-accepted".to_owned()));
    goes_on(scene);
}

#[track_caller]
fn goes_on(scene: &Scene) -> Told {
    told(scene, &[], HARMLESS).answers(Exit::Ok, "ok", "every row accounted for")
}

#[test]
fn a_run_leaves_a_record_and_a_failed_one_too() {
    needs_postgres!();
    let scene = seen("identity_record");
    let known = record(&scene);
    assert_eq!(known["schema"], "rowsafe.database/1");
    assert_eq!(known["database"], "identity_record");
    assert!(known["address"].as_str().unwrap().ends_with("/identity_record"));
    let rows = |known: &Value, name: &str| {
        let tables = known["tables"].as_array().unwrap().clone();
        tables.into_iter().find(|table| table["name"] == name).map(|table| table["rows"].clone())
    };
    assert_eq!(rows(&known, "users"), Some(json!(500)));
    for field in ["system_identifier", "wal_position", "timeline", "bytes", "snapshot_xmax"] {
        assert!(!known[field].is_null(), "an ordinary role may read {field}");
    }
    assert!(scene.steps().contains(&"identity-recorded".to_owned()));
    let fails = r#"psql -qX "$DB" -c 'INSERT INTO users VALUES (501)'; exit 9"#;
    let _ = told(&scene, &[], fails).answers(Exit::CommandFailed, "failed", "exited with 9");
    assert_eq!(rows(&record(&scene), "users"), Some(json!(501)));
}

#[test]
fn growth_and_a_third_less_are_no_news() {
    needs_postgres!();
    let scene = seen("identity_quiet");
    scene.db.execute("INSERT INTO users SELECT generate_series(501, 900); DROP TABLE teams");
    assert_eq!(goes_on(&scene).warnings(), "");
    scene.db.execute("DELETE FROM users WHERE id > 600; ALTER TABLE users RENAME TO people");
    assert_eq!(goes_on(&scene).warnings(), "");
    // The same database under another name of its host was never seen.
    let elsewhere = scene.run_with(&[], HARMLESS).env("ROWSAFE_DATABASE", scene.db.socket_url());
    let _ = Told::by(elsewhere.with_report()).answers(Exit::Ok, "ok", "every row");
    assert_eq!(names(&scene.sandbox.path().join(".rowsafe/databases")).len(), 2);
}

#[test]
fn an_emptied_database_is_refused_before_anything_is_kept() {
    needs_postgres!();
    let scene = seen("identity_emptied");
    scene.db.execute("TRUNCATE users, teams");
    refused(&scene, &["`users` held 500 rows on 20", "UTC, now 0", "in all 540 rows, now 0"]);
    accepted_once(&scene);
}

#[test]
fn less_than_half_is_refused_and_volatile_rows_are_not_counted() {
    needs_postgres!();
    let scene = seen("identity_smaller");
    scene.db.execute("DELETE FROM users WHERE id > 200");
    refused(&scene, &["`users` held 500 rows on 20", "now 200"]);
    scene.sandbox.write("rowsafe.toml", "[tables.users]\nvolatile = true\n");
    goes_on(&scene);
}

#[test]
fn a_database_that_was_created_again_is_refused() {
    needs_postgres!();
    let scene = seen("identity_recreated");
    scene.db.server().admin("postgres").execute("DROP DATABASE identity_recreated WITH (FORCE)");
    let missing = told(&scene, &[], HARMLESS);
    let _ = missing.answers(Exit::DatabaseUnavailable, "error", "does not exist");
    let create = "CREATE DATABASE identity_recreated OWNER identity_recreated";
    scene.db.server().admin("postgres").execute(create);
    refused(&scene, &["was dropped and created again since 20", "all 2 tables that held 540 rows"]);
    // The application made its tables and one user meanwhile.
    scene.db.execute("CREATE TABLE users AS SELECT 1 AS id");
    refused(&scene, &["was dropped and created again", "`users` held 500 rows on 20", "now 1"]);
    accepted_once(&scene);
}

#[test]
fn a_schema_that_was_created_again_is_refused_where_it_held_rows() {
    needs_postgres!();
    let scene = seen("identity_schema");
    scene.db.execute("CREATE SCHEMA scratch");
    goes_on(&scene);
    scene.db.execute("DROP SCHEMA scratch; CREATE SCHEMA scratch");
    goes_on(&scene);
    let kept = "CREATE SCHEMA kept; CREATE TABLE kept.users AS SELECT generate_series(1, 900)";
    scene.db.execute(kept);
    goes_on(&scene);
    std::fs::remove_file(scene.flag("ran")).unwrap();
    scene.db.execute("DROP SCHEMA kept CASCADE; CREATE SCHEMA kept");
    refused(&scene, &["schema `kept`, which held 900 rows on 20", "was dropped and created again"]);
    accepted_once(&scene);
}

#[test]
fn another_server_and_an_older_state_of_the_same_one_are_refused() {
    needs_postgres!();
    let scene = seen("identity_server");
    let original = record(&scene);
    let with = |field: &str, value: Value| {
        tamper(&scene, |known| {
            known.clone_from(&original);
            known[field] = value.clone();
        });
    };
    with("system_identifier", json!("42"));
    refused(&scene, &["another server answers at 127.0.0.1:", "system identifier 42 then"]);
    with("snapshot_xmax", json!(9_000_000_000_u64));
    refused(&scene, &["put back to a state from before 20", "transaction id went back"]);
    with("wal_position", json!(9_000_000_000_000_u64));
    refused(&scene, &["put back to a state from before 20", "write-ahead log went back"]);
    // A standby took over: worth a word, no reason to stop.
    with("timeline", json!(7));
    assert!(goes_on(&scene).warnings().contains("is on timeline 1 since 20"));
    assert_eq!(goes_on(&scene).warnings(), "");
    // A managed service that says neither.
    for field in ["system_identifier", "wal_position", "timeline", "bytes"] {
        with(field, Value::Null);
        assert_eq!(goes_on(&scene).warnings(), "", "{field}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_no_record() {
    needs_postgres!();
    let scene = seen("identity_torn");
    let directory = scene.sandbox.path().join(".rowsafe/databases");
    let path = directory.join(&names(&directory)[0]);
    std::fs::write(&path, "{").unwrap();
    let answer = told(&scene, &[], HARMLESS);
    let _ = answer.answers(Exit::NoAnswer, "error", "can't be read");
    assert!(!scene.flag("ran").exists(), "the command was run");
    accepted_once(&scene);
}

#[test]
fn a_revision_that_is_no_longer_reached_is_refused() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "identity_revision");
    let alembic = |words: &[&str]| {
        let alembic = Rowsafe::program(&story.sandbox, "alembic").args(words);
        let _ = alembic.env("DATABASE_URL", story.db.url()).run().exits_with(0);
    };
    let run = |command: &str, flags: &[&str]| {
        story.run(&[&["--fail-on", "never"], flags].concat(), command)
    };
    let _ = run("alembic upgrade 0002", &[]).answers(Exit::Ok, "ok", "is at 0002");
    // Through rowsafe the way back is no news, nor is the way on without it.
    let _ = run("alembic stamp 0001", &[]).answers(Exit::Ok, "ok", "is at 0001");
    alembic(&["stamp", "0002"]);
    let _ = run("alembic current", &[]).answers(Exit::Ok, "ok", "is at 0002");
    alembic(&["stamp", "0001"]);
    let told = run("alembic upgrade head", &[]);
    let told = told.answers(Exit::DatabaseUnavailable, "error", "it was at revision 0002 on 20");
    assert!(told.last_line().contains("and is at 0001 now"), "{}", told.last_line());
    told.nothing_was_run();
    let told = run("alembic stamp 0002", &["--new-database"]);
    let _ = told.answers(Exit::Ok, "ok", "is at 0002");
    story.db.execute("DELETE FROM alembic_version");
    let told = run("alembic upgrade head", &[]);
    let _ = told.answers(Exit::DatabaseUnavailable, "error", "and is at none now");
}

#[test]
fn a_protected_database_is_migrated_with_care() {
    needs_postgres!();
    let scene = Scene::new("identity_prod", USERS);
    scene.sandbox.write("rowsafe.toml", "protected = [\"*_prod\"]\n");
    for careless in [["--snapshot", "none"], ["--fail-on", "never"]] {
        let answer = told(&scene, &careless, HARMLESS);
        let words =
            format!("{} is refused: database `identity_prod` is protected", careless.join(" "));
        let _ = answer.answers(Exit::NoAnswer, "error", &words);
        scene.assert_nothing_happened();
    }
    goes_on(&scene);
    scene.sandbox.write("rowsafe.toml", "protected = [\"main\"]\n");
    let _ = told(&scene, &["--snapshot", "none"], HARMLESS).answers(Exit::Ok, "ok", "every row");
}

#[test]
fn a_protected_database_that_is_empty_and_was_never_seen_is_refused() {
    needs_postgres!();
    for (name, sql) in [
        ("identity_bare_prod", ""),
        (
            "identity_new_prod",
            "CREATE TABLE users (id int); CREATE TABLE alembic_version (version_num varchar(32)); \
             INSERT INTO alembic_version VALUES ('0001')",
        ),
    ] {
        let scene = Scene::new(name, sql);
        goes_on(&Scene::new(&format!("{name}_dev"), sql));
        scene.sandbox.write("rowsafe.toml", "protected = [\"*_prod\"]\n");
        refused(&scene, &["it is protected (`*_prod`), holds no row and was never seen before"]);
        accepted_once(&scene);
    }
}

#[test]
fn a_service_that_does_not_say_who_it_is_is_known_by_the_rest() {
    needs_postgres!();
    let scene = seen("identity_denied");
    let admin = scene.db.admin();
    for function in
        ["pg_control_system()", "pg_current_wal_insert_lsn()", "pg_walfile_name(pg_lsn)"]
    {
        admin.execute(&format!("REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"));
    }
    assert_eq!(goes_on(&scene).warnings(), "");
    let known = record(&scene);
    assert!(known["system_identifier"].is_null() && known["wal_position"].is_null(), "{known}");
    assert_eq!(goes_on(&scene).warnings(), "");
    std::fs::remove_file(scene.flag("ran")).unwrap();
    scene.db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    refused(
        &scene,
        &["schema `public`, which held 540 rows on 20", "was dropped and created again"],
    );
}

#[test]
fn planning_looks_at_the_record_and_writes_none() {
    needs_postgres!();
    let story = Story::of_sql("identity_plan", USERS);
    story.sandbox.write("a.sql", "CREATE TABLE more (id int);\n");
    let plan = |flags: &[&str]| {
        Told::by(story.rowsafe(&["plan", "--sql", "a.sql"]).args(flags)).report["exit"].clone()
    };
    assert_eq!(plan(&[]), 0);
    assert!(!story.sandbox.path().join(".rowsafe/databases").exists(), "nothing was run");
    let _ = story.migrate("CREATE TABLE made (id int);", &[]).answers(Exit::Ok, "ok", "every row");
    assert_eq!(plan(&[]), 0);
    story.db.execute("DROP TABLE users, teams, made");
    assert_eq!(plan(&[]), 7);
    assert_eq!(plan(&["--new-database"]), 0);
    assert_eq!(plan(&[]), 7);
}

#[test]
fn the_second_of_two_servers_is_another_one() {
    needs_postgres!();
    let servers = [Server::start(&[]), Server::start(&[])];
    let databases = servers.each_ref().map(|server| Database::on(server, "identity_two", "secret"));
    let [first, second] = databases;
    second.execute(USERS);
    let [one, two] = servers.each_ref().map(|server| server.port);
    let url =
        format!("postgresql://identity_two:secret@127.0.0.1:{one},127.0.0.1:{two}/identity_two");
    let scene = Scene::of(first, USERS);
    let run = |flags: &[&str]| {
        let script = format!("touch ran; psql -qX '{url}' -c 'CREATE TABLE IF NOT EXISTS made ()'");
        Told::by(scene.run_with(flags, &script).env("ROWSAFE_DATABASE", &url).with_report())
    };
    let _ = run(&[]).answers(Exit::Ok, "ok", "every row accounted for");
    let _ = run(&[]).answers(Exit::Ok, "ok", "every row accounted for");
    servers[0].stop();
    // The same rows under the same name: a copy by dump and restore looks like this.
    let said = format!("another server answers at 127.0.0.1:{one},127.0.0.1:{two}/identity_two");
    run(&[]).answers(Exit::DatabaseUnavailable, "error", &said).nothing_was_run();
    let _ = run(&["--new-database"]).answers(Exit::Ok, "ok", "every row accounted for");
    let _ = run(&[]).answers(Exit::Ok, "ok", "every row accounted for");
}
