//! Counting every row under one exported snapshot, which pg_dump can share.
//!
//! MVCC does not protect against DDL: a TRUNCATE committed after the snapshot was taken and before
//! the table was locked makes the table read as empty under the old snapshot, in the count and in
//! the dump alike. Hence the order: list, lock (which takes no snapshot), export the snapshot, list
//! again, and start over when the lists differ.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::catalog::{self, Listed, Readable};
use super::{identity, is_state, refusal};
use crate::db::connect::{SessionOptions, connect};
use crate::db::target::Target;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::{Inventory, TableKind};
use crate::text::QualifiedName;
use crate::text::number::plural;

/// How often the listing may change under us before we say so.
const ATTEMPTS: usize = 5;

/// The `application_name` of the sessions that count.
pub const APPLICATION: &str = "rowsafe inventory";

/// Names in one LOCK TABLE; the statement stays readable in the server's log.
const LOCKED_AT_ONCE: usize = 200;

/// How to count.
#[derive(Debug, Clone)]
pub struct Counting {
    /// Connections that count at the same time.
    pub connections: usize,
    /// How long to wait for somebody else's exclusive lock on a table.
    pub lock_timeout: Duration,
    /// How long one table may take to count.
    pub statement_timeout: Duration,
}

impl Counting {
    /// A read-only session with its timeouts.
    pub fn session(&self) -> SessionOptions {
        SessionOptions {
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            ..SessionOptions::default()
        }
    }
}

/// A database held still: its tables can't be dropped, truncated or rewritten while this lives.
///
/// It holds ACCESS SHARE locks and a transaction; it is released before the migration starts.
pub struct Held {
    client: Client,
    listed: Vec<Listed>,
    /// The database's encoding, such as `UTF8`.
    pub encoding: String,
    /// The exported snapshot's name, for `SET TRANSACTION SNAPSHOT` and `pg_dump --snapshot`.
    pub snapshot: String,
}

impl Held {
    /// Locks every table and exports a snapshot that all of them are seen under.
    pub async fn hold(target: &Target, counting: &Counting) -> Result<Self, Refusal> {
        let client = open(target, counting).await?;
        for _ in 0..ATTEMPTS {
            if let Some((snapshot, listed)) = try_hold(&client, counting).await? {
                let asked = |error| refusal(Exit::SnapshotFailed, "ask for the encoding", error);
                let row = client.query_one("SHOW server_encoding", &[]).await.map_err(asked)?;
                return Ok(Self { client, listed, encoding: row.get(0), snapshot });
            }
            end(&client).await?;
        }
        Err(Refusal::new(
            Exit::SnapshotFailed,
            "tables are being created, dropped or truncated faster than they can be locked",
        )
        .hint("run it when no other migration or batch job is changing the schema"))
    }

    /// The session that holds everything still.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Bytes of all rows as the server stores them, without indexes.
    pub fn bytes(&self) -> u64 {
        self.listed.iter().map(|listed| listed.bytes).sum()
    }

    /// The tables that are held, not yet counted.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// Counts every row, on several connections that share the snapshot.
    pub async fn count(
        &self,
        target: &Target,
        counting: &Counting,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Inventory, Refusal> {
        let mut order: Vec<usize> = (0..self.listed.len())
            .filter(|index| {
                let listed = &self.listed[*index];
                listed.table.kind != TableKind::Partitioned && listed.is_populated
            })
            .collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.listed[*index].bytes));
        let total = order.len();
        let queue = std::cell::RefCell::new(order.into_iter());
        let counted = std::cell::RefCell::new(Vec::with_capacity(total));
        let tell = std::cell::RefCell::new(&mut progress);
        let worker = async || {
            let client = open(target, counting).await?;
            self.share(&client).await?;
            loop {
                let next = queue.borrow_mut().next();
                let Some(index) = next else { break };
                let rows = count_rows(&client, &self.listed[index], counting).await?;
                counted.borrow_mut().push((index, rows));
                tell.borrow_mut()(counted.borrow().len(), total);
            }
            end(&client).await
        };
        let connections = counting.connections.clamp(1, total.max(1));
        try_join_all((0..connections).map(|_| worker())).await?;

