//! A database that exists only to see whether a snapshot can be restored.
//!
//! Its name and a comment say what it is. Whoever makes one holds an advisory lock of its number for
//! as long as it lives: one that nobody holds the lock of was left behind by a rowsafe that was
//! killed, and the next one drops it.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::db::postgres::inventory::{self, Counting};
use crate::db::postgres::{refusal, server_message};
use crate::db::target::Target;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::restore::beside;
use crate::snapshot::archive;
use crate::snapshot::manifest::{Manifest, Miscounted};
use crate::snapshot::store::Stored;
use crate::snapshot::tools::Tools;
use crate::text::name::{quote, quote_literal};
use crate::text::number::plural;

/// How its name starts; eight hexadecimal digits follow.
const PREFIX: &str = "rowsafe_verify_";

/// What stands in its comment.
const COMMENT: &str = "rowsafe snapshot verify: a scratch database, safe to drop";

/// The first half of the advisory lock's key; the second is the number in the name.
const LOCK: i32 = 0x726f_7773;

/// A database that is dropped with [`Scratch::drop_again`].
pub struct Scratch {
    client: Client,
    target: Target,
    name: String,
}

impl Scratch {
    /// A name that nobody has.
    pub fn new_name() -> String {
        format!("{PREFIX}{:08x}", fastrand::u32(..))
    }

    /// Makes the database on the target's server, and drops what others have left behind there.
    pub async fn make(target: &Target, manifest: &Manifest, name: String) -> Result<Self, Refusal> {
        let asked = |error| refusal(Exit::DatabaseUnavailable, "look for scratch databases", error);
        let client = beside::maintenance(target).await?;
        refuse_standby(&client, target).await?;
        drop_left_behind(&client).await.map_err(asked)?;
        client
            .execute("SELECT pg_advisory_lock($1, $2)", &[&LOCK, &number(&name)])
            .await
            .map_err(asked)?;
        let made = beside::create(&client, manifest, &name).await;
        made.map_err(|refusal| refusal.with_exit(Exit::SnapshotFailed))?;
        let scratch = Self { client, target: target.with_database(&name), name };
        let comment =
            format!("COMMENT ON DATABASE {} IS {}", quote(&scratch.name), quote_literal(COMMENT));
        if let Err(error) = scratch.client.batch_execute(&comment).await {
            scratch.drop_again().await?;
            return Err(refusal(Exit::SnapshotFailed, "mark the scratch database", error));
        }
        Ok(scratch)
    }

    /// Restores the snapshot into it and counts; gives the rows, or what is not as it should be.
    pub async fn fill_and_count(
        &self,
        stored: &Stored,
        tools: &Tools,
        counting: &Counting,
    ) -> Result<Result<u64, String>, Refusal> {
        let environment = self.target.client_environment().map_err(|error| {
            Refusal::new(Exit::SnapshotFailed, format!("a password file for pg_restore: {error}"))
        })?;
        let invocation = tools
            .restore_into(&self.target)
            .environment(&environment.set, &environment.remove)
            .arg("--exit-on-error");
        if let Err(refusal) = archive::apply(stored, &invocation).await {
            return Ok(Err(refusal.to_string()));
        }
        let now = inventory::take(&self.target, counting, |_, _| {}).await?;
        let rows = match stored.manifest.count_restored(&now) {
            Ok(rows) => rows,
            Err(Miscounted { table, found }) => {
                return Ok(Err(format!(
                    "`{}` has {} when it is restored and {} in the manifest",
                    table.qualified(),
                    found.map_or_else(|| "no place".to_owned(), |found| plural(found, "row")),
                    plural(table.rows_kept(), "row")
                )));
            }
        };
        if now.large_objects != stored.manifest.large_objects {
            return Ok(Err(format!(
                "there are {} when it is restored and {} in the manifest",
                plural(now.large_objects, "large object"),
                plural(stored.manifest.large_objects, "large object")
            )));
        }
        Ok(Ok(rows))
    }

    /// Drops it, whoever is still connected.
    pub async fn drop_again(self) -> Result<(), Refusal> {
        let dropped = drop_database(&self.client, &self.name).await;
        dropped.map_err(|error| {
            let name = &self.name;
            refusal(Exit::SnapshotFailed, &format!("drop the scratch database `{name}`"), error)
                .hint(format!("DROP DATABASE {};", quote(name)))
        })
    }
}

async fn refuse_standby(client: &Client, target: &Target) -> Result<(), Refusal> {
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask whether it is a standby", error);
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await.map_err(asked)?;
    if !row.get::<_, bool>(0) {
        return Ok(());
    }
    let message = format!("{} is a standby: no database can be made there", target.label());
    Err(Refusal::new(Exit::DatabaseUnavailable, message)
        .hint("any other server will do: name one with --database"))
}

async fn drop_database(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(name))).await
}

/// The databases that are marked as ours and that this role may drop, and the locks of those whose
/// maker is alive, wherever it is connected.
const MARKED: &str = "
SELECT d.datname::text
  FROM pg_database d
 WHERE starts_with(d.datname, $1) AND shobj_description(d.oid, 'pg_database') = $2
   AND pg_has_role(d.datdba, 'USAGE')";
const ALIVE: &str = "
SELECT objid::int8 FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 2 AND classid::int8 = $1";

async fn drop_left_behind(client: &Client) -> Result<(), tokio_postgres::Error> {
    let marked = client.query(MARKED, &[&PREFIX, &COMMENT]).await?;
    let alive = client.query(ALIVE, &[&i64::from(LOCK)]).await?;
    let alive: BTreeSet<i64> = alive.iter().map(|row| row.get(0)).collect();
    for row in marked {
        let name: String = row.get(0);
        let is_left = !alive.contains(&i64::from(number(&name).cast_unsigned()));
        if is_left && let Err(error) = drop_database(client, &name).await {
            tracing::warn!("{name} is left behind, and stays: {}", server_message(&error));
        }
    }
    Ok(())
}

/// The number in a scratch database's name; the server knows no unsigned ones.
fn number(name: &str) -> i32 {
    let digits = name.strip_prefix(PREFIX).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::{Scratch, number};

    #[test]
    fn a_name_holds_its_number() {
        assert_eq!(number("rowsafe_verify_ffffffff"), -1);
        assert_eq!(number("rowsafe_verify_0000002a"), 42);
        assert_ne!(number(&Scratch::new_name()), number(&Scratch::new_name()));
    }
}
