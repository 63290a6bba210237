//! The incident, retold: blocked, agreed to, and the loss that nobody planned.

use rowsafe::exit::Exit;
use serde_json::json;

use crate::story::{Story, Told};

const DROP_TYPE: &str = "drop-type migration.collectionflowstatus: its values are in the export";
const REFRESH: &str = "calls-function migration.refresh_statistics: it only refreshes statistics";

fn rows(story: &Story, table: &str) -> i64 {
    story.db.count(&format!("migration.{table}"))
}

fn statuses(story: &Story) -> i64 {
    story.db.query_one_i64("SELECT count(DISTINCT status) FROM migration.collection_flows")
}

#[test]
fn blocked() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_blocked");
    let told = story.run(&[], "alembic upgrade 0003");
    let told =
        told.answers(Exit::Blocked, "blocked", "5,600 values would be gone; nothing was run");
    assert_eq!(told.findings(), ["error drop-type migration.collectionflowstatus 0+5600"]);
    let finding = &told.report["findings"][0];
    let through = [
        "column migration.collection_flows.status (4,200 values)",
        "column migration.collection_flows.previous_status (1,400 values)",
    ];
    assert_eq!(finding["loss"]["through"], json!(through));
    assert_eq!(finding["place"]["revision"], "0002");
    told.nothing_was_run();
    assert!(story.snapshots().is_empty());
    assert_eq!((story.version().as_str(), statuses(&story)), ("0001", 5));
}

#[test]
fn agreed() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_agreed");
    let told = story.run(&["--allow", DROP_TYPE], "alembic upgrade 0003");
    let told = told.answers(Exit::Ok, "ok", "every row accounted for");
    assert_eq!(
        told.findings(),
        ["error drop-type migration.collectionflowstatus 0+5600 agreed by command-line"]
    );
    let columns = "collection_flows 4200→4200 intact, status recreated, \
                   previous_status recreated, planned";
    assert_eq!(
        told.changes(),
        ["assets 4800→4800 intact, tag_id added, planned", columns, "tags null→0 created, planned"]
    );
    told.revisions(&["0001"], &["0003"]);
    assert_eq!(told.report["child"]["exit"], 0);
    assert_eq!((story.version().as_str(), statuses(&story)), ("0003", 1));
    assert_eq!(story.snapshots().len(), 1);
}

#[test]
fn nobody_planned_that_and_it_comes_back() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_unplanned");
    story.alembic("0003");
    let told = story.run(&["--allow", REFRESH], "alembic upgrade head");
    let told = told.answers(
        Exit::Loss,
        "lost",
        "4,800 rows of migration.assets and 2,400 rows of migration.asset_dependencies, which",
    );
    let _ = &told.outcome.stderr.find("NOT PLANNED").expect("it says so");
    assert_eq!(told.changes(), ["asset_dependencies 2400→0 wiped", "assets 4800→0 wiped"]);
    assert!(told.hints().contains(&format!("rowsafe restore {}", told.snapshot())));
    assert_eq!((rows(&story, "assets"), rows(&story, "asset_dependencies")), (0, 0));

    let back = story.restore(&["latest", "--confirm", "run_incident_unplanned"]);
    let back = back.answers(Exit::Ok, "ok", "7,200 rows of 2 tables are back");
    assert_eq!(back.report["command"], "restore");
    assert_eq!(back.snapshot(), told.snapshot());
    assert_eq!((rows(&story, "assets"), rows(&story, "asset_dependencies")), (4800, 2400));
    let again = story.restore(&["latest", "--confirm", "run_incident_unplanned"]);
    let _ = again.answers(Exit::Ok, "ok", "nothing to put back");
}

#[test]
fn typing_the_name_agrees() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_typed");
    let mut running = story.command(&[], "alembic upgrade 0003").in_terminal().spawn();
    running.wait_for_stdout("Type run_incident_typed to go on: ");
    running.type_in("run_incident_typed\n");
    let told = Told::of(running.finish().exits(Exit::Ok).prints("every row accounted for"));
    assert_eq!((&told.report["verdict"], &told.report["exit"]), (&json!("ok"), &json!(0)));
    assert_eq!(
        told.findings(),
        ["error drop-type migration.collectionflowstatus 0+5600 agreed by prompt"]
    );
    assert_eq!((story.version().as_str(), statuses(&story)), ("0003", 1));
}

#[test]
fn typing_another_name_does_not() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_mistyped");
    let mut running = story.command(&[], "alembic upgrade 0003").in_terminal().spawn();
    running.wait_for_stdout("Type run_incident_mistyped to go on: ");
    running.type_in("yes\n");
    let told = Told::of(running.finish().exits(Exit::Blocked).prints("nothing was run"));
    assert_eq!(told.report["verdict"], "blocked");
    told.nothing_was_run();
    assert_eq!((story.version().as_str(), statuses(&story)), ("0001", 5));
}

#[test]
fn nobody_is_asked_in_ci() {
    needs_postgres!();
    let story = Story::prepared("incident-a", "run_incident_ci");
    let command = story.command(&[], "alembic upgrade 0003").env("CI", "1").in_terminal();
    let told = Told::by(command);
    assert_eq!((told.outcome.code, &told.report["verdict"]), (Some(1), &json!("blocked")));
    assert!(!told.outcome.stdout.contains("to go on"));
    told.nothing_was_run();
    assert_eq!(statuses(&story), 5);
}
