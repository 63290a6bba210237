//! pg_dump and pg_restore: missing, old, elsewhere, failing, killed. Nothing is run then.

use rowsafe::exit::Exit;

use crate::harness::Scene;
use crate::harness::scene::{HARMLESS, processes_with, wait_for};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 1000) n";

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    needs_postgres!();
    let scene = Scene::new("tools_missing", USERS);
    let outcome = scene.run_with(&["--pg-dump", "no-such-pg_dump"], HARMLESS).run();
    let outcome = outcome.exits(Exit::SnapshotFailed).says("`no-such-pg_dump` is not there");
    let _ = outcome.says("apt-get install postgresql-client").says("--pg-dump");
    let outcome = scene.run_with(&["--pg-restore", "bin/no-such-restore"], HARMLESS).run();
    let _ = outcome.exits(Exit::SnapshotFailed).says("`bin/no-such-restore` is not there");
    scene.sandbox.write("bin/plain", "no program");
    let outcome = scene.run_with(&["--pg-dump", "bin/plain"], HARMLESS).run();
    let _ = outcome.exits(Exit::SnapshotFailed).says("bin/plain");
    scene.assert_nothing_happened();
    assert!(!scene.steps().contains(&"snapshot-started".to_owned()));
}

#[test]
fn a_tool_older_than_the_server_is_refused_with_both_versions() {
    needs_postgres!();
    let scene = Scene::new("tools_old", USERS);
    let old = scene.sandbox.write_program("old/pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    let server = scene.db.rows("SHOW server_version")[0][0].clone();
    let server = server.split(' ').next().unwrap();
    let outcome = scene.run(HARMLESS).path_first(old.parent().unwrap()).run();
    let _ = outcome.exits(Exit::SnapshotFailed).says("9.6.24").says(server);
    let mute = scene.sandbox.write_program("mute/pg_dump", "echo 'docker: no such container' >&2");
    let outcome = scene.run(HARMLESS).path_first(mute.parent().unwrap()).run();
    let _ = outcome.exits(Exit::SnapshotFailed).says("names no version").says("no such container");
    scene.assert_nothing_happened();
}

#[test]
fn a_dump_that_fails_leaves_nothing_and_says_why() {
    needs_postgres!();
    let scene = Scene::new("tools_failing", USERS);
    let cases = [
        ("echo 'pg_dump: error: the disk is on fire' >&2; exit 1", "the disk is on fire"),
        ("\"$REAL\" \"$@\" | head -c 3000; kill -KILL $$", "pg_dump was ended by SIGKILL"),
        ("exit 3", "pg_dump failed: "),
        ("exec \"$REAL\" \"$@\" --table=nobody", "pg_dump failed: no matching tables were found"),
    ];
    for (script, reason) in cases {
        let bin = scene.in_front_of("pg_dump", script);
        let outcome = scene.run(HARMLESS).path_first(bin).run().exits(Exit::SnapshotFailed);
        let _ = outcome.says(reason).says("hint: ");
        scene.assert_nothing_happened();
        assert_eq!(scene.steps().last().unwrap(), "finished");
    }
}

#[test]
fn a_dump_whose_session_is_ended_leaves_nothing() {
    needs_postgres!();
    let scene = Scene::new("tools_terminated", USERS);
    // In the way of pg_dump, which so is connected and waits: its own lock, not the count.
    let end = "psql -qXAt \"$DB\" -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'pg_dump' AND datname = current_database()\" | grep -q t";
    let script = format!(
        "mkfifo pipe; \"$REAL\" \"$@\" > pipe & (until {end}; do :; done; cat) < pipe; wait $!"
    );
    scene.db.execute(
        "INSERT INTO users SELECT n, repeat('x', 1000) FROM generate_series(1001, 3000) n",
    );
    let bin = scene.in_front_of("pg_dump", &script);
    let outcome = scene.run(HARMLESS).path_first(bin).run().exits(Exit::SnapshotFailed);
    let _ = outcome.says("pg_dump failed: ");
    scene.assert_nothing_happened();
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    needs_postgres!();
    let scene = Scene::new("tools_reader", USERS);
    for (script, reason) in [
        ("cat >/dev/null; exit 1", "pg_restore can't decode it: "),
        ("exit 0", "the snapshot could not be verified: "),
        ("head -c 100 >/dev/null; kill -KILL $$", "the snapshot could not be verified: "),
        ("cat >/dev/null; echo COPY public.users FROM stdin", "the snapshot could not be verified"),
    ] {
        let bin = scene.in_front_of("pg_restore", script);
        let outcome = scene.run(HARMLESS).path_first(bin).run().exits(Exit::SnapshotFailed);
        let _ = outcome.says(reason);
        scene.assert_nothing_happened();
    }
}

/// As in a container: none of our environment is there, the server is on the default socket.
#[test]
fn the_tools_may_be_several_words_and_see_nothing_of_our_environment() {
    needs_postgres!();
    let scene = Scene::new("tools_elsewhere", USERS);
    let server = scene.db.server();
    let script = format!(
        "shift 3; exec env -i PATH='{}:/usr/bin:/bin' PGHOST='{}' PGPORT={} \"$@\"",
        server.bin.display(),
        server.socket.display(),
        server.port
    );
    scene.sandbox.write_program("docker", &script);
    let flags = ["--pg-dump", "./docker exec -i db pg_dump"];
    let psql = format!("PATH='{}':$PATH", server.bin.display());
    let outcome =
        scene.run_with(&flags, &format!("{psql}; {HARMLESS}")).env("PATH", "/usr/bin:/bin").run();
    let _ = outcome.exits(Exit::Ok);
    assert_eq!(scene.kept_rows("users"), 1000);
    let name = "tools_elsewhere_before";
    let restore = ["latest", "--into", name, "--confirm", name];
    let outcome =
        scene.rowsafe("restore").args(restore).args(flags).env("PATH", "/usr/bin:/bin").run();
    let _ = outcome.exits(Exit::Ok);
    let back = server.admin(name);
    assert_eq!(back.query_one_i64("SELECT count(*) FROM users"), 1000);
}

#[test]
fn the_dump_goes_where_rowsafe_looked_whatever_the_shell_says() {
    needs_postgres!();
    let scene = Scene::new("tools_misled", USERS);
    let other = Scene::new("tools_misled_other", "CREATE TABLE users (id int)");
    let outcome = scene
        .run(&format!("unset PGOPTIONS; {HARMLESS}"))
        .env("PGDATABASE", &other.db.name)
        .env("PGUSER", &other.db.name)
        .env("PGHOST", "no.such.host.invalid")
        .env("PGPORT", "1")
        .env("PGPASSWORD", "wrong-password")
        .env("PGOPTIONS", "-c search_path=nowhere")
        .env("PGCLIENTENCODING", "LATIN1")
        .run();
    let _ = outcome.exits(Exit::Ok);
    assert_eq!(scene.kept_rows("users"), 1000);
}

#[test]
fn names_of_databases_and_roles_are_names() {
    needs_postgres!();
    for name in ["tools odd=name", "tools_'quoted\\\"", "tools_ünïcode", "tools_postgresql://x"] {
        let scene = Scene::new(name, USERS);
        let outcome = scene
            .run(HARMLESS)
            .env("ROWSAFE_DATABASE", odd_url(&scene))
            .env("DB", odd_url(&scene))
            .run();
        let _ = outcome.exits(Exit::Ok);
        assert_eq!(scene.kept_rows("users"), 1000, "{name}");
    }
}

/// The socket's URL with every part encoded.
fn odd_url(scene: &Scene) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let name = encoded(&scene.db.name);
    let server = scene.db.server();
    let socket = encoded(&server.socket.display().to_string());
    format!("postgresql://{name}@/{name}?host={socket}&port={}", server.port)
}

#[test]
fn a_dump_that_is_waited_for_can_be_interrupted_behind_a_wrapper_too() {
    needs_postgres!();
    let scene = Scene::new("tools_wrapped", USERS);
    // The wrapper does not become pg_dump: ending the wrapper alone leaves its child.
    let bin = scene.in_front_of("pg_dump", "touch dumping; sleep 37.4211; :");
    let mut running = scene.run(HARMLESS).path_first(bin).spawn();
    running.wait_for("the dump", || scene.flag("dumping").exists());
    running.signal(rustix::process::Signal::TERM);
    let outcome = running.finish().exits(Exit::Terminated);
    scene.assert_nothing_happened();
    wait_for("the end of the dump", || processes_with("sleep 37.4211").is_empty());
    drop(outcome);
}
