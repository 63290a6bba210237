//! Every setting as resolved, with where it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::driver::{self, CommandTable, PgBackRestTable};
use super::env;
use super::file::{self, Check, Search};
use super::value;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::finding::Allowance;
use crate::hint::Refusal;
use crate::policy::{
    Compare, Driver, DriverName, FailOn, OnLoss, Protected, SnapshotMode, TableRules,
};
use crate::retention::Policy;
use crate::secret::{Secret, mask_urls, mask_words};
use crate::snapshot::store::Location;
use crate::text::number;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Env(&'static str),
    /// This configuration file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("command line"),
            Self::Env(name) => formatter.write_str(name),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the command line said; the rest comes from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--database`.
    pub database: Option<Secret>,
    /// `--store`.
    pub store: Option<PathBuf>,
    /// `--identity`.
    pub identity: Option<PathBuf>,
    /// `--snapshot`.
    pub snapshot: Option<SnapshotMode>,
    /// `--compare`.
    pub compare: Option<Compare>,
    /// `--pg-dump`, the words of a command line.
    pub pg_dump: Option<Vec<String>>,
    /// `--pg-restore`, the words of a command line.
    pub pg_restore: Option<Vec<String>>,
    /// `--fail-on`.
    pub fail_on: Option<FailOn>,
    /// `--on-loss`.
    pub on_loss: Option<OnLoss>,
    /// `--jobs`.
    pub jobs: Option<usize>,
    /// `--config`; `ROWSAFE_CONFIG` is looked at when it is not given.
    pub config: Option<PathBuf>,
    /// `--no-config`.
    pub no_config: bool,
}

/// Every setting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database's URL, when rowsafe was told one; else it is looked for elsewhere.
    pub database: Option<Setting<Secret>>,
    /// Where snapshots are kept; a directory is absolute.
    pub store: Setting<Location>,
    /// Whom snapshots are encrypted to; nobody: they are not.
    pub encrypt_to: Setting<Vec<String>>,
    /// The file with the identity that opens them.
    pub identity: Option<Setting<PathBuf>>,
    /// Which tables a snapshot keeps.
    pub snapshot: Setting<SnapshotMode>,
    /// What takes it.
    pub driver: Setting<DriverName>,
    /// How before and after are compared.
    pub compare: Setting<Compare>,
    /// The command line of pg_dump.
    pub pg_dump: Setting<Vec<String>>,
    /// The command line of pg_restore.
    pub pg_restore: Setting<Vec<String>>,
    /// From which severity on findings block.
    pub fail_on: Setting<FailOn>,
    /// What a run does when it finds a loss that nobody had agreed to.
    pub on_loss: Setting<OnLoss>,
    /// How many connections count rows at once.
    pub jobs: Setting<usize>,
    /// `statement_timeout` of rowsafe's own sessions; zero means none.
    pub statement_timeout: Setting<Duration>,
    /// `lock_timeout` of rowsafe's own sessions; zero means none.
    pub lock_timeout: Setting<Duration>,
    /// Bytes that must stay free in the store beside the snapshot.
    pub min_free_space: Setting<u64>,
    /// How long rendering the pending SQL may take.
    pub render_timeout: Setting<Duration>,
    /// Which databases need more care.
    pub protected: Protected,
    /// How old the last verified snapshot may be.
    pub rpo: Option<Setting<Duration>>,
    /// How long a restore may take.
    pub rto: Option<Setting<Duration>>,
    /// The snapshot command of `driver = "command"`.
    pub snapshot_command: CommandTable,
    /// The options of `driver = "pgbackrest"`.
    pub pgbackrest: PgBackRestTable,
    /// Variables for the migration command, on top of the inherited ones.
    pub env: BTreeMap<String, String>,
    /// What `rowsafe check` reads.
    pub check: Check,
    /// Which snapshots `rowsafe snapshot prune` keeps.
    pub retention: Policy,
    /// How few rows are too few, and which rows others write too.
    pub tables: TableRules,
    /// Agreements of the configuration file.
    pub allow: Vec<Allowance>,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Where what belongs to no store is kept: beside the configuration.
    beside: PathBuf,
    /// What is odd but no reason to stop, a sentence each.
    pub warnings: Vec<String>,
}

/// A setting for `rowsafe config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The key in the configuration file.
    pub key: &'static str,
    /// The value, without any password.
    pub value: String,
    /// Where it comes from.
    pub origin: String,
}

