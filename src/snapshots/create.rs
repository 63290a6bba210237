//! A snapshot by itself: by hand, or from a timer. It belongs to no migration, and may be taken
//! beside one: what it reads is one moment, and what it locks keeps only from changing the schema.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::{begin, finish, interrupted};
use crate::child::Signals;
use crate::db::connect::connect_first;
use crate::db::postgres::catalog::{self, Listed};
use crate::db::postgres::{identity, refusal, relations, version_table};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::RunJournal;
use crate::keep::{self, Taking};
use crate::plan::scope::{AtRisk, Scope};
use crate::recognize::{self, Expected};
use crate::record::{Answer, Kept, Reached, Record, Verdict};
use crate::request::RunRequest;
use crate::text::number::{bytes, plural, seconds};
use crate::text::similar::nearest;

/// What `rowsafe snapshot create` was asked for.
#[derive(Debug)]
pub struct CreateRequest {
    /// What a run would be asked for; it has no command.
    pub run: RunRequest,
    /// The tables to keep; empty means all of them.
    pub tables: Vec<String>,
}

/// Takes one. The answer is in the record.
pub async fn create(
    request: &CreateRequest,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    request.run.store.prepare().await?;
    let journal = begin(&request.run.journal, record)?;
    let mut observer = WithoutReport(observer);
    let done = tokio::select! {
        biased;
        signal = signals.recv() => {
            Err(interrupted(signal.number, "nothing of the snapshot is kept").into())
        }
        done = take(request, &journal, &mut observer, &mut *record) => done,
    };
    finish(&journal, record, done)
}

async fn take(
    request: &CreateRequest,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    let name = format!("rowsafe snapshot {}", journal.id());
    let options = request.run.counting.session();
    let (client, target) =
        connect_first(&request.run.target, &name, &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask the database who it is", error);
    let identity = identity::read(&client).await.map_err(asked)?;
    let is_standby = identity.is_standby;
    let reached = Reached { label: target.label(), source: target.source.clone(), identity };
    observer.notice(Event::Connected(&reached));
    record.database = Some(reached);
    let run = &RunRequest { target, ..request.run.clone() };
    recognize::at_the_door(&client, run, journal, observer, record).await?;
    let asked = |error| refusal(Exit::NoAnswer, "look for version tables", error);
    let mut revisions: Vec<String> = version_table::read(&client)
        .await
        .map_err(asked)?
        .into_iter()
        .flat_map(|table| table.revisions)
        .collect();
    revisions.sort();
    revisions.dedup();
    record.revisions.before = revisions;
    let scope = scope(&client, &request.tables).await?;
    drop(client);
    let taking =
        Taking { request: run.taking(), journal, observer: &mut *observer, record: &mut *record };
    let inventory = keep::take(taking, &scope).await.map_err(|refusal| {
        // There unlogged tables can't be read, and a dump may be cancelled by what is replayed.
        if is_standby {
            refusal.hint("it is a standby; --database can name the primary")
        } else {
            refusal
        }
    })?;
    tell_of_differences(run, &inventory, record);
    let kept = record.snapshot.as_ref().expect("what was taken is in the record");
    record.answer = Some(answer(kept, &run.store.place(), begun.elapsed()));
    Ok(())
}

/// What the report says, the lines of a run would say twice.
struct WithoutReport<'a>(&'a mut dyn Observer);

impl Observer for WithoutReport<'_> {
    fn notice(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Kept { .. } | Event::Warning(_)) {
            self.0.notice(event);
        }
    }

    fn confirm(&mut self, question: &str, name: &str) -> bool {
        self.0.confirm(question, name)
    }
}

/// A table that is empty all at once is worth a word, and no reason to have no snapshot tonight.
fn tell_of_differences(run: &RunRequest, inventory: &Inventory, record: &mut Record) {
    let differences = Expected::of(run).counted(inventory, None).unwrap_or_default();
    record.warnings.extend(differences.into_iter().map(|difference| difference.what));
}

fn answer(kept: &Kept, place: &str, took: std::time::Duration) -> Answer {
    if let Some(elsewhere) = &kept.elsewhere {
        let (id, took) = (&kept.id, seconds(took));
        let sentence = format!("snapshot {id} of everything: {}, {took}", elsewhere.said());
        let hints = elsewhere.ways_back();
        return Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints };
    }
    let tables = if kept.tables == kept.of_tables {
        plural(kept.tables, "table")
    } else {
        format!("{} of {}", kept.tables, plural(kept.of_tables, "table"))
    };
    let sentence = format!(
        "snapshot {} holds {} of {tables}, {} in {place}, read back and counted, {}",
        kept.id,
        plural(kept.rows, "row"),
        bytes(kept.bytes),
        seconds(took)
    );
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints: Vec::new() }
}

/// Everything, or the tables that were named with their partitions and inheritance children.
async fn scope(client: &Client, names: &[String]) -> Result<Scope, Refusal> {
    if names.is_empty() {
        return Ok(Scope::All { why: Vec::new() });
    }
    let asked = |error| refusal(Exit::DatabaseUnavailable, "list the tables", error);
    let listed = catalog::tables(client).await.map_err(asked)?;
    let mut tables = BTreeSet::new();
    for name in names {
        tables.insert(named(&listed, name)?);
    }
    let children = relations::read(client).await.map_err(asked)?.children;
    loop {
        let more: Vec<u32> = children
            .iter()
            .filter(|(parent, child)| tables.contains(parent) && !tables.contains(child))
            .map(|(_, child)| *child)
            .collect();
        if more.is_empty() {
            break;
        }
        tables.extend(more);
    }
    let left_out = listed.iter().map(|listed| listed.table.oid);
    let left_out = left_out.filter(|oid| !tables.contains(oid)).collect();
    let at_risk = AtRisk { tables, left_out, large_objects: false, uncovered: Vec::new() };
    Ok(Scope::AtRisk(at_risk))
}

/// The one table that is called so, with or without its schema.
fn named(listed: &[Listed], name: &str) -> Result<u32, Refusal> {
    let is_meant = |listed: &&Listed| {
        let table = &listed.table.name;
        let schema = table.schema.as_deref().unwrap_or_default();
        table.name == name
            || format!("{schema}.{}", table.name) == name
            || table.to_string() == name
    };
    let found: Vec<&Listed> = listed.iter().filter(is_meant).collect();
    match found.as_slice() {
        [one] => Ok(one.table.oid),
        [] => {
            let refusal = Refusal::new(Exit::NoAnswer, format!("there is no table `{name}`"));
            let names: Vec<String> = listed.iter().map(|it| it.table.name.short()).collect();
            Err(match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => refusal.hint(format!("did you mean `{meant}`?")),
                None => refusal,
            })
        }
        [first, ..] => {
            let schema = first.table.name.schema.as_deref().unwrap_or_default();
            let message = format!("`{name}` is in several schemas, such as `{schema}`");
            Err(Refusal::new(Exit::NoAnswer, message).hint("write --table SCHEMA.TABLE"))
        }
    }
}
