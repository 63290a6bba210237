//! A schema by chance: tables with keys, types, references, partitions, children.

use rowsafe::text::name::quote;

use super::dice::Dice;

/// Types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Big,
    Numeric,
    Text,
    Varchar,
    Time,
    Json,
    Bytes,
    Mood,
    Plate,
    Ints,
    Flag,
}

use Kind::{Big, Bytes, Flag, Int, Ints, Json, Mood, Numeric, Plate, Text, Time, Varchar};

const KINDS: [Kind; 14] =
    [Int, Int, Big, Numeric, Text, Text, Varchar, Time, Json, Bytes, Mood, Plate, Ints, Flag];

impl Kind {
    pub fn sql(self) -> &'static str {
        match self {
            Int => "int",
            Big => "bigint",
            Numeric => "numeric(8, 2)",
            Text => "text",
            Varchar => "varchar(12)",
            Time => "timestamptz",
            Json => "jsonb",
            Bytes => "bytea",
            Mood => "mood",
            Plate => "plate",
            Ints => "int[]",
            Flag => "boolean",
        }
    }

    /// A value, as SQL.
    pub fn value(self, dice: &mut Dice) -> String {
        let number = dice.below(40);
        match self {
            Int => number.to_string(),
            Big => (number as u64 * 10_000_000_000 + 7).to_string(),
            Numeric => format!("{number}.{:02}", dice.below(100)),
            Text => (*dice.pick(&TEXTS)).to_owned(),
            Varchar => format!("'v{}'", "x".repeat(dice.below(11))),
            Time => format!("'2024-03-{:02} 10:00:0{}+02'", number % 28 + 1, number % 10),
            Json => format!(r#"'{{"n": {number}, "t": ["a", null]}}'"#),
            Bytes => format!(r"'\x00{number:02}ff'"),
            Mood => format!("'{}'", dice.pick(&["sad", "ok", "happy"])),
            Plate => format!("'B-{number}'"),
            Ints => format!("'{{{number},NULL,3}}'"),
            Flag => (*dice.pick(&["true", "false"])).to_owned(),
        }
    }
}

const TEXTS: [&str; 8] = [
    "''",
    "'a'",
    "'it''s'",
    r"E'tab\tand\nline'",
    r"E'\\N'",
    "'NULL'",
    "'naïve 😀'",
    "'longer text than most'",
];

/// A name as somebody would write it: in quotes where it needs them.
pub fn named(name: &str) -> String {
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain && !matches!(name, "select" | "desc") { name.to_owned() } else { quote(name) }
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub not_null: bool,
    /// Its definition holds `GENERATED ALWAYS AS (…) STORED`.
    pub generated: bool,
    /// The table and the column that it points to.
    pub references: Option<(String, String)>,
    /// What else stands in its definition.
    pub words: String,
}

impl Column {
    pub fn of(name: &str, kind: Kind) -> Self {
        let (not_null, generated, words) = (false, false, String::new());
        Self { name: name.to_owned(), kind, not_null, generated, references: None, words }
    }

    pub fn sql(&self) -> String {
        named(&self.name)
    }
}

/// How a table stands to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Plain,
    Partitioned,
    Leaf,
    Child,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    pub schema: &'static str,
    pub name: String,
    pub columns: Vec<Column>,
    /// The columns of the primary key.
    pub key: Vec<String>,
    pub shape: Shape,
    /// What follows its columns.
    pub tail: String,
}

impl Table {
    pub fn sql(&self) -> String {
        format!("{}.{}", self.schema, named(&self.name))
    }

