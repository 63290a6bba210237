//! Verifying a snapshot: the whole archive decoded, every row of every table counted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::archive::{self, Extent};
use super::dump::report_during;
use super::manifest::{Archive, KeptTable, Verified};
use super::scan::{Contents, Scan};
use super::store::Source;
use super::tools::Tools;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::QualifiedName;
use crate::text::number::plural;

/// What a verification found.
#[derive(Debug)]
pub struct Verification {
    /// The proof.
    pub verified: Verified,
    /// Tables of extensions, with the extension's name, whose rows pg_dump left out.
    pub left_out: Vec<(QualifiedName, String)>,
    /// Bytes of all that was read, as text.
    pub bytes: u64,
}

/// Decodes the archive in `source` and compares it with what was counted.
pub async fn verify(
    source: &Source,
    archive: &Archive,
    tables: &[KeptTable],
    large_objects: u64,
    tools: &Tools,
    mut progress: impl FnMut(u64),
) -> Result<Verification, Refusal> {
    let invocation = tools.restore_invocation().arg("--data-only").arg("--file=-");
    let read = Arc::new(AtomicU64::new(0));
    let reading = archive::through(source, &invocation, Arc::clone(&read), Extent::Whole, scan);
    let ((contents, bytes), ended) =
        report_during(reading, || progress(read.load(Ordering::Relaxed))).await?;
    if !ended.status.success() {
        return Err(unverified(&format!("pg_restore can't decode it: {}", ended.said)));
    }
    if ended.sha256.as_deref() != Some(archive.sha256.as_str()) {
        return Err(unverified("what is on disk is not what was written (SHA-256 differs)"));
    }
    compare(&contents, tables, large_objects)?;
    let rows = contents.rows.values().sum();
    let left_out: Vec<_> = tables.iter().filter_map(|table| left_out(table, &contents)).collect();
    let kept = tables.iter().filter(|table| table.holds_rows() && table.kept);
    let tables = kept.count() - left_out.len();
    let verified = Verified { at: jiff::Timestamp::now(), rows, tables: tables as u64 };
    Ok(Verification { verified, left_out, bytes })
}

/// Compares what an archive holds with what was counted.
pub fn compare(
    contents: &Contents,
    tables: &[KeptTable],
    large_objects: u64,
) -> Result<(), Refusal> {
    if contents.is_truncated {
        return Err(unverified("it ends in the middle of a table"));
    }
    refuse_what_was_left_out(contents, tables)?;
    for (name, expected) in expected(tables) {
        let found = contents.rows.get(&name).copied().unwrap_or_default();
        if found != expected {
            return Err(unverified(&format!(
                "`{name}` has {} in the archive and {} in the database",
                plural(found, "row"),
                plural(expected, "row")
            )));
        }
    }
    if contents.large_objects != large_objects {
        return Err(unverified(&format!(
            "it holds {}, the database {}",
            plural(contents.large_objects, "large object"),
            plural(large_objects, "large object")
        )));
    }
    Ok(())
}

/// A dump that holds more than it was asked for is not the one that was asked for.
fn refuse_what_was_left_out(contents: &Contents, tables: &[KeptTable]) -> Result<(), Refusal> {
    let is_left_out = |table: &&KeptTable| table.holds_rows() && !table.kept;
    for table in tables.iter().filter(is_left_out) {
        let rows = contents.rows.get(&table.qualified()).copied().unwrap_or_default();
        if rows > 0 {
            return Err(unverified(&format!(
                "`{}` was to be left out and has {} in the archive",
                table.qualified(),
                plural(rows, "row")
            ))
            .hint("the pg_dump in use does not take --exclude-table-data as it should")
            .hint("keep everything: --snapshot all"));
        }
    }
    Ok(())
}

