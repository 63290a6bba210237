//! `rowsafe diff`.

use super::args::DiffArgs;
use super::restore::request;
use super::{Context, unless_interrupted};
use crate::config::Flags;
use crate::exit::Exit;
use crate::record::Record;
use crate::restore::{RestoreRequest, diff};
use crate::ui::Live;

/// Runs it. The difference is the product, so it goes to standard output, the answer included.
pub fn main(args: &DiffArgs, context: &Context) -> Exit {
    let outputs = &args.connection.output;
    let record = context.tell("diff", outputs, |record| story(args, context, record));
    context.product(&record, args.format)
}

fn story(args: &DiffArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let settings = context.settings(&args.connection, Flags::default())?;
    let request = RestoreRequest {
        tables: args.table.clone(),
        columns: args.column.clone(),
        mode: args.mode.into(),
        ..request(&args.snapshot, context, &settings, record)?
    };
    let mut live = Live::new(&context.printer, &context.environment);
    unless_interrupted(diff(&request, &mut live, record))
}
