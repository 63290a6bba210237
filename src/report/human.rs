//! The report for a person: 80 columns, numbers first, the answer in the last line.

use std::fmt::Write as _;

use crate::finding::{Finding, Severity};
use crate::loss::Count;
use crate::record::{Answer, ChildOutcome, Fate, Reached, Record, RestorePlan, RestoreTable};
use crate::text::number::{grouped, plural};
use crate::verdict::{Status, TableChange};

/// Where the text of a labelled line starts.
pub const GUTTER: usize = 10;

/// How wide a line may be; what is to be pasted may be wider.
const WIDTH: usize = 80;

/// Tables that are listed one by one; the rest is summed up.
const LISTED: usize = 30;

/// Lines of a statement that are shown.
const SHOWN_LINES: usize = 4;

/// `label     text`, further lines of the text under the first.
pub fn labelled(label: &str, text: &str) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        let line = format!("{label:GUTTER$}{line}");
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
    labelled("plan", &pending(record)) + &findings(record)
}

/// Every finding.
pub fn findings(record: &Record) -> String {
    let mut out = String::new();
    let mut advised = false;
    for finding in &record.findings {
        out.push('\n');
        if finding.allowance.is_some() || finding.severity == Severity::Note {
            out.push_str(&short(finding));
            continue;
        }
        // What to do about a revision that can't be read is the same for each of them.
        let is_whole_script = finding.rule == "opaque" && finding.statement.is_empty();
        out.push_str(&long(finding, !(is_whole_script && advised)));
        advised |= is_whole_script;
    }
    if !record.findings.is_empty() {
        out.push('\n');
    }
    out
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

/// One or two lines for what needs no more agreement.
fn short(finding: &Finding) -> String {
    let mut out = headline(finding);
    if let Some(place) = place_of(finding) {
        out.push_str(&format_args!("  --> {place}\n").to_string());
    }
    if let Some(allowance) = &finding.allowance {
        out.push_str(&row("reason", &allowance.reason));
    }
    for through in goes_too(finding) {
        out.push_str(&through);
    }
    out
}

fn headline(finding: &Finding) -> String {
    let word = if finding.allowance.is_some() { "agreed" } else { finding.severity.name() };
    let head = format!("{word}[{}]: {}", finding.rule, finding.message);
    wrapped(&head, WIDTH).into_iter().fold(String::new(), |out, line| out + &line + "\n")
}

/// Everything about a finding that stops the run.
fn long(finding: &Finding, advises: bool) -> String {
    let mut out = headline(finding);
    if let Some(place) = place_of(finding) {
        out.push_str(&format_args!("  --> {place}\n").to_string());
    }
    if !finding.statement.is_empty() {
        out.push_str("   |\n");
        for line in finding.statement.lines().take(SHOWN_LINES) {
            out.push_str(&format_args!("   |  {}\n", clip(line)).to_string());
        }
        if finding.statement.lines().count() > SHOWN_LINES {
            out.push_str("   |  …\n");
        }
        out.push_str("   |\n");
    }
    if let Some(Count::Unknown(why)) = finding.loss.as_ref().map(|loss| &loss.rows) {
        out.push_str(&row("unknown", why));
    }
    for through in goes_too(finding) {
        out.push_str(&through);
    }
    if advises && !finding.instead.is_empty() {
        out.push_str(&row("instead", &finding.instead));
    }
    // This line is to be pasted, so it stays one.
    out + "   = agree:    " + &agree(finding) + "\n"
}

fn agree(finding: &Finding) -> String {
    let is_python = finding.place.path.as_deref().is_some_and(|path| {
        std::path::Path::new(path).extension().is_some_and(|extension| extension == "py")
    });
    let (rule, object) = (finding.rule, &finding.object);
    if finding.place.path.is_none() || finding.statement.is_empty() {
        return format!("--allow '{rule} {object}: why it is safe'");
    }
    let mark = if is_python { "#" } else { "--" };
    format!("{mark} rowsafe: allow[{rule}] {object}: why it is safe")
}

fn goes_too(finding: &Finding) -> Vec<String> {
    const SHOWN: usize = 12;
    let through = finding.loss.as_ref().map_or(&[][..], |loss| &loss.through);
    let mut rows: Vec<String> =
        through.iter().take(SHOWN).map(|line| row("goes too", line)).collect();
    if through.len() > SHOWN {
        rows.push(row("goes too", &format!("{} more", through.len() - SHOWN)));
    }
    rows
}

/// `   = instead:  text`, further lines under the first.
fn row(label: &str, text: &str) -> String {
    const INDENT: usize = 15;
    let lines = text.lines().flat_map(|line| wrapped(line, WIDTH - INDENT));
    let mut out = String::new();
    for (index, line) in lines.enumerate() {
        let head = if index == 0 { format!("   = {label}:") } else { String::new() };
        out.push_str(format!("{head:INDENT$}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// The text broken at spaces; a line that starts with spaces is code and stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.starts_with(' ') || text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line from the start");
        let needed = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() || needed <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn place_of(finding: &Finding) -> Option<String> {
    let place = &finding.place;
    let path = place.path.as_deref().or(place.revision.as_deref())?;
    Some(match place.position {
        Some(position) => format!("{path}:{}:{}", position.line, position.column),
        None => path.to_owned(),
    })
}

fn clip(line: &str) -> String {
    const WIDTH: usize = 73;
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
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
        let rows = "same row counts";
        lines.push(format!("{} {other}{}: {rows}", grouped(rest as u64), noun(rest)));
    }
    labelled("compare", &lines.join("\n"))
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
    if change.losses.iter().any(|lost| !lost.planned) {
        notes.push("NOT PLANNED".to_owned());
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

/// What a restore would do.
pub fn restore_plan(plan: &RestorePlan) -> String {
    let created = plan.created_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let revisions = match plan.revisions.as_slice() {
        [] => String::new(),
        at => format!(", at {}", at.join(", ")),
    };
    let head = format!("{}  {}  {created}{revisions}", plan.snapshot, plan.database);
    let width = plan.tables.iter().map(|table| table.name.short().chars().count()).max();
    let width = width.unwrap_or_default().min(40);
    let line = |table: &RestoreTable| {
        let (name, rows) = (format!("{:<width$}", table.name.short()), grouped(table.rows));
        match table.fate {
            Fate::Gone => format!("{name}  make it again, insert {rows}"),
            Fate::Empty => format!("{name}  insert {rows}"),
            Fate::Fewer { rows: now } => {
                format!("{name}  nothing: it holds {} of {rows}; see --into", grouped(now))
            }
        }
    };
    let lines: Vec<String> = plan.tables.iter().map(line).collect();
    labelled("snapshot", &head) + &labelled("would", &lines.join("\n"))
}

/// The answer, then what to do.
pub fn answer(answer: &Answer) -> String {
    let mut text = format!("{}: {}", answer.verdict.name(), answer.sentence);
    if answer.exit.code() > 1 {
        write!(text, ". exit {}", answer.exit.code()).expect("writing to a string does not fail");
    }
    // One line each: they are searched for in logs, and pasted.
    let hints = answer.hints.iter().map(|hint| format!("hint: {hint}"));
    std::iter::once(text).chain(hints).fold(String::new(), |out, line| out + &line + "\n")
}
