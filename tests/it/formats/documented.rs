//! The examples of docs/reference/formats.md are what the program writes.

use rowsafe::report::{Format, render};

use super::{checked, json};
use crate::harness::root;

const FILE: &str = "-- rowsafe: allow[drop-column] users.legacy_id: superseded by external_id\n\
    ALTER TABLE users DROP COLUMN legacy_id;\nDROP TABLE sessions;\n";

fn example(name: &str) -> String {
    let record = checked(&[("migrations/007.sql", FILE)], &[]);
    match name {
        "file" => FILE.to_owned(),
        "sarif" => {
            let mut result = json(Format::Sarif, &record)["runs"][0]["results"][0].take();
            // Which rules come before is nobody's concern here.
            result.as_object_mut().unwrap().shift_remove("ruleIndex");
            serde_json::to_string_pretty(&result).unwrap() + "\n"
        }
        _ => render(name.parse().unwrap(), &record),
    }
}

#[test]
fn every_example_is_what_is_written() {
    let path = root().join("docs/reference/formats.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let block = regex::Regex::new(r"(?s)<!-- example: (\w+) -->\n```(\w*)\n.*?```\n").unwrap();
    let names: Vec<&str> =
        block.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()).collect();
    assert_eq!(names, ["file", "human", "sarif", "github", "gitlab", "junit"]);
    let current = block.replace_all(&page, |found: &regex::Captures<'_>| {
        format!("<!-- example: {} -->\n```{}\n{}```\n", &found[1], &found[2], example(&found[1]))
    });
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &*current).unwrap();
    } else {
        assert_eq!(page, current, "run: UPDATE_DOCS=1 cargo test --test it formats");
    }
}
