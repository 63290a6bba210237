//! `rowsafe snapshot create|list|show|verify|prune|schedule`.

use std::path::Path;

use anyhow::Context as _;

use super::args::{ConnectionArgs, PlanningArgs};
use super::run::{counting, planning, store, tools};
use super::snapshot_args::{
    CreateArgs, For, ListArgs, PruneArgs, ScheduleArgs, ShowArgs, SnapshotArgs, SnapshotCommand,
    StoreArgs, VerifyArgs,
};
use super::{Context, runtime, unless_interrupted};
use crate::child::Signals;
use crate::config::{Flags, Origin, Setting, Settings, env};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::Journal;
use crate::report::{Format, human};
use crate::secret::mask_urls;
use crate::snapshots::create::{CreateRequest, create};
use crate::snapshots::list::{ListRequest, list};
use crate::snapshots::prune::{PruneRequest, prune};
use crate::snapshots::schedule::{ScheduleRequest, Scheduler, schedule};
use crate::snapshots::show::{ShowRequest, show};
use crate::snapshots::verify::{VerifyRequest, verify};
use crate::ui::Live;

/// Runs it. What there is to say is the product, so it goes to standard output.
pub fn main(args: &SnapshotArgs, context: &Context) -> Exit {
    match &args.command {
        SnapshotCommand::Create(args) => creating(args, context),
        SnapshotCommand::List(args) => listing(args, context),
        SnapshotCommand::Show(args) => showing(args, context),
        SnapshotCommand::Verify(args) => verifying(args, context),
        SnapshotCommand::Prune(args) => pruning(args, context),
        SnapshotCommand::Schedule(args) => scheduling(args, context),
    }
}

fn creating(args: &CreateArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot create", &args.connection.output, |record| {
        let settings = context.settings(&args.connection, Flags::default())?;
        let planned = PlanningArgs { new_database: args.new_database, ..PlanningArgs::default() };
        let run = planning(&planned, &[], context, &settings, record)?;
        let request = CreateRequest { run, tables: args.table.clone() };
        let mut signals = Signals::install().context("listen to signals")?;
        let mut live = Live::new(&context.printer, &context.environment);
        runtime()?.block_on(create(&request, &mut signals, &mut live, record))
    });
    context.product(&record, args.format)
}

fn listing(args: &ListArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot list", &args.store.output, |record| {
        let settings = settings(&args.store, None, context)?;
        let database = if args.database.is_some() {
            let named = self::settings(&args.store, args.database.as_ref(), context)?;
            Some(context.target(&[], &named, record)?.database)
        } else {
            None
        };
        let (store, journal) = (store(&settings, context)?, Journal::at(settings.journal()));
        unless_interrupted(list(&ListRequest { store, journal, database }, record))
    });
    context.product(&record, args.store.format)
}

fn showing(args: &ShowArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot show", &args.store.output, |record| {
        let settings = settings(&args.store, None, context)?;
        let (store, journal) = (store(&settings, context)?, Journal::at(settings.journal()));
        let request = ShowRequest { snapshot: args.snapshot.clone(), store, journal };
        unless_interrupted(show(&request, record))
    });
    context.product(&record, args.store.format)
}

fn verifying(args: &VerifyArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot verify", &args.connection.output, |record| {
        let settings = context.settings(&args.connection, Flags::default())?;
        let restore_on =
            if args.restore { Some(context.target(&[], &settings, record)?) } else { None };
        let request = VerifyRequest {
            snapshots: args.snapshots.clone(),
            restore_on,
            store: store(&settings, context)?,
            tools: tools(&settings),
            counting: counting(&settings),
            journal: Journal::at(settings.journal()),
        };
        let mut signals = Signals::install().context("listen to signals")?;
        let mut live = Live::new(&context.printer, &context.environment);
        runtime()?.block_on(verify(&request, &mut signals, &mut live, record))
    });
    context.product(&record, args.format)
}

fn pruning(args: &PruneArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot prune", &args.store.output, |record| {
        let settings = settings(&args.store, None, context)?;
        // What is typed says all of it: a rule of the file would keep what is meant to go.
        let typed = args.keep.policy();
        let policy = if typed.is_empty() { settings.retention } else { typed };
        let request = PruneRequest {
            policy,
            released: args.release.clone(),
            dry_run: args.dry_run,
            store: store(&settings, context)?,
            journal: Journal::at(settings.journal()),
        };
        let mut signals = Signals::install().context("listen to signals")?;
        runtime()?.block_on(prune(&request, &mut signals, record))
    });
    context.product(&record, args.store.format)
}

