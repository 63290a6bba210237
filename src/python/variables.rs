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
    for (name, range, written) in places {
        let Some(value) = walker.loaded[0].names.get(&name) else { continue };
        let written = &source[written.start().to_usize()..written.end().to_usize()];
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

/// A name, its assignment, and the value in it.
type Assignment = (String, TextRange, TextRange);

/// The last assignment of each of the variables.
fn places(body: &[Stmt]) -> Vec<Assignment> {
    let mut places = Vec::new();
    for statement in body {
        match statement {
            Stmt::Assign(it) => {
                for target in &it.targets {
                    add(&mut places, target, it.range(), it.value.range());
                }
            }
            Stmt::AnnAssign(it) => {
                if let Some(value) = &it.value {
                    add(&mut places, &it.target, it.range(), value.range());
                }
            }
            _ => {}
        }
    }
    places
}

fn add(places: &mut Vec<Assignment>, target: &Expr, range: TextRange, value: TextRange) {
    if let Expr::Name(name) = target
        && NAMES.contains(&name.id.as_str())
    {
        places.push((name.id.to_string(), range, value));
    }
}

#[cfg(test)]
mod tests {
    use super::{Constant, variables};

    fn all(source: &str) -> Vec<(usize, String)> {
        let found = variables(source).expect("is Python 3");
        let shown = found.iter().map(|(name, variable)| {
            let value = match &variable.value {
                Constant::None => "None".to_owned(),
                Constant::Text(text) => format!("'{text}'"),
                Constant::List(items) => format!("[{}]", items.join(", ")),
                Constant::Computed(written) => format!("? {written}"),
            };
            (variable.position.line, format!("{name} = {value}"))
        });
        shown.collect()
    }

    #[test]
    fn every_way_to_write_them_is_read() {
        let cases: [(&str, &[(usize, &str)]); 8] = [
            (
                "revision = 'a'\ndown_revision = None",
                &[(2, "down_revision = None"), (1, "revision = 'a'")],
            ),
            (
                "revision: str = \"a\"\ndown_revision: Union[str, None] = 'b'",
                &[(2, "down_revision = 'b'"), (1, "revision = 'a'")],
            ),
            ("down_revision = (\n  'b',  # why\n  'c'\n)", &[(1, "down_revision = [b, c]")]),
            (
                "down_revision = ['b']\ndepends_on: Optional[Sequence[str]] = None\nbranch_labels = ('l',)",
                &[(3, "branch_labels = [l]"), (2, "depends_on = None"), (1, "down_revision = [b]")],
            ),
            ("REV = 'a'\nrevision = REV\nrevision = rev = 'a' 'b'", &[(3, "revision = 'ab'")]),
            (
                "def upgrade():\n    revision = 'no'\n\"\"\"\nrevision = 'no'\n\"\"\"\n# revision = 'no'",
                &[],
            ),
            (
                "revision = make()\ndown_revision = other.revision",
                &[(2, "down_revision = ? other.revision"), (1, "revision = ? make()")],
            ),
            (
                "revision = 'b' if x else 'c'\ndepends_on = ['a', x]",
                &[(2, "depends_on = ? ['a', x]"), (1, "revision = ? 'b' if x else 'c'")],
            ),
        ];
        for (source, expected) in cases {
            let expected: Vec<(usize, String)> =
                expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
            assert_eq!(all(source), expected, "{source}");
        }
    }

    #[test]
    fn a_file_that_is_no_python_says_where() {
        let (position, why) = variables("revision = 'a'\nprint 'x'\n").expect_err("is Python 2");
        assert_eq!(position.line, 2);
        assert!(why.starts_with("it is not Python 3"), "{why}");
    }
}
