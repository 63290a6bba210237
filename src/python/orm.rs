//! What runs SQL: connections, sessions and cursors, and the objects of an ORM.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::core::select_item;
use super::emit::identifier;
use super::expressions::{condition, equals, sets};
use super::methods::{OPERATIONS, column};
use super::operations::table_of;
use super::text::Text;
use super::value::{Change, ChangeKind, Class, Found, Query, Value};
use super::walk::Walker;

/// Methods that send the SQL that is their first argument.
const EXECUTE: [&str; 14] = [
    "execute",
    "exec_driver_sql",
    "executemany",
    "executescript",
    "exec",
    "scalar",
    "scalars",
    "stream",
    "stream_scalars",
    "fetch",
    "fetchrow",
    "fetchval",
    "run_sql",
    "raw",
];

impl Walker<'_> {
    /// SQL in any form is executed.
    pub(super) fn execute(&mut self, sql: Option<Value>, range: TextRange) -> Value {
        let Some(sql) = sql else {
            self.unreadable("what is executed is not known".to_owned(), range);
            return self.unknown(range);
        };
        match &sql {
            Value::OneOf(values) => {
                let depth = self.branch.len();
                self.enter_branch();
                for value in values.iter() {
                    self.execute(Some(value.clone()), range);
                }
                self.branch.truncate(depth);
                Value::Rows(Rc::default())
            }
            Value::Change(change) => {
                self.send(&change.sql(), range);
                Value::Rows(Rc::default())
            }
            Value::Query(query) => {
                self.run_query(query, range);
                Value::Rows(query.found())
            }
            Value::List(items) => {
                for item in items.iter() {
                    self.execute(Some(item.clone()), range);
                }
                Value::Rows(Rc::default())
            }
            Value::None => Value::None,
            _ => {
                let text = self.as_sql(&sql, range);
                self.send(&text, range);
                Value::Rows(Rc::default())
            }
        }
    }

    /// A SELECT runs: only where it calls functions can it change anything.
    fn run_query(&mut self, query: &Query, range: TextRange) {
        if query.calls {
            self.send(&query.select(), range);
        }
    }

    pub(super) fn on_handle(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        if EXECUTE.contains(&name) {
            let named = ["statement", "clause", "sql", "query", "sqltext", "object_"];
            let sql = args.positional.first().cloned();
            let sql = sql.or_else(|| named.iter().find_map(|name| args.keyword(name)));
            return self.execute(sql, range);
        }
        if OPERATIONS.contains(&name) {
            return self.operation(name, args, range);
        }
        if name != "mogrify"
            && let Some(sql @ (Value::Text(text) | Value::Sql(text))) = args.positional.first()
            && text.is_like_sql()
        {
            self.execute(Some(sql.clone()), range);
            return Value::Handle;
        }
        self.on_session(name, args, range)
    }

    /// A method that is told by its name, not by SQL in its arguments.
    fn on_session(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        match name {
            "query" => {
                let mut query = Query { is_orm: true, ..Query::default() };
                for item in &args.positional {
                    for item in item.alternatives().to_vec() {
                        select_item(&mut query, &item);
                    }
                }
                Value::Query(Rc::new(query))
            }
            "get" => match args.positional.first() {
                Some(entity) => Value::Row(found(&entity.clone())),
                None => self.unknown(range),
            },
            "delete" => {
                let object = args.positional.first().cloned().unwrap_or(Value::None);
                self.delete_object(&object, range);
                Value::None
            }
            "merge" => {
                let object = args.positional.first().cloned().unwrap_or(Value::None);
                self.merge_object(&object, range);
                Value::None
            }
            "add" | "add_all" | "bulk_save_objects" | "bulk_insert_mappings" => Value::None,
            "bulk_update_mappings" => {
                let entity = args.positional.first().cloned().unwrap_or(Value::None);
                let table = table_of(&entity).unwrap_or_else(|| Text::hole("table"));
                let mut change = Change::new(ChangeKind::Update, table);
                change.filters.push("id = :id".into());
                self.send(&change.sql(), range);
                Value::None
            }
            "commit" | "autocommit_block" => {
                self.send(&"COMMIT".into(), range);
                Value::Handle
            }
            "run_sync" | "run_callable" | "transaction" => {
                let mut values = args.positional.clone();
                if values.is_empty() {
                    return Value::Handle;
                }
                let function = std::mem::replace(&mut values[0], Value::Handle);
                self.invoke(&function, &Args { positional: values, ..args.clone() }, range)
            }
            "dialect" => Value::Dialect,
            "has_table"
            | "table_names"
            | "get_execution_options"
            | "in_transaction"
            | "close"
            | "dispose"
            | "flush"
            | "rollback"
            | "expire_all"
            | "refresh"
            | "expunge_all"
            | "detach"
            | "invalidate"
            | "closed"
            | "is_active"
            | "in_nested_transaction"
            | "expire"
            | "expunge"
            | "begin_twophase"
            | "get_current_revision"
            | "mogrify"
            | "setinputsizes"
            | "is_modified"
            | "get_x_argument"
            | "default_schema_name"
            | "prepare"
            | "create_function"
            | "set_isolation_level"
            | "reset"
            | "schema_for_object"
            | "close_all"
            | "remove"
            | "copy_from"
            | "copy_expert"
            | "copy"
            | "copy_to" => self.unknown(range),
            "fetchone" => Value::Row(Rc::default()),
            "fetchall" | "fetchmany" => Value::Rows(Rc::default()),
            // Which of these it is matters little: what they give runs SQL.
            _ => Value::Handle,
        }
    }

    fn delete_object(&mut self, object: &Value, range: TextRange) {
        let table = match object {
            Value::Row(found) => found.table.as_ref().map(|table| table.as_ref().clone()),
            Value::Instance(_) => table_of(object),
            Value::OneOf(values) => {
                for value in values.iter().filter(|value| !value.is_none()) {
                    self.delete_object(value, range);
                }
                return;
            }
            _ => None,
        };
        let table = table.unwrap_or_else(|| match object {
            Value::Unknown(source) => Text::hole(format!("the table of {source}")),
            Value::Row(found) if !found.entity.is_empty() => {
                Text::hole(format!("the table of {}", found.entity))
            }
            _ => Text::hole("the table of the object"),
        });
        let mut change = Change::new(ChangeKind::Delete, table);
        change.filters.push("id = :id".into());
        self.send(&change.sql(), range);
    }

    /// An object takes the place of the row that has its key.
    fn merge_object(&mut self, object: &Value, range: TextRange) {
        let Some(table) = table_of(object) else { return };
        let mut change = Change::new(ChangeKind::Update, table);
        change.sets.push("unknown_column = :value".into());
        change.filters.push("id = :id".into());
        self.send(&change.sql(), range);
    }

    /// `row.name = …`: an ORM writes it back.
    pub(super) fn set_attribute(&mut self, object: &Value, name: &str, range: TextRange) {
        let found = match object {
            Value::Row(found) if found.is_orm => found,
            _ => return,
        };
        let table = match &found.table {
            Some(table) => table.as_ref().clone(),
            None => Text::hole(format!("the table of {}", found.entity)),
        };
        let mut change = Change::new(ChangeKind::Update, table);
        let name = if name.is_empty() { "unknown_column" } else { name };
        change.sets.push(Text::known(identifier(name)).and(" = :value"));
        change.filters.push("id = :id".into());
        self.send(&change.sql(), range);
    }

    pub(super) fn on_query(
        &mut self,
        query: &Rc<Query>,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        let mut next = query.as_ref().clone();
        match name {
            "filter" | "where" | "filter_by" => {
                next.filters.extend(args.positional.iter().map(condition));
                let table = query.table.clone().unwrap_or_default();
                let named = args.named.iter();
                next.filters
                    .extend(named.map(|(name, value)| equals(&column(&table, name), value)));
                next.is_narrowed |= args.is_open;
            }
            "delete" | "update" => {
                let table = query.table.as_ref().map_or_else(
                    || Text::hole(format!("the table of {}", query.entity)),
                    |table| table.as_ref().clone(),
                );
                let kind = if name == "delete" { ChangeKind::Delete } else { ChangeKind::Update };
                let mut change = Change::new(kind, table);
                change.filters.clone_from(&query.filters);
                if query.is_narrowed {
                    change.filters.push("id = :id".into());
                }
                if let Some(Value::Dict(pairs)) = args.get(0, "values") {
                    change.sets = sets(&pairs);
                }
                self.send(&change.sql(), range);
                return Value::None;
            }
            "all" | "yield_per" | "scalars" | "mappings" | "fetchall" | "tuples" | "partitions" => {
                self.run_query(query, range);
                return Value::Rows(query.found());
            }
            "first" | "one" | "one_or_none" | "get" | "scalar" | "fetchone" | "scalar_one"
            | "scalar_one_or_none" => {
                self.run_query(query, range);
                return Value::Row(query.found());
            }
            "count" => return self.unknown(range),
            "select_from" => {
                if let (None, Some(from)) = (&query.table, args.positional.first()) {
                    next.table = table_of(from).map(Rc::new);
                }
            }
            "order_by" | "options" | "execution_options" | "label" | "scalar_subquery"
            | "subquery" | "as_scalar" | "alias" | "cte" | "correlate" | "execute"
            | "with_for_update" | "populate_existing" | "enable_eagerloads" | "autoflush"
            | "columns" | "with_entities" | "with_only_columns" | "add_columns" => {}
            "in_" | "is_" | "exists" => {
                return Value::sql(Text::known("EXISTS ").plus(&query.sql()));
            }
            // Joins, limits, groups.
            _ => next.is_narrowed = true,
        }
        Value::Query(Rc::new(next))
    }

    /// A method of a mapped class that it has from its base.
    pub(super) fn on_class(
        &mut self,
        class: &Rc<Class>,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        if let Some(table) = &class.table {
            match name {
                "query" => {
                    let query = found(&Value::Class(Rc::clone(class)));
                    let query = Query {
                        table: query.table.clone(),
                        entity: query.entity.clone(),
                        is_orm: true,
                        ..Query::default()
                    };
                    return Value::Query(Rc::new(query));
                }
                "drop" => return self.on_table(&Rc::clone(table), name, args, range),
                _ => {}
            }
        }
        if name == "drop_all" {
            self.unreadable("it drops every table of the metadata".to_owned(), range);
            return Value::None;
        }
        if args.reach_database() {
            self.handed_over(range);
        }
        self.unknown(range)
    }

    /// A method of something that is not known.
    pub(super) fn on_unknown(
        &mut self,
        receiver: &Value,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        match name {
            "execute" | "exec_driver_sql" | "executemany" | "executescript" | "raw_sql"
            | "execute_sql" | "run_sql" => {
                let sql = args.positional.first().cloned();
                let sql = sql.or_else(|| args.named.first().map(|(_, value)| value.clone()));
                return self.execute(sql, range);
            }
            _ if OPERATIONS.contains(&name) => return self.operation(name, args, range),
            "query" if !args.positional.is_empty() => return self.on_handle(name, args, range),
            "cursor" | "get_bind" | "connect" | "raw_connection" => return Value::Handle,
            _ if super::core::makes_session(name) => return Value::Handle,
            "delete"
                if matches!(args.positional.first(), Some(Value::Row(_) | Value::Instance(_))) =>
            {
                return self.on_handle(name, args, range);
            }
            "delete" if is_session(receiver) && !args.positional.is_empty() => {
                return self.on_handle(name, args, range);
            }
            "drop_all" => {
                self.unreadable("it drops every table of the metadata".to_owned(), range);
                return Value::None;
            }
            "insert" | "update" | "delete" if !is_query(receiver) && args.positional.is_empty() => {
                let kind = match name {
                    "insert" => ChangeKind::Insert,
                    "update" => ChangeKind::Update,
                    _ => ChangeKind::Delete,
                };
                let table = Text::hole(format!("the table of {}", shown(receiver)));
                return Value::Change(Rc::new(Change::new(kind, table)));
            }
            "delete" | "update" | "drop" if is_query(receiver) => {
                let verb = if name == "delete" { "a DELETE" } else { "a change" };
                let why = format!("`{}` is not known: {verb} on an unknown table", shown(receiver));
                self.unreadable(why, range);
                return Value::None;
            }
            _ => {}
        }
        if args.reach_database()
            && !matches!(
                name,
                "inspect"
                    | "from_engine"
                    | "reflect"
                    | "has_table"
                    | "create_all"
                    | "create"
                    | "info"
                    | "debug"
            )
        {
            if name == "drop" {
                let why = format!("`{}` is not known: it is dropped", shown(receiver));
                self.unreadable(why, range);
            } else {
                self.handed_over(range);
            }
        }
        self.unknown(range)
    }
}

/// An object of the ORM, by its class.
fn found(entity: &Value) -> Rc<Found> {
    let table = table_of(entity).filter(|table| table.as_known().is_some());
    let name = match entity {
        Value::Class(class) => class.name.clone(),
        Value::External(path) => path.rsplit('.').next().unwrap_or(path).to_owned(),
        _ => "an unknown class".to_owned(),
    };
    Rc::new(Found { table: table.map(Rc::new), entity: name, is_orm: true })
}

/// Whether what is not known looks like a query.
fn is_query(receiver: &Value) -> bool {
    matches!(receiver, Value::Unknown(source) if source.contains("query") || source.contains("filter"))
}

/// Whether what is not known is called a session.
fn is_session(receiver: &Value) -> bool {
    matches!(receiver, Value::Unknown(source) if source.to_lowercase().contains("session"))
}

fn shown(receiver: &Value) -> String {
    match receiver {
        Value::Unknown(source) => source.to_string(),
        _ => "the object".to_owned(),
    }
}
