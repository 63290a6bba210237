//! The parts of a DELETE or UPDATE from which a query can be made that counts what it selects: each
//! of them word for word as it was written.

use std::collections::BTreeSet;

use super::calls::SYNTAX;
use super::tokens::Tokens;
use crate::sql::lexer::TokenKind;
use crate::text::QualifiedName;

/// What a DELETE or UPDATE selects, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'a> {
    /// `WITH a AS (…)`, or nothing; it only reads.
    pub with: &'a str,
    /// The table with `ONLY` and alias: `ONLY app.users AS u`.
    pub target: &'a str,
    /// Its name.
    pub table: QualifiedName,
    /// The name as written, without ONLY and alias.
    pub written: &'a str,
    /// What its columns are qualified with: the alias, or the last part of the name.
    pub own: &'a str,
    /// What follows USING or FROM.
    pub others: Option<&'a str>,
    /// What follows WHERE.
    pub condition: Option<&'a str>,
    /// What an UPDATE sets; empty for a DELETE.
    pub set: Vec<Assigned<'a>>,
}

/// What one part of a SET gives to which columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned<'a> {
    /// The columns.
    pub columns: Vec<String>,
    /// The expression, where it is one for one whole column.
    pub value: Option<&'a str>,
}

/// What the words of an expression may mean: whoever runs it wants to know what it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What stands in front of a parenthesis and is no syntax: functions, as far as words tell.
    pub calls: BTreeSet<QualifiedName>,
    /// Everything else in front of a parenthesis.
    pub syntax: BTreeSet<String>,
    /// Every name, folded, keywords included.
    pub names: BTreeSet<String>,
    /// Whether it comes out differently at another time or for another session.
    pub is_of_the_moment: bool,
}

/// Words in front of a parenthesis that call nothing, beside [`SYNTAX`]: parts of queries and
/// expressions, and types with a modifier.
const NO_CALLS: [&str; 64] = [
    "and",
    "as",
    "between",
    "bit",
    "bpchar",
    "by",
    "case",
    "char",
    "character",
    "dec",
    "decimal",
    "distinct",
    "else",
    "except",
    "filter",
    "float",
    "from",
    "group",
    "having",
    "ilike",
    "in",
    "intersect",
    "interval",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "materialized",
    "nchar",
    "not",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "over",
    "partition",
    "precision",
    "second",
    "select",
    "set",
    "sets",
    "similar",
    "then",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "to",
    "union",
    "using",
    "varbit",
    "varchar",
    "varying",
    "when",
    "where",
    "window",
    "with",
    "within",
    "without",
    "zone",
    "escape",
];

/// Functions and words whose answer depends on when and by whom they are asked.
const MOMENT: [&str; 24] = [
    "age",
    "current_catalog",
    "current_date",
    "current_database",
    "current_query",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "inet_client_addr",
    "localtime",
    "localtimestamp",
    "now",
    "session_user",
    "statement_timestamp",
    "system_user",
    "transaction_timestamp",
    "txid_current_snapshot",
    "pg_current_snapshot",
    "user",
    "pg_postmaster_start_time",
];

/// Strings that mean a moment when they become a date.
const MOMENT_STRINGS: [&str; 4] = ["'now'", "'today'", "'tomorrow'", "'yesterday'"];

impl<'a> Selection<'a> {
    /// The parts of a statement; the reason where it can't be taken apart.
    pub fn of(statement: &'a str) -> Result<Self, &'static str> {
        let mut tokens = Tokens::new(statement);
        if let Some(why) = tokens.trouble() {
            return Err(why);
        }
        let is_parameter = |token: &crate::sql::lexer::Token| token.kind == TokenKind::Parameter;
        if tokens.left().1.iter().any(is_parameter) {
            return Err("it has a parameter");
        }
        let with = with(&mut tokens)?;
        let is_update = tokens.eat(&["update"]);
        if !is_update && !tokens.eat(&["delete", "from"]) {
            return Err("it is done by another statement");
        }
        let target = Target::read(&mut tokens).ok_or(UNKNOWN)?;
        let set = if is_update { set(&mut tokens)? } else { Vec::new() };
        let others = clause(&mut tokens, if is_update { "from" } else { "using" });
        let condition = clause(&mut tokens, "where");
        let ends = tokens.is_done() || tokens.is_word(0, "returning");
        if !ends {
            return Err(UNKNOWN);
        }
        if condition.is_some_and(is_cursor) {
            return Err("it takes the row of a cursor");
        }
        let Target { text, written, own, table } = target;
        Ok(Self { with, target: text, table, written, own, others, condition, set })
    }

    /// The words that decide which rows are selected.
    pub fn words(&self) -> Words {
        let parts = [Some(self.with), Some(self.target), self.others, self.condition];
        Words::of(&parts.into_iter().flatten().collect::<Vec<_>>())
    }

    /// `FROM … WHERE …` of a query that selects the same rows, once for each match.
    pub fn from_where(&self) -> String {
        let others = self.others.map(|others| format!(", {others}")).unwrap_or_default();
        let condition = self.condition.map(|c| format!(" WHERE {c}")).unwrap_or_default();
        format!("FROM {}{others}{condition}", self.target)
    }
}

/// Words of queries that change rows.
pub(super) const WRITES: [&str; 4] = ["insert", "update", "delete", "merge"];

const UNKNOWN: &str = "a part of it has a form that is not known";

/// `WITH … AS (…), …`, as written.
fn with<'a>(tokens: &mut Tokens<'a>) -> Result<&'a str, &'static str> {
    let start = tokens.clone();
    if !tokens.eat(&["with"]) {
        return Ok("");
    }
    tokens.eat(&["recursive"]);
    loop {
        tokens.name().ok_or(UNKNOWN)?;
        tokens.eat_group();
        if !tokens.eat(&["as"]) {
            return Err(UNKNOWN);
        }
        tokens.eat(&["not"]);
        tokens.eat(&["materialized"]);
        let query = tokens.clone();
        if !tokens.eat_group() {
            return Err(UNKNOWN);
        }
        if WRITES.iter().any(|word| query.up_to_tokens(tokens).mentions(word)) {
            return Err("its WITH changes rows too");
        }
        if !tokens.eat_symbol(b',') {
            return Ok(start.up_to(tokens));
        }
    }
}

