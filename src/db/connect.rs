//! A session with the target, with nothing left to the server's or the role's settings that could
//! change what rowsafe reads.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{self, Config};
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use super::connect_error::ConnectError;
use super::connect_failure::{Failure, Kind, failure, joined, server_failure};
use super::target::{Address, ChannelBinding, Host, SessionAttrs, SslMode, Target};
use super::tls;

/// The least that a `connect_timeout` means, as in libpq before version 17.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// How long the list of a server's databases may take, which is but a help for a person.
const LISTING: Duration = Duration::from_secs(3);

/// What a session may do and how long it may wait.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Whether its transactions only read.
    pub read_only: bool,
    /// How long it waits for a lock; zero is for ever.
    pub lock_timeout: Duration,
    /// How long one statement may take; zero is for ever.
    pub statement_timeout: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            read_only: true,
            lock_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_mins(1),
        }
    }
}

/// Connects to the first server of the target that will do.
pub async fn connect(
    target: &Target,
    application_name: &str,
    options: &SessionOptions,
) -> Result<Client, ConnectError> {
    connect_first(target, application_name, options).await.map(|(client, _)| client)
}

/// The same, with the target narrowed to the address that was reached, so that later sessions and
/// `pg_dump` go there too and to no other of several, not even to one of the same name.
pub async fn connect_first(
    target: &Target,
    application_name: &str,
    options: &SessionOptions,
) -> Result<(Client, Target), ConnectError> {
    let wanted = Wanted { target, application_name, options };
    // A standby is preferred, not demanded: the second round takes anybody.
    let rounds: &[SessionAttrs] = match target.session_attrs {
        SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
        ref attrs => std::slice::from_ref(attrs),
    };
    let mut failures = Vec::new();
    for attrs in rounds {
        failures.clear();
        for host in &target.hosts {
            match wanted.host(host, *attrs).await {
                Ok((client, reached)) => return Ok((client, target.at(reached))),
                Err(failure) => {
                    let is_final = !failure.kind.lets_others_try();
                    failures.push((host, failure));
                    if is_final {
                        break;
                    }
                }
            }
        }
    }
    Err(wanted.error(failures).await)
}

/// What is wanted of every host.
struct Wanted<'a> {
    target: &'a Target,
    application_name: &'a str,
    options: &'a SessionOptions,
}

