//! Before against after, value by value, where anything was touched.
//!
//! Before the run costs nothing but a look at the server's statistics. Afterwards they say which
//! tables were written, and only the rows of those are read: as they are now, and as the verified
//! snapshot has them from before, or else an image in memory.

mod archived;
mod live;
mod unit;

use std::collections::BTreeSet;

use tokio_postgres::{Client, Error};

use crate::db::postgres::inventory::Held;
use crate::db::postgres::keys::Keys;
use crate::db::postgres::rows::{self, Formatting};
use crate::db::postgres::server_message;
use crate::db::postgres::touched::{Tally, Touched};
use crate::inventory::Inventory;
use crate::policy::Compare;
use crate::text::QualifiedName;
use crate::values::{Image, Matching, TableValues};
use crate::verdict::{Compared, Comparison, Looked};
use unit::{Now, Unit};

pub use archived::values;
pub use live::{Imaged, Images, images};

/// A first look, taken before the rows are counted and kept.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was written so far.
    pub tally: Tally,
    formatting: Formatting,
    keys: Keys,
}

impl Look {
    /// Looks at the statistics, the keys, and how values are written.
    pub async fn take(client: &Client) -> Result<Self, Error> {
        let (formatting, keys) = (Formatting::read(client).await?, Keys::read(client).await?);
        Ok(Self { tally: Tally::read(client).await?, formatting, keys })
    }
}

/// What a comparison of values works with.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// The first look.
    pub look: &'a Look,
    /// What was there before.
    pub before: &'a Inventory,
    /// What is there now.
    pub after: &'a Inventory,
    /// The database now, held still.
    pub now: &'a Held,
    /// How to compare.
    pub compare: Compare,
    /// The tables that were written.
    pub touched: &'a Touched,
    /// Tables of the migration tool itself.
    pub bookkeeping: &'a [u32],
    /// The rows of before that are held in memory, for tables that no snapshot holds.
    pub images: &'a Images,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What became of the values.
    pub looked: Looked,
    /// Tables of which no row was changed or deleted, for sure.
    pub untouched: BTreeSet<u32>,
    /// Tables whose values may have changed and could not be compared, and why.
    pub left_out: Vec<(QualifiedName, String)>,
}

impl Found {
    /// A unit that could not be compared; what the server counts of it is left to tell.
    fn leave_out(&mut self, unit: &Unit<'_>, touched: &Touched, why: &str) {
        self.left_out.push((unit.table.name.clone(), why.to_owned()));
        let Touched::Only(tables) = touched else { return };
        for leaf in &unit.leaves {
            let count = |rows: i64| u64::try_from(rows).unwrap_or_default();
            if let Some(written) = tables.get(&leaf.oid) {
                let rows = (count(written.updated), count(written.deleted));
                self.looked.written.insert(leaf.oid, rows);
            }
        }
    }

    /// Notes in a comparison which tables nobody had to look into.
    pub fn mark(&self, comparison: &mut Comparison, before: &Inventory) {
        for table in &mut comparison.tables {
            let oid = before.named(&table.name).map(|table| table.oid);
            let is_untouched = oid.is_some_and(|oid| self.untouched.contains(&oid));
            if is_untouched && table.compared == Compared::Counts {
                table.compared = Compared::Untouched;
            }
        }
    }
}

impl<'a> Sides<'a> {
    /// What has to be compared, and what was not touched.
    fn divide(&self) -> (Vec<Unit<'a>>, BTreeSet<u32>) {
        let mut untouched = BTreeSet::new();
        let mut wanted = Vec::new();
        for unit in unit::all(self.before, self.bookkeeping) {
            let is_touched = unit.may_have_lost(self.touched, self.after);
            if !is_touched {
                untouched.extend(unit.members().map(|table| table.oid));
            }
            if is_touched || self.compare == Compare::Values {
                wanted.push(unit);
            }
        }
        (wanted, untouched)
    }

    /// Holds the rows of now against the image of before.
    async fn compare(
        &self,
        unit: &Unit<'_>,
        columns: &[i16],
        image: &Image,
    ) -> Result<TableValues, String> {
        let now = unit.now(columns, self.after)?;
        let (found, now) = match self.read(&now, image).await {
            Ok(found) => (found, now),
            // A value of the new type need not fit into the old one: then its text is compared.
            Err(why) => {
                let plain = now.without_casts().ok_or(why)?;
                (self.read(&plain, image).await?, plain)
            }
        };
        let is_gone = |field: &usize| !now.fields.contains(field);
        let gone = (0..columns.len()).filter(is_gone);
        let present = gone.map(|field| (columns[field], image.present(field))).collect();
        let key = image.layout().key.iter().map(|field| columns[*field]).collect();
        Ok(TableValues { found, columns: columns.to_vec(), key, present })
    }

    async fn read(&self, now: &Now, image: &Image) -> Result<crate::values::Values, String> {
        let mut matching = Matching::new(image, &now.fields)
            .ok_or("its key is gone, and it is too large to be compared without one")?;
        let client = self.now.client();
        let told = |error: Error| server_message(&error);
        client.batch_execute("SAVEPOINT looking").await.map_err(told)?;
        for table in &now.tables {
            let read = rows::read(client, table, &now.columns, |row| matching.add(row)).await;
            if let Err(error) = read {
                client.batch_execute("ROLLBACK TO looking").await.map_err(told)?;
                return Err(server_message(&error));
            }
        }
        client.batch_execute("RELEASE looking").await.map_err(told)?;
        Ok(matching.finish())
    }
}
