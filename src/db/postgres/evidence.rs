//! What is left to see after a loss: statistics, files, keys, sessions, statements. Everything here
//! only reads, and what this role may not see is left out and said.

use tokio_postgres::{Client, Error};

use super::server_message;
use super::version_table::is_of_tool;
use crate::aftermath::{Key, Moment, Session, There};
use crate::text::QualifiedName;
use crate::text::name::quote;

/// A table as the catalogue and the statistics have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Schema and name.
    pub name: QualifiedName,
    /// What is known of it.
    pub there: There,
    /// Why the role can't read all of its rows, if it can't.
    pub hidden: Option<&'static str>,
}

/// `pg_sequences` shows its numbers to whoever may see them; the commit time of a transaction is
/// kept only where the server is told to.
const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text,
       coalesce(pg_relation_filenode(c.oid), 0::oid),
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid END,
       age(c.xmin)::int8, c.xmin::text::int8,
       CASE WHEN current_setting('track_commit_timestamp') = 'on'
            THEN extract(epoch FROM pg_xact_commit_timestamp(c.xmin))::int8 END,
       coalesce(s.n_tup_ins, 0), coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_del, 0),
       coalesce(s.n_dead_tup, 0), coalesce(s.n_live_tup, 0),
       (SELECT max(CASE WHEN has_sequence_privilege(d.objid, 'SELECT,USAGE')
                        THEN pg_sequence_last_value(d.objid) END)
          FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
           AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')),
       EXISTS (SELECT FROM analyzed a WHERE a.schemaname = n.nspname AND a.tablename = c.relname),
       extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum))::int8,
       extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze))::int8,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       row_security_active(c.oid),
       c.relpersistence = 'u'
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.objsubid = 0 AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname";

/// Every table that holds rows of its own. It waits for nobody's lock.
pub async fn tables(client: &Client) -> Result<Vec<Seen>, Error> {
    let sql = format!(
        "WITH analyzed AS MATERIALIZED (SELECT DISTINCT schemaname, tablename FROM pg_stats){TABLES}"
    );
    let rows = client.query(&sql, &[]).await?;
    Ok(rows.iter().map(seen).collect())
}

fn seen(row: &tokio_postgres::Row) -> Seen {
    let number = |column: usize| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    let name = QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2));
    let ids: Option<i64> = row.get(13);
    let there = There {
        oid: row.get(0),
        filenode: row.get(3),
        root: row.get(4),
        age: number(5),
        writer: u32::try_from(row.get::<_, i64>(6)).unwrap_or_default(),
        written_at: row.get(7),
        inserted: number(8),
        updated: number(9),
        deleted: number(10),
        dead: number(11),
        live: number(12),
        ids: ids.and_then(|ids| u64::try_from(ids).ok()).filter(|ids| *ids > 0),
        was_analyzed: row.get(14),
        vacuumed_at: row.get(15),
        analyzed_at: row.get(16),
        is_unlogged: row.get(19),
        is_of_tool: is_of_tool(&name),
    };
    let hidden = match (row.get(17), row.get(18)) {
        (false, _) => Some("the role may not read it"),
        (true, true) => Some("row-level security hides rows from the role"),
        (true, false) => None,
    };
    Seen { name, there, hidden }
}

/// Counts the rows of one table alone; what the server said where that could not be done.
pub async fn count(client: &Client, table: &QualifiedName) -> Result<u64, String> {
    let sql = format!("SELECT count(*) FROM ONLY {}", table.sql());
    match client.query_one(&sql, &[]).await {
        Ok(row) => Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()),
        Err(error) => Err(server_message(&error)),
    }
}

const KEYS: &str = "
SELECT conname::text, conrelid, confrelid, confdeltype::text
  FROM pg_constraint WHERE contype = 'f' ORDER BY conname, conrelid";

/// Every foreign key.
pub async fn keys(client: &Client) -> Result<Vec<Key>, Error> {
    let rows = client.query(KEYS, &[]).await?;
    let keys = rows.iter().map(|row| Key {
        name: row.get(0),
        child: row.get(1),
        parent: row.get(2),
        on_delete: match row.get::<_, String>(3).as_str() {
            "c" => "CASCADE",
            "n" => "SET NULL",
            "d" => "SET DEFAULT",
            "r" => "RESTRICT",
            _ => "NO ACTION",
        },
    });
    Ok(keys.collect())
}

