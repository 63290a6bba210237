//! A whole snapshot into a new database.

use rowsafe::exit::Exit;

use crate::harness::Server;
use crate::story::Story;

fn story(database: &str) -> Story {
    let sql = "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 500);
               CREATE TABLE b AS SELECT id, 'b' AS note FROM a WHERE id <= 40;
               ALTER TABLE b ADD FOREIGN KEY (id) REFERENCES a;
               CREATE MATERIALIZED VIEW odd AS SELECT * FROM a WHERE id % 2 = 1;
               SELECT lo_from_bytea(0, 'bytes');";
    Story::of_sql(database, sql)
}

#[test]
fn everything_into_a_new_database() {
    needs_postgres!();
    let story = story("restore_into");
    let lost = story.surprise("DELETE FROM b WHERE id > 10; DROP MATERIALIZED VIEW odd;");
    assert_eq!(lost.outcome.code, Some(5));
    assert!(!lost.hints().contains("--into"), "rows come back in place: {}", lost.hints());
    let told = story.restore(&["latest", "--into", "restore_into_before"]);
    let told = told.answers(Exit::Ok, "ok", "restore_into_before holds snapshot");
    assert!(told.report["message"].as_str().unwrap().contains("counted again"));
    let beside = Server::shared().admin("restore_into_before");
    let count = |table: &str| beside.query_one_i64(&format!("SELECT count(*) FROM {table}"));
    assert_eq!((count("a"), count("b"), count("odd")), (500, 40, 250));
    assert_eq!(count("pg_largeobject_metadata"), 1);
    assert_eq!(count("pg_constraint WHERE contype = 'f'"), 1);
    assert_eq!(story.db.count("b"), 10, "the old one is as it was");
}

#[test]
fn an_existing_name_is_refused() {
    needs_postgres!();
    let story = story("restore_into_taken");
    assert_eq!(story.surprise("TRUNCATE b;").outcome.code, Some(5));
    for name in ["restore_into_taken", "postgres"] {
        let told = story.restore(&["latest", "--into", name]);
        let _ =
            told.answers(Exit::NoAnswer, "error", &format!("database `{name}` is there already"));
    }
    assert_eq!((story.db.count("a"), story.db.count("b")), (500, 0));
}

#[test]
fn a_damaged_archive_leaves_no_new_database_behind() {
    needs_postgres!();
    let story = story("restore_into_damaged");
    assert_eq!(story.surprise("TRUNCATE b;").outcome.code, Some(5));
    let archive = story.snapshots()[0].join("archive.dump.zst");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let told = story.restore(&["latest", "--into", "restore_into_damaged_new"]);
    assert_ne!(told.outcome.code, Some(0));
    assert_eq!(told.report["verdict"], "error");
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'restore_into_damaged_new'";
    assert_eq!(story.db.query_one_i64(left), 0);
}
