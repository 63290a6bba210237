//! `rowsafe plan`.

use super::args::PlanArgs;
use super::run::{planning, planning_flags};
use super::{Context, unless_interrupted};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::migration::alembic::AlembicConfig;
use crate::planning::plan;
use crate::record::Record;
use crate::ui::Live;

/// Runs it. The plan is the product, so it goes to standard output, the answer included.
pub fn main(args: &PlanArgs, context: &Context) -> Exit {
    let outputs = &args.connection.output;
    let record = context.tell("plan", outputs, |record| story(args, context, record));
    context.product(&record, args.format)
}

fn story(args: &PlanArgs, context: &Context, record: &mut Record) -> anyhow::Result<()> {
    let settings = context.settings(&args.connection, planning_flags(&args.planning)?)?;
    let command = command(args, context)?;
    let request = planning(&args.planning, &command, context, &settings, record)?;
    let mut live = Live::new(&context.printer, &context.environment);
    unless_interrupted(plan(&request, &mut live, record))
}

/// The command that was named; in an Alembic project it goes without saying.
fn command(args: &PlanArgs, context: &Context) -> anyhow::Result<Vec<String>> {
    let says_what = !args.planning.sql.is_empty() || args.planning.sql_command.is_some();
    if !args.command.is_empty() || says_what {
        return Ok(args.command.clone());
    }
    let environment = &context.environment;
    if AlembicConfig::load(&[], "alembic", environment.directory(), environment)?.is_some() {
        return Ok(["alembic", "upgrade", "head"].map(str::to_owned).to_vec());
    }
    Err(Refusal::new(Exit::NoAnswer, "no migration command, and no alembic.ini here")
        .hint("name it: rowsafe plan -- alembic upgrade head")
        .hint("or the pending SQL: --sql FILE, --sql-command COMMAND")
        .into())
}
