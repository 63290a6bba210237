use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::{Action, Entry, Fate, Journal, JournalError, Process, Run, RunJournal, SCHEMA, Step};
use crate::exit::Exit;
use crate::hint::Refusal;

struct Scene {
    directory: tempfile::TempDir,
    journal: Journal,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::at(directory.path().join(".rowsafe/journal.jsonl"));
        Self { directory, journal }
    }

    fn begin(&self) -> RunJournal {
        let command = ["alembic", "-x", "url=postgresql://u:hunter2@h/db", "upgrade", "head"];
        let command = command.map(str::to_owned).to_vec();
        self.journal.begin(&Run { action: Action::Run, command, database: None }).unwrap()
    }

    /// The same, by a process that is gone.
    fn begin_killed(&self) -> RunJournal {
        let id = super::new_id();
        let process = Process { started: Some(1), ..Process::current() };
        let run = RunJournal { path: self.journal.path.clone(), run: id, process };
        let (command, rowsafe) = (vec!["alembic".to_owned()], "0".to_owned());
        let action = Action::Run;
        run.record(Step::Begun { action, command, database: None, user: 0, rowsafe }).unwrap();
        run
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.journal.path()).unwrap()
    }

    fn append(&self, bytes: &[u8]) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.journal.path()).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// What is said when a run was killed after these steps.
    fn said_after(steps: &[Step]) -> (String, Option<String>) {
        let scene = Self::new();
        let run = scene.begin_killed();
        for step in steps {
            run.record(step.clone()).unwrap();
        }
        let mut found = scene.journal.unfinished().unwrap();
        let found = found.pop().expect("the run has no end");
        assert_eq!(found.fate, Fate::Killed);
        (found.sentence, found.advice)
    }
}

fn verified() -> Step {
    Step::SnapshotVerified { id: "7k2m9q1c".to_owned() }
}

#[test]
fn a_run_is_recorded_for_its_owner_alone_and_without_passwords() {
    let scene = Scene::new();
    assert!(scene.journal.read().unwrap().entries.is_empty(), "no journal says nothing");
    let run = scene.begin();
    let reason = "dsn postgresql://u:hunter2@h said so".to_owned();
    run.record(Step::Blocked { findings: vec![reason] }).unwrap();
    run.record(Step::Finished { exit: Exit::Blocked.code() }).unwrap();

    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scene.journal.path()), 0o600);
    assert_eq!(mode(scene.journal.path().parent().unwrap()), 0o700);
    assert!(!scene.text().contains("hunter2"), "{}", scene.text());
    assert!(scene.text().starts_with("{\"schema\":\"rowsafe.journal/1\",\"run\":\""));
    let history = scene.journal.read().unwrap();
    assert_eq!(history.entries.len(), 3);
    assert_eq!(history.entries[2].step, Step::Finished { exit: 1 });
    assert!(history.entries.iter().all(|entry| entry.run == run.id()));
    assert!(scene.journal.unfinished().unwrap().is_empty());
}

#[test]
fn a_run_that_still_runs_is_not_unfinished() {
    let scene = Scene::new();
    scene.begin();
    assert!(scene.journal.unfinished().unwrap().is_empty());
}

#[test]
fn each_step_says_what_state_things_are_in() {
    let started = Step::SnapshotStarted { id: "7k2m9q1c".to_owned(), path: "/s/7k".to_owned() };
    let gone = Process { started: Some(1), ..Process::current() };
    let running = Step::child_started(std::process::id());
    let ended = Step::ChildEnded { exit: Some(1), signal: None, abandoned: false };
    let restoring = Step::RestoreStarted {
        snapshot: "7k2m9q1c".to_owned(),
        into: "prod".to_owned(),
        tables: Vec::new(),
    };
    let diff = "look at what is gone: rowsafe diff 7k2m9q1c";
    let cases: Vec<(Vec<Step>, &str, Option<&str>)> = vec![
        (vec![], "before anything was run; nothing was changed", None),
        (
            vec![started.clone()],
            "while it took snapshot 7k2m9q1c; nothing was run, and the snapshot is no good",
            Some("what there is of it may be removed: /s/7k"),
        ),
        (
            vec![started, verified()],
            "before the command was started; nothing was run, and snapshot 7k2m9q1c is good",
            None,
        ),
        (
            vec![verified(), Step::ChildStarting],
            "as it started the command, which may have run; snapshot 7k2m9q1c holds rows from before",
            Some(diff),
        ),
        (
            vec![verified(), Step::ChildStarted { child: gone }],
            "while the command was running; snapshot 7k2m9q1c holds rows from before",
            Some(diff),
        ),
        (
            vec![ended],
            "after the command ended with exit code 1 and before the rows were compared; no snapshot was taken",
            None,
        ),
        (
            vec![restoring],
            "while it put rows of snapshot 7k2m9q1c back into prod; some may be missing",
            Some("run it again: rowsafe restore 7k2m9q1c"),
        ),
    ];
    for (steps, sentence, advice) in cases {
        let (said, advised) = Scene::said_after(&steps);
        assert_eq!(said, format!("rowsafe was killed {sentence}"));
        assert_eq!(advised.as_deref(), advice);
    }
    let (said, advised) = Scene::said_after(&[verified(), running]);
    assert!(said.contains("and the command runs on"), "{said}");
    assert!(advised.unwrap().contains(&std::process::id().to_string()));
}

