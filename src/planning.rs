//! What a run would do, on the live database, with nothing done.

use crate::db::connect::connect_first;
use crate::db::postgres::{identity, refusal};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::judge;
use crate::pending;
use crate::plan::keep_plan::KeepPlan;
use crate::plan::scope::Scope;
use crate::plan::{self, Doomed};
use crate::policy::{Driver, SnapshotMode};
use crate::recognize;
use crate::record::{Answer, KeepSummary, Reached, Record, Verdict};
use crate::request::RunRequest;
use crate::secret;
use crate::thresholds;

/// Makes the plan of a run. Only reading happens, in read-only sessions; the answer says whether a
/// run would stop.
pub async fn plan(
    request: &RunRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    record.migration = secret::mask_words(&request.command);
    let options = request.counting.session();
    let (client, target) =
        connect_first(&request.target, "rowsafe plan", &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask the database who it is", error);
    let identity = identity::read(&client).await.map_err(asked)?;
    recognize::looked_at(&client, request, &identity, observer, record).await?;
    let (label, source) = (request.target.label(), request.target.source.clone());
    let reached = Reached { label, source, identity };
    // Of several hosts everything from here on goes to the one that was reached.
    let request = &RunRequest { target, ..request.clone() };
    observer.notice(Event::Working("reading what is pending"));
    let pending = pending::find(request, &client).await?;
    record.revisions.before.clone_from(&pending.before);
    record.revisions.target.clone_from(&pending.target);
    record.warnings.extend(pending.warnings.iter().cloned());
    observer.notice(Event::Working("counting what would go"));
    let plan = plan::make(&client, &pending, &request.allowances).await?;
    record.warnings.extend(plan.doomed.iter().map(Doomed::warning));
    record.scripts.clone_from(&plan.scripts);
    record.statements.clone_from(&plan.statements);
    record.findings.clone_from(&plan.findings);
    let mode = match (request.keep, &request.driver) {
        (SnapshotMode::None, _) | (_, Driver::PgDump) => request.keep,
        // What something else takes is always of everything.
        _ => SnapshotMode::All,
    };
    let keep = KeepPlan::make(&client, &plan.risk, mode, &request.store, &reached.identity).await;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask how large the tables are", error);
    record.keep = keep.map_err(asked)?.map(|keep| summary(keep, &request.driver));
    record.database = Some(reached);
    thresholds::before(&client, request, &plan).await?;
    record.answer = Some(answer(request, record));
    Ok(())
}

fn summary(keep: KeepPlan, driver: &Driver) -> KeepSummary {
    let (scope, mut why) = match keep.scope {
        Scope::All { why } => ("all", why),
        Scope::AtRisk(at_risk) => ("at-risk", at_risk.uncovered),
    };
    why.extend(match driver {
        Driver::PgDump => None,
        Driver::Command(command) => {
            Some(format!("`{}` takes the snapshot, and holds it", command.create.words()[0]))
        }
        Driver::PgBackRest(options) => {
            Some(format!("it is a restore point of stanza `{}`", options.stanza))
        }
    });
    let is_dump = *driver == Driver::PgDump;
    KeepSummary {
        scope,
        why,
        tables: keep.tables,
        of_tables: keep.of_tables,
        bytes: keep.bytes,
        seconds: keep.seconds.filter(|_| is_dump),
        free_space: keep.free_space.filter(|_| is_dump),
    }
}

fn answer(request: &RunRequest, record: &Record) -> Answer {
    let blocking = request.fail_on.blocking(&record.findings);
    if !blocking.is_empty() {
        return judge::blocked(&blocking);
    }
    let is_agreed = record.findings.iter().any(|finding| finding.allowance.is_some());
    let sentence = match (record.scripts.is_empty(), is_agreed) {
        (true, _) => "nothing is pending; nothing was run",
        (false, true) => "everything that would go was agreed to; nothing was run",
        (false, false) => "nothing to object to; nothing was run",
    };
    let sentence = sentence.to_owned();
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints: Vec::new() }
}
