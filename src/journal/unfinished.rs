//! Runs without an end: what state a killed rowsafe left things in.

use jiff::Timestamp;

use super::process::{Life, Process};
use super::{Action, Database, History, Step};

/// A run whose rowsafe ended without saying so.
#[derive(Debug, Clone, PartialEq)]
pub struct UnfinishedRun {
    /// The run's id.
    pub run: String,
    /// When its last line was written.
    pub time: Timestamp,
    /// The command's words.
    pub command: Vec<String>,
    /// The database, where one was known.
    pub database: Option<Database>,
    /// The snapshot that was verified, which holds the rows that were at risk, from before.
    pub snapshot: Option<String>,
    /// What is known of its process.
    pub fate: Fate,
    /// What state things are in, in one sentence.
    pub sentence: String,
    /// What to do about it, ready to paste.
    pub advice: Option<String>,
}

/// What is known of the process of an unfinished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone.
    Killed,
    /// It ran on another host or in another container: it may still be running.
    Elsewhere,
}

/// The runs that have no end, oldest first; those that still run on this host are left out.
pub(super) fn find(history: &History, here: &Process) -> Vec<UnfinishedRun> {
    let mut runs: Vec<Told> = Vec::new();
    for entry in &history.entries {
        let at = runs.iter().position(|told| told.run == entry.run).unwrap_or_else(|| {
            runs.push(Told::new(&entry.run, &entry.process));
            runs.len() - 1
        });
        runs[at].take(&entry.step, entry.time);
    }
    runs.iter().filter_map(|told| told.judge(here)).collect()
}

/// What the lines of one run tell.
struct Told<'a> {
    run: &'a str,
    process: &'a Process,
    time: Timestamp,
    command: Vec<String>,
    database: Option<Database>,
    snapshot: Option<&'a str>,
    last: Option<&'a Step>,
    action: Action,
    is_over: bool,
}

impl<'a> Told<'a> {
    fn new(run: &'a str, process: &'a Process) -> Self {
        Self {
            run,
            process,
            time: Timestamp::UNIX_EPOCH,
            command: Vec::new(),
            database: None,
            snapshot: None,
            last: None,
            action: Action::Unknown,
            is_over: false,
        }
    }

    fn take(&mut self, step: &'a Step, time: Timestamp) {
        match step {
            Step::Finished { .. } | Step::Seen => self.is_over = true,
            Step::Begun { command, database, action, .. } => {
                self.action = *action;
                self.command.clone_from(command);
                self.database.clone_from(database);
            }
            Step::SnapshotVerified { id } | Step::SnapshotHeld { id, .. } => {
                self.snapshot = Some(id);
            }
            _ => {}
        }
        self.time = time;
        self.last = Some(step);
    }

    fn judge(&self, here: &Process) -> Option<UnfinishedRun> {
        if self.is_over {
            return None;
        }
        let fate = match self.process.life(here) {
            Life::Alive => return None,
            Life::Gone => Fate::Killed,
            Life::Elsewhere => Fate::Elsewhere,
        };
        let (when, advice) = match (self.action, self.last?) {
            (Action::Snapshot, Step::RestoreStarted { snapshot, into, .. }) => (
                format!("while it restored snapshot {snapshot} into a scratch database"),
                Some(format!("`rowsafe snapshot verify --restore` drops what is left of {into}")),
            ),
            (_, last) => state(last, self.snapshot, here),
        };
        let sentence = match fate {
            Fate::Killed => format!("rowsafe was killed {when}"),
            Fate::Elsewhere => format!(
                "a rowsafe on {} was last heard of {when}, and may still be running there",
                self.process.host
            ),
        };
        Some(UnfinishedRun {
            run: self.run.to_owned(),
            time: self.time,
            command: self.command.clone(),
            database: self.database.clone(),
            snapshot: self.snapshot.map(str::to_owned),
            fate,
            sentence,
            advice,
        })
    }
}

/// When it was killed and what that means, and what to do.
fn state(last: &Step, snapshot: Option<&str>, here: &Process) -> (String, Option<String>) {
    let compare = snapshot.map(|id| format!("look at what is gone: rowsafe diff {id}"));
    let kept = match snapshot {
        Some(id) => format!("snapshot {id} holds rows from before"),
        None => "no snapshot was taken".to_owned(),
    };
    match last {
        Step::Begun { .. }
        | Step::IdentityAccepted { .. }
        | Step::Planned { .. }
        | Step::Blocked { .. } => ("before anything was run; nothing was changed".to_owned(), None),
        Step::SnapshotStarted { id, path } => (
            format!("while it took snapshot {id}; nothing was run, and the snapshot is no good"),
            Some(format!("what there is of it may be removed: {path}")),
        ),
        Step::SnapshotVerified { id } => (
            format!("before the command was started; nothing was run, and snapshot {id} is good"),
            None,
        ),
        Step::SnapshotChecked { id, .. } => (format!("after it looked at snapshot {id}"), None),
        Step::SnapshotReleased { .. } => ("before it removed any snapshot".to_owned(), None),
        Step::SnapshotRemoving { id } => (
            format!("while it removed snapshot {id}, which is not offered any more"),
            Some("remove the rest: rowsafe snapshot prune".to_owned()),
        ),
        Step::SnapshotHeld { id, reference, .. } => (
            format!(
                "before the command was started; nothing was run, and snapshot {id} is {reference}"
            ),
            None,
        ),
        Step::ChildStarting => {
            (format!("as it started the command, which may have run; {kept}"), compare)
        }
        Step::ChildStarted { child } if child.life(here) == Life::Alive => (
            format!("while the command was running, and the command runs on; {kept}"),
            Some(format!("it is process {}; let it end before anything else", child.pid)),
        ),
        Step::ChildStarted { .. } => (format!("while the command was running; {kept}"), compare),
        Step::ChildEnded { exit, signal, abandoned } => (
            format!(
                "after the command {} and before the rows were compared; {kept}",
                ending(*exit, *signal, *abandoned)
            ),
            compare,
        ),
        Step::Compared { verdict } => {
            (format!("after the rows were compared, the answer was `{verdict}`; {kept}"), compare)
        }
        Step::IdentityRecorded { .. } => (format!("after the rows were compared; {kept}"), compare),
        Step::RestoreStarted { snapshot, into, .. } => (
            format!(
                "while it put rows of snapshot {snapshot} back into {into}; some may be missing"
            ),
            Some(format!("run it again: rowsafe restore {snapshot}")),
        ),
        Step::ExchangeStarted { database, new, kept } => (
            format!("while it gave the name {database} to {new}; one of {new} and {kept} is there"),
            Some(format!(
                "if {database} refuses connections: ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS true"
            )),
        ),
        Step::ExchangeFinished { kept } => {
            (format!("after the databases were exchanged; the old one is {kept}"), None)
        }
        Step::RestoreFinished { .. } => ("after the rows were put back".to_owned(), None),
        Step::Finished { .. } | Step::Seen | Step::Unknown => {
            (format!("at a step that this version does not know; {kept}"), compare)
        }
    }
}

fn ending(exit: Option<i32>, signal: Option<i32>, abandoned: bool) -> String {
    match (exit, signal) {
        _ if abandoned => "was left running".to_owned(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
