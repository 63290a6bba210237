//! psql's `\i` and `\ir`: the files that a script includes become scripts of their own, in the order
//! in which they run, so that what is found in them has their own paths and lines.

use std::path::{Path, PathBuf};

use super::content;
use crate::script::{Origin, Script};
use crate::sql::{self, Statement, StatementKind};

/// Includes within includes are followed this deep.
const MAX_DEPTH: usize = 16;
/// No more files than that are read for one script: two that include each other twice would double
/// at every level.
const MAX_FILES: usize = 1_000;

/// The scripts with the files that they include, wherever they include any.
pub fn follow(scripts: Vec<Script>) -> Vec<Script> {
    scripts.into_iter().flat_map(follow_one).collect()
}

fn follow_one(script: Script) -> Vec<Script> {
    let path = script.origin.path.clone().map(PathBuf::from);
    match path {
        Some(path) if script.statements.is_none() && may_include(&script.text) => {
            let mut follower = Follower { directory: Some(PathBuf::new()), ..Follower::default() };
            follower.script(&path, &script);
            follower.scripts
        }
        _ => vec![script],
    }
}

/// Whether there is anything to follow; most files have no backslash.
fn may_include(text: &str) -> bool {
    text.contains("\\i")
}

#[derive(Default)]
struct Follower {
    /// Where psql is: `\cd` moves it. `None` where nobody knows.
    directory: Option<PathBuf>,
    /// The files that are being read, outermost first.
    open: Vec<PathBuf>,
    n_files: usize,
    scripts: Vec<Script>,
}

impl Follower {
    fn script(&mut self, path: &Path, script: &Script) {
        self.open.push(normal(path));
        let mut own = Vec::new();
        for mut statement in sql::split(&script.text) {
            match self.include(path, &statement) {
                None => {
                    self.change_directory(&statement);
                    own.push(statement);
                }
                Some(Err(why)) => {
                    statement.kind = StatementKind::Unreadable(why);
                    own.push(statement);
                }
                Some(Ok((included, text))) => {
                    self.push(script, &mut own);
                    let name = included.display().to_string();
                    let origin = Origin {
                        path: Some(name.clone()),
                        revision: script.origin.revision.clone(),
                        label: name,
                    };
                    self.script(&included, &Script::known(origin, text));
                }
            }
        }
        self.push(script, &mut own);
        self.open.pop();
    }

    /// The statements of a script since its last include, or up to its end.
    fn push(&mut self, script: &Script, statements: &mut Vec<Statement>) {
        if !statements.is_empty() {
            let statements = Some(std::mem::take(statements));
            self.scripts.push(Script { statements, ..script.clone() });
        }
    }

    /// The file that a statement includes, or why it can't be read; `None` where it includes none.
    fn include(
        &mut self,
        from: &Path,
        statement: &Statement,
    ) -> Option<Result<(PathBuf, String), String>> {
        if statement.kind != StatementKind::ClientCommand {
            return None;
        }
        let (command, arguments) = split_command(&statement.text);
        let base = match command {
            "i" | "include" => self.directory.clone(),
            "ir" | "include_relative" => Some(from.parent().unwrap_or(Path::new("")).to_owned()),
            _ => return None,
        };
        let Some(name) = file_name(arguments) else {
            return Some(Err(format!(
                "the file that `{}` includes is known only when it runs",
                statement.text
            )));
        };
        let read = match base {
            Some(base) => self.read(&base.join(&name)),
            None => Err("psql's directory was changed to one that is not known".to_owned()),
        };
        Some(read.map_err(|why| format!("it includes `{name}`: {why}")))
    }

    fn read(&mut self, path: &Path) -> Result<(PathBuf, String), String> {
        self.n_files += 1;
        if self.open.contains(&normal(path)) {
            return Err("a file that includes itself never ends".to_owned());
        }
        if self.open.len() > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} files include one another"));
        }
        if self.n_files > MAX_FILES {
            return Err(format!("more than {MAX_FILES} files are included"));
        }
        let text = content::of_file(path)?;
        Ok((path.to_owned(), text))
    }

    fn change_directory(&mut self, statement: &Statement) {
        if statement.kind == StatementKind::ClientCommand
            && let ("cd", arguments) = split_command(&statement.text)
        {
            let to = file_name(arguments);
            self.directory = match (self.directory.take(), to) {
                (Some(directory), Some(to)) => Some(directory.join(to)),
                _ => None,
            };
        }
    }
}

/// `\ir a.sql` as `ir` and `a.sql`.
fn split_command(text: &str) -> (&str, &str) {
    let command = text.trim_start_matches('\\');
    command
        .split_once(char::is_whitespace)
        .map_or((command, ""), |(name, rest)| (name, rest.trim()))
}

/// The one file name that the arguments are; `None` where psql would make something else of them.
fn file_name(arguments: &str) -> Option<String> {
    let quoted = arguments.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let name = match quoted {
        Some(inner) => inner.replace("''", "\u{0}"),
        None => arguments.split_whitespace().next()?.to_owned(),
    };
    let means_more = |c: char| matches!(c, '\'' | '"' | '`' | '\\');
    let is_special = name.contains(means_more) || name.starts_with([':', '~', '|', '-']);
    let has_variable = quoted.is_none() && name.contains(':');
    let is_plain = !name.is_empty() && !is_special && !has_variable;
    is_plain.then(|| name.replace('\u{0}', "'"))
}

