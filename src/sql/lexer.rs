//! PostgreSQL's lexer: text into tokens, by the rules of the server's and psql's scanners.
//!
//! It never fails and never skips a byte. What PostgreSQL would refuse, or what only another program
//! could make sense of (template markers), is a token of its own that says so.

use crate::text::Span;

/// One token: what it is and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes.
    pub span: Span,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// A comment, `--` up to the end of the line or `/* … */`.
    Comment,
    /// A bare word: a keyword or a name that PostgreSQL folds to lower case.
    Word,
    /// A name in double quotes, `U&"…"` too.
    QuotedName,
    /// A string, bit string or dollar-quoted constant, with its continuations.
    String(StringKind),
    /// A number.
    Number,
    /// `$1`, psql's `:name`, or a driver's `%(name)s`.
    Parameter,
    /// A run of operator characters, and `::`, `:=`.
    Operator,
    /// One of `( ) [ ] , . :`.
    Symbol(u8),
    /// `;` (or psql's `\;`).
    Semicolon,
    /// A backslash outside of quotes: a psql meta-command up to the end of its line.
    MetaCommand,
    /// What can't be made sense of; the reason says why.
    Bad(&'static str),
}

/// How a string constant is written, which decides what a backslash in it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringKind {
    /// `'…'`, `N'…'`: a backslash is a letter while standard_conforming_strings is on.
    Standard,
    /// `E'…'`.
    Escape,
    /// `U&'…'`, `B'…'`, `X'…'`.
    Special,
    /// `$tag$…$tag$`.
    Dollar,
}

impl Token {
    /// Whether it is neither white space nor comment.
    pub const fn is_significant(&self) -> bool {
        !matches!(self.kind, TokenKind::Space | TokenKind::Comment)
    }
}

