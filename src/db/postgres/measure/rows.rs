//! The rows that a DELETE takes: those that its own WHERE selects, and those that hang on them.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Error;

use super::as_written::{DELETES, UPDATES, Written};
use super::cascade::Taken;
use super::keys::Action;
use super::{Measuring, at_most, sum};
use crate::effect::Reach;
use crate::loss::{Count, Loss, Share, TableFate, TableLoss};
use crate::policy::NOTED_SHARE;
use crate::sql::Statement;
use crate::text::QualifiedName;
use crate::text::number::plural;

impl Measuring<'_> {
    /// A DELETE, counted by its own words where they can be run, and bounded where not.
    pub(super) async fn deleted(
        &self,
        table: &QualifiedName,
        reach: &Reach,
        statement: Option<&Statement>,
    ) -> Result<Loss, Error> {
        let mut written = match self.written(statement, table).await? {
            Ok(written) => written,
            Err(why) => {
                return Ok(Loss { doubt: Some(why), ..self.bounded(table, reach).await? });
            }
        };
        let named: BTreeSet<u32> =
            self.closure(&[written.table], true, None).await?.into_iter().collect();
        let mut why = None;
        match self.graph(written.table, named).await? {
            Ok(graph) if graph.is_empty() => {}
            Ok(graph) => match self.follow_exactly(&graph, &written).await? {
                Ok(taken) => {
                    if written.doubt.is_none() {
                        written.doubt = self.unsteady(&graph.tables()).await?;
                    }
                    return self.taken(&written, reach, Some(&taken), &taken.own).await;
                }
                Err(failed) => why = Some(failed),
            },
            Err(unfollowed) => why = Some(unfollowed),
        }
        match self.selected(&written).await? {
            Ok(selected) => {
                let loss = self.taken(&written, reach, None, &selected).await?;
                Ok(Loss { doubt: loss.doubt.clone().or(why), ..loss })
            }
            Err(why) => Ok(Loss { doubt: Some(why), ..self.bounded(table, reach).await? }),
        }
    }

    /// Why what hangs on the rows may not be what it is now.
    async fn unsteady(&self, tables: &[u32]) -> Result<Option<String>, Error> {
        let trigger = self.first_trigger(tables, DELETES | UPDATES).await?;
        Ok(self.changed_before(tables).await?.or(trigger))
    }

    /// How many rows of each table the statement selects now.
    async fn selected(
        &self,
        written: &Written<'_>,
    ) -> Result<Result<BTreeMap<u32, u64>, String>, Error> {
        let (with, own) = (written.parts.with, written.parts.own);
        let from = written.parts.from_where();
        let sql = if written.parts.others.is_none() {
            format!("{with} SELECT {own}.tableoid, pg_catalog.count(*) {from} GROUP BY 1")
        } else {
            // A row that finds several others goes once.
            format!(
                "{with} SELECT found.place, pg_catalog.count(*) \
                   FROM (SELECT DISTINCT {own}.tableoid AS place, {own}.ctid AS tid {from}) found \
                  GROUP BY 1"
            )
        };
        let rows = self.as_written(&sql, written).await?;
        Ok(rows.map(|rows| rows.iter().map(|row| (row.get(0), number(row.get(1)))).collect()))
    }

    async fn taken(
        &self,
        written: &Written<'_>,
        reach: &Reach,
        along: Option<&Taken>,
        selected: &BTreeMap<u32, u64>,
    ) -> Result<Loss, Error> {
        let is_all = matches!(reach, Reach::All { .. });
        let total = selected.values().sum();
        let named = self.closure(&[written.table], true, None).await?;
        let mut loss = Loss { rows: sure(total, written, is_all), ..Loss::default() };
        loss.doubt.clone_from(&written.doubt);
        for oid in &named {
            let taken = selected.get(oid).copied().unwrap_or_default();
            let limit = match (is_all, loss.rows.is_exact()) {
                (true, _) => None,
                (false, true) => Some(taken),
                (false, false) => Some(self.noted(*oid).await),
            };
            loss.tables.push(TableLoss { table: *oid, fate: TableFate::Rows { limit } });
        }
        if !is_all && total > 0 {
            let tables: Vec<u32> = selected.keys().copied().collect();
            let of = self.rows_of(&tables).await.number();
            // Many small parts are no small part.
            let mut deleted = self.deleted.borrow_mut();
            let taken = deleted.entry(self.root(written.table)).or_default();
            *taken += total;
            loss.share = of.map(|of| Share { taken: *taken, of });
        }
        match along {
            Some(along) => self.add_along(along, written, &mut loss),
            None if loss.rows != Count::Exact(0) => {
                if self.comes_back(&named).await? && !is_all {
                    self.add_own(&named, &mut loss).await;
                }
                self.follow(&named, reach, &mut loss).await?;
            }
            None => {}
        }
        Ok(loss)
    }

    /// Whether rows of these tables may go because other rows of them go.
    async fn comes_back(&self, named: &[u32]) -> Result<bool, Error> {
        let reached = self.closure(named, true, Some(&["c"])).await?;
        for key in self.keys().await?.iter().filter(|key| key.on_delete == Action::Cascade) {
            let (children, parents) =
                (self.leaves(key.child).await?, self.leaves(key.parent).await?);
            if named.iter().any(|oid| children.contains(oid))
                && reached.iter().any(|oid| parents.contains(oid))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds every row of the statement's own tables.
    async fn add_own(&self, named: &[u32], loss: &mut Loss) {
        loss.rows = Count::default();
        for oid in named {
            self.add_by_key(*oid, loss).await;
        }
    }

    /// Adds any of the rows of a table, taken along by a foreign key.
    async fn add_by_key(&self, oid: u32, loss: &mut Loss) {
        let rows = at_most(&self.rows(oid).await);
        if rows != Count::Exact(0) {
            let said = rows.said("row");
            loss.through.push(format!("table {} ({said}) by foreign key", self.name(oid)));
        }
        loss.rows = sum(&loss.rows, &rows);
        loss.tables.push(TableLoss { table: oid, fate: TableFate::Rows { limit: None } });
    }

    /// Adds what was counted of the tables that hang on the rows.
    fn add_along(&self, along: &Taken, written: &Written<'_>, loss: &mut Loss) {
        let is_exact = written.doubt.is_none();
        let refusing = along.refusing.iter().find(|(_, _, rows)| is_exact && *rows > 0);
        loss.fails = refusing.map(|(key, oid, rows)| {
            let (rows, table) = (plural(*rows, "row"), self.name(*oid));
            format!("{rows} of `{table}` still refer to what is deleted, by `{key}`")
        });
        for (oid, taken) in &along.others {
            let rows = sure(*taken, written, false);
            if rows != Count::Exact(0) {
                let said = rows.said("row");
                loss.through.push(format!("table {} ({said}) by foreign key", self.name(*oid)));
            }
            loss.rows = sum(&loss.rows, &rows);
            let limit = is_exact.then_some(*taken);
            loss.tables.push(TableLoss { table: *oid, fate: TableFate::Rows { limit } });
        }
        for (key, oid, rows) in &along.emptied {
            // A partition may have its columns in another order.
            let place = |attnum: &i16| self.attnum(*oid, &self.column_name(key.child, *attnum));
            let columns: BTreeSet<i16> =
                key.emptied.iter().map(|attnum| place(attnum).unwrap_or(*attnum)).collect();
            for attnum in &columns {
                let values = sure(*rows, written, false);
                let values = if key.sets_default { at_most(&values) } else { values };
                let (table, column) = (self.name(*oid), self.column_name(*oid, *attnum));
                let said = values.said("value");
                loss.through.push(format!("column {table}.{column} ({said}) by foreign key"));
                loss.values = sum(&loss.values, &values);
            }
            let fate = TableFate::Values { columns, limit: is_exact.then_some(*rows) };
            loss.tables.push(TableLoss { table: *oid, fate });
        }
    }

    /// As many rows of a table as may go without an agreement where they can't be counted.
    async fn noted(&self, oid: u32) -> u64 {
        self.rows(oid).await.number().unwrap_or_default() * NOTED_SHARE / 100
    }

    /// A DELETE whose rows can't be counted: any of the rows, and any that hang on them.
    pub(super) async fn bounded(
        &self,
        table: &QualifiedName,
        reach: &Reach,
    ) -> Result<Loss, Error> {
        let named = self.closure(&self.tables(table), true, None).await?;
        let mut loss = Loss::default();
        for oid in &named {
            let rows = self.rows(*oid).await;
            let (rows, limit) = match reach {
                Reach::All { .. } => (rows, None),
                Reach::Some { .. } => (at_most(&rows), Some(self.noted(*oid).await)),
            };
            loss.rows = sum(&loss.rows, &rows);
            loss.tables.push(TableLoss { table: *oid, fate: TableFate::Rows { limit } });
        }
        if matches!(reach, Reach::Some { .. }) && self.comes_back(&named).await? {
            self.add_own(&named, &mut loss).await;
        }
        self.follow(&named, reach, &mut loss).await?;
        Ok(loss)
    }

    /// Adds what may go along by foreign keys with rows of these tables.
    async fn follow(&self, named: &[u32], reach: &Reach, loss: &mut Loss) -> Result<(), Error> {
        let reached = self.closure(named, true, Some(&["c"])).await?;
        for oid in reached.iter().filter(|oid| !named.contains(oid)) {
            self.add_by_key(*oid, loss).await;
        }
        for (oid, attnum) in self.emptied_by(&reached).await? {
            if matches!(reach, Reach::All { .. }) && reached.contains(&oid) {
                continue;
            }
            let values = at_most(&self.values(oid, attnum).await);
            if values != Count::Exact(0) {
                let (table, column) = (self.name(oid), self.column_name(oid, attnum));
                let said = values.said("value");
                loss.through.push(format!("column {table}.{column} ({said}) by foreign key"));
            }
            loss.values = sum(&loss.values, &values);
            let fate = TableFate::Values { columns: BTreeSet::from([attnum]), limit: None };
            loss.tables.push(TableLoss { table: oid, fate });
        }
        Ok(())
    }

    /// The columns that lose their values by `ON DELETE SET NULL` or `SET DEFAULT` when rows of
    /// these tables go; of a list of columns behind it, all of the key is taken.
    async fn emptied_by(&self, tables: &[u32]) -> Result<Vec<(u32, i16)>, Error> {
        let sql = "
            SELECT DISTINCT conrelid, unnest(conkey) FROM pg_constraint
             WHERE contype = 'f' AND confrelid = ANY ($1) AND confdeltype IN ('n', 'd')
             ORDER BY 1, 2";
        let rows = self.client.query(sql, &[&tables]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// What was counted, as sure as it is: of rows that are all taken, no more than there are now can go,
/// whatever other statements add before.
pub(super) fn sure(counted: u64, written: &Written<'_>, is_all: bool) -> Count {
    match (&written.doubt, is_all) {
        (None, _) => Count::Exact(counted),
        (Some(_), true) => at_most(&Count::Exact(counted)),
        (Some(_), false) => Count::About(counted),
    }
}

pub(super) fn number(counted: i64) -> u64 {
    u64::try_from(counted).unwrap_or_default()
}
