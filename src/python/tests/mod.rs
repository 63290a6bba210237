//! Small pieces of Python and the statements that they come to, each as `line: SQL`, or as
//! `line: ? why` where it can't be known.

mod core;
mod fixtures;
mod flow;
mod hostile;
mod operations;
mod outside;
mod scripts;
mod unknown;
mod values;

use std::collections::HashMap;

use super::{Modules, NoModules, Reading, read_alembic, read_any};
use crate::sql::StatementKind;

const HEAD: &str = "from alembic import op, context; import sqlalchemy as sa; from sqlalchemy.orm import Session; from sqlalchemy.dialects import postgresql\n";

fn lines(reading: &Reading) -> Vec<String> {
    reading
        .statements
        .iter()
        .map(|statement| {
            let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = statement.position.line;
            match &statement.kind {
                StatementKind::Unreadable(why) => format!("{line}: ? {why}"),
                _ => format!("{line}: {text}"),
            }
        })
        .collect()
}

/// The body of an `upgrade()`; its first line is line 3.
fn body(text: &str) -> Vec<String> {
    let indented = text.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat();
    module(&format!("def upgrade():\n{indented}"))
}

/// A module behind the usual imports; its first line is line 2.
fn module(text: &str) -> Vec<String> {
    lines(&read_alembic(&format!("{HEAD}{text}"), "upgrade", &NoModules))
}

fn script(text: &str) -> Vec<String> {
    lines(&read_any(text, &NoModules))
}

#[track_caller]
fn check(read: impl Fn(&str) -> Vec<String>, cases: &[(&str, &[&str])]) {
    let faults: Vec<String> = cases
        .iter()
        .map(|(source, expected)| (source, expected, read(source)))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(source, expected, found)| {
            format!("{source}\n  expected {expected:?}\n  found    {found:?}\n")
        })
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Files of a project by their dotted names; relative ones start with a dot per level.
struct Files(HashMap<&'static str, &'static str>);

impl Modules for Files {
    fn source(&self, level: u32, name: &str) -> Option<String> {
        let path = format!("{}{name}", ".".repeat(level as usize));
        self.0.get(path.as_str()).map(|text| (*text).to_owned())
    }
}

fn project(text: &str, files: &[(&'static str, &'static str)]) -> Vec<String> {
    let files = Files(files.iter().copied().collect());
    lines(&read_alembic(&format!("{HEAD}{text}"), "upgrade", &files))
}
