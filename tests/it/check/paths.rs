//! What is read: files, folders, standard input, what the project says.

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, found, rules, scripts};
use crate::harness::{Rowsafe, Sandbox};

#[test]
fn a_folder_is_read_in_the_order_in_which_its_files_run() {
    let sandbox = files(&[
        ("db/10_b.sql", ADDS),
        ("db/9_a.sql", DROPS),
        ("db/sub/1.psql", ADDS),
        ("db/readme.md", DROPS),
        ("db/.drafts/1.sql", DROPS),
        ("db/generated/1.sql", DROPS),
        (".gitignore", "generated/\n"),
    ]);
    std::fs::create_dir(sandbox.path().join(".git")).unwrap();
    assert_eq!(scripts(&sandbox, &["db"]), ["db/9_a.sql", "db/10_b.sql", "db/sub/1.psql"]);
    assert_eq!(scripts(&sandbox, &["./db/sub/"]), ["db/sub/1.psql"]);
    // What is named is read, whatever .gitignore says and however it is called.
    let named = ["db/generated/1.sql", "db/readme.md", "db/.drafts/1.sql"];
    assert_eq!(rules(&sandbox, &named), ["drop-table"; 3]);
    assert_eq!(scripts(&sandbox, &["db/sub", "db/sub/1.psql"]), ["db/sub/1.psql"]);
}

#[test]
fn paths_are_shown_as_seen_from_the_working_directory() {
    let sandbox = files(&[("db/1.sql", DROPS)]);
    let full = sandbox.path().join("db/1.sql").display().to_string();
    assert_eq!(found(&sandbox, &[&full]), ["db/1.sql:1:1 drop-table users"]);
    let outside = Rowsafe::new(&sandbox).directory(sandbox.path().join("db"));
    let _ = outside.args(["check", "../db/1.sql"]).run().exits(Exit::Blocked).prints("../db/1.sql");
}

#[test]
fn standard_input_is_read_as_sql() {
    let sandbox = Sandbox::new();
    let run = |text: &str| Rowsafe::new(&sandbox).args(["check", "-"]).stdin(text).run();
    let _ = run(DROPS).exits(Exit::Blocked).prints("<stdin>:1:1");
    let _ = run(ADDS).exits(Exit::Ok);
    let allowed = format!("-- rowsafe: allow[drop-table] users: moved\n{DROPS}");
    let _ = run(&allowed).exits(Exit::Ok).prints("1 finding agreed to");
    let _ = Rowsafe::new(&sandbox)
        .args(["check", "-"])
        .stdin(b"\xff\xfeD\0".to_vec())
        .run()
        .exits(Exit::Blocked)
        .prints("UTF-16");
}

#[test]
fn what_is_not_there_is_no_good_news() {
    let sandbox = files(&[("db/readme.md", ""), ("good.sql", ADDS)]);
    let _ = check(&sandbox, &["gone.sql"]).exits(Exit::NoAnswer).says("`gone.sql`");
    let _ = check(&sandbox, &["good.sql", "gone"]).exits(Exit::NoAnswer).says("`gone`");
    let _ = check(&sandbox, &["db"]).exits(Exit::NoAnswer).says("no migration file in `db`");
    let _ = check(&sandbox, &[])
        .exits(Exit::NoAnswer)
        .says("nothing says where the migrations are")
        .says("hint: name files or folders");
    sandbox.write("db/migrations/1.sql", ADDS);
    let _ = check(&sandbox, &[]).exits(Exit::NoAnswer).says("rowsafe check db/migrations");
}

#[test]
fn without_paths_the_project_says_where() {
    let sandbox = Sandbox::of_project("incident-a");
    let expected = [
        "migrations/versions/0001_base.py",
        "migrations/versions/0002_rebuild_collection_flow_status.py",
        "migrations/versions/0003_add_tags.py",
        "migrations/versions/0004_refresh_statistics.py",
    ];
    assert_eq!(scripts(&sandbox, &[]), expected);
    assert_eq!(scripts(&sandbox, &["migrations"]), expected, "env.py is no migration");
    let _ = check(&sandbox, &[]).prints("in 4 revisions, ");
    // The configuration goes before alembic.ini, and the command line before both.
    sandbox.write("rowsafe.toml", "[check]\npaths = ['db', 'scripts/last.sql']\n");
    sandbox.write("db/1.sql", ADDS);
    sandbox.write("scripts/last.sql", ADDS);
    sandbox.write("other.sql", ADDS);
    assert_eq!(scripts(&sandbox, &[]), ["db/1.sql", "scripts/last.sql"]);
    assert_eq!(scripts(&sandbox, &["other.sql"]), ["other.sql"]);
    assert_eq!(scripts(&sandbox, &["--no-config"]), expected);
}

#[test]
fn pyproject_and_flask_say_it_too() {
    let revision = "revision = 'a1'\ndown_revision = None\ndef upgrade():\n    pass\n";
    let sandbox = files(&[
        ("pyproject.toml", "[tool.alembic]\nscript_location = '%(here)s/m'\n"),
        ("m/versions/a1.py", revision),
    ]);
    assert_eq!(scripts(&sandbox, &[]), ["m/versions/a1.py"]);
    let sandbox = files(&[("migrations/versions/a1.py", revision)]);
    assert_eq!(scripts(&sandbox, &[]), ["migrations/versions/a1.py"]);
    let sandbox = files(&[("alembic.ini", "[alembic]\nscript_location = nowhere\n")]);
    let _ = check(&sandbox, &[]).exits(Exit::NoAnswer).says("nowhere/versions");
}

#[test]
fn a_misspelled_key_of_the_configuration_is_refused() {
    let sandbox = files(&[("rowsafe.toml", "[check]\nbasline = 'a'\n"), ("a.sql", ADDS)]);
    let _ = check(&sandbox, &["a.sql"]).exits(Exit::NoAnswer).says("did you mean `baseline`?");
}
