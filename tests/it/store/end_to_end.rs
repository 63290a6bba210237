//! The whole way through an object store: kept before the command, read back, put back.

use rowsafe::exit::Exit;

use rustix::process::Signal;

use crate::harness::s3::SECRET;
use crate::harness::scene::HARMLESS;
use crate::harness::{Rowsafe, S3, Scene, secrets};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 1000) n";

fn at<'a>(server: &S3, command: Rowsafe<'a>) -> Rowsafe<'a> {
    let command = command.env("ROWSAFE_STORE", server.url());
    server.variables().iter().fold(command, |command, (name, value)| command.env(name, value))
}

#[test]
fn lost_rows_come_back_from_an_object_store() {
    needs_postgres!();
    let scene = Scene::new("store_s3", USERS);
    let server = S3::start();
    let lossy = scene.run("psql -qX \"$DB\" -c 'DELETE FROM users WHERE id > 10'");
    let outcome = at(&server, lossy).with_report().run().exits(Exit::Loss);
    let outcome = outcome.says("990 rows of users, which the plan did not name");
    let report = outcome.json();
    let id = report["snapshot"]["id"].as_str().unwrap();
    assert_eq!(report["snapshot"]["path"], format!("s3://kept/app/{id}"));
    secrets::assert_nowhere(SECRET, &outcome, &scene.sandbox, &[]);
    // Nothing of it was on a disk of this machine but the journal.
    assert!(!scene.store().exists());
    assert_eq!(scene.steps().last().unwrap(), "finished");

    let name = "store_s3_before";
    let back = scene.rowsafe("restore").args(["latest", "--into", name, "--confirm", name]);
    let _ = at(&server, back).run().exits(Exit::Ok);
    let back = scene.db.server().admin(name);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM users"), 1000);

    scene.db.execute("DROP TABLE users");
    let back = scene.rowsafe("restore").args([id, "--confirm", &scene.db.name]);
    let _ = at(&server, back).run().exits(Exit::Ok);
    assert_eq!(scene.db.query_one_i64("SELECT count(*) FROM users"), 1000);
}

#[test]
fn a_dump_that_fails_leaves_nothing_in_the_object_store() {
    needs_postgres!();
    let scene = Scene::new("store_s3_failed", USERS);
    let server = S3::start();
    let bin = scene.in_front_of("pg_dump", "\"$REAL\" \"$@\" | head -c 1000; exit 1");
    let run = at(&server, scene.run(HARMLESS).path_first(bin));
    let _ = run.run().exits(Exit::SnapshotFailed);
    scene.assert_nothing_happened();
    // The server leaves empty directories; what stays of ours is the sign that says what it is.
    let objects = crate::harness::sandbox::files(&server.directory());
    assert_eq!(objects, [server.directory().join(".rowsafe")]);
    assert_eq!(server.parts(), [""; 0]);
}

/// More than one part is there already when it is interrupted.
#[test]
fn control_c_while_uploading_leaves_nothing_in_the_object_store() {
    needs_postgres!();
    let scene = Scene::new("store_s3_interrupted", USERS);
    let server = S3::start();
    let script = "head -c 20000000 /dev/urandom; touch dumping; exec sleep 41.7135";
    let bin = scene.in_front_of("pg_dump", script);
    let mut running = at(&server, scene.run(HARMLESS).path_first(bin)).spawn();
    running.wait_for("the dump", || scene.flag("dumping").exists());
    running.wait_for("parts of the upload", || !server.parts().is_empty());
    running.signal(Signal::INT);
    let _ = running.finish().exits(Exit::Interrupted);
    scene.assert_nothing_happened();
    let objects = crate::harness::sandbox::files(&server.directory());
    assert_eq!(objects, [server.directory().join(".rowsafe")]);
    assert_eq!(server.parts(), [""; 0]);
}
