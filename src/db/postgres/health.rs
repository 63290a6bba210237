//! What a server says of itself, and what this role may not do there.

use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;
use crate::text::name::pasted;

/// Something that pg_dump needs and the role may not do, with the statement that lets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What it is about: `schema app`, `table app.users`.
    pub object: String,
    /// The statement, for whoever owns it.
    pub grant: String,
}

/// Schemas, tables and sequences that a dump reads.
const DENIED: &str = "
SELECT 'SCHEMA', n.nspname::text, NULL, current_user::text
  FROM pg_namespace n
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid
                AND c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't')
   AND NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
       n.nspname::text, c.relname::text, current_user::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                          ELSE has_table_privilege(c.oid, 'SELECT') END
 ORDER BY 1, 2, 3";

/// What the role lacks for a dump of everything.
pub async fn denied(client: &Client) -> Result<Vec<Denied>, Error> {
    let rows = client.query(DENIED, &[]).await?;
    let denied = rows.iter().map(|row| {
        let (kind, schema): (String, String) = (row.get(0), row.get(1));
        let (name, role): (Option<String>, String) = (row.get(2), row.get(3));
        let (privilege, name) = match name {
            Some(name) => ("SELECT", QualifiedName::new(schema, name).pasted()),
            None => ("USAGE", pasted(&schema)),
        };
        Denied {
            object: format!("{} {name}", kind.to_lowercase()),
            grant: format!("GRANT {privilege} ON {kind} {name} TO {};", pasted(&role)),
        }
    });
    Ok(denied.collect())
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was asked")]
pub struct Health {
    /// Its clock, in seconds since 1970.
    pub clock: f64,
    /// Whether this role sees what the sessions of others do.
    pub sees_others: bool,
    /// Whether pages have checksums.
    pub has_checksums: bool,
    /// Whether it archives its write-ahead log.
    pub archives: bool,
    /// The last attempt to archive has failed.
    pub archiving_fails: bool,
}

const HEALTH: &str = "
SELECT extract(epoch FROM clock_timestamp())::float8,
       pg_has_role('pg_read_all_stats', 'USAGE')
         OR current_setting('is_superuser') = 'on',
       current_setting('data_checksums') = 'on',
       current_setting('archive_mode') <> 'off',
       coalesce((SELECT last_failed_time > coalesce(last_archived_time, '-infinity')
                   FROM pg_stat_archiver), false)";

/// Asks it.
pub async fn read(client: &Client) -> Result<Health, Error> {
    let row = client.query_one(HEALTH, &[]).await?;
    Ok(Health {
        clock: row.get(0),
        sees_others: row.get(1),
        has_checksums: row.get(2),
        archives: row.get(3),
        archiving_fails: row.get(4),
    })
}
