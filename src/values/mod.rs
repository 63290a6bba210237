//! What became of the values of a table: every row before against every row after.
//!
//! Row counts show a third of the losses of real migrations, column lists and NULL counts less than
//! half; the rest shows only here. A row is known by its primary key, or else by all it holds.
//! Values are compared as COPY writes them, byte by byte: nothing is normalised away. What is held
//! of a value is a hash of 64 bits, so that a row never stays in memory.

mod filled;
mod image;
mod matching;

pub use image::{BUDGET, Image, Layout};
pub use matching::Matching;

use std::collections::BTreeMap;

/// What became of the values of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values {
    /// Rows that are not there any more: by their key, or as a whole where there is none.
    pub rows_gone: u64,
    /// Rows that were not there before.
    pub rows_new: u64,
    /// Rows in which a value went.
    pub rows_changed: u64,
    /// The columns in which values went, as they are ordered in the layout; never empty when
    /// `rows_changed` is not zero.
    pub columns: Vec<ColumnValues>,
    /// One of so many rows was compared, chosen by its key; the numbers above are scaled. 1: all.
    pub one_in: u64,
}

/// What became of the values of one column. A NULL that became a value is no loss and not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnValues {
    /// Its place in the layout.
    pub column: usize,
    /// Values that are others now.
    pub overwritten: u64,
    /// Values that are NULL now.
    pub wiped: u64,
}

impl ColumnValues {
    /// Values that went.
    pub const fn gone(&self) -> u64 {
        self.overwritten + self.wiped
    }
}

impl Values {
    /// Whether every row and every value that was there still is.
    pub const fn is_intact(&self) -> bool {
        self.rows_gone == 0 && self.rows_changed == 0
    }
}

/// What became of the values of a table, by the columns that it had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableValues {
    /// What was found.
    pub found: Values,
    /// The columns of the layout, by attnum.
    pub columns: Vec<i16>,
    /// The columns of the primary key, by attnum; empty where there is none.
    pub key: Vec<i16>,
    /// How many values the columns held that are gone, by attnum.
    pub present: BTreeMap<i16, u64>,
}

impl TableValues {
    /// The columns in which values went, by attnum.
    pub fn gone(&self) -> impl Iterator<Item = (i16, &ColumnValues)> {
        self.found.columns.iter().map(|gone| (self.columns[gone.column], gone))
    }
}
