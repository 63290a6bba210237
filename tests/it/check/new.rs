//! What is new: by revision, by name, by git; and which files run together.

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, rules, scripts};
use crate::harness::{Rowsafe, Sandbox};

fn revision(id: &str, down: &str) -> String {
    format!("revision = '{id}'\ndown_revision = {down}\n\ndef upgrade():\n    pass\n")
}

/// A base, two branches of it, and the revision that merges them.
fn diamond() -> Sandbox {
    files(&[
        ("alembic.ini", "[alembic]\nscript_location = m\n"),
        ("m/versions/z_base.py", &revision("aaaa1", "None")),
        ("m/versions/y_left.py", &revision("bbbb2", "'aaaa1'")),
        ("m/versions/x_right.py", &revision("cccc3", "'aaaa1'")),
        ("m/versions/a_merge.py", &revision("dddd4", "('bbbb2', 'cccc3')")),
    ])
}

fn names(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let scripts = scripts(sandbox, args);
    scripts.iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn revisions_are_read_in_the_order_of_their_graph() {
    let all = names(&diamond(), &[]);
    assert_eq!((all[0].as_str(), all[3].as_str()), ("z_base.py", "a_merge.py"));
    let back = names(&diamond(), &["--downgrade"]);
    assert_eq!((back[0].as_str(), back[3].as_str()), ("a_merge.py", "z_base.py"));
}

#[test]
fn since_a_revision_is_what_it_has_not_behind_it() {
    let sandbox = diamond();
    assert_eq!(names(&sandbox, &["--since", "bbbb2"]), ["x_right.py", "a_merge.py"]);
    let both = ["--since", "bbbb2", "--since", "cccc"];
    assert_eq!(names(&sandbox, &both), ["a_merge.py"]);
    let _ = check(&sandbox, &["--since", "dddd4"])
        .exits(Exit::Ok)
        .prints("ok: nothing to check: no migration is newer than the baseline");
    let _ =
        check(&sandbox, &["--since", "bbbb3"]).exits(Exit::NoAnswer).says("did you mean `bbbb2`?");
    sandbox.write("rowsafe.toml", "[check]\nbaseline = ['bbbb2', 'cccc3']\n");
    assert_eq!(names(&sandbox, &[]), ["a_merge.py"]);
    // The flag goes before the configuration.
    assert_eq!(names(&sandbox, &["--since", "bbbb2"]), ["x_right.py", "a_merge.py"]);
    sandbox.write("rowsafe.toml", "[check]\nbaseline = 'gone'\n");
    let _ = check(&sandbox, &[]).exits(Exit::NoAnswer).says("`gone`");
}

#[test]
fn since_a_file_is_what_sorts_behind_it() {
    let sandbox = files(&[("db/9_a.sql", DROPS), ("db/10_b.sql", ADDS), ("db/11_c.sql", ADDS)]);
    for since in ["9_a.sql", "9", "db/9_a.sql", "9_a"] {
        assert_eq!(names(&sandbox, &["--since", since, "db"]), ["10_b.sql", "11_c.sql"], "{since}");
    }
    assert_eq!(names(&sandbox, &["--since", "10_z", "db"]), ["11_c.sql"]);
    let _ = check(&sandbox, &["--since", "11", "db"]).exits(Exit::Ok).prints("nothing to check");
    let _ = check(&sandbox, &["--since", "nine", "db"]).exits(Exit::NoAnswer).says("`nine`");
    let prisma = files(&[("p/1_a/migration.sql", DROPS), ("p/2_b/migration.sql", ADDS)]);
    assert_eq!(scripts(&prisma, &["--since", "1_a", "p"]), ["p/2_b/migration.sql"]);
}

#[test]
fn files_that_run_together_know_what_the_others_made() {
    let made = "CREATE TABLE scratch (x int);\n";
    let sandbox = files(&[("db/1.sql", made), ("db/2.sql", "DROP TABLE scratch;\n")]);
    // Named one by one, or new together: what was just made holds nothing.
    let outcome = check(&sandbox, &["db/1.sql", "db/2.sql"]).exits(Exit::Ok);
    let _ = outcome.prints("1 finding about what the set itself makes is left out");
    assert_eq!(rules(&sandbox, &["--since", "0", "db"]), [""; 0]);
    // A whole history ran at different times: in between the table had rows.
    assert_eq!(rules(&sandbox, &["db"]), ["drop-table"]);
    sandbox.write("rowsafe.toml", "[check]\nbaseline = '0'\npaths = ['db/1.sql', 'db/2.sql']\n");
    assert_eq!(rules(&sandbox, &[]), ["drop-table"]);
    // pre-commit names the files, and with --all-files every one there is.
    let hook = Rowsafe::new(&sandbox).env("PRE_COMMIT", "1");
    let _ = hook.args(["check", "db/1.sql", "db/2.sql"]).run().exits(Exit::Blocked);
}

/// A repository whose branch `main` has `db/1.sql`, with `work` checked out.
fn repository() -> Sandbox {
    let sandbox = files(&[("db/1.sql", DROPS), (".gitignore", "*.tmp.sql\n")]);
    git(&sandbox, &["init", "--quiet", "--initial-branch=main"]);
    commit(&sandbox);
    git(&sandbox, &["checkout", "--quiet", "-b", "work"]);
    sandbox
}

fn commit(sandbox: &Sandbox) {
    git(sandbox, &["add", "--all"]);
    git(sandbox, &["commit", "--quiet", "--message=x"]);
}

fn git(sandbox: &Sandbox, args: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];
    let _ = Rowsafe::program(sandbox, "git").args(who).args(args).run().exits(Exit::Ok);
}

