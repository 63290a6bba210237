//! Restoring and dumping on several connections at once.

use std::path::PathBuf;

use rowsafe::exit::Exit;

use crate::harness::Scene;
use crate::harness::scene::HARMLESS;

/// Large enough that several connections are of use, and two tables that need each other.
const LARGE: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 18000) n;
     CREATE TABLE steps (id serial PRIMARY KEY, user_id int REFERENCES users, note text);
     INSERT INTO steps (user_id, note) SELECT n, 'step ' || n FROM generate_series(1, 500) n;
     CREATE INDEX steps_note ON steps (note);";

/// PostgreSQL's own program, which notes how it was called.
fn noted(scene: &Scene, program: &str) -> PathBuf {
    let calls = scene.flag("calls");
    scene.in_front_of(
        program,
        &format!("echo \"$*\" >> '{}'; exec \"$REAL\" \"$@\"", calls.display()),
    )
}

/// `restore latest --into NAME`, and how pg_restore was called for that.
fn restored(scene: &Scene, name: &str, flags: &[&str]) -> String {
    let bin = noted(scene, "pg_restore");
    let args = ["latest", "--into", name, "--confirm", name];
    let restore = scene.rowsafe("restore").args(args).args(flags).path_first(bin);
    let _ = restore.run().exits(Exit::Ok).says("counted again");
    let calls = scene.sandbox.read("calls");
    std::fs::remove_file(scene.flag("calls")).unwrap();
    let back = scene.db.server().admin(name);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM users"), 18000);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM steps"), 500);
    calls
}

#[test]
fn a_large_snapshot_is_restored_by_several_connections() {
    needs_postgres!();
    let scene = Scene::new("parallel_restore", LARGE);
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let calls = restored(&scene, "parallel_restore_2", &["--jobs", "3"]);
    assert!(calls.contains("--jobs=3 /"), "{calls}");
    let back = scene.db.server().admin("parallel_restore_2");
    let constraints = "SELECT count(*) FROM pg_constraint WHERE conrelid IN ('users'::regclass, 'steps'::regclass) AND contype IN ('p', 'f')";
    assert_eq!(back.query_one_i64(constraints), 3);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM pg_class WHERE relname = 'steps_note'"), 1);
    // Nothing of the unpacked archive stays.
    let path = calls.split_whitespace().find(|word| word.starts_with("/tmp/")).unwrap();
    assert!(!std::path::Path::new(path).exists(), "{path}");
    let calls = restored(&scene, "parallel_restore_1", &["--jobs", "1"]);
    assert!(!calls.contains("--jobs"), "{calls}");
    // What is not what was written is not restored.
    let archive = scene.store().join(&scene.kept()[0]).join("archive.dump.zst");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let args = ["latest", "--into", "parallel_restore_3", "--confirm", "parallel_restore_3"];
    let outcome = scene.rowsafe("restore").args(args).run().exits(Exit::NoAnswer);
    drop(outcome);
    let sql = "SELECT count(*) FROM pg_database WHERE datname = 'parallel_restore_3'";
    assert_eq!(scene.db.query_one_i64(sql), 0);
}

/// PostgreSQL's documentation warns of several connections for what was dumped through the root.
#[test]
fn rows_of_partitions_are_restored_by_one_connection() {
    needs_postgres!();
    let scene = Scene::new("parallel_partitions", LARGE);
    scene.db.execute(
        "CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
         INSERT INTO events SELECT n, 1 FROM generate_series(1, 10) n",
    );
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let calls = restored(&scene, "parallel_partitions_2", &["--jobs", "3"]);
    assert!(!calls.contains("--jobs"), "{calls}");
    let back = scene.db.server().admin("parallel_partitions_2");
    assert_eq!(back.query_one_i64("SELECT count(*) FROM events_1"), 10);
}
