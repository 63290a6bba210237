//! An effect measured against a live catalogue: what goes, how much, and through what.

use std::collections::BTreeSet;

use crate::text::number::plural;

/// The oid of `pg_largeobject_metadata`, which stands for the large objects: they are in no table.
pub const LARGE_OBJECTS: u32 = 2995;

/// What one statement destroys on this database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    /// Rows that go.
    pub rows: Count,
    /// Values that go while their row stays.
    pub values: Count,
    /// What goes along: `column app.jobs.status (812 values)`, one sentence each.
    pub through: Vec<String>,
    /// The tables that it touches, and how.
    pub tables: Vec<TableLoss>,
    /// How much of its own table a DELETE or UPDATE takes, where that was counted.
    pub share: Option<Share>,
    /// Why the numbers are no exact ones, where they are not.
    pub doubt: Option<String>,
    /// Why the statement will fail on the rows that are there, where it surely will.
    pub fails: Option<String>,
}

/// A part of a whole: rows of a table, or values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many it takes.
    pub taken: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// Whether nothing is left of something.
    pub const fn is_everything(self) -> bool {
        self.of > 0 && self.taken >= self.of
    }

    /// Whether it is more than so many in a hundred.
    pub const fn exceeds(self, percent: u64) -> bool {
        self.taken.saturating_mul(100) > self.of.saturating_mul(percent)
    }
}

/// How much, and how sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// Counted.
    Exact(u64),
    /// No more than this, counted.
    AtMost(u64),
    /// Counted now, but what it finds when it runs may be more or less.
    About(u64),
    /// Not known; the reason says why.
    Unknown(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Exact(0)
    }
}

impl Count {
    /// The number, where there is one.
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Exact(number) | Self::AtMost(number) | Self::About(number) => Some(*number),
            Self::Unknown(_) => None,
        }
    }

    /// As people read it: `12 rows`, `up to 12 rows`, `? rows`.
    pub fn said(&self, noun: &str) -> String {
        match self {
            Self::Exact(number) => plural(*number, noun),
            Self::AtMost(number) => format!("up to {}", plural(*number, noun)),
            Self::About(number) => format!("about {}", plural(*number, noun)),
            Self::Unknown(_) => format!("? {noun}s"),
        }
    }

    /// Whether it was counted and is no bound.
    pub const fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }
}

/// What one statement does to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLoss {
    /// The table's oid.
    pub table: u32,
    /// What goes.
    pub fate: TableFate,
}

/// What goes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableFate {
    /// The table and its rows.
    Dropped {
        /// The most rows that may go with it; `None` means all of them.
        limit: Option<u64>,
    },
    /// Rows of it.
    Rows {
        /// The most that may go; `None` means all of them.
        limit: Option<u64>,
    },
    /// These columns (attnum), with every value.
    Columns(BTreeSet<i16>),
    /// Values in these columns, whose rows stay.
    Values {
        /// The columns (attnum); empty means not known which.
        columns: BTreeSet<i16>,
        /// The most rows in which a value may be lost; `None` means all of them. A null that gets
        /// a value is none.
        limit: Option<u64>,
    },
}
