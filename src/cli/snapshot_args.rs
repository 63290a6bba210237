//! `rowsafe snapshot` as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::args::ConnectionArgs;
use super::outputs;
use crate::config::value;
use crate::report;
use crate::retention::Policy;

/// `rowsafe snapshot`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot create\n  \
    rowsafe snapshot list\n  \
    rowsafe snapshot verify latest --restore\n  \
    rowsafe snapshot prune --keep-daily 7 --keep-within 30d --dry-run\n  \
    rowsafe snapshot schedule --daily --at 03:00 --keep-within 30d --install")]
pub struct SnapshotArgs {
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Take one now, of the whole database or of some tables
    Create(CreateArgs),
    /// What is in the store, newest first
    List(ListArgs),
    /// Everything that is known of one
    Show(ShowArgs),
    /// Read them back and count; with --restore, restore them into a scratch database
    Verify(VerifyArgs),
    /// Remove those that no rule keeps
    Prune(PruneArgs),
    /// A snapshot every day, and pruning: for systemd, cron or launchd
    Schedule(ScheduleArgs),
}

/// `rowsafe snapshot create`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot create\n  \
    rowsafe snapshot create --table users --table billing.invoices\n  \
    rowsafe snapshot create --format json | jq -r .id\n\n\
    Exit codes:\n  \
    0 it is kept, read back and counted    2 usage or configuration\n  \
    6 it could not be taken or verified    7 database unreachable, or not the one\n  \
    130, 143 interrupted, nothing is kept    on record")]
pub struct CreateArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Only the rows of this table [default: every table]
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Accept a database that is not the one on record
    #[arg(long)]
    pub new_database: bool,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
}

/// Where snapshots are, and how they are told of.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where the snapshots are [default: .rowsafe/snapshots]
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Also write the report; FORMAT is human, json, sarif, github, gitlab or junit
    #[arg(long, value_name = "FORMAT=PATH")]
    pub output: Vec<String>,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
}

/// `rowsafe snapshot list`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot list\n  \
    rowsafe snapshot list --database postgresql:///shop\n  \
    rowsafe snapshot list --format json | jq -r '.[0].id'")]
pub struct ListArgs {
    /// Only those of databases of this URL's name [default: every database of the store]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `rowsafe snapshot show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The snapshot's id, the beginning of one, or `latest`
    pub snapshot: String,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `rowsafe snapshot verify`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot verify --all\n  \
    rowsafe snapshot verify latest --restore\n\n\
    Exit codes:\n  \
    0 every one of them is good            2 usage, configuration, no such snapshot\n  \
    6 one is not as it should be           7 no server to restore on")]
pub struct VerifyArgs {
    /// Ids, beginnings of them, or `latest`
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub snapshots: Vec<String>,
    /// Every snapshot of the store
    #[arg(long, conflicts_with = "snapshots")]
    pub all: bool,
    /// Also restore each into a scratch database of the server, and count there
    #[arg(long)]
    pub restore: bool,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// How to print the report
    #[arg(long, value_parser = outputs::formats(), default_value = "human", value_name = "FORMAT")]
    pub format: report::Format,
}

/// What is to stay.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "a field is called as its flag is")]
pub struct KeepArgs {
    /// Keep so many of the newest
    #[arg(long, value_name = "N", value_parser = value::kept)]
    pub keep_last: Option<u32>,
    /// Keep the newest of so many days
    #[arg(long, value_name = "N", value_parser = value::kept)]
    pub keep_daily: Option<u32>,
    /// Keep the newest of so many weeks
    #[arg(long, value_name = "N", value_parser = value::kept)]
    pub keep_weekly: Option<u32>,
    /// Keep the newest of so many months
    #[arg(long, value_name = "N", value_parser = value::kept)]
    pub keep_monthly: Option<u32>,
    /// Keep what is at most so much older than the newest, for example 30d
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub keep_within: Option<Duration>,
}

impl KeepArgs {
    /// What they say together.
    pub fn policy(&self) -> Policy {
        Policy {
            last: self.keep_last,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            within: self.keep_within,
        }
    }

    /// The words in which they are typed.
    pub fn words(&self) -> Vec<String> {
        let counts = [
            ("--keep-last", self.keep_last),
            ("--keep-daily", self.keep_daily),
            ("--keep-weekly", self.keep_weekly),
            ("--keep-monthly", self.keep_monthly),
        ];
        let counts = counts.into_iter().filter_map(|(flag, n)| Some((flag, n?.to_string())));
        let within = self.keep_within.map(|within| {
            let seconds = within.as_secs();
            let text = match seconds % 86_400 {
                0 => format!("{}d", seconds / 86_400),
                _ => format!("{seconds}s"),
            };
            ("--keep-within", text)
        });
        counts.chain(within).flat_map(|(flag, text)| [flag.to_owned(), text]).collect()
    }
}

/// `rowsafe snapshot prune`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot prune --keep-daily 7 --keep-weekly 5 --dry-run\n  \
    rowsafe snapshot prune                      as [retention] says\n  \
    rowsafe snapshot prune --release 7k2m9q1c   nobody needs that one any more")]
pub struct PruneArgs {
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Nobody needs this one any more: a loss that used it is settled, or it is damaged
    #[arg(long, value_name = "ID")]
    pub release: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// A timer of your systemd
    Systemd,
    /// A line for crontab
    Cron,
    /// An agent of your launchd
    Launchd,
}

/// `rowsafe snapshot schedule`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowsafe snapshot schedule --daily --at 03:00 --keep-within 30d\n  \
    rowsafe snapshot schedule --daily --install\n  \
    (crontab -l; rowsafe snapshot schedule --for cron) | crontab -")]
pub struct ScheduleArgs {
    /// Every day; there is no other rhythm yet
    #[arg(long)]
    pub daily: bool,
    /// When, in the machine's time
    #[arg(long, value_name = "HH:MM", default_value = "03:00")]
    pub at: crate::snapshots::schedule::At,
    #[command(flatten)]
    pub keep: KeepArgs,
    /// What starts it [default: what this machine has]
    #[arg(long = "for", value_enum, value_name = "WHAT")]
    pub scheduler: Option<For>,
    /// What tells it from others on this machine [default: the directory's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write it where the scheduler looks
    #[arg(long)]
    pub install: bool,
    /// The database, as a URL without a password
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}
