//! `rowsafe restore`.

use super::args::RestoreArgs;
use super::run::{counting, store, tools};
use super::{Context, outputs, runtime};
use crate::config::{Flags, Settings};
use crate::exit::Exit;
use crate::journal::Journal;
use crate::known::KnownFile;
use crate::record::Record;
use crate::report::Format;
use crate::restore::{RestoreMode, RestoreRequest, restore};
use crate::ui::Live;

/// Runs it.
pub fn main(args: &RestoreArgs, context: &Context) -> Exit {
    let record =
        context.tell("restore", &args.connection.output, |record| story(args, context, record));
    let exit = context.said(&record);
    match args.format {
        // A person has been told as it happened.
        Format::Human => exit,
        format => context.printed(&record, |printer| outputs::print(printer, format, &record)),
    }
}

fn story(args: &RestoreArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let settings = context.settings(&args.connection, Flags::default())?;
    let request = RestoreRequest {
        tables: args.table.clone(),
        columns: args.column.clone(),
        mode: args.mode.into(),
        keep_present: args.keep != "none",
        into: args.into.clone(),
        swap: args.swap,
        confirmed: args.confirm.clone(),
        ..request(&args.snapshot, context, &settings, record)?
    };
    let mut live = Live::new(&context.printer, &context.environment);
    runtime()?.block_on(restore(&request, &mut live, record))
}

/// What a restore of everything that is gone takes.
pub fn request(
    snapshot: &str,
    context: &Context,
    settings: &Settings,
    record: &mut Record,
) -> anyhow::Result<RestoreRequest> {
    let target = context.target(&[], settings, record)?;
    let known = KnownFile::beside(&settings.journal(), target.address());
    Ok(RestoreRequest {
        target,
        known,
        snapshot: snapshot.to_owned(),
        tables: Vec::new(),
        columns: Vec::new(),
        only: Vec::new(),
        mode: RestoreMode::Missing,
        keep_present: true,
        min_free_space: settings.min_free_space.value,
        into: None,
        swap: false,
        confirmed: None,
        store: store(settings, context)?,
        tools: tools(settings),
        counting: counting(settings),
        journal: Journal::at(settings.journal()),
    })
}