/// Rows by the name under which the archive holds them: partitions under their root. Tables of
/// extensions are left out, since pg_dump keeps only what their extension tells it to.
fn expected(tables: &[KeptTable]) -> BTreeMap<QualifiedName, u64> {
    let names: BTreeMap<u32, QualifiedName> =
        tables.iter().map(|table| (table.oid, table.qualified())).collect();
    let mut expected = BTreeMap::new();
    for table in tables.iter().filter(|table| table.holds_rows() && table.extension.is_none()) {
        let root = table.root.and_then(|root| names.get(&root).cloned());
        let name = root.unwrap_or_else(|| table.qualified());
        *expected.entry(name).or_default() += table.rows_kept();
    }
    expected
}

/// The table and its extension, when the archive holds fewer of its rows than there are.
fn left_out(table: &KeptTable, contents: &Contents) -> Option<(QualifiedName, String)> {
    let extension = table.extension.clone().filter(|_| table.holds_rows() && table.kept)?;
    let found = contents.rows.get(&table.qualified()).copied().unwrap_or_default();
    (found < table.rows).then(|| (table.qualified(), extension))
}

fn scan(mut text: File) -> io::Result<(Contents, u64)> {
    let mut scan = Scan::default();
    let (mut buffer, mut bytes) = (vec![0; 256 * 1024], 0);
    loop {
        let length = text.read(&mut buffer)?;
        if length == 0 {
            return Ok((scan.finish(), bytes));
        }
        scan.feed(&buffer[..length]);
        bytes += length as u64;
    }
}

fn unverified(why: &str) -> Refusal {
    Refusal::new(Exit::SnapshotFailed, format!("the snapshot could not be verified: {why}"))
        .hint("nothing was run and nothing of this snapshot is kept")
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::snapshot::manifest::KeptTable;
    use crate::snapshot::scan::Contents;
    use crate::text::QualifiedName;

    fn table(oid: u32, name: &str, kind: &str, root: Option<u32>, rows: u64) -> KeptTable {
        KeptTable {
            oid,
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            root,
            extension: None,
            rows,
            kept: true,
            columns: Vec::new(),
            belongings: Vec::new(),
            sequences: Vec::new(),
        }
    }

    fn contents(rows: &[(&str, u64)]) -> Contents {
        let rows = rows.iter().map(|(name, rows)| (QualifiedName::new("public", *name), *rows));
        Contents { rows: rows.collect(), ..Contents::default() }
    }

    #[test]
    fn partitions_are_found_under_their_root() {
        let tables = [
            table(1, "events", "partitioned-table", None, 0),
            table(2, "events_1", "table", Some(1), 3),
            table(3, "events_2", "table", Some(1), 4),
            table(4, "totals", "materialized-view", None, 9),
        ];
        assert!(compare(&contents(&[("events", 7)]), &tables, 0).is_ok());
        let wrong = compare(&contents(&[("events", 6)]), &tables, 0).unwrap_err();
        assert!(wrong.to_string().contains("`public.events` has 6 rows in the archive and 7 rows"));
    }

    #[test]
    fn rows_that_were_left_out_are_not_expected_and_not_accepted() {
        let kept = table(1, "users", "table", None, 2);
        let tables = [kept, KeptTable { kept: false, ..table(2, "logs", "table", None, 9) }];
        assert!(compare(&contents(&[("users", 2)]), &tables, 0).is_ok());
        let wrong = compare(&contents(&[("users", 2), ("logs", 9)]), &tables, 0).unwrap_err();
        assert!(wrong.to_string().contains("`public.logs` was to be left out and has 9 rows"));
        let partitions = [
            table(1, "events", "partitioned-table", None, 0),
            table(2, "events_1", "table", Some(1), 3),
            KeptTable { kept: false, ..table(3, "events_2", "table", Some(1), 4) },
        ];
        assert!(compare(&contents(&[("events", 3)]), &partitions, 0).is_ok());
        assert!(compare(&contents(&[("events", 7)]), &partitions, 0).is_err());
    }

    #[test]
    fn missing_tables_and_large_objects_are_noticed() {
        let tables = [table(1, "users", "table", None, 2)];
        assert!(compare(&contents(&[]), &tables, 0).is_err());
        assert!(compare(&contents(&[("users", 2)]), &tables, 1).is_err());
        assert!(compare(&contents(&[("users", 2)]), &tables, 0).is_ok());
    }
}
