//! What `--sql` printed: the SQL of each revision, without Alembic's bookkeeping and without the
//! application's prose.
//!
//! Nothing that could be SQL is dropped. PostgreSQL's statements begin with words of a closed set,
//! so a line at a statement's boundary that begins with none of them, and holds nothing that looks
//! like a statement either, is prose. What can't be told apart stays in the text, with a doubt.

use std::sync::LazyLock;

use regex::Regex;

use super::command::Direction;

/// What was printed, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// SQL in front of the first revision, such as a `SET` of env.py.
    pub preamble: String,
    /// One for each revision, in the order in which they run.
    pub sections: Vec<Section>,
    /// Doubts about the preamble.
    pub doubts: Vec<String>,
    /// What Alembic said after `FAILED:`.
    pub failure: Option<String>,
}

/// The SQL of one revision.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Up or down.
    pub direction: Direction,
    /// The revisions on the left of the arrow.
    pub from: Vec<String>,
    /// The revisions on the right of the arrow.
    pub to: Vec<String>,
    /// The SQL.
    pub text: String,
    /// Whether the version table was moved on, which Alembic does when the revision's end is reached.
    pub is_complete: bool,
    /// Why the text may not be what will run.
    pub doubts: Vec<String>,
}

impl Section {
    /// The revision that runs: the right side of an upgrade, the left side of a downgrade.
    pub fn revision(&self) -> &str {
        let ids = match self.direction {
            Direction::Upgrade => &self.to,
            Direction::Downgrade => &self.from,
        };
        ids.first().map_or("", String::as_str)
    }
}

/// Takes apart what was printed; `is_known` says which identifiers are revisions of the project.
pub(super) fn parse(stdout: &str, is_known: &dyn Fn(&str) -> bool) -> Output {
    let stdout = stdout.replace("\r\n", "\n");
    let mut output = Output::default();
    let mut start = 0;
    let mut head: Option<Section> = None;
    for found in HEADER.captures_iter(&stdout) {
        let whole = found.get(0).expect("group 0 is the match");
        let section = section(&found);
        // A comment of the same form in somebody's SQL names no revision of the project. A revision
        // without a file is printed as Alembic prints every header, with an empty line behind it.
        let is_own_line = stdout[..whole.start()].ends_with('\n') || whole.start() == 0;
        let stands_alone = is_own_line && stdout[whole.end()..].starts_with("\n\n");
        if !stands_alone && !is_known(section.revision()) {
            continue;
        }
        let chunk = chunk(&stdout[start..whole.start()], head.as_ref(), is_known);
        output.take(head.replace(section), chunk);
        start = whole.end();
    }
    let chunk = chunk(&stdout[start..], head.as_ref(), is_known);
    output.take(head, chunk);
    output
}

/// `-- Running upgrade a, b -> c`, wherever it ends a line: prose without a line break may be in
/// front of it.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)-- Running (upgrade|downgrade) ([^\n]*?) ?-> ?([^\n]*)$").expect("is valid")
});

/// The name of the version table, quoted where needed.
const TABLE: &str = r#"(?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))?"#;

static INSERT: LazyLock<Regex> = LazyLock::new(|| {
    bookkeeping(
        r"INSERT INTO ({T}) \(version_num\) VALUES \('([^']+)'\)(?: RETURNING {T}\.version_num)?",
    )
});
static UPDATE: LazyLock<Regex> = LazyLock::new(|| {
    bookkeeping(r"UPDATE ({T}) SET version_num='([^']+)' WHERE ({T})\.version_num = '([^']+)'")
});
static DELETE: LazyLock<Regex> =
    LazyLock::new(|| bookkeeping(r"DELETE FROM ({T}) WHERE ({T})\.version_num = '([^']+)'"));
static CREATE: LazyLock<Regex> = LazyLock::new(|| {
    bookkeeping(
        r"CREATE TABLE {T} \(\s+version_num VARCHAR\(\d+\) NOT NULL(?:,\s+CONSTRAINT \S+ PRIMARY KEY \(version_num\))?\s*\)",
    )
});
static DROP: LazyLock<Regex> = LazyLock::new(|| bookkeeping("DROP TABLE ({T})"));

