//! Everything that a person may want to know of one snapshot.

use super::shelf;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::Journal;
use crate::record::{Answer, Kept, Record, Verdict};
use crate::snapshot::Store;
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
    let past = shelf::past_or_nothing(&request.journal, record);
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
    let kept = Kept::of(manifest, item.location.clone());
    let rows = plural(kept.rows, "row");
    let sentence = if manifest.is_whole() {
        format!("snapshot {id} holds all of {name}: {rows}")
    } else {
        format!("snapshot {id} holds some tables of {name}: {rows}")
    };
    let into = format!("{name}_{id}");
    let hints = vec![
        format!("put rows back: rowsafe restore {id}"),
        format!(
            "all of it, beside the database: rowsafe restore {id} --into {}",
            shell_words::quote(&into)
        ),
        format!("is it still good: rowsafe snapshot verify {id} --restore"),
    ];
    let hints = manifest.elsewhere.as_ref().map_or(hints, |it| it.ways_back());
    record.snapshot = Some(kept);
    record.answer = Some(Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints });
    record.shelf = vec![item];
    Ok(())
}
