//! One database in place of another: what belongs to a database and is in no dump of it, and the
//! exchange of their names.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::is_state;
use crate::text::name::{quote, quote_literal};

/// A database as the cluster's catalogues have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `pg_database.oid`.
    pub oid: u32,
    /// Its owner.
    pub owner: String,
    /// Why the role that asks may not rename it.
    pub obstacle: Option<String>,
    /// Logical replication slots of it, which stay with it.
    pub slots: i64,
    /// Subscriptions of it, which a restore makes anew, disabled.
    pub subscriptions: i64,
}

/// Asks for the entry of a database; `None` when there is no such database.
pub async fn entry(client: &Client, database: &str) -> Result<Option<Entry>, Error> {
    let sql = "
        SELECT d.oid, pg_get_userbyid(d.datdba)::text,
               r.rolsuper OR pg_has_role(d.datdba, 'USAGE'), r.rolsuper OR r.rolcreatedb,
               (SELECT count(*) FROM pg_replication_slots s WHERE s.database = d.datname),
               (SELECT count(*) FROM pg_subscription s WHERE s.subdbid = d.oid)
          FROM pg_database d, pg_roles r
         WHERE d.datname = $1 AND r.rolname = current_user";
    let Some(row) = client.query_opt(sql, &[&database]).await? else { return Ok(None) };
    let owner: String = row.get(1);
    let (is_owner, may_create): (bool, bool) = (row.get(2), row.get(3));
    let obstacle = match (is_owner, may_create) {
        (false, _) => Some(format!("it belongs to `{owner}`, and only its owner may rename it")),
        (_, false) => Some("the role needs CREATEDB to rename a database".to_owned()),
        _ => None,
    };
    Ok(Some(Entry {
        oid: row.get(0),
        owner,
        obstacle,
        slots: row.get(4),
        subscriptions: row.get(5),
    }))
}

/// The statements that give the database `to` what `from` has outside of itself: grants, settings,
/// the settings of roles in it, its comment, its limit of connections, and last its owner.
///
/// pg_dump writes them with `--create` only (PostgreSQL, pg_dump, `--create`), under the name of the
/// dumped database.
pub async fn belongings(client: &Client, from: &str, to: &str) -> Result<Vec<String>, Error> {
    let mut statements = Vec::new();
    let to = quote(to);
    let sql = "
        SELECT datacl IS NOT NULL, datconnlimit, shobj_description(oid, 'pg_database'),
               pg_get_userbyid(datdba)::text
          FROM pg_database WHERE datname = $1";
    let row = client.query_one(sql, &[&from]).await?;
    if row.get(0) {
        statements.push(format!("REVOKE ALL ON DATABASE {to} FROM PUBLIC"));
        statements.extend(grants(client, from, &to).await?);
    }
    statements.extend(settings(client, from, &to).await?);
    let (limit, comment): (i32, Option<String>) = (row.get(1), row.get(2));
    if limit != -1 {
        statements.push(format!("ALTER DATABASE {to} CONNECTION LIMIT {limit}"));
    }
    if let Some(comment) = comment {
        statements.push(format!("COMMENT ON DATABASE {to} IS {}", quote_literal(&comment)));
    }
    let owner: String = row.get(3);
    statements.push(format!("ALTER DATABASE {to} OWNER TO {}", quote(&owner)));
    Ok(statements)
}

/// Grants to others than the owner, who has them with the database.
async fn grants(client: &Client, from: &str, to: &str) -> Result<Vec<String>, Error> {
    let sql = "
        SELECT a.privilege_type, a.is_grantable,
               CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END
          FROM pg_database d, aclexplode(d.datacl) a
         WHERE d.datname = $1 AND a.grantee <> d.datdba ORDER BY 3, 1";
    let rows = client.query(sql, &[&from]).await?;
    let grant = |row: &tokio_postgres::Row| {
        let (privilege, grantable): (String, bool) = (row.get(0), row.get(1));
        let role: Option<String> = row.get(2);
        let role = role.map_or_else(|| "PUBLIC".to_owned(), |role| quote(&role));
        let option = if grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {privilege} ON DATABASE {to} TO {role}{option}")
    };
    Ok(rows.iter().map(grant).collect())
}

