//! `--on-loss restore`: what is gone and nobody had agreed to is put back at once; what was agreed to
//! stays gone.

use super::{Ran, Ready, comparing, note};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::{RunJournal, Step};
use crate::judge::{self, Evidence};
use crate::policy::OnLoss;
use crate::record::{Answer, Record};
use crate::request::RunRequest;
use crate::restore::{self, Part, RestoreMode, RestoreRequest};
use crate::verdict::{By, Comparison, Lost, TableChange};

/// Whether what is lost should be put back now.
pub fn is_due(request: &RunRequest, answer: &Answer, evidence: &Evidence) -> bool {
    request.on_loss == OnLoss::Restore
        && answer.exit == Exit::Loss
        && evidence.same_database
        // What it is doing may undo the restore, or be undone by it: a person decides.
        && !evidence.seen.still_here
}

/// Puts back what is `lost`, compares again, and answers; where that fails the answer stays, and
/// says so.
pub async fn put_back(
    ready: &Ready,
    ran: &Ran,
    mut lost: Answer,
    after: Inventory,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<(Answer, Inventory)> {
    if let Err(refusal) = attempt(ready, journal, observer, record).await {
        lost.sentence = format!("{}; it could not be put back: {refusal}", lost.sentence);
        lost.hints.splice(0..0, refusal.hints().iter().cloned());
        return Ok((lost, after));
    }
    let (after, evidence) = comparing::once(ready, ran, observer, record).await?;
    let answer = judge::put_back(record, &lost, judge::answer(record, &evidence));
    note(journal, Step::Compared { verdict: answer.verdict.name().to_owned() }, observer);
    Ok((answer, after))
}

/// Puts back what the comparison in the record says is gone unplanned.
async fn attempt(
    ready: &Ready,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let comparison = record.comparison.as_ref().expect("a loss follows the comparison");
    let parts = parts(comparison);
    let Some(kept) = &record.snapshot else {
        return Err(Refusal::new(Exit::Loss, "no snapshot was taken"));
    };
    // Values are put back over those of now, which somebody else may have written meanwhile.
    let overwrites = parts.iter().any(|part| !part.columns.is_empty());
    let run = &ready.request;
    let stored = run.store.find(&kept.id).await?;
    let request = RestoreRequest {
        target: run.target.clone(),
        snapshot: kept.id.clone(),
        tables: Vec::new(),
        columns: Vec::new(),
        only: parts,
        mode: RestoreMode::Missing,
        keep_present: overwrites,
        min_free_space: run.min_free_space,
        into: None,
        swap: false,
        known: run.known.clone(),
        confirmed: Some(record.database_name().to_owned()),
        store: run.store.clone(),
        tools: run.tools.clone(),
        counting: run.counting.clone(),
        journal: run.journal.clone(),
    };
    observer.notice(Event::Working("putting back what nobody had agreed to lose"));
    let done = restore::put_back(&request, &stored, journal, observer, record).await;
    done.map_err(as_refusal)
}

fn as_refusal(error: anyhow::Error) -> Refusal {
    error
        .downcast::<Refusal>()
        .unwrap_or_else(|error| Refusal::new(Exit::Loss, format!("{error:#}")))
}

/// What is gone unplanned, table by table; below a threshold even what was planned is wanted back.
fn parts(comparison: &Comparison) -> Vec<Part> {
    let is_below = !comparison.breaches.is_empty();
    let is_wanted = |lost: &Lost| (!lost.planned || is_below) && lost.by != By::Others;
    comparison.tables.iter().filter_map(|change| part(change, is_wanted)).collect()
}

fn part(change: &TableChange, is_wanted: impl Fn(&Lost) -> bool) -> Option<Part> {
    let lost: Vec<&Lost> = change.losses.iter().filter(|lost| is_wanted(lost)).collect();
    if lost.is_empty() {
        return None;
    }
    let columns = lost.iter().filter_map(|lost| lost.column.clone());
    Some(Part {
        table: change.name.clone(),
        rows: lost.iter().any(|lost| lost.rows > 0),
        columns: columns.collect(),
    })
}
