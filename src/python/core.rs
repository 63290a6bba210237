//! SQLAlchemy's own words: tables, expressions, changes.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::emit::identifier;
use super::expressions::{assignment, condition, equals, function, junction, operand, sets};
use super::methods::column;
use super::modules::is_known_package;
use super::operations::table_of;
use super::outside::{is_foreign, runs_another};
use super::text::Text;
use super::types;
use super::value::{Change, ChangeKind, Query, Value, parameter};
use super::walk::Walker;

impl Walker<'_> {
    /// A call of something from another package.
    pub(super) fn external(&mut self, path: &str, args: &Args, range: TextRange) -> Value {
        let name = path.rsplit('.').next().unwrap_or(path);
        if let Some(parent) = path.strip_suffix(name).and_then(|parent| parent.strip_suffix('.')) {
            if parent == "alembic.op" || parent == "alembic.context" {
                return self.operation(name, args, range);
            }
            if parent.starts_with("django.db.migrations") {
                return self.unknown(range);
            }
        }
        if name == "drop_all" {
            self.unreadable("it drops every table of the metadata".to_owned(), range);
            return Value::None;
        }
        if path == "sqlalchemy.func" || path.contains(".func.") || path.starts_with("func.") {
            return function(name, args);
        }
        if path == "textwrap.dedent" || path == "inspect.cleandoc" {
            return match args.positional.first() {
                Some(Value::Text(text)) if name == "dedent" => Value::of(text.dedented()),
                Some(Value::Text(text)) => Value::of(text.dedented().trimmed(None, true, true)),
                _ => self.unknown(range),
            };
        }
        if path == "asyncio.run" {
            return args.positional.first().cloned().unwrap_or(Value::None);
        }
        if matches!(
            path,
            "contextlib.closing" | "contextlib.nullcontext" | "copy.copy" | "copy.deepcopy"
        ) {
            return args.positional.first().cloned().unwrap_or(Value::None);
        }
        if let Some(value) = self.sqlalchemy(path, name, args, range) {
            return value;
        }
        if path.starts_with("functools.") || path.starts_with("itertools.") {
            return self.functional(name, args, range);
        }
        if matches!(name, "Path" | "joinpath" | "open") && is_known_package(path) {
            let path = args.positional.first().and_then(Value::as_str);
            return Value::File(path.unwrap_or_else(|| self.written(range).to_owned()).into());
        }
        if path == "importlib.import_module" {
            return self.module_by_name(args);
        }
        if runs_another(path) {
            self.foreign(path, range);
            return self.unknown(range);
        }
        if matches!(name, "execute" | "exec_driver_sql" | "executemany")
            && is_foreign(path)
            && let Some(sql @ (Value::Text(_) | Value::Sql(_) | Value::Change(_))) =
                args.positional.first()
        {
            return self.execute(Some(sql.clone()), range);
        }
        if makes_session(name) {
            return Value::Handle;
        }
        if args.reach_database() && !is_harmless(path) {
            self.handed_over(range);
        }
        self.unknown(range)
    }

    fn functional(&mut self, name: &str, args: &Args, range: TextRange) -> Value {
        match (name, args.positional.split_first()) {
            ("chain", _) => {
                let lists: Option<Vec<Vec<Value>>> =
                    args.positional.iter().map(Value::items).collect();
                lists.map_or_else(|| self.unknown(range), |lists| Value::list(lists.concat()))
            }
            ("partial", Some((function, []))) => function.clone(),
            _ => {
                if args.reach_database() {
                    self.handed_over(range);
                }
                self.unknown(range)
            }
        }
    }

    /// A function or class of SQLAlchemy; `None` where the name is none of its own.
    fn sqlalchemy(
        &mut self,
        path: &str,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Option<Value> {
        let is_own = ["sqlalchemy", "sqlmodel", "alembic", "sqlalchemy_utils", "geoalchemy2"]
            .iter()
            .any(|root| path.split('.').next() == Some(root))
            || path.split('.').next().is_some_and(|root| matches!(root, "db" | "sa"));
        if !is_own {
            let is_type = path.contains("sql") && types::construct(name, args).is_some();
            return is_type.then(|| types::construct(name, args)).flatten();
        }
        self.statement_of(name, args, range)
            .or_else(|| self.expression_of(name, args, range))
            .or_else(|| self.machinery(name, args, range))
            .or_else(|| types::construct(name, args))
    }

    /// Statements, tables and columns.
    fn statement_of(&mut self, name: &str, args: &Args, range: TextRange) -> Option<Value> {
        let first = args.positional.first();
        let value = match name {
            "text" | "literal_column" | "DDL" | "quoted_name" | "TextClause" => {
                match args.get(0, "text").or_else(|| first.cloned()) {
                    Some(Value::Text(text)) if name == "quoted_name" => Value::Text(text),
                    Some(Value::OneOf(values)) => {
                        let all: Vec<Value> = values
                            .iter()
                            .map(|value| Value::sql(self.as_sql(value, range)))
                            .collect();
                        Value::one_of(all, self.written(range))
                    }
                    Some(value) => Value::sql(self.as_sql(&value, range)),
                    None => self.unknown(range),
                }
            }
            "table" | "Table" | "TableClause" => {
                Value::Table(Rc::new(self.table_name(args, 0, "name", range)))
            }
            "column" | "Column" | "mapped_column" | "Field" | "ColumnClause" => {
                named_column(args, range, self)
            }
            "delete" | "update" | "insert" => {
                let table = first.or(None).cloned().or_else(|| args.keyword("table"));
                let table = table.and_then(|value| table_of(&value));
                let table = table.unwrap_or_else(|| Text::hole(self.written(range)));
                let kind = match name {
                    "delete" => ChangeKind::Delete,
                    "update" => ChangeKind::Update,
                    _ => ChangeKind::Insert,
                };
                Value::Change(Rc::new(Change::new(kind, table)))
            }
            "select" | "exists" | "union" | "union_all" | "except_" | "intersect" => {
                self.select(args, range)
            }
            _ => return None,
        };
        Some(value)
    }

    /// Parts of expressions.
    fn expression_of(&self, name: &str, args: &Args, range: TextRange) -> Option<Value> {
        let first = args.positional.first();
        let value = match name {
            "and_" | "or_" => {
                let separator = if name == "and_" { " AND " } else { " OR " };
                Value::sql(junction(&args.positional, separator))
            }
            "not_" => Value::sql(Text::known("NOT (").plus(&operand(first)).and(")")),
            "true" => Value::sql("true".into()),
            "false" => Value::sql("false".into()),
            "null" => Value::sql("NULL".into()),
            "literal" | "bindparam" | "type_coerce" | "outparam" => match (name, first) {
                ("bindparam", Some(Value::Text(name))) => {
                    Value::sql(parameter(&name.as_known().unwrap_or_default()))
                }
                (_, value) => Value::sql(operand(value)),
            },
            "cast" | "try_cast" => {
                let to = args.positional.get(1).map(|value| self.type_of(value, range));
                let to = to.unwrap_or_else(|| "text".into());
                Value::sql(
                    Text::known("CAST(").plus(&operand(first)).and(" AS ").plus(&to).and(")"),
                )
            }
            "case" | "extract" | "tuple_" | "within_group" | "over" | "collate" | "nullslast"
            | "nullsfirst" => Value::sql(":value".into()),
            "aliased" | "alias" => match first.and_then(table_of) {
                Some(table) => alias_of(&table),
                None => first.cloned().unwrap_or(Value::None),
            },
            "desc" | "asc" | "distinct" | "any_" | "all_" | "lateral" | "nulls_last" => {
                first.cloned().unwrap_or(Value::None)
            }
            _ => return None,
        };
        Some(value)
    }

    /// What runs statements, and what only describes the schema.
    fn machinery(&mut self, name: &str, args: &Args, range: TextRange) -> Option<Value> {
        let first = args.positional.first();
        let value = match name {
            "inspect" | "Inspector" | "from_engine" | "reflection" => Value::Inspector,
            "Session"
            | "sessionmaker"
            | "scoped_session"
            | "async_sessionmaker"
            | "AsyncSession"
            | "create_engine"
            | "engine_from_config"
            | "create_async_engine"
            | "Connection"
            | "object_session"
            | "Operations"
            | "configure" => Value::Handle,
            "MetaData" | "declarative_base" | "automap_base" | "registry" => {
                Value::External(format!("sqlalchemy.{name}").into())
            }
            "func" => self.unknown(range),
            "create_all" | "reflect" | "create" => Value::None,
            "relationship"
            | "backref"
            | "ForeignKey"
            | "ForeignKeyConstraint"
            | "Index"
            | "UniqueConstraint"
            | "PrimaryKeyConstraint"
            | "CheckConstraint"
            | "Identity"
            | "Computed"
            | "Sequence"
            | "FetchedValue" => Value::External("sqlalchemy.item".into()),
            "DropTable" | "DropSchema" | "CreateSchema" => {
                let table = first.and_then(table_of);
                let named = table.unwrap_or_else(|| self.name_of(first.cloned(), range));
                let words = match name {
                    "DropTable" => "DROP TABLE ",
                    "DropSchema" => "DROP SCHEMA ",
                    _ => "CREATE SCHEMA IF NOT EXISTS ",
                };
                Value::sql(Text::known(words).plus(&named))
            }
            "CreateTable" | "CreateIndex" | "DropIndex" | "AddConstraint" | "DropConstraint"
            | "CreateSequence" | "DropSequence" => Value::sql("SELECT 1".into()),
            _ => return None,
        };
        Some(value)
    }

    fn select(&mut self, args: &Args, range: TextRange) -> Value {
        let mut query = Query { entity: self.written(range).to_owned(), ..Query::default() };
        let items: Vec<Value> = match args.positional.as_slice() {
            [Value::List(items)] => items.as_ref().clone(),
            items => items.to_vec(),
        };
        for item in &items {
            select_item(&mut query, item);
        }
        Value::Query(Rc::new(query))
    }

    pub(super) fn on_table(
        &mut self,
        table: &Rc<Text>,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        let change = |kind| {
            let mut change = Change::new(kind, table.as_ref().clone());
            change.filters = args.positional.iter().map(condition).collect();
            Value::Change(Rc::new(change))
        };
        match name {
            "delete" => change(ChangeKind::Delete),
            "update" => change(ChangeKind::Update),
            "insert" => {
                Value::Change(Rc::new(Change::new(ChangeKind::Insert, table.as_ref().clone())))
            }
            "select" => {
                let query = Query { table: Some(Rc::clone(table)), ..Query::default() };
                Value::Query(Rc::new(query))
            }
            "drop" => {
                self.send(&Text::known("DROP TABLE ").plus(table), range);
                Value::None
            }
            "create" => {
                let exists = args.keyword("checkfirst").is_none_or(|v| v.truth() != Some(false));
                let exists = if exists { "IF NOT EXISTS " } else { "" };
                self.send(&Text::known("CREATE TABLE ").and(exists).plus(table).and(" ()"), range);
                Value::None
            }
            "tometadata" | "to_metadata" => Value::Table(Rc::clone(table)),
            "alias" => alias_of(table),
            "join" | "outerjoin" => {
                let query =
                    Query { table: Some(Rc::clone(table)), is_narrowed: true, ..Query::default() };
                Value::Query(Rc::new(query))
            }
            "get" => match args.positional.first().and_then(Value::as_str) {
                Some(name) => column(table, &name),
                None => self.unknown(range),
            },
            _ => self.unknown(range),
        }
    }

    pub(super) fn on_change(
        &mut self,
        change: &Rc<Change>,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        let mut change = change.as_ref().clone();
        match name {
            "where" | "filter" | "filter_by" => {
                change.filters.extend(args.positional.iter().map(condition));
                let table = Rc::new(change.table.clone());
                change.filters.extend(
                    args.named.iter().map(|(name, value)| equals(&column(&table, name), value)),
                );
                if args.is_open {
                    change.filters.push("id = :id".into());
                }
            }
            "values" | "ordered_values" => {
                for (name, value) in &args.named {
                    change.sets.push(assignment(name, value));
                }
                match args.positional.first() {
                    Some(Value::Dict(pairs)) => change.sets.extend(sets(pairs)),
                    Some(Value::List(pairs)) if name == "ordered_values" => {
                        change.sets.extend(pairs.iter().filter_map(|pair| match pair {
                            Value::List(pair) => {
                                sets(&[(pair.first()?.clone(), pair.get(1)?.clone())]).pop()
                            }
                            _ => None,
                        }));
                    }
                    _ => {}
                }
            }
            "on_conflict_do_update" | "on_duplicate_key_update" => {
                let set = args.keyword("set_").or_else(|| args.positional.first().cloned());
                let mut all: Vec<Text> = match set {
                    Some(Value::Dict(pairs)) => sets(&pairs),
                    _ => args
                        .named
                        .iter()
                        .filter(|_| name.starts_with("on_dup"))
                        .map(|(name, value)| assignment(name, value))
                        .collect(),
                };
                if all.is_empty() {
                    all.push("unknown_column = :value".into());
                }
                let sets = Text::joined(&all, &", ".into());
                change.conflict = Some(Text::known("ON CONFLICT (id) DO UPDATE SET ").plus(&sets));
            }
            "on_conflict_do_nothing" => {
                change.conflict = Some("ON CONFLICT DO NOTHING".into());
            }
            // Nobody names it but to run it within another statement.
            "cte" if change.kind != ChangeKind::Insert => self.send(&change.sql(), range),
            "execute" => {
                self.send(&change.sql(), range);
                return Value::Rows(Rc::default());
            }
            _ => {}
        }
        Value::Change(Rc::new(change))
    }
}

