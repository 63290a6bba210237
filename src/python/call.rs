//! Calls: of functions of the project, of built-in ones, of other packages.

use std::rc::Rc;

use ruff_python_ast::{Expr, ExprCall, Parameters, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::assigned::MUTATORS;
use super::mentions;
use super::text::Text;
use super::value::{ChangeKind, Function, Lambda, Value};
use super::walk::{Flow, Walker};
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
        if let (Expr::Call(call), Value::Unknown(_)) = (inner, &value) {
            self.flag_foreign(call);
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
        if let Some(path) = &function.wrapper {
            self.foreign(path, range);
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
        if returned.iter().any(|value| matches!(value, Value::Function(_) | Value::Lambda(_))) {
            self.closed.insert(frame.id, (frame.names, frame.parent));
        }
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
        let is_shared = self.replace(receiver, &value);
        if !is_shared || self.frame().names.contains_key(name.id.as_str()) {
            self.frame().names.insert(name.id.to_string(), value);
        }
        Some(Value::unknown(name.id.as_str()))
    }

    /// Whoever holds this list or dict holds the changed one; false where nobody does.
    fn replace(&mut self, old: &Value, new: &Value) -> bool {
        let is_same = |value: &Value| match (value, old) {
            (Value::List(a), Value::List(b)) | (Value::OneOf(a), Value::OneOf(b)) => {
                Rc::ptr_eq(a, b)
            }
            (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
            _ => false,
        };
        let frames = self.frames.iter_mut().map(|frame| &mut frame.names);
        let modules = self.loaded.iter_mut().map(|module| &mut module.names);
        let mut is_held = false;
        for value in frames.chain(modules).flat_map(|names| names.values_mut()) {
            if is_same(value) {
                *value = new.clone();
                is_held = true;
            }
        }
        is_held
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