/// The path as the system knows it, so that another spelling is seen to be the same file.
fn normal(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{file_name, follow};
    use crate::migration::files::read;
    use crate::rules;
    use crate::script::{Origin, Script};

    /// The files of a folder, and where the first of them leads: path, line and rule of each finding.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = text.replace("HERE", &directory.path().display().to_string());
            crate::text::write_atomically(&path, text.as_bytes()).unwrap();
        }
        let scripts = read(&[directory.path().join(files[0].0)]).unwrap();
        let readings: Vec<_> = scripts.iter().map(rules::read).collect();
        rules::findings(&readings).iter().map(|finding| said(finding, directory.path())).collect()
    }

    fn said(finding: &crate::finding::Finding, directory: &Path) -> String {
        let path = finding.place.path.as_deref().unwrap_or_default();
        let path = Path::new(path).strip_prefix(directory).unwrap().display().to_string();
        let line = finding.place.position.map_or(0, |position| position.line);
        let shown = format!("{path}:{line} {} {}", finding.rule, finding.object);
        if finding.rule == "opaque" {
            let why = finding.message.rsplit(": ").next().unwrap_or_default();
            return format!("{path}:{line} opaque {why}");
        }
        shown
    }

    #[test]
    fn findings_of_an_included_file_have_its_own_places() {
        let main = "CREATE TABLE a (id int);\n\\ir sub/b.sql\nDROP TABLE d;\n";
        assert_eq!(
            found(&[
                ("main.sql", main),
                ("sub/b.sql", "-- b\nDROP TABLE a;\nDROP TABLE b;\n\\ir c.sql\nTRUNCATE e;"),
                ("sub/c.sql", "\n\nDELETE FROM c;"),
            ]),
            [
                "sub/b.sql:3 drop-table b",
                "sub/c.sql:3 delete-all c",
                "sub/b.sql:5 truncate e",
                "main.sql:3 drop-table d"
            ]
        );
        assert!(found(&[("main.sql", "\\ir b.sql\n"), ("b.sql", "SELECT 1;")]).is_empty());
    }

    #[test]
    fn i_starts_where_psql_is_and_ir_where_the_file_is() {
        let drops = "DROP TABLE t;";
        assert_eq!(
            found(&[
                ("a.sql", "\\i HERE/x/b.sql\n"),
                ("x/b.sql", "\\ir c.sql\n"),
                ("x/c.sql", drops)
            ]),
            ["x/c.sql:1 drop-table t"]
        );
        assert_eq!(
            found(&[("a.sql", "\\cd HERE/x\n\\include 'b c.sql'\n"), ("x/b c.sql", drops)]),
            ["x/b c.sql:1 drop-table t"]
        );
        assert_eq!(
            found(&[
                ("x/a.sql", "\\i b-is-not-beside-it.sql\n"),
                ("x/b-is-not-beside-it.sql", drops)
            ]),
            ["x/a.sql:1 opaque it is not there"]
        );
    }

    #[test]
    fn what_cannot_be_followed_is_found_at_its_line() {
        assert_eq!(
            found(&[("a.sql", "SELECT 1;\n\\ir gone.sql\n")]),
            ["a.sql:2 opaque it is not there"]
        );
        assert_eq!(
            found(&[("a.sql", "\\ir b.sql\n"), ("b.sql", "\\ir ./a.sql\n")]),
            ["b.sql:1 opaque a file that includes itself never ends"]
        );
        assert_eq!(
            found(&[("a.sql", "\\i :file\n")]),
            ["a.sql:1 opaque the file that `\\i :file` includes is known only when it runs"]
        );
        assert_eq!(
            found(&[("a.sql", "\\cd :where\n\\i b.sql\n"), ("b.sql", "SELECT 1;")]),
            ["a.sql:2 opaque psql's directory was changed to one that is not known"]
        );
    }

    #[test]
    fn files_that_include_each_other_twice_end() {
        let files: Vec<(String, String)> = (0..30)
            .map(|n| {
                let next = n + 1;
                (format!("{n}.sql"), format!("\\ir {next}.sql\n\\ir {next}.sql\n"))
            })
            .collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let found = found(&files);
        assert!(found.iter().all(|finding| finding.contains(" opaque ")), "{found:?}");
        assert!((1..5_000).contains(&found.len()), "{}", found.len());
    }

    #[test]
    fn names_are_taken_as_psql_takes_them() {
        assert_eq!(file_name("a.sql"), Some("a.sql".to_owned()));
        assert_eq!(file_name("'it''s b.sql'"), Some("it's b.sql".to_owned()));
        assert_eq!(file_name("a.sql b.sql"), Some("a.sql".to_owned()));
        for name in ["", ":dir/a.sql", "~/a.sql", "`ls`", "-", "'a\\n'", "\"a\""] {
            assert_eq!(file_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_script_that_includes_nothing_stays_as_it_is() {
        let script = Script::known(Origin::default(), "SELECT 1;".to_owned());
        assert_eq!(follow(vec![script.clone()]), [script]);
    }
}