        let mut tables: Vec<_> = self.listed.iter().map(|listed| listed.table.clone()).collect();
        for (index, rows) in counted.into_inner() {
            tables[index].rows = rows;
        }
        let asked = |error| refusal(Exit::SnapshotFailed, "read the database's identity", error);
        Ok(Inventory {
            identity: identity::read(&self.client).await.map_err(asked)?,
            tables,
            large_objects: self.large_objects().await?,
        })
    }

    /// Ends the transaction: no lock and no snapshot is held any more.
    pub async fn release(self) -> Result<(), Refusal> {
        end(&self.client).await
    }

    async fn share(&self, client: &Client) -> Result<(), Refusal> {
        let name = crate::text::name::quote_literal(&self.snapshot);
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {name}"
        );
        client
            .batch_execute(&sql)
            .await
            .map_err(|error| refusal(Exit::SnapshotFailed, "share the snapshot", error))
    }

    async fn large_objects(&self) -> Result<u64, Refusal> {
        let row = self
            .client
            .query_one("SELECT count(*) FROM pg_largeobject_metadata", &[])
            .await
            .map_err(|error| refusal(Exit::SnapshotFailed, "count the large objects", error))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }
}

/// Holds the database just long enough to count it.
pub async fn take(
    target: &Target,
    counting: &Counting,
    progress: impl FnMut(usize, usize),
) -> Result<Inventory, Refusal> {
    let held = Held::hold(target, counting).await?;
    let inventory = held.count(target, counting, progress).await?;
    held.release().await?;
    Ok(inventory)
}

async fn open(target: &Target, counting: &Counting) -> Result<Client, Refusal> {
    let options = counting.session();
    let client = connect(target, APPLICATION, &options).await.map_err(Refusal::from)?;
    // Row-level security would hide rows without a word; this makes it an error. The idle
    // timeouts would end our transaction while pg_dump still needs its snapshot.
    let sql = "SET row_security = off; SET idle_in_transaction_session_timeout = 0";
    client
        .batch_execute(sql)
        .await
        .map_err(|error| refusal(Exit::SnapshotFailed, "prepare the counting session", error))?;
    Ok(client)
}

async fn end(client: &Client) -> Result<(), Refusal> {
    client
        .batch_execute("ROLLBACK")
        .await
        .map_err(|error| refusal(Exit::SnapshotFailed, "end the read-only transaction", error))
}

/// One attempt; `None` when the tables changed meanwhile.
async fn try_hold(
    client: &Client,
    counting: &Counting,
) -> Result<Option<(String, Vec<Listed>)>, Refusal> {
    let listing = |error| refusal(Exit::SnapshotFailed, "list the tables", error);
    let first = catalog::tables(client).await.map_err(listing)?;
    refuse_unreadable(&first)?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    client.batch_execute(begin).await.map_err(listing)?;
    if !lock(client, &first, counting).await? {
        return Ok(None);
    }
    let row = client
        .query_one("SELECT pg_export_snapshot()", &[])
        .await
        .map_err(|error| refusal(Exit::SnapshotFailed, "export a snapshot", error))?;
    let mut second = catalog::tables(client).await.map_err(listing)?;
    let same = first.len() == second.len()
        && first.iter().zip(&second).all(|(a, b)| {
            a.table.oid == b.table.oid
                && a.table.name == b.table.name
                && (a.table.filenode == b.table.filenode
                    || a.table.kind == TableKind::MaterializedView)
        });
    if !same {
        return Ok(None);
    }
    catalog::sizes(client, &mut second).await.map_err(listing)?;
    Ok(Some((row.get(0), second)))
}

/// Locks the tables against DDL; `false` when one of them is gone already.
async fn lock(client: &Client, tables: &[Listed], counting: &Counting) -> Result<bool, Refusal> {
    // LOCK TABLE refuses materialised views; those are derived and can be refreshed.
    let names: Vec<String> = tables
        .iter()
        .filter(|listed| listed.table.kind != TableKind::MaterializedView)
        .map(|listed| format!("ONLY {}", listed.table.name.sql()))
        .collect();
    for chunk in names.chunks(LOCKED_AT_ONCE) {
        let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", chunk.join(", "));
        match client.batch_execute(&sql).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => return Ok(false),
            Err(error) => return Err(lock_refusal(client, error, counting).await),
        }
    }
    Ok(true)
}

