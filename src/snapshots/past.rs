//! What the journal says of snapshots: when they were last looked at, which of them somebody may
//! still need, and which were let go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::exit::Exit;
use crate::journal::process::Life;
use crate::journal::{Action, Entry, History, Process, Proof, Step};
use crate::record::shelf::Proofs;

/// How long a rowsafe on another host is taken to be at work when nothing is heard of it.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// What the journal says of snapshots.
#[derive(Debug, Default)]
pub struct Past {
    looks: BTreeMap<String, Look>,
    needs: Vec<Need>,
    put_back: Vec<PutBack>,
    released: BTreeMap<String, Timestamp>,
}

/// What was found when a snapshot was last looked at.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Look {
    proofs: Proofs,
    problem: Option<String>,
}

/// A snapshot that somebody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    id: String,
    since: Timestamp,
    why: String,
    /// Somebody is at work with it at this moment: no word of a person changes that.
    is_at_work: bool,
}

/// Rows of a snapshot that were put back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PutBack {
    id: String,
    into: String,
    at: Timestamp,
}

/// The lines of one run.
struct Told<'a> {
    id: &'a str,
    process: &'a Process,
    action: Action,
    snapshot: Option<&'a str>,
    restoring: Option<(&'a str, &'a str)>,
    exchanging: Option<&'a str>,
    is_put_back: bool,
    command_started: bool,
    verdict: Option<&'a str>,
    exit: Option<u8>,
    last: Timestamp,
}

impl Past {
    /// Reads it out of the journal, as seen from the process `here` at the moment `now`.
    pub fn of(history: &History, here: &Process, now: Timestamp) -> Self {
        let mut past = Self::default();
        for entry in &history.entries {
            past.note(entry);
        }
        for told in tell(&history.entries) {
            past.needs.extend(told.need(here, now));
            past.put_back.extend(told.put_back());
        }
        past
    }

    /// When and how the snapshot was found to be good, and what the last look found wrong.
    pub fn proofs(&self, id: &str) -> (Proofs, Option<String>) {
        let look = self.looks.get(id).cloned().unwrap_or_default();
        (look.proofs, look.problem)
    }

    /// The snapshots of which the last look said that they are not what was written.
    pub fn damaged(&self) -> BTreeSet<String> {
        let damaged = self.looks.iter().filter(|(_, look)| look.problem.is_some());
        damaged.map(|(id, _)| id.clone()).collect()
    }

    /// Why the snapshot of this database may not be removed.
    pub fn held(&self, id: &str, database: &str) -> Option<String> {
        let is_open = |need: &&Need| {
            let restored = self.put_back.iter().any(|put_back| {
                put_back.id == id && put_back.into == database && put_back.at > need.since
            });
            let released = self.released.get(id).is_some_and(|at| *at > need.since);
            need.is_at_work || !(restored || released)
        };
        self.needs.iter().filter(|need| need.id == id).find(is_open).map(|need| need.why.clone())
    }

    /// Lets a snapshot go.
    pub fn release(&mut self, id: &str, now: Timestamp) {
        self.released.insert(id.to_owned(), now);
    }

    /// The snapshots that were let go.
    pub fn released(&self) -> BTreeSet<&str> {
        self.released.keys().map(String::as_str).collect()
    }

    fn note(&mut self, entry: &Entry) {
        match &entry.step {
            Step::SnapshotChecked { id, how, problem, .. } => {
                let look = self.looks.entry(id.clone()).or_default();
                match (how, problem) {
                    (Proof::ReadBack, None) => {
                        look.proofs.read_back = Some(entry.time);
                        look.problem = None;
                    }
                    (Proof::ReadBack, problem) => look.problem.clone_from(problem),
                    (Proof::Restored, None) => {
                        look.proofs.restored = Some(entry.time);
                        look.proofs.not_restored = None;
                    }
                    (Proof::Restored, problem) => look.proofs.not_restored.clone_from(problem),
                }
            }
            Step::SnapshotReleased { id } => {
                self.released.insert(id.clone(), entry.time);
            }
            _ => {}
        }
    }
}

fn tell(entries: &[Entry]) -> Vec<Told<'_>> {
    let mut runs: Vec<Told<'_>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        let place = *places.entry(&entry.run).or_insert_with(|| {
            runs.push(Told::new(entry));
            runs.len() - 1
        });
        runs[place].take(entry);
    }
    runs
}

