//! Migration files that hold both ways: up and down in one file, told apart by marker comments, or
//! in two files, told apart by their names.
//!
//! A part is left out only where a tool surely leaves it out: the marker as the tool wants it, its
//! counterpart in the same file, no other tool's markers beside it. In doubt everything counts.

use std::path::{Path, PathBuf};

use super::alembic::Direction;

/// The tools that tell the two ways apart by comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Dbmate,
    Goose,
    SqlMigrate,
    NodePgMigrate,
}

/// What the text of a file holds for one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The file has no markers: all of it is for going up.
    Whole(String),
    /// The markers say what counts; the rest is blank, so that places stay those of the file.
    Marked(String),
}

/// Which way a file goes, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Only up: its counterpart goes down.
    Up,
    /// Only down.
    Down,
    /// The name does not say; markers may.
    Unsaid,
}

/// Blanks what is for the other direction; line ends stay, and so does every byte's place.
pub fn only(text: String, direction: Direction) -> Part {
    let marks = marks(&text);
    let Some((_, dialect, _)) = marks.first() else { return Part::Whole(text) };
    let is_mixed = marks.iter().any(|(_, other, _)| other != dialect);
    let has_up = marks.iter().any(|(_, _, way)| *way == Direction::Upgrade);
    if is_mixed || !has_up {
        return Part::Whole(text);
    }
    // What stands before the first marker counts both ways.
    let ends = marks.iter().skip(1).map(|(start, _, _)| *start).chain([text.len()]);
    let others: Vec<(usize, usize)> = marks
        .iter()
        .zip(ends)
        .filter(|((_, _, way), _)| *way != direction)
        .map(|((start, _, _), end)| (*start, end))
        .collect();
    let mut bytes = text.into_bytes();
    for (start, end) in others {
        for byte in &mut bytes[start..end] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    Part::Marked(String::from_utf8(bytes).expect("whole lines became spaces"))
}

/// Which way a file goes by its name, where `exists` can say whether its counterpart is there.
///
/// A name that merely ends in `down` is not enough: without its counterpart it is a file like any
/// other. Flyway's undo migrations are named too peculiarly to be anything else.
pub fn way(path: &Path, exists: impl Fn(&Path) -> bool) -> Way {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Way::Unsaid };
    if flyway(name).is_some_and(|(kind, _)| kind == 'U') {
        return Way::Down;
    }
    let other = |name: String| -> PathBuf { path.with_file_name(name) };
    let pairs = [(".up.sql", ".down.sql"), ("-up.sql", "-down.sql")];
    for (up, down) in pairs {
        if let Some(stem) = name.strip_suffix(down) {
            let has_other = exists(&other(format!("{stem}{up}")));
            return if has_other { Way::Down } else { Way::Unsaid };
        }
        if let Some(stem) = name.strip_suffix(up) {
            let is_sure = up == ".up.sql" || exists(&other(format!("{stem}{down}")));
            return if is_sure { Way::Up } else { Way::Unsaid };
        }
    }
    match name {
        "down.sql" if exists(&other("up.sql".to_owned())) => Way::Down,
        "up.sql" => Way::Up,
        _ => Way::Unsaid,
    }
}

/// Flyway's `V1_2__name.sql`: the letter and the numbers of the version.
pub fn flyway(name: &str) -> Option<(char, Vec<u64>)> {
    let kind = name.chars().next().filter(|kind| matches!(kind, 'V' | 'U' | 'R' | 'B'))?;
    let (version, rest) = name[1..].split_once("__")?;
    let is_sql = Path::new(rest).extension().is_some_and(|end| end.eq_ignore_ascii_case("sql"));
    if !is_sql || (version.is_empty() != (kind == 'R')) {
        return None;
    }
    let parts = version.split(['.', '_']).filter(|part| !part.is_empty());
    let numbers: Option<Vec<u64>> = parts.map(|part| part.parse().ok()).collect();
    numbers.map(|numbers| (kind, numbers))
}

/// Every marker: where its line starts, whose it is, which way leads on from it.
fn marks(text: &str) -> Vec<(usize, Dialect, Direction)> {
    let mut marks = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text.as_bytes()[start..]);
        let end = end.map_or(text.len(), |length| start + length + 1);
        if let Some((dialect, way)) = mark(&text[start..end]) {
            marks.push((start, dialect, way));
        }
        start = end;
    }
    marks
}

