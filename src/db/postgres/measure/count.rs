//! Plain counts of tables and columns, each asked once; of several columns in one pass.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rows::number;
use super::{Measuring, sum};
use crate::db::postgres::server_message;
use crate::effect::Effect;
use crate::inventory::TableKind;
use crate::loss::Count;
use crate::text::name::quote;

/// What was counted so far, and what will be wanted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: RefCell<HashMap<u32, Count>>,
    values: RefCell<HashMap<(u32, i16), Count>>,
    wanted: BTreeMap<u32, BTreeSet<i16>>,
}

impl Measuring<'_> {
    /// What the batch will drop: the columns of one table are then counted together. The names are
    /// those before the batch; one that means something else by then is counted for itself.
    pub fn expect<'e>(&mut self, effects: impl Iterator<Item = &'e Effect>) {
        for effect in effects {
            let Effect::DropColumn { table, column, .. } = effect else { continue };
            for oid in self.tables(table) {
                let attnum = self.attnum(oid, column);
                self.counts.wanted.entry(oid).or_default().extend(attnum);
            }
        }
    }

    pub(super) async fn rows_of(&self, tables: &[u32]) -> Count {
        let mut total = Count::default();
        for oid in tables {
            total = sum(&total, &self.rows(*oid).await);
        }
        total
    }

    pub(super) async fn rows(&self, oid: u32) -> Count {
        if let Some(known) = self.counts.rows.borrow().get(&oid) {
            return known.clone();
        }
        let count = self.ask(oid, &["*".to_owned()]).await.pop().unwrap_or_default();
        self.counts.rows.borrow_mut().insert(oid, count.clone());
        count
    }

    pub(super) async fn values(&self, oid: u32, attnum: i16) -> Count {
        self.count_all(oid, &BTreeSet::from([attnum])).await;
        self.counts.values.borrow().get(&(oid, attnum)).cloned().unwrap_or_default()
    }

    /// Counts the values of several columns in one pass, with those that will be wanted; where one of
    /// them refuses, each for itself.
    pub(super) async fn count_all(&self, oid: u32, attnums: &BTreeSet<i16>) {
        let is_known = |attnum: &i16| self.counts.values.borrow().contains_key(&(oid, *attnum));
        if attnums.iter().all(is_known) {
            return;
        }
        let wanted = self.counts.wanted.get(&oid).into_iter().flatten();
        let attnums: BTreeSet<i16> =
            attnums.iter().chain(wanted).copied().filter(|attnum| !is_known(attnum)).collect();
        let named: Vec<String> =
            attnums.iter().map(|attnum| quote(&self.column_name(oid, *attnum))).collect();
        let mut counts = self.ask(oid, &named).await;
        if attnums.len() > 1 && counts.iter().any(|count| matches!(count, Count::Unknown(_))) {
            counts.clear();
            for name in named {
                counts.extend(self.ask(oid, &[name]).await);
            }
        }
        let keys = attnums.iter().map(|attnum| (oid, *attnum));
        self.counts.values.borrow_mut().extend(keys.zip(counts));
    }

    async fn ask(&self, oid: u32, what: &[String]) -> Vec<Count> {
        let all = |count: Count| vec![count; what.len()];
        let Some(listed) = self.listed(oid) else { return all(Count::default()) };
        if listed.table.kind == TableKind::Partitioned || !listed.is_populated {
            return all(Count::default());
        }
        let counts: Vec<String> = what.iter().map(|what| format!("count({what})")).collect();
        let sql = format!("SELECT {} FROM ONLY {}", counts.join(", "), listed.table.name.sql());
        match self.client.query_one(&sql, &[]).await {
            Ok(row) => (0..what.len()).map(|at| Count::Exact(number(row.get(at)))).collect(),
            Err(error) => all(Count::Unknown(server_message(&error))),
        }
    }
}