impl<'a> Told<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self {
            id: &entry.run,
            process: &entry.process,
            action: Action::Unknown,
            snapshot: None,
            restoring: None,
            exchanging: None,
            is_put_back: false,
            command_started: false,
            verdict: None,
            exit: None,
            last: entry.time,
        }
    }

    fn take(&mut self, entry: &'a Entry) {
        match &entry.step {
            Step::Begun { action, .. } => self.action = *action,
            Step::SnapshotVerified { id } | Step::SnapshotHeld { id, .. } => {
                self.snapshot = Some(id);
            }
            Step::ChildStarting => self.command_started = true,
            Step::Compared { verdict } => self.verdict = Some(verdict),
            Step::RestoreStarted { snapshot, into, .. } => self.restoring = Some((snapshot, into)),
            Step::RestoreFinished { .. } => self.is_put_back = true,
            Step::ExchangeStarted { database, .. } => self.exchanging = Some(database),
            // What was restored beside the database is the database from now on.
            Step::ExchangeFinished { .. } => {
                self.restoring =
                    self.restoring.map(|(id, into)| (id, self.exchanging.unwrap_or(into)));
            }
            Step::Finished { exit } => self.exit = Some(*exit),
            // Somebody else told a person that this run has no end.
            Step::Seen => return,
            _ => {}
        }
        self.last = entry.time;
    }

    fn need(&self, here: &Process, now: Timestamp) -> Option<Need> {
        let (snapshot, is_restore) = match (self.action, self.snapshot, self.restoring) {
            (Action::Run, Some(snapshot), _) => (snapshot, false),
            (_, _, Some((snapshot, _))) => (snapshot, true),
            _ => return None,
        };
        let is_at_work = self.exit.is_none() && self.is_at_work(here, now);
        let run = self.id;
        let why = match self.exit {
            None if is_at_work && is_restore => format!("{run} is reading it at this moment"),
            None if is_at_work => format!("run {run} is at work"),
            _ if is_restore => return None,
            Some(exit) if exit == Exit::Loss.code() => {
                format!("run {run} lost rows, and they were not put back")
            }
            None if self.verdict == Some("lost") => {
                format!("run {run} lost rows, and they were not put back")
            }
            None if self.command_started && self.verdict.is_none() => {
                format!("run {run} was stopped before its rows were compared")
            }
            _ => return None,
        };
        Some(Need { id: snapshot.to_owned(), since: self.last, why, is_at_work })
    }

    fn is_at_work(&self, here: &Process, now: Timestamp) -> bool {
        match self.process.life(here) {
            Life::Alive => true,
            Life::Gone => false,
            Life::Elsewhere => now.duration_since(self.last) < SILENCE,
        }
    }

    /// Rows were put back, all that was asked for.
    fn put_back(&self) -> Option<PutBack> {
        let is_done = self.is_put_back && self.exit == Some(Exit::Ok.code());
        let (id, into) = self.restoring.filter(|_| is_done && self.action == Action::Restore)?;
        Some(PutBack { id: id.to_owned(), into: into.to_owned(), at: self.last })
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Past;
    use crate::journal::{Action, Entry, History, Process, Proof, SCHEMA, Step};

    fn begun(action: Action) -> Step {
        let (command, rowsafe) = (Vec::new(), String::new());
        Step::Begun { action, command, database: None, user: 0, rowsafe }
    }

    fn verified() -> Step {
        Step::SnapshotVerified { id: "aaaa".to_owned() }
    }

    fn put_back(into: &str) -> [Step; 3] {
        let (snapshot, into) = ("aaaa".to_owned(), into.to_owned());
        [
            begun(Action::Restore),
            Step::RestoreStarted { snapshot, into, tables: Vec::new() },
            Step::RestoreFinished { rows: 3 },
        ]
    }

    fn gone() -> Process {
        Process { started: Some(1), ..Process::current() }
    }

    /// The runs one after the other, a second a step.
    fn past_by(runs: &[(&str, &Process, &[Step])]) -> Past {
        let mut entries = Vec::new();
        for (run, process, steps) in runs {
            for step in *steps {
                let seconds = i64::try_from(entries.len()).unwrap();
                entries.push(Entry {
                    schema: SCHEMA.to_owned(),
                    run: (*run).to_owned(),
                    time: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds),
                    process: (*process).clone(),
                    step: step.clone(),
                });
            }
        }
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        Past::of(&History { entries, torn: Vec::new() }, &Process::current(), now)
    }

    fn past(runs: &[(&str, &[Step])]) -> Past {
        let process = gone();
        let runs: Vec<_> = runs.iter().map(|(run, steps)| (*run, &process, *steps)).collect();
        past_by(&runs)
    }

    fn run(end: &[Step]) -> Vec<Step> {
        [&[begun(Action::Run), verified(), Step::ChildStarting], end].concat()
    }

    fn finished(exit: u8) -> Step {
        Step::Finished { exit }
    }

    fn compared(verdict: &str) -> Step {
        Step::Compared { verdict: verdict.to_owned() }
    }

    #[test]
    fn a_loss_holds_its_snapshot_until_the_rows_are_back() {
        let lost = run(&[compared("lost"), finished(5)]);
        let held = |more: &[(&str, &[Step])]| {
            let all: Vec<_> = [("lost", lost.as_slice())].iter().chain(more).copied().collect();
            past(&all).held("aaaa", "shop")
        };
        let why = "run lost lost rows, and they were not put back";
        assert_eq!(held(&[]).as_deref(), Some(why));
        let done = [&put_back("shop")[..], &[finished(0)]].concat();
        assert_eq!(held(&[("back", &done)]), None);
        let (database, new, kept) = ("shop".to_owned(), "shop_new".to_owned(), "old".to_owned());
        let exchange = [
            Step::ExchangeStarted { database, new, kept: kept.clone() },
            Step::ExchangeFinished { kept },
            finished(0),
        ];
        let swapped = [&put_back("shop_new")[..], &exchange].concat();
        assert_eq!(held(&[("swap", &swapped)]), None);
        for not_back in [
            // Nobody agreed, it failed, or it went somewhere else.
            [&put_back("shop")[..], &[finished(5)]].concat(),
            put_back("shop").to_vec(),
            [&put_back("shop_before")[..], &[finished(0)]].concat(),
            // A check of the snapshot puts nothing back.
            [&[begun(Action::Snapshot)], &put_back("shop")[1..], &[finished(0)]].concat(),
        ] {
            assert_eq!(held(&[("back", &not_back)]).as_deref(), Some(why), "{not_back:?}");
        }
        let released = [begun(Action::Snapshot), Step::SnapshotReleased { id: "aaaa".to_owned() }];
        assert_eq!(held(&[("let", &released)]), None);
        // A loss after that is another one.
        let again = run(&[compared("lost"), finished(5)]);
        assert!(held(&[("let", &released), ("again", &again)]).is_some());
    }

    #[test]
    fn only_what_is_open_holds() {
        for (steps, is_held) in [
            (run(&[compared("ok"), finished(0)]), false),
            (run(&[compared("failed"), finished(3)]), false),
            (run(&[compared("lost"), finished(4)]), false),
            (run(&[compared("ok")]), false),
            (run(&[compared("lost")]), true),
            (run(&[]), true),
            (run(&[finished(5)]), true),
            (vec![begun(Action::Run), verified()], false),
            (vec![begun(Action::Snapshot), verified(), finished(0)], false),
        ] {
            let held = past(&[("it", &steps)]).held("aaaa", "shop");
            assert_eq!(held.is_some(), is_held, "{steps:?}");
        }
    }

    #[test]
    fn who_is_at_work_is_not_disturbed_by_anybodys_word() {
        let here = Process::current();
        let elsewhere = Process { namespace: Some("pid:[1]".to_owned()), ..here.clone() };
        let before = [begun(Action::Run), verified()];
        let reading = &put_back("shop")[..2];
        let released = [Step::SnapshotReleased { id: "aaaa".to_owned() }];
        for (process, steps) in [(&here, &before[..]), (&elsewhere, &before), (&here, reading)] {
            let past = past_by(&[("it", process, steps), ("let", &here, &released)]);
            assert!(past.held("aaaa", "shop").is_some(), "{steps:?}");
        }
        let past = past_by(&[("it", &gone(), reading)]);
        assert_eq!(past.held("aaaa", "shop"), None);
    }

    #[test]
    fn the_last_look_counts() {
        let checked = |how, problem: Option<&str>| Step::SnapshotChecked {
            id: "aaaa".to_owned(),
            how,
            rows: 3,
            problem: problem.map(str::to_owned),
        };
        let bad = [checked(Proof::ReadBack, None), checked(Proof::ReadBack, Some("torn"))];
        let (proofs, problem) = past(&[("it", &bad)]).proofs("aaaa");
        assert_eq!(problem.as_deref(), Some("torn"));
        assert_eq!(proofs.read_back, Some(Timestamp::UNIX_EPOCH));
        let again = [&bad[..], &[checked(Proof::ReadBack, None)]].concat();
        assert_eq!(past(&[("it", &again)]).proofs("aaaa").1, None);
        let restored = [checked(Proof::Restored, None), checked(Proof::Restored, Some("no role"))];
        let (proofs, problem) = past(&[("it", &restored)]).proofs("aaaa");
        assert_eq!((proofs.not_restored.as_deref(), problem), (Some("no role"), None));
        assert_eq!(proofs.restored, Some(Timestamp::UNIX_EPOCH));
    }
}
