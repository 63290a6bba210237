//! An incident for a person: the answer's reasons first, then what to do; as text and as Markdown.

mod markdown;
pub mod model;

pub use markdown::render as markdown;

use jiff::Timestamp;

use super::findings::{WIDTH, wrapped};
use super::human::{GUTTER, labelled};
use crate::aftermath::{
    Explanation, Fact, Incident, Judged, Moment, Remembered, Rows, RunSeen, Session, Severity,
    Status,
};
use crate::text::clean::clean;
use crate::text::number::{grouped, plural};
use crate::ui::style::Paint;
use crate::ui::{Align, Table};

/// Tables that are listed one by one; those that miss rows always are.
const LISTED: usize = 30;

/// A moment as people read it.
fn when(moment: Moment) -> String {
    let Ok(time) = Timestamp::from_second(moment) else { return format!("second {moment}") };
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The whole report, without the answer.
pub fn human(incident: &Incident) -> String {
    let severity = match incident.severity {
        Severity::None => Paint::Green.on("none"),
        severity => Paint::Red.on(severity.name()),
    };
    let rule = wrapped(&incident.rule, WIDTH - GUTTER - "unknown: ".len()).join("\n");
    // Painted words are no text of others: they are added to what was cleaned.
    let mut out = labelled("", &rule);
    out.replace_range(..out.len() - out.trim_start().len(), &format!("severity  {severity}: "));
    out.push_str(&tables(incident));
    out.push_str(&section("why", incident.explanations.iter().map(explanation)));
    out.push_str(&section("relations", relations(incident)));
    out.push_str(&section("seen", incident.facts.iter().map(fact)));
    out.push_str(&section("sessions", incident.sessions.iter().map(session)));
    out.push_str(&section("remembered", incident.statements.iter().map(statement)));
    out.push_str(&section("runs", incident.runs.iter().map(run)));
    out.push_str(&section("ways back", ways(incident)));
    let timeline = incident.timeline.iter().map(|it| format!("{}  {}", when(it.at), it.what));
    out.push_str(&section("timeline", timeline));
    out.push_str(&steps(incident));
    out.push_str(&section("not seen", incident.unseen.iter().cloned()));
    out
}

/// A label and its lines, a blank line before it; nothing where there are none.
fn section(label: &str, lines: impl Iterator<Item = String>) -> String {
    let room = WIDTH - GUTTER;
    let lines: Vec<String> = lines
        .flat_map(|line| {
            let broken: Vec<String> = line.lines().flat_map(|line| hanging(line, room)).collect();
            broken
        })
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        "\n".to_owned() + &labelled(label, &lines.join("\n"))
    }
}

/// The line broken, what follows a little further in.
fn hanging(line: &str, room: usize) -> Vec<String> {
    let depth = line.len() - line.trim_start().len();
    let broken = wrapped(line.trim_start(), room.saturating_sub(depth + 2));
    let indent = |(at, text): (usize, String)| {
        let deeper = if at == 0 { depth } else { depth + 2 };
        format!("{:deeper$}{text}", "")
    };
    broken.into_iter().enumerate().map(indent).collect()
}

/// Inserts and deletes against live rows; the worst first.
fn tables(incident: &Incident) -> String {
    if incident.tables.is_empty() {
        return String::new();
    }
    let missing = incident.missing().count();
    let shown = incident.tables.len().min(LISTED.max(missing));
    let columns = [
        Align::Name,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
        Align::Left,
    ];
    let mut table = Table::new(columns);
    table.row(["table", "inserts", "deletes", "expected", "found", "status", "by"]);
    for judged in incident.tables.iter().take(shown) {
        let cells = cells(judged);
        match judged.status {
            Status::Gone | Status::Wiped => table.row_in(Paint::Red, cells),
            Status::Partial | Status::Emptied | Status::Unknown => {
                table.row_in(Paint::Yellow, cells);
            }
            Status::Intact | Status::Empty => table.row(cells),
        }
    }
    let mut out = "\n".to_owned();
    for line in table.lines(WIDTH) {
        out.push_str(&(line + "\n"));
    }
    let rest = incident.tables.len() - shown;
    if rest > 0 {
        out.push_str(&format_rest(rest));
    }
    let noted = incident.tables.iter().take(shown).filter(|judged| !notes(judged).is_empty());
    out + &section(
        "notes",
        noted
            .map(|judged| format!("`{}`: {}", judged.trace.name.short(), notes(judged).join("; "))),
    )
}

