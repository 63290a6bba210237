//! `rowsafe: allow[rule] object rows<=n: reason`, in SQL comments, in Python comments, and as it is
//! written on the command line.

use crate::finding::{AllowComment, AllowText};
use crate::text::Position;

/// Reads `rule object rows<=n: reason`, the form of the command line.
pub fn allow_text(text: &str) -> Result<AllowText, String> {
    let text = text.trim();
    let (rule, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    agreement(rule, rest)
}

/// Reads every `# rowsafe: …` comment of a Python file.
///
/// Strings are passed over, so that SQL in them keeps its own comments to itself.
pub fn python_allows(source: &str) -> Vec<AllowComment> {
    let mut found = Vec::new();
    let mut open: Option<&str> = None;
    for (index, line) in source.split('\n').enumerate() {
        let Some(start) = python_comment(line, &mut open) else { continue };
        if let Some(parsed) = after_marker(line[start + 1..].trim_end()) {
            let column = line[..start].chars().count() + 1;
            found.push(AllowComment { position: Position { line: index + 1, column }, parsed });
        }
    }
    found
}

/// Reads an SQL comment; `None` where it does not speak to rowsafe.
pub(super) fn allow_comment(comment: &str) -> Option<Result<AllowText, String>> {
    let inner = match comment.strip_prefix("--") {
        Some(line) => line,
        None => comment.strip_prefix("/*")?.strip_suffix("*/")?,
    };
    after_marker(inner)
}

fn after_marker(comment: &str) -> Option<Result<AllowText, String>> {
    let comment = comment.trim_start_matches(['-', '#', '*', ' ', '\t']).trim_end();
    let head = comment.get(.."rowsafe:".len())?;
    if !head.eq_ignore_ascii_case("rowsafe:") {
        return None;
    }
    Some(bracketed(comment["rowsafe:".len()..].trim()))
}

fn bracketed(text: &str) -> Result<AllowText, String> {
    let shape = "write `rowsafe: allow[rule] object: reason`";
    let rest = text.strip_prefix("allow[").ok_or_else(|| shape.to_owned())?;
    let (rule, rest) = rest.split_once(']').ok_or_else(|| shape.to_owned())?;
    agreement(rule.trim(), rest)
}

fn agreement(rule: &str, rest: &str) -> Result<AllowText, String> {
    let is_rule = |rule: &str| {
        rule.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !rule.is_empty()
    };
    if !is_rule(rule) {
        return Err(format!("`{rule}` is no rule; rules are written like `drop-column`"));
    }
    let rest = rest.trim();
    let end = object_end(rest);
    let (object, rest) = (rest[..end].trim(), rest[end..].trim_start());
    if object.is_empty() {
        return Err(format!("say what `{rule}` is allowed for, such as `users.legacy_id`"));
    }
    let (bound, reason) =
        rest.split_once(':').ok_or_else(|| "say why, after a colon".to_owned())?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err("say why, after the colon".to_owned());
    }
    Ok(AllowText {
        rule: rule.to_owned(),
        object: object.to_owned(),
        max_rows: rows_bound(bound)?,
        reason: reason.to_owned(),
    })
}

/// An object ends at white space or a colon outside of double quotes.
fn object_end(text: &str) -> usize {
    let mut quoted = false;
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ':' if !quoted => return index,
            _ if character.is_whitespace() && !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

fn rows_bound(text: &str) -> Result<Option<u64>, String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.is_empty() {
        return Ok(None);
    }
    let number = compact.strip_prefix("rows<=").map(|number| number.replace([',', '_'], ""));
    match number.and_then(|number| number.parse().ok()) {
        Some(rows) => Ok(Some(rows)),
        None => Err(format!("`{}` is no bound; write `rows<=500`", text.trim())),
    }
}

/// Where the comment of a line starts; `open` is the quote of a string that spans lines.
fn python_comment<'a>(line: &'a str, open: &mut Option<&'a str>) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if let Some(quote) = *open {
            if bytes[at] == b'\\' {
                at += 2;
            } else if line.is_char_boundary(at) && line[at..].starts_with(quote) {
                at += quote.len();
                *open = None;
            } else {
                at += 1;
            }
            continue;
        }
        match bytes[at] {
            b'#' => return Some(at),
            quote @ (b'\'' | b'"') => {
                let is_triple = bytes[at..].starts_with(&[quote; 3]);
                let length = if is_triple { 3 } else { 1 };
                *open = Some(&line[at..at + length]);
                at += length;
            }
            _ => at += 1,
        }
    }
    // A string in single quotes ends with its line, unless a backslash joins the next one.
    if open.is_some_and(|quote| quote.len() == 1) && !line.trim_end().ends_with('\\') {
        *open = None;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{allow_comment, allow_text, python_allows};
    use crate::finding::AllowText;

    fn agreed(rule: &str, object: &str, max_rows: Option<u64>, reason: &str) -> AllowText {
        let (rule, object) = (rule.to_owned(), object.to_owned());
        AllowText { rule, object, max_rows, reason: reason.to_owned() }
    }

    #[test]
    fn the_command_line_and_comments_share_a_grammar() {
        let expect = agreed("drop-column", "users.legacy_id", Some(1_500), "see: JIRA-1");
        let text = "drop-column users.legacy_id rows<=1500: see: JIRA-1";
        assert_eq!(allow_text(text), Ok(expect.clone()));
        let comment = "-- rowsafe: allow[drop-column] users.legacy_id rows <= 1,500: see: JIRA-1";
        assert_eq!(allow_comment(comment), Some(Ok(expect)));
        let quoted = "/* rowsafe: allow[truncate] \"Odd: one\".t: empty */";
        assert_eq!(
            allow_comment(quoted),
            Some(Ok(agreed("truncate", "\"Odd: one\".t", None, "empty")))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = |text| allow_text(text).expect_err(text);
        insta::assert_snapshot!(why("Drop users: x"), @"`Drop` is no rule; rules are written like `drop-column`");
        insta::assert_snapshot!(why("truncate : x"), @"say what `truncate` is allowed for, such as `users.legacy_id`");
        insta::assert_snapshot!(why("truncate users"), @"say why, after a colon");
        insta::assert_snapshot!(why("truncate users: "), @"say why, after the colon");
        insta::assert_snapshot!(why("truncate users rows<5: x"), @"`rows<5` is no bound; write `rows<=500`");
        let comment = allow_comment("-- rowsafe: allow drop-table users").expect("is for rowsafe");
        assert!(comment.is_err());
        assert_eq!(allow_comment("-- rows are safe"), None);
    }

    #[test]
    fn comments_of_python_are_not_looked_for_in_strings() {
        let source = "a = '# rowsafe: allow[truncate] a: no'\n\
                      b = \"\"\"x\n# rowsafe: allow[truncate] b: no\n\"\"\"\n\
                      é = 'it\\'s'  # rowsafe: allow[truncate] c: yes\n";
        let found = python_allows(source);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].position.line, found[0].position.column), (5, 14));
        assert_eq!(found[0].parsed, Ok(agreed("truncate", "c", None, "yes")));
    }
}
