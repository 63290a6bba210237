//! Text into statements, by psql's rules: a statement ends at a semicolon outside of parentheses
//! and of `BEGIN ATOMIC` bodies; a backslash starts a meta-command; COPY takes its data inline.
//!
//! Nothing is dropped: every byte that is neither white space, comment, semicolon nor COPY data is
//! in exactly one statement's span.

use crate::sql::allows::Allows;
use crate::sql::lexer::{Lexer, StringKind, Token, TokenKind};
use crate::sql::{Statement, StatementKind};
use crate::text::{Position, Span};

/// Deeper nesting could overflow the parser's stack.
const MAX_DEPTH: usize = 200;
/// More tokens than that are not parsed; the value lists of an INSERT don't count.
const MAX_TOKENS: usize = 100_000;
/// Longer chains (`a OR b OR …`) become trees too deep to walk.
const MAX_CHAIN: usize = 1_000;

const NO_END_OF_DATA: &str = "the data of a COPY does not end with `\\.`";

/// Splits a script into its statements.
pub fn split(text: &str) -> Vec<Statement> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lexer = Lexer::new(text);
    lexer.skip_to(start);
    let mut splitter = Splitter {
        text,
        cursor: Cursor { text, at: start, position: Position { line: 1, column: 1 } },
        draft: Draft::default(),
        backslashes_escape: false,
        quotes_are_unsure: false,
        no_data_ends: false,
        statements: Vec::new(),
        allows: Allows::default(),
    };
    while let Some(token) = lexer.next() {
        if let Some(resume) = splitter.take(token) {
            lexer.skip_to(resume);
        }
    }
    splitter.finish(None);
    splitter.allows.close(&mut splitter.statements);
    splitter.statements
}

/// Why a text is too deep, too long or too much of a chain for a parser.
pub(crate) fn too_much(text: &str) -> Option<String> {
    too_much_of(text, Lexer::new(text).filter(Token::is_significant))
}

/// The same of tokens that were read already.
pub(crate) fn too_much_of(text: &str, tokens: impl Iterator<Item = Token>) -> Option<String> {
    let mut nesting = Nesting::default();
    for token in tokens {
        nesting.add(token.kind, token.span.of(text));
    }
    nesting.too_much()
}

struct Splitter<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
    draft: Draft,
    backslashes_escape: bool,
    quotes_are_unsure: bool,
    /// No COPY behind here finds an end of its data, so none looks for it again.
    no_data_ends: bool,
    statements: Vec<Statement>,
    allows: Allows,
}

/// The statement that is being read.
#[derive(Default)]
struct Draft {
    span: Option<Span>,
    position: Option<Position>,
    /// Parentheses, by psql's count; brackets don't hold a statement open.
    parentheses: usize,
    nesting: Nesting,
    head: Head,
    begin_depth: usize,
    is_copy_from_stdin: bool,
    bad: Option<&'static str>,
    has_backslash: bool,
    names_conforming_strings: bool,
}

/// How deep and how long a parser's tree of it could get.
#[derive(Default)]
struct Nesting {
    chains: Vec<usize>,
    total: usize,
    deepest: usize,
    longest: usize,
    n_tokens: usize,
}

