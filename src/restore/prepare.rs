//! What a restore would do, as a value.

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::record::{Answer, Fate, RestorePlan, RestoreTable, Verdict};
use crate::snapshot::Manifest;
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::toc;
use crate::text::number::plural;

/// What a restore in place would do.
#[derive(Debug)]
pub struct Preparation<'a> {
    /// The tables concerned.
    pub plans: Vec<TablePlan<'a>>,
    /// Schemas that are gone and come back with their tables.
    pub missing_schemas: Vec<String>,
    /// Tables that are gone or empty, and whose rows the snapshot does not hold.
    pub not_kept: Vec<&'a KeptTable>,
}

/// What would be done with one table.
#[derive(Debug)]
pub struct TablePlan<'a> {
    /// The table as the snapshot has it.
    pub table: &'a KeptTable,
    /// What is there now.
    pub fate: Fate,
}

impl<'a> Preparation<'a> {
    /// The tables that would be changed.
    pub fn tables(&self) -> impl Iterator<Item = &'a KeptTable> {
        let changed = self.plans.iter().filter(|plan| !matches!(plan.fate, Fate::Fewer { .. }));
        changed.map(|plan| plan.table)
    }

    /// The tables in this state.
    pub fn with(&self, fate: Fate) -> Vec<&'a KeptTable> {
        self.plans.iter().filter(|plan| plan.fate == fate).map(|plan| plan.table).collect()
    }

    /// What is shown before anything is done.
    pub fn plan(&self, manifest: &Manifest) -> RestorePlan {
        let tables = self.plans.iter().map(|plan| RestoreTable {
            name: plan.table.qualified(),
            rows: plan.table.rows,
            fate: plan.fate,
        });
        RestorePlan {
            snapshot: manifest.id.clone(),
            database: manifest.database.name.clone(),
            created_at: manifest.created_at,
            revisions: manifest.revisions.clone(),
            tables: tables.collect(),
        }
    }

    /// What is said of tables that are not put back beside those that are.
    pub fn left_alone(&self) -> Vec<String> {
        self.fewer().into_iter().chain(self.missing()).collect()
    }

    /// What is said of tables that are gone or empty and were not kept.
    fn missing(&self) -> Option<String> {
        let names: Vec<String> =
            self.not_kept.iter().map(|table| table.qualified().short()).collect();
        let why = "gone or empty, and not in this snapshot, which holds only what was at risk";
        (!names.is_empty()).then(|| format!("{}: {why}", names.join(", ")))
    }

    fn fewer(&self) -> Option<String> {
        let fewer: Vec<String> = self
            .plans
            .iter()
            .filter(|plan| matches!(plan.fate, Fate::Fewer { .. }))
            .map(|plan| plan.table.qualified().short())
            .collect();
        let hint = "left alone, with fewer rows than the snapshot has: --into NAME";
        (!fewer.is_empty()).then(|| format!("{} {hint}", fewer.join(", ")))
    }

    /// Whether nothing would be changed.
    pub fn is_nothing(&self) -> bool {
        self.tables().next().is_none()
    }

    /// The answer when there is nothing to do; tables with fewer rows are no success.
    pub fn nothing_to_do(&self) -> Answer {
        let fewer = self.plans.len() as u64;
        if fewer == 0 && !self.not_kept.is_empty() {
            let n = self.not_kept.len() as u64;
            return Answer {
                verdict: Verdict::Blocked,
                exit: Exit::Blocked,
                sentence: format!(
                    "nothing to put back: the snapshot holds no rows of {} that {} gone or empty; nothing was changed",
                    plural(n, "table"),
                    if n == 1 { "is" } else { "are" }
                ),
                hints: self.missing().into_iter().collect(),
            };
        }
        if fewer == 0 {
            return Answer {
                verdict: Verdict::Ok,
                exit: Exit::Ok,
                sentence: "nothing to put back: no table of the snapshot is gone or empty"
                    .to_owned(),
                hints: Vec::new(),
            };
        }
        Answer {
            verdict: Verdict::Blocked,
            exit: Exit::Blocked,
            sentence: format!(
                "{} fewer rows than the snapshot, and rows are put back only into tables that are gone or empty; nothing was changed",
                if fewer == 1 {
                    "1 table has".to_owned()
                } else {
                    format!("{} have", plural(fewer, "table"))
                }
            ),
            hints: ["bring everything into a new database beside this one: --into NAME".to_owned()]
                .into_iter()
                .chain(self.missing())
                .collect(),
        }
    }
}

