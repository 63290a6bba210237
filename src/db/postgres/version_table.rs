//! Tables in which a migration tool keeps its revision.

use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;

/// A table that looks like Alembic's: one column `version_num`, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTable {
    /// Schema and name; both can be configured.
    pub name: QualifiedName,
    /// The revisions it holds, sorted; several with several heads.
    pub revisions: Vec<String>,
}

const CANDIDATES: &str = "
SELECT n.nspname::text, c.relname::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
 GROUP BY n.nspname, c.relname
HAVING count(*) = 1
   AND bool_and(a.attname = 'version_num')
   AND bool_and(a.atttypid IN ('varchar'::regtype, 'text'::regtype))
 ORDER BY n.nspname, c.relname";

/// The tables in which other migration tools note what they have run, as their documentation names
/// them; alembic's and those of goose, Flyway, Liquibase … may be called otherwise.
const OF_TOOLS: [&str; 19] = [
    "alembic_version",
    "django_migrations",
    "schema_migrations",
    "_prisma_migrations",
    "pgmigrations",
    "_sqlx_migrations",
    "__diesel_schema_migrations",
    "flyway_schema_history",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "SequelizeMeta",
    "databasechangelog",
    "databasechangeloglock",
    "ar_internal_metadata",
    "__EFMigrationsHistory",
    "doctrine_migration_versions",
    "phinxlog",
];

/// Whether a migration tool keeps its own books under this name.
pub fn is_of_tool(table: &QualifiedName) -> bool {
    OF_TOOLS.contains(&table.name.as_str())
}

/// Every table that looks like Alembic's version table, with its rows.
pub async fn read(client: &Client) -> Result<Vec<VersionTable>, Error> {
    let mut tables = Vec::new();
    for row in client.query(CANDIDATES, &[]).await? {
        let name = QualifiedName::new(row.get::<_, String>(0), row.get::<_, String>(1));
        let sql = format!("SELECT version_num::text FROM ONLY {} ORDER BY 1", name.sql());
        let rows = client.query(&sql, &[]).await?;
        tables.push(VersionTable { name, revisions: rows.iter().map(|row| row.get(0)).collect() });
    }
    Ok(tables)
}
