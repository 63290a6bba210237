//! How few rows are too few: `min-rows` and `max-shrink` of the configuration, before the command
//! and after it. What is below a threshold stops the run, whoever has agreed to the rows.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::db::postgres::catalog::{self, Listed, Readable};
use crate::db::postgres::{refusal, server_message};
use crate::exit::Exit;
use crate::finding::Finding;
use crate::hint::Refusal;
use crate::inventory::{Inventory, Table, TableKind};
use crate::known::Known;
use crate::loss::TableFate;
use crate::plan::Plan;
use crate::policy::{TableRule, TableRules};
use crate::request::RunRequest;
use crate::text::number::{grouped, plural};

/// Refuses a run that starts below a threshold, or that the plan says would end below one.
pub async fn before(client: &Client, request: &RunRequest, plan: &Plan) -> Result<(), Refusal> {
    let rules = &request.tables;
    if !rules.iter().any(|(_, rule)| rule.has_threshold()) {
        return Ok(());
    }
    // Whoever takes a new database for the right one takes its rows for enough.
    let known = if request.new_database { None } else { request.known.read()? };
    let mut breaches = standing(client, rules, known.as_ref(), &plan.findings).await?;
    if request.new_database {
        breaches.retain(|breach| breach.is_planned);
    }
    if breaches.is_empty() {
        return Ok(());
    }
    let what: Vec<String> = breaches.into_iter().map(|breach| breach.what).collect();
    Err(Refusal::new(Exit::Blocked, format!("{}; nothing was run", what.join("; ")))
        .hint("the thresholds stand in `[tables]` of the configuration")
        .hint("for a database that is being set up: --new-database"))
}

/// Rows that are too few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// In words.
    pub what: String,
    /// The plan leads there; otherwise it is so already.
    pub is_planned: bool,
}

impl Breach {
    fn now(what: String) -> Self {
        Self { what, is_planned: false }
    }

    fn planned(what: String) -> Self {
        Self { what, is_planned: true }
    }
}

/// What is below a threshold on this database, now, against the record, and once the findings are
/// done.
pub async fn standing(
    client: &Client,
    rules: &TableRules,
    known: Option<&Known>,
    findings: &[Finding],
) -> Result<Vec<Breach>, Refusal> {
    let asked = |error| refusal(Exit::DatabaseUnavailable, "list the tables", error);
    let listed = catalog::tables(client).await.map_err(asked)?;
    let going = going(findings);
    let mut breaches = missing(rules, &listed);
    for listed in &listed {
        let table = &listed.table;
        let rule = rules.for_table(&table.name);
        if !rule.has_threshold() {
            continue;
        }
        match count(client, listed).await {
            Ok(rows) => {
                let on_record = known
                    .and_then(|known| Some((known.rows_of(table.oid, &table.name)?, known.when())));
                let taken = going.get(&table.oid).map_or(0, |taken| taken.unwrap_or(rows));
                let seen = Seen { table, rows, taken: taken.min(rows), on_record };
                breaches.extend(seen.against(&rule));
            }
            Err(why) => {
                let name = table.name.short();
                breaches.push(Breach::now(format!("`{name}` can't be counted: {why}")));
            }
        }
    }
    Ok(breaches)
}

/// Tables that have to hold rows and are not there.
fn missing(rules: &TableRules, listed: &[Listed]) -> Vec<Breach> {
    let absent = rules.named().filter_map(|(name, rule)| {
        let least = rule.min_rows.filter(|least| *least > 0)?;
        let is_there = listed.iter().any(|listed| listed.table.name == name);
        let what = format!("`{}` is missing, and min-rows is {}", name.short(), grouped(least));
        (!is_there).then(|| Breach::now(what))
    });
    absent.collect()
}

