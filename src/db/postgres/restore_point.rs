//! A named point in the WAL, to which a physical backup can be brought back.
//!
//! It changes no row: a session that is read-only may make one, given the right to the function.

use tokio_postgres::{Client, Error};

/// The function, as GRANT names it.
pub const FUNCTION: &str = "pg_catalog.pg_create_restore_point(text)";

/// Whether the role may make one.
pub async fn is_allowed(client: &Client) -> Result<bool, Error> {
    let sql = format!("SELECT has_function_privilege('{FUNCTION}', 'EXECUTE')");
    client.query_one(&sql, &[]).await.map(|row| row.get(0))
}

/// Makes the point and gives back the WAL segment that holds it. The position that PostgreSQL
/// answers is the end of the record, and at a boundary `pg_walfile_name` names the segment before.
pub async fn make(client: &Client, name: &str) -> Result<String, Error> {
    let sql = "SELECT pg_walfile_name(pg_create_restore_point($1))::text";
    client.query_one(sql, &[&name]).await.map(|row| row.get(0))
}
