//! A story as it happens, for a person: one line a step, progress where it takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::ask::{Answer, can_ask, type_name};
use super::{Printer, Progress};
use crate::environment::Environment;
use crate::event::{Event, Observer};
use crate::record::{Record, SCOPE_AT_RISK};
use crate::report::{human, restoring};
use crate::text::clean::clean;
use crate::text::number::{bytes, grouped, plural, seconds};

/// Tells a story on standard error.
pub struct Live<'a> {
    printer: &'a Printer,
    environment: &'a Environment,
    progress: Progress<'a>,
    phase: Phase,
}

/// Which progress is being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    None,
    Working,
    Counting,
    Comparing,
    Staging,
    Inserting,
    Dumping,
    Verifying,
}

impl<'a> Live<'a> {
    /// Tells through this printer; the environment says whether a person may be asked.
    pub fn new(printer: &'a Printer, environment: &'a Environment) -> Self {
        Self { printer, environment, progress: Progress::new(printer), phase: Phase::None }
    }

    fn show(&mut self, phase: Phase, label: &str) {
        if self.phase != phase {
            self.phase = phase;
            self.progress.start(label);
        }
    }

    fn end(&mut self) {
        if self.phase != Phase::None {
            self.phase = Phase::None;
            self.progress = Progress::new(self.printer);
        }
    }

    fn say(&mut self, label: &str, text: &str) {
        self.end();
        self.printer.label(label, text);
    }

    fn planned(&mut self, record: &Record) {
        self.end();
        let plan = human::plan(record);
        // The empty line behind the findings sets them apart from what comes.
        self.printer.say(plan.strip_suffix('\n').unwrap_or(&plan));
    }
}

impl Observer for Live<'_> {
    fn notice(&mut self, event: Event<'_>) {
        match event {
            Event::Connected(reached) => self.say("database", &human::place(reached)),
            Event::Warning(text) => {
                self.end();
                self.printer.warning(text);
            }
            Event::Working(what) => self.show(Phase::Working, what),
            Event::Planned(record) => self.planned(record),
            Event::Counting { done, total } => {
                self.show(Phase::Counting, "count");
                self.progress.update(done as u64, total as u64, 0);
            }
            Event::Comparing { done, total } => {
                self.show(Phase::Comparing, "compare");
                self.progress.update(done as u64, total as u64, 0);
            }
            Event::Counted { tables, rows, took } => {
                let (tables, rows) = (plural(tables as u64, "table"), plural(rows, "row"));
                self.say("count", &format!("{tables}, {rows}  {}", seconds(took)));
            }
            Event::Dumping { tables, total, read, .. } => {
                self.show(Phase::Dumping, "snapshot");
                self.progress.update(tables, total, read);
            }
            Event::Verifying { read, .. } => {
                self.show(Phase::Verifying, "read back");
                self.progress.update(0, 0, read);
            }
            Event::Kept { kept, took } => self.say("snapshot", &kept_line(kept, took)),
            Event::NotKept => self.say("snapshot", "none, because --snapshot none was given"),
            Event::Starting(command) => self.say("run", command),
            Event::Interrupted { signal, program } => {
                self.end();
                self.printer.answer(&format!(
                    "{signal}: asked {program} to stop; press Ctrl-C again to stop waiting"
                ));
            }
            Event::Ended(outcome) => {
                let took = seconds(Duration::from_secs_f64(outcome.seconds));
                self.say("", &format!("{} after {took}", human::ending(outcome)));
            }
            Event::Compared(record) => {
                self.end();
                let text = human::comparison(record);
                if !text.is_empty() {
                    self.printer.say(text.trim_end());
                }
            }
            Event::Prepared(plan) => {
                self.end();
                self.printer.say(restoring::human(plan).trim_end());
            }
            Event::Exchanging(plan) => {
                self.end();
                self.printer.say(human::swap_plan(plan).trim_end());
            }
            Event::Staging { done, total } => {
                self.show(Phase::Staging, "read");
                self.progress.update(done as u64, total as u64, 0);
            }
            Event::Inserting { done, total } => {
                self.show(Phase::Inserting, "restore");
                self.progress.update(done, total, 0);
            }
            Event::Restoring { what, rows } => {
                self.say("restore", &format!("{what}  {} rows put back", grouped(rows)));
            }
        }
    }

    fn confirm(&mut self, question: &str, name: &str) -> bool {
        self.end();
        if !can_ask(self.environment) {
            return false;
        }
        // The wait for a line is no place for the runtime's signals: these flags end it.
        let interrupted = Arc::new(AtomicBool::new(false));
        let flags: Vec<_> = [SIGINT, SIGTERM]
            .into_iter()
            .filter_map(|signal| signal_hook::flag::register(signal, Arc::clone(&interrupted)).ok())
            .collect();
        self.printer.say(question);
        let answer =
            type_name(name, self.printer, self.environment, || interrupted.load(Ordering::Relaxed));
        for flag in flags {
            signal_hook::low_level::unregister(flag);
        }
        matches!(answer, Ok(Answer::Yes))
    }
}

fn kept_line(kept: &crate::record::Kept, took: Duration) -> String {
    let rows = plural(kept.rows, "row");
    if let Some(elsewhere) = &kept.elsewhere {
        return format!("{}  {}  {}", kept.id, clean(&elsewhere.said()), seconds(took));
    }
    let what = match (kept.scope == SCOPE_AT_RISK, kept.tables) {
        (false, tables) => format!("{}, {rows}", plural(tables, "table")),
        (true, 0) => "keeps the schema; no table is at risk".to_owned(),
        (true, tables) => {
            format!("{tables} of {} at risk, {rows}", plural(kept.of_tables, "table"))
        }
    };
    format!(
        "{}  {what}  {} → {}  read back and counted  {}",
        kept.id,
        bytes(kept.dump_bytes),
        bytes(kept.bytes),
        seconds(took)
    )
}