/// Goes through a text token by token.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    brackets: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `text`.
    pub const fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, brackets: 0 }
    }

    /// Goes on at `offset`, for a caller that read a part of the text itself (COPY data).
    pub const fn skip_to(&mut self, offset: usize) {
        self.at = offset;
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn eat_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && wanted(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn next_kind(&mut self) -> TokenKind {
        let byte = self.peek(0);
        match byte {
            _ if is_space(byte) => {
                self.eat_while(is_space);
                TokenKind::Space
            }
            b'-' if self.peek(1) == b'-' => {
                self.eat_while(|byte| !is_newline(byte));
                TokenKind::Comment
            }
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'\'' => self.quoted_string(StringKind::Standard, 0),
            b'"' => self.quoted_name(0),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'\\' => self.backslash(),
            b':' => self.colon(),
            b';' => self.take(1, TokenKind::Semicolon),
            b'%' if self.driver_parameter() => TokenKind::Parameter,
            b'(' | b')' | b'[' | b']' | b',' | b'.' => self.symbol(byte),
            _ if is_name_start(byte) => self.word(),
            _ if is_operator(byte) => self.operator(),
            b'{' | b'}' => {
                let why = if matches!(self.peek(1), b'{' | b'%' | b'#' | b'}') {
                    "it holds a template marker, which another program fills in"
                } else {
                    "it holds a brace, which is not SQL"
                };
                self.take(1, TokenKind::Bad(why))
            }
            _ => self.take(1, TokenKind::Bad("it holds a character that is not SQL")),
        }
    }

    const fn take(&mut self, length: usize, kind: TokenKind) -> TokenKind {
        self.at += length;
        kind
    }

    fn symbol(&mut self, byte: u8) -> TokenKind {
        match byte {
            b'[' => self.brackets += 1,
            b']' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.take(1, TokenKind::Symbol(byte))
    }

    /// Comments nest in PostgreSQL.
    fn block_comment(&mut self) -> TokenKind {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return TokenKind::Comment;
                    }
                }
                _ => self.at += 1,
            }
        }
        TokenKind::Bad("a comment in it does not end")
    }

    fn word(&mut self) -> TokenKind {
        let quote = self.peek(1);
        match (self.peek(0), quote) {
            (b'e' | b'E', b'\'') => return self.quoted_string(StringKind::Escape, 1),
            (b'b' | b'B' | b'x' | b'X', b'\'') => {
                return self.quoted_string(StringKind::Special, 1);
            }
            (b'n' | b'N', b'\'') => return self.quoted_string(StringKind::Standard, 1),
            (b'u' | b'U', b'&') if self.peek(2) == b'\'' => {
                return self.quoted_string(StringKind::Special, 2);
            }
            (b'u' | b'U', b'&') if self.peek(2) == b'"' => return self.quoted_name(2),
            _ => {}
        }
        let start = self.at;
        self.eat_while(is_name_part);
        let word = &self.text[start..self.at];
        if !word.is_ascii() && word.chars().any(is_invisible) {
            // PostgreSQL takes these for letters, people for spaces: `DELETE FROM a<nbsp>WHERE`.
            return TokenKind::Bad("a no-break or invisible space in it is a letter to PostgreSQL");
        }
        TokenKind::Word
    }

    fn quoted_name(&mut self, prefix: usize) -> TokenKind {
        let start = self.at + prefix + 1;
        self.at = start;
        loop {
            match self.find(b'"') {
                None => return TokenKind::Bad("a name in double quotes does not end"),
                Some(quote) => {
                    self.at = quote + 1;
                    if self.peek(0) != b'"' {
                        break;
                    }
                    self.at += 1;
                }
            }
        }
        let name = &self.text[start..self.at - 1];
        if name.contains("{{") || name.contains("{%") || name.contains("${") {
            return TokenKind::Bad(
                "a name in it is a template marker, filled in by another program",
            );
        }
        TokenKind::QuotedName
    }

    fn quoted_string(&mut self, kind: StringKind, prefix: usize) -> TokenKind {
        self.at += prefix + 1;
        loop {
            if !self.string_body(kind) {
                return TokenKind::Bad("a string in it does not end");
            }
            // A string goes on after white space with a newline in it, with the same escapes.
            match self.continuation() {
                Some(after_quote) => self.at = after_quote,
                None => return TokenKind::String(kind),
            }
        }
    }

    /// Reads up to and with the closing quote; false where there is none.
    fn string_body(&mut self, kind: StringKind) -> bool {
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'\'' if self.peek(1) == b'\'' => self.at += 2,
                b'\'' => {
                    self.at += 1;
                    return true;
                }
                b'\\' if kind == StringKind::Escape => {
                    self.at = (self.at + 2).min(self.bytes.len());
                }
                _ => self.at += 1,
            }
        }
        false
    }

    fn continuation(&self) -> Option<usize> {
        let mut at = self.at;
        let mut newline = false;
        loop {
            match self.bytes.get(at)? {
                b'\'' => return newline.then_some(at + 1),
                b'-' if self.bytes.get(at + 1) == Some(&b'-') => {
                    while !is_newline(*self.bytes.get(at)?) {
                        at += 1;
                    }
                }
                byte if is_space(*byte) => {
                    newline |= is_newline(*byte);
                    at += 1;
                }
                _ => return None,
            }
        }
    }

    fn dollar(&mut self) -> TokenKind {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.eat_while(|byte| byte.is_ascii_digit());
            return TokenKind::Parameter;
        }
        let Some(tag) = dollar_tag(&self.bytes[self.at..]) else {
            return self
                .take(1, TokenKind::Bad("a `$` in it starts neither a string nor a number"));
        };
        let tag = &self.bytes[self.at..self.at + tag];
        let body = self.at + tag.len();
        if let Some(end) = memchr::memmem::find(&self.bytes[body..], tag) {
            self.at = body + end + tag.len();
            TokenKind::String(StringKind::Dollar)
        } else {
            self.at = self.bytes.len();
            TokenKind::Bad("a dollar-quoted string in it does not end")
        }
    }

    fn number(&mut self) -> TokenKind {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'e' | b'E', b'+' | b'-') if self.peek(2).is_ascii_digit() => self.at += 2,
                (b'.', b'.') => break,
                (byte, _) if byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric() => {
                    self.at += 1;
                }
                _ => break,
            }
        }
        TokenKind::Number
    }

    /// `\;` separates statements in psql; anything else is a command up to the end of the line, or
    /// up to `\\` outside of quotes, behind which psql goes on reading.
    fn backslash(&mut self) -> TokenKind {
        if self.peek(1) == b';' {
            return self.take(2, TokenKind::Semicolon);
        }
        if self.peek(1) == b':' {
            return self.take(2, TokenKind::Symbol(b':'));
        }
        self.at += 1;
        let mut quote = None;
        while self.at < self.bytes.len() && !is_newline(self.bytes[self.at]) {
            match (quote, self.peek(0)) {
                (None, b'\\') if self.peek(1) == b'\\' => {
                    self.at += 2;
                    break;
                }
                // Only between single quotes does a backslash take the next letter with it.
                (Some(b'\''), b'\\') if !is_newline(self.peek(1)) => self.at += 1,
                (Some(open), byte) if byte == open => quote = None,
                (None, byte @ (b'\'' | b'"' | b'`')) => quote = Some(byte),
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.bytes.len());
        TokenKind::MetaCommand
    }

    fn colon(&mut self) -> TokenKind {
        match self.peek(1) {
            b':' | b'=' => return self.take(2, TokenKind::Operator),
            // `a[1:n]` is a slice; elsewhere `:n` is a variable.
            byte if self.brackets == 0 && is_name_start(byte) => {
                self.at += 1;
                self.eat_while(is_name_part);
                return TokenKind::Parameter;
            }
            quote @ (b'\'' | b'"') if self.brackets == 0 => {
                let rest = &self.bytes[self.at + 2..];
                if let Some(end) = memchr::memchr(quote, rest) {
                    return self.take(end + 3, TokenKind::Parameter);
                }
            }
            _ => {}
        }
        self.take(1, TokenKind::Symbol(b':'))
    }

    /// `%(name)s`, as drivers for Python write a value that is not known yet.
    fn driver_parameter(&mut self) -> bool {
        if self.peek(1) != b'(' || !is_name_start(self.peek(2)) {
            return false;
        }
        let rest = &self.bytes[self.at + 2..];
        let name = rest.iter().take_while(|byte| is_name_part(**byte)).count();
        let found = rest[name..].starts_with(b")s");
        if found {
            self.at += 2 + name + 2;
        }
        found
    }

    /// An operator ends where a comment starts.
    fn operator(&mut self) -> TokenKind {
        self.at += 1;
        while is_operator(self.peek(0)) {
            if matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*')) {
                break;
            }
            self.at += 1;
        }
        TokenKind::Operator
    }

    /// The next such byte; the lexer moves to the end of the text where there is none.
    fn find(&mut self, byte: u8) -> Option<usize> {
        let found = memchr::memchr(byte, &self.bytes[self.at.min(self.bytes.len())..]);
        if let Some(distance) = found {
            Some(self.at + distance)
        } else {
            self.at = self.bytes.len();
            None
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        let kind = self.next_kind();
        // A token never ends inside a character, even where an escape came before one.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Some(Token { kind, span: Span::new(start, self.at) })
    }
}