fn bookkeeping(pattern: &str) -> Regex {
    Regex::new(&format!("^{};$", pattern.replace("{T}", TABLE))).expect("is valid")
}

/// A stretch of output between two headers.
#[derive(Debug, Default)]
struct Chunk {
    text: String,
    is_complete: bool,
    doubts: Vec<String>,
    failure: Option<String>,
}

impl Output {
    fn take(&mut self, head: Option<Section>, chunk: Chunk) {
        self.failure = chunk.failure.or(self.failure.take());
        let text = chunk.text.trim().to_owned();
        if let Some(mut section) = head {
            section.text = text;
            section.is_complete = chunk.is_complete;
            section.doubts = chunk.doubts;
            self.sections.push(section);
        } else {
            self.preamble = text;
            self.doubts = chunk.doubts;
        }
    }
}

fn section(found: &regex::Captures<'_>) -> Section {
    let ids = |text: &str| -> Vec<String> {
        text.split(", ").map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    };
    let (from, to) = (ids(&found[2]), ids(&found[3]));
    let direction = if &found[1] == "upgrade" { Direction::Upgrade } else { Direction::Downgrade };
    Section { direction, from, to, text: String::new(), is_complete: false, doubts: Vec::new() }
}

fn chunk(text: &str, head: Option<&Section>, is_known: &dyn Fn(&str) -> bool) -> Chunk {
    let mut chunk = Chunk::default();
    let mut version_table = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return chunk;
        }
        let line = rest.lines().next().unwrap_or(rest);
        let kind = classify(line, rest);
        let length = match kind {
            Line::Prose => line.len(),
            Line::Failure => {
                let length = failure_length(rest);
                chunk.failure = Some(one_line(&rest[..length]));
                length
            }
            Line::Words => {
                chunk.doubt(line);
                // Ended, so that the statement behind it is read on its own.
                chunk.keep(&format!("{};", line.trim_end()));
                line.len()
            }
            Line::Mixed(prose) => {
                chunk.doubt(line);
                prose
            }
            Line::Sql { is_odd } => {
                if is_odd {
                    chunk.doubt(line);
                }
                let (length, is_closed) = statement(rest);
                let sql = &rest[..length];
                let is_between = head.is_none() || chunk.is_complete;
                let is_frame = is_between && matches!(sql, "BEGIN;" | "COMMIT;");
                if !is_frame && !is_bookkeeping(sql, head, is_known, &mut version_table, &mut chunk)
                {
                    chunk.keep(sql);
                    if !is_closed {
                        chunk.doubts.push("its rendering ends within a statement".to_owned());
                    }
                }
                length
            }
        };
        rest = &rest[length..];
    }
}

impl Chunk {
    fn keep(&mut self, sql: &str) {
        self.text.push_str(sql.trim_end());
        self.text.push_str("\n\n");
    }

    fn doubt(&mut self, line: &str) {
        let line: String = line.chars().take(60).collect();
        self.doubts.push(format!("words stand between the SQL it printed: `{}`", line.trim()));
    }
}

/// Whether Alembic itself wrote the statement to move its version table.
fn is_bookkeeping(
    sql: &str,
    head: Option<&Section>,
    is_known: &dyn Fn(&str) -> bool,
    version_table: &mut Option<String>,
    chunk: &mut Chunk,
) -> bool {
    if sql.len() > 1000 {
        return false;
    }
    if CREATE.is_match(sql) {
        return true;
    }
    let Some(head) = head else { return false };
    let is_known = |id: &str| is_known(id) || head.from.iter().chain(&head.to).any(|own| own == id);
    if let Some(found) = DROP.captures(sql) {
        let is_base = head.direction == Direction::Downgrade && head.to.is_empty();
        return is_base && chunk.is_complete && version_table.as_deref() == Some(&found[1]);
    }
    let table = if let Some(found) = INSERT.captures(sql).filter(|f| is_known(&f[2])) {
        found[1].to_owned()
    } else if let Some(found) = UPDATE.captures(sql)
        && is_known(&found[2])
        && is_known(&found[4])
        && found[3] == found[1]
    {
        found[1].to_owned()
    } else if let Some(found) = DELETE.captures(sql).filter(|f| is_known(&f[3]) && f[1] == f[2]) {
        found[1].to_owned()
    } else {
        return false;
    };
    *version_table = Some(table);
    chunk.is_complete = true;
    true
}

