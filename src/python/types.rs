//! SQLAlchemy's types in PostgreSQL's words.

use std::rc::Rc;

use ruff_text_size::TextRange;

use super::call::Args;
use super::emit::identifier;
use super::text::Text;
use super::value::{Type, Value};
use super::walk::Walker;

/// What SQLAlchemy calls a type, and what PostgreSQL does.
const NAMES: [(&str, &str); 56] = [
    ("String", "varchar"),
    ("VARCHAR", "varchar"),
    ("Unicode", "varchar"),
    ("NVARCHAR", "varchar"),
    ("AutoString", "varchar"),
    ("CHAR", "char"),
    ("NCHAR", "char"),
    ("Text", "text"),
    ("TEXT", "text"),
    ("UnicodeText", "text"),
    ("CLOB", "text"),
    ("LONGTEXT", "text"),
    ("MEDIUMTEXT", "text"),
    ("CITEXT", "citext"),
    ("Integer", "integer"),
    ("INTEGER", "integer"),
    ("INT", "integer"),
    ("BigInteger", "bigint"),
    ("BIGINT", "bigint"),
    ("SmallInteger", "smallint"),
    ("SMALLINT", "smallint"),
    ("Boolean", "boolean"),
    ("BOOLEAN", "boolean"),
    ("Float", "double precision"),
    ("FLOAT", "double precision"),
    ("Double", "double precision"),
    ("DOUBLE", "double precision"),
    ("DOUBLE_PRECISION", "double precision"),
    ("REAL", "real"),
    ("Numeric", "numeric"),
    ("NUMERIC", "numeric"),
    ("DECIMAL", "numeric"),
    ("Date", "date"),
    ("DATE", "date"),
    ("DateTime", "timestamp"),
    ("DATETIME", "timestamp"),
    ("TIMESTAMP", "timestamp"),
    ("Time", "time"),
    ("TIME", "time"),
    ("Interval", "interval"),
    ("INTERVAL", "interval"),
    ("LargeBinary", "bytea"),
    ("BINARY", "bytea"),
    ("VARBINARY", "bytea"),
    ("BLOB", "bytea"),
    ("BYTEA", "bytea"),
    ("PickleType", "bytea"),
    ("JSON", "json"),
    ("JSONB", "jsonb"),
    ("UUID", "uuid"),
    ("Uuid", "uuid"),
    ("GUID", "uuid"),
    ("INET", "inet"),
    ("CIDR", "cidr"),
    ("HSTORE", "hstore"),
    ("TSVECTOR", "tsvector"),
];

/// The type that a constructor makes; `None` where it is no type.
pub(super) fn construct(name: &str, args: &Args) -> Option<Value> {
    let made = |sql: Text, is_named| Some(Value::Type(Rc::new(Type { sql, is_named })));
    match name {
        "Enum" if args.keyword("native_enum").and_then(|value| value.truth()) == Some(false) => {
            return made(checked(args), false);
        }
        "Enum" | "ENUM" => return made(enumeration(args), true),
        "ARRAY" | "Array" => {
            let inner = match args.positional.first() {
                Some(Value::Type(of)) => of.sql.clone(),
                Some(Value::External(path)) => plain(path)?,
                _ => Text::hole("the type of the array"),
            };
            return made(inner.and("[]"), false);
        }
        _ => {}
    }
    let (_, sql) = NAMES.iter().find(|(own, _)| *own == name)?;
    let number = |index: usize, name: &str| match args.get(index, name) {
        Some(Value::Int(number)) => Some(number),
        _ => None,
    };
    let sql = match *sql {
        "varchar" | "char" => match number(0, "length") {
            Some(length) => format!("{sql}({length})"),
            None if args.get(0, "length").is_some_and(|value| !value.is_none()) => {
                return made(
                    Text::known(*sql).and("(").plus(&Text::hole("length")).and(")"),
                    false,
                );
            }
            None => (*sql).to_owned(),
        },
        "numeric" => match (number(0, "precision"), number(1, "scale")) {
            (Some(precision), Some(scale)) => format!("numeric({precision},{scale})"),
            (Some(precision), None) => format!("numeric({precision})"),
            _ => "numeric".to_owned(),
        },
        "timestamp" | "time" => {
            let zone = args.get(0, "timezone").and_then(|value| value.truth()) == Some(true);
            let precision =
                number(9, "precision").map_or_else(String::new, |digits| format!("({digits})"));
            let zone = if zone { " with time zone" } else { "" };
            format!("{sql}{precision}{zone}")
        }
        other => other.to_owned(),
    };
    made(Text::known(sql), false)
}

