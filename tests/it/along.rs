//! What happens by itself when a statement runs, named beforehand: triggers, rules, functions,
//! views, what goes along. Each against what the statement then really does.

use rowsafe::exit::Exit;

use crate::story::{Story, Told};

/// Orders with an audit trail, and what may happen to that.
const SHOP: &str = "
    CREATE TABLE orders AS SELECT n AS id, 'open' AS state, now() AS updated_at FROM generate_series(1, 20) n;
    ALTER TABLE orders ADD PRIMARY KEY (id);
    CREATE TABLE audit AS SELECT n AS id FROM generate_series(1, 30) n;
    CREATE TABLE log (at timestamptz, what text);";

fn trigger(name: &str, when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body} RETURN COALESCE(NEW, OLD); END $f$;
         CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}();"
    )
}

fn shop(database: &str, more: &str) -> Story {
    Story::of_sql(database, &format!("{SHOP}{more}"))
}

/// Asserts that a migration is blocked by these findings, and that nothing was done.
#[track_caller]
fn blocked(story: &Story, sql: &str, findings: &[&str]) -> Told {
    let told = story.migrate(sql, &[]).answers(Exit::Blocked, "blocked", "nothing was run");
    assert_eq!(told.findings(), findings, "{sql}\n{}", told.outcome);
    told.nothing_was_run();
    told
}

/// Asserts that a migration passes with these findings, every row accounted for.
#[track_caller]
fn passes(story: &Story, sql: &str, findings: &[&str]) -> Told {
    let told = story.migrate(sql, &[]);
    assert_eq!(told.findings(), findings, "{sql}\n{}", told.outcome);
    told.answers(Exit::Ok, "ok", "")
}

fn message(told: &Told, at: usize) -> &str {
    told.report["findings"][at]["message"].as_str().unwrap()
}

fn through(told: &Told, at: usize) -> Vec<&str> {
    let through = told.report["findings"][at]["loss"]["through"].as_array().unwrap();
    through.iter().map(|line| line.as_str().unwrap()).collect()
}

#[test]
fn a_trigger_that_destroys_is_named_and_its_table_is_planned() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER INSERT ON orders FOR EACH ROW", "DELETE FROM audit;");
    let story = shop("along_trigger", &wipe);
    let insert = "INSERT INTO orders VALUES (21);";
    let told = blocked(&story, insert, &["error fires-trigger public.orders.wipe 30+0"]);
    assert_eq!(
        message(&told, 0),
        "the trigger `wipe` of `orders` fires: every row of `audit` is deleted: no WHERE (30 rows)"
    );
    let agreed = ["--allow", "fires-trigger orders.wipe: the trail starts anew"];
    let told = story.migrate(insert, &agreed).answers(Exit::Ok, "ok", "30 rows of audit");
    assert_eq!(told.changes(), ["audit 30→0 wiped, planned", "orders 20→21 grew, planned"]);
    passes(
        &story,
        "INSERT INTO orders VALUES (22);",
        &["note fires-trigger public.orders.wipe 0+0"],
    );
}

#[test]
fn the_same_trigger_fires_by_copy_and_by_functions_and_not_by_other_events() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER INSERT ON orders", "TRUNCATE audit;");
    let add =
        "CREATE FUNCTION add() RETURNS void LANGUAGE sql AS 'INSERT INTO orders VALUES (22)';";
    let story = shop("along_events", &format!("{wipe}{add}"));
    for insert in [
        "COPY orders FROM stdin;\n21\topen\t\\N\n\\.\n",
        "DO $$ BEGIN INSERT INTO orders VALUES (21); END $$;",
        "WITH n AS (SELECT 21) INSERT INTO orders SELECT * FROM n;",
    ] {
        blocked(&story, insert, &["error fires-trigger public.orders.wipe 30+0"]);
    }
    blocked(&story, "SELECT add();", &["error truncate public.audit 30+0"]);
    passes(&story, "DELETE FROM orders WHERE id = 1;", &["note delete public.orders 1+0"]);
    let off = "ALTER TABLE orders DISABLE TRIGGER wipe";
    story.db.execute(off);
    passes(&story, "INSERT INTO orders VALUES (23);", &[]);
    story.db.execute("ALTER TABLE orders ENABLE REPLICA TRIGGER wipe");
    passes(&story, "INSERT INTO orders VALUES (24);", &[]);
    assert_eq!(story.db.count("audit"), 30);
}

