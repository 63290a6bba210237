//! The tables that hold rows, as the catalogue lists them.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use crate::inventory::{Column, Table, TableKind};
use crate::text::QualifiedName;

/// A table as listed, not yet counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The table, with `rows` still zero.
    pub table: Table,
    /// Bytes of its rows, TOAST included, indexes not; zero until [`sizes`] was asked.
    pub bytes: u64,
    /// Whether this role may read all of its rows.
    pub readable: Readable,
    /// Whether a materialised view was ever filled.
    pub is_populated: bool,
}

/// Whether a role may read all rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// All of them.
    Yes,
    /// It has no SELECT privilege, or none on the schema.
    NoPrivilege,
    /// Row-level security would hide some (PostgreSQL 5.9, Row Security Policies).
    RowSecurity,
}

/// Ordinary tables, partitions, partitioned tables and materialised views outside the system's
/// schemas. Temporary tables belong to sessions; foreign tables hold their rows elsewhere.
const TABLES: &str = "
SELECT c.oid,
       coalesce(pg_relation_filenode(c.oid), 0::oid),
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid END,
       (SELECT e.extname::text
          FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
           AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       row_security_active(c.oid),
       c.relispopulated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY n.nspname, c.relname";

const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod)
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum";

/// Lists every table that holds rows, ordered by schema and name. It waits for nobody's lock.
pub async fn tables(client: &Client) -> Result<Vec<Listed>, Error> {
    let rows = client.query(TABLES, &[]).await?;
    let mut columns: HashMap<u32, Vec<Column>> = HashMap::new();
    for row in client.query(COLUMNS, &[]).await? {
        let column = Column { attnum: row.get(1), name: row.get(2), type_name: row.get(3) };
        columns.entry(row.get(0)).or_default().push(column);
    }
    Ok(rows
        .iter()
        .map(|row| {
            let oid = row.get(0);
            let kind: String = row.get(4);
            let table = Table {
                oid,
                filenode: row.get(1),
                name: QualifiedName::new(row.get::<_, String>(2), row.get::<_, String>(3)),
                kind: match kind.as_str() {
                    "p" => TableKind::Partitioned,
                    "m" => TableKind::MaterializedView,
                    _ => TableKind::Ordinary,
                },
                root: row.get(5),
                extension: row.get(6),
                rows: 0,
                columns: columns.remove(&oid).unwrap_or_default(),
            };
            Listed {
                table,
                bytes: 0,
                readable: match (row.get::<_, bool>(7), row.get::<_, bool>(8)) {
                    (false, _) => Readable::NoPrivilege,
                    (true, true) => Readable::RowSecurity,
                    (true, false) => Readable::Yes,
                },
                is_populated: row.get(9),
            }
        })
        .collect())
}

/// `pg_table_size` waits for whoever holds a table exclusively, so that only tables which are
/// locked already are asked; materialised views can't be, and are estimated.
const SIZES: &str = "
SELECT oid,
       CASE relkind
         WHEN 'p' THEN 0
         WHEN 'm' THEN greatest(relpages, 0)::int8 * current_setting('block_size')::int8
         ELSE coalesce(pg_table_size(oid), 0)
       END
  FROM pg_class
 WHERE oid = ANY($1)";

/// Fills in the sizes of tables that the session has locked.
pub async fn sizes(client: &Client, tables: &mut [Listed]) -> Result<(), Error> {
    let oids: Vec<u32> = tables.iter().map(|listed| listed.table.oid).collect();
    let rows = client.query(SIZES, &[&oids]).await?;
    let sizes: HashMap<u32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for listed in tables {
        let size = sizes.get(&listed.table.oid).copied().unwrap_or_default();
        listed.bytes = u64::try_from(size).unwrap_or_default();
    }
    Ok(())
}
