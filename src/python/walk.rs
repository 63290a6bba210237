//! Statements: what runs, in which order, under which conditions.

use std::collections::HashMap;
use std::rc::Rc;

use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::Modules;
use super::assigned;
use super::emit::Sink;
use super::mentions;
use super::modules::Module;
use super::text::Text;
use super::value::{Function, Value};
use crate::text::Span;

/// Steps for one file; more is not followed.
const FUEL: usize = 200_000;
/// Rounds of loops that are gone through one by one.
const ROUNDS: usize = 1_000;

/// Blocks and expressions within one another, through all calls.
const DEEPEST: usize = 140;

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Return,
    Break,
    Continue,
    Raise,
}

/// The names of one call, or of a module.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub id: usize,
    pub module: usize,
    /// The call in which the function was defined.
    pub parent: Option<usize>,
    pub names: HashMap<String, Value>,
    pub returned: Vec<Value>,
    pub yielded: Vec<Value>,
    /// The definition that runs, to notice recursion.
    pub definition: Option<*const Stmt>,
}

/// Goes through a file as Python would, with values as far as they are known.
pub(super) struct Walker<'m> {
    pub modules: &'m dyn Modules,
    pub loaded: Vec<Module>,
    /// Imported names that were looked for, by their path.
    pub imports: HashMap<String, Value>,
    pub frames: Vec<Frame>,
    /// The names of calls that are over, and their parents, for the functions that they returned.
    pub closed: HashMap<usize, (HashMap<String, Value>, Option<usize>)>,
    pub sink: Sink<'m>,
    pub branch: Vec<u32>,
    /// Definitions of the file itself that were called, by their first byte.
    pub called: Vec<usize>,
    /// The call in the file itself from which another module is walked.
    pub anchor: Option<Span>,
    /// Whether what is sent is kept.
    pub is_silent: bool,
    pub depth: usize,
    n_branches: u32,
    n_frames: usize,
    fuel: usize,
    rounds: usize,
    is_exhausted: bool,
}

impl<'m> Walker<'m> {
    pub(super) fn new(source: &'m str, modules: &'m dyn Modules) -> Self {
        Self {
            modules,
            loaded: Vec::new(),
            imports: HashMap::new(),
            frames: Vec::new(),
            closed: HashMap::new(),
            sink: Sink::new(source),
            branch: Vec::new(),
            called: Vec::new(),
            anchor: None,
            is_silent: false,
            depth: 0,
            n_branches: 0,
            n_frames: 0,
            fuel: FUEL,
            rounds: ROUNDS,
            is_exhausted: false,
        }
    }

