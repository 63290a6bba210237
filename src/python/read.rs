//! A file from its text to its statements.

use std::rc::Rc;

use ruff_python_ast::Stmt;
use ruff_text_size::{Ranged as _, TextRange, TextSize};

use super::assigned::changed_in;
use super::call::Args;
use super::emit::{Sent, Sink};
use super::modules::Module;
use super::outside::is_foreign;
use super::value::Value;
use super::walk::Walker;
use super::{Modules, Reading, django, parse};
use crate::effect::{self, Effect};

/// More statements than this are not compared with one another.
const MOST_COMPARED: usize = 2_000;

/// Reads one function of a file, after the body of the file itself.
pub(super) fn function(source: &str, name: &str, modules: &dyn Modules) -> Reading {
    read(source, modules, |walker| {
        walker.push_frame(0, None);
        let callee = walker.lookup(name);
        let range = match &callee {
            Value::Function(function) if function.module == 0 => Some(function.definition.range()),
            Value::Lambda(lambda) if lambda.module == 0 => Some(lambda.definition.range),
            _ => brought_in(&walker.loaded[0].body, name),
        };
        let is_callable = matches!(
            &callee,
            Value::Function(_) | Value::Lambda(_) | Value::Method(_) | Value::OneOf(_)
        );
        match (&callee, range) {
            // Where there are several databases, it is told which of them.
            (_, Some(range)) if is_callable => {
                walker.invoke(&callee, &Args { is_open: true, ..Args::default() }, range);
            }
            (Value::External(path), Some(range)) if is_foreign(path) => {
                walker.foreign(path, range);
            }
            (_, range) => {
                let why = format!("it has no function `{name}` that could be read");
                let end = TextSize::new(u32::try_from(source.len()).unwrap_or(0));
                walker.unreadable(why, range.unwrap_or(TextRange::empty(end)));
            }
        }
        walker.frames.pop();
    })
}

/// The statement at the top of a file that gives this name its value, if not a `def`: the last.
fn brought_in(body: &[Rc<Stmt>], name: &str) -> Option<TextRange> {
    let gives = |statement: &&Rc<Stmt>| match statement.as_ref() {
        Stmt::ImportFrom(it) => it.names.iter().any(|alias| {
            let own = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            own == name || own == "*"
        }),
        other => changed_in(std::slice::from_ref(other)).iter().any(|own| own == name),
    };
    body.iter().rfind(gives).map(|statement| statement.range())
}

/// Reads every function of a file once.
pub(super) fn whole(source: &str, modules: &dyn Modules) -> Reading {
    read(source, modules, |walker| {
        django::read(walker);
        let body = walker.loaded[0].body.clone();
        walker.push_frame(0, None);
        for statement in &body {
            run_uncalled(walker, statement);
        }
        walker.frames.pop();
    })
}

fn read(source: &str, modules: &dyn Modules, run: impl FnOnce(&mut Walker<'_>)) -> Reading {
    let body = match parse::module(source) {
        Ok(body) => body,
        Err(failure) => {
            let mut sink = Sink::new(source);
            sink.unreadable(failure.why, failure.at, &[]);
            return finish(sink.sent);
        }
    };
    let mut walker = Walker::new(source, modules);
    let body = body.into_iter().map(Rc::new).collect();
    walker.loaded.push(Module { source: source.to_owned(), body, ..Module::default() });
    walker.run_module(0);
    run(&mut walker);
    finish(walker.sink.sent)
}

/// Calls the functions of a statement that nothing in the file calls.
fn run_uncalled(walker: &mut Walker<'_>, statement: &Stmt) {
    match statement {
        Stmt::FunctionDef(definition) => {
            if walker.called.contains(&definition.range.start().to_usize()) {
                return;
            }
            let value = walker.loaded[0].names.get(definition.name.as_str()).cloned();
            if let Some(Value::Function(function)) = value {
                let args = Args { is_open: true, ..Args::default() };
                walker.run(&function, &args, definition.range);
            }
        }
        Stmt::ClassDef(definition) => {
            let value = walker.loaded[0].names.get(definition.name.as_str()).cloned();
            let Some(Value::Class(class)) = value else { return };
            for (_, member) in &class.members {
                let Value::Function(function) = member else { continue };
                let range = function.definition.range();
                if function.module == 0 && !walker.called.contains(&range.start().to_usize()) {
                    let receiver = Value::Instance(Rc::clone(&class));
                    let args =
                        Args { positional: vec![receiver], is_open: true, ..Args::default() };
                    walker.run(function, &args, range);
                }
            }
        }
        _ => {}
    }
}

/// What is made only under some condition is no proof that it is new, unless everything else about
/// it happens under the same condition.
fn finish(mut sent: Vec<Sent>) -> Reading {
    let made: Vec<(usize, String)> = sent
        .iter()
        .enumerate()
        .filter(|(_, sent)| !sent.branch.is_empty())
        .filter_map(|(index, sent)| Some((index, name_made(sent)?)))
        .collect();
    let is_too_much = sent.len() > MOST_COMPARED;
    for (index, name) in made {
        let branch = sent[index].branch.clone();
        let is_used_elsewhere = is_too_much
            || sent[index + 1..].iter().any(|later| {
                !later.branch.starts_with(&branch) && later.statement.text.contains(&name)
            });
        if is_used_elsewhere {
            unprove(&mut sent[index].statement.text);
        }
    }
    Reading { statements: sent.into_iter().map(|sent| sent.statement).collect() }
}

/// The name of a table or column that a statement makes, where it proves that it is new.
fn name_made(sent: &Sent) -> Option<String> {
    let start = sent.statement.text.get(..6)?.to_ascii_lowercase();
    if !matches!(&*start, "create" | "alter ") {
        return None;
    }
    effect::read(&sent.statement).into_iter().find_map(|effect| match effect {
        Effect::CreateTable { table, if_not_exists: false, temporary: false, .. } => {
            Some(table.name)
        }
        Effect::AddColumn { column, .. } => Some(column),
        _ => None,
    })
}

/// `CREATE TABLE x` becomes `CREATE TABLE IF NOT EXISTS x`.
fn unprove(text: &mut String) {
    let lower = text.to_ascii_lowercase();
    for words in ["table ", "add column "] {
        let starts = words == "add column " || lower.starts_with("create");
        if let Some(at) = lower.find(words).filter(|_| starts) {
            text.insert_str(at + words.len(), "IF NOT EXISTS ");
            return;
        }
    }
    if let Some(at) = lower.find(" add ") {
        text.insert_str(at + 5, "COLUMN IF NOT EXISTS ");
    }
}
