//! Everything that a person may want to know of one snapshot.

use super::shelf;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::Journal;
use crate::record::{Answer, Kept, Record, Verdict};
use crate::retention::State;
use crate::snapshot::Store;
use crate::snapshot::manifest::SCOPE_ALL;
use crate::text::number::plural;

/// What `rowsafe snapshot show` was asked for.
#[derive(Debug)]
pub struct ShowRequest {
    /// The snapshot's id, the beginning of one, or `latest`.
    pub snapshot: String,
    /// Where snapshots are.
    pub store: Store,
    /// Where it is written down when they were looked at.
    pub journal: Journal,
}

/// Shows it; it is in the record.
pub async fn show(request: &ShowRequest, record: &mut Record) -> anyhow::Result<()> {
    let stored = request.store.find(&request.snapshot).await?;
    let past = shelf::past(&request.journal)?;
    let item = shelf::of(stored, &past).item;
    let manifest = item.manifest.as_ref().expect("what was found has a manifest");
    let (id, name) = (&item.id, &manifest.database.name);
    if let Some(problem) = &item.problem {
        return Err(Refusal::new(
            Exit::SnapshotFailed,
            format!("snapshot {id} is damaged: {problem}"),
        )
        .hint(format!("look again: rowsafe snapshot verify {id}"))
        .into());
    }
    let kept = plural(manifest.rows(), "row");
    let sentence = if let Some(elsewhere) = &manifest.elsewhere {
        format!("snapshot {id} of {name} is {}", elsewhere.said())
    } else if manifest.scope == SCOPE_ALL {
        format!("snapshot {id} holds all of {name}: {kept}")
    } else {
        format!("snapshot {id} holds some tables of {name}: {kept}")
    };
    let into = format!("{name}_{id}");
    let in_store = || {
        vec![
            format!("put rows back: rowsafe restore {id}"),
            format!(
                "all of it, beside the database: rowsafe restore {id} --into {}",
                shell_words::quote(&into)
            ),
            format!("is it still good: rowsafe snapshot verify {id} --restore"),
        ]
    };
    let hints = manifest.elsewhere.as_ref().map_or_else(in_store, |it| it.ways_back());
    record.snapshot = Some(Kept::of(manifest, item.location.clone()));
    record.answer = Some(Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints });
    debug_assert!(item.state == State::Good);
    record.shelf = vec![item];
    Ok(())
}
