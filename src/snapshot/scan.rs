//! Counting the rows of each table in what pg_restore prints.
//!
//! In the text form every row of a COPY block is one line, because COPY escapes line ends
//! (PostgreSQL, COPY, Text Format). Lines are never held: a row may be a gigabyte long.

use std::collections::BTreeMap;

use crate::text::QualifiedName;

/// The longest line outside COPY data that is looked at: a COPY header of 1,600 quoted columns.
const LONGEST_HEADER: usize = 1 << 20;

/// What an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Rows by the table that their COPY names: for a partition that is the partitioned root
    /// (`--load-via-partition-root`).
    pub rows: BTreeMap<QualifiedName, u64>,
    /// Large objects.
    pub large_objects: u64,
    /// The text ended within a COPY block.
    pub is_truncated: bool,
}

/// A scan in progress; feed it bytes in order.
#[derive(Debug, Default)]
pub struct Scan {
    contents: Contents,
    /// The table whose rows are being read, and how many there were.
    table: Option<(QualifiedName, u64)>,
    /// The beginning of the line that is not complete yet.
    line: Vec<u8>,
    length: usize,
}

impl Scan {
    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.extend(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    /// What was found, once there is no more.
    pub fn finish(mut self) -> Contents {
        self.contents.is_truncated = self.table.is_some();
        self.contents
    }

    fn extend(&mut self, part: &[u8]) {
        self.length += part.len();
        // Of a row only its first bytes matter, to tell it from the end marker.
        let limit = if self.table.is_some() { 4 } else { LONGEST_HEADER };
        let room = limit.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_line(&mut self) {
        if let Some((table, rows)) = self.table.take() {
            if self.length == 2 && self.line == b"\\." {
                *self.contents.rows.entry(table).or_default() += rows;
            } else {
                self.table = Some((table, rows + 1));
            }
        } else if let Some(table) = copy_target(&self.line) {
            self.table = Some((table, 0));
        } else if self.line.starts_with(b"SELECT pg_catalog.lo_open(") {
            self.contents.large_objects += 1;
        }
        self.line.clear();
        self.length = 0;
    }
}

/// The table of `COPY schema.table (columns) FROM stdin;`.
pub fn copy_target(line: &[u8]) -> Option<QualifiedName> {
    let line = line.strip_prefix(b"COPY ")?;
    if !line.ends_with(b" FROM stdin;") {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    let (first, rest) = identifier(line)?;
    let Some(rest) = rest.strip_prefix('.') else { return Some(QualifiedName::bare(first)) };
    let (second, _) = identifier(rest)?;
    Some(QualifiedName::new(first, second))
}

/// The columns of `COPY schema.table (columns) FROM stdin`, in the order of the fields.
pub fn copy_columns(statement: &str) -> Option<Vec<String>> {
    let (_, mut rest) = identifier(statement.strip_prefix("COPY ")?)?;
    if let Some(after) = rest.strip_prefix('.') {
        rest = identifier(after)?.1;
    }
    let Some(mut rest) = rest.strip_prefix(" (") else {
        // A table without columns has no list.
        return rest.trim_start().starts_with("FROM stdin").then(Vec::new);
    };
    let mut columns = Vec::new();
    while !rest.starts_with(')') {
        let (name, after) = column(rest)?;
        columns.push(name);
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    Some(columns)
}

/// A column's name in a list, and what follows.
fn column(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return identifier(text);
    }
    let end = text.find([',', ')'])?;
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// One identifier as pg_dump writes it, bare or quoted, and what follows.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', ' ', '(']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return Some((name, &quoted[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Scan, copy_columns, copy_target};
    use crate::text::QualifiedName;

    const TEXT: &str = "-- Data for Name: users; Type: TABLE DATA\n\nCOPY public.users (id, note) \
        FROM stdin;\n1\tCOPY public.x (a) FROM stdin;\n2\t\\\\.\n3\t\\N\n\\.\n\n\
        COPY \"My \"\"app\"\"\".\"t.x\" (a) FROM stdin;\n\\.\n\
        SELECT pg_catalog.lo_open('16400', 131072);\n";

    #[test]
    fn rows_are_counted_whatever_the_chunks() {
        for size in [1, 2, 3, 7, TEXT.len()] {
            let mut scan = Scan::default();
            TEXT.as_bytes().chunks(size).for_each(|chunk| scan.feed(chunk));
            let contents = scan.finish();
            assert_eq!(contents.rows[&QualifiedName::new("public", "users")], 3);
            assert_eq!(contents.rows[&QualifiedName::new("My \"app\"", "t.x")], 0);
            assert_eq!(contents.large_objects, 1);
            assert!(!contents.is_truncated);
        }
    }

    #[test]
    fn a_text_that_ends_within_a_table_is_truncated() {
        let mut scan = Scan::default();
        scan.feed(b"COPY public.users (id) FROM stdin;\n1\n");
        assert!(scan.finish().is_truncated);
    }

    #[test]
    fn the_columns_of_a_header_are_read() {
        let columns = |statement| copy_columns(statement).expect("it is a header");
        let odd = "COPY \"a.b\".\"t (x)\" (id, \"a, \"\"b)\", note) FROM stdin";
        assert_eq!(columns(odd), ["id", "a, \"b)", "note"]);
        assert!(columns("COPY public.none FROM stdin").is_empty());
        // As pg_dump writes it.
        assert!(columns("COPY public.none  FROM stdin").is_empty());
        assert_eq!(copy_columns("COPY public.t (id"), None);
    }

    #[test]
    fn only_copy_from_stdin_is_a_header() {
        assert_eq!(copy_target(b"COPY public.users (id) FROM '/x';"), None);
        assert_eq!(copy_target(b"COPY t FROM stdin;"), Some(QualifiedName::bare("t")));
    }
}
