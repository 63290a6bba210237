//! The command line as it is typed. Parsing checks words; it does nothing.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::outputs;
use super::snapshot_args::SnapshotArgs;
use crate::report;
use crate::restore::RestoreMode;

/// Names every row, column and value that a migration would destroy, and stops until somebody has
/// agreed.
#[derive(Debug, Parser)]
#[command(name = "rowsafe", version, max_term_width = 80, disable_help_subcommand = true)]
#[command(after_help = "Examples:\n  \
    rowsafe run -- alembic upgrade head\n  \
    rowsafe run --sql migration.sql -- psql -f migration.sql\n  \
    rowsafe check --diff origin/main\n  \
    rowsafe restore latest")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file instead of rowsafe.toml or [tool.rowsafe]
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, global = true)]
    pub no_config: bool,
    /// When to color
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true)]
    pub color: ColorChoice,
    /// Say only the answer
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say how things were found out (-vv for more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// When to color.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read migrations without a database and name what they would destroy
    Check(CheckArgs),
    /// Say what a run would destroy and keep, on the live database; nothing is changed
    Plan(PlanArgs),
    /// Plan, agree, keep a verified snapshot, run the migration command, compare
    Run(RunArgs),
    /// Say whether a run is safe here: connection, identity, rights, tools, space, age of snapshots
    Doctor(DoctorArgs),
    /// Take snapshots, list, check and remove them
    Snapshot(SnapshotArgs),
    /// Put back what a snapshot holds
    Restore(RestoreArgs),
    /// Say what a restore would put back; nothing is changed
    Diff(DiffArgs),
    /// After a loss: what is gone, how bad it is, why, where the rows still are, what to do
    Incident(IncidentArgs),
    /// Show every setting and where it comes from
    Config(ConfigArgs),
    /// Say what a rule finds, what is lost, and how to agree to it
    Explain(ExplainArgs),
    /// Write a rowsafe.toml; show what a hook and a CI job look like
    Init(InitArgs),
}

/// How standard output is written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Format {
    #[default]
    Human,
    Json,
}

/// `rowsafe check`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe check                        the revisions of alembic.ini\n  \
    rowsafe check migrations/            every migration of a folder\n  \
    rowsafe check --diff origin/main     what this branch adds or changes\n  \
    rowsafe check --since 3f9c1a         what a database at 3f9c1a has not run\n  \
    cat new.sql | rowsafe check -         standard input\n\n\
    Exit codes:\n  \
    0 nothing to object to    1 findings that nobody agreed to\n  \
    2 usage, configuration, nothing to read")]
pub struct CheckArgs {
    /// Files and folders, `-` for standard input
    /// [default: those of the configuration, else of alembic.ini]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only what comes after this revision or file
    #[arg(long, value_name = "REVISION")]
    pub since: Vec<String>,
    /// Only what is new or changed since the branch left this one
    #[arg(long, value_name = "BRANCH")]
    pub diff: Option<String>,
    /// Read the way back: downgrade() and the down parts
    #[arg(long)]
    pub downgrade: bool,
    /// Agree to a finding: 'RULE OBJECT: REASON'
    #[arg(long, value_name = "AGREEMENT")]
    pub allow: Vec<String>,
    /// From which severity on findings fail: error, warning, never
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<String>,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
    /// Also write the report: sarif=PATH, junit=PATH
    #[arg(long, value_name = "FORMAT=PATH")]
    pub output: Vec<String>,
}

/// `rowsafe init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe init                     a rowsafe.toml to fill in\n  \
    rowsafe init --baseline head     check only what comes from now on\n  \
    rowsafe init --baseline 3f9c1a   check only what comes after 3f9c1a\n  \
    rowsafe init --baseline head db/migrations")]
pub struct InitArgs {
    /// Files and folders for `rowsafe check` to read [default: those of alembic.ini]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// `rowsafe check` passes over this revision or file and all before it; `head` is the newest
    #[arg(long, value_name = "REVISION")]
    pub baseline: Option<String>,
}

