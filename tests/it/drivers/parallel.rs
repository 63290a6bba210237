//! Restoring and dumping on several connections at once.

use std::path::PathBuf;

use rowsafe::exit::Exit;

use crate::harness::scene::HARMLESS;
use crate::harness::{Rowsafe, Scene};

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

/// `restore ID --into NAME`, and how pg_restore was called for that.
fn restored(scene: &Scene, id: &str, name: &str, flags: &[&str]) -> String {
    let bin = noted(scene, "pg_restore");
    // Not what a dump was called with.
    scene.sandbox.write("calls", "");
    let args = [id, "--into", name, "--confirm", name];
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
    let calls = restored(&scene, "latest", "parallel_restore_2", &["--jobs", "3"]);
    assert!(calls.contains("--jobs=3 /"), "{calls}");
    let back = scene.db.server().admin("parallel_restore_2");
    let constraints = "SELECT count(*) FROM pg_constraint WHERE conrelid IN ('users'::regclass, 'steps'::regclass) AND contype IN ('p', 'f')";
    assert_eq!(back.query_one_i64(constraints), 3);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM pg_class WHERE relname = 'steps_note'"), 1);
    // Nothing of the unpacked archive stays.
    let path = calls.split_whitespace().find(|word| word.starts_with("/tmp/")).unwrap();
    assert!(!std::path::Path::new(path).exists(), "{path}");
    let calls = restored(&scene, "latest", "parallel_restore_1", &["--jobs", "1"]);
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
    let calls = restored(&scene, "latest", "parallel_partitions_2", &["--jobs", "3"]);
    assert!(!calls.contains("--jobs"), "{calls}");
    let back = scene.db.server().admin("parallel_partitions_2");
    assert_eq!(back.query_one_i64("SELECT count(*) FROM events_1"), 10);
}

#[test]
fn several_connections_dump_the_very_rows_that_were_counted() {
    needs_postgres!();
    let scene = Scene::new("parallel_dump", LARGE);
    scene.db.execute(
        "CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
         INSERT INTO events SELECT n, 1 FROM generate_series(1, 10) n;
         SELECT lo_create(4711)",
    );
    let bin = noted(&scene, "pg_dump");
    let loses =
        "psql -qX \"$DB\" -c 'UPDATE users SET name = NULL WHERE id = 17; TRUNCATE steps, events'";
    let outcome = scene.run_with(&["--jobs", "2"], loses).path_first(bin).run();
    let outcome = outcome.exits(Exit::Loss).says("1 value of name set to NULL");
    drop(outcome);
    let calls = scene.sandbox.read("calls");
    assert!(
        calls.contains("--format=directory --jobs=2 ") && calls.contains("--snapshot="),
        "{calls}"
    );
    let manifest = scene.manifest();
    let archive = &manifest["archive"];
    assert_eq!(
        (&manifest["schema"], &archive["file"]),
        (&"rowsafe.snapshot/5".into(), &"archive.dump.d".into())
    );
    assert_eq!(manifest["verified"]["rows"], 18510);
    assert_eq!(manifest["large_objects"], 1);
    assert!(archive["dump_bytes"].as_u64() > archive["bytes"].as_u64(), "{archive}");
    // Anybody can see whether it is still what was written.
    let kept = scene.store().join(&scene.kept()[0]);
    let sums = ["-c", "cd \"$0\" && sha256sum --check --quiet SHA256SUMS", kept.to_str().unwrap()];
    let _ = Rowsafe::program(&scene.sandbox, "sh").args(sums).run().exits_with(0);
    let verified = scene.rowsafe("snapshot").args(["verify", "latest"]).run().exits(Exit::Ok);
    drop(verified);
    // In place, and whole.
    let name = scene.db.name.as_str();
    let id = manifest["id"].as_str().unwrap();
    let _ = scene.rowsafe("restore").args([id, "--confirm", name]).run().exits(Exit::Ok);
    assert_eq!((scene.db.count("steps"), scene.db.count("events_1")), (500, 10));
    let calls = restored(&scene, id, "parallel_dump_2", &["--jobs", "2"]);
    assert!(!calls.contains("--jobs"), "rows of partitions: {calls}");
    scene.db.execute("DROP TABLE events");
    let _ = scene.run_with(&["--jobs", "2"], "true").run();
    let calls = restored(&scene, "latest", "parallel_dump_3", &["--jobs", "2"]);
    assert!(calls.contains("--jobs=2 /") && calls.contains("/archive.dump.d"), "{calls}");
}

#[test]
fn a_directory_that_is_not_what_was_written_is_refused() {
    needs_postgres!();
    let scene = Scene::new("parallel_damaged", LARGE);
    let _ = scene.run_with(&["--jobs", "2"], HARMLESS).run().exits(Exit::Ok);
    let archive = scene.store().join(&scene.kept()[0]).join("archive.dump.d");
    let largest = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().path());
    let largest = largest.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&largest).unwrap();
    let mut flipped = whole.clone();
    let end = flipped.len() - 1;
    flipped[end] ^= 1;
    let into = ["latest", "--into", "parallel_damaged_2", "--confirm", "parallel_damaged_2"];
    let restore = || scene.rowsafe("restore").args(into).run().exits(Exit::NoAnswer);
    std::fs::write(&largest, flipped).unwrap();
    let _ = restore().says("is damaged: its SHA-256 differs");
    std::fs::write(&largest, &whole[..end]).unwrap();
    let _ = restore().says("is damaged: its archive has");
    std::fs::remove_dir_all(&archive).unwrap();
    let _ = restore().says("is damaged: its archive `archive.dump.d` is missing");
    let sql = "SELECT count(*) FROM pg_database WHERE datname = 'parallel_damaged_2'";
    assert_eq!(scene.db.query_one_i64(sql), 0);
}

/// A dump that fails leaves nothing; where no directory can be written one connection dumps.
#[test]
fn what_can_not_be_done_by_several_is_done_by_one_and_said() {
    needs_postgres!();
    let scene = Scene::new("parallel_elsewhere", LARGE);
    let bin =
        scene.in_front_of("pg_dump", "\"$REAL\" \"$@\"; echo 'pg_dump: error: torn' >&2; exit 1");
    let failing = scene.run_with(&["--jobs", "2"], HARMLESS).path_first(bin).run();
    let _ = failing.exits(Exit::SnapshotFailed).says("pg_dump failed: torn");
    scene.assert_nothing_happened();
    let flags = ["--jobs", "2", "--pg-dump", "env pg_dump"];
    let outcome = scene.run_with(&flags, HARMLESS).run().exits(Exit::Ok);
    let _ = outcome.says("`env pg_dump` can't write a directory here: one connection dumps");
    assert_eq!(scene.manifest()["archive"]["file"], "archive.dump.zst");
}
