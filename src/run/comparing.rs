//! After the command: what became of every row, column and value, and who may have done it.

use std::time::Instant;

use super::{Ran, Ready, note, put_back};
use crate::compare::{self, Found, Sides};
use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::inventory::{self, Held};
use crate::db::postgres::touched::Touched;
use crate::db::postgres::version_table::VersionTable;
use crate::db::postgres::{refusal, version_table};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::{RunJournal, Step};
use crate::judge::{self, Evidence};
use crate::recognize;
use crate::record::{Answer, Record};
use crate::request::RunRequest;
use crate::snapshot::store::Stored;
use crate::thresholds;
use crate::verdict::{self, Meanwhile};

/// Compares, puts back what is gone where that was asked for, and answers.
pub(super) async fn compare(
    journal: &RunJournal,
    ready: Ready,
    ran: Ran,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let (mut after, evidence) = once(&ready, &ran, observer, record).await?;
    let mut answer: Answer = judge::answer(record, &evidence);
    note(journal, Step::Compared { verdict: answer.verdict.name().to_owned() }, observer);
    if put_back::is_due(&ready.request, &answer, &evidence) {
        (answer, after) =
            Box::pin(put_back::put_back(&ready, &ran, answer, after, journal, observer, record))
                .await?;
    }
    if evidence.same_database {
        let RunRequest { target, known, .. } = &ready.request;
        recognize::remember(target, known, &after, journal, observer, record).await;
    }
    record.answer = Some(answer);
    Ok(())
}

/// Compares once: the comparison is in the record.
pub(super) async fn once(
    ready: &Ready,
    ran: &Ran,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<(Inventory, Evidence)> {
    let begun = Instant::now();
    let request = &ready.request;
    observer.notice(Event::Working("comparing"));
    let versions = versions(request).await.map_err(|error| judge::uncompared(record, &error))?;
    let looked = look(ready, ran, &versions, observer, record).await;
    let (after, found) = looked.map_err(|error| judge::uncompared(record, &error))?;
    let after_revisions = ready.pending.revisions_of(&versions);
    let bookkeeping = bookkeeping(ready);
    let (before, planned) = (&ready.before, &ready.planned);
    let mut comparison = verdict::compare(before, &after, planned, &bookkeeping, &found.looked);
    found.mark(&mut comparison, before);
    comparison.breaches = thresholds::after(&request.tables, before, &after);
    let meanwhile = meanwhile(ready, ran, &after);
    let oid = |name: &_| before.named(name).map(|table| table.oid);
    verdict::attribute(&mut comparison, &meanwhile, planned, oid);
    let evidence = Evidence {
        is_unchanged: comparison.is_unchanged(),
        same_database: before.identity.database_oid == after.identity.database_oid
            && before.identity.system_identifier == after.identity.system_identifier,
        seen: ran.seen.clone(),
        interrupted_by: ran.interrupted_by,
        expects_move: ready.pending.expects_move,
        has_moved: after_revisions != ready.pending.before,
    };
    record.revisions.after = Some(after_revisions);
    record.comparison = Some(comparison);
    record.timed("compare", begun);
    observer.notice(Event::Compared(record));
    Ok((after, evidence))
}

/// Counts everything again, and looks into what was touched, at one moment.
async fn look(
    ready: &Ready,
    ran: &Ran,
    versions: &[VersionTable],
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(Inventory, Found), Refusal> {
    let request = &ready.request;
    let touched = touched(ready, ran).await;
    let held = Held::hold(&request.target, &request.counting).await?;
    let counting = |done, total| observer.notice(Event::Counting { done, total });
    let after = held.count(&request.target, &request.counting, counting).await?;
    let mut bookkeeping = bookkeeping(ready);
    let is_of_tool = |name| {
        version_table::is_of_tool(name) || versions.iter().any(|version| version.name == *name)
    };
    let of_tools = ready.before.tables.iter().filter(|table| is_of_tool(&table.name));
    bookkeeping.extend(of_tools.map(|table| table.oid));
    let sides = Sides {
        look: &ready.look,
        before: &ready.before,
        after: &after,
        now: &held,
        compare: request.compare,
        touched: &touched,
        bookkeeping: &bookkeeping,
        images: &ready.images,
    };
    let kept = kept(request, record).await?;
    let comparing = |done, total| observer.notice(Event::Comparing { done, total });
    let found = compare::values(&sides, kept.as_ref(), &request.tools, comparing).await?;
    held.release().await?;
    for (table, why) in &found.left_out {
        let warning = format!("the values of `{}` were not compared: {why}", table.short());
        observer.notice(Event::Warning(&warning));
        record.warnings.push(warning);
    }
    Ok((after, found))
}

/// What was written meanwhile, as far as that can be told.
async fn touched(ready: &Ready, ran: &Ran) -> Touched {
    match ready.look.tally.since(&ready.watcher, &ran.seen).await {
        Ok(touched) => touched,
        Err(_) => Touched::Unsettled("the connection that watched was lost".to_owned()),
    }
}

/// The snapshot of this run, where the store holds it.
async fn kept(request: &RunRequest, record: &Record) -> Result<Option<Stored>, Refusal> {
    let in_store = record.snapshot.as_ref().filter(|kept| kept.elsewhere.is_none());
    let Some(kept) = in_store else { return Ok(None) };
    request.store.find(&kept.id).await.map(Some)
}

/// The tables of the migration tool itself, whose rows come and go.
fn bookkeeping(ready: &Ready) -> Vec<u32> {
    let tables = ready.bookkeeping.iter().filter_map(|name| ready.before.named(name));
    tables.map(|table| table.oid).collect()
}

/// What is known of others who may have written.
fn meanwhile(ready: &Ready, ran: &Ran, after: &Inventory) -> Meanwhile {
    let rules = &ready.request.tables;
    let all = ready.before.tables.iter().chain(&after.tables).map(|table| &table.name);
    let volatile = all.filter(|name| rules.for_table(name).is_volatile()).cloned().collect();
    Meanwhile {
        others_wrote: !ran.seen.others.is_empty(),
        plan_is_whole: ready.plan_is_whole,
        volatile,
    }
}

async fn versions(request: &RunRequest) -> Result<Vec<VersionTable>, Refusal> {
    let options = SessionOptions::default();
    let client =
        connect(&request.target, inventory::APPLICATION, &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "read the version tables", error);
    version_table::read(&client).await.map_err(asked)
}
