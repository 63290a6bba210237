//! The values that an UPDATE overwrites: what its own words select, and what they make of it.

use std::collections::BTreeSet;

use tokio_postgres::{Error, Row};

use super::as_written::Written;
use super::rows::{number, sure};
use super::{Measuring, at_most, sum};
use crate::effect::Reach;
use crate::effect::selection::Words;
use crate::loss::{Count, Loss, Share, TableFate, TableLoss};
use crate::sql::Statement;
use crate::text::QualifiedName;
use crate::text::name::{quote, quote_if_needed};

/// A column that gets another value, and the expression for it where it can be computed beforehand.
pub(super) struct Target<'s> {
    attnum: i16,
    pub(super) column: String,
    pub(super) value: Option<&'s str>,
}

/// What was counted of one table.
struct Counted {
    table: u32,
    /// Rows in which a value is lost.
    rows: u64,
    /// Values lost, at least and at most, by column.
    lost: Vec<(u64, u64)>,
}

impl Measuring<'_> {
    /// An UPDATE, counted by its own words where they can be run, and bounded where not.
    pub(super) async fn updated(
        &self,
        table: &QualifiedName,
        columns: &[String],
        reach: &Reach,
        statement: Option<&Statement>,
    ) -> Result<Loss, Error> {
        let why = match self.written(statement, table).await? {
            Err(why) => why,
            Ok(written) => match self.changed(&written, columns).await? {
                Err(why) => why,
                Ok((targets, counted)) => {
                    return self.lost(&written, reach, &targets, &counted).await;
                }
            },
        };
        Ok(Loss { doubt: Some(why), ..self.overwritten(table, columns).await? })
    }

    /// Counts with the new values, and where these can't be computed without them.
    async fn changed<'s>(
        &self,
        written: &Written<'s>,
        columns: &[String],
    ) -> Result<Result<(Vec<Target<'s>>, Vec<Counted>), String>, Error> {
        let mut targets = self.targets(written, columns).await?;
        if targets.is_empty() {
            return Ok(Err("what it sets is not there now".to_owned()));
        }
        let first = self.counted(written, &targets).await?;
        if first.is_ok() || targets.iter().all(|target| target.value.is_none()) {
            return Ok(first.map(|counted| (targets, counted)));
        }
        for target in &mut targets {
            target.value = None;
        }
        let second = self.counted(written, &targets).await?;
        Ok(second.map(|counted| (targets, counted)))
    }

    async fn targets<'s>(
        &self,
        written: &Written<'s>,
        columns: &[String],
    ) -> Result<Vec<Target<'s>>, Error> {
        let mut targets = Vec::new();
        for column in columns {
            let Some(attnum) = self.attnum(written.table, column) else { continue };
            let assigned = written.parts.set.iter().find(|part| part.columns.contains(column));
            let mut value = assigned.and_then(|part| part.value);
            if let Some(text) = value {
                let words = Words::of(&[text]);
                let is_changed = self.changed_before(&self.mentioned(&words)).await?.is_some();
                if words.is_of_the_moment
                    || is_changed
                    || self.unsafe_words(&words).await?.is_some()
                {
                    value = None;
                }
            }
            targets.push(Target { attnum, column: column.clone(), value });
        }
        Ok(targets)
    }

    async fn counted(
        &self,
        written: &Written<'_>,
        targets: &[Target<'_>],
    ) -> Result<Result<Vec<Counted>, String>, Error> {
        let parts = &written.parts;
        let (with, own) = (parts.with, parts.own);
        let (mut tests, mut least, mut most) = (Vec::new(), Vec::new(), Vec::new());
        let (mut merged, mut plain) = (Vec::new(), Vec::new());
        for (at, target) in targets.iter().enumerate() {
            tests.push(format!(", {} AS lost{at}", self.is_lost(written, target)));
            // What is not computed may be the same value again.
            let sure = if target.value.is_some() { format!("all{at}") } else { "false".to_owned() };
            least.push(format!("pg_catalog.count(*) FILTER (WHERE {sure})"));
            most.push(format!("pg_catalog.count(*) FILTER (WHERE any{at})"));
            merged.push(format!(
                ", pg_catalog.bool_and(lost{at}) AS all{at}, pg_catalog.bool_or(lost{at}) AS any{at}"
            ));
            plain.push(format!(", lost{at} AS all{at}, lost{at} AS any{at}"));
        }
        let any = (0..targets.len()).map(|at| format!("any{at}")).collect::<Vec<_>>().join(" OR ");
        let found = format!(
            "SELECT {own}.tableoid AS place, {own}.ctid AS tid{} {}",
            tests.concat(),
            parts.from_where()
        );
        // Of a row that finds several others PostgreSQL takes any: both outcomes are counted.
        let merged = if parts.others.is_some() {
            format!("SELECT place{} FROM ({found}) found GROUP BY place, tid", merged.concat())
        } else {
            format!("SELECT place{} FROM ({found}) found", plain.concat())
        };
        let sql = format!(
            "{with} SELECT place, pg_catalog.count(*) FILTER (WHERE {any}), {}, {} \
               FROM ({merged}) merged GROUP BY place",
            least.join(", "),
            most.join(", "),
        );
        let rows = self.as_written(&sql, written).await?;
        Ok(rows.map(|rows| rows.iter().map(|row| of_row(row, targets.len())).collect()))
    }

    /// Whether a row of the table loses its value; compared as text, for not every type can be.
    pub(super) fn is_lost(&self, written: &Written<'_>, target: &Target<'_>) -> String {
        let column = format!("{}.{}", written.parts.own, quote(&target.column));
        let Some(value) = target.value else { return format!("{column} IS NOT NULL") };
        let type_name = self.type_name(written.table, target.attnum);
        format!(
            "({column} IS NOT NULL AND {column}::pg_catalog.text \
               IS DISTINCT FROM (({value})::{type_name})::pg_catalog.text)"
        )
    }

    async fn lost(
        &self,
        written: &Written<'_>,
        reach: &Reach,
        targets: &[Target<'_>],
        counted: &[Counted],
    ) -> Result<Loss, Error> {
        let is_all = matches!(reach, Reach::All { .. });
        let total = |pick: fn(&(u64, u64)) -> u64| -> u64 {
            counted.iter().flat_map(|counted| &counted.lost).map(pick).sum()
        };
        let (least, most) = (total(|lost| lost.0), total(|lost| lost.1));
        let mut values = sure(most, written, is_all);
        if least != most {
            values = at_most(&values);
        }
        let uncomputed = targets.iter().find(|target| target.value.is_none()).map(|target| {
            format!(
                "the new value of `{}` can't be computed before",
                quote_if_needed(&target.column)
            )
        });
        let doubt = written.doubt.clone().or(uncomputed);
        let mut loss = Loss { values, doubt, ..Loss::default() };
        let tables = self.closure(&[written.table], true, None).await?;
        for oid in tables.iter().copied() {
            let of_table = counted.iter().find(|counted| counted.table == oid);
            let columns: BTreeSet<i16> =
                targets.iter().filter_map(|target| self.attnum(oid, &target.column)).collect();
            let rows = of_table.map_or(0, |counted| counted.rows);
            let limit = (written.doubt.is_none() && !is_all).then_some(rows);
            loss.tables.push(TableLoss { table: oid, fate: TableFate::Values { columns, limit } });
        }
        if most > 0 {
            self.rekeyed(written, targets, &mut loss).await?;
        }
        if !is_all && most > 0 {
            loss.share = self.share(&tables, targets, counted).await;
        }
        Ok(loss)
    }

    /// Of the column that fares worst, how many of its values go, in the table and its partitions.
    async fn share(
        &self,
        tables: &[u32],
        targets: &[Target<'_>],
        counted: &[Counted],
    ) -> Option<Share> {
        let mut worst: Option<Share> = None;
        for (at, target) in targets.iter().enumerate() {
            let taken: u64 = counted.iter().map(|counted| counted.lost[at].1).sum();
            let mut of = Count::default();
            for table in tables.iter().filter(|_| taken > 0) {
                if let Some(attnum) = self.attnum(*table, &target.column) {
                    of = sum(&of, &self.values(*table, attnum).await);
                }
            }
            let share = Share { taken, of: of.number()? };
            let is_worse = |than: &Share| share.taken * than.of > than.taken * share.of;
            if taken > 0 && worst.as_ref().is_none_or(is_worse) {
                worst = Some(share);
            }
        }
        worst
    }

    fn type_name(&self, table: u32, attnum: i16) -> String {
        let columns = self.listed(table).map(|listed| listed.table.columns.as_slice());
        let column = columns.unwrap_or_default().iter().find(|column| column.attnum == attnum);
        column.map_or_else(|| "pg_catalog.text".to_owned(), |column| column.type_name.clone())
    }

    /// Any value of these columns.
    pub(super) async fn overwritten(
        &self,
        table: &QualifiedName,
        columns: &[String],
    ) -> Result<Loss, Error> {
        let mut loss = Loss::default();
        for oid in self.closure(&self.tables(table), true, None).await? {
            let attnums: BTreeSet<i16> =
                columns.iter().filter_map(|column| self.attnum(oid, column)).collect();
            // An ORM does not say which columns it sets: it may be any.
            if attnums.is_empty() && self.rows(oid).await != Count::Exact(0) {
                let why = "which of its columns are set is not known".to_owned();
                loss.values = sum(&loss.values, &Count::Unknown(why));
            }
            for attnum in &attnums {
                // The new value may be the old one again, so that even all of them are a bound.
                let values = at_most(&self.values(oid, *attnum).await);
                loss.values = sum(&loss.values, &values);
            }
            let fate = TableFate::Values { columns: attnums, limit: None };
            loss.tables.push(TableLoss { table: oid, fate });
        }
        Ok(loss)
    }
}

fn of_row(row: &Row, columns: usize) -> Counted {
    let at = |index: usize| number(row.get(index));
    let lost = (0..columns).map(|column| (at(2 + column), at(2 + columns + column))).collect();
    Counted { table: row.get(0), rows: at(1), lost }
}