impl Wanted<'_> {
    /// Tries every address of a host.
    async fn host(&self, host: &Host, attrs: SessionAttrs) -> Result<(Client, Host), Failure> {
        let name = match &host.address {
            Address::Unix(_) => return self.address(host, None, attrs).await,
            Address::Tcp { hostaddr: Some(address), .. } => {
                return self.address(host, Some(*address), attrs).await;
            }
            Address::Tcp { host, hostaddr: None } => host,
        };
        let addresses = self.in_time(lookup(name)).await?;
        let mut last = None;
        for address in addresses {
            match self.address(host, Some(address), attrs).await {
                Err(failure) if failure.kind.lets_others_try() => last = Some(failure),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Kind::Unreachable, "it has no address")))
    }

    async fn address(
        &self,
        host: &Host,
        address: Option<IpAddr>,
        attrs: SessionAttrs,
    ) -> Result<(Client, Host), Failure> {
        self.in_time(async {
            let client = self.with_or_without_tls(host, address).await?;
            check_attrs(&client, attrs).await?;
            apply(&client, self.options).await?;
            Ok((client, at(host, address)))
        })
        .await
    }

    async fn in_time<T>(
        &self,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let patience = match self.target.patience() {
            Duration::ZERO => return attempt.await,
            given => given.max(LEAST_PATIENCE),
        };
        timeout(patience, attempt).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", patience.as_secs());
            Err(Failure::new(Kind::Unreachable, reason).hint(
                "is a firewall in between, or the server off? connect_timeout=N waits N seconds",
            ))
        })
    }

    /// One session, tried as libpq tries it for the sslmode.
    async fn with_or_without_tls(
        &self,
        host: &Host,
        address: Option<IpAddr>,
    ) -> Result<Client, Failure> {
        use config::SslMode::{Disable, Prefer, Require};
        let mode = match host.address {
            // No server speaks TLS on its socket.
            Address::Unix(_) => SslMode::Disable,
            Address::Tcp { .. } => self.target.tls.mode,
        };
        let attempt = |mode| self.session(host, address, mode);
        match mode {
            SslMode::Disable => attempt(Disable).await,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => attempt(Require).await,
            SslMode::Allow => match attempt(Disable).await {
                Err(plain) if plain.kind == Kind::NoEntry => {
                    attempt(Require).await.map_err(|tls| joined(plain, &tls))
                }
                other => other,
            },
            SslMode::Prefer => match attempt(Prefer).await {
                Err(tls) if matches!(tls.kind, Kind::Tls | Kind::NoEntry) => {
                    attempt(Disable).await.map_err(|plain| joined(tls, &plain))
                }
                other => other,
            },
        }
    }

    async fn session(
        &self,
        host: &Host,
        address: Option<IpAddr>,
        mode: config::SslMode,
    ) -> Result<Client, Failure> {
        let connector = if mode == config::SslMode::Disable {
            tls::unused()
        } else {
            tls::connector(&self.target.tls)
                .map_err(|unusable| Failure::new(Kind::Tls, unusable.reason).hint(unusable.hint))?
        };
        let mut config = self.config(mode);
        match (&host.address, address) {
            (Address::Unix(directory), _) => config.host_path(directory),
            (Address::Tcp { host, .. }, Some(address)) => config.host(host).hostaddr(address),
            (Address::Tcp { host, .. }, None) => config.host(host),
        };
        config.port(host.port);
        start(&config, connector).await.map_err(|error| failure(&error, host))
    }

    fn config(&self, mode: config::SslMode) -> Config {
        let target = self.target;
        let mut config = Config::new();
        config
            .user(&target.user)
            .dbname(&target.database)
            .application_name(self.application_name)
            // The watcher's session is quiet while the migration runs, and balancers end those.
            .keepalives_idle(Duration::from_mins(1))
            .channel_binding(match target.channel_binding {
                ChannelBinding::Disable => config::ChannelBinding::Disable,
                ChannelBinding::Prefer => config::ChannelBinding::Prefer,
                ChannelBinding::Require => config::ChannelBinding::Require,
            })
            .ssl_mode(mode);
        if let Some(password) = &target.password {
            config.password(password.reveal());
        }
        if let Some(options) = &target.options {
            config.options(options);
        }
        config
    }

    async fn error(&self, mut failures: Vec<(&Host, Failure)>) -> ConnectError {
        let label = self.target.label();
        let (host, last) = failures.pop().expect("a target has a host");
        let hints: Vec<String> = last.hint.into_iter().collect();
        let reason = if failures.is_empty() {
            last.reason
        } else {
            let before = failures.iter().map(|(host, before)| format!("{host}: {}", before.reason));
            before.chain([format!("{host}: {}", last.reason)]).collect::<Vec<_>>().join("; ")
        };
        match last.kind {
            Kind::Unreachable | Kind::Unwanted => {
                ConnectError::Unreachable { label, reason, hints }
            }
            Kind::Tls => ConnectError::TlsFailed { label, reason, hints },
            Kind::NoEntry | Kind::Refused => {
                ConnectError::AuthenticationRefused { label, reason, hints }
            }
            Kind::NoPassword => ConnectError::NoPassword { label },
            Kind::Starting | Kind::Busy => ConnectError::ServerBusy { label, reason },
            Kind::Other => ConnectError::Other { label, reason },
            Kind::Missing => {
                let target = self.target.at(host.clone());
                ConnectError::DatabaseMissing {
                    label,
                    database: target.database.clone(),
                    others: timeout(LISTING, databases(&target)).await.ok().flatten(),
                }
            }
        }
    }
}

async fn lookup(name: &str) -> Result<Vec<IpAddr>, Failure> {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(Failure::new(Kind::Unreachable, format!("its name is unknown: {error}"))
            .hint("is the host's name right, and known on this machine?")),
    }
}

