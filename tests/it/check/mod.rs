//! `rowsafe check`: reading migrations without a database. Every case has its quiet twin.

mod agreeing;
mod edges;
mod init;
mod new;
mod parts;
mod paths;

use rowsafe::exit::Exit;

use crate::harness::rowsafe::Outcome;
use crate::harness::{Rowsafe, Sandbox};

/// Something that is always a finding, and one that never is.
const DROPS: &str = "DROP TABLE users;\n";
const ADDS: &str = "ALTER TABLE users ADD COLUMN age int;\n";

/// A sandbox with these files.
fn files(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox
}

fn check(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    Rowsafe::new(sandbox).arg("check").args(args).run()
}

/// The findings of the report, in order.
#[track_caller]
fn findings(sandbox: &Sandbox, args: &[&str]) -> Vec<serde_json::Value> {
    let outcome = check(sandbox, &[&["--format", "json"], args].concat());
    outcome.json()["findings"].as_array().expect("findings").clone()
}

/// `path:line:column rule object` of every finding, in order.
#[track_caller]
fn found(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let line = |finding: serde_json::Value| {
        let word = |pointer: &str| finding.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (line, column) = (&finding["place"]["line"], &finding["place"]["column"]);
        let (path, rule) = (word("/place/path"), word("/rule"));
        format!("{path}:{line}:{column} {rule} {}", word("/object/name"))
    };
    findings(sandbox, args).into_iter().map(line).collect()
}

/// The rules of the findings, in order.
#[track_caller]
fn rules(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let rule = |finding: serde_json::Value| finding["rule"].as_str().unwrap().to_owned();
    findings(sandbox, args).into_iter().map(rule).collect()
}

/// The paths of the scripts that were read, in order.
#[track_caller]
fn scripts(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let outcome = check(sandbox, &[&["--format", "json"], args].concat());
    let report = outcome.json();
    let scripts = report["scripts"].as_array().expect("scripts");
    scripts.iter().map(|script| script["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_file_says_all_and_the_answer_is_its_last_line() {
    let sandbox = files(&[("bad.sql", DROPS), ("good.sql", ADDS)]);
    let outcome = check(&sandbox, &["bad.sql"])
        .exits(Exit::Blocked)
        .prints("error[drop-table]: dropping `users` destroys its rows")
        .prints("bad.sql:1:1")
        .prints("blocked: 1 error in 1 file, 1 statement\n");
    assert_eq!(outcome.stderr, "");
    let outcome = check(&sandbox, &["good.sql"]).exits(Exit::Ok);
    assert_eq!(outcome.stdout, "ok: 1 file, 1 statement, nothing destructive\n");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn quiet_says_only_the_answer() {
    let sandbox = files(&[("bad.sql", DROPS)]);
    let outcome = check(&sandbox, &["-q", "bad.sql"]).exits(Exit::Blocked);
    assert_eq!(outcome.stdout, "blocked: 1 error in 1 file, 1 statement\n");
}

#[test]
fn the_format_never_changes_the_code() {
    let sandbox = files(&[("bad.sql", DROPS), ("good.sql", ADDS)]);
    for (file, exit, verdict) in
        [("bad.sql", Exit::Blocked, "blocked"), ("good.sql", Exit::Ok, "ok")]
    {
        let outcome = check(&sandbox, &["--format", "json", file]).exits(exit);
        let report = outcome.json();
        assert_eq!((&report["command"], &report["verdict"]), (&"check".into(), &verdict.into()));
        assert_eq!(report["exit"], exit.code());
        assert_eq!(report["scripts"][0]["statements"], 1);
        assert_eq!(report["scripts"][0]["knowledge"], "known");
        let args = ["--output", "json=report.json", file];
        let _ = check(&sandbox, &args).exits(exit).prints(&format!("{verdict}: "));
        let written: serde_json::Value =
            serde_json::from_str(&sandbox.read("report.json")).unwrap();
        assert_eq!(written["verdict"], verdict);
    }
    let outcome = check(&sandbox, &["--format", "json", "gone.sql"]).exits(Exit::NoAnswer);
    assert_eq!(outcome.json()["verdict"], "error");
}

#[test]
fn fail_on_says_what_fails() {
    let update = "UPDATE users SET age = 1;\n";
    let sandbox = files(&[("error.sql", DROPS), ("warning.sql", "SELECT app.purge();\n")]);
    sandbox.write("note.sql", "DELETE FROM users WHERE id = 3;\n");
    sandbox.write("two.sql", &format!("{update}{DROPS}"));
    for (file, fail_on, exit) in [
        ("error.sql", "error", Exit::Blocked),
        ("error.sql", "never", Exit::Ok),
        ("warning.sql", "warning", Exit::Blocked),
        ("warning.sql", "error", Exit::Ok),
        ("note.sql", "warning", Exit::Ok),
    ] {
        let _ = check(&sandbox, &["--fail-on", fail_on, file]).exits(exit);
    }
    let _ = check(&sandbox, &["--fail-on", "never", "error.sql"])
        .exits(Exit::Ok)
        .prints("ok: 1 file, 1 statement, 1 error, none of which fails with --fail-on never\n");
    let _ = check(&sandbox, &["note.sql"]).prints("ok: 1 file, 1 statement, 1 note\n");
    let _ = check(&sandbox, &["--fail-on", "sometimes", "error.sql"]).exits(Exit::NoAnswer);
    sandbox.write("rowsafe.toml", "fail-on = 'never'\n");
    let _ = check(&sandbox, &["error.sql"]).exits(Exit::Ok);
}
