//! `rowsafe.toml`, or `[tool.rowsafe]` in `pyproject.toml`: finding it and reading it.
//!
//! An unknown key is refused, because a misspelled setting is one that does not hold. So is a
//! password: the file is meant to be committed, a warning comes after the commit, and every other
//! place a password can come from (environment, pgpass, alembic.ini) keeps working.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::driver::{self, CommandTable, PgBackRestTable, RawCommand, RawPgBackRest};
use super::value::{self, OneOrMore, Text, Words};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::finding::{Allowance, AllowanceSource};
use crate::hint::Refusal;
use crate::location::Location;
use crate::policy::{
    Compare, DriverName, FailOn, OnLoss, Protected, SnapshotMode, TableRule, TableRules, Template,
};
use crate::retention::Policy;
use crate::secret::mask_urls;
use crate::text::LineMap;

/// The file's own name.
pub const NAME: &str = "rowsafe.toml";
/// The other file it may be part of.
const PYPROJECT: &str = "pyproject.toml";

/// Every key of the file, in the order of the reference.
pub const KEYS: &[&str] = &[
    "database",
    "store",
    "encrypt-to",
    "identity",
    "snapshot",
    "driver",
    "compare",
    "pg-dump",
    "pg-restore",
    "fail-on",
    "on-loss",
    "jobs",
    "statement-timeout",
    "lock-timeout",
    "min-free-space",
    "render-timeout",
    "protected",
    "rpo",
    "rto",
    "snapshot-command",
    "pgbackrest",
    "env",
    "check",
    "retention",
    "tables",
    "allow",
];
/// Every key of an `[[allow]]` table.
pub const ALLOW_KEYS: [&str; 4] = ["rule", "object", "reason", "max-rows"];

/// Every key of the `[check]` table.
pub const CHECK_KEYS: [&str; 2] = ["paths", "baseline"];
/// Every key of the `[retention]` table.
pub const RETENTION_KEYS: [&str; 5] =
    ["keep-last", "keep-daily", "keep-weekly", "keep-monthly", "keep-within"];
/// Every key of a table of `[tables]`.
pub const TABLE_KEYS: [&str; 3] = ["min-rows", "max-shrink", "volatile"];

/// Where to look for the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// In the working directory and upward; the nearest wins, nothing is merged.
    Upward,
    /// Here, and it must be there.
    Exactly(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// A configuration file as written, every value checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// `database`: a URL without a password.
    pub database: Option<String>,
    /// `store`, a path from the file on, or a URL.
    pub store: Option<Location>,
    /// `encrypt-to`: recipients of age.
    pub encrypt_to: Option<Vec<String>>,
    /// `identity`, relative to the file.
    pub identity: Option<PathBuf>,
    /// `snapshot`.
    pub snapshot: Option<SnapshotMode>,
    /// `driver`.
    pub driver: Option<DriverName>,
    /// `compare`.
    pub compare: Option<Compare>,
    /// `pg-dump`, the words of a command line.
    pub pg_dump: Option<Vec<String>>,
    /// `pg-restore`, the words of a command line.
    pub pg_restore: Option<Vec<String>>,
    /// `fail-on`.
    pub fail_on: Option<FailOn>,
    /// `on-loss`.
    pub on_loss: Option<OnLoss>,
    /// `jobs`.
    pub jobs: Option<usize>,
    /// `statement-timeout`.
    pub statement_timeout: Option<Duration>,
    /// `lock-timeout`.
    pub lock_timeout: Option<Duration>,
    /// `min-free-space`, in bytes.
    pub min_free_space: Option<u64>,
    /// `render-timeout`.
    pub render_timeout: Option<Duration>,
    /// `protected`: globs for the names of databases.
    pub protected: Protected,
    /// `rpo`.
    pub rpo: Option<Duration>,
    /// `rto`.
    pub rto: Option<Duration>,
    /// `[snapshot-command]`.
    pub snapshot_command: CommandTable,
    /// `[pgbackrest]`.
    pub pgbackrest: PgBackRestTable,
    /// `[env]`: variables for the migration command.
    pub env: BTreeMap<String, String>,
    /// `[check]`.
    pub check: Check,
    /// `[retention]`: which snapshots `rowsafe snapshot prune` keeps.
    pub retention: Policy,
    /// `[tables]`.
    pub tables: TableRules,
    /// `[[allow]]`.
    pub allow: Vec<Allowance>,
}

