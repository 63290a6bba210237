//! From a connection string, a service file and libpq's environment to one target.
//!
//! The order is libpq's: what the string says, what its service says, what the environment says,
//! what libpq takes by default. Two defaults are left out on purpose, because a tool that guards
//! data must not guess which: no database is ever assumed, and no server when nothing names one.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::parameters::{self, Malformed, Parameters};
use super::pgpass::{self, Passfile};
use super::sqlalchemy_url::{self, Scheme};
use super::target::{Address, ChannelBinding, Host, RootCert, SessionAttrs, SslMode, Target, Tls};
use super::url::{self, Grammar};
use super::{conninfo, defaults, service};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::secret::Secret;

/// A target, and what a person should know about the way it was found.
#[derive(Debug)]
pub struct Resolved {
    /// Where to go.
    pub target: Target,
    /// Sentences, lower case and without a period.
    pub warnings: Vec<String>,
}

/// Resolves a connection string, or libpq's environment alone when there is none.
///
/// `source` begins the sentence of a refusal: `--database`, `DATABASE_URL`.
pub fn resolve(
    string: Option<&str>,
    source: &str,
    environment: &Environment,
) -> Result<Resolved, Refusal> {
    let parameters = match string {
        Some(string) => parse(string, Grammar::Libpq).map_err(|error| refuse(source, error))?,
        None if names_nothing(environment) => return Err(no_database()),
        None => Parameters::default(),
    };
    complete(parameters, source, environment)
}

/// Resolves a URL that SQLAlchemy reads (`sqlalchemy.url`), by SQLAlchemy's rules.
pub fn resolve_sqlalchemy_url(
    string: &str,
    source: &str,
    environment: &Environment,
) -> Result<Resolved, Refusal> {
    let mut parameters =
        parse(string, Grammar::SqlAlchemy).map_err(|error| refuse(source, error))?;
    if string.starts_with("postgres://") || string.starts_with("postgres+") {
        parameters.warnings.push(format!(
            "{source} begins with `postgres:`, which SQLAlchemy refuses since 1.4; it wants `postgresql:`"
        ));
    }
    complete(parameters, source, environment)
}

/// What is said when nothing names a database.
pub fn no_database() -> Refusal {
    Refusal::new(Exit::NoAnswer, "no database named")
        .hint("pass --database \"$DATABASE_URL\", or set DATABASE_URL or PGSERVICE")
        .hint("libpq's variables do too: PGHOST, PGPORT, PGUSER, PGDATABASE")
}

/// libpq's variables, apart from those of the service file.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("options", "PGOPTIONS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("gssencmode", "PGGSSENCMODE"),
];

/// Variables about trust that rowsafe's own session does not heed.
const NOT_ENFORCED: &[(&str, &str)] = &[
    ("requirepeer", "PGREQUIREPEER"),
    ("require_auth", "PGREQUIREAUTH"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
];

fn names_nothing(environment: &Environment) -> bool {
    !["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"].iter().any(|name| environment.has(name))
}

fn refuse(source: &str, error: Malformed) -> Refusal {
    let refusal = Refusal::new(Exit::NoAnswer, format!("{source} {}", error.message));
    error.hints.into_iter().fold(refusal, Refusal::hint)
}

fn parse(string: &str, grammar: Grammar) -> Result<Parameters, Malformed> {
    let string = string.trim();
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+._-:".contains(c))
    };
    let Some((scheme, rest)) = string.split_once("://").filter(|(scheme, _)| is_word(scheme))
    else {
        if string.contains('=') {
            return conninfo::parse(string);
        }
        return Err(Malformed::new("is not a connection string")
            .hint("write it as postgresql://user@host:5432/database")
            .hint("or as key=value pairs: host=db user=app dbname=prod"));
    };
    match sqlalchemy_url::scheme(scheme) {
        Scheme::PostgreSql { driver: Some(_) } => url::parse(rest, Grammar::SqlAlchemy),
        Scheme::PostgreSql { driver: None } => url::parse(rest, grammar),
        Scheme::Other => Err(other_database(scheme)),
    }
}

fn other_database(scheme: &str) -> Malformed {
    let malformed = match scheme.split_once('+') {
        Some(("postgres" | "postgresql", driver)) => {
            Malformed::new(format!("names the driver `{driver}`, which SQLAlchemy does not have"))
        }
        _ => Malformed::new(format!(
            "names a `{scheme}` database, and rowsafe speaks to PostgreSQL only"
        )),
    };
    malformed.hint("write it as postgresql://user@host:5432/database")
}

