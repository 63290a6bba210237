//! Triggers that are kept from firing while rows are put back, and are then as they were. Foreign
//! keys are checked all the same.

use super::session::Session;
use crate::hint::Refusal;
use crate::text::name::quote;

/// The triggers of tables and of the partitions below them that fire in a session like ours. One
/// that is off or for replicas stays as it is. Up to PostgreSQL 14 the copies of a partitioned table's
/// triggers on its partitions are called internal; so are those of foreign keys, which have to fire.
const FIRING: &str = "
    SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.relname), t.tgname::text,
           t.tgenabled::text
      FROM unnest($1::oid[]) u(oid)
      CROSS JOIN LATERAL (
          SELECT u.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(u.oid::regclass)
          UNION SELECT relid::oid FROM pg_partition_ancestors(u.oid::regclass)) p
      JOIN pg_trigger t ON t.tgrelid = p.relid
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgenabled IN ('O', 'A')
       AND (NOT t.tgisinternal OR t.tgparentid <> 0 AND NOT EXISTS (
               SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype = 'f'))
     ORDER BY 1, 2";

/// The triggers that were switched off.
#[derive(Debug, Default)]
pub struct Silenced {
    statements: Vec<String>,
}

impl Silenced {
    /// Switches off what would fire on these tables.
    pub async fn during(session: &Session, tables: &[u32]) -> Result<Self, Refusal> {
        let rows = session.client().query(FIRING, &[&tables]).await;
        let rows = rows.map_err(|error| session.refusal("read the triggers", error))?;
        let mut silenced = Self::default();
        for row in rows {
            let (table, state): (String, String) = (row.get(0), row.get(2));
            let trigger = quote(row.get(1));
            let on = if state == "A" { "ENABLE ALWAYS" } else { "ENABLE" };
            let off = format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {trigger}");
            session.execute(&off, "keep triggers from firing").await?;
            silenced.statements.push(format!("ALTER TABLE ONLY {table} {on} TRIGGER {trigger}"));
        }
        Ok(silenced)
    }

    /// Lets them fire again.
    pub async fn end(self, session: &Session) -> Result<(), Refusal> {
        for statement in self.statements {
            session.execute(&statement, "let triggers fire again").await?;
        }
        Ok(())
    }
}