#[test]
fn diff_reads_what_the_branch_adds_or_changes() {
    let sandbox = repository();
    let _ = check(&sandbox, &["--diff", "main", "db"])
        .exits(Exit::Ok)
        .prints("ok: nothing to check: no migration is new or changed since `main`");
    sandbox.write("db/2.sql", ADDS);
    commit(&sandbox);
    sandbox.write("db/3 \"é\"\n.sql", ADDS);
    git(&sandbox, &["add", "--all"]);
    sandbox.write("db/4.sql", ADDS);
    sandbox.write("db/5.tmp.sql", ADDS);
    let new = ["db/2.sql", "db/3 \"é\"\n.sql", "db/4.sql"];
    assert_eq!(scripts(&sandbox, &["--diff", "main", "db"]), new);
    let below = Rowsafe::new(&sandbox).directory(sandbox.path().join("db"));
    let _ = below.args(["check", "--diff", "main", "."]).run().exits(Exit::Ok).prints("3 files");
    // What changes on the other branch meanwhile is not ours; what we change in an old file is.
    git(&sandbox, &["stash", "--quiet"]);
    git(&sandbox, &["checkout", "--quiet", "main"]);
    sandbox.write("db/0.sql", DROPS);
    git(&sandbox, &["add", "db/0.sql"]);
    git(&sandbox, &["commit", "--quiet", "--message=x"]);
    git(&sandbox, &["checkout", "--quiet", "work"]);
    sandbox.write("db/1.sql", "DROP TABLE other;\n");
    assert_eq!(rules(&sandbox, &["--diff", "main", "db/1.sql", "db/2.sql"]), ["drop-table"]);
    std::fs::remove_file(sandbox.path().join("db/1.sql")).unwrap();
    assert_eq!(scripts(&sandbox, &["--diff", "main", "db"]), ["db/2.sql", "db/4.sql"]);
}

#[test]
fn what_a_branch_adds_runs_together_and_what_it_changes_may_have_run() {
    let sandbox = repository();
    let (made, drops) = ("CREATE TABLE scratch (x int);\n", "DROP TABLE scratch;\n");
    sandbox.write("db/2.sql", made);
    sandbox.write("db/3.sql", drops);
    assert_eq!(rules(&sandbox, &["--diff", "main", "db"]), [""; 0]);
    git(&sandbox, &["checkout", "--quiet", "main"]);
    git(&sandbox, &["add", "db/2.sql"]);
    git(&sandbox, &["commit", "--quiet", "--message=x"]);
    git(&sandbox, &["checkout", "--quiet", "-b", "later"]);
    sandbox.write("db/2.sql", &format!("-- a comment\n{made}"));
    assert_eq!(rules(&sandbox, &["--diff", "main", "db"]), ["drop-table"]);
    git(&sandbox, &["mv", "db/2.sql", "db/02.sql"]);
    assert_eq!(rules(&sandbox, &["--diff", "main", "db"]), ["drop-table"]);
}

#[test]
fn diff_says_what_git_lacks() {
    let sandbox = repository();
    let _ = check(&sandbox, &["--diff", "gone", "db"])
        .exits(Exit::NoAnswer)
        .says("git knows no commit or branch `gone`");
    let _ = check(&sandbox, &["--diff=--output=x", "db"]).exits(Exit::NoAnswer).says("names no");
    assert!(!sandbox.path().join("x").exists());
    let plain = files(&[("db/1.sql", ADDS)]);
    let _ = check(&plain, &["--diff", "main", "db"])
        .exits(Exit::NoAnswer)
        .says("--diff needs a git repository");
    let _ = Rowsafe::new(&plain)
        .env("PATH", "/nonexistent")
        .args(["check", "--diff", "main", "db"])
        .run()
        .exits(Exit::NoAnswer)
        .says("git, which was not found in PATH");
}

#[test]
fn a_shallow_clone_is_told_apart() {
    let sandbox = repository();
    sandbox.write("db/2.sql", ADDS);
    commit(&sandbox);
    let from = format!("file://{}", sandbox.path().display());
    let clone = Sandbox::new();
    git(&clone, &["clone", "--quiet", "--depth=1", "--branch=work", &from, "shallow"]);
    let run = |base: &str| {
        let run = Rowsafe::new(&clone).directory(clone.path().join("shallow"));
        run.args(["check", "--diff", base, "db"]).run()
    };
    let _ = run("origin/main").exits(Exit::NoAnswer).says("`fetch-depth: 0`");
    git(&clone, &["-C", "shallow", "fetch", "--quiet", "--depth=1", "origin", "main:main"]);
    let _ = run("main").exits(Exit::NoAnswer).says("in common").says("`fetch-depth: 0`");
    git(&clone, &["-C", "shallow", "fetch", "--quiet", "--unshallow", "origin"]);
    let _ = run("main").exits(Exit::Ok).prints("1 file, 1 statement");
}