enum Line {
    /// A statement begins; an odd one may be prose that begins like one.
    Sql { is_odd: bool },
    /// Nothing that could be SQL.
    Prose,
    /// Could be either, and stands alone.
    Words,
    /// Prose without a line break, then at this byte a statement.
    Mixed(usize),
    /// Alembic says why it failed.
    Failure,
}

/// A line of a logger: always ended by a line break, so no SQL hides in it.
static LOG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[\[(]?\d{4}-\d\d-\d\d[T ][^ ]*[\])]?[ ,:|-]+)?\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL)\]?[ :|-]",
    )
    .expect("is valid")
});

/// Something that can only be a destructive or defining statement, anywhere in a line.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:(?:alter|create|drop|truncate|comment on|reindex|lock) (?:or replace |unique |global |temp |temporary |unlogged |materialized |foreign |event |if )?(?:table|type|domain|schema|column|index|view|sequence|function|procedure|trigger|extension|database|role|policy|server|rule|owned)|delete from|insert into|merge into|truncate|reassign owned|update \S+ set|do \$|grant \w+ on|revoke \w+ on)\b",
    )
    .expect("is valid")
});

/// The same at the start of a line.
static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!("^(?:{})", STATEMENT.as_str().replacen("(?i)\\b", "(?i:", 1) + ")"))
        .expect("is valid")
});

/// Words that start a statement of PostgreSQL (SQL Commands), with what must follow; empty when
/// anything may.
const STARTS: &[(&str, &[&str])] = &[
    ("abort", &[]),
    ("alter", &[]),
    ("analyze", &[]),
    ("begin", &[]),
    ("call", &[]),
    ("checkpoint", &[]),
    ("close", &[]),
    ("cluster", &[]),
    ("comment", &["on"]),
    ("commit", &[]),
    ("copy", &[]),
    ("create", &[]),
    ("deallocate", &[]),
    ("declare", &[]),
    ("delete", &["from"]),
    ("discard", &["all", "plans", "sequences", "temp", "temporary"]),
    ("do", &[]),
    ("drop", &[]),
    ("end", &[]),
    ("execute", &[]),
    ("explain", &[]),
    ("fetch", &[]),
    ("grant", &[]),
    ("import", &["foreign"]),
    ("insert", &["into"]),
    ("listen", &[]),
    ("load", &[]),
    ("lock", &[]),
    ("merge", &["into"]),
    ("move", &[]),
    ("notify", &[]),
    ("perform", &[]),
    ("prepare", &[]),
    ("reassign", &["owned"]),
    ("refresh", &["materialized"]),
    ("reindex", &[]),
    ("release", &[]),
    ("reset", &[]),
    ("return", &[]),
    ("revoke", &[]),
    ("rollback", &[]),
    ("savepoint", &[]),
    ("security", &["label"]),
    ("select", &[]),
    ("set", &[]),
    ("show", &[]),
    ("start", &["transaction"]),
    ("table", &[]),
    ("truncate", &[]),
    ("unlisten", &[]),
    ("update", &[]),
    ("vacuum", &[]),
    ("values", &[]),
    ("with", &[]),
];

