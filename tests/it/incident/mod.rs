//! `rowsafe incident`: losses made by real statements, told from what they leave behind.

mod healthy;
mod recorded;
mod statistics;
mod told;

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::{Outcome, Rowsafe, Scene};

/// What was reported.
struct Report {
    outcome: Outcome,
    report: Value,
}

/// Looks once everybody has left, and with them everything that the server counted for them.
#[track_caller]
fn look(scene: &Scene) -> Report {
    scene.wait_until_left_alone();
    look_by(scene.rowsafe("incident"))
}

#[track_caller]
fn look_by(rowsafe: Rowsafe<'_>) -> Report {
    let outcome = rowsafe.with_report().run();
    let report = outcome.report.clone().expect("there is a report");
    crate::schema::check(&report);
    assert_eq!(report["command"], "incident");
    Report { outcome, report }
}

impl Report {
    #[track_caller]
    fn exits(self, exit: Exit, severity: &str) -> Self {
        assert_eq!(self.outcome.code, Some(exit.code().into()), "{}", self.outcome);
        assert_eq!(self.report["exit"], exit.code());
        assert_eq!(self.incident()["severity"], severity, "{}", self.outcome);
        self
    }

    fn incident(&self) -> &Value {
        &self.report["incident"]
    }

    /// The tables in their order: name, inserts, deletes, expected, found, status.
    fn tables(&self) -> Vec<String> {
        let cell = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        let fields = ["name", "inserted", "deleted", "expected", "found", "status"];
        let tables = self.incident()["tables"].as_array().unwrap().iter();
        tables.map(|table| fields.map(|field| cell(&table[field])).join(" ")).collect()
    }

    #[track_caller]
    fn table(&self, name: &str) -> &Value {
        let tables = self.incident()["tables"].as_array().unwrap();
        let found = tables.iter().find(|table| table["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {tables:#?}"))
    }

    #[track_caller]
    fn is(self, name: &str, status: &str) -> Self {
        assert_eq!(self.table(name)["status"], status, "{}", self.table(name));
        self
    }

    /// Kinds of explanations and their tables, in order: `likely truncate a b`.
    fn explanations(&self) -> Vec<String> {
        let found = self.incident()["explanations"].as_array().unwrap().iter();
        found
            .map(|found| {
                let tables = found["tables"].as_array().unwrap().iter();
                let mut names: Vec<&str> =
                    tables.map(|table| table["name"].as_str().unwrap()).collect();
                names.sort_unstable();
                let words = [found["likelihood"].as_str(), found["kind"].as_str()];
                words.into_iter().flatten().chain(names).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// The explanation of this kind, as text.
    #[track_caller]
    fn explained(&self, kind: &str) -> String {
        let found = self.incident()["explanations"].as_array().unwrap();
        let found = found.iter().find(|found| found["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {:?}", self.explanations())).to_string()
    }

    /// All commands of the checklist.
    fn commands(&self) -> Vec<&str> {
        let steps = self.incident()["steps"].as_array().unwrap().iter();
        steps
            .flat_map(|step| step["commands"].as_array().unwrap())
            .map(|command| command.as_str().unwrap())
            .collect()
    }
}
