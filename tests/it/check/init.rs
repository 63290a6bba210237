//! `rowsafe init`: a configuration to start from, and old projects that start quiet.

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, rules};
use crate::harness::rowsafe::Outcome;
use crate::harness::{Rowsafe, Sandbox};

fn init(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    Rowsafe::new(sandbox).arg("init").args(args).run()
}

#[test]
fn a_first_file_is_written_once_and_shows_what_else_there_is() {
    let sandbox = Sandbox::new();
    let _ = init(&sandbox, &[])
        .exits(Exit::Ok)
        .prints("`rowsafe.toml` is written")
        .prints(".pre-commit-config.yaml")
        .prints("rowsafe check --diff");
    assert_eq!(sandbox.tree(), "project/rowsafe.toml", "the rest is shown, not installed");
    let _ = Rowsafe::new(&sandbox).arg("config").run().exits(Exit::Ok);
    sandbox.write("rowsafe.toml", "# mine\n");
    let _ = init(&sandbox, &[]).exits(Exit::Ok).prints("stays as it is");
    assert_eq!(sandbox.read("rowsafe.toml"), "# mine\n");
}

#[test]
fn an_old_project_starts_quiet() {
    let sandbox = files(&[("db/1.sql", DROPS), ("db/2.sql", DROPS)]);
    assert_eq!(rules(&sandbox, &["db"]), ["drop-table"; 2]);
    let _ = init(&sandbox, &["--baseline", "head", "db"]).exits(Exit::Ok).prints("baseline 2.sql");
    let _ = check(&sandbox, &[]).exits(Exit::Ok).prints("nothing to check");
    sandbox.write("db/3.sql", ADDS);
    let _ = check(&sandbox, &[]).exits(Exit::Ok).prints("ok: 1 file, 1 statement");
    sandbox.write("db/4.sql", DROPS);
    let _ = check(&sandbox, &[]).exits(Exit::Blocked).prints("db/4.sql");
}

#[test]
fn a_baseline_of_alembic_is_added_to_what_is_there() {
    let sandbox = Sandbox::of_project("incident-a");
    sandbox.write("rowsafe.toml", "# ours\njobs = 3 # few\n");
    let _ = init(&sandbox, &["--baseline", "head"]).exits(Exit::Ok).prints("baseline 0004");
    let text = sandbox.read("rowsafe.toml");
    assert_eq!(text, "# ours\njobs = 3 # few\n\n[check]\nbaseline = \"0004\"\n");
    let _ = check(&sandbox, &[]).exits(Exit::Ok).prints("nothing to check");
    let _ = init(&sandbox, &["--baseline", "0003"]).exits(Exit::Ok);
    let _ = check(&sandbox, &[]).prints("1 revision");
    let _ = init(&sandbox, &["--baseline", "0009"]).exits(Exit::NoAnswer).says("`0009`");
    assert!(sandbox.read("rowsafe.toml").contains("baseline = \"0003\""));
}

#[test]
fn several_heads_are_all_of_the_baseline() {
    let sandbox = Sandbox::of_project("multiple-heads");
    let _ = init(&sandbox, &["--baseline", "heads"]).exits(Exit::Ok);
    let _ = check(&sandbox, &[]).exits(Exit::Ok).prints("nothing to check");
}

#[test]
fn settings_in_pyproject_are_not_put_in_the_shade() {
    let sandbox = files(&[("db/1.sql", DROPS), ("pyproject.toml", "[tool.rowsafe]\njobs = 1\n")]);
    let _ = init(&sandbox, &["--baseline", "1", "db"]).exits(Exit::Ok).prints("pyproject.toml");
    assert!(!sandbox.path().join("rowsafe.toml").exists());
    let _ = check(&sandbox, &[]).exits(Exit::Ok).prints("nothing to check");
}

#[test]
fn without_migrations_there_is_no_baseline() {
    let sandbox = Sandbox::new();
    let _ = init(&sandbox, &["--baseline", "head"]).exits(Exit::NoAnswer);
    assert_eq!(sandbox.tree(), "");
}
