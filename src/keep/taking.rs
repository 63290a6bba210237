//! Taking one snapshot: what is held still is dumped, read back, and gets its name.

use std::path::PathBuf;
use std::time::Instant;

use super::choice::Choice;
use super::space_for;
use crate::child::Invocation;
use crate::child::capture::capture;
use crate::db::postgres::belongings;
use crate::db::postgres::inventory::Held;
use crate::db::postgres::refusal;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::{RunJournal, Step};
use crate::plan::scope::Scope;
use crate::record::{Kept, Record};
use crate::request::TakeRequest;
use crate::secret;
use crate::snapshot::directory;
use crate::snapshot::dump::{self, Dump};
use crate::snapshot::manifest::{self, Archive, Database, KeptTable, Manifest, Verified};
use crate::snapshot::tools::{self, ToolVersion, Tools};
use crate::snapshot::{new_id, parallel, store, verify};

/// Counts everything and keeps what the scope says: a snapshot that belongs to no run. The record
/// has the snapshot afterwards.
pub async fn take(mut taking: Taking<'_>, scope: &Scope) -> Result<Inventory, Refusal> {
    let request = taking.request;
    let means = taking.means().await?;
    let begun = Instant::now();
    taking.observer.notice(Event::Working("locking and listing the tables"));
    let held = Held::hold(request.target, request.counting).await?;
    let observer = &mut *taking.observer;
    let progress = |done, total| observer.notice(Event::Counting { done, total });
    let inventory = held.count(request.target, request.counting, progress).await?;
    taking.record.timed("inventory", begun);
    taking.observer.notice(Event::Counted {
        tables: inventory.tables.len(),
        rows: inventory.rows(),
        took: begun.elapsed(),
    });
    taking.keep_by(&means, held, &inventory, scope).await?;
    Ok(inventory)
}

/// The pg_dump that will take the snapshot, checked against the server before any work is done.
pub(super) async fn tool(tools: &Tools, record: &Record) -> Result<ToolVersion, Refusal> {
    let version = tools::version(&tools.dump).await?;
    if let Some(reached) = &record.database {
        let identity = &reached.identity;
        tools::refuse_older(&version, &identity.server_version, identity.server_version_num)?;
    }
    tools::version(&tools.restore).await?;
    Ok(version)
}

/// What taking a snapshot needs from the story around it.
pub struct Taking<'a> {
    /// What was asked for.
    pub request: TakeRequest<'a>,
    /// Where steps are written down.
    pub journal: &'a RunJournal,
    /// Who listens.
    pub observer: &'a mut dyn Observer,
    /// What is known so far.
    pub record: &'a mut Record,
}

/// An archive that was read back.
struct Proven {
    archive: Archive,
    verified: Verified,
}

