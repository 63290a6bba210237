//! The plan for a person: every pending statement in its line, and what would be kept.

use super::findings::{WIDTH, wrapped};
use super::human::{GUTTER, labelled};
use crate::finding::{Finding, Severity};
use crate::loss::{Count, Loss};
use crate::record::{KeepSummary, PlannedStatement, Record, ScriptSummary};
use crate::text::clean::clean;
use crate::text::number::{bytes, plural};

/// Tables that are named among those that are kept.
const NAMED: usize = 4;

/// The statements, script by script.
pub fn statements(record: &Record) -> String {
    let mut out = String::new();
    for (index, script) in record.scripts.iter().enumerate() {
        out += "\n";
        out += &head(script);
        let of_script = record.statements.iter().filter(|statement| statement.script == index);
        for statement in of_script {
            out += &line(statement, &record.findings);
        }
        if script.statements == 0 {
            out += &labelled("", "no statement of it is known");
        }
    }
    out
}

fn head(script: &ScriptSummary) -> String {
    let mut text = clean(&script.name);
    if let Some(path) = script.path.as_deref().filter(|path| *path != script.name) {
        text = format!("{text}  {}", clean(path));
    }
    if script.knowledge != "known" {
        text = format!("{text}  {}", script.knowledge);
    }
    text + "\n"
}

/// The statement, cut to its line, and under it what goes.
fn line(statement: &PlannedStatement, findings: &[Finding]) -> String {
    let number = statement.line.map(|line| line.to_string()).unwrap_or_default();
    let room = WIDTH - GUTTER;
    let text = clean(&statement.text);
    let text = match text.char_indices().nth(room) {
        Some(_) => text.chars().take(room - 2).collect::<String>() + " …",
        None => text,
    };
    let mut out = format!("{number:>width$}  {text}\n", width = GUTTER - 2);
    for finding in statement.findings.iter().filter_map(|index| findings.get(*index)) {
        out += &fate(finding);
    }
    out
}

fn fate(finding: &Finding) -> String {
    let goes = finding.loss.as_ref().map(amount).unwrap_or_default();
    let agreed = match (&finding.allowance, finding.severity) {
        (Some(_), _) => ", agreed to",
        (None, Severity::Note) => "",
        (None, _) => ", to agree to",
    };
    let through = finding.loss.iter().flat_map(|loss| &loss.through);
    let mut parts = vec![format!("{} {}: {goes}{agreed}", finding.rule, finding.object)];
    parts.extend(through.cloned());
    let mut out = String::new();
    for part in parts {
        for (index, text) in wrapped(&clean(&part), WIDTH - GUTTER - 4).iter().enumerate() {
            let sign = if index == 0 { "└ " } else { "  " };
            out.extend([&" ".repeat(GUTTER), sign, text, "\n"]);
        }
    }
    out
}

/// How much goes, in words.
fn amount(loss: &Loss) -> String {
    let (rows, values) = (loss.rows.said("row"), loss.values.said("value"));
    match (loss.rows == Count::Exact(0), loss.values == Count::Exact(0)) {
        (true, true) => "nothing is there to lose".to_owned(),
        (false, true) => rows,
        (true, false) => values,
        (false, false) => format!("{rows}, {values}"),
    }
}

/// What a run would keep before it starts the command.
pub fn keep(record: &Record) -> String {
    let Some(keep) = &record.keep else { return String::new() };
    let named: Vec<String> =
        keep.tables.iter().take(NAMED).map(|(name, _)| clean(&name.short())).collect();
    let more = keep.tables.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let took = keep.seconds.map_or_else(String::new, |seconds| {
        format!(", about {:.0} s at the rate so far", seconds.max(1.0))
    });
    let text = match (keep.scope, keep.tables.is_empty()) {
        (_, true) => "the schema; no table is at risk".to_owned(),
        ("all", _) => format!(
            "every table: {}, {}{took}",
            plural(keep.tables.len() as u64, "table"),
            bytes(keep.bytes)
        ),
        _ => format!(
            "{} of {}: {}{more}; {}{took}",
            keep.tables.len(),
            plural(keep.of_tables as u64, "table"),
            named.join(", "),
            bytes(keep.bytes)
        ),
    };
    let mut out = labelled("keeps", &wrapped(&text, WIDTH - GUTTER).join("\n"));
    for why in &keep.why {
        out += &labelled("", &wrapped(&format!("because {why}"), WIDTH - GUTTER).join("\n"));
    }
    out + &space(keep)
}

/// Where the space may not be enough, it is said before anybody waits for a dump.
fn space(keep: &KeepSummary) -> String {
    match keep.free_space {
        Some(free) if free < keep.bytes => {
            let text = format!("{} free where snapshots are kept", bytes(free));
            labelled("", &text)
        }
        _ => String::new(),
    }
}
