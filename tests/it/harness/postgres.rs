//! One throwaway server for all tests of the process, a database and a role for each of them.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use rowsafe::text::name::quote;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A running server; it ends with this process, however that ends.
///
/// `scripts/server` keeps it, and holds on to the standard input that we hold the other end of.
pub struct Server {
    /// PostgreSQL's programs.
    pub bin: PathBuf,
    /// The directory of its Unix socket.
    pub socket: PathBuf,
    /// Its TCP port on 127.0.0.1, and the number in the socket's name.
    pub port: u16,
    password: String,
    log: PathBuf,
    keeper: Mutex<Child>,
    /// What the keeper says.
    said: Mutex<BufReader<ChildStdout>>,
}

impl Server {
    /// The server that tests share.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Result<Arc<Server>, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::try_start(&[]).map(Arc::new));
        Arc::clone(shared.as_ref().unwrap_or_else(|error| {
            panic!("{error}\nhint: ROWSAFE_TEST_WITHOUT_PG=1 skips the tests that need a server")
        }))
    }

    /// A server of the test's own, with a system identifier of its own; `settings` are `name=value`.
    pub fn start(settings: &[&str]) -> Arc<Self> {
        Arc::new(Self::try_start(settings).unwrap_or_else(|error| panic!("{error}")))
    }

    fn try_start(settings: &[&str]) -> Result<Self, String> {
        let mut keeper = Command::new(super::root().join("scripts/server"))
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("scripts/server: {error} (Python 3.9 or later is needed)"))?;
        let mut line = String::new();
        let mut stdout = BufReader::new(keeper.stdout.take().expect("piped above"));
        stdout.read_line(&mut line).map_err(|error| error.to_string())?;
        let Ok(told) = serde_json::from_str::<serde_json::Value>(&line) else {
            let output = keeper.wait_with_output().map_err(|error| error.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        };
        let text = |name: &str| told[name].as_str().expect("scripts/server's contract").to_owned();
        Ok(Self {
            bin: text("bin").into(),
            socket: text("socket").into(),
            port: told["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
            password: text("password"),
            log: text("log").into(),
            keeper: Mutex::new(keeper),
            said: Mutex::new(stdout),
        })
    }

    /// Ends the server and waits until it is gone; its port then refuses connections.
    pub fn stop(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
    }

    /// Ends the server as a power cut would and starts it again.
    pub fn crash(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        keeper.stdin.as_mut().expect("it runs").write_all(b"crash\n").unwrap();
        let mut line = String::new();
        self.said.lock().unwrap().read_line(&mut line).unwrap();
        assert_eq!(line, "{}\n", "{}", self.log_tail());
    }

    /// Waits until it takes connections again: a backend that is killed takes all others along.
    pub fn wait_until_ready(&self) {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.socket).port(self.port).user("postgres").dbname("postgres");
        super::scene::wait_for("the server", || {
            Session::try_open(&config).is_ok_and(|session| session.try_rows("SELECT 1").is_ok())
        });
    }

    /// A session of the superuser.
    pub fn admin(&self, database: &str) -> Session {
        self.session("postgres", database)
    }

    /// A URL of the superuser.
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgresql://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Its major version.
    pub fn major(&self) -> i64 {
        let sql = "SELECT current_setting('server_version_num')::int / 10000";
        self.admin("postgres").query_one_i64(sql)
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Where the server writes its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn session(&self, role: &str, database: &str) -> Session {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.socket).port(self.port).user(role).dbname(database);
        Session::open(&config)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(keeper) = self.keeper.get_mut() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

/// The last lines of a file, or nothing.
pub fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A database and the role that owns it, both called by the same name; dropped afterwards.
pub struct Database {
    /// The name of the database and of its role.
    pub name: String,
    /// The role's password, which must turn up nowhere.
    pub password: String,
    server: Arc<Server>,
}

impl Database {
    /// A database on the shared server; the name is the test's own.
    pub fn new(name: &str) -> Self {
        Self::on(&Server::shared(), name, &format!("planted{:016x}", fastrand::u64(..)))
    }

    /// A database on `server` whose role has this password.
    pub fn on(server: &Arc<Server>, name: &str, password: &str) -> Self {
        let admin = server.admin("postgres");
        let quoted = quote(name);
        let password_literal = rowsafe::text::name::quote_literal(password);
        admin.execute(&format!("CREATE ROLE {quoted} LOGIN PASSWORD {password_literal}"));
        admin.execute(&format!("CREATE DATABASE {quoted} OWNER {quoted}"));
        // Up to PostgreSQL 14 a database's owner does not own its schema `public`.
        server.admin(name).execute(&format!(
            "DO $$ BEGIN IF current_setting('server_version_num')::int < 150000 THEN
                ALTER SCHEMA public OWNER TO {quoted}; END IF; END $$"
        ));
        Self { name: name.to_owned(), password: password.to_owned(), server: Arc::clone(server) }
    }

    /// Lets the role create databases, as `restore --into` needs; they are dropped with it.
    #[must_use]
    pub fn may_create_databases(self) -> Self {
        self.server
            .admin("postgres")
            .execute(&format!("ALTER ROLE {} CREATEDB", quote(&self.name)));
        self
    }

    /// The server it is on.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// A URL with the password, over TCP.
    pub fn url(&self) -> String {
        self.url_for("postgresql")
    }

    /// The same for a driver of SQLAlchemy: `postgresql+asyncpg`.
    pub fn url_for(&self, scheme: &str) -> String {
        let password = percent_encoding::utf8_percent_encode(
            &self.password,
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("{scheme}://{}:{password}@127.0.0.1:{}/{}", self.name, self.server.port, self.name)
    }

    /// A URL without a password, over the Unix socket.
    pub fn socket_url(&self) -> String {
        let socket = self.server.socket.display();
        format!("postgresql://{}@/{}?host={socket}&port={}", self.name, self.name, self.server.port)
    }

    /// A session of the role that stays open, for locks and transactions.
    pub fn session(&self) -> Session {
        self.server.session(&self.name, &self.name)
    }

    /// A session of the superuser in this database.
    pub fn admin(&self) -> Session {
        self.server.admin(&self.name)
    }

    /// Runs statements as the role.
    pub fn execute(&self, sql: &str) {
        self.session().execute(sql);
    }

    /// The rows that the statement answers.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.session().rows(sql)
    }

    /// The one number that the statement answers.
    pub fn query_one_i64(&self, sql: &str) -> i64 {
        self.session().query_one_i64(sql)
    }

    /// How many rows the table has.
    pub fn count(&self, table: &str) -> i64 {
        self.query_one_i64(&format!("SELECT count(*) FROM {table}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that the test has stopped takes its databases along; and a second panic while
        // the first is on its way would hide both.
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.server.socket).port(self.server.port).user("postgres");
        let Ok(admin) = Session::try_open(config.dbname("postgres")) else { return };
        let role = rowsafe::text::name::quote_literal(&self.name);
        let owned = format!(
            "SELECT datname FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = {role}"
        );
        for row in admin.try_rows(&owned).unwrap_or_default() {
            let _ = admin.try_rows(&format!("DROP DATABASE {} WITH (FORCE)", quote(&row[0])));
        }
        let _ = admin.try_rows(&format!("DROP ROLE {}", quote(&self.name)));
    }
}

/// An open session; it makes progress only while one of its methods runs.
pub struct Session {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Session {
    fn open(config: &tokio_postgres::Config) -> Self {
        Self::try_open(config).unwrap_or_else(|error| panic!("connect: {error:?}"))
    }

    fn try_open(config: &tokio_postgres::Config) -> Result<Self, tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(config.connect(NoTls))?;
        runtime.spawn(connection);
        Ok(Self { runtime, client })
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        self.rows(sql);
    }

    /// The rows that the statements answer, as text; a null is `NULL`.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}"))
    }

    /// The one number that the statement answers.
    pub fn query_one_i64(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "one value of {sql}");
        rows[0][0].parse().unwrap_or_else(|_| panic!("{} is no number ({sql})", rows[0][0]))
    }

    /// The same as `rows`, where failing is expected.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len()).map(|column| row.get(column).unwrap_or("NULL").to_owned()).collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    }
}
