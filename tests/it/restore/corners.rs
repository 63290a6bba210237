//! What comes back in place from corners that are easily forgotten: partitions, a schema's only
//! table, foreign keys that are checked at commit.

use rowsafe::exit::Exit;

use crate::story::Story;

const TREE: &str = "
    CREATE TABLE p (k int PRIMARY KEY, v text) PARTITION BY RANGE (k);
    CREATE INDEX p_v ON p (v);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (50) PARTITION BY RANGE (k);
    CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (10) TO (50);
    INSERT INTO p SELECT n, 'v' FROM generate_series(0, 49) n;";

const INDEXES: &str = "
    SELECT indexrelid::regclass || ' ' || indisvalid || ' ' || coalesce(inhparent::regclass::text, '-')
      FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid
     WHERE indrelid::regclass::text LIKE 'p%' AND indrelid > 16384
       AND indrelid::regclass::text NOT LIKE 'pg%' ORDER BY 1";

fn check_tree(database: &str, loss: &str) {
    let story = Story::of_sql(database, TREE);
    let before = story.db.rows(INDEXES);
    let told = story.surprise(loss).answers(Exit::Loss, "lost", "which the plan did not name");
    let _ = story.restore_here(&[told.snapshot()]).answers(Exit::Ok, "ok", "counted again");
    assert_eq!(story.db.count("p"), 50);
    assert_eq!(story.db.rows(INDEXES), before, "{loss}");
}

#[test]
fn partitions_come_back_attached_with_their_indexes() {
    needs_postgres!();
    check_tree("corner_leaf", "DROP TABLE p1;");
    check_tree("corner_branch", "DROP TABLE p2;");
    check_tree("corner_root", "DROP TABLE p;");
    check_tree("corner_detached", "ALTER TABLE p DETACH PARTITION p1; DROP TABLE p1;");
}

#[test]
fn the_only_table_of_a_schema_comes_back_into_it() {
    needs_postgres!();
    let only = "CREATE SCHEMA app; CREATE TABLE app.jobs AS SELECT 1 AS id;";
    let story = Story::of_sql("corner_schema", only);
    let lost = story.surprise("DROP TABLE app.jobs;").answers(Exit::Loss, "lost", "table app.jobs");
    let _ = story.restore_here(&[lost.snapshot()]).answers(Exit::Ok, "ok", "1 row of 1 table");
    assert_eq!(story.db.count("app.jobs"), 1);
}

#[test]
fn foreign_keys_that_are_checked_at_commit_are_no_obstacle() {
    needs_postgres!();
    let circle = "
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
        ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
        BEGIN; INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); COMMIT;
        CREATE TABLE c AS SELECT n AS id FROM generate_series(1, 3) n;";
    let story = Story::of_sql("corner_deferred", circle);
    let lost = story.surprise("TRUNCATE a, b; DELETE FROM c WHERE id > 1;");
    let lost = lost.answers(Exit::Loss, "lost", "which the plan did not name");
    let _ = story.restore_here(&[lost.snapshot()]).answers(Exit::Ok, "ok", "4 rows of 3 tables");
    assert_eq!((story.db.count("a"), story.db.count("b"), story.db.count("c")), (1, 1, 3));
}
