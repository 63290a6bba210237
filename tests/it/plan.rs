//! `rowsafe plan`: every pending statement and what it takes, with nothing changed.

use rowsafe::exit::Exit;
use serde_json::{Value, json};

use crate::story::{Story, Told};

const SCHEMA: &str = "CREATE TABLE users (id int PRIMARY KEY, legacy_id int);
     INSERT INTO users SELECT n, CASE WHEN n % 3 > 0 THEN n END FROM generate_series(1, 300) n;
     CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE);
     INSERT INTO orders SELECT n, 1 + n % 300 FROM generate_series(1, 600) n;
     CREATE VIEW legacy AS SELECT legacy_id FROM users;
     CREATE TABLE audit AS SELECT generate_series(1, 50) AS id;";

const MIGRATION: &str = "-- what nobody reads
ALTER TABLE users ADD COLUMN external_id text;
ALTER TABLE users DROP COLUMN legacy_id CASCADE;
CREATE INDEX ON orders (user_id);
";

fn plan(story: &Story, args: &[&str]) -> Told {
    Told::by(story.rowsafe(&["plan"]).args(args))
}

fn named(story: &Story, sql: &str, flags: &[&str]) -> Told {
    story.sandbox.write("001.sql", sql);
    plan(story, &[&["--sql", "001.sql"], flags].concat())
}

#[test]
fn every_statement_is_listed_with_what_it_takes() {
    needs_postgres!();
    let story = Story::of_sql("plan_listed", SCHEMA);
    let told = named(&story, MIGRATION, &[]);
    let told = told.answers(Exit::Blocked, "blocked", "200 values would be gone; nothing was run");
    let expected = "001.sql
       2  ALTER TABLE users ADD COLUMN external_id text
       3  ALTER TABLE users DROP COLUMN legacy_id CASCADE
          └ drop-column users.legacy_id: 200 values, to agree to
          └ view public.legacy
       4  CREATE INDEX ON orders (user_id)
";
    assert!(told.outcome.stdout.contains(expected), "{}", told.outcome.stdout);
    let lines = json!([2, 3, 4]);
    let statements = told.report["statements"].as_array().unwrap();
    let of = |key: &str| Value::from(statements.iter().map(|s| s[key].clone()).collect::<Vec<_>>());
    assert_eq!(of("line"), lines);
    assert_eq!(of("findings"), json!([[], [0], []]));
    assert_eq!(told.report["findings"][0]["loss"]["values"], 200);
    assert_eq!(told.report["findings"][0]["loss"]["exact"], true);
}

#[test]
fn nothing_is_changed_and_nothing_is_kept() {
    needs_postgres!();
    let story = Story::of_sql("plan_unchanged", SCHEMA);
    let allow = ["--allow", "drop-column users.legacy_id: unread"];
    let told = named(&story, MIGRATION, &allow);
    let _ = told.answers(Exit::Ok, "ok", "everything that would go was agreed to; nothing was run");
    assert!(story.has_column("users", "legacy_id"));
    assert!(!story.sandbox.path().join(".rowsafe").exists(), "a plan leaves nothing behind");
    let told = named(&story, "CREATE TABLE x (id int);", &[]);
    let _ = told.answers(Exit::Ok, "ok", "nothing to object to; nothing was run");
}

#[test]
fn what_would_be_kept_is_said_with_its_size() {
    needs_postgres!();
    let story = Story::of_sql("plan_keeps", SCHEMA);
    let told = named(&story, "DELETE FROM orders WHERE id = 1;", &[]);
    let keep = &told.report["keep"];
    assert_eq!((&keep["scope"], &keep["of_tables"]), (&json!("at-risk"), &json!(3)));
    let tables = keep["tables"].as_array().unwrap();
    let mut names: Vec<&str> = tables.iter().filter_map(|table| table["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["orders", "users"], "with what it refers to");
    assert!(tables.iter().all(|table| table["bytes"].as_u64() > Some(0)));
    assert_eq!(keep["seconds"], Value::Null, "nothing was measured yet");
    let told = named(&story, "DO $$ BEGIN EXECUTE current_setting('x.y'); END $$;", &[]);
    assert_eq!(told.report["keep"]["scope"], "all");
    assert!(told.outcome.stdout.contains("keeps     every table: 3 tables"));
    // The next plan knows how fast a dump is here.
    let _ = story.migrate("DELETE FROM orders WHERE id = 1;", &[]).answers(Exit::Ok, "ok", "");
    let told = named(&story, "DELETE FROM orders WHERE id = 2;", &[]);
    assert!(told.report["keep"]["seconds"].as_f64() > Some(0.0), "{}", told.report["keep"]);
}

#[test]
fn what_will_fail_is_said() {
    needs_postgres!();
    let story = Story::of_sql("plan_fails", SCHEMA);
    let told = named(&story, "ALTER TABLE users ALTER COLUMN legacy_id SET NOT NULL;", &[]);
    let told = told.answers(Exit::Ok, "ok", "nothing to object to");
    assert!(told.warnings().contains("001.sql:1 will fail"), "{}", told.warnings());
    let told = named(&story, "ALTER TABLE users ALTER COLUMN id SET NOT NULL;", &[]);
    assert!(!told.warnings().contains("will fail"), "{}", told.warnings());
}

#[test]
fn an_alembic_project_needs_no_command() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "plan_alembic");
    let told = plan(&story, &[]);
    assert_eq!(told.report["migration"], json!(["alembic", "upgrade", "head"]));
    assert!(!told.report["statements"].as_array().unwrap().is_empty());
    let named = plan(&story, &["--", "alembic", "upgrade", "head"]);
    assert_eq!(named.report["findings"], told.report["findings"]);
    let version = story.version();
    assert_eq!(told.report["revisions"]["before"], json!([version]));
}

#[test]
fn without_anything_to_ask_it_says_how() {
    needs_postgres!();
    let story = Story::of_sql("plan_nothing", SCHEMA);
    let told = plan(&story, &[]);
    assert_eq!(told.outcome.code, Some(Exit::NoAnswer.code().into()));
    let sentence = "error: no migration command, and no alembic.ini here";
    assert!(told.outcome.stderr.starts_with(sentence), "{}", told.outcome);
    assert!(told.hints().contains("rowsafe plan -- alembic upgrade head"));
    let told =
        plan(&story, &["--database", "postgresql://127.0.0.1:1/nowhere", "--sql", "001.sql"]);
    assert_eq!(told.outcome.code, Some(Exit::DatabaseUnavailable.code().into()));
}