#[test]
fn a_trigger_that_only_notes_is_quiet() {
    needs_postgres!();
    let note = trigger(
        "note",
        "AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW",
        "INSERT INTO log VALUES (now(), TG_OP); PERFORM pg_notify('orders', NEW.id::text);
         IF NEW.id < 0 THEN RAISE EXCEPTION 'no'; END IF;",
    );
    let touch = trigger(
        "touch",
        "BEFORE UPDATE ON orders FOR EACH ROW",
        "NEW.updated_at := now(); NEW.state = lower(NEW.state);",
    );
    let story = shop("along_quiet", &format!("{note}{touch}"));
    passes(&story, "INSERT INTO orders VALUES (21, 'A', NULL);", &[]);
    // What it sets in the row at hand is said, and needs no agreement.
    let update = "UPDATE orders SET updated_at = now() WHERE updated_at IS NULL;";
    passes(&story, update, &["note fires-trigger public.orders.touch 0+null"]);
    let update = "UPDATE orders SET state = 'done' WHERE id = 3;";
    let told = story.migrate(update, &[]).answers(Exit::Ok, "ok", "");
    assert!(
        message(&told, 1).contains("sets `updated_at`, `state` in every row"),
        "{}",
        told.outcome
    );
    assert_eq!(told.findings().len(), 2, "{:?}", told.findings());
    assert_eq!(story.db.count("log"), 3);
}

#[test]
fn a_trigger_for_some_columns_fires_for_those() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER UPDATE OF state ON orders", "TRUNCATE audit;");
    let story = shop("along_columns", &wipe);
    let at = "UPDATE orders SET updated_at = now() WHERE id = 1;";
    let told = story.migrate(at, &[]).answers(Exit::Ok, "ok", "");
    assert!(!told.findings().iter().any(|finding| finding.contains("fires-trigger")));
    let told = story.migrate("UPDATE orders SET state = 'x' WHERE id = 1;", &[]);
    let told = told.answers(Exit::Blocked, "blocked", "30 rows");
    assert_eq!(told.findings()[1], "error fires-trigger public.orders.wipe 30+0");
}

#[test]
fn triggers_are_found_behind_foreign_keys_and_partitions() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER DELETE ON lines FOR EACH ROW", "TRUNCATE audit;");
    let part = trigger("part", "AFTER INSERT ON events_1 FOR EACH ROW", "TRUNCATE audit;");
    let story = shop(
        "along_ways",
        &format!(
            "CREATE TABLE lines (id int, order_id int REFERENCES orders ON DELETE CASCADE);
             INSERT INTO lines SELECT n, n FROM generate_series(1, 3) n;
             CREATE TABLE events (id int) PARTITION BY RANGE (id);
             CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (100);
             {wipe}{part}"
        ),
    );
    let told = story.migrate("DELETE FROM orders WHERE id = 1;", &[]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing was run");
    assert_eq!(told.findings()[1], "error fires-trigger public.lines.wipe 30+0");
    let insert = "INSERT INTO events VALUES (7);";
    blocked(&story, insert, &["error fires-trigger public.events_1.part 30+0"]);
}

#[test]
fn a_trigger_that_nobody_can_read_is_a_warning() {
    needs_postgres!();
    let built = trigger(
        "built",
        "AFTER INSERT ON orders FOR EACH ROW",
        "EXECUTE 'DELETE FROM ' || (SELECT what FROM log LIMIT 1);",
    );
    let story = shop("along_unknown", &built);
    let insert = "INSERT INTO orders VALUES (21);";
    let told = blocked(&story, insert, &["warning fires-trigger public.orders.built"]);
    assert!(message(&told, 0).contains("what it does to rows is not known"), "{}", told.outcome);
    story.db.execute(
        "DROP TRIGGER built ON orders;
         CREATE TRIGGER same BEFORE UPDATE ON orders FOR EACH ROW
         EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    );
    passes(&story, "INSERT INTO orders VALUES (22);", &[]);
    passes(&story, "UPDATE orders SET state = 'x' WHERE state IS NULL;", &[]);
}

#[test]
fn the_batch_changes_what_fires() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER INSERT ON orders", "DELETE FROM audit;");
    let story = shop("along_batch", &wipe);
    let harmless = "CREATE OR REPLACE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;";
    passes(&story, &format!("{harmless} INSERT INTO orders VALUES (21);"), &[]);
    let harmful = harmless.replace("BEGIN", "BEGIN DELETE FROM log WHERE what = TG_OP; ");
    story.db.execute("INSERT INTO log VALUES (now(), 'x')");
    let sql = format!("{harmful} INSERT INTO orders VALUES (22);");
    blocked(&story, &sql, &["warning fires-trigger public.orders.wipe 1+0"]);
}

