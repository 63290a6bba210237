//! Alembic's directives: `op.…`, `batch_op.…`, `context.…`.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::emit::identifier;
use super::text::Text;
use super::value::{Change, ChangeKind, Value};
use super::walk::Walker;
use crate::rules::widens;

/// Directives that touch neither row nor value.
const SILENT: [&str; 23] = [
    // Of alembic-postgresql-enum: a value in use that is not there any more is an error.
    "sync_enum_values",
    "create_index",
    "drop_index",
    "create_foreign_key",
    "create_primary_key",
    "create_unique_constraint",
    "create_check_constraint",
    "create_exclude_constraint",
    "drop_constraint",
    "create_table_comment",
    "drop_table_comment",
    "register_operation",
    "implementation_for",
    "configure",
    "create_entity",
    "replace_entity",
    "drop_entity",
    "create_view",
    "drop_view",
    "create_sequence",
    "create_trigger",
    "get_revision_argument",
    "get_x_argument",
];

impl Walker<'_> {
    /// `op.name(…)`.
    pub(super) fn operation(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        if let Some(each) = alternatives(args) {
            let mut last = Value::None;
            let depth = self.branch.len();
            self.enter_branch();
            for args in each {
                last = self.operation(name, &args, range);
            }
            self.branch.truncate(depth);
            return last;
        }
        match name {
            "f" => args.positional.first().cloned().unwrap_or(Value::None),
            "get_bind" | "get_context" | "get_impl" | "begin_transaction" => Value::Handle,
            "inline_literal" => {
                args.positional.first().map_or(Value::None, |value| Value::sql(value.operand()))
            }
            "is_offline_mode" => Value::Bool(false),
            "execute" => {
                self.execute(args.get(0, "sqltext").or_else(|| args.keyword("sql")), range);
                Value::None
            }
            "create_table" => self.create_table(args, range),
            "drop_table" => {
                let table = self.table_name(args, 0, "table_name", range);
                let exists = if is_set(args, "if_exists") { "IF EXISTS " } else { "" };
                self.send(&Text::known("DROP TABLE ").and(exists).plus(&table), range);
                Value::None
            }
            "rename_table" => {
                let table = self.table_name(args, 0, "old_table_name", range);
                let to = self.name_of(args.get(1, "new_table_name"), range);
                self.send(&alter(&table).and("RENAME TO ").plus(&to), range);
                Value::None
            }
            "drop_column" | "add_column" | "alter_column" => {
                let table = self.table_name(args, 0, "table_name", range);
                let mut rest = args.clone();
                if rest.keyword("table_name").is_none() && !rest.positional.is_empty() {
                    rest.positional.remove(0);
                }
                self.column_operation(&table, name, &rest, range)
            }
            "batch_alter_table" => {
                Value::Batch(Rc::new(self.table_name(args, 0, "table_name", range)))
            }
            "bulk_insert" => {
                if let Some(table) = args.get(0, "table").and_then(|value| table_of(&value)) {
                    self.send(&Change::new(ChangeKind::Insert, table).sql(), range);
                }
                Value::None
            }
            "run_async" => {
                let mut values = args.positional.clone();
                if values.is_empty() {
                    return Value::None;
                }
                let function = values.remove(0);
                values.insert(0, Value::Handle);
                self.invoke(&function, &Args { positional: values, ..args.clone() }, range)
            }
            _ if SILENT.contains(&name) => Value::None,
            _ => {
                let why = format!("`op.{name}` is not one of Alembic's own operations");
                self.unreadable(why, range);
                Value::None
            }
        }
    }

    /// `batch_op.name(…)`.
    pub(super) fn in_batch(
        &mut self,
        table: &Text,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        if let Some(each) = alternatives(args) {
            for args in each {
                self.in_batch(table, name, &args, range);
            }
            return Value::None;
        }
        match name {
            "drop_column" | "add_column" | "alter_column" => {
                self.column_operation(table, name, args, range)
            }
            "drop_table" => {
                self.send(&Text::known("DROP TABLE ").plus(table), range);
                Value::None
            }
            _ => self.operation(name, args, range),
        }
    }

    fn column_operation(
        &mut self,
        table: &Text,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        match name {
            "drop_column" => {
                let column = self.name_of(args.get(0, "column_name"), range);
                let exists = if is_set(args, "if_exists") { "IF EXISTS " } else { "" };
                self.send(&alter(table).and("DROP COLUMN ").and(exists).plus(&column), range);
            }
            "add_column" => {
                let column = args.get(0, "column");
                let named = match &column {
                    Some(Value::Column(_, name)) if !name.is_empty() => {
                        Text::known(identifier(name))
                    }
                    Some(Value::Column(text, _)) => text.as_ref().clone(),
                    _ => Text::hole(self.written(range)),
                };
                let exists = if is_set(args, "if_not_exists") { "IF NOT EXISTS " } else { "" };
                let sql = alter(table).and("ADD COLUMN ").and(exists).plus(&named).and(" text");
                self.send(&sql, range);
            }
            _ => self.alter_column(table, args, range),
        }
        Value::None
    }

    fn alter_column(&mut self, table: &Text, args: &Args, range: TextRange) {
        let column = self.name_of(args.get(0, "column_name"), range);
        let to = args.keyword("type_").filter(|value| !value.is_none());
        if let Some(to) = to {
            let new = self.type_of(&to, range);
            let using = args
                .keyword("postgresql_using")
                .filter(|value| !value.is_none())
                .map(|value| self.as_sql(&value, range));
            let old = args.keyword("existing_type").map(|value| self.type_of(&value, range));
            if !(using.is_none() && old.is_some_and(|old| keeps_everything(&old, &new))) {
                let sql = alter(table).and("ALTER COLUMN ").plus(&column).and(" TYPE ").plus(&new);
                let sql = using.iter().fold(sql, |sql, using| sql.and(" USING ").plus(using));
                self.send(&sql, range);
            }
        }
        if let Some(new) = args.keyword("new_column_name").filter(|value| !value.is_none()) {
            let new = self.name_of(Some(new), range);
            let sql = alter(table).and("RENAME COLUMN ").plus(&column).and(" TO ").plus(&new);
            self.send(&sql, range);
        }
    }

    fn create_table(&mut self, args: &Args, range: TextRange) -> Value {
        let table = self.table_name(args, 0, "table_name", range);
        let is_temporary = args.keyword("prefixes").is_some_and(|value| match value {
            Value::List(items) => items.iter().any(|item| {
                item.as_str().is_some_and(|word| word.to_ascii_lowercase().starts_with("temp"))
            }),
            _ => false,
        });
        let temporary = if is_temporary { "TEMPORARY " } else { "" };
        let exists = if is_set(args, "if_not_exists") { "IF NOT EXISTS " } else { "" };
        let sql = Text::known("CREATE ").and(temporary).and("TABLE ").and(exists).plus(&table);
        self.send(&sql.and(" ()"), range);
        Value::Table(Rc::new(table))
    }

    /// A name among the arguments, as SQL.
    pub(super) fn name_of(&self, value: Option<Value>, range: TextRange) -> Text {
        match value {
            Some(Value::Text(text)) => match text.as_known() {
                Some(known) => Text::known(identifier(&known)),
                None => text.as_ref().clone(),
            },
            Some(Value::Unknown(source)) => Text::hole(&*source),
            Some(Value::Table(name)) => name.as_ref().clone(),
            Some(Value::Column(_, name)) => Text::known(identifier(&name)),
            _ => Text::hole(self.written(range)),
        }
    }

    /// A table's name among the arguments, with its schema.
    pub(super) fn table_name(
        &self,
        args: &Args,
        index: usize,
        name: &str,
        range: TextRange,
    ) -> Text {
        let table = self.name_of(args.get(index, name), range);
        let schema = args.keyword("schema").filter(|value| !value.is_none());
        match schema {
            None => table,
            Some(schema) => self.name_of(Some(schema), range).and(".").plus(&table),
        }
    }
}

