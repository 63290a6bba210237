//! Conditions that are always or never true, whatever is in the rows. Nulls are left out of account:
//! `id = id` is true of every row that matters.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query,
    SelectItem, SetExpr, TableFactor, UnaryOperator, Value, Visit as _, Visitor,
};

use super::calls;
use super::query::{folded, qualified};
use crate::text::QualifiedName;

/// Functions that may answer something else every time.
const VOLATILE: [&str; 8] = [
    "random",
    "random_normal",
    "nextval",
    "setval",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "uuid_generate_v4",
];

/// Functions that are never negative.
const LENGTHS: [&str; 6] =
    ["length", "char_length", "character_length", "octet_length", "cardinality", "abs"];

/// The table whose rows a condition selects.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) table: &'a QualifiedName,
    /// The name by which the condition knows it.
    pub(super) own: &'a str,
}

impl Target<'_> {
    /// What the condition is for every row; `None` where that depends on the row.
    pub(super) fn truth(self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => {
                self.truth(inner)
            }
            Expr::IsFalse(inner)
            | Expr::IsNotTrue(inner)
            | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => Some(!self.truth(inner)?),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                match (self.truth(left), self.truth(right)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => self.any_of(expr),
            Expr::BinaryOp { left, op, right } => {
                let known = self.comparison(left, op, right);
                let known = known.or_else(|| self.of_condition(left, op, right));
                let known = known.or_else(|| of_every_row(left, op, right));
                known.or_else(|| of_every_row(right, &flipped(op)?, left))
            }
            Expr::IsNotDistinctFrom(left, right) => self.is_same(left, right).then_some(true),
            Expr::IsDistinctFrom(left, right) if constant(right) == Some(Constant::Null) => {
                Some(!is_null(left)?)
            }
            Expr::IsDistinctFrom(left, right) => self.is_same(left, right).then_some(false),
            Expr::IsNull(inner) => is_null(inner),
            Expr::IsNotNull(inner) => Some(!is_null(inner)?),
            Expr::Like { negated, pattern, .. }
            | Expr::ILike { negated, pattern, .. }
            | Expr::SimilarTo { negated, pattern, .. } => {
                let any = text(pattern)?;
                (!any.is_empty() && any.bytes().all(|byte| byte == b'%')).then_some(!negated)
            }
            _ => self.of_set(expr),
        }
    }

    /// Conditions on lists and queries, and values that are conditions.
    fn of_set(self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::InList { expr, list, negated } => {
                let is = |item: &Expr| {
                    self.is_same(expr, item)
                        || self.comparison(expr, &BinaryOperator::Eq, item) == Some(true)
                };
                list.iter().any(is).then_some(!negated)
            }
            Expr::Between { expr, negated, low, high } => {
                let above = self.comparison(expr, &BinaryOperator::GtEq, low)?;
                let below = self.comparison(expr, &BinaryOperator::LtEq, high)?;
                Some((above && below) != *negated)
            }
            Expr::InSubquery { expr, subquery, negated } => {
                if self.is_empty(subquery) {
                    return Some(*negated);
                }
                self.selects_itself(expr, subquery).then_some(!negated)
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if let Expr::Array(array) = &**right {
                    return array.elem.iter().any(|item| self.is_same(left, item)).then_some(true);
                }
                self.selects_itself(left, inner_query(right)?).then_some(true)
            }
            Expr::Exists { subquery, negated } => {
                if self.is_empty(subquery) {
                    return Some(*negated);
                }
                (is_one_row(subquery) || self.finds_itself(subquery)).then_some(!negated)
            }
            Expr::Subquery(query) => self.truth(one_value(query)?),
            Expr::Case { operand: None, conditions, else_result, .. } => {
                let first = conditions.first()?;
                match self.truth(&first.condition)? {
                    true => self.truth(&first.result),
                    false if conditions.len() == 1 => self.truth(else_result.as_deref()?),
                    false => None,
                }
            }
            Expr::Function(function) if qualified(&function.name).name == "coalesce" => {
                let mut values = arguments(&function.args).into_iter();
                let is_null = |value: &&Expr| matches!(constant(value), Some(Constant::Null));
                self.truth(values.find(|value| !is_null(value))?)
            }
            _ => match constant(expr)? {
                Constant::Bool(value) => Some(value),
                Constant::Null => Some(false),
                _ => None,
            },
        }
    }

    fn any_of(self, expr: &Expr) -> Option<bool> {
        let mut parts = Vec::new();
        alternatives(expr, &mut parts);
        let truths: Vec<Option<bool>> = parts.iter().map(|part| self.truth(part)).collect();
        if truths.contains(&Some(true)) || self.has_opposites(&parts) {
            return Some(true);
        }
        truths.iter().all(|truth| *truth == Some(false)).then_some(false)
    }

    /// `x IS NULL OR x IS NOT NULL`, `a OR NOT a`, `a = 1 OR a <> 1`, `a < 1 OR a >= 1`.
    fn has_opposites(self, parts: &[&Expr]) -> bool {
        let opposes = |a: &Expr, b: &Expr| match (a, b) {
            (Expr::IsNull(a), Expr::IsNotNull(b))
            | (Expr::IsTrue(a), Expr::IsNotTrue(b))
            | (Expr::IsFalse(a), Expr::IsNotFalse(b)) => self.is_same(a, b),
            (_, Expr::UnaryOp { op: UnaryOperator::Not, expr }) => self.is_same(a, expr),
            (
                Expr::BinaryOp { left, op, right },
                Expr::BinaryOp { left: other, op: opposite, right: value },
            ) => {
                matches!(
                    (op, opposite),
                    (BinaryOperator::Eq, BinaryOperator::NotEq)
                        | (BinaryOperator::Lt, BinaryOperator::GtEq)
                        | (BinaryOperator::Gt, BinaryOperator::LtEq)
                ) && self.is_same(left, other)
                    && self.is_same(right, value)
            }
            _ => false,
        };
        // Every pair would be quadratic, and nobody writes long ones.
        parts.len() <= 8 && parts.iter().any(|a| parts.iter().any(|b| opposes(a, b)))
    }

    fn comparison(self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
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
            (Some(Constant::Number(a)), Some(Constant::Number(b))) => {
                a.partial_cmp(&b).and_then(holds)
            }
            (Some(Constant::Bool(a)), Some(Constant::Bool(b))) => holds(a.cmp(&b)),
            // Other orders depend on the collation; equality does not.
            (Some(Constant::Text(a)), Some(Constant::Text(b))) => match op {
                BinaryOperator::Eq => Some(a == b),
                BinaryOperator::NotEq => Some(a != b),
                _ => None,
            },
            (None, None) if self.is_same(left, right) => holds(Ordering::Equal),
            _ => None,
        }
    }

    /// `(id = id) = true`
    fn of_condition(self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
        let (Expr::Nested(_), Some(Constant::Bool(value))) = (left, constant(right)) else {
            return None;
        };
        match op {
            BinaryOperator::Eq => Some(self.truth(left)? == value),
            BinaryOperator::NotEq => Some(self.truth(left)? != value),
            _ => None,
        }
    }

    /// Whether both are the same value in every row.
    pub(super) fn is_same(self, left: &Expr, right: &Expr) -> bool {
        match (left, right) {
            (Expr::Nested(left), right) | (right, Expr::Nested(left)) => self.is_same(left, right),
            _ => match (column_name(left), column_name(right)) {
                (Some(a), Some(b)) => a == b && self.is_one_table(left, right),
                _ => left == right && is_stable(left),
            },
        }
    }

    fn is_one_table(self, left: &Expr, right: &Expr) -> bool {
        let is_own = |name: Option<String>| name.is_none_or(|name| name == self.own);
        let (left, right) = (qualifier(left), qualifier(right));
        left == right || (is_own(left) && is_own(right))
    }

    /// `id IN (SELECT id FROM the_same_table)`.
    fn selects_itself(self, expr: &Expr, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else { return false };
        let is_plain = select.selection.as_ref().is_none_or(|all| self.truth(all) == Some(true))
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
        is_plain
            && from.joins.is_empty()
            && qualified(name) == *self.table
            && column_name(selected).is_some()
            && column_name(selected) == column_name(expr)
    }

    /// `EXISTS (SELECT 1 FROM the_same_table other WHERE other.id = the_same_table.id)`.
    fn finds_itself(self, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else { return false };
        let ([from], Some(condition)) = (select.from.as_slice(), &select.selection) else {
            return false;
        };
        let TableFactor::Table { name, alias: Some(alias), args: None, .. } = &from.relation else {
            return false;
        };
        from.joins.is_empty()
            && select.having.is_none()
            && query.limit_clause.is_none()
            && qualified(name) == *self.table
            && self.is_each_equal(condition, &folded(&alias.name))
    }

    /// `a.id = b.id AND a.n = b.n`, where `other` is another name of the same table.
    pub(super) fn is_each_equal(self, condition: &Expr, other: &str) -> bool {
        match condition {
            Expr::Nested(inner) => self.is_each_equal(inner, other),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.is_each_equal(left, other) && self.is_each_equal(right, other)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let is_of =
                    |expr: &Expr, table: &str| qualifier(expr).is_some_and(|name| name == table);
                column_name(left).is_some()
                    && column_name(left) == column_name(right)
                    && (is_of(left, self.own) && is_of(right, other)
                        || is_of(left, other) && is_of(right, self.own))
            }
            _ => false,
        }
    }

    /// Whether the query answers no row.
    fn is_empty(self, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else { return false };
        select.selection.as_ref().is_some_and(|never| self.truth(never) == Some(false))
            && matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty())
            && select.projection.iter().all(|item| !has_function(item))
    }
}

