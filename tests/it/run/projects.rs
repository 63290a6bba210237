//! The kinds of projects that rowsafe meets, each with what is special about it.

use rowsafe::exit::Exit;

use crate::harness::{Database, Rowsafe, Sandbox, Server};
use crate::story::{Story, Told};

fn knowledge(told: &Told) -> Vec<&str> {
    let scripts = told.report["scripts"].as_array().unwrap().iter();
    scripts.map(|script| script["knowledge"].as_str().unwrap()).collect()
}

#[test]
fn what_cannot_be_rendered_blocks() {
    needs_postgres!();
    let story = Story::prepared("offline-fails", "run_offline_blocked");
    let told = story.run(&[], "alembic upgrade head");
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert_eq!(knowledge(&told), ["partly-known", "known", "known"]);
    let expected = [
        "warning opaque 0002",
        "note update-overwrite public.jobs.payload 0+500",
        "error drop-column public.jobs.legacy_state 0+500",
    ];
    assert_eq!(told.findings(), expected);
    told.nothing_was_run();
    assert_eq!(story.db.query_one_i64("SELECT count(*) FROM jobs WHERE payload IS NULL"), 0);
}

#[test]
fn what_cannot_be_rendered_may_be_allowed() {
    needs_postgres!();
    let story = Story::prepared("offline-fails", "run_offline_allowed");
    let flags = ["--allow", "opaque *: reviewed", "--allow", "drop-column jobs.legacy_state: old"];
    let told = story.run(&flags, "alembic upgrade head").answers(Exit::Ok, "ok", "every row");
    assert_eq!(told.changes(), ["jobs 500→500 intact, legacy_state dropped, state added, planned"]);
    told.revisions(&["0001"], &["0004"]);
    // Values overwritten while the counts stay equal are not measured yet.
    assert_eq!(story.db.query_one_i64("SELECT count(*) FROM jobs WHERE payload IS NULL"), 50);
    assert!(story.has_column("jobs", "state") && !story.has_column("jobs", "legacy_state"));
    assert_eq!(story.snapshots().len(), 1);
}

#[test]
fn agreeing_to_an_opaque_revision_agrees_to_no_loss() {
    needs_postgres!();
    let story = Story::prepared("offline-fails", "run_offline_loss");
    let path = "migrations/versions/0002_read_rows.py";
    story.sandbox.fill(
        path,
        &[
            ("\"UPDATE jobs SET payload = NULL", "sys.argv[0][:0] + \"DELETE FROM jobs"),
            ("import json", "import json\nimport sys"),
        ],
    );
    let told = story.run(&["--allow", "opaque *: reviewed"], "alembic upgrade 0002");
    let told = told.answers(Exit::Loss, "lost", "50 rows of jobs, which the plan did not name");
    assert_eq!(told.changes(), ["jobs 500→450 shrank"]);
    assert!(told.hints().contains("put them back: rowsafe restore "));
    assert_eq!(story.db.count("jobs"), 450);
}

#[test]
fn an_async_environment() {
    needs_postgres!();
    let story = Story::with_url_in("async-env", "run_async", "APP_DATABASE_URL");
    let url = story.db.url();
    let allow = ["--database", &url, "--allow", "drop-column accounts.nickname: unused"];
    let blocked = story.run(&allow[..2], "alembic upgrade head");
    let blocked = blocked.answers(Exit::Blocked, "blocked", "200 values would be gone");
    blocked.nothing_was_run();

    let forgot = story.command(&allow, "alembic upgrade head").env("FORGET_TO_COMMIT", "1");
    let said = "the command said it succeeded, but run_async is still at 0001";
    let forgot = Told::by(forgot).answers(Exit::CommandFailed, "failed", said);
    assert!(forgot.hints().contains("commit"));
    assert_eq!(forgot.report["child"]["exit"], 0);
    assert!(forgot.changes().is_empty());
    forgot.revisions(&["0001"], &["0001"]);
    assert!(story.has_column("accounts", "nickname"));

    let told = story.run(&allow, "alembic upgrade head").answers(Exit::Ok, "ok", "is at 0002");
    assert_eq!(told.changes(), ["accounts 200→200 intact, nickname dropped, planned"]);
    told.revisions(&["0001"], &["0002"]);
    assert!(!story.has_column("accounts", "nickname"));
}

#[test]
fn multiple_heads() {
    needs_postgres!();
    let story = Story::prepared("multiple-heads", "run_heads");
    let flags = ["--allow", "drop-column *: unused", "--allow", "opaque *: let it try"];
    let told = story.run(&flags, "alembic upgrade head");
    let told = told.answers(Exit::CommandFailed, "failed", "nothing was lost");
    assert!(told.changes().is_empty());
    told.revisions(&["0001"], &["0001"]);

    let told = story.run(&flags, "alembic upgrade sales@head").answers(Exit::Ok, "ok", "every row");
    assert_eq!(told.changes(), ["orders 100→100 intact, note dropped, planned"]);
    told.revisions(&["0001"], &["0002a"]);
    assert!(story.has_column("invoices", "memo"));

    let told = story.run(&flags, "alembic upgrade heads").answers(Exit::Ok, "ok", "every row");
    assert_eq!(told.changes(), ["invoices 50→50 intact, memo dropped, planned"]);
    told.revisions(&["0002a"], &["0002a", "0002b"]);
    assert!(!story.has_column("orders", "note") && !story.has_column("invoices", "memo"));
}

