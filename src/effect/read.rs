//! A statement into its effects.

use super::tripwire::{self, Explained};
use super::utility::{self, Head};
use super::{Effect, client, copy, query};
use crate::sql::{Statement, StatementKind};

/// Statements within statements (EXPLAIN ANALYZE EXPLAIN …) are read this deep.
const MAX_INNER: usize = 4;

/// Words that start what sqlparser reads.
const QUERIES: [&str; 8] =
    ["select", "with", "values", "table", "insert", "update", "delete", "merge"];

/// What a statement does to data. An empty list means that it is known to destroy nothing.
pub fn read(statement: &Statement) -> Vec<Effect> {
    match &statement.kind {
        StatementKind::Unreadable(why) => vec![Effect::Opaque { why: why.clone() }],
        StatementKind::ClientCommand => client::read(&statement.text),
        StatementKind::Sql | StatementKind::CopyFromStdin => {
            let (mut effects, explained) = read_sql(&statement.text, 0);
            if let Some(why) = tripwire::unexplained(&statement.text, &effects, explained) {
                effects.push(Effect::Opaque { why });
            }
            effects
        }
    }
}

fn read_sql(text: &str, depth: usize) -> (Vec<Effect>, Explained) {
    if depth > MAX_INNER {
        let why = "it wraps too many statements in one another".to_owned();
        return (vec![Effect::Opaque { why }], Explained::all());
    }
    let first = first_word(text);
    if QUERIES.contains(&first.as_str()) || first.starts_with('(') {
        return read_query(text);
    }
    match utility::read(text) {
        Some(Head::Effects(effects)) => (effects, Explained::default()),
        Some(Head::Inner(inner)) => read_sql(inner, depth + 1),
        Some(Head::Query(mut effects, sql)) => {
            let (found, explained) = read_query(sql);
            effects.extend(found);
            (effects, explained)
        }
        None => (vec![Effect::Opaque { why: unknown(&first) }], Explained::all()),
    }
}

fn read_query(text: &str) -> (Vec<Effect>, Explained) {
    let (mut effects, explained) = read_statement(text);
    effects.extend(copy::of_insert(text));
    (effects, explained)
}

fn read_statement(text: &str) -> (Vec<Effect>, Explained) {
    query::read(text).or_else(|| query::read_by_words(text)).unwrap_or_else(|| {
        (vec![Effect::Opaque { why: unknown(&first_word(text)) }], Explained::all())
    })
}

fn unknown(first: &str) -> String {
    let is_word = first.bytes().all(|byte| byte.is_ascii_alphabetic()) && !first.is_empty();
    if is_word {
        format!("this {} could not be parsed", first.to_ascii_uppercase())
    } else {
        "it could not be parsed".to_owned()
    }
}

fn first_word(text: &str) -> String {
    use crate::sql::lexer::{Lexer, Token};

    let token = Lexer::new(text).find(Token::is_significant);
    token.map_or_else(String::new, |token| token.span.of(text).to_ascii_lowercase())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