    /// Counts work; false once there was too much of it.
    pub(super) fn spend(&mut self, steps: usize, range: TextRange) -> bool {
        if self.is_exhausted {
            return false;
        }
        if self.fuel < steps {
            self.is_silent = false;
            self.unreadable("it does too much to be followed".to_owned(), range);
            self.is_exhausted = true;
            return false;
        }
        self.fuel -= steps;
        true
    }

    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a module's frame is never taken off while it is walked")
    }

    pub(super) fn module(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.module)
    }

    pub(super) fn push_frame(&mut self, module: usize, parent: Option<usize>) {
        self.n_frames += 1;
        self.frames.push(Frame { id: self.n_frames, module, parent, ..Frame::default() });
    }

    /// The source of an expression.
    pub(super) fn written(&self, range: TextRange) -> &str {
        let source = &self.loaded[self.module()].source;
        source.get(range.start().to_usize()..range.end().to_usize()).unwrap_or_default()
    }

    fn place(&self, range: TextRange) -> Span {
        match self.anchor {
            Some(anchor) => anchor,
            None => Span::new(range.start().to_usize(), range.end().to_usize()),
        }
    }

    /// SQL is sent.
    pub(super) fn send(&mut self, text: &Text, range: TextRange) {
        if !self.is_silent && !self.is_exhausted {
            let place = self.place(range);
            self.sink.sql(text, place, 0, &self.branch);
        }
    }

    /// Something can't be known.
    pub(super) fn unreadable(&mut self, why: String, range: TextRange) {
        if !self.is_silent && !self.is_exhausted {
            let place = self.place(range);
            self.sink.unreadable(why, place, &self.branch);
        }
    }

    /// What follows happens only under some condition.
    pub(super) fn enter_branch(&mut self) {
        self.n_branches += 1;
        self.branch.push(self.n_branches);
    }

    pub(super) fn block(&mut self, body: &[Stmt]) -> Flow {
        self.depth += 1;
        let mut flow = Flow::Next;
        for statement in body {
            if !self.spend(1, statement.range()) || self.is_too_deep(statement.range()) {
                flow = Flow::Return;
            } else {
                flow = self.statement(statement);
            }
            if flow != Flow::Next {
                break;
            }
        }
        self.depth -= 1;
        flow
    }

    /// Whether to go no deeper; what could be sent from there is not known.
    pub(super) fn is_too_deep(&mut self, range: TextRange) -> bool {
        let is_too_deep = self.depth >= DEEPEST;
        if is_too_deep && mentions::sends(self.written(range)) {
            self.unreadable("it is nested too deeply to be followed".to_owned(), range);
        }
        is_too_deep
    }

    fn statement(&mut self, statement: &Stmt) -> Flow {
        match statement {
            Stmt::Expr(it) => {
                self.discard(&it.value);
            }
            Stmt::Assign(it) => {
                let value = self.eval(&it.value);
                for target in &it.targets {
                    self.assign(target, &value);
                }
            }
            Stmt::AnnAssign(it) => {
                if let Some(value) = &it.value {
                    let value = self.eval(value);
                    self.assign(&it.target, &value);
                }
            }
            Stmt::AugAssign(it) => {
                let old = self.eval(&it.target);
                let new = self.eval(&it.value);
                let value = self.binary(&old, it.op, &new, it.range);
                self.assign(&it.target, &value);
            }
            Stmt::Return(it) => {
                let value = it.value.as_ref().map_or(Value::None, |value| self.eval(value));
                self.frame().returned.push(value);
                return Flow::Return;
            }
            Stmt::Raise(it) => {
                if let Some(exc) = &it.exc {
                    self.eval(exc);
                }
                return Flow::Raise;
            }
            Stmt::Break(_) => return Flow::Break,
            Stmt::Continue(_) => return Flow::Continue,
            Stmt::If(it) => {
                let clauses = it.elif_else_clauses.iter();
                let rest = clauses.map(|clause| (clause.test.as_ref(), &clause.body[..]));
                let first = (Some(&*it.test), &it.body[..]);
                return self.choose(std::iter::once(first).chain(rest), it.range);
            }
            Stmt::Match(it) => {
                self.eval(&it.subject);
                let cases: Vec<&[Stmt]> = it.cases.iter().map(|case| &case.body[..]).collect();
                return self.branches(&cases, true, it.range);
            }
            Stmt::For(it) => {
                let over = self.eval(&it.iter);
                return self.each(&it.target, &over, &it.body, &it.orelse, it.iter.range());
            }
            Stmt::While(it) => {
                let test = self.eval(&it.test);
                if test.truth() != Some(false) || matches!(test, Value::Int(_)) {
                    self.repeat(&it.body, it.range);
                }
                return self.block(&it.orelse);
            }
            Stmt::With(it) => return self.with(it),
            Stmt::Try(it) => return self.attempt(it),
            Stmt::FunctionDef(it) => self.define(statement, it.name.as_str()),
            Stmt::ClassDef(it) => {
                let class = self.class(it);
                self.frame().names.insert(it.name.to_string(), Value::Class(Rc::new(class)));
            }
            Stmt::Import(it) => self.import(it),
            Stmt::ImportFrom(it) => self.import_from(it),
            Stmt::Assert(it) => {
                self.eval(&it.test);
            }
            Stmt::Global(it) => self.forget(&it.names),
            Stmt::Nonlocal(it) => self.forget(&it.names),
            Stmt::Delete(_) | Stmt::TypeAlias(_) | Stmt::Pass(_) | Stmt::IpyEscapeCommand(_) => {}
        }
        Flow::Next
    }

    /// A name that functions share may hold anything.
    fn forget(&mut self, names: &[ruff_python_ast::Identifier]) {
        let module = self.module();
        for name in names {
            let unknown = Value::unknown(name.as_str());
            self.loaded[module].names.insert(name.to_string(), unknown.clone());
            self.frame().names.insert(name.to_string(), unknown);
        }
    }

    fn define(&mut self, statement: &Stmt, name: &str) {
        let (module, frame) = (self.module(), self.frame().id);
        let is_module = self.frames.len() == 1 || self.frame().definition.is_none();
        let definition = self.loaded[module]
            .body
            .iter()
            .find(|own| std::ptr::eq(own.as_ref(), statement))
            .map_or_else(|| Rc::new(statement.clone()), Rc::clone);
        let frame = (!is_module).then_some(frame);
        let function = Function { module, definition, frame, receiver: None, wrapper: None };
        let value = self.decorated(function);
        self.frame().names.insert(name.to_owned(), value);
    }

    fn choose<'s>(
        &mut self,
        clauses: impl Iterator<Item = (Option<&'s Expr>, &'s [Stmt])>,
        range: TextRange,
    ) -> Flow {
        let mut open: Vec<&[Stmt]> = Vec::new();
        let mut may_skip = true;
        for (test, body) in clauses {
            let truth = match test {
                Some(test) => self.eval(test).truth(),
                None => Some(true),
            };
            if truth != Some(false) {
                open.push(body);
            }
            if truth == Some(true) {
                may_skip = false;
                break;
            }
        }
        match open.as_slice() {
            [] => Flow::Next,
            [only] if !may_skip => self.block(only),
            _ => self.branches(&open, may_skip, range),
        }
    }

    /// Goes through blocks of which one will run, or none where `may_skip`.
    pub(super) fn branches(
        &mut self,
        bodies: &[&[Stmt]],
        may_skip: bool,
        range: TextRange,
    ) -> Flow {
        let before = self.frame().names.clone();
        if !self.spend(before.len() * (bodies.len() + 1) / 16 + 1, range) {
            return Flow::Return;
        }
        let mut ends = Vec::new();
        let mut flows = Vec::new();
        for body in bodies {
            self.frame().names.clone_from(&before);
            let depth = self.branch.len();
            self.enter_branch();
            let flow = self.block(body);
            self.branch.truncate(depth);
            let names = std::mem::take(&mut self.frame().names);
            if !matches!(flow, Flow::Return | Flow::Raise) {
                ends.push(names);
            }
            flows.push(flow);
        }
        if may_skip || ends.is_empty() {
            ends.push(before);
        }
        self.frame().names = joined(ends);
        let all_leave = !may_skip && flows.iter().all(|flow| *flow != Flow::Next);
        if all_leave {
            let same = flows.windows(2).all(|pair| pair[0] == pair[1]);
            let loops = flows.iter().any(|flow| matches!(flow, Flow::Break | Flow::Continue));
            return match flows.first() {
                Some(first) if same => *first,
                _ if loops => Flow::Continue,
                _ => Flow::Return,
            };
        }
        if flows.iter().any(|flow| *flow != Flow::Next) {
            // What follows runs only where none of them left.
            self.enter_branch();
        }
        Flow::Next
    }

    fn attempt(&mut self, it: &ruff_python_ast::StmtTry) -> Flow {
        let depth = self.branch.len();
        if !it.handlers.is_empty() {
            self.enter_branch();
        }
        let before = self.frame().names.clone();
        let mut flow = self.block(&it.body);
        if flow == Flow::Next {
            flow = self.block(&it.orelse);
        }
        self.branch.truncate(depth);
        if !it.handlers.is_empty() {
            let after = std::mem::take(&mut self.frame().names);
            self.frame().names = joined(vec![before, after]);
            let handlers: Vec<&[Stmt]> = it
                .handlers
                .iter()
                .map(|handler| {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    &handler.body[..]
                })
                .collect();
            let after = self.branches(&handlers, true, it.range);
            if after != Flow::Next && flow == Flow::Next {
                self.enter_branch();
            } else if flow != Flow::Next && after == Flow::Next {
                let all_leave = it.handlers.iter().all(|handler| {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    matches!(handler.body.last(), Some(Stmt::Raise(_) | Stmt::Return(_)))
                });
                if !all_leave {
                    flow = Flow::Next;
                    self.enter_branch();
                }
            }
        }
        match self.block(&it.finalbody) {
            Flow::Next => flow,
            left => left,
        }
    }

    fn each(
        &mut self,
        target: &Expr,
        over: &Value,
        body: &[Stmt],
        orelse: &[Stmt],
        range: TextRange,
    ) -> Flow {
        let depth = self.branch.len();
        if let Some(items) = over.items().filter(|items| items.len() <= self.rounds) {
            self.rounds -= items.len();
            if matches!(over, Value::OneOf(_)) {
                self.enter_branch();
            }
            for item in items {
                if !self.spend(1, range) {
                    return Flow::Return;
                }
                self.assign(target, &item);
                match self.block(body) {
                    Flow::Next | Flow::Continue => {}
                    Flow::Break => break,
                    left => return left,
                }
            }
        } else {
            let element = match over {
                Value::Rows(found) => Value::Row(Rc::clone(found)),
                Value::Query(query) => Value::Row(query.found()),
                _ => Value::unknown(self.written(target.range())),
            };
            self.havoc(body);
            let is_tuple = matches!(target, Expr::Tuple(_) | Expr::List(_));
            let element =
                if is_tuple { Value::unknown(self.written(target.range())) } else { element };
            self.assign(target, &element);
            self.repeat(body, range);
        }
        self.branch.truncate(depth);
        self.block(orelse)
    }

    /// Goes once through a body that runs any number of times.
    pub(super) fn repeat(&mut self, body: &[Stmt], range: TextRange) {
        self.havoc(body);
        let depth = self.branch.len();
        self.branches(&[body], true, range);
        self.branch.truncate(depth);
    }

    /// Forgets what a loop changes from round to round.
    fn havoc(&mut self, body: &[Stmt]) {
        for name in assigned::changed_in(body) {
            if let Some(value) = self.frame().names.get_mut(&name)
                && !matches!(value, Value::Handle | Value::Function(_) | Value::External(_))
            {
                *value = Value::unknown(&name);
            }
        }
    }

    /// Gives a value to a target.
    pub(super) fn assign(&mut self, target: &Expr, value: &Value) {
        match target {
            Expr::Name(name) => {
                self.frame().names.insert(name.id.to_string(), value.clone());
            }
            Expr::Starred(starred) => {
                let unknown = Value::unknown(self.written(target.range()));
                self.assign(&starred.value, &unknown);
            }
            Expr::Tuple(_) | Expr::List(_) => {
                let targets: &[Expr] = match target {
                    Expr::Tuple(tuple) => &tuple.elts,
                    Expr::List(list) => &list.elts,
                    _ => &[],
                };
                for (index, target) in targets.iter().enumerate() {
                    let part = match value {
                        Value::List(items) if items.len() == targets.len() => items[index].clone(),
                        Value::OneOf(values) => {
                            let parts = values.iter().map(|value| match value {
                                Value::List(items) if items.len() == targets.len() => {
                                    items[index].clone()
                                }
                                _ => Value::unknown(self.written(target.range())),
                            });
                            let parts: Vec<Value> = parts.collect();
                            Value::one_of(parts, self.written(target.range()))
                        }
                        Value::Handle => Value::Handle,
                        _ => Value::unknown(self.written(target.range())),
                    };
                    self.assign(target, &part);
                }
            }
            Expr::Attribute(attribute) => {
                let object = self.eval(&attribute.value);
                self.set_attribute(&object, attribute.attr.as_str(), target.range());
            }
            Expr::Subscript(subscript) => {
                self.eval(&subscript.slice);
                self.set_item(subscript, value);
            }
            _ => {}
        }
    }

    fn set_item(&mut self, subscript: &ruff_python_ast::ExprSubscript, value: &Value) {
        let key = self.eval(&subscript.slice);
        let Expr::Name(name) = &*subscript.value else { return };
        let old = self.frame().names.get(name.id.as_str()).cloned();
        let new = match old {
            Some(Value::Dict(pairs)) if matches!(key, Value::Text(_) | Value::Int(_)) => {
                let mut pairs = pairs.as_ref().clone();
                pairs.retain(|(own, _)| *own != key);
                pairs.push((key, value.clone()));
                Value::Dict(Rc::new(pairs))
            }
            Some(Value::Row(_)) | None => return,
            Some(_) => Value::unknown(name.id.as_str()),
        };
        self.frame().names.insert(name.id.to_string(), new);
    }

    /// The value of a name, wherever it is defined.
    pub(super) fn lookup(&mut self, name: &str) -> Value {
        match self.find(name) {
            Some(value) => self.arrived(value),
            None => self.starred(name).unwrap_or_else(|| Value::unknown(name)),
        }
    }

    fn find(&self, name: &str) -> Option<Value> {
        let mut at = self.frames.last().map(|frame| frame.id);
        while let Some(id) = at {
            let open = self.frames.iter().find(|frame| frame.id == id);
            let (names, parent) = match (open, self.closed.get(&id)) {
                (Some(frame), _) => (&frame.names, frame.parent),
                (None, Some((names, parent))) => (names, *parent),
                (None, None) => break,
            };
            if let Some(value) = names.get(name) {
                return Some(value.clone());
            }
            at = parent;
        }
        let module = self.module();
        if let Some(value) = self.loaded[module].names.get(name) {
            return Some(value.clone());
        }
        // A name of the module's own body, while that body is still being walked.
        let body = self.frames.iter().find(|f| f.module == module && f.definition.is_none());
        body.and_then(|frame| frame.names.get(name)).cloned()
    }
}

/// What names hold after one of several ends.
fn joined(mut ends: Vec<HashMap<String, Value>>) -> HashMap<String, Value> {
    let Some(mut all) = ends.pop() else { return HashMap::new() };
    for end in ends.into_iter().rev() {
        for (name, value) in end {
            match all.get_mut(&name) {
                Some(other) if *other == value => {}
                Some(other) => {
                    let both = [value, std::mem::replace(other, Value::None)];
                    *other = Value::one_of(both, &name);
                }
                None => {
                    all.insert(name, value);
                }
            }
        }
    }
    all
}
