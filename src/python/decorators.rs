//! Decorators: what a name holds once they had the function.

use std::rc::Rc;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged as _;

use super::call::Args;
use super::outside::is_foreign;
use super::value::{Function, Value};
use super::walk::Walker;

/// Packages whose decorators call the function as it is.
const HARMLESS: [&str; 9] = [
    "backoff",
    "celery",
    "deprecated",
    "pytest",
    "retry",
    "retrying",
    "tenacity",
    "typer",
    "wrapt",
];

impl Walker<'_> {
    pub(super) fn decorated(&mut self, function: Function) -> Value {
        let definition = Rc::clone(&function.definition);
        let Stmt::FunctionDef(it) = &*definition else {
            return Value::Function(Rc::new(function));
        };
        let mut function = function;
        let mut own = Vec::new();
        for decorator in &it.decorator_list {
            let value = self.eval(&decorator.expression);
            let maker = match (&decorator.expression, &value) {
                (Expr::Call(call), Value::Unknown(_)) => match &*call.func {
                    Expr::Name(_) | Expr::Attribute(_) => self.eval(&call.func),
                    _ => Value::None,
                },
                _ => value.clone(),
            };
            match maker {
                Value::External(path) if is_foreign(&path) && !is_harmless(&path) => {
                    function.wrapper = Some(path);
                }
                Value::Function(_) | Value::Lambda(_) => {
                    own.push((value, decorator.expression.range()));
                }
                _ => {}
            }
        }
        let mut value = Value::Function(Rc::new(function));
        for (decorator, range) in own.into_iter().rev() {
            let made = self.invoke(&decorator, &Args::of(vec![value.clone()]), range);
            if matches!(made, Value::Function(_) | Value::Lambda(_) | Value::OneOf(_)) {
                value = made;
            }
        }
        value
    }
}

fn is_harmless(path: &str) -> bool {
    HARMLESS.contains(&path.split('.').next().unwrap_or(path))
}
