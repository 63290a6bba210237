//! What is in the store, newest first; what is half-written or damaged is there as that.

use super::shelf;
use crate::exit::Exit;
use crate::journal::Journal;
use crate::record::{Answer, Record, Verdict};
use crate::retention::State;
use crate::snapshot::Store;
use crate::text::number::{bytes, plural};

/// What `rowsafe snapshot list` was asked for.
#[derive(Debug)]
pub struct ListRequest {
    /// Where snapshots are.
    pub store: Store,
    /// Where it is written down when they were looked at.
    pub journal: Journal,
    /// Only those of databases of this name.
    pub database: Option<String>,
}

/// Lists them; they are in the record.
pub async fn list(request: &ListRequest, record: &mut Record) -> anyhow::Result<()> {
    let past = shelf::past_or_nothing(&request.journal, record);
    let found = shelf::read(&request.store, &past).await?;
    record.shelf = found.into_iter().map(|on_shelf| on_shelf.item).collect();
    if let Some(name) = &request.database {
        // Whose a damaged one is may not be known: it is shown rather than hidden.
        record.shelf.retain(|item| {
            item.manifest.as_ref().is_none_or(|manifest| manifest.database.name == *name)
        });
    }
    record.answer = Some(answer(request, record));
    Ok(())
}

fn answer(request: &ListRequest, record: &Record) -> Answer {
    let count = |state| record.shelf.iter().filter(|item| item.state == state).count() as u64;
    let good = count(State::Good);
    let place = request.store.place();
    let mut hints = Vec::new();
    let mut sentence = match (good, &request.database) {
        (0, Some(name)) => format!("there is no snapshot of `{name}` in {place}"),
        (0, None) => format!("there is no snapshot in {place}"),
        _ => {
            let size = record.shelf.iter().map(|item| item.bytes).sum();
            format!("{} in {place}, {}", plural(good, "snapshot"), bytes(size))
        }
    };
    if good == 0 {
        hints.push("take one: rowsafe snapshot create".to_owned());
        hints.push("another store is named with --store".to_owned());
    }
    if count(State::Damaged) > 0 {
        sentence = format!("{sentence}, {} damaged", count(State::Damaged));
        hints.push(
            "a damaged one is never offered; look again: rowsafe snapshot verify ID".to_owned(),
        );
    }
    if count(State::HalfWritten) > 0 {
        sentence = format!("{sentence}, {} half-written", count(State::HalfWritten));
    }
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints }
}
