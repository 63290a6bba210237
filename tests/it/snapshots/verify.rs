//! Whether they are still good, and whether they can be restored.

use rowsafe::exit::Exit;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{archive, create, flip, json, listed, of, scene, snapshot};
use crate::harness::{Database, Scene};

/// Scratch databases of this test's role that are on the server.
fn scratch(scene: &Scene) -> Vec<String> {
    let admin = scene.db.server().admin("postgres");
    let rows = admin.rows(&format!(
        "SELECT datname FROM pg_database JOIN pg_roles r ON r.oid = datdba \
         WHERE rolname = '{}' AND datname LIKE 'rowsafe_verify_%'",
        scene.db.name
    ));
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

fn journal(scene: &Scene) -> Vec<Value> {
    let path = scene.sandbox.path().join(".rowsafe/journal.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn good_ones_are_read_back_and_counted() {
    needs_postgres!();
    let scene = scene("verify_good");
    let (first, second) = (create(&scene, &[]), create(&scene, &["--table", "users"]));
    let outcome = snapshot(&scene, &["verify", "--all"]).run().exits(Exit::Ok);
    let outcome = outcome.prints(&format!("{first}  good  81 rows, read back"));
    let _ =
        outcome.prints(&format!("{second}  good  50 rows, read back")).prints("2 snapshots good");
    let report = json(&snapshot(&scene, &["verify", &first[..4], "--format", "json"]).run());
    assert_eq!(report["snapshots"][0]["checked"]["rows"], 81);
    let before = &of(&scene, &second)["taken_at"];
    assert!(of(&scene, &second)["verified_at"].as_str() > before.as_str());
    let _ = snapshot(&scene, &["verify"]).run().exits(Exit::NoAnswer);
    let _ = snapshot(&scene, &["verify", "nothing"]).run().exits(Exit::NoAnswer);
}

#[test]
fn each_kind_of_damage_is_named() {
    needs_postgres!();
    let scene = scene("verify_damage");
    let ids = [create(&scene, &[]), create(&scene, &[]), create(&scene, &[]), create(&scene, &[])];
    flip(&scene, &ids[0]);
    std::fs::remove_file(archive(&scene, &ids[1])).unwrap();
    // A manifest that was written for more rows than the archive holds.
    let path = scene.store().join(&ids[2]).join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = text.replacen("\"rows\": 30", "\"rows\": 31", 1);
    assert_ne!(more, text);
    std::fs::write(&path, more).unwrap();
    let outcome = snapshot(&scene, &["verify", "--all", "--format", "json"]).run();
    let report = json(&outcome.exits(Exit::SnapshotFailed));
    let found = |id: &String| {
        let items = report["snapshots"].as_array().unwrap();
        items.iter().find(|item| item["id"] == *id).expect("each is looked at").clone()
    };
    for (id, said) in [
        (&ids[0], "archive"),
        (&ids[1], "is missing"),
        (&ids[2], "`public.orders` has 30 rows in the archive and 31 rows"),
    ] {
        let item = found(id);
        assert_eq!(item["state"], "damaged");
        let problem = item["problem"].as_str().unwrap();
        assert!(problem.contains(said) || id == &ids[0], "{problem}");
    }
    assert_eq!(
        (&found(&ids[3])["state"], &found(&ids[3])["problem"]),
        (&json!("good"), &json!(null))
    );
    let message = report["message"].as_str().unwrap();
    assert!(message.starts_with("3 of 4 snapshots not as they should be"), "{message}");
    let alone = snapshot(&scene, &["verify", &ids[1]]).run().exits(Exit::SnapshotFailed);
    let _ = alone.says("is missing");
    let _ = snapshot(&scene, &["verify", &ids[3]]).run().exits(Exit::Ok);
}

#[test]
fn a_restore_is_tried_measured_and_cleaned_up() {
    needs_postgres!();
    let scene = scene("verify_restore");
    let id = create(&scene, &[]);
    scene.sandbox.write("rowsafe.toml", "rto = \"1h\"\n");
    let _ = scene.rowsafe("doctor").run().prints("no restore was measured");
    let outcome = snapshot(&scene, &["verify", "latest", "--restore"]).run().exits(Exit::Ok);
    let _ = outcome.prints("good  81 rows, restored in ").prints("1 snapshot good, restored");
    assert_eq!(scratch(&scene), [""; 0]);
    let item = of(&scene, &id);
    assert!(item["restored_at"].is_string(), "{item}");
    let steps = scene.steps();
    let steps: Vec<&str> =
        steps.iter().map(String::as_str).skip_while(|it| *it != "finished").collect();
    let expected = [
        "finished",
        "begun",
        "snapshot-checked",
        "restore-started",
        "restore-finished",
        "snapshot-checked",
        "finished",
    ];
    assert_eq!(steps, expected);
    let _ = scene.rowsafe("doctor").run().prints("81 rows were put back in");
    let _ = snapshot(&scene, &["show", "latest"]).run().prints("into a scratch database");
    // What was checked was not put back: nothing here changed.
    assert_eq!(scene.db.count("users"), 50);
}

#[test]
fn what_can_t_be_restored_is_said_and_is_not_damaged() {
    needs_postgres!();
    let scene = scene("verify_role");
    let admin = scene.db.server().admin("postgres");
    admin.execute("CREATE ROLE verify_role_reader");
    scene.db.execute("GRANT SELECT ON users TO verify_role_reader");
    let id = create(&scene, &[]);
    scene.db.execute("REVOKE SELECT ON users FROM verify_role_reader");
    admin.execute("DROP ROLE verify_role_reader");
    let outcome = snapshot(&scene, &["verify", &id, "--restore"]).run().exits(Exit::SnapshotFailed);
    let _ = outcome.prints("not restored").prints("role \"verify_role_reader\" does not exist");
    assert_eq!(scratch(&scene), [""; 0]);
    let item = of(&scene, &id);
    assert_eq!(item["state"], "good");
    assert!(item["not_restored"].as_str().unwrap().contains("does not exist"), "{item}");
    let _ = snapshot(&scene, &["list"]).run().exits(Exit::Ok).prints("no restore");
}

#[test]
fn without_the_right_to_make_a_database_it_says_so() {
    needs_postgres!();
    let scene = Scene::of(Database::new("verify_no_createdb"), super::SHOP);
    let id = create(&scene, &[]);
    let outcome = snapshot(&scene, &["verify", &id, "--restore"]).run().exits(Exit::SnapshotFailed);
    let _ = outcome.says("CREATEDB");
    let item = of(&scene, &id);
    assert_eq!((&item["state"], &item["not_restored"]), (&json!("good"), &json!(null)));
    let nowhere = snapshot(&scene, &["verify", &id, "--restore"]);
    let nowhere = nowhere.env("ROWSAFE_DATABASE", "postgresql://u@127.0.0.1:1/x").run();
    let _ = nowhere.exits(Exit::DatabaseUnavailable);
}

/// A pg_restore that hangs once it writes into a database, and reads back as the real one does.
fn hanging(scene: &Scene) -> std::path::PathBuf {
    let script = "case \"$*\" in *--dbname=*) touch restoring; exec sleep 600;; \
                  *) exec \"$REAL\" \"$@\";; esac";
    scene.in_front_of("pg_restore", script);
    scene.in_front_of("pg_dump", "exec \"$REAL\" \"$@\"")
}

#[test]
fn an_interrupted_restore_leaves_no_database() {
    needs_postgres!();
    let scene = scene("verify_interrupted");
    let id = create(&scene, &[]);
    let tools = hanging(&scene);
    let mut running = snapshot(&scene, &["verify", &id, "--restore"]).path_first(tools).spawn();
    let restoring = scene.flag("restoring");
    running.wait_for("it restores", move || restoring.exists());
    assert_eq!(scratch(&scene).len(), 1);
    running.signal(Signal::TERM);
    let _ = running.finish().exits(Exit::Terminated);
    assert_eq!(scratch(&scene), [""; 0]);
    let item = of(&scene, &id);
    assert_eq!((&item["restored_at"], &item["not_restored"]), (&json!(null), &json!(null)));
    assert_eq!(journal(&scene).last().unwrap()["step"], "finished");
}

#[test]
fn what_a_killed_one_leaves_is_marked_and_dropped_by_the_next() {
    needs_postgres!();
    let scene = scene("verify_killed");
    let id = create(&scene, &[]);
    let tools = hanging(&scene);
    let verify = || snapshot(&scene, &["verify", &id, "--restore"]);
    let mut running = verify().path_first(tools).spawn();
    let restoring = scene.flag("restoring");
    running.wait_for("it restores", move || restoring.exists());
    let made = scratch(&scene);
    assert_eq!(made.len(), 1);
    // While its maker is alive, another one leaves it alone.
    let _ = verify().run().exits(Exit::Ok);
    assert_eq!(scratch(&scene), made);
    running.signal_group(Signal::KILL);
    let _ = running.finish();
    let admin = scene.db.server().admin("postgres");
    let comment = format!(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'",
        made[0]
    );
    assert!(admin.rows(&comment)[0][0].contains("safe to drop"));
    scene.wait_until(
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'verify_killed')",
    );
    // One of that name that rowsafe did not make is somebody's.
    scene.db.execute("CREATE DATABASE rowsafe_verify_00000000");
    let _ = verify().run().exits(Exit::Ok);
    assert_eq!(scratch(&scene), ["rowsafe_verify_00000000"]);
    let run = scene.run(crate::harness::scene::HARMLESS).run().exits(Exit::Ok);
    let _ = run.says("of rowsafe snapshot verify: rowsafe was killed while it restored");
    assert_eq!(listed(&scene).len(), 2);
}