impl Splitter<'_> {
    /// Takes one token; a result says where the lexer should go on instead.
    fn take(&mut self, token: Token) -> Option<usize> {
        match token.kind {
            TokenKind::Space => {}
            TokenKind::Comment => {
                let place = self.cursor.advance(token.span.start);
                let end = self.cursor.advance(token.span.end);
                let inside = self.draft.span.is_some();
                self.allows.comment(token.span.of(self.text), place, end.line, inside);
            }
            TokenKind::Semicolon => {
                let holds = self.draft.parentheses > 0 || self.draft.begin_depth > 0;
                if holds && !token.span.of(self.text).starts_with('\\') {
                    self.draft.extend(token.span);
                    // Only the actions of a rule have one there.
                    if self.draft.parentheses > 0 && !self.draft.head.creates(Known::Rule) {
                        self.draft.bad = Some("a semicolon stands between its parentheses");
                    }
                } else {
                    return self.end_at_semicolon(token.span);
                }
            }
            TokenKind::MetaCommand => self.meta_command(token.span),
            _ => self.add(token),
        }
        None
    }

    fn add(&mut self, token: Token) {
        if self.draft.span.is_none() {
            let position = self.cursor.advance(token.span.start);
            self.draft.position = Some(position);
            self.allows.statement_starts(position.line);
        }
        self.draft.add(token, token.span.of(self.text));
    }

    fn end_at_semicolon(&mut self, semicolon: Span) -> Option<usize> {
        let is_copy = self.draft.is_copy_from_stdin;
        let end_line = self.cursor.advance(semicolon.end).line;
        if !is_copy {
            self.finish(None);
            self.allows.statement_ended(end_line, self.statements.len());
            return None;
        }
        let (resume, trouble) = if self.no_data_ends {
            (semicolon.end, Some(NO_END_OF_DATA))
        } else {
            copy_data(self.text, semicolon.end)
        };
        self.no_data_ends |= trouble == Some(NO_END_OF_DATA);
        self.finish(trouble);
        self.allows.statement_ended(end_line, self.statements.len());
        Some(resume)
    }

    /// `\g` and its kin send what was typed; any other command leaves it standing there.
    fn meta_command(&mut self, span: Span) {
        let command = span.of(self.text);
        if self.draft.span.is_some() {
            let name = command[1..].split(|c: char| !c.is_ascii_alphanumeric()).next();
            let sends = matches!(
                name.unwrap_or_default(),
                "g" | "gx" | "gset" | "gexec" | "gdesc" | "crosstabview" | "watch"
            );
            let trouble = "a psql command stands in the middle of it";
            self.finish((!sends).then_some(trouble));
        }
        let position = self.cursor.advance(span.start);
        self.allows.statement_starts(position.line);
        let text = command.trim_end_matches("\\\\").trim_end();
        self.statements.push(Statement {
            text: text.to_owned(),
            span,
            position,
            kind: StatementKind::ClientCommand,
            allows: Vec::new(),
        });
        self.allows.statement_ended(position.line, self.statements.len());
    }

    fn finish(&mut self, trouble: Option<&'static str>) {
        let draft = std::mem::take(&mut self.draft);
        let (Some(span), Some(position)) = (draft.span, draft.position) else { return };
        let text = span.of(self.text);
        let kind = match self.unreadable(&draft, text).or(trouble.map(str::to_owned)) {
            Some(why) => StatementKind::Unreadable(why),
            None if draft.is_copy_from_stdin => StatementKind::CopyFromStdin,
            None => StatementKind::Sql,
        };
        self.statements.push(Statement {
            text: text.to_owned(),
            span,
            position,
            kind,
            allows: Vec::new(),
        });
        self.allows.statement_pushed(self.statements.len());
    }

    fn unreadable(&mut self, draft: &Draft, text: &str) -> Option<String> {
        if let Some(why) = draft.bad {
            return Some(why.to_owned());
        }
        // What follows an open parenthesis is held to be a part of it.
        if draft.parentheses > 0 {
            return Some("a parenthesis in it is not closed".to_owned());
        }
        // From there on a backslash escapes in plain strings, so a quote may not be where it ends.
        if draft.names_conforming_strings && !turns_conforming_strings_on(text) {
            self.backslashes_escape = true;
            return Some(
                "it changes how strings are read (standard_conforming_strings)".to_owned(),
            );
        }
        self.quotes_are_unsure |= self.backslashes_escape && draft.has_backslash;
        if self.quotes_are_unsure {
            let why = "it follows a backslash in a string, with standard_conforming_strings off";
            return Some(why.to_owned());
        }
        // The value lists of an INSERT are not parsed, so its reader measures what is left.
        if draft.head.is(0, Known::Insert) { None } else { draft.nesting.too_much() }
    }
}

