//! What a migration tool writes down about the schema of now is not put back beside it.

use rowsafe::exit::Exit;

use crate::story::Story;

/// A project one revision further, which took rows that nobody had agreed to lose.
fn lost(database: &str) -> Story {
    let story = Story::prepared("offline-fails", database);
    let path = "migrations/versions/0002_read_rows.py";
    let values = [
        ("\"UPDATE jobs SET payload = NULL", "sys.argv[0][:0] + \"DELETE FROM jobs"),
        ("import json", "import json\nimport sys"),
    ];
    story.sandbox.fill(path, &values);
    let told = story.run(&["--allow", "opaque *: reviewed"], "alembic upgrade 0002");
    let _ = told.answers(Exit::Loss, "lost", "50 rows of jobs");
    assert_eq!(story.version(), "0002");
    story
}

#[test]
fn rows_come_back_and_the_revision_stays() {
    needs_postgres!();
    let story = lost("restore_revision");
    let told = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "50 rows of 1 table");
    assert!(!told.outcome.stderr.contains("alembic_version"), "{}", told.outcome.stderr);
    assert_eq!((story.db.count("jobs"), story.db.count("alembic_version")), (500, 1));
    assert_eq!(story.version(), "0002");
}

#[test]
fn a_revision_that_is_gone_comes_back() {
    needs_postgres!();
    let story = lost("restore_revision_gone");
    story.db.execute("DELETE FROM alembic_version");
    let _ = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "51 rows of 2 tables");
    assert_eq!(story.version(), "0001");
}
