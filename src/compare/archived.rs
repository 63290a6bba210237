//! The rows of before, as the snapshot has them.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc::{Receiver, channel};

use super::unit::Unit;
use super::{Found, Sides};
use crate::db::postgres::refusal;
use crate::db::postgres::rows::lines;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::policy::Compare;
use crate::snapshot::copy::{self, Piece};
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::scan::copy_columns;
use crate::snapshot::store::Stored;
use crate::snapshot::tools::Tools;
use crate::snapshot::{archive, list_file, toc};
use crate::text::QualifiedName;
use crate::values::{BUDGET, Image, Layout, TableValues};

/// Pieces of rows that may wait to be looked at.
const QUEUED: usize = 16;

/// Compares the values of every table that was touched with those in the snapshot, or with the
/// image of those that it does not hold.
pub async fn values(
    sides: &Sides<'_>,
    kept: Option<&Stored>,
    tools: &Tools,
    mut progress: impl FnMut(usize, usize),
) -> Result<Found, Refusal> {
    let mut found = Found::default();
    if sides.compare == Compare::Counts {
        return Ok(found);
    }
    let (wanted, untouched) = sides.divide();
    found.untouched = untouched;
    if wanted.is_empty() {
        return Ok(found);
    }
    let asked = |error| refusal(Exit::DatabaseUnavailable, "compare values", error);
    sides.look.formatting.apply(sides.now.client()).await.map_err(asked)?;
    let Some(kept) = kept else {
        let why = "no snapshot holds its rows from before";
        sides.compare_images(&wanted, why, &mut found).await;
        return Ok(found);
    };
    let oids: BTreeSet<u32> =
        wanted.iter().flat_map(|unit| &unit.leaves).map(|leaf| leaf.oid).collect();
    let members: Vec<&KeptTable> =
        kept.manifest.tables.iter().filter(|table| oids.contains(&table.oid)).collect();
    let entries = archive::entries(kept, tools).await?;
    let rows = toc::rows(&entries, &members);
    let mut reading = Reading { sides, open: BTreeMap::new(), found, trees: trees(&wanted) };
    let mut elsewhere = Vec::new();
    for unit in wanted {
        let blocks = rows.iter().filter(|entry| unit.leaves.iter().any(|l| l.oid == entry.oid));
        let blocks = blocks.count();
        // Beside partitions that were kept there may be some that were not.
        if blocks < unit.leaves.len() {
            elsewhere.push(unit);
        } else {
            let name = unit.table.name.clone();
            reading.open.insert(name, Open { unit, blocks, image: None });
        }
    }
    let why = "the snapshot does not hold its rows";
    sides.compare_images(&elsewhere, why, &mut reading.found).await;
    let total = reading.open.len();
    if total == 0 {
        return Ok(reading.found);
    }
    let list = list_file(&toc::list(&entries, &rows))?;
    let mut invocation = tools.restore_invocation().arg("--data-only").arg("--file=-");
    // A pg_restore in a container does not see the file; the rest of the archive goes by.
    if tools.restore.len() == 1 {
        invocation = invocation.arg(format!("--use-list={}", list.path().display()));
    }
    let (sender, receiver) = channel(QUEUED);
    let feeding = archive::stream(kept, &invocation, move |text| copy::stream(text, &sender));
    let taking = reading.take(receiver, |left| progress(total - left, total));
    let (fed, ()) = tokio::join!(feeding, taking);
    fed?;
    for open in std::mem::take(&mut reading.open).into_values() {
        let why = "the snapshot does not hold all its rows";
        reading.found.leave_out(&open.unit, sides.touched, why);
    }
    Ok(reading.found)
}

/// How many of the units come in several pieces.
fn trees(units: &[Unit<'_>]) -> usize {
    units.iter().filter(|unit| unit.leaves.len() > 1).count().max(1)
}

/// A unit whose rows are being read.
struct Open<'a> {
    unit: Unit<'a>,
    /// COPY blocks still to come, one for each partition.
    blocks: usize,
    /// The attnums of the fields, and the rows so far.
    image: Option<(Vec<i16>, Image)>,
}

struct Reading<'a, 's> {
    sides: &'s Sides<'a>,
    open: BTreeMap<QualifiedName, Open<'a>>,
    found: Found,
    trees: usize,
}

impl Reading<'_, '_> {
    async fn take(&mut self, mut pieces: Receiver<Piece>, mut progress: impl FnMut(usize)) {
        while let Some(piece) = pieces.recv().await {
            let Piece::Begin { table, statement } = piece else { continue };
            let Some(mut open) = self.open.remove(&table) else { continue };
            if open.image.is_none() {
                open.image = self.image(&open.unit, &statement);
            }
            // Partitions may have their columns in another order than the table above them.
            let places = open.image.as_ref().and_then(|(columns, _)| {
                let place = |attnum: &i16| columns.iter().position(|column| column == attnum);
                named(&open.unit, &statement)?.iter().map(place).collect::<Option<Vec<_>>>()
            });
            while let Some(Piece::Rows(rows)) = pieces.recv().await {
                if let (Some((_, image)), Some(places)) = (&mut open.image, &places) {
                    lines(&rows, &mut |row| image.add(row, places));
                }
            }
            open.blocks -= 1;
            if open.blocks > 0 {
                self.open.insert(table, open);
                continue;
            }
            match self.compared(&open).await {
                Ok(values) => drop(self.found.looked.values.insert(open.unit.table.oid, values)),
                Err(why) => self.found.leave_out(&open.unit, self.sides.touched, &why),
            }
            progress(self.open.len());
        }
    }

    async fn compared(&self, open: &Open<'_>) -> Result<TableValues, String> {
        let (columns, image) =
            open.image.as_ref().ok_or("its columns in the snapshot are not those listed")?;
        if image.rows() != open.unit.rows() {
            return Err("the snapshot holds another number of rows than were counted".to_owned());
        }
        self.sides.compare(&open.unit, columns, image).await
    }

    /// An empty image with the columns that COPY names.
    fn image(&self, unit: &Unit<'_>, statement: &str) -> Option<(Vec<i16>, Image)> {
        let columns = named(unit, statement)?;
        let place = |attnum: &i16| columns.iter().position(|column| column == attnum);
        let key = self.sides.look.keys.of(unit.table.oid).iter().map(place).collect::<Option<_>>();
        let layout = Layout { columns: columns.len(), key: key.unwrap_or_default() };
        let budget = if unit.leaves.len() > 1 { BUDGET / self.trees } else { BUDGET };
        let image = Image::new(layout, unit.rows(), budget);
        Some((columns, image))
    }
}

/// The columns that COPY names, by attnum of the table or the topmost one.
fn named(unit: &Unit<'_>, statement: &str) -> Option<Vec<i16>> {
    let attnum = |name: &String| {
        let column = unit.table.columns.iter().find(|column| column.name == *name)?;
        Some(column.attnum)
    };
    copy_columns(statement)?.iter().map(attnum).collect()
}
