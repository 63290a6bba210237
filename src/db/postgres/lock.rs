//! One rowsafe at a time: an advisory lock of the database, held by a session without transaction.

use tokio_postgres::{Client, Error};

/// `rowsafe` in ASCII, read as a number: the same key for every version of the program.
const KEY: i64 = 0x0072_6f77_7361_6665;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The server's process id of its session.
    pub pid: i32,
    /// Its `application_name`, which rowsafe fills with host and process.
    pub application: String,
    /// Its role.
    pub role: String,
    /// When its session started, as the server says it.
    pub since: String,
}

/// Takes the lock for as long as the session lives, or says who holds it.
pub async fn acquire(client: &Client) -> Result<Option<Holder>, Error> {
    let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&KEY]).await?;
    if row.get(0) { Ok(None) } else { holder(client).await.map(Some) }
}

/// Frees the lock before the session ends.
pub async fn release(client: &Client) -> Result<(), Error> {
    client.execute("SELECT pg_advisory_unlock($1)", &[&KEY]).await.map(drop)
}

async fn holder(client: &Client) -> Result<Holder, Error> {
    let sql = "
        SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, '?'),
               coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), '?')
          FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND l.objsubid = 1
           AND ((l.classid::int8 << 32) | l.objid::int8) = $1";
    let row = client.query_opt(sql, &[&KEY]).await?;
    Ok(row.map_or_else(
        || Holder {
            pid: 0,
            application: "it has just ended".to_owned(),
            role: "?".to_owned(),
            since: "?".to_owned(),
        },
        |row| Holder {
            pid: row.get(0),
            application: row.get(1),
            role: row.get(2),
            since: row.get(3),
        },
    ))
}