/// The length of the `$tag$` that `bytes` start with.
fn dollar_tag(bytes: &[u8]) -> Option<usize> {
    let name = bytes[1..].iter().take_while(|byte| is_name_part(**byte) && **byte != b'$').count();
    let is_tag = name == 0 || !bytes[1].is_ascii_digit();
    (is_tag && bytes.get(1 + name) == Some(&b'$')).then_some(name + 2)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
    )
}

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}')
}

#[cfg(test)]
mod tests {
    use super::{Lexer, TokenKind};

    fn check(text: &str, expect: &[&str]) {
        let significant = Lexer::new(text).filter(super::Token::is_significant);
        let got: Vec<&str> = significant.map(|token| token.span.of(text)).collect();
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn dollars_in_names_start_no_string() {
        check("foo$$ bar$$", &["foo$$", "bar$$"]);
        check("$a$ $$ ' $a$ x", &["$a$ $$ ' $a$", "x"]);
        check("a $1 $12", &["a", "$1", "$12"]);
    }

    #[test]
    fn strings_keep_their_escapes_when_they_go_on() {
        check("E'a'\n'b\\'; c' d", &["E'a'\n'b\\'; c'", "d"]);
        check("'a' 'b'", &["'a'", "'b'"]);
        check("'a' -- why\n 'b\\' c", &["'a' -- why\n 'b\\'", "c"]);
        check("u&'a\\' foe'b'", &["u&'a\\'", "foe", "'b'"]);
    }

    #[test]
    fn comments_nest_and_end_at_a_lone_cr() {
        check("a /* /* */ b */ c", &["a", "c"]);
        check("a -- b\rc", &["a", "c"]);
        check("a +-- b\n c +/* x */ d", &["a", "+", "c", "+", "d"]);
    }

    #[test]
    fn variables_casts_and_slices_differ() {
        check(
            "a[1:n] :x x::y %(id)s %s",
            &["a", "[", "1", ":", "n", "]", ":x", "x", "::", "y", "%(id)s", "%", "s"],
        );
    }

    #[test]
    fn what_is_not_sql_says_so() {
        for text in ["{{ a }}", "'a", "\"a", "$$a", "/* a", "a\u{a0}b", "\"{{ a }}\"", "${x}"] {
            let bad = Lexer::new(text).any(|token| matches!(token.kind, TokenKind::Bad(_)));
            assert!(bad, "{text}");
        }
    }
}
