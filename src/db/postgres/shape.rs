//! What tables look like now, as far as rows that are to be put back depend on it: columns, keys,
//! unique indexes, foreign keys, checks.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;

/// A table as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema and name.
    pub name: QualifiedName,
    /// Whether it is a partitioned table: its rows are those of its partitions.
    pub is_partitioned: bool,
    /// The topmost partitioned table above it.
    pub root: Option<u32>,
    /// Whether the role may do with it what its owner may.
    pub is_ours: bool,
    /// Whether rows can be left out on conflict: no unique constraint of it is checked later.
    pub takes_on_conflict: bool,
    /// Its columns, by attnum.
    pub columns: Vec<Column>,
    /// Unique indexes over plain columns; the primary key comes first.
    pub uniques: Vec<Unique>,
    /// Foreign keys of it.
    pub references: Vec<Reference>,
    /// Checks of it.
    pub checks: Vec<Check>,
}

/// A column as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `pg_attribute.attnum`.
    pub attnum: i16,
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` says it.
    pub type_name: String,
    /// Its collation, quoted, where it is not that of its type.
    pub collation: Option<String>,
    /// Whether it refuses NULL.
    pub is_not_null: bool,
    /// Whether it has a default, or is an identity column.
    pub has_default: bool,
    /// Whether it is an identity column that takes no other values.
    pub is_always_identity: bool,
    /// Whether it is computed from others.
    pub is_generated: bool,
}

/// A unique index over plain columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The index.
    pub name: String,
    /// Its columns, by attnum.
    pub columns: Vec<i16>,
    /// For each column the operator that says whether two values are the same.
    pub operators: Vec<String>,
    /// Whether rows can be known by it: it holds no NULLs.
    pub is_key: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The constraint.
    pub name: String,
    /// Its columns, by attnum.
    pub columns: Vec<i16>,
    /// The table that it refers to.
    pub parent: u32,
    /// The columns there, by attnum.
    pub parent_columns: Vec<i16>,
    /// For each column the operator that compares it with the one there.
    pub operators: Vec<String>,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The constraint.
    pub name: String,
    /// The columns that it speaks of, by attnum.
    pub columns: Vec<i16>,
    /// What must not be false.
    pub expression: String,
}

impl Shape {
    /// The column with this attnum.
    pub fn column(&self, attnum: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.attnum == attnum)
    }

    /// `FROM` this table alone; of a partitioned one with its partitions.
    pub fn from(&self) -> String {
        if self.is_partitioned { self.name.sql() } else { format!("ONLY {}", self.name.sql()) }
    }
}

const TABLES: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p',
           CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid END,
           pg_has_role(c.relowner, 'USAGE'),
           NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND NOT i.indimmediate)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
     ORDER BY c.oid";

const COLUMNS: &str = "
    SELECT a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> t.typcollation
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END,
           a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attidentity = 'a',
           a.attgenerated <> ''
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation co ON co.oid = a.attcollation
      LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384 AND c.relpersistence <> 't'
     ORDER BY a.attrelid, a.attnum";

/// Unique indexes without expressions and conditions. The operator is that of the index, so that it
/// is found wherever its schema is.
const UNIQUES: &str = "
    SELECT i.indrelid, x.relname::text, (i.indkey::int2[])[0:i.indnkeyatts - 1],
           ARRAY(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
                   FROM generate_series(0, i.indnkeyatts - 1) p(at)
                   JOIN pg_opclass k ON k.oid = i.indclass[p.at]
                   JOIN pg_amop m ON m.amopfamily = k.opcfamily AND m.amopstrategy = 3
                    AND m.amoplefttype = k.opcintype AND m.amoprighttype = k.opcintype
                   JOIN pg_operator o ON o.oid = m.amopopr
                   JOIN pg_namespace n ON n.oid = o.oprnamespace
                  ORDER BY p.at),
           NOT EXISTS (
               SELECT FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) key(attnum)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.attnum
                WHERE NOT a.attnotnull)
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       AND i.indrelid >= 16384
     ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid";

const REFERENCES: &str = "
    SELECT k.conrelid, k.conname::text, k.conkey, k.confrelid, k.confkey,
           ARRAY(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
                   FROM unnest(k.conpfeqop) WITH ORDINALITY u(op, at)
                   JOIN pg_operator o ON o.oid = u.op
                   JOIN pg_namespace n ON n.oid = o.oprnamespace
                  ORDER BY u.at)
      FROM pg_constraint k
      LEFT JOIN pg_constraint above ON above.oid = k.conparentid
     WHERE k.contype = 'f' AND above.conrelid IS DISTINCT FROM k.conrelid
     ORDER BY k.conrelid, k.oid";

const CHECKS: &str = "
    SELECT k.conrelid, k.conname::text, k.conkey, pg_get_expr(k.conbin, k.conrelid)
      FROM pg_constraint k
     WHERE k.contype = 'c' AND k.conrelid >= 16384 AND k.conkey IS NOT NULL
     ORDER BY k.conrelid, k.oid";

/// Reads what every table looks like now.
pub async fn read(client: &Client) -> Result<Vec<Shape>, Error> {
    let mut columns = grouped(client, COLUMNS, |row| Column {
        attnum: row.get(1),
        name: row.get(2),
        type_name: row.get(3),
        collation: row.get(4),
        is_not_null: row.get(5),
        has_default: row.get(6),
        is_always_identity: row.get(7),
        is_generated: row.get(8),
    })
    .await?;
    let mut uniques = grouped(client, UNIQUES, |row| Unique {
        name: row.get(1),
        columns: row.get(2),
        operators: row.get(3),
        is_key: row.get(4),
    })
    .await?;
    let mut references = grouped(client, REFERENCES, |row| Reference {
        name: row.get(1),
        columns: row.get(2),
        parent: row.get(3),
        parent_columns: row.get(4),
        operators: row.get(5),
    })
    .await?;
    let mut checks = grouped(client, CHECKS, |row| Check {
        name: row.get(1),
        columns: row.get(2),
        expression: row.get(3),
    })
    .await?;
    let shapes = client.query(TABLES, &[]).await?;
    let shape = |row: &tokio_postgres::Row| {
        let oid = row.get(0);
        Shape {
            oid,
            name: QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
            is_partitioned: row.get(3),
            root: row.get(4),
            is_ours: row.get(5),
            takes_on_conflict: row.get(6),
            columns: columns.remove(&oid).unwrap_or_default(),
            uniques: uniques.remove(&oid).unwrap_or_default(),
            references: references.remove(&oid).unwrap_or_default(),
            checks: checks.remove(&oid).unwrap_or_default(),
        }
    };
    Ok(shapes.iter().map(shape).collect())
}

/// The rows of a query by the oid in their first column.
async fn grouped<T>(
    client: &Client,
    sql: &str,
    read: impl Fn(&tokio_postgres::Row) -> T,
) -> Result<HashMap<u32, Vec<T>>, Error> {
    let mut found: HashMap<u32, Vec<T>> = HashMap::new();
    for row in client.query(sql, &[]).await? {
        found.entry(row.get(0)).or_default().push(read(&row));
    }
    Ok(found)
}
