//! prepare → show → apply: rows of a snapshot put back.
//!
//! In place it brings back tables that are gone or empty; a table that holds rows is never
//! touched. Everything can be brought into a new database beside the old one, and take its place.

pub mod beside;
mod fill;
mod prepare;
mod recreate;
mod swap;
mod triggers;

use std::time::Instant;

use tokio_postgres::Client;

use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::inventory::{self, Counting};
use crate::db::postgres::{identity, lock, refusal};
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{Action, Journal, Run, Step};
use crate::known::KnownFile;
use crate::record::{Answer, Fate, Kept, Reached, Record, Verdict};
use crate::snapshot::store::{Store, Stored};
use crate::snapshot::tools::{self, Tools};
use crate::text::number::plural;

use prepare::Preparation;

/// The `application_name` of its sessions.
const APPLICATION: &str = "rowsafe restore";

/// What `rowsafe restore` was asked for.
#[derive(Debug)]
pub struct RestoreRequest {
    /// The database to restore into, or the server to make a new one on.
    pub target: Target,
    /// The snapshot's id, a beginning of it, or `latest`.
    pub snapshot: String,
    /// The tables asked for; empty means every one that is gone or empty.
    pub tables: Vec<String>,
    /// A new database to bring everything into.
    pub into: Option<String>,
    /// Everything comes into a new database, which then takes the place of this one.
    pub swap: bool,
    /// What is on record of the database.
    pub known: KnownFile,
    /// `--confirm`: the database's name, typed beforehand.
    pub confirmed: Option<String>,
    /// Where snapshots are.
    pub store: Store,
    /// pg_restore.
    pub tools: Tools,
    /// How to count.
    pub counting: Counting,
    /// Where every step is written down.
    pub journal: Journal,
}

/// Puts rows back. The answer is in the record.
pub async fn restore(
    request: &RestoreRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let stored = request.store.find(&request.snapshot).await?;
    stored.manifest.refuse_elsewhere()?;
    record.snapshot = Some(Kept::of(&stored.manifest, stored.location()));
    refuse_older_tool(request, &stored).await?;
    let run = Run { action: Action::Restore, command: vec![], database: None };
    let journal = request.journal.begin(&run)?;
    journal.id().clone_into(&mut record.run_id);
    let begun = Instant::now();
    let done = match &request.into {
        Some(name) => beside::restore(request, &stored, name, &journal, observer, record).await,
        None if request.swap => swap::restore(request, &stored, &journal, observer, record).await,
        None => in_place(request, &stored, &journal, observer, record).await,
    };
    record.timed("restore", begun);
    let exit = match (&done, &record.answer) {
        (Ok(()), Some(answer)) => answer.exit,
        (Ok(()), None) => Exit::NoAnswer,
        (Err(error), _) => crate::run::exit_of(error),
    };
    journal.record(Step::Finished { exit: exit.code() })?;
    done
}

