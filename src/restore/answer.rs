//! What a restore answers, in one sentence and what to do next.

use super::apply::Outcome;
use crate::exit::Exit;
use crate::record::{Answer, Fate, RestorePlan, RestoreTable, Verdict};
use crate::text::number::plural;

/// The answer when there is nothing that could be done.
pub fn nothing_to_do(plan: &RestorePlan) -> Answer {
    let not_kept = plan.tables.iter().filter(|table| table.fate == Fate::NotKept).count() as u64;
    let cannot = plan.cannot().count();
    let hints = left_alone(plan);
    if cannot == 0 && not_kept == 0 {
        let sentence = "nothing to put back: every row and value of the snapshot is there";
        return Answer {
            verdict: Verdict::Ok,
            exit: Exit::Ok,
            sentence: sentence.to_owned(),
            hints,
        };
    }
    let sentence = if cannot == 0 {
        format!(
            "nothing to put back: the snapshot holds no rows of {} that {} gone or empty; nothing was changed",
            plural(not_kept, "table"),
            if not_kept == 1 { "is" } else { "are" }
        )
    } else {
        "nothing can be put back in place; nothing was changed".to_owned()
    };
    Answer { verdict: Verdict::Blocked, exit: Exit::Blocked, sentence, hints }
}

/// What is said of what is not put back.
pub fn left_alone(plan: &RestorePlan) -> Vec<String> {
    let mut hints: Vec<String> = plan
        .cannot()
        .map(|(table, cannot)| format!("{}: {}", table.name.short(), cannot.why))
        .collect();
    if !hints.is_empty() {
        hints.push(format!(
            "what cannot be put back in place can be looked at in a new database: rowsafe restore {} --into NAME",
            plan.snapshot
        ));
    }
    let not_kept = plan.tables.iter().filter(|table| table.fate == Fate::NotKept);
    let names: Vec<String> = not_kept.map(|table| table.name.short()).collect();
    if !names.is_empty() {
        let why = "gone or empty, and not in this snapshot, which holds only what was at risk";
        hints.push(format!("{}: {why}", names.join(", ")));
    }
    hints
}

/// The answer of a comparison.
pub fn difference(plan: &RestorePlan) -> Answer {
    let hints = left_alone(plan);
    if plan.is_nothing() && hints.is_empty() {
        return nothing_to_do(plan);
    }
    let mode = if plan.mode == "replace" { " --mode replace" } else { "" };
    let mut sentence =
        format!("rowsafe restore {}{mode} would put back {}", plan.snapshot, would(plan));
    if plan.is_nothing() {
        "nothing can be put back in place".clone_into(&mut sentence);
    }
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints }
}

/// What would come back, in words.
fn would(plan: &RestorePlan) -> String {
    let tables = || plan.tables.iter().filter(|table| is_written(table));
    let rows: u64 = tables().map(|table| table.changed.insert).sum();
    let values: u64 = tables().map(|table| table.changed.values()).sum();
    let overwrite: u64 = tables().map(|table| table.changed.overwrite).sum();
    let delete: u64 = tables().map(|table| table.changed.delete).sum();
    amounts(rows, values, tables().count() as u64, overwrite, delete)
}

fn amounts(rows: u64, values: u64, tables: u64, overwrite: u64, delete: u64) -> String {
    let mut parts = Vec::new();
    if rows > 0 || values == 0 {
        parts.push(plural(rows, "row"));
    }
    if values > 0 {
        parts.push(plural(values, "value"));
    }
    let mut text = format!("{} of {}", parts.join(" and "), plural(tables, "table"));
    if overwrite > 0 {
        text += &format!(", {} overwritten", plural(overwrite, "row"));
    }
    if delete > 0 {
        text += &format!(", {} deleted", plural(delete, "row"));
    }
    text
}

fn is_written(table: &RestoreTable) -> bool {
    table.fate == Fate::Gone || (table.fate == Fate::There && !table.changed.is_nothing())
}

/// The answer when it was done.
pub fn done(plan: &RestorePlan, outcome: &Outcome, database: &str) -> Answer {
    let inserted: u64 = outcome.done.iter().map(|done| done.inserted).sum();
    let overwritten: u64 = outcome.done.iter().map(|done| done.overwritten).sum();
    let deleted: u64 = outcome.done.iter().map(|done| done.deleted).sum();
    let tables = plan.tables.iter().filter(|table| is_written(table));
    let values: u64 = tables.clone().map(|table| table.changed.values()).sum();
    let rows = inserted + outcome.revived;
    let back = amounts(rows, values, tables.count() as u64, overwritten, deleted);
    let sentence = format!("{back} are back in {database}, counted again");
    let mut hints = left_alone(plan);
    hints.extend(take_back(plan));
    if plan.cannot().next().is_none() {
        return Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints };
    }
    let sentence = format!("{sentence}; not everything could be put back");
    Answer { verdict: Verdict::Lost, exit: Exit::Loss, sentence, hints }
}

/// How the restore itself is taken back.
fn take_back(plan: &RestorePlan) -> Option<String> {
    let present = plan.present.as_ref()?;
    let written = plan.tables.iter().filter(|table| table.fate == Fate::There && is_written(table));
    let tables: String = written
        .map(|table| format!(" --table {}", shell_words::quote(&table.name.to_string())))
        .collect();
    Some(format!(
        "snapshot {0} holds what was there before; to go back to it: rowsafe restore {0} --mode replace{tables}",
        present.id
    ))
}
