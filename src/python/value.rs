//! What is known of a Python value without running anything.

use std::rc::Rc;

use ruff_python_ast::{ExprLambda, Stmt};

use super::text::Text;
use crate::text::name::quote_literal;

/// Values that a branch may leave in one name; more are not told apart.
const MOST_ALTERNATIVES: usize = 12;

/// A value as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A string.
    Text(Rc<Text>),
    Int(i64),
    /// Any other number, as written.
    Number(Rc<str>),
    Bool(bool),
    None,
    /// A list, tuple or set.
    List(Rc<Vec<Value>>),
    Dict(Rc<Vec<(Value, Value)>>),
    /// One of these, depending on what happens.
    OneOf(Rc<Vec<Value>>),
    Function(Rc<Function>),
    Lambda(Rc<Lambda>),
    Class(Rc<Class>),
    /// An object of a class of the project.
    Instance(Rc<Class>),
    /// A method of a value that is not called yet.
    Method(Rc<(Value, String)>),
    /// A name that is imported, looked for once it is used.
    Imported(Rc<Imported>),
    /// A name of another package, with its path.
    External(Rc<str>),
    /// What runs SQL: a connection, session, cursor, engine, migration context.
    Handle,
    Dialect,
    /// What only reads the catalogue.
    Inspector,
    /// `batch_op`, and the table that it is for.
    Batch(Rc<Text>),
    /// A table, its name as SQL.
    Table(Rc<Text>),
    /// The columns of a table (`t.c`).
    Columns(Rc<Text>),
    /// A column, in SQL and by its own name.
    Column(Rc<Text>, Rc<str>),
    /// An SQL expression.
    Sql(Rc<Text>),
    /// An SQL type.
    Type(Rc<Type>),
    Query(Rc<Query>),
    Change(Rc<Change>),
    /// What a query found.
    Rows(Rc<Found>),
    Row(Rc<Found>),
    /// A file that was opened, by its path.
    File(Rc<str>),
    /// Not known; the expression that it comes from.
    Unknown(Rc<str>),
}

/// What `from … import name` means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Imported {
    /// The modules in which it may be: dots, and the name behind them.
    pub addresses: Vec<(u32, String)>,
    pub name: String,
    /// What it is called where it is not in the project.
    pub path: String,
}

/// A function of the project.
#[derive(Debug)]
pub(super) struct Function {
    /// The module in which it is.
    pub module: usize,
    /// Its definition.
    pub definition: Rc<Stmt>,
    /// The call in which it was defined, if in one.
    pub frame: Option<usize>,
    /// Its object or class, where it is a method.
    pub receiver: Option<Value>,
    /// A decorator whose work is not known, by its path.
    pub wrapper: Option<Rc<str>>,
}

#[derive(Debug)]
pub(super) struct Lambda {
    pub module: usize,
    pub definition: ExprLambda,
    pub frame: Option<usize>,
}

/// A class of the project.
#[derive(Debug)]
pub(super) struct Class {
    pub name: String,
    /// What its body and its bases define.
    pub members: Vec<(String, Value)>,
    /// Its table, where it is mapped to one.
    pub table: Option<Rc<Text>>,
    pub is_enum: bool,
}

// Definitions are the same where they are the same object.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.definition, &other.definition) && self.frame == other.frame
    }
}

impl PartialEq for Lambda {
    fn eq(&self, other: &Self) -> bool {
        self.module == other.module && self.definition.range == other.definition.range
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// An SQL type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Type {
    /// As PostgreSQL writes it.
    pub sql: Text,
    /// Whether it has a name of its own in the database.
    pub is_named: bool,
}

/// A SELECT that is being built.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Query {
    pub columns: Vec<Text>,
    pub table: Option<Rc<Text>>,
    /// How the source names what is selected.
    pub entity: String,
    pub filters: Vec<Text>,
    /// Whether anything else than the filters leaves rows out.
    pub is_narrowed: bool,
    /// Whether its rows are objects that write themselves back.
    pub is_orm: bool,
    /// Whether it calls functions.
    pub calls: bool,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Found {
    pub table: Option<Rc<Text>>,
    pub entity: String,
    pub is_orm: bool,
}

/// An INSERT, UPDATE or DELETE that is being built.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub kind: ChangeKind,
    pub table: Text,
    pub filters: Vec<Text>,
    pub sets: Vec<Text>,
    /// The end of an INSERT.
    pub conflict: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Insert,
    Update,
    Delete,
}