/// One more thing that a query selects.
pub(super) fn select_item(query: &mut Query, item: &Value) {
    let table = match item {
        Value::Table(_) | Value::Class(_) => table_of(item),
        Value::Column(text, _) => {
            query.columns.push(text.as_ref().clone());
            table_of(item)
        }
        Value::External(path) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            let is_class = name.starts_with(|c: char| c.is_uppercase());
            is_class.then(|| table_of(item)).flatten()
        }
        other => {
            query.calls |= matches!(other, Value::Sql(text) if text.calls());
            query.columns.push(other.operand());
            query.is_narrowed = true;
            if let (Value::Unknown(source), true) = (other, query.entity.is_empty()) {
                source.as_ref().clone_into(&mut query.entity);
            }
            None
        }
    };
    if let Value::Class(class) = item {
        query.entity.clone_from(&class.name);
        query.is_orm = true;
    }
    if let Value::External(path) = item {
        path.rsplit('.').next().unwrap_or(path).clone_into(&mut query.entity);
        query.is_orm = true;
    }
    match (&query.table, table) {
        (None, Some(table)) => query.table = Some(Rc::new(table)),
        (Some(old), Some(new)) if **old != new => query.is_narrowed = true,
        _ => {}
    }
}

/// A table under another name, whose columns are told from its own.
fn alias_of(table: &Text) -> Value {
    match table.as_known() {
        Some(name) => {
            let name = format!("alias_of_{}", super::emit::bare(&name));
            Value::Table(Rc::new(Text::known(name)))
        }
        None => Value::Table(Rc::new(table.clone())),
    }
}

