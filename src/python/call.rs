//! Calls: of functions of the project, of built-in ones, of other packages.

use std::rc::Rc;

use ruff_python_ast::{Expr, ExprCall, Parameters, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::assigned::MUTATORS;
use super::modules::is_known_package;
use super::text::Text;
use super::value::{ChangeKind, Function, Lambda, Value};
use super::walk::{Flow, Walker};
use super::{mentions, strings};
use crate::text::Span;

/// Functions that call functions, this deep.
const DEEPEST: usize = 24;

/// The work of a call, in steps.
const CALL: usize = 10;

/// Calls of a function within itself, this many.
const MOST_OPEN: usize = 6;

/// The arguments of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Args {
    pub positional: Vec<Value>,
    pub named: Vec<(String, Value)>,
    /// Whether there may be more (`*args`, `**kwargs` that are not known).
    pub is_open: bool,
}

impl Args {
    pub(super) fn keyword(&self, name: &str) -> Option<Value> {
        self.named.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    }

    /// The argument at this place or of this name.
    pub(super) fn get(&self, index: usize, name: &str) -> Option<Value> {
        self.keyword(name).or_else(|| self.positional.get(index).cloned())
    }

    pub(super) fn of(values: Vec<Value>) -> Self {
        Self { positional: values, ..Self::default() }
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    pub(super) fn reach_database(&self) -> bool {
        self.values().any(Value::reaches_database)
    }
}

impl Walker<'_> {
    /// An expression whose value nobody uses.
    pub(super) fn discard(&mut self, expr: &Expr) {
        let inner = match expr {
            Expr::Await(it) => &*it.value,
            other => other,
        };
        let value = self.eval(expr);
        if let (Expr::Call(call), Value::Change(change)) = (inner, &value)
            && change.kind == ChangeKind::Delete
            && change.table.as_known().is_none()
            && call.arguments.args.is_empty()
        {
            // Nobody builds a DELETE only to drop it: the object deletes for itself.
            self.send(&change.sql(), call.range());
        }
        if let (Expr::Call(call), Value::Unknown(_)) = (inner, &value)
            && let Some(path) = self.foreign_call(call)
        {
            let why = format!("`{path}` is not in this project: what it does is not known");
            self.unreadable(why, call.range());
        }
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
            Expr::Attribute(it) if matches!(&*it.value, Expr::Name(_)) => self.eval(&call.func),
            _ => Value::None,
        };
        self.is_silent = was_silent;
        match callee {
            Value::External(path) if !is_known_package(&path) && !logs(&path) => {
                Some(path.to_string())
            }
            _ => None,
        }
    }

    pub(super) fn call(&mut self, call: &ExprCall) -> Value {
        if let Expr::Attribute(attribute) = &*call.func {
            let receiver = self.eval(&attribute.value);
            let args = self.arguments(call);
            let name = attribute.attr.as_str();
            if MUTATORS.contains(&name)
                && let Some(value) = self.mutate(&attribute.value, &receiver, name, &args)
            {
                return value;
            }
            return self.method(&receiver, name, &args, call.range());
        }
        let callee = self.eval(&call.func);
        let args = self.arguments(call);
        if let Expr::Name(name) = &*call.func {
            if let Value::Unknown(_) = callee {
                return self.builtin(name.id.as_str(), &args, call.range());
            }
            if name.id.as_str() == "super" {
                return self.unknown(call.range());
            }
        }
        self.invoke(&callee, &args, call.range())
    }

    pub(super) fn arguments(&mut self, call: &ExprCall) -> Args {
        let mut args = Args::default();
        for arg in &call.arguments.args {
            match arg {
                Expr::Starred(starred) => match self.eval(&starred.value) {
                    Value::List(items) => args.positional.extend(items.iter().cloned()),
                    _ => args.is_open = true,
                },
                other => {
                    let value = self.eval(other);
                    args.positional.push(value);
                }
            }
        }
        for keyword in &call.arguments.keywords {
            let value = self.eval(&keyword.value);
            match (&keyword.arg, value) {
                (Some(name), value) => args.named.push((name.to_string(), value)),
                (None, Value::Dict(pairs)) => {
                    for (key, value) in pairs.iter() {
                        match key.as_str() {
                            Some(name) => args.named.push((name, value.clone())),
                            None => args.is_open = true,
                        }
                    }
                }
                (None, _) => args.is_open = true,
            }
        }
        args
    }

    /// Calls a value.
    pub(super) fn invoke(&mut self, callee: &Value, args: &Args, range: TextRange) -> Value {
        match callee {
            Value::Function(function) => self.run(function, args, range),
            Value::Lambda(lambda) => self.run_lambda(lambda, args, range),
            Value::Class(class) => self.construct(class, args, range),
            Value::Method(bound) => {
                let (receiver, name) = &**bound;
                self.method(receiver, name, args, range)
            }
            Value::External(path) => self.external(path, args, range),
            Value::OneOf(values) => {
                let all: Vec<Value> =
                    values.iter().map(|value| self.invoke(value, args, range)).collect();
                Value::one_of(all, self.written(range))
            }
            Value::Handle => Value::Handle,
            _ => {
                if args.reach_database() {
                    self.handed_over(range);
                }
                self.unknown(range)
            }
        }
    }

    /// Something that is not known got what it needs to change data.
    pub(super) fn handed_over(&mut self, range: TextRange) {
        let written = self.written(range);
        let name = written.split('(').next().unwrap_or(written).trim().to_owned();
        let why = format!("`{name}` gets the connection, and what it does is not known");
        self.unreadable(why, range);
    }

    pub(super) fn run(&mut self, function: &Rc<Function>, args: &Args, range: TextRange) -> Value {
        let Stmt::FunctionDef(definition) = &*function.definition else {
            return self.unknown(range);
        };
        let pointer: *const Stmt = Rc::as_ptr(&function.definition);
        let n_open = self.frames.iter().filter(|f| f.definition == Some(pointer)).count();
        let n_calls = self.frames.iter().filter(|f| f.definition.is_some()).count();
        if n_open > 0 || n_calls >= DEEPEST {
            let own = &self.loaded[function.module].source;
            let body =
                own.get(definition.range.start().to_usize()..definition.range.end().to_usize());
            let may_send = args.reach_database() || mentions::sends(body.unwrap_or(own));
            if may_send && (n_open >= MOST_OPEN || n_calls >= DEEPEST) {
                let why = format!("calls of `{}` go too deep to be followed", definition.name);
                self.unreadable(why, range);
            }
            if !may_send || n_open >= MOST_OPEN || n_calls >= DEEPEST {
                return self.unknown(range);
            }
        }
        if function.module == 0 {
            self.called.push(definition.range.start().to_usize());
        }
        let had_anchor = self.anchor;
        if function.module != 0 && self.module() == 0 && self.anchor.is_none() {
            self.anchor = Some(Span::new(range.start().to_usize(), range.end().to_usize()));
        }
        if !self.spend(CALL, range) {
            return self.unknown(range);
        }
        let mut args = args.clone();
        if let Some(receiver) = &function.receiver {
            args.positional.insert(0, receiver.clone());
        }
        let depth = self.branch.len();
        self.push_frame(function.module, function.frame);
        self.frame().definition = Some(pointer);
        self.bind(&definition.parameters, &args);
        let flow = self.block(&definition.body);
        let frame = self.frames.pop().unwrap_or_default();
        self.branch.truncate(depth);
        self.anchor = had_anchor;
        let mut returned = frame.returned;
        if !frame.yielded.is_empty() {
            let found: Vec<Value> = frame.yielded;
            return Value::one_of(found, self.written(range));
        }
        if flow == Flow::Next {
            returned.push(Value::None);
        }
        Value::one_of(returned, self.written(range))
    }

    fn run_lambda(&mut self, lambda: &Rc<Lambda>, args: &Args, range: TextRange) -> Value {
        if self.frames.len() > 2 * DEEPEST {
            return self.unknown(range);
        }
        let had_anchor = self.anchor;
        if lambda.module != 0 && self.module() == 0 && self.anchor.is_none() {
            self.anchor = Some(Span::new(range.start().to_usize(), range.end().to_usize()));
        }
        self.push_frame(lambda.module, lambda.frame);
        self.frame().definition = Some(std::ptr::null());
        if let Some(parameters) = &lambda.definition.parameters {
            self.bind(parameters, args);
        }
        let value = self.eval(&lambda.definition.body);
        self.frames.pop();
        self.anchor = had_anchor;
        value
    }

    /// Gives the parameters their values.
    fn bind(&mut self, parameters: &Parameters, args: &Args) {
        let mut positional = args.positional.iter();
        let by_place = parameters.posonlyargs.iter().chain(&parameters.args);
        for parameter in by_place {
            let name = parameter.parameter.name.as_str();
            let value = positional.next().cloned().or_else(|| args.keyword(name));
            let value = match (value, &parameter.default) {
                (Some(value), _) => value,
                (None, Some(default)) if !args.is_open => self.eval(default),
                _ => Value::unknown(name),
            };
            self.frame().names.insert(name.to_owned(), value);
        }
        for parameter in &parameters.kwonlyargs {
            let name = parameter.parameter.name.as_str();
            let value = match (args.keyword(name), &parameter.default) {
                (Some(value), _) => value,
                (None, Some(default)) if !args.is_open => self.eval(default),
                _ => Value::unknown(name),
            };
            self.frame().names.insert(name.to_owned(), value);
        }
        if let Some(rest) = &parameters.vararg {
            let value = if args.is_open {
                Value::unknown(rest.name.as_str())
            } else {
                Value::list(positional.cloned().collect())
            };
            self.frame().names.insert(rest.name.to_string(), value);
        }
        if let Some(rest) = &parameters.kwarg {
            let known = |name: &str| {
                let all = parameters.posonlyargs.iter().chain(&parameters.args);
                all.chain(&parameters.kwonlyargs).any(|p| p.parameter.name.as_str() == name)
            };
            let pairs = args.named.iter().filter(|(name, _)| !known(name));
            let pairs = pairs.map(|(name, value)| (Value::text(name.as_str()), value.clone()));
            let value = if args.is_open {
                Value::unknown(rest.name.as_str())
            } else {
                Value::Dict(Rc::new(pairs.collect()))
            };
            self.frame().names.insert(rest.name.to_string(), value);
        }
    }

    /// `names.append(…)`: the name holds the changed list from here on.
    fn mutate(
        &mut self,
        target: &Expr,
        receiver: &Value,
        method: &str,
        args: &Args,
    ) -> Option<Value> {
        let Expr::Name(name) = target else { return None };
        let value = match (receiver, method, args.positional.as_slice()) {
            (Value::List(items), "append" | "add", [item]) => {
                let mut items = items.as_ref().clone();
                items.push(item.clone());
                Value::list(items)
            }
            (Value::List(items), "extend" | "update", [Value::List(more)]) => {
                Value::list(items.iter().chain(more.iter()).cloned().collect())
            }
            (Value::Dict(pairs), "update", [Value::Dict(more)]) => {
                Value::Dict(Rc::new(pairs.iter().chain(more.iter()).cloned().collect()))
            }
            (Value::List(_) | Value::Dict(_) | Value::OneOf(_), _, _) => {
                Value::unknown(name.id.as_str())
            }
            _ => return None,
        };
        let size = match &value {
            Value::List(items) => items.len(),
            Value::Dict(pairs) => pairs.len(),
            _ => 1,
        };
        let value = if self.spend(size / 16 + 1, target.range()) {
            value
        } else {
            Value::unknown(name.id.as_str())
        };
        self.frame().names.insert(name.id.to_string(), value);
        Some(Value::unknown(name.id.as_str()))
    }

    fn builtin(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        let first = args.positional.first();
        match (name, first) {
            ("str" | "repr", Some(value)) => {
                let texts = [strings::shown(value, self.written(range))];
                strings::concatenated(&texts, self.written(range))
            }
            (
                "list" | "tuple" | "set" | "frozenset" | "sorted" | "iter" | "reversed",
                Some(value),
            ) => match (self.items(value), value) {
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
            ("len", Some(value)) => match self.items(value) {
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
            ("enumerate", Some(value)) => match self.items(value) {
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
                    args.positional.iter().map(|value| self.items(value)).collect();
                let Some(lists) = lists else { return self.unknown(range) };
                let length = lists.iter().map(Vec::len).min().unwrap_or(0);
                let row = |at: usize| Value::list(lists.iter().map(|l| l[at].clone()).collect());
                Value::list((0..length).map(row).collect())
            }
            ("map", Some(function)) if args.positional.len() == 2 => {
                let Some(items) = self.items(&args.positional[1]) else {
                    return self.unknown(range);
                };
                let mut out = Vec::new();
                for item in items {
                    let value = self.invoke(function, &Args::of(vec![item]), range);
                    out.push(value);
                }
                Value::list(out)
            }
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

    /// A text that is executed, named after where it comes from.
    pub(super) fn as_sql(&self, value: &Value, range: TextRange) -> Text {
        match value {
            Value::Text(text) | Value::Sql(text) => text.as_ref().clone(),
            Value::Unknown(source) => Text::hole(&**source),
            Value::File(path) => Text::hole(format!("the file {path}")),
            _ => Text::hole(self.written(range)),
        }
    }
}

/// Whether a function only writes to a log.
pub(super) fn logs(path: &str) -> bool {
    const LEVELS: [&str; 11] = [
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "critical",
        "log",
        "print",
        "echo",
        "secho",
    ];
    path.rsplit('.').next().is_some_and(|name| LEVELS.contains(&name))
}

fn is_harmless_builtin(name: &str) -> bool {
    matches!(name, "min" | "max" | "sum" | "any" | "all" | "filter" | "format" | "vars" | "dir")
}
