//! What a statement demands of the rows that are there: where they don't meet it, it fails.

use super::tokens::Tokens;
use crate::sql::lexer::TokenKind;
use crate::text::QualifiedName;

/// A condition that a statement needs, or it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand<'a> {
    /// `ALTER COLUMN … SET NOT NULL`.
    NotNull {
        /// The table.
        table: QualifiedName,
        /// The column that may hold no null.
        column: String,
    },
    /// `ADD COLUMN … NOT NULL` without a value for the rows that are there.
    Empty {
        /// The table that may hold no row.
        table: QualifiedName,
        /// The new column.
        column: String,
        /// The first word of its type, which may bring a default of its own.
        type_name: String,
    },
    /// `UNIQUE`, `PRIMARY KEY`, `CREATE UNIQUE INDEX`.
    Unique {
        /// The table.
        table: QualifiedName,
        /// The columns that may hold nothing twice.
        columns: Vec<String>,
        /// They may hold no null either.
        is_primary: bool,
    },
    /// `CHECK`.
    Check {
        /// The table.
        table: QualifiedName,
        /// The condition as written.
        condition: &'a str,
    },
    /// `FOREIGN KEY`.
    Reference {
        /// The table that refers.
        table: QualifiedName,
        /// The columns that refer.
        columns: Vec<String>,
        /// The table that is referred to.
        to: QualifiedName,
        /// The columns that are referred to; empty means the primary key.
        referred: Vec<String>,
    },
}

/// `ALTER TYPE … ADD VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue {
    /// The enum.
    pub name: QualifiedName,
    /// The value.
    pub value: String,
}

/// What the statement demands.
pub fn of(text: &str) -> Vec<Demand<'_>> {
    let mut tokens = Tokens::new(text);
    if tokens.trouble().is_some() {
        return Vec::new();
    }
    if tokens.eat(&["create", "unique", "index"]) {
        return index(tokens).into_iter().collect();
    }
    if !tokens.eat(&["alter", "table"]) {
        return Vec::new();
    }
    tokens.eat(&["if", "exists"]);
    tokens.eat(&["only"]);
    let Some(table) = tokens.qualified() else { return Vec::new() };
    if tokens.text(0) == "*" {
        tokens.skip();
    }
    tokens.split_at_commas().into_iter().filter_map(|action| demand(&table, action)).collect()
}

/// The value that the statement adds to an enum.
pub fn new_value(text: &str) -> Option<NewValue> {
    let mut tokens = Tokens::new(text);
    if !tokens.eat(&["alter", "type"]) {
        return None;
    }
    let name = tokens.qualified()?;
    if !tokens.eat(&["add", "value"]) {
        return None;
    }
    tokens.eat(&["if", "not", "exists"]);
    Some(NewValue { name, value: string(&tokens)? })
}

/// The strings in a statement, as far as they are written plainly.
pub fn strings(text: &str) -> Vec<String> {
    let mut tokens = Tokens::new(text);
    let mut strings = Vec::new();
    while !tokens.is_done() {
        strings.extend(string(&tokens));
        tokens.skip();
    }
    strings
}

/// Whether the statement opens a transaction, or ends one; `None` where it does neither.
pub fn opens_transaction(text: &str) -> Option<bool> {
    let tokens = Tokens::new(text);
    if tokens.is_word(0, "begin")
        || (tokens.is_word(0, "start") && tokens.is_word(1, "transaction"))
    {
        return Some(true);
    }
    let ends = tokens.is_any(0, &["commit", "end", "abort"])
        || (tokens.is_word(0, "rollback")
            && !tokens.is_any(1, &["to"])
            && !tokens.is_any(2, &["to"]));
    ends.then_some(false)
}

fn string(tokens: &Tokens<'_>) -> Option<String> {
    let is_string = matches!(tokens.token(0)?.kind, TokenKind::String(_));
    let inner = tokens.text(0).strip_prefix('\'')?.strip_suffix('\'')?;
    is_string.then(|| inner.replace("''", "'"))
}

fn demand<'a>(table: &QualifiedName, mut action: Tokens<'a>) -> Option<Demand<'a>> {
    let table = table.clone();
    if action.eat(&["alter"]) {
        action.eat(&["column"]);
        let column = action.name()?;
        return action.eat(&["set", "not", "null"]).then_some(Demand::NotNull { table, column });
    }
    if !action.eat(&["add"]) {
        return None;
    }
    if action.eat(&["constraint"]) {
        action.name()?;
    }
    if action.is_any(0, &["check", "unique", "primary", "foreign"]) {
        let is_later = |tokens: &Tokens<'_>| tokens.is_word(0, "not") && tokens.is_word(1, "valid");
        let mut rest = action.clone();
        rest.until(is_later);
        return if rest.is_done() { constraint(table, action) } else { None };
    }
    action.eat(&["column"]);
    if action.eat(&["if", "not", "exists"]) {
        return None;
    }
    let column = action.name()?;
    let type_name = action.text(0).to_ascii_lowercase();
    let has = |words: &[&str]| {
        let mut rest = action.clone();
        rest.until(|tokens| words.iter().enumerate().all(|(at, word)| tokens.is_word(at, word)));
        !rest.is_done()
    };
    let is_demanded = has(&["not", "null"]) || has(&["primary", "key"]);
    let is_filled = has(&["default"]) || has(&["generated"]) || type_name.contains("serial");
    (is_demanded && !is_filled).then_some(Demand::Empty { table, column, type_name })
}

