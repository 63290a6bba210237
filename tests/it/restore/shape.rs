//! A restore into a database that changed its shape, and tables that are gone with what they need.

use rowsafe::exit::Exit;

use crate::story::Story;

#[test]
fn types_functions_and_views_come_along_with_a_table() {
    needs_postgres!();
    let sql = "
        CREATE SCHEMA app; CREATE TYPE app.state AS ENUM ('new', 'old');
        CREATE FUNCTION app.cents(text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT length($1)';
        CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE app.jobs (id int PRIMARY KEY, state app.state, name text, n int GENERATED ALWAYS AS (app.cents(name)) STORED);
        CREATE TRIGGER noting BEFORE INSERT ON app.jobs FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE VIEW app.fresh AS SELECT * FROM app.jobs WHERE state = 'new';
        CREATE MATERIALIZED VIEW app.counted AS SELECT count(*) AS n FROM app.fresh; CREATE UNIQUE INDEX one ON app.counted (n);
        COMMENT ON VIEW app.fresh IS 'fresh ones'; GRANT SELECT ON app.fresh TO PUBLIC;
        INSERT INTO app.jobs SELECT n, (ARRAY['new', 'old'])[1 + n % 2]::app.state, 'job ' || n FROM generate_series(1, 50) n;
        REFRESH MATERIALIZED VIEW app.counted;
        CREATE TABLE app.other (id int PRIMARY KEY);";
    let story = Story::of_sql("shape_along", sql);
    let state = "SELECT id, state, name, n FROM app.jobs ORDER BY id";
    let before = story.db.rows(state);
    let lost = story.surprise(
        "DROP TABLE app.jobs CASCADE; DROP TYPE app.state; DROP FUNCTION app.cents, app.note;",
    );
    let told = story.restore_here(&[lost.snapshot()]).answers(Exit::Ok, "ok", "50 rows of 1 table");
    assert_eq!(story.db.rows(state), before);
    assert_eq!((story.db.count("app.fresh"), story.db.count("app.counted")), (25, 1));
    assert_eq!(story.db.rows("SELECT obj_description('app.fresh'::regclass), has_table_privilege('public', 'app.fresh', 'SELECT')"), [["fresh ones", "t"]]);
    assert_eq!(story.db.count("pg_indexes WHERE indexname = 'one'"), 1);
    assert_eq!(story.db.count("pg_trigger WHERE tgname = 'noting'"), 1);
    let along = told.report["restore"]["along"].to_string();
    for name in [
        "type app.state",
        "function app.cents(text)",
        "function app.note()",
        "view app.fresh",
        "materialized view app.counted",
    ] {
        assert!(along.contains(name), "{along}");
    }
    // With the schema it was in.
    let lost = story.surprise("DROP SCHEMA app CASCADE;");
    let _ = story.restore_here(&[lost.snapshot()]).answers(Exit::Ok, "ok", "50 rows of 2 tables");
    assert_eq!(story.db.rows(state), before);
}

#[test]
fn a_foreign_key_that_cannot_hold_is_told() {
    needs_postgres!();
    let sql = "
        CREATE TABLE parents (id int PRIMARY KEY);
        CREATE TABLE children (id int PRIMARY KEY, parent_id int REFERENCES parents);
        INSERT INTO parents SELECT generate_series(1, 10); INSERT INTO children SELECT n, n FROM generate_series(1, 10) n;";
    let story = Story::of_sql("shape_orphans", sql);
    let lost = story.surprise("DROP TABLE parents CASCADE;");
    story.db.execute("INSERT INTO children VALUES (11, 999)");
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::Loss, "lost", "10 rows of 1 table are back");
    assert!(
        told.hints().contains("children_parent_id_fkey holds for new rows only (NOT VALID)"),
        "{}",
        told.hints()
    );
    assert_eq!(
        story.db.rows(
            "SELECT convalidated FROM pg_constraint WHERE conname = 'children_parent_id_fkey'"
        ),
        [["f"]]
    );
    assert!(story.db.session().try_rows("INSERT INTO children VALUES (12, 998)").is_err());
    assert_eq!(story.db.count("children"), 11);
}