/// `[check]`: what `rowsafe check` reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// `paths`: files and folders, relative to the file.
    pub paths: Vec<PathBuf>,
    /// `baseline`: revisions or files; they and all before them are passed over.
    pub baseline: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    database: Option<Spanned<String>>,
    store: Option<Spanned<PathBuf>>,
    encrypt_to: Option<OneOrMore>,
    identity: Option<PathBuf>,
    snapshot: Option<Spanned<String>>,
    driver: Option<Spanned<String>>,
    compare: Option<Spanned<String>>,
    pg_dump: Option<Words>,
    pg_restore: Option<Words>,
    fail_on: Option<Spanned<String>>,
    on_loss: Option<Spanned<String>>,
    jobs: Option<Spanned<Text>>,
    statement_timeout: Option<Spanned<Text>>,
    lock_timeout: Option<Spanned<Text>>,
    min_free_space: Option<Spanned<Text>>,
    render_timeout: Option<Spanned<Text>>,
    #[serde(default)]
    protected: OneOrMore,
    rpo: Option<Spanned<Text>>,
    rto: Option<Spanned<Text>>,
    #[serde(default)]
    snapshot_command: RawCommand,
    #[serde(default)]
    pgbackrest: RawPgBackRest,
    #[serde(default)]
    env: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    check: RawCheck,
    #[serde(default)]
    retention: RawRetention,
    #[serde(default)]
    tables: BTreeMap<Spanned<String>, RawTable>,
    #[serde(default)]
    allow: Vec<Spanned<RawAllow>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawCheck {
    #[serde(default)]
    paths: OneOrMore,
    #[serde(default)]
    baseline: OneOrMore,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "a field is called as its key is")]
