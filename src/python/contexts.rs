//! `with`: what runs before and after its block.

use ruff_python_ast::{Expr, StmtWith};
use ruff_text_size::{Ranged as _, TextRange};

use super::call::Args;
use super::value::Value;
use super::walk::{Flow, Walker};

impl Walker<'_> {
    pub(super) fn with(&mut self, it: &StmtWith) -> Flow {
        let mut open: Vec<(Value, TextRange)> = Vec::new();
        for item in &it.items {
            let range = item.context_expr.range();
            let value = self.eval(&item.context_expr);
            if let (Expr::Call(call), Value::Unknown(_)) = (&item.context_expr, &value) {
                self.flag_foreign(call);
            }
            let entered = self.hook(&value, "__enter__", range);
            if let Some(target) = &item.optional_vars {
                self.assign(target, entered.as_ref().unwrap_or(&value));
            }
            open.push((value, range));
        }
        // What stops in there does not stop what follows.
        let first = it.items.first().map_or(it.range, |item| item.range);
        let flow = if self.written(first).contains("suppress") {
            self.repeat(&it.body, it.range);
            Flow::Next
        } else {
            self.block(&it.body)
        };
        for (value, range) in open.iter().rev() {
            self.hook(value, "__exit__", *range);
        }
        flow
    }

    /// A method that Python calls by itself, where the class of the object has it.
    fn hook(&mut self, object: &Value, name: &str, range: TextRange) -> Option<Value> {
        let Value::Instance(class) = object else { return None };
        let asynchronous = name.replacen("__", "__a", 1);
        let name = [name, &asynchronous]
            .into_iter()
            .find(|name| class.members.iter().any(|(own, _)| own == name))?;
        let args = Args { is_open: true, ..Args::default() };
        Some(self.method(object, name, &args, range))
    }
}
