//! `rowsafe run`.

use std::str::FromStr;

use anyhow::Context as _;

use super::args::{PlanningArgs, RunArgs};
use super::{Context, runtime};
use crate::child::Signals;
use crate::config::{Flags, Settings, value};
use crate::db::postgres::inventory::Counting;
use crate::exit::Exit;
use crate::finding::{Allowance, AllowanceSource};
use crate::hint::Refusal;
use crate::journal::Journal;
use crate::known::KnownFile;
use crate::policy::{FailOn, SnapshotMode};
use crate::record::Record;
use crate::request::{Jobs, RunRequest};
use crate::rules;
use crate::run::run;
use crate::snapshot::Store;
use crate::snapshot::encryption::Keys;
use crate::snapshot::tools::Tools;
use crate::sql::allow_text;
use crate::ui::Live;

/// Runs it.
pub fn main(args: &RunArgs, context: &Context) -> Exit {
    context.answer("run", &args.connection.output, |record| story(args, context, record))
}

fn story(args: &RunArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let request = request(args, context, record)?;
    let mut signals = Signals::install().context("listen to signals")?;
    let mut live = Live::new(&context.printer, &context.environment);
    runtime()?.block_on(run(&request, &mut signals, &mut live, record))
}

fn request(args: &RunArgs, context: &Context, record: &mut Record) -> anyhow::Result<RunRequest> {
    let flags = Flags {
        compare: word("--compare", args.compare.as_ref())?,
        on_loss: word("--on-loss", args.on_loss.as_ref())?,
        ..planning_flags(&args.planning)?
    };
    let settings = context.settings(&args.connection, flags)?;
    let request = planning(&args.planning, &args.command, context, &settings, record)?;
    refuse_careless(&request)?;
    Ok(request)
}

/// A protected database is migrated with a snapshot, and stops at what nobody agreed to.
fn refuse_careless(request: &RunRequest) -> Result<(), Refusal> {
    let database = &request.target.database;
    let Some(pattern) = request.protected.covers(database) else { return Ok(()) };
    let careless = match (request.keep, request.fail_on) {
        (SnapshotMode::None, _) => "--snapshot none",
        (_, FailOn::Never) => "--fail-on never",
        _ => return Ok(()),
    };
    let message =
        format!("{careless} is refused: database `{database}` is protected (`{pattern}`)");
    Err(Refusal::new(Exit::NoAnswer, message)
        .hint("leave it out, or take the name out of `protected` in the configuration"))
}

/// The flags of what is pending and agreed to.
pub fn planning_flags(args: &PlanningArgs) -> anyhow::Result<Flags> {
    Ok(Flags {
        snapshot: word("--snapshot", args.snapshot.as_ref())?,
        fail_on: word("--fail-on", args.fail_on.as_ref())?,
        ..Flags::default()
    })
}

/// What planning and running a command take.
pub fn planning(
    args: &PlanningArgs,
    command: &[String],
    context: &Context,
    settings: &Settings,
    record: &mut Record,
) -> anyhow::Result<RunRequest> {
    let mut allowances =
        args.allow.iter().map(|text| agreement(text)).collect::<Result<Vec<_>, _>>()?;
    allowances.extend(settings.allow.iter().cloned());
    let target = context.target(command, settings, record)?;
    let known = KnownFile::beside(&settings.journal(), target.address());
    Ok(RunRequest {
        target,
        known,
        command: command.to_vec(),
        command_env: settings.env.clone(),
        sql_files: args.sql.clone(),
        sql_command: args.sql_command.clone(),
        allowances,
        fail_on: settings.fail_on.value,
        on_loss: settings.on_loss.value,
        keep: settings.snapshot.value,
        compare: settings.compare.value,
        tables: settings.tables.clone(),
        protected: settings.protected.clone(),
        new_database: args.new_database,
        store: store(settings, context)?,
        min_free_space: settings.min_free_space.value,
        driver: settings.driver()?,
        tools: tools(settings),
        jobs: Jobs {
            count: settings.jobs.value,
            is_said: settings.jobs.origin != crate::config::Origin::Default,
        },
        counting: counting(settings),
        render_timeout: settings.render_timeout.value,
        environment: context.environment.clone(),
        journal: Journal::at(settings.journal()),
    })
}

/// pg_dump and pg_restore; the pg_restore beside the pg_dump where only that was named.
pub fn tools(settings: &Settings) -> Tools {
    let named = |setting: &crate::config::Setting<Vec<String>>| {
        (setting.origin != crate::config::Origin::Default).then(|| setting.value.clone())
    };
    Tools::new(named(&settings.pg_dump), named(&settings.pg_restore))
}

/// Where snapshots are kept.
pub fn store(settings: &Settings, context: &Context) -> Result<Store, Refusal> {
    let identity = settings.identity.as_ref().map(|identity| identity.value.clone());
    let keys = Keys::new(&settings.encrypt_to.value, identity).map_err(|why| {
        let origin = &settings.encrypt_to.origin;
        Refusal::new(Exit::NoAnswer, format!("`encrypt-to` of {origin}: {why}"))
    })?;
    Ok(Store::open(&settings.store.value, &context.environment)?.with_keys(keys))
}

/// How to count.
pub fn counting(settings: &Settings) -> Counting {
    Counting {
        connections: settings.jobs.value,
        lock_timeout: settings.lock_timeout.value,
        statement_timeout: settings.statement_timeout.value,
    }
}

/// Reads a `--allow`.
pub fn agreement(text: &str) -> Result<Allowance, Refusal> {
    let parsed = allow_text(text).map_err(|why| {
        Refusal::new(Exit::NoAnswer, format!("--allow '{text}': {why}"))
            .hint("write --allow 'RULE OBJECT: REASON', for example --allow 'drop-column users.legacy_id: superseded by external_id'")
    })?;
    if !rules::exists(&parsed.rule) {
        let known: Vec<&str> = rules::RULES.iter().map(|rule| rule.id).collect();
        let refusal =
            Refusal::new(Exit::NoAnswer, format!("--allow: there is no rule `{}`", parsed.rule));
        return Err(match value::closest(&parsed.rule, &known) {
            Some(meant) => refusal.hint(format!("did you mean `{meant}`?")),
            None => refusal,
        });
    }
    Ok(parsed.into_allowance(AllowanceSource::CommandLine))
}

/// A flag whose value is one of a few words.
fn word<T: FromStr<Err = String>>(
    name: &'static str,
    text: Option<&String>,
) -> anyhow::Result<Option<T>> {
    text.map(|text| text.parse()).transpose().map_err(flag(name))
}

/// The error of a flag's value.
pub fn flag(name: &'static str) -> impl Fn(String) -> anyhow::Error {
    move |why| Refusal::new(Exit::NoAnswer, format!("{name}: {why}")).into()
}
