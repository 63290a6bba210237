//! A whole snapshot in place of the database: restored beside it, counted, exchanged by rename. The
//! old one is kept under a dated name, with everything written since.

use std::time::Instant;

use tokio_postgres::Client;

use super::{APPLICATION, RestoreRequest, beside, confirmed, reach, unconfirmed};
use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::exchange::{self, Exchange};
use crate::db::postgres::inventory;
use crate::db::postgres::{refusal, server_message};
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{RunJournal, Step};
use crate::recognize;
use crate::record::{Answer, Record, SwapPlan, Verdict};
use crate::snapshot::store::Stored;
use crate::text::number::plural;

/// Restores everything beside the database and exchanges the two.
pub async fn restore(
    request: &RestoreRequest,
    stored: &Stored,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    refuse_narrow(stored)?;
    let (client, database) = reach(request, stored, observer, record).await?;
    let maintenance = elsewhere(&request.target, &database).await?;
    let mut plan = plan(&maintenance, stored, &database).await?;
    let now = inventory::take(&request.target, &request.counting, |_, _| {}).await?;
    plan.rows_now = now.rows();
    observer.notice(Event::Exchanging(&plan));
    if !confirmed(request, &database, observer)? {
        record.answer = Some(unconfirmed(&database));
        return Ok(());
    }
    let rows = beside::make(request, stored, &maintenance, &plan.new, journal, observer).await?;
    // From here on rowsafe itself must not be in the database that is renamed.
    drop(client);
    let exchanged = exchange(&maintenance, &plan, journal, observer, record).await;
    if let Err(refusal) = exchanged {
        beside::drop_again(&maintenance, &plan.new).await;
        return Err(refusal.into());
    }
    remember(request, journal, observer, record).await?;
    record.answer = Some(answer(stored, &plan, rows));
    Ok(())
}

/// In place of the whole database only what was the whole database.
fn refuse_narrow(stored: &Stored) -> Result<(), Refusal> {
    let manifest = &stored.manifest;
    if manifest.is_whole() {
        return Ok(());
    }
    let id = &manifest.id;
    Err(Refusal::new(
        Exit::NoAnswer,
        format!("snapshot {id} holds only what was at risk: in place of the database the other tables would be empty"),
    )
    .hint(format!("put back what it holds: rowsafe restore {id}"))
    .hint(format!("or look at it beside the database: rowsafe restore {id} --into NAME")))
}

/// A session on the server in a database that is not to be renamed.
async fn elsewhere(target: &Target, database: &str) -> Result<Client, Refusal> {
    let options = SessionOptions { read_only: false, ..SessionOptions::default() };
    let mut first = None;
    for name in ["postgres", "template1"].into_iter().filter(|name| *name != database) {
        match connect(&target.with_database(name), APPLICATION, &options).await {
            Ok(client) => return Ok(client),
            Err(error) => first = first.or(Some(Refusal::from(error))),
        }
    }
    let refusal = first.expect("one of the two was tried");
    Err(refusal.hint("a database can only be renamed from another one, such as `postgres`"))
}

async fn plan(client: &Client, stored: &Stored, database: &str) -> Result<SwapPlan, Refusal> {
    let asked = |error| refusal(Exit::DatabaseUnavailable, "look at the database's entry", error);
    let missing = || {
        Refusal::new(
            Exit::DatabaseUnavailable,
            format!("there is no database `{database}` any more"),
        )
    };
    let entry = exchange::entry(client, database).await.map_err(asked)?.ok_or_else(missing)?;
    if let Some(obstacle) = entry.obstacle {
        return Err(Refusal::new(
            Exit::NoAnswer,
            format!("`{database}` can't be renamed: {obstacle}"),
        )
        .hint("name a role that may, with --database")
        .hint(format!(
            "or bring everything beside it: rowsafe restore {} --into NAME",
            stored.manifest.id
        )));
    }
    let id = &stored.manifest.id;
    let now = jiff::Timestamp::now().strftime("%Y%m%dt%H%M%S").to_string();
    let plan = SwapPlan {
        snapshot: id.clone(),
        created_at: stored.manifest.created_at,
        database: database.to_owned(),
        new: named(database, &format!("_rowsafe_{id}")),
        kept: named(database, &format!("_before_{now}")),
        rows_now: 0,
        rows_then: stored.manifest.verified.rows,
        sessions: others(exchange::sessions(client, database).await.map_err(asked)?),
        stays: stays(entry.slots, entry.subscriptions),
    };
    beside::refuse_existing(client, &plan.new).await?;
    beside::refuse_existing(client, &plan.kept).await?;
    Ok(plan)
}

