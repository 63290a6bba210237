//! The report for a person: 80 columns, numbers first, the answer in the last line.

use std::fmt::Write as _;

use super::checks;
use super::findings::{self, WIDTH, wrapped};
use super::{incident, planned, restoring, shelf};
use crate::finding::{Finding, Severity};
use crate::record::{Answer, ChildOutcome, Reached, Record, SwapPlan, Verdict};
use crate::text::clean::clean;
use crate::text::number::{grouped, plural};
use crate::ui::style::Paint;
use crate::verdict::{By, Compared, Status, TableChange};

/// Where the text of a labelled line starts.
pub const GUTTER: usize = 10;

/// Tables that are listed one by one; the rest is summed up.
const LISTED: usize = 30;

/// `label     text`, further lines of the text under the first.
pub fn labelled(label: &str, text: &str) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        let line = format!("{label:GUTTER$}{}", clean(line));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Where we are: role, host, database, version.
pub fn place(reached: &Reached) -> String {
    let identity = &reached.identity;
    let standing = if identity.is_standby { "standby" } else { "primary" };
    format!(
        "{}, PostgreSQL {}, {standing} (from {})",
        reached.label,
        identity.server_version.split(' ').next().unwrap_or_default(),
        reached.source
    )
}

/// What is pending, and every finding.
pub fn plan(record: &Record) -> String {
    let mut out = labelled("plan", &pending(record));
    if !record.findings.is_empty() {
        out = out + "\n" + &findings::all(&record.findings) + "\n";
    }
    out
}

/// Everything there is to say, in the order in which it happened.
pub fn report(record: &Record) -> String {
    let mut out = String::new();
    if record.command == "doctor" {
        out.push_str(&checks::all(&record.checks));
    } else if record.command.starts_with("snapshot ") {
        out.push_str(&shelf::all(record));
    } else if let Some(plan) = record.restore.as_ref().filter(|_| record.command != "run") {
        // Of a difference it was said when the database was reached.
        if let Some(reached) = record.database.as_ref().filter(|_| record.command != "diff") {
            out.push_str(&labelled("database", &place(reached)));
        }
        out.push_str(&restoring::human(plan));
    } else if let Some(found) = &record.incident {
        if let Some(reached) = &record.database {
            out.push_str(&labelled("database", &place(reached)));
        }
        out.push_str(&incident::human(found));
        out.push('\n');
    } else if record.command == "check" {
        // Reading is all that happened: the answer says what was read.
        out.push_str(&findings::all(&record.findings));
        if !record.findings.is_empty() {
            out.push('\n');
        }
    } else {
        if let Some(reached) = &record.database {
            out.push_str(&labelled("database", &place(reached)));
        }
        out.push_str(&labelled("plan", &pending(record)));
        if !record.statements.is_empty() {
            out.push_str(&planned::statements(record));
        }
        if !record.findings.is_empty() {
            out = out + "\n" + &findings::all(&record.findings) + "\n";
        }
        out.push_str(&planned::keep(record));
        if let Some(child) = &record.child {
            out.push_str(&labelled("run", &ending(child)));
        }
        out.push_str(&comparison(record));
    }
    for warning in &record.warnings {
        out.push_str(&[&Paint::Yellow.on("warning"), ": ", &clean(warning), "\n"].concat());
    }
    out + &record.answer.as_ref().map(answer).unwrap_or_default()
}

/// The files that a command shows or has written, to the letter.
pub fn files(record: &Record) -> String {
    shelf::files(&record.files)
}

fn pending(record: &Record) -> String {
    let statements: usize = record.scripts.iter().map(|script| script.statements).sum();
    let is_serious = |finding: &&Finding| finding.severity != Severity::Note;
    let (agreed, open): (Vec<&Finding>, Vec<&Finding>) =
        record.findings.iter().filter(is_serious).partition(|finding| finding.allowance.is_some());
    let revisions = record.scripts.iter().filter(|script| script.revision.is_some()).count() as u64;
    if record.scripts.is_empty() {
        return match record.revisions.before.as_slice() {
            [] => "nothing is pending".to_owned(),
            at => format!("nothing is pending, the database is at {}", at.join(", ")),
        };
    }
    let mut text = String::new();
    if revisions > 0 {
        let base = || "base".to_owned();
        let before = record.revisions.before.join(", ");
        let target = record.revisions.target.join(", ");
        let before = if before.is_empty() { base() } else { before };
        let target = match target.as_str() {
            "" if record.migration.iter().any(|word| word == "downgrade") => base(),
            // Nobody could work it out.
            "" => "?".to_owned(),
            _ => target,
        };
        write!(text, "{before} → {target}: {}, ", plural(revisions, "revision"))
            .expect("writing to a string does not fail");
    }
    let found = match (open.len() as u64, agreed.len() as u64) {
        (0, 0) => "nothing destructive".to_owned(),
        (0, agreed) => format!("{} agreed to", plural(agreed, "finding")),
        (open, 0) => format!("{} to agree to", plural(open, "finding")),
        (open, agreed) => {
            format!("{} to agree to, {} agreed to", plural(open, "finding"), grouped(agreed))
        }
    };
    text + &format!("{}, {found}", plural(statements as u64, "statement"))
}

