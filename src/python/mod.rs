//! Reading migration files that are written in Python, without running them.
//!
//! What the file would send to the database becomes statements with their places in the file. What
//! can't be settled without running it becomes a statement that could not be read, at the exact
//! expression: never nothing.

mod assigned;
mod builtins;
mod call;
mod classes;
mod contexts;
mod core;
mod decorators;
mod django;
mod emit;
mod expr;
mod expressions;
mod mentions;
mod methods;
mod modules;
mod operations;
mod orm;
mod outside;
mod parse;
mod read;
mod strings;
mod text;
mod types;
mod value;
mod variables;
mod walk;

use crate::sql::Statement;

pub use variables::{Constant, Variable, Variables, variables};

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
    /// read is [`StatementKind::Unreadable`](crate::sql::StatementKind) and says why.
    pub statements: Vec<Statement>,
}

/// Reads what `function` of an Alembic revision file (`upgrade`, `downgrade`) would do.
pub fn read_alembic(source: &str, function: &str, modules: &dyn Modules) -> Reading {
    read::function(source, function, modules)
}

/// Reads what any other Python file would do when all its functions are called: a clean-up script,
/// a migration of another framework.
pub fn read_any(source: &str, modules: &dyn Modules) -> Reading {
    read::whole(source, modules)
}

#[cfg(test)]
mod tests;
