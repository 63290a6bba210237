//! JUnit's XML: a suite for each migration, a case for each finding.
//!
//! A suite without a case counts as nothing tested, so a clean migration is a case that passes.

use std::collections::HashMap;

use super::facts;
use crate::finding::Finding;
use crate::record::Record;
use crate::text::clean::{clean, clean_lines};

struct Suite<'a> {
    name: &'a str,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    /// What stands inside of the case; empty where it passes.
    outcome: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passes,
    Agreed,
    Fails,
    Error,
}

/// The suites.
pub(super) fn render(record: &Record) -> String {
    let suites = suites(record);
    let count = |kind| suites.iter().map(|suite| suite.count(kind)).sum::<usize>();
    let cases: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let counts = counts(cases, count(Kind::Fails), count(Kind::Error), count(Kind::Agreed));
    out.push_str(&["<testsuites name=\"rowsafe\" ", &counts, ">\n"].concat());
    for suite in &suites {
        suite.write(&mut out);
    }
    out + "</testsuites>\n"
}

fn suites(record: &Record) -> Vec<Suite<'_>> {
    let mut suites = Suites::default();
    if let Some(sentence) = facts::trouble(record) {
        let outcome = element("error", "rowsafe", sentence, "");
        let case = Case { name: "rowsafe".to_owned(), outcome, kind: Kind::Error };
        suites.of("rowsafe").push(case);
    }
    for script in &record.scripts {
        let path = script.path.as_deref().map(|path| path.strip_prefix("./").unwrap_or(path));
        suites.of(path.or(script.revision.as_deref()).unwrap_or(&script.name));
    }
    for finding in &record.findings {
        suites.of(facts::whereabouts(&finding.place).unwrap_or("rowsafe")).push(case(finding));
    }
    if suites.list.is_empty() {
        suites.of("rowsafe");
    }
    for suite in suites.list.iter_mut().filter(|suite| suite.cases.is_empty()) {
        let (name, outcome) = ("nothing destructive".to_owned(), String::new());
        suite.cases.push(Case { name, outcome, kind: Kind::Passes });
    }
    suites.list
}

/// Suites in the order in which they were first named.
#[derive(Default)]
struct Suites<'a> {
    list: Vec<Suite<'a>>,
    index: HashMap<&'a str, usize>,
}

impl<'a> Suites<'a> {
    /// The cases of the suite of this name.
    fn of(&mut self, name: &'a str) -> &mut Vec<Case> {
        let index = *self.index.entry(name).or_insert(self.list.len());
        if index == self.list.len() {
            self.list.push(Suite { name, cases: Vec::new() });
        }
        &mut self.list[index].cases
    }
}

fn case(finding: &Finding) -> Case {
    let line = finding.place.position.map(|at| format!(" (line {})", at.line)).unwrap_or_default();
    let name = format!("{} {}{line}", finding.rule, finding.object);
    let (outcome, kind) = match &finding.allowance {
        Some(allowance) => {
            let reason = clean(&format!("{}; agreed: {}", finding.message, allowance.reason));
            (format!("<skipped message=\"{}\"/>", escape(&reason)), Kind::Agreed)
        }
        None if facts::is_open(finding) => (failure(finding), Kind::Fails),
        None => (
            ["<system-out>", &escape(&clean(&finding.message)), "</system-out>"].concat(),
            Kind::Passes,
        ),
    };
    Case { name, outcome, kind }
}

fn failure(finding: &Finding) -> String {
    let mut text = finding.statement.clone();
    if !finding.instead.is_empty() {
        text = text + "\n\ninstead:\n" + &finding.instead;
    }
    element("failure", finding.severity.name(), &finding.message, text.trim_start())
}

fn element(name: &str, kind: &str, message: &str, text: &str) -> String {
    let message = escape(&clean(message));
    let text = escape(&clean_lines(text));
    format!("<{name} type=\"{kind}\" message=\"{message}\">{text}</{name}>")
}

impl Suite<'_> {
    fn count(&self, kind: Kind) -> usize {
        self.cases.iter().filter(|case| case.kind == kind).count()
    }

    fn write(&self, out: &mut String) {
        let name = escape(&clean(self.name));
        let counts = counts(
            self.cases.len(),
            self.count(Kind::Fails),
            self.count(Kind::Error),
            self.count(Kind::Agreed),
        );
        out.push_str(&["  <testsuite name=\"", &name, "\" ", &counts, ">\n"].concat());
        for case in &self.cases {
            let title = escape(&clean(&case.name));
            let head = ["    <testcase classname=\"", &name, "\" name=\"", &title, "\""].concat();
            let body = if case.outcome.is_empty() {
                "/>\n".to_owned()
            } else {
                [">", &case.outcome, "</testcase>\n"].concat()
            };
            out.push_str(&(head + &body));
        }
        out.push_str("  </testsuite>\n");
    }
}

fn counts(cases: usize, failures: usize, errors: usize, skipped: usize) -> String {
    format!("tests=\"{cases}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

/// Text for an element or an attribute; what XML has no way to write is gone already.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            _ => out.push(character),
        }
    }
    out
}