#[test]
fn a_person_is_told_once() {
    let scene = Scene::new();
    scene.begin_killed();
    let found = scene.journal.unfinished().unwrap();
    assert_eq!(found.len(), 1);
    scene.journal.mark_seen(&found[0]).unwrap();
    assert!(scene.journal.unfinished().unwrap().is_empty());
}

#[test]
fn half_a_line_is_reported_and_closed_by_the_next_writer() {
    let scene = Scene::new();
    let run = scene.begin_killed();
    run.record(verified()).unwrap();
    scene.append(b"{\"schema\":\"rowsafe.journal/1\",\"run\":\"x\",\"ti");
    let history = scene.journal.read().unwrap();
    assert_eq!((history.entries.len(), history.torn), (2, vec![3]));
    scene.begin().record(Step::Finished { exit: 0 }).unwrap();
    let history = scene.journal.read().unwrap();
    assert_eq!((history.entries.len(), history.torn), (4, vec![3]));
    let found = scene.journal.unfinished().unwrap();
    assert_eq!(found[0].snapshot.as_deref(), Some("7k2m9q1c"), "the step before it counts");
}

#[test]
fn a_later_version_is_refused_and_later_fields_and_steps_are_not() {
    let scene = Scene::new();
    let run = scene.begin();
    let later = Entry {
        schema: SCHEMA.to_owned(),
        run: run.id().to_owned(),
        time: jiff::Timestamp::UNIX_EPOCH,
        process: Process::current(),
        step: Step::Seen,
    };
    let line = serde_json::to_string(&later).unwrap();
    let line = line.replace("\"seen\"", "\"teleported\",\"to\":[1]");
    scene.append(format!("{line}\n").as_bytes());
    assert_eq!(scene.journal.read().unwrap().entries[1].step, Step::Unknown);

    scene.append(b"{\"schema\":\"rowsafe.journal/2\"}\n");
    let error = scene.journal.read().unwrap_err();
    assert!(
        matches!(&error, JournalError::Version { line: 3, found, .. } if found == "rowsafe.journal/2")
    );
    let refusal = Refusal::from(error);
    assert!(
        refusal.to_string().contains("is of version `rowsafe.journal/2`, and this rowsafe reads")
    );
    assert_eq!(refusal.exit(), Exit::NoAnswer);
}

/// Not a test of its own: what the started-again test program does.
#[test]
#[expect(clippy::disallowed_methods, reason = "how a test tells its second process what to do")]
fn stand_in() {
    let Some(path) = std::env::var_os("ROWSAFE_TEST_JOURNAL") else { return };
    let command = vec!["x".repeat(9000)];
    let run = Run { action: Action::Run, command, database: None };
    for _ in 0..20 {
        Journal::at(&path).begin(&run).unwrap();
    }
}

#[test]
fn processes_that_write_at_once_do_not_mix_their_lines() {
    let scene = Scene::new();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::stand_in"])
            .env("ROWSAFE_TEST_JOURNAL", scene.directory.path().join("shared.jsonl"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut process in [start(), start(), start()] {
        assert!(process.wait().unwrap().success());
    }
    let history = Journal::at(scene.directory.path().join("shared.jsonl")).read().unwrap();
    assert_eq!((history.entries.len(), history.torn.len()), (60, 0));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let journal = Journal::at("/proc/rowsafe/journal.jsonl");
    let run = Run { action: Action::Run, command: Vec::new(), database: None };
    let refusal = Refusal::from(journal.begin(&run).unwrap_err());
    assert_eq!(refusal.to_string(), "could not write the journal `/proc/rowsafe/journal.jsonl`");
    assert!(refusal.hints()[0].contains("make /proc/rowsafe writable"));
}
