//! Did rendering change anything? Rendering loads the user's application, which may write when it
//! is loaded, and not every driver heeds the read-only option that it is given.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error};

use super::catalog;
use super::identity::snapshot_xmax;
use super::refusal;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::QualifiedName;

/// What was there before.
#[derive(Debug)]
pub struct Witness {
    xmax: u64,
    tables: BTreeMap<QualifiedName, (u32, u32)>,
    written: BTreeMap<QualifiedName, i64>,
}

impl Witness {
    /// Notes what is there now: the next transaction id, every table's oid and file, and how many
    /// rows have been written to it.
    pub async fn of(client: &Client) -> Result<Self, Error> {
        let (tables, written) = (tables(client).await?, written(client).await?);
        Ok(Self { xmax: snapshot_xmax(client).await?, tables, written })
    }

    /// Refuses when tables came, went or were rewritten meanwhile. A cluster in which others write
    /// is told apart from one in which nothing at all was written.
    pub async fn check(&self, client: &Client) -> Result<Option<String>, Refusal> {
        let asked = |error| refusal(Exit::NoAnswer, "look whether rendering wrote anything", error);
        if snapshot_xmax(client).await.map_err(asked)? == self.xmax {
            return Ok(None);
        }
        let now = tables(client).await.map_err(asked)?;
        let gone = self.tables.iter().find(|(name, was)| now.get(*name) != Some(*was));
        if let Some((name, _)) = gone {
            return Err(Refusal::new(
                Exit::Loss,
                format!("`{name}` was dropped or rewritten while the pending SQL was rendered"),
            )
            .hint("loading the application did that, or another session at the same time")
            .hint("rowsafe has run nothing and has no snapshot from before"));
        }
        let new = now.keys().find(|name| !self.tables.contains_key(*name));
        if let Some(name) = new {
            return Ok(Some(format!(
                "`{name}` was created while the pending SQL was rendered: loading the application writes to the database"
            )));
        }
        let written = written(client).await.map_err(asked)?;
        let moved = written.iter().find(|(name, rows)| self.written.get(*name) != Some(*rows));
        Ok(moved.map(|(name, _)| {
            format!(
                "rows of `{name}` were written while the pending SQL was rendered: loading the application writes to the database, or another session did"
            )
        }))
    }
}

async fn tables(client: &Client) -> Result<BTreeMap<QualifiedName, (u32, u32)>, Error> {
    let listed = catalog::tables(client).await?;
    Ok(listed
        .into_iter()
        .map(|listed| (listed.table.name, (listed.table.oid, listed.table.filenode)))
        .collect())
}

/// Rows inserted, updated and deleted so far: the server counts them once a session is idle or gone.
async fn written(client: &Client) -> Result<BTreeMap<QualifiedName, i64>, Error> {
    let sql = "SELECT schemaname::text, relname::text, n_tup_ins + n_tup_upd + n_tup_del
                 FROM pg_stat_user_tables";
    let rows = client.query(sql, &[]).await?;
    let name = |row: &tokio_postgres::Row| {
        QualifiedName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    Ok(rows.iter().map(|row| (name(row), row.get(2))).collect())
}
