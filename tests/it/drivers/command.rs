//! `driver = "command"`: here a `pg_dump` of the user's own, with a way back of the user's own.

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::scene::HARMLESS;
use crate::harness::{Database, Rowsafe, Scene};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 1000) n";

/// Dumps into a file of the working directory, by the environment that it is handed.
const CREATE: &str = "create = ['sh', '-c', 'pg_dump -Fc -f \"$1\" && echo taken && echo \"$1\"', 'sh', 'snap-{id}']\n";
const VERIFY: &str = "verify = 'pg_restore --list --file=listed {reference}'\n";
const RESTORE: &str = "restore = 'pg_restore --data-only --table=users --dbname={database} \
     --host={host} --port={port} --username={user} {reference}'\n";

/// A project whose snapshots are taken by these commands.
fn scene(name: &str, lines: &[&str]) -> Scene {
    let scene = Scene::new(name, USERS);
    configure(&scene, lines);
    scene
}

fn configure(scene: &Scene, lines: &[&str]) {
    let head = "driver = 'command'\n\n[snapshot-command]\n";
    scene.sandbox.write("rowsafe.toml", &format!("{head}{}", lines.concat()));
}

/// The last `snapshot-held` of the journal.
fn held(scene: &Scene) -> Value {
    let journal = scene.sandbox.read(".rowsafe/journal.jsonl");
    let mut lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.rfind(|entry| entry["step"] == "snapshot-held").unwrap()
}

#[test]
fn what_is_lost_comes_back_by_the_way_that_was_named() {
    needs_postgres!();
    let scene = scene("driver_command", &[CREATE, VERIFY, RESTORE]);
    scene.sandbox.write("none.sql", "DROP TABLE users;\n");
    let planned = scene.rowsafe("plan").args(["--sql", "none.sql"]).run().exits(Exit::Blocked);
    let _ = planned.prints("every table: 1 table").prints("`sh` takes the snapshot, and holds it");
    let outcome = scene.run("psql -qX \"$DB\" -c 'TRUNCATE users'").with_report().run();
    let outcome =
        outcome.exits(Exit::Loss).says("1,000 rows of users").says(", verified by its `verify`");
    let manifest = scene.manifest();
    let id = manifest["id"].as_str().unwrap();
    assert_eq!(manifest["schema"], "rowsafe.snapshot/3");
    assert_eq!((manifest.get("archive"), manifest.get("verified")), (None, None));
    assert_eq!(scene.kept_rows("users"), 1000);
    assert!(scene.sandbox.read("listed").contains("TABLE DATA public users"));
    let snapshot = &outcome.json()["snapshot"];
    let elsewhere = &snapshot["elsewhere"];
    assert_eq!((&snapshot["verified"], &snapshot["rows"]), (&true.into(), &1000.into()));
    assert_eq!(elsewhere["reference"], format!("snap-{id}"));
    let way_back = elsewhere["restore"].as_str().unwrap();
    let held = held(&scene);
    assert_eq!((&held["restore"], &held["verified"]), (&elsewhere["restore"], &true.into()));
    assert_eq!(held["reference"], elsewhere["reference"]);
    let outcome = outcome.says(&format!("bring it back: {way_back}"));
    let doctor = scene.rowsafe("doctor").args(["--format", "json"]).run().exits(Exit::Ok);
    let _ = doctor.prints("`sh` takes snapshots, and holds them").prints("held by `sh`, verified");
    // rowsafe says how, and does not run it.
    let told = scene.rowsafe("restore").arg(id).run().exits(Exit::NoAnswer);
    let _ = told.says("rowsafe can't read snapshot").says(way_back);
    let snapshot = |args: &[&str]| scene.rowsafe("snapshot").args(args).run();
    let _ = snapshot(&["list"]).exits(Exit::Ok).prints(id).prints("1,000");
    let _ = snapshot(&["show", id]).exits(Exit::Ok).prints("held by `sh`").prints("bring it back");
    let _ = snapshot(&["verify", id]).exits(Exit::NoAnswer).says("rowsafe can't read snapshot");
    assert_eq!(scene.db.count("users"), 0);
    let words = shell_words::split(way_back).unwrap();
    let pg_restore = Rowsafe::program(&scene.sandbox, &words[0]).args(&words[1..]);
    let _ = pg_restore.env("PGPASSWORD", &scene.db.password).run().exits_with(0);
    assert_eq!(scene.db.count("users"), 1000);
    drop(outcome);
}

#[test]
fn values_are_compared_all_the_same() {
    needs_postgres!();
    let scene = scene("driver_command_values", &[CREATE]);
    let outcome = scene.run("psql -qX \"$DB\" -c 'UPDATE users SET name = upper(name)'").run();
    let outcome = outcome.exits(Exit::Loss).says("1,000 values of users.name");
    let _ = outcome.says("has not verified it").says("[snapshot-command] has no `restore`");
    let outcome = scene.run(HARMLESS).with_report().run().exits(Exit::Ok);
    assert_eq!(outcome.json()["snapshot"]["verified"], false);
    // What nobody has looked at is no snapshot to rely on.
    let doctor = scene.rowsafe("doctor").args(["--format", "json"]).run().exits(Exit::Ok);
    let doctor = doctor.prints("nothing says whether one is there");
    let _ = doctor.prints("there is none of this database that holds everything");
    assert_eq!(held(&scene)["verified"], false);
}

