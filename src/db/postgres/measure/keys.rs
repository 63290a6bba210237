//! Foreign keys as the catalogue has them, and what refers to rows that go.

use std::collections::BTreeSet;

use tokio_postgres::Error;

use super::Measuring;
use crate::inventory::TableKind;
use crate::text::name::quote;

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    /// The table that refers.
    pub(super) child: u32,
    /// The table that is referred to.
    pub(super) parent: u32,
    /// The columns that refer, by name.
    pub(super) columns: Vec<String>,
    /// The columns that they refer to, by name.
    pub(super) referred: Vec<String>,
    pub(super) on_delete: Action,
    pub(super) on_update: Action,
    /// `ON DELETE SET DEFAULT`: the default may be the value that is there.
    pub(super) sets_default: bool,
    /// The columns (attnum) that `SET NULL` or `SET DEFAULT` of a DELETE empties.
    pub(super) emptied: BTreeSet<i16>,
    /// The columns (attnum) that refer.
    pub(super) attnums: BTreeSet<i16>,
    /// It may be checked at the end of the transaction only.
    pub(super) is_deferrable: bool,
    /// It compares periods, not values.
    pub(super) is_period: bool,
}

/// What becomes of a row when the one that it refers to goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The statement fails.
    Refuse,
    /// It goes or changes too.
    Cascade,
    /// Its columns are emptied.
    Empty,
}

/// Only those that were written: partitions have copies of their parents'. The newer columns of
/// `pg_constraint` are read so that older servers have none.
const KEYS: &str = "
SELECT c.conname::text, c.conrelid, c.confrelid,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(att, n)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.att),
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(att, n)
          JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.att),
       c.confdeltype::text, c.confupdtype::text, c.condeferrable, c.conkey,
       coalesce((SELECT array_agg(e::text::int2)
                   FROM jsonb_array_elements(nullif(to_jsonb(c) -> 'confdelsetcols', 'null')) e),
                c.conkey),
       coalesce((to_jsonb(c) ->> 'conperiod')::bool, false)
  FROM pg_constraint c
 WHERE c.contype = 'f' AND c.conparentid = 0
   AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true)
 ORDER BY c.conrelid, c.conname";

impl Action {
    fn of(letter: &str) -> Self {
        match letter {
            "c" => Self::Cascade,
            "n" | "d" => Self::Empty,
            _ => Self::Refuse,
        }
    }
}

impl Measuring<'_> {
    /// Every foreign key of the database.
    pub(super) async fn keys(&self) -> Result<Vec<Key>, Error> {
        let rows = self.client.query(KEYS, &[]).await?;
        let keys = rows.iter().map(|row| Key {
            name: row.get(0),
            child: row.get(1),
            parent: row.get(2),
            columns: row.get(3),
            referred: row.get(4),
            on_delete: Action::of(row.get(5)),
            on_update: Action::of(row.get(6)),
            sets_default: row.get::<_, &str>(5) == "d",
            is_deferrable: row.get(7),
            attnums: row.get::<_, Vec<i16>>(8).into_iter().collect(),
            emptied: row.get::<_, Vec<i16>>(9).into_iter().collect(),
            is_period: row.get(10),
        });
        Ok(keys.collect())
    }

    /// The tables in which the rows of a table are, as a foreign key sees it: its partitions, but
    /// not what inherits from it.
    pub(super) async fn leaves(&self, table: u32) -> Result<BTreeSet<u32>, Error> {
        let is_partitioned =
            self.listed(table).is_some_and(|listed| listed.table.kind == TableKind::Partitioned);
        if !is_partitioned {
            return Ok(BTreeSet::from([table]));
        }
        Ok(self.closure(&[table], true, None).await?.into_iter().collect())
    }

    /// The partitioned table that a table is a part of, or itself.
    pub(super) fn root(&self, table: u32) -> u32 {
        self.listed(table).and_then(|listed| listed.table.root).unwrap_or(table)
    }

    /// A table in a FROM, with its partitions and without what inherits from it.
    pub(super) fn from(&self, table: u32) -> Option<String> {
        let listed = self.listed(table)?;
        let only = if listed.table.kind == TableKind::Partitioned { "" } else { "ONLY " };
        Some(format!("{only}{}", listed.table.name.sql()))
    }
}

/// `(x.a, x.b)`
pub(super) fn row_of(alias: &str, columns: &[String]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|column| format!("{alias}.{}", quote(column))).collect();
    format!("({})", columns.join(", "))
}

/// A list of oids as a constant.
pub(super) fn oids(tables: &BTreeSet<u32>) -> String {
    let oids: Vec<String> = tables.iter().map(u32::to_string).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", oids.join(","))
}
