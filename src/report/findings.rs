//! Findings for a person: the fate of the rows, the lines that say so, and the way out.

use super::{facts, source};
use crate::finding::{Certainty, Finding, Severity};
use crate::loss::Count;
use crate::text::clean::{clean, no_command};
use crate::ui::style::Paint;

/// How wide a line may be; what is to be pasted may be wider.
pub(super) const WIDTH: usize = 80;

/// Lines of a statement that are shown where the file's own can't be.
const SHOWN_LINES: usize = 4;

/// Every finding, an empty line between two.
pub(super) fn all(findings: &[Finding]) -> String {
    let mut advised = false;
    let mut told = Vec::with_capacity(findings.len());
    for finding in findings {
        if !facts::is_open(finding) {
            told.push(short(finding));
            continue;
        }
        // What to do about a revision that can't be read is the same for each of them.
        let is_whole_script = finding.rule == "opaque" && finding.statement.is_empty();
        told.push(long(finding, !(is_whole_script && advised)));
        advised |= is_whole_script;
    }
    told.join("\n")
}

/// One or two lines for what needs no more agreement.
fn short(finding: &Finding) -> String {
    let mut out = headline(finding) + &arrow(finding);
    if let Some(allowance) = &finding.allowance {
        out.push_str(&row("reason", &clean(&allowance.reason)));
    }
    out + &goes_too(finding)
}

/// Everything about a finding that stops the run.
fn long(finding: &Finding, advises: bool) -> String {
    let mut out = headline(finding) + &arrow(finding) + &lines(finding);
    if let Some(Count::Unknown(why)) = finding.loss.as_ref().map(|loss| &loss.rows) {
        out.push_str(&row("unknown", &clean(why)));
    }
    out.push_str(&goes_too(finding));
    if advises && !finding.instead.is_empty() {
        out.push_str(&row("instead", &finding.instead));
    }
    // This line is to be pasted, so it stays one.
    out + "   = agree:    " + &clean(&agree(finding)) + "\n"
}

fn paint(finding: &Finding) -> Paint {
    match (&finding.allowance, finding.severity) {
        (Some(_), _) => Paint::Green,
        (None, Severity::Error) => Paint::Red,
        (None, Severity::Warning) => Paint::Yellow,
        (None, Severity::Note) => Paint::Bold,
    }
}

fn headline(finding: &Finding) -> String {
    let word = if finding.allowance.is_some() { "agreed" } else { finding.severity.name() };
    let name = format!("{word}[{}]", finding.rule);
    let mut lines = wrapped(&format!("{name}: {}", clean(&finding.message)), WIDTH);
    // Painted when the lines are broken: color takes no room in them.
    if let Some(rest) = lines[0].strip_prefix(&name) {
        lines[0] = paint(finding).on(&name) + rest;
    }
    lines.into_iter().fold(String::new(), |out, line| out + &line + "\n")
}

/// `  --> migration.sql:2:1`.
fn arrow(finding: &Finding) -> String {
    let Some(path) = facts::whereabouts(&finding.place) else { return String::new() };
    let position = finding.place.position.map(|at| format!(":{}:{}", at.line, at.column));
    format!("  --> {}{}\n", clean(path), position.unwrap_or_default())
}

/// The lines of the file with the statement marked; the statement alone where its place in the
/// file is a guess.
fn lines(finding: &Finding) -> String {
    if let (Some(snippet), Some(start)) = (&finding.snippet, finding.place.position) {
        return source::annotated(start, snippet, &label(finding), paint(finding));
    }
    let mut out = String::new();
    if !finding.statement.is_empty() {
        out.push_str("   |\n");
        for line in finding.statement.lines().take(SHOWN_LINES) {
            out.push_str(&["   |  ", &clip(&source::flat(line, 0)), "\n"].concat());
        }
        if finding.statement.lines().count() > SHOWN_LINES {
            out.push_str("   |  …\n");
        }
        out.push_str("   |\n");
    }
    out
}

/// What stands beside the mark: what was counted, or why nothing could be.
fn label(finding: &Finding) -> String {
    match (&finding.loss, finding.certainty) {
        (Some(loss), _) => match (&loss.rows, &loss.values) {
            (Count::Exact(0), values) if values.number() != Some(0) => values.said("value"),
            (rows, _) => rows.said("row"),
        },
        (None, Certainty::Certain) => String::new(),
        (None, Certainty::DependsOnData) => "depends on the rows that are there".to_owned(),
        (None, Certainty::Unknown) => "nobody can tell before it runs".to_owned(),
    }
}

/// What to write to agree to it: in the file, or on the command line where there is no line for it.
fn agree(finding: &Finding) -> String {
    let path = facts::file(&finding.place);
    let is_python = path.is_some_and(|path| {
        std::path::Path::new(path).extension().is_some_and(|extension| extension == "py")
    });
    let (rule, object) = (finding.rule, named(finding));
    // What is about a whole file has no line to stand on.
    if path.is_none() || (finding.statement.is_empty() && finding.snippet.is_none()) {
        let text = format!("{rule} {object}: why it is safe");
        return format!("--allow {}", shell_words::quote(&text));
    }
    let mark = if is_python { "#" } else { "--" };
    format!("{mark} rowsafe: allow[{rule}] {object}: why it is safe")
}

/// The object as an agreement may name it: quotes don't count there, and keep together what a blank
/// or a colon would end.
fn named(finding: &Finding) -> String {
    let object = finding.object.to_string();
    if object.contains(|c: char| c.is_whitespace() || c == ':') {
        format!("\"{}\"", object.replace('"', ""))
    } else {
        object
    }
}

fn goes_too(finding: &Finding) -> String {
    const SHOWN: usize = 12;
    let through = finding.loss.as_ref().map_or(&[][..], |loss| &loss.through);
    let mut rows: Vec<String> =
        through.iter().take(SHOWN).map(|line| row("goes too", &clean(line))).collect();
    if through.len() > SHOWN {
        rows.push(row("goes too", &format!("{} more", through.len() - SHOWN)));
    }
    rows.concat()
}

/// `   = instead:  text`, further lines under the first.
fn row(label: &str, text: &str) -> String {
    const INDENT: usize = 15;
    let lines = text.lines().flat_map(|line| wrapped(&clean(line), WIDTH - INDENT));
    let mut out = String::new();
    for (index, line) in lines.enumerate() {
        let head = if index == 0 { format!("   = {label}:") } else { String::new() };
        out.push_str(format!("{head:INDENT$}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// The text broken at spaces, no line of it a command; a line that starts with spaces is code and
/// stays whole.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    broken(text, width).into_iter().map(no_command).collect()
}

fn broken(text: &str, width: usize) -> Vec<String> {
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

fn clip(line: &str) -> String {
    const WIDTH: usize = 73;
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}