/// What holds for every key, name and length: `id > 0`, `name ~ '.*'`, `length(name) >= 0`.
fn of_every_row(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
    if matches!(op, BinaryOperator::PGRegexMatch | BinaryOperator::PGRegexIMatch) {
        return matches!(&*text(right)?, "" | ".*" | "^" | "$" | "^.*$").then_some(true);
    }
    let is_key = column_name(left).is_some_and(|name| name == "id");
    let is_length = match left {
        Expr::Function(function) => LENGTHS.contains(&qualified(&function.name).name.as_str()),
        _ => false,
    };
    let Some(Constant::Number(number)) = constant(right) else { return None };
    let least = if is_key { 1.0 } else { 0.0 };
    let is_all = match op {
        BinaryOperator::Gt | BinaryOperator::NotEq => number < least,
        BinaryOperator::GtEq => number <= least,
        _ => false,
    };
    ((is_key || is_length) && is_all).then_some(true)
}

/// A table's `id` is its key in all but name, and every row is somewhere.
fn is_null(expr: &Expr) -> Option<bool> {
    match column_name(expr).as_deref() {
        Some("id" | "ctid" | "tableoid") => Some(false),
        _ => Some(matches!(constant(expr)?, Constant::Null)),
    }
}

/// The operator that says the same with its sides exchanged.
const fn flipped(op: &BinaryOperator) -> Option<BinaryOperator> {
    match op {
        BinaryOperator::Lt => Some(BinaryOperator::Gt),
        BinaryOperator::LtEq => Some(BinaryOperator::GtEq),
        BinaryOperator::NotEq => Some(BinaryOperator::NotEq),
        _ => None,
    }
}

