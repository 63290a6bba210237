//! How long restores took, as the journal has them: an objective is worth what was measured.

use std::time::Duration;

use jiff::Timestamp;

use super::DoctorRequest;
use crate::journal::{History, Step};
use crate::record::Check;
use crate::text::number::{plural, seconds};

/// A restore that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Measured {
    /// Rows that were put back.
    rows: u64,
    /// The tables; empty means a whole snapshot.
    tables: Vec<String>,
    took: Duration,
    at: Timestamp,
}

/// How long the last restore took against the objective, where there is one or one was measured;
/// and its seconds.
pub fn time(request: &DoctorRequest) -> (Option<Check>, Option<f64>) {
    const NAME: &str = "restore-time";
    let history = match request.run.journal.read() {
        Ok(history) => history,
        Err(error) => return (Some(Check::warning(NAME, error.to_string())), None),
    };
    let objective = match request.rto {
        Some(rto) => format!("; rto is {}", seconds(rto)),
        None => String::new(),
    };
    let Some(last) = last(&history) else {
        let none = request.rto.map(|_| {
            Check::note(NAME, format!("no restore was measured yet{objective}"))
                .hint("rowsafe snapshot verify latest --restore measures one and harms nothing")
        });
        return (none, None);
    };
    let of = match last.tables.len() as u64 {
        0 => "a whole snapshot".to_owned(),
        tables => plural(tables, "table"),
    };
    let (rows, took) = (plural(last.rows, "row"), seconds(last.took));
    let age = seconds(super::kept::age(last.at));
    let message = format!("{rows} were put back in {took}, {of}, {age} ago{objective}");
    let check = match request.rto {
        Some(rto) if last.took > rto => Check::warning(NAME, message),
        _ => Check::ok(NAME, message),
    };
    (Some(check), Some(last.took.as_secs_f64()))
}

/// The last restore of a whole snapshot; where there was none, the last of some tables.
fn last(history: &History) -> Option<Measured> {
    let all: Vec<Measured> = measured(history);
    let whole = all.iter().rev().find(|measured| measured.tables.is_empty());
    whole.or(all.last()).cloned()
}

fn measured(history: &History) -> Vec<Measured> {
    let ended = history.entries.iter().enumerate().filter_map(|(at, done)| {
        let Step::RestoreFinished { rows } = done.step else { return None };
        // One run may restore more than once: the last beginning before this end.
        let started = history.entries[..at]
            .iter()
            .rev()
            .find(|entry| entry.run == done.run && is_start(&entry.step))?;
        let Step::RestoreStarted { tables, .. } = &started.step else { return None };
        let took = done.time.duration_since(started.time);
        let took = Duration::try_from(took).unwrap_or_default();
        Some(Measured { rows, tables: tables.clone(), took, at: done.time })
    });
    ended.collect()
}

fn is_start(step: &Step) -> bool {
    matches!(step, Step::RestoreStarted { .. })
}
