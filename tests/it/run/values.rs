//! What shows only in the values: rows and NULLs are as many as before.

use rowsafe::exit::Exit;
use serde_json::{Value, json};

use crate::story::{Story, Told};

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, name text, age int, born timestamptz);
     INSERT INTO people SELECT n, 'name ' || n, n % 90, '2000-01-01 12:00+05' FROM generate_series(1, 1000) n;
     CREATE TABLE notes (body text); INSERT INTO notes SELECT 'note ' || n FROM generate_series(1, 50) n;";

/// A file that holds the command up while it is there.
const FLAG: &str = "waiting";

/// The command may do anything: nobody could read what.
const UNREAD: [&str; 2] = ["--allow", "opaque *: tried on a copy"];

fn people(database: &str) -> Story {
    Story::of_sql(database, PEOPLE)
}

/// Runs SQL that rowsafe was not shown, so that everything is kept.
fn unread(story: &Story, sql: &str) -> Told {
    unread_with(story, sql, &[])
}

fn unread_with(story: &Story, sql: &str, flags: &[&str]) -> Told {
    story.sandbox.write("migration.sql", sql);
    story.run(&[&UNREAD[..], flags].concat(), &psql())
}

fn psql() -> String {
    let line = "psql -qX -v ON_ERROR_STOP=1 -f migration.sql \"$DATABASE_URL\"";
    shell_words::join(["sh", "-c", line])
}

fn table<'a>(told: &'a Told, name: &str) -> &'a Value {
    let tables = told.report["tables"].as_array().unwrap();
    tables.iter().find(|table| table["name"] == name).unwrap()
}

#[test]
fn values_that_were_overwritten_are_counted_by_column() {
    needs_postgres!();
    let story = people("values_overwritten");
    let told = unread(&story, "UPDATE people SET name = 'x', age = NULL WHERE id <= 30;");
    let told =
        told.answers(Exit::Loss, "lost", "30 values of people.name and 30 values of people.age");
    let gone = json!([{"column": "name", "overwritten": 30, "wiped": 0},
                      {"column": "age", "overwritten": 0, "wiped": 30}]);
    assert_eq!(table(&told, "people")["values"], gone);
    assert_eq!(table(&told, "people")["compared"], "values");
    // Up to PostgreSQL 14 nothing can be called untouched: its statistics come late.
    let notes = if story.db.server().major() < 15 { "values" } else { "untouched" };
    assert_eq!(table(&told, "notes")["compared"], notes);
    assert_eq!(table(&told, "people")["rows_before"], table(&told, "people")["rows_after"]);
}

#[test]
fn rewriting_the_same_values_and_filling_nulls_is_no_loss() {
    needs_postgres!();
    let story = people("values_same");
    let same = "UPDATE people SET name = name, age = age; ALTER TABLE people ADD COLUMN extra text;
                UPDATE people SET extra = 'new'; UPDATE notes SET body = body || '';";
    let told = unread(&story, same).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "people")["compared"], "values");
    let filled = "UPDATE people SET extra = NULL WHERE id > 500;";
    let _ = unread(&story, filled).answers(Exit::Loss, "lost", "500 values of people.extra");
    let filled = "UPDATE people SET extra = 'again' WHERE id > 500;";
    let _ = unread(&story, filled).answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn rows_that_others_replace_are_gone() {
    needs_postgres!();
    let story = people("values_replaced");
    let replaced = "DELETE FROM people WHERE id <= 5;
                    INSERT INTO people SELECT n + 2000, 'new', 1 FROM generate_series(1, 5) n;";
    let told = unread(&story, replaced);
    let told = told.answers(Exit::Loss, "lost", "5 rows of people, in whose place others stand");
    assert_eq!(table(&told, "people")["status"], "intact");
    let keyless = "DELETE FROM notes WHERE body = 'note 7'; INSERT INTO notes VALUES ('note 51');";
    let _ = unread(&story, keyless).answers(Exit::Loss, "lost", "1 value of notes.body");
}

