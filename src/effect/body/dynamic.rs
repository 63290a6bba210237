//! SQL that PL/pgSQL builds and runs: what of it is constant, and which names are not.

use std::collections::HashMap;

use crate::effect::tokens::Tokens;
use crate::sql::lexer::{StringKind, TokenKind};
use crate::text::name::{quote, quote_literal};

/// Variables that hold variables that hold …
const MAX_DEPTH: usize = 8;
/// More texts than that are not told apart.
const MAX_TEXTS: usize = 64;

/// A text of which some parts are known only when it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Built {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// As it stands.
    Known(String),
    /// One quoted name (`%I`, `quote_ident`, `::regclass`).
    Name(String),
    /// One constant (`%L`, `quote_literal`).
    Value(String),
    /// Anything at all.
    Any(String),
}

impl Built {
    fn known(text: String) -> Self {
        Self { parts: vec![Part::Known(text)] }
    }

    fn any(what: &Tokens<'_>) -> Self {
        Self { parts: vec![Part::Any(what.rest().to_owned())] }
    }

    fn append(&mut self, other: &Self) {
        for part in &other.parts {
            match (self.parts.last_mut(), part) {
                (Some(Part::Known(text)), Part::Known(more)) => text.push_str(more),
                _ => self.parts.push(part.clone()),
            }
        }
    }

    /// The whole text, where all of it is constant.
    fn constant(&self) -> Option<String> {
        let known = |part: &Part| match part {
            Part::Known(text) => Some(text.clone()),
            _ => None,
        };
        self.parts.iter().map(known).collect()
    }

    /// The text with a name that cannot be mistaken for another in place of every unknown one;
    /// `None` where more than names and values is unknown.
    pub(super) fn sql(&self) -> Option<String> {
        let text = |part: &Part| match part {
            Part::Known(text) => Some(text.clone()),
            Part::Name(what) => Some(quote(&placeholder(what))),
            Part::Value(_) => Some("$1".to_owned()),
            Part::Any(_) => None,
        };
        self.parts.iter().map(text).collect()
    }

    /// Whether something read from `sql` depends on an unknown name.
    pub(super) fn taints(&self, read: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Name(what) => read.contains(&placeholder(what).escape_debug().to_string()),
            _ => false,
        })
    }

    /// The text as people read it, and what in it is not constant.
    pub(super) fn why(&self) -> String {
        let mut unknown: Vec<&str> = Vec::new();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Known(known) => text.push_str(known),
                Part::Name(what) | Part::Value(what) | Part::Any(what) => {
                    text.push_str(&placeholder(what));
                    if !unknown.contains(&what.as_str()) {
                        unknown.push(what);
                    }
                }
            }
        }
        let names: Vec<String> = unknown.iter().map(|name| format!("`{}`", shown(name))).collect();
        let (names, is) = (names.join(", "), if names.len() == 1 { "is" } else { "are" });
        let constant = if names.contains(", ") { "constant" } else { "a constant" };
        if matches!(self.parts.as_slice(), [Part::Any(_)]) {
            return format!("EXECUTE of {names}, which is not a constant");
        }
        format!("`{}`, where {names} {is} not {constant}", shown(&text))
    }
}

fn placeholder(what: &str) -> String {
    format!("{{{what}}}")
}

/// On one line, and not too long for a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.floor_char_boundary(LONGEST);
    if end < line.len() { format!("{} …", &line[..end]) } else { line }
}

/// What the variables of a body may hold, whichever way it takes.
#[derive(Default)]
pub(super) struct Variables<'a> {
    held: HashMap<String, Held<'a>>,
}

#[derive(Default)]
struct Held<'a> {
    /// A parameter that was never declared holds what the caller gives.
    declared: bool,
    unknown: bool,
    values: Vec<Tokens<'a>>,
    lists: Vec<Tokens<'a>>,
}

impl<'a> Variables<'a> {
    pub(super) fn declare(&mut self, name: &str) {
        self.held.entry(name.to_owned()).or_default().declared = true;
    }

    pub(super) fn receive(&mut self, name: &str) {
        self.held.entry(name.to_owned()).or_default().unknown = true;
    }

    pub(super) fn assign(&mut self, name: &str, value: Tokens<'a>) {
        self.held.entry(name.to_owned()).or_default().values.push(value);
    }

    pub(super) fn each(&mut self, name: &str, values: Tokens<'a>) {
        self.held.entry(name.to_owned()).or_default().lists.push(values);
    }

    /// Every text that this may be.
    pub(super) fn texts(&self, expression: &Tokens<'a>) -> Vec<Built> {
        self.fold(expression.clone(), 0)
    }