struct Target<'a> {
    text: &'a str,
    written: &'a str,
    own: &'a str,
    table: QualifiedName,
}

impl<'a> Target<'a> {
    fn read(tokens: &mut Tokens<'a>) -> Option<Self> {
        let start = tokens.clone();
        tokens.eat(&["only"]);
        let in_group = tokens.eat_symbol(b'(');
        let name = tokens.clone();
        let table = tokens.qualified()?;
        let written = name.up_to(tokens);
        let mut own = written;
        let mut parts = name;
        while parts.token(0)?.span.start < tokens.token(0).map_or(usize::MAX, |t| t.span.start) {
            own = parts.text(0);
            parts.skip();
            if parts.is_done() {
                break;
            }
        }
        if in_group && !tokens.eat_symbol(b')') {
            return None;
        }
        if tokens.text(0) == "*" {
            tokens.skip();
        }
        if tokens.eat(&["as"]) || !tokens.is_any(0, &["set", "using", "where", "returning"]) {
            let alias = tokens.text(0);
            if tokens.name().is_some() {
                own = alias;
            }
        }
        Some(Self { text: start.up_to(tokens), written, own, table })
    }
}

fn set<'a>(tokens: &mut Tokens<'a>) -> Result<Vec<Assigned<'a>>, &'static str> {
    if !tokens.eat(&["set"]) {
        return Err(UNKNOWN);
    }
    let start = tokens.clone();
    // `IS DISTINCT FROM` is no clause.
    let mut is_behind_distinct = false;
    while !tokens.is_done() && !tokens.is_any(0, &["where", "returning"]) {
        if tokens.is_word(0, "from") && !is_behind_distinct {
            break;
        }
        is_behind_distinct = tokens.is_word(0, "distinct");
        if !tokens.eat_group() {
            tokens.skip();
        }
    }
    start.up_to_tokens(tokens).split_at_commas().into_iter().map(assigned).collect()
}

fn assigned(mut tokens: Tokens<'_>) -> Result<Assigned<'_>, &'static str> {
    if tokens.is_symbol(0, b'(') {
        let start = tokens.clone();
        tokens.eat_group();
        let mut names = start.up_to_tokens(&tokens).inside().ok_or(UNKNOWN)?;
        let columns = names.list(Tokens::name).ok_or(UNKNOWN)?;
        return Ok(Assigned { columns, value: None });
    }
    let columns = vec![tokens.name().ok_or(UNKNOWN)?];
    let is_whole = tokens.text(0) == "=";
    tokens.skip();
    let is_default = tokens.is_word(0, "default");
    let value = (is_whole && !is_default && !tokens.is_done()).then(|| tokens.rest());
    Ok(Assigned { columns, value })
}

fn clause<'a>(tokens: &mut Tokens<'a>, word: &str) -> Option<&'a str> {
    if !tokens.eat(&[word]) {
        return None;
    }
    let stops: &[&str] = if word == "where" { &["returning"] } else { &["where", "returning"] };
    Some(tokens.until(|tokens| tokens.is_any(0, stops)).rest())
}

fn is_cursor(condition: &str) -> bool {
    let mut tokens = Tokens::new(condition);
    tokens.eat(&["current", "of"])
}

impl Words {
    /// The words of several texts.
    pub fn of(texts: &[&str]) -> Self {
        let mut words = Self::default();
        for text in texts {
            words.add(text);
        }
        words
    }

