//! Rows that the application writes between the inventories are not the migration's.

use std::collections::BTreeSet;

use super::{By, Comparison, LostKind, Status, TableChange};
use crate::loss::TableLoss;
use crate::text::QualifiedName;

/// What is known of others who may have written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meanwhile {
    /// Other sessions were at work on the database.
    pub others_wrote: bool,
    /// The plan knows everything that the migration does.
    pub plan_is_whole: bool,
    /// Tables that are declared to change all the time.
    pub volatile: BTreeSet<QualifiedName>,
}

/// Says of each unplanned loss who may have done it.
///
/// What a plan that knows everything does not touch, others did, where others were at work. Nobody
/// can tell of the rest; it stays a loss. A volatile table's rows are others' business, but nobody
/// drops or truncates one meanwhile.
pub fn attribute(
    comparison: &mut Comparison,
    meanwhile: &Meanwhile,
    planned: &[TableLoss],
    oid: impl Fn(&QualifiedName) -> Option<u32>,
) {
    for table in &mut comparison.tables {
        let is_named = oid(&table.name).is_some_and(|oid| planned.iter().any(|p| p.table == oid));
        let by = by(table, meanwhile, is_named);
        for lost in &mut table.losses {
            if !lost.planned && lost.kind != LostKind::Column {
                lost.by = by;
            }
        }
    }
}

fn by(table: &TableChange, meanwhile: &Meanwhile, is_named: bool) -> By {
    let changes_shape =
        matches!(table.status, Status::Dropped | Status::Recreated | Status::Created);
    if changes_shape {
        return By::Migration;
    }
    if meanwhile.volatile.contains(&table.name) && table.status != Status::Wiped {
        return By::Others;
    }
    match (meanwhile.others_wrote, meanwhile.plan_is_whole && !is_named) {
        (false, _) => By::Migration,
        (true, true) if table.status != Status::Wiped => By::Others,
        (true, _) => By::Either,
    }
}
