//! Which table of the snapshot is which table now, and which column which.

use std::collections::BTreeSet;

use super::Part;
use crate::db::postgres::shape::{Column, Shape, Unique};
use crate::snapshot::Manifest;
use crate::snapshot::manifest::{KeptColumn, KeptTable};
use crate::text::QualifiedName;
use crate::text::name::quote;

/// The tables that were chosen, as they are now.
#[derive(Debug, Default)]
pub struct Paired<'a> {
    /// Those that are there.
    pub units: Vec<Unit<'a>>,
    /// Those that are gone.
    pub gone: Vec<&'a KeptTable>,
}

/// A table that is there, or a partitioned one whose rows may be in any of its partitions.
#[derive(Debug)]
pub struct Unit<'a> {
    /// Where its rows are staged.
    pub staged: String,
    /// The table, or the partitioned one.
    pub kept: &'a KeptTable,
    /// What held its rows: itself, or partitions.
    pub leaves: Vec<&'a KeptTable>,
    /// What it is now.
    pub live: Shape,
    /// Columns that are there now and in the snapshot, computed ones not.
    pub columns: Vec<Pair>,
    /// Columns that are not there now.
    pub gone: Vec<&'a KeptColumn>,
    /// What is known of its rows now that are known by no key.
    pub key: Option<Key>,
    /// What of it was asked for.
    pub asked: Asked,
}

/// What was asked for of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything.
    All,
    /// Its rows, or not, and the values of these columns, by attnum in the snapshot.
    Parts {
        /// Rows that are gone.
        rows: bool,
        /// Values of these columns.
        columns: BTreeSet<i16>,
    },
}

impl Asked {
    /// Whether rows that are gone come back.
    pub fn rows(&self) -> bool {
        matches!(self, Self::All | Self::Parts { rows: true, .. })
    }

    /// Whether values of a column come back over those of now: it was asked for by name.
    pub fn overwrites(&self, attnum: i16) -> bool {
        matches!(self, Self::Parts { columns, .. } if columns.contains(&attnum))
    }

    /// Whether values of a column come back.
    pub fn column(&self, attnum: i16) -> bool {
        match self {
            Self::All => true,
            Self::Parts { columns, .. } => columns.contains(&attnum),
        }
    }
}

/// A column then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its attnum in the snapshot.
    pub attnum: i16,
    /// Its type in the snapshot.
    pub kept_type: String,
    /// What it is now.
    pub live: Column,
}

/// What rows are known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The columns, as pairs.
    pub columns: Vec<Pair>,
    /// For each of them the operator that compares two values.
    pub operators: Vec<String>,
    /// The index.
    pub index: String,
}

impl Pair {
    /// The column of the staged row `s`.
    pub fn staged(&self) -> String {
        format!("s.{}", staged(self.attnum))
    }

    /// The column of the row `l` as it is now.
    pub fn live(&self) -> String {
        format!("l.{}", quote(&self.live.name))
    }

    /// Its type now, with the collation that goes with it.
    pub fn live_type(&self) -> String {
        match &self.live.collation {
            Some(collation) => format!("{} COLLATE {collation}", self.live.type_name),
            None => self.live.type_name.clone(),
        }
    }

    /// Whether the value then and the value now are two: as text, because that is what was kept, and
    /// because not every type can be compared.
    pub fn differs(&self) -> String {
        let (staged, live) = (self.staged(), self.live());
        let compares_exactly = ["integer", "bigint", "smallint", "boolean", "uuid", "bytea"];
        if compares_exactly.contains(&self.live.type_name.as_str()) {
            return format!("{staged} IS DISTINCT FROM {live}");
        }
        format!("{staged}::text COLLATE \"C\" IS DISTINCT FROM {live}::text COLLATE \"C\"")
    }
}

/// How a column is called where rows are staged: by number, so that no name stands in the way.
pub fn staged(attnum: i16) -> String {
    format!("c{attnum}")
}

impl<'a> Unit<'a> {
    /// The name that a person knows it by.
    pub fn name(&self) -> &QualifiedName {
        &self.live.name
    }