/// Table by table what changed; the rest in one line.
pub fn comparison(record: &Record) -> String {
    let Some(comparison) = &record.comparison else { return String::new() };
    let is_shown = |change: &&TableChange| {
        change.status != Status::Intact || !change.columns.is_empty() || !change.losses.is_empty()
    };
    let mut shown: Vec<&TableChange> = comparison.tables.iter().filter(is_shown).collect();
    let rest = comparison.tables.len() - shown.len();
    shown.sort_by_key(|change| change.planned);
    let hidden = shown.len().saturating_sub(LISTED);
    shown.truncate(LISTED);
    let width = shown.iter().map(|change| change.name.short().chars().count()).max();
    let width = width.unwrap_or_default().min(40);
    let counts = shown.iter().map(|change| row_counts(change).chars().count()).max();
    let widths = (width, counts.unwrap_or_default());
    let mut lines: Vec<String> = shown.iter().map(|change| table_line(change, widths)).collect();
    if hidden > 0 {
        lines.push(format!("{} changed too, see the JSON report", plural(hidden as u64, "table")));
    }
    if rest > 0 {
        let other = if lines.is_empty() { "" } else { "other " };
        let same = sameness(comparison.tables.iter().filter(|change| !is_shown(change)));
        lines.push(format!("{} {other}{}: {same}", grouped(rest as u64), noun(rest)));
    }
    labelled("compare", &lines.join("\n"))
}

/// What is known of tables in which nothing changed: as much as of the one that is known least.
fn sameness<'a>(tables: impl Iterator<Item = &'a TableChange>) -> &'static str {
    let is_looked_into = |compared| matches!(compared, Compared::Values | Compared::Sampled(_));
    let (mut looked_into, mut counted) = (false, false);
    for table in tables {
        looked_into |= is_looked_into(table.compared);
        counted |= table.compared == Compared::Counts && !table.is_derived;
    }
    match (counted, looked_into) {
        (true, _) => "same row counts",
        (false, true) => "same values",
        (false, false) => "untouched",
    }
}

fn noun(tables: usize) -> &'static str {
    if tables == 1 { "table" } else { "tables" }
}

fn row_counts(change: &TableChange) -> String {
    let count = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), grouped);
    format!("{} → {}", count(change.rows_before), count(change.rows_after))
}

/// The table, its rows, and what happened to it, continued below where it is long.
fn table_line(change: &TableChange, (width, counts): (usize, usize)) -> String {
    let rows = row_counts(change);
    let mut notes = vec![change.status.name().to_owned()];
    if let Some(name) = &change.renamed_to {
        notes.push(format!("now {}", name.short()));
    }
    for column in &change.columns {
        notes.push(format!("column {} {}", column.name, column.status.name()));
    }
    for gone in &change.values {
        for (values, how) in [(gone.overwritten, "overwritten"), (gone.wiped, "set to NULL")] {
            if values > 0 {
                notes.push(format!("{} of {} {how}", plural(values, "value"), gone.column));
            }
        }
    }
    if let Compared::Sampled(one_in) = change.compared {
        notes.push(format!("1 of {one_in} rows compared"));
    }
    let unplanned = || change.losses.iter().filter(|lost| !lost.planned);
    if unplanned().any(|lost| lost.by != By::Others) {
        notes.push("NOT PLANNED".to_owned());
    } else if unplanned().next().is_some() {
        notes.push("by others meanwhile".to_owned());
    } else if !change.losses.is_empty() {
        notes.push("as planned".to_owned());
    }
    let head = format!("{:<width$}  {rows:>counts$}  ", change.name.short());
    let indent = head.chars().count().min(WIDTH / 2);
    // Lines break between the notes, not within one.
    let whole = notes.iter().map(|note| note.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(", ");
    let room = WIDTH.saturating_sub(GUTTER + head.chars().count()).max(20);
    head + &wrapped(&whole, room).join(&format!("\n{:indent$}", "")).replace('\u{a0}', " ")
}

/// How the migration command ended.
pub fn ending(child: &ChildOutcome) -> String {
    match (child.exit, &child.signal) {
        _ if child.is_abandoned => "still running, no longer waited for".to_owned(),
        (Some(0), _) => "finished".to_owned(),
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("ended by {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// What an exchange of databases would do.
pub fn swap_plan(plan: &SwapPlan) -> String {
    let created = plan.created_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let SwapPlan { snapshot, database, new, kept, .. } = plan;
    let head = format!("{snapshot}  {database}  {created}  {}", plural(plan.rows_then, "row"));
    let mut lines = vec![
        format!("restore it into {new}, count it, and exchange the two by name"),
        format!("keep {database} as it is now, with {}, as {kept}", plural(plan.rows_now, "row")),
    ];
    if !plan.sessions.is_empty() {
        let sessions = plural(plan.sessions.len() as u64, "session");
        lines.push(format!("disconnect {sessions}: {}", few(&plan.sessions)));
    }
    lines.extend(plan.stays.iter().cloned());
    labelled("snapshot", &head) + &labelled("would", &lines.join("\n"))
}

/// The first few, and how many more there are.
fn few(words: &[String]) -> String {
    const SHOWN: usize = 4;
    match words.len() {
        all if all > SHOWN => format!("{} and {} more", words[..SHOWN].join(", "), all - SHOWN),
        _ => words.join(", "),
    }
}

/// The answer, then what to do.
pub fn answer(answer: &Answer) -> String {
    let paint = if answer.verdict == Verdict::Ok { Paint::Green } else { Paint::Red };
    let mut text = format!("{}: {}", paint.on(answer.verdict.name()), clean(&answer.sentence));
    if answer.exit.code() > 1 {
        write!(text, ". exit {}", answer.exit.code()).expect("writing to a string does not fail");
    }
    // One line each: they are searched for in logs, and pasted.
    let hints = answer.hints.iter().map(|hint| format!("hint: {}", clean(hint)));
    std::iter::once(text).chain(hints).fold(String::new(), |out, line| out + &line + "\n")
}