/// Connects to the database that the snapshot is of, and makes sure that nobody else is at it.
async fn reach(
    request: &RestoreRequest,
    stored: &Stored,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(Client, String), Refusal> {
    let client = connect(&request.target, APPLICATION, &SessionOptions::default())
        .await
        .map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask the database who it is", error);
    let identity = identity::read(&client).await.map_err(asked)?;
    let database = identity.database.clone();
    let reached =
        Reached { label: request.target.label(), source: request.target.source.clone(), identity };
    observer.notice(Event::Connected(&reached));
    record.database = Some(reached);
    refuse_another_database(stored, record)?;
    if let Some(holder) = lock::acquire(&client).await.map_err(asked)? {
        return Err(Refusal::new(
            Exit::Blocked,
            format!("another rowsafe is at work on this database: {}", holder.application),
        )
        .hint("wait until it has ended"));
    }
    Ok((client, database))
}

async fn in_place(
    request: &RestoreRequest,
    stored: &Stored,
    journal: &crate::journal::RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let (client, database) = reach(request, stored, observer, record).await?;
    let now = inventory::take(&request.target, &request.counting, |_, _| {}).await?;
    let mut preparation = prepare::prepare(&stored.manifest, &now, &request.tables)?;
    // A schema without tables is there all the same.
    let asked = |error| refusal(Exit::DatabaseUnavailable, "list the schemas", error);
    let rows = client.query("SELECT nspname::text FROM pg_namespace", &[]).await.map_err(asked)?;
    let schemas: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    preparation.missing_schemas.retain(|schema| !schemas.contains(schema));
    observer.notice(Event::Prepared(&preparation.plan(&stored.manifest)));
    if preparation.is_nothing() {
        record.answer = Some(preparation.nothing_to_do());
        return Ok(());
    }
    if !confirmed(request, &database, observer)? {
        record.answer = Some(unconfirmed(&database));
        return Ok(());
    }
    journal.record(Step::RestoreStarted {
        snapshot: stored.manifest.id.clone(),
        into: database.clone(),
        tables: preparation.tables().map(|table| table.qualified().to_string()).collect(),
    })?;
    apply(request, stored, &preparation, observer).await?;
    let rows = recount(request, &preparation).await?;
    journal.record(Step::RestoreFinished { rows })?;
    record.answer = Some(Answer {
        verdict: Verdict::Ok,
        exit: Exit::Ok,
        sentence: format!(
            "{} of {} are back in {database}, counted again",
            plural(rows, "row"),
            plural(preparation.tables().count() as u64, "table")
        ),
        hints: preparation.left_alone(),
    });
    Ok(())
}

/// Rows of one database do not belong into another, whoever confirms it by name: staging and
/// production often share a store, and a name. A database keeps its oid when it is renamed.
fn refuse_another_database(stored: &Stored, record: &Record) -> Result<(), Refusal> {
    let Some(reached) = &record.database else { return Ok(()) };
    let (kept, here) = (&stored.manifest.database, &reached.identity);
    let is_same = match (kept.system_identifier, here.system_identifier) {
        (Some(kept), Some(here)) => kept == here,
        _ => kept.name == here.database,
    };
    if is_same && kept.oid == here.database_oid {
        return Ok(());
    }
    let id = &stored.manifest.id;
    Err(Refusal::new(
        Exit::DatabaseUnavailable,
        format!("snapshot {id} is of another database: {}, not {}", kept.server, reached.label),
    )
    .hint("name the database it is of with --database, or another snapshot")
    .hint("a database of the same name that was made anew is another one")
    .hint(format!("bring everything into a new database: rowsafe restore {id} --into NAME")))
}

async fn apply(
    request: &RestoreRequest,
    stored: &Stored,
    preparation: &Preparation<'_>,
    observer: &mut dyn Observer,
) -> Result<(), Refusal> {
    // Rows first: the foreign keys of a table that is gone are gone too, to it and from it, and
    // come back with it, when both sides must hold their rows.
    let empty = preparation.with(Fate::Empty);
    if !empty.is_empty() {
        fill::fill(request, stored, &empty, observer).await?;
    }
    let gone = preparation.with(Fate::Gone);
    if !gone.is_empty() {
        observer.notice(Event::Working("bringing back tables that are gone"));
        recreate::recreate(request, stored, &gone, &preparation.missing_schemas).await?;
    }
    Ok(())
}

/// Counts again: every table that was put back holds what the snapshot holds.
async fn recount(request: &RestoreRequest, preparation: &Preparation<'_>) -> Result<u64, Refusal> {
    let now = inventory::take(&request.target, &request.counting, |_, _| {}).await?;
    let mut rows = 0;
    for table in preparation.tables() {
        let found = now.named(&table.qualified()).map_or(0, |found| found.rows);
        if found < table.rows {
            let (has, had) = (plural(found, "row"), plural(table.rows, "row"));
            let name = table.qualified();
            return Err(Refusal::new(
                Exit::Loss,
                format!("`{name}` has {has} now and {had} in the snapshot"),
            )
            .hint("somebody may be deleting from it at this moment; run the restore again"));
        }
        rows += table.rows;
    }
    Ok(rows)
}

fn confirmed(
    request: &RestoreRequest,
    database: &str,
    observer: &mut dyn Observer,
) -> Result<bool, Refusal> {
    match &request.confirmed {
        Some(name) if name == database => Ok(true),
        Some(name) => Err(Refusal::new(
            Exit::NoAnswer,
            format!("--confirm names `{name}`, the database is `{database}`"),
        )
        .hint("is this the database you mean? nothing was changed")),
        None => {
            Ok(observer.confirm(&format!("This writes to {}.", request.target.label()), database))
        }
    }
}

fn unconfirmed(database: &str) -> Answer {
    Answer {
        verdict: Verdict::Blocked,
        exit: Exit::Blocked,
        sentence: "nothing was changed, because nobody agreed to it".to_owned(),
        hints: vec![format!("agree: --confirm {}", shell_words::quote(database))],
    }
}

async fn refuse_older_tool(request: &RestoreRequest, stored: &Stored) -> Result<(), Refusal> {
    let tool = tools::version(&request.tools.restore)
        .await
        .map_err(|refusal| refusal.with_exit(Exit::NoAnswer))?;
    let wrote = tools::major(&stored.manifest.pg_dump_version).unwrap_or_default();
    if tool.major >= wrote {
        return Ok(());
    }
    Err(Refusal::new(
        Exit::NoAnswer,
        format!("`{}` can't read what `{}` wrote", tool.text, stored.manifest.pg_dump_version),
    )
    .hint(format!("install postgresql-client-{wrote}, or name another with --pg-restore")))
}