    fn fold(&self, mut tokens: Tokens<'a>, depth: usize) -> Vec<Built> {
        let whole = tokens.clone();
        let mut texts = vec![Built::default()];
        while !tokens.is_done() {
            let operand = tokens.until(|tokens| tokens.text(0) == "||");
            tokens.skip();
            let all = self.operand(&operand, depth);
            texts = joined(texts, &all).unwrap_or_else(|| vec![Built::any(&whole)]);
        }
        texts
    }

    fn operand(&self, operand: &Tokens<'a>, depth: usize) -> Vec<Built> {
        let mut tokens = operand.clone();
        let texts = self.primary(&mut tokens, depth);
        let mut is_name = false;
        let mut is_number = false;
        while tokens.text(0) == "::" {
            tokens.skip();
            is_name |= tokens.is_any(0, &["regclass", "regtype", "regproc", "regprocedure"]);
            is_number |= tokens.is_any(0, &["int", "integer", "bigint", "smallint"]);
            if tokens.qualified().is_none() {
                break;
            }
            tokens.eat_group();
        }
        let what = || operand.rest().to_owned();
        match texts.filter(|_| tokens.is_done()) {
            Some(texts) if texts.iter().all(|text| text.constant().is_some()) => texts,
            _ if !tokens.is_done() => vec![Built::any(operand)],
            _ if is_name => vec![Built { parts: vec![Part::Name(what())] }],
            _ if is_number => vec![Built { parts: vec![Part::Value(what())] }],
            Some(texts) => texts,
            None => vec![Built::any(operand)],
        }
    }

    /// A constant, a variable, a call or a group; `None` is something known only at run time.
    fn primary(&self, tokens: &mut Tokens<'a>, depth: usize) -> Option<Vec<Built>> {
        let token = tokens.token(0)?;
        if let TokenKind::String(_) = token.kind {
            let text = decode(tokens.text(0), token.kind);
            tokens.skip();
            return text.map(|text| vec![Built::known(text)]);
        }
        if token.kind == TokenKind::Number {
            let text = tokens.text(0).to_owned();
            tokens.skip();
            return Some(vec![Built::known(text)]);
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let start = tokens.clone();
        if tokens.eat_group() {
            return start.up_to_tokens(tokens).inside().map(|inner| self.fold(inner, depth + 1));
        }
        let name = tokens.qualified()?;
        let arguments = tokens.clone();
        if tokens.eat_group() {
            let inner = arguments.up_to_tokens(tokens).inside()?;
            return self.call(&name.name, inner, depth);
        }
        let held = self.held.get(&name.name).filter(|_| name.schema.is_none())?;
        let is_known = !held.unknown && (held.declared || !held.lists.is_empty());
        if !is_known || held.values.len() + held.lists.len() > MAX_TEXTS {
            return None;
        }
        let mut texts = Vec::new();
        for value in &held.values {
            if texts.len() > MAX_TEXTS {
                return None;
            }
            // `sql := sql || …` grows with every round.
            if value.mentions(&name.name) {
                return None;
            }
            texts.extend(self.fold(value.clone(), depth + 1));
        }
        for list in &held.lists {
            texts.extend(self.elements(list, depth + 1)?);
        }
        (!texts.is_empty() && texts.len() <= MAX_TEXTS).then_some(texts)
    }

    /// The elements of `ARRAY['a', 'b']`, or of a variable that holds one.
    fn elements(&self, list: &Tokens<'a>, depth: usize) -> Option<Vec<Built>> {
        let mut tokens = list.clone();
        if tokens.eat(&["array"]) && tokens.eat_symbol(b'[') {
            let inner = tokens.until(|tokens| tokens.is_symbol(0, b']'));
            let elements = inner.split_at_commas().into_iter();
            return Some(elements.flat_map(|element| self.fold(element, depth)).collect());
        }
        let held = self.held.get(&tokens.name()?).filter(|held| held.declared && !held.unknown)?;
        let is_read = tokens.is_done() && depth <= MAX_DEPTH && held.lists.is_empty();
        if !is_read {
            return None;
        }
        let mut all = Vec::new();
        for value in &held.values {
            all.extend(self.elements(value, depth + 1)?);
        }
        Some(all)
    }

    fn call(&self, name: &str, arguments: Tokens<'a>, depth: usize) -> Option<Vec<Built>> {
        let mut arguments = arguments.split_at_commas().into_iter();
        let what = |argument: &Tokens<'_>| argument.rest().to_owned();
        let one = |unknown: fn(String) -> Part, known: fn(&str) -> String, argument: Tokens<'a>| {
            let unknown = Built { parts: vec![unknown(what(&argument))] };
            let texts = self.fold(argument, depth + 1).into_iter();
            texts
                .map(|text| text.constant().map_or(unknown.clone(), |it| Built::known(known(&it))))
                .collect()
        };
        match name {
            "quote_ident" => Some(one(Part::Name, quote, arguments.next()?)),
            "quote_literal" | "quote_nullable" => {
                Some(one(Part::Value, quote_literal, arguments.next()?))
            }
            "concat" => {
                let mut texts = vec![Built::default()];
                for argument in arguments {
                    texts = joined(texts, &self.fold(argument, depth + 1))?;
                }
                Some(texts)
            }
            "format" => {
                let format = self.fold(arguments.next()?, depth + 1);
                let [format] = format.as_slice() else { return None };
                let arguments: Vec<Tokens<'a>> = arguments.collect();
                self.format(&format.constant()?, &arguments, depth)
            }
            _ => None,
        }
    }

