//! Rows put back into tables that are empty: parents first, the user's triggers off, foreign keys on,
//! sequences beyond the highest value, all in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_postgres::Client;

use super::RestoreRequest;
use super::triggers::Silenced;
use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::refusal;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::snapshot::copy::{self, Piece};
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::store::Stored;
use crate::snapshot::{archive, list_file, toc};
use crate::text::QualifiedName;
use crate::text::name::{quote, quote_literal};

/// Pieces of rows that may wait for the server.
const QUEUED: usize = 16;

/// Puts the rows of these tables back, all or none.
pub async fn fill(
    request: &RestoreRequest,
    stored: &Stored,
    tables: &[&KeptTable],
    observer: &mut dyn Observer,
) -> Result<(), Refusal> {
    let options = SessionOptions { read_only: false, ..SessionOptions::default() };
    let client =
        connect(&request.target, "rowsafe restore", &options).await.map_err(Refusal::from)?;
    let entries = archive::entries(stored, &request.tools).await?;
    // Keys that can wait let tables come back that refer to each other.
    execute(&client, "BEGIN; SET CONSTRAINTS ALL DEFERRED", "start the transaction").await?;
    let silenced = Silenced::during(&client, &stored.manifest, tables).await?;
    for level in levels(&client, tables).await? {
        let wanted = toc::rows(&entries, &level);
        let list = list_file(&toc::list(&entries, &wanted))?;
        let invocation = request
            .tools
            .restore_invocation()
            .arg("--data-only")
            .arg("--file=-")
            .arg(format!("--use-list={}", list.path().display()));
        let (sender, receiver) = channel(QUEUED);
        let reading = archive::stream(stored, &invocation, move |text| copy::stream(text, &sender));
        let (read, written) = tokio::join!(reading, write(&client, receiver, observer));
        written?;
        read?;
    }
    // What is checked at commit has to be checked before a trigger can be altered.
    execute(&client, "SET CONSTRAINTS ALL IMMEDIATE", "check the foreign keys").await?;
    for table in tables {
        advance_sequences(&client, table).await?;
    }
    execute(&client, "SET CONSTRAINTS ALL IMMEDIATE", "check the foreign keys").await?;
    silenced.end(&client).await?;
    execute(&client, "COMMIT", "commit what was put back").await
}

async fn execute(client: &Client, sql: &str, what: &str) -> Result<(), Refusal> {
    let refused = |error| refusal(Exit::NoAnswer, what, error).hint("nothing was changed");
    client.batch_execute(sql).await.map_err(refused)
}

async fn write(
    client: &Client,
    mut pieces: Receiver<Piece>,
    observer: &mut dyn Observer,
) -> Result<(), Refusal> {
    while let Some(piece) = pieces.recv().await {
        let Piece::Begin { table, statement } = piece else { continue };
        let failed = |error| {
            refusal(Exit::NoAnswer, &format!("put rows back into `{table}`"), error)
                .hint("nothing was changed: it is one transaction")
                .hint("or bring everything into a new database: --into NAME")
        };
        let sink = client.copy_in::<_, Bytes>(&statement).await.map_err(failed)?;
        futures_util::pin_mut!(sink);
        while let Some(Piece::Rows(rows)) = pieces.recv().await {
            sink.send(rows).await.map_err(failed)?;
        }
        let rows = sink.finish().await.map_err(failed)?;
        observer.notice(Event::Restoring { what: &table.short(), rows });
    }
    Ok(())
}

/// Beyond the highest value that was put back, or the next insert would collide; never back.
async fn advance_sequences(client: &Client, table: &KeptTable) -> Result<(), Refusal> {
    let sql = "
        SELECT d.objid::regclass::text, a.attname::text
          FROM pg_depend d
          JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
           AND d.deptype IN ('a', 'i') AND d.refobjid = $1::text::regclass";
    let name = table.qualified().sql();
    let owned = client
        .query(sql, &[&name])
        .await
        .map_err(|error| refusal(Exit::NoAnswer, "find the sequences", error))?;
    for row in owned {
        let (sequence, column): (String, String) = (row.get(0), row.get(1));
        let sequence_literal = quote_literal(&sequence);
        let column = quote(&column);
        let sql = format!(
            "SELECT setval({sequence_literal}, highest) FROM (SELECT max({column}) AS highest FROM {name}) m
              WHERE highest > (SELECT last_value FROM {sequence})"
        );
        execute(client, &sql, &format!("set the sequence {sequence}")).await?;
    }
    Ok(())
}

/// The tables in the order of their foreign keys: what is referred to comes first.
async fn levels<'a>(
    client: &Client,
    tables: &[&'a KeptTable],
) -> Result<Vec<Vec<&'a KeptTable>>, Refusal> {
    let sql = "
        SELECT cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text
          FROM pg_constraint k
          JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
          JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
         WHERE k.contype = 'f' AND k.conrelid <> k.confrelid";
    let rows = client
        .query(sql, &[])
        .await
        .map_err(|error| refusal(Exit::NoAnswer, "read the foreign keys", error))?;
    let mut parents: BTreeMap<QualifiedName, BTreeSet<QualifiedName>> = BTreeMap::new();
    for row in rows {
        let name =
            |at: usize| QualifiedName::new(row.get::<_, String>(at), row.get::<_, String>(at + 1));
        parents.entry(name(0)).or_default().insert(name(2));
    }
    let named = tables.iter().map(|table| (table.qualified(), *table));
    Ok(in_order(named.collect(), &parents))
}

/// Tables whose parents are all placed, level by level; a cycle becomes one last level.
fn in_order<'a>(
    mut left: BTreeMap<QualifiedName, &'a KeptTable>,
    parents: &BTreeMap<QualifiedName, BTreeSet<QualifiedName>>,
) -> Vec<Vec<&'a KeptTable>> {
    let mut levels = Vec::new();
    while !left.is_empty() {
        let waits = |name: &QualifiedName| {
            parents.get(name).is_some_and(|of| of.iter().any(|parent| left.contains_key(parent)))
        };
        let mut ready: Vec<QualifiedName> =
            left.keys().filter(|name| !waits(name)).cloned().collect();
        if ready.is_empty() {
            ready = left.keys().cloned().collect();
        }
        levels.push(ready.iter().filter_map(|name| left.remove(name)).collect());
    }
    levels
}
