//! Where a finding is: in the script itself, or, best effort, on the line of the migration file that
//! names the object.

use crate::finding::{Object, Place};
use crate::script::Script;
use crate::sql::Statement;
use crate::text::Position;

/// The place of a statement's finding.
pub(super) fn of(script: &Script, statement: &Statement, rule: &str, object: &Object) -> Place {
    let position = match &script.source {
        // A statement that was printed and that the file does not show has an empty span.
        Some(source) if script.statements.is_none() || statement.span.end == 0 => {
            search(source, rule, statement, object)
        }
        _ => Some(statement.position),
    };
    Place { position, ..of_script(script) }
}

/// The place of a finding about the whole script.
pub(super) fn of_script(script: &Script) -> Place {
    Place {
        path: script.origin.path.clone(),
        position: None,
        revision: script.origin.revision.clone(),
    }
}

/// How a rule's statements are written in Alembic's words and in SQL.
fn hints(rule: &str) -> &'static [&'static str] {
    match rule {
        "drop-table" | "recreate-table" => &["drop_table", "drop table"],
        "drop-column" => &["drop_column", "drop column"],
        "drop-type" => &["drop type", "drop domain", ".drop("],
        "drop-schema" => &["drop schema", "drop_schema"],
        "truncate" => &["truncate"],
        "delete" | "delete-all" => &["delete"],
        "update-all" | "update-overwrite" => &["update"],
        "narrow-type" => &["alter_column", " type "],
        "drop-partition" => &["detach", "no inherit"],
        "upsert-overwrite" => &["on_conflict_do_update", "insert"],
        _ => &[],
    }
}

fn search(source: &str, rule: &str, statement: &Statement, object: &Object) -> Option<Position> {
    let hints = hints(rule);
    let says_so = |line: &str| {
        let lower = line.to_lowercase();
        hints.iter().any(|hint| lower.contains(hint))
    };
    let is_call = |line: &str| line.contains("op.") || line.contains("execute");
    let find = |fits: &dyn Fn(&str) -> bool| {
        source.lines().position(|line| {
            !line.trim_start().starts_with('#') && has_word(line, &object.name) && fits(line)
        })
    };
    let line =
        find(&says_so).or_else(|| find(&is_call)).or_else(|| first_line_of(source, statement))?;
    let text = source.lines().nth(line)?;
    let indent = text.chars().take_while(|character| character.is_whitespace()).count();
    Some(Position { line: line + 1, column: indent + 1 })
}

/// The line that holds the statement's first line as it is, as in a literal given to `op.execute`.
fn first_line_of(source: &str, statement: &Statement) -> Option<usize> {
    let first = statement.text.lines().next()?.trim();
    if first.len() < 8 {
        return None;
    }
    source.lines().position(|line| line.contains(first))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && line.match_indices(word).any(|(at, _)| {
            !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
        })
}