/// Starts a session. Its task ends with the client, or with the connection: then every use of the
/// client fails, which is where its loss is noticed.
async fn start(
    config: &Config,
    connector: MakeRustlsConnect,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(connector).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection ended: {error}");
        }
    });
    Ok(client)
}

/// The same host, by the address that was reached.
fn at(host: &Host, reached: Option<IpAddr>) -> Host {
    let mut host = host.clone();
    if let Address::Tcp { hostaddr, .. } = &mut host.address {
        *hostaddr = reached;
    }
    host
}

/// Makes the settings, and makes sure that they hold: behind a pooler that hands every transaction
/// to another session, the next statement would be free to write.
async fn apply(client: &Client, options: &SessionOptions) -> Result<(), Failure> {
    let made = client.batch_execute(&settings(options)).await;
    made.map_err(|error| server_failure(&error))?;
    let shown = client.simple_query("SHOW default_transaction_read_only").await;
    let shown = shown.map_err(|error| server_failure(&error))?;
    let wanted = if options.read_only { "on" } else { "off" };
    let holds = shown.iter().any(
        |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(wanted)),
    );
    if holds {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Other,
        "a setting does not outlast its statement, as behind a pooler in transaction mode; \
         rowsafe needs the server's own port",
    ))
}

/// What decides the meaning of names, and who ends a session that waits; set by statements and not
/// at the start, because poolers refuse or forget what they are told there.
fn settings(options: &SessionOptions) -> String {
    let milliseconds = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    format!(
        "SET search_path = pg_catalog, pg_temp; \
         SET default_transaction_read_only = {}; \
         SET lock_timeout = {}; \
         SET statement_timeout = {}; \
         SET idle_in_transaction_session_timeout = 0; \
         SET client_min_messages = warning; \
         SET standard_conforming_strings = on; \
         SELECT set_config('idle_session_timeout', '0', false) \
          WHERE current_setting('server_version_num')::int >= 140000; \
         SELECT set_config('transaction_timeout', '0', false) \
          WHERE current_setting('server_version_num')::int >= 170000",
        if options.read_only { "on" } else { "off" },
        milliseconds(options.lock_timeout),
        milliseconds(options.statement_timeout),
    )
}

/// Whether the server is one that `target_session_attrs` accepts; asked before anything is set.
async fn check_attrs(client: &Client, attrs: SessionAttrs) -> Result<(), Failure> {
    if attrs == SessionAttrs::Any {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), \
               pg_catalog.current_setting('transaction_read_only')";
    let answer = client.simple_query(sql).await.map_err(|error| server_failure(&error))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("t"), row.get(1) == Some("on"))),
        _ => None,
    });
    let (is_standby, is_read_only) =
        row.ok_or_else(|| Failure::new(Kind::Other, "it does not say whether it is a standby"))?;
    let (is_wanted, what) = match attrs {
        SessionAttrs::ReadWrite => (!is_read_only, "takes no writes"),
        SessionAttrs::ReadOnly => (is_read_only, "takes writes"),
        SessionAttrs::Primary => (!is_standby, "is a standby"),
        SessionAttrs::Standby => (is_standby, "is no standby"),
        SessionAttrs::Any | SessionAttrs::PreferStandby => (true, ""),
    };
    if is_wanted {
        return Ok(());
    }
    let reason = format!("the server {what}, and target_session_attrs={} is set", attrs.as_str());
    Err(Failure::new(Kind::Unwanted, reason).hint("name the server that is wanted"))
}

/// The databases of the server, by the two that nearly every server has.
async fn databases(target: &Target) -> Option<Vec<String>> {
    let options = SessionOptions::default();
    for name in ["postgres", "template1"] {
        let target = target.with_database(name);
        let wanted = Wanted { target: &target, application_name: "rowsafe", options: &options };
        let Ok((client, _)) = Box::pin(wanted.host(&target.hosts[0], SessionAttrs::Any)).await
        else {
            continue;
        };
        let sql = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname";
        let rows = client.query(sql, &[]).await.ok()?;
        return rows.iter().map(|row| row.try_get(0).ok()).collect();
    }
    None
}