impl Draft {
    fn extend(&mut self, span: Span) {
        let start = self.span.map_or(span.start, |own| own.start);
        self.span = Some(Span::new(start, span.end));
    }

    fn add(&mut self, token: Token, text: &str) {
        self.extend(token.span);
        // The rows of an INSERT are not parsed.
        if !self.head.is(0, Known::Insert) {
            self.nesting.add(token.kind, text);
        }
        match token.kind {
            TokenKind::Bad(why) => self.bad = self.bad.or(Some(why)),
            TokenKind::Symbol(b'(') => self.parentheses += 1,
            TokenKind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Word => self.word(text),
            TokenKind::String(kind) => {
                self.has_backslash |= kind == StringKind::Standard && text.contains('\\');
                self.note_conforming_strings(text);
            }
            _ => {}
        }
    }

    fn note_conforming_strings(&mut self, text: &str) {
        const NAME: &str = "standard_conforming_strings";
        let quotes = usize::from(text.starts_with('\'')) * 2;
        let is_name =
            text.len() == NAME.len() + quotes && text.trim_matches('\'').eq_ignore_ascii_case(NAME);
        self.names_conforming_strings |= is_name;
    }

    /// psql's own way (psqlscan.l) to see the body of `CREATE FUNCTION … BEGIN ATOMIC … END`.
    fn word(&mut self, text: &str) {
        if self.head.n < self.head.words.len() || self.head.is(0, Known::Copy) {
            let is_stdin =
                text.eq_ignore_ascii_case("stdin") || text.eq_ignore_ascii_case("pstdin");
            self.is_copy_from_stdin |= self.head.is(0, Known::Copy)
                && self.head.last == Known::From
                && self.parentheses == 0
                && is_stdin;
            if self.parentheses == 0 || self.head.n < self.head.words.len() {
                self.head.push(text);
            }
        }
        self.note_conforming_strings(text);
        if self.parentheses > 0 || !self.head.creates(Known::Routine) {
            return;
        }
        if text.eq_ignore_ascii_case("begin")
            || (text.eq_ignore_ascii_case("case") && self.begin_depth > 0)
        {
            self.begin_depth += 1;
        } else if text.eq_ignore_ascii_case("end") {
            self.begin_depth = self.begin_depth.saturating_sub(1);
        }
    }
}

/// The first words of a statement, as far as psql looks at them.
#[derive(Default)]
struct Head {
    words: [Known; 6],
    n: usize,
    last: Known,
}

/// The words that psql knows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Other,
    Copy,
    Create,
    From,
    Insert,
    Or,
    Replace,
    Routine,
    Rule,
}

impl Head {
    fn push(&mut self, text: &str) {
        const WORDS: [(&str, Known); 9] = [
            ("copy", Known::Copy),
            ("create", Known::Create),
            ("from", Known::From),
            ("function", Known::Routine),
            ("insert", Known::Insert),
            ("or", Known::Or),
            ("procedure", Known::Routine),
            ("replace", Known::Replace),
            ("rule", Known::Rule),
        ];
        let known = WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        self.last = known.map_or(Known::Other, |(_, known)| *known);
        if let Some(place) = self.words.get_mut(self.n) {
            *place = self.last;
            self.n += 1;
        }
    }

    fn is(&self, index: usize, known: Known) -> bool {
        self.words[index] == known
    }

    fn creates(&self, kind: Known) -> bool {
        let replaces = self.is(1, Known::Or) && self.is(2, Known::Replace);
        self.is(0, Known::Create) && self.is(if replaces { 3 } else { 1 }, kind)
    }
}

impl Nesting {
    fn too_much(&self) -> Option<String> {
        if self.deepest > MAX_DEPTH {
            Some(format!("it is nested {} levels deep", self.deepest))
        } else if self.n_tokens > MAX_TOKENS {
            Some(format!("it is too long to be parsed ({} words and signs)", self.n_tokens))
        } else if self.longest > MAX_CHAIN {
            Some("it chains too many conditions or operators to be parsed".to_owned())
        } else {
            None
        }
    }