#[test]
fn a_rename_moves_no_value() {
    needs_postgres!();
    let story = people("values_renamed");
    let renamed =
        "ALTER TABLE people RENAME COLUMN name TO called; ALTER TABLE people RENAME TO persons;
                   UPDATE persons SET called = called;";
    let told = unread(&story, renamed).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "people")["compared"], "values");
    // Two columns that change names keep their values; values that change columns do not.
    let swapped = "ALTER TABLE persons ADD COLUMN nick text; UPDATE persons SET nick = 'n' || id;";
    let _ = unread(&story, swapped).answers(Exit::Ok, "ok", "every row accounted for");
    let swapped = "UPDATE persons SET called = nick, nick = called;";
    let _ = unread(&story, swapped).answers(Exit::Loss, "lost", "1,000 values of persons.called");
}

#[test]
fn a_change_of_type_is_compared_in_the_type_of_before() {
    needs_postgres!();
    let story = people("values_retyped");
    let wider =
        "ALTER TABLE people ALTER COLUMN age TYPE numeric(8, 2), ALTER COLUMN id TYPE bigint;
                 ALTER TABLE people ALTER COLUMN born TYPE text;";
    let _ = unread(&story, wider).answers(Exit::Ok, "ok", "every row accounted for");
    let narrower = "ALTER TABLE people ALTER COLUMN name TYPE varchar(6) USING left(name, 6);";
    let told = unread(&story, narrower).answers(Exit::Loss, "lost", "991 values of people.name");
    assert_eq!(table(&told, "people")["columns"][0]["status"], "retyped");
}

#[test]
fn a_rebuild_that_keeps_every_value_loses_nothing() {
    needs_postgres!();
    let story = people("values_rebuilt");
    let rebuilt = "CREATE TABLE people_new (LIKE people INCLUDING ALL); INSERT INTO people_new SELECT * FROM people;
                   DROP TABLE people; ALTER TABLE people_new RENAME TO people;";
    let told = unread(&story, rebuilt).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "people")["status"], "recreated");
    let spoiled = rebuilt.replace(
        "SELECT * FROM people",
        "SELECT id, upper(name), age, born FROM people WHERE id > 3",
    );
    let told = unread(&story, &spoiled);
    let _ = told.answers(Exit::Loss, "lost", "3 rows of people and 997 values of people.name");
    assert_eq!(story.db.count("people"), 997);
}

#[test]
fn a_column_dropped_and_added_again_with_its_values() {
    needs_postgres!();
    let story = people("values_column_again");
    let again = "ALTER TABLE people ADD COLUMN copy text; UPDATE people SET copy = name;
                 ALTER TABLE people DROP COLUMN name; ALTER TABLE people RENAME COLUMN copy TO name;";
    let _ = unread(&story, again).answers(Exit::Ok, "ok", "every row accounted for");
    let spoiled = again.replace("copy = name", "copy = name WHERE id <> 4");
    let told = unread(&story, &spoiled);
    let _ = told.answers(Exit::Loss, "lost", "column people.name with 1 value");
}

#[test]
fn counts_only_when_that_is_asked_for() {
    needs_postgres!();
    let story = people("values_counts");
    let update = "UPDATE people SET name = 'y' WHERE id = 1;";
    let told = unread_with(&story, update, &["--compare", "counts"]);
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "people")["compared"], "counts");
    let told = unread_with(&story, "SELECT 1;", &["--compare", "values"]);
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "notes")["compared"], "values");
}

#[test]
fn without_a_snapshot_values_are_compared_all_the_same() {
    needs_postgres!();
    let story = people("values_unkept");
    let update = "UPDATE people SET name = 'z' WHERE id < 8; UPDATE notes SET body = body;";
    let told = unread_with(&story, update, &["--snapshot", "none"]);
    let told = told.answers(Exit::Loss, "lost", "7 values of people.name");
    assert_eq!(table(&told, "notes")["compared"], "values");
    assert!(told.hints().contains("no snapshot was taken"));
}