#[test]
fn a_version_table_elsewhere() {
    needs_postgres!();
    let story = Story::prepared("version-table-elsewhere", "run_version_table");
    let told = story.run(&[], "alembic upgrade head");
    let told = told.answers(Exit::Blocked, "blocked", "300 rows would be gone");
    assert_eq!(told.findings(), ["error delete-all public.sensors 300+0"]);
    assert_eq!(story.db.count("sensors"), 300);
    let flags = ["--allow", "delete-all sensors: measured again"];
    let told = story.run(&flags, "alembic upgrade head").answers(Exit::Ok, "ok", "is at 0002");
    told.revisions(&["0001"], &["0002"]);
    assert_eq!(told.changes(), ["sensors 300→0 wiped, planned"]);
    assert_eq!(story.db.count("sensors"), 0);
}

#[test]
fn another_database_than_the_one_watched() {
    needs_postgres!();
    let story = Story::with_url_in("other-database", "run_other", "SERVICE_DATABASE_URL");
    let watched = Database::new("run_other_watched");
    let alembic = Rowsafe::program(&story.sandbox, "alembic").args(["upgrade", "0001"]);
    let _ = alembic.env("SERVICE_DATABASE_URL", watched.url()).run().exits_with(0);
    let flags = ["--allow", "drop-column members.phone: unused"];
    let command = story.command(&flags, "alembic upgrade head").env("DATABASE_URL", watched.url());
    // Where on the server it ran is said only when the session was long enough to be seen.
    let said = match watched.server().major() {
        // Up to PostgreSQL 14 its session may have gone unseen.
        ..15 => "run_other_watched",
        _ => "the migration ran on another database than rowsafe watched",
    };
    let told = Told::by(command).answers(Exit::CommandFailed, "failed", said);
    assert!(told.changes().is_empty() && told.hints().contains("--database URL"));
    assert_eq!(told.report["child"]["exit"], 0);
    assert_eq!(watched.count("members"), 120);
    assert!(!story.has_column("members", "phone"));
}

#[test]
fn half_done() {
    needs_postgres!();
    let story = Story::prepared("half-done", "run_half_done");
    let flags = ["--allow", "delete *: old events", "--allow", "update-all *: normalized"];
    let blocked = story.run(&[], "alembic upgrade head");
    let blocked = blocked.answers(Exit::Blocked, "blocked", "nothing was run");
    blocked.nothing_was_run();
    assert_eq!(story.db.count("events"), 1000);
    let told = story.run(&flags, "alembic upgrade head");
    let told = told.answers(Exit::CommandFailed, "failed", "run_half_done is at 0002 now");
    assert_eq!(told.changes(), ["events 1000→750 shrank, planned"]);
    assert_eq!(told.report["child"]["exit"], 1);
    told.revisions(&["0001"], &["0002"]);
    assert_eq!((story.version().as_str(), story.db.count("events")), ("0002", 750));
}

#[test]
fn the_url_is_in_the_ini_file() {
    needs_postgres!();
    let server = Server::shared();
    let db = Database::on(&server, "run_url_in_ini", "p%4@/planted-in-ini");
    let sandbox = Sandbox::of_project("url-in-ini");
    let values = [
        ("@USER@", db.name.as_str()),
        ("@PASSWORD@", "p%%254%%40%%2Fplanted-in-ini"),
        ("@PORT@", &server.port.to_string()),
        ("@DATABASE@", &db.name),
    ];
    sandbox.fill("alembic.ini", &values);
    let alembic = Rowsafe::program(&sandbox, "alembic").args(["upgrade", "0001"]);
    let _ = alembic.run().exits_with(0);
    let run = |allow: &[&str]| {
        let rowsafe = Rowsafe::new(&sandbox).arg("run").args(allow).with_report();
        Told::by(rowsafe.args(["--", "alembic", "upgrade", "head"]))
    };
    let blocked = run(&[]).answers(Exit::Blocked, "blocked", "80 values would be gone");
    assert!(blocked.report["identity"]["source"].as_str().unwrap().contains("alembic.ini"));
    let told = run(&["--allow", "drop-column parcels.weight: unused"]);
    let told = told.answers(Exit::Ok, "ok", "every row");
    assert_eq!(told.changes(), ["parcels 80→80 intact, weight dropped, planned"]);
    assert_eq!(db.count("parcels"), 80);
    for outcome in [&blocked.outcome, &told.outcome] {
        let except = ["alembic.ini", "env.cpython-311.pyc"];
        crate::harness::secrets::assert_nowhere("planted-in-ini", outcome, &sandbox, &except);
    }
}

