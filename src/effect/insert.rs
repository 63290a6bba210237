//! INSERTs of many rows, which need not be parsed beyond their head and tail.

use super::tokens::Tokens;
use super::{Effect, calls};
use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::text::QualifiedName;

/// An INSERT with only the first of its value lists.
pub(super) struct Shortened {
    pub(super) text: String,
    /// What the calls in its value lists do.
    pub(super) effects: Vec<Effect>,
}

/// The INSERT without most of its rows; `None` where it is something else, or has one at most.
///
/// What is left out can hold calls but no statement, for PostgreSQL allows those at the top only.
pub(super) fn shorten(sql: &str) -> Option<Shortened> {
    if !sql.get(.."insert".len())?.eq_ignore_ascii_case("insert") {
        return None;
    }
    let mut depth = 0_usize;
    let mut in_values = false;
    let mut first_list_end = None;
    let mut tail = sql.len();
    let mut effects = Vec::new();
    let mut word: Option<Token> = None;
    for token in Lexer::new(sql).filter(Token::is_significant) {
        let previous = word.take();
        match token.kind {
            TokenKind::Symbol(b'(') => {
                depth += 1;
                let called = previous.filter(|_| in_values).map(|word| word.span.of(sql));
                effects.extend(called.and_then(harm).filter(|harm| !effects.contains(harm)));
            }
            TokenKind::Symbol(b')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && in_values && first_list_end.is_none() {
                    first_list_end = Some(token.span.end);
                }
            }
            TokenKind::Symbol(b',') if depth == 0 => {}
            TokenKind::Word if depth == 0 && !in_values => {
                in_values = token.span.of(sql).eq_ignore_ascii_case("values");
            }
            _ if depth == 0 && first_list_end.is_some() => {
                tail = token.span.start;
                break;
            }
            TokenKind::Word => word = Some(token),
            _ => {}
        }
    }
    let text = format!("{} {}", &sql[..first_list_end?], &sql[tail..]);
    Some(Shortened { text, effects })
}

/// The table that an INSERT adds rows to.
pub(super) fn into(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    let is_insert = tokens.eat(&["insert", "into"]);
    let table = tokens.qualified().filter(|_| is_insert)?;
    Some(Effect::Insert { table })
}

/// What a call does that computes a value.
fn harm(word: &str) -> Option<Effect> {
    const LONGEST: usize = 32;
    if word.len() > LONGEST {
        return None;
    }
    calls::read(&QualifiedName::bare(word.to_ascii_lowercase()), false)
}