struct RawRetention {
    keep_last: Option<Spanned<Text>>,
    keep_daily: Option<Spanned<Text>>,
    keep_weekly: Option<Spanned<Text>>,
    keep_monthly: Option<Spanned<Text>>,
    keep_within: Option<Spanned<Text>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawTable {
    min_rows: Option<u64>,
    max_shrink: Option<Spanned<Text>>,
    volatile: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawAllow {
    rule: String,
    object: String,
    reason: String,
    max_rows: Option<u64>,
}

#[derive(Deserialize)]
struct PyProject {
    tool: PyProjectTool,
}

#[derive(Deserialize)]
struct PyProjectTool {
    rowsafe: Raw,
}

/// Finds and reads the configuration file; `None` when there is none to be found.
pub fn find(search: &Search, environment: &Environment) -> Result<Option<ConfigFile>, Refusal> {
    match search {
        Search::Nowhere => Ok(None),
        Search::Exactly(path) => {
            let path = environment.directory().join(path);
            let text = read(&path)?.ok_or_else(|| {
                let message = format!("there is no configuration file `{}`", path.display());
                Refusal::new(Exit::NoAnswer, message)
            })?;
            match parse(&path, &text)? {
                Some(file) => Ok(Some(file)),
                None => Err(Refusal::new(
                    Exit::NoAnswer,
                    format!("`{}` has no [tool.rowsafe]", path.display()),
                )),
            }
        }
        Search::Upward => {
            for directory in environment.directory().ancestors() {
                for name in [NAME, PYPROJECT] {
                    let path = directory.join(name);
                    let Some(text) = read(&path)? else { continue };
                    if let Some(file) = parse(&path, &text)? {
                        return Ok(Some(file));
                    }
                }
            }
            Ok(None)
        }
    }
}

/// Reads the text of a configuration file; `None` for a pyproject.toml without `[tool.rowsafe]`.
pub fn parse(path: &Path, text: &str) -> Result<Option<ConfigFile>, Refusal> {
    let source = Source { path, text, lines: LineMap::new(text) };
    let is_pyproject = path.file_name().is_some_and(|name| name == PYPROJECT);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        // Somebody else's broken file is no reason to stop, unless it speaks of us.
        Err(_) if is_pyproject && !text.contains("rowsafe") => return Ok(None),
        Err(error) => return Err(source.refuse_toml(&error)),
    };
    let table = if is_pyproject {
        let tool = document.get_ref().get("tool").and_then(|tool| tool.get_ref().as_table());
        match tool.and_then(|tool| tool.get("rowsafe")) {
            None => return Ok(None),
            Some(table) => table.get_ref().as_table(),
        }
    } else {
        Some(document.get_ref())
    };
    if let Some(table) = table {
        source.check_keys(table, KEYS)?;
        let within = |key| table.get(key).and_then(|table: &Spanned<_>| table.get_ref().as_table());
        let tables: [(&str, &[&str]); 4] = [
            ("check", &CHECK_KEYS),
            ("retention", &RETENTION_KEYS),
            ("snapshot-command", &driver::COMMAND_KEYS),
            ("pgbackrest", &driver::PGBACKREST_KEYS),
        ];
        for (key, keys) in tables {
            within(key).map_or(Ok(()), |table| source.check_keys(table, keys))?;
        }
        let tables = table.get("tables").and_then(|tables| tables.get_ref().as_table());
        for (pattern, table) in tables.into_iter().flatten() {
            if let DeValue::Table(table) = table.get_ref() {
                source.check_name(pattern, table)?;
                source.check_keys(table, &TABLE_KEYS)?;
            }
        }
        let allows = table.get("allow").and_then(|allow| allow.get_ref().as_array());
        for allow in allows.into_iter().flatten() {
            if let DeValue::Table(allow) = allow.get_ref() {
                source.check_keys(allow, &ALLOW_KEYS)?;
            }
        }
    }
    let raw = if is_pyproject {
        toml::from_str::<PyProject>(text).map(|project| project.tool.rowsafe)
    } else {
        toml::from_str::<Raw>(text)
    };
    source.check(raw.map_err(|error| source.refuse_toml(&error))?).map(Some)
}

/// A file's text, for errors that name the line.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    lines: LineMap,
}

