//! What an UPDATE of a key does to the rows that refer to it: `ON UPDATE CASCADE`, `SET NULL` and
//! `SET DEFAULT`.

use std::collections::BTreeSet;

use tokio_postgres::Error;

use super::as_written::Written;
use super::keys::{Action, Key, oids, row_of};
use super::rows::{number, sure};
use super::values::Target;
use super::{Measuring, at_most, sum};
use crate::loss::{Loss, TableFate, TableLoss};
use crate::text::name::quote;

impl Measuring<'_> {
    /// Adds the values that follow a key, or are emptied because of it.
    pub(super) async fn rekeyed(
        &self,
        written: &Written<'_>,
        targets: &[Target<'_>],
        loss: &mut Loss,
    ) -> Result<(), Error> {
        let keys = self.keys().await?;
        let tables = self.closure(&[written.table], true, None).await?;
        let is_set = |key: &&Key| {
            key.on_update != Action::Refuse
                && key.referred.iter().any(|column| targets.iter().any(|t| t.column == *column))
        };
        for key in keys.iter().filter(is_set) {
            let referred = self.leaves(key.parent).await?;
            if !tables.iter().any(|oid| referred.contains(oid)) {
                continue;
            }
            let followers = self.closure(&[key.child], true, None).await?;
            let doubt = self.changed_before(&followers).await?;
            let Some(sql) = self.referring(written, targets, key, &referred) else { continue };
            match self.as_written(&sql, written).await? {
                Err(why) => {
                    self.add_unknown(key, why, loss).await;
                }
                Ok(rows) => {
                    loss.doubt = loss.doubt.take().or(doubt);
                    for row in rows {
                        self.add_followers(key, (row.get(0), number(row.get(1))), written, loss);
                    }
                }
            }
            self.add_further(&keys, key, loss).await?;
        }
        Ok(())
    }

    /// Counts the rows that refer to a key that gets another value.
    fn referring(
        &self,
        written: &Written<'_>,
        targets: &[Target<'_>],
        key: &Key,
        referred: &BTreeSet<u32>,
    ) -> Option<String> {
        let own = written.parts.own;
        let columns: Vec<String> = key
            .referred
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{own}.{} AS k{at}", quote(column)))
            .collect();
        let names: Vec<String> = (0..columns.len()).map(|at| format!("p.k{at}")).collect();
        let set = targets.iter().filter(|target| key.referred.contains(&target.column));
        let changes: Vec<String> = set.map(|target| self.is_lost(written, target)).collect();
        Some(format!(
            "{} SELECT x.tableoid, pg_catalog.count(*) FROM {} x WHERE {} IN \
               (SELECT {} FROM (SELECT {own}.tableoid AS place, ({}) AS is_changed, {} {}) p \
                 WHERE p.is_changed AND p.place = ANY ({})) GROUP BY 1",
            written.parts.with,
            self.from(key.child)?,
            row_of("x", &key.columns),
            names.join(", "),
            changes.join(" OR "),
            columns.join(", "),
            written.parts.from_where(),
            oids(referred),
        ))
    }

    fn add_followers(
        &self,
        key: &Key,
        (oid, rows): (u32, u64),
        written: &Written<'_>,
        loss: &mut Loss,
    ) {
        let is_exact = loss.doubt.is_none();
        let columns: BTreeSet<i16> =
            key.columns.iter().filter_map(|column| self.attnum(oid, column)).collect();
        for attnum in &columns {
            let values = sure(rows, written, false);
            let values = if is_exact { values } else { at_most(&values) };
            let (table, column) = (self.name(oid), self.column_name(oid, *attnum));
            let said = values.said("value");
            loss.through.push(format!("column {table}.{column} ({said}) by foreign key"));
            loss.values = sum(&loss.values, &values);
        }
        let fate = TableFate::Values { columns, limit: is_exact.then_some(rows) };
        loss.tables.push(TableLoss { table: oid, fate });
    }

    async fn add_unknown(&self, key: &Key, why: String, loss: &mut Loss) {
        loss.doubt.get_or_insert(why);
        for attnum in &key.attnums {
            let values = at_most(&self.values(key.child, *attnum).await);
            let (table, column) = (self.name(key.child), self.column_name(key.child, *attnum));
            let said = values.said("value");
            loss.through.push(format!("column {table}.{column} ({said}) by foreign key"));
            loss.values = sum(&loss.values, &values);
        }
        let fate = TableFate::Values { columns: key.attnums.clone(), limit: None };
        loss.tables.push(TableLoss { table: key.child, fate });
    }

    /// What refers to a key that follows another key may follow too: any of it.
    async fn add_further(&self, keys: &[Key], first: &Key, loss: &mut Loss) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        let mut next = vec![first];
        while let Some(key) = next.pop() {
            let places = self.leaves(key.child).await?;
            for further in keys {
                let follows = further.on_update != Action::Refuse
                    && places.contains(&further.parent)
                    && further.referred.iter().any(|column| key.columns.contains(column));
                if follows && seen.insert(further.name.clone() + &further.child.to_string()) {
                    let why = format!("`{}` may follow too", self.name(further.child));
                    self.add_unknown(further, why, loss).await;
                    next.push(further);
                }
            }
        }
        Ok(())
    }
}
