//! What a restore does not do.

use std::fs;
use std::path::PathBuf;

use rowsafe::exit::Exit;

use crate::story::{Story, Told};

/// A database whose `people` were wiped after a snapshot.
fn wiped(database: &str) -> Story {
    let people = "CREATE TABLE people AS SELECT n AS id, 'name ' || n AS name \
                  FROM generate_series(1, 1000) n; CREATE TABLE pets AS SELECT 1 AS id;";
    let story = Story::of_sql(database, people);
    assert_eq!(story.surprise("TRUNCATE people;").outcome.code, Some(5));
    story
}

fn archive(story: &Story) -> PathBuf {
    story.snapshots()[0].join("archive.dump.zst")
}

fn check_untouched(story: &Story) {
    assert_eq!((story.db.count("people"), story.db.count("pets")), (0, 1));
}

#[test]
fn rows_without_a_key_beside_others() {
    needs_postgres!();
    let story = wiped("refuse_keyless");
    story.db.execute("INSERT INTO people VALUES (7, 'somebody new')");
    let told = story.restore_here(&["latest"]);
    let told = told.answers(Exit::Blocked, "blocked", "nothing can be put back in place");
    assert!(told.hints().contains("people: 1,000 rows: without a key"), "{}", told.hints());
    assert!(told.hints().contains("--into NAME"));
    assert_eq!(story.db.rows("SELECT name FROM people"), [["somebody new"]]);
    assert_eq!(story.snapshots().len(), 1, "nothing was written, so nothing was kept before");
    // A row of the snapshot is one of those that are there.
    story.db.execute("UPDATE people SET name = 'name 7'");
    let told =
        story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "999 rows of 1 table are back");
    assert_eq!(told.report["restore"]["tables"][0]["insert"], 999);
    assert_eq!(story.db.count("people"), 1000);
    assert_eq!(story.db.query_one_i64("SELECT count(DISTINCT name) FROM people"), 1000);
}

#[test]
fn the_wrong_name() {
    needs_postgres!();
    let story = wiped("refuse_name");
    let told = story.restore(&["latest", "--confirm", "refuse_nam"]);
    let _ = told.answers(
        Exit::NoAnswer,
        "error",
        "--confirm names `refuse_nam`, the database is `refuse_name`",
    );
    check_untouched(&story);
    let told = story.restore(&["latest"]);
    let told = told.answers(Exit::Blocked, "blocked", "nobody agreed to it");
    assert_eq!(told.hints(), "agree: --confirm refuse_name");
    check_untouched(&story);
    let mut running = story.rowsafe(&["restore", "latest"]).in_terminal().spawn();
    running.wait_for_stdout("Type refuse_name to go on: ");
    running.type_in("refuse_name\n");
    let told = Told::of(running.finish().exits(Exit::Ok).prints("1,000 rows of 1 table are back"));
    assert_eq!(told.report["verdict"], "ok");
    assert_eq!(story.db.count("people"), 1000);
}

#[test]
fn one_flipped_byte_anywhere() {
    needs_postgres!();
    let story = wiped("refuse_flipped");
    let archive = archive(&story);
    let good = fs::read(&archive).unwrap();
    for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        fs::write(&archive, &bytes).unwrap();
        let told = story.restore_here(&["latest"]);
        assert_eq!(told.report["verdict"], "error", "byte {at}");
        assert_ne!(told.outcome.code, Some(0), "byte {at}");
        check_untouched(&story);
    }
    fs::write(&archive, &good).unwrap();
    let told = story.restore_here(&["latest"]);
    let _ = told.answers(Exit::Ok, "ok", "1,000 rows of 1 table are back");
}

#[test]
fn a_cut_archive() {
    needs_postgres!();
    let story = wiped("refuse_cut");
    let archive = archive(&story);
    let good = fs::read(&archive).unwrap();
    for length in [0, good.len() / 2, good.len() - 1] {
        fs::write(&archive, &good[..length]).unwrap();
        let told = story.restore_here(&["latest"]);
        assert_eq!(told.report["verdict"], "error", "cut to {length}");
        assert_ne!(told.outcome.code, Some(0), "cut to {length}");
        check_untouched(&story);
    }
    fs::remove_file(&archive).unwrap();
    let told = story.restore_here(&["latest"]);
    assert_eq!(told.report["verdict"], "error");
    check_untouched(&story);
}

