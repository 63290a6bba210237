//! Who may agree, where it is written, and what an agreement does not cover.

use rowsafe::exit::Exit;

use crate::story::{Story, Told};

const FOUND: &str = "error drop-type migration.collectionflowstatus 0+5600";

fn incident(database: &str) -> Story {
    Story::prepared("incident-a", database)
}

fn check_agreed(story: &Story, source: &str) -> Told {
    let told =
        story.run(&[], "alembic upgrade 0002").answers(Exit::Ok, "ok", "every row accounted");
    assert_eq!(told.findings(), [format!("{FOUND} agreed by {source}")]);
    assert_eq!(story.version(), "0002");
    told
}

fn check_blocked(story: &Story, flags: &[&str], command: &str) -> Told {
    let told = story.run(flags, command).answers(Exit::Blocked, "blocked", "nothing was run");
    told.nothing_was_run();
    told
}

#[test]
fn a_comment_in_the_migration_agrees() {
    needs_postgres!();
    let story = incident("allow_comment");
    let path = "migrations/versions/0002_rebuild_collection_flow_status.py";
    let drop = "    op.execute(\"DROP TYPE";
    let comment = "    # rowsafe: allow[drop-type] migration.collectionflowstatus: in the export\n";
    story.sandbox.fill(path, &[(drop, &format!("{comment}{drop}"))]);
    let told = check_agreed(&story, "comment");
    let allowance = &told.report["findings"][0]["allowance"];
    assert_eq!(allowance["reason"], "in the export");
    assert!(allowance["path"].as_str().unwrap().ends_with(path));
    assert_eq!(allowance["line"], 14);
}

#[test]
fn a_comment_counts_for_its_own_file_only() {
    needs_postgres!();
    let story = incident("allow_comment_elsewhere");
    let path = "migrations/versions/0003_add_tags.py";
    let comment = "    # rowsafe: allow[drop-type] migration.collectionflowstatus: in the export\n";
    let create = "    op.create_table(\n        \"tags\"";
    story.sandbox.fill(path, &[(create, &format!("{comment}{create}"))]);
    let told = check_blocked(&story, &[], "alembic upgrade 0003");
    assert_eq!(told.findings()[0], FOUND);
    assert!(told.findings()[1].starts_with("note unused-allowance"));
    assert_eq!(story.version(), "0001");
}

#[test]
fn the_configuration_agrees() {
    needs_postgres!();
    let story = incident("allow_toml");
    let allow =
        "[[allow]]\nrule = \"drop-type\"\nobject = \"migration.*\"\nreason = \"exported\"\n";
    story.sandbox.write("rowsafe.toml", allow);
    let _ = check_agreed(&story, "configuration");
}

#[test]
fn pyproject_agrees() {
    needs_postgres!();
    let story = incident("allow_pyproject");
    let allow = "[project]\nname = \"app\"\n\n[[tool.rowsafe.allow]]\nrule = \"drop-type\"\n\
                 object = \"migration.collectionflowstatus\"\nreason = \"exported\"\n";
    story.sandbox.write("pyproject.toml", allow);
    let _ = check_agreed(&story, "configuration");
}

#[test]
fn an_allowance_without_reason_is_refused() {
    needs_postgres!();
    let story = incident("allow_no_reason");
    let told = story.run(&["--allow", "drop-type migration.*"], "alembic upgrade 0002");
    let told = told.answers(Exit::NoAnswer, "error", "--allow");
    told.nothing_was_run();
    story.sandbox.write("rowsafe.toml", "[[allow]]\nrule = \"drop-type\"\nobject = \"*\"\n");
    let told = story.run(&[], "alembic upgrade 0002").answers(Exit::NoAnswer, "error", "reason");
    told.nothing_was_run();
    assert_eq!(story.version(), "0001");
}

#[test]
fn another_object_or_rule_is_not_covered() {
    needs_postgres!();
    let story = incident("allow_other_object");
    for allow in [
        "drop-type migration.another: not this one",
        "drop-type collectionflowstatus: the schema is missing",
        "drop-column migration.*: another rule",
        "drop-type public.*: another schema",
    ] {
        let told = check_blocked(&story, &["--allow", allow], "alembic upgrade 0002");
        assert_eq!(told.findings()[0], FOUND, "{allow}");
        assert!(told.findings()[1].starts_with("note unused-allowance"), "{allow}");
    }
    assert_eq!(story.version(), "0001");
}

