//! The databases that rowsafe has seen: one file each, written anew after every run.
//!
//! A host and a port prove nothing: a server may have come back on an empty volume, or from an
//! older backup. What was there at the end of the last run is what the next one is held against.

mod differ;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use differ::Difference;

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::{Identity, Inventory, Standing, TableKind, Wal};
use crate::text::{QualifiedName, write_atomically};

/// The version that stands in every record.
pub const SCHEMA: &str = "rowsafe.database/1";

/// The directory of the records, beside the journal.
const DIRECTORY: &str = "databases";

/// What is on record of one database. Fields may be added within this version; unknown ones are
/// ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Always `rowsafe.database/1`.
    pub schema: String,
    /// How it is addressed: `host:port/database`.
    pub address: String,
    /// When the rows were counted, UTC.
    pub recorded_at: Timestamp,
    /// The run that recorded it, as in the journal.
    pub run: String,
    /// The rowsafe that wrote it.
    pub rowsafe_version: String,
    /// The database's name, as the server says it.
    pub database: String,
    /// Its oid.
    pub oid: u32,
    /// The cluster's system identifier, a string because JSON's numbers are too small for it.
    pub system_identifier: Option<String>,
    /// The server's version.
    pub server_version: String,
    /// The next transaction id of the cluster.
    pub snapshot_xmax: u64,
    /// Bytes of write-ahead log since the cluster was made.
    pub wal_position: Option<u64>,
    /// The log's timeline.
    pub timeline: Option<u32>,
    /// Bytes of the database.
    pub bytes: Option<u64>,
    /// Schemas and their oids.
    pub schemas: BTreeMap<String, u32>,
    /// Version tables of migration tools, and the revisions in each.
    pub revisions: Vec<KnownRevisions>,
    /// Tables with their exact number of rows.
    pub tables: Vec<KnownTable>,
}

/// The revisions in one version table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRevisions {
    /// The schema of the version table.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// What is in it.
    pub revisions: Vec<String>,
}

/// A table on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its oid.
    pub oid: u32,
    /// Exact number of rows, without children.
    pub rows: u64,
    /// Its file: another one after TRUNCATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filenode: Option<u32>,
    /// The oid of the topmost partitioned table above a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<u32>,
}

impl KnownTable {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

impl KnownRevisions {
    /// Schema and name of the version table.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.table)
    }
}

/// What a record is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The run that saw it.
    pub run: &'a str,
    /// Rows, and which database they were counted in.
    pub inventory: &'a Inventory,
    /// How things stand otherwise.
    pub standing: &'a Standing,
    /// Version tables and their revisions.
    pub revisions: &'a [(QualifiedName, Vec<String>)],
}

/// Where the record of one database is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    path: PathBuf,
    address: String,
}

impl KnownFile {
    /// The record of the database that is addressed so, beside this journal. The address is in the
    /// file; its name is a digest of it, because an address may hold anything.
    pub fn beside(journal: &Path, address: String) -> Self {
        let digest = Sha256::digest(address.as_bytes());
        let digest = digest.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte));
        let directory = journal.parent().unwrap_or(Path::new(".")).join(DIRECTORY);
        Self { path: directory.join(format!("{digest:016x}.json")), address }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is on record, if anything is. What can't be read is no reason to take any database for
    /// the right one.
    pub fn read(&self) -> Result<Option<Known>, Refusal> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(&error.to_string())),
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| self.unreadable(&error.to_string()))?;
        let version = value["schema"].as_str().unwrap_or_default();
        if version != SCHEMA {
            let why = format!("it is of version `{version}`, and this rowsafe reads {SCHEMA}");
            return Err(self.unreadable(&why));
        }
        serde_json::from_value(value).map(Some).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// Writes what was seen, in full or not at all.
    pub fn write(&self, sight: Sight<'_>) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let known = Known::of(sight, self.address.clone());
        let text = serde_json::to_string_pretty(&known).expect("a record is plain data");
        write_atomically(&self.path, text.as_bytes())
    }

    fn unreadable(&self, why: &str) -> Refusal {
        let message = format!("the record of {} can't be read: {why}", self.address);
        Refusal::new(Exit::NoAnswer, message)
            .hint(format!("it is `{}`; restore it from a backup", self.path.display()))
            .hint("--new-database takes what is there now for the record")
    }
}

impl Known {
    /// What was seen, as a record.
    fn of(sight: Sight<'_>, address: String) -> Self {
        let Sight { run, inventory, standing, revisions } = sight;
        let identity = &inventory.identity;
        let (schema_of, name_of) = (
            |name: &QualifiedName| name.schema.clone().unwrap_or_default(),
            |name: &QualifiedName| name.name.clone(),
        );
        Self {
            schema: SCHEMA.to_owned(),
            address,
            recorded_at: Timestamp::now(),
            run: run.to_owned(),
            rowsafe_version: env!("CARGO_PKG_VERSION").to_owned(),
            database: identity.database.clone(),
            oid: identity.database_oid,
            system_identifier: system_of(identity),
            server_version: identity.server_version.clone(),
            snapshot_xmax: identity.snapshot_xmax,
            wal_position: standing.wal.map(|Wal { position, .. }| position),
            timeline: standing.wal.map(|Wal { timeline, .. }| timeline),
            bytes: standing.bytes,
            schemas: standing.schemas.clone(),
            revisions: revisions
                .iter()
                .map(|(table, revisions)| KnownRevisions {
                    schema: schema_of(table),
                    table: name_of(table),
                    revisions: revisions.clone(),
                })
                .collect(),
            tables: inventory
                .tables
                .iter()
                .filter(|table| table.kind == TableKind::Ordinary)
                .map(|table| KnownTable {
                    schema: schema_of(&table.name),
                    name: name_of(&table.name),
                    oid: table.oid,
                    rows: table.rows,
                    filenode: Some(table.filenode),
                    root: table.root,
                })
                .collect(),
        }
    }

    /// When it was recorded, as people read it.
    pub fn when(&self) -> String {
        self.recorded_at.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// All rows on record.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The rows of a table on record: by its oid, else by its name; of a partitioned table those of
    /// its partitions.
    pub fn rows_of(&self, oid: u32, name: &QualifiedName) -> Option<u64> {
        let parts = || self.tables.iter().filter(|table| table.root == Some(oid));
        if parts().next().is_some() {
            return Some(parts().map(|table| table.rows).sum());
        }
        let same = self.tables.iter().find(|table| table.oid == oid);
        same.or_else(|| self.tables.iter().find(|table| table.qualified() == *name))
            .map(|table| table.rows)
    }
}

fn system_of(identity: &Identity) -> Option<String> {
    identity.system_identifier.map(|identifier| identifier.to_string())
}

#[cfg(test)]
mod tests;
