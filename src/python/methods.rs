//! Attributes and methods of values, whatever they are.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::classes::is_property;
use super::emit::identifier;
use super::strings;
use super::text::Text;
use super::value::Value;
use super::walk::Walker;
use crate::text::name::quote_if_needed;

/// Operations by whose name alone it is clear what they are.
pub(super) const OPERATIONS: [&str; 8] = [
    "drop_table",
    "drop_column",
    "rename_table",
    "batch_alter_table",
    "alter_column",
    "create_table",
    "add_column",
    "bulk_insert",
];

impl Walker<'_> {
    pub(super) fn attribute(&mut self, object: &Value, name: &str, range: TextRange) -> Value {
        match object {
            Value::OneOf(values) => {
                let all: Vec<Value> =
                    values.iter().map(|value| self.attribute(value, name, range)).collect();
                Value::one_of(all, self.written(range))
            }
            Value::External(path) => self.external_attribute(path, name),
            // A member of an enum.
            Value::Text(_) | Value::Int(_) if name == "value" => object.clone(),
            Value::Handle => match name {
                "dialect" | "impl" => Value::Dialect,
                "name" => Value::text("postgresql"),
                "as_sql" => Value::Bool(false),
                "bind" | "connection" | "engine" | "session" | "sync_session"
                | "driver_connection" | "dbapi_connection" | "sync_connection" => Value::Handle,
                "opts" | "config" | "info" | "rowcount" | "url" | "version_table_schema" => {
                    self.unknown(range)
                }
                _ => Value::Method(Rc::new((Value::Handle, name.to_owned()))),
            },
            Value::Dialect => match name {
                "name" | "__dialect__" => Value::text("postgresql"),
                "dialect" | "identifier_preparer" | "preparer" => Value::Dialect,
                "quote" | "quote_identifier" => {
                    Value::Method(Rc::new((Value::Dialect, name.to_owned())))
                }
                _ => self.unknown(range),
            },
            Value::Table(table) => match name {
                "c" | "columns" => Value::Columns(Rc::clone(table)),
                "name" | "fullname" => Value::Text(Rc::clone(table)),
                "schema" | "metadata" | "primary_key" | "indexes" | "constraints"
                | "foreign_keys" => self.unknown(range),
                "delete" | "update" | "insert" | "select" | "drop" | "create" | "alias"
                | "join" | "outerjoin" | "exists" | "get_children" | "tometadata"
                | "append_column" => Value::Method(Rc::new((object.clone(), name.to_owned()))),
                _ => column(table, name),
            },
            Value::Columns(table) => column(table, name),
            Value::Class(class) => self.class_attribute(object, &Rc::clone(class), name, range),
            Value::Instance(class) => {
                let class = Rc::clone(class);
                match class.members.iter().find(|(own, _)| own == name) {
                    Some((_, Value::Function(function))) if is_property(function) => self
                        .own_method(&class, object, name, &Args::default(), range)
                        .unwrap_or(Value::None),
                    Some((_, Value::Function(_))) => {
                        Value::Method(Rc::new((object.clone(), name.to_owned())))
                    }
                    Some((_, value)) if class.table.is_none() => value.clone(),
                    _ => self.unknown(range),
                }
            }
            Value::Column(_, own) if matches!(name, "name" | "key") => Value::text(&**own),
            Value::Column(..) | Value::Sql(_) => match name {
                "astext" | "c" | "comparator" | "expression" | "excluded" => object.clone(),
                _ => Value::Method(Rc::new((object.clone(), name.to_owned()))),
            },
            Value::Type(_) if name == "name" => self.unknown(range),
            Value::Change(_) if name == "excluded" => Value::Columns(Rc::new("excluded".into())),
            // A subquery's columns are not those of its table.
            Value::Query(_) if matches!(name, "c" | "columns") => {
                Value::Columns(Rc::new("subquery".into()))
            }
            Value::Batch(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Dict(_)
            | Value::Query(_)
            | Value::Change(_)
            | Value::Rows(_)
            | Value::Type(_) => Value::Method(Rc::new((object.clone(), name.to_owned()))),
            Value::Inspector => Value::Method(Rc::new((Value::Inspector, name.to_owned()))),
            // Names that only what is connected to a database has.
            Value::Unknown(_) if matches!(name, "exec_driver_sql" | "autocommit_block") => {
                Value::Method(Rc::new((Value::Handle, name.to_owned())))
            }
            Value::Unknown(_) if matches!(name, "execute" | "executemany" | "executescript") => {
                Value::Method(Rc::new((object.clone(), name.to_owned())))
            }
            _ => self.unknown(range),
        }
    }

    fn external_attribute(&mut self, path: &str, name: &str) -> Value {
        if let Some(index) = path.strip_prefix("module ").and_then(|index| index.parse().ok())
            && let Some(value) = self.member_of(index, name)
        {
            return value;
        }
        match (path, name) {
            ("alembic.context" | "alembic.op", "bind" | "connection") => Value::Handle,
            _ if last(path) == "db" && matches!(name, "session" | "engine") => Value::Handle,
            ("string", "digits") => Value::text("0123456789"),
            ("alembic.op", "impl") => Value::Dialect,
            _ => self.below(path, name),
        }
    }

    fn class_attribute(
        &mut self,
        object: &Value,
        class: &Rc<super::value::Class>,
        name: &str,
        range: TextRange,
    ) -> Value {
        match (name, &class.table) {
            ("__table__", Some(table)) => return Value::Table(Rc::clone(table)),
            ("c" | "columns", Some(table)) => return Value::Columns(Rc::clone(table)),
            ("__tablename__", Some(table)) => return Value::Text(Rc::clone(table)),
            ("__members__", _) if class.is_enum => {
                let members =
                    class.members.iter().filter(|(_, v)| !matches!(v, Value::Function(_)));
                let pairs =
                    members.map(|(name, value)| (Value::text(name.as_str()), value.clone()));
                return Value::Dict(Rc::new(pairs.collect()));
            }
            _ => {}
        }
        match class.members.iter().find(|(own, _)| own == name) {
            Some((_, Value::Function(_))) => {
                Value::Method(Rc::new((object.clone(), name.to_owned())))
            }
            Some((_, Value::Column(_, own))) if class.table.is_some() && !own.is_empty() => {
                class.table.as_ref().map_or(Value::None, |table| column(table, own))
            }
            Some((_, value)) if class.table.is_none() => value.clone(),
            Some((_, value @ Value::Text(_))) => value.clone(),
            None if class.table.is_none() => match name {
                "metadata" => Value::External("sqlalchemy.MetaData".into()),
                _ => self.unknown(range),
            },
            _ => class.table.as_ref().map_or(Value::None, |table| column(table, name)),
        }
    }

    pub(super) fn method(
        &mut self,
        receiver: &Value,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        match receiver {
            Value::OneOf(values) => {
                let all: Vec<Value> =
                    values.iter().map(|value| self.method(value, name, args, range)).collect();
                Value::one_of(all, self.written(range))
            }
            Value::External(path) => {
                let value = self.external_attribute(path, name);
                self.invoke(&value, args, range)
            }
            Value::Text(text) => strings::method(text, name, args, self.written(range)),
            Value::List(_) | Value::Dict(_) => self.collection(receiver, name, args, range),
            Value::Handle => self.on_handle(name, args, range),
            Value::Batch(table) => self.in_batch(&Rc::clone(table), name, args, range),
            Value::Table(table) => self.on_table(&Rc::clone(table), name, args, range),
            Value::Change(change) => self.on_change(change, name, args, range),
            Value::Query(query) => self.on_query(query, name, args, range),
            Value::Column(..) | Value::Sql(_) => self.on_expression(receiver, name, args, range),
            Value::Type(of) => self.on_type(&Rc::clone(of), name, args, range),
            Value::Rows(found) => match name {
                "first" | "one" | "one_or_none" | "scalar" | "scalar_one" | "fetchone"
                | "scalar_one_or_none" | "get" => Value::Row(Rc::clone(found)),
                "keys" => self.unknown(range),
                _ => receiver.clone(),
            },
            Value::Dialect if matches!(name, "quote" | "quote_identifier") => {
                match args.positional.first() {
                    Some(Value::Text(text)) => match text.as_known() {
                        Some(name) => Value::text(quote_if_needed(&name)),
                        None => Value::Text(Rc::clone(text)),
                    },
                    _ => self.unknown(range),
                }
            }
            // What Alembic's own operations run on.
            Value::Dialect if matches!(name, "execute" | "_exec") => {
                self.on_handle("execute", args, range)
            }
            Value::Dialect if OPERATIONS.contains(&name) => self.operation(name, args, range),
            Value::Row(_) | Value::Inspector | Value::Dialect => self.unknown(range),
            Value::File(path) => match name {
                "read" | "read_text" | "readlines" | "readline" => {
                    Value::of(Text::hole(format!("the file {path}")))
                }
                _ => receiver.clone(),
            },
            Value::Class(class) => {
                let class = Rc::clone(class);
                if let Some(value) = self.own_method(&class, receiver, name, args, range) {
                    return value;
                }
                self.on_class(&class, name, args, range)
            }
            Value::Instance(class) => {
                let class = Rc::clone(class);
                match self.own_method(&class, receiver, name, args, range) {
                    Some(value) => value,
                    None => self.on_unknown(receiver, name, args, range),
                }
            }
            Value::Function(_) | Value::Lambda(_) | Value::Method(_) if name == "execute" => {
                self.on_unknown(receiver, name, args, range)
            }
            Value::Function(_) | Value::Lambda(_) | Value::Method(_) => {
                if args.reach_database() {
                    self.handed_over(range);
                }
                self.unknown(range)
            }
            _ => self.on_unknown(receiver, name, args, range),
        }
    }

    fn collection(&mut self, receiver: &Value, name: &str, args: &Args, range: TextRange) -> Value {
        match (receiver, name, args.positional.first()) {
            (Value::Dict(pairs), "items", _) => {
                let items = pairs.iter().map(|(k, v)| Value::list(vec![k.clone(), v.clone()]));
                Value::list(items.collect())
            }
            (Value::Dict(pairs), "keys", _) => {
                Value::list(pairs.iter().map(|(key, _)| key.clone()).collect())
            }
            (Value::Dict(pairs), "values", _) => {
                Value::list(pairs.iter().map(|(_, value)| value.clone()).collect())
            }
            (Value::Dict(pairs), "get", Some(key @ (Value::Text(_) | Value::Int(_)))) => {
                let found = pairs.iter().rev().find(|(own, _)| own == key);
                found.map_or_else(
                    || args.positional.get(1).cloned().unwrap_or(Value::None),
                    |(_, value)| value.clone(),
                )
            }
            (Value::List(items), "copy", _) => Value::list(items.as_ref().clone()),
            (Value::Dict(pairs), "copy", _) => Value::Dict(Rc::new(pairs.as_ref().clone())),
            (Value::List(items), "union" | "difference", Some(Value::List(more))) => {
                if name == "union" {
                    Value::list(items.iter().chain(more.iter()).cloned().collect())
                } else {
                    Value::list(items.iter().filter(|i| !more.contains(i)).cloned().collect())
                }
            }
            _ => self.unknown(range),
        }
    }
}

/// A column of a table.
pub(super) fn column(table: &Rc<Text>, name: &str) -> Value {
    use super::text::Piece;

    let mut text = Text::default();
    if let Some(table) = table.as_known() {
        text.pieces.push(Piece::Qualifier(table));
    }
    text.push(&identifier(name));
    Value::Column(Rc::new(text), name.into())
}

/// The last part of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