impl Settings {
    /// Resolves every setting: command line, `ROWSAFE_…`, configuration file, default.
    pub fn resolve(flags: Flags, environment: &Environment) -> Result<Self, Refusal> {
        let found = file::find(&search(&flags, environment), environment)?;
        let path = found.as_ref().map(|file| file.path.clone());
        let from = Sources { environment, file: path.as_deref() };
        let file = found.unwrap_or_default();
        let directory = environment.directory();
        let base = path.as_deref().and_then(Path::parent).unwrap_or(directory);
        let read_store = |text: &str| Location::parse(Path::new(text), directory);
        let flag_store = flags.store.map(|store| Location::parse(&store, directory)).transpose();
        let flag_store = flag_store
            .map_err(|error| Refusal::new(Exit::NoAnswer, format!("--store: {error}")))?;
        let beside = base.join(".rowsafe");
        let default_store = Location::Directory(beside.join("snapshots"));
        let read_url = |text: &str| Ok(Secret::new(text));
        let file_url = file.database.map(Secret::new);
        Ok(Self {
            database: from.optional(flags.database, env::DATABASE, read_url, file_url)?,
            store: from.setting(flag_store, env::STORE, read_store, file.store, default_store)?,
            encrypt_to: from.setting(
                None,
                env::ENCRYPT_TO,
                value::recipients,
                file.encrypt_to,
                Vec::new(),
            )?,
            identity: from.optional(
                flags.identity.map(|path| directory.join(path)),
                env::IDENTITY,
                |text| Ok(directory.join(text)),
                file.identity,
            )?,
            snapshot: from.word(
                flags.snapshot,
                env::SNAPSHOT,
                file.snapshot,
                SnapshotMode::Auto,
            )?,
            driver: from.word(None, env::DRIVER, file.driver, DriverName::PgDump)?,
            compare: from.word(flags.compare, env::COMPARE, file.compare, Compare::Auto)?,
            pg_dump: from.program(flags.pg_dump, env::PG_DUMP, file.pg_dump, "pg_dump")?,
            pg_restore: from.program(
                flags.pg_restore,
                env::PG_RESTORE,
                file.pg_restore,
                "pg_restore",
            )?,
            fail_on: from.word(flags.fail_on, env::FAIL_ON, file.fail_on, FailOn::Warning)?,
            on_loss: from.word(flags.on_loss, env::ON_LOSS, file.on_loss, OnLoss::Stop)?,
            jobs: from.setting(flags.jobs, env::JOBS, value::jobs, file.jobs, DEFAULT_JOBS)?,
            statement_timeout: from.duration(
                env::STATEMENT_TIMEOUT,
                file.statement_timeout,
                DEFAULT_STATEMENT,
            )?,
            lock_timeout: from.duration(env::LOCK_TIMEOUT, file.lock_timeout, DEFAULT_LOCK)?,
            min_free_space: from.size(env::MIN_FREE_SPACE, file.min_free_space, DEFAULT_FREE)?,
            render_timeout: from.duration(
                env::RENDER_TIMEOUT,
                file.render_timeout,
                DEFAULT_RENDER,
            )?,
            protected: file.protected,
            rpo: from.optional(None, env::RPO, value::duration, file.rpo)?,
            rto: from.optional(None, env::RTO, value::duration, file.rto)?,
            snapshot_command: file.snapshot_command,
            pgbackrest: file.pgbackrest,
            env: file.env,
            check: file.check,
            retention: file.retention,
            tables: file.tables,
            allow: file.allow,
            file: path.clone(),
            beside,
            warnings: warnings(environment),
        })
    }

    /// The journal's path: beside a store that is called `snapshots`, else inside the store, so
    /// that `--store /backups` does not write into `/`. Beside the configuration when the store is
    /// a bucket: a journal is written line by line, on this machine.
    pub fn journal(&self) -> PathBuf {
        let Location::Directory(store) = &self.store.value else {
            return self.beside.join("journal.jsonl");
        };
        let is_usual = store.file_name().is_some_and(|name| name == "snapshots");
        let directory = store.parent().filter(|_| is_usual).unwrap_or(store);
        directory.join("journal.jsonl")
    }

