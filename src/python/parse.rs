//! Text into Python's syntax tree, without ever running out of stack.

use ruff_python_ast::Stmt;
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged as _;

use crate::text::Span;

/// Brackets and blocks deeper than that are refused by Python itself, or nearly.
const MAX_DEPTH: usize = 150;
/// Wider indentation holds more blocks than a tree may be deep.
const MAX_INDENT: usize = 1_000;
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
    let mut chains = vec![0_usize];
    let mut at = 0;
    let mut line_start = true;
    while at < bytes.len() {
        if line_start {
            let indent = bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let rest = bytes.get(at + indent);
            if indent > MAX_INDENT && rest.is_some_and(|b| !b.is_ascii_whitespace()) {
                return Some(at);
            }
            at += indent;
            line_start = false;
            continue;
        }
        let byte = bytes[at];
        let start = at;
        at += 1;
        match byte {
            b'\n' => {
                line_start = true;
                if let [only] = chains.as_mut_slice() {
                    *only = 0;
                }
            }
            b'\\' => at += 1,
            b'#' => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'"' | b'\'' => {
                let is_format = source[..start]
                    .bytes()
                    .rev()
                    .take(2)
                    .any(|b| matches!(b, b'f' | b'F' | b't' | b'T'));
                let end = string_end(bytes, start);
                if is_format && brackets(&bytes[start..end]) > MAX_DEPTH {
                    return Some(start);
                }
                at = end;
            }
            b'(' | b'[' | b'{' => {
                chains.push(0);
                if chains.len() > MAX_DEPTH {
                    return Some(start);
                }
            }
            b')' | b']' | b'}' => {
                if chains.len() > 1 {
                    chains.pop();
                }
            }
            b',' | b';' => *chains.last_mut()? = 0,
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
                    while at < bytes.len()
                        && (bytes[at].is_ascii_alphanumeric()
                            || bytes[at] == b'_'
                            || bytes[at] >= 0x80)
                    {
                        at += 1;
                    }
                }
                let chain = chains.last_mut()?;
                *chain += 1;
                if *chain > MAX_CHAIN {
                    return Some(start);
                }
            }
        }
    }
    None
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
