//! Which files a person means: those named, those below a folder, those of a project's Alembic.
//!
//! Folders are walked as git sees them: hidden ones and what `.gitignore` names are left out. A
//! file that is named is read whatever it is called. Nothing that can't be looked at is passed
//! over: it comes back with the reason.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;

use crate::exit::Exit;
use crate::hint::Refusal;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path to open.
    pub path: PathBuf,
    /// The path to show: relative to the working directory where it lies below it.
    pub shown: String,
    /// It was named itself, not found in a folder.
    pub is_named: bool,
    /// Why it can't be looked at, where that is known already.
    pub problem: Option<String>,
}

/// Folders in which migrations often are.
const USUAL: [&str; 8] = [
    "migrations",
    "db/migrations",
    "db/migrate",
    "database/migrations",
    "prisma/migrations",
    "supabase/migrations",
    "sql",
    "src/main/resources/db/migration",
];

/// The migration files of these paths, those of each in the order of their names; a file once.
pub fn find(paths: &[PathBuf], directory: &Path) -> Result<Vec<Found>, Refusal> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        let full = directory.join(path);
        let metadata = std::fs::metadata(&full).map_err(|error| missing(path, &error))?;
        let mut files = if metadata.is_dir() {
            below(&full, directory)
        } else {
            vec![Found { is_named: true, ..of(&full, directory) }]
        };
        files.sort_by(|one, other| super::order::compare(&one.path, &other.path));
        found.extend(files.into_iter().filter(|file| seen.insert(tidy(&file.path))));
    }
    Ok(found)
}

/// The files that Alembic would take for revisions (`_only_source_rev_file` in its source).
pub fn revision_files(folders: &[PathBuf], is_recursive: bool, directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for folder in folders {
        let depth = if is_recursive { None } else { Some(1) };
        let mut walk = WalkBuilder::new(folder);
        walk.standard_filters(false).follow_links(true).max_depth(depth);
        let is_revision = |path: &Path| {
            let name = name(path);
            ends_in(path, &["py"]) && !name.starts_with(".#") && !name.starts_with("__init__")
        };
        let mut files = walked(&walk, folder, directory, is_revision);
        files.sort_by(|one, other| super::order::compare(&one.path, &other.path));
        // Alembic reads a file once, however many of its folders lead there.
        let real = |file: &Found| file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
        found.extend(files.into_iter().filter(|file| seen.insert(real(file))));
    }
    found
}

/// A folder that is there and probably holds migrations.
pub fn usual(directory: &Path) -> Option<&'static str> {
    USUAL.into_iter().find(|folder| directory.join(folder).is_dir())
}

/// A file with the path that is shown.
pub fn of(path: &Path, directory: &Path) -> Found {
    let path = tidy(path);
    let shown = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
    Found { path, shown, is_named: false, problem: None }
}

fn below(folder: &Path, directory: &Path) -> Vec<Found> {
    let mut walk = WalkBuilder::new(folder);
    // Only what the project itself says is left out: what one machine ignores, another would read.
    walk.standard_filters(false).hidden(true).parents(true).git_ignore(true).follow_links(true);
    let is_migration = |path: &Path| {
        ends_in(path, &["sql", "psql", "pgsql"])
            || (ends_in(path, &["py"]) && !is_environment(path))
    };
    walked(&walk, folder, directory, is_migration)
}

/// The files that fit, each once: links may lead to one twice, and its own path is the better one.
fn walked(
    walk: &WalkBuilder,
    place: &Path,
    directory: &Path,
    fits: impl Fn(&Path) -> bool,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut has_links = false;
    for entry in walk.build() {
        has_links |= entry.as_ref().is_ok_and(ignore::DirEntry::path_is_symlink);
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => {}
            Ok(entry) if fits(entry.path()) => found.push(of(entry.path(), directory)),
            Ok(_) => {}
            Err(error) => found.extend(unseen(&error, place, directory, &fits)),
        }
    }
    if has_links {
        let real = |file: &Found| file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
        let mut seen = HashSet::new();
        found.sort_by_key(|file| real(file) != file.path);
        found.retain(|file| seen.insert(real(file)));
    }
    found
}