    /// What takes the snapshot, with all that it needs to do so.
    pub fn driver(&self) -> Result<Driver, Refusal> {
        let rpo = self.rpo.as_ref().map(|rpo| rpo.value);
        let (command, pgbackrest) = (self.snapshot_command.clone(), self.pgbackrest.clone());
        driver::resolve(self.driver.value, command, pgbackrest, rpo)
    }

    /// Every setting with its origin, in the order of the reference.
    pub fn describe(&self) -> Vec<Described> {
        let database = self.database.as_ref();
        let mut rows = vec![Described {
            key: "database",
            value: database.map_or(String::new(), |url| mask_urls(url.value.reveal())),
            origin: database.map_or(Origin::Default, |url| url.origin.clone()).to_string(),
        }];
        let mut add = |key, value: String, origin: &Origin| {
            rows.push(Described { key, value, origin: origin.to_string() });
        };
        let seconds = |setting: &Setting<Duration>| number::seconds(setting.value);
        let line = |setting: &Setting<Vec<String>>| shell_words::join(mask_words(&setting.value));
        add("store", self.store.value.to_string(), &self.store.origin);
        add("encrypt-to", self.encrypt_to.value.join(" "), &self.encrypt_to.origin);
        match &self.identity {
            Some(setting) => {
                add("identity", setting.value.display().to_string(), &setting.origin);
            }
            None => add("identity", String::new(), &Origin::Default),
        }
        add("snapshot", self.snapshot.value.to_string(), &self.snapshot.origin);
        add("driver", self.driver.value.to_string(), &self.driver.origin);
        add("compare", self.compare.value.to_string(), &self.compare.origin);
        add("pg-dump", line(&self.pg_dump), &self.pg_dump.origin);
        add("pg-restore", line(&self.pg_restore), &self.pg_restore.origin);
        add("fail-on", self.fail_on.value.to_string(), &self.fail_on.origin);
        add("on-loss", self.on_loss.value.to_string(), &self.on_loss.origin);
        add("jobs", self.jobs.value.to_string(), &self.jobs.origin);
        add("statement-timeout", seconds(&self.statement_timeout), &self.statement_timeout.origin);
        add("lock-timeout", seconds(&self.lock_timeout), &self.lock_timeout.origin);
        let free = number::bytes(self.min_free_space.value);
        add("min-free-space", free, &self.min_free_space.origin);
        add("render-timeout", seconds(&self.render_timeout), &self.render_timeout.origin);
        let file = self.file.clone().map_or(Origin::Default, Origin::File);
        add("protected", self.protected.0.join(" "), &file);
        for (key, objective) in [("rpo", &self.rpo), ("rto", &self.rto)] {
            match objective {
                Some(setting) => add(key, seconds(setting), &setting.origin),
                None => add(key, String::new(), &Origin::Default),
            }
        }
        add("snapshot-command", driver::command_said(&self.snapshot_command), &file);
        add("pgbackrest", driver::pgbackrest_said(&self.pgbackrest), &file);
        let names: Vec<&str> = self.env.keys().map(String::as_str).collect();
        add("env", names.join(" "), &file);
        add("check", said(&self.check), &file);
        add("retention", self.retention.said(), &file);
        add("tables", rules_said(&self.tables), &file);
        let allowed = number::plural(self.allow.len() as u64, "allowance");
        add("allow", allowed, &file);
        rows
    }
}