#[test]
fn prose_on_standard_output() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "run_noisy");
    let told = story.run(&[], "alembic upgrade head");
    let told = told.answers(Exit::Blocked, "blocked", "60 values would be gone");
    // Prose that reads like a statement is taken for one: too much said rather than too little.
    let expected = ["error opaque env.py", "error drop-column public.notes.color 0+60"];
    assert_eq!(told.findings(), expected);
    let prose = ["--allow", "opaque env.py: prose"];
    let flags = ["--allow", "drop-column notes.color: unused", prose[0], prose[1]];
    let told = story.run(&flags, "alembic upgrade head").answers(Exit::Ok, "ok", "is at 0003");
    assert!(
        told.outcome.stdout.contains("it's the staging profile"),
        "the child has standard output"
    );
    assert_eq!(told.changes(), ["notes 60→60 intact, color dropped, title added, planned"]);
    assert_eq!(story.version(), "0003");
}

#[test]
fn rendering_cannot_write_through_psycopg() {
    needs_postgres!();
    let story = Story::prepared("writes-while-rendering", "run_renders_psycopg");
    let told = story.run(&[], "alembic upgrade head");
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert_eq!(knowledge(&told), ["known"]);
    told.nothing_was_run();
    assert_eq!(story.db.count("application_starts"), 1);
}

#[test]
fn rendering_that_writes_through_asyncpg_is_noticed() {
    needs_postgres!();
    let story = Story::prepared("writes-while-rendering", "run_renders_asyncpg");
    let command = story.command(&[], "alembic upgrade head").env("APPLICATION_DRIVER", "asyncpg");
    let told = Told::by(command).answers(Exit::Blocked, "blocked", "40 values would be gone");
    assert!(told.warnings().contains("while the pending SQL was rendered"), "{}", told.warnings());
    told.nothing_was_run();
    assert_eq!(story.db.count("rooms"), 40);
}

#[test]
fn flask() {
    needs_postgres!();
    let db = Database::new("run_flask");
    let sandbox = Sandbox::of_project("flask-project");
    let flask = Rowsafe::program(&sandbox, "flask").args(["db", "upgrade", "0001"]);
    let _ = flask.env("DATABASE_URL", db.url()).run().exits_with(0);
    let run = |flags: &[&str]| {
        let rowsafe = Rowsafe::new(&sandbox).arg("run").args(flags).with_report();
        Told::by(rowsafe.env("DATABASE_URL", db.url()).args(["--", "flask", "db", "upgrade"]))
    };
    let blocked = run(&[]).answers(Exit::Blocked, "blocked", "150 values would be gone");
    blocked.nothing_was_run();
    let told = run(&["--allow", "drop-column books.isbn: unused"]);
    let told = told.answers(Exit::Ok, "ok", "is at 0002");
    assert_eq!(told.changes(), ["books 150→150 intact, isbn dropped, planned"]);
    told.revisions(&["0001"], &["0002"]);
    assert_eq!(db.rows("SELECT version_num FROM alembic_version"), [["0002"]]);
}

#[test]
fn python_dash_m_alembic_and_relative_targets() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "run_python_m");
    let prose = ["--allow", "opaque env.py: prose"];
    let flags = ["--allow", "drop-column notes.*: unused", prose[0], prose[1]];
    let told = story.run(&flags, "python -m alembic -c alembic.ini upgrade +1");
    let told = told.answers(Exit::Ok, "ok", "is at 0002");
    assert_eq!(told.changes(), ["notes 60→60 intact, color dropped, planned"]);
    let told = story.run(&flags, "alembic upgrade +1").answers(Exit::Ok, "ok", "is at 0003");
    assert_eq!(told.changes(), ["notes 60→60 intact, title added, planned"]);
    assert_eq!(story.version(), "0003");
}

#[test]
fn downgrade() {
    needs_postgres!();
    let story = Story::prepared("multiple-heads", "run_downgrade");
    let told = story.run(&[], "alembic downgrade base");
    let told = told.answers(Exit::Blocked, "blocked", "150 rows would be gone");
    let expected =
        ["error drop-table public.invoices 50+0", "error drop-table public.orders 100+0"];
    assert_eq!(told.findings(), expected);
    assert_eq!((story.db.count("orders"), story.db.count("invoices")), (100, 50));
    let told = story.run(&["--allow", "drop-table *: over"], "alembic downgrade base");
    let told = told.answers(Exit::Ok, "ok", "2 losses as planned");
    assert_eq!(
        told.changes(),
        ["invoices 50→null dropped, planned", "orders 100→null dropped, planned"]
    );
    told.revisions(&["0001"], &[]);
    assert_eq!(story.db.rows("SELECT to_regclass('orders')"), [["NULL"]]);
}

#[test]
fn nothing_is_pending() {
    needs_postgres!();
    let story = Story::prepared("version-table-elsewhere", "run_nothing_pending");
    let told = story.run(&[], "alembic upgrade 0001").answers(Exit::Ok, "ok", "is at 0001");
    assert!(told.findings().is_empty() && told.changes().is_empty());
    assert_eq!(told.report["scripts"], serde_json::json!([]));
    assert_eq!(told.report["child"]["exit"], 0);
    told.revisions(&["0001"], &["0001"]);
    assert_eq!(story.db.count("sensors"), 300);
}
