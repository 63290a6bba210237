//! An incident as Markdown, to be filed and pasted into a ticket. Names come from the database and
//! may hold anything: none of them ends a cell, a line or a code span.

use super::{cells, fact, notes, run, session, statement, ways, when};
use crate::aftermath::{Explanation, Incident, Step};
use crate::record::Record;
use crate::text::clean::clean;

/// The report with its title and answer.
pub fn render(record: &Record) -> String {
    let mut page = vec![title(record)];
    if let Some(answer) = &record.answer {
        page.push(format!("**{}**", text(&answer.sentence)));
    }
    if let Some(incident) = &record.incident {
        page.push(head(record, incident));
        page.push(tables(incident));
        page.extend(sections(incident));
    }
    page.retain(|part| !part.is_empty());
    page.join("\n\n") + "\n"
}

fn title(record: &Record) -> String {
    let name = record.database.as_ref().map_or("a database", |reached| &reached.identity.database);
    format!("# Incident: {}", code(name))
}

fn head(record: &Record, incident: &Incident) -> String {
    let mut lines = vec![
        format!("- severity: **{}**: {}", incident.severity.name(), text(&incident.rule)),
        format!("- looked at: {}", record.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        format!("- by: rowsafe {}", env!("CARGO_PKG_VERSION")),
    ];
    if let Some(reached) = &record.database {
        let version = &reached.identity.server_version;
        let place = format!("- database: {}, PostgreSQL {}", code(&reached.label), text(version));
        lines.push(place);
    }
    lines.join("\n")
}

fn tables(incident: &Incident) -> String {
    if incident.tables.is_empty() {
        return String::new();
    }
    let mut lines = vec![
        "## Tables\n".to_owned(),
        "| table | inserts | deletes | expected | found | status | expectation by | notes |"
            .to_owned(),
        "|---|---:|---:|---:|---:|---|---|---|".to_owned(),
    ];
    for judged in &incident.tables {
        let [name, inserts, deletes, expected, found, status, by] = cells(judged);
        let notes = notes(judged).join("; ");
        let cells = [code(&name), inserts, deletes, expected, found, status, by, text(&notes)];
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

fn sections(incident: &Incident) -> Vec<String> {
    let mut parts = vec![explanations(&incident.explanations)];
    let relations = incident.relations.iter().map(|relation| {
        let (child, parent) = (code(&relation.child.short()), code(&relation.parent.short()));
        format!("{child} refers to {parent}, ON DELETE {}", relation.on_delete)
    });
    parts.push(list("Relations", relations));
    parts.push(list("Ways back", ways(incident).map(|line| text(&line))));
    parts.push(steps(&incident.steps));
    let timeline = incident.timeline.iter();
    let timeline = timeline.map(|it| format!("{}: {}", when(it.at), text(&it.what)));
    parts.push(list("Timeline", timeline));
    parts.push(list("Seen", incident.facts.iter().map(|it| text(&fact(it)))));
    parts.push(list("Sessions", incident.sessions.iter().map(|it| text(&session(it)))));
    let remembered = incident.statements.iter().map(|it| code(&statement(it)));
    parts.push(list("Statements that the server remembers", remembered));
    let runs = incident.runs.iter().map(|it| text(&run(it).replace('\n', ";")));
    parts.push(list("Runs of rowsafe", runs));
    parts.push(list("Not seen", incident.unseen.iter().map(|it| text(it))));
    parts
}

fn list(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("- {line}")).collect();
    if lines.is_empty() { String::new() } else { format!("## {title}\n\n{}", lines.join("\n")) }
}

fn explanations(found: &[Explanation]) -> String {
    let told = found.iter().map(|found| {
        let mut lines = vec![format!("**{}**: {}", found.likelihood.name(), text(&found.what))];
        lines.extend(found.speaks_for.iter().map(|it| format!("  - for: {}", text(it))));
        lines.extend(found.against.iter().map(|it| format!("  - against: {}", text(it))));
        lines.join("\n")
    });
    list("Why", told)
}

/// A checklist with boxes to tick.
fn steps(steps: &[Step]) -> String {
    let mut out = Vec::new();
    let mut phase = "";
    for step in steps {
        if step.phase != phase {
            out.push(format!("### {}\n", step.phase));
            phase = step.phase;
        }
        out.push(format!("- [ ] {}", text(&step.what)));
        for command in &step.commands {
            out.push(format!("  - {}", code(command)));
        }
    }
    if out.is_empty() { String::new() } else { format!("## What to do\n\n{}", out.join("\n")) }
}

/// Text in which nothing is Markdown, but for code spans that the text has itself.
fn text(text: &str) -> String {
    let mut out = String::new();
    let mut parts = clean(text).split('`').map(str::to_owned).collect::<Vec<_>>().into_iter();
    let mut at = 0;
    while let Some(part) = parts.next() {
        // A code span needs its end; a lone backtick is a letter.
        if at % 2 == 1 && parts.len() > 0 {
            out.push_str(&code(&part));
        } else if at % 2 == 1 {
            out.push_str(&["\\`", &escaped(&part)].concat());
        } else {
            out.push_str(&escaped(&part));
        }
        at += 1;
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_{}[]<>#|~!&".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A code span that holds any text, backticks too, and ends no cell of a table.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A blank keeps a backtick at the edge apart from the fence.
    let blank =
        if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    [&fence, blank, &text, blank, &fence].concat()
}

#[cfg(test)]
mod tests {
    use super::{code, text};

    #[test]
    fn names_end_no_cell_and_no_span() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code("a\nb"), "`a\\nb`");
        assert_eq!(text("`t|1` is *gone* <b>"), "`t\\|1` is \\*gone\\* \\<b\\>");
        assert_eq!(text("a ` b | c"), "a \\` b \\| c");
        assert_eq!(text("# [x](y)"), "\\# \\[x\\](y)");
    }
}
