//! What is gone comes back beside what is there by now, which stays as it is.

use rowsafe::exit::Exit;
use serde_json::{Value, json};

use crate::story::{Story, Told};

const SHOP: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, phone text, email text UNIQUE);
    CREATE TABLE orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer_id int REFERENCES customers ON DELETE CASCADE,
        cents int NOT NULL,
        euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED);
    CREATE TABLE notes (
        id int PRIMARY KEY, order_id bigint REFERENCES orders ON DELETE SET NULL, text text);
    INSERT INTO customers SELECT n, 'name ' || n, '0' || n, n || '@example.org'
        FROM generate_series(1, 50) n;
    INSERT INTO orders (customer_id, cents) SELECT 1 + n % 50, n FROM generate_series(1, 300) n;
    INSERT INTO notes SELECT n, n, 'note ' || n FROM generate_series(1, 100) n;";

fn shop(database: &str) -> Story {
    Story::of_sql(database, SHOP)
}

/// Loses what the statements take, does something else meanwhile, and brings it back.
fn back(story: &Story, loss: &str, meanwhile: &str) -> Told {
    let surprised = story.surprise(loss);
    assert_eq!(surprised.outcome.code, Some(5));
    if !meanwhile.is_empty() {
        story.db.execute(meanwhile);
    }
    story.restore_here(&[surprised.snapshot()])
}

/// What the plan says of a table.
fn plan(told: &Told, name: &str) -> Value {
    let tables = told.report["restore"]["tables"].as_array().unwrap();
    let table = tables.iter().find(|table| table["name"] == name);
    table.cloned().unwrap_or_else(|| panic!("{name} is not in the plan: {tables:?}"))
}

fn orders(story: &Story) -> Vec<Vec<String>> {
    story.db.rows("SELECT id, customer_id, cents, euros FROM orders WHERE id <= 300 ORDER BY id")
}

#[test]
fn rows_come_back_beside_newer_ones() {
    needs_postgres!();
    let story = shop("missing_rows");
    let before = orders(&story);
    let told = back(
        &story,
        "DELETE FROM customers WHERE id <= 20;",
        "INSERT INTO customers VALUES (1000, 'new');
         INSERT INTO orders (customer_id, cents) VALUES (1000, 5);
         UPDATE customers SET name = 'renamed' WHERE id = 30;",
    );
    let told = told.answers(Exit::Ok, "ok", "are back in missing_rows, counted again");
    assert_eq!(orders(&story), before);
    assert_eq!(story.db.count("customers"), 51);
    assert_eq!(
        story.db.rows("SELECT name FROM customers WHERE id IN (30, 1000) ORDER BY id"),
        [["renamed"], ["new"]]
    );
    assert_eq!(story.db.count("orders WHERE customer_id = 1000"), 1);
    // The notes were there all the time; the orders that they refer to are back.
    assert_eq!(story.db.count("notes WHERE order_id = id"), 100);
    let customers = plan(&told, "customers");
    assert_eq!((&customers["insert"], &customers["keep_newer"]), (&json!(20), &json!(1)));
    assert_eq!(customers["keep_changed"], 1);
    let notes = plan(&told, "notes");
    assert!(notes["fill"][0]["values"].as_i64().unwrap() > 0, "{notes}");
}

#[test]
fn the_sequence_ends_beyond_what_came_back() {
    needs_postgres!();
    let story = shop("missing_sequence");
    let loss = "TRUNCATE orders RESTART IDENTITY CASCADE;";
    let told = back(&story, loss, "INSERT INTO customers VALUES (1000, 'new');");
    let _ = told.answers(Exit::Ok, "ok", "400 rows of 2 tables are back");
    let next = "INSERT INTO orders (customer_id, cents) VALUES (1, 1) RETURNING id";
    assert_eq!(story.db.query_one_i64(next), 301);
}

