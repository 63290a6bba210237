//! Code inside a statement: DO blocks, functions and procedures, the actions of rules.
//!
//! Every piece of a body is accounted for: SQL is read like a statement of its own, SQL that is
//! built from constants too, and what is only computed must hold no word that destroys. Statements
//! under a condition count as done, but what they create is no proof behind the condition.

mod dynamic;
mod plpgsql;

use std::collections::HashSet;

use self::dynamic::{Variables, decode};
use self::plpgsql::Piece;
use super::tokens::Tokens;
use super::{Effect, calls, read};
use crate::sql::lexer::TokenKind;
use crate::text::QualifiedName;

/// More texts than that, built and run by one body, are not read.
const MAX_TEXTS: usize = 1_000;

/// Words that have no business in something that is only computed.
const SUSPECT: [&str; 13] = [
    "drop", "truncate", "delete", "update", "merge", "insert", "alter", "detach", "revoke", "call",
    "execute", "perform", "copy",
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
pub(super) fn read_do(tokens: &Tokens<'_>, depth: usize) -> Vec<Effect> {
    match routine_body(tokens.clone()) {
        Some(Body::Code { language, text }) if matches!(&*language, "" | "plpgsql") => {
            read_plpgsql(&text, depth)
        }
        Some(Body::Code { language, .. }) => opaque(format!("its DO block is {language}")),
        _ => opaque("its DO block has no body that could be read".to_owned()),
    }
}

/// Reads what follows CREATE FUNCTION or PROCEDURE: what a call will do.
pub(super) fn read_routine(tokens: &mut Tokens<'_>, depth: usize) -> Option<Effect> {
    let name = tokens.qualified()?;
    let start = tokens.clone();
    if !tokens.eat_group() {
        return None;
    }
    let parameters = start.up_to(tokens).to_ascii_lowercase();
    let effects = match routine_body(tokens.clone()) {
        Some(Body::Code { language, text }) if language == "plpgsql" => read_plpgsql(&text, depth),
        Some(Body::Code { language, text }) if matches!(&*language, "" | "sql") => {
            read_sql(&text, depth)
        }
        Some(Body::Sql(text)) => read_sql(text, depth),
        // Whoever calls it calls something unknown.
        _ => vec![Effect::CallsFunction { name: name.clone() }],
    };
    Some(Effect::DefinesFunction { name, parameters, effects })
}

/// Reads what follows CREATE RULE: from then on others' statements do what it says.
pub(super) fn read_rule(tokens: &mut Tokens<'_>) -> Vec<Effect> {
    const CHANGES: [&str; 4] = ["delete", "update", "merge", "truncate"];
    tokens.find(&["do"]);
    let mut words: Vec<&str> = Vec::new();
    while !tokens.is_done() {
        words.extend(CHANGES.iter().filter(|word| tokens.is_word(0, word)));
        tokens.skip();
    }
    words.dedup();
    if words.is_empty() {
        return Vec::new();
    }
    opaque(format!("its rule makes other statements {}", words.join(", ").to_uppercase()))
}

/// The PL/pgSQL of a function's definition.
pub(super) fn routine_code(definition: &str) -> Option<String> {
    let mut tokens = Tokens::new(definition);
    tokens.find(&["function"]);
    tokens.skip();
    tokens.qualified()?;
    tokens.eat_group();
    match routine_body(tokens)? {
        Body::Code { language, text } if language == "plpgsql" => Some(text),
        _ => None,
    }
}

/// What a rule does in place of a statement or beside it, from its definition as
/// `pg_get_ruledef` gives it; nothing, where it does NOTHING.
pub fn rule_actions(definition: &str) -> Vec<Effect> {
    let mut tokens = Tokens::new(definition.trim().trim_end_matches(';'));
    if tokens.trouble().is_some() || !tokens.find(&["do"]) {
        return opaque("its actions could not be read".to_owned());
    }
    tokens.skip();
    let _ = tokens.eat(&["instead"]) || tokens.eat(&["also"]);
    if tokens.is_word(0, "nothing") {
        return Vec::new();
    }
    let inside = if tokens.is_symbol(0, b'(') { tokens.clone().inside() } else { None };
    let text = inside.map_or_else(|| tokens.rest().to_owned(), |inside| inside.rest().to_owned());
    crate::sql::split(&text).iter().flat_map(|action| read::read_statement(action, 1)).collect()
}

fn opaque(why: String) -> Vec<Effect> {
    vec![Effect::Opaque { why }]
}

enum Body<'a> {
    Code {
        language: String,
        text: String,
    },
    /// `BEGIN ATOMIC … END` or `RETURN …`.
    Sql(&'a str),
}

/// The body among the clauses of a routine or of DO.
fn routine_body(mut tokens: Tokens<'_>) -> Option<Body<'_>> {
    let mut language = None;
    let mut text = None;
    let is_do = !tokens.clone().find(&["as"]);
    while !tokens.is_done() {
        if tokens.eat(&["language"]) {
            let token = tokens.token(0)?;
            language = tokens.name().or_else(|| decode(tokens.text(0), token.kind));
            if matches!(token.kind, TokenKind::String(_)) {
                tokens.skip();
            }
            continue;
        }
        if tokens.eat(&["begin", "atomic"]) {
            let body = tokens.rest();
            return Some(Body::Sql(body.get(..body.len().checked_sub("end".len())?)?));
        }
        if tokens.is_word(0, "return") {
            return Some(Body::Sql(tokens.rest()));
        }
        if (tokens.eat(&["as"]) || is_do)
            && let Some(token) = tokens.token(0)
        {
            text = text.or(decode(tokens.text(0), token.kind));
        }
        if !tokens.eat_group() {
            tokens.skip();
        }
    }
    let language = language.unwrap_or_default().to_ascii_lowercase();
    Some(Body::Code { language, text: text? })
}

/// The body of an SQL function: statements one after the other.
fn read_sql(text: &str, depth: usize) -> Vec<Effect> {
    let mut effects = Vec::new();
    for statement in crate::sql::split(text) {
        let mut tokens = Tokens::new(&statement.text);
        if tokens.eat(&["return"]) {
            effects.extend(read::read_text(&format!("SELECT {}", tokens.rest()), depth + 1));
        } else {
            effects.extend(read::read_statement(&statement, depth + 1));
        }
    }
    effects
}

fn read_plpgsql(body: &str, depth: usize) -> Vec<Effect> {
    let tokens = Tokens::new(body);
    if let Some(why) = tokens.trouble() {
        return opaque(format!("its body could not be read: {why}"));
    }
    let pieces = plpgsql::pieces(tokens);
    let mut variables = Variables::default();
    for piece in &pieces {
        match piece {
            Piece::Declare(name) => variables.declare(name),
            Piece::Assign(name, value) => variables.assign(name, value.clone()),
            Piece::Each(name, values) => variables.each(name, values.clone()),
            Piece::Receive(name) => variables.receive(name),
            _ => {}
        }
    }
    let mut reader = Reader {
        variables,
        depth,
        effects: Vec::new(),
        called: HashSet::new(),
        texts_left: MAX_TEXTS,
        births: Vec::new(),
        renames: 0,
        branches: vec![Branch { always: true, births: 0, renames: 0 }],
    };
    for piece in &pieces {
        reader.piece(piece);
    }
    while let Some(branch) = reader.branches.pop() {
        reader.close(&branch);
    }
    reader.effects
}

struct Reader<'a> {
    variables: Variables<'a>,
    depth: usize,
    effects: Vec<Effect>,
    called: HashSet<QualifiedName>,
    /// How many more built texts are read.
    texts_left: usize,
    /// What was made so far and is sure to be there.
    births: Vec<Effect>,
    renames: usize,
    branches: Vec<Branch>,
}

/// Statements that run together or not at all.
struct Branch {
    always: bool,
    /// How many births and renames came before it.
    births: usize,
    renames: usize,
}

impl<'a> Reader<'a> {
    fn piece(&mut self, piece: &Piece<'a>) {
        match piece {
            Piece::Sql(text) => {
                for effect in read::read_text(text, self.depth + 1) {
                    self.take(effect);
                }
            }
            Piece::Execute(text) => self.execute(text),
            Piece::Expression(tokens) | Piece::Assign(_, tokens) | Piece::Each(_, tokens) => {
                self.expression(tokens);
            }
            Piece::Words(tokens) => self.words(tokens),
            Piece::Declare(_) | Piece::Receive(_) => {}
            Piece::Enter { always } => {
                self.enter(*always);
            }
            Piece::Branch => {
                self.leave(false);
                self.enter(false);
            }
            Piece::Leave => self.leave(true),
            Piece::Jump => self.branches.iter_mut().for_each(|branch| branch.always = false),
            Piece::Unknown(what) => {
                let why = format!("{what} in its body could not be read");
                self.effects.push(Effect::Opaque { why });
            }
        }
    }

    fn enter(&mut self, always: bool) {
        let (births, renames) = (self.births.len(), self.renames);
        self.branches.push(Branch { always, births, renames });
    }

    fn leave(&mut self, is_end: bool) {
        // The outermost one is the body itself.
        if self.branches.len() < 2 {
            return;
        }
        if let Some(branch) = self.branches.pop() {
            // An exception undoes what its block made.
            self.close(&Branch { always: branch.always && is_end, ..branch });
        }
    }

    /// What was made in a branch that may not have run is no newborn behind it.
    fn close(&mut self, branch: &Branch) {
        if branch.always {
            return;
        }
        let births = self.births.split_off(branch.births.min(self.births.len()));
        if std::mem::replace(&mut self.renames, branch.renames) > branch.renames {
            let why = "a rename under a condition".to_owned();
            self.effects.push(Effect::NamesMoved { why });
        } else if !births.is_empty() {
            self.effects.push(Effect::PerhapsOlder { births });
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::CreateTable { .. }
            | Effect::CreateSchema { .. }
            | Effect::CreateType { .. }
            | Effect::AddColumn { .. }
            | Effect::DefinesFunction { .. } => self.births.push(effect.clone()),
            Effect::RenameTable { .. }
            | Effect::RenameColumn { .. }
            | Effect::RenameType { .. } => self.renames += 1,
            _ => {}
        }
        self.effects.push(effect);
    }

    fn words(&mut self, tokens: &Tokens<'_>) {
        if let Some(word) = suspect(tokens) {
            let why = format!("{word} in its body is not explained by what was read of it");
            self.effects.push(Effect::Opaque { why });
        }
    }

    fn expression(&mut self, tokens: &Tokens<'_>) {
        self.words(tokens);
        for effect in unknown_calls(tokens) {
            let is_new = match &effect {
                Effect::CallsFunction { name } => self.called.insert(name.clone()),
                _ => true,
            };
            if is_new {
                self.effects.push(effect);
            }
        }
    }

    /// The text is read where it is constant, or where only names and values in it are not.
    fn execute(&mut self, text: &Tokens<'a>) {
        self.expression(text);
        for built in self.variables.texts(text) {
            let Some(left) = self.texts_left.checked_sub(1) else {
                let why = "its body builds too many statements to be followed".to_owned();
                self.effects.push(Effect::Opaque { why });
                return;
            };
            self.texts_left = left;
            let Some(sql) = built.sql() else {
                self.effects.push(Effect::DynamicSql { why: built.why() });
                continue;
            };
            for statement in crate::sql::split(&sql) {
                for effect in read::read_statement(&statement, self.depth + 1) {
                    let is_known = !built.taints(&format!("{effect:?}"));
                    let effect = if is_known { Some(effect) } else { tainted(&effect, &built) };
                    if let Some(effect) = effect {
                        self.take(effect);
                    }
                }
            }
        }
    }
}

/// What an effect on an unknown name comes to: nothing, where it only adds.
fn tainted(effect: &Effect, built: &dynamic::Built) -> Option<Effect> {
    match effect {
        Effect::CreateTable { .. }
        | Effect::CreateSchema { .. }
        | Effect::CreateType { .. }
        | Effect::Insert { .. }
        | Effect::Fill { .. }
        | Effect::AddColumn { .. } => None,
        Effect::RenameTable { .. }
        | Effect::RenameColumn { .. }
        | Effect::RenameType { .. }
        | Effect::AttachPartition { .. }
        | Effect::DefinesFunction { .. }
        | Effect::PerhapsOlder { .. } => {
            Some(Effect::NamesMoved { why: "a name that is built at run time".to_owned() })
        }
        _ => Some(Effect::DynamicSql { why: built.why() }),
    }
}

/// A word in something that is only computed that has no business there.
fn suspect(tokens: &Tokens<'_>) -> Option<String> {
    let mut tokens = tokens.clone();
    let mut previous = "";
    while let Some(token) = tokens.token(0) {
        let text = tokens.text(0);
        let is_part = previous == "." || tokens.is_symbol(1, b'.');
        let locks = text.eq_ignore_ascii_case("update")
            && (previous.eq_ignore_ascii_case("for") || previous.eq_ignore_ascii_case("key"));
        if token.kind == TokenKind::Word && !is_part && !locks && tokens.is_any(0, &SUSPECT) {
            return Some(text.to_ascii_uppercase());
        }
        previous = text;
        tokens.skip();
    }
    None
}

/// The functions that are called in it, as far as names before a parenthesis tell.
fn unknown_calls(tokens: &Tokens<'_>) -> Vec<Effect> {
    let mut tokens = tokens.clone();
    let mut effects = Vec::new();
    let mut previous = "";
    while !tokens.is_done() {
        let mut behind = tokens.clone();
        let Some(name) = behind.qualified() else {
            previous = tokens.text(0);
            tokens.skip();
            continue;
        };
        let is_call = behind.is_symbol(0, b'(')
            && previous != "::"
            && !BEFORE_NAME.iter().any(|word| previous.eq_ignore_ascii_case(word))
            && (name.schema.is_some() || !BEFORE_PARENTHESIS.contains(&name.name.as_str()));
        if is_call {
            effects.extend(calls::read(&name, true));
        }
        previous = tokens.up_to(&behind);
        tokens = behind;
    }
    effects
}

#[cfg(test)]
mod tests;
