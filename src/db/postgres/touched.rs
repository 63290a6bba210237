//! Which tables were written since a first look, by the server's own statistics.
//!
//! On PostgreSQL 15 and later the counters of a session are complete once it has left; before that
//! they lag without bound (release notes of 15, E.1.3.1.7: cumulative statistics in shared memory).
//! A rolled-back write counts too: a false "touched" costs a look, a false "untouched" would cost a
//! loss. What the counters can't vouch for is unsettled, and then every table may be touched.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error};

use super::watch::Seen;

/// The first version whose counters are complete when a session has left.
const COMPLETE_SINCE: i32 = 150_000;

/// What was counted so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The server's clock at that moment.
    pub at: String,
    /// The server's start, its last reset of statistics, and whether it counts at all.
    server: String,
    version: i32,
    counts: bool,
    tables: BTreeMap<u32, Written>,
}

/// What was written to one table since the statistics began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// `pg_relation_filenode`.
    pub filenode: u32,
}

/// Which tables were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// These, each with what was written meanwhile; no other.
    Only(BTreeMap<u32, Written>),
    /// It can't be told; the reason says why.
    Unsettled(String),
}

impl Touched {
    /// Whether rows of the table may have been changed or have gone; rows that only came are none
    /// of those.
    pub fn may_have_lost(&self, table: u32) -> bool {
        match self {
            Self::Unsettled(_) => true,
            Self::Only(tables) => tables.get(&table).is_some_and(|written| {
                written.filenode != 0 || written.updated != 0 || written.deleted != 0
            }),
        }
    }
}

impl Tally {
    /// Looks at the counters.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        client.batch_execute("SELECT pg_stat_clear_snapshot()").await?;
        let sql = "
            SELECT concat_ws(' ', pg_postmaster_start_time(), d.stats_reset),
                   current_setting('server_version_num')::int4,
                   current_setting('track_counts')::bool, clock_timestamp()::text
              FROM pg_stat_database d WHERE d.datname = current_database()";
        let server = client.query_one(sql, &[]).await?;
        let sql = "
            SELECT oid, pg_stat_get_tuples_inserted(oid), pg_stat_get_tuples_updated(oid),
                   pg_stat_get_tuples_deleted(oid), coalesce(pg_relation_filenode(oid), 0::oid)
              FROM pg_class WHERE relkind IN ('r', 'm') AND relpersistence <> 't'";
        let tables = client.query(sql, &[]).await?;
        let written = |row: &tokio_postgres::Row| Written {
            inserted: row.get(1),
            updated: row.get(2),
            deleted: row.get(3),
            filenode: row.get(4),
        };
        Ok(Self {
            server: server.get(0),
            version: server.get(1),
            counts: server.get(2),
            at: server.get(3),
            tables: tables.iter().map(|row| (row.get(0), written(row))).collect(),
        })
    }

    /// What was written since, where that can be told. A table that is gone was not written; one
    /// that is new is not of interest.
    pub async fn since(&self, client: &Client, seen: &Seen) -> Result<Touched, Error> {
        let now = Self::read(client).await?;
        if let Some(why) = self.unsettled(&now, seen) {
            return Ok(Touched::Unsettled(why.to_owned()));
        }
        let changed = self.tables.iter().filter_map(|(oid, before)| {
            let now = now.tables.get(oid).filter(|now| *now != before)?;
            let since = Written {
                inserted: now.inserted - before.inserted,
                updated: now.updated - before.updated,
                deleted: now.deleted - before.deleted,
                filenode: if now.filenode == before.filenode { 0 } else { now.filenode },
            };
            Some((*oid, since))
        });
        Ok(Touched::Only(changed.collect()))
    }

    fn unsettled(&self, now: &Self, seen: &Seen) -> Option<&'static str> {
        if self.version < COMPLETE_SINCE {
            Some("the server is older than PostgreSQL 15, its statistics lag")
        } else if !self.counts || !now.counts {
            Some("track_counts is off")
        } else if self.server != now.server {
            Some("the server's statistics began anew")
        } else if seen.still_here || seen.may_hide {
            Some("sessions that the command may have used are still connected")
        } else {
            None
        }
    }
}
