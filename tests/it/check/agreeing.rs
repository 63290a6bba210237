//! Who agreed to what: comments, the command line, the configuration.

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, found, rules};

#[test]
fn a_comment_agrees_to_its_file_and_no_other() {
    let allowed = format!("-- rowsafe: allow[drop-table] users: moved to accounts\n{DROPS}");
    let sandbox = files(&[("a.sql", &allowed), ("b.sql", DROPS)]);
    let _ = check(&sandbox, &["a.sql"])
        .exits(Exit::Ok)
        .prints("agreed[drop-table]")
        .prints("moved to accounts")
        .prints("ok: 1 file, 1 statement, 1 finding agreed to\n");
    let _ = check(&sandbox, &["a.sql", "b.sql"]).exits(Exit::Blocked).prints("1 error in 2 files");
    let outcome = check(&sandbox, &["--format", "json", "a.sql"]);
    let allowance = &outcome.json()["findings"][0]["allowance"];
    assert_eq!((&allowance["source"], &allowance["line"]), (&"comment".into(), &1.into()));
}

#[test]
fn a_comment_agrees_to_its_statement_and_no_other() {
    let above = "-- rowsafe: allow[drop-table] users: moved\nSELECT 1;\nDROP TABLE users;\n";
    let behind =
        "DROP TABLE users;\nDROP TABLE users; -- rowsafe: allow[drop-table] users: moved\n";
    let own = "SELECT 1;\n\n-- rowsafe: allow[drop-table] users: moved\nDROP TABLE users;\n";
    let sandbox = files(&[("above.sql", above), ("behind.sql", behind), ("own.sql", own)]);
    let expected = ["above.sql:3:1 drop-table users", "above.sql:1:1 unused-allowance users"];
    assert_eq!(found(&sandbox, &["above.sql"]), expected);
    let _ = check(&sandbox, &["above.sql"]).exits(Exit::Blocked).prints("in its statement");
    let _ = check(&sandbox, &["behind.sql"]).exits(Exit::Blocked).prints("blocked: 1 error in");
    let _ = check(&sandbox, &["own.sql"]).exits(Exit::Ok);
}

#[test]
fn a_bound_on_rows_is_for_the_run_that_can_count() {
    let text = "DELETE FROM users; -- rowsafe: allow[delete-all] users rows<=5: few\n";
    let sandbox = files(&[("a.sql", text)]);
    let outcome = check(&sandbox, &["--format", "json", "a.sql"]).exits(Exit::Ok);
    assert_eq!(outcome.json()["findings"][0]["allowance"]["max_rows"], 5);
}

#[test]
fn comments_that_cover_nothing_are_found() {
    let unused = format!("-- rowsafe: allow[truncate] users: why not\n{ADDS}");
    let malformed = format!("-- rowsafe: allow[drop-table] users\n{DROPS}");
    let misnamed = format!("-- rowsafe: allow[drop-tabel] users: moved\n{DROPS}");
    let sandbox = files(&[
        ("unused.sql", &unused),
        ("malformed.sql", &malformed),
        ("misnamed.sql", &misnamed),
        ("other.sql", ADDS),
    ]);
    let expected = ["unused.sql:1:1 unused-allowance users"];
    assert_eq!(found(&sandbox, &["unused.sql"]), expected);
    let _ = check(&sandbox, &["unused.sql"]).exits(Exit::Ok).prints("note[unused-allowance]");
    assert_eq!(rules(&sandbox, &["malformed.sql"]), ["drop-table", "unused-allowance"]);
    let _ = check(&sandbox, &["malformed.sql"]).exits(Exit::Blocked).prints("say why");
    let _ = check(&sandbox, &["misnamed.sql"]).exits(Exit::Blocked).prints("`drop-tabel`");
    assert_eq!(rules(&sandbox, &["other.sql"]), [""; 0]);
}

#[test]
fn the_command_line_and_the_configuration_agree_too() {
    let sandbox = files(&[("a.sql", DROPS), ("b.sql", ADDS)]);
    let _ = check(&sandbox, &["--allow", "drop-table us*: moved", "a.sql"]).exits(Exit::Ok);
    let _ = check(&sandbox, &["--allow", "drop-table orders: moved", "a.sql"])
        .exits(Exit::Blocked)
        .prints("note[unused-allowance]");
    let _ = check(&sandbox, &["--allow", "drop-table users", "a.sql"]).exits(Exit::NoAnswer);
    let _ = check(&sandbox, &["--allow", "drop-tabel users: x", "a.sql"])
        .exits(Exit::NoAnswer)
        .says("did you mean `drop-table`?");
    let allow = "[[allow]]\nrule = 'drop-table'\nobject = 'users'\nreason = 'moved'\n";
    sandbox.write("rowsafe.toml", allow);
    let _ = check(&sandbox, &["a.sql"]).exits(Exit::Ok).prints("1 finding agreed to");
    // What the configuration allows speaks of the whole project, not of this file.
    assert_eq!(rules(&sandbox, &["b.sql"]), [""; 0]);
}

#[test]
fn a_comment_in_the_way_down_is_about_the_way_down() {
    let text = "revision = 'a1'\ndown_revision = None\n\n\ndef upgrade():\n    pass\n\n\n\
                def downgrade():\n    # rowsafe: allow[drop-table] users: made by upgrade()\n    \
                pass\n";
    let sandbox = files(&[("a1.py", text)]);
    let unused = |args: &[&str]| {
        rules(&sandbox, args).iter().filter(|rule| *rule == "unused-allowance").count()
    };
    assert_eq!(unused(&["a1.py"]), 0);
    assert_eq!(unused(&["--downgrade", "a1.py"]), 1);
}

#[test]
fn an_unread_file_can_be_agreed_to() {
    let sandbox = files(&[]);
    std::fs::write(sandbox.path().join("a.sql"), b"-- caf\xe9\n").unwrap();
    let _ = check(&sandbox, &["a.sql"]).exits(Exit::Blocked).prints("error[opaque]");
    let _ = check(&sandbox, &["--allow", "opaque a.sql: read by hand", "a.sql"]).exits(Exit::Ok);
}

#[test]
fn a_revision_is_agreed_to_in_its_own_language() {
    let revision = |comment: &str| {
        format!(
            "from alembic import op\n\nrevision = 'a1'\ndown_revision = None\n\n\n\
             def upgrade():\n    {comment}\n    op.drop_column('users', 'legacy_id')\n\n\n\
             def downgrade():\n    op.drop_table('users')\n"
        )
    };
    let allowed = "# rowsafe: allow[drop-column] users.legacy_id: superseded";
    let sandbox = files(&[("a1.py", &revision(allowed)), ("b1.py", &revision("# nothing"))]);
    let _ = check(&sandbox, &["a1.py"]).exits(Exit::Ok).prints("1 finding agreed to");
    let _ = check(&sandbox, &["b1.py"]).exits(Exit::Blocked);
    assert_eq!(rules(&sandbox, &["--downgrade", "a1.py"]), ["drop-table"]);
}
