//! Which migrations are read, in which order, and which of them run together.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::CheckRequest;
use crate::environment::PRE_COMMIT;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::migration::alembic::lineage::Unknown;
use crate::migration::alembic::{AlembicConfig, Direction, Lineage, Revisions};
use crate::migration::content::{self, Content};
use crate::migration::git::Novelty;
use crate::migration::tree::{self, Found};
use crate::migration::{order, part};
use crate::text::similar;

/// How standard input is named, as a path and in reports.
const STDIN: &str = "-";

/// What language a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sql,
    /// A revision of Alembic's.
    Revision,
    /// Any other Python file.
    Python,
}

/// A file to read.
#[derive(Debug)]
pub(super) struct Migration {
    pub(super) found: Found,
    pub(super) kind: Kind,
    /// Alembic's identifier.
    pub(super) revision: Option<String>,
    /// Its text, where it had to be read to know what it is.
    pub(super) content: Option<Content>,
}

/// What is read.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// Files that run together, set by set, in the order in which they run.
    pub(super) sets: Vec<Vec<Migration>>,
    /// Where Python finds the project's own modules.
    pub(super) roots: Vec<PathBuf>,
    /// Files are taken to run together only because they were named together.
    pub(super) is_by_name: bool,
    /// Files that are not newer than the baseline.
    pub(super) n_old: usize,
    /// What to know that is no finding.
    pub(super) warnings: Vec<String>,
}

/// Finds the files, puts them in order, leaves out what is not asked for.
pub(super) fn select(request: &CheckRequest) -> Result<Selected, Refusal> {
    let directory = request.environment.directory();
    let alembic = AlembicConfig::load(&[], "alembic", directory, &request.environment);
    let mut selected = Selected { roots: vec![directory.to_owned()], ..Selected::default() };
    if let Ok(Some(config)) = &alembic {
        selected.roots = config.python_path();
        selected.roots.extend(config.script_location());
    }
    let found = found(request, alembic, &mut selected.warnings)?;
    let mut migrations = of_files(found);
    let revisions = revisions(&mut migrations);
    let lineage = Lineage::of(&revisions);
    put_in_order(&mut migrations, &lineage, request.direction);
    let (since, is_flag) =
        if request.since.is_empty() { (&request.baseline, false) } else { (&request.since, true) };
    let n_all = migrations.len();
    leave_old(&mut migrations, since, &lineage)?;
    selected.n_old = n_all - migrations.len();
    let novelty = |it: &Migration| match &request.changed {
        Some(changed) if it.found.shown != STDIN => changed.novelty(&it.found.path),
        _ => Some(Novelty::Added),
    };
    migrations.retain(|it| novelty(it).is_some());
    let is_new = request.changed.is_some() || is_flag;
    // pre-commit names files by itself, and with --all-files the whole history.
    selected.is_by_name = !is_new && !request.environment.has(PRE_COMMIT);
    // What was there before and is changed now may have run already.
    let runs_together = |it: &Migration| {
        (is_new && novelty(it) == Some(Novelty::Added))
            || (selected.is_by_name && it.found.is_named)
    };
    let (together, alone): (Vec<_>, Vec<_>) = migrations.into_iter().partition(runs_together);
    selected.sets = alone.into_iter().map(|it| vec![it]).collect();
    selected.sets.extend((!together.is_empty()).then_some(together));
    Ok(selected)
}

/// The files that were named, else those of the configuration, else those of Alembic's.
fn found(
    request: &CheckRequest,
    alembic: Result<Option<AlembicConfig>, Refusal>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Found>, Refusal> {
    let directory = request.environment.directory();
    let (paths, has_stdin) =
        (&request.paths, request.paths.iter().any(|it| it == Path::new(STDIN)));
    let named = if paths.is_empty() { &request.configured } else { paths };
    if !named.is_empty() {
        let files: Vec<PathBuf> =
            named.iter().filter(|path| **path != Path::new(STDIN)).cloned().collect();
        let mut found = tree::find(&files, directory)?;
        found.extend(has_stdin.then(|| Found {
            path: STDIN.into(),
            shown: STDIN.to_owned(),
            is_named: true,
            problem: None,
        }));
        // The configuration says where the history is, not what is new in it.
        for it in &mut found {
            it.is_named &= !paths.is_empty();
        }
        return if found.is_empty() { Err(empty(&files)) } else { Ok(found) };
    }
    let config = match alembic? {
        Some(config) => Some(config),
        None if directory.join("migrations/versions").is_dir() => {
            AlembicConfig::load_flask("migrations", directory, &request.environment)?
        }
        None => None,
    };
    let Some(config) = config else { return Err(nowhere(directory)) };
    let folders = config.version_directories();
    warnings.extend(config.warnings().iter().cloned());
    let existing: Vec<PathBuf> = folders.iter().filter(|it| it.exists()).cloned().collect();
    let found = tree::revision_files(&existing, config.is_recursive(), directory);
    if found.is_empty() { Err(empty(&folders)) } else { Ok(found) }
}

/// Whether `since` names what is there; the error says what does not.
pub fn exists(request: &CheckRequest) -> Result<(), Refusal> {
    select(request).map(|_| ())
}

/// The newest migrations: Alembic's heads, else the file that runs last.
pub fn newest(request: &CheckRequest) -> Result<Vec<String>, Refusal> {
    let directory = request.environment.directory();
    let alembic = AlembicConfig::load(&[], "alembic", directory, &request.environment);
    let mut migrations = of_files(found(request, alembic, &mut Vec::new())?);
    let revisions = revisions(&mut migrations);
    if !revisions.is_empty() {
        return Ok(Lineage::of(&revisions).heads().into_iter().map(str::to_owned).collect());
    }
    let names = migrations.iter().map(|it| order::called(&it.found.path));
    let is_versioned = |name: &String| part::flyway(name).is_none_or(|(kind, _)| kind == 'V');
    let last = names.filter(is_versioned).max_by(|one, other| order::compare_names(one, other));
    Ok(last.into_iter().collect())
}

fn of_files(found: Vec<Found>) -> Vec<Migration> {
    let read = |found: Found| {
        let is_python = found.path.extension().is_some_and(|end| end.eq_ignore_ascii_case("py"));
        let content = match &found.problem {
            _ if found.shown == STDIN => Some(content::of_stdin()),
            None if is_python => Some(content::of_file(&found.path)),
            _ => None,
        };
        let kind = match &content {
            Some(Ok(text)) if is_python && is_revision(text) => Kind::Revision,
            _ if is_python => Kind::Python,
            _ => Kind::Sql,
        };
        Migration { found, kind, revision: None, content }
    };
    found.into_iter().map(read).collect()
}

/// Whether a Python file is a revision of Alembic's: it says which, and how to get there.
fn is_revision(text: &str) -> bool {
    let says = |line: &str| {
        let rest = line.strip_prefix("revision").map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(['=', ':']))
    };
    text.contains("def upgrade") && text.lines().any(says)
}

