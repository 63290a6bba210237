//! What the plan says will fail does fail, and what it is silent about does not fail for that reason.

use crate::harness::{Sandbox, Server};
use crate::story::{Story, Told};

const SHOP: &str = "
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE users (id int PRIMARY KEY, plan text, mood mood, age text);
    INSERT INTO users SELECT n, CASE WHEN n > 3 THEN 'free' END, 'glad', n::text FROM generate_series(1, 20) n;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, number int, total numeric);
    INSERT INTO orders SELECT n, n, n / 2, n + 0.5 FROM generate_series(1, 10) n;
    CREATE VIEW names AS SELECT id, plan FROM users;
    CREATE TABLE empty (id int);";

fn run(name: &str, seed: &str, sql: &str) -> Told {
    Story::of_sql(&format!("doomed_{name}"), seed).migrate(sql, &["--fail-on", "never"])
}

/// The plan says why, and psql fails.
fn fails(name: &str, sql: &str, why: &str) {
    let told = run(name, SHOP, sql);
    let warnings = told.warnings();
    assert!(warnings.contains(&format!("will fail: {why}")), "{sql}\n{warnings}\n{}", told.outcome);
    assert_eq!(told.outcome.code, Some(3), "{sql}\n{}", told.outcome);
}

/// The plan says nothing of failing, and psql does not fail.
fn passes(name: &str, sql: &str) {
    let told = run(name, SHOP, sql);
    assert!(!told.warnings().contains("will fail"), "{sql}\n{}", told.warnings());
    assert_eq!(told.outcome.code, Some(0), "{sql}\n{}", told.outcome);
}

#[test]
fn rows_that_a_constraint_does_not_allow() {
    needs_postgres!();
    fails(
        "null",
        "ALTER TABLE users ALTER plan SET NOT NULL",
        "column `plan` of `users` contains 3 nulls",
    );
    passes(
        "mended",
        "UPDATE users SET plan = 'none' WHERE plan IS NULL; ALTER TABLE users ALTER plan SET NOT NULL",
    );
    fails("filled", "ALTER TABLE users ADD code int NOT NULL", "`users` has rows, and `code`");
    passes(
        "default",
        "ALTER TABLE users ADD code int NOT NULL DEFAULT 1; ALTER TABLE empty ADD code int NOT NULL",
    );
    fails("check", "ALTER TABLE orders ADD CHECK (total > 2)", "1 row of `orders` violate");
    passes(
        "checked",
        "ALTER TABLE orders ADD CHECK (total > 1), ADD CONSTRAINT b CHECK (id > 5) NOT VALID",
    );
    fails(
        "twice",
        "CREATE UNIQUE INDEX u ON orders (number)",
        "4 values of (number) are in `orders`",
    );
    fails(
        "primary",
        "ALTER TABLE empty ADD PRIMARY KEY (id); ALTER TABLE orders ADD UNIQUE (number)",
        "4 values",
    );
    passes("unique", "ALTER TABLE orders ADD UNIQUE (number, id)");
    let key = "ALTER TABLE orders ADD FOREIGN KEY (number) REFERENCES users";
    fails("orphan", key, "1 row of `orders` refer to no row of `users`");
    passes("adopted", "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES users (id)");
}

#[test]
fn what_depends_on_it() {
    needs_postgres!();
    fails("view", "ALTER TABLE users DROP COLUMN plan", "view names depends on it");
    passes("no_view", "DROP VIEW names; ALTER TABLE users DROP COLUMN plan");
    passes("cascade", "ALTER TABLE users DROP COLUMN plan CASCADE");
    fails("key", "DROP TABLE users", "constraint orders_user_id_fkey on table orders depends");
    passes("both", "DROP VIEW names; DROP TABLE orders, users");
    passes(
        "unkeyed",
        "DROP VIEW names; ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; DROP TABLE users",
    );
    fails("type", "DROP TYPE mood", "column mood of table users depends on it");
    passes("untyped", "ALTER TABLE users DROP COLUMN mood; DROP TYPE mood");
    fails("referred", "DELETE FROM users WHERE id IN (1, 15)", "1 row of `orders` still refer");
    passes("unreferred", "DELETE FROM users WHERE id = 15");
}

