//! What rowsafe reads in a file, one JSON object a file: for scripts that measure the reader.
//!
//! usage: cargo run --release --example reading -- FILE…

#![allow(clippy::print_stdout, reason = "printing is all it does")]

use std::time::Instant;

use rowsafe::effect::Effect;
use rowsafe::python::{self, NoModules};
use rowsafe::rules::{self, ScriptReading};
use rowsafe::script::{Origin, Script};
use rowsafe::sql::StatementKind;
use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let start = Instant::now();
        let script = script(&path, text);
        let reading = rules::read(&script);
        let findings = rules::findings(std::slice::from_ref(&reading));
        let seconds = start.elapsed().as_secs_f64();
        let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
        rules.sort_unstable();
        let told = json!({
            "path": path,
            "bytes": bytes.len(),
            "seconds": seconds,
            "statements": reading.statements.len(),
            "rules": rules,
            "read": statements(&reading),
        });
        println!("{told}");
    }
    Ok(())
}

fn script(path: &str, text: String) -> Script {
    let origin = Origin { path: Some(path.to_owned()), ..Origin::default() };
    if !path.ends_with(".py") {
        return Script::known(origin, text);
    }
    let statements = python::read_alembic(&text, "upgrade", &NoModules).statements;
    Script {
        statements: Some(statements),
        source: Some(text),
        ..Script::known(origin, String::new())
    }
}

/// The statements, each with its line, the names of its effects, and why it could not be read.
fn statements(reading: &ScriptReading<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    for (statement, effects) in &reading.statements {
        let mut why = None;
        let mut names = Vec::new();
        for effect in effects {
            if let Effect::Opaque { why: reason } = effect {
                why = Some(reason);
            }
            let told = format!("{effect:?}");
            names.push(told.split([' ', '{']).next().unwrap_or_default().to_owned());
        }
        all.push(json!({
            "line": statement.position.line,
            "text": statement.text,
            "sql": statement.kind == StatementKind::Sql,
            "effects": names,
            "opaque": why,
        }));
    }
    all
}
