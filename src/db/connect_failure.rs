//! One attempt's failure, read from what the driver and the server say.

use std::error::Error as _;
use std::path::Path;

use tokio_postgres::error::SqlState;

use super::target::{Address, Host};
use super::tls;

/// Why one attempt failed; what becomes of it depends on the attempts after it.
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// The rest of a sentence.
    pub reason: String,
    /// What to try.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody answers.
    Unreachable,
    /// It was reached, and is not what `target_session_attrs` asks for.
    Unwanted,
    /// There is no TLS session as it is wanted.
    Tls,
    /// No rule lets this role in from here, perhaps with TLS or without (28000).
    NoEntry,
    /// The role is known and does not get in.
    Refused,
    /// A password is wanted.
    NoPassword,
    /// The database does not exist.
    Missing,
    /// The server starts, stops or recovers.
    Starting,
    /// The server has no connection left.
    Busy,
    /// Anything else.
    Other,
}

impl Kind {
    /// libpq goes on to the next host only when this one was no server at all, or not the one wanted.
    pub fn lets_others_try(self) -> bool {
        matches!(self, Self::Unreachable | Self::Unwanted | Self::Starting)
    }
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), hint: None }
    }

    /// Says what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What went wrong before there was a session.
pub fn failure(error: &tokio_postgres::Error, host: &Host) -> Failure {
    if error.as_db_error().is_some() {
        return server_failure(error);
    }
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    let handshake = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
    if let Some(handshake) = handshake {
        let (reason, hint) = tls::explain(handshake);
        return Failure { kind: Kind::Tls, reason, hint: hint.map(ToOwned::to_owned) };
    }
    let reason = source.map_or_else(|| error.to_string(), ToString::to_string);
    // tokio-postgres keeps its kinds of errors to itself; these are its words for them.
    match error.to_string().as_str() {
        "error performing TLS handshake" => {
            let hint = "use sslmode=prefer where the network is trusted, or turn `ssl` on there";
            Failure::new(Kind::Tls, reason).hint(hint)
        }
        "invalid configuration" if reason == "password missing" => {
            Failure::new(Kind::NoPassword, reason)
        }
        "authentication error" => {
            let hint = if reason.contains("channel binding") {
                "channel_binding=require needs TLS and a password kept as SCRAM"
            } else {
                "rowsafe knows no password at all, plain, MD5 and SCRAM passwords and certificates"
            };
            Failure::new(Kind::Refused, reason).hint(hint)
        }
        _ => unreachable(host, io, reason),
    }
}

fn unreachable(host: &Host, io: Option<&std::io::Error>, reason: String) -> Failure {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    let socket = |directory: &Path| format!("`{}/.s.PGSQL.{}`", directory.display(), host.port);
    let (reason, hint) = match (io.map(std::io::Error::kind), &host.address) {
        (Some(NotFound), Address::Unix(directory)) => (
            format!("there is no socket {}", socket(directory)),
            "is the server running on this machine, and is this its port?".to_owned(),
        ),
        (Some(PermissionDenied), Address::Unix(directory)) => (
            format!("this user may not use the socket {}", socket(directory)),
            "connect over TCP, or as a user that the socket's directory lets in".to_owned(),
        ),
        (Some(ConnectionRefused), _) => (
            "nothing listens there (connection refused)".to_owned(),
            "is the server running, and is this its host and port?".to_owned(),
        ),
        (None, _) => (
            format!("the connection ended before there was a session ({reason})"),
            "is that a PostgreSQL server? its log may say why".to_owned(),
        ),
        _ => (reason, "is the server running, and is this its host and port?".to_owned()),
    };
    Failure::new(Kind::Unreachable, reason).hint(hint)
}

/// What the server said, by its code.
pub fn server_failure(error: &tokio_postgres::Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        return Failure::new(Kind::Unreachable, format!("the connection was lost ({error})"));
    };
    // The server's text is shown in a terminal.
    let message: String = said.message().chars().filter(|c| !c.is_control()).collect();
    let code = said.code();
    if *code == SqlState::INVALID_PASSWORD {
        return Failure::new(Kind::Refused, message).hint(
            "is it the right password? a server says the same of a role that does not exist, \
             as on a new and empty one",
        );
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return Failure::new(Kind::Missing, message);
    }
    if *code == SqlState::CANNOT_CONNECT_NOW {
        return Failure::new(Kind::Starting, message);
    }
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return Failure::new(Kind::Busy, message);
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return Failure::new(Kind::Refused, message)
            .hint("the role lacks CONNECT on the database: GRANT CONNECT ON DATABASE … TO …");
    }
    if code.code().starts_with("28") {
        return Failure::new(Kind::NoEntry, message).hint(
            "is it the right role? pg_hba.conf on the server says who may connect, from where \
             and with which sslmode; a role that is gone may mean a new and empty server",
        );
    }
    Failure::new(Kind::Other, message)
}

/// Two attempts at one server, with and without TLS: the first that says why.
pub fn joined(first: Failure, second: &Failure) -> Failure {
    if second.kind == first.kind || second.kind == Kind::Tls {
        return first;
    }
    let reason = format!("{}; before that, {}", second.reason, first.reason);
    Failure { kind: second.kind, reason, hint: first.hint }
}
