//! The project behind an Alembic command line: its configuration and its revision files.

use std::path::{Path, PathBuf};

use super::{AlembicCommand, AlembicConfig, Flavor, Revisions};
use crate::environment::Environment;
use crate::hint::Refusal;

/// What an Alembic command would work with.
#[derive(Debug, Clone)]
pub struct AlembicProject {
    /// The configuration, when one was found.
    pub config: Option<AlembicConfig>,
    /// The revision files; empty when none were found.
    pub revisions: Revisions,
    /// What could not be found or read; the revisions are not to be trusted when there are any.
    pub warnings: Vec<String>,
}

impl AlembicProject {
    /// Finds and reads what the command would, seen from where it would run.
    pub fn of(command: &AlembicCommand, environment: &Environment) -> Result<Self, Refusal> {
        let environment = seen_by(command, environment);
        let directory = environment.directory();
        let migrations = migrations(command, &environment);
        let config = match command.flavor {
            Flavor::Alembic => {
                AlembicConfig::load(&command.configs, &command.section, directory, &environment)?
            }
            Flavor::Flask => AlembicConfig::load_flask(migrations, directory, &environment)?,
        };
        let Some(config) = config else {
            let looked_for = match command.flavor {
                Flavor::Alembic => "no configuration of Alembic was found in",
                Flavor::Flask => "no revision files were found in",
            };
            let place = match command.flavor {
                Flavor::Alembic => directory.to_owned(),
                Flavor::Flask => directory.join(migrations).join("versions"),
            };
            let warnings = vec![format!("{looked_for} `{}`", place.display())];
            return Ok(Self { config: None, revisions: Revisions::default(), warnings });
        };
        let (revisions, warnings) = scan(&config);
        Ok(Self { config: Some(config), revisions, warnings })
    }
}

/// The variables and the directory that the command itself will see.
fn seen_by(command: &AlembicCommand, environment: &Environment) -> Environment {
    let directory = match &command.directory {
        Some(directory) => environment.directory().join(directory),
        None => environment.directory().to_owned(),
    };
    let is_lost = command.loses_environment().is_some() || command.is_in_container();
    let inherited = environment.iter().filter(|_| !is_lost);
    let inherited = inherited.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment::new(inherited.chain(command.assigned.iter().cloned()), directory)
}

/// Flask-Migrate's directory; click reads an option that is not given from the environment.
fn migrations<'a>(command: &'a AlembicCommand, environment: &'a Environment) -> &'a str {
    let named = command.migrations.as_deref();
    named.or_else(|| environment.get("FLASK_DB_DIRECTORY")).unwrap_or("migrations")
}

fn scan(config: &AlembicConfig) -> (Revisions, Vec<String>) {
    let mut warnings = config.warnings().to_vec();
    let named = config.version_directories();
    // Alembic passes over those that do not exist.
    let existing: Vec<PathBuf> = named.iter().filter(|place| place.exists()).cloned().collect();
    let revisions =
        Revisions::scan(&distinct(existing, config.is_recursive()), config.is_recursive());
    warnings.extend(revisions.problems().iter().cloned());
    if revisions.is_empty() && !named.is_empty() {
        let places: Vec<String> =
            named.iter().map(|place| format!("`{}`", place.display())).collect();
        warnings.push(format!("no revision files were found in {}", places.join(", ")));
    }
    let mut python_path = config.python_path();
    python_path.extend(config.script_location());
    (revisions.with_python_path(python_path), warnings)
}

