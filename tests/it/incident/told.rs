//! The same incident as text, Markdown and JSON.

use rowsafe::exit::Exit;

use super::look;
use crate::harness::{Rowsafe, Scene};

/// Names that end cells, spans and lines.
const HOSTILE: &str = "a|b`c``d\n## e <b> *f* [g](h)";

fn hostile(name: &str) -> Scene {
    let quoted = rowsafe::text::name::quote(HOSTILE);
    let scene = Scene::new(
        name,
        &format!(
            "CREATE TABLE {quoted} AS SELECT generate_series(1, 9) AS id; CREATE TABLE t (id int); INSERT INTO t VALUES (1)"
        ),
    );
    scene.db.execute(&format!("TRUNCATE {quoted}"));
    scene.wait_until_left_alone();
    scene
}

fn rows_of_tables(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with('|')).collect()
}

/// The cells of a row, as a reader of GitHub's Markdown splits it.
fn cells(row: &str) -> Vec<String> {
    let inner = row.strip_prefix('|').unwrap().strip_suffix('|').unwrap();
    let mut cells = vec![String::new()];
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => cells.last_mut().unwrap().extend(['\\'].into_iter().chain(characters.next())),
            '|' => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(character),
        }
    }
    cells
}

#[test]
fn markdown_holds_any_name() {
    needs_postgres!();
    let scene = hostile("incident_markdown");
    let outcome = scene.rowsafe("incident").args(["--format", "markdown"]).run().exits(Exit::Loss);
    let page = &outcome.stdout;
    let rows = rows_of_tables(page);
    assert_eq!(rows.len(), 4, "{page}");
    for row in &rows {
        assert_eq!(cells(row).len(), 8, "{row}");
    }
    assert_eq!(cells(rows[2])[0].trim(), "```\"a\\|b`c``d\\n## e <b> *f* [g](h)\"```");
    let titles: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(
        titles,
        [
            "## Tables",
            "## Why",
            "## Ways back",
            "## What to do",
            "## Timeline",
            "## Seen",
            "## Not seen"
        ]
    );
    assert!(page.starts_with("# Incident: `incident_markdown`\n"), "{page}");
    assert!(page.contains("- [ ] keep the present state"), "{page}");
    assert!(
        !page.contains("<b>") || page.matches("<b>").count() == page.matches("# e <b>").count()
    );
}

#[test]
fn what_is_written_is_what_is_printed() {
    needs_postgres!();
    let scene = hostile("incident_written");
    let outputs =
        ["--output", "markdown=i.md", "--output", "json=i.json", "--output", "human=i.txt"];
    let outcome = scene.rowsafe("incident").args(outputs).run().exits(Exit::Loss);
    let human = &outcome.stdout;
    assert!(human.starts_with("database  incident_written@"), "{human}");
    assert_eq!(*human, scene.sandbox.read("i.txt"));
    assert!(
        human.contains("severity  P2: 1 table gone or wiped, 9 of 10 expected rows missing")
            || human.contains("severity  P1:"),
        "{human}"
    );
    assert!(human.ends_with(". exit 5\n"), "{human}");
    let steady = |text: &str| {
        let moment = regex::Regex::new(r"\d{4}-\d\d-\d\d[ T][\d:.]+( UTC|Z)").unwrap();
        let counters = regex::Regex::new(r"[\d,]+ transactions?( ago| were)?").unwrap();
        counters.replace_all(&moment.replace_all(text, "MOMENT"), "N").into_owned()
    };
    let printed = scene.rowsafe("incident").args(["--format", "markdown"]).run();
    assert!(
        steady(&printed.stdout).lines().count()
            == steady(&scene.sandbox.read("i.md")).lines().count()
    );
    let json: serde_json::Value = serde_json::from_str(&scene.sandbox.read("i.json")).unwrap();
    crate::schema::check(&json);
    let printed = scene.rowsafe("incident").args(["--format", "json"]).run().exits(Exit::Loss);
    crate::schema::check(&printed.json());
    assert_eq!(printed.json()["incident"]["tables"], json["incident"]["tables"]);
    assert_eq!(printed.json()["incident"]["tables"][0]["name"], HOSTILE);
}

#[test]
fn mistakes_and_places_that_cannot_be_written() {
    needs_postgres!();
    let scene = Scene::new("incident_mistakes", "");
    let nowhere = ["--output", "markdown=no/such/place"];
    let outcome = scene.rowsafe("incident").args(nowhere).run().exits(Exit::NoAnswer);
    let _ = outcome.says("the report `no/such/place` can't be written");
    let none = Rowsafe::new(&scene.sandbox).arg("incident").run().exits(Exit::NoAnswer);
    assert!(none.stdout.is_empty(), "{}", none.stdout);
    let quiet = scene.rowsafe("incident").arg("-q").run().exits(Exit::Loss);
    assert_eq!(quiet.stdout.lines().count(), 1, "{}", quiet.stdout);
    let report = look(&scene).exits(Exit::Loss, "P0");
    assert_eq!(report.tables(), [""; 0]);
}
