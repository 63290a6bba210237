//! Which rows a DELETE or UPDATE reaches: conditions that are always true, joins without a condition.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, GroupByExpr, Query, SelectItem, SetExpr,
    TableFactor, UnaryOperator, Value, Visit as _, Visitor,
};

use super::Reach;
use super::query::{folded, qualified};
use crate::text::QualifiedName;

/// What a WHERE lets through; `joins` where other tables take part (USING, FROM).
pub(super) fn read(
    selection: Option<&Expr>,
    table: &QualifiedName,
    alias: Option<&str>,
    joins: bool,
) -> Reach {
    let Some(condition) = selection else {
        return Reach::All { why: "no WHERE".to_owned() };
    };
    if is_always_true(condition, table) {
        return Reach::All { why: format!("WHERE {condition} is always true") };
    }
    let own = alias.unwrap_or(&table.name);
    if !names_target(condition, own) {
        let why = if joins {
            format!("no condition joins {} to the other tables", table.short())
        } else {
            format!("its WHERE names no column of {}", table.short())
        };
        return Reach::All { why };
    }
    Reach::Some { condition: condition.to_string() }
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

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(path) => path.last().map(folded),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

fn is_always_true(expr: &Expr, table: &QualifiedName) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => {
            is_always_true(inner, table)
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => is_never_true(expr),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            is_always_true(left, table) && is_always_true(right, table)
        }
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
            let mut parts = Vec::new();
            alternatives(expr, &mut parts);
            parts.iter().any(|part| is_always_true(part, table)) || has_opposites(&parts)
        }
        Expr::BinaryOp { left, op, right } => comparison(left, op, right) == Some(true),
        Expr::IsNotDistinctFrom(left, right) => is_same(left, right),
        Expr::IsNull(inner) => matches!(constant(inner), Some(Constant::Null)),
        // A table's `id` is its key in all but name.
        Expr::IsNotNull(inner) => {
            column_name(inner).is_some_and(|name| name == "id")
                || constant(inner).is_some_and(|value| !matches!(value, Constant::Null))
        }
        Expr::Like { negated: false, expr, pattern, .. }
        | Expr::ILike { negated: false, expr, pattern, .. } => {
            column_name(expr).is_some()
                && matches!(constant(pattern), Some(Constant::Text(text)) if text == "%")
        }
        Expr::InSubquery { expr, subquery, negated: false } => {
            selects_itself(expr, subquery, table)
        }
        _ => matches!(constant(expr), Some(Constant::Bool(true))),
    }
}

fn is_never_true(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_never_true(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            matches!(constant(expr), Some(Constant::Bool(true)))
        }
        Expr::BinaryOp { left, op, right } => comparison(left, op, right) == Some(false),
        _ => matches!(constant(expr), Some(Constant::Bool(false))),
    }
}

fn alternatives<'a>(expr: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Nested(inner) => alternatives(inner, parts),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            alternatives(left, parts);
            alternatives(right, parts);
        }
        _ => parts.push(expr),
    }
}

/// `x IS NULL OR x IS NOT NULL`, `a OR NOT a`, `a = 1 OR a <> 1`.
fn has_opposites(parts: &[&Expr]) -> bool {
    let opposes = |a: &Expr, b: &Expr| match (a, b) {
        (Expr::IsNull(a), Expr::IsNotNull(b)) => is_same(a, b),
        (_, Expr::UnaryOp { op: UnaryOperator::Not, expr }) => is_same(a, expr),
        (
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right },
            Expr::BinaryOp { left: other, op: BinaryOperator::NotEq, right: value },
        ) => is_same(left, other) && is_same(right, value),
        _ => false,
    };
    // Every pair would be quadratic, and nobody writes long ones.
    parts.len() <= 8 && parts.iter().any(|a| parts.iter().any(|b| opposes(a, b)))
}

fn is_same(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Nested(left), right) | (right, Expr::Nested(left)) => is_same(left, right),
        _ => match (column_name(left), column_name(right)) {
            (Some(a), Some(b)) => a == b && qualifier(left) == qualifier(right),
            _ => left == right && constant(left).is_some(),
        },
    }
}

fn qualifier(expr: &Expr) -> Option<String> {
    match expr {
        Expr::CompoundIdentifier(path) => path.len().checked_sub(2).map(|at| folded(&path[at])),
        _ => None,
    }
}

enum Constant {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::Cast { expr, data_type, .. } => {
            let value = constant(expr)?;
            let is_bool = data_type.to_string().to_ascii_lowercase().starts_with("bool");
            match (value, is_bool) {
                (Constant::Text(text), true) => match &*text.to_ascii_lowercase() {
                    "t" | "true" | "yes" | "y" | "on" | "1" => Some(Constant::Bool(true)),
                    "f" | "false" | "no" | "n" | "off" | "0" => Some(Constant::Bool(false)),
                    _ => None,
                },
                (Constant::Number(number), true) => Some(Constant::Bool(number != 0.0)),
                (value, _) => Some(value),
            }
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            Constant::Number(number) => Some(Constant::Number(-number)),
            _ => None,
        },
        Expr::Value(value) => match &value.value {
            Value::Null => Some(Constant::Null),
            Value::Boolean(value) => Some(Constant::Bool(*value)),
            Value::Number(number, _) => number.parse().ok().map(Constant::Number),
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                Some(Constant::Text(text.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn comparison(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
    use std::cmp::Ordering;

    let holds = |ordering: Ordering| match op {
        BinaryOperator::Eq => Some(ordering.is_eq()),
        BinaryOperator::NotEq => Some(ordering.is_ne()),
        BinaryOperator::Lt => Some(ordering.is_lt()),
        BinaryOperator::LtEq => Some(ordering.is_le()),
        BinaryOperator::Gt => Some(ordering.is_gt()),
        BinaryOperator::GtEq => Some(ordering.is_ge()),
        _ => None,
    };
    match (constant(left), constant(right)) {
        (Some(Constant::Number(a)), Some(Constant::Number(b))) => a.partial_cmp(&b).and_then(holds),
        (Some(Constant::Bool(a)), Some(Constant::Bool(b))) => holds(a.cmp(&b)),
        // Other orders depend on the collation; equality does not.
        (Some(Constant::Text(a)), Some(Constant::Text(b))) => match op {
            BinaryOperator::Eq => Some(a == b),
            BinaryOperator::NotEq => Some(a != b),
            _ => None,
        },
        (None, None) if is_same(left, right) => holds(Ordering::Equal),
        _ => None,
    }
}

/// `id IN (SELECT id FROM the_same_table)`.
fn selects_itself(expr: &Expr, query: &Query, table: &QualifiedName) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    let is_plain = select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    let [item] = select.projection.as_slice() else { return false };
    let [from] = select.from.as_slice() else { return false };
    let (SelectItem::UnnamedExpr(selected), TableFactor::Table { name, args: None, .. }) =
        (item, &from.relation)
    else {
        return false;
    };
    let name = qualified(name);
    is_plain
        && from.joins.is_empty()
        && name == *table
        && column_name(selected).is_some()
        && column_name(selected) == column_name(expr)
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