/// Without the session of this restore, which ends by itself.
fn others(mut sessions: Vec<String>) -> Vec<String> {
    sessions.retain(|session| !session.ends_with(&format!("({APPLICATION})")));
    sessions
}

/// PostgreSQL cuts names at 63 bytes (`NAMEDATALEN`): the beginning gives way, not the end.
fn named(database: &str, end: &str) -> String {
    const LONGEST: usize = 63;
    let mut base = database;
    while base.len() + end.len() > LONGEST {
        let mut characters = base.chars();
        characters.next_back();
        base = characters.as_str();
    }
    format!("{base}{end}")
}

/// What a new database does not take over.
fn stays(slots: i64, subscriptions: i64) -> Vec<String> {
    let count = |number: i64, what| {
        let number = u64::try_from(number).unwrap_or_default();
        (number > 0).then(|| plural(number, what))
    };
    let slots = count(slots, "logical replication slot");
    let slots = slots.map(|slots| format!("{slots} will stay with the old database"));
    let subscriptions = count(subscriptions, "subscription");
    let subscriptions =
        subscriptions.map(|them| format!("{them} will be there, disabled; enable them by hand"));
    slots.into_iter().chain(subscriptions).collect()
}

/// Gives the new database what the old one has outside of itself, and its name.
async fn exchange(
    client: &Client,
    plan: &SwapPlan,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let (database, new, kept) = (&plan.database, &plan.new, &plan.kept);
    let asked = |error| refusal(Exit::NoAnswer, "read what belongs to the database", error);
    for statement in exchange::belongings(client, database, new).await.map_err(asked)? {
        if let Err(error) = client.batch_execute(&statement).await {
            let run_by_hand = statement.replace(new.as_str(), database);
            let why = server_message(&error);
            let warning = format!("not carried over, run it yourself: {run_by_hand} ({why})");
            observer.notice(Event::Warning(&warning));
            record.warnings.push(warning);
        }
    }
    journal.record(Step::ExchangeStarted {
        database: database.clone(),
        new: new.clone(),
        kept: kept.clone(),
    })?;
    observer.notice(Event::Working("exchanging the two databases"));
    let begun = Instant::now();
    let nothing = "nothing was exchanged: the database is as it was";
    let failed = |error| refusal(Exit::NoAnswer, "exchange the databases", error).hint(nothing);
    let ended = exchange::exchange(client, database, new, kept).await.map_err(failed)?;
    if matches!(ended, Exchange::InUse) {
        let sessions = exchange::sessions(client, database).await.unwrap_or_default();
        let who = if sessions.is_empty() { "somebody".to_owned() } else { sessions.join(", ") };
        return Err(Refusal::new(
            Exit::NoAnswer,
            format!("`{database}` is in use and can't be renamed: {who}"),
        )
        .hint(nothing)
        .hint("end these sessions and prepared transactions, or use a role that may, and run it again"));
    }
    record.timed("exchange", begun);
    journal.record(Step::ExchangeFinished { kept: kept.clone() })?;
    Ok(())
}

/// The database of this name is another one now; the next run must not take that for an accident.
async fn remember(
    request: &RestoreRequest,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let now = inventory::take(&request.target, &request.counting, |_, _| {}).await?;
    recognize::remember(&request.target, &request.known, &now, journal, observer, record).await;
    Ok(())
}

fn answer(stored: &Stored, plan: &SwapPlan, rows: u64) -> Answer {
    let (database, kept) = (&plan.database, &plan.kept);
    Answer {
        verdict: Verdict::Ok,
        exit: Exit::Ok,
        sentence: format!(
            "{database} holds snapshot {}: {} of {}, counted; what it was is kept as {kept}",
            stored.manifest.id,
            plural(rows, "row"),
            plural(stored.manifest.verified.tables, "table"),
        ),
        hints: vec![
            format!("what was written since the snapshot is in {kept} only"),
            format!(
                "when nobody needs it any more: DROP DATABASE {}",
                crate::text::name::quote(kept)
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(named("shop", "_before_x"), "shop_before_x");
        let long = "é".repeat(31);
        let name = named(&long, "_before_20261121t201001");
        assert!(name.len() <= 63 && name.ends_with("é_before_20261121t201001"), "{name}");
    }
}