/// The marker of a line. Each tool is as particular as its source has it.
fn mark(line: &str) -> Option<(Dialect, Direction)> {
    let line = line.trim_start_matches('\u{feff}').trim_end();
    let comment = line.trim_start().strip_prefix("--")?;
    let is_indented = !line.starts_with("--");
    let words: Vec<&str> = comment.split_whitespace().take(2).collect();
    let both = |dialect, up: bool, down: bool| match (up, down) {
        (true, _) => Some((dialect, Direction::Upgrade)),
        (_, true) => Some((dialect, Direction::Downgrade)),
        _ => None,
    };
    match words.as_slice() {
        _ if is_indented => {}
        ["migrate:up", ..] => return Some((Dialect::Dbmate, Direction::Upgrade)),
        ["migrate:down", ..] => return Some((Dialect::Dbmate, Direction::Downgrade)),
        ["+goose", way] => return both(Dialect::Goose, *way == "Up", *way == "Down"),
        ["+migrate", way] if comment.starts_with(' ') => {
            return both(Dialect::SqlMigrate, *way == "Up", *way == "Down");
        }
        _ => {}
    }
    let rest = comment.trim_start_matches(|c: char| c.is_whitespace() || c == '-');
    let way_of = |word: &str| {
        let head = rest.get(..word.len())?;
        let after = &rest[word.len()..];
        let is_migration = after.starts_with(char::is_whitespace)
            && after.trim_start().get(..9).is_some_and(|it| it.eq_ignore_ascii_case("migration"));
        (head.eq_ignore_ascii_case(word) && is_migration).then_some(())
    };
    both(Dialect::NodePgMigrate, way_of("up").is_some(), way_of("down").is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Direction, Part, Way, flyway, only, way};

    /// What is left of a text, white space aside; places must not have moved.
    fn left(text: &str, direction: Direction) -> String {
        let (Part::Whole(kept) | Part::Marked(kept)) = only(text.to_owned(), direction);
        assert_eq!(kept.len(), text.len());
        assert_eq!(kept.lines().count(), text.lines().count());
        for (kept, written) in kept.lines().zip(text.lines()) {
            assert!(kept == written || kept.trim().is_empty(), "{kept}");
        }
        let statements = kept.lines().filter(|line| !line.trim_start().starts_with("--"));
        statements.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_tool_has_its_markers() {
        for (up, down) in [
            ("-- migrate:up", "-- migrate:down"),
            ("--migrate:up transaction:false", "-- migrate:down"),
            ("-- +goose Up", "-- +goose Down"),
            ("-- +migrate Up notransaction", "-- +migrate Down"),
            ("-- Up Migration", "-- Down Migration"),
            ("  ---- UP  migration", "-- down migration of é"),
        ] {
            let text = format!("{up}\r\nCREATE é;\r\n{down}\r\nDROP é;\r\n");
            assert_eq!(left(&text, Direction::Upgrade), "CREATE é;", "{up}");
            assert_eq!(left(&text, Direction::Downgrade), "DROP é;", "{up}");
            let text = format!("SELECT 0;\n{down}\nDROP 1;\n{up}\nCREATE 1;\n");
            assert_eq!(left(&text, Direction::Upgrade), "SELECT 0; CREATE 1;", "{up}");
        }
    }

    #[test]
    fn in_doubt_everything_counts() {
        for text in [
            "SELECT 1;\nDROP 1;",
            "SELECT 1;\n-- migrate:down\nDROP 1;",
            "-- migrate:up\nSELECT 1;\n-- +goose Down\nDROP 1;",
            "-- +goose Up\nSELECT 1;\n-- +goose down\nDROP 1;",
            "-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\nDROP 1;",
            "-- migrate:up\nSELECT 1;\n  -- migrate:down\nDROP 1;",
            "-- migrate:up\nSELECT 1;\n-- migrate:downward\nDROP 1;",
            "-- Up Migration\nSELECT 1;\n-- Down the migration\nDROP 1;",
        ] {
            assert_eq!(left(text, Direction::Upgrade), "SELECT 1; DROP 1;", "{text}");
        }
    }

    #[test]
    fn names_say_the_way_where_the_counterpart_is_there() {
        let there = ["1_x.up.sql", "1_x.down.sql", "up.sql", "down.sql", "2-up.sql", "2-down.sql"];
        let exists = |path: &Path| there.contains(&path.to_str().unwrap());
        for (name, expected) in [
            ("1_x.up.sql", Way::Up),
            ("1_x.down.sql", Way::Down),
            ("up.sql", Way::Up),
            ("down.sql", Way::Down),
            ("2-down.sql", Way::Down),
            ("scale-up.sql", Way::Unsaid),
            ("scale-down.sql", Way::Unsaid),
            ("3_x.down.sql", Way::Unsaid),
            ("U1_1__undo.sql", Way::Down),
            ("V1_1__do.sql", Way::Unsaid),
            ("Users__all.sql", Way::Unsaid),
        ] {
            assert_eq!(way(Path::new(name), exists), expected, "{name}");
        }
        assert_eq!(way(Path::new("elsewhere/down.sql"), exists), Way::Unsaid);
    }

    #[test]
    fn flyways_versions_are_numbers() {
        assert_eq!(flyway("V1_10__x.sql"), Some(('V', vec![1, 10])));
        assert_eq!(flyway("V2024.01.02__x.sql"), Some(('V', vec![2024, 1, 2])));
        assert_eq!(flyway("R__views.sql"), Some(('R', vec![])));
        for name in ["V__x.sql", "R1__x.sql", "Vx__y.sql", "V1_x.sql", "V1__x.txt"] {
            assert_eq!(flyway(name), None, "{name}");
        }
    }
}