/// The table that a value stands for.
pub(super) fn table_of(value: &Value) -> Option<Text> {
    match value {
        Value::Table(name) => Some(name.as_ref().clone()),
        Value::Class(class) => match &class.table {
            Some(table) => Some(table.as_ref().clone()),
            None => Some(Text::hole(format!("the table of {}", class.name))),
        },
        Value::Instance(class) => class.table.as_ref().map(|table| table.as_ref().clone()),
        Value::External(path) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            Some(Text::hole(format!("the table of {name}")))
        }
        Value::Unknown(source) => Some(Text::hole(format!("the table of {source}"))),
        Value::Query(query) => query.table.as_ref().map(|table| table.as_ref().clone()),
        Value::Column(text, _) => text.pieces.iter().find_map(|piece| match piece {
            super::text::Piece::Qualifier(table) => Some(Text::known(table.as_str())),
            _ => None,
        }),
        _ => None,
    }
}

fn alter(table: &Text) -> Text {
    Text::known("ALTER TABLE ").plus(table).and(" ")
}

fn is_set(args: &Args, name: &str) -> bool {
    args.keyword(name).is_some_and(|value| value.truth() != Some(false))
}

/// Whether a change of type can lose nothing.
fn keeps_everything(old: &Text, new: &Text) -> bool {
    match (old.as_known(), new.as_known()) {
        (Some(old), Some(new)) => old.eq_ignore_ascii_case(&new) || widens(&old, &new),
        _ => false,
    }
}

/// The calls that are meant where an argument may be one of several values.
pub(super) fn alternatives(args: &Args) -> Option<Vec<Args>> {
    if let Some(at) = args.positional.iter().position(|value| matches!(value, Value::OneOf(_))) {
        let each = args.positional[at].alternatives().iter().map(|value| {
            let mut args = args.clone();
            args.positional[at] = value.clone();
            args
        });
        return Some(each.collect());
    }
    let at = args.named.iter().position(|(_, value)| matches!(value, Value::OneOf(_)))?;
    let each = args.named[at].1.alternatives().iter().map(|value| {
        let mut args = args.clone();
        args.named[at].1 = value.clone();
        args
    });
    Some(each.collect())
}
