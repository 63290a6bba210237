//! Migrations that are files for psql, and commands that rowsafe can't ask.

use rowsafe::exit::Exit;

use crate::harness::{Database, Sandbox};
use crate::story::{Story, Told};

const CHAIN: &str = "sh -c 'for file in 002_drop_column.sql 003_delete_with_children.sql; do \
                     psql -X -q -v ON_ERROR_STOP=1 -f $file \"$DATABASE_URL\" || exit; done'";

fn shop(database: &str) -> Story {
    let mut story = Story::of_sql(database, "SELECT 1");
    story.sandbox = Sandbox::of_project("plain-sql");
    story.db.execute(&story.sandbox.read("001_create.sql"));
    story
}

fn rows(db: &Database) -> (i64, i64) {
    (db.count("customers"), db.count("purchases"))
}

fn psql(file: &str) -> String {
    format!("sh -c 'psql -X -q -v ON_ERROR_STOP=1 -v days=3 -f {file} \"$DATABASE_URL\"'")
}

#[test]
fn several_files() {
    needs_postgres!();
    let story = shop("sql_files");
    let files = ["--sql", "002_drop_column.sql", "--sql", "003_delete_with_children.sql"];
    let told = story.run(&files, CHAIN).answers(Exit::Blocked, "blocked", "nothing was run");
    assert_eq!(told.findings()[0], "error drop-column public.customers.fax 0+100");
    assert!(told.findings()[1].starts_with("warning delete public.customers"), "it cascades");
    assert_eq!(told.report["findings"][0]["place"]["path"], "002_drop_column.sql");
    assert_eq!(told.report["findings"][0]["place"]["line"], 1);
    told.nothing_was_run();
    assert_eq!(rows(&story.db), (400, 2000));

    let allow = ["--allow", "drop-column customers.fax: gone", "--allow", "delete *: closed"];
    let told = story.run(&[&files[..], &allow].concat(), CHAIN).answers(Exit::Ok, "ok", "3 losses");
    assert_eq!(
        told.changes(),
        ["customers 400→360 shrank, fax dropped, planned", "purchases 2000→1800 shrank, planned"]
    );
    assert_eq!(rows(&story.db), (360, 1800));
}

#[test]
fn inline_data_is_no_statement() {
    needs_postgres!();
    let story = shop("sql_copy");
    let told = story.run(&["--sql", "004_copy.sql"], &psql("004_copy.sql"));
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert!(told.findings().is_empty());
    assert_eq!(told.changes(), ["customers 400→402 grew, planned"]);
    assert_eq!(rows(&story.db), (402, 2000));
}

#[test]
fn client_commands_and_blocks_block() {
    needs_postgres!();
    let story = shop("sql_client_commands");
    for (file, rule) in
        [("006_client_commands.sql", "client-command"), ("007_inside_a_block.sql", "")]
    {
        let told = story.run(&["--sql", file], &psql(file));
        let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
        assert!(told.findings().iter().any(|found| found.contains(rule)), "{:?}", told.findings());
        told.nothing_was_run();
    }
    assert_eq!(rows(&story.db), (400, 2000));
}

#[test]
fn a_block_that_was_agreed_to_is_still_compared() {
    needs_postgres!();
    let story = shop("sql_block");
    let allow = ["--allow", "dynamic-sql *: reviewed", "--allow", "opaque *: reviewed"];
    let flags = [&["--sql", "007_inside_a_block.sql"], &allow[..]].concat();
    let told = story.run(&flags, &psql("007_inside_a_block.sql"));
    let told = told.answers(Exit::Loss, "lost", "2,000 rows of purchases");
    assert_eq!(told.changes(), ["purchases 2000→0 wiped"]);
    let back = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "2,000 rows of 1 table");
    assert_eq!(back.snapshot(), told.snapshot());
    assert_eq!(rows(&story.db), (400, 2000));
}

#[test]
fn psql_variables_do_not_hide_a_statement() {
    needs_postgres!();
    let story = shop("sql_variables");
    let sql = "\\set cutoff 400\n\\if true\nDELETE FROM purchases WHERE id <= :cutoff;\n\\endif\n\
               DROP TABLE :\"doomed\";\n";
    story.sandbox.write("vars.sql", sql);
    let told = story.run(&["--sql", "vars.sql"], &psql("vars.sql"));
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert!(told.findings().len() >= 2, "{:?}", told.findings());
    told.nothing_was_run();
    assert_eq!(rows(&story.db), (400, 2000));
}

#[test]
fn half_of_a_file() {
    needs_postgres!();
    let story = shop("sql_half");
    let file = "005_fails_half_way.sql";
    let flags = ["--sql", file, "--allow", "truncate purchases: billed"];
    let told = story.run(&flags, &psql(file));
    let told = told.answers(Exit::CommandFailed, "failed", "exited with 3; nothing was lost that");
    assert_eq!(told.changes(), ["purchases 2000→0 wiped, planned"]);
    assert_eq!(told.report["child"]["exit"], 3);
    assert_eq!(rows(&story.db), (400, 0));
}

