//! How tables hang together: foreign keys, partitions and inheritance, and how large they are.
//! Catalogue only; it waits for nobody's lock.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;

/// The tables of a database and what connects them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// Every table and materialised view.
    pub tables: Vec<Relation>,
    /// Foreign keys.
    pub keys: Vec<ForeignKey>,
    /// Partitions and inheritance: the oids of parent and child.
    pub children: Vec<(u32, u32)>,
    /// Event triggers, which fire at DDL.
    pub event_triggers: Vec<String>,
}

/// A table or materialised view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its oid.
    pub oid: u32,
    /// Schema and name.
    pub name: QualifiedName,
    /// Whether it is an ordinary table or a leaf partition: one that holds rows of its own.
    pub holds_rows: bool,
    /// Bytes of its rows, TOAST included, as the last VACUUM or ANALYZE left them.
    pub estimated_bytes: u64,
    /// Whether it has a column that can name a large object.
    pub names_objects: bool,
}

/// A foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that refers.
    pub child: u32,
    /// The table that is referred to.
    pub parent: u32,
    /// Whether rows of the child change when rows of the parent are deleted or get another key.
    pub follows: bool,
}

const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'r',
       (greatest(c.relpages, 0) + greatest(coalesce(toast.relpages, 0), 0))::int8
           * current_setting('block_size')::int8,
       EXISTS (SELECT FROM pg_attribute a
                 JOIN pg_type t ON t.oid = a.atttypid
                 LEFT JOIN pg_type inner_type ON inner_type.oid IN (t.typbasetype, t.typelem)
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND 'oid'::regtype IN (t.oid, t.typbasetype, t.typelem, inner_type.typbasetype))
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
 WHERE c.relkind IN ('r', 'p', 'm')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY n.nspname, c.relname";

const KEYS: &str = "
SELECT conrelid, confrelid, confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')
  FROM pg_constraint WHERE contype = 'f'";

/// Those of extensions look after the extension's own tables.
const EVENT_TRIGGERS: &str = "
SELECT evtname::text FROM pg_event_trigger e
 WHERE evtenabled <> 'D' AND evtevent <> 'login'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.deptype = 'e' AND (d.classid, d.objid) IN
                          (('pg_event_trigger'::regclass, e.oid), ('pg_proc'::regclass, e.evtfoid)))
 ORDER BY 1";

/// Reads how the tables of a database hang together.
pub async fn read(client: &Client) -> Result<Relations, Error> {
    let tables = client.query(TABLES, &[]).await?;
    let keys = client.query(KEYS, &[]).await?;
    let children = client.query("SELECT inhparent, inhrelid FROM pg_inherits", &[]).await?;
    let events = client.query(EVENT_TRIGGERS, &[]).await?;
    Ok(Relations {
        tables: tables.iter().map(relation).collect(),
        keys: keys
            .iter()
            .map(|row| ForeignKey { child: row.get(0), parent: row.get(1), follows: row.get(2) })
            .collect(),
        children: children.iter().map(|row| (row.get(0), row.get(1))).collect(),
        event_triggers: events.iter().map(|row| row.get(0)).collect(),
    })
}

fn relation(row: &tokio_postgres::Row) -> Relation {
    Relation {
        oid: row.get(0),
        name: QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
        holds_rows: row.get(3),
        estimated_bytes: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
        names_objects: row.get(5),
    }
}

/// How long a question for sizes waits for somebody's exclusive lock.
const SIZES_WAIT: &str = "100ms";

/// Bytes of the rows of each ordinary table, TOAST included, by oid.
///
/// `pg_table_size` waits for whoever holds a table exclusively. Where that takes too long, what the
/// catalogue estimates is good enough to be shown.
pub async fn sizes(client: &Client, relations: &Relations) -> Result<HashMap<u32, u64>, Error> {
    let holding = || relations.tables.iter().filter(|table| table.holds_rows);
    let oids: Vec<u32> = holding().map(|table| table.oid).collect();
    let begin = format!("BEGIN READ ONLY; SET LOCAL lock_timeout = '{SIZES_WAIT}'");
    client.batch_execute(&begin).await?;
    let sql = "SELECT oid, coalesce(pg_table_size(oid), 0) FROM pg_class WHERE oid = ANY ($1)";
    let asked = client.query(sql, &[&oids]).await;
    client.batch_execute("ROLLBACK").await?;
    let size = |row: &tokio_postgres::Row| {
        (row.get(0), u64::try_from(row.get::<_, i64>(1)).unwrap_or_default())
    };
    Ok(match asked {
        Ok(rows) => rows.iter().map(size).collect(),
        Err(_) => holding().map(|table| (table.oid, table.estimated_bytes)).collect(),
    })
}
