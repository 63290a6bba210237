//! PostgreSQL: what is in the catalogue, how many rows there are, who else is there.
//!
//! Every query runs in a read-only session whose `search_path` is `pg_catalog`, so that names of
//! the user's schemas can't stand in for PostgreSQL's own.

pub mod belongings;
pub mod catalog;
pub mod dependents;
pub mod event_triggers;
pub mod evidence;
pub mod exchange;
pub mod functions;
pub mod health;
pub mod identity;
pub mod inventory;
pub mod keys;
pub mod lock;
pub mod measure;
pub mod names;
pub mod reactions;
pub mod relations;
pub mod restore_point;
pub mod rows;
pub mod shape;
pub mod touched;
pub mod used;
pub mod version_table;
pub mod watch;
pub mod witness;

use tokio_postgres::error::SqlState;

use crate::exit::Exit;
use crate::hint::Refusal;

/// The server's own words for an error: its message, without position and stack.
pub fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => match db.detail() {
            Some(detail) => format!("{} ({detail})", db.message()),
            None => db.message().to_owned(),
        },
        None => "the connection was lost".to_owned(),
    }
}

/// The server's own words for an error that a row may have caused: without the values that it names,
/// which are nobody's business outside of the database.
pub fn message_without_values(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else { return server_message(error) };
    // Class 22: data exceptions.
    if !db.code().code().starts_with("22") {
        return db.message().to_owned();
    }
    let parts: Vec<&str> = db.message().split('"').collect();
    let named =
        |(at, part): (usize, &&str)| if at % 2 == 0 { (*part).to_owned() } else { "…".into() };
    let message: String = parts.iter().enumerate().map(named).collect();
    message.trim_end_matches(['…', ' ']).trim_end_matches(':').to_owned()
}

/// Whether the server said this.
pub fn is_state(error: &tokio_postgres::Error, state: &SqlState) -> bool {
    error.code() == Some(state)
}

/// A failed question to the server as a refusal that says what was asked.
pub fn refusal(exit: Exit, asked: &str, error: tokio_postgres::Error) -> Refusal {
    Refusal::new(exit, format!("{asked}: {}", server_message(&error))).because(error)
}
