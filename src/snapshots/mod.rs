//! `rowsafe snapshot`: snapshots by hand and from a timer, what there is of them, whether they are
//! still good, and which of them go.

pub mod create;
pub mod list;
mod past;
pub mod prune;
pub mod schedule;
mod scratch;
mod shelf;
pub mod show;
pub mod verify;

use std::collections::BTreeSet;

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{Action, Journal, Run, RunJournal, Step};
use crate::record::Record;
use crate::run::exit_of;

/// The snapshots of which the last look said that they are not what was written.
pub fn known_damaged(journal: &Journal) -> Result<BTreeSet<String>, Refusal> {
    Ok(shelf::past(journal)?.damaged())
}

/// Starts the record of a command that takes, checks or removes snapshots.
fn begin(journal: &Journal, record: &mut Record) -> Result<RunJournal, Refusal> {
    let command = format!("rowsafe {}", record.command);
    let command = command.split(' ').map(str::to_owned).collect();
    let run = Run { action: Action::Snapshot, command, database: None };
    let journal = journal.begin(&run)?;
    journal.id().clone_into(&mut record.run_id);
    Ok(journal)
}

/// Writes down how it ended.
fn finish(journal: &RunJournal, record: &Record, done: anyhow::Result<()>) -> anyhow::Result<()> {
    let exit = match (&done, &record.answer) {
        (Ok(()), Some(answer)) => answer.exit,
        (Ok(()), None) => Exit::NoAnswer,
        (Err(error), _) => exit_of(error),
    };
    let noted = journal.record(Step::Finished { exit: exit.code() });
    done.and_then(|()| noted.map_err(|error| Refusal::from(error).into()))
}

/// Stopped by a signal.
fn interrupted(signal: i32, what_is_left: &str) -> Refusal {
    let exit = if signal == 15 { Exit::Terminated } else { Exit::Interrupted };
    Refusal::new(exit, format!("interrupted; {what_is_left}"))
}
