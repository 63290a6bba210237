//! Which database this is.

use tokio_postgres::{Client, Error};

use crate::inventory::{Identity, Standing, Wal};
use crate::text::QualifiedName;

const QUERY: &str = "
SELECT current_database()::text,
       (SELECT oid FROM pg_database WHERE datname = current_database()),
       current_user::text,
       current_setting('server_version'),
       current_setting('server_version_num')::int4,
       pg_is_in_recovery(),
       host(inet_server_addr()),
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";

/// A question of its own: a server checks the privilege before it evaluates any condition, and a
/// question that fails ends the transaction that it is asked in.
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// Reads the identity. On managed services the system identifier may be denied (`None`).
pub async fn read(client: &Client) -> Result<Identity, Error> {
    let row = client.query_one(QUERY, &[]).await?;
    let system_identifier: Option<String> =
        if row.get(7) { Some(client.query_one(SYSTEM, &[]).await?.get(0)) } else { None };
    Ok(Identity {
        database: row.get(0),
        database_oid: row.get(1),
        role: row.get(2),
        server_version: row.get(3),
        server_version_num: u32::try_from(row.get::<_, i32>(4)).unwrap_or_default(),
        is_standby: row.get(5),
        server_address: row.get(6),
        system_identifier: system_identifier.and_then(|text| text.parse().ok()),
        snapshot_xmax: snapshot_xmax(client).await?,
    })
}

/// The next transaction id of the cluster: unmoved means that nothing at all was written.
pub async fn snapshot_xmax(client: &Client) -> Result<u64, Error> {
    let row = client.query_one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text", &[]).await?;
    Ok(row.get::<_, String>(0).parse().unwrap_or_default())
}

const SCHEMAS: &str = "
SELECT nspname::text, oid FROM pg_namespace
 WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast\\_temp\\_%'";

const TABLES: &str = "
SELECT n.nspname::text, c.relname::text, c.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";

const SIZE: &str = "SELECT pg_database_size(current_database())";

/// The name of a file of the log starts with the timeline: newer than the last checkpoint's.
const WAL: &str = "
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text,
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int8";

/// How things stand. It waits for nobody's lock; size and log position are left out where a
/// managed service or a standby does not say them. Not for within a transaction, which would end
/// with the first question that is refused.
pub async fn standing(client: &Client) -> Result<Standing, Error> {
    let schemas = client.query(SCHEMAS, &[]).await?;
    let tables = client.query(TABLES, &[]).await?;
    let bytes = client.query_one(SIZE, &[]).await.ok().map(|row| row.get::<_, i64>(0));
    let wal = client.query_one(WAL, &[]).await.ok().and_then(|row| {
        let position: String = row.get(0);
        let timeline: i64 = row.get(1);
        Some(Wal { position: position.parse().ok()?, timeline: timeline.try_into().ok()? })
    });
    Ok(Standing {
        schemas: schemas.iter().map(|row| (row.get(0), row.get(1))).collect(),
        tables: tables
            .iter()
            .map(|row| {
                let (schema, name): (String, String) = (row.get(0), row.get(1));
                (QualifiedName::new(schema, name), row.get(2))
            })
            .collect(),
        bytes: bytes.and_then(|bytes| bytes.try_into().ok()),
        wal,
    })
}
