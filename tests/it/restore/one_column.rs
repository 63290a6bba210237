//! Values of one column, over those of now.

use rowsafe::exit::Exit;

use crate::story::Story;

const SQL: &str = "CREATE TABLE people (id int PRIMARY KEY, name text, mail text);
    INSERT INTO people SELECT n, 'name ' || n, 'mail ' || n FROM generate_series(1, 300) n;";

/// A database in which every name was overwritten after a snapshot, and rows were written since.
fn overwritten(database: &str) -> Story {
    let story = Story::of_sql(database, SQL);
    let lost = story.surprise("UPDATE people SET name = 'x' WHERE id <= 200;");
    let lost = lost.answers(Exit::Loss, "lost", "200 values of people.name");
    let hint = "put them back: rowsafe restore ";
    assert!(lost.hints().contains(hint), "{}", lost.hints());
    assert!(lost.hints().contains(" --table people --column name"), "{}", lost.hints());
    story.db.execute(
        "INSERT INTO people VALUES (301, 'new', 'new'); UPDATE people SET mail = 'y' WHERE id = 7;",
    );
    story
}

const BACK: &str = "SELECT count(*) FROM people WHERE name = 'name ' || id";

#[test]
fn the_values_are_as_they_were_and_everything_else_stays() {
    needs_postgres!();
    let story = overwritten("one_column");
    let told = story.restore_here(&["latest", "--table", "people", "--column", "name"]);
    let _ = told.answers(Exit::Ok, "ok", "200 values");
    assert_eq!(story.db.query_one_i64(BACK), 300);
    let newer = "SELECT count(*) FROM people WHERE mail = 'y' OR name = 'new'";
    assert_eq!(story.db.query_one_i64(newer), 2, "what was written since");
}

#[test]
fn without_the_column_newer_values_stay() {
    needs_postgres!();
    let story = overwritten("one_column_not");
    let told = story.restore_here(&["latest", "--table", "people"]);
    let _ = told.answers(Exit::Ok, "ok", "nothing to put back");
    assert_eq!(story.db.query_one_i64(BACK), 100);
}

#[test]
fn a_column_that_is_not_there_is_named() {
    needs_postgres!();
    let story = overwritten("one_column_unknown");
    let told = story.restore_here(&["latest", "--table", "people", "--column", "nam"]);
    let told = told.answers(Exit::NoAnswer, "error", "`people` has no column `nam` in snapshot");
    assert!(told.hints().contains("its columns: id, name, mail"), "{}", told.hints());
    assert_eq!(story.db.query_one_i64(BACK), 100);
}