impl Taking<'_> {
    /// Keeps what the scope says of what is held, and lets it go.
    pub(super) async fn dump_and_verify(
        &mut self,
        held: Held,
        inventory: &Inventory,
        tool: &ToolVersion,
        scope: &Scope,
    ) -> Result<(), Refusal> {
        let begun = Instant::now();
        let request = self.request;
        request.store.prepare().await?;
        let choice = self.choose(&held, inventory, scope);
        request.store.refuse_without_space(space_for(choice.bytes, request.min_free_space))?;
        let id = new_id();
        let partial = request.store.begin(&id).await?;
        self.step(Step::SnapshotStarted { id: id.clone(), path: partial.location() })?;
        let archive = self.dump(&held, &choice, &partial, tool).await?;
        let tables = self.tables(&held, inventory, &choice).await?;
        held.release().await?;
        self.record.timed("snapshot", begun);

        let proven = self.verify(&partial, archive, &tables, &choice).await?;
        let (archive, objects) = (proven, choice.large_objects);
        let manifest = self.manifest(&id, inventory, tables, archive, objects, tool).await;
        let path = partial.publish(&manifest).await?;
        self.step(Step::SnapshotVerified { id: id.clone() })?;
        let kept = Kept::of(&manifest, path);
        self.observer.notice(Event::Kept { kept: &kept, took: begun.elapsed() });
        self.record.snapshot = Some(kept);
        Ok(())
    }

    /// What of the scope is here now, under the locks.
    fn choose(&mut self, held: &Held, inventory: &Inventory, scope: &Scope) -> Choice {
        let choice = Choice::of(held.listed(), inventory.large_objects, scope);
        let warning = choice.warning.clone().or_else(|| scope.warning());
        if let Some(warning) = warning {
            self.warn(warning);
        }
        choice
    }

    async fn dump(
        &mut self,
        held: &Held,
        choice: &Choice,
        partial: &store::Partial,
        tool: &ToolVersion,
    ) -> Result<Archive, Refusal> {
        let parallel = self.parallel(choice, partial);
        let request = self.request;
        let environment = request.target.client_environment().map_err(|error| {
            Refusal::new(Exit::SnapshotFailed, format!("a password file for pg_dump: {error}"))
        })?;
        let dump = Dump {
            invocation: request
                .tools
                .dump_invocation(request.target)
                .environment(&environment.set, &environment.remove),
            snapshot: &held.snapshot,
            lock_timeout: request.counting.lock_timeout,
            // Names and rows are read back as UTF-8. SQL_ASCII is no encoding: its bytes stay.
            encoding: (held.encoding != "SQL_ASCII").then_some("UTF8"),
            bytes: choice.bytes,
            leaving_out: choice.options.clone(),
        };
        let (total, expected) = (choice.tables, choice.bytes);
        let observer = &mut *self.observer;
        let progress = |now: dump::Progress| {
            observer.notice(Event::Dumping {
                tables: now.tables,
                total,
                read: now.read,
                expected,
                written: now.written,
            });
        };
        let archive = match parallel {
            None => dump::write(dump, partial, progress).await?,
            Some((jobs, parent)) => {
                directory::write(dump, partial, &parent, jobs, tool.major, progress).await?
            }
        };
        Ok(Archive { table_bytes: Some(choice.bytes), ..archive })
    }

    /// How many connections dump at once and where to, where somebody asked for several and one
    /// would not be done before the others have begun.
    fn parallel(&mut self, choice: &Choice, partial: &store::Partial) -> Option<(usize, PathBuf)> {
        let request = self.request;
        let jobs = request.jobs;
        if !jobs.is_said || jobs.count < 2 || choice.bytes < parallel::PAYS_FROM {
            return None;
        }
        let is_here = request.tools.dump.len() == 1 && request.tools.restore.len() == 1;
        match partial.directory() {
            Some(directory) if is_here => return Some((jobs.count, directory.to_owned())),
            Some(_) => self.warn(format!(
                "`{}` can't write a directory here: one connection dumps",
                shell_words::join(&request.tools.dump)
            )),
            None => self.warn(format!(
                "what is kept in {} is one stream: one connection dumps",
                request.store.place()
            )),
        }
        None
    }

    async fn tables(
        &self,
        held: &Held,
        inventory: &Inventory,
        choice: &Choice,
    ) -> Result<Vec<KeptTable>, Refusal> {
        let mut tables = manifest::kept_tables(inventory, &choice.left_out);
        let mut found = belongings::read(held.client()).await.map_err(|error| {
            refusal(Exit::SnapshotFailed, "list what belongs to the tables", error)
        })?;
        for table in &mut tables {
            let Some(of_table) = found.remove(&table.oid) else { continue };
            table.belongings = of_table.entries;
            table.sequences = of_table
                .sequences
                .into_iter()
                .map(|name| manifest::KeptSequence {
                    schema: name.schema.unwrap_or_default(),
                    name: name.name,
                })
                .collect();
        }
        Ok(tables)
    }

    async fn verify(
        &mut self,
        partial: &store::Partial,
        archive: Archive,
        tables: &[KeptTable],
        choice: &Choice,
    ) -> Result<Proven, Refusal> {
        let begun = Instant::now();
        let total = archive.bytes;
        let observer = &mut *self.observer;
        let verify::Verification { verified, left_out, bytes } = verify::verify(
            &partial.archive(&archive),
            &archive,
            tables,
            choice.large_objects,
            self.request.tools,
            |read| observer.notice(Event::Verifying { read, total }),
        )
        .await?;
        self.record.timed("verify", begun);
        for (table, extension) in left_out {
            let warning = format!(
                "`{table}` belongs to extension `{extension}`, and pg_dump leaves rows of it out: they are not in the snapshot"
            );
            self.warn(warning);
        }
        // pg_dump does not say how much it was before it compressed it.
        let is_directory = archive.file == directory::NAME;
        let dump_bytes = if is_directory { bytes } else { archive.dump_bytes };
        Ok(Proven { archive: Archive { dump_bytes, ..archive }, verified })
    }

    async fn manifest(
        &self,
        id: &str,
        inventory: &Inventory,
        tables: Vec<KeptTable>,
        proven: Proven,
        large_objects: u64,
        tool: &ToolVersion,
    ) -> Manifest {
        let is_whole = large_objects == inventory.large_objects;
        let (mut schema, scope) = manifest::version(&tables, is_whole, &proven.archive);
        if proven.archive.encryption.is_some() {
            manifest::ENCRYPTED.clone_into(&mut schema);
        }
        Manifest {
            schema,
            pg_dump_version: tool.text.clone(),
            scope,
            tables,
            large_objects,
            archive: proven.archive,
            verified: proven.verified,
            ..self.about(id, inventory).await
        }
    }

    /// What a manifest says of any snapshot: of what it is, and what for.
    pub(super) async fn about(&self, id: &str, inventory: &Inventory) -> Manifest {
        Manifest {
            schema: String::new(),
            id: id.to_owned(),
            created_at: jiff::Timestamp::now(),
            rowsafe_version: env!("CARGO_PKG_VERSION").to_owned(),
            database: Database::of(&inventory.identity, self.request.target.label()),
            revisions: self.record.revisions.before.clone(),
            command: secret::mask_words(self.request.command),
            git_commit: git_commit().await,
            pg_dump_version: String::new(),
            scope: String::new(),
            tables: Vec::new(),
            large_objects: 0,
            archive: Archive::default(),
            verified: Verified::default(),
            elsewhere: None,
        }
    }

    /// Says and notes something to know.
    pub(super) fn warn(&mut self, warning: String) {
        self.observer.notice(Event::Warning(&warning));
        self.record.warnings.push(warning);
    }

    pub(super) fn step(&self, step: Step) -> Result<(), Refusal> {
        self.journal.record(step).map_err(Refusal::from)
    }
}

/// The commit that is checked out, where the working directory is a git checkout.
async fn git_commit() -> Option<String> {
    let words = ["git", "rev-parse", "HEAD"].map(str::to_owned);
    let invocation = Invocation::from_words(&words)?;
    let captured = capture(&invocation, std::time::Duration::from_secs(5)).await.ok()?;
    let commit = captured.stdout.trim().to_owned();
    (captured.status.success() && !commit.is_empty()).then_some(commit)
}
