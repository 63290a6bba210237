//! The rows of before held in memory, where no snapshot holds them.
//!
//! An image of a table is a hash of 64 bits for each of its values: it can tell what changed and
//! put nothing back.

use std::collections::{BTreeMap, BTreeSet};

use super::unit::{self, Unit};
use super::{Found, Look, Sides};
use crate::db::postgres::inventory::Held;
use crate::db::postgres::refusal;
use crate::db::postgres::rows::{self, Read};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::values::{Image, Layout};

/// What tables looked like, by oid; partitions under the topmost table.
pub type Images = BTreeMap<u32, Imaged>;

/// What a table looked like, its partitions included.
#[derive(Debug, Clone)]
pub struct Imaged {
    /// The columns of the image, by attnum. Generated ones hold nothing of their own.
    columns: Vec<i16>,
    image: Image,
}

impl Imaged {
    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        self.image.bytes()
    }

    fn empty(unit: &Unit<'_>, look: &Look, budget: usize) -> Self {
        let (columns, layout) = layout(unit, look);
        Self { columns, image: Image::new(layout, unit.rows(), budget) }
    }
}

/// Reads the rows of the wanted tables, as they are under the snapshot that is held. The smallest
/// come first; a table that does not fit into what is left of `budget` bytes is held in part, and
/// compared as a sample. One that can't be read is left out.
pub async fn images(
    held: &Held,
    inventory: &Inventory,
    look: &Look,
    wanted: &BTreeSet<u32>,
    budget: usize,
) -> Result<Images, Refusal> {
    if wanted.is_empty() {
        return Ok(Images::new());
    }
    let asked = |error| refusal(Exit::SnapshotFailed, "read the rows of before", error);
    look.formatting.apply(held.client()).await.map_err(asked)?;
    let is_wanted = |unit: &Unit<'_>| unit.members().any(|table| wanted.contains(&table.oid));
    let mut units: Vec<Unit<'_>> =
        unit::all(inventory, &[]).into_iter().filter(is_wanted).collect();
    units.sort_by_key(|unit| needs(unit, look));
    let mut images = Images::new();
    let mut bytes = budget;
    let total = units.len();
    for (done, unit) in units.into_iter().enumerate() {
        // What a small table leaves of its share goes to the larger ones.
        let mut one = Imaged::empty(&unit, look, bytes / (total - done));
        if fill(held, &unit, &mut one).await.map_err(asked)? {
            bytes = bytes.saturating_sub(one.bytes());
            images.insert(unit.table.oid, one);
        }
    }
    Ok(images)
}

/// Bytes that all rows would take.
fn needs(unit: &Unit<'_>, look: &Look) -> u64 {
    let (_, layout) = layout(unit, look);
    unit.rows().saturating_mul(layout.bytes_per_row() as u64)
}

fn layout(unit: &Unit<'_>, look: &Look) -> (Vec<i16>, Layout) {
    let oid = unit.table.oid;
    let attnums = unit.table.columns.iter().map(|column| column.attnum);
    let columns: Vec<i16> =
        attnums.filter(|attnum| !look.keys.is_generated(oid, *attnum)).collect();
    let place = |attnum: &i16| columns.iter().position(|column| column == attnum);
    let key = look.keys.of(oid).iter().map(place).collect::<Option<_>>();
    let layout = Layout { columns: columns.len(), key: key.unwrap_or_default() };
    (columns, layout)
}

/// Whether all rows could be read.
async fn fill(
    held: &Held,
    unit: &Unit<'_>,
    imaged: &mut Imaged,
) -> Result<bool, tokio_postgres::Error> {
    let named = |attnum: &i16| {
        let column = unit.table.columns.iter().find(|column| column.attnum == *attnum)?;
        Some(Read { name: column.name.clone(), as_type: None })
    };
    let columns: Vec<Read> = imaged.columns.iter().filter_map(named).collect();
    let places: Vec<usize> = (0..columns.len()).collect();
    let client = held.client();
    client.batch_execute("SAVEPOINT reading").await?;
    for leaf in &unit.leaves {
        let image = &mut imaged.image;
        let read = rows::read(client, &leaf.name, &columns, |row| image.add(row, &places));
        if let Err(error) = read.await {
            client.batch_execute("ROLLBACK TO reading").await?;
            tracing::debug!("the rows of {} could not be read: {error}", leaf.name.short());
            return Ok(false);
        }
    }
    client.batch_execute("RELEASE reading").await?;
    Ok(true)
}

impl Sides<'_> {
    /// Compares what no snapshot holds with its image; `why` is said of what has none.
    pub(super) async fn compare_remembered(
        &self,
        units: &[Unit<'_>],
        why: &str,
        found: &mut Found,
    ) {
        for unit in units {
            let Some(imaged) = self.images.get(&unit.table.oid) else {
                found.leave_out(unit, self.touched, why);
                continue;
            };
            match self.remembered(unit, imaged).await {
                Ok(values) => drop(found.looked.values.insert(unit.table.oid, values)),
                Err(why) => found.leave_out(unit, self.touched, &why),
            }
        }
    }

    async fn remembered(
        &self,
        unit: &Unit<'_>,
        imaged: &Imaged,
    ) -> Result<crate::values::TableValues, String> {
        if imaged.image.rows() != unit.rows() {
            return Err("another number of rows was read than counted".to_owned());
        }
        self.compare(unit, &imaged.columns, &imaged.image).await
    }
}
