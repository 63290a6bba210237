//! Columns that are gone: made again with their values, and then whatever hung on them.

use std::collections::BTreeSet;

use super::convert;
use super::definition;
use super::pair::{Unit, staged};
use super::recreate::{self, along, said};
use super::script::Item;
use super::session::Session;
use crate::hint::Refusal;
use crate::record::{Cannot, Changed};
use crate::snapshot::manifest::KeptColumn;
use crate::snapshot::toc::{self, Entry};
use crate::text::name::{quote, quote_if_needed};
use crate::text::number::plural;

/// `pg_class`, whose oid is fixed (PostgreSQL, src/include/catalog/pg_class.h).
const PG_CLASS: u32 = 1259;

/// Kinds of entries that may speak of a column.
const SPEAKING: [&str; 10] = [
    "INDEX",
    "CONSTRAINT",
    "FK CONSTRAINT",
    "CHECK CONSTRAINT",
    "TRIGGER",
    "POLICY",
    "RULE",
    "STATISTICS",
    "DEFAULT",
    "SEQUENCE",
];

/// Kinds of entries that must be there before the column is.
const BEFORE: [&str; 9] = [
    "SCHEMA",
    "EXTENSION",
    "TYPE",
    "SHELL TYPE",
    "DOMAIN",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "COLLATION",
];

/// The columns of a unit that come back.
#[derive(Debug, Clone, Default)]
pub struct Return {
    /// The columns.
    pub columns: Vec<Back>,
    /// Types and functions that they need.
    before: Vec<Item>,
    /// Checks of the table that speak of them.
    checks: Vec<definition::Constraint>,
    /// Indexes, constraints, defaults, views, comments and grants that hung on them.
    after: Vec<Item>,
    /// What comes along, in words.
    pub along: Vec<String>,
}

/// A column that comes back.
#[derive(Debug, Clone)]
pub struct Back {
    /// Its name.
    pub name: String,
    /// How it is made; none where it comes with that of the table above.
    sql: Option<String>,
    /// Its value, of a staged row `s`; none where it is computed.
    pub value: Option<String>,
    is_not_null: bool,
}

/// What the columns of a unit come back from; what stands in the way goes into `changed`.
pub async fn find(
    session: &Session,
    unit: &Unit<'_>,
    entries: &[Entry],
    items: &[Item],
    there: &BTreeSet<u64>,
    changed: &mut Changed,
) -> Result<Return, Refusal> {
    let gone: Vec<&KeptColumn> =
        unit.gone.iter().copied().filter(|column| unit.asked.column(column.attnum)).collect();
    let is_table = |item: &&Item| {
        item.catalog == PG_CLASS && item.oid == unit.kept.oid && item.kind == "TABLE"
    };
    let table = items.iter().find(is_table);
    let Some(table) = table.filter(|_| !gone.is_empty()) else { return Ok(Return::default()) };
    let mut found = Return::default();
    for column in gone {
        match back(session, unit, column, &table.sql).await? {
            Ok((column, values, cannot)) => {
                changed.columns.push((column.name.clone(), values));
                changed.cannot.extend(cannot);
                found.columns.push(column);
            }
            Err(cannot) => changed.cannot.push(cannot),
        }
    }
    if !found.columns.is_empty() {
        hanging(&mut found, unit, table, entries, items, there);
    }
    Ok(found)
}

/// One column, how many values it brings, and what of it can't be.
async fn back(
    session: &Session,
    unit: &Unit<'_>,
    column: &KeptColumn,
    create_table: &str,
) -> Result<Result<(Back, u64, Option<Cannot>), Cannot>, Refusal> {
    let refused = |values: u64, why: String| {
        let why = format!("{} of {}: {why}", plural(values, "value"), column.name);
        Ok(Err(Cannot { rows: 0, values, why }))
    };
    let place = staged(column.attnum);
    let what = format!("look at the values of `{}.{}`", unit.name(), column.name);
    let sql = format!("SELECT count({place}), count(*) FROM {}", unit.staged);
    let counts = session.numbers(&sql, &what).await?;
    let (values, rows) = (counts[0], counts[1]);
    if unit.live.columns.iter().any(|other| other.name == column.name) {
        return refused(values, "another column has its name now".to_owned());
    }
    let definition = definition::column(create_table, &column.name);
    if definition.as_ref().is_some_and(|it| it.is_generated) {
        let sql = definition.map(|it| it.sql);
        let name = column.name.clone();
        return Ok(Ok((Back { name, sql, value: None, is_not_null: false }, 0, None)));
    }
    if unit.key.is_none() && rows > 0 {
        return refused(values, "without a key it can't be told whose they are".to_owned());
    }
    let (value, unfit) = convert::text_as(session, unit, column).await?;
    let cannot = (unfit > 0).then(|| Cannot {
        rows: 0,
        values: unfit,
        why: format!(
            "{} of {}: the type {} has no such value now",
            plural(unfit, "value"),
            column.name,
            column.type_name
        ),
    });
    let back = Back {
        name: column.name.clone(),
        is_not_null: definition.as_ref().is_some_and(|it| it.is_not_null),
        sql: definition.map(|it| it.sql),
        value: Some(value),
    };
    Ok(Ok((back, values - unfit, cannot)))
}

