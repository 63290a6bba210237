//! Every way a statement can destroy, and what only looks like one: `fixtures/corpus/*.sql`.
//!
//! A file is SQL, and its comments say what must be found:
//!
//! ```sql
//! --== drop-column                              the rules that the cases below speak of
//! --- without the word COLUMN                   a case: a batch of its own
//! ALTER TABLE users DROP legacy_id;
//! --> error drop-column users.legacy_id         what is found in the statements above the line
//! --@ 2.sql                                     from here on another file of the same batch
//! ```
//!
//! Nothing else may be found. An error is `certain` and all else `depends-on-data`, unless the
//! expectation ends with another certainty in parentheses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use rowsafe::finding::{Certainty, Finding, Severity};
use rowsafe::rules::{self, RULES};
use rowsafe::script::{Origin, Script};
use rowsafe::sql;

use crate::harness::root;
use crate::harness::scene::names;

/// Rules that no text can show.
const NOT_IN_A_TEXT: [&str; 3] = ["fires-trigger", "rehearsed-loss", "unused-allowance"];

/// The fewest statements the corpus may have.
const ENOUGH: usize = 300;

#[test]
fn every_statement_is_read_as_expected() {
    let mut faults = String::new();
    for case in cases() {
        let (is, expected) = (case.found(), case.expected());
        if is != expected {
            writeln!(faults, "{}:{}: {}", case.file, case.line, case.title).unwrap();
            let lines = |mark: &str, text: &[String]| -> String {
                text.iter().fold(String::new(), |out, line| out + "  " + mark + " " + line + "\n")
            };
            let missing = without(&expected, &is);
            let extra = without(&is, &expected);
            if missing.is_empty() && extra.is_empty() {
                faults += &lines("in another order or number:", &is);
            }
            faults += &lines("expected", &missing);
            faults += &lines("found   ", &extra);
        }
    }
    let n = faults.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(faults.is_empty(), "{n} cases are read wrong:\n{faults}");
}

#[test]
fn every_rule_has_a_case_that_is_found_and_a_twin_that_is_quiet() {
    let cases = cases();
    let mut missing = Vec::new();
    for rule in RULES.iter().filter(|rule| !NOT_IN_A_TEXT.contains(&rule.id)) {
        let of_rule: Vec<&Case> = cases.iter().filter(|case| case.is_about(rule.id)).collect();
        let finds = |case: &&&Case| case.expected().iter().any(|line| line.contains(rule.id));
        if !of_rule.iter().any(|case| finds(&case)) {
            missing.push(format!("{}: no case that is found", rule.id));
        }
        if !of_rule.iter().any(|case| case.expected().is_empty()) {
            missing.push(format!("{}: no twin that is quiet", rule.id));
        }
    }
    for case in &cases {
        let unknown = case.rules.iter().find(|rule| !rules::exists(rule));
        missing.extend(unknown.map(|rule| format!("{}: there is no rule {rule}", case.file)));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_corpus_is_large_and_no_case_is_there_twice() {
    let cases = cases();
    let statements: usize = cases.iter().map(Case::n_statements).sum();
    assert!(statements >= ENOUGH, "only {statements} statements");
    let mut seen = BTreeMap::new();
    for case in &cases {
        let text: String = case.scripts.iter().map(|(_, text)| text.trim()).collect();
        let place = format!("{}:{}", case.file, case.line);
        if let Some(before) = seen.insert(text, place.clone()) {
            panic!("{place} is the same as {before}");
        }
    }
}

/// A batch of statements, and what must be found in it.
struct Case {
    file: String,
    line: usize,
    title: String,
    /// The rules of the section.
    rules: Vec<String>,
    /// Name and text of each file of the batch, where a line is on the same line as in the corpus.
    scripts: Vec<(String, String)>,
    /// The line that the expectation stands on, and what it says.
    expectations: Vec<(usize, String)>,
}

impl Case {
    fn is_about(&self, rule: &str) -> bool {
        self.rules.iter().any(|of| of == rule)
    }

    fn scripts(&self) -> Vec<Script> {
        let script = |(name, text): &(String, String)| {
            let origin = Origin { path: Some(name.clone()), ..Origin::default() };
            Script::known(origin, text.clone())
        };
        self.scripts.iter().map(script).collect()
    }

    fn n_statements(&self) -> usize {
        self.scripts.iter().map(|(_, text)| sql::split(text).len()).sum()
    }

    /// What is found, each with the line of the expectation that stands next below it.
    fn found(&self) -> Vec<String> {
        let scripts = self.scripts();
        let readings: Vec<_> = scripts.iter().map(rules::read).collect();
        let found = rules::findings(&readings);
        found.iter().map(|finding| format!("{}: {}", self.below(finding), said(finding))).collect()
    }

    fn below(&self, finding: &Finding) -> String {
        let line = finding.place.position.map_or(0, |position| position.line);
        let below = self.expectations.iter().find(|(at, _)| *at >= line);
        below.map_or_else(|| format!("line {line}"), |(at, _)| self.block(*at))
    }

    fn expected(&self) -> Vec<String> {
        let line = |(at, text): &(usize, String)| format!("{}: {text}", self.block(*at));
        self.expectations.iter().map(line).collect()
    }

    /// The first of the expectations that stand together with the one on this line.
    fn block(&self, mut line: usize) -> String {
        while self.expectations.iter().any(|(at, _)| *at + 1 == line) {
            line -= 1;
        }
        format!("line {line}")
    }
}

/// The lines that the others don't have.
fn without(lines: &[String], others: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !others.contains(line)).cloned().collect()
}

/// A finding as an expectation says it.
fn said(finding: &Finding) -> String {
    let said = format!("{} {} {}", finding.severity.name(), finding.rule, finding.object);
    let usual = if finding.severity == Severity::Error {
        Certainty::Certain
    } else {
        Certainty::DependsOnData
    };
    if finding.certainty == usual {
        return said;
    }
    format!("{said} ({})", finding.certainty.name())
}

fn cases() -> Vec<Case> {
    let mut files = names(&directory());
    files.retain(|file| file.strip_suffix(".sql").is_some());
    assert!(!files.is_empty(), "there is no corpus");
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(directory().join(file)).unwrap();
    let mut rules: Vec<String> = Vec::new();
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(section) = line.strip_prefix("--== ") {
            rules = section.split(',').map(|rule| rule.trim().to_owned()).collect();
            continue;
        }
        if let Some(title) = line.strip_prefix("--- ") {
            assert!(!rules.is_empty(), "{file}: `{title}` stands in no section");
            cases.push(Case {
                file: file.to_owned(),
                line: index + 1,
                title: title.to_owned(),
                rules: rules.clone(),
                scripts: vec![("case.sql".to_owned(), "\n".repeat(index + 1))],
                expectations: Vec::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(name) = line.strip_prefix("--@ ") {
            case.scripts.push((name.to_owned(), "\n".repeat(index + 1)));
        } else if let Some(expected) = line.strip_prefix("--> ") {
            case.expectations.push((index + 1, expected.to_owned()));
            case.add("");
        } else {
            case.add(line);
        }
    }
    cases
}

impl Case {
    fn add(&mut self, line: &str) {
        let (_, text) = self.scripts.last_mut().expect("a case starts with a script");
        text.push_str(line);
        text.push('\n');
    }
}

fn directory() -> PathBuf {
    root().join("fixtures/corpus")
}
