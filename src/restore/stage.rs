//! The rows of the snapshot, brought beside those of now: into temporary tables, which nobody else
//! sees, and which are gone with the session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc::{Receiver, channel};

use super::RestoreRequest;
use super::pair::{Unit, staged};
use super::session::Session;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::snapshot::copy::{self, Piece};
use crate::snapshot::manifest::{KeptColumn, KeptTable};
use crate::snapshot::scan::copy_columns;
use crate::snapshot::store::Stored;
use crate::snapshot::toc::{self, Entry};
use crate::snapshot::{archive, list_file};

/// Pieces of rows that may wait for the server.
const QUEUED: usize = 16;

/// Stages the rows of all units, having read the archive to its end.
pub async fn stage(
    request: &RestoreRequest,
    stored: &Stored,
    entries: &[Entry],
    session: &Session,
    units: &mut [Unit<'_>],
    observer: &mut dyn Observer,
) -> Result<(), Refusal> {
    if units.is_empty() {
        return Ok(());
    }
    let types = plain_types(session, units).await?;
    for unit in units.iter() {
        make(session, unit, &types).await?;
    }
    let leaves: Vec<&KeptTable> = units.iter().flat_map(|unit| unit.leaves.clone()).collect();
    let mut stored_columns: BTreeMap<usize, BTreeSet<i16>> = BTreeMap::new();
    let mut rows: BTreeMap<usize, u64> = BTreeMap::new();
    {
        let blocks = Blocks::open(request, stored, entries, &leaves)?;
        let (reading, mut blocks) = blocks;
        let taking = async {
            while let Some((oid, statement)) = blocks.next().await? {
                let of = |unit: &Unit<'_>| unit.leaves.iter().any(|leaf| leaf.oid == oid);
                let Some(at) = units.iter().position(of) else { continue };
                let unit = &units[at];
                let columns = named(unit.kept, &statement)?;
                stored_columns.entry(at).or_default().extend(&columns);
                let names: Vec<String> = columns.iter().map(|attnum| staged(*attnum)).collect();
                let taken = if names.is_empty() {
                    let rows = blocks.lines().await;
                    let sql = format!(
                        "INSERT INTO {} SELECT FROM generate_series(1, {rows})",
                        unit.staged
                    );
                    session.change(&sql, "stage rows").await?
                } else {
                    let copy = format!("COPY {} ({}) FROM STDIN", unit.staged, names.join(", "));
                    blocks.copy(session, &copy, unit).await?
                };
                *rows.entry(at).or_default() += taken;
                observer.notice(Event::Staging { done: rows.len(), total: units.len() });
            }
            Ok::<(), Refusal>(())
        };
        let (read, taken) = tokio::join!(reading, taking);
        taken?;
        read?;
    }
    for (at, unit) in units.iter_mut().enumerate() {
        let found = rows.get(&at).copied().unwrap_or_default();
        if found != unit.rows() {
            return Err(short(stored, unit, found));
        }
        unit.keep_stored(stored_columns.get(&at).unwrap_or(&BTreeSet::new()));
        session.execute(&format!("ANALYZE {}", unit.staged), "look at the staged rows").await?;
    }
    Ok(())
}

fn short(stored: &Stored, unit: &Unit<'_>, found: u64) -> Refusal {
    let (id, name) = (&stored.manifest.id, unit.kept.qualified());
    let message = format!(
        "snapshot {id} holds {found} rows of `{name}`, and {} were counted when it was taken",
        unit.rows()
    );
    Refusal::new(Exit::NoAnswer, message).hint("do not trust it; use another snapshot")
}

/// The columns that COPY names, by attnum.
fn named(table: &KeptTable, statement: &str) -> Result<Vec<i16>, Refusal> {
    let attnum = |name: &String| -> Option<i16> {
        Some(table.columns.iter().find(|column| column.name == *name)?.attnum)
    };
    let columns = copy_columns(statement);
    let columns = columns.and_then(|names| names.iter().map(attnum).collect::<Option<Vec<_>>>());
    columns.ok_or_else(|| {
        let message =
            format!("the columns of `{}` in the archive are not those listed", table.qualified());
        Refusal::new(Exit::NoAnswer, message)
    })
}

/// The types of the snapshot's columns that are there as they were: base types, whose meaning does
/// not depend on what can be altered. Values of all others are staged as text.
async fn plain_types(session: &Session, units: &[Unit<'_>]) -> Result<BTreeSet<String>, Refusal> {
    let columns = units.iter().flat_map(|unit| &unit.kept.columns);
    let names: BTreeSet<&str> = columns.map(|column| column.type_name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let sql = "
        SELECT t.name
          FROM unnest($1::text[]) t(name)
          JOIN pg_type ty ON ty.oid = to_regtype(t.name)
          LEFT JOIN pg_type el ON el.oid = ty.typelem AND ty.typcategory = 'A'
         WHERE ty.typtype = 'b' AND coalesce(el.typtype, 'b') = 'b'";
    let found = session.client().query(sql, &[&names]).await;
    let found = found.map_err(|error| session.refusal("look at the types", error))?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

async fn make(session: &Session, unit: &Unit<'_>, types: &BTreeSet<String>) -> Result<(), Refusal> {
    let column = |column: &KeptColumn| {
        let type_name = if types.contains(&column.type_name) { &column.type_name } else { "text" };
        let pair = unit.columns.iter().find(|pair| pair.attnum == column.attnum);
        let collation = pair.and_then(|pair| pair.live.collation.as_ref());
        let collation =
            collation.filter(|_| pair.is_some_and(|pair| pair.live.type_name == *type_name));
        let collation = collation.map(|name| format!(" COLLATE {name}")).unwrap_or_default();
        format!("{} {type_name}{collation}, ", staged(column.attnum))
    };
    let columns: String = unit.kept.columns.iter().map(column).collect();
    let name = unit.staged.trim_start_matches("pg_temp.");
    let sql = format!("CREATE TEMPORARY TABLE {name} ({columns}why text)");
    session.execute(&sql, "make a temporary table to stage rows in").await
}

/// The COPY blocks of tables in an archive, one after the other.
pub struct Blocks {
    pieces: Receiver<Piece>,
    /// The tables whose blocks are still to come, by oid.
    expected: VecDeque<u32>,
}

impl Blocks {
    /// Starts reading; the future has to be awaited beside the blocks.
    pub fn open<'s>(
        request: &RestoreRequest,
        stored: &'s Stored,
        entries: &[Entry],
        tables: &[&KeptTable],
    ) -> Result<(impl Future<Output = Result<(), Refusal>> + use<'s>, Self), Refusal> {
        let mut invocation = request.tools.restore_invocation().arg("--data-only").arg("--file=-");
        let wanted = toc::rows(entries, tables);
        let list = list_file(&toc::list(entries, &wanted))?;
        // A pg_restore in a container does not see the file; then all of the archive goes by.
        let is_here = request.tools.restore.len() == 1;
        if is_here {
            invocation = invocation.arg(format!("--use-list={}", list.path().display()));
        }
        let all = || entries.iter().filter(|entry| entry.text.starts_with("TABLE DATA "));
        let expected = if is_here {
            wanted.iter().map(|entry| entry.oid).collect()
        } else {
            all().map(|entry| entry.oid).collect()
        };
        let (sender, pieces) = channel(QUEUED);
        let reading = async move {
            let list = list;
            let read =
                archive::stream(stored, &invocation, move |text| copy::stream(text, &sender)).await;
            drop(list);
            read
        };
        Ok((reading, Self { pieces, expected }))
    }

    /// The next block: whose rows it holds, and the statement that takes them.
    pub async fn next(&mut self) -> Result<Option<(u32, String)>, Refusal> {
        while let Some(piece) = self.pieces.recv().await {
            if let Piece::Begin { statement, .. } = piece {
                let oid = self.expected.pop_front().ok_or_else(|| {
                    let message = "the archive holds more tables than its contents list";
                    Refusal::new(Exit::NoAnswer, message)
                })?;
                return Ok(Some((oid, statement)));
            }
        }
        Ok(None)
    }

    /// Copies the rows of the block.
    pub async fn copy(
        &mut self,
        session: &Session,
        statement: &str,
        unit: &Unit<'_>,
    ) -> Result<u64, Refusal> {
        self.copy_as(session, statement, &format!("stage the rows of `{}`", unit.name())).await
    }

    /// Copies the rows of the block with a statement.
    pub async fn copy_as(
        &mut self,
        session: &Session,
        statement: &str,
        what: &str,
    ) -> Result<u64, Refusal> {
        let failed = |error| session.refusal(what, error);
        let sink = session.client().copy_in::<_, Bytes>(statement).await.map_err(failed)?;
        futures_util::pin_mut!(sink);
        while let Some(Piece::Rows(rows)) = self.pieces.recv().await {
            sink.send(rows).await.map_err(failed)?;
        }
        sink.finish().await.map_err(failed)
    }

    /// Counts the rows of the block, where nothing else is known of them.
    async fn lines(&mut self) -> usize {
        let mut lines = 0;
        while let Some(Piece::Rows(rows)) = self.pieces.recv().await {
            lines += memchr::memchr_iter(b'\n', &rows).count();
        }
        lines
    }
}
