//! What takes the snapshot: pg_dump, or something that holds it itself.

use std::time::Instant;

use super::taking::{self, Taking};
use crate::db::connect::connect;
use crate::db::postgres::inventory::{APPLICATION, Held};
use crate::db::postgres::{refusal, restore_point};
use crate::driver::pgbackrest::Health;
use crate::driver::{Taken, command, pgbackrest};
use crate::event::Event;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::Step;
use crate::plan::scope::Scope;
use crate::policy::{Driver, PgBackRest, SnapshotCommand};
use crate::record::Kept;
use crate::snapshot::elsewhere::{self, Elsewhere};
use crate::snapshot::manifest::{self, Manifest, SCOPE_ALL};
use crate::snapshot::new_id;
use crate::snapshot::tools::ToolVersion;
use crate::text::number::seconds;

/// What takes the snapshot, found to be in order.
#[derive(Debug)]
pub enum Means {
    /// pg_dump, into the store.
    Dump(ToolVersion),
    /// Something that holds it.
    Elsewhere(Holder),
}

/// What holds snapshots that the store does not.
#[derive(Debug)]
pub enum Holder {
    /// A command of the user's own.
    Command(SnapshotCommand),
    /// A restore point, and the backup that it is reached from.
    RestorePoint(PgBackRest, Health),
}

impl Means {
    /// Whether the rows end up in the store, where they can be read.
    pub fn is_dump(&self) -> bool {
        matches!(self, Self::Dump(_))
    }
}

