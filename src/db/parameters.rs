//! libpq's connection parameters by name, whichever way they were written.
//!
//! Every way of writing a target ends here, so that there is one table of what is understood, what
//! is another program's business, and what is refused.

use std::collections::BTreeMap;

use crate::text::similar;

/// Connection parameters as they were written, not yet resolved.
///
/// It has no `Debug`, because one of the values may be a password.
#[derive(Default)]
pub struct Parameters {
    values: BTreeMap<&'static str, Value>,
    /// What a person should know about the way they were written.
    pub warnings: Vec<String>,
}

struct Value {
    text: String,
    /// Where it was found, when that is not the connection string.
    origin: Option<String>,
}

/// What is wrong with a connection string: the rest of a sentence that begins with its source.
#[derive(Debug)]
pub struct Malformed {
    /// `names port `x`, which is not a number`.
    pub message: String,
    /// What to try.
    pub hints: Vec<String>,
}

impl Malformed {
    /// What is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    /// Adds something to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// What rowsafe does with a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is part of the target.
    Read,
    /// It changes neither where the session goes nor whom it trusts.
    Ignored,
    /// It would make libpq refuse a server that rowsafe's own session accepts.
    NotEnforced,
}

/// libpq's parameters (PostgreSQL 34.1.2), and those of the drivers and tools whose URLs are
/// found in `DATABASE_URL`.
const KNOWN: &[(&str, Use)] = &[
    ("channel_binding", Use::Read),
    ("connect_timeout", Use::Read),
    ("dbname", Use::Read),
    ("gssencmode", Use::Read),
    ("host", Use::Read),
    ("hostaddr", Use::Read),
    ("options", Use::Read),
    ("passfile", Use::Read),
    ("password", Use::Read),
    ("port", Use::Read),
    ("replication", Use::Read),
    ("service", Use::Read),
    ("servicefile", Use::Read),
    ("sslcert", Use::Read),
    ("sslkey", Use::Read),
    ("sslmode", Use::Read),
    ("sslrootcert", Use::Read),
    ("target_session_attrs", Use::Read),
    ("user", Use::Read),
    ("require_auth", Use::NotEnforced),
    ("requirepeer", Use::NotEnforced),
    ("sslcrl", Use::NotEnforced),
    ("sslcrldir", Use::NotEnforced),
    ("application_name", Use::Ignored),
    ("authtype", Use::Ignored),
    ("client_encoding", Use::Ignored),
    ("fallback_application_name", Use::Ignored),
    ("gssdelegation", Use::Ignored),
    ("gsslib", Use::Ignored),
    ("keepalives", Use::Ignored),
    ("keepalives_count", Use::Ignored),
    ("keepalives_idle", Use::Ignored),
    ("keepalives_interval", Use::Ignored),
    ("krbsrvname", Use::Ignored),
    ("load_balance_hosts", Use::Ignored),
    ("max_protocol_version", Use::Ignored),
    ("min_protocol_version", Use::Ignored),
    ("ssl_max_protocol_version", Use::Ignored),
    ("ssl_min_protocol_version", Use::Ignored),
    ("sslcertmode", Use::Ignored),
    ("sslcompression", Use::Ignored),
    ("sslnegotiation", Use::Ignored),
    ("sslpassword", Use::Ignored),
    ("sslsni", Use::Ignored),
    ("tcp_user_timeout", Use::Ignored),
    ("tty", Use::Ignored),
    // asyncpg, psycopg and pg8000, through SQLAlchemy.
    ("async_fallback", Use::Ignored),
    ("autocommit", Use::Ignored),
    ("command_timeout", Use::Ignored),
    ("max_cacheable_statement_size", Use::Ignored),
    ("max_cached_statement_lifetime", Use::Ignored),
    ("prepare_threshold", Use::Ignored),
    ("prepared_statement_cache_size", Use::Ignored),
    ("statement_cache_size", Use::Ignored),
    ("tcp_keepalive", Use::Ignored),
    // Prisma, node-postgres, sqlx, Rails and Go tools.
    ("connection_limit", Use::Ignored),
    ("max_conns", Use::Ignored),
    ("pgbouncer", Use::Ignored),
    ("pool", Use::Ignored),
    ("pool_timeout", Use::Ignored),
    ("schema", Use::Ignored),
    ("socket_timeout", Use::Ignored),
    ("statement-cache-capacity", Use::Ignored),
    ("uselibpqcompat", Use::Ignored),
];

impl Parameters {
    /// Sets a parameter by libpq's name; the later of two values holds, as it does for libpq.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), Malformed> {
        // golang-migrate keeps its own settings apart by this prefix.
        if name.starts_with("x-") {
            return Ok(());
        }
        let Some((name, usage)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(name));
        };
        match usage {
            Use::Read => {
                self.values.insert(name, Value { text: value.into(), origin: None });
            }
            Use::Ignored => {}
            Use::NotEnforced => self.warnings.push(not_enforced(name)),
        }
        Ok(())
    }

    /// Sets a parameter that nothing has set yet, not even to nothing.
    pub fn fill(&mut self, name: &'static str, value: &str, origin: &str) {
        let value = || Value { text: value.to_owned(), origin: Some(origin.to_owned()) };
        self.values.entry(name).or_insert_with(value);
    }

    /// Takes over what is not set here; `origin` is where it all was found.
    pub fn fill_all(&mut self, other: Self, origin: &str) {
        for (name, value) in other.values {
            self.fill(name, &value.text, origin);
        }
        self.warnings.extend(other.warnings);
    }

    /// The value, where there is one; an empty one means libpq's default.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.as_str()).filter(|value| !value.is_empty())
    }

    /// Where the value was found, when that is not the connection string.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|value| value.origin.as_deref())
    }
}

/// What is said of a parameter that rowsafe reads past although it is about trust.
pub fn not_enforced(name: &str) -> String {
    format!(
        "`{name}` is not enforced by rowsafe's own session, which accepts servers that it would refuse"
    )
}

fn unknown(name: &str) -> Malformed {
    let malformed = Malformed::new(format!("has the unknown parameter `{name}`"));
    let candidates = KNOWN.iter().filter(|(_, usage)| *usage == Use::Read).map(|(name, _)| *name);
    match similar::nearest(name, candidates) {
        Some(near) => malformed.hint(format!("did you mean `{near}`?")),
        None => malformed.hint("the parameters are those of libpq (PostgreSQL 34.1.2)"),
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn a_slip_gets_a_suggestion_and_an_unknown_name_none() {
        let mut parameters = Parameters::default();
        let error = parameters.set("sslmod", "require").unwrap_err();
        assert_eq!(error.message, "has the unknown parameter `sslmod`");
        assert_eq!(error.hints, ["did you mean `sslmode`?"]);
        assert!(parameters.set("frobnicate", "1").is_err());
    }

    #[test]
    fn an_empty_value_still_shuts_out_the_environment() {
        let mut parameters = Parameters::default();
        parameters.set("host", "").unwrap();
        parameters.fill("host", "elsewhere", "PGHOST");
        assert_eq!(parameters.get("host"), None);
    }

    #[test]
    fn what_is_not_enforced_is_said() {
        let mut parameters = Parameters::default();
        parameters.set("requirepeer", "postgres").unwrap();
        parameters.set("application_name", "x").unwrap();
        assert_eq!(parameters.warnings.len(), 1);
    }
}