    fn format(&self, format: &str, arguments: &[Tokens<'a>], depth: usize) -> Option<Vec<Built>> {
        let mut texts = vec![Built::default()];
        let mut rest = format;
        let mut next = 0;
        while let Some((before, behind)) = rest.split_once('%') {
            texts = joined(texts, &[Built::known(before.to_owned())])?;
            if let Some(behind) = behind.strip_prefix('%') {
                texts = joined(texts, &[Built::known("%".to_owned())])?;
                rest = behind;
                continue;
            }
            let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
            let behind = match behind[digits..].strip_prefix('$') {
                Some(behind) => {
                    next = behind_number(format, digits, behind)?;
                    behind
                }
                None if digits == 0 => behind,
                None => return None,
            };
            let argument = arguments.get(next)?;
            next += 1;
            if argument.is_word(0, "variadic") {
                return None;
            }
            let texts_of = self.fold(argument.clone(), depth + 1);
            let what = argument.rest().to_owned();
            let filled: Vec<Built> = match behind.bytes().next()? {
                b's' => texts_of,
                b'I' => filled(&texts_of, quote, &Part::Name(what)),
                b'L' => filled(&texts_of, quote_literal, &Part::Value(what)),
                _ => return None,
            };
            texts = joined(texts, &filled)?;
            rest = &behind[1..];
        }
        joined(texts, &[Built::known(rest.to_owned())])
    }
}

/// The index of the argument that `%n$s` names; `behind` is what follows its `$`.
fn behind_number(format: &str, digits: usize, behind: &str) -> Option<usize> {
    let end = format.len() - behind.len() - 1;
    format.get(end - digits..end)?.parse::<usize>().ok()?.checked_sub(1)
}

fn filled(texts: &[Built], known: fn(&str) -> String, unknown: &Part) -> Vec<Built> {
    let fill = |text: &Built| match text.constant() {
        Some(constant) => Built::known(known(&constant)),
        None => Built { parts: vec![unknown.clone()] },
    };
    texts.iter().map(fill).collect()
}

/// Every first text with every second one behind it; `None` where they are too many.
fn joined(mut first: Vec<Built>, second: &[Built]) -> Option<Vec<Built>> {
    if let [only] = second {
        for text in &mut first {
            text.append(only);
        }
        return Some(first);
    }
    if first.len() * second.len() > MAX_TEXTS {
        return None;
    }
    let with_each = |text: Built| {
        second.iter().map(move |other| {
            let mut text = text.clone();
            text.append(other);
            text
        })
    };
    Some(first.into_iter().flat_map(with_each).collect())
}

/// The text that a string constant stands for; `None` where that takes more than undoing quotes.
pub(super) fn decode(literal: &str, kind: TokenKind) -> Option<String> {
    let TokenKind::String(kind) = kind else { return None };
    if kind == StringKind::Dollar {
        let tag = literal[1..].find('$')? + 2;
        return literal.get(tag..literal.len().checked_sub(tag)?).map(str::to_owned);
    }
    if kind == StringKind::Special {
        return None;
    }
    let start = literal.find('\'')? + 1;
    let inner = literal.get(start..literal.len() - 1)?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            // A single quote in the middle ends one part of a string that goes on behind a newline.
            '\'' if characters.next() != Some('\'') => return None,
            '\\' if kind == StringKind::Escape => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                escaped @ ('\\' | '\'' | '"') => text.push(escaped),
                _ => return None,
            },
            other => text.push(other),
        }
    }
    Some(text)
}
