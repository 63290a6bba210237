//! What `rowsafe run` does and says when there is a database, and when there is none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rowsafe::exit::Exit;

use super::{Written, conninfo, pki};
use crate::harness::{Database, Rowsafe, Sandbox, Server, secrets};

fn run<'a>(sandbox: &'a Sandbox, database: &str) -> Rowsafe<'a> {
    // `touch` tells whether anything was run.
    Rowsafe::new(sandbox).args(["run", "--database", database, "--", "touch", "was-run"])
}

#[track_caller]
fn nothing_was_run(sandbox: &Sandbox) {
    assert!(!sandbox.path().join("was-run").exists());
}

#[test]
fn a_run_without_its_database_ends_before_it_begins() {
    needs_postgres!();
    let db = Database::on(&Server::shared(), "connect_run", "plantedrunpassword");
    let missing = format!("{}m", db.url().strip_suffix('n').unwrap());
    let wrong = db.url().replace("planted", "guessed");
    let dead = "postgresql://app:plantedrunpassword@127.0.0.1:1/prod";
    for (url, sentence, hint) in [
        (dead, "cannot reach app@127.0.0.1:1/prod: nothing listens there", "is the server running"),
        (&wrong, "password authentication failed for user", "is it the right password?"),
        (
            &missing,
            "database `connect_rum` does not exist (connect_run@",
            "did you mean `connect_run`?",
        ),
    ] {
        let sandbox = Sandbox::new();
        let outcome = run(&sandbox, url).run().exits(Exit::DatabaseUnavailable);
        let said = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(sentence) && said.contains(hint), "{outcome}");
        nothing_was_run(&sandbox);
        secrets::assert_nowhere("plantedrunpassword", &outcome, &sandbox, &[]);
    }
}

#[test]
fn a_run_that_names_no_database_is_refused() {
    needs_postgres!();
    let sandbox = Sandbox::new();
    let command = ["run", "--", "touch", "was-run"];
    let _ =
        Rowsafe::new(&sandbox).args(command).run().exits(Exit::NoAnswer).says("no database named");
    for (url, sentence) in [
        ("mysql://app:plantedmysql@db/prod", "speaks to PostgreSQL only"),
        ("postgresql://app:plantedmysql@db", "names no database"),
        ("postgresql://app:planted/x@db/prod", "not percent-encoded"),
        ("postgresql://app:plantedmysql@db/prod?sslmod=require", "sslmod"),
    ] {
        let outcome = run(&sandbox, url).run().exits(Exit::NoAnswer);
        let said = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(sentence) && !said.contains("planted"), "{outcome}");
        nothing_was_run(&sandbox);
    }
}

#[test]
fn a_password_file_that_others_can_read_is_said_not_to_be_used() {
    needs_postgres!();
    let db = Database::on(&Server::shared(), "connect_open_file", "plantedopen");
    let sandbox = Sandbox::new();
    let pgpass = sandbox.home().join(".pgpass");
    fs::write(&pgpass, "*:*:*:*:plantedopen\n").unwrap();
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o644)).unwrap();
    let url = db.url().replace(":plantedopen", "");
    let outcome = run(&sandbox, &url).run().exits(Exit::DatabaseUnavailable);
    let said = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("because others may read it; chmod 600 it"), "{outcome}");
    assert!(said.contains("wants a password, and none was given"), "{outcome}");
    nothing_was_run(&sandbox);
    secrets::assert_nowhere("plantedopen", &outcome, &sandbox, &[".pgpass"]);
}

/// A run that keeps everything, whose snapshot `pg_dump` has taken from the same place.
#[track_caller]
fn keeps(written: &Written, sandbox: &Sandbox) {
    let mut command =
        Rowsafe::new(sandbox).args(["run", "--snapshot", "all", "--allow", "opaque true: a test"]);
    if let Some(string) = &written.string {
        command = command.args(["--database", string]);
    }
    for (name, value) in &written.variables {
        command = command.env(name, value);
    }
    // `true` does nothing, which a run does not let pass; it is the snapshot that matters here.
    let command = command.args(["--", "true"]).with_report();
    let outcome = command.run().exits(Exit::CommandFailed);
    assert_eq!(outcome.json()["snapshot"]["rows"], 5, "{outcome}");
    secrets::assert_nowhere("plantedkept", &outcome, sandbox, &[".pg_service.conf"]);
}

#[test]
fn pg_dump_reaches_the_same_place() {
    needs_postgres!();
    let tls = pki::shared();
    let (pki, server) = &*tls;
    let db = Database::on(server, "connect_kept", "plantedkept");
    db.execute("CREATE TABLE t AS SELECT generate_series(1, 5) AS id");
    let sandbox = Sandbox::new();
    keeps(&Written::string(db.url()), &sandbox);
    keeps(&Written::string(db.socket_url()), &sandbox);
    let root = format!("sslmode=verify-full sslrootcert={}", pki.text("ca.crt"));
    keeps(&conninfo(&db, "localhost", &root), &sandbox);
    let service = format!(
        "[kept]\nhost=127.0.0.1\nport={}\nuser=connect_kept\ndbname=connect_kept\npassword=plantedkept\n",
        server.port
    );
    fs::write(sandbox.home().join(".pg_service.conf"), service).unwrap();
    keeps(&Written::nothing().with("PGSERVICE", "kept"), &sandbox);
}