    /// As somebody might write it.
    pub fn written(&self, dice: &mut Dice) -> String {
        if self.schema == "public" && dice.chance(70) { named(&self.name) } else { self.sql() }
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key, where it is one column of whole numbers.
    pub fn id(&self) -> Option<&Column> {
        let [key] = self.key.as_slice() else { return None };
        self.column(key).filter(|column| matches!(column.kind, Int | Big))
    }

    /// Columns that a statement may set.
    pub fn settable(&self) -> Vec<Column> {
        let is_free = |column: &&Column| {
            !column.generated
                && !self.key.contains(&column.name)
                && !column.words.contains("IDENTITY")
        };
        self.columns.iter().filter(is_free).cloned().collect()
    }

    fn create(&self) -> String {
        let mut parts: Vec<String> = self.columns.iter().map(definition).collect();
        if !self.key.is_empty() && self.shape != Shape::Child {
            let key: Vec<String> = self.key.iter().map(|name| named(name)).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        format!("CREATE TABLE {} ({}){};\n", self.sql(), parts.join(", "), self.tail)
    }
}

fn definition(column: &Column) -> String {
    if column.words == SERIAL {
        return format!("{} serial", column.sql());
    }
    let mut sql = format!("{} {}", column.sql(), column.kind.sql());
    if column.not_null {
        sql += " NOT NULL";
    }
    sql + &column.words
}

/// The words of a column that is declared `serial`.
const SERIAL: &str = " DEFAULT nextval";

/// Everything that there is.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub tables: Vec<Table>,
    /// Functions without arguments that destroy something.
    pub functions: Vec<String>,
    /// Views that can be written through, with a column of theirs.
    pub views: Vec<(String, String)>,
}

const NAMES: [&str; 9] =
    ["users", "orders", "Order Items", "select", "naïve", "we\"ird", "a.b", "jobs", "t"];
const COLUMNS: [&str; 9] = ["note", "amount", "State", "desc", "due at", "data", "flag", "ü", "x"];

/// A model and the SQL that makes it, without rows.
pub fn made(dice: &mut Dice) -> (Model, String) {
    let mut model = Model::default();
    let mut sql = "DROP SCHEMA IF EXISTS app CASCADE; DROP SCHEMA public CASCADE;
        CREATE SCHEMA public; CREATE SCHEMA app;
        CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
        CREATE DOMAIN plate AS text CHECK (VALUE <> '');\n"
        .to_owned();
    let count = 2 + dice.below(4);
    let first = dice.below(NAMES.len());
    for at in 0..count {
        let name = NAMES[(first + at) % NAMES.len()];
        add(&mut model, name, dice, &mut sql);
    }
    (model, sql)
}

fn add(model: &mut Model, name: &str, dice: &mut Dice, sql: &mut String) {
    let schema = if dice.chance(20) { "app" } else { "public" };
    let mut table = keyed(schema, name, dice);
    for at in 0..=dice.below(5) {
        let mut column =
            Column::of(COLUMNS[(dice.below(2) + at * 2) % COLUMNS.len()], *dice.pick(&KINDS));
        if table.column(&column.name).is_some() {
            continue;
        }
        column.not_null = dice.chance(25);
        if dice.chance(25) {
            column.words = format!(" DEFAULT {}", column.kind.value(dice));
        }
        table.columns.push(column);
    }
    generated(&mut table, dice);
    refer(model, &mut table, dice);
    if table.id().is_some() && table.shape == Shape::Plain && dice.chance(18) {
        partitioned(model, table, dice, sql);
        return;
    }
    *sql += &table.create();
    let has_child = table.key.is_empty() && dice.chance(35) || dice.chance(6);
    model.tables.push(table.clone());
    if has_child {
        let mut child =
            Table { name: format!("{name}_child"), shape: Shape::Child, ..table.clone() };
        child.columns = vec![Column::of("extra", Text)];
        child.key = Vec::new();
        child.tail = format!(" INHERITS ({})", table.sql());
        *sql += &child.create();
        // A NOT NULL of the parent holds for the child, its key and its references do not.
        let inherited =
            table.columns.iter().map(|column| Column { references: None, ..column.clone() });
        child.columns = inherited.chain(child.columns).collect();
        model.tables.push(child);
    }
}

fn keyed(schema: &'static str, name: &str, dice: &mut Dice) -> Table {
    let words = |name: &str, kind, words: &str| Column {
        words: words.to_owned(),
        not_null: true,
        ..Column::of(name, kind)
    };
    let columns = match dice.below(10) {
        0 => vec![words("id", Int, "")],
        1 | 2 => vec![words("id", Int, SERIAL)],
        3 | 4 => vec![words("id", Int, " GENERATED ALWAYS AS IDENTITY")],
        5 => vec![words("Id", Big, " GENERATED BY DEFAULT AS IDENTITY")],
        6 => vec![words("code", Text, "")],
        7 => vec![words("a", Int, ""), words("b", Text, "")],
        _ => Vec::new(),
    };
    let key: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let mut table = Table {
        schema,
        name: name.to_owned(),
        columns,
        key,
        shape: Shape::Plain,
        tail: String::new(),
    };
    if table.key.is_empty() {
        table.columns.push(Column::of("n", Int));
    }
    table
}

fn generated(table: &mut Table, dice: &mut Dice) {
    let number = table.columns.iter().find(|column| column.kind == Int && !column.generated);
    if let Some(number) = number.filter(|_| dice.chance(15)) {
        let words = format!(" GENERATED ALWAYS AS ({} * 2) STORED", number.sql());
        table.columns.push(Column { words, generated: true, ..Column::of("twice", Int) });
    }
}

fn refer(model: &Model, table: &mut Table, dice: &mut Dice) {
    const ACTIONS: [&str; 6] = [
        "",
        " ON DELETE CASCADE",
        " ON DELETE SET NULL",
        " ON DELETE CASCADE",
        " ON DELETE RESTRICT",
        " ON DELETE SET DEFAULT",
    ];
    const UPDATES: [&str; 4] = ["", "", " ON UPDATE CASCADE", " ON UPDATE SET NULL"];
    let targets: Vec<&Table> = model
        .tables
        .iter()
        .filter(|other| other.id().is_some() && other.shape != Shape::Leaf)
        .collect();
    for at in 0..2 {
        let Some(target) = dice.any(&targets).filter(|_| dice.chance(50)) else { continue };
        let id = target.id().expect("chosen for it");
        let words = format!(
            " REFERENCES {} ({}){}{}",
            target.sql(),
            id.sql(),
            dice.pick(&ACTIONS),
            dice.pick(&UPDATES)
        );
        let not_null = dice.chance(15);
        let references = Some((target.sql(), id.name.clone()));
        let name = format!("ref{at}");
        table.columns.push(Column { not_null, references, words, ..Column::of(&name, id.kind) });
    }
    if let Some(id) = table.id().filter(|_| dice.chance(10)) {
        let words = format!(" REFERENCES {} ({}) ON DELETE CASCADE", table.sql(), id.sql());
        let references = Some((table.sql(), id.name.clone()));
        let column = Column { references, words, ..Column::of("parent", id.kind) };
        table.columns.push(column);
    }
}

fn partitioned(model: &mut Model, mut table: Table, dice: &mut Dice, sql: &mut String) {
    // Up to PostgreSQL 16 a partitioned table has no identity columns.
    let is_identity = |column: &&mut Column| column.words.contains("IDENTITY");
    table.columns.iter_mut().filter(is_identity).for_each(|column| column.words.clear());
    table.shape = Shape::Partitioned;
    let id = table.id().expect("chosen for it").sql();
    table.tail = format!(" PARTITION BY RANGE ({id})");
    *sql += &table.create();
    table.tail.clear();
    let bounds = [("lo", "FROM (MINVALUE) TO (10)"), ("mid", "FROM (10) TO (20)"), ("rest", "")];
    let name = table.name.clone();
    model.tables.push(table.clone());
    for (suffix, bound) in bounds.iter().skip(dice.below(2)) {
        let leaf = Table { name: format!("{name}_{suffix}"), shape: Shape::Leaf, ..table.clone() };
        let bound =
            if bound.is_empty() { "DEFAULT".to_owned() } else { format!("FOR VALUES {bound}") };
        *sql += &format!("CREATE TABLE {} PARTITION OF {} {bound};\n", leaf.sql(), table.sql());
        model.tables.push(leaf);
    }
}
