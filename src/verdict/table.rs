//! What became of one table.

use super::columns::{self, value_losses};
use super::plan::Plan;
use super::{By, Compared, Lost, LostKind, Status, TableChange};
use crate::inventory::{Inventory, Table, TableKind};
use crate::text::number::plural;
use crate::values::TableValues;

pub(super) fn change(before: &Table, after: &Inventory, plan: &Plan) -> TableChange {
    let mut change = match after.table(before.oid) {
        Some(same) => kept(before, same, plan),
        None => match (after.named(&before.name), plan.values.get(&before.oid)) {
            (Some(namesake), Some(values)) => rebuilt(before, namesake, values, plan),
            (namesake, _) => gone(before, namesake, plan),
        },
    };
    if change.is_derived || plan.bookkeeping.contains(&before.oid) {
        change.losses.clear();
    }
    change.planned = change.losses.iter().all(|lost| lost.planned);
    if let Some(values) = plan.values.get(&before.root.unwrap_or(before.oid)) {
        change.compared = match values.found.one_in {
            0 | 1 => Compared::Values,
            one_in => Compared::Sampled(one_in),
        };
    }
    change
}

/// The same table (its oid) on both sides.
fn kept(before: &Table, after: &Table, plan: &Plan) -> TableChange {
    let values = plan.values.get(&before.oid);
    let status = match (before.rows, after.rows) {
        (a, b) if b > a => Status::Grew,
        (a, b) if a == b && after.name != before.name => Status::Renamed,
        (a, b) if a == b => Status::Intact,
        (_, 0) => Status::Wiped,
        _ => Status::Shrank,
    };
    let mut change = TableChange {
        renamed_to: (after.name != before.name).then(|| after.name.clone()),
        rows_after: Some(after.rows),
        ..of(before, status)
    };
    let fewer = before.rows.saturating_sub(after.rows);
    let fewer = if plan.moves_rows(before, after) { 0 } else { fewer };
    change.losses.extend(rows_gone(before, fewer, values, plan));
    let (columns, lost) = columns::compare(before, after, values, plan);
    change.columns = columns;
    change.losses.extend(lost);
    if let Some(values) = values {
        let stays = |attnum: i16| after.columns.iter().any(|column| column.attnum == attnum);
        let (gone, lost) = value_losses(before, values, plan, stays);
        change.values = gone;
        change.losses.extend(lost);
    }
    change.losses.extend(written(before, fewer, plan));
    change
}

/// Rows that the server counts as changed, where nobody can say how.
fn written(before: &Table, fewer: u64, plan: &Plan) -> Option<Lost> {
    let rows = plan.written(before, fewer);
    let of = format!("{} of {}", plural(rows, "row"), before.name.short());
    let what = format!("values in up to {of} (rewritten, and no copy of them was kept)");
    (rows > 0).then(|| Lost { values: rows, ..lost(LostKind::Values, what, 0, false) })
}

/// Rows that are gone: fewer than before, or others under as many keys.
fn rows_gone(
    before: &Table,
    fewer: u64,
    values: Option<&TableValues>,
    plan: &Plan,
) -> Option<Lost> {
    let name = before.name.short();
    let is_tree = before.kind == TableKind::Partitioned;
    // Of a partitioned table the partitions tell how many they have fewer.
    let told = if is_tree { plan.missing(before.oid) } else { fewer };
    let replaced = values.map_or(0, |values| values.found.rows_gone).saturating_sub(told);
    let rows = fewer + replaced;
    if rows == 0 {
        return None;
    }
    let about = if replaced > 0 { about(values) } else { "" };
    let what = if fewer == 0 {
        format!("{about}{} of {name}, in whose place others stand", plural(rows, "row"))
    } else {
        format!("{about}{} of {name}", plural(rows, "row"))
    };
    // A key that the plan overwrites makes another row of the same one.
    let rekeys = |values: &TableValues| {
        let takes = |attnum: &i16| plan.takes_values(before, *attnum, rows);
        fewer == 0 && values.key.iter().any(takes)
    };
    let planned = if is_tree {
        plan.takes_rows_of_tree(before, rows)
    } else {
        plan.takes_rows(before.oid, rows)
    };
    let planned = planned || values.is_some_and(rekeys);
    Some(lost(LostKind::Rows, what, rows, planned))
}

/// Numbers from a sample are said to be such.
pub(super) fn about(values: Option<&TableValues>) -> &'static str {
    if values.is_some_and(|values| values.found.one_in > 1) { "about " } else { "" }
}

/// The table is gone; another may have its name.
fn gone(before: &Table, namesake: Option<&Table>, plan: &Plan) -> TableChange {
    let status = if namesake.is_some() { Status::Recreated } else { Status::Dropped };
    let rows = before.rows;
    let what = format!("table {} with {}", before.name.short(), plural(rows, "row"));
    let planned = plan.drops(before.oid, rows);
    TableChange {
        rows_after: namesake.map(|table| table.rows),
        losses: vec![lost(LostKind::Table, what, rows, planned)],
        ..of(before, status)
    }
}

/// The table is gone and another with its name was looked through: a rebuild that kept every row
/// and every value has lost nothing.
fn rebuilt(before: &Table, namesake: &Table, values: &TableValues, plan: &Plan) -> TableChange {
    let rows = values.found.rows_gone.max(before.rows.saturating_sub(namesake.rows));
    let is_found_by_key = !values.key.is_empty() && values.found.rows_gone < before.rows;
    if !is_found_by_key && rows + values.found.rows_changed >= before.rows && before.rows > 0 {
        return gone(before, Some(namesake), plan);
    }
    let mut change =
        TableChange { rows_after: Some(namesake.rows), ..of(before, Status::Recreated) };
    let is_named = plan.drops(before.oid, before.rows);
    if rows > 0 {
        let what =
            format!("{}{} of {}", about(Some(values)), plural(rows, "row"), before.name.short());
        let planned = is_named || plan.takes_rows(before.oid, rows);
        change.losses.push(lost(LostKind::Rows, what, rows, planned));
    }
    for column in &before.columns {
        let is_there = namesake.columns.iter().any(|other| other.name == column.name);
        if !is_there {
            change.losses.push(columns::dropped(before, column, Some(values), plan));
        }
    }
    let (gone, lost) = value_losses(before, values, plan, |_| true);
    change.values = gone;
    change.losses.extend(lost);
    change
}

fn lost(kind: LostKind, what: String, rows: u64, planned: bool) -> Lost {
    Lost { kind, what, column: None, rows, values: 0, planned, by: By::Migration }
}

/// A table of which nothing is known yet but what it was.
fn of(before: &Table, status: Status) -> TableChange {
    TableChange {
        name: before.name.clone(),
        renamed_to: None,
        status,
        rows_before: Some(before.rows),
        rows_after: None,
        columns: Vec::new(),
        planned: true,
        losses: Vec::new(),
        is_derived: before.kind == TableKind::MaterializedView,
        compared: Compared::Counts,
        values: Vec::new(),
    }
}
