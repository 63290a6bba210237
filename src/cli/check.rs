//! `rowsafe check`.

use std::path::PathBuf;

use super::args::CheckArgs;
use super::run::{agreement, flag};
use super::{Context, runtime};
use crate::check::{CheckRequest, check};
use crate::config::{Flags, Settings};
use crate::exit::Exit;
use crate::migration::alembic::Direction;
use crate::migration::git;
use crate::record::Record;

/// Runs it. The report is the product, so it goes to standard output, the answer included.
pub fn main(args: &CheckArgs, context: &Context) -> Exit {
    let record = context.tell("check", &args.output, |record| story(args, context, record));
    context.product(&record, args.format)
}

fn story(args: &CheckArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let flags = Flags {
        fail_on: args.fail_on.as_deref().map(str::parse).transpose().map_err(flag("--fail-on"))?,
        ..context.flags()
    };
    let settings = Settings::resolve(flags, &context.environment)?;
    record.warnings.extend(settings.warnings.iter().cloned());
    let mut request = request(&args.paths, &settings, context);
    let given = args.allow.iter().map(|text| agreement(text)).collect::<Result<Vec<_>, _>>()?;
    request.allowances.splice(0..0, given);
    request.since.clone_from(&args.since);
    if args.downgrade {
        request.direction = Direction::Downgrade;
    }
    if let Some(base) = &args.diff {
        let directory = context.environment.directory();
        request.changed = Some(runtime()?.block_on(git::changed(base, directory))?);
    }
    Ok(check(&request, record)?)
}

/// What the settings say about a check of these paths.
pub fn request(paths: &[PathBuf], settings: &Settings, context: &Context) -> CheckRequest {
    CheckRequest {
        paths: paths.to_vec(),
        configured: settings.check.paths.clone(),
        since: Vec::new(),
        baseline: settings.check.baseline.clone(),
        changed: None,
        direction: Direction::Upgrade,
        allowances: settings.allow.clone(),
        fail_on: settings.fail_on.value,
        environment: context.environment.clone(),
    }
}