#[test]
fn an_archive_of_another_snapshot() {
    needs_postgres!();
    let story = wiped("refuse_swapped");
    let first = archive(&story);
    story.db.execute("INSERT INTO people VALUES (1, 'later')");
    let told = story.surprise("TRUNCATE people;");
    let second = PathBuf::from(told.report["snapshot"]["path"].as_str().unwrap());
    fs::copy(second.join("archive.dump.zst"), &first).unwrap();
    let id = first.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let told = story.restore_here(&[&id]);
    assert_eq!(told.report["verdict"], "error");
    check_untouched(&story);
    let told = story.restore_here(&[told_id(&told, &second).as_str()]);
    let _ = told.answers(Exit::Ok, "ok", "1 row of 1 table");
}

fn told_id(_: &Told, directory: &std::path::Path) -> String {
    directory.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn an_unknown_snapshot() {
    needs_postgres!();
    let story = wiped("refuse_unknown");
    let told = story.restore_here(&["zzzzzzzz"]);
    let _ = told.answers(Exit::NoAnswer, "error", "no snapshot `zzzzzzzz`");
    for id in ["", "../snapshots", "."] {
        let told = story.restore_here(&[id]);
        assert_eq!(
            (told.outcome.code, &told.report["verdict"]),
            (Some(2), &"error".into()),
            "{id}"
        );
    }
    let told = story.restore_here(&["latest", "--store", "elsewhere"]);
    let _ = told.answers(Exit::NoAnswer, "error", "there is no snapshot");
    check_untouched(&story);
}

#[test]
fn a_manifest_from_the_future() {
    needs_postgres!();
    let story = wiped("refuse_future");
    let directory = story.snapshots().remove(0);
    let manifest = directory.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let future = text.replace("rowsafe.snapshot/1", "rowsafe.snapshot/3");
    fs::write(&manifest, future).unwrap();
    let id = directory.file_name().unwrap().to_str().unwrap();
    for id in [id, "latest"] {
        let told = story.restore_here(&[id]);
        let _ = told.answers(Exit::NoAnswer, "error", "rowsafe.snapshot/3");
    }
    check_untouched(&story);
    fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    let told = story.restore_here(&[id]);
    let _ = told.answers(Exit::NoAnswer, "error", "manifest");
    check_untouched(&story);
}

#[test]
fn tables_that_are_intact() {
    needs_postgres!();
    let story = wiped("refuse_intact");
    story.db.execute("INSERT INTO people SELECT n, 'name ' || n FROM generate_series(1, 1000) n");
    let told = story.restore_here(&["latest"]).answers(Exit::Ok, "ok", "nothing to put back");
    assert_eq!(told.report["tables"], serde_json::json!([]));
    assert_eq!(told.report["restore"]["tables"], serde_json::json!([]));
    assert_eq!((story.db.count("people"), story.snapshots().len()), (1000, 1));
}

#[test]
fn rows_that_no_longer_fit_stay_away_and_are_named() {
    needs_postgres!();
    let story = wiped("refuse_unfitting");
    story.db.execute("ALTER TABLE people ADD CONSTRAINT few CHECK (id <= 900)");
    let told = story.restore_here(&["latest"]);
    let told = told.answers(Exit::Loss, "lost", "900 rows of 1 table are back");
    let cannot = "people: 100 rows: they do not pass the check `few` of now";
    assert!(told.hints().contains(cannot), "{}", told.hints());
    assert_eq!((story.db.count("people"), story.db.count("pets")), (900, 1));
}

#[test]
fn what_was_not_foreseen_is_all_or_nothing() {
    needs_postgres!();
    let story = wiped("refuse_all_or_nothing");
    // A domain says no to a value only when it is written.
    story.db.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.id = 900 THEN RAISE 'never %', NEW.name; END IF; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER no AFTER INSERT ON people DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION no();
         CREATE UNIQUE INDEX odd ON people ((CASE WHEN id < 900 THEN id ELSE 1 / (id - 950) END));",
    );
    let told = story.restore_here(&["latest"]);
    let told = told.answers(Exit::NoAnswer, "error", "put rows back into people: division by zero");
    assert!(told.hints().contains("nothing was changed"));
    check_untouched(&story);
}
