//! The manifest of a snapshot: what it holds, of which database, and the proof that it was read
//! back.
//!
//! Version matrix: this rowsafe reads `rowsafe.snapshot/1` to `/5` as they are; a rowsafe refuses a
//! manifest whose `schema` it does not know; unknown fields are ignored, so that fields may be added
//! within a version; nobody rewrites a manifest.
//!
//! A snapshot of all rows is still written as version 1, which every rowsafe can restore. One that
//! left out the rows of some tables is version 2: who knows version 1 only would ignore `kept` and
//! take those tables for empty ones to be filled. One without an archive, because something else
//! holds the rows, is version 3. One whose archive is encrypted is version 4, with or without all
//! rows: an older rowsafe would take the archive for a damaged one. One whose archive is a directory
//! is version 5.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::directory;
use super::elsewhere::Elsewhere;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::{Identity, Inventory, Table, TableKind};
use crate::text::QualifiedName;

/// The version in which every table is kept.
const WHOLE: &str = "rowsafe.snapshot/1";

/// The version in which tables may be there without their rows.
const NARROW: &str = "rowsafe.snapshot/2";

/// The version in which something else holds the rows, and there is no archive.
pub const ELSEWHERE: &str = "rowsafe.snapshot/3";

/// The version in which the archive is encrypted.
pub const ENCRYPTED: &str = "rowsafe.snapshot/4";

/// The version in which the archive is a directory.
const DIRECTORY: &str = "rowsafe.snapshot/5";

/// The scope of a snapshot that holds every row.
pub const SCOPE_ALL: &str = "all";

/// The scope of a snapshot that holds the rows of the tables at risk.
pub const SCOPE_AT_RISK: &str = "at-risk";

/// The command for which the present state is kept before rows are put back.
pub const RESTORE: [&str; 2] = ["rowsafe", "restore"];

/// The name of the manifest in a snapshot's directory.
pub const FILE: &str = "manifest.json";

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: `rowsafe.snapshot/1`, `/2` where rows were left out, `/3` where
    /// something else holds them, `/4` where they are encrypted.
    pub schema: String,
    /// Short id, unique in the store.
    pub id: String,
    /// When the counted moment was, UTC.
    pub created_at: jiff::Timestamp,
    /// The rowsafe that wrote it.
    pub rowsafe_version: String,
    /// Which database.
    pub database: Database,
    /// Revisions of the migration tool at that moment.
    pub revisions: Vec<String>,
    /// The command it was taken for, passwords masked; empty when there was none.
    pub command: Vec<String>,
    /// The commit of the working directory, where it is a git checkout.
    pub git_commit: Option<String>,
    /// The `pg_dump` that wrote the archive, as it names itself.
    pub pg_dump_version: String,
    /// What was kept: `all` or `at-risk`.
    pub scope: String,
    /// Every table with its exact number of rows.
    pub tables: Vec<KeptTable>,
    /// Number of large objects that were kept.
    pub large_objects: u64,
    /// The archive beside this file; empty where there is none.
    #[serde(skip_serializing_if = "Archive::is_none", default)]
    pub archive: Archive,
    /// The proof that the archive was decoded and its rows counted; empty where there is none.
    #[serde(skip_serializing_if = "Verified::is_none", default)]
    pub verified: Verified,
    /// Who holds the rows, where it is not this store.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub elsewhere: Option<Box<Elsewhere>>,
}

/// Which database a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its oid.
    pub oid: u32,
    /// The cluster's system identifier, where the role could read it.
    pub system_identifier: Option<u64>,
    /// The server's version, such as `15.8`.
    pub server_version: String,
    /// The role that dumped it.
    pub role: String,
    /// Where it was reached, without password: `host:port`.
    pub server: String,
}

