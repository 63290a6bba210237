//! Inventory and snapshot under one exported snapshot, verified, everything released at the end.

mod choice;
mod imaging;
mod means;
mod taking;

use std::time::Instant;

pub use imaging::Imaging;
pub use means::{Holder, Means, refuse_missing, warnings, without_right};
pub use taking::{Taking, take};

use crate::compare::{self, Images};
use crate::db::postgres::inventory::Held;
use crate::event::{Event, Observer};
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::RunJournal;
use crate::plan::scope::Scope;
use crate::policy::SnapshotMode;
use crate::recognize;
use crate::record::Record;
use crate::request::RunRequest;
use crate::values::BUDGET;

/// Of the bytes that the tables occupy, the part that a compressed dump is expected to need at
/// least. Text compresses three to ten times; a refusal should be right rather than early.
const SPACE_DIVISOR: u64 = 8;

/// Free space that a snapshot of tables of this size asks for, `min_free_space` left beside it.
pub fn space_for(bytes: u64, min_free_space: u64) -> u64 {
    bytes / SPACE_DIVISOR + min_free_space
}

/// What `take` needs from the story around it.
pub struct Keeping<'a> {
    /// What was asked for.
    pub request: &'a RunRequest,
    /// Where steps are written down.
    pub journal: &'a RunJournal,
    /// Who listens.
    pub observer: &'a mut dyn Observer,
    /// What is known so far.
    pub record: &'a mut Record,
}

impl Keeping<'_> {
    /// What will take the snapshot, found to be in order before any work is done; `None` where
    /// nothing is to be kept.
    pub async fn means(&mut self) -> Result<Option<Means>, Refusal> {
        if self.request.keep == SnapshotMode::None {
            return Ok(None);
        }
        self.taking().means().await.map(Some)
    }

    /// Counts everything and keeps what the scope says, unless nothing is to be kept; what the
    /// snapshot does not hold and has to be compared is held in memory.
    pub async fn take(
        &mut self,
        keeping: Option<(&Means, &Scope)>,
        imaging: Imaging<'_>,
    ) -> Result<(Inventory, Images), Refusal> {
        let request = self.request;
        let begun = Instant::now();
        self.observer.notice(Event::Working("locking and listing the tables"));
        let held = Held::hold(&request.target, &request.counting).await?;
        let observer = &mut *self.observer;
        let progress = |done, total| observer.notice(Event::Counting { done, total });
        let inventory = held.count(&request.target, &request.counting, progress).await?;
        recognize::counted(request, &inventory, self.journal, self.observer, self.record).await?;
        self.record.timed("inventory", begun);
        self.observer.notice(Event::Counted {
            tables: inventory.tables.len(),
            rows: inventory.rows(),
            took: begun.elapsed(),
        });
        // What something else holds can't be read for comparing.
        let readable = keeping.filter(|(means, _)| means.is_dump()).map(|(_, scope)| scope);
        let wanted = imaging.wanted(held.listed(), readable);
        let images = compare::images(&held, &inventory, imaging.look, &wanted, BUDGET).await?;
        match keeping {
            None => {
                held.release().await?;
                self.observer.notice(Event::NotKept);
            }
            Some((means, scope)) => {
                self.taking().keep_by(means, held, &inventory, scope).await?;
            }
        }
        Ok((inventory, images))
    }

    fn taking(&mut self) -> Taking<'_> {
        Taking {
            request: self.request.taking(),
            journal: self.journal,
            observer: self.observer,
            record: self.record,
        }
    }
}