#[test]
fn values_that_were_set_to_null_come_back_where_they_still_are() {
    needs_postgres!();
    let story = shop("missing_values");
    let told = back(
        &story,
        "UPDATE customers SET phone = NULL, name = NULL;",
        "UPDATE customers SET phone = 'new' WHERE id <= 10; UPDATE customers SET email = NULL WHERE id = 3;",
    );
    let _ = told.answers(Exit::Ok, "ok", "91 values of 1 table are back");
    let whole = "customers WHERE name = 'name ' || id AND email = id || '@example.org'";
    assert_eq!(story.db.count(whole), 50);
    assert_eq!(story.db.count("customers WHERE phone = 'new'"), 10);
    assert_eq!(story.db.count("customers WHERE phone = '0' || id"), 40);
}

#[test]
fn what_cannot_come_back_is_named_and_the_rest_does() {
    needs_postgres!();
    let story = shop("missing_cannot");
    let told = back(
        &story,
        "DELETE FROM customers WHERE id IN (1, 2);",
        "INSERT INTO customers VALUES (2000, 'taken', NULL, '1@example.org');",
    );
    let told = told.answers(Exit::Loss, "lost", "not everything could be put back");
    let hints = told.hints();
    assert!(
        hints.contains(
            "customers: 1 row: another row has their value by now (`customers_email_key`)"
        ),
        "{hints}"
    );
    // Customer 1 had the orders 50, 100 … 300.
    assert!(
        hints.contains("orders: 6 rows: the row of customers that they refer to is gone"),
        "{hints}"
    );
    assert!(hints.contains("notes: 2 values of order_id: the row of orders"), "{hints}");
    assert_eq!(story.db.count("customers WHERE id IN (1, 2)"), 1);
    assert_eq!(story.db.count("orders WHERE customer_id = 2"), 6);
    assert_eq!(story.db.count("orders"), 294);
}

#[test]
fn a_column_of_now_that_takes_no_null() {
    needs_postgres!();
    let story = shop("missing_not_null");
    let lost = story.surprise("DELETE FROM notes WHERE id <= 10;");
    story.db.execute("ALTER TABLE notes ADD COLUMN kind text NOT NULL DEFAULT 'x'");
    story.db.execute("ALTER TABLE notes ALTER COLUMN kind DROP DEFAULT");
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing can be put back in place");
    assert!(told.hints().contains("notes: 10 rows: kind is NOT NULL now"), "{}", told.hints());
    assert_eq!(story.db.count("notes"), 90);
    story.db.execute("ALTER TABLE notes ALTER COLUMN kind SET DEFAULT 'restored'");
    let told = story.restore_here(&[lost.snapshot()]);
    let _ = told.answers(Exit::Ok, "ok", "10 rows of 1 table are back");
    assert_eq!(story.db.count("notes WHERE kind = 'restored'"), 10);
}

#[test]
fn a_table_and_columns_that_were_renamed() {
    needs_postgres!();
    let story = shop("missing_renamed");
    let loss = "DELETE FROM notes WHERE id <= 10; UPDATE notes SET text = NULL WHERE id = 50;
                ALTER TABLE notes RENAME text TO body; ALTER TABLE notes RENAME TO remarks;
                CREATE TABLE notes (id int);";
    let told = back(&story, loss, "");
    let told = told.answers(Exit::Ok, "ok", "10 rows and 1 value of 1 table are back");
    assert_eq!(plan(&told, "remarks")["was"], "public.notes");
    assert_eq!(story.db.count("remarks WHERE body = 'note ' || id"), 100);
    assert_eq!(story.db.count("notes"), 0);
}

