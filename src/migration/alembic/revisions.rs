//! The revision files of a project, read as text; no Python runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::python::{self, Constant};

/// One revision file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its identifier.
    pub id: String,
    /// The revisions it stands on: none for a base, several for a merge.
    pub down: Vec<String>,
    /// Revisions, labels or beginnings of revisions that must be there before it, as written.
    pub depends_on: Vec<String>,
    /// The branch labels it declares.
    pub labels: Vec<String>,
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub source: String,
}

/// Every revision of a project.
#[derive(Debug, Clone, Default)]
pub struct Revisions {
    list: Vec<Revision>,
    index: BTreeMap<String, usize>,
    problems: Vec<String>,
    python_path: Vec<PathBuf>,
}

impl Revisions {
    /// Reads the revision files of these directories.
    ///
    /// What can't be read is kept as a problem: the graph is then not to be trusted.
    pub fn scan(directories: &[PathBuf], is_recursive: bool) -> Self {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for directory in directories {
            collect(directory, is_recursive, &mut files, &mut problems);
        }
        let mut revisions = Self::from_files(files);
        revisions.problems.splice(0..0, problems);
        revisions
    }

    /// The revisions of files that were read already, in the order given.
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, String)>) -> Self {
        let mut revisions = Self::default();
        for (path, source) in files {
            match read(&path, source) {
                Ok(revision) => revisions.add(revision),
                Err(problem) => revisions.problems.push(problem),
            }
        }
        revisions.check_links();
        revisions
    }

    /// The same, with the folders where the modules lie that the files import.
    #[must_use]
    pub fn with_python_path(self, python_path: Vec<PathBuf>) -> Self {
        Self { python_path, ..self }
    }

    /// Where the modules lie that the files import.
    pub fn python_path(&self) -> &[PathBuf] {
        &self.python_path
    }

    /// Every revision, in the order in which its file was read.
    pub fn iter(&self) -> impl Iterator<Item = &Revision> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The revision with exactly this identifier.
    pub fn get(&self, id: &str) -> Option<&Revision> {
        self.index.get(id).map(|index| &self.list[*index])
    }

    /// What kept the files from being understood in full; empty when the graph can be trusted.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn add(&mut self, revision: Revision) {
        if let Some(other) = self.get(&revision.id) {
            self.problems.push(format!(
                "revision {} is in two files: `{}` and `{}`",
                revision.id,
                other.path.display(),
                revision.path.display()
            ));
            return;
        }
        self.index.insert(revision.id.clone(), self.list.len());
        self.list.push(revision);
    }

    fn check_links(&mut self) {
        for revision in &self.list {
            for down in &revision.down {
                if !self.index.contains_key(down) {
                    let path = revision.path.display();
                    let problem = format!("`{path}` stands on revision {down}, which no file has");
                    self.problems.push(problem);
                }
            }
        }
    }
}

/// The `.py` files that Alembic takes for revisions (`_only_source_rev_file` in its source).
fn collect(
    directory: &Path,
    is_recursive: bool,
    files: &mut Vec<(PathBuf, String)>,
    problems: &mut Vec<String>,
) {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(format!("read directory `{}`: {error}", directory.display()));
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            if is_recursive && name != "__pycache__" {
                collect(&path, is_recursive, files, problems);
            }
        } else if path.extension().is_some_and(|end| end == "py")
            && !name.starts_with(".#")
            && !name.starts_with("__init__")
        {
            match std::fs::read(&path) {
                Ok(bytes) => files.push((path, String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) => problems.push(format!("read `{}`: {error}", path.display())),
            }
        }
    }
}

fn read(path: &Path, source: String) -> Result<Revision, String> {
    let variables = python::variables(&source).map_err(|(at, why)| {
        format!("`{}` can't be read, line {}: {why}", path.display(), at.line)
    })?;
    let value = |name: &str| variables.get(name).map(|variable| &variable.value);
    let unreadable =
        |name: &str| format!("`{name}` of `{}` is not written as plain text", path.display());
    let list = |name: &str| match value(name) {
        None | Some(Constant::None) => Ok(Vec::new()),
        Some(Constant::Text(text)) => Ok(vec![text.clone()]),
        Some(Constant::List(items)) => Ok(items.clone()),
        Some(Constant::Computed(_)) => Err(unreadable(name)),
    };
    let id = match value("revision") {
        Some(Constant::Text(id)) => id.clone(),
        Some(_) => return Err(unreadable("revision")),
        None => legacy_id(path)
            .ok_or_else(|| format!("`{}` does not say its `revision`", path.display()))?,
    };
    if !variables.contains_key("down_revision") {
        return Err(format!("`{}` does not say its `down_revision`", path.display()));
    }
    Ok(Revision {
        id,
        down: list("down_revision")?,
        depends_on: list("depends_on")?,
        labels: list("branch_labels")?,
        path: path.to_owned(),
        source,
    })
}

/// Files of Alembic 0.1 carry the identifier in their name only.
fn legacy_id(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let is_hexadecimal = stem.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_hexadecimal && path.extension()? == "py").then(|| stem.to_owned())
}