/// Rows that the findings take from each table for certain; `None` is all of them. What only may
/// go is for the comparison afterwards.
fn going(findings: &[Finding]) -> BTreeMap<u32, Option<u64>> {
    let mut going: BTreeMap<u32, Option<u64>> = BTreeMap::new();
    for finding in findings {
        let Some(loss) = finding.loss.as_ref().filter(|loss| loss.rows.is_exact()) else {
            continue;
        };
        // Its name comes back with the same statement batch, and nobody knows with how many rows.
        if finding.rule == "recreate-table" {
            continue;
        }
        for table in &loss.tables {
            let taken = match &table.fate {
                TableFate::Dropped { .. } => None,
                TableFate::Rows { limit } => *limit,
                TableFate::Columns(_) | TableFate::Values { .. } => continue,
            };
            let sum = going.entry(table.table).or_insert(Some(0));
            *sum = sum.zip(taken).map(|(sum, taken)| sum.saturating_add(taken));
        }
    }
    going
}

/// All rows of a table: those of its partitions are its own.
async fn count(client: &Client, listed: &Listed) -> Result<u64, String> {
    match listed.readable {
        Readable::Yes => {}
        Readable::NoPrivilege => return Err("the role may not read it".to_owned()),
        Readable::RowSecurity => return Err("row-level security hides rows of it".to_owned()),
    }
    let table = &listed.table;
    let only = if table.kind == TableKind::Partitioned { "" } else { "ONLY " };
    let sql = format!("SELECT count(*) FROM {only}{}", table.name.sql());
    let row = client.query_one(&sql, &[]).await.map_err(|error| server_message(&error))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
}

/// A table with what is known of its rows.
struct Seen<'a> {
    table: &'a Table,
    rows: u64,
    taken: u64,
    on_record: Option<(u64, String)>,
}

impl Seen<'_> {
    fn against(&self, rule: &TableRule) -> Vec<Breach> {
        let name = self.table.name.short();
        let (rows, left) = (self.rows, self.rows - self.taken);
        let mut breaches = Vec::new();
        if let Some(least) = rule.min_rows {
            let threshold = format!("min-rows is {}", grouped(least));
            if rows < least {
                let what = format!("`{name}` holds {}, {threshold}", plural(rows, "row"));
                breaches.push(Breach::now(what));
            } else if left < least {
                let left = grouped(left);
                let what =
                    format!("`{name}` would keep {left} of {}, {threshold}", plural(rows, "row"));
                breaches.push(Breach::planned(what));
            }
        }
        let Some(share) = rule.max_shrink else { return breaches };
        if let Some((then, when)) = &self.on_record
            && then.saturating_sub(rows) > share.of(*then)
        {
            breaches.push(Breach::now(format!(
                "`{name}` held {} on {when}, now {}, and max-shrink is {share}",
                plural(*then, "row"),
                grouped(rows)
            )));
        }
        if self.taken > share.of(rows) {
            breaches.push(Breach::planned(format!(
                "`{name}` would lose {} of {}, and max-shrink is {share}",
                grouped(self.taken),
                plural(rows, "row")
            )));
        }
        breaches
    }
}

/// What the run brought below a threshold: a loss, even where the rows were agreed to.
pub fn after(rules: &TableRules, before: &Inventory, after: &Inventory) -> Vec<String> {
    let mut breaches = Vec::new();
    for table in &before.tables {
        let rule = rules.for_table(&table.name);
        if !rule.has_threshold() {
            continue;
        }
        let then = all_rows(before, table);
        let same = after.table(table.oid).or_else(|| after.named(&table.name));
        let now = same.map_or(0, |table| all_rows(after, table));
        let name = table.name.short();
        let left = match same {
            Some(_) => format!("`{name}` keeps {} of {}", grouped(now), plural(then, "row")),
            None => format!("`{name}` is gone with {}", plural(then, "row")),
        };
        // What was below before was accepted before, and is no loss of this run.
        if let Some(least) = rule.min_rows.filter(|least| now < *least && *least <= then) {
            breaches.push(format!("{left}, and min-rows is {}", grouped(least)));
        } else if let Some(share) = rule.max_shrink
            && then.saturating_sub(now) > share.of(then)
        {
            breaches.push(format!("{left}, and max-shrink is {share}"));
        }
    }
    breaches
}

fn all_rows(inventory: &Inventory, table: &Table) -> u64 {
    let parts = inventory.tables.iter().filter(|part| part.root == Some(table.oid));
    table.rows + parts.map(|part| part.rows).sum::<u64>()
}
