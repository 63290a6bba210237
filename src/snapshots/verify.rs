//! Is a snapshot still what was written? Its digest, every row of it, and, where that is asked, a
//! restore into a database of its own.

use std::time::Instant;

use super::past::Past;
use super::scratch::Scratch;
use super::shelf::{self, OnShelf};
use super::{begin, interrupted};
use crate::child::Signals;
use crate::db::postgres::inventory::Counting;
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{Journal, Proof, RunJournal, Step};
use crate::record::shelf::{Checked, Proofs};
use crate::record::{Answer, Record, Verdict};
use crate::retention::State;
use crate::snapshot::store::{Store, Stored};
use crate::snapshot::tools::{self, ToolVersion, Tools};
use crate::snapshot::verify;
use crate::text::number::plural;

/// What `rowsafe snapshot verify` was asked for.
#[derive(Debug)]
pub struct VerifyRequest {
    /// The snapshots, by id, the beginning of one, or `latest`; empty means all.
    pub snapshots: Vec<String>,
    /// The server to restore into, where that is asked.
    pub restore_on: Option<Target>,
    /// Where snapshots are.
    pub store: Store,
    /// pg_restore.
    pub tools: Tools,
    /// How to count.
    pub counting: Counting,
    /// Where every step is written down.
    pub journal: Journal,
}

/// Looks at each; what was found is in the record.
pub async fn verify(
    request: &VerifyRequest,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let past = shelf::past_or_nothing(&request.journal, record);
    let chosen = choose(request, &past).await?;
    let tool = tools::version(&request.tools.restore).await?;
    for on_shelf in chosen {
        let OnShelf { mut item, stored } = on_shelf;
        match stored {
            // Whoever holds it is asked by its own means.
            Some(stored) if item.holder().is_some() && !request.snapshots.is_empty() => {
                stored.manifest.refuse_elsewhere()?;
            }
            Some(stored) if item.holder().is_none() => {
                let (checked, is_damaged) =
                    look(request, &stored, &tool, signals, observer, record).await?;
                item.state = if is_damaged { State::Damaged } else { State::Good };
                item.problem.clone_from(&checked.problem);
                note_proofs(&mut item.proofs, &checked, is_damaged);
                item.checked = Some(checked);
            }
            // It may be at work, and is not offered anyway.
            None if item.state == State::HalfWritten => continue,
            // What the listing says of it is all that there is to be said.
            _ => {}
        }
        record.shelf.push(item);
    }
    record.answer = Some(answer(request, record));
    Ok(())
}

/// What is known from now on.
fn note_proofs(proofs: &mut Proofs, checked: &Checked, is_damaged: bool) {
    let now = Some(jiff::Timestamp::now());
    if !is_damaged {
        proofs.read_back = now;
    }
    if checked.is_restored {
        proofs.not_restored.clone_from(&checked.problem);
        proofs.restored = if checked.problem.is_none() { now } else { proofs.restored };
    }
}

async fn choose(request: &VerifyRequest, past: &Past) -> Result<Vec<OnShelf>, Refusal> {
    if request.snapshots.is_empty() {
        return shelf::read(&request.store, past).await;
    }
    let mut chosen: Vec<OnShelf> = Vec::new();
    for id in &request.snapshots {
        let found = request.store.find(id).await.map_err(|refusal| not_found(id, refusal))?;
        if chosen.iter().all(|on_shelf| on_shelf.item.id != found.manifest.id) {
            chosen.push(shelf::of(found, past));
        }
    }
    Ok(chosen)
}

/// One that is there and can't be read is not as it should be; one that is not there was mistyped.
fn not_found(id: &str, refusal: Refusal) -> Refusal {
    let said = refusal.to_string();
    let is_unknown = said.starts_with(&format!("no snapshot `{id}`"))
        || said.starts_with("there is no snapshot");
    if is_unknown { refusal } else { refusal.with_exit(Exit::SnapshotFailed) }
}

