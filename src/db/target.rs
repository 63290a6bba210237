//! Who and where, resolved: one value given both to tokio-postgres and to pg_dump.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// One database on one server, with everything needed to reach it.
///
/// `Debug` masks the password, because [`Secret`] does.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Servers to try in order; never empty.
    pub hosts: Vec<Host>,
    /// The role.
    pub user: String,
    /// Its password, where one was found.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// How TLS is used.
    pub tls: Tls,
    /// Whether the password's exchange is tied to the TLS session.
    pub channel_binding: ChannelBinding,
    /// Which of several servers will do.
    pub session_attrs: SessionAttrs,
    /// `options` (libpq's PGOPTIONS), command-line options for the server process.
    pub options: Option<String>,
    /// How long to wait for one address, where somebody said; zero is for ever.
    pub connect_timeout: Option<Duration>,
    /// Where it was found, for people: `--database`, `alembic.ini`, `DATABASE_URL`.
    pub source: String,
}

impl Target {
    /// `user@host:port/db` for people, never with a password; several hosts are joined by commas.
    pub fn label(&self) -> String {
        format!("{}@{}", self.user, self.address())
    }

    /// `host:port/db`: where the database is, whoever asks for it.
    pub fn address(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        format!("{}/{}", hosts.join(","), self.database)
    }

    /// How long to wait for one address: ten seconds when nobody says, where libpq would wait for
    /// ever and so would a job in CI; zero is for ever.
    pub fn patience(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_secs(10))
    }

    /// The same server, role and settings, but another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The same target, but only this one of its servers.
    ///
    /// Whoever connected first tells the others by this where they have to go too.
    #[must_use]
    pub fn at(&self, host: Host) -> Self {
        Self { hosts: vec![host], ..self.clone() }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub address: Address,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, .. } if host.contains(':') => {
                write!(formatter, "[{host}]:{}", self.port)
            }
            Address::Tcp { host, .. } => write!(formatter, "{host}:{}", self.port),
            Address::Unix(directory) => {
                write!(formatter, "{}:{}", directory.display(), self.port)
            }
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host name or address, with libpq's `hostaddr` where given.
    Tcp {
        /// The name, as checked by `verify-full`.
        host: String,
        /// The numeric address to connect to instead of resolving the name.
        hostaddr: Option<std::net::IpAddr>,
    },
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// TLS as libpq's `sslmode` and `sslrootcert` say it (PostgreSQL 34.19, SSL Support).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The mode.
    pub mode: SslMode,
    /// The certificates that a server's must come from.
    pub root_cert: Option<RootCert>,
    /// The client's certificate and key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

/// libpq's `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// Those the operating system trusts (`sslrootcert=system`).
    System,
    /// Those in this file.
    File(PathBuf),
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server insists.
    Allow,
    /// When the server can; libpq's default.
    #[default]
    Prefer,
    /// Always, whoever answers.
    Require,
    /// Always, and the certificate's issuer is checked.
    VerifyCa,
    /// Always, and the host's name is checked too.
    VerifyFull,
}

impl SslMode {
    /// The word for it in a connection string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Every mode, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];
}

/// libpq's `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server can; libpq's default.
    #[default]
    Prefer,
    /// Always, or there is no connection.
    Require,
}

impl ChannelBinding {
    /// The word for it in a connection string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }

    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Disable, Self::Prefer, Self::Require];
}

/// libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionAttrs {
    /// Any server.
    #[default]
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// A standby, and any other when there is none.
    PreferStandby,
}

impl SessionAttrs {
    /// The word for it in a connection string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    /// Every choice.
    pub const ALL: [Self; 6] = [
        Self::Any,
        Self::ReadWrite,
        Self::ReadOnly,
        Self::Primary,
        Self::Standby,
        Self::PreferStandby,
    ];
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Address, Host, SessionAttrs, SslMode, Target, Tls};
    use crate::secret::Secret;

    fn target(hosts: Vec<Host>) -> Target {
        Target {
            hosts,
            user: "app".to_owned(),
            password: Some(Secret::new("hunter2")),
            database: "prod".to_owned(),
            tls: Tls { mode: SslMode::Require, ..Tls::default() },
            channel_binding: super::ChannelBinding::Prefer,
            session_attrs: SessionAttrs::Any,
            options: None,
            connect_timeout: None,
            source: "--database".to_owned(),
        }
    }

    fn tcp(host: &str, port: u16) -> Host {
        Host { address: Address::Tcp { host: host.to_owned(), hostaddr: None }, port }
    }

    #[test]
    fn a_label_says_who_and_where() {
        let label = |hosts| target(hosts).label();
        assert_eq!(label(vec![tcp("db.internal", 5432)]), "app@db.internal:5432/prod");
        assert_eq!(label(vec![tcp("::1", 5433)]), "app@[::1]:5433/prod");
        assert_eq!(label(vec![tcp("a", 1), tcp("b", 2)]), "app@a:1,b:2/prod");
        let socket = Host { address: Address::Unix(PathBuf::from("/run/pg")), port: 5432 };
        assert_eq!(label(vec![socket]), "app@/run/pg:5432/prod");
    }

    #[test]
    fn neither_debug_nor_label_shows_the_password() {
        let target = target(vec![tcp("db", 5432)]).with_database("other");
        assert_eq!(target.database, "other");
        assert!(!format!("{target:?} {}", target.label()).contains("hunter2"));
    }
}
