//! Pages of the reference that are made from the program: rules and exit codes.

use super::findings::wrapped;
use super::json;
use crate::exit::Exit;
use crate::rules::{RULES, Rule};
use crate::ui::style::Paint;
use crate::ui::{Align, Table};

/// Every rule, as Markdown.
pub fn rules() -> String {
    let mut page = "# Rules\n\n\
        Generated from the program; `rowsafe explain RULE` says the same.\n\
        A rule's id is stable: allowances and reports name it.\n\
        What a finding says of your own tables, and how much they hold, is in the plan that \
        `rowsafe run` prints.\n"
        .to_owned();
    for rule in RULES {
        let head = ["\n## ", rule.id, "\n\n", rule.title, ".\n\n"].concat();
        page.push_str(&(head + &markdown(rule)));
    }
    page
}

/// A rule below its title, as Markdown.
pub(super) fn markdown(rule: &Rule) -> String {
    let mut text = ["**Lost:** ", rule.lost, "\n\n**Why:** ", rule.why, "\n"].concat();
    for (title, sql) in examples(rule) {
        text.push_str(&["\n", title, ":\n\n```sql\n", sql, "\n```\n"].concat());
    }
    text
}

/// A rule as plain text of 80 columns, for `rowsafe explain` and viewers without Markdown.
pub fn plain(rule: &Rule) -> String {
    let mut lines = Vec::new();
    for (label, text) in [("lost", rule.lost), ("why", rule.why)] {
        for (index, line) in wrapped(text, 72).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            lines.push(format!("{label:8}{line}"));
        }
    }
    for (title, sql) in examples(rule) {
        lines.extend([String::new(), title.to_lowercase() + ":"]);
        lines.extend(sql.lines().map(|line| format!("    {line}")));
    }
    lines.push(String::new());
    lines.push("agree, in the migration (-- in SQL, # in Python) or for one run:".to_owned());
    lines.push(format!("    -- rowsafe: allow[{}] OBJECT: why it is safe", rule.id));
    lines.push(format!("    --allow '{} OBJECT: why it is safe'", rule.id));
    lines.join("\n") + "\n"
}

/// What `rowsafe explain RULE` prints.
pub fn explained(rule: &Rule) -> String {
    [&Paint::Bold.on(rule.id), ": ", rule.title, "\n\n", &plain(rule)].concat()
}

/// What `rowsafe explain` prints: every rule in a line.
pub fn listed() -> String {
    let mut table = Table::new([Align::Left, Align::Left]);
    for rule in RULES {
        table.row([rule.id, rule.title]);
    }
    table.lines(100).join("\n") + "\n\nmore: rowsafe explain RULE\n"
}

/// A rule as JSON.
pub fn explained_json(rule: &Rule) -> String {
    json::text(&value(rule))
}

/// Every rule as JSON.
pub fn listed_json() -> String {
    json::text(&RULES.iter().map(value).collect::<Vec<_>>())
}

fn value(rule: &Rule) -> serde_json::Value {
    serde_json::json!({
        "id": rule.id,
        "title": rule.title,
        "lost": rule.lost,
        "why": rule.why,
        "example": rule.example,
        "safe": rule.safe,
    })
}

fn examples(rule: &Rule) -> impl Iterator<Item = (&'static str, &'static str)> {
    let examples = [("Found", rule.example), ("Loses nothing", rule.safe)];
    examples.into_iter().filter(|(_, sql)| !sql.is_empty())
}

/// Every exit code, as Markdown.
pub fn exit_codes() -> String {
    let mut page = "# Exit codes\n\n\
        Generated from the program.\n\
        The output format never changes the code; any other code is reserved and means failure.\n\
        The migration command's own code is in the report (`child.exit`).\n\n\
        | code | meaning |\n|---|---|\n"
        .to_owned();
    for exit in Exit::ALL {
        let code = exit.code().to_string();
        page.push_str(&["| ", &code, " | ", exit.meaning(), " |\n"].concat());
    }
    page
}
