//! The lines that a finding speaks of, cut to what a person looks at.

use crate::finding::{Snippet, SourceLine};
use crate::script::Script;
use crate::sql::Statement;
use crate::text::Position;

/// Lines that are kept of a statement.
const LINES: usize = 6;
/// Characters that are kept in front of a statement, of it, and behind it, of one line.
const BEFORE: usize = 60;
const MARKED: usize = 160;
const AFTER: usize = 40;
/// Says that something was left out.
const LEFT_OUT: char = '…';

/// The lines of a statement; `None` where its span is not one of the file, as in rendered SQL.
pub(super) fn of(script: &Script, statement: &Statement) -> Option<Snippet> {
    let text = match (&script.source, &script.statements) {
        (Some(source), Some(_)) => source,
        (Some(_), None) => return None,
        (None, _) => &script.text,
    };
    let span = statement.span;
    let (before, rest) = text.split_at_checked(span.start)?;
    let (marked, after) = rest.split_at_checked(span.end.checked_sub(span.start)?)?;
    if marked.is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = lines(marked).take(LINES + 1).collect();
    let is_whole = parts.len() <= LINES;
    parts.truncate(LINES);
    let last = parts.len() - 1;
    let lines = parts.iter().enumerate().map(|(index, part)| SourceLine {
        before: if index == 0 { end_of(before) } else { String::new() },
        marked: start_of(part, MARKED),
        after: if index == last && is_whole { start_of(after, AFTER) } else { String::new() },
    });
    Some(Snippet { lines: lines.collect(), end: end(statement.position, marked) })
}

/// The lines of a text; LF, CR LF and a lone CR each end one, as in `LineMap`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let line = first_line(text);
        let behind = &text[line.len()..];
        rest = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix(['\r', '\n']));
        Some(line)
    })
}

fn first_line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or_default()
}

/// The end of the text's last line. No more is looked at: the line may be the whole file.
fn end_of(text: &str) -> String {
    let mut kept: Vec<char> =
        text.chars().rev().take_while(|c| !matches!(c, '\r' | '\n')).take(BEFORE + 1).collect();
    if kept.len() > BEFORE {
        kept[BEFORE] = LEFT_OUT;
    }
    // A mark of the byte order stands at the start of a file and is no character of its first line.
    kept.into_iter().rev().filter(|character| *character != '\u{feff}').collect()
}

/// The start of the text's first line; no more is looked at here either.
fn start_of(text: &str, longest: usize) -> String {
    let line = text.chars().take_while(|c| !matches!(c, '\r' | '\n'));
    let mut kept: String = line.take(longest + 1).collect();
    if let Some((cut, _)) = kept.char_indices().nth(longest) {
        kept.truncate(cut);
        kept.push(LEFT_OUT);
    }
    kept
}

/// Where a text ends that starts at `start`.
fn end(start: Position, text: &str) -> Position {
    let mut last = ("", 0);
    for line in lines(text) {
        last = (line, last.1 + 1);
    }
    let (line, count) = last;
    let column = if count == 1 { start.column } else { 1 };
    Position { line: start.line + count - 1, column: column + line.chars().count() }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::finding::Snippet;
    use crate::script::{Origin, Script};
    use crate::sql::{self, Statement, StatementKind};
    use crate::text::{Position, Span};

    /// Of the last statement of a SQL text.
    fn snippet(text: &str) -> Snippet {
        let script = Script::known(Origin::default(), text.to_owned());
        let statement = sql::split(text).pop().expect("there is a statement");
        of(&script, &statement).expect("its span is in the text")
    }

    fn parts(snippet: &Snippet) -> Vec<[&str; 3]> {
        let lines = snippet.lines.iter();
        lines.map(|line| [&*line.before, &*line.marked, &*line.after]).collect()
    }

    #[test]
    fn a_statement_stands_within_its_line() {
        let snippet = snippet("a;\r\n  SELECT 2; DROP TABLE é ; -- why");
        assert_eq!(parts(&snippet), [["  SELECT 2; ", "DROP TABLE é", " ; -- why"]]);
        assert_eq!(snippet.end, Position { line: 2, column: 25 });
    }

    #[test]
    fn a_long_statement_is_cut_and_its_end_is_known() {
        let snippet = snippet(&format!("DELETE\r\nFROM x{};", "\n-- y\nWHERE".repeat(10)));
        assert_eq!(snippet.lines.len(), super::LINES);
        assert_eq!(parts(&snippet)[1], ["", "FROM x", ""]);
        assert_eq!(snippet.end, Position { line: 22, column: 6 });
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let text =
            format!("{}SELECT '{}';{}", "SELECT 1; ".repeat(9), "x".repeat(999), " ".repeat(99));
        let line = &snippet(&text).lines[0];
        assert!(line.before.starts_with('…') && line.before.ends_with("SELECT 1; "), "{line:?}");
        assert!(line.marked.starts_with("SELECT 'xxx") && line.marked.ends_with("x…"), "{line:?}");
        assert!(line.after.starts_with(';') && line.after.ends_with(" …"), "{line:?}");
        let length = |text: &str| text.chars().count();
        assert_eq!(
            [length(&line.before), length(&line.marked), length(&line.after)],
            [61, 161, 41]
        );
    }

    #[test]
    fn python_is_shown_as_it_is_written_and_rendered_sql_not_at_all() {
        let source = "def upgrade():\n    op.drop_table('users')\n";
        let start = source.find("op").expect("is there");
        let statement = Statement {
            text: "DROP TABLE users".to_owned(),
            span: Span::new(start, start + "op.drop_table('users')".len()),
            position: Position { line: 2, column: 5 },
            kind: StatementKind::Sql,
            allows: Vec::new(),
        };
        let read = Script {
            source: Some(source.to_owned()),
            statements: Some(vec![statement.clone()]),
            ..Script::known(Origin::default(), String::new())
        };
        let found = of(&read, &statement).expect("its span is in the source");
        assert_eq!(parts(&found), [["    ", "op.drop_table('users')", ""]]);
        assert_eq!(found.end, Position { line: 2, column: 27 });
        let rendered = Script { statements: None, text: statement.text.clone(), ..read };
        assert_eq!(of(&rendered, &statement), None);
    }

    #[test]
    fn a_span_that_is_not_in_the_text_shows_nothing() {
        let script = Script::known(Origin::default(), "é".to_owned());
        let mut statement = sql::split("SELECT 1").remove(0);
        for (start, end) in [(0, 9), (1, 2), (2, 1), (0, 0)] {
            statement.span = Span::new(start, end);
            assert_eq!(of(&script, &statement), None);
        }
    }
}
