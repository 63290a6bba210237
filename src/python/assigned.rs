//! Which names a block of Python gives new values.

use ruff_python_ast::{ExceptHandler, Expr, Stmt};

/// Methods that change the list or dict on which they are called.
pub(super) const MUTATORS: [&str; 10] = [
    "append",
    "extend",
    "insert",
    "add",
    "update",
    "pop",
    "remove",
    "clear",
    "discard",
    "setdefault",
];

/// The names that a block changes, as far as they can be seen without running it.
pub(super) fn changed_in(body: &[Stmt]) -> Vec<String> {
    let mut names = Vec::new();
    for statement in body {
        of_statement(statement, &mut names);
    }
    names.sort();
    names.dedup();
    names
}

fn of_statement(statement: &Stmt, names: &mut Vec<String>) {
    match statement {
        Stmt::Assign(it) => it.targets.iter().for_each(|target| of_target(target, names)),
        Stmt::AnnAssign(it) => of_target(&it.target, names),
        Stmt::AugAssign(it) => of_target(&it.target, names),
        Stmt::Expr(it) => {
            if let Expr::Call(call) = &*it.value
                && let Expr::Attribute(attribute) = &*call.func
                && MUTATORS.contains(&attribute.attr.as_str())
            {
                of_target(&attribute.value, names);
            }
        }
        Stmt::For(it) => {
            of_target(&it.target, names);
            inside(&[&it.body, &it.orelse], names);
        }
        Stmt::While(it) => inside(&[&it.body, &it.orelse], names),
        Stmt::If(it) => {
            inside(&[&it.body], names);
            it.elif_else_clauses.iter().for_each(|clause| inside(&[&clause.body], names));
        }
        Stmt::With(it) => {
            for item in &it.items {
                if let Some(target) = &item.optional_vars {
                    of_target(target, names);
                }
            }
            inside(&[&it.body], names);
        }
        Stmt::Try(it) => {
            inside(&[&it.body, &it.orelse, &it.finalbody], names);
            for handler in &it.handlers {
                let ExceptHandler::ExceptHandler(handler) = handler;
                inside(&[&handler.body], names);
            }
        }
        Stmt::Match(it) => it.cases.iter().for_each(|case| inside(&[&case.body], names)),
        _ => {}
    }
}

fn inside(bodies: &[&[Stmt]], names: &mut Vec<String>) {
    for statement in bodies.iter().copied().flatten() {
        of_statement(statement, names);
    }
}

fn of_target(target: &Expr, names: &mut Vec<String>) {
    match target {
        Expr::Name(name) => names.push(name.id.to_string()),
        Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| of_target(target, names)),
        Expr::List(list) => list.elts.iter().for_each(|target| of_target(target, names)),
        Expr::Starred(starred) => of_target(&starred.value, names),
        Expr::Subscript(subscript) => of_target(&subscript.value, names),
        _ => {}
    }
}
