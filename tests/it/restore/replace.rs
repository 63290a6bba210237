//! `--mode replace`: a table as it was.

use rowsafe::exit::Exit;

use crate::story::Story;

const SHOP: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, code int UNIQUE);
    CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE, cents int);
    INSERT INTO customers SELECT n, 'name ' || n, n FROM generate_series(1, 20) n;
    INSERT INTO orders (customer_id, cents) SELECT 1 + n % 20, n FROM generate_series(1, 100) n;
    CREATE TABLE log AS SELECT n % 5 AS a FROM generate_series(1, 50) n;";

const ROWS: &str = "SELECT * FROM customers ORDER BY id";
const ORDERS: &str = "SELECT * FROM orders ORDER BY id";

#[test]
fn a_table_as_it_was() {
    needs_postgres!();
    let story = Story::of_sql("replace_table", SHOP);
    let (rows, orders) = (story.db.rows(ROWS), story.db.rows(ORDERS));
    let lost = story.surprise(
        "UPDATE customers SET name = 'x' WHERE id <= 5; DELETE FROM customers WHERE id > 18;",
    );
    story.db.execute("INSERT INTO customers VALUES (100, 'new', 100), (101, 'new', 101)");
    let told = story.restore_here(&[lost.snapshot(), "--mode", "replace"]);
    let told = told.answers(Exit::NoAnswer, "error", "--mode replace overwrites and deletes rows");
    assert!(told.hints().contains("--swap"));
    let told = story.restore_here(&[lost.snapshot(), "--mode", "replace", "--table", "customers"]);
    let told = told.answers(
        Exit::Ok,
        "ok",
        "2 rows of 1 table, 5 rows overwritten, 2 rows deleted are back",
    );
    assert_eq!(told.report["restore"]["mode"], "replace");
    assert_eq!(story.db.rows(ROWS), rows);
    assert_eq!(story.db.count("orders"), 90, "only the table that was named");
    let told = story.restore_here(&[lost.snapshot(), "--mode", "replace", "--table", "orders"]);
    let _ = told.answers(Exit::Ok, "ok", "10 rows of 1 table");
    assert_eq!(story.db.rows(ORDERS), orders);
    let told = story.restore_here(&[
        lost.snapshot(),
        "--mode",
        "replace",
        "--table",
        "orders",
        "--table",
        "customers",
    ]);
    let _ = told.answers(Exit::Ok, "ok", "nothing to put back");
}

#[test]
fn rows_that_others_refer_to_are_not_deleted() {
    needs_postgres!();
    let story = Story::of_sql("replace_referred", SHOP);
    let lost = story.surprise("UPDATE customers SET name = NULL WHERE id <= 5;");
    story.db.execute("INSERT INTO customers VALUES (100, 'new', 100), (101, 'new', 101); INSERT INTO orders (customer_id) VALUES (100)");
    let told = story.restore_here(&[lost.snapshot(), "--mode", "replace", "--table", "customers"]);
    let told = told.answers(Exit::Loss, "lost", "5 rows overwritten, 1 row deleted");
    assert!(
        told.hints().contains("customers: 1 row that are not in the snapshot stay"),
        "{}",
        told.hints()
    );
    assert_eq!((story.db.count("customers"), story.db.count("orders")), (21, 101));
    let told = story.restore_here(&[
        lost.snapshot(),
        "--mode",
        "replace",
        "--table",
        "customers",
        "--table",
        "orders",
    ]);
    let _ = told.answers(Exit::Ok, "ok", "2 rows deleted");
    assert_eq!((story.db.count("customers"), story.db.count("orders")), (20, 100));
}

#[test]
fn a_table_without_a_key_as_it_was() {
    needs_postgres!();
    let story = Story::of_sql("replace_keyless", SHOP);
    let lost = story.surprise("DELETE FROM log WHERE a = 1; UPDATE log SET a = 7 WHERE a = 2;");
    story.db.execute("INSERT INTO log VALUES (3), (3), (9)");
    let told = story.restore_here(&[lost.snapshot()]);
    let _ = told.answers(Exit::Blocked, "blocked", "nothing can be put back in place");
    let told = story.restore_here(&[lost.snapshot(), "--mode", "replace", "--table", "log"]);
    let _ = told.answers(Exit::Ok, "ok", "20 rows of 1 table, 13 rows deleted");
    assert_eq!(
        story.db.rows("SELECT a, count(*) FROM log GROUP BY 1 ORDER BY 1"),
        [["0", "10"], ["1", "10"], ["2", "10"], ["3", "10"], ["4", "10"]]
    );
}