#[test]
fn more_rows_than_agreed_block() {
    needs_postgres!();
    let story = Story::of_sql(
        "allow_rows",
        "CREATE TABLE sessions AS SELECT generate_series(1, 800) AS id",
    );
    let truncate = "TRUNCATE sessions;\n";
    let too_few = ["--allow", "truncate sessions rows<=799: only caches"];
    let told = story.migrate(truncate, &too_few).answers(Exit::Blocked, "blocked", "800 rows");
    assert_eq!(told.findings(), ["error truncate public.sessions 800+0"]);
    let message = told.report["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("agreed to 799 rows, it takes 800 rows"), "{message}");
    told.nothing_was_run();
    assert_eq!(story.db.count("sessions"), 800);

    let enough = ["--allow", "truncate sessions rows<=800: only caches"];
    let told = story.migrate(truncate, &enough).answers(Exit::Ok, "ok", "800 rows of sessions");
    assert_eq!(told.findings(), ["error truncate public.sessions 800+0 agreed by command-line"]);
    assert_eq!(told.changes(), ["sessions 800→0 wiped, planned"]);
    assert_eq!(story.db.count("sessions"), 0);
}

#[test]
fn a_bounded_delete_that_would_take_more_is_blocked() {
    needs_postgres!();
    let story = Story::of_sql(
        "allow_rows_delete",
        "CREATE TABLE t AS SELECT generate_series(1, 1000) AS id",
    );
    let delete = "-- rowsafe: allow[delete] t rows<=50: old\nDELETE FROM t WHERE id <= 60;\n";
    let told = story.migrate(delete, &[]);
    let told = told.answers(Exit::Blocked, "blocked", "60 rows would be gone; nothing was run");
    assert!(told.outcome.stderr.contains("agreed to 50 rows, it takes 60 rows"));
    assert_eq!(story.db.count("t"), 1000);
    let told = story.migrate(&delete.replace("rows<=50", "rows<=60"), &[]);
    let told = told.answers(Exit::Ok, "ok", "gone as planned: 60 rows of t");
    assert!(told.findings()[0].ends_with("agreed by comment"), "{:?}", told.findings());
}

#[test]
fn fail_on_never_names_everything_and_stops_nothing() {
    needs_postgres!();
    let story = incident("allow_fail_on_never");
    let told = story.run(&["--fail-on", "never"], "alembic upgrade 0002");
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(told.findings(), [FOUND]);
    assert_eq!(story.version(), "0002");
}

/// What can't be read shows no finding, but whoever wrote it can name what it takes.
#[test]
fn a_loss_that_is_named_for_what_cannot_be_read_is_planned() {
    needs_postgres!();
    let sql = "CREATE TABLE people (id int, name text, legacy text);
               INSERT INTO people SELECT n, 'n', 'l' FROM generate_series(1, 50) AS n";
    let story = Story::of_sql("allow_named", sql);
    story.sandbox.write("migration.sql", "ALTER TABLE people DROP COLUMN legacy;");
    let command = shell_words::join(["sh", "-c", crate::story::PSQL]);
    let opaque = ["--allow", "opaque *: read by hand"];

    let named = [opaque[0], opaque[1], "--allow", "drop-column people.legacy: superseded"];
    let told = story.run(&named, &command).answers(Exit::Ok, "ok", "column people.legacy");
    let finding = "error drop-column public.people.legacy 0+50 agreed by command-line";
    assert!(told.findings().contains(&finding.to_owned()), "{:?}", told.findings());

    story.sandbox.write("migration.sql", "ALTER TABLE people DROP COLUMN name;");
    let other = [opaque[0], opaque[1], "--allow", "drop-column people.id: not this one"];
    let told = story.run(&other, &command);
    let told = told.answers(Exit::Loss, "lost", "column people.name");
    assert!(told.message().ends_with("which the plan did not name"), "{}", told.message());
}