#[test]
fn columns_of_another_type_by_now() {
    needs_postgres!();
    let sql = "
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE t (id int PRIMARY KEY, n text, m mood, w varchar(20), tags mood[], at timestamptz);
        INSERT INTO t SELECT n, n, 'sad', 'word ' || n, '{sad,happy}', timestamptz '2026-01-01 UTC' + n * interval '1 day' FROM generate_series(1, 20) n;";
    let story = Story::of_sql("shape_types", sql);
    let lost = story.surprise("DELETE FROM t WHERE id > 5;");
    story.db.execute(
        "ALTER TABLE t ALTER id TYPE bigint, ALTER n TYPE int USING n::int, ALTER m TYPE text, ALTER w TYPE varchar(6) USING left(w, 6), ALTER tags TYPE text[]",
    );
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::Loss, "lost", "15 rows of 1 table are back");
    assert!(
        told.hints()
            .contains("11 values of w come back altered: its type is character varying(6) now"),
        "{}",
        told.hints()
    );
    assert_eq!(
        story.db.count(
            "t WHERE n = id AND m = 'sad' AND tags = '{sad,happy}' AND left('word ' || id, 6) = w"
        ),
        20
    );
    assert_eq!(
        story.db.count("t WHERE at = timestamptz '2026-01-01 UTC' + id * interval '1 day'"),
        20
    );
    // Values that the type of now does not have stay away, and are named.
    let lost = story.surprise("DELETE FROM t WHERE id > 5;");
    story.db.execute("ALTER TABLE t ALTER w TYPE int USING 0");
    let told = story.restore_here(&[lost.snapshot()]).answers(Exit::Loss, "lost", "15 rows");
    assert!(
        told.hints().contains("20 values of w in the snapshot can't be: its type is integer now"),
        "{}",
        told.hints()
    );
    assert_eq!(story.db.count("t WHERE w IS NULL"), 15);
}

#[test]
fn rows_of_partitions_wherever_those_are_now() {
    needs_postgres!();
    let sql = "
        CREATE TABLE p (id int, month int, PRIMARY KEY (id, month)) PARTITION BY LIST (month);
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
        CREATE TABLE p3 (month int, id int, PRIMARY KEY (id, month)); ALTER TABLE p ATTACH PARTITION p3 FOR VALUES IN (3);
        INSERT INTO p SELECT n, 1 + n % 3 FROM generate_series(1, 90) n;";
    let story = Story::of_sql("shape_partitions", sql);
    let lost = story.surprise(
        "DELETE FROM p WHERE id <= 30; ALTER TABLE p DETACH PARTITION p2; DROP TABLE p3;",
    );
    story.db.execute("INSERT INTO p VALUES (100, 1)");
    let told = story.restore_here(&[lost.snapshot()]).answers(
        Exit::Ok,
        "ok",
        "50 rows of 3 tables are back",
    );
    assert_eq!(
        (story.db.count("p"), story.db.count("p2"), story.db.count("p3")),
        (61, 30, 30),
        "{}",
        told.outcome
    );
    let lost = story.surprise("DELETE FROM p WHERE id <= 30;");
    let told = story.restore_here(&[lost.snapshot(), "--table", "p3"]);
    let _ = told.answers(Exit::Ok, "ok", "10 rows of 1 table are back");
    assert_eq!((story.db.count("p1"), story.db.count("p3")), (21, 30));
}

#[test]
fn values_of_every_kind() {
    needs_postgres!();
    let sql = "
        CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a int, b text);
        CREATE TABLE \"Odd \"\"T\"\"\" (\"the key\" text PRIMARY KEY, \"select\" json, x xml, j jsonb, b bytea, f float8, n numeric, d small, r int4range,
            a text[][], p pair, ps pair[], i interval, c char(5), bits bit varying, u uuid, point point, money money, inet inet, tsv tsvector);
        INSERT INTO \"Odd \"\"T\"\"\" SELECT E'k\\t\\n\\\\' || n, '{\"a\":  1}', '<a/>', '{\"b\": null}', '\\x00ff5c', 0.1 + n, 'NaN', n, int4range(n, n + 2),
            '{{\"a,b\",NULL},{\"\",\"\\\\\"}}', ROW(n, 'it''s')::pair, ARRAY[(1, E'x\"\\ny')::pair], '1 mon 2 days', 'ab', B'0101', md5(n::text)::uuid, point(n, 1), n, '10.0.0.1/8', 'a:1 b'
          FROM generate_series(1, 30) n;
        CREATE TABLE empty_rows (); INSERT INTO empty_rows DEFAULT VALUES; INSERT INTO empty_rows DEFAULT VALUES; INSERT INTO empty_rows DEFAULT VALUES;";
    let story = Story::of_sql("shape_values", sql);
    let rows = "SELECT t::text FROM \"Odd \"\"T\"\"\" t ORDER BY \"the key\"";
    let before = story.db.rows(rows);
    let lost = story.surprise("DELETE FROM \"Odd \"\"T\"\"\" WHERE d > 10; UPDATE \"Odd \"\"T\"\"\" SET \"select\" = NULL, x = NULL, p = NULL, a = NULL, b = NULL, point = NULL; TRUNCATE empty_rows;");
    let told = story.restore_here(&[lost.snapshot()]);
    let _ = told.answers(Exit::Ok, "ok", "23 rows and 60 values of 2 tables are back");
    assert_eq!(story.db.rows(rows), before);
    assert_eq!(story.db.count("empty_rows"), 3);
}