impl Change {
    pub(super) fn new(kind: ChangeKind, table: Text) -> Self {
        Self { kind, table, filters: Vec::new(), sets: Vec::new(), conflict: None }
    }

    /// As SQL.
    pub(super) fn sql(&self) -> Text {
        let own = self.table.as_known();
        let within = |text: &Text| text.within(own.as_deref());
        let list = |texts: &[Text], separator: &str| {
            let texts: Vec<Text> = texts.iter().map(within).collect();
            Text::joined(&texts, &separator.into())
        };
        let mut sql = match self.kind {
            ChangeKind::Delete => Text::known("DELETE FROM ").plus(&self.table),
            ChangeKind::Update => {
                let sets = if self.sets.is_empty() {
                    Text::hole("values").and(" = :value")
                } else {
                    list(&self.sets, ", ")
                };
                Text::known("UPDATE ").plus(&self.table).and(" SET ").plus(&sets)
            }
            ChangeKind::Insert => {
                let sql = Text::known("INSERT INTO ").plus(&self.table).and(" VALUES (:values)");
                return self.conflict.iter().fold(sql, |sql, end| sql.and(" ").plus(&within(end)));
            }
        };
        if !self.filters.is_empty() {
            sql = sql.and(" WHERE ").plus(&list(&self.filters, " AND "));
        }
        sql
    }
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(Text::known(text)))
    }

    pub(super) fn of(text: Text) -> Self {
        Self::Text(Rc::new(text))
    }

    pub(super) fn sql(text: Text) -> Self {
        Self::Sql(Rc::new(text))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(super) fn unknown(source: &str) -> Self {
        let flat = source.split_whitespace().collect::<Vec<_>>().join(" ");
        let short = match flat.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &flat[..end]),
            None => flat,
        };
        Self::Unknown(short.into())
    }

    /// One of several values.
    pub(super) fn one_of(values: impl IntoIterator<Item = Self>, name: &str) -> Self {
        let mut all: Vec<Self> = Vec::new();
        for value in values {
            let flat = match value {
                Self::OneOf(inner) => inner.as_ref().clone(),
                other => vec![other],
            };
            for value in flat {
                if !all.contains(&value) {
                    all.push(value);
                }
            }
        }
        match all.len() {
            1 => all.remove(0),
            0 => Self::unknown(name),
            n if n > MOST_ALTERNATIVES => Self::unknown(name),
            _ => Self::OneOf(Rc::new(all)),
        }
    }

    /// Some of these, or none: which, is seen only when it runs.
    pub(super) fn some_of(items: Vec<Self>) -> Self {
        Self::OneOf(Rc::new(vec![Self::list(items), Self::list(Vec::new())]))
    }

    /// The values that it may be.
    pub(super) fn alternatives(&self) -> &[Self] {
        match self {
            Self::OneOf(values) => values,
            one => std::slice::from_ref(one),
        }
    }

    /// The string, where it is known to the last letter.
    pub(super) fn as_str(&self) -> Option<String> {
        match self {
            Self::Text(text) => text.as_known(),
            _ => None,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether it holds something that can run SQL.
    pub(super) fn reaches_database(&self) -> bool {
        match self {
            Self::Handle | Self::Batch(_) => true,
            Self::External(path) => matches!(&**path, "alembic.op" | "alembic.context"),
            Self::List(items) | Self::OneOf(items) => items.iter().any(Self::reaches_database),
            Self::Dict(items) => items.iter().any(|(_, value)| value.reaches_database()),
            _ => false,
        }
    }

    /// Whether Python takes it for true.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Text(text) => match text.as_known() {
                Some(known) => Some(!known.is_empty()),
                None => text
                    .pieces
                    .iter()
                    .any(|piece| matches!(piece, super::text::Piece::Known(known, _) if !known.is_empty()))
                    .then_some(true),
            },
            Self::Int(number) => Some(*number != 0),
            Self::Bool(value) => Some(*value),
            Self::None => Some(false),
            Self::List(items) => Some(!items.is_empty()),
            Self::Dict(items) => Some(!items.is_empty()),
            Self::OneOf(values) => {
                let first = values.first()?.truth();
                values.iter().all(|value| value.truth() == first).then_some(first).flatten()
            }
            Self::Function(_)
            | Self::Lambda(_)
            | Self::Class(_)
            | Self::Handle
            | Self::Batch(_)
            | Self::Dialect => Some(true),
            _ => None,
        }
    }

    /// The values that a loop goes through, where they are known.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) => Some(items.as_ref().clone()),
            Self::Dict(pairs) => Some(pairs.iter().map(|(key, _)| key.clone()).collect()),
            Self::Class(class) if class.is_enum => {
                let members = class.members.iter().filter(|(_, v)| !matches!(v, Self::Function(_)));
                Some(members.map(|(_, value)| value.clone()).collect())
            }
            Self::OneOf(values) => {
                let lists: Option<Vec<Vec<Self>>> = values.iter().map(Self::items).collect();
                Some(lists?.concat())
            }
            _ => None,
        }
    }

    /// As an operand in SQL.
    pub(super) fn operand(&self) -> Text {
        match self {
            Self::Text(text) => match text.as_known() {
                Some(known) => quote_literal(&known).as_str().into(),
                None => Text::known(":value"),
            },
            Self::Int(number) => number.to_string().as_str().into(),
            Self::Number(number) => (&**number).into(),
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::None => "NULL".into(),
            Self::Sql(text) | Self::Column(text, _) => text.as_ref().clone(),
            Self::Table(name) => name.as_ref().clone(),
            Self::List(items) => {
                let items: Vec<Text> = items.iter().map(Self::operand).collect();
                if items.is_empty() {
                    return "(NULL)".into();
                }
                Text::known("(").plus(&Text::joined(&items, &", ".into())).and(")")
            }
            Self::Query(query) => query.sql(),
            Self::External(path) => {
                let name = path.rsplit('.').next().unwrap_or(path);
                super::emit::identifier(name).as_str().into()
            }
            Self::Unknown(source) | Self::File(source) => parameter(source),
            _ => Text::known(":value"),
        }
    }
}