/// `rowsafe config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rowsafe explain`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe explain              every rule\n  \
    rowsafe explain drop-column  one of them")]
pub struct ExplainArgs {
    /// The rule's id, as findings name it
    pub rule: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What reaches the database.
#[derive(Debug, Default, Args)]
pub struct ConnectionArgs {
    /// The database, as a URL of libpq or SQLAlchemy
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Where snapshots are kept: a directory, s3://…, gs://… or az://… [default:
    /// .rowsafe/snapshots]
    #[arg(long, value_name = "PATH|URL")]
    pub store: Option<PathBuf>,
    /// The file with the age identity that opens encrypted snapshots
    #[arg(long, value_name = "PATH")]
    pub identity: Option<PathBuf>,
    /// The pg_dump to use, for example 'docker exec -i db pg_dump'
    #[arg(long, value_name = "COMMAND")]
    pub pg_dump: Option<String>,
    /// The pg_restore to use [default: the one beside pg_dump]
    #[arg(long, value_name = "COMMAND")]
    pub pg_restore: Option<String>,
    /// Connections that count rows at the same time
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Also write the report; FORMAT is human, json, sarif, github, gitlab or junit
    #[arg(long, value_name = "FORMAT=PATH")]
    pub output: Vec<String>,
}

/// `rowsafe run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe run -- alembic upgrade head\n  \
    rowsafe run --allow 'truncate sessions: stale' -- alembic upgrade head\n  \
    rowsafe run --sql 001.sql -- psql -f 001.sql\n\n\
    Exit codes:\n  \
    0 every row accounted for    1 blocked, nothing was run\n  \
    2 usage or configuration     3 the command failed\n  \
    4 unplanned loss, put back   5 unplanned loss\n  \
    6 no verified snapshot       7 database unreachable, or not the one on record\n  \
    130, 143 interrupted, compared all the same")]
pub struct RunArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// How to compare before and after: auto, counts, values
    #[arg(long, value_name = "WHAT")]
    pub compare: Option<String>,
    /// When rows are gone that nobody agreed to: stop, restore
    #[arg(long, value_name = "WHAT")]
    pub on_loss: Option<String>,
    /// The migration command, as it is typed without rowsafe
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What says what is pending, and what of it is agreed to.
#[derive(Debug, Default, Args)]
pub struct PlanningArgs {
    /// Agree to a finding: 'RULE OBJECT: REASON', 'RULE OBJECT rows<=500: REASON'
    #[arg(long, value_name = "AGREEMENT")]
    pub allow: Vec<String>,
    /// A file of pending SQL, in the order the command runs them
    #[arg(long, value_name = "FILE")]
    pub sql: Vec<PathBuf>,
    /// A command that prints the pending SQL
    #[arg(long, value_name = "COMMAND", conflicts_with = "sql")]
    pub sql_command: Option<String>,
    /// What to keep before the run: auto, all, at-risk, none
    #[arg(long, value_name = "WHAT")]
    pub snapshot: Option<String>,
    /// From which severity on findings block: error, warning, never
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<String>,
    /// Accept a database that is not the one on record
    #[arg(long)]
    pub new_database: bool,
}

/// `rowsafe plan`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe plan -- alembic upgrade head\n  \
    rowsafe plan --format json -- alembic upgrade head\n  \
    rowsafe plan --sql 001.sql\n\n\
    Exit codes:\n  \
    0 nothing to object to       1 findings that nobody agreed to\n  \
    2 usage or configuration     7 database unreachable, or not the one on record")]
pub struct PlanArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
    /// The migration command, as it is typed without rowsafe
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `rowsafe doctor`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe doctor\n  \
    rowsafe doctor -- alembic upgrade head\n  \
    rowsafe doctor --output prometheus=/var/lib/node_exporter/rowsafe.prom\n\n\
    Exit codes:\n  \
    0 a run is safe here         2 usage or configuration\n  \
    7 a run would fail, or would not be safe")]
pub struct DoctorArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
    /// The migration command, where it names the database
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `rowsafe restore`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe restore latest                      everything that is gone\n  \
    rowsafe restore 7k2m9q1c --table sessions   one table\n  \
    rowsafe restore 7k2m9q1c --table sessions --mode replace\n  \
    rowsafe restore 7k2m9q1c --into app_before  everything, into a new database\n\n\
    Exit codes:\n  \
    0 put back, or nothing to do    1 nobody agreed, or nothing can be put back\n  \
    2 could not be done, nothing was changed    5 not everything could be put back\n  \
    6 no snapshot of the present state          7 another database, or unreachable")]
pub struct RestoreArgs {
    /// The snapshot's id, the beginning of one, or `latest`
    pub snapshot: String,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Only this table
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Only the values of this column, over those of now
    #[arg(long, value_name = "COLUMN", requires = "table", conflicts_with = "mode")]
    pub column: Vec<String>,
    /// Put back what is gone beside what is there, or make a table as it was
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub mode: Mode,
    /// Keep the present state of what is written to before: auto, none
    #[arg(long = "snapshot", value_parser = ["auto", "none"], default_value = "auto", value_name = "WHAT")]
    pub keep: String,
    /// A new database for all of it
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    pub into: Option<String>,
    /// Bring all of it into a new database that takes the place of this one, which is kept
    #[arg(long, conflicts_with_all = ["table", "into"])]
    pub swap: bool,
    /// Agree beforehand by naming the database that is written to
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// How to print the report on standard output
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
}

/// What becomes of rows of now.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Mode {
    /// They stay: only what is gone comes back
    #[default]
    Missing,
    /// They are overwritten and deleted: the table is as it was
    Replace,
}

