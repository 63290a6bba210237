//! The one session that writes: rows are staged in temporary tables of it, which are gone with it,
//! however it ends.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use crate::db::connect::{SessionOptions, connect};
use crate::db::postgres::inventory::Counting;
use crate::db::postgres::message_without_values;
use crate::db::target::Target;
use crate::exit::Exit;
use crate::hint::Refusal;

/// The `application_name` of the session.
const APPLICATION: &str = "rowsafe restore";

/// How long the session may do nothing is nobody's business: a person is asked meanwhile.
const PATIENCE: &str = "
    SELECT set_config(name, '0', false) FROM pg_settings
     WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout',
                    'transaction_timeout')";

/// What values look like as text, and that none is hidden.
const SETTINGS: &str = "SET row_security = off; SET datestyle = ISO; SET intervalstyle = postgres; \
    SET extra_float_digits = 3; SET bytea_output = hex; SET xmloption = content; \
    SET check_function_bodies = off; SET client_min_messages = warning";

/// A session that may write.
#[derive(Debug)]
pub struct Session {
    client: Client,
    lock_timeout: Duration,
}

impl Session {
    /// Connects.
    pub async fn open(target: &Target, counting: &Counting) -> Result<Self, Refusal> {
        let lock_timeout = counting.lock_timeout;
        // Putting a large table back takes as long as it takes.
        let options =
            SessionOptions { read_only: false, lock_timeout, statement_timeout: Duration::ZERO };
        let client = connect(target, APPLICATION, &options).await.map_err(Refusal::from)?;
        let session = Self { client, lock_timeout };
        session.execute(SETTINGS, "prepare the session").await?;
        session.rows(PATIENCE, "prepare the session").await?;
        Ok(session)
    }

    /// The client itself, for what reads the catalogue.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs statements.
    pub async fn execute(&self, sql: &str, what: &str) -> Result<(), Refusal> {
        tracing::debug!("{what}: {sql}");
        self.client.batch_execute(sql).await.map_err(|error| self.refusal(what, error))
    }

    /// Runs a statement that changes rows, and says how many.
    pub async fn change(&self, sql: &str, what: &str) -> Result<u64, Refusal> {
        tracing::debug!("{what}: {sql}");
        self.client.execute(sql, &[]).await.map_err(|error| self.refusal(what, error))
    }

    /// Asks for rows.
    pub async fn rows(&self, sql: &str, what: &str) -> Result<Vec<Row>, Refusal> {
        tracing::debug!("{what}: {sql}");
        self.client.query(sql, &[]).await.map_err(|error| self.refusal(what, error))
    }

    /// Asks for numbers: one row of them.
    pub async fn numbers(&self, sql: &str, what: &str) -> Result<Vec<u64>, Refusal> {
        tracing::debug!("{what}: {sql}");
        let row = self.client.query_one(sql, &[]).await;
        let row = row.map_err(|error| self.refusal(what, error))?;
        let number = |at| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
        Ok((0..row.len()).map(number).collect())
    }

    /// Runs statements that may fail: within a transaction that goes on, outside of one as they are.
    pub async fn attempt(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        tracing::debug!("attempt: {sql}");
        self.client.batch_execute("SAVEPOINT attempt").await?;
        let tried = self.client.batch_execute(sql).await;
        let end = match tried {
            Ok(()) => "RELEASE SAVEPOINT attempt",
            Err(_) => "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt",
        };
        self.client.batch_execute(end).await?;
        tried
    }

    /// What the server refused, what can be done about it, and that nothing was changed: all that is
    /// written is one transaction. Values that it names stay where they are.
    pub fn refusal(&self, what: &str, error: tokio_postgres::Error) -> Refusal {
        let code = error.code().cloned();
        let message = format!("{what}: {}", message_without_values(&error));
        let refusal = Refusal::new(Exit::NoAnswer, message).because(error);
        let hint = match code {
            Some(SqlState::LOCK_NOT_AVAILABLE) => format!(
                "another session holds the table; waited {} for it; end that session, or wait longer: lock-timeout in rowsafe.toml",
                crate::text::number::seconds(self.lock_timeout)
            ),
            Some(SqlState::INSUFFICIENT_PRIVILEGE) => {
                "tables are restored by the role that owns them, and rows are staged in temporary tables: GRANT TEMPORARY ON DATABASE".to_owned()
            }
            Some(SqlState::DISK_FULL | SqlState::CONFIGURATION_LIMIT_EXCEEDED) => {
                "rows are staged in temporary tables on the server: free space there, or name one table at a time with --table".to_owned()
            }
            _ => "what cannot be put back in place can be brought into a new database: --into NAME".to_owned(),
        };
        refusal.hint("nothing was changed: it is one transaction").hint(hint)
    }
}
