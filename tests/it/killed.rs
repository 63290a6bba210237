//! rowsafe killed by SIGKILL at each step: the next start says once what state things are in.

use std::fs::File;
use std::path::PathBuf;

use rowsafe::exit::Exit;
use rustix::fs::{FlockOperation, flock};

use crate::harness::Scene;
use crate::harness::rowsafe::Running;
use crate::harness::scene::{HARMLESS, steps, wait_for};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY);
     INSERT INTO users SELECT generate_series(1, 1000)";

/// A step that slips through is no failure of rowsafe; on a full machine most of them do.
const ATTEMPTS: usize = 60;

/// Holds the journal's lock, so that rowsafe can take no step unless it is let through.
struct Gate {
    path: PathBuf,
    file: File,
}

impl Gate {
    /// An empty journal that nobody gets to write.
    fn closed(scene: &Scene) -> Self {
        let path = scene.sandbox.write(".rowsafe/journal.jsonl", "");
        let file = File::open(&path).unwrap();
        Self { path, file }
    }

    /// Lets step after step through, up to and with `wanted`; false when one slipped through
    /// behind it, between our look and our lock.
    fn open_until(&self, running: &mut Running, wanted: &str) -> bool {
        loop {
            flock(&self.file, FlockOperation::LockExclusive).unwrap();
            let steps = steps(&self.path);
            if steps.iter().any(|step| step == wanted) {
                return steps.last().is_some_and(|last| last == wanted);
            }
            let length = self.length();
            flock(&self.file, FlockOperation::Unlock).unwrap();
            running.wait_for(wanted, || self.length() > length);
        }
    }

    fn length(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }
}

/// Runs a waiting command on a scene and kills rowsafe when `step` is written and no step after it.
fn killed_at(step: &str) -> Scene {
    for attempt in 0..ATTEMPTS {
        let name = format!("killed_{}_{attempt}", step.replace('-', "_"));
        let scene = Scene::new(&name, USERS);
        let gate = Gate::closed(&scene);
        let script = format!("{HARMLESS}; while ! test -e stop; do sleep 0.01; done");
        let mut running = scene.run(&script).spawn();
        let is_there = gate.open_until(&mut running, step);
        if is_there {
            let outcome = running.kill();
            assert_eq!(outcome.signal, Some(9), "{outcome}");
            assert_eq!(scene.steps().last().unwrap(), step);
            return scene;
        }
        drop(gate);
        scene.raise("stop");
        drop(running.finish());
    }
    panic!("{step} always slipped through");
}

/// The next run says it, and the one after that does not.
fn told_once(scene: &Scene, sentence: &str) {
    scene.raise("stop");
    let again = || scene.run(HARMLESS).run();
    // The command of the killed run may still be at it, and the server still notices that we went.
    scene.wait_until_left_alone();
    let outcome = again().exits(Exit::Ok).says("earlier run ").says(sentence);
    drop(outcome);
    let outcome = again().exits(Exit::Ok);
    assert!(!outcome.stderr.contains("earlier run"), "{outcome}");
}

#[test]
fn before_anything_was_run() {
    needs_postgres!();
    for step in ["begun", "planned"] {
        let scene = killed_at(step);
        scene.assert_nothing_happened();
        told_once(&scene, "rowsafe was killed before anything was run; nothing was changed");
    }
}

#[test]
fn while_the_snapshot_is_taken() {
    needs_postgres!();
    let scene = Scene::new("killed_dumping", USERS);
    let script =
        "touch dumping; while ! test -e dumped; do sleep 0.01; done; exec \"$REAL\" \"$@\"";
    let bin = scene.in_front_of("pg_dump", script);
    let mut running = scene.run(HARMLESS).path_first(&bin).spawn();
    running.wait_for("the dump", || scene.flag("dumping").exists());
    drop(running.kill());
    assert!(!scene.flag("ran").exists());
    let left = scene.kept();
    assert!(left.iter().all(|name| name.starts_with(".partial-")), "{left:?}");
    // The dump finds nobody who reads it, and rowsafe's own session is gone with its snapshot.
    scene.raise("dumped");
    scene.wait_until_left_alone();
    let outcome = scene.rowsafe("restore").args(["latest", "--confirm", &scene.db.name]).run();
    let _ = outcome.exits(Exit::NoAnswer).says("there is no snapshot in");
    let id = left[0].trim_start_matches(".partial-").to_owned();
    let outcome = scene.rowsafe("restore").args([&id, "--confirm", &scene.db.name]).run();
    let _ = outcome.exits(Exit::NoAnswer);
    told_once(&scene, "nothing was run, and the snapshot is no good");
}

#[test]
fn with_a_verified_snapshot_and_before_the_command() {
    needs_postgres!();
    let scene = killed_at("snapshot-verified");
    assert!(!scene.flag("ran").exists(), "the command was started before it was recorded");
    assert_eq!(scene.kept_rows("users"), 1000);
    told_once(&scene, "before the command was started; nothing was run, and snapshot ");
}

#[test]
fn as_the_command_is_started() {
    needs_postgres!();
    let scene = killed_at("child-starting");
    told_once(&scene, "as it started the command, which may have run; snapshot ");
}

#[test]
fn while_the_command_runs() {
    needs_postgres!();
    let scene = killed_at("child-started");
    wait_for("the command", || scene.flag("ran").exists());
    assert_eq!(scene.kept_rows("users"), 1000);
    // The command was not killed with rowsafe: it is told of, and by which number.
    let outcome = scene.rowsafe("run").args(["--", "true"]).run().exits(Exit::Blocked);
    let outcome = outcome.says("while the command was running, and the command runs on");
    let _ = outcome.says("let it end before anything else");
    scene.raise("stop");
}

#[test]
fn before_the_rows_were_compared() {
    needs_postgres!();
    let scene = Scene::new("killed_comparing", USERS);
    // What the command leaves behind keeps the comparison waiting.
    let lock = "psql -qX \"$DB\" -c 'BEGIN; LOCK TABLE users; SELECT pg_sleep(60)' \
         >/dev/null 2>&1 </dev/null & until psql -qXAt \"$DB\" -c \"SELECT count(*) FROM pg_locks \
         WHERE relation = 'users'::regclass AND granted AND mode = 'AccessExclusiveLock'\" \
         | grep -q 1; do :; done";
    let mut running = scene.run(lock).spawn();
    running.wait_for("the end of the command", || {
        scene.steps().last().is_some_and(|step| step == "child-ended")
    });
    drop(running.kill());
    scene.db.admin().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    told_once(&scene, "after the command ended with exit code 0 and before the rows were compared");
}

#[test]
fn after_the_rows_were_compared() {
    needs_postgres!();
    for _ in 0..ATTEMPTS {
        let scene = Scene::new("killed_compared", USERS);
        let gate = Gate::closed(&scene);
        let mut running = scene.run(HARMLESS).spawn();
        let is_there = gate.open_until(&mut running, "compared");
        if is_there {
            drop(running.kill());
            drop(gate);
            told_once(&scene, "after the rows were compared, the answer was `ok`; snapshot ");
            return;
        }
        drop(gate);
        drop(running.finish());
    }
    panic!("the step always slipped through");
}