fn complete(
    mut parameters: Parameters,
    source: &str,
    environment: &Environment,
) -> Result<Resolved, Refusal> {
    let name = parameters.get("service").or_else(|| environment.get("PGSERVICE"));
    if let Some(name) = name.map(ToOwned::to_owned) {
        let origin = if parameters.get("service").is_some() { source } else { "PGSERVICE" };
        let file = parameters.get("servicefile");
        let (service, path) =
            service::load(&name, file, environment).map_err(|error| refuse(origin, error))?;
        parameters.fill_all(service, &format!("service `{name}` in `{}`", path.display()));
    }
    for (name, variable) in VARIABLES {
        if let Some(value) = environment.get(variable) {
            parameters.fill(name, value, variable);
        }
    }
    if environment.get("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        parameters.fill("sslmode", "require", "PGREQUIRESSL");
    }
    let unenforced = NOT_ENFORCED.iter().filter(|(_, variable)| environment.has(variable));
    parameters.warnings.extend(unenforced.map(|(name, _)| parameters::not_enforced(name)));
    let mut warnings = std::mem::take(&mut parameters.warnings);
    let reader = Reader { parameters: &parameters, source, environment };
    let target = reader.target(&mut warnings)?;
    Ok(Resolved { target, warnings })
}

/// Reads the merged parameters; its refusals name the place where the value was found.
struct Reader<'a> {
    parameters: &'a Parameters,
    source: &'a str,
    environment: &'a Environment,
}