impl From<Mode> for RestoreMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Missing => Self::Missing,
            Mode::Replace => Self::Replace,
        }
    }
}

/// `rowsafe diff`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe diff latest                      what is gone since\n  \
    rowsafe diff 7k2m9q1c --table sessions   of one table\n  \
    rowsafe diff latest --format json\n\n\
    Exit codes:\n  \
    0 answered, whether something differs or not\n  \
    2 could not be answered          7 another database, or unreachable")]
pub struct DiffArgs {
    /// The snapshot's id, the beginning of one, or `latest`
    pub snapshot: String,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Only this table
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Only the values of this column, over those of now
    #[arg(long, value_name = "COLUMN", requires = "table", conflicts_with = "mode")]
    pub column: Vec<String>,
    /// What `rowsafe restore` would do in this mode
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub mode: Mode,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
}

/// `rowsafe incident`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe incident\n  \
    rowsafe incident -- alembic upgrade head\n  \
    rowsafe incident --output markdown=incident.md\n\n\
    Exit codes:\n  \
    0 nothing is missing as far as can be told\n  \
    2 usage or configuration\n  \
    5 rows are missing, or may be\n  \
    7 database unreachable, missing, or not the one on record\n  \
    130, 143 interrupted")]
pub struct IncidentArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Which tables are counted: auto (all but those in whose files deleted rows may still be),
    /// all, none
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    pub count: String,
    /// How to print the report; `--output markdown=PATH` writes it to a file
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: IncidentFormat,
    /// The migration command, where it names the database
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// How an incident is printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum IncidentFormat {
    #[default]
    Human,
    Json,
    Markdown,
}

/// The mistake, and where a migration command stands without `--` in front, that it is missing.
pub fn with_tip(mut error: clap::Error) -> clap::Error {
    let is_word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => !argument.starts_with('-'),
        _ => false,
    };
    let takes_command = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains("-- <COMMAND>"),
        _ => false,
    };
    if error.kind() == ErrorKind::UnknownArgument && is_word && takes_command {
        let tip = "the migration command stands behind `--`: rowsafe run -- alembic upgrade head";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
