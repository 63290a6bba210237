//! Command lines of psql: whether one runs certain files and nothing else.

use std::path::{Component, Path, PathBuf};

/// Options of one letter that take a value.
const SHORT_WITH_VALUE: &str = "dFhLopPRTUv";
/// Options of one letter that take none and run nothing.
const SHORT: &str = "1AabeEHlnqsStwWxXz0";
/// Long options that take a value.
const WITH_VALUE: [&str; 13] = [
    "dbname",
    "set",
    "variable",
    "host",
    "port",
    "username",
    "output",
    "log-file",
    "field-separator",
    "record-separator",
    "pset",
    "table-attr",
    "file",
];
/// Long options that take none and run nothing.
const ALONE: [&str; 10] = [
    "no-readline",
    "no-psqlrc",
    "quiet",
    "single-transaction",
    "echo-all",
    "echo-errors",
    "echo-queries",
    "no-password",
    "password",
    "tuples-only",
];
/// What makes of a shell's script more than one command, or words that are known only to the shell.
const SHELL: &[char] =
    &[';', '|', '&', '<', '>', '`', '\n', '(', ')', '{', '}', '*', '?', '~', '#'];

/// Whether a command is psql, by itself or as the one command of a shell's script, and runs exactly
/// these files in this order.
pub fn runs_only(words: &[String], files: &[PathBuf]) -> bool {
    match words {
        [shell, flags, script] if is_shell(shell, flags) => {
            let is_one = !script.contains(SHELL);
            let words = shell_words::split(script).ok().filter(|_| is_one);
            words.and_then(|words| read_files(&words)).is_some_and(|read| is_same(&read, files))
        }
        _ => read_files(words).is_some_and(|read| is_same(&read, files)),
    }
}

fn is_shell(program: &str, flags: &str) -> bool {
    matches!(program_name(program), "sh" | "bash" | "dash")
        && matches!(flags, "-c" | "-ec" | "-euc")
}

fn program_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn is_same(read: &[String], files: &[PathBuf]) -> bool {
    let plain = |path: &Path| -> PathBuf {
        path.components().filter(|part| *part != Component::CurDir).collect()
    };
    read.len() == files.len()
        && read.iter().zip(files).all(|(read, file)| plain(Path::new(read)) == plain(file))
}

/// The files that a psql command line runs; `None` where it runs anything else, or is not psql.
fn read_files(words: &[String]) -> Option<Vec<String>> {
    let words = if words.first()? == "exec" { &words[1..] } else { words };
    let (program, mut rest) = words.split_first()?;
    if program_name(program) != "psql" {
        return None;
    }
    let mut files = Vec::new();
    while let Some((word, behind)) = rest.split_first() {
        rest = behind;
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
            if ALONE.contains(&name) {
                continue;
            }
            if !WITH_VALUE.contains(&name) {
                return None;
            }
            let value = value.map(str::to_owned).or_else(|| next(&mut rest))?;
            if name == "file" {
                files.push(value);
            }
        } else if let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
            files.extend(of_letters(letters, &mut rest)?);
        }
    }
    Some(files)
}

/// The file that a group of short options names, if any; `None` where one of them is not known.
fn of_letters(letters: &str, rest: &mut &[String]) -> Option<Vec<String>> {
    for (at, letter) in letters.char_indices() {
        let is_file = letter == 'f';
        if is_file || SHORT_WITH_VALUE.contains(letter) {
            let attached = &letters[at + letter.len_utf8()..];
            let value = if attached.is_empty() { next(rest)? } else { attached.to_owned() };
            return Some(if is_file { vec![value] } else { Vec::new() });
        }
        if !SHORT.contains(letter) {
            return None;
        }
    }
    Some(Vec::new())
}

fn next(rest: &mut &[String]) -> Option<String> {
    let (value, behind) = rest.split_first()?;
    *rest = behind;
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::runs_only;

    fn check(line: &str, files: &[&str]) -> bool {
        let words = shell_words::split(line).unwrap();
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        runs_only(&words, &files)
    }

    #[test]
    fn psql_that_runs_the_files_runs_nothing_else() {
        for line in [
            "psql -f up.sql",
            "/usr/bin/psql -X -q -v ON_ERROR_STOP=1 -f ./up.sql postgresql://app@db/shop",
            "psql -qXf up.sql --dbname=shop",
            "psql --no-psqlrc --set ON_ERROR_STOP=on --file=up.sql",
            "sh -c 'exec psql -1 -vON_ERROR_STOP=1 -fup.sql \"$DATABASE_URL\"'",
        ] {
            assert!(check(line, &["up.sql"]), "{line}");
            assert!(!check(line, &["other.sql"]), "{line}");
            assert!(!check(line, &["up.sql", "more.sql"]), "{line}");
        }
        assert!(check("psql -f a.sql -f b.sql", &["a.sql", "b.sql"]));
        assert!(!check("psql -f b.sql -f a.sql", &["a.sql", "b.sql"]));
    }

    #[test]
    fn whatever_may_run_more_is_not_taken_for_that() {
        for line in [
            "psql -c 'DROP TABLE a' -f up.sql",
            "psql -f up.sql --command 'DROP TABLE a'",
            "psql --com='DROP TABLE a' -f up.sql",
            "sh -c 'psql -f up.sql && ./more'",
            "sh -c 'psql -f up.sql; ./more'",
            "sh -c 'psql -f up.sql < more.sql'",
            "sh -c 'psql -f up.sql $(./more)'",
            "./migrate up.sql",
            "psql",
        ] {
            assert!(!check(line, &["up.sql"]), "{line}");
        }
    }
}
