//! What is in the database at one moment, under one MVCC snapshot.

use std::collections::BTreeMap;

use crate::text::QualifiedName;

/// What is in the database at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Which database this is.
    pub identity: Identity,
    /// Every table that holds rows, ordered by schema and name.
    pub tables: Vec<Table>,
    /// How many large objects there are.
    pub large_objects: u64,
}

/// Which database this is; host and port prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `system_identifier` of the cluster (`pg_control_system()`), where the role may read it.
    pub system_identifier: Option<u64>,
    /// The database's oid.
    pub database_oid: u32,
    /// The database's name.
    pub database: String,
    /// The role rowsafe is connected as.
    pub role: String,
    /// The server's version as it says it, such as `15.8`.
    pub server_version: String,
    /// The server's version as a number (`server_version_num`), such as 150008.
    pub server_version_num: u32,
    /// Whether the server is a standby (`pg_is_in_recovery()`).
    pub is_standby: bool,
    /// The server's address as the server sees it; `None` over a Unix socket.
    pub server_address: Option<String>,
    /// `pg_snapshot_xmax(pg_current_snapshot())`: unmoved means nothing was written in the cluster.
    pub snapshot_xmax: u64,
}

/// A table that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `pg_class.oid`: kept over a rename, new after drop and create.
    pub oid: u32,
    /// `pg_relation_filenode`: new after TRUNCATE and rewrites.
    pub filenode: u32,
    /// Schema and name.
    pub name: QualifiedName,
    /// What kind of relation.
    pub kind: TableKind,
    /// The topmost partitioned table above a partition.
    pub root: Option<u32>,
    /// The extension it belongs to; pg_dump leaves out the rows of most of those.
    pub extension: Option<String>,
    /// Exact number of rows in this table alone, without children.
    pub rows: u64,
    /// Its columns, by attnum.
    pub columns: Vec<Column>,
}

/// The kinds of relations whose rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table, or a leaf partition.
    Ordinary,
    /// A partitioned table: holds no rows of its own.
    Partitioned,
    /// A materialised view.
    MaterializedView,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `pg_attribute.attnum`: kept over a rename, new after drop and add.
    pub attnum: i16,
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` says it.
    pub type_name: String,
}

impl Inventory {
    /// The table with this oid.
    pub fn table(&self, oid: u32) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// The table with this name.
    pub fn named(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }

    /// All rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// How things stand in a database that was just connected to, as far as the catalogue says it:
/// cheap to ask, and what a later look is held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Every schema that is not the system's, and its oid: new after drop and create.
    pub schemas: BTreeMap<String, u32>,
    /// Every table of theirs that holds rows of its own, with its oid.
    pub tables: BTreeMap<QualifiedName, u32>,
    /// Bytes of the database on disk.
    pub bytes: Option<u64>,
    /// How far the write-ahead log had come, where the server says it.
    pub wal: Option<Wal>,
}

/// A place in the write-ahead log. It only ever goes forward, unless the server was put back to an
/// older state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wal {
    /// Bytes from the beginning (`pg_current_wal_insert_lsn()`).
    pub position: u64,
    /// The timeline: a new one after a failover or a recovery to a point in time.
    pub timeline: u32,
}