#[test]
fn a_restore_can_be_taken_back() {
    needs_postgres!();
    let story = shop("missing_undone");
    let state = |story: &Story| {
        story.db.rows("SELECT c.*, o.id, o.cents FROM customers c LEFT JOIN orders o ON o.customer_id = c.id ORDER BY c.id, o.id")
    };
    let lost =
        story.surprise("DELETE FROM customers WHERE id <= 20; UPDATE customers SET phone = NULL;");
    let before = state(&story);
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::Ok, "ok", "are back");
    assert_ne!(state(&story), before);
    let present = told.report["restore"]["present"]["id"].as_str().unwrap().to_owned();
    let command = told
        .hints()
        .lines()
        .find_map(|hint| hint.split_once("rowsafe restore "))
        .map(|(_, words)| words.to_owned());
    let command = command.expect("the way back is named");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], present);
    let told = story.restore_here(&words);
    let _ = told.answers(Exit::Ok, "ok", "deleted are back");
    assert_eq!(state(&story), before);
}

#[test]
fn nothing_is_kept_before_where_that_was_asked_for() {
    needs_postgres!();
    let story = shop("missing_unkept");
    let lost = story.surprise("DELETE FROM notes;");
    let told = story.restore_here(&[lost.snapshot(), "--snapshot", "none"]);
    let told = told.answers(Exit::Ok, "ok", "100 rows of 1 table are back");
    assert_eq!(told.report["restore"].get("present"), None);
    assert_eq!(story.snapshots().len(), 1);
}

#[test]
fn rows_that_refer_to_each_other_in_a_circle() {
    needs_postgres!();
    let circle = "
        CREATE TABLE x (id int PRIMARY KEY, y int NOT NULL);
        CREATE TABLE y (id int PRIMARY KEY, x int NOT NULL REFERENCES x);
        INSERT INTO x SELECT n, n FROM generate_series(1, 5) n;
        INSERT INTO y SELECT n, 6 - n FROM generate_series(1, 5) n;
        ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y;";
    let story = Story::of_sql("missing_circle", circle);
    let told = back(&story, "TRUNCATE x, y;", "");
    let _ = told.answers(Exit::Ok, "ok", "10 rows of 2 tables are back");
    assert_eq!(story.db.count("x JOIN y ON y.x = x.id"), 5);
}

#[test]
fn a_lock_that_is_not_given() {
    needs_postgres!();
    let story = shop("missing_locked");
    story.sandbox.write("rowsafe.toml", "lock-timeout = \"200ms\"\n");
    let lost = story.surprise("DELETE FROM notes WHERE id <= 10;");
    let other = story.db.session();
    other.execute("BEGIN; UPDATE notes SET text = 'busy' WHERE id = 50");
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::NoAnswer, "error", "lock the tables against other writers");
    assert!(told.hints().contains("nothing was changed"), "{}", told.hints());
    other.execute("COMMIT");
    assert_eq!(story.db.count("notes"), 90);
    let told = story.restore_here(&[lost.snapshot()]);
    let _ = told.answers(Exit::Ok, "ok", "10 rows of 1 table are back");
    assert_eq!(story.db.count("notes WHERE text = 'busy'"), 1);
}

#[test]
fn a_role_that_may_not_write() {
    needs_postgres!();
    let story = shop("missing_denied");
    let lost = story.surprise("DELETE FROM notes WHERE id <= 10;");
    story
        .db
        .admin()
        .execute("ALTER TABLE notes OWNER TO postgres; GRANT SELECT ON notes TO PUBLIC");
    let told = story.restore_here(&[lost.snapshot()]);
    let told = told.answers(Exit::NoAnswer, "error", "permission denied");
    assert!(told.hints().contains("the role that owns them"), "{}", told.hints());
    assert_eq!(story.db.admin().query_one_i64("SELECT count(*) FROM notes"), 90);
}

