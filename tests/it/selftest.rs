//! The harness works: server, databases, sandbox, terminal, signals, redaction.

use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::{Database, Rowsafe, Sandbox, Server, redact, secrets};

#[test]
fn every_test_has_a_database_and_a_role_of_its_own() {
    needs_postgres!();
    let one = Database::new("selftest_one");
    let two = Database::new("selftest_two");
    one.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS n, NULL AS nothing");
    assert_eq!(one.count("t"), 3);
    assert_eq!(one.rows("SELECT n, nothing FROM t WHERE n = 1"), [["1", "NULL"]]);
    assert_eq!(two.query_one_i64("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), 0);
    assert_eq!(one.rows("SELECT current_user"), [["selftest_one"]]);
}

#[test]
fn a_database_is_gone_afterwards_and_what_its_role_made_too() {
    needs_postgres!();
    let db = Database::new("selftest_dropped").may_create_databases();
    db.execute("CREATE DATABASE selftest_dropped_copy");
    let _open = db.session();
    drop(db);
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'selftest_dropped%'";
    assert_eq!(Server::shared().admin("postgres").query_one_i64(left), 0);
}

#[test]
fn tcp_wants_the_password_and_the_socket_does_not() {
    needs_postgres!();
    let db = Database::on(&Server::shared(), "selftest_password", "p%4 @/:'planted");
    let sandbox = Sandbox::new();
    let psql = |url: &str| {
        Rowsafe::program(&sandbox, "psql").args(["-XAtw", "-c", "SELECT current_user", url]).run()
    };
    let _ = psql(&db.url()).exits_with(0).prints("selftest_password");
    let _ = psql(&db.socket_url()).exits_with(0).prints("selftest_password");
    let wrong = db.url().replace("planted", "guessed");
    let _ = psql(&wrong).exits_with(2).says("password authentication failed");
}

#[test]
fn a_server_of_its_own_is_another_cluster_and_can_be_stopped() {
    needs_postgres!();
    let own = Server::start(&["wal_level=logical"]);
    let identifier = "SELECT system_identifier FROM pg_control_system()";
    let here = own.admin("postgres").rows(identifier);
    assert_ne!(here, Server::shared().admin("postgres").rows(identifier));
    assert_eq!(own.admin("postgres").rows("SHOW wal_level"), [["logical"]]);
    let db = Database::on(&own, "selftest_stopped", "planted-and-gone");
    own.stop();
    let sandbox = Sandbox::new();
    let psql = Rowsafe::program(&sandbox, "psql").args(["-c", "SELECT 1", &db.url()]).run();
    let _ = psql.exits_with(2).says("Connection refused");
    assert!(!own.log().exists());
    assert_eq!(Arc::strong_count(&own), 2);
}

#[test]
fn the_environment_is_known_in_full() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let outcome = Rowsafe::program(&sandbox, "env").env("EXTRA", "1").run().exits_with(0);
    let mut names: Vec<&str> =
        outcome.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["EXTRA", "HOME", "LC_ALL", "PATH", "TZ"]);
}

#[test]
fn real_alembic_is_first_in_the_path() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let outcome = Rowsafe::program(&sandbox, "alembic").arg("--version").run();
    let _ = outcome.exits_with(0).prints("alembic 1.");
}

#[test]
fn a_terminal_is_a_terminal() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && read word && echo got $word";
    let mut running = Rowsafe::program(&sandbox, "sh").args(["-c", script]).in_terminal().spawn();
    running.wait_for_stdout("24 80");
    running.type_in("hello\n");
    running.wait_for_stdout("got hello");
    let _ = running.finish().exits_with(0);
}

#[test]
fn control_c_in_a_terminal_interrupts() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.01; done";
    let mut running = Rowsafe::program(&sandbox, "sh").args(["-c", script]).in_terminal().spawn();
    running.wait_for_stdout("ready");
    running.type_in("\x03");
    let _ = running.finish().exits_with(9).prints("caught");
}

#[test]
fn without_a_terminal_there_is_none() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let outcome =
        Rowsafe::program(&sandbox, "sh").args(["-c", "test -t 0 || cat"]).stdin("in").run();
    let _ = outcome.exits_with(0).prints("in");
}

#[test]
fn a_program_can_be_signalled_and_killed() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let script = "trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.01; done";
    let start = || {
        let mut running = Rowsafe::program(&sandbox, "sh").args(["-c", script]).spawn();
        running.wait_for_stderr("ready");
        running
    };
    let gently = start();
    gently.signal(Signal::TERM);
    let _ = gently.finish().exits_with(7);
    let together = start();
    together.signal_group(Signal::TERM);
    let _ = together.finish().exits_with(7);
    assert_eq!(start().kill().signal, Some(9));
}

#[test]
fn a_report_is_asked_for_before_the_command_of_the_user() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let outcome =
        Rowsafe::program(&sandbox, "echo").args(["run", "--", "alembic"]).with_report().run();
    assert!(outcome.stdout.starts_with("run --output json="), "{outcome}");
    assert!(outcome.stdout.ends_with(" -- alembic\n"), "{outcome}");
    assert!(outcome.report.is_none());
}

#[test]
fn what_differs_from_run_to_run_is_redacted() {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("a.py");
    let text = format!(
        "snapshot 7k2m9q1c 1.9 GB in 38 s to {} at 2026-11-21T02:14:41Z by app@127.0.0.1:54321/prod, \
         PostgreSQL 15.8, 12345678 sessions, 2 min 9 s",
        path.display()
    );
    let expected = "snapshot [ID] [SIZE] in [SECONDS] to [PROJECT]/a.py at [TIME] by \
                    app@[HOST]:[PORT]/prod, PostgreSQL [VERSION], 12345678 sessions, [SECONDS]";
    assert_eq!(redact(&text, &sandbox), expected);
}

#[test]
fn a_planted_password_is_found_where_it_is() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let clean = Rowsafe::program(&sandbox, "true").run();
    sandbox.write("alembic.ini", "url = postgresql://a:planted-here@h/d");
    secrets::assert_nowhere("planted-here", &clean, &sandbox, &["alembic.ini"]);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        secrets::assert_nowhere("planted-here", &clean, &sandbox, &[]);
    }));
    assert!(found.is_err());
}
