//! The JSON report, to the letter of its contract; written whatever happens.

use rowsafe::exit::Exit;
use rowsafe::report::Format;
use serde_json::{Value, json};

use crate::harness::Rowsafe;
use crate::story::{PSQL, Story, Told};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, legacy_id text, note text);
    INSERT INTO users SELECT n, CASE WHEN n <= 480 THEN 'l' || n END FROM generate_series(1, 500) n;
    CREATE TABLE other AS SELECT 1 AS id;";

const DROP: &str = "-- what it is for\nALTER TABLE users DROP COLUMN legacy_id;\n";

fn users(database: &str) -> Story {
    Story::of_sql(database, USERS)
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_finding_to_the_letter() {
    needs_postgres!();
    let story = users("report_finding");
    let told =
        story.migrate(DROP, &[]).answers(Exit::Blocked, "blocked", "480 values would be gone");
    let finding = &told.report["findings"][0];
    let instead = finding["instead"].as_str().unwrap();
    assert!(instead.contains("legacy_id"), "{instead}");
    let expected = json!({
        "rule": "drop-column", "severity": "error", "certainty": "certain",
        "object": {"kind": "column", "schema": "public", "table": "users", "name": "legacy_id"},
        "place": {"path": "migration.sql", "line": 2, "column": 1, "revision": null},
        "statement": "ALTER TABLE users DROP COLUMN legacy_id",
        "loss": {"rows": 0, "values": 480, "exact": true, "through": []},
        "message": "dropping `users.legacy_id` destroys 480 values",
        "instead": instead, "allowance": null,
    });
    assert_eq!(*finding, expected);
    assert_eq!(told.report["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_blocked_run() {
    needs_postgres!();
    let story = users("report_blocked");
    let told = story.migrate(DROP, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
    let report = &told.report;
    assert_eq!(
        (&report["schema"], &report["command"], &report["verdict"], &report["exit"]),
        (&json!("rowsafe.report/1"), &json!("run"), &json!("blocked"), &json!(1))
    );
    assert_eq!(report["migration"], json!(["sh", "-c", PSQL]));
    assert_eq!(report["tables"], json!([]));
    assert_eq!(report["revisions"], json!({"before": [], "target": [], "after": null}));
    assert!(report.get("snapshot").is_none() && report.get("child").is_none());
    assert_eq!(story.db.query_one_i64("SELECT count(legacy_id) FROM users"), 480);
}

#[test]
fn a_run_to_the_letter() {
    needs_postgres!();
    let story = users("report_run");
    let flags = ["--allow", "drop-column users.legacy_id: superseded by external_id"];
    let told = story.migrate(DROP, &flags).answers(Exit::Ok, "ok", "every row accounted for");
    let report = &told.report;
    let expected = [
        "child",
        "command",
        "exit",
        "findings",
        "hints",
        "identity",
        "message",
        "migration",
        "phases",
        "revisions",
        "rowsafe_version",
        "run",
        "schema",
        "scripts",
        "snapshot",
        "started_at",
        "tables",
        "verdict",
        "warnings",
    ];
    assert_eq!(keys(report), expected);
    let identity = &report["identity"];
    assert_eq!(
        (&identity["database"], &identity["role"]),
        (&json!("report_run"), &json!("report_run"))
    );
    assert_eq!(
        (&identity["source"], &identity["is_standby"]),
        (&json!("DATABASE_URL"), &json!(false))
    );
    let oid = story.db.query_one_i64("SELECT oid FROM pg_database WHERE datname = 'report_run'");
    assert_eq!(identity["database_oid"], oid);
    let system = "SELECT system_identifier FROM pg_control_system()";
    assert_eq!(identity["system_identifier"], story.db.admin().rows(system)[0][0].as_str());
    assert_eq!(keys(&report["child"]), ["abandoned", "exit", "seconds", "signal"]);
    assert_eq!((&report["child"]["exit"], &report["child"]["signal"]), (&json!(0), &json!(null)));
    let tables = json!([
        {"schema": "public", "name": "other", "rows_before": 1, "rows_after": 1,
         "planned": false, "status": "intact", "compared": "untouched"},
        {"schema": "public", "name": "users", "rows_before": 500, "rows_after": 500,
         "planned": true, "status": "intact",
         "columns": [{"name": "legacy_id", "status": "dropped"}], "compared": "untouched",
         "losses": [{"what": "column users.legacy_id", "rows": 0, "values": 0, "planned": true,
                     "by": "migration"}]},
    ]);
    assert_eq!(report["tables"], tables);
    let allowance = json!({"object": "users.legacy_id", "reason": "superseded by external_id",
        "max_rows": null, "source": "command-line", "path": null, "line": null});
    assert_eq!(report["findings"][0]["allowance"], allowance);
    let snapshot = &report["snapshot"];
    assert_eq!((&snapshot["tables"], &snapshot["rows"]), (&json!(1), &json!(500)));
    assert_eq!(snapshot["verified"], true);
    let path = std::path::Path::new(snapshot["path"].as_str().unwrap());
    assert_eq!(path.file_name().unwrap().to_str(), snapshot["id"].as_str());
    let size = std::fs::metadata(path.join("archive.dump.zst")).unwrap().len();
    assert_eq!(snapshot["bytes"], size);
}

#[test]
fn the_snapshot_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    needs_postgres!();
    let story = users("report_modes");
    let told = story.migrate("SELECT 1;", &[]);
    // psql ran, so it was seen; nothing had to change.
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    let directory = std::path::PathBuf::from(told.report["snapshot"]["path"].as_str().unwrap());
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["archive.dump.zst", "manifest.json"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    crate::harness::secrets::assert_nowhere(&story.db.password, &told.outcome, &story.sandbox, &[]);
}

#[test]
fn a_failed_command_and_a_loss_are_reported() {
    needs_postgres!();
    let story = users("report_failed");
    let told = story.surprise("BEGIN; TRUNCATE users; SELECT 1/0;");
    let told = told.answers(Exit::CommandFailed, "failed", "exited with 3");
    assert_eq!((&told.report["child"]["exit"], told.changes().len()), (&json!(3), 0));
    let told = story.surprise("DELETE FROM users WHERE id <= 200; SELECT 1/0;");
    let told = told.answers(Exit::Loss, "lost", "200 rows of users, which the plan did not name");
    assert_eq!(told.report["child"]["exit"], 3);
    assert_eq!(told.changes(), ["users 500→300 shrank"]);
    assert_eq!(told.report["tables"][1]["planned"], false);
    assert_eq!(story.db.count("users"), 300);
}

#[test]
fn an_error_is_reported_too() {
    needs_postgres!();
    let story = users("report_error");
    let url = story.db.url().replace("/report_error", "/nowhere-at-all");
    let command = story.command(&["--database", &url], "true");
    let told = Told::by(command);
    assert_eq!((told.outcome.code, &told.report["verdict"]), (Some(7), &json!("error")));
    assert_eq!(told.report["exit"], 7);
    assert!(!told.report["message"].as_str().unwrap().is_empty());
    told.nothing_was_run();
}

#[test]
fn a_path_that_cannot_be_written_fails_before_anything_is_run() {
    needs_postgres!();
    let story = users("report_unwritable");
    story.sandbox.write("migration.sql", "DROP TABLE other;");
    for output in ["json=missing/dir/r.json", "json=.", "json", "json=", "yaml=r.yaml"] {
        let run =
            Rowsafe::new(&story.sandbox).args(["run", "--fail-on", "never", "--output", output]);
        let run = run.env("DATABASE_URL", story.db.url()).args(["--sql", "migration.sql", "--"]);
        let outcome = run.args(["sh", "-c", PSQL]).run().exits(Exit::NoAnswer);
        let _ = outcome.says("rowsafe: error: ").says(". exit 2");
        assert_eq!(story.db.count("other"), 1, "{output}");
    }
    assert!(!story.sandbox.tree().contains("project/.rowsafe"), "{}", story.sandbox.tree());
}

#[test]
fn several_reports_and_one_that_was_there_before() {
    needs_postgres!();
    let story = users("report_several");
    story.sandbox.write("old.json", &"x".repeat(100_000));
    let flags = ["--output", "json=old.json", "--output", "json=new.json"];
    let told = story.migrate(DROP, &flags).answers(Exit::Blocked, "blocked", "nothing was run");
    for name in ["old.json", "new.json"] {
        let report: Value = serde_json::from_str(&story.sandbox.read(name)).unwrap();
        assert_eq!(report, told.report, "{name}");
    }
}

#[test]
fn every_format_at_once() {
    needs_postgres!();
    let story = users("report_formats");
    let outputs = Format::ALL.map(|format| format!("{0}=report.{0}", format.name()));
    let flags: Vec<&str> = outputs.iter().flat_map(|output| ["--output", output]).collect();
    let _ = story.migrate(DROP, &flags).answers(Exit::Blocked, "blocked", "nothing was run");
    let read = |format: Format| story.sandbox.read(&format!("report.{}", format.name()));
    let sarif: Value = serde_json::from_str(&read(Format::Sarif)).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("drop-column"), &json!("error")));
    let properties = json!({"certainty": "certain", "rows": 0, "values": 480, "exact": true});
    assert_eq!(result["properties"], properties);
    let gitlab: Value = serde_json::from_str(&read(Format::Gitlab)).unwrap();
    assert_eq!(gitlab[0]["location"], json!({"path": "migration.sql", "lines": {"begin": 2}}));
    let github = read(Format::Github);
    let command =
        "::error file=migration.sql,line=2,col=1,endColumn=39,endLine=2,title=drop-column";
    assert!(github.starts_with(command), "{github}");
    let human = read(Format::Human);
    assert!(human.contains("2 | ALTER TABLE users DROP COLUMN legacy_id;"), "{human}");
    assert!(human.contains("^ 480 values\n") && !human.contains('\u{1b}'), "{human}");
    assert!(read(Format::Junit).contains("tests=\"1\" failures=\"1\" errors=\"0\""));
}

/// A loss that no finding names is in every format all the same.
#[test]
fn no_format_makes_a_loss_look_well() {
    needs_postgres!();
    let story = users("report_lost");
    let flags =
        ["--output", "junit=r.xml", "--output", "gitlab=r.json", "--output", "github=r.txt"];
    story.sandbox.write("told.sql", "SELECT 1;");
    let flags: Vec<&str> = flags.into_iter().chain(["--sql", "told.sql"]).collect();
    let command = "psql -q -c 'DELETE FROM users' \"$DATABASE_URL\"";
    let command = format!("sh -c {}", shell_words::quote(command));
    let told = Told::by(story.command(&flags, &command));
    let _ = told.answers(Exit::Loss, "lost", "500 rows of users");
    assert!(story.sandbox.read("r.xml").contains("errors=\"1\""));
    let issues: Value = serde_json::from_str(&story.sandbox.read("r.json")).unwrap();
    assert_eq!(issues[0]["severity"], "blocker");
    assert!(story.sandbox.read("r.txt").starts_with("::error title=rowsafe::"));
}

#[test]
fn a_restore_is_reported() {
    needs_postgres!();
    let story = users("report_restore");
    let lost = story.surprise("TRUNCATE users;").answers(Exit::Loss, "lost", "500 rows of users");
    assert_eq!(lost.changes(), ["users 500→0 wiped"]);
    let id = lost.snapshot().to_owned();
    let told = story.restore_here(&[&id[..5]]).answers(Exit::Ok, "ok", "500 rows of 1 table");
    let report = &told.report;
    assert_eq!(
        (&report["schema"], &report["command"]),
        (&json!("rowsafe.report/1"), &json!("restore"))
    );
    assert_eq!((told.snapshot(), &report["findings"]), (id.as_str(), &json!([])));
    assert_eq!(story.db.query_one_i64("SELECT count(legacy_id) FROM users"), 480);
    assert_eq!(told.outcome.stdout, "");
    // The same on standard output, for who asks for it.
    let told = story.restore_here(&["no-such", "--format", "json"]);
    let printed: Value = serde_json::from_str(&told.outcome.stdout).unwrap();
    assert_eq!((&printed, &printed["verdict"]), (&told.report, &json!("error")));
}

#[test]
fn the_child_has_standard_output_to_itself() {
    needs_postgres!();
    let story = users("report_stdout");
    let command = "sh -c 'cat; psql -X -A -t -c \"SELECT count(*) FROM users\" \"$DATABASE_URL\"'";
    let flags = ["--sql", "told.sql"];
    story.sandbox.write("told.sql", "SELECT 1;");
    let told = Told::by(story.command(&flags, command).stdin("typed in\n"));
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(told.outcome.stdout, "typed in\n500\n");
}
