//! Is this the database that was there the last time? Asked right after connecting, when the
//! catalogue can tell, and again once the rows were counted; both before anything is run.

use tokio_postgres::Client;

use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::{identity, inventory, refusal, version_table};
use crate::db::target::Target;
use crate::environment::Environment;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::{Identity, Inventory, Standing, TableKind};
use crate::journal::{RunJournal, Step};
use crate::known::{Difference, Known, KnownFile, Sight};
use crate::migration::alembic::lineage::Lineage;
use crate::migration::alembic::project::AlembicProject;
use crate::migration::alembic::{AlembicCommand, Revisions};
use crate::policy::{Protected, TableRules};
use crate::record::Record;
use crate::request::RunRequest;
use crate::text::QualifiedName;

/// What a database is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its record.
    pub known: &'a KnownFile,
    /// Which tables say nothing by their rows.
    pub rules: &'a TableRules,
    /// Which databases have to hold something.
    pub protected: &'a Protected,
    /// The migration command, whose project knows what stands on what.
    pub command: &'a [String],
    /// The environment it would run in.
    pub environment: &'a Environment,
}

impl<'a> Expected<'a> {
    /// What the request holds the database against.
    pub fn of(request: &'a RunRequest) -> Self {
        Self {
            known: &request.known,
            rules: &request.tables,
            protected: &request.protected,
            command: &request.command,
            environment: &request.environment,
        }
    }

    /// What differs as far as the catalogue says it.
    pub async fn at_the_door(&self, client: &Client, identity: &Identity) -> Result<Look, Refusal> {
        let asked =
            |error| refusal(Exit::DatabaseUnavailable, "ask how the database stands", error);
        let standing = identity::standing(client).await.map_err(asked)?;
        let Some(known) = self.known.read()? else {
            let is_bare = standing.tables.is_empty();
            let differences = self.unknown(&identity.database, is_bare).into_iter().collect();
            return Ok(Look { known: None, standing, differences });
        };
        let mut differences = known.differs(identity, &standing, self.rules);
        if differences.iter().any(|difference| difference.refuses) {
            differences.extend(self.rows_now(client, &known, &standing).await);
        } else {
            differences.extend(self.revisions(client, &known).await.map_err(asked)?);
        }
        Ok(Look { known: Some(known), standing, differences })
    }

    /// What differs now that the rows were counted.
    pub fn counted(
        &self,
        inventory: &Inventory,
        bytes: Option<u64>,
    ) -> Result<Vec<Difference>, Refusal> {
        if let Some(known) = self.known.read()? {
            return Ok(known.counted(inventory, bytes, self.rules));
        }
        let database = &inventory.identity.database;
        Ok(self.unknown(database, holds_nothing(inventory)).into_iter().collect())
    }

    /// A database of this name holds something, or it is not the one that the name means.
    fn unknown(&self, database: &str, is_empty: bool) -> Option<Difference> {
        let pattern = self.protected.covers(database).filter(|_| is_empty)?;
        Some(Difference::refusing(format!(
            "it is protected (`{pattern}`), holds no row and was never seen before"
        )))
    }

    /// How many rows the largest tables on record have, where they have fewer: what a person
    /// recognizes. Not counted any further than they were on record.
    async fn rows_now(
        &self,
        client: &Client,
        known: &Known,
        standing: &Standing,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        for table in known.largest(self.rules) {
            let name = table.qualified();
            if !standing.tables.contains_key(&name) {
                continue;
            }
            let sql = format!(
                "SELECT count(*) FROM (SELECT FROM ONLY {} LIMIT {}) AS seen",
                name.sql(),
                table.rows
            );
            // A table that can't be read is no help to a person, and the answer is a no anyway.
            let Ok(row) = client.query_one(&sql, &[]).await else { continue };
            let now = u64::try_from(row.get::<_, i64>(0)).unwrap_or_default();
            if now < table.rows {
                found.push(Difference::refusing(known.held(table, now)));
            }
        }
        found
    }

    /// Revisions that are behind those on record.
    async fn revisions(
        &self,
        client: &Client,
        known: &Known,
    ) -> Result<Vec<Difference>, tokio_postgres::Error> {
        let tables = version_table::read(client).await?;
        let mut found = Vec::new();
        let mut project = None;
        for then in &known.revisions {
            let now = tables.iter().find(|table| table.name == then.qualified());
            let now = now.map_or(&[][..], |table| &table.revisions);
            if then.revisions.iter().all(|revision| now.contains(revision)) {
                continue;
            }
            let project = project.get_or_insert_with(|| self.project());
            found.extend(behind(known, &then.revisions, now, project.as_ref()));
        }
        Ok(found)
    }

    fn project(&self) -> Option<Revisions> {
        let command = AlembicCommand::recognize(self.command)?;
        AlembicProject::of(&command, self.environment).ok().map(|project| project.revisions)
    }
}

