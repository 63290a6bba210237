//! `--on-loss restore`: what nobody had agreed to lose is back when the run ends.

use rowsafe::exit::Exit;

use crate::story::{PSQL, Story, Told};

const SQL: &str = "CREATE TABLE people (id int PRIMARY KEY, name text, legacy text, old text);
    INSERT INTO people SELECT n, 'name ' || n, 'legacy ' || n, 'old ' || n FROM generate_series(1, 300) n;
    CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES people ON DELETE CASCADE);
    INSERT INTO pets SELECT n, n FROM generate_series(1, 20) n;";

/// Runs `done` with psql while rowsafe was told of `told`, which is agreed to.
fn surprise(story: &Story, flags: &[&str], told: &str, done: &str) -> Told {
    story.sandbox.write("told.sql", told);
    story.sandbox.write("migration.sql", done);
    let flags = [&["--sql", "told.sql"], flags].concat();
    story.run(&flags, &shell_words::join(["sh", "-c", PSQL]))
}

#[test]
fn rows_come_back_beside_what_the_command_wrote() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_rows", SQL);
    let done = "DELETE FROM people WHERE id <= 30; INSERT INTO people VALUES (301, 'new');";
    let told = surprise(&story, &["--on-loss", "restore"], "SELECT 1;\n", done);
    let told = told.answers(Exit::LossRestored, "restored", "put back from ");
    assert!(told.report["message"].as_str().unwrap().contains("30 rows of people"));
    assert_eq!((story.db.count("people"), story.db.count("pets")), (301, 20));
    let same =
        "SELECT count(*) FROM people WHERE name = 'name ' || id AND legacy = 'legacy ' || id";
    assert_eq!(story.db.query_one_i64(same), 300);
    let next = story.migrate("SELECT 1;", &[]);
    let _ = next.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn what_was_agreed_to_stays_gone() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_columns", SQL);
    let told = "ALTER TABLE people DROP COLUMN old;\n";
    let done = "ALTER TABLE people DROP COLUMN old, DROP COLUMN legacy; TRUNCATE pets;";
    let flags = ["--on-loss", "restore", "--allow", "drop-column people.old: superseded"];
    let told = surprise(&story, &flags, told, done);
    let _ = told.answers(Exit::LossRestored, "restored", "and compared again: nothing is missing");
    assert!(!story.has_column("people", "old"), "agreed to");
    let same = "SELECT count(*) FROM people WHERE legacy = 'legacy ' || id";
    assert_eq!((story.db.query_one_i64(same), story.db.count("pets")), (300, 20));
}

#[test]
fn values_that_were_overwritten_come_back() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_values", SQL);
    let done = "UPDATE people SET name = 'x' WHERE id <= 200; UPDATE people SET legacy = NULL;";
    let told = surprise(&story, &["--on-loss", "restore"], "SELECT 1;\n", done);
    let _ = told.answers(Exit::LossRestored, "restored", "put back from ");
    let same =
        "SELECT count(*) FROM people WHERE name = 'name ' || id AND legacy = 'legacy ' || id";
    assert_eq!(story.db.query_one_i64(same), 300);
}

#[test]
fn a_command_that_failed_after_its_loss() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_failed", SQL);
    let done = "DROP TABLE pets; SELECT 1/0;";
    let told = surprise(&story, &["--on-loss", "restore"], "SELECT 1;\n", done);
    let told = told.answers(Exit::LossRestored, "restored", "put back from ");
    assert!(told.hints().contains("exited with 3"), "{}", told.hints());
    assert_eq!(story.db.count("pets"), 20);
    assert_eq!(
        story.db.count("pg_constraint WHERE conrelid = 'pets'::regclass AND contype IN ('p', 'f')"),
        2
    );
}

#[test]
fn by_default_a_person_decides() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_stop", SQL);
    let told = surprise(&story, &[], "SELECT 1;\n", "TRUNCATE pets;");
    let told = told.answers(Exit::Loss, "lost", "20 rows of pets");
    assert!(told.hints().contains("put them back: rowsafe restore "), "{}", told.hints());
    assert_eq!(story.db.count("pets"), 0);
}

#[test]
fn without_a_snapshot_it_stays_lost() {
    needs_postgres!();
    let story = Story::of_sql("on_loss_none", SQL);
    let flags = ["--on-loss", "restore", "--snapshot", "none"];
    let told = surprise(&story, &flags, "SELECT 1;\n", "TRUNCATE pets;");
    let _ = told.answers(Exit::Loss, "lost", "it could not be put back: no snapshot was taken");
    assert_eq!(story.db.count("pets"), 0);
}
