//! The variables at the top of a revision file that place it among the others.

use std::collections::BTreeMap;

use super::NoModules;
use super::modules::Module;
use super::parse;
use super::value::Value;
use super::walk::Walker;
use crate::text::{LineMap, Position};
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged as _, TextRange};
use std::rc::Rc;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    /// `None`.
    None,
    /// A string.
    Text(String),
    /// A tuple, list or set of strings.
    List(Vec<String>),
    /// Not a constant; how it is written.
    Computed(String),
}

/// A variable of a revision file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value.
    pub value: Constant,
    /// Where it is assigned.
    pub position: Position,
}

/// The variables that place a revision among the others, by name: `revision`, `down_revision`,
/// `branch_labels`, `depends_on`.
pub type Variables = BTreeMap<String, Variable>;

const NAMES: [&str; 4] = ["revision", "down_revision", "branch_labels", "depends_on"];

/// Reads the variables of a revision file.
///
/// # Errors
///
/// Where the file is not Python 3, with the position and the reason.
pub fn variables(source: &str) -> Result<Variables, (Position, String)> {
    let lines = LineMap::new(source);
    let body = parse::module(source)
        .map_err(|failure| (lines.position(source, failure.at.start), failure.why))?;
    let places = places(&body);
    let mut walker = Walker::new(source, &NoModules);
    walker.is_silent = true;
    let body = body.into_iter().map(Rc::new).collect();
    walker.loaded.push(Module { source: source.to_owned(), body, ..Module::default() });
    walker.run_module(0);
    let mut found = Variables::new();
    for (name, range) in places {
        let Some(value) = walker.loaded[0].names.get(&name) else { continue };
        let written = &source[range.start().to_usize()..range.end().to_usize()];
        let position = lines.position(source, range.start().to_usize());
        let value = constant(value).unwrap_or_else(|| Constant::Computed(written.to_owned()));
        found.insert(name, Variable { value, position });
    }
    Ok(found)
}

fn constant(value: &Value) -> Option<Constant> {
    match value {
        Value::None => Some(Constant::None),
        Value::Text(text) => text.as_known().map(Constant::Text),
        Value::List(items) => {
            items.iter().map(Value::as_str).collect::<Option<_>>().map(Constant::List)
        }
        _ => None,
    }
}

/// The last assignment of each of the variables.
fn places(body: &[Stmt]) -> Vec<(String, TextRange)> {
    let mut places = Vec::new();
    for statement in body {
        match statement {
            Stmt::Assign(it) => {
                for target in &it.targets {
                    add(&mut places, target, it.range());
                }
            }
            Stmt::AnnAssign(it) if it.value.is_some() => add(&mut places, &it.target, it.range()),
            _ => {}
        }
    }
    places
}

fn add(places: &mut Vec<(String, TextRange)>, target: &Expr, range: TextRange) {
    if let Expr::Name(name) = target
        && NAMES.contains(&name.id.as_str())
    {
        places.push((name.id.to_string(), range));
    }
}