impl Reader<'_> {
    fn target(&self, warnings: &mut Vec<String>) -> Result<Target, Refusal> {
        self.refuse_other_protocols()?;
        let hosts = self.hosts()?;
        let Some(database) = self.parameters.get("dbname") else {
            return Err(Refusal::new(Exit::NoAnswer, format!("{} names no database", self.source))
                .hint("add it: postgresql://user@host:5432/DATABASE, or set PGDATABASE")
                .hint("libpq would take the user's name; rowsafe does not guess"));
        };
        let user = self.parameters.get("user").map(ToOwned::to_owned);
        let Some(user) = user.or_else(|| defaults::user(self.environment)) else {
            return Err(Refusal::new(Exit::NoAnswer, format!("{} names no user", self.source))
                .hint("add it: postgresql://USER@host:5432/database, or set PGUSER"));
        };
        let password = match self.parameters.get("password") {
            Some(password) => Some(Secret::new(password)),
            None => self.password_from_file(&hosts, database, &user, warnings),
        };
        Ok(Target {
            password,
            tls: self.tls()?,
            channel_binding: self
                .word("channel_binding", &words(ChannelBinding::ALL, ChannelBinding::as_str))?,
            session_attrs: self
                .word("target_session_attrs", &words(SessionAttrs::ALL, SessionAttrs::as_str))?,
            options: self.parameters.get("options").map(ToOwned::to_owned),
            connect_timeout: self.connect_timeout()?,
            source: self.source.to_owned(),
            database: database.to_owned(),
            hosts,
            user,
        })
    }

    fn refuse(&self, name: &str, what: &str) -> Refusal {
        let source = self.parameters.origin(name).unwrap_or(self.source);
        Refusal::new(Exit::NoAnswer, format!("{source} {what}"))
    }

    fn refuse_other_protocols(&self) -> Result<(), Refusal> {
        if self.parameters.get("gssencmode") == Some("require") {
            return Err(self
                .refuse("gssencmode", "demands GSSAPI encryption, which rowsafe does not speak")
                .hint("sslmode=verify-full protects the session as well"));
        }
        let is_off = |value| matches!(value, "false" | "off" | "no" | "0");
        if !self.parameters.get("replication").is_none_or(is_off) {
            return Err(self
                .refuse("replication", "asks for a replication connection")
                .hint("leave `replication` out: rowsafe reads tables"));
        }
        Ok(())
    }

    fn hosts(&self) -> Result<Vec<Host>, Refusal> {
        let list = |name| -> Vec<&str> {
            self.parameters.get(name).map(|v| v.split(',').collect()).unwrap_or_default()
        };
        let (names, numbers, ports) = (list("host"), list("hostaddr"), list("port"));
        let n_hosts = names.len().max(numbers.len()).max(1);
        if !names.is_empty() && !numbers.is_empty() && names.len() != numbers.len() {
            let what = format!("has {} hosts and {} host addresses", names.len(), numbers.len());
            return Err(self.refuse("hostaddr", &what).hint("give one address for each host"));
        }
        if ports.len() > 1 && ports.len() != n_hosts {
            let what = format!("has {} ports for {n_hosts} hosts", ports.len());
            return Err(self.refuse("port", &what).hint("give one port, or one for each host"));
        }
        (0..n_hosts)
            .map(|index| {
                let port =
                    if ports.len() == 1 { ports[0] } else { ports.get(index).unwrap_or(&"") };
                let port = self.port(port)?;
                let name = names.get(index).copied().unwrap_or_default();
                let number = numbers.get(index).copied().unwrap_or_default();
                Ok(Host { address: self.address(name, number, port)?, port })
            })
            .collect()
    }

    fn port(&self, text: &str) -> Result<u16, Refusal> {
        match text.trim() {
            "" => Ok(5432),
            text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                self.refuse("port", "has a port that is not a number from 1 to 65535")
            }),
        }
    }

    fn address(&self, name: &str, number: &str, port: u16) -> Result<Address, Refusal> {
        if !number.is_empty() {
            let hostaddr: IpAddr = number.parse().map_err(|_| {
                self.refuse("hostaddr", "has a `hostaddr` that is not an IP address")
                    .hint("names go into `host`")
            })?;
            let host = if name.is_empty() { number } else { name };
            return Ok(Address::Tcp { host: host.to_owned(), hostaddr: Some(hostaddr) });
        }
        if name.is_empty() {
            return Ok(Address::Unix(defaults::socket_directory(port)));
        }
        if name.starts_with('/') {
            return Ok(Address::Unix(PathBuf::from(name)));
        }
        if name.contains(|c: char| c.is_whitespace() || c.is_control() || "@/\\?#".contains(c)) {
            // Not shown: it may be the end of a password.
            return Err(self
                .refuse("host", "has a host that is neither a name, an address nor a path")
                .hint("is the password percent-encoded? `@` is written %40, `/` %2F"));
        }
        Ok(Address::Tcp { host: name.to_owned(), hostaddr: None })
    }

    fn password_from_file(
        &self,
        hosts: &[Host],
        database: &str,
        user: &str,
        warnings: &mut Vec<String>,
    ) -> Option<Secret> {
        let named = self.parameters.get("passfile");
        let path = match named {
            Some(path) => self.environment.directory().join(path),
            None => defaults::home_file(self.environment, ".pgpass")?,
        };
        let text = match pgpass::read(&path) {
            Passfile::Usable(text) => text,
            Passfile::Absent => {
                if named.is_some() {
                    warnings.push(format!("password file `{}` does not exist", path.display()));
                }
                return None;
            }
            Passfile::Refused(why) => {
                warnings.push(why);
                return None;
            }
        };
        let find = |host| pgpass::find(&text, host, database, user);
        let found: Vec<Option<Secret>> = hosts.iter().map(find).collect();
        if found.iter().any(|password| *password != found[0]) {
            warnings.push(format!(
                "password file `{}` has different passwords for the hosts; rowsafe uses the first",
                path.display()
            ));
        }
        found.into_iter().flatten().next()
    }

    fn tls(&self) -> Result<Tls, Refusal> {
        let file = |name| {
            let given = self.parameters.get(name);
            given.map(|path| self.environment.directory().join(path))
        };
        let default = |name| defaults::existing_home_file(self.environment, name);
        let mut mode: SslMode = self.word("sslmode", &words(SslMode::ALL, SslMode::as_str))?;
        let root_cert = if self.parameters.get("sslrootcert") == Some("system") {
            // As libpq: whoever trusts every public issuer has to check the name as well.
            match self.parameters.get("sslmode") {
                None => mode = SslMode::VerifyFull,
                Some("verify-full") => {}
                Some(_) => {
                    return Err(self
                        .refuse("sslmode", "has an sslmode too weak for sslrootcert=system")
                        .hint("use sslmode=verify-full with it"));
                }
            }
            Some(RootCert::System)
        } else {
            file("sslrootcert").or_else(|| default(".postgresql/root.crt")).map(RootCert::File)
        };
        let cert = file("sslcert").or_else(|| default(".postgresql/postgresql.crt"));
        let key = file("sslkey")
            .or_else(|| defaults::home_file(self.environment, ".postgresql/postgresql.key"));
        Ok(Tls { mode, root_cert, client_cert: cert.zip(key) })
    }

    fn connect_timeout(&self) -> Result<Option<Duration>, Refusal> {
        let Some(text) = self.parameters.get("connect_timeout") else { return Ok(None) };
        let seconds: i64 = text.trim().parse().map_err(|_| {
            self.refuse(
                "connect_timeout",
                "has a `connect_timeout` that is not a number of seconds",
            )
        })?;
        // At 0 and below libpq waits for ever.
        Ok(Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }

    fn word<T: Copy + Default>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
        let Some(text) = self.parameters.get(name) else { return Ok(T::default()) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let what = format!("has a `{name}` that PostgreSQL does not have");
            self.refuse(name, &what).hint(format!("{name} is one of {}", known.join(", ")))
        })
    }
}

fn words<T: Copy, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
) -> [(&'static str, T); N] {
    all.map(|value| (word(value), value))
}

#[cfg(test)]
#[path = "libpq_tests.rs"]
mod tests;
