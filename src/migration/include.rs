//! psql's `\i` and `\ir`: the file that a script includes, where it is plain which one that is.

use std::path::{Path, PathBuf};

/// The file that a meta-command includes; `None` where it includes none, or nobody can tell which.
///
/// `\ir` is relative to the script. `\i` is relative to wherever psql is started, which is not
/// known here: it has to lie either in the working directory or beside the script, not in both.
/// A file outside of both folders is no part of the project, and is not looked at.
pub fn included(command: &str, script: &Path, directory: &Path) -> Option<PathBuf> {
    let (name, argument) = command.strip_prefix('\\')?.split_once(char::is_whitespace)?;
    let is_relative = match name {
        "ir" | "include_relative" => true,
        "i" | "include" => false,
        _ => return None,
    };
    let argument = literal(argument.trim())?;
    let beside = script.parent().unwrap_or(directory);
    let folders = if is_relative { vec![beside] } else { vec![directory, beside] };
    let inside = |path: &Path| {
        let roots = [directory, beside].into_iter().filter_map(|root| root.canonicalize().ok());
        roots.into_iter().any(|root| path.starts_with(root))
    };
    let mut found: Vec<PathBuf> = folders
        .iter()
        .map(|folder| folder.join(argument))
        .filter(|path| path.is_file())
        .filter_map(|path| path.canonicalize().ok())
        .filter(|path| inside(path))
        .collect();
    found.dedup();
    match found.as_slice() {
        [_] => folders.iter().map(|folder| folder.join(argument)).find(|path| path.is_file()),
        _ => None,
    }
}

/// A file's name without variables, backquotes or anything behind it.
fn literal(argument: &str) -> Option<&str> {
    let (bare, is_quoted) = match argument.strip_prefix('\'') {
        Some(rest) => (rest.strip_suffix('\'')?, true),
        None => (argument, false),
    };
    let is_odd = |c: char| match c {
        '\'' | '\\' => true,
        ':' | '`' | '"' => !is_quoted,
        c => c.is_whitespace() && !is_quoted,
    };
    (!bare.is_empty() && !bare.contains(is_odd)).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::included;

    #[test]
    fn only_what_is_plain_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        for path in ["project/db/a.sql", "project/db/b c.sql", "project/top.sql", "out.sql"] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::text::write_atomically(&path, b"").unwrap();
        }
        crate::text::write_atomically(&root.join("a.sql"), b"").unwrap();
        let script = root.join("db/main.sql");
        for (command, expected) in [
            ("\\ir a.sql", Some("db/a.sql")),
            ("\\include_relative 'b c.sql'", Some("db/b c.sql")),
            ("\\ir ../top.sql", Some("db/../top.sql")),
            ("\\i top.sql", Some("top.sql")),
            ("\\i db/a.sql", Some("db/a.sql")),
            ("\\i 'b c.sql'", Some("db/b c.sql")),
            ("\\i a.sql", None),
            ("\\ir top.sql", None),
            ("\\ir ../../out.sql", None),
            ("\\ir b c.sql", None),
            ("\\ir :file", None),
            ("\\ir `ls`", None),
            ("\\ir", None),
            ("\\o a.sql", None),
        ] {
            let expected = expected.map(|path| root.join(path));
            assert_eq!(included(command, &script, &root), expected, "{command}");
        }
    }
}
