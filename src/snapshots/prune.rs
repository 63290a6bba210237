//! Which snapshots go: what no rule keeps, nobody needs and somebody has a newer one of.

use jiff::Timestamp;

use super::shelf::{self, OnShelf};
use super::{begin, finish, interrupted};
use crate::child::Signals;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{Journal, RunJournal, Step};
use crate::record::{Answer, Record, Verdict};
use crate::retention::{Policy, Shelved, State, decide};
use crate::snapshot::{Manifest, Store};
use crate::text::number::{bytes, plural};

/// What `rowsafe snapshot prune` was asked for.
#[derive(Debug)]
pub struct PruneRequest {
    /// What is to stay.
    pub policy: Policy,
    /// Snapshots that nobody needs any more, by id.
    pub released: Vec<String>,
    /// Only say what would go.
    pub dry_run: bool,
    /// Where snapshots are.
    pub store: Store,
    /// Where every step is written down.
    pub journal: Journal,
}

/// Removes what has to go. What was decided of each is in the record.
pub async fn prune(
    request: &PruneRequest,
    signals: &mut Signals,
    record: &mut Record,
) -> anyhow::Result<()> {
    if request.policy.is_empty() {
        return Err(Refusal::new(Exit::NoAnswer, "nobody has said which snapshots are to stay")
            .hint("for one run: rowsafe snapshot prune --keep-daily 7 --keep-within 30d")
            .hint("for every run: keep-daily = 7 in [retention] of the configuration")
            .into());
    }
    let mut past = shelf::past(&request.journal)?;
    let mut shelf = shelf::read(&request.store, &past).await?;
    let released = request
        .released
        .iter()
        .map(|id| whole_id(&shelf, id))
        .collect::<Result<Vec<String>, Refusal>>()?;
    if !released.is_empty() {
        for id in &released {
            past.release(id, Timestamp::now());
        }
        shelf = shelf::read(&request.store, &past).await?;
    }
    let is_released = past.released();
    let shelved: Vec<Shelved> = shelf
        .iter()
        .map(|on_shelf| {
            let item = &on_shelf.item;
            Shelved {
                // What is held elsewhere stands for nothing that is kept here.
                database: format!("{} {}", item.database(), item.holder().unwrap_or_default()),
                is_whole: item.manifest.as_ref().is_some_and(Manifest::is_whole_state),
                taken: item.taken.as_second(),
                state: item.state,
                held: item.held.clone(),
                is_released: item.held.is_none() && is_released.contains(item.id.as_str()),
            }
        })
        .collect();
    let decisions = decide(&request.policy, &shelved, Timestamp::now().as_second());
    record.shelf = shelf.into_iter().map(|on_shelf| on_shelf.item).collect();
    for (item, decision) in record.shelf.iter_mut().zip(decisions) {
        item.decision = Some(decision);
    }
    if !request.dry_run {
        let journal = begin(&request.journal, record)?;
        let done = remove(request, &released, &journal, signals, record).await;
        finish(&journal, record, done)?;
    }
    record.answer = Some(answer(request, record));
    Ok(())
}

/// The one id that starts so, of whatever is there.
fn whole_id(shelf: &[OnShelf], id: &str) -> Result<String, Refusal> {
    let mut found = shelf.iter().map(|on_shelf| &on_shelf.item.id).filter(|it| it.starts_with(id));
    match (found.next(), found.next()) {
        (Some(one), None) if !id.is_empty() => Ok(one.clone()),
        (Some(_), Some(_)) => Err(Refusal::new(
            Exit::NoAnswer,
            format!("`{id}` is the beginning of several snapshots"),
        )
        .hint("write more of the id")),
        _ => Err(Refusal::new(Exit::NoAnswer, format!("there is no snapshot `{id}` to release"))
            .hint("what is there: rowsafe snapshot list")),
    }
}

/// What was promised to go goes, one after the other; a signal is heard in between.
async fn remove(
    request: &PruneRequest,
    released: &[String],
    journal: &RunJournal,
    signals: &mut Signals,
    record: &Record,
) -> anyhow::Result<()> {
    for id in released {
        journal.record(Step::SnapshotReleased { id: id.clone() }).map_err(Refusal::from)?;
    }
    let goes = |decision: &crate::retention::Decision| !decision.stays;
    for item in record.shelf.iter().filter(|item| item.decision.as_ref().is_some_and(goes)) {
        if let Some(signal) = signals.interrupted() {
            return Err(interrupted(signal.number, "the rest was not removed").into());
        }
        journal.record(Step::SnapshotRemoving { id: item.id.clone() }).map_err(Refusal::from)?;
        request.store.remove(&item.id).await.or_else(gone_already)?;
    }
    Ok(())
}

/// Somebody else may be pruning, too.
fn gone_already(refusal: Refusal) -> Result<(), Refusal> {
    if refusal.to_string().starts_with("no snapshot") { Ok(()) } else { Err(refusal) }
}

fn answer(request: &PruneRequest, record: &Record) -> Answer {
    let (stay, go): (Vec<_>, Vec<_>) = record
        .shelf
        .iter()
        .partition(|item| item.decision.as_ref().is_none_or(|decision| decision.stays));
    let size = bytes(go.iter().map(|item| item.bytes).sum());
    let (gone, left) = (plural(go.len() as u64, "snapshot"), plural(stay.len() as u64, "snapshot"));
    let sentence = match (go.is_empty(), request.dry_run) {
        (true, _) => format!("nothing to remove, {left} kept by {}", request.policy.said()),
        (false, true) => format!("{gone} would go, {size}; {left} kept"),
        (false, false) => format!("{gone} removed, {size}; {left} kept"),
    };
    let mut hints = Vec::new();
    if let Some(item) = stay.iter().find(|item| item.held.is_some()) {
        hints.push(format!(
            "nobody needs it any more: rowsafe snapshot prune --release {}",
            item.id
        ));
    } else if let Some(item) = stay.iter().find(|item| item.state == State::Damaged) {
        hints.push(format!("a damaged one goes with --release {}", item.id));
    }
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints }
}
