//! What the rows of a table looked like at one moment, as hashes.

use std::hash::{BuildHasher, RandomState};

/// Bytes that the images in memory may take together.
pub const BUDGET: usize = 256 << 20;

/// A NULL; no value hashes to it.
pub(super) const NULL: u64 = 0;

/// How the fields of a row are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How many fields a row has.
    pub columns: usize,
    /// The fields of the primary key; empty where there is none.
    pub key: Vec<usize>,
}

impl Layout {
    /// Bytes that a row takes in memory, its place in the index included.
    pub const fn bytes_per_row(&self) -> usize {
        const INDEX: usize = 32;
        (self.columns + 1) * size_of::<u64>() + INDEX
    }
}

/// What the rows of a table looked like.
#[derive(Debug, Clone)]
pub struct Image {
    pub(super) layout: Layout,
    pub(super) hashing: RandomState,
    /// One of so many rows is held.
    pub(super) one_in: u64,
    /// Of each row that is held, its key.
    pub(super) keys: Vec<u64>,
    /// Of each row that is held, its values.
    pub(super) values: Vec<u64>,
    /// Values that are not NULL, by column, of all rows.
    present: Vec<u64>,
    rows: u64,
    row: Vec<u64>,
    fields: Vec<u64>,
}

impl Image {
    /// An image of a table that has about so many rows; of more than fit into `budget` bytes some
    /// are held, chosen by their key.
    pub fn new(layout: Layout, rows: u64, budget: usize) -> Self {
        let fits = (budget / layout.bytes_per_row()).max(1) as u64;
        let columns = layout.columns;
        Self {
            layout,
            hashing: RandomState::new(),
            one_in: rows.div_ceil(fits).max(1),
            keys: Vec::new(),
            values: Vec::new(),
            present: vec![0; columns],
            rows: 0,
            row: vec![NULL; columns],
            fields: Vec::with_capacity(columns),
        }
    }

    /// Takes one row, a line of COPY's text format without its end; `places` says for each field
    /// which column it is.
    pub fn add(&mut self, line: &[u8], places: &[usize]) {
        hash_fields(&self.hashing, line, &mut self.fields);
        let mut row = std::mem::take(&mut self.row);
        for (place, value) in places.iter().zip(&self.fields) {
            row[*place] = *value;
        }
        for (present, value) in self.present.iter_mut().zip(&row) {
            *present += u64::from(*value != NULL);
        }
        self.rows += 1;
        let key = if self.layout.key.is_empty() {
            combined(&row)
        } else {
            combined(self.layout.key.iter().map(|field| &row[*field]))
        };
        if key.is_multiple_of(self.one_in) {
            self.keys.push(key);
            self.values.extend_from_slice(&row);
        }
        self.row = row;
    }

    /// Rows that it was given.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Values of a column that were not NULL.
    pub fn present(&self, column: usize) -> u64 {
        self.present[column]
    }

    /// How the fields are ordered.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        self.keys.len() * self.layout.bytes_per_row()
    }

    pub(super) fn row(&self, index: usize) -> &[u64] {
        let columns = self.layout.columns;
        &self.values[index * columns..(index + 1) * columns]
    }
}

/// The hashes of a line's fields. In COPY's text format a tab within a value is written `\t`, and
/// NULL is `\N` (PostgreSQL, COPY, Text Format).
pub(super) fn hash_fields(hashing: &RandomState, line: &[u8], row: &mut Vec<u64>) {
    row.clear();
    let mut rest = line;
    loop {
        let end = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
        let field = &rest[..end];
        row.push(if field == b"\\N" { NULL } else { hashing.hash_one(field).max(1) });
        match rest.get(end + 1..) {
            Some(after) => rest = after,
            None => return,
        }
    }
}

/// One hash of several, in which their order counts.
pub(super) fn combined<'a>(hashes: impl IntoIterator<Item = &'a u64>) -> u64 {
    // The multiplier and the final shifts are those of SplitMix64 (Steele, Lea, Flood, 2014).
    let mixed = hashes.into_iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, hash| {
        (state.rotate_left(23) ^ hash).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    });
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