#[test]
fn a_missing_file_is_said_before_anything() {
    needs_postgres!();
    let story = shop("sql_missing_file");
    let told = story.run(&["--sql", "nowhere.sql"], &psql("nowhere.sql"));
    told.answers(Exit::NoAnswer, "error", "nowhere.sql").nothing_was_run();
}

#[test]
fn a_command_prints_the_pending_sql() {
    needs_postgres!();
    let story = shop("sql_command");
    let flags = ["--sql-command", "cat 002_drop_column.sql"];
    let told = story.run(&flags, &psql("002_drop_column.sql"));
    let told = told.answers(Exit::Blocked, "blocked", "100 values would be gone");
    assert_eq!(told.findings(), ["error drop-column public.customers.fax 0+100"]);
    let allow = ["--allow", "drop-column customers.fax: gone"];
    let told = story.run(&[flags, allow].concat(), &psql("002_drop_column.sql"));
    let told = told.answers(Exit::Ok, "ok", "gone as planned: column customers.fax");
    assert_eq!(told.changes(), ["customers 400→400 intact, fax dropped, planned"]);
    assert!(!story.has_column("customers", "fax"));
}

#[test]
fn a_command_that_prints_nothing_or_fails_is_not_trusted() {
    needs_postgres!();
    let story = shop("sql_command_fails");
    for printer in ["false", "sh -c 'echo DROP TABLE a; exit 3'", "print-nowhere"] {
        let told = story.run(&["--sql-command", printer], &psql("002_drop_column.sql"));
        told.answers(Exit::NoAnswer, "error", "--sql-command").nothing_was_run();
    }
    assert!(story.has_column("customers", "fax"));
    // Printing nothing is what a tool does when nothing is pending; the comparison finds the lie.
    let told = story.run(&["--sql-command", "true"], &psql("002_drop_column.sql"));
    let told = told.answers(Exit::Loss, "lost", "column customers.fax");
    assert!(told.message().ends_with("which the plan did not name"), "{}", told.message());
    assert_eq!(told.changes(), ["customers 400→400 intact, fax dropped"]);
}

#[test]
fn a_command_that_nobody_can_read_is_opaque() {
    needs_postgres!();
    let story = shop("sql_opaque");
    let told = story.run(&[], &psql("008_add_only.sql"));
    let told = told.answers(Exit::Blocked, "blocked", "1 error; nothing was run");
    assert_eq!(told.findings().len(), 1);
    assert!(told.findings()[0].starts_with("error opaque"));
    told.nothing_was_run();
    let told = story.run(&["--allow", "opaque *: adds only"], &psql("008_add_only.sql"));
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    let customers = "customers 400→400 intact, region_id added, planned";
    assert_eq!(told.changes(), [customers, "regions null→0 created, planned"]);
}

#[test]
fn a_command_that_lies() {
    needs_postgres!();
    let story = shop("sql_lies");
    if story.db.server().major() < 15 {
        // A session that came and went may not be counted there: nobody can say that it lied.
        return;
    }
    let told = story.run(&["--allow", "opaque *: trust me"], "true");
    let told = told.answers(Exit::CommandFailed, "failed", "was not seen on sql_lies");
    assert_eq!(told.report["child"]["exit"], 0);
    assert!(told.changes().is_empty());
    assert_eq!(rows(&story.db), (400, 2000));
}

#[test]
fn a_migration_command_that_is_not_alembic_but_claims_to_be() {
    needs_postgres!();
    let story = Story::prepared("noisy-stdout", "sql_fake_alembic");
    let bin = story.sandbox.write_program(
        "bin/alembic",
        "case \"$*\" in *--sql*) exec python -m alembic \"$@\";; esac; exit 0",
    );
    // A line of the application's prose reads like a DELETE.
    let prose = ["--allow", "opaque *: prose"];
    let flags = ["--allow", "drop-column notes.color: unused", prose[0], prose[1]];
    let command = story.command(&flags, "alembic upgrade head").path_first(bin.parent().unwrap());
    let told = Told::by(command).answers(Exit::CommandFailed, "failed", "sql_fake_alembic");
    told.revisions(&["0001"], &["0001"]);
    assert_eq!(told.report["child"]["exit"], 0);
    assert!(story.has_column("notes", "color"));
}

#[test]
fn a_program_that_is_not_there() {
    needs_postgres!();
    let story = shop("sql_no_program");
    let told = story.run(&["--allow", "opaque *: reviewed"], "migrate-nowhere up");
    let told = told.answers(Exit::NoAnswer, "error", "`migrate-nowhere` was not found in PATH");
    told.nothing_was_run();
}
