//! What is kept before the command runs: complete, verified, for its owner alone, or not at all.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rowsafe::exit::Exit;

use crate::harness::scene::{HARMLESS, names};
use crate::harness::{Rowsafe, Scene, secrets};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 1000) n";

#[test]
fn a_snapshot_is_for_its_owner_alone_whatever_the_umask_says() {
    needs_postgres!();
    let scene = Scene::new("snapshot_modes", USERS);
    let script = "umask 000; exec \"$@\"";
    let mut words = vec!["-c", script, "sh", env!("CARGO_BIN_EXE_rowsafe"), "run"];
    words.extend(["--allow", "opaque *: a test", "--", "sh", "-c", HARMLESS]);
    let outcome = Rowsafe::program(&scene.sandbox, "sh")
        .env("ROWSAFE_DATABASE", scene.db.url())
        .env("DB", scene.db.socket_url())
        .args(words)
        .run();
    let _ = outcome.exits(Exit::Ok);
    let store = scene.store();
    let snapshot = store.join(&scene.kept()[0]);
    for directory in [store.parent().unwrap(), &store, &snapshot] {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
    assert_eq!(names(&snapshot), ["archive.dump.zst", "manifest.json"]);
    for file in names(&snapshot) {
        assert_eq!(mode(&snapshot.join(&file)), 0o600, "{file}");
    }
    assert_eq!(mode(&store.parent().unwrap().join("journal.jsonl")), 0o600);
    assert_eq!(std::fs::read_to_string(store.join(".gitignore")).unwrap(), "*\n");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_kept_is_what_was_there_and_comes_back() {
    needs_postgres!();
    let scene = Scene::new("snapshot_back", USERS);
    let outcome = scene.run("psql -qX \"$DB\" -c 'DELETE FROM users WHERE id > 10'").run();
    let _ = outcome.exits(Exit::Loss).says("990 rows of users, which the plan did not name");
    assert_eq!(scene.kept_rows("users"), 1000);
    assert_eq!(scene.manifest()["verified"]["rows"], 1000);
    restored(&scene, "snapshot_back_before");
    let back = scene.db.server().admin("snapshot_back_before");
    assert_eq!(back.query_one_i64("SELECT count(*) FROM users"), 1000);
}

fn restored(scene: &Scene, name: &str) {
    let outcome =
        scene.rowsafe("restore").args(["latest", "--into", name, "--confirm", name]).run();
    let _ = outcome.exits(Exit::Ok);
}

#[test]
fn no_snapshot_is_said_aloud_and_then_there_is_none() {
    needs_postgres!();
    let scene = Scene::new("snapshot_none", USERS);
    let outcome = scene.run_with(&["--snapshot", "none"], HARMLESS).with_report().run();
    let outcome = outcome.exits(Exit::Ok).says("none, because --snapshot none was given");
    assert!(outcome.json().get("snapshot").is_none());
    assert!(!scene.store().exists());
    let wipe = "psql -qX \"$DB\" -c 'TRUNCATE users'";
    let outcome = scene.run_with(&["--snapshot", "none"], wipe).run().exits(Exit::Loss);
    let _ = outcome.says("no snapshot was taken, because --snapshot none was given");
    assert!(!scene.store().exists());
}

#[test]
fn a_store_that_cannot_be_written_stops_the_run() {
    needs_postgres!();
    let scene = Scene::new("snapshot_unwritable", USERS);
    scene.sandbox.write("file", "");
    for store in ["file/snapshots", "/proc/rowsafe/snapshots", "/proc/rowsafe"] {
        let outcome = scene.run_with(&["--store", store], HARMLESS).run();
        let outcome = outcome.exits(Exit::SnapshotFailed).says(store);
        let _ = outcome.says("choose another place with --store");
        scene.assert_nothing_happened();
    }
}

#[test]
fn too_little_space_is_refused_before_any_work() {
    needs_postgres!();
    let scene = Scene::new("snapshot_space", USERS);
    let outcome = scene.run(HARMLESS).env("ROWSAFE_MIN_FREE_SPACE", "4000 TB").run();
    let outcome = outcome.exits(Exit::SnapshotFailed).says("the snapshot needs ~");
    let _ = outcome.says("free some space, or point --store at another place");
    scene.assert_nothing_happened();
    assert!(!scene.steps().contains(&"snapshot-started".to_owned()));
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    needs_postgres!();
    let scene = Scene::new("snapshot_full", &noise(400));
    let limited = Rowsafe::program(&scene.sandbox, "prlimit")
        .env("ROWSAFE_DATABASE", scene.db.url())
        .args(["--fsize=100000", "--core=0", env!("CARGO_BIN_EXE_rowsafe"), "run"])
        .args(["--allow", "opaque *: a test", "--", "sh", "-c", HARMLESS]);
    let outcome = limited.run().exits(Exit::SnapshotFailed);
    let outcome = outcome.says("can't hold a file as large as the snapshot");
    let _ = outcome.says("point --store at another place");
    scene.assert_nothing_happened();
    assert_eq!(scene.steps().last().unwrap(), "finished");
}

/// What a dump may silently lack, by a stand-in that leaves it out.
#[test]
fn a_dump_that_lacks_something_is_not_taken_for_a_snapshot() {
    needs_postgres!();
    let scene = Scene::new("snapshot_lacking", USERS);
    scene.db.execute("SELECT lo_from_bytea(0, 'kept'); CREATE TABLE empty ()");
    let without_snapshot = "for word; do shift; case $word in --snapshot=*) ;; \
         *) set -- \"$@\" \"$word\";; esac; done";
    let one_row_less = format!(
        "psql -qX \"$DB\" -c 'DELETE FROM users WHERE id = 1' >&2; {without_snapshot}; \
         exec \"$REAL\" \"$@\""
    );
    let cases = [
        (
            "exec \"$REAL\" \"$@\" --exclude-table-data=users",
            "`public.users` has 0 rows in the archive and 1,000 rows in the database",
        ),
        (
            "exec \"$REAL\" \"$@\" --exclude-table=users",
            "`public.users` has 0 rows in the archive and 1,000 rows in the database",
        ),
        ("exec \"$REAL\" \"$@\" --schema-only", "`public.users` has 0 rows in the archive"),
        ("exec \"$REAL\" \"$@\" --no-blobs", "it holds 0 large objects, the database 1 large"),
        ("\"$REAL\" \"$@\" | head -c 20000", "pg_restore can't decode it: "),
        ("\"$REAL\" \"$@\" >/dev/null; echo not an archive", "pg_restore can't decode it: "),
        ("\"$REAL\" \"$@\" >/dev/null", "pg_restore can't decode it: "),
        // Last, for it changes the table.
        (
            one_row_less.as_str(),
            "`public.users` has 999 rows in the archive and 1,000 rows in the database",
        ),
    ];
    for (script, reason) in cases {
        let bin = scene.in_front_of("pg_dump", script);
        let outcome = scene.run(HARMLESS).path_first(bin).run().exits(Exit::SnapshotFailed);
        let outcome = outcome.says("the snapshot could not be verified: ").says(reason);
        let _ = outcome.says("nothing was run");
        scene.assert_nothing_happened();
    }
}

#[test]
fn a_file_that_changes_on_disk_is_not_taken_for_a_snapshot() {
    needs_postgres!();
    // Larger than what fits into pipes, so that its end is not read before pg_restore reads.
    let scene = Scene::new("snapshot_bitrot", &noise(4000));
    let file = ".rowsafe/snapshots/.partial-*/archive.dump.zst";
    for spoil in [
        format!("for file in {file}; do printf x >> \"$file\"; done"),
        format!("for file in {file}; do truncate -s -1000 \"$file\"; done"),
        format!(
            "for file in {file}; do printf rotten | dd of=\"$file\" bs=1 conv=notrunc status=none \
             seek=$(($(stat -c %s \"$file\") - 9000)); done"
        ),
    ] {
        let bin = scene.in_front_of("pg_restore", &format!("{spoil}; exec \"$REAL\" \"$@\""));
        let outcome = scene.run(HARMLESS).path_first(bin).run().exits(Exit::SnapshotFailed);
        let _ = outcome.says("can't be read back: ");
        scene.assert_nothing_happened();
    }
}

/// A table of so many rows that do not compress, 1,600 bytes each.
fn noise(rows: u32) -> String {
    format!(
        "CREATE TABLE noise AS SELECT n, string_agg(md5(n::text || m), '') AS text
           FROM generate_series(1, {rows}) n, generate_series(1, 50) m GROUP BY n"
    )
}

#[test]
fn a_damaged_snapshot_is_not_restored() {
    needs_postgres!();
    let scene = Scene::new("snapshot_damaged", USERS);
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let archive = scene.store().join(&scene.kept()[0]).join("archive.dump.zst");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&archive, bytes).unwrap();
    let name = "snapshot_damaged_before";
    let outcome =
        scene.rowsafe("restore").args(["latest", "--into", name, "--confirm", name]).run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'snapshot_damaged_before'";
    assert_eq!(scene.db.admin().query_one_i64(there), 0, "half a database is left\n{outcome}");
}

/// Every process that can see another's command line, every file, every stream.
#[test]
fn a_password_is_in_no_command_line_no_file_and_no_output() {
    needs_postgres!();
    let scene = Scene::new("snapshot_password", USERS);
    let spy = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> spied";
    let dump = scene.in_front_of("pg_dump", &format!("{spy}; exec \"$REAL\" \"$@\""));
    scene.in_front_of("pg_restore", &format!("{spy}; exec \"$REAL\" \"$@\""));
    let url = scene.db.url();
    let words = format!("{spy}; exit 3 # {url}");
    // The user's own command line may hold it: what rowsafe writes down of it may not.
    let outcome = scene
        .run(&words.replace(&url, "no url"))
        .env("TMPDIR", scene.sandbox.home())
        .path_first(&dump)
        .with_report()
        .run()
        .exits(Exit::CommandFailed);
    assert!(scene.sandbox.read("spied").contains("pg_dump"), "the spy saw nothing");
    secrets::assert_nowhere(&scene.db.password, &outcome, &scene.sandbox, &[]);
    assert_eq!(names(&scene.sandbox.home()), [""; 0], "a temporary file is left");

    let outcome =
        scene.run(&words).path_first(&dump).with_report().run().exits(Exit::CommandFailed);
    assert!(scene.sandbox.read("spied").contains(&scene.db.password), "the spy sees it now");
    secrets::assert_nowhere(&scene.db.password, &outcome, &scene.sandbox, &["spied"]);
}