#[test]
fn a_command_that_does_not_succeed_stops_the_run() {
    needs_postgres!();
    let scene = Scene::new("driver_command_fails", USERS);
    let cases = [
        (
            "create = \"sh -c 'echo quota exceeded >&2; exit 3'\"\n",
            "`sh -c 'echo quota exceeded >&2; exit 3'` exited with 3",
        ),
        ("create = \"sh -c 'echo all is well; kill -KILL $$'\"\n", "was ended by a signal"),
        ("create = 'sleep 600'\ntimeout = '300ms'\n", "`sleep 600` had not ended after 0.3 s"),
        (
            "create = 'echo br-1'\nverify = \"sh -c 'echo no branch $0 >&2; false' {reference}\"\n",
            "it said: no branch br-1",
        ),
        ("create = 'no-such-tool {id}'\n", "`no-such-tool` was not found in PATH"),
        ("create = 'echo'\nverify = './not-there'\n", "there is no program `./not-there`"),
    ];
    for (lines, reason) in cases {
        configure(&scene, &[lines]);
        let _ = scene.run(HARMLESS).run().exits(Exit::SnapshotFailed).says(reason);
        scene.assert_nothing_happened();
    }
    configure(&scene, &[cases[0].0]);
    let _ = scene.run(HARMLESS).run().says("it said: quota exceeded");
    configure(&scene, &[cases[3].0]);
    let _ = scene.run(HARMLESS).run().says("what `create` made may be there, as br-1");
    // Who says aloud that nothing is to be kept is not stopped by it.
    let _ = scene.run_with(&["--snapshot", "none"], HARMLESS).run().exits(Exit::Ok);
    assert_eq!(scene.kept(), [""; 0]);
}

#[test]
fn what_is_filled_in_stays_a_word_and_no_password_is_one() {
    needs_postgres!();
    let db = Database::new("driver$(id>pwned);'x'\"y\"");
    let scene = Scene::of(db, USERS);
    let told = scene.sandbox.write_program(
        "told",
        "for word in \"$@\"; do echo \"[$word]\"; done > words; env > handed; \
         psql -XAtc 'SELECT count(*) FROM users' > counted; echo \"the one of $1\"",
    );
    let told = told.display();
    configure(
        &scene,
        &[&format!(
            "create = ['{told}', '{{id}}', '{{database}}', '{{user}}', '{{host}}:{{port}}']\n\
         restore = ['undo', '--of={{reference}}', '{{database}}', '{{{{x}}}}']\n"
        )],
    );
    let outcome = scene.run(HARMLESS).with_report().run().exits(Exit::Ok);
    let manifest = scene.manifest();
    let (id, name) = (manifest["id"].as_str().unwrap(), &scene.db.name);
    let port = scene.db.server().port;
    let words = format!("[{id}]\n[{name}]\n[{name}]\n[127.0.0.1:{port}]\n");
    assert_eq!(scene.sandbox.read("words"), words);
    assert_eq!(scene.sandbox.read("counted"), "1000\n");
    let handed = scene.sandbox.read("handed");
    let handed: Vec<&str> = handed.lines().filter(|line| line.starts_with("PG")).collect();
    assert!(handed.iter().any(|line| line.starts_with("PGPASSFILE=")), "{handed:?}");
    assert!(!handed.iter().any(|line| line.contains(&scene.db.password)), "{handed:?}");
    let way_back = outcome.json()["snapshot"]["elsewhere"]["restore"].clone();
    let back = shell_words::split(way_back.as_str().unwrap()).unwrap();
    let reference = format!("--of=the one of {id}");
    assert_eq!(back, ["undo", &reference, name, "{{x}}"]);
    assert!(!scene.flag("pwned").exists());
}

#[test]
fn what_the_configuration_lacks_is_said_before_anything_is_done() {
    needs_postgres!();
    let scene = Scene::new("driver_command_config", USERS);
    for (lines, reason) in [
        ("", "driver is `command`, and [snapshot-command] has no `create`"),
        ("create = 'x {ID}'", "rowsafe.toml:4: `create`: `{ID}` is none of {id}, {database}"),
        ("create = 'x {reference}'", "`{reference}` is none of"),
        ("create = 'x'\nverfy = 'y'", "there is no setting `verfy`"),
    ] {
        configure(&scene, &[lines]);
        let _ = scene.run(HARMLESS).run().exits(Exit::NoAnswer).says(reason);
    }
    scene.assert_nothing_happened();
    configure(&scene, &["create = 'curl --token s3cret-word {id}'"]);
    let outcome = scene.rowsafe("config").args(["--format", "json"]).run().exits(Exit::Ok);
    let _ = outcome.prints("create curl --token '***'");
}