#[test]
fn a_plan_for_some_columns_covers_no_other() {
    needs_postgres!();
    let story = people("values_planned");
    let told = story.migrate("UPDATE people SET age = 0 WHERE id <= 10;", &[]);
    let told = told.answers(Exit::Ok, "ok", "gone as planned: 10 values of people.age");
    assert_eq!(table(&told, "people")["planned"], true);
    let more = "UPDATE people SET age = 1, name = 'spoiled' WHERE id <= 10;";
    story.sandbox.write("migration.sql", more);
    story.sandbox.write("told.sql", "UPDATE people SET age = 1 WHERE id <= 10;");
    let told = story.run(&["--sql", "told.sql"], &psql());
    let _ =
        told.answers(Exit::Loss, "lost", "10 values of people.name, which the plan did not name");
}

#[test]
fn what_two_statements_take_is_taken_together() {
    needs_postgres!();
    let story = people("values_two");
    let two = "DELETE FROM people WHERE id <= 40; DELETE FROM people WHERE id > 960;
               UPDATE people SET age = 0 WHERE id = 50; UPDATE people SET age = 0 WHERE id = 60;";
    let told = story.migrate(two, &[]).answers(Exit::Ok, "ok", "2 losses as planned");
    assert_eq!(told.changes(), ["people 1000→920 shrank, planned"]);
}

#[test]
fn what_an_upsert_or_a_merge_overwrites_was_named() {
    needs_postgres!();
    let story = people("values_upsert");
    let upsert = "INSERT INTO people VALUES (1, 'one', 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name;";
    let _ = story.migrate(upsert, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
    let told = story.migrate(upsert, &["--allow", "upsert-overwrite people: names of today"]);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 value of people.name");
    if story.db.server().major() < 15 {
        return;
    }
    let merge = "MERGE INTO people p USING (VALUES (2, 'two')) v (id, name) ON p.id = v.id
                 WHEN MATCHED THEN UPDATE SET name = v.name;";
    let told = story.migrate(merge, &[]);
    let finding = told.report["findings"][0]["rule"].as_str().unwrap().to_owned();
    let _ = told.answers(Exit::Blocked, "blocked", "nothing was run");
    let told = story.migrate(merge, &["--allow", &format!("{finding} people: names of today")]);
    let _ = told.answers(Exit::Ok, "ok", "gone as planned: 1 value of people.name");
}

#[test]
fn others_who_write_meanwhile_are_told_apart() {
    needs_postgres!();
    let story = people("values_meanwhile");
    let session = story.db.session();
    session.execute("SELECT 1");
    let meanwhile = |sql: &str, planned: &str, flags: &[&str]| {
        story.sandbox.write("migration.sql", planned);
        let wait = format!(
            "psql -qX -f migration.sql \"$DATABASE_URL\"; touch {FLAG}; while test -e {FLAG}; do sleep 0.02; done"
        );
        let wait = wait.replace(FLAG, &story.sandbox.path().join(FLAG).display().to_string());
        let command = shell_words::join(["sh", "-c", &wait]);
        let flags = [&["--sql", "migration.sql"][..], flags].concat();
        let mut running = story.command(&flags, &command).spawn();
        running.wait_for("the command", || story.sandbox.path().join(FLAG).exists());
        session.execute(sql);
        // A session tells the statistics once a second, or when it is asked to; up to PostgreSQL 14
        // the values are compared whatever they say.
        if story.db.server().major() >= 15 {
            session.execute("SELECT pg_stat_force_next_flush()");
        }
        std::fs::remove_file(story.sandbox.path().join(FLAG)).unwrap();
        Told::of(running.finish())
    };
    // What the plan does not touch, the session did.
    let told = meanwhile(
        "UPDATE people SET age = 7 WHERE id <= 3",
        "DELETE FROM notes WHERE body = 'note 1';",
        &["--snapshot", "all"],
    );
    let told = told.answers(Exit::Ok, "ok", "gone as planned: 1 row of notes");
    assert!(
        told.hints().contains("changed by other sessions meanwhile: 3 values of people.age"),
        "{}",
        told.hints()
    );
    assert_eq!(table(&told, "people")["losses"][0]["by"], "others");
    // Of what the plan touches nobody can tell.
    let told = meanwhile(
        "DELETE FROM people WHERE id = 9",
        "UPDATE people SET age = 8 WHERE id = 10;",
        &[],
    );
    let told = told.answers(Exit::Loss, "lost", "whose work it is can't be told");
    assert!(told.hints().contains("volatile = true"));
    // A volatile table's rows are others' business.
    story.sandbox.write("rowsafe.toml", "[tables.people]\nvolatile = true\n");
    let told = meanwhile(
        "DELETE FROM people WHERE id = 19",
        "UPDATE people SET age = 9 WHERE id = 20;",
        &[],
    );
    let _ = told.answers(Exit::Ok, "ok", "every row accounted for");
}

#[test]
fn a_session_that_does_nothing_is_no_excuse() {
    needs_postgres!();
    let story = people("values_idle");
    let session = story.db.session();
    session.execute("SELECT 1");
    let told = story.surprise("DELETE FROM people WHERE id = 1;");
    let told = told.answers(Exit::Loss, "lost", "1 row of people, which the plan did not name");
    assert_eq!(table(&told, "people")["losses"][0]["by"], "migration");
    let told = story.surprise("UPDATE people SET age = 0 WHERE id = 2;");
    let _ = told.answers(Exit::Loss, "lost", "1 value of people.age, which the plan did not name");
}

#[test]
fn partitions_are_one_table_among_which_rows_move() {
    needs_postgres!();
    let story = Story::of_sql(
        "values_partitions",
        "CREATE TABLE m (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (100);
         CREATE TABLE m2 (v text, gone int, id int NOT NULL); ALTER TABLE m2 DROP COLUMN gone;
         ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM (100) TO (200);
         INSERT INTO m SELECT n, 'v' || n FROM generate_series(1, 199) n;",
    );
    let again = "ALTER TABLE m DETACH PARTITION m1; CREATE TABLE m3 PARTITION OF m FOR VALUES FROM (0) TO (100);
                 INSERT INTO m SELECT * FROM m1; DELETE FROM m1 WHERE id < 50; UPDATE m2 SET v = v;";
    let told = unread(&story, again).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "m")["compared"], "values");
    let told = unread(&story, "UPDATE m SET v = 'x' WHERE id IN (5, 105);");
    let _ = told.answers(Exit::Loss, "lost", "2 values of m.v");
}