    fn add(&mut self, text: &str) {
        let mut tokens = Tokens::new(text);
        // What stood before, the last name, and the name in front of a dot.
        let (mut before, mut last, mut schema) = (String::new(), String::new(), None);
        while !tokens.is_done() {
            let written = tokens.text(0);
            let is_bare = tokens.is_word(0, written);
            let Some(name) = tokens.clone().name() else {
                self.is_of_the_moment |=
                    MOMENT_STRINGS.contains(&written.to_ascii_lowercase().as_str());
                schema = (written == ".").then(|| last.clone());
                written.clone_into(&mut before);
                tokens.skip();
                continue;
            };
            tokens.skip();
            self.is_of_the_moment |= MOMENT.contains(&name.as_str());
            // `) a (…)` and `AS a (…)` name the columns of a table.
            let is_alias = matches!(before.as_str(), ")" | "as");
            let schema = schema.take();
            if tokens.is_symbol(0, b'(') {
                let is_syntax = is_bare
                    && (NO_CALLS.contains(&name.as_str()) || SYNTAX.contains(&name.as_str()));
                if is_syntax || is_alias {
                    self.syntax.insert(name.clone());
                } else {
                    let call = QualifiedName { schema, name: name.clone() };
                    self.calls.insert(call);
                }
            }
            before = if is_bare { name.clone() } else { String::new() };
            last.clone_from(&name);
            self.names.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Selection, Words};

    #[test]
    fn the_parts_are_those_that_were_written() {
        let text = "WITH old AS (SELECT id FROM logs) DELETE FROM ONLY app.\"Users\" AS u \
                    USING old, a JOIN b USING (id) WHERE u.id = old.id /* all */ RETURNING u.id";
        let parts = Selection::of(text).unwrap();
        assert_eq!(parts.with, "WITH old AS (SELECT id FROM logs)");
        assert_eq!(parts.target, "ONLY app.\"Users\" AS u");
        assert_eq!((parts.written, parts.own), ("app.\"Users\"", "u"));
        assert_eq!(parts.others, Some("old, a JOIN b USING (id)"));
        assert_eq!(parts.condition, Some("u.id = old.id"));
        let plain = Selection::of("DELETE FROM app.users").unwrap();
        assert_eq!((plain.target, plain.own, plain.condition), ("app.users", "users", None));
        let bare = Selection::of("delete from users u where u.a = 1").unwrap();
        assert_eq!((bare.target, bare.own, bare.condition), ("users u", "u", Some("u.a = 1")));
    }

    #[test]
    fn what_an_update_sets_is_cut_at_its_commas() {
        let text = "UPDATE t SET a = f(1, 2), (b, c) = (SELECT 1, 2), d = DEFAULT, e.x = 1, \
                    g = h IS DISTINCT FROM i FROM u WHERE t.id = u.id";
        let parts = Selection::of(text).unwrap();
        let set: Vec<_> =
            parts.set.iter().map(|part| (part.columns.join(" "), part.value)).collect();
        let expect = [
            ("a".to_owned(), Some("f(1, 2)")),
            ("b c".to_owned(), None),
            ("d".to_owned(), None),
            ("e".to_owned(), None),
            ("g".to_owned(), Some("h IS DISTINCT FROM i")),
        ];
        assert_eq!(set, expect);
        assert_eq!((parts.others, parts.condition), (Some("u"), Some("t.id = u.id")));
    }

    #[test]
    fn what_cannot_be_counted_says_why() {
        for (text, why) in [
            ("DELETE FROM t WHERE id = $1", "it has a parameter"),
            ("DELETE FROM t WHERE id = :id", "it has a parameter"),
            ("DELETE FROM t WHERE CURRENT OF c", "it takes the row of a cursor"),
            ("SELECT purge()", "it is done by another statement"),
            (
                "WITH d AS (DELETE FROM a RETURNING id) DELETE FROM t USING d WHERE t.id = d.id",
                "its WITH changes rows too",
            ),
            ("DELETE FROM t FOR PORTION OF p FROM 1 TO 2", super::UNKNOWN),
        ] {
            assert_eq!(Selection::of(text), Err(why), "{text}");
        }
    }

    #[test]
    fn words_tell_what_is_called() {
        let words = Words::of(&[
            "a IN (SELECT lower(b) FROM app.c) AND app.f(a) > 1 AND d::numeric(10, 2) = 1",
            "EXISTS (SELECT FROM (VALUES (1)) AS v (id)) AND \"in\"(1)",
        ]);
        let calls: Vec<String> = words.calls.iter().map(ToString::to_string).collect();
        assert_eq!(calls, ["in", "lower", "app.f"]);
        assert!(words.names.contains("c") && words.syntax.contains("v"));
        assert!(!words.is_of_the_moment);
        for text in ["a < now()", "a < CURRENT_DATE", "a < 'today'::date"] {
            assert!(Words::of(&[text]).is_of_the_moment, "{text}");
        }
    }
}
