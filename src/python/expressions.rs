//! SQLAlchemy's expressions in SQL: conditions, assignments, operators.

use ruff_python_ast::{CmpOp, Operator};
use ruff_text_size::TextRange;
use std::rc::Rc;

use super::call::Args;
use super::emit::identifier;
use super::text::Text;
use super::value::{Value, parameter};
use super::walk::Walker;

impl Walker<'_> {
    pub(super) fn on_expression(
        &mut self,
        receiver: &Value,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        let own = receiver.operand();
        let first = args.positional.first();
        let with = |words: &str| {
            Value::sql(own.clone().and(" ").and(words).and(" ").plus(&operand(first)))
        };
        match name {
            "is_" if matches!(first, Some(Value::None)) => Value::sql(own.and(" IS NULL")),
            "isnot" | "is_not" if matches!(first, Some(Value::None)) => {
                Value::sql(own.and(" IS NOT NULL"))
            }
            "is_" => with("IS"),
            "isnot" | "is_not" => with("IS NOT"),
            "in_" => within(&own, "IN", first),
            "notin_" | "not_in" => within(&own, "NOT IN", first),
            "like" => with("LIKE"),
            "ilike" => with("ILIKE"),
            "notlike" | "not_like" => with("NOT LIKE"),
            "notilike" | "not_ilike" => with("NOT ILIKE"),
            "startswith" | "endswith" | "contains" | "icontains" | "regexp_match" | "match"
            | "has_key" | "any" | "has" | "istartswith" => {
                Value::sql(own.and(" LIKE ").plus(&":pattern".into()))
            }
            "is_distinct_from" => with("IS DISTINCT FROM"),
            "is_not_distinct_from" | "isnot_distinct_from" => with("IS NOT DISTINCT FROM"),
            "between" => {
                let second = args.positional.get(1);
                Value::sql(
                    own.and(" BETWEEN ").plus(&operand(first)).and(" AND ").plus(&operand(second)),
                )
            }
            "cast" => {
                let to = first.map_or_else(|| "text".into(), |value| self.type_of(value, range));
                Value::sql(Text::known("CAST(").plus(&own).and(" AS ").plus(&to).and(")"))
            }
            "op" | "bool_op" | "concat" => Value::sql(own.and(" = ").plus(&":value".into())),
            "execute" if args.positional.is_empty() => {
                self.send(&own, range);
                Value::Rows(Rc::default())
            }
            _ => receiver.clone(),
        }
    }

    pub(super) fn sql_binary(
        &mut self,
        left: &Value,
        op: Operator,
        right: &Value,
        range: TextRange,
    ) -> Value {
        if let Value::OneOf(values) = left {
            let all: Vec<Value> =
                values.iter().map(|value| self.sql_binary(value, op, right, range)).collect();
            return Value::one_of(all, self.written(range));
        }
        match op {
            Operator::BitAnd => Value::sql(junction(&[left.clone(), right.clone()], " AND ")),
            Operator::BitOr => Value::sql(junction(&[left.clone(), right.clone()], " OR ")),
            _ => {
                let sign = match op {
                    Operator::Sub => " - ",
                    Operator::Mult => " * ",
                    Operator::Div | Operator::FloorDiv => " / ",
                    Operator::Mod => " % ",
                    _ => " + ",
                };
                Value::sql(left.operand().and(sign).plus(&right.operand()))
            }
        }
    }
}

/// `left op right` in SQL.
pub(super) fn compare(left: &Value, op: CmpOp, right: &Value) -> Value {
    let is_null = right.is_none();
    let sign = match op {
        CmpOp::Eq if is_null => " IS ",
        CmpOp::NotEq if is_null => " IS NOT ",
        CmpOp::Eq | CmpOp::Is => " = ",
        CmpOp::NotEq | CmpOp::IsNot => " <> ",
        CmpOp::Lt => " < ",
        CmpOp::LtE => " <= ",
        CmpOp::Gt => " > ",
        CmpOp::GtE => " >= ",
        CmpOp::In => " IN ",
        CmpOp::NotIn => " NOT IN ",
    };
    Value::sql(left.operand().and(sign).plus(&right.operand()))
}

/// The condition of a WHERE.
pub(super) fn condition(value: &Value) -> Text {
    match value {
        Value::Sql(text) if text.as_known().is_some_and(|known| known.contains(' ')) => {
            Text::known("(").plus(text).and(")")
        }
        Value::Sql(text) | Value::Column(text, _) | Value::Text(text) => text.as_ref().clone(),
        Value::Bool(_) => value.operand(),
        Value::Query(query) => Text::known("EXISTS ").plus(&query.sql()).and(" AND id = :id"),
        Value::Unknown(source) => Text::known("id = ").plus(&parameter(source)),
        _ => "id = :id".into(),
    }
}

/// `column = value`.
pub(super) fn equals(column: &Value, value: &Value) -> Text {
    if value.is_none() {
        return column.operand().and(" IS NULL");
    }
    column.operand().and(" = ").plus(&value.operand())
}

pub(super) fn assignment(name: &str, value: &Value) -> Text {
    Text::known(identifier(name)).and(" = ").plus(&value.operand())
}

/// The SET of an UPDATE.
pub(super) fn sets(pairs: &[(Value, Value)]) -> Vec<Text> {
    pairs
        .iter()
        .map(|(key, value)| match key {
            Value::Column(_, name) => assignment(name, value),
            Value::External(path) => assignment(path.rsplit('.').next().unwrap_or(path), value),
            _ => match key.as_str() {
                Some(name) => assignment(&name, value),
                None => Text::hole("column").and(" = ").plus(&value.operand()),
            },
        })
        .collect()
}

pub(super) fn operand(value: Option<&Value>) -> Text {
    value.map_or_else(|| ":value".into(), Value::operand)
}

fn within(own: &Text, words: &str, value: Option<&Value>) -> Value {
    let list = match value {
        Some(value @ (Value::List(_) | Value::Query(_))) => value.operand(),
        Some(Value::Unknown(source)) => Text::known("(").plus(&parameter(source)).and(")"),
        _ => "(:values)".into(),
    };
    Value::sql(own.clone().and(" ").and(words).and(" ").plus(&list))
}

pub(super) fn junction(values: &[Value], separator: &str) -> Text {
    let parts: Vec<Text> = values.iter().map(condition).collect();
    if parts.is_empty() {
        return "true".into();
    }
    Text::known("(").plus(&Text::joined(&parts, &separator.into())).and(")")
}

pub(super) fn function(name: &str, args: &Args) -> Value {
    let operands: Vec<Text> = args.positional.iter().map(Value::operand).collect();
    let list = Text::joined(&operands, &", ".into());
    Value::sql(Text::known(identifier(name)).and("(").plus(&list).and(")"))
}
