//! Taking one by itself.

use rowsafe::exit::Exit;
use rustix::process::Signal;
use serde_json::json;

use super::{create, json, of, scene, snapshot};
use crate::harness::scene::{HARMLESS, names};
use crate::harness::{Database, Scene};

#[test]
fn everything_by_hand() {
    needs_postgres!();
    let scene = scene("snapshot_whole");
    let outcome = snapshot(&scene, &["create"]).run().exits(Exit::Ok);
    let outcome = outcome.prints("holds 81 rows of 3 tables, ").prints("read back and counted");
    let manifest = scene.manifest();
    assert_eq!(manifest["scope"], "all");
    assert_eq!(manifest["revisions"], json!(["3f9c1a"]));
    assert_eq!(manifest["command"], json!([]));
    assert!(outcome.stdout.contains(manifest["id"].as_str().unwrap()));
    assert_eq!(scene.steps(), ["begun", "snapshot-started", "snapshot-verified", "finished"]);
    // The password came in a variable, and is nowhere.
    let kept = scene.store().join(manifest["id"].as_str().unwrap()).join("manifest.json");
    for path in [kept, scene.sandbox.path().join(".rowsafe/journal.jsonl")] {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains(&scene.db.password), "{text}");
    }
    assert!(!outcome.stdout.contains(&scene.db.password));
    // A restore takes it as any other.
    scene.db.execute("TRUNCATE users CASCADE");
    let restored = scene.rowsafe("restore").args(["latest", "--confirm", "snapshot_whole"]).run();
    let _ = restored.exits(Exit::Ok);
    assert_eq!((scene.db.count("users"), scene.db.count("orders")), (50, 30));
}

#[test]
fn as_json_it_is_a_report_with_an_id() {
    needs_postgres!();
    let scene = scene("snapshot_json");
    let report = json(&snapshot(&scene, &["create", "--format", "json"]).run().exits(Exit::Ok));
    assert_eq!(report["id"], report["snapshot"]["id"]);
    assert_eq!((&report["snapshot"]["rows"], &report["exit"]), (&json!(81), &json!(0)));
    assert_eq!(report["identity"]["database"], "snapshot_json");
}

