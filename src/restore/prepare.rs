//! What a restore would do, as a value: found out without changing anything.

use std::collections::BTreeSet;

use super::columns::{self, Return};
use super::differ::Differ;
use super::pair::{Paired, Unit, pair};
use super::recreate::Revival;
use super::session::Session;
use super::{Part, RestoreMode, RestoreRequest, convert, script, stage, there};
use crate::db::postgres::shape::{self, Shape};
use crate::db::postgres::version_table;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::{Changed, Fate, RestorePlan, RestoreTable};
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::store::Stored;
use crate::snapshot::toc::{self, Entry};
use crate::snapshot::{Manifest, archive};

/// Everything that applying needs.
pub struct Prepared<'a> {
    /// The archive's contents.
    pub entries: Vec<Entry>,
    /// The chosen tables as they are now.
    pub paired: Paired<'a>,
    /// Every table as it is now.
    pub shapes: Vec<Shape>,
    /// What would be done, unit by unit.
    pub changes: Vec<Changed>,
    /// What comes back of columns, unit by unit.
    pub returns: Vec<Return>,
    /// What comes back whole.
    pub revival: Revival<'a>,
    /// Whether rows of now may be overwritten.
    pub mode: RestoreMode,
    /// Tables that are gone or empty, and whose rows the snapshot does not hold.
    pub not_kept: Vec<&'a KeptTable>,
}

/// Stages the rows of the snapshot and compares them with those of now.
pub async fn prepare<'a>(
    request: &RestoreRequest,
    stored: &'a Stored,
    session: &Session,
    observer: &mut dyn Observer,
) -> Result<Prepared<'a>, Refusal> {
    let manifest = &stored.manifest;
    let chosen = choose(manifest, request)?;
    observer.notice(Event::Working("looking at the tables"));
    let shapes = shape::read(session.client()).await;
    let shapes = shapes.map_err(|error| session.refusal("look at the tables", error))?;
    let only = only(manifest, request, &chosen)?;
    let mut paired = pair(manifest, &chosen, &shapes, &only);
    paired.gone.retain(|table| {
        let mut parts = only.iter().filter(|part| part.table == table.qualified());
        only.is_empty() || parts.any(|part| part.rows)
    });
    if request.tables.is_empty() && only.is_empty() {
        leave_bookkeeping(session, &mut paired.units).await?;
    }
    let not_kept = not_kept(session, &chosen, &shapes).await?;
    let entries = archive::entries(stored, &request.tools).await?;
    let is_incomplete =
        !paired.gone.is_empty() || paired.units.iter().any(|unit| !unit.gone.is_empty());
    let items =
        if is_incomplete { script::read(request, stored, &entries).await? } else { Vec::new() };
    let there = there::there(session, &items).await?;
    let revival = Revival::of(&paired, &entries, &items, &there);
    stage::stage(request, stored, &entries, session, &mut paired.units, observer).await?;
    let mut strange = Vec::new();
    for unit in &paired.units {
        strange.push(convert::convert(session, unit).await?);
    }
    observer.notice(Event::Working("comparing with the snapshot"));
    let mode = request.mode;
    let differ = Differ { session, units: &paired.units, shapes: &shapes, mode };
    let mut changes = differ.changes().await?;
    for (changed, strange) in changes.iter_mut().zip(strange) {
        changed.cannot.extend(strange);
    }
    let mut returns = Vec::new();
    let mut numbers: BTreeSet<u64> = revival.items().map(|item| item.id).collect();
    for (unit, changed) in paired.units.iter().zip(&mut changes) {
        let mut found = columns::find(session, unit, &entries, &items, &there, changed).await?;
        found.without(&mut numbers);
        returns.push(found);
    }
    Ok(Prepared { entries, paired, shapes, changes, returns, revival, mode, not_kept })
}

/// Leaves alone what a migration tool writes down about the schema of now: its row of then beside
/// that of now would be a second head. One without any row comes back, and one that is asked for.
async fn leave_bookkeeping(session: &Session, units: &mut Vec<Unit<'_>>) -> Result<(), Refusal> {
    let what = "read the version tables";
    let versions = version_table::read(session.client()).await;
    let versions = versions.map_err(|error| session.refusal(what, error))?;
    let mut left = Vec::new();
    for unit in units.iter() {
        let name = unit.name();
        if version_table::is_of_tool(name) || versions.iter().any(|table| table.name == *name) {
            let sql = format!("SELECT FROM {} LIMIT 1", unit.live.from());
            if !session.rows(&sql, what).await?.is_empty() {
                left.push(unit.live.oid);
            }
        }
    }
    units.retain(|unit| !left.contains(&unit.live.oid));
    Ok(())
}

/// The parts that were asked for; columns are named for one table.
fn only(
    manifest: &Manifest,
    request: &RestoreRequest,
    chosen: &[&KeptTable],
) -> Result<Vec<Part>, Refusal> {
    if request.columns.is_empty() {
        return Ok(request.only.clone());
    }
    let mut asked =
        chosen.iter().filter(|table| !chosen.iter().any(|root| table.root == Some(root.oid)));
    let (Some(table), None) = (asked.next(), asked.next()) else {
        return Err(Refusal::new(Exit::NoAnswer, "--column needs the table: one --table"));
    };
    let names = || table.columns.iter().map(|column| column.name.as_str());
    for name in &request.columns {
        if !names().any(|known| known == name) {
            let (id, table) = (&manifest.id, table.qualified().short());
            let message = format!("`{table}` has no column `{name}` in snapshot {id}");
            let known: Vec<&str> = names().collect();
            return Err(Refusal::new(Exit::NoAnswer, message)
                .hint(format!("its columns: {}", known.join(", "))));
        }
    }
    Ok(vec![Part { table: table.qualified(), rows: false, columns: request.columns.clone() }])
}