#[test]
fn values_of_every_type_are_read_alike_on_both_sides() {
    needs_postgres!();
    let story = Story::of_sql(
        "values_types",
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN tag AS text;
         CREATE TABLE t (id int PRIMARY KEY, a float8, b real[], c bytea, d interval, e timestamptz, f money,
             g jsonb, h mood, i tag, j numeric, k tstzrange, l text, m date, n xml, o int GENERATED ALWAYS AS (id * 2) STORED);
         INSERT INTO t SELECT n, n / 3.0, ARRAY[n / 7.0, NULL], decode(md5(n::text), 'hex'), n * interval '1 day 7 minutes',
             '2024-03-31 01:30+00'::timestamptz + n * interval '1 hour', n * 1.5, jsonb_build_object('k', n), 'ok',
             E'tab\\tline\\nback\\\\slash', n / 9.0, tstzrange(now(), NULL), repeat('long', 5000), '2024-02-29', '<a/>'
         FROM generate_series(1, 40) n;
         ALTER DATABASE values_types SET timezone = 'Asia/Kathmandu';
         ALTER DATABASE values_types SET datestyle = 'German'; ALTER DATABASE values_types SET intervalstyle = 'iso_8601';
         ALTER DATABASE values_types SET bytea_output = 'escape'; ALTER DATABASE values_types SET extra_float_digits = -5;",
    );
    let told =
        unread(&story, "UPDATE t SET l = l;").answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(table(&told, "t")["compared"], "values");
    let told = unread(&story, "UPDATE t SET e = e + interval '1 microsecond' WHERE id = 7;");
    let _ = told.answers(Exit::Loss, "lost", "1 value of t.e");
}
