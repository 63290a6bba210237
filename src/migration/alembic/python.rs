//! Just enough of Python's lexical rules to search a revision file without being fooled by its
//! comments and strings.
//!
//! It knows no grammar: a file becomes logical lines of tokens, each line with its indentation.

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word(String),
    /// A string or bytes literal; of a format string only the source text is kept.
    Text {
        /// The value, with the usual escapes undone.
        value: String,
        /// Whether it is an f-string, the value of which nobody knows here.
        is_format: bool,
    },
    /// A number.
    Number,
    /// Any other character that is not space.
    Symbol(char),
}

/// A token and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte in the source.
    pub start: usize,
}

impl Token {
    /// Whether it is this name or keyword.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(name) if name == word)
    }

    /// Whether it is this character.
    pub fn is_symbol(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// The name, where it is one.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(name) => Some(name),
            _ => None,
        }
    }
}

/// A logical line: brackets, backslashes and triple quotes join physical lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The width of the white space before it; a tab counts as eight.
    pub indent: usize,
    /// Its tokens; never empty.
    pub tokens: Vec<Token>,
}

/// Reads the logical lines of a source file; statements joined by `;` become lines of their own.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let mut reader = Reader { source, at: 0, depth: 0, lines: Vec::new(), current: None };
    reader.read();
    reader.lines
}

/// The index of the bracket that closes the one at `open`, or the number of tokens.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Symbol('(' | '[' | '{') => depth += 1,
            Kind::Symbol(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
    lines: Vec<Line>,
    current: Option<Line>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut indent = self.indentation();
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.at += 1;
                    if self.depth == 0 {
                        self.end_line();
                        indent = self.indentation();
                    }
                }
                '\\' if self.rest().starts_with("\\\n") => self.at += 2,
                '\\' if self.rest().starts_with("\\\r\n") => self.at += 3,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                ';' if self.depth == 0 => {
                    self.at += 1;
                    self.end_line();
                }
                c if c.is_whitespace() => self.at += c.len_utf8(),
                _ => {
                    let token = self.token(c);
                    let line = self.current.get_or_insert(Line { indent, tokens: Vec::new() });
                    line.tokens.push(token);
                }
            }
        }
        self.end_line();
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn indentation(&mut self) -> usize {
        let mut width = 0;
        while let Some(c) = self.peek() {
            match c {
                ' ' => width += 1,
                '\t' => width += 8 - width % 8,
                '\u{feff}' | '\u{c}' => {}
                _ => break,
            }
            self.at += c.len_utf8();
        }
        width
    }

    fn end_line(&mut self) {
        self.lines.extend(self.current.take());
    }

    fn token(&mut self, c: char) -> Token {
        let start = self.at;
        let kind = if c.is_alphabetic() || c == '_' {
            let length = word_length(self.rest());
            let word = self.source[start..start + length].to_owned();
            self.at += length;
            match self.peek() {
                Some('"' | '\'') if is_prefix(&word) => self.text(&word.to_ascii_lowercase()),
                _ => Kind::Word(word),
            }
        } else if c.is_ascii_digit() {
            self.at += word_length(self.rest());
            Kind::Number
        } else if c == '"' || c == '\'' {
            self.text("")
        } else {
            self.at += c.len_utf8();
            match c {
                '(' | '[' | '{' => self.depth += 1,
                ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            Kind::Symbol(c)
        };
        Token { kind, start }
    }

    /// A literal whose opening quote is next; an unclosed one ends with its line, or the file.
    fn text(&mut self, prefix: &str) -> Kind {
        let quote = self.peek().expect("a quote is next");
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let (is_raw, is_format) = (prefix.contains('r'), prefix.contains(['f', 't']));
        let closing = if self.rest().starts_with(&triple) { triple } else { quote.to_string() };
        self.at += closing.len();
        let mut value = String::new();
        while let Some(c) = self.peek() {
            if self.rest().starts_with(&closing) {
                self.at += closing.len();
                break;
            }
            if c == '\n' && closing.len() == 1 {
                break;
            }
            self.at += c.len_utf8();
            match c {
                '\\' => self.escape(is_raw, &mut value),
                '{' if is_format && self.peek() == Some('{') => self.at += 1,
                '{' if is_format => self.replacement_field(),
                c => value.push(c),
            }
        }
        Kind::Text { value, is_format }
    }

    fn escape(&mut self, is_raw: bool, value: &mut String) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        match c {
            c if is_raw => value.extend(['\\', c]),
            '\n' => {}
            'n' => value.push('\n'),
            't' => value.push('\t'),
            '\\' | '\'' | '"' => value.push(c),
            c => value.extend(['\\', c]),
        }
    }

    /// Skips `{…}` in a format string, in which the quotes of the string itself may occur again.
    fn replacement_field(&mut self) {
        let mut depth = 1usize;
        while let Some(c) = self.peek() {
            match c {
                '\n' => return,
                '\'' | '"' => {
                    self.text("");
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            self.at += c.len_utf8();
            if depth == 0 {
                return;
            }
        }
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn is_prefix(word: &str) -> bool {
    word.len() <= 2 && word.chars().all(|c| "rRbBuUfFtT".contains(c))
}

#[cfg(test)]
mod tests {
    use super::{Kind, lines};

    fn words(source: &str) -> Vec<Vec<String>> {
        lines(source)
            .into_iter()
            .map(|line| {
                line.tokens
                    .into_iter()
                    .map(|token| match token.kind {
                        Kind::Word(word) => word,
                        Kind::Text { value, is_format } if !is_format => format!("'{value}'"),
                        Kind::Text { .. } => "f''".to_owned(),
                        Kind::Number => "0".to_owned(),
                        Kind::Symbol(symbol) => symbol.to_string(),
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn comments_and_strings_hide_what_they_hold() {
        assert_eq!(
            words("# op.get_bind()\n'''\nSession(\n'''\nx = 1; y\n"),
            [vec!["'\nSession(\n'"], vec!["x", "=", "0"], vec!["y"],]
        );
    }

    #[test]
    fn brackets_and_backslashes_join_lines() {
        assert_eq!(
            words("down = (\n  'a',  # old\n  \"b\" r'\\c'\n)\nx \\\n  = None"),
            [vec!["down", "=", "(", "'a'", ",", "'b'", "'\\c'", ")"], vec!["x", "=", "None"],]
        );
    }

    #[test]
    fn format_strings_may_hold_their_own_quotes() {
        assert_eq!(words("a(f\"x {d[\"k\"]} {{ }}\")\nb"), [vec!["a", "(", "f''", ")"], vec!["b"]]);
    }

    #[test]
    fn an_unclosed_string_ends_with_its_line() {
        assert_eq!(words("a = 'oops\nb = 1"), [vec!["a", "=", "'oops'"], vec!["b", "=", "0"]]);
    }
}