/// Tables whose rows were not kept, and of which nothing is left.
async fn not_kept<'a>(
    session: &Session,
    chosen: &[&'a KeptTable],
    shapes: &[Shape],
) -> Result<Vec<&'a KeptTable>, Refusal> {
    let mut found = Vec::new();
    for table in chosen.iter().copied().filter(|it| !it.kept && it.holds_rows() && it.rows > 0) {
        let live = shapes.iter().find(|shape| shape.oid == table.oid);
        let live = live.or_else(|| shapes.iter().find(|shape| shape.name == table.qualified()));
        let is_left = match live {
            None => false,
            // Whose table it is may see to it.
            Some(live) if !live.is_ours => true,
            Some(live) => {
                let sql = format!("SELECT FROM {} LIMIT 1", live.from());
                !session.rows(&sql, "look for rows").await?.is_empty()
            }
        };
        if !is_left {
            found.push(table);
        }
    }
    Ok(found)
}

impl<'a> Prepared<'a> {
    /// The tables that are written to, by oid.
    pub fn written(&self) -> BTreeSet<u32> {
        self.differing()
            .filter(|(_, changed)| !changed.is_nothing())
            .map(|(u, _)| u.live.oid)
            .collect()
    }

    /// What comes along, each once.
    fn along(&self) -> Vec<String> {
        let of_columns = self.returns.iter().flat_map(|found| &found.along);
        let all: BTreeSet<&String> = self.revival.along.iter().chain(of_columns).collect();
        all.into_iter().cloned().collect()
    }

    fn differing(&self) -> impl Iterator<Item = (&Unit<'a>, &Changed)> {
        self.paired.units.iter().zip(&self.changes)
    }

    /// The names of all tables that come back or are written to.
    pub fn names(&self) -> Vec<String> {
        let gone = self.paired.gone.iter().map(|table| table.qualified().to_string());
        let there = self.differing().filter(|(_, changed)| !changed.is_nothing());
        gone.chain(there.map(|(unit, _)| unit.name().to_string())).collect()
    }

    /// What is shown before anything is done.
    pub fn plan(&self, manifest: &Manifest) -> RestorePlan {
        let gone = self.paired.gone.iter().map(|table| RestoreTable {
            name: table.qualified(),
            was: None,
            rows: table.rows,
            fate: Fate::Gone,
            changed: Changed { insert: table.rows_kept(), ..Changed::default() },
        });
        let differs = |(_, changed): &(&Unit<'_>, &Changed)| {
            !changed.is_same() || changed.newer > 0 || changed.changed > 0
        };
        let there = self.differing().filter(differs).map(|(unit, changed)| RestoreTable {
            name: unit.name().clone(),
            was: Some(unit.kept.qualified()).filter(|was| was != unit.name()),
            rows: unit.rows(),
            fate: Fate::There,
            changed: changed.clone(),
        });
        let not_kept = self.not_kept.iter().map(|table| RestoreTable {
            name: table.qualified(),
            was: None,
            rows: table.rows,
            fate: Fate::NotKept,
            changed: Changed::default(),
        });
        let mut tables: Vec<RestoreTable> = gone.chain(there).chain(not_kept).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        RestorePlan {
            snapshot: manifest.id.clone(),
            database: manifest.database.name.clone(),
            created_at: manifest.created_at,
            revisions: manifest.revisions.clone(),
            mode: self.mode.name(),
            same: self.differing().filter(|differing| !differs(differing)).count() as u64,
            tables,
            along: self.along(),
            present: None,
            is_done: false,
        }
    }
}

/// The tables that were asked for. Tables are named as `schema.table` or `table`.
fn choose<'a>(
    manifest: &'a Manifest,
    request: &RestoreRequest,
) -> Result<Vec<&'a KeptTable>, Refusal> {
    if !request.only.is_empty() {
        let is_named = |part: &Part, table: &KeptTable| part.table == table.qualified();
        let is_asked = |table: &&KeptTable| request.only.iter().any(|part| is_named(part, table));
        let asked: Vec<&KeptTable> = manifest.tables.iter().filter(is_asked).collect();
        return Ok(toc::with_partitions(manifest, &asked));
    }
    if request.tables.is_empty() {
        return Ok(manifest.tables.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in &request.tables {
        let matching: Vec<&KeptTable> = manifest
            .tables
            .iter()
            .filter(|table| {
                table.name == *name
                    || format!("{}.{}", table.schema, table.name) == *name
                    || table.qualified().to_string() == *name
            })
            .collect();
        match matching.as_slice() {
            [table] if !table.kept => return Err(refuse_not_kept(manifest, table)),
            [table] => chosen.push(*table),
            [] => {
                let message = format!("snapshot {} holds no table `{name}`", manifest.id);
                return Err(Refusal::new(Exit::NoAnswer, message));
            }
            [first, ..] => {
                let message = format!("`{name}` is in several schemas, such as `{}`", first.schema);
                return Err(
                    Refusal::new(Exit::NoAnswer, message).hint("write --table SCHEMA.TABLE")
                );
            }
        }
    }
    Ok(toc::with_partitions(manifest, &chosen))
}

fn refuse_not_kept(manifest: &Manifest, table: &KeptTable) -> Refusal {
    let (id, name) = (&manifest.id, table.qualified());
    Refusal::new(
        Exit::NoAnswer,
        format!(
            "the rows of `{name}` are not in snapshot {id}: it holds only what was at risk, and nothing pending touched that table"
        ),
    )
    .hint("an earlier snapshot may hold them, or your own backup")
    .hint(format!("its definition is there: rowsafe restore {id} --into NAME"))
}