#[test]
fn a_function_is_read_where_it_is() {
    needs_postgres!();
    let story = shop(
        "along_function",
        "CREATE FUNCTION tidy() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (now(), 'tidy'); RETURN (SELECT count(*) FROM audit); END $$;
         CREATE FUNCTION inner_purge() RETURNS void LANGUAGE sql AS 'DELETE FROM audit WHERE id < 5';
         CREATE FUNCTION purge() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM inner_purge(); END $$;
         CREATE FUNCTION ping(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n = 0 THEN RETURN 0; END IF; RETURN ping(n - 1); END $$;
         CREATE FUNCTION built(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'TRUNCATE ' || t; END $$;
         CREATE PROCEDURE wipe() LANGUAGE sql AS 'TRUNCATE audit';
         CREATE FUNCTION scratch() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE x (a int); DROP TABLE x; END $$;
         CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
         CREATE SCHEMA other;
         CREATE TABLE other.audit AS SELECT 1 AS id;
         CREATE FUNCTION elsewhere() RETURNS void LANGUAGE sql SET search_path = other AS 'TRUNCATE audit';",
    );
    passes(
        &story,
        "SELECT tidy(); SELECT ping(3); SELECT scratch(); SELECT total(id) FROM audit;",
        &[],
    );
    let told = blocked(&story, "SELECT purge();", &["warning delete public.audit 30+0"]);
    assert_eq!(
        message(&told, 0),
        "`purge` is called: rows of `audit` are deleted where id < 5 (up to 30 rows)"
    );
    blocked(&story, "CALL wipe();", &["error truncate public.audit 30+0"]);
    blocked(&story, "SELECT elsewhere();", &["error truncate other.audit 1+0"]);
    blocked(&story, "SELECT built('audit');", &["warning calls-function built"]);
    blocked(&story, "SELECT missing();", &["warning calls-function missing"]);
    let agreed = ["--allow", "delete audit: old ones"];
    let told = story.migrate("SELECT purge();", &agreed).answers(Exit::Ok, "ok", "4 rows of audit");
    assert_eq!(told.changes(), ["audit 30→26 shrank, planned"]);
}

#[test]
fn a_trigger_that_the_batch_turns_off_does_not_fire() {
    needs_postgres!();
    let wipe = trigger("wipe", "AFTER INSERT ON orders", "TRUNCATE audit;");
    let story = shop("along_switches", &wipe);
    let fires = ["error fires-trigger public.orders.wipe 30+0"];
    let off = "ALTER TABLE orders DISABLE TRIGGER wipe;";
    let on = "ALTER TABLE orders ENABLE TRIGGER wipe;";
    let (insert, more) = ("INSERT INTO orders VALUES (21);", "INSERT INTO orders VALUES (22);");
    blocked(&story, &format!("{off}{on}{insert}"), &fires);
    blocked(&story, &format!("{insert}{off}"), &fires);
    let again = "CREATE TRIGGER wipe AFTER INSERT ON orders EXECUTE FUNCTION wipe();";
    blocked(&story, &format!("DROP TRIGGER wipe ON orders; {again} {insert}"), &fires);
    let perhaps =
        "DO $$ BEGIN IF false THEN ALTER TABLE orders DISABLE TRIGGER wipe; END IF; END $$;";
    blocked(&story, &format!("{perhaps}{insert}"), &fires);
    passes(&story, &format!("{off}{insert}{on}"), &[]);
    passes(&story, &format!("DROP TRIGGER wipe ON orders; {more}"), &[]);
    assert_eq!((story.db.count("audit"), story.db.count("orders")), (30, 22));
}

#[test]
fn a_rule_does_what_it_says() {
    needs_postgres!();
    let story = shop(
        "along_rules",
        "CREATE RULE also AS ON INSERT TO orders DO ALSO DELETE FROM audit;
         CREATE RULE note AS ON UPDATE TO audit DO ALSO INSERT INTO log VALUES (now(), 'x');
         CREATE VIEW shown AS SELECT * FROM log;
         CREATE RULE instead AS ON DELETE TO shown DO INSTEAD DELETE FROM audit WHERE id = 1;",
    );
    let insert = "INSERT INTO orders VALUES (21);";
    let told = blocked(&story, insert, &["error fires-trigger public.orders.also 30+0"]);
    assert!(
        message(&told, 0).starts_with("the rule `also` of `orders` fires: every row of `audit`")
    );
    let delete = "DELETE FROM shown;";
    let found = ["note delete-all shown 0+0", "warning fires-trigger public.shown.instead 30+0"];
    blocked(&story, delete, &found);
    passes(&story, "UPDATE audit SET id = 31 WHERE id IS NULL;", &[]);
    let agreed = ["--allow", "fires-trigger shown.instead: one of them"];
    let told = story.migrate(delete, &agreed).answers(Exit::Ok, "ok", "1 row of audit");
    assert_eq!(told.changes(), ["audit 30→29 shrank, planned"]);
}

#[test]
fn what_is_done_to_a_view_is_done_to_its_table() {
    needs_postgres!();
    let put = trigger("put", "INSTEAD OF DELETE ON closed FOR EACH ROW", "");
    let story = shop(
        "along_views",
        &format!(
            "CREATE VIEW open AS SELECT id AS number, state FROM orders WHERE id <= 5;
             CREATE VIEW few AS SELECT * FROM open WHERE number < (SELECT max(id) FROM audit);
             CREATE VIEW closed AS SELECT * FROM orders;
             {put}"
        ),
    );
    let told = blocked(&story, "DELETE FROM few;", &["error delete-all few 20+0"]);
    assert_eq!(through(&told, 0), ["table orders behind the view few"]);
    blocked(&story, "DELETE FROM few WHERE number = 1;", &["warning delete few 20+0"]);
    blocked(&story, "UPDATE open SET state = 'x';", &["error update-all open.state 0+20"]);
    passes(&story, "DELETE FROM closed;", &["note delete-all closed 0+0"]);
    let told = story.migrate("DELETE FROM few;", &["--allow", "delete-all few: done"]);
    let told = told.answers(Exit::Ok, "ok", "5 rows of orders");
    assert_eq!(told.changes(), ["orders 20→15 shrank, planned"]);
}

#[test]
fn an_event_trigger_fires_by_a_change_of_shape() {
    needs_postgres!();
    let story = shop(
        "along_events_ddl",
        "CREATE FUNCTION on_index() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.audit; END $$;
         CREATE FUNCTION on_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
         DECLARE gone record; BEGIN FOR gone IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
         INSERT INTO public.log VALUES (now(), gone.object_identity); END LOOP; END $$;",
    );
    story.db.admin().execute(
        "CREATE EVENT TRIGGER on_index ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION on_index();
         CREATE EVENT TRIGGER on_drop ON sql_drop EXECUTE FUNCTION on_drop();",
    );
    let index = "CREATE INDEX a ON orders (state); CREATE INDEX b ON orders (updated_at);";
    blocked(&story, index, &["error fires-trigger on_index 30+0"]);
    passes(
        &story,
        "CREATE TABLE more (id int); INSERT INTO orders VALUES (21); DROP TABLE more;",
        &[],
    );
    let told = story.migrate(index, &["--allow", "fires-trigger on_index: known"]);
    let _ = told.answers(Exit::Ok, "ok", "30 rows of audit");
}

#[test]
fn what_uses_a_function_goes_along_with_it() {
    needs_postgres!();
    let story = shop(
        "along_used",
        "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
         CREATE FUNCTION twice(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT t || t';
         CREATE FUNCTION start() RETURNS int LANGUAGE sql AS 'SELECT 7';
         CREATE TABLE sums (id int DEFAULT start(), n int, double int GENERATED ALWAYS AS (twice(n)) STORED,
                            CONSTRAINT small CHECK (twice(n) < 100));
         INSERT INTO sums SELECT n, n FROM generate_series(1, 9) n;
         CREATE VIEW doubled AS SELECT double FROM sums;
         CREATE SEQUENCE numbers;
         CREATE TABLE numbered (id int DEFAULT nextval('numbers'));
         INSERT INTO numbered DEFAULT VALUES;",
    );
    let drop = "DROP FUNCTION twice(int) CASCADE;";
    let told = blocked(&story, drop, &["error drop-column public.sums.double 0+9"]);
    assert_eq!(
        message(&told, 0),
        "dropping the function `twice` drops the column `sums.double` and 9 values"
    );
    assert_eq!(through(&told, 0), ["view public.doubled"]);
    let quiet = "DROP FUNCTION twice(text) CASCADE; DROP FUNCTION start() CASCADE;
                 DROP SEQUENCE numbers CASCADE; DROP VIEW doubled CASCADE;";
    passes(&story, quiet, &[]);
    let told = story.migrate(drop, &["--allow", "drop-column sums.double: computed"]);
    let told = told.answers(Exit::Ok, "ok", "column sums.double");
    assert_eq!(told.changes(), ["sums 9→9 intact, double dropped, planned"]);
}

#[test]
fn a_collation_takes_its_columns_along() {
    needs_postgres!();
    let story = shop(
        "along_collation",
        "CREATE COLLATION german (locale = 'C'); CREATE COLLATION unused (locale = 'POSIX');
         CREATE TABLE words (word text COLLATE german); INSERT INTO words VALUES ('ä');",
    );
    passes(&story, "DROP COLLATION unused CASCADE;", &[]);
    let drop = "DROP COLLATION german CASCADE;";
    blocked(&story, drop, &["error drop-column public.words.word 0+1"]);
    let told = story.migrate(drop, &["--allow", "drop-column words.word: moved"]);
    let _ = told.answers(Exit::Ok, "ok", "column words.word");
}

#[test]
fn what_cascade_takes_from_tables_that_stay_is_named() {
    needs_postgres!();
    let story = shop(
        "along_cascade",
        "CREATE TABLE lines (order_id int CONSTRAINT of_order REFERENCES orders);
         CREATE VIEW busy AS SELECT state FROM orders;
         CREATE MATERIALIZED VIEW states AS SELECT state, count(*) FROM busy GROUP BY state;
         CREATE TYPE mood AS ENUM ('good');
         CREATE TABLE people (mood mood DEFAULT 'good', CONSTRAINT fine CHECK (mood = 'good'));
         CREATE INDEX people_mood ON people (mood);
         INSERT INTO people VALUES ('good');",
    );
    let told =
        blocked(&story, "DROP TABLE orders CASCADE;", &["error drop-table public.orders 20+0"]);
    assert_eq!(
        through(&told, 0),
        [
            "constraint of_order on table public.lines",
            "materialized view public.states",
            "view public.busy"
        ]
    );
    let told = blocked(&story, "DROP TYPE mood CASCADE;", &["error drop-type mood 0+1"]);
    assert_eq!(through(&told, 0), ["column people.mood (1 value)"]);
    let told = blocked(&story, "DELETE FROM orders;", &["error delete-all public.orders 20+0"]);
    assert_eq!(through(&told, 0), ["materialized view states becomes stale"]);
    let told = blocked(&story, "TRUNCATE audit;", &["error truncate public.audit 30+0"]);
    assert!(through(&told, 0).is_empty());
}

#[test]
fn what_is_done_to_a_parent_is_done_to_its_children() {
    needs_postgres!();
    let story = shop(
        "along_inheritance",
        "CREATE TABLE animals (id int, name text);
         CREATE TABLE cats (lives int) INHERITS (animals);
         CREATE TABLE dogs (name text) INHERITS (animals);
         INSERT INTO animals VALUES (1, 'a'); INSERT INTO cats VALUES (2, 'b', 9), (3, 'c', 9);
         INSERT INTO dogs VALUES (4, 'd');",
    );
    blocked(&story, "TRUNCATE animals;", &["error truncate public.animals 4+0"]);
    blocked(&story, "TRUNCATE ONLY animals;", &["error truncate public.animals 1+0"]);
    blocked(&story, "DELETE FROM animals;", &["error delete-all public.animals 4+0"]);
    blocked(
        &story,
        "UPDATE animals SET name = 'x';",
        &["error update-all public.animals.name 0+4"],
    );
    let narrow = "ALTER TABLE animals ALTER COLUMN name TYPE int USING length(name);";
    let told = story.migrate(narrow, &[]).answers(Exit::Blocked, "blocked", "");
    assert!(told.findings()[0].ends_with("0+4"), "{:?}", told.findings());
    let leave = "ALTER TABLE cats NO INHERIT animals;";
    blocked(&story, leave, &["warning drop-partition public.cats 2+0"]);
    let drop = "ALTER TABLE animals DROP COLUMN name;";
    let told = blocked(&story, drop, &["error drop-column public.animals.name 0+3"]);
    assert_eq!(through(&told, 0), ["column cats.name (2 values)"]);
    let told = story.migrate(drop, &["--allow", "drop-column animals.name: gone"]);
    let told = told.answers(Exit::Ok, "ok", "2 losses as planned");
    assert_eq!(
        told.changes(),
        ["animals 1→1 intact, name dropped, planned", "cats 2→2 intact, name dropped, planned"]
    );
}
