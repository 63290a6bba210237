//! What is there, and what is known of one.

use rowsafe::exit::Exit;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::{archive, create, flip, json, listed, of, scene, snapshot};

#[test]
fn an_empty_store_says_what_to_do() {
    needs_postgres!();
    let scene = scene("list_empty");
    let outcome = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let _ = outcome.prints("there is no snapshot in ").prints("rowsafe snapshot create");
    assert_eq!(listed(&scene), [json!(null); 0]);
    let outcome = snapshot(&scene, &["show", "latest"]).run().exits(Exit::NoAnswer);
    let _ = outcome.says("there is no snapshot");
    let outcome = snapshot(&scene, &["show", "nothing"]).run().exits(Exit::NoAnswer);
    let _ = outcome.says("no snapshot `nothing`").says("rowsafe snapshot list");
}

#[test]
fn a_store_that_can_t_be_read_is_no_empty_one() {
    needs_postgres!();
    let scene = scene("list_unreadable");
    scene.sandbox.write(".rowsafe/snapshots", "a file");
    let outcome = snapshot(&scene, &["list", "--format", "json"]).run().exits(Exit::NoAnswer);
    let report = json(&outcome);
    assert_eq!(report["verdict"], "error");
}

#[test]
fn newest_first_in_80_columns() {
    needs_postgres!();
    let scene = scene("list_wide");
    scene.db.execute(
        "INSERT INTO alembic_version VALUES ('8f14e45fceea167a5a36dedd4bea2543'); \
         CREATE TABLE many AS SELECT n FROM generate_series(1, 120000) n",
    );
    let ids = [create(&scene, &[]), create(&scene, &["--table", "users"]), create(&scene, &[])];
    let order: Vec<String> =
        listed(&scene).iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(order, [&ids[2], &ids[1], &ids[0]].map(String::clone));
    let outcome = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let table: Vec<&str> =
        outcome.stdout.lines().take_while(|line| !line.is_empty()).skip(1).collect();
    assert_eq!(table.len(), 4, "{outcome}");
    for line in &table {
        assert!(line.width() <= 80, "{line}");
    }
    assert!(table[1].contains("120,082"), "{outcome}");
    assert!(table[2].contains("1/4"), "{outcome}");
}

#[test]
fn what_is_damaged_is_shown_as_that_and_never_offered() {
    needs_postgres!();
    let scene = scene("list_damaged");
    let (first, second) = (create(&scene, &[]), create(&scene, &[]));
    assert_eq!(of(&scene, &second)["state"], "good");
    let bytes = std::fs::read(archive(&scene, &second)).unwrap();
    std::fs::write(archive(&scene, &second), &bytes[..bytes.len() / 2]).unwrap();
    let item = of(&scene, &second);
    assert_eq!(item["state"], "damaged");
    assert!(item["problem"].as_str().unwrap().contains("bytes"), "{item}");
    std::fs::write(scene.store().join(&second).join("manifest.json"), "{").unwrap();
    assert_eq!(of(&scene, &second)["state"], "damaged");
    assert_eq!(of(&scene, &second)["rows"], json!(null));
    assert_eq!(of(&scene, &first)["state"], "good");
    let outcome = snapshot(&scene, &["list"]).run().exits(Exit::Ok);
    let _ = outcome.prints("1 damaged").prints("not offered");
    let latest = scene.rowsafe("restore").arg("latest").run().exits(Exit::NoAnswer);
    let _ = latest.says("manifest");
}

#[test]
fn one_that_was_found_damaged_is_remembered() {
    needs_postgres!();
    let scene = scene("list_remembered");
    let (first, second) = (create(&scene, &[]), create(&scene, &[]));
    flip(&scene, &second);
    assert_eq!(of(&scene, &second)["state"], "good", "its size is right, and nobody looked");
    let _ = snapshot(&scene, &["verify", &second]).run().exits(Exit::SnapshotFailed);
    assert_eq!(of(&scene, &second)["state"], "damaged");
    let shown = snapshot(&scene, &["show", &second]).run().exits(Exit::SnapshotFailed);
    let _ = shown.says("is damaged");
    // The doctor does not take it for a way back.
    scene.sandbox.write("rowsafe.toml", "rpo = \"1h\"\n");
    let doctor = scene.rowsafe("doctor").run().exits(Exit::Ok);
    let _ = doctor.prints(&format!("{first} is "));
    flip(&scene, &second);
    let _ = snapshot(&scene, &["verify", &second]).run().exits(Exit::Ok);
    assert_eq!(of(&scene, &second)["state"], "good");
}

#[test]
fn everything_that_is_known_of_one() {
    needs_postgres!();
    let scene = scene("show_all");
    let script = "psql -qX \"$DB\" -c 'TRUNCATE orders'";
    let allow = ["--allow", "truncate orders: a test", "--snapshot", "all"];
    let _ = scene.run_with(&allow, script).run();
    let shown = snapshot(&scene, &["show", "latest"]).run().exits(Exit::Ok);
    let shown = shown.prints("TRUNCATE orders").prints("3f9c1a").prints("PostgreSQL");
    let shown = shown.prints("rowsafe restore ").prints("read back ").prints("not tried yet");
    let _ = shown.prints("users            50").prints("orders           30");
    let report = json(&snapshot(&scene, &["show", "latest", "--format", "json"]).run());
    let item = &report["snapshots"][0];
    assert_eq!(item["command"][0], "sh");
    let tables = item["contents"]["tables"].as_array().unwrap();
    let rows: Vec<_> = tables.iter().map(|table| (&table["name"], &table["rows"])).collect();
    let expected = [("alembic_version", 1), ("orders", 30), ("users", 50)];
    let expected = expected.map(|(name, rows)| (json!(name), json!(rows)));
    assert_eq!(rows, expected.iter().map(|(name, rows)| (name, rows)).collect::<Vec<_>>());
}