    /// Rows in the snapshot.
    pub fn rows(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.rows).sum()
    }

    /// Whether a value of then is gone, as a condition on `s` and `l`: there is NULL now or, in a
    /// column that was asked for by name, another value.
    pub fn gone(&self, pair: &Pair) -> String {
        if self.asked.overwrites(pair.attnum) {
            format!("({} IS NOT NULL AND {})", pair.staged(), pair.differs())
        } else {
            format!("({} IS NULL AND {} IS NOT NULL)", pair.live(), pair.staged())
        }
    }

    /// Where values are held that are NULL now and were not.
    pub fn fills(&self) -> String {
        format!("{}_fills", self.staged)
    }

    /// The pair of a live column.
    pub fn by_live(&self, attnum: i16) -> Option<&Pair> {
        self.columns.iter().find(|pair| pair.live.attnum == attnum)
    }

    /// The condition under which `s` and `l` are the same row.
    pub fn same_row(&self) -> Option<String> {
        let key = self.key.as_ref()?;
        let equal = |(pair, operator): (&Pair, &String)| {
            format!("{} {operator} {}", pair.staged(), pair.live())
        };
        let parts: Vec<String> = key.columns.iter().zip(&key.operators).map(equal).collect();
        Some(parts.join(" AND "))
    }

    fn new(kept: &'a KeptTable, leaves: Vec<&'a KeptTable>, live: &Shape, asked: Asked) -> Self {
        let mut columns = Vec::new();
        let mut gone = Vec::new();
        for column in &kept.columns {
            match now(column, kept, live) {
                Some(found) if found.is_generated => {}
                Some(found) => columns.push(Pair {
                    attnum: column.attnum,
                    kept_type: column.type_name.clone(),
                    live: found.clone(),
                }),
                None => gone.push(column),
            }
        }
        let staged = format!("pg_temp.rowsafe_{}", kept.oid);
        let live = live.clone();
        let mut unit = Self { staged, kept, leaves, live, columns, gone, key: None, asked };
        unit.key = unit.find_key();
        unit
    }

    /// Leaves out columns whose values the archive does not hold: they were computed.
    pub fn keep_stored(&mut self, stored: &BTreeSet<i16>) {
        self.columns.retain(|pair| stored.contains(&pair.attnum));
        self.key = self.find_key();
    }

    fn find_key(&self) -> Option<Key> {
        let key = |unique: &Unique| -> Option<Key> {
            let pair = |attnum: &i16| self.by_live(*attnum).cloned();
            let columns: Option<Vec<Pair>> = unique.columns.iter().map(pair).collect();
            let (operators, index) = (unique.operators.clone(), unique.name.clone());
            Some(Key { columns: columns?, operators, index })
        };
        self.live.uniques.iter().filter(|unique| unique.is_key).find_map(key)
    }
}

/// The column now: by number in the table that it was in, by name in one that was made anew, or where
/// it was dropped and added.
fn now<'s>(column: &KeptColumn, kept: &KeptTable, live: &'s Shape) -> Option<&'s Column> {
    let by_number = || live.column(column.attnum).filter(|_| live.oid == kept.oid);
    let by_name = || {
        let is_new = |found: &Column| {
            live.oid != kept.oid || kept.columns.iter().all(|other| other.attnum != found.attnum)
        };
        live.columns.iter().find(|found| found.name == column.name && is_new(found))
    };
    by_number().or_else(by_name)
}

/// Finds the chosen tables among those that are there now.
pub fn pair<'a>(
    manifest: &'a Manifest,
    chosen: &[&'a KeptTable],
    shapes: &[Shape],
    only: &[Part],
) -> Paired<'a> {
    let live = |table: &KeptTable| -> Option<&Shape> {
        let by_oid = shapes.iter().find(|shape| shape.oid == table.oid);
        let is_free = |shape: &&Shape| manifest.tables.iter().all(|other| other.oid != shape.oid);
        let by_name =
            || shapes.iter().filter(is_free).find(|shape| shape.name == table.qualified());
        by_oid.or_else(by_name)
    };
    let mut paired = Paired::default();
    let is_ours = |table: &&&'a KeptTable| {
        // Materialised views are derived; of the tables of extensions pg_dump keeps what those say.
        table.kept && table.extension.is_none() && table.kind != "materialized-view"
    };
    for table in chosen.iter().filter(is_ours).copied() {
        let Some(shape) = live(table) else {
            paired.gone.push(table);
            continue;
        };
        if is_of_its_root(table, shape, chosen, &live) {
            continue;
        }
        let is_leaf = |leaf: &&&'a KeptTable| {
            let shape = live(leaf);
            leaf.root == Some(table.oid)
                && leaf.holds_rows()
                && leaf.kept
                && shape.is_some_and(|found| is_of_its_root(leaf, found, chosen, &live))
        };
        let leaves: Vec<&'a KeptTable> = if table.holds_rows() {
            vec![table]
        } else {
            chosen.iter().filter(is_leaf).copied().collect()
        };
        if !leaves.is_empty() {
            paired.units.push(Unit::new(table, leaves, shape, asked(table, only)));
        }
    }
    paired
}

/// Whether the rows of a partition are looked for in the partitioned table above it: where all of
/// its partitions were kept, or rows of the others would seem to be newer ones.
fn is_of_its_root<'s>(
    table: &KeptTable,
    shape: &Shape,
    chosen: &[&KeptTable],
    live: &impl Fn(&KeptTable) -> Option<&'s Shape>,
) -> bool {
    let root = chosen.iter().find(|root| table.root == Some(root.oid));
    let root = root.and_then(|root| live(root));
    let mut siblings = chosen.iter().filter(|leaf| leaf.root == table.root && leaf.holds_rows());
    if !siblings.all(|leaf| leaf.kept) {
        return false;
    }
    root.is_some_and(|root| root.is_partitioned && shape.root == Some(root.oid))
}

fn asked(table: &KeptTable, only: &[Part]) -> Asked {
    let parts: Vec<&Part> = only.iter().filter(|part| part.table == table.qualified()).collect();
    if parts.is_empty() {
        return Asked::All;
    }
    let is_named =
        |column: &&KeptColumn| parts.iter().any(|part| part.columns.contains(&column.name));
    Asked::Parts {
        rows: parts.iter().any(|part| part.rows),
        columns: table.columns.iter().filter(is_named).map(|column| column.attnum).collect(),
    }
}
