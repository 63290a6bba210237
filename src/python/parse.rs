//! Text into Python's syntax tree, without ever running out of stack.

use ruff_python_ast::Stmt;
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged as _;

use crate::text::Span;

/// Brackets and blocks deeper than that are refused by Python itself, or nearly.
const MAX_DEPTH: usize = 150;
/// Blocks within blocks; Python's own limit.
const MAX_BLOCKS: usize = 100;
/// Operators and names between two commas; a longer chain is a tree too deep to walk.
const MAX_CHAIN: usize = 1_500;

/// Why a file can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub why: String,
    pub at: Span,
}

/// The statements of a module.
pub(super) fn module(source: &str) -> Result<Vec<Stmt>, Failure> {
    if let Some(offset) = too_deep(source) {
        let why = "it is nested too deeply to be read".to_owned();
        return Err(Failure { why, at: at(source, offset, offset) });
    }
    match parse_module(source) {
        Ok(parsed) => Ok(parsed.into_syntax().body.into_iter().collect()),
        Err(error) => {
            let range = error.range();
            let why = format!("it is not Python 3: {}", lower_first(&error.error.to_string()));
            Err(Failure { why, at: at(source, range.start().to_usize(), range.end().to_usize()) })
        }
    }
}

fn at(source: &str, start: usize, end: usize) -> Span {
    let floor = |mut offset: usize| {
        offset = offset.min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    Span::new(floor(start), floor(end.max(start)))
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Where a text becomes too deep for a tree, judged from its brackets, indentation and operators
/// alone. Those within strings count too: a format string holds expressions.
fn too_deep(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut depth = Depth { chains: vec![0], total: 0, blocks: vec![0] };
    let mut at = 0;
    let mut line_start = true;
    while at < bytes.len() {
        if std::mem::take(&mut line_start) {
            let indent = bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let is_code = bytes.get(at + indent).is_some_and(|b| !b"\r\n#".contains(b));
            if is_code && depth.is_outside() && depth.line(indent) {
                return Some(at);
            }
            at += indent;
            continue;
        }
        let byte = bytes[at];
        let start = at;
        at += 1;
        let too_much = match byte {
            b'\n' => {
                line_start = true;
                if depth.is_outside() {
                    depth.cut();
                }
                false
            }
            b'\\' => {
                at += 1;
                false
            }
            b'#' => {
                at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                false
            }
            b'"' | b'\'' => {
                let prefix = &bytes[start.saturating_sub(2)..start];
                at = string_end(bytes, start);
                prefix.iter().any(|b| b"fFtT".contains(b))
                    && brackets(&bytes[start..at]) > MAX_DEPTH
            }
            b'(' | b'[' | b'{' => depth.open(),
            b')' | b']' | b'}' => {
                depth.close();
                false
            }
            b',' | b';' => {
                depth.cut();
                false
            }
            _ if byte.is_ascii_whitespace() => false,
            _ => {
                if is_word(byte) {
                    at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                }
                depth.step()
            }
        };
        if too_much {
            return Some(start);
        }
    }
    None
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// How deep a tree could be at some place.
struct Depth {
    /// Operators and names since the last comma, for each bracket that is open.
    chains: Vec<usize>,
    /// All of them together.
    total: usize,
    /// The indentation of the blocks that are open.
    blocks: Vec<usize>,
}

impl Depth {
    fn is_outside(&self) -> bool {
        self.chains.len() == 1
    }

    /// A line starts; whether it is in too many blocks.
    fn line(&mut self, indent: usize) -> bool {
        while self.blocks.last().is_some_and(|block| *block > indent) {
            self.blocks.pop();
        }
        if self.blocks.last().is_none_or(|block| *block < indent) {
            self.blocks.push(indent);
        }
        self.blocks.len() > MAX_BLOCKS
    }

    fn step(&mut self) -> bool {
        self.total += 1;
        if let Some(chain) = self.chains.last_mut() {
            *chain += 1;
        }
        self.total > MAX_CHAIN
    }

    fn open(&mut self) -> bool {
        let is_long = self.step();
        self.chains.push(0);
        is_long || self.chains.len() > MAX_DEPTH
    }

    fn close(&mut self) {
        if !self.is_outside() {
            self.total -= self.chains.pop().unwrap_or(0);
        }
    }

    fn cut(&mut self) {
        if let Some(chain) = self.chains.last_mut() {
            self.total -= std::mem::take(chain);
        }
    }
}

/// How deep brackets open in a format string.
fn brackets(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in bytes {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            // Signs in front of a value nest as well.
            b'-' | b'+' | b'~' | b'.' => deepest = deepest.max(depth),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// One past a string that starts with its quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let is_triple = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if is_triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' if !is_triple => return at,
            byte if byte == quote => {
                if !is_triple {
                    return at + 1;
                }
                if bytes[at..].starts_with(&[quote; 3]) {
                    return at + 3;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}
