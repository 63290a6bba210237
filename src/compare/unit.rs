//! What is compared as one: a table, or a partitioned table with all its partitions, among which
//! rows may move.

use std::collections::BTreeMap;

use crate::db::postgres::rows::Read;
use crate::db::postgres::touched::Touched;
use crate::inventory::{Column, Inventory, Table, TableKind};
use crate::text::QualifiedName;

/// A table, or a partitioned one with its partitions.
#[derive(Debug, Clone)]
pub(super) struct Unit<'a> {
    /// The table, or the topmost partitioned one.
    pub(super) table: &'a Table,
    /// What holds its rows: itself, or the partitions.
    pub(super) leaves: Vec<&'a Table>,
}

/// Where the rows of a unit are now.
#[derive(Debug, Clone)]
pub(super) struct Now {
    /// The tables to read, each alone.
    pub(super) tables: Vec<QualifiedName>,
    /// The columns to read.
    pub(super) columns: Vec<Read>,
    /// For each of them its place in the layout of before.
    pub(super) fields: Vec<usize>,
}

impl Now {
    /// The same with every value as it is now; `None` where that is so already.
    pub(super) fn without_casts(&self) -> Option<Self> {
        if self.columns.iter().all(|column| column.as_type.is_none()) {
            return None;
        }
        let mut now = self.clone();
        now.columns.iter_mut().for_each(|column| column.as_type = None);
        Some(now)
    }
}

/// The units of an inventory. Materialised views are derived; of the tables of extensions pg_dump
/// keeps what those say.
pub(super) fn all<'a>(before: &'a Inventory, bookkeeping: &[u32]) -> Vec<Unit<'a>> {
    let mut leaves: BTreeMap<u32, Vec<&Table>> = BTreeMap::new();
    for table in before.tables.iter().filter(|table| table.kind == TableKind::Ordinary) {
        leaves.entry(table.root.unwrap_or(table.oid)).or_default().push(table);
    }
    let unit = |table: &'a Table| {
        let leaves = leaves.get(&table.oid)?.clone();
        let is_ours = table.extension.is_none() && !bookkeeping.contains(&table.oid);
        is_ours.then_some(Unit { table, leaves })
    };
    before.tables.iter().filter_map(unit).collect()
}

impl<'a> Unit<'a> {
    /// The table and its partitions.
    pub(super) fn members(&self) -> impl Iterator<Item = &'a Table> + '_ {
        let leaves = self.leaves.iter().copied().filter(|leaf| leaf.oid != self.table.oid);
        std::iter::once(self.table).chain(leaves)
    }

    /// Rows before.
    pub(super) fn rows(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.rows).sum()
    }

    /// Whether rows may have gone or changed that are still to be looked for: of a table that is
    /// gone altogether there is nothing to compare.
    pub(super) fn may_have_lost(&self, touched: &Touched, after: &Inventory) -> bool {
        if after.table(self.table.oid).is_none() {
            return after.named(&self.table.name).is_some();
        }
        let is_touched =
            |leaf: &&Table| after.table(leaf.oid).is_some() && touched.may_have_lost(leaf.oid);
        let is_recreated = |column: &Column| {
            let columns = after.table(self.table.oid).map_or(&[][..], |table| &table.columns);
            columns.iter().all(|other| other.attnum != column.attnum)
                && columns.iter().any(|other| other.name == column.name)
        };
        self.leaves.iter().any(is_touched) || self.table.columns.iter().any(is_recreated)
    }

    /// Where its rows are now. `columns` are those of before, by attnum; they are found again by
    /// that, and by name where another has taken their place.
    pub(super) fn now(&self, columns: &[i16], after: &Inventory) -> Result<Now, String> {
        let same = after.table(self.table.oid);
        let Some(table) = same.or_else(|| after.named(&self.table.name)) else {
            return Err("it is gone".to_owned());
        };
        let mut now = Now { tables: Vec::new(), columns: Vec::new(), fields: Vec::new() };
        for (field, attnum) in columns.iter().enumerate() {
            let Some(before) = self.table.columns.iter().find(|c| c.attnum == *attnum) else {
                return Err("its columns are not those that were listed".to_owned());
            };
            let by_number = || table.columns.iter().find(|c| same.is_some() && c.attnum == *attnum);
            let by_name = || table.columns.iter().find(|c| c.name == before.name);
            let Some(found) = by_number().or_else(by_name) else { continue };
            let as_type = (found.type_name != before.type_name).then(|| before.type_name.clone());
            now.columns.push(Read { name: found.name.clone(), as_type });
            now.fields.push(field);
        }
        let sources = self.sources(table, after);
        let has_all = |source: &&Table| {
            let has = |read: &Read| source.columns.iter().any(|column| column.name == read.name);
            now.columns.iter().all(has)
        };
        if !sources.iter().all(has_all) {
            return Err("a partition that was detached has other columns now".to_owned());
        }
        now.tables = sources.iter().map(|source| source.name.clone()).collect();
        Ok(now)
    }

    /// What holds its rows now: the table, or its partitions and those that were.
    fn sources<'b>(&self, table: &'b Table, after: &'b Inventory) -> Vec<&'b Table> {
        if table.kind != TableKind::Partitioned {
            return vec![table];
        }
        let was_leaf = |oid| self.leaves.iter().any(|leaf| leaf.oid == oid);
        let holds = |other: &&Table| {
            other.kind == TableKind::Ordinary
                && (other.root == Some(table.oid) || was_leaf(other.oid))
        };
        let mut sources: Vec<&Table> = after.tables.iter().filter(holds).collect();
        // A row that came to a detached partition is not taken for the one with its key that stayed.
        sources.sort_by_key(|source| source.root != Some(table.oid));
        sources
    }
}