/// `SELECT 1`: one row, whatever is in the tables.
fn is_one_row(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && query.limit_clause.is_none()
}

fn one_value(query: &Query) -> Option<&Expr> {
    let SetExpr::Select(select) = &*query.body else { return None };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(value)] if is_one_row(query) => Some(value),
        _ => None,
    }
}

/// The query of `(SELECT …)` or `ARRAY(SELECT …)`.
fn inner_query(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Nested(inner) => inner_query(inner),
        Expr::Subquery(query) => Some(query),
        Expr::Function(function) if qualified(&function.name).name == "array" => {
            match &function.args {
                FunctionArguments::Subquery(query) => Some(query),
                _ => None,
            }
        }
        _ => None,
    }
}

fn arguments(args: &FunctionArguments) -> Vec<&Expr> {
    let FunctionArguments::List(list) = args else { return Vec::new() };
    let value = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref value)) => Some(value),
        _ => None,
    };
    list.args.iter().filter_map(value).collect()
}

fn has_function(item: &SelectItem) -> bool {
    struct Functions;
    impl Visitor for Functions {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    item.visit(&mut Functions).is_break()
}

/// Whether it is the same however often it is computed.
fn is_stable(expr: &Expr) -> bool {
    struct Unstable;
    impl Visitor for Unstable {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let is_stable = match expr {
                Expr::Function(function) => {
                    let name = qualified(&function.name);
                    calls::is_builtin(&name) && !VOLATILE.contains(&name.name.as_str())
                }
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => false,
                Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
                _ => true,
            };
            if is_stable { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
    expr.visit(&mut Unstable).is_continue()
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

/// The column that an expression is, folded, without its table.
pub(super) fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(path) => path.last().map(folded),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

/// The table in front of a column.
pub(super) fn qualifier(expr: &Expr) -> Option<String> {
    match expr {
        Expr::CompoundIdentifier(path) => path.len().checked_sub(2).map(|at| folded(&path[at])),
        Expr::Nested(inner) => qualifier(inner),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

fn text(expr: &Expr) -> Option<String> {
    match constant(expr)? {
        Constant::Text(text) => Some(text),
        _ => None,
    }
}

pub(super) fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::Cast { expr, data_type, .. } => cast(constant(expr)?, &data_type.to_string()),
        Expr::TypedString(typed) => {
            let text = typed.value.value.clone().into_string()?;
            cast(Constant::Text(text), &typed.data_type.to_string())
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            Constant::Number(number) => Some(Constant::Number(-number)),
            _ => None,
        },
        Expr::Value(value) => match &value.value {
            Value::Null => Some(Constant::Null),
            Value::Boolean(value) => Some(Constant::Bool(*value)),
            Value::Number(number, _) => number.parse().ok().map(Constant::Number),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::NationalStringLiteral(text) => Some(Constant::Text(text.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn cast(value: Constant, to: &str) -> Option<Constant> {
    let is_bool = to.to_ascii_lowercase().starts_with("bool");
    match (value, is_bool) {
        (Constant::Text(text), true) => match &*text.trim().to_ascii_lowercase() {
            "t" | "true" | "yes" | "y" | "on" | "1" => Some(Constant::Bool(true)),
            "f" | "false" | "no" | "n" | "off" | "0" => Some(Constant::Bool(false)),
            _ => None,
        },
        (Constant::Number(number), true) => Some(Constant::Bool(number != 0.0)),
        (value, _) => Some(value),
    }
}
