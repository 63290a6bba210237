//! Queries and INSERTs that a look at their words clears, so that no tree needs to be built.
//!
//! Nothing is cleared by guessing: any word that could start a statement within, and any name
//! before a parenthesis that is not known to be harmless, leaves it to the grammars.

use super::calls;
use super::tokens::Tokens;
use crate::sql::lexer::{Token, TokenKind};

/// Heads of the queries that are looked at.
const HEADS: [&str; 5] = ["select", "values", "table", "with", "insert"];

/// Words that stand before a parenthesis and cannot be called.
const BEFORE_PARENTHESIS: [&str; 45] = [
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "bit",
    "case",
    "char",
    "character",
    "cross",
    "dec",
    "decimal",
    "default",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "float",
    "from",
    "having",
    "ilike",
    "in",
    "intersect",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "not",
    "numeric",
    "offset",
    "on",
    "or",
    "returning",
    "select",
    "some",
    "then",
    "union",
    "using",
    "values",
    "varchar",
    "when",
    "where",
];

/// Words that can be called, but are not behind the token that stands with them.
const BEHIND: [(&str, &str); 6] = [
    ("by", "group"),
    ("by", "order"),
    ("by", "partition"),
    ("conflict", "on"),
    ("filter", ")"),
    ("over", ")"),
];

/// Whether nothing in it could destroy.
pub(super) fn destroys_nothing(tokens: &Tokens<'_>) -> bool {
    if !tokens.is_any(0, &HEADS) {
        return false;
    }
    let is_insert = tokens.is_word(0, "insert");
    let mut rest = tokens.clone();
    if is_insert && !step_over_target(&mut rest) {
        return false;
    }
    // A value that a VALUES list computes is not called for its own sake.
    let computes = is_insert && (rest.is_word(0, "values") || rest.is_word(0, "default"));
    let (text, left) = rest.left();
    let mut depth = 0_usize;
    for (index, token) in left.iter().enumerate() {
        match token.kind {
            TokenKind::Symbol(b'(') => {
                depth += 1;
                if !is_harmless_before(text, &left[..index], computes) {
                    return false;
                }
            }
            TokenKind::Symbol(b')') => {
                let Some(outer) = depth.checked_sub(1) else { return false };
                depth = outer;
            }
            TokenKind::Word if is_suspect(token.span.of(text)) => return false,
            _ => {}
        }
    }
    depth == 0
}

/// `INSERT INTO table [AS alias] [(columns)]`.
fn step_over_target(tokens: &mut Tokens<'_>) -> bool {
    if !tokens.eat(&["insert", "into"]) || tokens.qualified().is_none() {
        return false;
    }
    if tokens.eat(&["as"]) && tokens.name().is_none() {
        return false;
    }
    tokens.eat_group();
    tokens.is_any(0, &["values", "default", "select", "with", "overriding"])
        || tokens.is_symbol(0, b'(')
}

fn is_suspect(word: &str) -> bool {
    const SUSPECT: [&str; 5] = ["into", "delete", "update", "merge", "insert"];
    matches!(word.len(), 4..=6) && SUSPECT.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Whether what stands before a parenthesis is no call that could do anything.
fn is_harmless_before(text: &str, before: &[Token], computes: bool) -> bool {
    const LONGEST: usize = 64;
    let Some((last, before)) = before.split_last() else { return true };
    let is_qualified = before.last().is_some_and(|token| token.kind == TokenKind::Symbol(b'.'));
    match last.kind {
        TokenKind::QuotedName => false,
        TokenKind::Word if is_qualified => false,
        TokenKind::Word => {
            let word = last.span.of(text);
            let mut buffer = [0; LONGEST];
            let Some(lower) = buffer.get_mut(..word.len()) else { return false };
            lower.copy_from_slice(word.as_bytes());
            lower.make_ascii_lowercase();
            std::str::from_utf8(lower).is_ok_and(|lower| {
                let previous = before.last().map_or("", |token| token.span.of(text));
                BEFORE_PARENTHESIS.contains(&lower)
                    || calls::is_harmless(lower, computes)
                    || BEHIND.iter().any(|(word, behind)| {
                        *word == lower && previous.eq_ignore_ascii_case(behind)
                    })
            })
        }
        _ => true,
    }
}