/// A graph as tests draw it: `id<down,down!depends#label`, separated by spaces, in the order of
/// the files.
#[cfg(test)]
pub(super) fn drawn(text: &str) -> Revisions {
    let file = |word: &str| {
        let (word, label) = word.split_once('#').unwrap_or((word, ""));
        let (word, depends) = word.split_once('!').unwrap_or((word, ""));
        let (id, downs) = word.split_once('<').unwrap_or((word, ""));
        let list = |text: &str| {
            let quoted: Vec<_> =
                text.split(',').filter(|t| !t.is_empty()).map(|t| format!("'{t}'")).collect();
            format!("[{}]", quoted.join(", "))
        };
        let source = format!(
            "revision = '{id}'\ndown_revision = {}\ndepends_on = {}\nbranch_labels = {}\n",
            list(downs),
            list(depends),
            list(label)
        );
        (PathBuf::from(format!("{id}.py")), source)
    };
    Revisions::from_files(text.split_whitespace().map(file))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Revisions;

    type Read = (String, Vec<String>, Vec<String>, Vec<String>);

    fn one(source: &str) -> Result<Read, String> {
        let file = (PathBuf::from("versions/x.py"), source.to_owned());
        let revisions = Revisions::from_files([file]);
        match revisions.iter().next() {
            Some(r) => Ok((r.id.clone(), r.down.clone(), r.depends_on.clone(), r.labels.clone())),
            None => Err(revisions.problems().join("; ")),
        }
    }

    #[test]
    #[expect(clippy::type_complexity, reason = "a table")]
    fn every_way_to_write_the_four_variables() {
        let cases: &[(&str, &str, &[&str], &[&str], &[&str])] = &[
            ("revision = 'a'\ndown_revision = None\n", "a", &[], &[], &[]),
            ("revision = \"a\"\ndown_revision = \"b\"", "a", &["b"], &[], &[]),
            ("revision: str = 'a'\ndown_revision: Union[str, None] = 'b'", "a", &["b"], &[], &[]),
            ("revision='a'\ndown_revision=('b', \"c\",)", "a", &["b", "c"], &[], &[]),
            (
                "revision = ('a')\ndown_revision = (\n  'b',  # why\n  'c'\n)",
                "a",
                &["b", "c"],
                &[],
                &[],
            ),
            ("revision = u'a'\ndown_revision = ['b']", "a", &["b"], &[], &[]),
            (
                "revision = 'a'\ndown_revision = 'b'\ndepends_on = 'c'\nbranch_labels = ('l',)",
                "a",
                &["b"],
                &["c"],
                &["l"],
            ),
            (
                "revision = 'a'\ndown_revision = 'b'\ndepends_on: Optional[Sequence[str]] = None\nbranch_labels = None",
                "a",
                &["b"],
                &[],
                &[],
            ),
            (
                "\"\"\"doc\n\nrevision = 'zz'\ndown_revision = 'yy'\n\"\"\"\nrevision = 'a'\ndown_revision = 'b'",
                "a",
                &["b"],
                &[],
                &[],
            ),
            ("REV = 'a'\nrevision = REV\ndown_revision = 'b' 'c'", "a", &["bc"], &[], &[]),
            ("revision = rev = 'a'\r\ndown_revision = 'b'\r\n", "a", &["b"], &[], &[]),
            ("revision = 'a'; down_revision = {'b'}", "a", &["b"], &[], &[]),
            (
                "down_revision = 'b'\nrevision = 'a'\ndef upgrade():\n    revision = 'no'\n",
                "a",
                &["b"],
                &[],
                &[],
            ),
            ("# revision = 'no'\nrevision = 'a'\ndown_revision = ()\n", "a", &[], &[], &[]),
        ];
        for (source, id, down, depends, labels) in cases {
            let (a, b, c, d) = one(source).unwrap_or_else(|e| panic!("{source}: {e}"));
            assert_eq!(
                (a.as_str(), b, c, d),
                (
                    *id,
                    down.iter().map(ToString::to_string).collect(),
                    depends.iter().map(ToString::to_string).collect(),
                    labels.iter().map(ToString::to_string).collect(),
                ),
                "{source}"
            );
        }
    }

    #[test]
    fn what_is_computed_is_a_problem_and_not_a_guess() {
        for source in [
            "revision = make()\ndown_revision = None",
            "revision = 'a'\ndown_revision = previous.revision",
            "revision = 'a'\ndown_revision = f'{x}'",
            "revision = 'a'\ndown_revision = 'b' if x else 'c'",
            "revision = 'a'\n",
            "x = 1\n",
        ] {
            assert!(one(source).is_err(), "{source}");
        }
    }

    #[test]
    fn a_missing_link_and_a_doubled_revision_are_problems() {
        let file = |name: &str, text: &str| (PathBuf::from(name), text.to_owned());
        let revisions = Revisions::from_files([
            file("a.py", "revision = 'a'\ndown_revision = None"),
            file("b.py", "revision = 'b'\ndown_revision = 'gone'"),
            file("c.py", "revision = 'a'\ndown_revision = None"),
        ]);
        assert_eq!(revisions.problems().len(), 2, "{}", revisions.problems().join("; "));
    }
}