    /// A tree is as deep as its parentheses and, within each, as its longest chain of operators.
    fn add(&mut self, kind: TokenKind, text: &str) {
        self.n_tokens += 1;
        if self.chains.is_empty() {
            self.chains.push(0);
        }
        match kind {
            TokenKind::Symbol(b'(' | b'[') => self.chains.push(0),
            TokenKind::Symbol(b')' | b']') if self.chains.len() > 1 => {
                self.total -= self.chains.pop().unwrap_or_default();
            }
            TokenKind::Symbol(b',') => {
                if let Some(chain) = self.chains.last_mut() {
                    self.total -= std::mem::take(chain);
                }
            }
            TokenKind::Operator | TokenKind::Word if is_link(kind, text) => {
                self.total += 1;
                if let Some(chain) = self.chains.last_mut() {
                    *chain += 1;
                }
            }
            _ => {}
        }
        self.deepest = self.deepest.max(self.chains.len() - 1);
        self.longest = self.longest.max(self.total);
    }
}

fn is_link(kind: TokenKind, text: &str) -> bool {
    const LINKS: [&str; 14] = [
        "and",
        "or",
        "not",
        "union",
        "intersect",
        "except",
        "is",
        "in",
        "like",
        "ilike",
        "between",
        "collate",
        "at",
        "case",
    ];
    kind == TokenKind::Operator
        || (text.len() <= 9
            && matches!(
                text.as_bytes()[0] | 0x20,
                b'a'..=b'c' | b'e' | b'i' | b'l' | b'n' | b'o' | b'u'
            )
            && LINKS.iter().any(|link| text.eq_ignore_ascii_case(link)))
}

/// The data of a COPY starts on the line behind the command's and ends at a line with just `\.`:
/// where to go on, and what is wrong.
fn copy_data(text: &str, after_semicolon: usize) -> (usize, Option<&'static str>) {
    let rest = &text[after_semicolon..];
    let line_end = rest.find('\n').map_or(text.len(), |end| after_semicolon + end + 1);
    let rest_of_line = text[after_semicolon..line_end].trim();
    if !rest_of_line.is_empty() && !rest_of_line.starts_with("--") {
        return (after_semicolon, Some("something stands between a COPY and its data"));
    }
    let mut at = line_end;
    while at < text.len() {
        let end =
            memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |end| at + end + 1);
        if text[at..end].trim_end_matches(['\n', '\r']) == "\\." {
            return (end, None);
        }
        at = end;
    }
    // Without its end this may be no data at all, so the text behind is read as statements too.
    (after_semicolon, Some(NO_END_OF_DATA))
}

fn turns_conforming_strings_on(text: &str) -> bool {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == '=' || c == '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let is = |index: usize, word: &str| {
        words.get(index).is_some_and(|found: &&str| found.eq_ignore_ascii_case(word))
    };
    let value = words.last().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let sets_on = is(0, "set") && matches!(&*value, "on" | "true" | "yes" | "1");
    is(0, "show") || (sets_on && words.len() <= 5)
}

/// Counts lines and columns as it goes, so that a script of one line costs no more than others.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    position: Position,
}

impl Cursor<'_> {
    /// The position of `offset`, which must not lie before the last one asked for.
    fn advance(&mut self, offset: usize) -> Position {
        let bytes = self.text.as_bytes();
        while self.at < offset {
            let byte = bytes[self.at];
            self.at += 1;
            let ends_line = byte == b'\n' || (byte == b'\r' && bytes.get(self.at) != Some(&b'\n'));
            if ends_line {
                self.position = Position { line: self.position.line + 1, column: 1 };
            } else if byte & 0xc0 != 0x80 {
                self.position.column += 1;
            }
        }
        self.position
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
