//! Code inside a statement: DO blocks and the actions of rules. A body is cleared only when nothing
//! in it, strings included, could destroy; what it does otherwise is not guessed.

use std::collections::HashSet;

use super::tokens::Tokens;
use super::{Effect, calls};
use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::text::QualifiedName;

/// Words that keep a body from being cleared.
const SUSPECT: [&str; 14] = [
    "drop", "truncate", "delete", "update", "merge", "detach", "reassign", "revoke", "call",
    "execute", "perform", "unlogged", "inherit", "copy",
];

/// Words that stand before a parenthesis without being called.
const BEFORE_PARENTHESIS: [&str; 50] = [
    "and",
    "any",
    "all",
    "array",
    "as",
    "between",
    "by",
    "case",
    "char",
    "character",
    "check",
    "column",
    "conflict",
    "constraint",
    "default",
    "distinct",
    "else",
    "elsif",
    "end",
    "enum",
    "exists",
    "filter",
    "foreign",
    "from",
    "if",
    "in",
    "include",
    "index",
    "is",
    "key",
    "like",
    "numeric",
    "decimal",
    "on",
    "or",
    "over",
    "range",
    "references",
    "return",
    "returning",
    "select",
    "set",
    "then",
    "unique",
    "using",
    "values",
    "varchar",
    "when",
    "where",
    "with",
];

/// Words behind which a name is a table's or a type's, not a function's.
const BEFORE_NAME: [&str; 6] = ["into", "table", "exists", "references", "on", "index"];

/// Reads what follows DO.
pub(super) fn read_do(tokens: &mut Tokens<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut has_body = false;
    while let Some(token) = tokens.token(0) {
        if let TokenKind::String(_) = token.kind {
            has_body = true;
            effects.extend(read_body(inner(tokens.text(0)), "a DO block"));
        }
        tokens.skip();
    }
    if !has_body {
        let why = "its DO block has no body that could be read".to_owned();
        effects.push(Effect::Opaque { why });
    }
    effects
}

/// Reads what follows CREATE RULE: from then on others' statements do what it says.
pub(super) fn read_rule(tokens: &mut Tokens<'_>) -> Vec<Effect> {
    tokens.find(&["do"]);
    let words = suspects(tokens.rest());
    if words.is_empty() {
        return Vec::new();
    }
    let why = format!("its rule makes other statements {}", words.join(", ").to_uppercase());
    vec![Effect::Opaque { why }]
}

fn inner(literal: &str) -> &str {
    match literal.strip_prefix('$').and_then(|rest| rest.find('$')) {
        Some(tag) => literal.get(tag + 2..literal.len() - tag - 2).unwrap_or(literal),
        None => literal,
    }
}

fn read_body(body: &str, what: &str) -> Vec<Effect> {
    let found = suspects(body);
    if !found.is_empty() {
        let words = found.join(", ").to_uppercase();
        return vec![Effect::Opaque { why: format!("{what} with {words} in it is not read") }];
    }
    unknown_calls(body)
}

/// The suspect words of a body; those in its strings and comments count, for it may run them.
fn suspects(body: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let words = body.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut previous = String::new();
    let mut alters = false;
    for word in words {
        let word = word.to_ascii_lowercase();
        if word.is_empty() {
            continue;
        }
        alters |= word == "alter";
        let is_retyping = alters
            && matches!(&*word, "type" | "expression")
            && previous != "alter"
            && previous != "create";
        let is_locking = word == "update" && matches!(&*previous, "for" | "key");
        let is_suspect = SUSPECT.contains(&word.as_str()) || LO.contains(&word.as_str());
        if (is_suspect && !is_locking || is_retyping) && !found.contains(&word) {
            found.push(word.clone());
        }
        previous = word;
    }
    found
}

const LO: [&str; 5] = calls::LARGE_OBJECT_CALLS;

fn unknown_calls(body: &str) -> Vec<Effect> {
    let tokens: Vec<Token> = Lexer::new(body).filter(Token::is_significant).collect();
    let lower = |index: usize| tokens[index].span.of(body).to_ascii_lowercase();
    let mut effects = Vec::new();
    let mut called = HashSet::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        if !matches!(pair[0].kind, TokenKind::Word | TokenKind::QuotedName)
            || pair[1].kind != TokenKind::Symbol(b'(')
        {
            continue;
        }
        let word = lower(index).trim_matches('"').to_owned();
        let mut first = index;
        let schema = (index >= 2 && tokens[index - 1].kind == TokenKind::Symbol(b'.')).then(|| {
            first = index - 2;
            lower(first).trim_matches('"').to_owned()
        });
        let names_table = first > 0 && BEFORE_NAME.contains(&lower(first - 1).as_str());
        let name = QualifiedName { schema, name: word };
        if names_table || BEFORE_PARENTHESIS.contains(&name.name.as_str()) {
            continue;
        }
        if let Some(effect) = calls::read(&name, true)
            && called.insert(name)
        {
            effects.push(effect);
        }
    }
    effects
}