fn is_gone(error: &tokio_postgres::Error) -> bool {
    is_state(error, &SqlState::UNDEFINED_TABLE) || is_state(error, &SqlState::INVALID_SCHEMA_NAME)
}

async fn lock_refusal(
    client: &Client,
    error: tokio_postgres::Error,
    counting: &Counting,
) -> Refusal {
    if is_state(&error, &SqlState::LOCK_NOT_AVAILABLE) {
        let waited = crate::text::number::seconds(counting.lock_timeout);
        let message = match exclusive_lock(client).await {
            Some(holder) => format!("{holder}; waited {waited} for it"),
            None => format!("a table stayed locked by another session for {waited}"),
        };
        return Refusal::new(Exit::SnapshotFailed, message)
            .because(error)
            .hint("wait until that session has ended, or end it: SELECT pg_terminate_backend(PID)")
            .hint("or wait longer: lock_timeout in rowsafe.toml");
    }
    let refusal = refusal(Exit::SnapshotFailed, "lock the tables against DDL", error);
    refusal.hint("if the server is out of shared memory, raise max_locks_per_transaction")
}

/// Who keeps us from a table of this database, in words. Somebody who waits for an exclusive lock
/// does that too: everybody who comes later waits behind.
async fn exclusive_lock(client: &Client) -> Option<String> {
    client.batch_execute("ROLLBACK").await.ok()?;
    let sql = "
        SELECT n.nspname::text, c.relname::text, l.pid, coalesce(a.application_name, ''), l.granted
          FROM pg_locks l
          JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm')
           AND c.relpersistence <> 't'
          JOIN pg_namespace n ON n.oid = c.relnamespace
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
          LEFT JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
         ORDER BY l.granted DESC
         LIMIT 1";
    let row = client.query_opt(sql, &[]).await.ok()??;
    let pid: i32 = row.get(2);
    let application: String = row.get(3);
    let who = if application.is_empty() { String::new() } else { format!(" ({application})") };
    let table = QualifiedName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    Some(if row.get(4) {
        format!("`{table}` is locked by session {pid}{who}")
    } else {
        format!("session {pid}{who} waits for an exclusive lock on `{table}`, and all behind it")
    })
}

fn refuse_unreadable(tables: &[Listed]) -> Result<(), Refusal> {
    let named = |wanted: Readable| -> Vec<String> {
        let found = tables.iter().filter(|listed| listed.readable == wanted);
        found.map(|listed| listed.table.name.to_string()).collect()
    };
    let denied = named(Readable::NoPrivilege);
    if let Some(first) = denied.first() {
        let count = plural(denied.len() as u64, "table");
        return Err(Refusal::new(
            Exit::SnapshotFailed,
            format!("the role may not read {count}, the first is `{first}`"),
        )
        .hint("a snapshot that leaves rows out is none: GRANT pg_read_all_data TO the role (PostgreSQL 14), or run as the owner"));
    }
    let hidden = named(Readable::RowSecurity);
    if let Some(first) = hidden.first() {
        let count = plural(hidden.len() as u64, "table");
        return Err(Refusal::new(
            Exit::SnapshotFailed,
            format!("row-level security hides rows of {count} from the role, the first is `{first}`"),
        )
        .hint("neither a count nor a dump would be complete: run as the tables' owner (without FORCE ROW LEVEL SECURITY), or ALTER ROLE … BYPASSRLS"));
    }
    Ok(())
}

async fn count_rows(client: &Client, listed: &Listed, counting: &Counting) -> Result<u64, Refusal> {
    // ONLY, or the rows of inheritance children would be counted twice.
    let sql = format!("SELECT count(*) FROM ONLY {}", listed.table.name.sql());
    let error = match client.query_one(&sql, &[]).await {
        Ok(row) => return Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()),
        Err(error) => error,
    };
    // A materialised view can't be locked beforehand; it may be being refreshed.
    if is_state(&error, &SqlState::LOCK_NOT_AVAILABLE) {
        return Err(lock_refusal(client, error, counting).await);
    }
    let timed_out = is_state(&error, &SqlState::QUERY_CANCELED);
    let asked = format!("count the rows of `{}`", listed.table.name);
    let refusal = refusal(Exit::SnapshotFailed, &asked, error);
    let hint = "a long count can be given more time: statement_timeout in rowsafe.toml";
    Err(if timed_out { refusal.hint(hint) } else { refusal })
}
