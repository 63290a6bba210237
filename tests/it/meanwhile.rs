//! While the command runs: rowsafe is in nobody's way, nobody else runs one, and the server may go.

use rowsafe::exit::Exit;

use crate::harness::scene::HARMLESS;
use crate::harness::{Database, Scene, Server};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY);
     INSERT INTO users SELECT generate_series(1, 1000)";

/// A command that waits until the test lets it go.
const WAITING: &str = "touch started; while ! test -e stop; do sleep 0.01; done; \
     psql -qX \"$DB\" -c 'SELECT 1' >/dev/null";

#[test]
fn a_second_run_is_refused_and_told_who_is_first() {
    needs_postgres!();
    let scene = Scene::new("meanwhile_second", USERS);
    let other = Scene::new("meanwhile_elsewhere", USERS);
    let mut first = scene.run(WAITING).spawn();
    first.wait_for("the first run", || scene.flag("started").exists());
    let run = run_of(&scene);
    let second = scene.run(HARMLESS).run().exits(Exit::Blocked);
    let second = second.says("another rowsafe is at work on this database");
    let _ = second.says(&format!("rowsafe run {run}")).says("as meanwhile_second, since ");
    assert!(!scene.flag("ran").exists());
    let confirm = ["latest", "--confirm", "meanwhile_second"];
    let restore = scene.rowsafe("restore").args(confirm).run().exits(Exit::Blocked);
    let _ = restore.says("another rowsafe is at work on this database");
    // Another database of the same server is another matter.
    let _ = other.run(HARMLESS).run().exits(Exit::Ok);
    scene.raise("stop");
    let _ = first.finish().exits(Exit::Ok);
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
}

/// The id of the first run in the journal.
fn run_of(scene: &Scene) -> String {
    let journal = scene.sandbox.read(".rowsafe/journal.jsonl");
    let line: serde_json::Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    line["run"].as_str().unwrap().to_owned()
}

#[test]
fn rowsafe_holds_no_lock_and_no_transaction_while_the_command_runs() {
    needs_postgres!();
    let scene = Scene::new("meanwhile_locks", USERS);
    let script = "psql -qXAt \"$DB\" \
         -c \"SELECT 'lock', a.application_name, l.relation::regclass, l.mode FROM pg_locks l \
              JOIN pg_stat_activity a USING (pid) \
             WHERE a.application_name LIKE 'rowsafe %' AND a.datname = current_database() \
               AND l.relation >= 16384\" \
         -c \"SELECT 'open', application_name, state FROM pg_stat_activity \
             WHERE application_name LIKE 'rowsafe %' AND datname = current_database() \
               AND (state LIKE 'idle in%' OR backend_xid IS NOT NULL)\" \
         -c \"SELECT 'here', count(*) FROM pg_stat_activity \
             WHERE application_name LIKE 'rowsafe %' AND datname = current_database()\" \
         -c 'SET lock_timeout = 1000' -c 'ALTER TABLE users ALTER COLUMN id TYPE bigint' \
         -c 'VACUUM FULL users'";
    let outcome = scene.run(script).run().exits(Exit::Ok);
    assert_eq!(outcome.stdout, "here|1\n", "only the session that watches, idle");
}

#[test]
fn a_server_that_goes_away_is_no_success() {
    needs_postgres!();
    let own = Server::start(&[]);
    let db = Database::on(&own, "meanwhile_gone", "planted-and-gone-too");
    let scene = Scene::of(db, USERS);
    let mut running = scene.run("touch started; while ! test -e stop; do sleep 0.01; done").spawn();
    running.wait_for("the command", || scene.flag("started").exists());
    own.stop();
    scene.raise("stop");
    let outcome = running.finish().exits(Exit::Loss);
    let outcome = outcome.says("the database could not be compared");
    let _ = outcome.says(&format!("snapshot {} holds everything from before", scene.kept()[0]));
    assert_eq!(scene.steps().last().unwrap(), "finished");
}

#[test]
fn a_database_that_the_command_drops_is_a_loss() {
    needs_postgres!();
    let scene = Scene::new("meanwhile_dropped", USERS);
    let other = scene.db.socket_url().replace("@/meanwhile_dropped", "@/postgres");
    let drop_it = "psql -qX \"$OTHER\" -c 'DROP DATABASE meanwhile_dropped WITH (FORCE)'";
    let outcome = scene.run(drop_it).env("OTHER", &other).run().exits(Exit::Loss);
    let _ = outcome.says(&format!("snapshot {} holds everything", scene.kept()[0]));

    let scene = Scene::new("meanwhile_recreated", USERS);
    let other = scene.db.socket_url().replace("@/meanwhile_recreated", "@/postgres");
    let script = "psql -qX \"$OTHER\" -c 'DROP DATABASE meanwhile_recreated WITH (FORCE)' \
         -c 'CREATE DATABASE meanwhile_recreated'";
    let outcome = scene.run(script).env("OTHER", &other).run().exits(Exit::Loss);
    let outcome = outcome.says("the database is not the one that was counted before the run");
    let _ = outcome.says(&scene.kept()[0]);
}

#[test]
fn a_watcher_that_is_ended_by_an_administrator_is_no_reason_to_lose_the_answer() {
    needs_postgres!();
    let scene = Scene::new("meanwhile_ended", USERS);
    let script = "psql -qX \"$DB\" -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name LIKE 'rowsafe run%' AND datname = current_database()\" \
         -c 'DELETE FROM users' >/dev/null";
    let outcome = scene.run(script).run().exits(Exit::Loss);
    let _ = outcome.says("1,000 rows of users, which the plan did not name");
}

#[test]
fn a_table_that_the_command_leaves_locked_is_told() {
    needs_postgres!();
    let scene = Scene::new("meanwhile_locked", USERS);
    let lock = "psql -qX \"$DB\" -c 'BEGIN; LOCK TABLE users; SELECT pg_sleep(60)' \
         >/dev/null 2>&1 </dev/null & until psql -qXAt \"$DB\" -c \"SELECT count(*) FROM pg_locks \
         WHERE relation = 'users'::regclass AND granted AND mode = 'AccessExclusiveLock'\" \
         | grep -q 1; do :; done";
    let outcome = scene.run(lock).env("ROWSAFE_LOCK_TIMEOUT", "300ms").run();
    scene.db.admin().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let outcome = outcome.exits(Exit::Loss).says("the database could not be compared");
    let _ =
        outcome.says("`public.users` is locked by session ").says("holds everything from before");
}
