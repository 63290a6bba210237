//! The formats are what their schemas say.

use boon::{Compiler, Schemas};
use rowsafe::record::Record;
use rowsafe::report::Format;
use rowsafe::rules::RULES;
use serde_json::Value;

use super::hostile::hostile;
use super::{failed, findings, json, nothing};
use crate::harness::root;

fn check(report: &Value) -> Result<(), String> {
    let path = root().join("fixtures/schemas/sarif-2.1.0.json");
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    let schema = compiler.compile(path.to_str().unwrap(), &mut schemas).unwrap();
    schemas.validate(report, schema).map_err(|error| error.to_string())
}

fn reports() -> [Record; 4] {
    [nothing(), findings(), hostile(), failed()]
}

#[test]
fn sarif_is_what_oasis_says() {
    for record in reports() {
        let sarif = json(Format::Sarif, &record);
        check(&sarif).unwrap_or_else(|error| panic!("{error}\n{sarif:#}"));
        let mut wrong = sarif.clone();
        wrong["runs"][0]["columnKind"] = "bytes".into();
        assert!(check(&wrong).is_err());
    }
}

#[test]
fn sarif_has_every_rule_with_its_help() {
    let sarif = json(Format::Sarif, &nothing());
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    for (rule, said) in RULES.iter().zip(rules) {
        assert_eq!(said["id"], rule.id);
        for text in [&said["help"]["text"], &said["help"]["markdown"]] {
            assert!(text.as_str().unwrap().contains(rule.example.trim()), "{}", rule.id);
        }
        // GitHub shows no more of it.
        assert!(said["fullDescription"]["text"].as_str().unwrap().len() < 1024, "{}", rule.id);
    }
}

#[test]
fn sarif_points_to_its_rules_and_to_characters() {
    let sarif = json(Format::Sarif, &findings());
    let run = &sarif["runs"][0];
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }
    let region = &run["results"][1]["locations"][0]["physicalLocation"]["region"];
    let expected = serde_json::json!(
        {"startLine": 3, "startColumn": 2, "endLine": 3, "endColumn": 19}
    );
    assert_eq!(*region, expected);
}

/// GitHub refuses a whole report in which one result has no file or no line.
#[test]
fn sarif_has_a_file_and_a_line_for_each_result() {
    let mut record = findings();
    record.findings[0].place = rowsafe::finding::Place::default();
    record.findings[0].snippet = None;
    record.findings[1].place.path = None;
    record.findings[1].place.revision = Some("7b20e4".to_owned());
    let sarif = json(Format::Sarif, &record);
    check(&sarif).unwrap();
    let places = sarif["runs"][0]["results"].as_array().unwrap().iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap().to_owned();
        (uri, place["region"]["startLine"].as_u64().unwrap())
    });
    let places: Vec<(String, u64)> = places.collect();
    assert_eq!(places[0], ("legacy_id".to_owned(), 1));
    assert_eq!(places[1], ("7b20e4".to_owned(), 3));
    assert_eq!(places.last().unwrap(), &("%3Cstdin%3E".to_owned(), 1));
}

#[test]
fn json_is_what_its_schema_says() {
    for record in reports() {
        crate::schema::check(&json(Format::Json, &record));
    }
}