/// Alembic reads a file once, however many of its directories lead there.
fn distinct(directories: Vec<PathBuf>, is_recursive: bool) -> Vec<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut kept: Vec<(PathBuf, PathBuf)> = Vec::new();
    for directory in directories {
        let target = real(&directory);
        let covers =
            |one: &Path, other: &Path| one == other || (is_recursive && other.starts_with(one));
        if kept.iter().any(|(_, other)| covers(other, &target)) {
            continue;
        }
        kept.retain(|(_, other)| !covers(&target, other));
        kept.push((directory, target));
    }
    kept.into_iter().map(|(directory, _)| directory).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::AlembicProject;
    use crate::environment::Environment;
    use crate::migration::alembic::AlembicCommand;

    const FILES: &[(&str, &str)] = &[
        ("alembic.ini", "[alembic]\nscript_location = %(here)s/m\n"),
        ("other.ini", "[alembic]\nscript_location = nowhere\n[two]\nscript_location = api/m\n"),
        ("m/versions/a1.py", "revision = 'a1'\ndown_revision = None\n"),
        ("api/m/versions/b1.py", "revision = 'b1'\ndown_revision = None\n"),
        ("api/pyproject.toml", "[tool.alembic]\nscript_location = '%(here)s/m'\n"),
        (
            "twice.ini",
            "[alembic]\nscript_location = m\npath_separator = space\n\
            version_locations = m/versions m/../m/versions gone\n",
        ),
        (
            "nested.ini",
            "[alembic]\nscript_location = m\npath_separator = space\n\
            recursive_version_locations = true\nversion_locations = api/m api\n",
        ),
        ("broken.ini", "[alembic]\nscript_location = broken\n"),
        ("broken/versions/c1.py", "revision = 'c1'\ndown_revision = 'gone'\n"),
        ("migrations/alembic.ini", "[alembic]\n# empty\n"),
        ("migrations/versions/f1.py", "revision = 'f1'\ndown_revision = None\n"),
        ("db/versions/f2.py", "revision = 'f2'\ndown_revision = None\n"),
    ];

    fn project(root: &Path, line: &str) -> AlembicProject {
        for (name, text) in FILES {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("mkdir");
            crate::text::write_atomically(&path, text.as_bytes()).expect("write");
        }
        let words = shell_words::split(line).expect("words");
        let command = AlembicCommand::recognize(&words).expect("a command of Alembic's");
        let variables = [("ALEMBIC_CONFIG".to_owned(), "alembic.ini".to_owned())];
        AlembicProject::of(&command, &Environment::new(variables, root)).expect("a project")
    }

    #[test]
    fn the_revisions_are_those_that_the_command_would_see() {
        let cases = [
            ("alembic upgrade head", "a1"),
            ("alembic -c other.ini -n two upgrade head", "b1"),
            ("env ALEMBIC_CONFIG=other.ini alembic -n two upgrade head", "b1"),
            ("uv run --directory api alembic upgrade head", "b1"),
            ("alembic -c api/pyproject.toml -c missing.ini upgrade head", "b1"),
            ("alembic -c twice.ini upgrade head", "a1"),
            ("alembic -c nested.ini upgrade head", "b1"),
            ("flask db upgrade", "f1"),
            ("flask db upgrade -d db", "f2"),
            ("env FLASK_DB_DIRECTORY=db flask db upgrade", "f2"),
        ];
        let root = tempfile::tempdir().expect("a directory");
        for (line, expected) in cases {
            let project = project(root.path(), line);
            let ids: Vec<&str> = project.revisions.iter().map(|r| r.id.as_str()).collect();
            assert_eq!((ids, project.warnings), (vec![expected], Vec::new()), "{line}");
            assert!(project.config.is_some(), "{line}");
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_said() {
        let cases = [
            (
                "alembic -c other.ini upgrade head",
                "no revision files were found in `/nowhere/versions`",
            ),
            ("alembic -c gone.ini upgrade head", "no configuration of Alembic was found in ``"),
            ("alembic -c other.ini -n three upgrade head", "`other.ini` has no section `[three]`"),
            (
                "alembic -c broken.ini upgrade head",
                "`/broken/versions/c1.py` stands on revision gone, which no file has",
            ),
            ("flask db upgrade -d gone", "no revision files were found in `/gone/versions`"),
        ];
        let root = tempfile::tempdir().expect("a directory");
        let prefix = root.path().display().to_string();
        for (line, expected) in cases {
            let warnings = project(root.path(), line).warnings.join("\n").replace(&prefix, "");
            assert_eq!(warnings, expected, "{line}");
        }
    }
}