#[test]
fn tables_that_are_named_and_their_partitions() {
    needs_postgres!();
    let scene = scene("snapshot_tables");
    scene.db.execute(
        "CREATE TABLE ev (id int, at date) PARTITION BY RANGE (at); \
         CREATE TABLE ev_24 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); \
         CREATE TABLE ev_25 PARTITION OF ev FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); \
         INSERT INTO ev VALUES (1, '2024-05-05'), (2, '2025-05-05'), (3, '2025-06-06'); \
         CREATE SCHEMA other; CREATE TABLE other.users (id int)",
    );
    let id = create(&scene, &["--table", "public.users", "--table", "ev"]);
    let manifest = scene.manifest();
    let kept: Vec<&str> = manifest["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|table| table["kept"] != json!(false) && table["kind"] == "table")
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    assert_eq!(kept, ["ev_24", "ev_25", "users"]);
    let item = of(&scene, &id);
    assert_eq!(
        (&item["rows"], &item["tables"], &item["of_tables"]),
        (&json!(53), &json!(3), &json!(6))
    );
    let unknown = snapshot(&scene, &["create", "--table", "user"]).run().exits(Exit::NoAnswer);
    let _ = unknown.says("there is no table `user`").says("did you mean `users`?");
    let two = snapshot(&scene, &["create", "--table", "users"]).run().exits(Exit::NoAnswer);
    let _ = two.says("`users` is in several schemas");
    assert_eq!(scene.kept(), [id.as_str()], "nothing else was kept");
    scene.db.execute("TRUNCATE ev");
    let back = [id.as_str(), "--table", "ev", "--confirm", "snapshot_tables"];
    let _ = scene.rowsafe("restore").args(back).run().exits(Exit::Ok);
    assert_eq!(scene.db.count("ev"), 3);
}

#[test]
fn what_something_else_holds_is_told_as_that() {
    needs_postgres!();
    let scene = scene("snapshot_elsewhere");
    let settings = "driver = \"command\"\n[snapshot-command]\ncreate = \"echo branch-{id}\"\n";
    let dumped = create(&scene, &[]);
    scene.sandbox.write("rowsafe.toml", settings);
    let outcome = snapshot(&scene, &["create"]).run().exits(Exit::Ok);
    let outcome = outcome.prints("of everything: branch-").prints("held by `echo`");
    assert!(!outcome.stdout.contains("read back and counted"), "{outcome}");
    let item = super::listed(&scene).remove(0);
    assert_eq!((&item["held_by"], &item["rows"]), (&json!("command"), &json!(81)));
    assert_eq!(item["verified_at"], json!(null), "nobody has verified it");
    let _ = snapshot(&scene, &["list"]).run().exits(Exit::Ok).prints("by command");
    let _ = snapshot(&scene, &["show", "latest"]).run().exits(Exit::Ok).prints("held by `echo`");
    let all = snapshot(&scene, &["verify", "--all"]).run().exits(Exit::Ok);
    let _ = all.prints("1 snapshot good").prints("1 snapshot held elsewhere and not looked at");
    let this = snapshot(&scene, &["verify", "latest"]).run().exits(Exit::NoAnswer);
    let _ = this.says("rowsafe can't read snapshot");
    // It stands for no snapshot that is kept here.
    let _ = snapshot(&scene, &["prune", "--keep-last", "1"]).run().exits(Exit::Ok);
    assert!(scene.kept().contains(&dumped) && scene.kept().len() == 2);
}

#[test]
fn beside_a_run_and_beside_another() {
    needs_postgres!();
    let scene = scene("snapshot_beside");
    let script = format!("{HARMLESS}; while ! test -e go; do sleep 0.02; done");
    let mut run = scene.run(&script).spawn();
    let ran = scene.flag("ran");
    run.wait_for("the command runs", move || ran.exists());
    let both = [0, 1].map(|_| snapshot(&scene, &["create"]).spawn());
    for one in both {
        let _ = one.finish().exits(Exit::Ok).prints("81 rows");
    }
    scene.raise("go");
    let _ = run.finish().exits(Exit::Ok);
    assert_eq!(scene.kept().len(), 3);
}

#[test]
fn what_keeps_one_from_being_taken_has_its_code() {
    needs_postgres!();
    let scene = scene("snapshot_refused");
    let no_server =
        snapshot(&scene, &["create"]).env("ROWSAFE_DATABASE", "postgresql://u@127.0.0.1:1/x");
    let _ = no_server.run().exits(Exit::DatabaseUnavailable).says("cannot reach");
    let no_tool = snapshot(&scene, &["create", "--pg-dump", "/no/pg_dump"]).run();
    let _ = no_tool.exits(Exit::SnapshotFailed).says("`/no/pg_dump` is not there");
    let no_space = snapshot(&scene, &["create"]).env("ROWSAFE_MIN_FREE_SPACE", "900TB").run();
    let _ = no_space.exits(Exit::SnapshotFailed).says("the snapshot needs ~900");
    let _ = snapshot(&scene, &["create", "--keep-last", "1"]).run().exits(Exit::NoAnswer);
    assert_eq!(scene.kept(), [""; 0]);
}

#[test]
fn a_database_that_is_not_the_one_on_record_is_not_taken_for_it() {
    needs_postgres!();
    let scene = scene("snapshot_other");
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let _ = snapshot(&scene, &["create"]).run().exits(Exit::Ok);
    let admin = scene.db.server().admin("postgres");
    admin.execute("DROP DATABASE snapshot_other");
    admin.execute("CREATE DATABASE snapshot_other OWNER snapshot_other");
    scene.db.execute("CREATE TABLE users (id int)");
    let outcome = snapshot(&scene, &["create"]).run().exits(Exit::DatabaseUnavailable);
    let _ = outcome.says("is not the database on record").says("--new-database");
    let _ = snapshot(&scene, &["create", "--new-database"]).run().exits(Exit::Ok);
}

#[test]
fn an_emptied_table_is_told_and_keeps_nobody_from_a_snapshot() {
    needs_postgres!();
    let scene = scene("snapshot_emptied");
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let calm = snapshot(&scene, &["create"]).run().exits(Exit::Ok);
    assert!(!calm.stdout.contains("warning"), "{calm}");
    scene.db.execute("DELETE FROM orders; DELETE FROM users");
    let outcome = snapshot(&scene, &["create"]).run().exits(Exit::Ok);
    let _ = outcome.prints("warning: ").prints("`users` held 50 rows");
}

#[test]
fn an_interrupted_one_leaves_nothing() {
    needs_postgres!();
    for (signal, exit) in [(Signal::TERM, Exit::Terminated), (Signal::INT, Exit::Interrupted)] {
        let name = if exit == Exit::Terminated { "snapshot_term" } else { "snapshot_int" };
        let scene = scene(name);
        let hangs = scene.in_front_of("pg_dump", "touch dumping; exec sleep 600");
        let mut running = snapshot(&scene, &["create"]).path_first(hangs).spawn();
        let dumping = scene.flag("dumping");
        running.wait_for("pg_dump runs", move || dumping.exists());
        running.signal(signal);
        let _ = running.finish().exits(exit).prints("nothing of the snapshot is kept");
        assert_eq!(scene.kept(), [""; 0]);
        assert_eq!(scene.steps().last().map(String::as_str), Some("finished"));
        scene.wait_until_left_alone();
    }
}

#[test]
fn one_that_was_killed_is_listed_as_that_and_never_offered() {
    needs_postgres!();
    let scene = scene("snapshot_killed");
    let hangs = scene.in_front_of("pg_dump", "touch dumping; exec sleep 600");
    let mut running = snapshot(&scene, &["create"]).path_first(hangs).spawn();
    let dumping = scene.flag("dumping");
    running.wait_for("pg_dump runs", move || dumping.exists());
    running.signal_group(Signal::KILL);
    let _ = running.finish();
    let items = super::listed(&scene);
    assert_eq!((items.len(), &items[0]["state"]), (1, &json!("half-written")));
    let shown = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let _ = shown.prints("not offered").prints("half-written");
    let none = scene.rowsafe("restore").args(["latest"]).run().exits(Exit::NoAnswer);
    let _ = none.says("there is no snapshot");
}

#[test]
fn two_databases_share_a_store() {
    needs_postgres!();
    let scene = scene("snapshot_first");
    let id = create(&scene, &[]);
    let second = Scene::of(Database::new("snapshot_second"), "CREATE TABLE t (id int)");
    let store = scene.store();
    let other = snapshot(&second, &["create", "--format", "json", "--store"]).arg(&store).run();
    let other = json(&other.exits(Exit::Ok))["id"].as_str().unwrap().to_owned();
    assert_eq!(super::listed(&scene).len(), 2);
    let url = scene.db.url();
    let only = snapshot(&scene, &["list", "--format", "json", "--database", &url]).run();
    let only = json(&only.exits(Exit::Ok));
    assert_eq!((only.as_array().unwrap().len(), &only[0]["id"]), (1, &json!(id)));
    let text = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let heads: Vec<&str> = text.stdout.lines().filter(|line| line.contains('@')).collect();
    assert_eq!(heads.len(), 2, "{text}");
    assert!(names(&store).contains(&other));
}
