//! Which database: the first of the places that name one.

use crate::db::libpq::{self, Resolved};
use crate::environment::Environment;
use crate::hint::Refusal;
use crate::migration::alembic::project::AlembicProject;
use crate::migration::alembic::{AlembicCommand, AlembicConfig};
use crate::secret::Secret;

/// The variable that most migration tools and hosts use for the database's URL.
const DATABASE_URL: &str = "DATABASE_URL";

/// A URL that rowsafe itself was told.
#[derive(Debug)]
pub struct Told<'a> {
    /// The URL.
    pub url: &'a Secret,
    /// What told it: `--database`, `ROWSAFE_DATABASE`, the configuration file.
    pub source: String,
}

/// Resolves the database of a migration command: what rowsafe was told, `DATABASE_URL`, the
/// `sqlalchemy.url` of alembic.ini, libpq's environment. There is no default.
pub fn choose(
    told: Option<Told<'_>>,
    command: &[String],
    environment: &Environment,
) -> Result<Resolved, Refusal> {
    if let Some(told) = told {
        return libpq::resolve(Some(told.url.reveal()), &told.source, environment);
    }
    let alembic = AlembicCommand::recognize(command);
    // `env DATABASE_URL=… alembic` is what the command gets to see.
    let assigned = alembic.iter().flat_map(|command| &command.assigned);
    let mut assigned =
        assigned.filter(|(name, _)| name == DATABASE_URL).map(|(_, url)| url.as_str());
    if let Some(url) = assigned.next_back().or(environment.get(DATABASE_URL)) {
        return libpq::resolve(Some(url), DATABASE_URL, environment);
    }
    let config = match &alembic {
        Some(command) => AlembicProject::of(command, environment)?.config,
        None => AlembicConfig::load(&[], "alembic", environment.directory(), environment)?,
    };
    let ini = config.as_ref().and_then(|config| Some((config.sqlalchemy_url()?, config)));
    match ini {
        Some((url, config)) => {
            libpq::resolve_sqlalchemy_url(url, &config.url_source(), environment)
        }
        None => libpq::resolve(None, "libpq's environment", environment),
    }
}