async fn settings(client: &Client, from: &str, to: &str) -> Result<Vec<String>, Error> {
    let sql = "
        SELECT CASE WHEN s.setrole = 0 THEN NULL ELSE pg_get_userbyid(s.setrole)::text END,
               split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)
          FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
               unnest(s.setconfig) WITH ORDINALITY AS config(c, n)
         WHERE d.datname = $1 ORDER BY 1 NULLS FIRST, n";
    let rows = client.query(sql, &[&from]).await?;
    let setting = |row: &tokio_postgres::Row| {
        let (role, name, value): (Option<String>, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let value = if is_list(&name) { value } else { quote_literal(&value) };
        match role {
            None => format!("ALTER DATABASE {to} SET {name} TO {value}"),
            Some(role) => {
                format!("ALTER ROLE {} IN DATABASE {to} SET {name} TO {value}", quote(&role))
            }
        }
    };
    Ok(rows.iter().map(setting).collect())
}

/// Settings whose value is kept as a list of quoted names (PostgreSQL, `GUC_LIST_QUOTE`): as one
/// literal they would become one name.
fn is_list(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "search_path"
            | "temp_tablespaces"
            | "local_preload_libraries"
            | "session_preload_libraries"
    )
}

/// Sessions in a database other than ours, as `role (application)`.
pub async fn sessions(client: &Client, database: &str) -> Result<Vec<String>, Error> {
    let sql = "
        SELECT coalesce(usename::text, '?') || CASE coalesce(application_name, '')
                 WHEN '' THEN '' ELSE ' (' || application_name || ')' END
          FROM pg_stat_activity
         WHERE datname = $1 AND pid <> pg_backend_pid() ORDER BY 1";
    Ok(client.query(sql, &[&database]).await?.iter().map(|row| row.get(0)).collect())
}

/// How an exchange ended.
#[derive(Debug)]
pub enum Exchange {
    /// The names are exchanged.
    Done,
    /// Somebody's session could not be ended: nothing was renamed.
    InUse,
}

/// How often sessions are ended before it is given up: one may slip in just before the door closes.
const ATTEMPTS: usize = 2;

/// Gives `database` the name `kept`, and `new` the name `database`, in one transaction, from a
/// session in neither. Nobody gets in meanwhile; on any failure both are as they were.
pub async fn exchange(
    client: &Client,
    database: &str,
    new: &str,
    kept: &str,
) -> Result<Exchange, Error> {
    accept_connections(client, database, false).await?;
    let mut ended = Ok(Exchange::InUse);
    for _ in 0..ATTEMPTS {
        ended = attempt(client, database, new, kept).await;
        if !matches!(ended, Ok(Exchange::InUse)) {
            break;
        }
    }
    if !matches!(ended, Ok(Exchange::Done)) {
        accept_connections(client, database, true).await?;
    }
    ended
}

async fn attempt(
    client: &Client,
    database: &str,
    new: &str,
    kept: &str,
) -> Result<Exchange, Error> {
    end_sessions(client, &[database, new]).await?;
    if !are_gone(client, database).await? {
        return Ok(Exchange::InUse);
    }
    let (old, new, kept) = (quote(database), quote(new), quote(kept));
    let renames = format!(
        "BEGIN; ALTER DATABASE {old} RENAME TO {kept}; ALTER DATABASE {new} RENAME TO {old};
         ALTER DATABASE {kept} ALLOW_CONNECTIONS true; COMMIT"
    );
    let Err(error) = client.batch_execute(&renames).await else { return Ok(Exchange::Done) };
    client.batch_execute("ROLLBACK").await?;
    if is_state(&error, &SqlState::OBJECT_IN_USE) { Ok(Exchange::InUse) } else { Err(error) }
}

/// Whether every session in a database has ended, which takes them a moment.
async fn are_gone(client: &Client, database: &str) -> Result<bool, Error> {
    for _ in 0..20 {
        if sessions(client, database).await?.is_empty() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}

/// Ends every session in these databases that is ours to end; one of a mightier role stays, and the
/// renaming says that it is in the way.
async fn end_sessions(client: &Client, databases: &[&str]) -> Result<(), Error> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = ANY($1) AND pid <> pg_backend_pid()";
    for row in client.query(sql, &[&databases]).await? {
        let pid: i32 = row.get(0);
        match client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await {
            Err(error) if !is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Lets a database accept connections, or not.
pub async fn accept_connections(
    client: &Client,
    database: &str,
    accept: bool,
) -> Result<(), Error> {
    let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {accept}", quote(database));
    client.batch_execute(&sql).await
}
