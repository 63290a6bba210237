//! A cursor over a statement's tokens, for the forms that a few words decide.

use std::rc::Rc;

use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::text::QualifiedName;

/// `database.schema.name`.
const LONGEST_PATH: usize = 3;

const UNBALANCED: &str = "its parentheses do not match";

/// A place among the significant tokens of a statement.
#[derive(Debug, Clone)]
pub(in crate::effect) struct Tokens<'a> {
    text: &'a str,
    /// Shared, because parts of a long statement are looked at one by one.
    all: Rc<Vec<Token>>,
    at: usize,
    end: usize,
}

impl<'a> Tokens<'a> {
    pub(in crate::effect) fn new(text: &'a str) -> Self {
        let mut all = Vec::with_capacity(text.len() / 5 + 8);
        all.extend(Lexer::new(text).filter(Token::is_significant));
        Self { text, at: 0, end: all.len(), all: Rc::new(all) }
    }

    /// Why they can't be cut into parts: one makes no sense, or the parentheses don't match.
    pub(in crate::effect) fn trouble(&self) -> Option<&'static str> {
        let mut depth = 0_usize;
        for token in self.left().1 {
            match token.kind {
                TokenKind::Bad(why) => return Some(why),
                TokenKind::MetaCommand => return Some("it holds a backslash, which is not SQL"),
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') if depth == 0 => return Some(UNBALANCED),
                TokenKind::Symbol(b')') => depth -= 1,
                TokenKind::Semicolon if depth > 0 => return Some(UNBALANCED),
                _ => {}
            }
        }
        (depth > 0).then_some(UNBALANCED)
    }

    /// Whether nothing is left.
    pub(in crate::effect) const fn is_done(&self) -> bool {
        self.at >= self.end
    }

    pub(in crate::effect) fn token(&self, ahead: usize) -> Option<Token> {
        self.all[..self.end].get(self.at + ahead).copied()
    }

    /// The text of the token `ahead`, empty behind the end.
    pub(in crate::effect) fn text(&self, ahead: usize) -> &'a str {
        self.token(ahead).map_or("", |token| token.span.of(self.text))
    }

    /// Whether the token `ahead` is this bare word, given in lower case.
    pub(in crate::effect) fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.token(ahead).is_some_and(|token| {
            token.kind == TokenKind::Word && token.span.of(self.text).eq_ignore_ascii_case(word)
        })
    }

    pub(in crate::effect) fn is_any(&self, ahead: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(ahead, word))
    }

    pub(in crate::effect) fn is_symbol(&self, ahead: usize, symbol: u8) -> bool {
        self.token(ahead).is_some_and(|token| token.kind == TokenKind::Symbol(symbol))
    }

    pub(in crate::effect) fn is_semicolon(&self, ahead: usize) -> bool {
        self.token(ahead).is_some_and(|token| token.kind == TokenKind::Semicolon)
    }

    /// Steps over one token.
    pub(in crate::effect) const fn skip(&mut self) {
        if self.at < self.end {
            self.at += 1;
        }
    }

    /// Steps over these words, if all of them are next.
    pub(in crate::effect) fn eat(&mut self, words: &[&str]) -> bool {
        let matches = words.iter().enumerate().all(|(ahead, word)| self.is_word(ahead, word));
        if matches {
            self.at += words.len();
        }
        matches
    }

    /// Steps over this symbol, if it is next.
    pub(in crate::effect) fn eat_symbol(&mut self, symbol: u8) -> bool {
        let matches = self.is_symbol(0, symbol);
        if matches {
            self.at += 1;
        }
        matches
    }

    /// Reads a name as the catalogue holds it: folded, or unquoted.
    pub(in crate::effect) fn name(&mut self) -> Option<String> {
        let token = self.token(0)?;
        let text = token.span.of(self.text);
        let name = match token.kind {
            TokenKind::Word => text.to_ascii_lowercase(),
            // The escapes of `U&"…"` are not undone; what they name is not known.
            TokenKind::QuotedName => {
                text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")
            }
            _ => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// Reads `$1`.
    pub(in crate::effect) fn parameter(&mut self) -> Option<String> {
        let is_parameter = self.token(0)?.kind == TokenKind::Parameter;
        let text = self.text(0).to_owned();
        self.at += usize::from(is_parameter);
        is_parameter.then_some(text)
    }

    /// Whether this name stands somewhere from here on.
    pub(in crate::effect) fn mentions(&self, name: &str) -> bool {
        let mut tokens = self.clone();
        while !tokens.is_done() {
            if tokens.clone().name().is_some_and(|found| found == name) {
                return true;
            }
            tokens.skip();
        }
        false
    }

    /// Reads `name`, `schema.name` or `database.schema.name`.
    pub(in crate::effect) fn qualified(&mut self) -> Option<QualifiedName> {
        let mut parts = vec![self.name()?];
        while self.eat_symbol(b'.') {
            if parts.len() == LONGEST_PATH {
                return None;
            }
            parts.push(self.name()?);
        }
        let name = parts.pop()?;
        Some(QualifiedName { schema: parts.pop(), name })
    }

    /// Reads a list with commas between.
    pub(in crate::effect) fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(b',') {
            items.push(item(self)?);
        }
        Some(items)
    }

    /// Reads an optional CASCADE or RESTRICT; whether it cascades.
    pub(in crate::effect) fn cascade(&mut self) -> bool {
        let cascade = self.eat(&["cascade"]);
        if !cascade {
            self.eat(&["restrict"]);
        }
        cascade
    }

    /// Steps over a parenthesized group, if one is next.
    pub(in crate::effect) fn eat_group(&mut self) -> bool {
        if !self.is_symbol(0, b'(') {
            return false;
        }
        let mut depth = 0_usize;
        while let Some(token) = self.token(0) {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return true;
            }
        }
        false
    }

    /// What stands between the parentheses, of a group that is all there is.
    pub(in crate::effect) fn inside(mut self) -> Option<Self> {
        let is_group = self.is_symbol(0, b'(')
            && self.end - self.at > 1
            && self.all[self.end - 1].kind == TokenKind::Symbol(b')');
        self.at += 1;
        self.end = self.end.saturating_sub(1);
        is_group.then_some(self)
    }

    /// Steps forward to one of these words outside of parentheses; false where there is none.
    pub(in crate::effect) fn find(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        while !self.is_done() {
            if self.is_any(0, words) {
                return true;
            }
            if !self.eat_group() {
                self.skip();
            }
        }
        self.at = start;
        false
    }

    /// Steps forward to where `stops` holds outside of parentheses, or to the end; what was passed.
    pub(in crate::effect) fn until(&mut self, stops: impl Fn(&Self) -> bool) -> Self {
        let start = self.at;
        while !self.is_done() && !stops(self) {
            if !self.eat_group() {
                self.skip();
            }
        }
        Self { at: start, end: self.at, ..self.clone() }
    }

    /// The rest, cut at commas outside of parentheses and brackets.
    pub(in crate::effect) fn split_at_commas(mut self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut start = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.token(0) {
            match token.kind {
                TokenKind::Symbol(b'(' | b'[') => depth += 1,
                TokenKind::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
                TokenKind::Symbol(b',') if depth == 0 => {
                    let (all, end) = (Rc::clone(&self.all), self.at);
                    parts.push(Self { all, at: start, end, text: self.text });
                    start = self.at + 1;
                }
                _ => {}
            }
            self.skip();
        }
        parts.push(Self { at: start, ..self });
        parts
    }

    /// The text from here up to the end, as written.
    pub(in crate::effect) fn rest(&self) -> &'a str {
        match (self.token(0), self.all[..self.end].last()) {
            (Some(first), Some(last)) => &self.text[first.span.start..last.span.end],
            _ => "",
        }
    }

    /// The tokens from here on, and the text that their spans speak of.
    pub(in crate::effect) fn left(&self) -> (&'a str, &[Token]) {
        (self.text, &self.all[self.at.min(self.end)..self.end])
    }

    /// The tokens between here and `later`.
    pub(in crate::effect) fn up_to_tokens(&self, later: &Self) -> Self {
        Self { end: later.at, ..self.clone() }
    }

    /// The text between here and `later`, as written.
    pub(in crate::effect) fn up_to(&self, later: &Self) -> &'a str {
        match (self.token(0), later.all.get(later.at.wrapping_sub(1))) {
            (Some(first), Some(last)) if last.span.end > first.span.start => {
                &self.text[first.span.start..last.span.end]
            }
            _ => "",
        }
    }
}
