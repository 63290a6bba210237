//! Triggers that are kept from firing while rows are put back, and are then as they were.

use tokio_postgres::Client;

use crate::db::postgres::refusal;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::snapshot::manifest::{KeptTable, Manifest};
use crate::text::QualifiedName;
use crate::text::name::quote;

/// The triggers that were switched off.
#[derive(Debug, Default)]
pub struct Silenced {
    statements: Vec<String>,
}

impl Silenced {
    /// Switches off what would fire: the triggers of the tables, and those of the partitioned tables
    /// through which their rows are put back. One that is off or for replicas stays as it is.
    pub async fn during(
        client: &Client,
        manifest: &Manifest,
        tables: &[&KeptTable],
    ) -> Result<Self, Refusal> {
        let mut switched = Vec::new();
        for name in written_to(manifest, tables) {
            let table = name.sql();
            for (trigger, state) in firing(client, &table).await? {
                let trigger = quote(&trigger);
                let on = if state == "A" { "ENABLE ALWAYS" } else { "ENABLE" };
                switched.push((
                    format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {trigger}"),
                    format!("ALTER TABLE ONLY {table} {on} TRIGGER {trigger}"),
                ));
            }
        }
        let mut silenced = Self::default();
        for (off, on) in switched {
            let what = "keep triggers from firing (this needs the table's owner)";
            execute(client, &off, what).await?;
            silenced.statements.push(on);
        }
        Ok(silenced)
    }

    /// Lets them fire again.
    pub async fn end(self, client: &Client) -> Result<(), Refusal> {
        for statement in self.statements {
            execute(client, &statement, "let triggers fire again").await?;
        }
        Ok(())
    }
}

fn written_to(manifest: &Manifest, tables: &[&KeptTable]) -> Vec<QualifiedName> {
    let is_root = |table: &&KeptTable| tables.iter().any(|leaf| leaf.root == Some(table.oid));
    let roots = manifest.tables.iter().filter(is_root).map(KeptTable::qualified);
    let mut names: Vec<QualifiedName> =
        roots.chain(tables.iter().map(|table| table.qualified())).collect();
    names.sort();
    names.dedup();
    names
}

/// The triggers of a table that fire in a session like ours, and how they are enabled.
async fn firing(client: &Client, table: &str) -> Result<Vec<(String, String)>, Refusal> {
    // Up to PostgreSQL 14 the copies of a partitioned table's triggers on its partitions are called
    // internal; so are those of foreign keys, which have to fire.
    let sql = "SELECT tgname::text, tgenabled::text FROM pg_trigger
                WHERE tgrelid = $1::text::regclass AND tgenabled IN ('O', 'A')
                  AND (NOT tgisinternal OR tgparentid <> 0 AND NOT EXISTS (
                          SELECT FROM pg_constraint k WHERE k.oid = tgconstraint AND k.contype = 'f'))
                ORDER BY 1";
    let rows = client
        .query(sql, &[&table])
        .await
        .map_err(|error| refusal(Exit::NoAnswer, "read the triggers", error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn execute(client: &Client, sql: &str, what: &str) -> Result<(), Refusal> {
    let refused = |error| refusal(Exit::NoAnswer, what, error).hint("nothing was changed");
    client.batch_execute(sql).await.map_err(refused)
}
