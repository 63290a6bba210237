//! Which of them go.

use rowsafe::exit::Exit;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{age, create, flip, json, listed, scene, snapshot};
use crate::harness::Scene;

/// `prune WORDS`, as JSON.
#[track_caller]
fn prune(scene: &Scene, words: &[&str]) -> Value {
    let outcome = snapshot(scene, &["prune", "--format", "json"]).args(words).run();
    json(&outcome.exits(Exit::Ok))
}

/// What was decided of a snapshot.
#[track_caller]
fn decided(report: &Value, id: &str) -> (bool, String) {
    let items = report["snapshots"].as_array().unwrap();
    let item = items.iter().find(|item| item["id"] == id).expect("each is decided on");
    (item["stays"].as_bool().unwrap(), item["why"].as_str().unwrap().to_owned())
}

fn ids(scene: &Scene) -> Vec<String> {
    listed(scene).iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_a_policy_nothing_goes() {
    needs_postgres!();
    let scene = scene("prune_none");
    create(&scene, &[]);
    let outcome = snapshot(&scene, &["prune"]).run().exits(Exit::NoAnswer);
    let _ = outcome.says("nobody has said which snapshots are to stay").says("[retention]");
    let _ = snapshot(&scene, &["prune", "--keep-last", "0"]).run().exits(Exit::NoAnswer);
    assert_eq!(ids(&scene).len(), 1);
}

#[test]
fn days_are_kept_and_what_no_rule_keeps_goes() {
    needs_postgres!();
    let scene = scene("prune_days");
    let made: Vec<String> = (0..4).map(|_| create(&scene, &[])).collect();
    // The first of two on the same day, and one of 40 days ago.
    for (id, days) in made.iter().zip([40, 2, 2, 0]) {
        age(&scene, id, days);
    }
    let words = ["--keep-daily", "2", "--dry-run"];
    let text = snapshot(&scene, &["prune"]).args(words).run().exits(Exit::Ok);
    let text = text.prints(&format!("keep    {}", made[3])).prints(&format!("remove  {}", made[0]));
    let _ = text.prints("2 snapshots would go").prints("no rule keeps it").prints("daily");
    assert_eq!(ids(&scene).len(), 4, "it was only asked what would go");
    scene.sandbox.write("rowsafe.toml", "[retention]\nkeep-daily = 2\n");
    let report = prune(&scene, &[]);
    assert_eq!(decided(&report, &made[1]), (false, "no rule keeps it".to_owned()));
    assert_eq!(ids(&scene), [made[3].clone(), made[2].clone()]);
    let removed = scene.steps().iter().filter(|step| *step == "snapshot-removing").count();
    assert_eq!(removed, 2);
    // What is typed says all of it.
    let _ = prune(&scene, &["--keep-last", "1"]);
    assert_eq!(ids(&scene), [made[3].clone()]);
    let _ = prune(&scene, &["--keep-within", "1h"]);
    assert_eq!(ids(&scene), [made[3].clone()], "the last good one of everything stays");
}

#[test]
fn the_whole_one_of_the_night_is_not_displaced_by_that_of_a_run() {
    needs_postgres!();
    let scene = scene("prune_narrow");
    let whole = create(&scene, &[]);
    let narrow = [create(&scene, &["--table", "users"]), create(&scene, &["--table", "users"])];
    let _ = prune(&scene, &["--keep-last", "1"]);
    assert_eq!(ids(&scene), [narrow[1].clone(), whole]);
}

#[test]
fn what_a_loss_needs_stays_until_the_rows_are_back() {
    needs_postgres!();
    let scene = scene("prune_loss");
    let lose = || {
        let script = "psql -qX \"$DB\" -c 'DELETE FROM orders'";
        let report = scene.run(script).with_report().run().exits(Exit::Loss).json();
        report["snapshot"]["id"].as_str().unwrap().to_owned()
    };
    let first = lose();
    create(&scene, &[]);
    let report = prune(&scene, &["--keep-last", "1"]);
    let (stays, why) = decided(&report, &first);
    assert!(stays && why.contains("lost rows, and they were not put back"), "{why}");
    let hint = report["hints"][0].as_str().unwrap();
    assert!(hint.contains(&format!("rowsafe snapshot prune --release {first}")), "{hint}");
    // Into another database they are not back.
    let beside = [first.as_str(), "--into", "prune_loss_before"];
    let _ = scene.rowsafe("restore").args(beside).run().exits(Exit::Ok);
    assert!(decided(&prune(&scene, &["--keep-last", "1"]), &first).0);
    let back = [first.as_str(), "--confirm", "prune_loss"];
    let _ = scene.rowsafe("restore").args(back).run().exits(Exit::Ok);
    assert_eq!(scene.db.count("orders"), 30);
    assert!(!decided(&prune(&scene, &["--keep-last", "1"]), &first).0);

    let second = lose();
    create(&scene, &[]);
    let asked = ["--keep-last", "1", "--release", &second[..5]];
    assert!(!decided(&prune(&scene, &[&asked[..], &["--dry-run"]].concat()), &second).0);
    assert!(decided(&prune(&scene, &["--keep-last", "1"]), &second).0, "it was only asked");
    assert!(!decided(&prune(&scene, &asked), &second).0);
    assert!(!ids(&scene).contains(&second));
    let unknown = ["prune", "--keep-last", "1", "--release", "nothing"];
    let _ = snapshot(&scene, &unknown)
        .run()
        .exits(Exit::NoAnswer)
        .says("there is no snapshot `nothing`");
}

#[test]
fn what_a_run_is_at_work_with_stays_whoever_releases_it() {
    needs_postgres!();
    let scene = scene("prune_at_work");
    let script = "touch ran; while ! test -e go; do sleep 0.02; done";
    let mut run = scene.run_with(&["--snapshot", "all"], script).spawn();
    let ran = scene.flag("ran");
    run.wait_for("the command runs", move || ran.exists());
    let of_run = ids(&scene).remove(0);
    create(&scene, &[]);
    let report = prune(&scene, &["--keep-last", "1", "--release", &of_run]);
    let (stays, why) = decided(&report, &of_run);
    assert!(stays && why.contains("is at work"), "{why}");
    scene.raise("go");
    let _ = run.finish();
    assert!(!decided(&prune(&scene, &["--keep-last", "1"]), &of_run).0);
}

#[test]
fn a_run_that_was_killed_holds_its_snapshot() {
    needs_postgres!();
    let scene = scene("prune_killed");
    let script = "touch ran; while ! test -e go; do sleep 0.02; done";
    let mut run = scene.run_with(&["--snapshot", "all"], script).spawn();
    let ran = scene.flag("ran");
    run.wait_for("the command runs", move || ran.exists());
    run.signal_group(Signal::KILL);
    let _ = run.finish();
    scene.raise("go");
    let of_run = ids(&scene).remove(0);
    create(&scene, &[]);
    let (stays, why) = decided(&prune(&scene, &["--keep-last", "1"]), &of_run);
    assert!(stays && why.contains("was stopped before its rows were compared"), "{why}");
}

#[test]
fn half_of_one_goes_after_a_day_and_a_damaged_one_when_it_is_released() {
    needs_postgres!();
    let scene = scene("prune_half");
    let (good, bad) = (create(&scene, &[]), create(&scene, &[]));
    flip(&scene, &bad);
    let _ = snapshot(&scene, &["verify", &bad]).run().exits(Exit::SnapshotFailed);
    for (id, when) in [("younghlf", "2 hours ago"), ("old0half", "30 hours ago")] {
        let directory = scene.store().join(format!(".partial-{id}"));
        std::fs::create_dir(&directory).unwrap();
        let archive = directory.join("archive.dump.zst");
        std::fs::write(&archive, "half").unwrap();
        for path in [&archive, &directory] {
            let touch = std::process::Command::new("touch").args(["-d", when]).arg(path).status();
            assert!(touch.unwrap().success());
        }
    }
    let report = prune(&scene, &["--keep-last", "1"]);
    assert_eq!(decided(&report, "younghlf"), (true, "half-written, and may be at work".to_owned()));
    assert_eq!(
        decided(&report, "old0half"),
        (false, "half-written for more than a day".to_owned())
    );
    assert_eq!(decided(&report, &bad), (true, "damaged; somebody has to look at it".to_owned()));
    assert_eq!(decided(&report, &good), (true, "last".to_owned()), "a damaged one is not the last");
    let mut left = ids(&scene);
    left.sort();
    let mut expected = vec![good.clone(), bad.clone(), "younghlf".to_owned()];
    expected.sort();
    assert_eq!(left, expected);
    let _ = prune(&scene, &["--keep-last", "1", "--release", &bad]);
    assert!(!ids(&scene).contains(&bad) && ids(&scene).contains(&good));
}

#[test]
fn the_journal_decides_so_without_it_nothing_goes() {
    needs_postgres!();
    let scene = scene("prune_journal");
    create(&scene, &[]);
    create(&scene, &[]);
    let path = scene.sandbox.path().join(".rowsafe/journal.jsonl");
    std::fs::write(&path, "{\"schema\": \"rowsafe.journal/9\"}\n").unwrap();
    let outcome = snapshot(&scene, &["prune", "--keep-last", "1"]).run().exits(Exit::NoAnswer);
    let _ = outcome.says("rowsafe.journal/9");
    // Who only looks finds them all the same.
    let list = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let _ = list.prints("2 snapshots in ").prints("when snapshots were verified is not known");
    assert_eq!(scene.kept().len(), 2);
}

#[test]
fn two_at_once_are_no_harm() {
    needs_postgres!();
    let scene = scene("prune_twice");
    for _ in 0..4 {
        create(&scene, &[]);
    }
    let both = [0, 1].map(|_| snapshot(&scene, &["prune", "--keep-last", "1"]).spawn());
    for one in both {
        let _ = one.finish().exits(Exit::Ok);
    }
    let left = listed(&scene);
    assert_eq!((left.len(), &left[0]["state"]), (1, &json!("good")));
    assert_eq!(scene.kept().len(), 1, "nothing is left of the others");
}
