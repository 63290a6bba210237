//! What is pending for a command, whoever can say so.

use tokio_postgres::Client;

use crate::db::postgres::version_table::{self, VersionTable};
use crate::db::postgres::{refusal, witness};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::migration::alembic::current::{Candidate, choose};
use crate::migration::alembic::project::AlembicProject;
use crate::migration::alembic::{AlembicCommand, Current, render};
use crate::migration::{files, psql_command, unknown};
use crate::request::RunRequest;
use crate::script::Script;
use crate::secret;
use crate::text::QualifiedName;

/// What is pending, and how it will show that it was done.
#[derive(Debug, Default)]
pub struct Pending {
    /// The scripts, in the order in which they run.
    pub scripts: Vec<Script>,
    /// Revisions the database is at.
    pub before: Vec<String>,
    /// Revisions it goes to, where that could be worked out.
    pub target: Vec<String>,
    /// The tool's own tables, whose rows come and go.
    pub version_tables: Vec<QualifiedName>,
    /// Revisions are pending, so the version table has to move.
    pub expects_move: bool,
    /// Why the command may do more than the scripts say: it was not asked itself.
    pub unasked: Option<String>,
    /// What a person should know about how this was found.
    pub warnings: Vec<String>,
}

impl Pending {
    /// The revisions that the version tables hold now; a table that came with the run counts too.
    pub fn revisions_of(&self, tables: &[VersionTable]) -> Vec<String> {
        let is_ours = |table: &&VersionTable| {
            self.version_tables.is_empty() || self.version_tables.contains(&table.name)
        };
        let mut revisions: Vec<String> =
            tables.iter().filter(is_ours).flat_map(|table| table.revisions.clone()).collect();
        revisions.sort();
        revisions.dedup();
        revisions
    }
}

/// Finds out what is pending: from the files or the command that were named, from Alembic, or not
/// at all.
pub async fn find(request: &RunRequest, client: &Client) -> Result<Pending, Refusal> {
    let asked = |error| refusal(Exit::NoAnswer, "look for version tables", error);
    let tables = version_table::read(client).await.map_err(asked)?;
    let mut pending = of_command(request, &tables, client).await?;
    if pending.version_tables.is_empty() {
        // Any of them may move, so that it has moved is told by all of them, before and after.
        pending.before = pending.revisions_of(&tables);
    }
    Ok(pending)
}

async fn of_command(
    request: &RunRequest,
    tables: &[VersionTable],
    client: &Client,
) -> Result<Pending, Refusal> {
    if !request.sql_files.is_empty() {
        let pending = of_scripts(files::read(&request.sql_files)?);
        let runs_these = psql_command::runs_only(&request.command, &request.sql_files);
        let unasked = if runs_these { None } else { unasked(request) };
        return Ok(Pending { unasked, ..pending });
    }
    if let Some(line) = &request.sql_command {
        let script = files::from_command(line, request.render_timeout).await?;
        return Ok(Pending { unasked: unasked(request), ..of_scripts(vec![script]) });
    }
    match AlembicCommand::recognize(&request.command) {
        Some(command) => of_alembic(&command, request, tables, client).await,
        None => Ok(of_scripts(vec![unknown(&secret::mask_words(&request.command))])),
    }
}

/// What somebody says is pending need not be all that the command runs.
fn unasked(request: &RunRequest) -> Option<String> {
    let program = request.command.first()?;
    Some(format!("`{program}` may run more than the SQL that was named for it"))
}

fn of_scripts(scripts: Vec<Script>) -> Pending {
    Pending { scripts, ..Pending::default() }
}

async fn of_alembic(
    command: &AlembicCommand,
    request: &RunRequest,
    tables: &[VersionTable],
    client: &Client,
) -> Result<Pending, Refusal> {
    let Some((direction, _)) = command.movement() else {
        let warning = "this alembic command runs no revisions".to_owned();
        return Ok(Pending { warnings: vec![warning], ..Pending::default() });
    };
    let project = AlembicProject::of(command, &request.environment)?;
    let asked = |error| refusal(Exit::NoAnswer, "look whether rendering writes", error);
    let candidates: Vec<Candidate> = tables
        .iter()
        .map(|table| Candidate { table: table.name.clone(), rows: table.revisions.clone() })
        .collect();
    let current: Current = choose(&candidates, &project.revisions, direction);
    let witness = witness::Witness::of(client).await.map_err(asked)?;
    let found = render::pending(
        command,
        &current.heads,
        &project.revisions,
        &request.environment,
        request.render_timeout,
    )
    .await;
    let mut warnings = project.warnings;
    warnings.extend(current.doubts);
    warnings.extend(found.warnings);
    warnings.extend(witness.check(client).await?);
    Ok(Pending {
        expects_move: !found.scripts.is_empty(),
        scripts: found.scripts,
        before: current.heads,
        target: found.after.unwrap_or_default(),
        version_tables: current.tables,
        unasked: None,
        warnings,
    })
}
