//! Calls of what is not in the project: programs, packages that can't be opened, other revisions.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::{Ranged as _, TextRange};

use super::call::{Args, logs};
use super::modules::is_known_package;
use super::value::Value;
use super::walk::Walker;

impl Walker<'_> {
    /// A call of which only what it does matters, where nobody can know what that is.
    pub(super) fn flag_foreign(&mut self, call: &ExprCall) {
        if let Some(path) = self.foreign_call(call) {
            self.foreign(&path, call.range());
        }
    }

    pub(super) fn foreign(&mut self, path: &str, range: TextRange) {
        let why = format!("`{path}` is not in this project: what it does is not known");
        self.unreadable(why, range);
    }

    /// The path of a function of an unknown package that is called for what it does.
    fn foreign_call(&mut self, call: &ExprCall) -> Option<String> {
        let was_silent = std::mem::replace(&mut self.is_silent, true);
        let callee = match &*call.func {
            Expr::Subscript(_) => match self.eval(&call.func) {
                Value::Unknown(source) => Value::External(source),
                other => other,
            },
            Expr::Name(_) => self.eval(&call.func),
            Expr::Attribute(_) if self.is_path(&call.func) => self.eval(&call.func),
            _ => Value::None,
        };
        self.is_silent = was_silent;
        match callee {
            Value::External(path) if is_foreign(&path) && !logs(&path) && !describes(&path) => {
                Some(path.to_string())
            }
            _ => None,
        }
    }

    /// Whether these are only names behind dots, of a module that is imported.
    fn is_path(&mut self, expr: &Expr) -> bool {
        let mut root = expr;
        while let Expr::Attribute(attribute) = root {
            root = &attribute.value;
        }
        match root {
            Expr::Name(_) => true,
            Expr::Call(call) if matches!(&*call.func, Expr::Name(_) | Expr::Attribute(_)) => {
                let func = match &*call.func {
                    Expr::Attribute(it) => &*it.value,
                    other => other,
                };
                matches!(func, Expr::Name(_))
                    && matches!(self.eval(&call.func), Value::External(path) if &*path == "importlib.import_module")
            }
            _ => false,
        }
    }

    /// A module that is imported by a name in a string.
    pub(super) fn module_by_name(&mut self, args: &Args) -> Value {
        match args.positional.first().and_then(Value::as_str) {
            Some(name) => self
                .imported_by_name(&name)
                .unwrap_or_else(|| Value::External(name.as_str().into())),
            None => Value::External("a module that is named at run time".into()),
        }
    }
}

/// Whether a path leads to nothing whose behaviour is known.
pub(super) fn is_foreign(path: &str) -> bool {
    !is_known_package(path) && !path.starts_with("module ")
}

/// Functions of known packages that run something that is not read: a program, another revision.
pub(super) fn runs_another(path: &str) -> bool {
    let (package, name) = path.rsplit_once('.').unwrap_or(("", path));
    match package {
        "os" => {
            matches!(name, "system" | "popen")
                || name.starts_with("exec")
                || name.starts_with("spawn")
                || name.starts_with("posix_spawn")
        }
        "alembic.command" => matches!(name, "upgrade" | "downgrade"),
        _ => false,
    }
}

/// Methods of metadata and settings that change no row.
fn describes(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    matches!(name, "create_all" | "reflect" | "configure" | "configure_mappers")
}