/// What the server says of itself and its statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSeen {
    /// When the statistics of this database were reset, if they were.
    pub statistics_reset_at: Option<Moment>,
    /// When the server was started.
    pub started_at: Option<Moment>,
    /// When its last checkpoint was, where the role may see it.
    pub checkpoint_at: Option<Moment>,
    /// When the database was made, where the server keeps the times of transactions.
    pub database_made_at: Option<Moment>,
    /// Whether it counts what is done to tables.
    pub counts: bool,
    /// Which statements its log holds (`log_statement`).
    pub logs: String,
    /// Whether it archives its write-ahead log.
    pub archives: bool,
    /// Transactions that were rolled back in this database.
    pub rollbacks: u64,
    /// Whether the role sees what sessions of others do.
    pub sees_others: bool,
}

const SERVER: &str = "
SELECT extract(epoch FROM d.stats_reset)::int8,
       extract(epoch FROM pg_postmaster_start_time())::int8,
       CASE WHEN current_setting('track_commit_timestamp') = 'on' THEN
            (SELECT extract(epoch FROM pg_xact_commit_timestamp(b.xmin))::int8
               FROM pg_database b WHERE b.datname = current_database()) END,
       current_setting('track_counts') = 'on',
       current_setting('log_statement'),
       current_setting('archive_mode') <> 'off',
       coalesce(d.xact_rollback, 0),
       pg_has_role('pg_read_all_stats', 'USAGE') OR current_setting('is_superuser') = 'on'
  FROM (SELECT) AS one
  LEFT JOIN pg_stat_database d ON d.datname = current_database()";

/// A question of its own: managed services refuse it.
const CHECKPOINT: &str =
    "SELECT extract(epoch FROM checkpoint_time)::int8 FROM pg_control_checkpoint()";

/// Asks the server.
pub async fn server(client: &Client) -> Result<ServerSeen, Error> {
    let row = client.query_one(SERVER, &[]).await?;
    let checkpoint = client.query_one(CHECKPOINT, &[]).await.ok();
    Ok(ServerSeen {
        statistics_reset_at: row.get(0),
        started_at: row.get(1),
        checkpoint_at: checkpoint.and_then(|row| row.get(0)),
        database_made_at: row.get(2),
        counts: row.get(3),
        logs: row.get(4),
        archives: row.get(5),
        rollbacks: u64::try_from(row.get::<_, i64>(6)).unwrap_or_default(),
        sees_others: row.get(7),
    })
}

/// Sessions of people and programs, ours left out. What they run is nobody's concern here: it may
/// hold values.
const SESSIONS: &str = "
SELECT pid, usename::text, coalesce(application_name, ''), host(client_addr),
       extract(epoch FROM backend_start)::int8, state
  FROM pg_stat_activity
 WHERE datname = current_database() AND usesysid IS NOT NULL
   AND coalesce(backend_type, 'client backend') = 'client backend'
   AND application_name NOT LIKE 'rowsafe%'
   AND pid <> pg_backend_pid()
 ORDER BY backend_start NULLS LAST, pid";

/// Who is connected to this database.
pub async fn sessions(client: &Client) -> Result<Vec<Session>, Error> {
    let rows = client.query(SESSIONS, &[]).await?;
    let sessions = rows.iter().map(|row| Session {
        pid: row.get(0),
        role: row.get(1),
        application: row.get(2),
        client: row.get(3),
        since: row.get(4),
        state: row.get(5),
    });
    Ok(sessions.collect())
}

/// A statement that the server remembers, as it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text; constants are parameters in most.
    pub text: String,
    /// How often it was run.
    pub calls: u64,
    /// Rows that it changed in all.
    pub rows: u64,
    /// Who ran it.
    pub role: Option<String>,
}

/// How many statements are read, those that changed the most rows first.
const REMEMBERED: i64 = 1000;

/// Statements that may destroy, where pg_stat_statements is installed in this database; `None`
/// where it is not.
pub async fn statements(client: &Client) -> Option<Result<Vec<Statement>, String>> {
    let sql =
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'pg_stat_statements'";
    let schema: String = match client.query_opt(sql, &[]).await {
        Ok(row) => row?.get(0),
        Err(error) => return Some(Err(server_message(&error))),
    };
    let sql = format!(
        "SELECT s.query, s.calls, s.rows, pg_get_userbyid(s.userid)::text
           FROM {}.pg_stat_statements s
          WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND s.query ~* '\\m(delete|truncate|drop|update|merge)\\M'
          ORDER BY s.rows DESC, s.calls DESC, s.query
          LIMIT {REMEMBERED}",
        quote(&schema)
    );
    let number = |row: &tokio_postgres::Row, column: usize| {
        u64::try_from(row.get::<_, i64>(column)).unwrap_or_default()
    };
    let told = client.query(&sql, &[]).await.map_err(|error| server_message(&error));
    Some(told.map(|rows| {
        let statements = rows.iter().map(|row| Statement {
            text: row.get(0),
            calls: number(row, 1),
            rows: number(row, 2),
            role: row.get(3),
        });
        statements.collect()
    }))
}