fn scheduling(args: &ScheduleArgs, context: &Context) -> Exit {
    let record = context.tell("snapshot schedule", &args.store.output, |record| {
        let settings = settings(&args.store, args.database.as_ref(), context)?;
        Ok(schedule(&scheduled(args, &settings, context)?, record)?)
    });
    // What is printed may be piped into a crontab: the answer stands beside it.
    match args.store.format {
        Format::Human => {
            let exit = context.said(&record);
            if record.files.is_empty() {
                exit
            } else {
                context.printed(&record, |printer| printer.document(&human::files(&record)))
            }
        }
        format => context.product(&record, format),
    }
}

fn scheduled(
    args: &ScheduleArgs,
    settings: &Settings,
    context: &Context,
) -> anyhow::Result<ScheduleRequest> {
    let environment = &context.environment;
    let directory = environment.directory().to_owned();
    let home = environment.home().ok_or_else(|| {
        Refusal::new(Exit::NoAnswer, "HOME is not set: where would it be written?")
    })?;
    let keep = match args.keep.words() {
        // A month, where nobody has said anything else.
        words if words.is_empty() && settings.retention.is_empty() => {
            vec!["--keep-within".to_owned(), "30d".to_owned()]
        }
        words => words,
    };
    let (database, needs_variables) = database(settings, context)?;
    let base = settings.file.as_deref().and_then(Path::parent).unwrap_or(&directory);
    let name = args.name.clone().unwrap_or_else(|| {
        base.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    });
    Ok(ScheduleRequest {
        scheduler: scheduler(args.scheduler),
        at: args.at,
        name: plain(&name),
        program: env::program().context("find this program")?,
        directory: base.to_owned(),
        settings: located(settings, context)?,
        create_settings: database,
        keep,
        path: environment.get("PATH").unwrap_or_default().to_owned(),
        home,
        install: args.install,
        needs_variables,
    })
}

/// Where configuration and store are, as far as a timer would not find them by itself.
fn located(settings: &Settings, context: &Context) -> anyhow::Result<Vec<String>> {
    let file = settings.file.iter().map(|path| ("--config", path.display().to_string()));
    let is_said = matches!(settings.store.origin, Origin::Flag | Origin::Env(_));
    let store = if is_said { Some(("--store", store(settings, context)?.place())) } else { None };
    Ok(file.chain(store).flat_map(|(flag, place)| [flag.to_owned(), place]).collect())
}

/// The words that name the database, and whether something else has to. A password is in neither:
/// what is in a unit can be read by others.
fn database(settings: &Settings, context: &Context) -> anyhow::Result<(Vec<String>, bool)> {
    match &settings.database {
        Some(Setting { origin: Origin::File(_), .. }) => Ok((Vec::new(), false)),
        Some(Setting { value, .. }) if mask_urls(value.reveal()) == value.reveal() => {
            Ok((vec!["--database".to_owned(), value.reveal().to_owned()], false))
        }
        Some(Setting { origin: Origin::Flag, .. }) => Err(Refusal::new(
            Exit::NoAnswer,
            "--database holds a password, and others can read what starts a timer",
        )
        .hint("leave it out of the URL; ~/.pgpass can hold it")
        .into()),
        Some(_) => Ok((Vec::new(), true)),
        None => {
            let is_here = |name: &str| name == "DATABASE_URL" || name.starts_with("PG");
            Ok((Vec::new(), context.environment.iter().any(|(name, _)| is_here(name))))
        }
    }
}

/// What this machine has.
fn scheduler(asked: Option<For>) -> Scheduler {
    match asked {
        Some(For::Systemd) => Scheduler::Systemd,
        Some(For::Launchd) => Scheduler::Launchd,
        None if cfg!(target_os = "macos") => Scheduler::Launchd,
        None if Path::new("/run/systemd/system").is_dir() => Scheduler::Systemd,
        Some(For::Cron) | None => Scheduler::Cron,
    }
}

/// A name for files of any scheduler.
fn plain(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    let plain = plain.trim_matches('-').to_ascii_lowercase();
    if plain.is_empty() { "database".to_owned() } else { plain }
}

/// The settings of a command that reaches the store only.
fn settings(
    store: &StoreArgs,
    database: Option<&String>,
    context: &Context,
) -> anyhow::Result<Settings> {
    let args = ConnectionArgs {
        store: store.store.clone(),
        database: database.cloned(),
        ..ConnectionArgs::default()
    };
    context.settings(&args, Flags::default())
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_is_fit_for_a_file() {
        assert_eq!(plain("My Shop (old)"), "my-shop--old");
        assert_eq!(plain("../.."), "database");
    }
}
