//! A whole snapshot in place of the database.

use rowsafe::exit::Exit;

use crate::harness::Server;
use crate::story::Story;

const SQL: &str = "CREATE TABLE people (id int PRIMARY KEY, name text);
    INSERT INTO people SELECT n, 'name ' || n FROM generate_series(1, 300) n;
    CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES people);
    INSERT INTO pets SELECT n, n FROM generate_series(1, 20) n;";

/// A database of a role that may make databases, with a snapshot of everything.
fn story(database: &str) -> Story {
    let story = Story::of_sql(database, SQL);
    let sql =
        "UPDATE people SET name = 'x' WHERE id < 200; INSERT INTO people VALUES (301, 'new');";
    let changed = story
        .migrate(sql, &["--snapshot", "all", "--allow", "update-overwrite people.name: a test"]);
    assert_eq!(changed.outcome.code, Some(0), "{}", changed.outcome.stderr);
    story
}

fn settings(database: &str) -> Vec<Vec<String>> {
    Server::shared().admin("postgres").rows(&format!(
        "SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(d.oid, 'pg_database'),
                (SELECT array_agg(array_to_string(setconfig, ' | ')) FROM pg_db_role_setting
                  WHERE setdatabase = d.oid), datallowconn,
                has_database_privilege('public', d.oid, 'TEMP')
           FROM pg_database d WHERE datname = '{database}'"
    ))
}

#[test]
fn the_database_is_exchanged_and_the_old_one_kept() {
    needs_postgres!();
    let story = story("swap_whole");
    let admin = Server::shared().admin("postgres");
    admin.execute(
        "ALTER DATABASE swap_whole SET search_path TO \"$user\", public;
         ALTER DATABASE swap_whole SET statement_timeout TO '77s';
         ALTER DATABASE swap_whole CONNECTION LIMIT 50;
         REVOKE TEMP ON DATABASE swap_whole FROM PUBLIC;
         COMMENT ON DATABASE swap_whole IS 'the shop''s';",
    );
    let before = settings("swap_whole");
    let somebody = story.db.session();
    let told = story.restore(&["latest", "--swap", "--confirm", "swap_whole"]);
    let told = told.answers(Exit::Ok, "ok", "swap_whole holds snapshot");
    assert!(told.outcome.stderr.contains("disconnect 1 session"), "{}", told.outcome.stderr);
    let names = "SELECT count(*) FROM people WHERE name LIKE 'name %'";
    assert_eq!(story.db.query_one_i64(names), 300, "as in the snapshot");
    assert!(somebody.try_rows("SELECT 1").is_err(), "who was connected is disconnected");
    assert_eq!(settings("swap_whole"), before, "what is in no dump came along");

    let kept = "SELECT datname FROM pg_database WHERE datname LIKE 'swap_whole_before_%'";
    let kept = admin.rows(kept)[0][0].clone();
    assert!(told.hints().contains(&kept), "{}", told.hints());
    let old = Server::shared().admin(&kept);
    assert_eq!(old.query_one_i64("SELECT count(*) FROM people"), 301, "with what came since");
    assert_eq!(settings(&kept)[0][4], "t", "and it can be looked at");

    let next = story.migrate("INSERT INTO people VALUES (302, 'next');", &[]);
    assert_eq!(next.outcome.code, Some(0), "the record knows it: {}", next.outcome.stderr);
}

#[test]
fn nothing_without_agreement() {
    needs_postgres!();
    let story = story("swap_unconfirmed");
    let told = story.restore(&["latest", "--swap"]);
    let _ = told.answers(Exit::Blocked, "blocked", "nothing was changed, because nobody agreed");
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'swap_unconfirmed_%'";
    assert_eq!(story.db.query_one_i64(databases), 0);
    assert_eq!(story.db.count("people"), 301);
}

#[test]
fn a_narrow_snapshot_is_no_whole_database() {
    needs_postgres!();
    let story =
        Story::of_sql("swap_narrow", &format!("{SQL} CREATE TABLE other AS SELECT 1 AS id;"));
    let gone = story.migrate("TRUNCATE pets;", &["--allow", "truncate pets: a test"]);
    assert_eq!(gone.outcome.code, Some(0), "{}", gone.outcome.stderr);
    let told = story.restore(&["latest", "--swap", "--confirm", "swap_narrow"]);
    let _ = told.answers(Exit::NoAnswer, "error", "holds only what was at risk");
    assert_eq!(story.db.count("people"), 300);
}

#[test]
fn a_session_that_cannot_be_ended_is_named() {
    needs_postgres!();
    let story = story("swap_in_use");
    let superuser = story.db.admin();
    superuser.execute("SET application_name = 'a backup'");
    let told = story.restore(&["latest", "--swap", "--confirm", "swap_in_use"]);
    let told =
        told.answers(Exit::NoAnswer, "error", "`swap_in_use` is in use and can't be renamed");
    assert!(told.report["message"].as_str().unwrap().contains("a backup"));
    let left =
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'swap_in_use%' AND datallowconn";
    assert_eq!(superuser.query_one_i64(left), 1, "the old one alone, open to everybody");
    assert_eq!(story.db.count("people"), 301, "as it was");
}
