//! The lines of a migration file with the statement marked in them, as compilers show it.

use unicode_width::UnicodeWidthStr;

use crate::finding::{Snippet, SourceLine};
use crate::text::Position;
use crate::text::clean::clean;
use crate::ui::style::Paint;

/// Columns of a tab.
const TAB: usize = 4;

/// ```text
///    |
/// 18 |     op.drop_column("users", "legacy_id")
///    |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 480 values
///    |
/// ```
///
/// A statement of several lines has a line along its left side instead.
pub(super) fn annotated(start: Position, snippet: &Snippet, label: &str, paint: Paint) -> String {
    let last = start.line + snippet.lines.len().saturating_sub(1);
    let gutter = last.to_string().len().max(2);
    let side = |number: &str| Paint::Dim.on(&format!("{number:>gutter$} |"));
    let mut out = vec![side("")];
    if let [line] = snippet.lines.as_slice() {
        let (before, marked, after) = shown(line);
        let mark = " ".repeat(before.width()) + &paint.on(&"^".repeat(marked.width().max(1)));
        out.push(side(&start.line.to_string()) + " " + &(before + &marked + &after));
        out.push(side("") + " " + &mark + &labelled(label));
    } else {
        out.extend(long(start.line, snippet, label, &side, paint));
    }
    out.push(side(""));
    out.iter().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn long(
    first: usize,
    snippet: &Snippet,
    label: &str,
    side: &dyn Fn(&str) -> String,
    paint: Paint,
) -> Vec<String> {
    let mut out = Vec::new();
    for (index, line) in snippet.lines.iter().enumerate() {
        let (before, marked, after) = shown(line);
        let mark = paint.on(if index == 0 { "/" } else { "|" });
        out.push(format!("{} {mark} {before}{marked}{after}", side(&(first + index).to_string())));
    }
    let more = (snippet.end.line + 1).saturating_sub(first + snippet.lines.len());
    if more > 0 {
        out.push(format!("{} {} … {more} more", side(""), paint.on("|")));
    }
    out.push(format!("{} {}{}", side(""), paint.on("|_^"), labelled(label)));
    out
}

fn labelled(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" {}", clean(label)) }
}

/// The three parts as a terminal may have them: tabs as blanks, and nothing that moves the cursor.
fn shown(line: &SourceLine) -> (String, String, String) {
    let before = flat(&line.before, 0);
    let marked = flat(&line.marked, before.width());
    let after = flat(&line.after, before.width() + marked.width());
    (before, marked, after)
}

/// The text with each tab up to its next stop, counted from `column`.
pub(super) fn flat(text: &str, column: usize) -> String {
    let mut parts = text.split('\t');
    let mut out = clean(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(&" ".repeat(TAB - (column + out.width()) % TAB));
        out.push_str(&clean(part));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::annotated;
    use crate::finding::{Snippet, SourceLine};
    use crate::text::Position;
    use crate::ui::style::Paint;

    fn check(line: usize, lines: &[[&str; 3]], end: usize, label: &str) -> String {
        let lines = lines.iter().map(|[before, marked, after]| SourceLine {
            before: (*before).to_owned(),
            marked: (*marked).to_owned(),
            after: (*after).to_owned(),
        });
        let snippet = Snippet { lines: lines.collect(), end: Position { line: end, column: 1 } };
        let text = annotated(Position { line, column: 1 }, &snippet, label, Paint::Red);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn one_line_is_underlined() {
        insta::assert_snapshot!(
            check(18, &[["    ", "op.drop_column(\"users\", \"legacy_id\")", "  # gone"]], 18, "48,210 values"),
            @r#"
       |
    18 |     op.drop_column("users", "legacy_id")  # gone
       |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 48,210 values
       |
    "#
        );
    }

    #[test]
    fn tabs_and_wide_characters_are_counted_as_they_are_shown() {
        insta::assert_snapshot!(
            check(1204, &[["\t表 \t", "DROP TABLE 表\u{1b}[31m;", "\u{202e}"]], 1204, ""),
            @r#"
         |
    1204 |     表  DROP TABLE 表\u{1b}[31m;\u{202e}
         |         ^^^^^^^^^^^^^^^^^^^^^^^^
         |
    "#
        );
    }

    #[test]
    fn several_lines_have_a_line_beside_them() {
        insta::assert_snapshot!(
            check(9, &[["  ", "DELETE", ""], ["", "  FROM users", " -- all"]], 10, "every row"),
            @r#"
       |
     9 | /   DELETE
    10 | |   FROM users -- all
       | |_^ every row
       |
    "#
        );
        insta::assert_snapshot!(check(9, &[["", "DELETE", ""], ["", "FROM", ""]], 14, ""), @r#"
       |
     9 | / DELETE
    10 | | FROM
       | | … 4 more
       | |_^
       |
    "#);
    }
}
