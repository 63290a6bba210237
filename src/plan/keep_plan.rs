//! What would be kept, how large it is and how long that takes, before anything is done.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use super::at_risk::Risk;
use super::scope::Scope;
use crate::db::postgres::relations::{Relations, sizes};
use crate::inventory::Identity;
use crate::policy::SnapshotMode;
use crate::snapshot::Store;
use crate::snapshot::manifest::Archive;
use crate::text::QualifiedName;

/// Of the snapshots of this database, the newest that tell how fast a dump is here.
const MEASURED: usize = 5;

/// What would be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepPlan {
    /// Which rows.
    pub scope: Scope,
    /// The tables whose rows would be kept, with their bytes on the server, the largest first.
    pub tables: Vec<(QualifiedName, u64)>,
    /// Tables that hold rows, kept or not.
    pub of_tables: usize,
    /// Bytes of the tables that would be kept.
    pub bytes: u64,
    /// How long the dump takes at the rate measured so far; `None` where none was measured.
    pub seconds: Option<f64>,
    /// Bytes free where snapshots are kept, where that can be told.
    pub free_space: Option<u64>,
}

impl KeepPlan {
    /// Works it out without waiting for anybody's lock; `None` where nothing is to be kept.
    pub async fn make(
        client: &Client,
        risk: &Risk,
        mode: SnapshotMode,
        store: &Store,
        identity: &Identity,
    ) -> Result<Option<Self>, Error> {
        let Some(scope) = risk.scope(mode) else { return Ok(None) };
        let sizes = sizes(client, risk.relations()).await?;
        let (tables, of_tables) = kept(&scope, risk.relations(), &sizes);
        let bytes = tables.iter().map(|(_, bytes)| bytes).sum();
        Ok(Some(Self {
            scope,
            tables,
            of_tables,
            bytes,
            seconds: rate(store, identity).await.map(|rate| real(bytes) / rate),
            free_space: store.free_space().and_then(Result::ok),
        }))
    }
}

/// The tables whose rows a scope keeps, the largest first, and how many there are in all.
fn kept(
    scope: &Scope,
    relations: &Relations,
    sizes: &HashMap<u32, u64>,
) -> (Vec<(QualifiedName, u64)>, usize) {
    let left_out = scope.left_out();
    let holding = || relations.tables.iter().filter(|table| table.holds_rows);
    let kept = holding().filter(|table| !left_out.contains(&table.oid));
    let size = |oid: u32| sizes.get(&oid).copied().unwrap_or_default();
    let mut tables: Vec<_> = kept.map(|table| (table.name.clone(), size(table.oid))).collect();
    tables.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    (tables, holding().count())
}

/// Bytes of tables that were dumped in a second, by the newest snapshots of this database.
async fn rate(store: &Store, identity: &Identity) -> Option<f64> {
    let stored = store.list(|_| {}).await.ok()?;
    let manifests = stored.iter().map(|stored| &stored.manifest);
    let of_this = manifests.filter(|manifest| manifest.database.is(identity));
    let measured: Vec<(f64, f64)> =
        of_this.filter_map(|manifest| measured(&manifest.archive)).take(MEASURED).collect();
    let (bytes, seconds) =
        measured.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (bytes > 0.0 && seconds > 0.0).then(|| bytes / seconds)
}

fn measured(archive: &Archive) -> Option<(f64, f64)> {
    Some((real(archive.table_bytes?), archive.seconds?))
}

#[expect(clippy::cast_precision_loss, reason = "seconds are said without a fraction")]
fn real(bytes: u64) -> f64 {
    bytes as f64
}