/// `paths …, baseline …`, whatever of it is set.
fn said(check: &Check) -> String {
    let paths: Vec<_> = check.paths.iter().map(|path| path.display().to_string()).collect();
    let parts = [("paths", paths.join(" ")), ("baseline", check.baseline.join(" "))];
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// `users min-rows 10 max-shrink 5%, log_* volatile`.
fn rules_said(rules: &TableRules) -> String {
    let said = rules.iter().map(|(pattern, rule)| {
        let mut words = vec![pattern.to_owned()];
        words.extend(rule.min_rows.map(|rows| format!("min-rows {rows}")));
        words.extend(rule.max_shrink.map(|share| format!("max-shrink {share}")));
        let volatile = |is_volatile| if is_volatile { "volatile" } else { "not volatile" };
        words.extend(rule.is_volatile.map(volatile).map(str::to_owned));
        words.join(" ")
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Four bring no more than two on a small server.
const DEFAULT_JOBS: usize = 2;
/// Long enough to count a table of some hundred million rows.
const DEFAULT_STATEMENT: Duration = Duration::from_hours(1);
/// Short, because whoever waits for a lock makes everybody behind it wait.
const DEFAULT_LOCK: Duration = Duration::from_secs(10);
/// Python and an application take seconds to load; minutes mean that it waits for something.
const DEFAULT_RENDER: Duration = Duration::from_mins(2);
/// Enough for a host to go on logging and answering.
const DEFAULT_FREE: u64 = 256_000_000;

fn search(flags: &Flags, environment: &Environment) -> Search {
    let variable = environment.get(env::CONFIG).map(PathBuf::from);
    match flags.config.clone().or(variable) {
        _ if flags.no_config => Search::Nowhere,
        Some(path) => Search::Exactly(path),
        None => Search::Upward,
    }
}

/// Where values are looked for behind the command line.
struct Sources<'a> {
    environment: &'a Environment,
    file: Option<&'a Path>,
}

impl Sources<'_> {
    fn optional<T>(
        &self,
        flag: Option<T>,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
        file: Option<T>,
    ) -> Result<Option<Setting<T>>, Refusal> {
        if let Some(value) = flag {
            return Ok(Some(Setting { value, origin: Origin::Flag }));
        }
        if let Some(text) = self.environment.get(name) {
            let value = read(text).map_err(|error| {
                Refusal::new(Exit::NoAnswer, format!("{name}: {}", mask_urls(&error)))
            })?;
            return Ok(Some(Setting { value, origin: Origin::Env(name) }));
        }
        let origin = self.file.map_or(Origin::Default, |path| Origin::File(path.to_owned()));
        Ok(file.map(|value| Setting { value, origin }))
    }

    fn setting<T>(
        &self,
        flag: Option<T>,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
        file: Option<T>,
        default: T,
    ) -> Result<Setting<T>, Refusal> {
        let found = self.optional(flag, name, read, file)?;
        Ok(found.unwrap_or(Setting { value: default, origin: Origin::Default }))
    }

    fn duration(
        &self,
        name: &'static str,
        file: Option<Duration>,
        default: Duration,
    ) -> Result<Setting<Duration>, Refusal> {
        self.setting(None, name, value::duration, file, default)
    }

    fn size(
        &self,
        name: &'static str,
        file: Option<u64>,
        default: u64,
    ) -> Result<Setting<u64>, Refusal> {
        self.setting(None, name, value::size, file, default)
    }

    fn word<T: FromStr<Err = String>>(
        &self,
        flag: Option<T>,
        name: &'static str,
        file: Option<T>,
        default: T,
    ) -> Result<Setting<T>, Refusal> {
        self.setting(flag, name, str::parse, file, default)
    }

    fn program(
        &self,
        flag: Option<Vec<String>>,
        name: &'static str,
        file: Option<Vec<String>>,
        default: &str,
    ) -> Result<Setting<Vec<String>>, Refusal> {
        self.setting(flag, name, value::words, file, vec![default.to_owned()])
    }
}

fn warnings(environment: &Environment) -> Vec<String> {
    let misspelled = env::unknown(environment).into_iter().map(|(name, meant)| match meant {
        Some(meant) => format!("{name} is set and means nothing here; did you mean {meant}?"),
        None => format!("{name} is set and means nothing here"),
    });
    misspelled.collect()
}

/// Enums whose words are the same on the command line, in the environment and in the file.
macro_rules! words {
    ($type:ty, $($word:literal => $value:expr),+) => {
        impl $type {
            /// Its words.
            pub const WORDS: &[&str] = &[$($word),+];
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(format!("`{text}` is not one of {}", Self::WORDS.join(", "))),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(if *self == $value { return formatter.write_str($word); })+
                Ok(())
            }
        }
    };
}

words!(SnapshotMode, "auto" => Self::Auto, "all" => Self::All, "at-risk" => Self::AtRisk, "none" => Self::None);
words!(DriverName, "pg_dump" => Self::PgDump, "command" => Self::Command, "pgbackrest" => Self::PgBackRest);
words!(Compare, "auto" => Self::Auto, "counts" => Self::Counts, "values" => Self::Values);
words!(OnLoss, "stop" => Self::Stop, "restore" => Self::Restore);
words!(FailOn, "error" => Self::Error, "warning" => Self::Warning, "never" => Self::Never);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FailOn, Flags, Location, Origin, Setting, Settings, SnapshotMode};
    use crate::config::file::KEYS;
    use crate::environment::Environment;
    use crate::secret::Secret;

    fn resolve(
        flags: Flags,
        variables: &[(&str, &str)],
        text: &str,
    ) -> (Settings, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rowsafe.toml");
        crate::text::write_atomically(&path, text.as_bytes()).unwrap();
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment::new(variables, directory.path());
        (Settings::resolve(flags, &environment).unwrap(), directory)
    }

    #[test]
    fn the_command_line_goes_before_the_environment_before_the_file() {
        let text = "snapshot = 'all'\nfail-on = 'error'\njobs = 3";
        let variables = [("ROWSAFE_SNAPSHOT", "none"), ("ROWSAFE_FAIL_ON", "never")];
        let flags = Flags { snapshot: Some(SnapshotMode::Auto), ..Flags::default() };
        let (settings, directory) = resolve(flags, &variables, text);
        let file = directory.path().join("rowsafe.toml");
        let flag = Setting { value: SnapshotMode::Auto, origin: Origin::Flag };
        assert_eq!(settings.snapshot, flag);
        let variable = Setting { value: FailOn::Never, origin: Origin::Env("ROWSAFE_FAIL_ON") };
        assert_eq!(settings.fail_on, variable);
        assert_eq!(settings.jobs, Setting { value: 3, origin: Origin::File(file) });
        assert_eq!(settings.pg_dump.value, ["pg_dump"]);
        assert_eq!(settings.pg_dump.origin, Origin::Default);
        let store = Location::Directory(directory.path().join(".rowsafe/snapshots"));
        assert_eq!(settings.store.value, store);
        assert_eq!(settings.journal(), directory.path().join(".rowsafe/journal.jsonl"));
    }

    #[test]
    fn the_journal_of_a_store_elsewhere_is_inside_it() {
        let flags = Flags { store: Some("/backups".into()), ..Flags::default() };
        let (settings, _directory) = resolve(flags, &[], "");
        assert_eq!(settings.journal(), Path::new("/backups/journal.jsonl"));
    }

    #[test]
    fn the_journal_of_a_bucket_is_beside_the_configuration() {
        let (settings, directory) = resolve(Flags::default(), &[], "store = 's3://kept/app'");
        assert_eq!(settings.store.value.to_string(), "s3://kept/app");
        assert_eq!(settings.journal(), directory.path().join(".rowsafe/journal.jsonl"));
    }

    #[test]
    fn every_key_is_described_and_no_password_is() {
        let flags = Flags {
            database: Some(Secret::new("postgresql://u:hunter2@h/db")),
            ..Flags::default()
        };
        let (settings, _directory) = resolve(flags, &[], "");
        let rows = settings.describe();
        assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), KEYS);
        assert_eq!(rows[0].value, "postgresql://u:***@h/db");
        assert_eq!(rows[0].origin, "command line");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_bad_variable_is_refused_by_name_and_an_unknown_one_is_warned_of() {
        let environment =
            |name: &str, value: &str| Environment::new([(name.to_owned(), value.to_owned())], "/");
        let flags = || Flags { no_config: true, ..Flags::default() };
        let refusal = Settings::resolve(flags(), &environment("ROWSAFE_JOBS", "0")).unwrap_err();
        assert_eq!(refusal.to_string(), "ROWSAFE_JOBS: `0` is no number from 1 to 64");
        let settings = Settings::resolve(flags(), &environment("ROWSAFE_JOB", "1")).unwrap();
        let expected = "ROWSAFE_JOB is set and means nothing here; did you mean ROWSAFE_JOBS?";
        assert_eq!(settings.warnings, [expected]);
    }
}
