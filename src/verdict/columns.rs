//! What became of a table's columns, and of the values in those that stayed.

use super::plan::Plan;
use super::table::about;
use super::{By, ColumnChange, ColumnStatus, Lost, LostKind, ValuesGone};
use crate::inventory::{Column, Table};
use crate::text::number::plural;
use crate::values::TableValues;

/// Columns that went, came, or were dropped and added again; what was lost with them.
pub(super) fn compare(
    before: &Table,
    after: &Table,
    values: Option<&TableValues>,
    plan: &Plan,
) -> (Vec<ColumnChange>, Vec<Lost>) {
    let is_told_of_root = before.root.is_some_and(|root| plan.values.contains_key(&root));
    let mut changes = Vec::new();
    let mut losses = Vec::new();
    for column in &before.columns {
        let same = after.columns.iter().find(|other| other.attnum == column.attnum);
        let status = match same {
            Some(same) if same.name != column.name => ColumnStatus::Renamed,
            Some(same) if same.type_name != column.type_name => ColumnStatus::Retyped,
            Some(_) => continue,
            None if after.columns.iter().any(|other| other.name == column.name) => {
                ColumnStatus::Recreated
            }
            None => ColumnStatus::Dropped,
        };
        changes.push(ColumnChange { name: column.name.clone(), status });
        match status {
            ColumnStatus::Dropped => losses.push(dropped(before, column, values, plan)),
            // The values of partitions were looked for together, and are told of their table.
            ColumnStatus::Recreated if is_told_of_root => {}
            ColumnStatus::Recreated => losses.extend(recreated(before, column, values, plan)),
            _ => {}
        }
    }
    let is_known = |name: &str| before.columns.iter().any(|column| column.name == name);
    let is_new = |attnum: i16| before.columns.iter().all(|column| column.attnum != attnum);
    for column in &after.columns {
        if is_new(column.attnum) && !is_known(&column.name) {
            changes.push(ColumnChange { name: column.name.clone(), status: ColumnStatus::Added });
        }
    }
    (changes, losses)
}

/// A column that is gone, with its values where they were counted.
pub(super) fn dropped(
    before: &Table,
    column: &Column,
    values: Option<&TableValues>,
    plan: &Plan,
) -> Lost {
    let held = values.and_then(|values| values.present.get(&column.attnum));
    let with = held.map(|held| format!(" with {}", plural(*held, "value"))).unwrap_or_default();
    Lost {
        kind: LostKind::Column,
        what: format!("column {}.{}{with}", before.name.short(), column.name),
        column: Some(column.name.clone()),
        rows: 0,
        values: held.copied().unwrap_or_default(),
        planned: plan.takes_column(before.oid, column.attnum),
        by: By::Migration,
    }
}

/// A column in whose place stands another of its name: a loss, unless every value is there again.
fn recreated(
    before: &Table,
    column: &Column,
    values: Option<&TableValues>,
    plan: &Plan,
) -> Option<Lost> {
    let looked = values.filter(|values| {
        values.columns.contains(&column.attnum) && !values.present.contains_key(&column.attnum)
    });
    let Some(values) = looked else { return Some(dropped(before, column, None, plan)) };
    let (_, gone) = values.gone().find(|(attnum, _)| *attnum == column.attnum)?;
    let about = about(Some(values));
    let with = plural(gone.gone(), "value");
    Some(Lost {
        what: format!("column {}.{} with {about}{with}", before.name.short(), column.name),
        values: gone.gone(),
        ..dropped(before, column, None, plan)
    })
}

/// Values that went in the columns that stayed, and the losses that they are.
pub(super) fn value_losses(
    before: &Table,
    values: &TableValues,
    plan: &Plan,
    stays: impl Fn(i16) -> bool,
) -> (Vec<ValuesGone>, Vec<Lost>) {
    let mut all = Vec::new();
    let mut losses = Vec::new();
    for (attnum, gone) in values.gone() {
        let Some(column) = before.columns.iter().find(|column| column.attnum == attnum) else {
            continue;
        };
        all.push(ValuesGone {
            column: column.name.clone(),
            overwritten: gone.overwritten,
            wiped: gone.wiped,
        });
        if stays(attnum) {
            let planned = plan.takes_values(before, attnum, gone.gone());
            losses.push(Lost { planned, ..of_values(before, &column.name, values, gone.gone()) });
        }
    }
    (all, losses)
}

fn of_values(before: &Table, column: &str, values: &TableValues, gone: u64) -> Lost {
    let about = about(Some(values));
    let what = format!("{about}{} of {}.{column}", plural(gone, "value"), before.name.short());
    let kind = LostKind::Values;
    let column = Some(column.to_owned());
    Lost { kind, what, column, rows: 0, values: gone, planned: false, by: By::Migration }
}