/// What the walk could not look at, somewhere below `place`. A link back to a folder above hides
/// nothing, and a line of a `.gitignore` that means nothing ignores nothing.
fn unseen(
    error: &ignore::Error,
    place: &Path,
    directory: &Path,
    fits: impl Fn(&Path) -> bool,
) -> Option<Found> {
    use ignore::Error;

    let problem = match error {
        Error::WithPath { path, err } => return unseen(err, path, directory, fits),
        Error::WithDepth { err, .. } => return unseen(err, place, directory, fits),
        Error::Loop { .. } | Error::Glob { .. } | Error::Partial(_) => return None,
        Error::Io(io) => match io.kind() {
            ErrorKind::PermissionDenied => "permission was denied".to_owned(),
            // A broken link is a file that is missing; what is called otherwise is no migration.
            ErrorKind::NotFound if !fits(place) => return None,
            ErrorKind::NotFound => "it is not there".to_owned(),
            _ => io.to_string(),
        },
        other => other.to_string(),
    };
    Some(Found { problem: Some(problem), ..of(place, directory) })
}

/// Alembic's `env.py` connects and configures; what it runs are the revisions.
fn is_environment(path: &Path) -> bool {
    name(path) == "env.py"
        && ["script.py.mako", "versions"].iter().any(|other| path.with_file_name(other).exists())
}

fn ends_in(path: &Path, ends: &[&str]) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    end.is_some_and(|end| ends.iter().any(|one| end.eq_ignore_ascii_case(one)))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The same path without `.` parts.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn missing(path: &Path, error: &std::io::Error) -> Refusal {
    let shown = path.display();
    let refusal = |message: String| Refusal::new(Exit::NoAnswer, message);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            refusal(format!("there is no file or folder `{shown}`"))
                .hint("paths are seen from the working directory; `-` reads standard input")
        }
        _ => refusal(format!("`{shown}` can't be looked at: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{find, revision_files};

    fn project(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::text::write_atomically(&path, b"*.tmp.sql\nold/\n").unwrap();
        }
        root
    }

    fn shown(root: &Path, paths: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        find(&paths, root).unwrap().into_iter().map(|found| found.shown).collect()
    }

    #[test]
    fn folders_are_walked_as_git_sees_them() {
        let root = project(&[
            ".git/config",
            ".gitignore",
            "m/10.sql",
            "m/9.sql",
            "m/x.tmp.sql",
            "m/old/1.sql",
            "m/.hidden/1.sql",
            "m/readme.md",
            "m/a.PY",
            "m/env.py",
            "m/script.py.mako",
            "m/sub/1.psql",
            "scripts/env.py",
        ]);
        let root = root.path();
        assert_eq!(shown(root, &["m"]), ["m/9.sql", "m/10.sql", "m/a.PY", "m/sub/1.psql"]);
        assert_eq!(shown(root, &["./m/sub"]), ["m/sub/1.psql"]);
        assert_eq!(shown(root, &["scripts"]), ["scripts/env.py"]);
        assert_eq!(shown(root, &["m/old/1.sql", "m/readme.md"]), ["m/old/1.sql", "m/readme.md"]);
        assert_eq!(shown(root, &["m/sub", "m/sub/1.psql"]), ["m/sub/1.psql"]);
        let refusal = find(&["gone".into()], root).unwrap_err();
        assert_eq!(refusal.to_string(), "there is no file or folder `gone`");
    }

    #[test]
    fn links_are_followed_once_and_a_loop_ends() {
        let root = project(&["m/1.sql", "elsewhere/2.sql"]);
        let link = |to: &str, from: &str| {
            std::os::unix::fs::symlink(root.path().join(to), root.path().join(from)).unwrap();
        };
        link("m", "m/loop");
        link("elsewhere", "m/more");
        link("m/1.sql", "m/0.sql");
        link("gone.sql", "m/3.sql");
        link("gone.txt", "m/3.txt");
        let found = find(&["m".into()], root.path()).unwrap();
        let of = |found: &super::Found| (found.shown.clone(), found.problem.clone());
        let found: Vec<_> = found.iter().map(of).collect();
        let missing = Some("it is not there".to_owned());
        let expected = [("m/1.sql", None), ("m/3.sql", missing), ("m/more/2.sql", None)];
        assert_eq!(found, expected.map(|(name, why)| (name.to_owned(), why)));
    }

    #[test]
    fn revision_files_are_those_that_alembic_takes() {
        let root = project(&[
            ".gitignore",
            "v/b.py",
            "v/a.py",
            "v/__init__.py",
            "v/.#a.py",
            "v/notes.sql",
            "v/old/c.py",
        ]);
        let names = |is_recursive| -> Vec<String> {
            let folders = [root.path().join("v"), root.path().join("./v")];
            let found = revision_files(&folders, is_recursive, root.path());
            found.into_iter().map(|found| found.shown).collect()
        };
        assert_eq!(names(false), ["v/a.py", "v/b.py"]);
        assert_eq!(names(true), ["v/a.py", "v/b.py", "v/old/c.py"]);
    }
}
