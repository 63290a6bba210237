//! prepare → show → apply: rows of a snapshot put back.
//!
//! In place it brings back what is gone, tables, rows, columns and values, beside what is there by
//! now, or makes a table as it was. Everything can be brought into a new database beside the old one,
//! and take its place.

mod answer;
mod apply;
pub mod beside;
mod columns;
mod convert;
mod definition;
mod differ;
mod order;
mod pair;
mod prepare;
mod present;
mod recreate;
mod rows;
mod script;
mod sequences;
mod session;
mod stage;
mod swap;
mod there;
mod triggers;
mod verify;

use std::time::Instant;

use tokio_postgres::Client;

use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::inventory::Counting;
use crate::db::postgres::{identity, lock, refusal};
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{Action, Journal, Run, RunJournal, Step};
use crate::known::KnownFile;
use crate::record::{Answer, Kept, Reached, Record, Verdict};
use crate::snapshot::store::{Store, Stored};
use crate::snapshot::tools::{self, Tools};
use crate::text::QualifiedName;
use session::Session;

/// The `application_name` of its sessions.
const APPLICATION: &str = "rowsafe restore";

/// What `rowsafe restore` was asked for.
#[derive(Debug)]
pub struct RestoreRequest {
    /// The database to restore into, or the server to make a new one on.
    pub target: Target,
    /// The snapshot's id, a beginning of it, or `latest`.
    pub snapshot: String,
    /// The tables asked for; empty means every one of which something is gone.
    pub tables: Vec<String>,
    /// Columns of the one table asked for, whose values come back over those of now.
    pub columns: Vec<String>,
    /// The parts asked for, by whoever knows what was lost; empty means everything that is gone.
    pub only: Vec<Part>,
    /// Whether rows of now may be overwritten.
    pub mode: RestoreMode,
    /// Whether the present state of what is written to is kept before.
    pub keep_present: bool,
    /// Free space to leave in the store, in bytes.
    pub min_free_space: u64,
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

/// What is brought back of a table: what was agreed to stays gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The table, as the snapshot has it.
    pub table: QualifiedName,
    /// Rows that are gone, or the table itself.
    pub rows: bool,
    /// Columns that are gone, or whose values are.
    pub columns: Vec<String>,
}

/// What becomes of rows of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestoreMode {
    /// They stay: only what is gone comes back.
    #[default]
    Missing,
    /// They are overwritten and deleted: the table is as it was.
    Replace,
}

impl RestoreMode {
    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Replace => "replace",
        }
    }
}

/// Puts rows back. The answer is in the record.
pub async fn restore(
    request: &RestoreRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    refuse_careless(request)?;
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
    let (client, database) = identify(request, stored, observer, record).await?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask who else is at work", error);
    if let Some(holder) = lock::acquire(&client).await.map_err(asked)? {
        return Err(Refusal::new(
            Exit::Blocked,
            format!("another rowsafe is at work on this database: {}", holder.application),
        )
        .hint("wait until it has ended"));
    }
    Ok((client, database))
}

/// Connects to the database that the snapshot is of.
async fn identify(
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
    Ok((client, database))
}

/// Puts back in place what is gone, having shown it and asked. For whoever has a journal open, and a
/// record whose snapshot is the one to restore from.
pub async fn in_place(
    request: &RestoreRequest,
    stored: &Stored,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let (_lock, _) = reach(request, stored, observer, record).await?;
    put_back(request, stored, journal, observer, record).await
}

/// The same for whoever has reached the database and holds its lock.
pub async fn put_back(
    request: &RestoreRequest,
    stored: &Stored,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let database = record.database_name().to_owned();
    let session = Session::open(&request.target, &request.counting).await?;
    let prepared = prepare::prepare(request, stored, &session, observer).await?;
    let plan = prepared.plan(&stored.manifest);
    observer.notice(Event::Prepared(&plan));
    let is_nothing = plan.is_nothing();
    let plan = record.restore.insert(plan);
    if is_nothing {
        record.answer = Some(answer::nothing_to_do(plan));
        return Ok(());
    }
    if !confirmed(request, &database, observer)? {
        record.answer = Some(unconfirmed(&database));
        return Ok(());
    }
    let written = prepared.written();
    if request.keep_present && !written.is_empty() {
        let keeping =
            present::keep(request, &session, &written, &prepared.shapes, journal, observer, record);
        keeping.await?;
    }
    journal.record(Step::RestoreStarted {
        snapshot: stored.manifest.id.clone(),
        into: database.clone(),
        tables: prepared.names(),
    })?;
    let outcome = apply::apply(request, stored, &session, &prepared, observer).await?;
    let rows = verify::verify(&session, &prepared, &outcome).await?;
    journal.record(Step::RestoreFinished { rows })?;
    let plan = record.restore.as_mut().expect("it was put there above");
    plan.is_done = true;
    plan.add(&outcome.cannot);
    record.answer = Some(answer::done(plan, &outcome, &database));
    Ok(())
}

/// Says what a restore would do. Nothing is changed: rows are staged in temporary tables.
pub async fn diff(
    request: &RestoreRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let stored = request.store.find(&request.snapshot).await?;
    stored.manifest.refuse_elsewhere()?;
    record.snapshot = Some(Kept::of(&stored.manifest, stored.location()));
    refuse_older_tool(request, &stored).await?;
    identify(request, &stored, observer, record).await?;
    let session = Session::open(&request.target, &request.counting).await?;
    let prepared = prepare::prepare(request, &stored, &session, observer).await?;
    let plan = prepared.plan(&stored.manifest);
    record.answer = Some(answer::difference(&plan));
    record.restore = Some(plan);
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

/// Overwriting is asked for table by table.
fn refuse_careless(request: &RestoreRequest) -> Result<(), Refusal> {
    let names_tables = !request.tables.is_empty() || !request.only.is_empty();
    if request.mode == RestoreMode::Missing || names_tables {
        return Ok(());
    }
    let message = "--mode replace overwrites and deletes rows, and needs the tables: --table T";
    Err(Refusal::new(Exit::NoAnswer, message)
        .hint("the whole database takes its state of then with --swap"))
}
