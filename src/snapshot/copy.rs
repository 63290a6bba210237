//! The rows of tables, streamed out of what pg_restore prints.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::scan::copy_target;
use crate::text::QualifiedName;

/// A piece of the stream.
#[derive(Debug)]
pub enum Piece {
    /// A table begins: its name, and the statement that takes its rows.
    Begin {
        /// The table that COPY names: the root, for a partition.
        table: QualifiedName,
        /// `COPY schema.table (columns) FROM stdin`.
        statement: String,
    },
    /// Whole rows in COPY's text format.
    Rows(Bytes),
    /// The table ends.
    End,
}

/// Rows are handed on in pieces of about this size.
const PIECE: usize = 128 * 1024;

/// Reads what pg_restore prints and hands on its COPY blocks; ends quietly when nobody listens.
pub fn stream(text: File, listener: &Sender<Piece>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(PIECE, text);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let header = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(encoding) = other_encoding(header) {
            return Err(io::Error::other(format!(
                "the dump is encoded in {encoding}, rows can be put back in place from UTF8 only"
            )));
        }
        let Some(table) = copy_target(header) else { continue };
        let statement = String::from_utf8_lossy(header).trim_end_matches(';').to_owned();
        if listener.blocking_send(Piece::Begin { table, statement }).is_err() {
            return Ok(());
        }
        if !rows(&mut reader, listener)? {
            return Ok(());
        }
    }
}

/// Hands on the rows up to the end marker; `false` when nobody listens any more.
fn rows(reader: &mut impl BufRead, listener: &Sender<Piece>) -> io::Result<bool> {
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        let start = piece.len();
        if reader.read_until(b'\n', &mut piece)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a table ends half-way"));
        }
        let is_end = &piece[start..] == b"\\.\n";
        if is_end {
            piece.truncate(start);
        }
        if is_end || piece.len() >= PIECE {
            let rows = Bytes::from(std::mem::take(&mut piece));
            if listener.blocking_send(Piece::Rows(rows)).is_err() {
                return Ok(false);
            }
        }
        if is_end {
            return Ok(listener.blocking_send(Piece::End).is_ok());
        }
    }
}

fn other_encoding(line: &[u8]) -> Option<String> {
    let rest = line.strip_prefix(b"SET client_encoding = '")?;
    let name = String::from_utf8_lossy(rest.strip_suffix(b"';")?).into_owned();
    (name != "UTF8").then_some(name)
}
