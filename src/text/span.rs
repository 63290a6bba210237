//! Places in a text: byte spans inside, 1-based lines and columns outside.

/// A half-open range of bytes in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The text it covers.
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }
}

/// A place as people count it: both numbers start at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Where each line of a text starts.
#[derive(Debug, Clone)]
pub struct LineMap {
    starts: Vec<usize>,
}

impl LineMap {
    /// Reads the line starts of `text`; LF, CR LF and a lone CR each end a line.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            let ends_line = *byte == b'\n'
                || (*byte == b'\r' && bytes.get(index + 1).is_none_or(|next| *next != b'\n'));
            if ends_line {
                starts.push(index + 1);
            }
        }
        Self { starts }
    }

    /// The position of a byte offset of the same text.
    pub fn position(&self, text: &str, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        Position { line, column: text[start..offset].chars().count() + 1 }
    }

    /// The line's text without its ending; `line` is 1-based.
    pub fn line<'a>(&self, text: &'a str, line: usize) -> Option<&'a str> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let end = self.starts.get(line).copied().unwrap_or(text.len());
        Some(text[start..end].trim_end_matches(['\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use super::{LineMap, Position};

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a\r\nbé c\rd\n";
        let map = LineMap::new(text);
        let place = |needle| map.position(text, text.find(needle).expect("is there"));
        assert_eq!(place("a"), Position { line: 1, column: 1 });
        assert_eq!(place("c"), Position { line: 2, column: 4 });
        assert_eq!(place("d"), Position { line: 3, column: 1 });
        assert_eq!(map.line(text, 2), Some("bé c"));
    }
}