fn named_column(args: &Args, range: TextRange, walker: &Walker<'_>) -> Value {
    match args.get(0, "name") {
        Some(Value::Text(text)) => match text.as_known() {
            Some(name) => {
                let sql = Text::known(identifier(&name));
                Value::Column(Rc::new(sql), name.into())
            }
            None => Value::Column(Rc::clone(&text), "".into()),
        },
        // Its name is that of the attribute.
        Some(Value::Type(_) | Value::External(_)) | None => {
            Value::Column(Rc::new(Text::hole("column")), "".into())
        }
        Some(other) => Value::Column(Rc::new(walker.name_of(Some(other), range)), "".into()),
    }
}

/// Whether what is called makes something that runs SQL, whoever's it is.
pub(super) fn makes_session(name: &str) -> bool {
    matches!(
        name,
        "Session"
            | "sessionmaker"
            | "scoped_session"
            | "AsyncSession"
            | "async_sessionmaker"
            | "create_engine"
            | "create_async_engine"
    )
}

/// Functions of other packages that only look at a connection.
fn is_harmless(path: &str) -> bool {
    let root = path.split('.').next().unwrap_or(path);
    let reads = ["logging", "typing", "inspect", "contextlib", "pandas", "functools"];
    reads.contains(&root) || path.contains("inspect") || path.contains("reflection")
}
