//! Why there is no connection, told apart as far as the next step differs.

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::similar;

/// How many databases of a server are listed when the one wanted is not among them.
const LISTED: usize = 10;

/// No connection. Each sentence names `user@host:port/database`, and never a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there: refused, no such name, no such socket, no answer in time.
    #[error("cannot reach {label}: {reason}")]
    Unreachable {
        /// Who and where.
        label: String,
        /// What each host said.
        reason: String,
        /// What to try.
        hints: Vec<String>,
    },
    /// The server does not let this role in (SQLSTATE class 28, and 42501).
    #[error("cannot log in to {label}: {reason}")]
    AuthenticationRefused {
        /// Who and where.
        label: String,
        /// The server's words.
        reason: String,
        /// What to try.
        hints: Vec<String>,
    },
    /// The server wants a password, and none was found.
    #[error("{label} wants a password, and none was given")]
    NoPassword {
        /// Who and where.
        label: String,
    },
    /// The server is there and the database is not (SQLSTATE 3D000).
    #[error("database `{database}` does not exist ({label})")]
    DatabaseMissing {
        /// Who and where.
        label: String,
        /// The database.
        database: String,
        /// Those that do exist, where the role may ask.
        others: Option<Vec<String>>,
    },
    /// There is no TLS session that the sslmode accepts.
    #[error("no TLS session with {label}: {reason}")]
    TlsFailed {
        /// Who and where.
        label: String,
        /// What went wrong.
        reason: String,
        /// What to try.
        hints: Vec<String>,
    },
    /// The server is there and takes no connection now (SQLSTATE 53300, 57P03).
    #[error("{label} takes no connection now: {reason}")]
    ServerBusy {
        /// Who and where.
        label: String,
        /// The server's words.
        reason: String,
    },
    /// Anything else that a server can say.
    #[error("cannot connect to {label}: {reason}")]
    Other {
        /// Who and where.
        label: String,
        /// The server's words.
        reason: String,
    },
}

impl ConnectError {
    /// What to try, first thing first.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreachable { hints, .. }
            | Self::AuthenticationRefused { hints, .. }
            | Self::TlsFailed { hints, .. } => hints.clone(),
            Self::NoPassword { .. } => vec![
                "set PGPASSWORD, or write host:port:database:user:password into ~/.pgpass \
                 (chmod 600)"
                    .to_owned(),
            ],
            Self::DatabaseMissing { database, others, .. } => {
                missing_hints(database, others.as_deref())
            }
            Self::ServerBusy { .. } => vec!["wait until it does, and run this again".to_owned()],
            Self::Other { .. } => Vec::new(),
        }
    }
}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        let refusal = Refusal::new(Exit::DatabaseUnavailable, error.to_string());
        error.hints().into_iter().fold(refusal, Refusal::hint)
    }
}

/// A database that was there yesterday most often went with its server's volume.
fn missing_hints(database: &str, others: Option<&[String]>) -> Vec<String> {
    const VOLUME: &str = "was the server's volume or data directory removed or replaced? \
                          `docker volume ls` shows whether the old one is still there";
    const NEVER: &str = "restore it from a snapshot or a backup; rowsafe never creates a database";
    let mut hints = Vec::new();
    match others {
        Some(others) if others.iter().all(|name| name == "postgres") => {
            hints.push(
                "the server holds no database of anybody's: it looks new and empty".to_owned(),
            );
        }
        Some(others) => {
            if let Some(near) = similar::nearest(database, others.iter().map(String::as_str)) {
                hints.push(format!("did you mean `{near}`?"));
            }
            let shown: Vec<String> =
                others.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
            let more = others.len().saturating_sub(LISTED);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            hints.push(format!("the server has {}{rest}", shown.join(", ")));
        }
        None => {}
    }
    hints.extend([VOLUME, NEVER].map(ToOwned::to_owned));
    hints
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, missing_hints};
    use crate::exit::Exit;
    use crate::hint::Refusal;

    #[test]
    fn a_missing_database_is_told_from_a_slip_and_from_an_empty_server() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let empty = missing_hints("prod", Some(&names(&["postgres"])));
        assert!(empty[0].contains("new and empty"), "{}", empty[0]);
        let slip = missing_hints("prod", Some(&names(&["postgres", "prdo1", "prod2"])));
        assert_eq!(slip[0], "did you mean `prod2`?");
        assert_eq!(slip[1], "the server has `postgres`, `prdo1`, `prod2`");
        let many: Vec<String> = (0..12).map(|n| format!("tenant_{n}")).collect();
        assert!(missing_hints("prod", Some(&many))[0].ends_with("`tenant_9` and 2 more"));
        let unknown = missing_hints("prod", None);
        assert_eq!(unknown.len(), 2);
        assert!(unknown[0].contains("volume"), "{}", unknown[0]);
    }

    #[test]
    fn a_refusal_keeps_sentence_and_hints() {
        let label = "app@db:5432/prod".to_owned();
        let refusal = Refusal::from(ConnectError::NoPassword { label });
        assert_eq!(refusal.exit(), Exit::DatabaseUnavailable);
        assert_eq!(refusal.to_string(), "app@db:5432/prod wants a password, and none was given");
        assert!(refusal.hints()[0].contains("chmod 600"));
    }
}
