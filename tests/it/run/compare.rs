//! What is found by comparing, when nobody had named it and when somebody had.

use rowsafe::exit::Exit;

use crate::story::Story;

const PEOPLE: &str = "CREATE TABLE people AS SELECT n AS id, 'name ' || n AS name, n % 2 AS old \
                      FROM generate_series(1, 1000) n;";

fn people(database: &str) -> Story {
    Story::of_sql(database, PEOPLE)
}

#[test]
fn a_rename_is_no_loss() {
    needs_postgres!();
    let story = people("compare_rename");
    let rename = "ALTER TABLE people RENAME TO persons; ALTER TABLE persons RENAME name TO called;";
    let told = story.surprise(rename).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(
        told.changes(),
        ["people 1000→1000 renamed to public.persons, name renamed, planned"]
    );
    let swap = "CREATE TABLE people (id int); INSERT INTO people VALUES (1);";
    let told = story.surprise(swap).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(told.changes(), ["people null→1 created, planned"]);
    assert_eq!((story.db.count("persons"), story.db.count("people")), (1000, 1));
}

#[test]
fn a_table_of_the_same_name_is_not_the_same_table() {
    needs_postgres!();
    let story = people("compare_recreated");
    let again = "DROP TABLE people; \
                 CREATE TABLE people AS SELECT n AS id, 'x' AS name, 0 AS old FROM generate_series(1, 1000) n;";
    let told = story.surprise(again).answers(Exit::Loss, "lost", "table people with 1,000 rows");
    assert_eq!(told.changes(), ["people 1000→1000 recreated"]);
    assert!(told.hints().contains("--into NEW_DATABASE"));
    let told = story.migrate(
        again,
        &["--allow", "drop-table people: anew", "--allow", "recreate-table people: anew"],
    );
    let told = told.answers(Exit::Ok, "ok", "gone as planned: table people with 1,000 rows");
    assert_eq!(told.changes(), ["people 1000→1000 recreated, planned"]);
}

#[test]
fn a_column_dropped_and_added_again() {
    needs_postgres!();
    let story = people("compare_column");
    let again = "ALTER TABLE people DROP COLUMN name; ALTER TABLE people ADD COLUMN name text;";
    let told =
        story.surprise(again).answers(Exit::Loss, "lost", "column people.name, which the plan");
    assert_eq!(told.changes(), ["people 1000→1000 intact, name recreated"]);
    assert_eq!(story.db.query_one_i64("SELECT count(name) FROM people"), 0);
    let told = story
        .migrate("ALTER TABLE people DROP COLUMN old;", &["--allow", "drop-column people.old: x"]);
    let told = told.answers(Exit::Ok, "ok", "gone as planned: column people.old");
    assert_eq!(told.changes(), ["people 1000→1000 intact, old dropped, planned"]);
}

#[test]
fn a_rewrite_is_no_loss() {
    needs_postgres!();
    let story = people("compare_rewrite");
    let rewrite = "ALTER TABLE people ALTER COLUMN id TYPE bigint; VACUUM FULL people;";
    let told = story.surprise(rewrite).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(told.changes(), ["people 1000→1000 intact, id retyped, planned"]);
}

