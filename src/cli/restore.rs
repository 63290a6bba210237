//! `rowsafe restore`.

use super::args::RestoreArgs;
use super::run::{counting, store, tools};
use super::{Context, outputs, runtime};
use crate::config::Flags;
use crate::exit::Exit;
use crate::journal::Journal;
use crate::known::KnownFile;
use crate::record::Record;
use crate::report::Format;
use crate::restore::{RestoreRequest, restore};
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
    let target = context.target(&[], &settings, record)?;
    let known = KnownFile::beside(&settings.journal(), target.address());
    let request = RestoreRequest {
        target,
        known,
        snapshot: args.snapshot.clone(),
        tables: args.table.clone(),
        into: args.into.clone(),
        swap: args.swap,
        confirmed: args.confirm.clone(),
        store: store(&settings, context)?,
        tools: tools(&settings),
        counting: counting(&settings),
        journal: Journal::at(settings.journal()),
    };
    let mut live = Live::new(&context.printer, &context.environment);
    runtime()?.block_on(restore(&request, &mut live, record))
}
