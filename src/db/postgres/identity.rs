//! Which database this is.

use tokio_postgres::{Client, Error};

use crate::inventory::Identity;

const QUERY: &str = "
SELECT current_database()::text,
       (SELECT oid FROM pg_database WHERE datname = current_database()),
       current_user::text,
       current_setting('server_version'),
       current_setting('server_version_num')::int4,
       pg_is_in_recovery(),
       host(inet_server_addr()),
       CASE WHEN has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            THEN (SELECT system_identifier::text FROM pg_control_system()) END";

/// Reads the identity. On managed services the system identifier may be denied (`None`).
pub async fn read(client: &Client) -> Result<Identity, Error> {
    let row = client.query_one(QUERY, &[]).await?;
    let system_identifier: Option<String> = row.get(7);
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