/// A table of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTable {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `table`, `partitioned-table` or `materialized-view`.
    pub kind: String,
    /// The oid of the topmost partitioned table above a partition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<u32>,
    /// The extension that it belongs to; pg_dump keeps only what that extension says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension: Option<String>,
    /// Exact number of rows in the database, without children.
    pub rows: u64,
    /// Whether its rows are in the archive; of a partitioned table, those of some partition.
    #[serde(skip_serializing_if = "is_true", default = "yes")]
    pub kept: bool,
    /// Its columns in order of attnum.
    pub columns: Vec<KeptColumn>,
    /// Catalogue entries that belong to it (`[catalogue oid, oid]`: indexes, constraints,
    /// defaults, triggers, policies, sequences), to find them in the archive's contents.
    #[serde(default)]
    pub belongings: Vec<(u32, u32)>,
    /// Sequences that its columns own.
    #[serde(default)]
    pub sequences: Vec<KeptSequence>,
}

/// A column of a snapshot's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptColumn {
    /// `pg_attribute.attnum`.
    pub attnum: i16,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A sequence that a column owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

/// The archive file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Archive {
    /// Its name beside the manifest.
    pub file: String,
    /// What it is: `pg_dump custom format, zstd`.
    pub format: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The size of the uncompressed dump in bytes.
    pub dump_bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// How the file is encrypted, where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encryption: Option<Encryption>,
    /// How long the dump took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<f64>,
    /// What the server said that the kept tables occupy, in bytes: with `seconds` the rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table_bytes: Option<u64>,
}

/// How an archive is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The format: `age-encryption.org/v1`.
    pub format: String,
    /// Whose identities open it. That it could be read back was proved with a key of the moment.
    pub recipients: Vec<String>,
}

/// The proof of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verified {
    /// When, UTC.
    pub at: jiff::Timestamp,
    /// Rows found in the archive, all of them matched with the inventory.
    pub rows: u64,
    /// Tables whose rows were found.
    pub tables: u64,
}

impl Archive {
    /// Whether there is no archive.
    pub fn is_none(&self) -> bool {
        self.file.is_empty()
    }
}

impl Verified {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Database {
    /// The part of an identity that a snapshot keeps.
    pub fn of(identity: &Identity, server: String) -> Self {
        Self {
            name: identity.database.clone(),
            oid: identity.database_oid,
            system_identifier: identity.system_identifier,
            server_version: identity.server_version.clone(),
            role: identity.role.clone(),
            server,
        }
    }
}

impl Database {
    /// Whether it is the very database of this identity.
    pub fn is(&self, identity: &Identity) -> bool {
        self.oid == identity.database_oid && self.system_identifier == identity.system_identifier
    }
}

/// A table that a restored database does not hold as the snapshot does.
#[derive(Debug)]
pub struct Miscounted<'a> {
    /// The table.
    pub table: &'a KeptTable,
    /// Rows of it in the restored database; `None` where it is not there.
    pub found: Option<u64>,
}

impl KeptTable {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// Whether it holds rows of its own that a dump can keep.
    pub fn holds_rows(&self) -> bool {
        self.kind == "table"
    }

    /// The rows of it that the archive holds.
    pub fn rows_kept(&self) -> u64 {
        if self.kept { self.rows } else { 0 }
    }

    fn of(table: &Table) -> Self {
        let columns = table.columns.iter().map(|column| KeptColumn {
            attnum: column.attnum,
            name: column.name.clone(),
            type_name: column.type_name.clone(),
        });
        Self {
            oid: table.oid,
            schema: table.name.schema.clone().unwrap_or_default(),
            name: table.name.name.clone(),
            kind: kind_name(table.kind).to_owned(),
            root: table.root,
            extension: table.extension.clone(),
            rows: table.rows,
            kept: true,
            columns: columns.collect(),
            belongings: Vec::new(),
            sequences: Vec::new(),
        }
    }
}

fn kind_name(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Ordinary => "table",
        TableKind::Partitioned => "partitioned-table",
        TableKind::MaterializedView => "materialized-view",
    }
}