fn classify(line: &str, rest: &str) -> Line {
    let is_sql = Line::Sql { is_odd: false };
    if line.starts_with("FAILED: ") {
        return Line::Failure;
    }
    if line.starts_with("--") || line.starts_with("/*") || line.starts_with(['(', '\\', ';', '"']) {
        return is_sql;
    }
    if LOG.is_match(line) {
        return Line::Prose;
    }
    let next = rest[line.len()..].trim_start().lines().next().unwrap_or_default();
    let is_alone = !line.contains(';') && (next.is_empty() || OPENING.is_match(next));
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let first = words.next().unwrap_or_default().to_lowercase();
    let Some((_, follow)) = STARTS.iter().find(|(start, _)| *start == first) else {
        return match STATEMENT.find(line) {
            None => Line::Prose,
            Some(_) if is_alone => Line::Words,
            Some(found) => Line::Mixed(found.start()),
        };
    };
    let second = words.find(|word| !word.is_empty()).unwrap_or_default().to_lowercase();
    let is_odd = !second.is_empty() && !follow.is_empty() && !follow.contains(&second.as_str());
    // "Update complete", and then a statement.
    let is_wordy = line.chars().all(|c| c.is_alphanumeric() || " _.,:!'…-".contains(c));
    if is_alone && (is_odd || is_wordy) { Line::Words } else { Line::Sql { is_odd } }
}

/// Alembic wraps its message to the width of the terminal; SQL behind it is not part of it.
fn failure_length(text: &str) -> usize {
    let is_part = |line: &&str| !line.trim().is_empty() && !OPENING.is_match(line);
    text.split_inclusive('\n').take_while(is_part).map(str::len).sum()
}

fn one_line(text: &str) -> String {
    let text = text.trim_start().trim_start_matches("FAILED: ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The length of the statement at the front, and whether its semicolon was found.
fn statement(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return (at + 1, true),
            b'-' if bytes[at..].starts_with(b"--") => {
                let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
                if text[..at].trim().is_empty() {
                    // A comment of its own.
                    return (end, true);
                }
                at = end;
            }
            b'\\' if at == 0 => {
                let end = text.find('\n').unwrap_or(text.len());
                return (end, true);
            }
            b'/' | b'\'' | b'"' | b'$' => at = past(text, at),
            _ => at += 1,
        }
    }
    (text.len(), false)
}

/// The index behind the literal or comment that starts here, or behind this one byte.
fn past(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let end_of = |needle: &str, from: usize| {
        text[from..].find(needle).map_or(text.len(), |n| from + n + needle.len())
    };
    match bytes[at] {
        b'\'' => {
            let is_escaped = at > 0
                && matches!(bytes[at - 1], b'e' | b'E')
                && (at < 2 || !bytes[at - 2].is_ascii_alphanumeric() && bytes[at - 2] != b'_');
            let mut at = at + 1;
            while at < bytes.len() {
                match bytes[at] {
                    b'\\' if is_escaped => at += 2,
                    b'\'' => return at + 1,
                    _ => at += 1,
                }
            }
            text.len()
        }
        b'"' => end_of("\"", at + 1),
        b'/' if bytes[at..].starts_with(b"/*") => {
            let (mut depth, mut at) = (1usize, at + 2);
            while depth > 0 && at < bytes.len() {
                match &bytes[at..] {
                    [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                    [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
            }
            at
        }
        b'$' => {
            let name = text[at + 1..]
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .map(|n| &text[at..at + n + 2])
                .filter(|tag| {
                    tag.ends_with('$') && !tag[1..].starts_with(|c: char| c.is_ascii_digit())
                });
            let is_word =
                at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
            match name {
                Some(tag) if !is_word => end_of(tag, at + tag.len()),
                _ => at + 1,
            }
        }
        _ => at + 1,
    }
}

/// The SQL with its literals and comments blanked, to search it for what stands outside them.
pub(super) fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut at, mut out) = (0, String::with_capacity(text.len()));
    while at < bytes.len() {
        let end = match bytes[at] {
            b'-' if bytes[at..].starts_with(b"--") => {
                text[at..].find('\n').map_or(text.len(), |n| at + n)
            }
            b'/' | b'\'' | b'"' | b'$' => past(text, at),
            _ => at + text[at..].chars().next().map_or(1, char::len_utf8),
        };
        if end - at > 1
            && text.is_char_boundary(at)
            && matches!(bytes[at], b'-' | b'/' | b'\'' | b'"' | b'$')
        {
            out.push(' ');
        } else {
            out.push_str(&text[at..end]);
        }
        at = end;
    }
    out
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