/// What hung on the columns and is not there now.
fn hanging(
    found: &mut Return,
    unit: &Unit<'_>,
    table: &Item,
    entries: &[Entry],
    items: &[Item],
    there: &BTreeSet<u64>,
) {
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    let speaks = |sql: &str| names.iter().any(|name| definition::mentions(sql, name));
    let of_table: BTreeSet<u64> =
        toc::whole_tables(entries, &[unit.kept]).iter().filter_map(|entry| entry.id()).collect();
    let is_lost = |item: &&Item| {
        SPEAKING.contains(&item.kind.as_str())
            && of_table.contains(&item.id)
            && !there.contains(&item.id)
            && speaks(&item.sql)
    };
    let lost: BTreeSet<u64> = items.iter().filter(is_lost).map(|item| item.id).collect();
    let own: BTreeSet<u64> = lost.iter().copied().chain([table.id]).collect();
    let is_own_view = |item: &Item| !item.needs.contains(&table.id) || speaks(&item.sql);
    let along = along(items, &own, there, is_own_view);
    let of_column = |item: &Item| {
        let named = |name: &&str| {
            let column = quote_if_needed(name);
            item.name == format!("COLUMN {}.{column}", quote_if_needed(&unit.kept.name))
        };
        matches!(item.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL")
            && names.iter().any(|name| named(&name))
    };
    let of_sequence = |item: &Item| {
        let is_lost = |other: &Item| {
            other.kind == "SEQUENCE" && lost.contains(&other.id) && other.name == item.name
        };
        item.kind.starts_with("SEQUENCE ") && items.iter().any(is_lost)
    };
    let of_lost =
        |item: &Item| item.kind == "COMMENT" && item.needs.iter().any(|id| lost.contains(id));
    for item in items {
        let is_along = along.contains(&item.id);
        let is_wanted = is_along
            || lost.contains(&item.id)
            || of_column(item)
            || of_sequence(item)
            || of_lost(item);
        if !is_wanted {
            continue;
        }
        if is_along && recreate::is_worth_naming(item) {
            found.along.push(said(item));
        }
        if is_along && BEFORE.contains(&item.kind.as_str()) {
            found.before.push(item.clone());
        } else {
            found.after.push(recursive(unit, item));
        }
    }
    let is_there = |name: &str| unit.live.checks.iter().any(|check| check.name == name);
    found.checks = definition::constraints(&table.sql)
        .into_iter()
        .filter(|constraint| speaks(&constraint.sql) && !is_there(&constraint.name))
        .collect();
}

/// Of a partitioned table an index is made with those of its partitions.
fn recursive(unit: &Unit<'_>, item: &Item) -> Item {
    let mut item = item.clone();
    if unit.live.is_partitioned && item.kind == "INDEX" {
        item.sql = item.sql.replacen(" ON ONLY ", " ON ", 1);
    }
    if unit.live.is_partitioned && item.kind == "CONSTRAINT" {
        item.sql = item.sql.replacen("ALTER TABLE ONLY ", "ALTER TABLE ", 1);
    }
    item
}

impl Return {
    /// Leaves out what is made elsewhere already.
    pub fn without(&mut self, made: &mut BTreeSet<u64>) {
        self.before.retain(|item| made.insert(item.id));
        self.after.retain(|item| made.insert(item.id));
    }

    /// Makes the columns, and puts the values into the rows that are there.
    pub async fn begin(&self, session: &Session, unit: &Unit<'_>) -> Result<(), Refusal> {
        for item in &self.before {
            session.execute(&item.sql, &format!("make {}", said(item))).await?;
        }
        let name = unit.name().sql();
        for column in &self.columns {
            let Some(sql) = &column.sql else { continue };
            let what = format!("make the column `{}.{}` again", unit.name(), column.name);
            session.execute(&format!("ALTER TABLE {name} ADD COLUMN {sql}"), &what).await?;
        }
        let set: Vec<String> = self
            .columns
            .iter()
            .filter_map(|column| {
                Some(format!("{} = {}", quote(&column.name), column.value.as_ref()?))
            })
            .collect();
        let Some(same) = unit.same_row().filter(|_| !set.is_empty()) else { return Ok(()) };
        let sql = format!(
            "UPDATE {} l SET {} FROM {} s WHERE {same}",
            unit.live.from(),
            set.join(", "),
            unit.staged
        );
        let what = format!("put values back into {}", unit.name().short());
        session.change(&sql, &what).await.map(drop)
    }

    /// Makes what hung on the columns. What rows of now do not let be is told.
    pub async fn end(&self, session: &Session, unit: &Unit<'_>) -> Result<Vec<Cannot>, Refusal> {
        let name = unit.name().sql();
        let mut cannot = Vec::new();
        let tell = |why: String| Cannot { rows: 0, values: 0, why };
        for column in self.columns.iter().filter(|column| column.is_not_null) {
            let column = quote(&column.name);
            let sql = format!("ALTER TABLE {name} ALTER COLUMN {column} SET NOT NULL");
            if session.attempt(&sql).await.is_err() {
                let why =
                    format!("{column} is not NOT NULL again: newer rows have no value for it");
                cannot.push(tell(why));
            }
        }
        let is_renamed = *unit.name() != unit.kept.qualified();
        if is_renamed && !(self.after.is_empty() && self.checks.is_empty()) {
            let what: Vec<String> = self.after.iter().map(said).collect();
            let why = format!("not made again, because the table was renamed: {}", what.join(", "));
            cannot.push(tell(why));
            return Ok(cannot);
        }
        for check in &self.checks {
            let sql = format!("ALTER TABLE {name} ADD {}", check.sql);
            if session.attempt(&sql).await.is_err() {
                cannot.push(tell(format!(
                    "the check {} is not there: rows of now do not pass it",
                    check.name
                )));
            }
        }
        cannot.extend(recreate::finish(session, &self.after, true).await?);
        Ok(cannot)
    }
}
