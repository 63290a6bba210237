//! `min-rows` and `max-shrink`: before the command, after it, and against the record.

use rowsafe::exit::Exit;

use crate::story::{Story, Told};

const USERS: &str = "CREATE TABLE users AS SELECT n AS id FROM generate_series(1, 100) n; \
                     CREATE TABLE notes (id int);";

/// A hundred users, of which there have to be twenty, and none of many may go at once.
fn story(database: &str, thresholds: &str) -> Story {
    let story = Story::of_sql(database, USERS);
    story.sandbox.write("rowsafe.toml", thresholds);
    story
}

/// What the plan names is agreed to: a threshold holds all the same.
fn agreed(story: &Story, sql: &str) -> Told {
    let flags = ["--allow", "delete *: a test", "--allow", "drop-table *: a test"];
    story.migrate(sql, &[&flags[..], &["--allow", "truncate *: a test"]].concat())
}

const MIN: &str = "[tables.\"public.users\"]\nmin-rows = 20\n";
const SHRINK: &str = "[tables.users]\nmax-shrink = \"5%\"\n";

#[test]
fn a_plan_that_leads_below_a_threshold_is_blocked() {
    needs_postgres!();
    let story = story("threshold_plan", MIN);
    for (sql, said) in [
        ("DELETE FROM users WHERE id > 19;", "`users` would keep 19 of 100 rows, min-rows is 20"),
        ("TRUNCATE users;", "`users` would keep 0 of 100 rows, min-rows is 20"),
        ("DROP TABLE users;", "`users` would keep 0 of 100 rows, min-rows is 20"),
    ] {
        let told = agreed(&story, sql).answers(Exit::Blocked, "blocked", said);
        told.nothing_was_run();
    }
    let planned = Told::by(story.rowsafe(&["plan", "--sql", "migration.sql"]));
    assert_eq!(planned.report["exit"], 1);
    assert!(planned.report["message"].as_str().unwrap().contains("min-rows is 20"));
    let told = agreed(&story, "DELETE FROM users WHERE id > 20;");
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 80 rows of users");
    assert_eq!(story.db.count("users"), 20);
}

#[test]
fn a_share_is_held_too() {
    needs_postgres!();
    let story = story("threshold_share", SHRINK);
    let told = agreed(&story, "DELETE FROM users WHERE id > 94;");
    let said = "`users` would lose 6 of 100 rows, and max-shrink is 5%";
    told.answers(Exit::Blocked, "blocked", said).nothing_was_run();
    let told = agreed(&story, "DELETE FROM users WHERE id > 95;");
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 5 rows of users");
    // What went since the last run is held against the record.
    story.db.execute("DELETE FROM users WHERE id > 80");
    let told = agreed(&story, "INSERT INTO notes VALUES (1);");
    told.answers(Exit::Blocked, "blocked", "`users` held 95 rows on 20").nothing_was_run();
    let told = story.migrate("INSERT INTO notes VALUES (1);", &["--new-database"]);
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
    let told = agreed(&story, "INSERT INTO notes VALUES (1);");
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn rows_that_went_against_a_threshold_are_lost_whoever_agreed() {
    needs_postgres!();
    // A function whose effect nobody can tell beforehand takes them.
    let take = "CREATE FUNCTION take() RETURNS void LANGUAGE plpgsql AS $$ \
                BEGIN EXECUTE 'DELETE' || ' FROM users WHERE id > 10'; END $$;";
    let told_of = |story: &Story| {
        story.db.execute(take);
        let agreed = ["calls-function *: a test", "delete users: a test", "dynamic-sql *: a test"];
        let flags: Vec<&str> = agreed.iter().flat_map(|what| ["--allow", *what]).collect();
        story.migrate("SELECT take();", &flags)
    };
    let strict = story("threshold_after", MIN);
    let told = told_of(&strict);
    let told = told.answers(Exit::Loss, "lost", "`users` keeps 10 of 100 rows, and min-rows is 20");
    assert!(told.hints().contains("put back what is in it"), "{}", told.hints());
    let dropped = story("threshold_gone", MIN);
    let told = dropped.surprise("DROP TABLE users;");
    let _ = told.answers(Exit::Loss, "lost", "`users` is gone with 100 rows, and min-rows is 20");
    let renamed = story("threshold_renamed", MIN);
    let told = renamed.surprise("ALTER TABLE users RENAME TO people;");
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn a_table_that_has_to_hold_rows_has_to_be_there() {
    needs_postgres!();
    let story = story("threshold_missing", "[tables.accounts]\nmin-rows = 1\n");
    let told = agreed(&story, "INSERT INTO notes VALUES (1);");
    let said = "`accounts` is missing, and min-rows is 1";
    told.answers(Exit::Blocked, "blocked", said).nothing_was_run();
    // A database that is being set up gets it by its migrations.
    let setup = "CREATE TABLE accounts (id int);";
    let told = story.migrate(setup, &["--new-database"]);
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
    let told = agreed(&story, "INSERT INTO notes VALUES (1);");
    told.answers(Exit::Blocked, "blocked", "`accounts` holds 0 rows, min-rows is 1")
        .nothing_was_run();
    story.sandbox.write("rowsafe.toml", "[tables.accounts]\nmin-rows = 0\nmax-shrink = \"1%\"\n");
    let told = agreed(&story, "INSERT INTO notes VALUES (1);");
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn the_rows_of_a_partitioned_table_are_those_of_its_partitions() {
    needs_postgres!();
    let story = Story::of_sql(
        "threshold_partitions",
        "CREATE TABLE events (id int) PARTITION BY RANGE (id); \
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (50); \
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (50) TO (200); \
         INSERT INTO events SELECT generate_series(1, 100);",
    );
    story.sandbox.write("rowsafe.toml", "[tables.events]\nmin-rows = 60\n");
    let told = agreed(&story, "CREATE TABLE other (id int);");
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
    let told = story.surprise("TRUNCATE events_2;");
    let _ = told.answers(Exit::Loss, "lost", "`events` keeps 49 of 100 rows, and min-rows is 60");
}