impl Taking<'_> {
    /// What will take the snapshot, found to be in order before any work is done.
    pub async fn means(&mut self) -> Result<Means, Refusal> {
        match self.request.driver {
            Driver::PgDump => taking::tool(self.request.tools, self.record).await.map(Means::Dump),
            Driver::Command(command) => Ok(Means::Elsewhere(Holder::Command(command.clone()))),
            Driver::PgBackRest(options) => {
                self.observer.notice(Event::Working("pgBackRest checks that WAL is archived"));
                let identity = self.record.database.as_ref().map(|reached| &reached.identity);
                let system = identity.and_then(|identity| identity.system_identifier);
                self.refuse_without_right().await?;
                let health = pgbackrest::health(options, system).await?;
                for warning in warnings(options, &health, jiff::Timestamp::now()) {
                    self.warn(warning);
                }
                Ok(Means::Elsewhere(Holder::RestorePoint(options.clone(), health)))
            }
        }
    }

    async fn refuse_without_right(&self) -> Result<(), Refusal> {
        let asked = |error| refusal(Exit::SnapshotFailed, "ask for the role's rights", error);
        let client = self.session().await?;
        if restore_point::is_allowed(&client).await.map_err(asked)? {
            return Ok(());
        }
        Err(without_right(&self.request.target.user))
    }

    async fn session(&self) -> Result<tokio_postgres::Client, Refusal> {
        let options = self.request.counting.session();
        connect(self.request.target, APPLICATION, &options).await.map_err(Refusal::from)
    }

    /// Keeps what is held by these means, and lets it go.
    pub async fn keep_by(
        &mut self,
        means: &Means,
        held: Held,
        inventory: &Inventory,
        scope: &Scope,
    ) -> Result<(), Refusal> {
        match means {
            Means::Dump(tool) => self.dump_and_verify(held, inventory, tool, scope).await,
            Means::Elsewhere(holder) => {
                held.release().await?;
                self.keep_elsewhere(holder, inventory).await
            }
        }
    }

    /// Has something else take the snapshot: always of everything. What is written between the
    /// count and that moment is in it too.
    async fn keep_elsewhere(
        &mut self,
        holder: &Holder,
        inventory: &Inventory,
    ) -> Result<(), Refusal> {
        let begun = Instant::now();
        let request = self.request;
        request.store.prepare().await?;
        let id = new_id();
        let partial = request.store.begin(&id).await?;
        self.step(Step::SnapshotStarted { id: id.clone(), path: partial.location() })?;
        let elsewhere = self.taken(holder, &id).await?;
        self.step(Step::SnapshotHeld {
            id: id.clone(),
            driver: elsewhere.driver.clone(),
            reference: elsewhere.reference.clone(),
            restore: elsewhere.restore.clone(),
            verified: elsewhere.is_verified(),
        })?;
        let manifest = Manifest {
            schema: manifest::ELSEWHERE.to_owned(),
            scope: SCOPE_ALL.to_owned(),
            tables: manifest::kept_tables(inventory, &std::collections::BTreeSet::new()),
            large_objects: inventory.large_objects,
            elsewhere: Some(Box::new(elsewhere)),
            ..self.about(&id, inventory).await
        };
        let path = partial.publish(&manifest).await?;
        self.record.timed("snapshot", begun);
        let kept = Kept::of(&manifest, path);
        self.observer.notice(Event::Kept { kept: &kept, took: begun.elapsed() });
        self.record.snapshot = Some(kept);
        Ok(())
    }

    async fn taken(&mut self, holder: &Holder, id: &str) -> Result<Elsewhere, Refusal> {
        let (driver, program, taken) = match holder {
            Holder::Command(command) => {
                let program = command.create.words()[0].clone();
                self.observer.notice(Event::Working(&format!("`{program}` takes the snapshot")));
                let taken = command::take(command, self.request.target, id).await?;
                (elsewhere::COMMAND, program, taken)
            }
            Holder::RestorePoint(options, health) => {
                self.observer.notice(Event::Working("waiting until the restore point is archived"));
                let taken = self.restore_point(options, health, id).await?;
                (elsewhere::PGBACKREST, "pgBackRest".to_owned(), taken)
            }
        };
        let Taken { reference, restore, verified_at } = taken;
        Ok(Elsewhere { driver: driver.to_owned(), program, reference, restore, verified_at })
    }

    async fn restore_point(
        &self,
        options: &PgBackRest,
        health: &Health,
        id: &str,
    ) -> Result<Taken, Refusal> {
        let name = format!("rowsafe-{id}");
        let client = self.session().await?;
        let made = restore_point::make(&client, &name).await;
        let segment =
            made.map_err(|error| refusal(Exit::SnapshotFailed, "make a restore point", error))?;
        pgbackrest::archived(options, health, &name, &segment).await
    }
}

/// Refuses what can be known to fail before anything is done.
pub fn refuse_missing(
    driver: &Driver,
    environment: &crate::environment::Environment,
) -> Result<(), Refusal> {
    match driver {
        Driver::Command(command) => command::refuse_missing(command, environment),
        Driver::PgDump | Driver::PgBackRest(_) => Ok(()),
    }
}

/// What to know of the backup that a restore starts from.
pub fn warnings(options: &PgBackRest, health: &Health, now: jiff::Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(damaged) = &health.damaged {
        warnings.push(format!(
            "backup {damaged} of stanza `{}` has errors; a restore starts from {}",
            options.stanza, health.backup
        ));
    }
    let age: std::time::Duration = now.duration_since(health.ended).try_into().unwrap_or_default();
    if let Some(rpo) = options.rpo.filter(|rpo| age > *rpo) {
        warnings.push(format!(
            "the last backup of stanza `{}` is {} old; rpo is {}",
            options.stanza,
            seconds(age),
            seconds(rpo)
        ));
    }
    warnings
}

/// The role may make no restore point.
pub fn without_right(role: &str) -> Refusal {
    let message = format!("the role `{role}` may not make a restore point");
    let grant = format!(
        "as a superuser, in this database: GRANT EXECUTE ON FUNCTION {} TO {}",
        restore_point::FUNCTION,
        crate::text::name::quote_if_needed(role)
    );
    Refusal::new(Exit::SnapshotFailed, message).hint(grant)
}
