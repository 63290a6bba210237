//! Python's own functions.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::strings;
use super::value::Value;
use super::walk::Walker;

impl Walker<'_> {
    pub(super) fn builtin(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        let first = args.positional.first();
        match (name, first) {
            ("str" | "repr", Some(value)) => {
                let texts = [strings::shown(value, self.written(range))];
                strings::concatenated(&texts, self.written(range))
            }
            (
                "list" | "tuple" | "set" | "frozenset" | "sorted" | "iter" | "reversed",
                Some(value),
            ) => match (value.items(), value) {
                (Some(mut items), _) => {
                    if name == "reversed" {
                        items.reverse();
                    }
                    Value::list(items)
                }
                (None, Value::Rows(_) | Value::Query(_)) => value.clone(),
                _ => self.unknown(range),
            },
            ("list" | "tuple" | "set", None) => Value::list(Vec::new()),
            ("dict", None) => {
                let named = args.named.iter();
                let pairs = named.map(|(name, value)| (Value::text(name.as_str()), value.clone()));
                if args.is_open {
                    self.unknown(range)
                } else {
                    Value::Dict(Rc::new(pairs.collect()))
                }
            }
            ("dict", Some(Value::Dict(pairs))) => Value::Dict(Rc::clone(pairs)),
            ("len", Some(value)) => match value.items() {
                Some(items) => i64::try_from(items.len()).map_or(Value::None, Value::Int),
                None => self.unknown(range),
            },
            ("globals", None) => {
                let module = self.module();
                let names = self.loaded[module].names.iter();
                let mut pairs: Vec<(&String, &Value)> = names.collect();
                pairs.sort_by_key(|(name, _)| *name);
                let pairs = pairs
                    .into_iter()
                    .map(|(name, value)| (Value::text(name.as_str()), value.clone()));
                Value::Dict(Rc::new(pairs.collect()))
            }
            ("range", Some(_)) => self.range(args, range),
            ("enumerate", Some(value)) => match value.items() {
                Some(items) => Value::list(
                    (0..)
                        .zip(items)
                        .map(|(i, item)| Value::list(vec![Value::Int(i), item]))
                        .collect(),
                ),
                None => self.unknown(range),
            },
            ("zip", Some(_)) => {
                let lists: Option<Vec<Vec<Value>>> =
                    args.positional.iter().map(Value::items).collect();
                let Some(lists) = lists else { return self.unknown(range) };
                let length = lists.iter().map(Vec::len).min().unwrap_or(0);
                let row = |at: usize| Value::list(lists.iter().map(|l| l[at].clone()).collect());
                Value::list((0..length).map(row).collect())
            }
            ("map", Some(function)) if args.positional.len() == 2 => {
                let Some(items) = args.positional[1].items() else {
                    return self.unknown(range);
                };
                let mut out = Vec::new();
                for item in items {
                    let value = self.invoke(function, &Args::of(vec![item]), range);
                    out.push(value);
                }
                Value::list(out)
            }
            _ => self.other_builtin(name, args, range),
        }
    }

    /// Functions that look at objects, open files or run what is built.
    fn other_builtin(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        let first = args.positional.first();
        match (name, first) {
            ("isinstance", Some(Value::Dialect)) => {
                let written = self.written(range).to_lowercase();
                Value::Bool(written.contains("pg") || written.contains("postgres"))
            }
            ("getattr", Some(object)) => match args.positional.get(1).and_then(Value::as_str) {
                Some(name) => {
                    let object = object.clone();
                    self.attribute(&object, &name, range)
                }
                None if object.reaches_database() => {
                    Value::Method(Rc::new((object.clone(), "an unknown method".to_owned())))
                }
                None => self.unknown(range),
            },
            ("setattr", Some(object)) => {
                let object = object.clone();
                let name = args.positional.get(1).and_then(Value::as_str).unwrap_or_default();
                self.set_attribute(&object, &name, range);
                Value::None
            }
            ("open", Some(path)) => {
                let path = path.as_str().unwrap_or_else(|| self.written(range).to_owned());
                Value::File(path.into())
            }
            ("next", Some(Value::Rows(found))) => Value::Row(Rc::clone(found)),
            ("next", Some(Value::Handle)) => Value::Handle,
            ("exec" | "eval" | "compile" | "__import__", _) => {
                let why = format!("`{name}` runs Python that is built at run time");
                self.unreadable(why, range);
                self.unknown(range)
            }
            (
                "print" | "len" | "isinstance" | "hasattr" | "type" | "id" | "callable" | "bool",
                _,
            ) => self.unknown(range),
            _ => {
                if args.reach_database() && !is_harmless_builtin(name) {
                    self.handed_over(range);
                }
                self.unknown(range)
            }
        }
    }

    fn range(&mut self, args: &Args, range: TextRange) -> Value {
        let numbers: Option<Vec<i64>> = args
            .positional
            .iter()
            .map(|value| match value {
                Value::Int(number) => Some(*number),
                _ => None,
            })
            .collect();
        let (start, end, step) = match numbers.as_deref() {
            Some([end]) => (0, *end, 1),
            Some([start, end]) => (*start, *end, 1),
            Some([start, end, step]) if *step != 0 => (*start, *end, *step),
            _ => return self.unknown(range),
        };
        let mut out = Vec::new();
        let mut at = start;
        while (step > 0 && at < end) || (step < 0 && at > end) {
            if out.len() > 1_000 {
                return self.unknown(range);
            }
            out.push(Value::Int(at));
            let Some(next) = at.checked_add(step) else { break };
            at = next;
        }
        Value::list(out)
    }
}

fn is_harmless_builtin(name: &str) -> bool {
    matches!(name, "min" | "max" | "sum" | "any" | "all" | "filter" | "format" | "vars" | "dir")
}
