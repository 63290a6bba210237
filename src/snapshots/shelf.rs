//! What is in the store, put together with what the journal knows of it.

use jiff::Timestamp;

use super::past::Past;
use crate::hint::Refusal;
use crate::journal::{Journal, Process};
use crate::record::shelf::{Item, Proofs};
use crate::record::{Kept, Record};
use crate::retention::State;
use crate::snapshot::Manifest;
use crate::snapshot::store::{Entry, Remains, Store, Stored};

/// A snapshot with the means to read it, where it is one.
pub struct OnShelf {
    /// What is known of it.
    pub item: Item,
    /// The way to its archive.
    pub stored: Option<Stored>,
}

/// What the journal says of snapshots, as seen from this process, now.
pub fn past(journal: &Journal) -> Result<Past, Refusal> {
    let history = journal.read()?;
    Ok(Past::of(&history, &Process::current(), Timestamp::now()))
}

/// The same for who only looks: what the journal can't say keeps nobody from finding a snapshot.
pub fn past_or_nothing(journal: &Journal, record: &mut Record) -> Past {
    past(journal).unwrap_or_else(|refusal| {
        record.warnings.push(format!("when snapshots were verified is not known: {refusal}"));
        Past::default()
    })
}

/// Everything that is there: snapshots newest first, then what is none.
pub async fn read(store: &Store, past: &Past) -> Result<Vec<OnShelf>, Refusal> {
    let entries = store.entries().await?;
    let mut shelf: Vec<OnShelf> = entries.into_iter().map(|entry| of_entry(entry, past)).collect();
    shelf.sort_by_key(|on_shelf| std::cmp::Reverse(on_shelf.item.taken));
    Ok(shelf)
}

/// One snapshot.
pub fn of(stored: Stored, past: &Past) -> OnShelf {
    let manifest = &stored.manifest;
    let (proofs, problem) = past.proofs(&manifest.id);
    let item = Item {
        id: manifest.id.clone(),
        location: stored.location(),
        taken: manifest.created_at,
        bytes: manifest.archive.bytes,
        state: if problem.is_some() { State::Damaged } else { State::Good },
        problem,
        proofs: Proofs { read_back: proofs.read_back.or(first_proof(manifest)), ..proofs },
        held: past.held(&manifest.id, &manifest.database.name),
        kept: Some(Kept::of(manifest, stored.location())),
        manifest: Some(manifest.clone()),
        decision: None,
        checked: None,
    };
    OnShelf { item, stored: Some(stored) }
}

/// When it was read back as it was taken, or found to be where it is held.
fn first_proof(manifest: &Manifest) -> Option<Timestamp> {
    match &manifest.elsewhere {
        Some(elsewhere) => elsewhere.verified_at,
        None => Some(manifest.verified.at),
    }
}

fn of_entry(entry: Entry, past: &Past) -> OnShelf {
    match entry {
        Entry::Complete(stored) => of(*stored, past),
        Entry::HalfWritten(remains) => {
            of_remains(&remains, State::HalfWritten, "it was never finished".to_owned(), past)
        }
        Entry::Damaged(damaged) => {
            let mut on_shelf =
                of_remains(&damaged.remains, State::Damaged, damaged.why.to_string(), past);
            on_shelf.item.taken = damaged.created_at.unwrap_or(on_shelf.item.taken);
            on_shelf
        }
    }
}

fn of_remains(remains: &Remains, state: State, problem: String, past: &Past) -> OnShelf {
    let item = Item {
        id: remains.id.clone(),
        location: remains.location.clone(),
        taken: remains.since,
        bytes: remains.bytes,
        state,
        problem: Some(problem),
        manifest: None,
        kept: None,
        proofs: Proofs::default(),
        // Whose it is can't be read: rows that were put back may be of another database.
        held: past.held(&remains.id, ""),
        decision: None,
        checked: None,
    };
    OnShelf { item, stored: None }
}
