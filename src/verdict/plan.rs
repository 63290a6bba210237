//! What the plan says of each table, and what was seen of its values.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Inventory, Table};
use crate::loss::{TableFate, TableLoss};
use crate::values::TableValues;

use super::Looked;

/// What the plan says of each table.
pub(super) struct Plan<'a> {
    before: &'a Inventory,
    fates: BTreeMap<u32, Vec<&'a TableFate>>,
    pub(super) bookkeeping: &'a [u32],
    pub(super) values: &'a BTreeMap<u32, TableValues>,
    written: &'a BTreeMap<u32, (u64, u64)>,
    /// The partitioned tables that hold no fewer rows than before.
    settled: BTreeSet<u32>,
    /// Rows that the partitions of a table have fewer than before, those that are gone included.
    missing: BTreeMap<u32, u64>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(
        before: &'a Inventory,
        after: &Inventory,
        planned: &'a [TableLoss],
        bookkeeping: &'a [u32],
        looked: &'a Looked,
    ) -> Self {
        let Looked { values, written } = looked;
        let mut fates: BTreeMap<u32, Vec<&TableFate>> = BTreeMap::new();
        for loss in planned {
            fates.entry(loss.table).or_default().push(&loss.fate);
        }
        let mut missing: BTreeMap<u32, u64> = BTreeMap::new();
        for table in &before.tables {
            if let Some(root) = table.root {
                let now = after.table(table.oid).map_or(0, |now| now.rows);
                *missing.entry(root).or_default() += table.rows.saturating_sub(now);
            }
        }
        let settled = settled_trees(before, after);
        Self { before, fates, bookkeeping, values, written, settled, missing }
    }

    /// Whether rows that a partition has fewer of went to its siblings: every row was found again,
    /// or an UPDATE that the plan names may have changed their key, and all partitions together
    /// hold as many.
    pub(super) fn moves_rows(&self, before: &Table, after: &Table) -> bool {
        let Some(root) = before.root else { return false };
        if let Some(values) = self.values.get(&root) {
            return values.found.one_in == 1 && values.found.rows_gone == 0;
        }
        let is_values = |fate: &&TableFate| matches!(fate, TableFate::Values { .. });
        after.root == Some(root)
            && self.settled.contains(&root)
            && self.of_table(before.oid).iter().any(is_values)
    }

    /// Rows that the partitions of a table have fewer than before.
    pub(super) fn missing(&self, root: u32) -> u64 {
        self.missing.get(&root).copied().unwrap_or_default()
    }

    /// Rows that may have been changed in a table that the plan says nothing of and that nobody
    /// could look into; those that are `fewer` than before are told already.
    pub(super) fn written(&self, table: &Table, fewer: u64) -> u64 {
        let (updated, deleted) = self.written.get(&table.oid).copied().unwrap_or_default();
        let of = |oid: u32| !self.of_table(oid).is_empty();
        if of(table.oid) || table.root.is_some_and(of) {
            return 0;
        }
        updated + deleted.saturating_sub(fewer)
    }

    fn of_table(&self, oid: u32) -> &[&'a TableFate] {
        self.fates.get(&oid).map_or(&[], Vec::as_slice)
    }

    pub(super) fn drops(&self, oid: u32, rows: u64) -> bool {
        self.of_table(oid).iter().any(|fate| match fate {
            TableFate::Dropped { limit } => limit.is_none_or(|most| rows <= most),
            _ => false,
        })
    }

    pub(super) fn takes_rows(&self, oid: u32, gone: u64) -> bool {
        rows_within(gone, self.of_table(oid))
    }

    /// The same for a table with its partitions.
    pub(super) fn takes_rows_of_tree(&self, table: &Table, gone: u64) -> bool {
        let fates: Vec<&TableFate> = self.tree(table).flat_map(|(_, fates)| fates).collect();
        rows_within(gone, &fates)
    }

    pub(super) fn takes_column(&self, oid: u32, attnum: i16) -> bool {
        self.of_table(oid).iter().any(|fate| match fate {
            TableFate::Dropped { .. } => true,
            TableFate::Columns(attnums) => attnums.contains(&attnum),
            TableFate::Rows { .. } | TableFate::Values { .. } => false,
        })
    }

    /// Whether so many values of a column may go while their rows stay. A plan that names a
    /// partition counts for its table, whose column may have another number there.
    pub(super) fn takes_values(&self, table: &Table, attnum: i16, gone: u64) -> bool {
        let name = table.columns.iter().find(|column| column.attnum == attnum).map(|c| &c.name);
        let mut fates = Vec::new();
        for (member, of_member) in self.tree(table) {
            let column = member.columns.iter().find(|column| Some(&column.name) == name);
            let attnum = column.map_or(attnum, |column| column.attnum);
            fates.extend(of_member.into_iter().map(|fate| (fate, attnum)));
        }
        within(gone, &fates, |(fate, attnum)| match fate {
            TableFate::Dropped { .. } => Some(None),
            TableFate::Columns(columns) => columns.contains(attnum).then_some(None),
            TableFate::Values { columns, limit } => {
                (columns.is_empty() || columns.contains(attnum)).then_some(*limit)
            }
            TableFate::Rows { .. } => None,
        })
    }

    fn tree<'s>(
        &'s self,
        table: &'s Table,
    ) -> impl Iterator<Item = (&'s Table, Vec<&'a TableFate>)> {
        let leaves = self.before.tables.iter().filter(|leaf| leaf.root == Some(table.oid));
        let members = std::iter::once(table).chain(leaves.filter(|leaf| leaf.oid != table.oid));
        members.map(|member| (member, self.of_table(member.oid).to_vec()))
    }
}

/// Whether the fates allow so many rows together.
fn rows_within(gone: u64, fates: &[&TableFate]) -> bool {
    within(gone, fates, |fate| match fate {
        TableFate::Dropped { limit } | TableFate::Rows { limit } => Some(*limit),
        TableFate::Columns(_) | TableFate::Values { .. } => None,
    })
}

/// Whether the bounds that `limit` finds among the fates allow so many together.
fn within<T>(gone: u64, fates: &[T], limit: impl Fn(&T) -> Option<Option<u64>>) -> bool {
    // One without a bound allows everything.
    let all: Option<Vec<u64>> = fates.iter().filter_map(limit).collect();
    all.is_none_or(|most| gone <= most.into_iter().fold(0, u64::saturating_add))
}

/// The partitioned tables whose partitions hold no fewer rows together than before.
fn settled_trees(before: &Inventory, after: &Inventory) -> BTreeSet<u32> {
    let sums = |inventory: &Inventory| {
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        for table in &inventory.tables {
            if let Some(root) = table.root {
                *sums.entry(root).or_default() += table.rows;
            }
        }
        sums
    };
    let now = sums(after);
    let held = |(root, rows): &(u32, u64)| now.get(root).is_some_and(|after| after >= rows);
    sums(before).into_iter().filter(held).map(|(root, _)| root).collect()
}