impl Source<'_> {
    fn check(&self, raw: Raw) -> Result<ConfigFile, Refusal> {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let Words(pg_dump) = raw.pg_dump.unwrap_or(Words(Vec::new()));
        let Words(pg_restore) = raw.pg_restore.unwrap_or(Words(Vec::new()));
        Ok(ConfigFile {
            path: self.path.to_owned(),
            database: raw.database.map(|url| self.without_password("database", url)).transpose()?,
            store: self
                .value("store", raw.store.as_ref(), |store| Location::parse(store, directory))?,
            encrypt_to: raw.encrypt_to.map(|OneOrMore(recipients)| recipients),
            identity: raw.identity.map(|path| directory.join(path)),
            snapshot: self.value("snapshot", raw.snapshot.as_ref(), |text| text.parse())?,
            driver: self.value("driver", raw.driver.as_ref(), |text| text.parse())?,
            compare: self.value("compare", raw.compare.as_ref(), |text| text.parse())?,
            pg_dump: Some(pg_dump).filter(|words| !words.is_empty()),
            pg_restore: Some(pg_restore).filter(|words| !words.is_empty()),
            fail_on: self.value("fail-on", raw.fail_on.as_ref(), |text| text.parse())?,
            on_loss: self.value("on-loss", raw.on_loss.as_ref(), |text| text.parse())?,
            jobs: self.value("jobs", raw.jobs.as_ref(), |text| value::jobs(&text.0))?,
            statement_timeout: self
                .duration("statement-timeout", raw.statement_timeout.as_ref())?,
            lock_timeout: self.duration("lock-timeout", raw.lock_timeout.as_ref())?,
            min_free_space: self.value("min-free-space", raw.min_free_space.as_ref(), |text| {
                value::size(&text.0)
            })?,
            render_timeout: self.duration("render-timeout", raw.render_timeout.as_ref())?,
            protected: Protected(raw.protected.0),
            rpo: self.duration("rpo", raw.rpo.as_ref())?,
            rto: self.duration("rto", raw.rto.as_ref())?,
            snapshot_command: self.snapshot_command(&raw.snapshot_command)?,
            pgbackrest: PgBackRestTable {
                timeout: self.duration("timeout", raw.pgbackrest.timeout.as_ref())?,
                stanza: raw.pgbackrest.stanza,
                command: raw.pgbackrest.command.map(|Words(words)| words),
                config: raw.pgbackrest.config,
            },
            env: self.variables(raw.env)?,
            check: Check {
                paths: raw.check.paths.0.iter().map(|path| directory.join(path)).collect(),
                baseline: raw.check.baseline.0,
            },
            retention: self.policy(&raw.retention)?,
            tables: self.table_rules(raw.tables)?,
            allow: raw
                .allow
                .into_iter()
                .map(|allow| self.allowance(allow))
                .collect::<Result<_, _>>()?,
        })
    }

    fn snapshot_command(&self, raw: &RawCommand) -> Result<CommandTable, Refusal> {
        let template = |key, written: &Option<Spanned<Words>>, knows_reference| {
            let read = |Words(words): &Words| Template::new(words.clone(), knows_reference);
            self.value(key, written.as_ref(), read)
        };
        Ok(CommandTable {
            create: template("create", &raw.create, false)?,
            verify: template("verify", &raw.verify, true)?,
            restore: template("restore", &raw.restore, true)?,
            timeout: self.duration("timeout", raw.timeout.as_ref())?,
        })
    }

    fn value<T, U>(
        &self,
        key: &str,
        written: Option<&Spanned<T>>,
        read: impl FnOnce(&T) -> Result<U, String>,
    ) -> Result<Option<U>, Refusal> {
        let Some(written) = written else { return Ok(None) };
        read(written.get_ref())
            .map(Some)
            .map_err(|error| self.refuse(written.span().start, &format!("`{key}`: {error}")))
    }

    fn duration(
        &self,
        key: &str,
        written: Option<&Spanned<Text>>,
    ) -> Result<Option<Duration>, Refusal> {
        self.value(key, written, |text| value::duration(&text.0))
    }

    fn without_password(&self, key: &str, url: Spanned<String>) -> Result<String, Refusal> {
        if mask_urls(url.get_ref()) == *url.get_ref() {
            return Ok(url.into_inner());
        }
        let message = format!("`{key}` holds a password, and this file is meant to be shared");
        Err(self
            .refuse(url.span().start, &message)
            .hint("leave the password out here; PGPASSWORD or ~/.pgpass can hold it")
            .hint("or remove the key and set ROWSAFE_DATABASE to the whole URL"))
    }

    fn variables(
        &self,
        written: BTreeMap<String, Spanned<String>>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut variables = BTreeMap::new();
        for (name, value) in written {
            let assignment = format!("{name}={}", value.get_ref());
            if !value.get_ref().is_empty() && mask_urls(&assignment) != assignment {
                let message =
                    format!("`{name}` holds a password, and this file is meant to be shared");
                return Err(self.refuse(value.span().start, &message).hint(format!(
                    "set {name} where rowsafe is started; the command inherits it"
                )));
            }
            if name.is_empty() || name.contains(['=', '\0']) || value.get_ref().contains('\0') {
                let message = format!("`{name}` is no name and value of a variable");
                return Err(self.refuse(value.span().start, &message));
            }
            variables.insert(name, value.into_inner());
        }
        Ok(variables)
    }

    fn allowance(&self, written: Spanned<RawAllow>) -> Result<Allowance, Refusal> {
        let start = written.span().start;
        let RawAllow { rule, object, reason, max_rows } = written.into_inner();
        for (key, text) in [("rule", &rule), ("object", &object), ("reason", &reason)] {
            if text.trim().is_empty() {
                let message = format!("an [[allow]] needs a `{key}`");
                return Err(self.refuse(start, &message));
            }
        }
        let source = AllowanceSource::Configuration;
        Ok(Allowance { rule, object, max_rows, reason, source, statement: None })
    }

    fn policy(&self, written: &RawRetention) -> Result<Policy, Refusal> {
        let count = |key: &str, written: &Option<Spanned<Text>>| {
            self.value(key, written.as_ref(), |text| value::kept(&text.0))
        };
        Ok(Policy {
            last: count("keep-last", &written.keep_last)?,
            daily: count("keep-daily", &written.keep_daily)?,
            weekly: count("keep-weekly", &written.keep_weekly)?,
            monthly: count("keep-monthly", &written.keep_monthly)?,
            within: self.duration("keep-within", written.keep_within.as_ref())?,
        })
    }

    fn table_rules(
        &self,
        written: BTreeMap<Spanned<String>, RawTable>,
    ) -> Result<TableRules, Refusal> {
        let mut rules = Vec::new();
        for (pattern, table) in written {
            let max_shrink = table.max_shrink.as_ref();
            let rule = TableRule {
                min_rows: table.min_rows,
                max_shrink: self.value("max-shrink", max_shrink, |text| value::share(&text.0))?,
                is_volatile: table.volatile,
            };
            rules.push((pattern.into_inner(), rule));
        }
        Ok(TableRules::new(rules))
    }

    /// `[tables.public.users]` is a table in a table to TOML, and a name with its schema to people.
    fn check_name(
        &self,
        schema: &Spanned<DeString<'_>>,
        table: &DeTable<'_>,
    ) -> Result<(), Refusal> {
        for (name, value) in table {
            if value.get_ref().is_table() {
                let (schema, name) = (schema.get_ref(), name.get_ref());
                let message =
                    format!("a name with its schema is quoted: [tables.\"{schema}.{name}\"]");
                return Err(self.refuse(value.span().start, &message));
            }
        }
        Ok(())
    }

    fn check_keys(&self, table: &DeTable<'_>, known: &[&str]) -> Result<(), Refusal> {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let refusal = self.refuse(key.span().start, &format!("there is no setting `{name}`"));
            return Err(match value::closest(name, known) {
                Some(meant) => refusal.hint(format!("did you mean `{meant}`?")),
                None if name.to_lowercase().contains("pass") => {
                    refusal.hint("passwords are read from PGPASSWORD, ~/.pgpass or the URL")
                }
                None => refusal.hint(format!("the settings are: {}", known.join(", "))),
            });
        }
        Ok(())
    }

    /// Only the message: what TOML prints with it is the line, and that may hold a password.
    fn refuse_toml(&self, error: &toml::de::Error) -> Refusal {
        let message = error.message().trim_end_matches('.');
        self.refuse(error.span().map_or(0, |span| span.start), message)
    }

    /// A value that was put in the wrong place may be a URL with its password.
    fn refuse(&self, offset: usize, message: &str) -> Refusal {
        let line = self.lines.position(self.text, offset).line;
        let message = mask_urls(&message.replace('\n', ", "));
        Refusal::new(Exit::NoAnswer, format!("{}:{line}: {message}", self.path.display()))
    }
}

fn read(path: &Path) -> Result<Option<String>, Refusal> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => {
            let message = format!("could not read `{}`", path.display());
            Err(Refusal::new(Exit::NoAnswer, message).because(error))
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
