//! A whole snapshot into a new database beside the old one.

use tokio_postgres::Client;

use super::RestoreRequest;
use crate::db::connect::{ConnectError, SessionOptions, connect};
use crate::db::postgres::{inventory, refusal};
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::journal::{RunJournal, Step};
use crate::record::{Answer, Record, Verdict};
use crate::snapshot::manifest::{Manifest, Miscounted};
use crate::snapshot::parallel;
use crate::snapshot::store::Stored;
use crate::text::name::{quote, quote_literal};
use crate::text::number::plural;

/// Makes the database, restores into it and counts; a database that could not be filled is
/// dropped again.
pub async fn restore(
    request: &RestoreRequest,
    stored: &Stored,
    name: &str,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let manifest = &stored.manifest;
    if let Some(warning) = tell_of_left_out(manifest) {
        observer.notice(Event::Warning(&warning));
        record.warnings.push(warning);
    }
    let maintenance = maintenance(&request.target).await?;
    refuse_existing(&maintenance, name).await?;
    let rows = make(request, stored, &maintenance, name, journal, observer).await?;
    record.answer = Some(Answer {
        verdict: Verdict::Ok,
        exit: Exit::Ok,
        sentence: format!(
            "{name} holds snapshot {}: {} of {}, counted again",
            manifest.id,
            plural(rows, "row"),
            plural(manifest.verified.tables, "table")
        ),
        hints: Vec::new(),
    });
    Ok(())
}

/// Makes the database and fills it; how many rows it holds then.
pub async fn make(
    request: &RestoreRequest,
    stored: &Stored,
    maintenance: &Client,
    name: &str,
    journal: &RunJournal,
    observer: &mut dyn Observer,
) -> Result<u64, Refusal> {
    journal.record(Step::RestoreStarted {
        snapshot: stored.manifest.id.clone(),
        into: name.to_owned(),
        tables: Vec::new(),
    })?;
    observer.notice(Event::Working("making a new database and restoring into it"));
    create(maintenance, &stored.manifest, name).await?;
    let target = request.target.with_database(name);
    match fill_and_count(request, stored, &target).await {
        Ok(rows) => {
            journal.record(Step::RestoreFinished { rows })?;
            Ok(rows)
        }
        Err(refusal) => {
            drop_again(maintenance, name).await;
            Err(refusal)
        }
    }
}

/// What a person should know before looking for rows that were never kept.
fn tell_of_left_out(manifest: &Manifest) -> Option<String> {
    let holding = manifest.tables.iter().filter(|table| table.holds_rows());
    let kept = holding.clone().filter(|table| table.kept).count() as u64;
    let all = holding.count() as u64;
    (kept < all).then(|| {
        format!(
            "snapshot {} holds only what was at risk: {kept} of {} will have rows, the others are made empty",
            manifest.id,
            plural(all, "table")
        )
    })
}

/// A session from which a database can be made: in the target's database or, when that is gone,
/// in `postgres`.
pub async fn maintenance(target: &Target) -> Result<Client, Refusal> {
    let options = SessionOptions { read_only: false, ..SessionOptions::default() };
    match connect(target, "rowsafe restore", &options).await {
        Err(ConnectError::DatabaseMissing { .. }) => {
            connect(&target.with_database("postgres"), "rowsafe restore", &options)
                .await
                .map_err(Refusal::from)
        }
        other => other.map_err(Refusal::from),
    }
}

/// Refuses a name that a database has already.
pub async fn refuse_existing(client: &Client, name: &str) -> Result<(), Refusal> {
    let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
    let found = client
        .query_opt(sql, &[&name])
        .await
        .map_err(|error| refusal(Exit::DatabaseUnavailable, "look for the database", error))?;
    match found {
        None => Ok(()),
        Some(_) => Err(Refusal::new(Exit::NoAnswer, format!("database `{name}` is there already"))
            .hint("--into makes a new database; choose a name that is free")),
    }
}

/// The new database gets the encoding and the collation of the old one, where that still exists.
pub async fn create(client: &Client, manifest: &Manifest, name: &str) -> Result<(), Refusal> {
    let failed = |error| refusal(Exit::NoAnswer, &format!("make the database `{name}`"), error);
    let sql = "SELECT pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text,
                      to_jsonb(d)->>'datlocprovider',
                      coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale')
                 FROM pg_database d WHERE datname = $1";
    let model = client.query_opt(sql, &[&manifest.database.name]).await.map_err(failed)?;
    let like = model.map(|row| like(&row)).unwrap_or_default();
    let statement = format!("CREATE DATABASE {} TEMPLATE template0{like}", quote(name));
    client.batch_execute(&statement).await.map_err(|error| {
        failed(error).hint("the role needs CREATEDB for that: ALTER ROLE … CREATEDB")
    })
}

/// Encoding and collation of a row of `pg_database`, as options of CREATE DATABASE.
fn like(row: &tokio_postgres::Row) -> String {
    let text = |index: usize| quote_literal(row.get(index));
    let (encoding, collate, ctype) = (text(0), text(1), text(2));
    let options = format!(" ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}");
    let locale = row.get::<_, Option<String>>(4).map(|locale| quote_literal(&locale));
    match (row.get::<_, Option<String>>(3).as_deref(), locale) {
        (Some("i"), Some(locale)) => format!("{options} LOCALE_PROVIDER icu ICU_LOCALE {locale}"),
        (Some("b"), Some(locale)) => {
            format!("{options} LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}")
        }
        _ => options,
    }
}

/// Drops a database that could not be filled.
pub async fn drop_again(client: &Client, name: &str) {
    // It was made a moment ago by us and holds nothing that is not in the snapshot.
    let sql = format!("DROP DATABASE IF EXISTS {}", quote(name));
    if let Err(error) = client.batch_execute(&sql).await {
        tracing::warn!("the half-filled database {name} is still there: {error}");
    }
}

async fn fill_and_count(
    request: &RestoreRequest,
    stored: &Stored,
    target: &Target,
) -> Result<u64, Refusal> {
    let environment = target.client_environment().map_err(|error| {
        Refusal::new(Exit::NoAnswer, format!("a password file for pg_restore: {error}"))
    })?;
    let invocation = request
        .tools
        .restore_into(target)
        .environment(&environment.set, &environment.remove)
        .arg("--exit-on-error");
    let jobs = request.counting.connections;
    let near = request.store.directory();
    parallel::apply(stored, &invocation, &request.tools, jobs, near).await?;
    let now = inventory::take(target, &request.counting, |_, _| {}).await?;
    stored.manifest.count_restored(&now).map_err(|Miscounted { table, found }| {
        Refusal::new(
            Exit::NoAnswer,
            format!(
                "`{}` has {} in the new database and {} in the snapshot",
                table.qualified(),
                plural(found.unwrap_or_default(), "row"),
                plural(table.rows_kept(), "row")
            ),
        )
    })
}