fn constraint(table: QualifiedName, mut tokens: Tokens<'_>) -> Option<Demand<'_>> {
    if tokens.eat(&["check"]) {
        let start = tokens.clone();
        tokens.eat_group();
        let condition = start.up_to_tokens(&tokens).inside()?.rest();
        return Some(Demand::Check { table, condition });
    }
    if tokens.eat(&["foreign", "key"]) {
        let columns = columns(&mut tokens)?;
        if !tokens.eat(&["references"]) {
            return None;
        }
        let to = tokens.qualified()?;
        let referred =
            if tokens.is_symbol(0, b'(') { self::columns(&mut tokens)? } else { Vec::new() };
        return (!tokens.mentions("match")).then_some(Demand::Reference {
            table,
            columns,
            to,
            referred,
        });
    }
    let is_primary = tokens.eat(&["primary", "key"]);
    if !is_primary && !tokens.eat(&["unique"]) {
        return None;
    }
    let columns = columns(&mut tokens)?;
    Some(Demand::Unique { table, columns, is_primary })
}

fn index(mut tokens: Tokens<'_>) -> Option<Demand<'_>> {
    tokens.eat(&["concurrently"]);
    if tokens.eat(&["if", "not", "exists"]) {
        return None;
    }
    if !tokens.is_word(0, "on") {
        tokens.name()?;
    }
    if !tokens.eat(&["on"]) {
        return None;
    }
    tokens.eat(&["only"]);
    let table = tokens.qualified()?;
    if tokens.eat(&["using"]) {
        tokens.name()?;
    }
    let columns = columns(&mut tokens)?;
    let is_partial = tokens.mentions("where") || tokens.mentions("nulls");
    (!is_partial).then_some(Demand::Unique { table, columns, is_primary: false })
}

/// `(a, b)` of plain names.
fn columns(tokens: &mut Tokens<'_>) -> Option<Vec<String>> {
    let start = tokens.clone();
    tokens.eat_group();
    let mut inside = start.up_to_tokens(tokens).inside()?;
    let columns = inside.list(Tokens::name)?;
    inside.is_done().then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::{Demand, new_value, of, opens_transaction, strings};
    use crate::text::QualifiedName;

    #[test]
    fn what_rows_must_be_like() {
        let table = || QualifiedName::new("app", "t");
        let demands = of("ALTER TABLE app.t ALTER COLUMN a SET NOT NULL, ADD b int NOT NULL,
             ADD CONSTRAINT c CHECK (a > (0)), ADD UNIQUE (a, \"B\"), ADD PRIMARY KEY (a),
             ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u ON DELETE CASCADE");
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let expect = [
            Demand::NotNull { table: table(), column: a.clone() },
            Demand::Empty { table: table(), column: b, type_name: "int".to_owned() },
            Demand::Check { table: table(), condition: "a > (0)" },
            Demand::Unique {
                table: table(),
                columns: vec![a.clone(), "B".to_owned()],
                is_primary: false,
            },
            Demand::Unique { table: table(), columns: vec![a.clone()], is_primary: true },
            Demand::Reference {
                table: table(),
                columns: vec![a],
                to: QualifiedName::bare("u"),
                referred: Vec::new(),
            },
        ];
        assert_eq!(demands, expect);
    }

    #[test]
    fn what_demands_nothing_of_the_rows() {
        for text in [
            "ALTER TABLE t ADD a int NOT NULL DEFAULT 1",
            "ALTER TABLE t ADD a int",
            "ALTER TABLE t ADD a bigserial NOT NULL",
            "ALTER TABLE t ADD a int NOT NULL GENERATED ALWAYS AS IDENTITY",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t ALTER a DROP NOT NULL",
            "CREATE UNIQUE INDEX i ON t (a) WHERE b",
            "CREATE UNIQUE INDEX i ON t (lower(a))",
            "CREATE INDEX i ON t (a)",
        ] {
            assert_eq!(of(text), [], "{text}");
        }
        assert_eq!(of("CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (a, b)").len(), 1);
    }

    #[test]
    fn enums_and_transactions() {
        let value = new_value("ALTER TYPE app.mood ADD VALUE IF NOT EXISTS 'it''s' AFTER 'x'");
        assert_eq!(value.map(|new| new.value).as_deref(), Some("it's"));
        assert_eq!(new_value("ALTER TYPE mood RENAME VALUE 'a' TO 'b'"), None);
        assert_eq!(strings("UPDATE t SET a = 'x' WHERE b = 'y'"), ["x", "y"]);
        assert_eq!(opens_transaction("BEGIN"), Some(true));
        assert_eq!(opens_transaction("COMMIT"), Some(false));
        assert_eq!(opens_transaction("ROLLBACK TO SAVEPOINT a"), None);
        assert_eq!(opens_transaction("SELECT 1"), None);
    }
}
