//! What to do, first thing first, with commands filled in.

use super::facts::when;
use super::gather::Evidence;
use super::ways::whole_into;
use crate::aftermath::{Judged, Sameness, Severity, Step, WayBack, Whole};
use crate::request::RunRequest;
use crate::snapshot::Manifest;
use crate::text::name::pasted;
use crate::text::number::{grouped, plural};

/// Tables whose ways back are written out one by one.
const WRITTEN_OUT: usize = 12;

/// What the steps are made of.
pub struct Known<'a> {
    pub run: &'a RunRequest,
    pub severity: Severity,
    pub whole: &'a Whole,
    pub evidence: &'a Evidence,
    pub tables: &'a [Judged],
    pub ways: &'a [WayBack],
    pub manifests: &'a [Manifest],
}

/// The checklist; empty where there is nothing to do.
pub fn all(known: &Known<'_>) -> Vec<Step> {
    if known.severity == Severity::None && !known.whole.is_another() {
        return Vec::new();
    }
    let mut steps = now(known);
    steps.extend(scope(known));
    steps.extend(restore(known));
    steps.extend(afterwards(known));
    steps
}

fn step(phase: &'static str, what: impl Into<String>, commands: &[String]) -> Step {
    Step { phase, what: what.into(), commands: commands.to_vec() }
}

/// The first fifteen minutes.
fn now(known: &Known<'_>) -> Vec<Step> {
    const NOW: &str = "now";
    let mut steps = Vec::new();
    let is_there = !known.whole.is_missing() && !known.whole.is_unreachable();
    let connected = known.evidence.sessions.len() as u64;
    let who = match connected {
        0 => String::new(),
        _ => format!("; {} connected now", plural(connected, "session")),
    };
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on;",
        pasted(&known.run.target.database)
    );
    let what =
        format!("stop everything that writes: the application, workers, scheduled jobs{who}");
    steps.push(step(NOW, what, if is_there { std::slice::from_ref(&read_only) } else { &[] }));
    let report = "rowsafe incident --output markdown=incident.md --output json=incident.json";
    steps.push(step(NOW, "note the time, and keep this report", &[report.to_owned()]));
    steps.push(step(NOW, "tell the people who use it and who can decide", &[]));
    let deleted: Vec<&WayBack> = known.ways.iter().filter(|way| way.dead > 0).collect();
    if !deleted.is_empty() {
        steps.push(dead_rows(&deleted));
    }
    if is_there {
        let what = "keep the present state, before anything is put back";
        steps.push(step(NOW, what, &["rowsafe snapshot create".to_owned()]));
    }
    if known.whole.is_missing() || known.whole.sameness == Sameness::OtherServer {
        let what = "look for the old data directory before anything is removed: a container's \
                    volume under another name, another server, another port";
        steps.push(step(NOW, what, &["docker volume ls".to_owned(), "docker ps --all".to_owned()]));
    }
    steps
}

/// Deleted rows stay in the file until something clears them, and nearly everything does.
fn dead_rows(ways: &[&WayBack]) -> Step {
    let rows: u64 = ways.iter().map(|way| way.dead).sum();
    let names: Vec<String> = ways.iter().map(|way| format!("`{}`", way.table.short())).collect();
    let what = format!(
        "if no snapshot or backup holds them: up to {} deleted rows may still be in the files of \
         {}, which nothing has vacuumed since; any vacuum, and any SELECT that reads the table \
         too, clears them for good, so leave these tables alone, keep autovacuum away, and stop \
         the server and copy its data directory first; pg_dirtyread reads such rows from a copy",
        grouped(rows),
        names.join(", ")
    );
    let off = ways
        .iter()
        .map(|way| format!("ALTER TABLE {} SET (autovacuum_enabled = off);", way.table.pasted()));
    Step { phase: "now", what, commands: off.collect() }
}

fn scope(known: &Known<'_>) -> Vec<Step> {
    const SCOPE: &str = "scope";
    let mut steps = Vec::new();
    let what = match known.manifests.first() {
        Some(newest) => format!(
            "the newest snapshot is {} of {}; see what each one holds",
            newest.id,
            when(newest.created_at.as_second())
        ),
        None => "rowsafe has no snapshot of this database in its store; is there another store?"
            .to_owned(),
    };
    steps.push(step(SCOPE, what, &["rowsafe snapshot list".to_owned()]));
    let what = "look for backups of your own, and check that they can be read";
    steps.push(step(SCOPE, what, &["pg_restore --list BACKUP".to_owned()]));
    if known.evidence.server.archives {
        let what = "the write-ahead log is archived: a recovery to the moment before the loss, on \
                    another server, is possible with a base backup";
        steps.push(step(SCOPE, what, &[]));
    }
    if known.tables.iter().any(Judged::misses) {
        let what = "find the statement: the server's log, the shell history, clean-up scripts, the \
                    jobs that ran";
        steps.push(step(SCOPE, what, &["rowsafe check PATH_OF_THE_SCRIPTS".to_owned()]));
    }
    steps
}

fn restore(known: &Known<'_>) -> Vec<Step> {
    const RESTORE: &str = "restore";
    let mut steps = Vec::new();
    if known.whole.is_missing() || known.whole.is_another() {
        let fullest = known.manifests.iter().reduce(|best, other| {
            if other.verified.rows > best.verified.rows { other } else { best }
        });
        steps.extend(fullest.map(|manifest| {
            let rows = plural(manifest.verified.rows, "row");
            let what = format!(
                "bring snapshot {} ({rows}, of {}) into a database of its own, look at it, then \
                 put it in the place of the other",
                manifest.id,
                when(manifest.created_at.as_second())
            );
            step(RESTORE, what, &[whole_into(manifest)])
        }));
    } else {
        let held = known.ways.iter().filter(|way| way.snapshot.is_some()).take(WRITTEN_OUT);
        steps.extend(held.filter_map(|way| {
            let (id, rows, at) = way.snapshot.as_ref()?;
            let (name, rows) = (way.table.short(), plural(*rows, "row"));
            let what = format!("`{name}`: snapshot {id} of {} holds {rows} of it", when(*at));
            Some(step(RESTORE, what, &way.commands))
        }));
    }
    let lost: Vec<String> = known
        .ways
        .iter()
        .filter(|way| way.snapshot.is_none())
        .map(|way| format!("`{}`", way.table.short()))
        .collect();
    if !lost.is_empty() {
        let what = format!(
            "no snapshot holds the missing rows of {}: look for a backup, a base backup with its \
             log archive, a delayed standby, a copy in staging, an export of the application, an \
             old volume",
            lost.join(", ")
        );
        steps.push(step(RESTORE, what, &[]));
    }
    steps
}

fn afterwards(known: &Known<'_>) -> Vec<Step> {
    let reset = format!(
        "ALTER DATABASE {} RESET default_transaction_read_only;",
        pasted(&known.run.target.database)
    );
    let again = "look again: what is missing now";
    vec![
        step("verify", again, &["rowsafe incident".to_owned()]),
        step("verify", "let the application write again", &[reset]),
        step(
            "later",
            "run migrations and clean-up scripts behind rowsafe, and keep snapshots on a schedule",
            &["rowsafe run -- COMMAND".to_owned(), "rowsafe snapshot schedule".to_owned()],
        ),
    ]
}