/// The revisions among the files; each file gets to know its own.
fn revisions(migrations: &mut [Migration]) -> Revisions {
    let files = migrations.iter().filter(|it| it.kind == Kind::Revision).filter_map(|it| {
        let text = it.content.as_ref()?.as_ref().ok()?;
        Some((it.found.path.clone(), text.clone()))
    });
    let revisions = Revisions::from_files(files);
    let ids: HashMap<&Path, &str> =
        revisions.iter().map(|it| (it.path.as_path(), it.id.as_str())).collect();
    for migration in migrations {
        migration.revision = ids.get(migration.found.path.as_path()).map(|id| (*id).to_owned());
    }
    revisions
}

/// Files in the order given; the revisions among them in that of their graph.
fn put_in_order(migrations: &mut [Migration], lineage: &Lineage<'_>, direction: Direction) {
    let places: HashMap<&str, usize> =
        lineage.order().into_iter().enumerate().map(|(place, id)| (id, place)).collect();
    // Stable, so whatever is no revision keeps its place among its like, behind the revisions.
    migrations.sort_by_key(|it| {
        let place = it.revision.as_deref().and_then(|id| places.get(id).copied());
        place.unwrap_or(usize::MAX)
    });
    if direction == Direction::Downgrade {
        migrations.reverse();
    }
}

/// Leaves out what the named revisions or files have behind them, and those themselves.
fn leave_old(
    migrations: &mut Vec<Migration>,
    since: &[String],
    lineage: &Lineage<'_>,
) -> Result<(), Refusal> {
    for name in since {
        match lineage.find(name) {
            Ok(id) => {
                let behind: BTreeSet<&str> = lineage.behind(&[id]);
                migrations
                    .retain(|it| it.revision.as_deref().is_none_or(|id| !behind.contains(id)));
            }
            Err(Unknown::Several) => {
                let message = format!("several revisions start with `{name}`");
                return Err(Refusal::new(Exit::NoAnswer, message).hint("write more of it"));
            }
            Err(Unknown::None) => leave_old_files(migrations, name)?,
        }
    }
    Ok(())
}

/// The same for files, by their names: what sorts behind the name is new.
fn leave_old_files(migrations: &mut Vec<Migration>, name: &str) -> Result<(), Refusal> {
    let is_it = |it: &&Migration| {
        let called = order::called(&it.found.path);
        let is_start = called
            .strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()));
        it.kind != Kind::Revision && (it.found.shown == name || is_start)
    };
    let last = migrations.iter().filter(is_it).map(|it| order::called(&it.found.path));
    let last = last.max_by(|one, other| order::compare_names(one, other));
    let is_version = name.trim_start_matches('V').starts_with(|c: char| c.is_ascii_digit());
    let has_files = migrations.iter().any(|it| it.kind != Kind::Revision);
    let Some(last) = last.or_else(|| (is_version && has_files).then(|| name.to_owned())) else {
        return Err(unknown(migrations, name));
    };
    migrations.retain(|it| {
        let called = order::called(&it.found.path);
        let is_repeated = part::flyway(&called).is_some_and(|(kind, _)| kind == 'R');
        it.kind == Kind::Revision
            || is_repeated
            || order::compare_names(&called, &last) == Ordering::Greater
    });
    Ok(())
}

fn unknown(migrations: &[Migration], name: &str) -> Refusal {
    let message = format!("no revision or file is called `{name}`");
    let refusal = Refusal::new(Exit::NoAnswer, message);
    let ids = migrations.iter().filter_map(|it| it.revision.as_deref());
    match similar::nearest(name, ids) {
        Some(meant) => refusal.hint(format!("did you mean `{meant}`?")),
        None => refusal.hint("name a revision of Alembic's, a file, or the start of its name"),
    }
}

fn empty(paths: &[PathBuf]) -> Refusal {
    let shown: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    let message = format!("there is no migration file in {}", shown.join(", "));
    Refusal::new(Exit::NoAnswer, message)
        .hint("files that end in .sql, .psql, .pgsql or .py are read; what .gitignore names is not")
}

fn nowhere(directory: &Path) -> Refusal {
    let message = "nothing says where the migrations are".to_owned();
    let refusal = Refusal::new(Exit::NoAnswer, message);
    let folder = tree::usual(directory).unwrap_or("migrations");
    refusal
        .hint(format!("name files or folders: rowsafe check {folder}"))
        .hint(format!("or write it down in rowsafe.toml: [check] paths = [\"{folder}\"]"))
        .hint("alembic.ini and [tool.alembic] are looked for in the working directory")
}
