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
}

/// How much, and how sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// Counted.
    Exact(u64),
    /// No more than this, counted.
    AtMost(u64),
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
            Self::Exact(number) | Self::AtMost(number) => Some(*number),
            Self::Unknown(_) => None,
        }
    }

    /// As people read it: `12 rows`, `up to 12 rows`, `? rows`.
    pub fn said(&self, noun: &str) -> String {
        match self {
            Self::Exact(number) => plural(*number, noun),
            Self::AtMost(number) => format!("up to {}", plural(*number, noun)),
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
        /// The most rows in which they may change; `None` means all of them.
        limit: Option<u64>,
    },
}
