//! By which columns a row is known, and which columns are computed from others.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Error};

/// The keys of all tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// By table, the attnums of its primary key, or of a unique key without NULLs.
    keys: BTreeMap<u32, Vec<i16>>,
    /// Generated columns, as table and attnum.
    generated: BTreeSet<(u32, i16)>,
}

impl Keys {
    /// Reads the catalogue; the primary key comes first, then the oldest unique index whose
    /// columns are all NOT NULL.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let sql = "
            SELECT i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1]
              FROM pg_index i
             WHERE i.indisunique AND i.indisvalid AND i.indimmediate
               AND i.indpred IS NULL AND i.indexprs IS NULL
               AND NOT EXISTS (
                   SELECT FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) key(attnum)
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.attnum
                    WHERE NOT a.attnotnull)
             ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid";
        let mut keys = BTreeMap::new();
        for row in client.query(sql, &[]).await? {
            keys.entry(row.get(0)).or_insert_with(|| row.get(1));
        }
        let sql = "SELECT attrelid, attnum FROM pg_attribute
                    WHERE attgenerated <> '' AND NOT attisdropped";
        let generated = client.query(sql, &[]).await?;
        let generated = generated.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(Self { keys, generated })
    }

    /// The key of a table; empty where it has none.
    pub fn of(&self, table: u32) -> &[i16] {
        self.keys.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Whether the column is computed from others, so that it holds nothing of its own.
    pub fn is_generated(&self, table: u32, attnum: i16) -> bool {
        self.generated.contains(&(table, attnum))
    }
}
