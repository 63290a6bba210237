//! `rowsafe incident`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::args::{IncidentArgs, IncidentFormat, PlanningArgs};
use super::run::{flag, planning};
use super::{Context, unless_interrupted};
use crate::config::Flags;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::incident::{IncidentRequest, incident};
use crate::record::Record;
use crate::report::{Format, incident as report};
use crate::ui::Live;

/// Runs it. The report is the product, so it goes to standard output, the answer included.
pub fn main(args: &IncidentArgs, context: &Context) -> Exit {
    let (pages, outputs): (Vec<_>, Vec<_>) =
        args.connection.output.iter().cloned().partition(|output| output.starts_with(MARKDOWN));
    let mut opened = Vec::new();
    let record = context.tell("incident", &outputs, |record| {
        opened = pages.iter().map(|output| open(output)).collect::<Result<Vec<_>, _>>()?;
        story(args, context, record)
    });
    for (path, mut file) in opened {
        let page = report::markdown(&record);
        if let Err(error) = file.write_all(page.as_bytes()).and_then(|()| file.flush()) {
            context.printer.warning(&format!("the report `{}`: {error}", path.display()));
        }
    }
    match args.format {
        IncidentFormat::Human => context.product(&record, Format::Human),
        IncidentFormat::Json => context.product(&record, Format::Json),
        IncidentFormat::Markdown => {
            context.printed(&record, |printer| printer.document(&report::markdown(&record)))
        }
    }
}

/// `--output markdown=PATH`.
const MARKDOWN: &str = "markdown=";

/// A path that can't be written fails before anything is looked at.
fn open(output: &str) -> Result<(PathBuf, File), Refusal> {
    let path = PathBuf::from(&output[MARKDOWN.len()..]);
    let file = File::options().write(true).create(true).truncate(true).open(&path);
    file.map(|file| (path.clone(), file)).map_err(|error| {
        let message = format!("the report `{}` can't be written: {error}", path.display());
        Refusal::new(Exit::NoAnswer, message)
    })
}

fn story(args: &IncidentArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let settings = context.settings(&args.connection, Flags::default())?;
    let run = planning(&PlanningArgs::default(), &args.command, context, &settings, record)?;
    let count = args.count.parse().map_err(flag("--count"))?;
    let request = IncidentRequest { run, count };
    let mut live = Live::new(&context.printer, &context.environment);
    unless_interrupted(incident(&request, &mut live, record))
}