#[test]
fn a_difference_is_said_and_nothing_is_changed() {
    needs_postgres!();
    let story = shop("missing_diff");
    let lost =
        story.surprise("DELETE FROM notes WHERE id <= 10; UPDATE customers SET phone = NULL;");
    let diff =
        |args: &[&str]| Told::by(story.rowsafe(&[&["diff", lost.snapshot()], args].concat()));
    let told = diff(&[]);
    assert_eq!((told.outcome.code, &told.report["verdict"]), (Some(0), &json!("ok")));
    assert!(told.outcome.stdout.contains("insert 10"), "{}", told.outcome);
    assert!(told.outcome.stdout.contains("fill 50 values of phone"), "{}", told.outcome);
    assert_eq!(told.report["restore"]["done"], false);
    assert_eq!(plan(&told, "notes")["insert"], 10);
    assert_eq!(plan(&told, "customers")["fill"], json!([{"column": "phone", "values": 50}]));
    assert_eq!((story.db.count("notes"), story.snapshots().len()), (90, 1));
    let told = diff(&["--table", "orders"]);
    assert_eq!(told.report["restore"]["tables"], json!([]));
    assert!(told.report["message"].as_str().unwrap().contains("nothing to put back"));
    let told = diff(&["--table", "nowhere"]);
    assert_eq!((told.outcome.code, &told.report["verdict"]), (Some(2), &json!("error")));
}

#[test]
fn a_large_table_in_parts_and_keys_that_are_checked_at_the_end() {
    needs_postgres!();
    let sql = "
        CREATE TABLE large (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, note text, UNIQUE (note) DEFERRABLE);
        INSERT INTO large SELECT n, 'note ' || n FROM generate_series(1, 120000) n;
        CREATE TABLE steps (id int PRIMARY KEY, before int REFERENCES steps);
        INSERT INTO steps SELECT n, nullif(n - 1, 0) FROM generate_series(1, 110000) n;";
    let story = Story::of_sql("missing_large", sql);
    let told = back(
        &story,
        "DELETE FROM large WHERE id > 5; TRUNCATE steps;",
        "INSERT INTO large VALUES (200000, 'new'); UPDATE large SET note = 'note 77' WHERE id = 1;",
    );
    let told = told.answers(Exit::Loss, "lost", "229,994 rows of 2 tables are back");
    let cannot = "large: 1 row: another row has their value by now (`large_note_key`)";
    assert!(told.hints().contains(cannot), "{}", told.hints());
    assert_eq!(story.db.count("large WHERE note = 'note ' || id"), 119_998);
    assert_eq!(
        story.db.count("steps WHERE before IS NOT DISTINCT FROM nullif(id - 1, 0)"),
        110_000
    );
}

#[test]
fn a_difference_is_said_while_another_rowsafe_is_at_work() {
    needs_postgres!();
    let story = shop("missing_busy");
    let lost = story.surprise("DELETE FROM notes WHERE id <= 10;");
    let mut restoring = story.rowsafe(&["restore", lost.snapshot()]).in_terminal().spawn();
    restoring.wait_for_stdout("Type missing_busy to go on: ");
    let told = Told::by(story.rowsafe(&["diff", lost.snapshot()]));
    assert_eq!((told.outcome.code, &plan(&told, "notes")["insert"]), (Some(0), &json!(10)));
    // Nothing is locked while a person is asked.
    story
        .db
        .execute("UPDATE notes SET text = 'meanwhile' WHERE id = 50; INSERT INTO notes VALUES (1)");
    restoring.type_in("missing_busy\n");
    let _ = restoring.finish().exits(Exit::Ok).prints("9 rows of 1 table are back");
    assert_eq!(story.db.count("notes WHERE id > 10 AND text = 'note ' || id"), 89);
}

#[test]
fn a_foreign_key_to_a_column_that_stays_away_is_told() {
    needs_postgres!();
    let sql = "CREATE TABLE parent (id int PRIMARY KEY, name text);
               INSERT INTO parent SELECT n, 'n ' || n FROM generate_series(1, 9) n;
               CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
               INSERT INTO child SELECT n, n FROM generate_series(1, 9) n;";
    let story = Story::of_sql("restore_key_gone", sql);
    let told = back(&story, "DROP TABLE child; ALTER TABLE parent DROP COLUMN id;", "");
    let told = told.answers(Exit::Loss, "lost", "9 rows of 1 table are back");
    assert!(told.hints().contains("foreign key child child_parent_fkey"), "{}", told.hints());
    assert_eq!(story.db.count("child"), 9);
}