fn format_rest(rest: usize) -> String {
    ["and ", &plural(rest as u64, "table"), " more that miss nothing, see the JSON report\n"]
        .concat()
}

/// The row of a table in the order of the columns.
fn cells(judged: &Judged) -> [String; 7] {
    let there = judged.trace.there.as_ref();
    let dash = || "-".to_owned();
    let found = match (&judged.trace.rows, there) {
        (_, None) => dash(),
        (Rows::Counted(rows), _) => grouped(*rows),
        (Rows::Estimated(rows, _), _) => ["~", &grouped(*rows)].concat(),
        (Rows::Unknown(_), _) => "?".to_owned(),
    };
    [
        judged.trace.name.short(),
        there.map_or_else(dash, |there| grouped(there.inserted)),
        there.map_or_else(dash, |there| grouped(there.deleted)),
        judged.expected.as_ref().map_or_else(dash, |expected| grouped(expected.rows)),
        found,
        judged.status.name().to_uppercase(),
        judged.expected.as_ref().map_or("", |expected| expected.source.name()).to_owned(),
    ]
}

/// What to know of the numbers of a table.
fn notes(judged: &Judged) -> Vec<String> {
    let mut notes = judged.notes.clone();
    if let Rows::Estimated(_, why) = judged.trace.rows {
        notes.push(why.to_owned());
    }
    notes
}

fn explanation(found: &Explanation) -> String {
    let mut lines = vec![[found.likelihood.name(), ": ", &found.what].concat()];
    lines.extend(found.speaks_for.iter().map(|text| ["  for: ", text].concat()));
    lines.extend(found.against.iter().map(|text| ["  against: ", text].concat()));
    lines.join("\n")
}

fn relations(incident: &Incident) -> impl Iterator<Item = String> {
    incident.relations.iter().map(|relation| {
        format!(
            "`{}` refers to `{}`, ON DELETE {}",
            relation.child.short(),
            relation.parent.short(),
            relation.on_delete
        )
    })
}

fn fact(fact: &Fact) -> String {
    [fact.name, ": ", &fact.text].concat()
}

fn session(session: &Session) -> String {
    let role = session.role.as_deref().unwrap_or("?");
    let application = match session.application.as_str() {
        "" => String::new(),
        application => format!(" ({application})"),
    };
    let client = session.client.as_ref().map_or_else(String::new, |at| format!(" from {at}"));
    let since = session.since.map_or_else(String::new, |at| format!(", since {}", when(at)));
    let state = session.state.as_ref().map_or_else(String::new, |state| format!(", {state}"));
    format!("{} {role}{application}{client}{since}{state}", session.pid)
}

fn statement(statement: &Remembered) -> String {
    let role = statement.role.as_ref().map_or_else(String::new, |role| format!(" by {role}"));
    let (calls, rows) = (plural(statement.calls, "call"), plural(statement.rows, "row"));
    format!("{}: {} ({calls}, {rows}{role})", statement.rule, statement.text)
}

fn run(run: &RunSeen) -> String {
    let user = run.user.map_or_else(String::new, |user| format!(", user {user} on {}", run.host));
    let mut text = format!("{}  {}  {} ({}{user})", when(run.at), run.id, run.command, run.outcome);
    for finding in &run.findings {
        text.push_str(&["\n  would destroy: ", finding].concat());
    }
    text
}

fn ways(incident: &Incident) -> impl Iterator<Item = String> {
    incident.ways_back.iter().map(|way| {
        let name = way.table.short();
        match &way.snapshot {
            Some((id, rows, at)) => {
                format!("`{name}`: snapshot {id} of {} holds {}", when(*at), plural(*rows, "row"))
            }
            None => format!("`{name}`: no snapshot holds what is missing"),
        }
    })
}

/// The checklist; commands are not broken, because they are pasted.
fn steps(incident: &Incident) -> String {
    let mut out = String::new();
    let mut phase = "";
    for (at, step) in incident.steps.iter().enumerate() {
        let label = if step.phase == phase { "" } else { step.phase };
        if label == step.phase {
            out.push('\n');
        }
        phase = step.phase;
        let text = format!("{}. {}", at + 1, step.what);
        out.push_str(&labelled(label, &hanging(&text, WIDTH - GUTTER - 2).join("\n")));
        for command in &step.commands {
            out.push_str(&[&" ".repeat(GUTTER + 4), &clean(command), "\n"].concat());
        }
    }
    out
}
