//! `rowsafe doctor`.

use std::path::{Path, PathBuf};

use super::args::{DoctorArgs, PlanningArgs};
use super::run::planning;
use super::{Context, unless_interrupted};
use crate::config::Flags;
use crate::doctor::{DoctorRequest, doctor};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::Record;
use crate::report::prometheus;
use crate::text::file::write_for_all;
use crate::ui::Live;

/// Runs it. What was found is the product, so it goes to standard output, the answer included.
pub fn main(args: &DoctorArgs, context: &Context) -> Exit {
    let (metrics, outputs): (Vec<_>, Vec<_>) =
        args.connection.output.iter().cloned().partition(|output| output.starts_with(PROMETHEUS));
    let metrics: Vec<PathBuf> =
        metrics.iter().map(|output| PathBuf::from(&output[PROMETHEUS.len()..])).collect();
    let record = context.tell("doctor", &outputs, |record| {
        metrics.iter().try_for_each(|path| writable(path))?;
        story(args, context, record)
    });
    for path in &metrics {
        if let Err(error) = write_for_all(path, prometheus::render(&record).as_bytes()) {
            context.printer.warning(&format!("the metrics `{}`: {error}", path.display()));
        }
    }
    context.product(&record, args.format)
}

/// `--output prometheus=PATH`: written in full at the end, because it is read at any moment.
const PROMETHEUS: &str = "prometheus=";

/// A path that can't be written fails before anything is looked at.
fn writable(path: &Path) -> Result<(), Refusal> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let is_place = directory.is_none_or(Path::is_dir);
    if is_place && path.file_name().is_some() && !path.is_dir() {
        return Ok(());
    }
    let message = format!("the metrics `{}` can't be written there", path.display());
    Err(Refusal::new(Exit::NoAnswer, message)
        .hint("name a file of the textfile collector: --output prometheus=DIRECTORY/rowsafe.prom"))
}

fn story(args: &DoctorArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let settings = context.settings(&args.connection, Flags::default())?;
    let run = planning(&PlanningArgs::default(), &args.command, context, &settings, record)?;
    let request = DoctorRequest {
        run,
        rpo: settings.rpo.as_ref().map(|setting| setting.value),
        rto: settings.rto.as_ref().map(|setting| setting.value),
    };
    let mut live = Live::new(&context.printer, &context.environment);
    unless_interrupted(doctor(&request, &mut live, record))
}