/// What was found at the door.
#[derive(Debug)]
pub struct Look {
    /// What is on record.
    pub known: Option<Known>,
    /// How things stand.
    pub standing: Standing,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Whether what is on record was reached and is behind the database now.
fn behind(
    known: &Known,
    then: &[String],
    now: &[String],
    project: Option<&Revisions>,
) -> Option<Difference> {
    let (was, when) = (then.join(", "), known.when());
    if now.is_empty() {
        let what = format!("it was at revision {was} on {when}, and is at none now");
        return Some(Difference::refusing(what));
    }
    let lineage = Lineage::of(project?);
    let at: Result<Vec<&str>, _> = now.iter().map(|id| lineage.find(id)).collect();
    // A database at a revision that the project does not have is another finding's matter.
    let reached = lineage.behind(&at.ok()?);
    let is_known = |id: &&String| lineage.find(id).is_ok_and(|found| found == *id);
    let lost: Vec<&String> = then.iter().filter(|id| !reached.contains(id.as_str())).collect();
    if let Some(id) = lost.iter().find(|id| !is_known(id)) {
        let what = format!("it was at revision {id} on {when}, which no file has any more");
        return Some(Difference::noted(what));
    }
    let now = now.join(", ");
    (!lost.is_empty()).then(|| {
        Difference::refusing(format!("it was at revision {was} on {when}, and is at {now} now"))
    })
}

/// Right after connecting: refuses a database that is not the one on record.
pub async fn at_the_door(
    client: &Client,
    request: &RunRequest,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let reached = record.database.as_ref().expect("the database was reached");
    let identity = reached.identity.clone();
    let refusing = looked_at(client, request, &identity, observer, record).await?;
    accept(refusing, journal)
}

/// The same for a command that changes nothing and writes nothing down; what `--new-database` has
/// accepted is returned.
pub async fn looked_at(
    client: &Client,
    request: &RunRequest,
    identity: &Identity,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<Vec<Difference>, Refusal> {
    let looked = Expected::of(request).at_the_door(client, identity).await;
    let differences = match looked {
        Ok(look) => look.differences,
        Err(refusal) if request.new_database => vec![Difference::refusing(refusal.to_string())],
        Err(refusal) => return Err(refusal),
    };
    judge(differences, &identity.database, request, observer, record)
}

/// Once everything is counted and before anything is kept: refuses a database that was emptied.
pub async fn counted(
    request: &RunRequest,
    inventory: &Inventory,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let differences = match Expected::of(request).counted(inventory, bytes(request).await) {
        // Said at the door.
        Err(_) if request.new_database => return Ok(()),
        differences => differences?,
    };
    let database = &inventory.identity.database;
    accept(judge(differences, database, request, observer, record)?, journal)
}

/// The size, where the server says it; asked on a session of its own, because a question that is
/// refused would end the transaction that holds the tables.
async fn bytes(request: &RunRequest) -> Option<u64> {
    let options = SessionOptions::default();
    let client = connect(&request.target, inventory::APPLICATION, &options).await.ok()?;
    let row = client.query_one("SELECT pg_database_size(current_database())", &[]).await.ok()?;
    u64::try_from(row.get::<_, i64>(0)).ok()
}

fn judge(
    differences: Vec<Difference>,
    database: &str,
    request: &RunRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<Vec<Difference>, Refusal> {
    let (refusing, noted): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| difference.refuses);
    for difference in noted {
        warn(&difference.what, observer, record);
    }
    if !refusing.is_empty() && !request.new_database {
        return Err(refused(database, &refusing));
    }
    for difference in &refusing {
        warn(&format!("accepted by --new-database: {}", difference.what), observer, record);
    }
    Ok(refusing)
}

/// Writes down what was accepted, if there was anything.
fn accept(accepted: Vec<Difference>, journal: &RunJournal) -> Result<(), Refusal> {
    if accepted.is_empty() {
        return Ok(());
    }
    let differences = accepted.into_iter().map(|difference| difference.what).collect();
    journal.record(Step::IdentityAccepted { differences }).map_err(Refusal::from)
}

/// The refusal of a database that is not as it is on record.
pub fn refused(database: &str, differences: &[Difference]) -> Refusal {
    let what: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
    let message = format!("`{database}` is not the database on record: {}", what.join("; "));
    Refusal::new(Exit::DatabaseUnavailable, message)
        .hint(
            "did its server come back on a new volume, or from a backup? `docker volume ls` shows \
             whether the old volume is still there",
        )
        .hint("put back what a snapshot holds: rowsafe restore latest")
        .hint("where the change is meant: --new-database takes what is there now for the record")
}

fn warn(text: &str, observer: &mut dyn Observer, record: &mut Record) {
    observer.notice(Event::Warning(text));
    record.warnings.push(text.to_owned());
}

/// No table but a version table holds a row.
fn holds_nothing(inventory: &Inventory) -> bool {
    inventory.tables.iter().all(|table| {
        let is_version = table.columns.len() == 1 && table.columns[0].name == "version_num";
        table.kind != TableKind::Ordinary || table.rows == 0 || is_version
    })
}

/// Writes what was seen after the run. What can't be written is said, and changes no answer.
pub async fn remember(
    target: &Target,
    known: &KnownFile,
    inventory: &Inventory,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) {
    let outcome = match look_again(target).await {
        Ok((standing, revisions)) => {
            let sight =
                Sight { run: journal.id(), inventory, standing: &standing, revisions: &revisions };
            known.write(sight).map_err(|error| error.to_string())
        }
        Err(refusal) => Err(refusal.to_string()),
    };
    let path = known.path().display().to_string();
    match outcome {
        Ok(()) => {
            if let Err(error) = journal.record(Step::IdentityRecorded { path }) {
                warn(&error.to_string(), observer, record);
            }
        }
        Err(why) => {
            let text = format!("the record of this database `{path}` can't be written: {why}");
            warn(&text, observer, record);
        }
    }
}

/// How things stand now, on a session of its own: the run's first may have ended with its server.
async fn look_again(
    target: &Target,
) -> Result<(Standing, Vec<(QualifiedName, Vec<String>)>), Refusal> {
    let options = SessionOptions::default();
    let client = connect(target, inventory::APPLICATION, &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask how the database stands", error);
    let standing = identity::standing(&client).await.map_err(asked)?;
    let tables = version_table::read(&client).await.map_err(asked)?;
    Ok((standing, tables.into_iter().map(|table| (table.name, table.revisions)).collect()))
}
