//! What a restore would do, table by table: for a person and as JSON.

use serde::Serialize;

use super::findings::{WIDTH, wrapped};
use super::human::{GUTTER, labelled};
use crate::record::{Cannot, Changed, Fate, RestorePlan, RestoreTable};
use crate::text::number::{grouped, plural};

/// Tables that are listed one by one; the rest is summed up.
const LISTED: usize = 40;

/// The plan for a person.
pub fn human(plan: &RestorePlan) -> String {
    let created = plan.created_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let revisions = match plan.revisions.as_slice() {
        [] => String::new(),
        at => format!(", at {}", at.join(", ")),
    };
    let head = format!("{}  {}  {created}{revisions}", plan.snapshot, plan.database);
    let width = plan.tables.iter().map(|table| table.name.short().chars().count()).max();
    let width = width.unwrap_or_default().min(40);
    let mut lines: Vec<String> =
        plan.tables.iter().take(LISTED).map(|table| line(table, width)).collect();
    let hidden = plan.tables.len().saturating_sub(LISTED);
    if hidden > 0 {
        lines.push(format!("{} more, see the JSON report", plural(hidden as u64, "table")));
    }
    if !plan.along.is_empty() {
        let along = format!("and what they need: {}", plan.along.join(", "));
        lines.extend(wrapped(&along, WIDTH - GUTTER));
    }
    if plan.same > 0 {
        let other = if lines.is_empty() { "" } else { "other " };
        let noun = if plan.same == 1 { "table" } else { "tables" };
        lines.push(format!("{} {other}{noun}: nothing", grouped(plan.same)));
    }
    labelled("snapshot", &head) + &labelled("would", &lines.join("\n"))
}

/// One table and what would be done with it, continued below where that is long.
fn line(table: &RestoreTable, width: usize) -> String {
    let head = format!("{:<width$}  ", table.name.short());
    let indent = head.chars().count().min(WIDTH / 2);
    let room = WIDTH.saturating_sub(GUTTER + indent).max(20);
    let whole: Vec<String> = notes(table).iter().map(|it| it.replace(' ', "\u{a0}")).collect();
    let text = wrapped(&whole.join(", "), room).join("\n").replace('\u{a0}', " ");
    let reasons = table
        .changed
        .cannot
        .iter()
        .flat_map(|cannot| wrapped(&format!("cannot: {}", cannot.why), room));
    let lines: Vec<String> = text.lines().map(str::to_owned).chain(reasons).collect();
    head + &lines.join(&format!("\n{:indent$}", ""))
}

fn notes(table: &RestoreTable) -> Vec<String> {
    let changed = &table.changed;
    let mut notes = Vec::new();
    match table.fate {
        Fate::Gone => {
            return vec![format!("make it again, insert {}", grouped(changed.insert))];
        }
        Fate::NotKept => return vec!["nothing: its rows are not in the snapshot".to_owned()],
        Fate::There => {}
    }
    if let Some(was) = &table.was {
        notes.push(format!("was {}", was.short()));
    }
    for (column, values) in &changed.columns {
        notes.push(format!("make {column} again with {}", plural(*values, "value")));
    }
    if changed.insert > 0 {
        notes.push(format!("insert {}", grouped(changed.insert)));
    }
    for (column, values) in &changed.fill {
        notes.push(format!("fill {} of {column}", plural(*values, "value")));
    }
    if changed.overwrite > 0 {
        notes.push(format!("overwrite {}", grouped(changed.overwrite)));
    }
    if changed.delete > 0 {
        notes.push(format!("delete {}", grouped(changed.delete)));
    }
    if changed.newer > 0 {
        notes.push(format!("keep {} newer", grouped(changed.newer)));
    }
    if changed.changed > 0 {
        notes.push(format!("keep {} changed", grouped(changed.changed)));
    }
    notes
}

/// The plan as other programs read it.
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    mode: &'static str,
    /// Whether it was done, or only said.
    done: bool,
    tables: Vec<TableModel<'a>>,
    /// Tables in which nothing differs.
    same: u64,
    along: &'a [String],
    /// The snapshot of what was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<PresentModel<'a>>,
}

#[derive(Debug, Serialize)]
struct TableModel<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    /// `gone`, `there`, `not-kept`.
    now: &'static str,
    rows: u64,
    insert: u64,
    fill: Vec<ColumnModel<'a>>,
    columns: Vec<ColumnModel<'a>>,
    keep_newer: u64,
    keep_changed: u64,
    overwrite: u64,
    delete: u64,
    cannot: Vec<CannotModel<'a>>,
}

#[derive(Debug, Serialize)]
struct ColumnModel<'a> {
    column: &'a str,
    values: u64,
}

#[derive(Debug, Serialize)]
struct CannotModel<'a> {
    rows: u64,
    values: u64,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct PresentModel<'a> {
    id: &'a str,
    path: &'a str,
}

impl<'a> Model<'a> {
    /// The plan of a record.
    pub fn of(plan: &'a RestorePlan) -> Self {
        Self {
            mode: plan.mode,
            done: plan.is_done,
            tables: plan.tables.iter().map(table).collect(),
            same: plan.same,
            along: &plan.along,
            present: plan
                .present
                .as_ref()
                .map(|kept| PresentModel { id: &kept.id, path: &kept.path }),
        }
    }
}

fn table(table: &RestoreTable) -> TableModel<'_> {
    let Changed { insert, newer, changed, overwrite, delete, .. } = table.changed;
    TableModel {
        schema: table.name.schema.as_deref(),
        name: &table.name.name,
        was: table.was.as_ref().map(ToString::to_string),
        now: table.fate.name(),
        rows: table.rows,
        insert,
        fill: columns(&table.changed.fill),
        columns: columns(&table.changed.columns),
        keep_newer: newer,
        keep_changed: changed,
        overwrite,
        delete,
        cannot: table.changed.cannot.iter().map(cannot).collect(),
    }
}

fn columns(columns: &[(String, u64)]) -> Vec<ColumnModel<'_>> {
    columns.iter().map(|(column, values)| ColumnModel { column, values: *values }).collect()
}

fn cannot(cannot: &Cannot) -> CannotModel<'_> {
    CannotModel { rows: cannot.rows, values: cannot.values, why: &cannot.why }
}
