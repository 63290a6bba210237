//! What belongs to each table: the catalogue entries that come and go with it, and its sequences.
//!
//! An archive's table of contents names entries by catalogue and oid, so that they can be found
//! there without guessing at names.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;

/// What belongs to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongings {
    /// `(oid of the catalogue, oid of the entry)`.
    pub entries: Vec<(u32, u32)>,
    /// Sequences that its columns own.
    pub sequences: Vec<QualifiedName>,
}

/// Indexes, constraints (those that refer to the table from elsewhere, too), defaults, triggers,
/// policies, rules, statistics and sequences, by table.
const ENTRIES: &str = "
SELECT indrelid, 'pg_class'::regclass::oid, indexrelid FROM pg_index
UNION ALL SELECT conrelid, 'pg_constraint'::regclass::oid, oid FROM pg_constraint WHERE conrelid <> 0
UNION ALL SELECT confrelid, 'pg_constraint'::regclass::oid, oid FROM pg_constraint WHERE confrelid <> 0
UNION ALL SELECT adrelid, 'pg_attrdef'::regclass::oid, oid FROM pg_attrdef
UNION ALL SELECT tgrelid, 'pg_trigger'::regclass::oid, oid FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT polrelid, 'pg_policy'::regclass::oid, oid FROM pg_policy
UNION ALL SELECT ev_class, 'pg_rewrite'::regclass::oid, oid FROM pg_rewrite
UNION ALL SELECT stxrelid, 'pg_statistic_ext'::regclass::oid, oid FROM pg_statistic_ext
UNION ALL SELECT refobjid, classid, objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
           WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
             AND refobjsubid > 0 AND deptype IN ('a', 'i') AND c.relkind = 'S'";

const SEQUENCES: &str = "
SELECT d.refobjid, n.nspname::text, c.relname::text
  FROM pg_depend d
  JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
   AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')";

/// Reads what belongs to every table, by the table's oid.
pub async fn read(client: &Client) -> Result<HashMap<u32, Belongings>, Error> {
    let mut found: HashMap<u32, Belongings> = HashMap::new();
    for row in client.query(ENTRIES, &[]).await? {
        // The system's own catalogues carry oids below 16384 (FirstNormalObjectId).
        let table: u32 = row.get(0);
        if table >= 16_384 {
            found.entry(table).or_default().entries.push((row.get(1), row.get(2)));
        }
    }
    for row in client.query(SEQUENCES, &[]).await? {
        let name = QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2));
        found.entry(row.get(0)).or_default().sequences.push(name);
    }
    Ok(found)
}