/// A type that is named without being called.
pub(super) fn plain(path: &str) -> Option<Text> {
    let name = path.rsplit('.').next().unwrap_or(path);
    match construct(name, &Args::default())? {
        Value::Type(of) => Some(of.sql.clone()),
        _ => None,
    }
}

/// An enum that is only a text with a CHECK: as long as its longest value.
fn checked(args: &Args) -> Text {
    let values: Option<Vec<String>> = args.positional.iter().map(Value::as_str).collect();
    let longest = values.and_then(|values| values.iter().map(|value| value.chars().count()).max());
    let length = match args.keyword("length") {
        Some(Value::Int(length)) => usize::try_from(length).ok(),
        _ => longest.filter(|_| !args.is_open),
    };
    match length {
        Some(length) => Text::known(format!("varchar({length})")),
        None => "varchar".into(),
    }
}

fn enumeration(args: &Args) -> Text {
    let name = match args.keyword("name") {
        Some(Value::Text(text)) => match text.as_known() {
            Some(known) => Text::known(identifier(&known)),
            None => text.as_ref().clone(),
        },
        // The name is that of the Python class, in lower case.
        None => match args.positional.first() {
            Some(Value::Class(class)) => Text::known(identifier(&class.name.to_lowercase())),
            _ => Text::hole("the name of the enum"),
        },
        Some(Value::Unknown(source)) => Text::hole(&*source),
        Some(_) => Text::hole("the name of the enum"),
    };
    match args.keyword("schema").and_then(|schema| schema.as_str()) {
        Some(schema) => Text::known(identifier(&schema)).and(".").plus(&name),
        None => name,
    }
}

impl Walker<'_> {
    /// The SQL of a type among the arguments.
    pub(super) fn type_of(&self, value: &Value, range: TextRange) -> Text {
        match value {
            Value::Type(of) => of.sql.clone(),
            Value::External(path) => plain(path).unwrap_or_else(|| {
                let name = path.rsplit('.').next().unwrap_or(path);
                Text::known(super::emit::bare(name))
            }),
            Value::Class(class) | Value::Instance(class) => {
                Text::known(super::emit::bare(&class.name))
            }
            Value::Unknown(source) => Text::hole(&**source),
            _ => Text::hole(self.written(range)),
        }
    }

    /// `enum.drop(bind)` and its kin.
    pub(super) fn on_type(
        &mut self,
        of: &Rc<Type>,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Value {
        match name {
            "drop" if of.is_named => {
                let exists = if args.keyword("checkfirst").is_some_and(|v| v.truth() == Some(true))
                {
                    "IF EXISTS "
                } else {
                    ""
                };
                self.send(&Text::known("DROP TYPE ").and(exists).plus(&of.sql), range);
                Value::None
            }
            "create" => Value::None,
            "with_variant" => {
                let is_postgres = args
                    .positional
                    .iter()
                    .skip(1)
                    .any(|dialect| dialect.as_str().as_deref() == Some("postgresql"));
                match args.positional.first() {
                    Some(variant) if is_postgres => {
                        let sql = self.type_of(variant, range);
                        Value::Type(Rc::new(Type { sql, is_named: false }))
                    }
                    _ => Value::Type(Rc::clone(of)),
                }
            }
            _ => Value::Type(Rc::clone(of)),
        }
    }
}
