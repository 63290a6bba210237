//! A statement into its effects.

use super::tokens::Tokens;
use super::tripwire::{self, Explained};
use super::utility::{self, Head};
use super::{Effect, body, clear, client, copy, insert, query};
use crate::sql::{Statement, StatementKind, too_much};

/// Statements within statements (EXPLAIN ANALYZE EXPLAIN …) are read this deep.
const MAX_INNER: usize = 4;

/// Of a text longer than this, the rows of an INSERT are left out, and its tokens are counted before
/// they are kept.
const LONG: usize = 16 * 1024;

/// A longer word at the start of a statement is not repeated.
const LONGEST_WORD: usize = 20;

/// Words that start what sqlparser reads.
const QUERIES: [&str; 8] =
    ["select", "with", "values", "table", "insert", "update", "delete", "merge"];

/// What a statement does to data. An empty list means that it is known to destroy nothing.
pub fn read(statement: &Statement) -> Vec<Effect> {
    read_statement(statement, 0)
}

/// Reads a statement of a body that is this deep inside others.
pub(super) fn read_statement(statement: &Statement, depth: usize) -> Vec<Effect> {
    match &statement.kind {
        StatementKind::Unreadable(why) => vec![Effect::Opaque { why: why.clone() }],
        StatementKind::ClientCommand => client::read(&statement.text),
        StatementKind::Sql | StatementKind::CopyFromStdin => read_text(&statement.text, depth),
    }
}

/// Reads the text of one statement, which needs no semicolon.
pub(super) fn read_text(text: &str, depth: usize) -> Vec<Effect> {
    if text.len() > LONG {
        return read_long(text, depth);
    }
    read_tokens(&Tokens::new(text), depth)
}

/// A long one without the rows of its INSERT, and only then its tokens one by one.
fn read_long(text: &str, depth: usize) -> Vec<Effect> {
    let shortened = insert::shorten(text);
    let (text, mut effects) = shortened.as_ref().map_or((text, Vec::new()), |shortened| {
        (shortened.text.as_str(), shortened.effects.clone())
    });
    if let Some(why) = too_much(text) {
        effects.push(Effect::Opaque { why });
    } else {
        effects.extend(read_tokens(&Tokens::new(text), depth));
    }
    effects
}

fn read_tokens(tokens: &Tokens<'_>, depth: usize) -> Vec<Effect> {
    let (mut effects, explained) = read_sql(tokens, depth);
    if let Some(why) = tripwire::unexplained(tokens, &effects, explained) {
        effects.push(Effect::Opaque { why });
    }
    effects
}

fn read_sql(tokens: &Tokens<'_>, depth: usize) -> (Vec<Effect>, Explained) {
    if depth > MAX_INNER {
        let why = "it wraps too many statements in one another".to_owned();
        return (vec![Effect::Opaque { why }], Explained::all());
    }
    if tokens.is_any(0, &QUERIES) || tokens.is_symbol(0, b'(') {
        return read_query(tokens);
    }
    let opaque = || (vec![Effect::Opaque { why: unknown(tokens) }], Explained::all());
    match utility::read(tokens) {
        Some(Head::Effects(effects)) => (effects, Explained::default()),
        Some(Head::Inner(inner)) => read_sql(&inner, depth + 1),
        Some(Head::Query(mut effects, query)) => {
            let (found, explained) = read_query(&query);
            effects.extend(found);
            (effects, explained)
        }
        Some(Head::Do(tokens)) => (body::read_do(&tokens, depth), Explained::all()),
        Some(Head::Routine(mut tokens)) => match body::read_routine(&mut tokens, depth) {
            Some(effect) => (vec![effect], Explained::all()),
            None => opaque(),
        },
        Some(Head::Prepare(name, inner)) => {
            let effects = read_tokens(&inner, depth + 1);
            let is_opaque = |effect: &Effect| matches!(effect, Effect::Opaque { .. });
            if effects.iter().any(is_opaque) {
                return (effects, Explained::all());
            }
            (vec![Effect::Prepares { name, effects }], Explained::all())
        }
        None => opaque(),
    }
}

fn read_query(tokens: &Tokens<'_>) -> (Vec<Effect>, Explained) {
    let (mut effects, explained) = read_query_alone(tokens);
    effects.extend(copy::of_insert(tokens));
    (effects, explained)
}

fn read_query_alone(tokens: &Tokens<'_>) -> (Vec<Effect>, Explained) {
    if clear::destroys_nothing(tokens) {
        return (insert::into(tokens).into_iter().collect(), Explained::default());
    }
    let read = query::read(tokens);
    read.unwrap_or_else(|| (vec![Effect::Opaque { why: unknown(tokens) }], Explained::all()))
}

fn unknown(tokens: &Tokens<'_>) -> String {
    let first = tokens.text(0);
    let is_word = tokens.is_word(0, first) && first.len() <= LONGEST_WORD;
    if is_word && first.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        format!("this {} could not be parsed", first.to_ascii_uppercase())
    } else {
        "it could not be parsed".to_owned()
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
