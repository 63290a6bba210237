//! Connecting: as libpq does it, and with what a person needs to hear when it does not work.
//!
//! Every place is reached in three ways, and they must agree: rowsafe's own session, libpq with the
//! environment that `pg_dump` gets, and libpq with what the person wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rowsafe::db::connect::{ConnectError, SessionOptions, connect};
use rowsafe::db::libpq;
use rowsafe::db::target::Target;
use rowsafe::environment::Environment;
use rowsafe::text::name::{quote, quote_literal};

use crate::harness::{Database, Sandbox, Server};

mod pki;
mod program;
mod tls;

/// Who is connected where, and whether by TLS.
const WHERE: &str = "SELECT current_user || '@' || current_database() || \
    coalesce((SELECT ' tls' FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), '')";

/// Everything that an odd password may hold and a connection string must not trip over.
const ODD: &str = "pl@nted:/?#%[]&=+ \\'\"é$1";

/// What a person writes, and what their shell and home directory hold.
#[derive(Clone)]
struct Written {
    string: Option<String>,
    variables: Vec<(String, String)>,
}

impl Written {
    fn string(string: impl Into<String>) -> Self {
        Self { string: Some(string.into()), variables: Vec::new() }
    }

    fn nothing() -> Self {
        Self { string: None, variables: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    fn resolve(&self, sandbox: &Sandbox) -> libpq::Resolved {
        let home = ("HOME".to_owned(), sandbox.home().display().to_string());
        let variables = self.variables.iter().cloned().chain([home]);
        let environment = Environment::new(variables, sandbox.path());
        libpq::resolve(self.string.as_deref(), "--database", &environment)
            .unwrap_or_else(|refusal| panic!("{refusal} {:?}", refusal.hints()))
    }

    fn target(&self, sandbox: &Sandbox) -> Target {
        self.resolve(sandbox).target
    }
}

fn psql(server: &Server, sandbox: &Sandbox) -> Command {
    let mut command = Command::new(server.bin.join("psql"));
    command.env_clear().env("HOME", sandbox.home()).env("LC_ALL", "C.UTF-8");
    command.env("PGCONNECT_TIMEOUT", "10").args(["-XAtw", "-c", WHERE]).stdin(Stdio::null());
    command
}

fn answer(mut command: Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn by_libpq(written: &Written, server: &Server, sandbox: &Sandbox) -> Result<String, String> {
    let mut command = psql(server, sandbox);
    command.envs(written.variables.iter().cloned());
    command.args(written.string.iter());
    answer(command)
}

fn as_pg_dump(target: &Target, server: &Server, sandbox: &Sandbox) -> Result<String, String> {
    let environment = target.client_environment().unwrap();
    let mut command = psql(server, sandbox);
    command.envs(environment.set.iter().cloned());
    answer(command)
}

fn by_rowsafe(target: &Target) -> Result<String, ConnectError> {
    runtime().block_on(async {
        let client = connect(target, "rowsafe test", &SessionOptions::default()).await?;
        Ok(client.query_one(WHERE, &[]).await.unwrap().get(0))
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Reaches the place in all three ways; `None` when all three fail.
#[track_caller]
fn reach(written: &Written, server: &Server, sandbox: &Sandbox) -> Option<String> {
    let target = written.target(sandbox);
    let ours = by_rowsafe(&target);
    let dump = as_pg_dump(&target, server, sandbox);
    let libpq = by_libpq(written, server, sandbox);
    let all = [ours.map_err(|error| error.to_string()), dump, libpq];
    let places: Vec<Option<&String>> = all.iter().map(|place| place.as_ref().ok()).collect();
    assert!(
        places.iter().all(|place| *place == places[0]),
        "{:?} {:?}: {all:#?}",
        written.string,
        written.variables
    );
    all.into_iter().next().and_then(Result::ok)
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `host=localhost` as a person writes it, where only IPv4 is listened on.
fn conninfo(db: &Database, host: &str, more: &str) -> Written {
    let (name, port) = (&db.name, db.server().port);
    let password = db.password.replace('\\', "\\\\").replace('\'', "\\'");
    Written::string(format!(
        "host={host} hostaddr=127.0.0.1 port={port} user={name} dbname={name} \
         password='{password}' {more}"
    ))
}

#[test]
fn every_way_to_write_a_place_leads_there() {
    needs_postgres!();
    let server = Server::shared();
    let db = Database::on(&server, "connect_ways", ODD);
    let sandbox = Sandbox::new();
    let (port, socket) = (server.port, server.socket.display().to_string());
    let name = "connect_ways";
    let password = encoded(ODD);
    let quoted = ODD.replace('\\', "\\\\").replace('\'', "\\'");
    let bare = ODD.replace('\\', "\\\\").replace('\'', "\\'").replace(' ', "\\ ");
    let written = [
        Written::string(db.url()),
        Written::string(db.url_for("postgres")),
        Written::string(format!(
            "postgresql://127.0.0.1:{port}/{name}?user={name}&password={password}"
        )),
        Written::string(format!("postgresql://{name}@127.0.0.1:{port}/{name}"))
            .with("PGPASSWORD", ODD),
        Written::string(format!("postgresql:///{name}?host=127.0.0.1&port={port}&user={name}"))
            .with("PGPASSWORD", ODD),
        Written::string(format!(
            "host=127.0.0.1 port={port} dbname={name} user={name} password='{quoted}'"
        )),
        Written::string(format!(
            "host = 127.0.0.1 port = {port} dbname = {name} user = {name} password = {bare}"
        )),
        Written::string(format!("dbname={name} user={name} password={bare}"))
            .with("PGHOST", "127.0.0.1")
            .with("PGPORT", port.to_string()),
        Written::nothing()
            .with("PGHOST", "127.0.0.1")
            .with("PGPORT", port.to_string())
            .with("PGUSER", name)
            .with("PGDATABASE", name)
            .with("PGPASSWORD", ODD),
        Written::string(db.socket_url()),
        Written::string(format!("postgresql://{name}@{}:{port}/{name}", encoded(&socket))),
        Written::string(format!("host={socket} port={port} user={name} dbname={name}")),
        // The first host is dead.
        Written::string(format!(
            "postgresql://{name}:{password}@127.0.0.1:1,127.0.0.1:{port}/{name}"
        )),
        Written::string(format!(
            "host=/nowhere,127.0.0.1 port={port} user={name} dbname={name} password='{quoted}'"
        )),
        Written::string(format!("{}?target_session_attrs=read-write", db.url())),
        Written::string(format!("{}?target_session_attrs=prefer-standby", db.url())),
        Written::string(format!("{}?options=-c%20work_mem%3D8MB", db.url())),
    ];
    for written in written {
        let reached = reach(&written, &server, &sandbox);
        assert_eq!(reached.as_deref(), Some("connect_ways@connect_ways"), "{:?}", written.string);
    }
}

#[test]
fn sqlalchemy_s_drivers_are_read_past() {
    needs_postgres!();
    let db = Database::on(&Server::shared(), "connect_drivers", ODD);
    let sandbox = Sandbox::new();
    for driver in ["psycopg2", "psycopg", "asyncpg", "pg8000"] {
        let url = db.url_for(&format!("postgresql+{driver}"));
        let target = Written::string(&url).target(&sandbox);
        assert_eq!(by_rowsafe(&target).unwrap(), "connect_drivers@connect_drivers");
        let dump = as_pg_dump(&target, db.server(), &sandbox);
        assert_eq!(dump.unwrap(), "connect_drivers@connect_drivers");
    }
}

#[test]
fn password_and_service_files_are_found() {
    needs_postgres!();
    let server = Server::shared();
    let _db = Database::on(&server, "connect_files", ODD);
    let sandbox = Sandbox::new();
    let home = sandbox.home();
    let port = server.port;
    let place =
        Written::string(format!("postgresql://connect_files@127.0.0.1:{port}/connect_files"));
    assert_eq!(reach(&place, &server, &sandbox), None);
    assert!(matches!(by_rowsafe(&place.target(&sandbox)), Err(ConnectError::NoPassword { .. })));

    let escaped = ODD.replace('\\', "\\\\").replace(':', "\\:");
    let lines = format!(
        "# mine\nother:*:*:*:no\n127.0.0.1:{port}:connect_files:connect_files:{escaped}\n*:*:*:*:no\n"
    );
    let pgpass = home.join(".pgpass");
    fs::write(&pgpass, &lines).unwrap();
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(reach(&place, &server, &sandbox), None, "others could read it");
    let warnings = place.resolve(&sandbox).warnings;
    assert!(warnings[0].contains(".pgpass` is not used"), "{warnings:?}");

    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o600)).unwrap();
    let expected = Some("connect_files@connect_files");
    assert_eq!(reach(&place, &server, &sandbox).as_deref(), expected);
    let elsewhere = home.join("passwords");
    fs::rename(&pgpass, &elsewhere).unwrap();
    let named = place.with("PGPASSFILE", elsewhere.display().to_string());
    assert_eq!(reach(&named, &server, &sandbox).as_deref(), expected);

    let service = format!(
        "[mine]\nhost=127.0.0.1\nport={port}\nuser=connect_files\ndbname=connect_files\npassword={ODD}\n"
    );
    fs::write(home.join(".pg_service.conf"), service).unwrap();
    let by_variable =
        Written::nothing().with("PGSERVICE", "mine").with("PGHOST", "nowhere.invalid");
    assert_eq!(reach(&by_variable, &server, &sandbox).as_deref(), expected);
    let by_string = Written::string("service=mine").with("PGPASSWORD", "not this one");
    assert_eq!(reach(&by_string, &server, &sandbox).as_deref(), expected);
}

#[test]
fn failures_are_told_apart() {
    needs_postgres!();
    let db = Database::new("connect_apart");
    let (server, sandbox) = (db.server(), Sandbox::new());
    let port = server.port;
    let url = |rest: &str| Written::string(format!("postgresql://connect_apart@{rest}"));
    let fails = |written: &Written| by_rowsafe(&written.target(&sandbox)).unwrap_err();
    for (rest, expected) in [
        ("127.0.0.1:1/d".to_owned(), "nothing listens there"),
        ("no-such-host.invalid/d".to_owned(), "its name is unknown"),
        ("/d?host=/nowhere".to_owned(), "there is no socket `/nowhere/.s.PGSQL.5432`"),
        ("127.0.0.1:1,localhost:1/d".to_owned(), "127.0.0.1:1: nothing listens there"),
        (
            format!(
                "/connect_apart?host={}&port={port}&target_session_attrs=standby",
                server.socket.display()
            ),
            "is no standby",
        ),
    ] {
        let error = fails(&url(&rest));
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.hints().is_empty(), "{error}");
    }
    let wrong = url(&format!("127.0.0.1:{port}/connect_apart")).with("PGPASSWORD", "planted-wrong");
    let error = fails(&wrong);
    assert!(matches!(error, ConnectError::AuthenticationRefused { .. }), "{error}");

    let socket = format!("host={}&port={port}", server.socket.display());
    let error = fails(&url(&format!("/connect_apar?{socket}")));
    let ConnectError::DatabaseMissing { others, .. } = &error else { panic!("{error}") };
    assert!(others.as_ref().unwrap().contains(&"connect_apart".to_owned()));
    assert_eq!(error.hints()[0], "did you mean `connect_apart`?");

    let nobody = Written::string(format!("postgresql://connect_ghost@/postgres?{socket}"));
    let error = fails(&nobody);
    assert!(matches!(error, ConnectError::AuthenticationRefused { .. }), "{error}");
    assert!(error.to_string().contains("\"connect_ghost\" does not exist"), "{error}");

    let admin = server.admin("postgres");
    admin.execute(&format!("ALTER ROLE {} CONNECTION LIMIT 0", quote("connect_apart")));
    let error = fails(&url(&format!("/connect_apart?{socket}")));
    assert!(matches!(error, ConnectError::ServerBusy { .. }), "{error}");
    admin.execute(&format!("ALTER ROLE {} CONNECTION LIMIT -1", quote("connect_apart")));
    admin.execute("REVOKE CONNECT ON DATABASE connect_apart FROM PUBLIC, connect_apart");
    let error = fails(&url(&format!("/connect_apart?{socket}")));
    assert!(error.hints()[0].contains("GRANT CONNECT"), "{error} {:?}", error.hints());
}

#[test]
fn a_new_and_empty_server_is_recognized() {
    needs_postgres!();
    let server = Server::start(&[]);
    let written = Written::string(server.admin_url("prod"));
    let error = by_rowsafe(&written.target(&Sandbox::new())).unwrap_err();
    assert!(error.to_string().starts_with("database `prod` does not exist"), "{error}");
    assert!(error.hints()[0].contains("new and empty"), "{:?}", error.hints());
}

#[test]
fn nobody_s_silence_lasts_for_ever() {
    needs_postgres!();
    // It accepts, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let db = Database::new("connect_silence");
    let url = format!("postgresql://u@127.0.0.1:{port}/d?connect_timeout=2");
    let begun = std::time::Instant::now();
    let error = by_rowsafe(&Written::string(url).target(&Sandbox::new())).unwrap_err();
    assert!(error.to_string().contains("no answer within 2 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(8));
    let two = db.url().replace("127.0.0.1:", &format!("127.0.0.1:{port},127.0.0.1:"));
    let target = Written::string(format!("{two}?connect_timeout=2")).target(&Sandbox::new());
    assert_eq!(by_rowsafe(&target).unwrap(), "connect_silence@connect_silence");
}

#[test]
fn the_session_is_pinned() {
    needs_postgres!();
    let db = Database::new("connect_pinned");
    db.execute(
        "CREATE SCHEMA evil; \
         CREATE FUNCTION evil.count() RETURNS int LANGUAGE sql AS 'SELECT 42'; \
         ALTER ROLE connect_pinned SET search_path = evil, public, pg_catalog; \
         ALTER ROLE connect_pinned SET statement_timeout = '7s'; \
         ALTER ROLE connect_pinned SET idle_in_transaction_session_timeout = '7s'; \
         ALTER ROLE connect_pinned SET client_min_messages = 'debug1'",
    );
    let target = Written::string(db.url()).target(&Sandbox::new());
    let options =
        SessionOptions { lock_timeout: Duration::from_millis(1500), ..Default::default() };
    let settings = [
        ("search_path", "pg_catalog, pg_temp"),
        ("default_transaction_read_only", "on"),
        ("lock_timeout", "1500ms"),
        ("statement_timeout", "1min"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("client_min_messages", "warning"),
        ("application_name", "rowsafe test"),
    ];
    runtime().block_on(async {
        let client = connect(&target, "rowsafe test", &options).await.unwrap();
        for (name, expected) in settings {
            let sql = format!("SELECT current_setting({})", quote_literal(name));
            let value: String = client.query_one(&sql, &[]).await.unwrap().get(0);
            assert_eq!(value, expected, "{name}");
        }
        let refused = client.batch_execute("CREATE TABLE public.t (id int)").await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "25006");
        // Its end is noticed by whoever asks next.
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let end = format!("SELECT pg_terminate_backend({pid}, 5000)");
        tokio::task::spawn_blocking(move || db.admin().rows(&end)).await.unwrap();
        assert!(client.batch_execute("SELECT 1").await.is_err());
        assert!(client.is_closed());
    });
}