/// The tables of an inventory as a manifest keeps them; the rows of some, by oid, were left out.
pub fn kept_tables(inventory: &Inventory, left_out: &BTreeSet<u32>) -> Vec<KeptTable> {
    let mut tables: Vec<KeptTable> = inventory.tables.iter().map(KeptTable::of).collect();
    let mut roots: BTreeSet<u32> = BTreeSet::new();
    for table in &mut tables {
        table.kept = !left_out.contains(&table.oid);
        roots.extend(table.root.filter(|_| table.kept));
    }
    for table in tables.iter_mut().filter(|table| roots.contains(&table.oid)) {
        table.kept = true;
    }
    tables
}

/// The version and the scope of a snapshot of these tables.
pub fn version(
    tables: &[KeptTable],
    large_objects_are_kept: bool,
    archive: &Archive,
) -> (String, String) {
    let is_whole = large_objects_are_kept && tables.iter().all(|table| table.kept);
    let (schema, scope) = if is_whole { (WHOLE, SCOPE_ALL) } else { (NARROW, SCOPE_AT_RISK) };
    let schema = if archive.file == directory::NAME { DIRECTORY } else { schema };
    (schema.to_owned(), scope.to_owned())
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl Manifest {
    /// Whether it holds the rows of every table.
    pub fn is_whole(&self) -> bool {
        self.scope == SCOPE_ALL
    }

    /// The rows of a database that was restored from it, or the first table that holds others. Of the
    /// tables of extensions pg_dump keeps what those say.
    pub fn count_restored(&self, now: &Inventory) -> Result<u64, Miscounted<'_>> {
        let mut rows = 0;
        for table in self.tables.iter().filter(|table| table.holds_rows()) {
            let found = now.named(&table.qualified()).map(|found| found.rows);
            if table.extension.is_none() && found != Some(table.rows_kept()) {
                return Err(Miscounted { table, found });
            }
            rows += found.unwrap_or_default();
        }
        Ok(rows)
    }

    /// Whether it holds everything of a state that somebody asked to keep.
    pub fn is_whole_state(&self) -> bool {
        self.is_whole() && !self.is_present_state()
    }

    /// Whether it was taken of what there was before a restore, for taking that back: no state that
    /// anybody asked to keep, so `latest` passes over it.
    pub fn is_present_state(&self) -> bool {
        self.command.iter().zip(RESTORE).filter(|(word, of)| *word == of).count() == RESTORE.len()
    }

    /// Reads the text of a manifest that is at `place`, or refuses with why there is none.
    pub fn parse(text: Result<String, String>, place: &str) -> Result<Self, Refusal> {
        let told = |what: String| {
            Refusal::new(Exit::NoAnswer, format!("snapshot manifest `{place}`: {what}"))
        };
        let text = text.map_err(told)?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| told(format!("is damaged: {error}")))?;
        let schema = value.get("schema").and_then(|schema| schema.as_str()).unwrap_or_default();
        if ![WHOLE, NARROW, ELSEWHERE, ENCRYPTED, DIRECTORY].contains(&schema) {
            let known = format!("`{WHOLE}` to `{DIRECTORY}`");
            return Err(told(format!("is of version `{schema}`, this rowsafe reads {known}"))
                .hint("use the rowsafe that wrote it, or a newer one"));
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|error| told(format!("is damaged: {error}")))?;
        if manifest.archive.is_none() != manifest.elsewhere.is_some() {
            return Err(told("is damaged: it names no archive".to_owned()));
        }
        Ok(manifest)
    }

    /// The text that is kept.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a manifest has only string keys")
    }

    /// What is wrong with a snapshot that stands under `id` with an archive of this size.
    pub fn objection(&self, id: &str, archive_bytes: Option<u64>) -> Option<Refusal> {
        let what = match archive_bytes {
            _ if self.id != id => format!("its manifest is that of {}", self.id),
            _ if self.elsewhere.is_some() => return None,
            None => format!("its archive `{}` is missing", self.archive.file),
            Some(found) if found != self.archive.bytes => {
                format!("its archive has {found} bytes, and {} were written", self.archive.bytes)
            }
            Some(_) => return None,
        };
        let message = format!("snapshot {id} is damaged: {what}");
        Some(Refusal::new(Exit::NoAnswer, message).hint("do not trust it; use another snapshot"))
    }
}