/// Looks at one, under a record of its own: the time that its restore takes is a measured one.
async fn look(
    request: &VerifyRequest,
    stored: &Stored,
    tool: &ToolVersion,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<(Checked, bool)> {
    refuse_older(tool, stored)?;
    let journal = begin(&request.journal, record)?;
    let looked = looked(request, stored, &journal, signals, observer).await;
    let exit = match &looked {
        Ok((Checked { problem: None, .. }, _)) => Exit::Ok,
        Ok(_) => Exit::SnapshotFailed,
        Err(error) => error.exit(),
    };
    journal.record(Step::Finished { exit: exit.code() }).map_err(Refusal::from)?;
    Ok(looked?)
}

/// What was found, and whether the archive itself is not what was written.
async fn looked(
    request: &VerifyRequest,
    stored: &Stored,
    journal: &RunJournal,
    signals: &mut Signals,
    observer: &mut dyn Observer,
) -> Result<(Checked, bool), Refusal> {
    let checked = tokio::select! {
        biased;
        signal = signals.recv() => return Err(stopped(signal.number)),
        checked = read_back(request, stored, observer) => checked,
    };
    note(journal, stored, Proof::ReadBack, &checked)?;
    let is_damaged = checked.problem.is_some();
    let Some(target) = request.restore_on.as_ref().filter(|_| !is_damaged) else {
        return Ok((checked, is_damaged));
    };
    observer.notice(Event::Working("restoring into a scratch database"));
    let checked = restore(request, stored, target, journal, signals).await?;
    note(journal, stored, Proof::Restored, &checked)?;
    Ok((checked, false))
}

fn stopped(signal: i32) -> Refusal {
    interrupted(signal, "what was not looked at yet is not known")
}

async fn read_back(
    request: &VerifyRequest,
    stored: &Stored,
    observer: &mut dyn Observer,
) -> Checked {
    let begun = Instant::now();
    let manifest = &stored.manifest;
    let total = manifest.archive.bytes;
    let found = verify::verify(
        stored.archive(),
        &manifest.archive,
        &manifest.tables,
        manifest.large_objects,
        &request.tools,
        |read| observer.notice(Event::Verifying { read, total }),
    )
    .await;
    let (rows, problem) = match found {
        Ok(verification) => (verification.verified.rows, None),
        Err(refusal) => (0, Some(why(&refusal))),
    };
    let seconds = begun.elapsed().as_secs_f64();
    Checked { is_restored: false, rows, seconds, problem }
}

/// The reason alone: that it could not be verified is what is being said.
fn why(refusal: &Refusal) -> String {
    let said = refusal.to_string();
    said.strip_prefix("the snapshot could not be verified: ").map_or(said.clone(), str::to_owned)
}

async fn restore(
    request: &VerifyRequest,
    stored: &Stored,
    target: &Target,
    journal: &RunJournal,
    signals: &mut Signals,
) -> Result<Checked, Refusal> {
    let name = Scratch::new_name();
    journal.record(Step::RestoreStarted {
        snapshot: stored.manifest.id.clone(),
        into: name.clone(),
        tables: Vec::new(),
    })?;
    let begun = Instant::now();
    // Making it is not broken off: a database that nobody knows of would stay.
    let scratch = Scratch::make(target, &stored.manifest, name).await?;
    let found = tokio::select! {
        biased;
        signal = signals.recv() => Err(stopped(signal.number)),
        found = scratch.fill_and_count(stored, &request.tools, &request.counting) => found,
    };
    let seconds = begun.elapsed().as_secs_f64();
    if let Ok(Ok(rows)) = found {
        journal.record(Step::RestoreFinished { rows })?;
    }
    scratch.drop_again().await?;
    Ok(match found? {
        Ok(rows) => Checked { is_restored: true, rows, seconds, problem: None },
        Err(problem) => Checked { is_restored: true, rows: 0, seconds, problem: Some(problem) },
    })
}

fn note(
    journal: &RunJournal,
    stored: &Stored,
    how: Proof,
    checked: &Checked,
) -> Result<(), Refusal> {
    let (id, rows) = (stored.manifest.id.clone(), checked.rows);
    let problem = checked.problem.clone();
    journal.record(Step::SnapshotChecked { id, how, rows, problem }).map_err(Refusal::from)
}

/// A tool that can't read the archive would say that the snapshot is damaged.
fn refuse_older(tool: &ToolVersion, stored: &Stored) -> Result<(), Refusal> {
    let wrote = tools::major(&stored.manifest.pg_dump_version).unwrap_or_default();
    if tool.major >= wrote {
        return Ok(());
    }
    let written_by = &stored.manifest.pg_dump_version;
    Err(Refusal::new(
        Exit::SnapshotFailed,
        format!("`{}` can't read what `{written_by}` wrote", tool.text),
    )
    .hint(format!("install postgresql-client-{wrote}, or name another with --pg-restore")))
}

fn answer(request: &VerifyRequest, record: &Record) -> Answer {
    let bad: Vec<&str> = record
        .shelf
        .iter()
        .filter(|item| item.problem.is_some())
        .map(|item| item.id.as_str())
        .collect();
    let all = record.shelf.len() as u64;
    let how =
        if request.restore_on.is_some() { "restored and counted" } else { "read back and counted" };
    if let Some(id) = bad.first() {
        let sentence = match all {
            1 => format!("snapshot {id} is not as it should be"),
            _ => format!(
                "{} of {} not as they should be: {}",
                bad.len(),
                plural(all, "snapshot"),
                bad.join(", ")
            ),
        };
        return Answer {
            verdict: Verdict::Error,
            exit: Exit::SnapshotFailed,
            sentence,
            hints: vec![
                "take a new one: rowsafe snapshot create".to_owned(),
                "what else there is: rowsafe snapshot list".to_owned(),
            ],
        };
    }
    let elsewhere = record.shelf.iter().filter(|item| item.holder().is_some()).count() as u64;
    let all = all - elsewhere;
    let not_looked_at = match elsewhere {
        0 => String::new(),
        _ => format!("; {} held elsewhere and not looked at", plural(elsewhere, "snapshot")),
    };
    let (verdict, exit) = match all {
        // Whoever has nothing has nothing that is good.
        0 => (Verdict::Error, Exit::SnapshotFailed),
        _ => (Verdict::Ok, Exit::Ok),
    };
    let sentence = match all {
        0 => format!("there is no snapshot in {}{not_looked_at}", request.store.place()),
        _ => format!("{} good, {how}{not_looked_at}", plural(all, "snapshot")),
    };
    let hints =
        if all == 0 { vec!["take one: rowsafe snapshot create".to_owned()] } else { Vec::new() };
    Answer { verdict, exit, sentence, hints }
}