#[test]
fn a_rebuild_by_copy_and_rename() {
    needs_postgres!();
    let story = people("compare_rebuild");
    let rebuild = "CREATE TABLE people_new AS SELECT id, name FROM people;\n\
                   DROP TABLE people;\nALTER TABLE people_new RENAME TO people;\n";
    let told = story.migrate(rebuild, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
    assert!(told.findings()[0].contains("public.people 1000+0"), "{:?}", told.findings());
    assert_eq!(story.db.count("people"), 1000);
    let allow =
        ["--allow", "drop-table people: copied", "--allow", "recreate-table people: copied"];
    let told = story.migrate(rebuild, &allow).answers(Exit::Ok, "ok", "as planned");
    assert_eq!(told.changes(), ["people 1000→1000 recreated, planned"]);
}

#[test]
fn tables_that_came_and_grew() {
    needs_postgres!();
    let story = people("compare_created");
    let more = "CREATE TABLE pets (id int); INSERT INTO pets VALUES (1), (2); INSERT INTO people (id) VALUES (0);";
    let told = story.migrate(more, &[]).answers(Exit::Ok, "ok", "every row accounted for");
    assert!(told.findings().is_empty());
    assert_eq!(told.changes(), ["people 1000→1001 grew, planned", "pets null→2 created, planned"]);
}

#[test]
fn born_in_the_same_batch_is_not_at_risk() {
    needs_postgres!();
    let story = people("compare_born");
    let sql =
        "CREATE TABLE scratch (id int);\nINSERT INTO scratch VALUES (1);\nDROP TABLE scratch;\n";
    let told = story.migrate(sql, &[]).answers(Exit::Ok, "ok", "every row accounted for");
    assert!(told.findings().is_empty() && told.changes().is_empty());
}

#[test]
fn large_objects() {
    needs_postgres!();
    let story = people("compare_large_objects");
    let blobs = || story.db.count("pg_largeobject_metadata");
    story.db.execute("SELECT lo_from_bytea(0, 'some bytes') FROM generate_series(1, 5)");
    let gone = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata LIMIT 2;";
    let told = story.surprise(gone).answers(Exit::Loss, "lost", "2 large objects, which the plan");
    assert_eq!(told.changes(), ["pg_largeobject_metadata 5→3 shrank"]);
    assert_eq!(blobs(), 3);
    let told = story.migrate(gone, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
    assert!(told.findings()[0].contains("unlink-large-object"), "{:?}", told.findings());
    assert_eq!(blobs(), 3);
}

#[test]
fn a_materialized_view_is_derived() {
    needs_postgres!();
    let story = people("compare_matview");
    story.db.execute("CREATE MATERIALIZED VIEW elders AS SELECT * FROM people WHERE old = 1");
    let sql = "REFRESH MATERIALIZED VIEW elders WITH NO DATA;";
    let told = story.surprise(sql).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(told.changes().len(), 1);
    assert!(told.changes()[0].starts_with("elders 500→0 wiped"), "{:?}", told.changes());
    let told = story.surprise("DROP MATERIALIZED VIEW elders;");
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert!(told.changes()[0].contains("dropped"), "{:?}", told.changes());
    assert_eq!(story.db.count("people"), 1000);
}

#[test]
fn a_selective_delete_is_a_note_below_a_tenth() {
    needs_postgres!();
    let story = people("compare_delete_few");
    let told = story.migrate("DELETE FROM people WHERE id <= 100;", &[]);
    let told = told.answers(Exit::Ok, "ok", "gone as planned: 100 rows of people");
    assert_eq!(told.findings().len(), 1);
    assert!(told.findings()[0].starts_with("note delete public.people"));
    assert_eq!(told.changes(), ["people 1000→900 shrank, planned"]);
    assert_eq!(story.db.count("people"), 900);
}

#[test]
fn a_selective_delete_of_more_is_blocked_until_agreed() {
    needs_postgres!();
    let story = people("compare_delete_many");
    let delete = "DELETE FROM people WHERE id <= 101;";
    // Up to a tenth of the table needs no agreement.
    let told = story.migrate(delete, &[]);
    told.answers(Exit::Blocked, "blocked", "101 rows would be gone").nothing_was_run();
    let uncounted = "DELETE FROM people WHERE id <= 101 AND random() < 2;";
    let told = story.migrate(uncounted, &[]);
    let told = told.answers(Exit::Loss, "lost", "101 rows of people, which the plan did not name");
    assert_eq!(told.changes(), ["people 1000→899 shrank"]);
    story.db.execute("DROP TABLE people");
    story.db.execute(PEOPLE);
    let told = story.migrate(delete, &["--allow", "delete people: too old"]);
    let told = told.answers(Exit::Ok, "ok", "gone as planned: 101 rows of people");
    assert_eq!(told.changes(), ["people 1000→899 shrank, planned"]);
}

#[test]
fn without_a_snapshot_a_loss_is_said_all_the_same() {
    needs_postgres!();
    let story = people("compare_no_snapshot");
    story.sandbox.write("migration.sql", "TRUNCATE people;");
    story.sandbox.write("told.sql", "SELECT 1;");
    let psql = shell_words::join(["sh", "-c", crate::story::PSQL]);
    let told = story.run(&["--snapshot", "none", "--sql", "told.sql"], &psql);
    let told =
        told.answers(Exit::Loss, "lost", "1,000 rows of people, which the plan did not name");
    assert!(told.report.get("snapshot").is_none() && told.hints().contains("--snapshot none"));
    assert!(story.snapshots().is_empty());
}

#[test]
fn what_the_command_left_running_is_no_ok() {
    needs_postgres!();
    let story = people("compare_left_running");
    story.sandbox.write("told.sql", "SELECT 1;\n");
    let later = "(psql -X -q -c 'SELECT pg_sleep(8)' -c 'DELETE FROM people' \"$DATABASE_URL\" \
                 >/dev/null 2>&1 &); sleep 1";
    let told = story.run(&["--sql", "told.sql"], &shell_words::join(["sh", "-c", later]));
    let told = told.answers(Exit::CommandFailed, "failed", "a session of it is still at work");
    assert!(told.hints().contains("wait for what it started"), "{}", told.hints());
}

#[test]
fn an_update_of_the_key_moves_rows_between_partitions() {
    needs_postgres!();
    let parts = "CREATE TABLE p (k int) PARTITION BY LIST (k); \
                 CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); \
                 CREATE TABLE p2 PARTITION OF p DEFAULT; INSERT INTO p VALUES (1), (1), (2);";
    let story = Story::of_sql("compare_moved", parts);
    let update = "UPDATE p SET k = 3 WHERE k = 1;";
    let _ = story.surprise(update).answers(Exit::Loss, "lost", "2 rows of p1");
    story.db.execute("UPDATE p SET k = 1 WHERE k = 3");
    let allow = ["--allow", "update-overwrite p.k: they move"];
    let told = story.migrate(update, &allow).answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(story.db.count("p"), 3);
    drop(told);
}
