//! What an agreement, or a note that needs none, may not be stretched to.

use rowsafe::exit::Exit;

use crate::story::Story;

const PEOPLE: &str = "CREATE TABLE people AS SELECT n AS id FROM generate_series(1, 100) n;";

#[test]
fn many_small_deletes_are_no_small_delete() {
    needs_postgres!();
    let story = Story::of_sql("reach_tenths", PEOPLE);
    let told = story.migrate("DELETE FROM people WHERE id <= 10;", &[]);
    let _ = told.answers(Exit::Ok, "ok", "10 rows of people");
    let tenths =
        "DELETE FROM people WHERE id <= 17; DELETE FROM people WHERE id BETWEEN 18 AND 24;";
    let told = story.migrate(tenths, &[]).answers(Exit::Blocked, "blocked", "7 rows would be gone");
    told.nothing_was_run();
    let uncounted = tenths.replace("WHERE", "WHERE random() < 2 AND");
    let told = story.migrate(&uncounted, &[]);
    let _ = told.answers(Exit::Loss, "lost", "14 rows of people, which the plan did not name");
}

#[test]
fn a_bound_holds_for_all_statements_that_it_agrees_to() {
    needs_postgres!();
    let story = Story::of_sql("reach_bound", PEOPLE);
    let two = "DELETE FROM people WHERE id <= 20; DELETE FROM people WHERE id <= 40;";
    let told = story.migrate(two, &["--allow", "delete people rows<=30: stale"]);
    let _ = told.answers(Exit::Loss, "lost", "40 rows of people");
    let two = "DELETE FROM people WHERE id <= 50; DELETE FROM people WHERE id <= 60;";
    let told = story.migrate(two, &["--allow", "delete people rows<=20: stale"]);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 20 rows of people");
}

#[test]
fn agreeing_to_public_is_not_agreeing_to_another_schema() {
    needs_postgres!();
    let story = Story::of_sql(
        "reach_schema",
        "CREATE SCHEMA app; CREATE TABLE app.jobs AS SELECT 1 AS id; CREATE TABLE public.jobs (id int);
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$;",
    );
    let truncate = "TRUNCATE jobs;";
    let told = story.migrate(truncate, &["--allow", "truncate public.jobs: empty anyway"]);
    let told = told.answers(Exit::Blocked, "blocked", "1 row would be gone");
    told.nothing_was_run();
    for name in ["jobs", "app.jobs"] {
        story.db.execute("TRUNCATE app.jobs; INSERT INTO app.jobs VALUES (1)");
        let told = story.migrate(truncate, &["--allow", &format!("truncate {name}: done")]);
        let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 row of app.jobs");
    }
}

#[test]
fn a_search_path_in_the_migration_leads_to_other_tables() {
    needs_postgres!();
    let story = Story::of_sql(
        "reach_path",
        "CREATE SCHEMA app; CREATE TABLE app.jobs AS SELECT 1 AS id; CREATE TABLE public.jobs (id int);",
    );
    let truncate = "SET search_path = app;\nTRUNCATE jobs;";
    let told = story.migrate(truncate, &[]).answers(Exit::Blocked, "blocked", "1 row would be");
    told.nothing_was_run();
    let told = story.migrate(truncate, &["--allow", "truncate jobs: done"]);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 row of app.jobs");
}

#[test]
fn a_delete_from_a_view_is_not_nothing() {
    needs_postgres!();
    let story = Story::of_sql("reach_view", PEOPLE);
    story.db.execute("CREATE VIEW persons AS SELECT * FROM people");
    for delete in ["DELETE FROM persons;", "DELETE FROM persons WHERE id > 1;"] {
        let told = story.migrate(delete, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
        told.nothing_was_run();
    }
    let new = "CREATE TABLE IF NOT EXISTS fresh (id int); DELETE FROM fresh; TRUNCATE fresh;";
    let _ = story.migrate(new, &[]).answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn what_was_agreed_to_is_planned() {
    needs_postgres!();
    let story = Story::of_sql("reach_agreed", PEOPLE);
    let merge =
        "MERGE INTO people p USING (SELECT 5 AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE;";
    if story.db.query_one_i64("SELECT current_setting('server_version_num')::int8") >= 150_000 {
        let told = story.migrate(merge, &["--allow", "merge-delete people: gone"]);
        let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 row of people");
    }
    story.db.execute("SELECT lo_create(0) FROM generate_series(1, 3)");
    let unlink = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata LIMIT 1;";
    let _ = story.surprise(unlink).answers(Exit::Loss, "lost", "1 large object");
    let bounded = ["--allow", "unlink-large-object lo_unlink rows<=2: unused"];
    let told = story.migrate(unlink, &["--allow", "unlink-large-object lo_unlink: unused"]);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 large object");
    let told = story.migrate(unlink, &bounded);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 large object");
}

#[test]
fn names_mean_what_they_mean_at_that_point() {
    needs_postgres!();
    let story = Story::of_sql("reach_names", PEOPLE);
    for sql in [
        "CREATE TEMP TABLE people (id int); DROP TABLE people; DROP TABLE people;",
        "CREATE SCHEMA bin; ALTER TABLE people SET SCHEMA bin; DROP SCHEMA bin CASCADE;",
        "BEGIN; ALTER TABLE people RENAME TO x; CREATE TABLE people (id int); ROLLBACK; DROP TABLE people;",
    ] {
        let told = story.migrate(sql, &[]).answers(Exit::Blocked, "blocked", "100 rows would be");
        told.nothing_was_run();
    }
    story.db.execute("CREATE SCHEMA old; CREATE TABLE old.kept AS SELECT 1 AS id");
    let out = "ALTER TABLE old.kept SET SCHEMA public; DROP SCHEMA old CASCADE;";
    let _ = story.migrate(out, &[]).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(story.db.count("public.kept"), 1);
}
