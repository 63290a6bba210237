//! Why rows are missing: every explanation that fits the traces, with what speaks for and against
//! it, the likeliest first.

mod tables;
mod whole;

use std::cmp::Reverse;

use super::{Judged, Key, Remembered, Whole};
use crate::text::QualifiedName;

/// How well an explanation fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likelihood {
    /// Nothing else that is known leaves these traces.
    Likely,
    /// It leaves these traces, and so do others.
    Possible,
    /// Something speaks against it.
    Unlikely,
}

impl Likelihood {
    /// The word of the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Possible => "possible",
            Self::Unlikely => "unlikely",
        }
    }
}

/// One way in which it may have come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One word for programs, such as `truncate`.
    pub kind: &'static str,
    /// In one sentence.
    pub what: String,
    /// How well it fits.
    pub likelihood: Likelihood,
    /// The tables that it explains; none where it explains the whole database.
    pub tables: Vec<QualifiedName>,
    /// Rows that it explains.
    pub rows: u64,
    /// What speaks for it.
    pub speaks_for: Vec<String>,
    /// What speaks against it.
    pub against: Vec<String>,
}

/// What is to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The tables, judged.
    pub tables: &'a [Judged],
    /// Foreign keys.
    pub keys: &'a [Key],
    /// How the database stands against its record.
    pub whole: &'a Whole,
    /// Destructive statements that the server remembers.
    pub statements: &'a [Remembered],
}

impl Case<'_> {
    /// Every explanation that fits, the likeliest first; none where nothing is missing.
    pub fn explanations(&self) -> Vec<Explanation> {
        let mut found = self.of_the_whole();
        found.extend(self.of_tables());
        found.sort_by_key(|explanation| (explanation.likelihood, Reverse(explanation.rows)));
        found
    }

    /// The statements of this kind that the server remembers about one of the tables, in words.
    fn remembered(&self, rules: &[&str], tables: &[&Judged]) -> Vec<String> {
        let is_about = |statement: &&Remembered| {
            let table = statement.table.as_ref();
            rules.contains(&statement.rule)
                && table.is_some_and(|name| tables.iter().any(|table| names(name, table)))
        };
        let told = self.statements.iter().filter(is_about);
        told.map(|statement| {
            let calls = crate::text::number::plural(statement.calls, "call");
            let rows = crate::text::number::plural(statement.rows, "row");
            format!("pg_stat_statements: `{}`, {calls}, {rows}", statement.text)
        })
        .collect()
    }
}

/// Whether a name in a statement, perhaps without its schema, is this table's.
fn names(name: &QualifiedName, table: &Judged) -> bool {
    let own = &table.trace.name;
    name.name == own.name && (name.schema.is_none() || name.schema == own.schema)
}

/// Names of tables as a sentence has them: `a`, `b` and 3 more.
fn listed(tables: &[&Judged]) -> String {
    const NAMED: usize = 4;
    let named: Vec<String> =
        tables.iter().take(NAMED).map(|table| format!("`{}`", table.trace.name.short())).collect();
    match tables.len().saturating_sub(NAMED) {
        0 => match named.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        },
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn names_of(tables: &[&Judged]) -> Vec<QualifiedName> {
    tables.iter().map(|table| table.trace.name.clone()).collect()
}

fn missing(tables: &[&Judged]) -> u64 {
    tables.iter().map(|table| table.missing()).sum()
}

#[cfg(test)]
mod tests;
