//! Reading migrations without a database: which files, what they destroy, who agreed.
//!
//! Files that run together are one set: what an earlier one makes, a later one may drop, and no row
//! is lost. A folder's whole history is no such set: its files ran at different times, and in
//! between a table had rows. So what is found in a folder stands for itself, file by file, and only
//! what is asked for as new, or named file by file, is read as one.

mod answer;
mod follow;
mod read;
mod select;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::environment::Environment;
use crate::finding::{Allowance, AllowanceSource, Finding};
use crate::hint::Refusal;
use crate::migration::alembic::Direction;
use crate::migration::git::Changed;
use crate::migration::psql;
use crate::plan;
use crate::policy::{self, FailOn};
use crate::record::{Record, ScriptSummary};
use crate::rules::{self, ScriptReading};
use crate::script::Script;
use crate::text::number::plural;

pub use select::{exists, newest};

/// What `rowsafe check` was asked for.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// Files and folders of the command line; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// `[check] paths`, for when nothing is named.
    pub configured: Vec<PathBuf>,
    /// `--since`: what a database has behind it already.
    pub since: Vec<String>,
    /// `[check] baseline`: the same, where `since` says nothing.
    pub baseline: Vec<String>,
    /// `--diff`: what git says is new.
    pub changed: Option<Changed>,
    /// Which way the files are read.
    pub direction: Direction,
    /// Agreements of the command line and the configuration.
    pub allowances: Vec<Allowance>,
    /// From which severity on a finding makes the check fail.
    pub fail_on: FailOn,
    /// The working directory, and variables that say where Alembic's configuration is.
    pub environment: Environment,
}

/// Files of this size are read one at a time, so that only one of them is held in memory.
const LARGE: u64 = 4 * 1024 * 1024;

/// What to do about a file that nobody could read.
const UNREAD: &str = "write it as UTF-8 text with plain statements, so that it can be read;\n\
                      or read it yourself, and agree to it as it is";

/// Fewer files are not worth a thread.
const FEW: usize = 16;

/// Reads the migrations and fills the record, the answer included.
pub fn check(request: &CheckRequest, record: &mut Record) -> Result<(), Refusal> {
    let selected = select::select(request)?;
    record.warnings.extend(selected.warnings.iter().cloned());
    let asked: Vec<Allowance> = request.allowances.iter().map(unbounded).collect();
    let mut used = vec![false; asked.len()];
    let mut follows = false;
    for told in each(&selected.sets, |set| check_set(set, &selected, request, &asked)) {
        record.scripts.extend(told.scripts);
        record.findings.extend(told.findings);
        follows |= told.follows;
        record.warnings.extend(told.warnings);
        used.iter_mut().zip(told.used).for_each(|(used, now)| *used |= now);
    }
    if follows {
        follow::once(record);
    }
    for (allowance, used) in request.allowances.iter().zip(used) {
        // The configuration speaks of the whole project, and here may be one file of it.
        if !used && allowance.source == AllowanceSource::CommandLine {
            record.findings.push(plan::unused_allowance(allowance));
        }
    }
    record.answer = Some(answer::answer(record, request, &selected));
    Ok(())
}

/// What was read of one set.
#[derive(Debug, Default)]
struct Told {
    scripts: Vec<ScriptSummary>,
    findings: Vec<Finding>,
    warnings: Vec<String>,
    /// A script included another.
    follows: bool,
    /// Which of the agreements from outside covered something.
    used: Vec<bool>,
}

fn check_set(
    set: &[select::Migration],
    selected: &select::Selected,
    request: &CheckRequest,
    asked: &[Allowance],
) -> Told {
    let read = |migration| read::script(migration, &selected.roots, request.direction);
    let scripts: Vec<Script> = psql::follow(set.iter().filter_map(read).collect());
    let readings: Vec<ScriptReading> = scripts.iter().map(rules::read).collect();
    let mut findings = rules::findings(&readings);
    let (comments, malformed) = plan::written(&readings);
    let written: Vec<Allowance> = comments.iter().chain(&request.allowances).cloned().collect();
    let unbound: Vec<Allowance> =
        comments.iter().map(unbounded).chain(asked.iter().cloned()).collect();
    let schemas = vec![None; findings.len()];
    let mut used = policy::agree(&mut findings, &schemas, &unbound);
    for finding in &mut findings {
        if finding.rule == "opaque" && finding.statement.is_empty() {
            UNREAD.clone_into(&mut finding.instead);
        }
        let agreed = finding.allowance.take();
        let which = agreed.and_then(|agreed| unbound.iter().position(|one| *one == agreed));
        finding.allowance = which.map(|which| written[which].clone());
    }
    let from_outside = used.split_off(comments.len());
    let unused = comments.iter().zip(used).filter(|(_, used)| !used);
    findings.extend(unused.map(|(allowance, _)| plan::unused_allowance(allowance)));
    findings.extend(malformed);
    Told {
        warnings: silenced(&readings).filter(|_| selected.is_by_name).into_iter().collect(),
        follows: readings.len() > set.len(),
        scripts: follow::joined(readings.iter().map(read::summary)),
        findings,
        used: from_outside,
    }
}

/// Without a database nobody counts rows, so a bound on them can't be held against a finding; the
/// run does that.
fn unbounded(allowance: &Allowance) -> Allowance {
    Allowance { max_rows: None, ..allowance.clone() }
}

/// Says what is not a finding only because the files are taken to run together: a list of files
/// may be somebody's whole history, by a shell's `*.sql`.
fn silenced(readings: &[ScriptReading<'_>]) -> Option<String> {
    let alone = |reading: &ScriptReading<'_>| rules::findings(std::slice::from_ref(reading)).len();
    let (first, last) = (readings.first()?, readings.last()?);
    let together = rules::findings(readings).len();
    let apart: usize = readings.iter().map(alone).sum();
    let hidden = apart.checked_sub(together).filter(|hidden| readings.len() > 1 && *hidden > 0)?;
    let n_hidden = plural(hidden as u64, "finding");
    Some(format!(
        "`{}` to `{}` are read as one set that runs together, so {n_hidden} about what the set \
         itself makes is left out; check their folder instead if some of them have run already",
        first.script.origin.name(),
        last.script.origin.name()
    ))
}

/// Reads every set, in parallel where there are many; the results are in the order of the sets.
fn each(
    sets: &[Vec<select::Migration>],
    read: impl Fn(&[select::Migration]) -> Told + Sync,
) -> Vec<Told> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if sets.len() < FEW || n_threads == 1 {
        return sets.iter().map(|set| read(set)).collect();
    }
    let next = AtomicUsize::new(0);
    let large = Mutex::new(());
    let size = |migration: &select::Migration| {
        std::fs::metadata(&migration.found.path).map_or(0, |metadata| metadata.len())
    };
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(set) = sets.get(index) else { return done };
            let is_large = set.iter().map(size).sum::<u64>() > LARGE;
            // Nothing is behind the lock, so that a panic elsewhere leaves nothing broken.
            let held = is_large.then(|| large.lock().unwrap_or_else(PoisonError::into_inner));
            done.push((index, read(set)));
            drop(held);
        }
    };
    let mut all: Vec<(usize, Told)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().flat_map(join).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, told)| told).collect()
}
