//! Which rows a DELETE or UPDATE reaches: conditions that are always true, joins without a condition.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, TableFactor, TableWithJoins, UnaryOperator,
    Visit as _, Visitor,
};

use super::Reach;
use super::query::{folded, qualified};
use super::truth::{Target, column_name, constant, qualifier};
use crate::text::QualifiedName;

/// The tables of USING or FROM; an empty list where only it is known that there are some.
pub(super) type Others<'a> = Option<&'a [TableWithJoins]>;

/// What a WHERE lets through.
pub(super) fn read(
    selection: Option<&Expr>,
    table: &QualifiedName,
    alias: Option<&str>,
    others: Others<'_>,
) -> Reach {
    let Some(condition) = selection else {
        return Reach::All { why: "no WHERE".to_owned() };
    };
    let target = Target { table, own: alias.unwrap_or(&table.name) };
    match target.truth(condition) {
        Some(true) => return Reach::All { why: format!("WHERE {condition} is always true") },
        Some(false) => return Reach::Some { condition: condition.to_string() },
        None => {}
    }
    if joins_itself(condition, target, others.unwrap_or_default()) {
        let why = format!("{} is joined to itself, row by row", table.short());
        return Reach::All { why };
    }
    if !names_target(condition, target.own) {
        let why = if others.is_some() {
            format!("no condition joins {} to the other tables", table.short())
        } else {
            format!("its WHERE names no column of {}", table.short())
        };
        return Reach::All { why };
    }
    Reach::Some { condition: condition.to_string() }
}

/// What an UPDATE reaches: it also reaches everything where its WHERE leaves out only rows that
/// have no other value to lose.
pub(super) fn of_update(
    assignments: &[Assignment],
    selection: Option<&Expr>,
    table: &QualifiedName,
    alias: Option<&str>,
    others: Others<'_>,
) -> Reach {
    if let ([assignment], Some(condition)) = (assignments, selection)
        && spares_no_value(assignment, condition)
    {
        return Reach::All { why: format!("WHERE {condition} spares no other value") };
    }
    read(selection, table, alias, others)
}

/// `SET a = 1 WHERE a <> 1`, and `SET a = … WHERE a IS NOT NULL`.
fn spares_no_value(assignment: &Assignment, condition: &Expr) -> bool {
    let AssignmentTarget::ColumnName(name) = &assignment.target else { return false };
    let is_set = |expr: &Expr| name.0.len() == 1 && column_name(expr) == Some(qualified(name).name);
    let is_value =
        |expr: &Expr| constant(expr).is_some() && constant(expr) == constant(&assignment.value);
    match condition {
        Expr::Nested(inner) => spares_no_value(assignment, inner),
        Expr::IsNotNull(column) => is_set(column),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => match &**expr {
            Expr::Nested(inner) => match &**inner {
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                    is_set(left) && is_value(right)
                }
                Expr::IsNull(column) => is_set(column),
                _ => false,
            },
            _ => false,
        },
        Expr::BinaryOp { left, op: BinaryOperator::NotEq, right }
        | Expr::IsDistinctFrom(left, right) => {
            (is_set(left) && is_value(right)) || (is_set(right) && is_value(left))
        }
        _ => false,
    }
}

/// Whether the WHERE lets only rows through in which `column` is null.
pub(super) fn demands_null(selection: Option<&Expr>, column: &str) -> bool {
    match selection {
        Some(Expr::Nested(inner)) => demands_null(Some(inner), column),
        Some(Expr::BinaryOp { left, op: BinaryOperator::And, right }) => {
            demands_null(Some(left), column) || demands_null(Some(right), column)
        }
        Some(Expr::IsNull(inner)) => column_name(inner).is_some_and(|name| name == column),
        _ => false,
    }
}

/// `SET a = a` changes nothing.
pub(super) fn leaves_as_is(assignment: &Assignment) -> bool {
    match (&assignment.target, &assignment.value) {
        (AssignmentTarget::ColumnName(name), Expr::Identifier(value)) => {
            name.0.len() == 1 && qualified(name).name == folded(value)
        }
        _ => false,
    }
}

/// `DELETE FROM t USING t other WHERE t.id = other.id`: every row finds itself.
fn joins_itself(condition: &Expr, target: Target<'_>, sources: &[TableWithJoins]) -> bool {
    let [source] = sources else { return false };
    let TableFactor::Table { name, alias: Some(alias), args: None, .. } = &source.relation else {
        return false;
    };
    source.joins.is_empty()
        && qualified(name) == *target.table
        && target.is_each_equal(condition, &folded(&alias.name))
}

/// Whether the condition says anything about the rows of the target, as far as names tell.
fn names_target(condition: &Expr, own: &str) -> bool {
    struct Names<'a>(&'a str);
    impl Visitor for Names<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                // Without its table a column may be the target's; so may a row constructor's.
                Expr::Identifier(_) | Expr::CompoundFieldAccess { .. } => ControlFlow::Break(()),
                Expr::CompoundIdentifier(_) if qualifier(expr).as_deref() == Some(self.0) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    condition.visit(&mut Names(own)).is_break()
}