/// Compares the snapshot with what is there now. Tables are named as `schema.table` or `table`.
pub fn prepare<'a>(
    manifest: &'a Manifest,
    now: &Inventory,
    asked: &[String],
) -> Result<Preparation<'a>, Refusal> {
    let chosen = choose(manifest, asked)?;
    let mut plans = Vec::new();
    let mut not_kept = Vec::new();
    for table in chosen {
        if !table.kept {
            let found = now.named(&table.qualified()).map_or(0, |found| found.rows);
            if table.holds_rows() && table.rows > 0 && found == 0 {
                not_kept.push(table);
            }
            continue;
        }
        let fate = match now.named(&table.qualified()) {
            None if table.kind == "materialized-view" => continue,
            None => Fate::Gone,
            Some(_) if !table.holds_rows() || table.rows == 0 => continue,
            Some(found) if found.rows == 0 => Fate::Empty,
            Some(found) if found.rows < table.rows => Fate::Fewer { rows: found.rows },
            Some(_) => continue,
        };
        plans.push(TablePlan { table, fate });
    }
    if !asked.is_empty() {
        refuse_held(&plans)?;
    }
    let has_schema =
        |schema: &str| now.tables.iter().any(|table| table.name.schema.as_deref() == Some(schema));
    let mut missing_schemas: Vec<String> = plans
        .iter()
        .filter(|plan| plan.fate == Fate::Gone && !has_schema(&plan.table.schema))
        .map(|plan| plan.table.schema.clone())
        .collect();
    missing_schemas.sort();
    missing_schemas.dedup();
    Ok(Preparation { plans, missing_schemas, not_kept })
}

fn choose<'a>(manifest: &'a Manifest, asked: &[String]) -> Result<Vec<&'a KeptTable>, Refusal> {
    if asked.is_empty() {
        return Ok(manifest.tables.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in asked {
        let matching: Vec<&KeptTable> = manifest
            .tables
            .iter()
            .filter(|table| {
                table.name == *name
                    || format!("{}.{}", table.schema, table.name) == *name
                    || table.qualified().to_string() == *name
            })
            .collect();
        match matching.as_slice() {
            [table] if !table.kept => return Err(refuse_not_kept(manifest, table)),
            [table] => chosen.push(*table),
            [] => {
                let message = format!("snapshot {} holds no table `{name}`", manifest.id);
                return Err(Refusal::new(Exit::NoAnswer, message));
            }
            [first, ..] => {
                let message = format!("`{name}` is in several schemas, such as `{}`", first.schema);
                return Err(
                    Refusal::new(Exit::NoAnswer, message).hint("write --table SCHEMA.TABLE")
                );
            }
        }
    }
    Ok(toc::with_partitions(manifest, &chosen))
}

fn refuse_not_kept(manifest: &Manifest, table: &KeptTable) -> Refusal {
    let (id, name) = (&manifest.id, table.qualified());
    Refusal::new(
        Exit::NoAnswer,
        format!(
            "the rows of `{name}` are not in snapshot {id}: it holds only what was at risk, and nothing pending touched that table"
        ),
    )
    .hint("an earlier snapshot may hold them, or your own backup")
    .hint(format!("its definition is there: rowsafe restore {id} --into NAME"))
}

fn refuse_held(plans: &[TablePlan]) -> Result<(), Refusal> {
    let held = plans.iter().find_map(|plan| match plan.fate {
        Fate::Fewer { rows } => Some((plan.table, rows)),
        _ => None,
    });
    let Some((table, rows)) = held else { return Ok(()) };
    Err(Refusal::new(
        Exit::Blocked,
        format!(
            "`{}` holds {}, the snapshot {}: rows are put back only into tables that are gone or empty",
            table.qualified(),
            plural(rows, "row"),
            plural(table.rows, "row")
        ),
    )
    .hint("bring everything into a new database beside this one: --into NAME"))
}
