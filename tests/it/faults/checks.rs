//! What has to hold after a trial.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use rowsafe::exit::Exit;
use serde_json::Value;
use tokio_postgres::NoTls;

use super::strike::Fault;
use super::trial::{Came, Ground, Work};
use crate::harness::sandbox::files;
use crate::harness::scene::steps;
use crate::harness::{Database, Outcome, Sandbox};
use crate::roundtrip::judged::{Trip, differing};
use crate::roundtrip::state::State;

/// Everything that is in the database.
pub fn state(database: &Database) -> State {
    read(&database.socket_url())
}

fn read(url: &str) -> State {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        State::read(&client, &["public".to_owned()]).await.unwrap()
    })
}

/// The archives in the store.
pub fn archives(sandbox: &Sandbox) -> Vec<PathBuf> {
    let store = sandbox.path().join(".rowsafe/snapshots");
    let mut found = files(&store);
    found.retain(|path| path.to_string_lossy().contains("archive"));
    found
}

/// The last step that is in the journal.
pub fn last_step(sandbox: &Sandbox) -> String {
    let journal = sandbox.path().join(".rowsafe/journal.jsonl");
    steps(&journal).pop().unwrap_or_else(|| "nothing".to_owned())
}

/// A trial that is over.
pub struct Trial<'a> {
    pub ground: &'a Ground,
    pub sandbox: &'a Sandbox,
    pub work: Work,
    pub fault: Fault,
    pub seed: u64,
    /// What does not hold, with what was said.
    pub wrong: RefCell<Vec<String>>,
}

impl Trial<'_> {
    /// Nothing is lost, nothing half-written is offered, the end is explained, and the same again
    /// goes to its end.
    pub fn check(&self, whole: &State, now: &State, after: &State, all: &[Outcome]) -> Came {
        let (offered, said) = self.offered();
        let is_deleted = self.work == Work::Run && !differing(now, after).is_empty();
        if is_deleted {
            // The command has run: then what it took is kept.
            self.must(!offered.is_empty(), all, "rows are gone and no snapshot is offered");
        } else {
            self.nothing_lost(whole, now, after, all);
        }
        for outcome in all {
            self.explained(outcome, &said, all);
        }
        if !matches!(self.fault, Fault::Truncated | Fault::BitFlipped | Fault::NewShape) {
            self.again(whole, now, all);
        }
        Came {
            has_struck: false,
            last_step: String::new(),
            wrong: self.wrong.take(),
            code: all
                .iter()
                .find_map(|outcome| outcome.code.filter(|code| *code == 0))
                .or(all[0].code),
            is_lost_as_meant: is_deleted && all[0].code == Some(Exit::Loss.code().into()),
        }
    }

    fn must(&self, holds: bool, all: &[Outcome], what: &str) {
        if holds {
            return;
        }
        let said: String = all.iter().map(ToString::to_string).collect();
        let what = format!("{} / {} / trial {}: {what}\n{said}", self.work, self.fault, self.seed);
        self.wrong.borrow_mut().push(what);
    }

    /// Every row and value of the moment before is there; what came is of the snapshot.
    fn nothing_lost(&self, whole: &State, now: &State, after: &State, all: &[Outcome]) {
        let is_restored = self.work == Work::Restore;
        let found = if is_restored && !all.iter().all(|o| o.stderr.contains("nothing was changed"))
        {
            Trip { before: whole, now, after, told: &BTreeSet::new() }.judge().harm
        } else {
            differing(now, after)
        };
        self.must(found.is_empty(), all, &found.join("\n"));
    }

    /// The snapshots that are offered; each is whole when it is looked at.
    fn offered(&self) -> (Vec<String>, String) {
        let list =
            self.ground.rowsafe(self.sandbox, &["snapshot", "list", "--format", "json"]).run();
        let listed: Value = serde_json::from_str(&list.stdout)
            .unwrap_or_else(|_| panic!("{} / {}: no list\n{list}", self.work, self.fault));
        let ids: Vec<String> = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["state"] == "good")
            .filter_map(|one| one["id"].as_str().map(str::to_owned))
            .collect();
        if !matches!(self.fault, Fault::Truncated | Fault::BitFlipped) {
            for id in &ids {
                let verified = self.ground.rowsafe(self.sandbox, &["snapshot", "verify", id]).run();
                let is_whole = verified.code == Some(0);
                self.must(is_whole, &[verified], "a snapshot is offered that is not whole");
            }
        }
        (ids, list.stderr.clone())
    }

    /// Either it is done, or it said why not, or the next command says how far a killed one came.
    fn explained(&self, outcome: &Outcome, said: &str, all: &[Outcome]) {
        if outcome.signal.is_some() {
            let next = self.ground.rowsafe(self.sandbox, &["run", "--", "true"]).run();
            let steps = steps(&self.sandbox.path().join(".rowsafe/journal.jsonl"));
            let is_over = steps.is_empty()
                || steps.iter().filter(|step| *step == "begun").count() == 1
                    && steps.contains(&"finished".to_owned());
            let is_told = [said, &next.stderr].iter().any(|said| said.contains("earlier run"));
            let is_told = is_told || is_over;
            self.must(is_told, &[next], "the next command does not speak of the killed one");
            return;
        }
        let is_said = outcome.code == Some(0)
            || ["error: ", "blocked: ", "failed: ", "lost: "]
                .iter()
                .any(|word| outcome.stderr.contains(word));
        self.must(is_said, all, "it ended without a word");
    }

    /// Once more, with nothing broken.
    fn again(&self, whole: &State, now: &State, all: &[Outcome]) {
        if self.work == Work::Beside {
            self.ground.drop_beside();
        }
        let outcome = self.ground.start(self.work, self.sandbox).run();
        match self.work {
            Work::Create => {
                self.must(outcome.code == Some(0), &[outcome], "it can't be done again");
            }
            Work::Run => {
                let is_usual = matches!(outcome.code, Some(0 | 3 | 5));
                self.must(is_usual, &[outcome], "it can't be run again");
            }
            Work::Restore => {
                self.must(outcome.code == Some(0), &[outcome], "it can't be restored again");
                let after = state(&self.ground.database);
                let judged =
                    Trip { before: whole, now, after: &after, told: &BTreeSet::new() }.judge();
                let found = [judged.harm, judged.missing].concat();
                self.must(found.is_empty(), all, &found.join("\n"));
            }
            Work::Beside => {
                self.must(outcome.code == Some(0), &[outcome], "it can't be restored again");
                let url = self.ground.database.socket_url();
                let name = format!("/{}?", self.ground.database.name);
                let beside = read(&url.replace(&name, &format!("/{}?", self.ground.beside())));
                let found = differing(whole, &beside);
                self.must(found.is_empty(), all, &found.join("\n"));
            }
        }
    }
}