/// A driver's parameter named after a piece of source.
pub(super) fn parameter(source: &str) -> Text {
    format!(":{}", super::emit::bare(source)).as_str().into()
}

impl Query {
    /// As a subquery.
    pub(super) fn sql(&self) -> Text {
        Text::known("(").plus(&self.select()).and(")")
    }

    /// As a statement.
    pub(super) fn select(&self) -> Text {
        let columns = if self.columns.is_empty() {
            Text::known("*")
        } else {
            Text::joined(&self.columns, &", ".into())
        };
        let mut sql = Text::known("SELECT ").plus(&columns);
        if let Some(table) = &self.table {
            sql = sql.and(" FROM ").plus(table);
        }
        let own = self.table.as_ref().and_then(|table| table.as_known());
        let mut filters: Vec<Text> =
            self.filters.iter().map(|filter| filter.within(own.as_deref())).collect();
        if self.is_narrowed {
            filters.push("id = :id".into());
        }
        if !filters.is_empty() {
            sql = sql.and(" WHERE ").plus(&Text::joined(&filters, &" AND ".into()));
        }
        sql.within(own.as_deref())
    }

    pub(super) fn found(&self) -> Rc<Found> {
        let (table, entity) = (self.table.clone(), self.entity.clone());
        Rc::new(Found { table, entity, is_orm: self.is_orm })
    }
}