#[test]
fn values_that_the_new_type_cannot_hold() {
    needs_postgres!();
    fails(
        "cast",
        "ALTER TABLE users ALTER plan TYPE int USING plan::int",
        "invalid input syntax for type integer",
    );
    fails(
        "assign",
        "ALTER TABLE users ALTER age TYPE int",
        "column age of type text cannot be cast",
    );
    passes("using", "ALTER TABLE users ALTER age TYPE int USING age::int");
    fails(
        "long",
        "ALTER TABLE users DROP mood, ALTER plan TYPE varchar(3)",
        "value too long for type varchar(3) (17 of 17",
    );
    passes("short", "DROP VIEW names; ALTER TABLE users ALTER plan TYPE varchar(4)");
    let told = run("round", SHOP, "ALTER TABLE orders ALTER total TYPE int");
    assert_eq!(told.findings(), ["warning narrow-type public.orders.total 0+10"]);
    let told = run("kept", SHOP, "ALTER TABLE orders ALTER number TYPE smallint");
    assert_eq!(told.findings(), ["note narrow-type public.orders.number 0+0"]);
    let message = told.report["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("(0 of 10 values change)"), "{message}");
    assert!(!told.warnings().contains("will fail"));
}

#[test]
fn no_value_of_a_row_is_printed() {
    needs_postgres!();
    let seed = "CREATE TABLE t (a text); INSERT INTO t VALUES ('secret-4711')";
    let told = run(
        "secret",
        seed,
        "ALTER TABLE t ALTER a TYPE date USING a::date; DELETE FROM t WHERE a::int > 1",
    );
    assert!(
        told.warnings().contains("will fail: invalid input syntax for type date"),
        "{}",
        told.outcome
    );
    let ours: Vec<&str> =
        told.outcome.stderr.lines().filter(|line| line.starts_with("rowsafe:")).collect();
    assert!(!ours.join("\n").contains("4711"), "{}", told.outcome);
}

#[test]
fn a_new_value_of_an_enum_is_not_to_be_used_at_once() {
    needs_postgres!();
    let add = "ALTER TYPE mood ADD VALUE 'calm';";
    let set = "UPDATE users SET mood = 'calm' WHERE id = 1;";
    let why = "unsafe use of new value `calm` of enum type `mood`";
    fails("enum", &format!("BEGIN; {add} {set} COMMIT;"), why);
    passes("enum_later", &format!("BEGIN; {add} COMMIT; BEGIN; {set} COMMIT;"));
    passes("enum_alone", &format!("{add} {set}"));
    passes(
        "enum_known",
        "BEGIN; ALTER TYPE mood ADD VALUE IF NOT EXISTS 'sad'; UPDATE users SET mood = 'sad' WHERE id = 1; COMMIT;",
    );
    passes(
        "enum_other",
        &format!("BEGIN; {add} UPDATE users SET plan = 'calm' WHERE id = 1; COMMIT;"),
    );
    let own = if version() >= 17 {
        passes
    } else {
        |name: &str, sql: &str| fails(name, sql, "unsafe use of new value `blue`")
    };
    own(
        "enum_own",
        "BEGIN; CREATE TYPE hue AS ENUM ('red'); ALTER TYPE hue ADD VALUE 'blue';
         CREATE TABLE paints (hue hue DEFAULT 'blue'); COMMIT;",
    );
}

fn version() -> i64 {
    let number = "SELECT current_setting('server_version_num')::int / 10000";
    Server::shared().admin("postgres").query_one_i64(number)
}

/// The incident's revision: a type is dropped with every column of it, and a value is added to
/// another one and used before it may be.
const REBUILD: &str = r#"
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("DROP TYPE IF EXISTS migration.flowphase CASCADE")
    op.execute("ALTER TYPE migration.collectionflowstatus ADD VALUE IF NOT EXISTS 'running'")
    op.execute(
        "UPDATE migration.collection_flows SET status = 'running' WHERE status = 'manual_collection'"
    )


def downgrade():
    pass
"#;

#[test]
fn incident_a_is_told_to_its_end() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "doomed_incident_a");
    story.db.execute(
        "CREATE TYPE migration.flowphase AS ENUM ('early', 'late');
         ALTER TABLE migration.collection_flows ADD COLUMN phase migration.flowphase;
         UPDATE migration.collection_flows SET phase = 'early' WHERE id <= 1234;",
    );
    for gone in ["0003_add_tags.py", "0004_refresh_statistics.py"] {
        remove(&story.sandbox, gone);
    }
    story.sandbox.write("migrations/versions/0002_rebuild_collection_flow_status.py", REBUILD);
    let before = story.db.rows(
        "SELECT count(*), count(phase), md5(string_agg(status::text, '' ORDER BY id))
                                  FROM migration.collection_flows",
    );
    let upgrade = "alembic upgrade head";

    let told = story.run(&[], upgrade);
    assert_eq!(told.outcome.code, Some(1), "{}", told.outcome);
    assert_eq!(told.findings()[0], "error drop-type migration.flowphase 0+1234");
    let through = told.report["findings"][0]["loss"]["through"].to_string();
    assert!(
        through.contains("column migration.collection_flows.phase (1,234 values)"),
        "{through}"
    );
    assert_eq!(
        told.findings()[1],
        "warning update-overwrite migration.collection_flows.status 0+840",
        "{}",
        told.outcome
    );
    let failure = "will fail: unsafe use of new value `running` of enum type `migration.collectionflowstatus`";
    assert!(told.warnings().contains(failure), "{}", told.outcome);
    told.nothing_was_run();

    let allow = [
        "--allow",
        "drop-type migration.flowphase: rebuilt",
        "--allow",
        "update-overwrite migration.collection_flows.status: they run",
    ];
    let told = story.run(&allow, upgrade);
    assert_eq!(told.outcome.code, Some(3), "{}", told.outcome);
    assert!(
        told.outcome.stderr.contains("unsafe use of new value \"running\""),
        "{}",
        told.outcome
    );
    assert_eq!(told.changes(), Vec::<String>::new(), "{}", told.outcome);
    let after = story.db.rows(
        "SELECT count(*), count(phase), md5(string_agg(status::text, '' ORDER BY id))
                                 FROM migration.collection_flows",
    );
    assert_eq!(before, after);
}

fn remove(sandbox: &Sandbox, revision: &str) {
    std::fs::remove_file(sandbox.path().join("migrations/versions").join(revision)).unwrap();
}
