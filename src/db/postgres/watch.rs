//! Was the migration command seen on this database?
//!
//! An env.py may override the URL, and an async one may never commit: both exit 0 with nothing done
//! here. While the command runs, new sessions are looked for in `pg_stat_activity`; afterwards the
//! count of sessions that the server keeps (`pg_stat_database.sessions`, reliable from PostgreSQL 15
//! on) tells of those that came and went between two looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::identity::snapshot_xmax;
/// What rowsafe's own sessions call themselves begins so.
const OWN: &str = "rowsafe ";

/// How long to wait for the command's sessions to be gone from the server.
const SETTLE: Duration = Duration::from_secs(3);

/// What was there before the command started.
pub struct Watch<'a> {
    client: &'a Client,
    marker: String,
    /// The server's clock when the first look was taken.
    since: String,
    /// Sessions that were there before the command.
    present: BTreeSet<i32>,
    /// Sessions that came since, and what they call themselves.
    newcomers: BTreeMap<i32, String>,
    sessions: Option<i64>,
    xmax: u64,
    seen: Seen,
}

/// What was seen of the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was observed")]
pub struct Seen {
    /// A session with the command's `application_name` was on this database.
    pub marked_here: bool,
    /// Such a session was on another database of the same server; its name.
    pub marked_elsewhere: Option<String>,
    /// New sessions on this database, whoever they belong to.
    pub sessions_here: bool,
    /// A session of the command was still here some time after the command had ended.
    pub still_here: bool,
    /// The server does not count sessions, or only after a while: one that came and went between
    /// two looks was not noticed.
    pub uncounted: bool,
    /// Something was written somewhere in the cluster.
    pub cluster_written: bool,
    /// Others that were at work on this database since the first look, as they call themselves;
    /// only sessions that can't be the command's.
    pub others: BTreeSet<String>,
    /// Sessions that may be the command's are still connected: what they wrote may not be counted
    /// yet.
    pub may_hide: bool,
}

impl<'a> Watch<'a> {
    /// Notes what is there before the command starts; `marker` is the `application_name` that it
    /// is given, `since` the server's time of the first look at the rows.
    pub async fn start(client: &'a Client, marker: &str, since: &str) -> Result<Self, Error> {
        let rows = client.query("SELECT pid FROM pg_stat_activity", &[]).await?;
        Ok(Self {
            client,
            marker: marker.to_owned(),
            since: since.to_owned(),
            newcomers: BTreeMap::new(),
            present: rows.iter().map(|row| row.get(0)).collect(),
            sessions: session_count(client).await?,
            xmax: snapshot_xmax(client).await?,
            seen: Seen::default(),
        })
    }

    /// One look at who is connected.
    pub async fn look(&mut self) -> Result<(), Error> {
        // The state of other roles' sessions is hidden without pg_read_all_stats: those may have
        // worked.
        let sql = "
            SELECT pid, coalesce(datname::text, ''), coalesce(application_name, ''),
                   coalesce(datname = current_database(), false),
                   coalesce(state <> 'idle' OR state_change >= $1::text::timestamptz, true),
                   coalesce(usename::text, '')
              FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND datid IS NOT NULL
               AND backend_type IN ('client backend', 'logical replication worker')";
        let mut here = BTreeSet::new();
        for row in self.client.query(sql, &[&self.since]).await? {
            let pid: i32 = row.get(0);
            let application: String = row.get(2);
            let is_here: bool = row.get(3);
            let was_there = self.present.contains(&pid);
            // The server cuts application_name to 63 bytes (NAMEDATALEN).
            let is_marked = !was_there && application == self.marker;
            match (is_here, is_marked) {
                (true, true) => self.seen.marked_here = true,
                (false, true) => self.seen.marked_elsewhere = Some(row.get(1)),
                (true, false) if application.starts_with(OWN) => {}
                (true, false) if was_there => {
                    if row.get(4) {
                        let role: String = row.get(5);
                        self.seen.others.insert(called(&application, &role));
                    }
                }
                (true, false) => {
                    self.seen.sessions_here = true;
                    here.insert(pid);
                    self.newcomers.insert(pid, application);
                }
                (false, false) => {}
            }
        }
        self.seen.may_hide = !here.is_empty();
        Ok(())
    }

    /// Looks until the waiting future ends; gives back what it gave.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut pause = Duration::from_millis(20);
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                () = tokio::time::sleep(pause) => {
                    // A look that fails is no reason to disturb the command: the comparison
                    // afterwards finds out that the server is gone.
                    let _ = self.look().await;
                    pause = (pause * 2).min(Duration::from_millis(250));
                }
            }
        }
    }

    /// What was seen, once the command's sessions have had time to end.
    pub async fn finish(mut self) -> Result<Seen, Error> {
        self.look().await?;
        let deadline = tokio::time::Instant::now() + SETTLE;
        while self.anyone_left().await? {
            if tokio::time::Instant::now() >= deadline {
                self.seen.still_here = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let now = session_count(self.client).await?;
        self.seen.sessions_here |= now > self.sessions;
        self.seen.uncounted = !counts_at_once(self.client).await?;
        self.look().await?;
        self.seen.cluster_written = snapshot_xmax(self.client).await? != self.xmax;
        // Beside a command that says who it is, a session that says it is something else is not
        // the command's.
        if self.seen.marked_here {
            let named = self.newcomers.values().filter(|name| !name.is_empty());
            self.seen.others.extend(named.map(|name| called(name, "")));
        } else if !self.seen.sessions_here {
            // Behind a pooler the command works in sessions that were there before.
            self.seen.may_hide |= !self.seen.others.is_empty();
        }
        Ok(self.seen)
    }

    async fn anyone_left(&self) -> Result<bool, Error> {
        // Of a name that the user gave there may be others, from before.
        let sql = "SELECT count(*) FROM pg_stat_activity
                    WHERE application_name = left($1, 63) AND datname = current_database()
                      AND pid <> ALL ($2)";
        let present: Vec<i32> = self.present.iter().copied().collect();
        let row = self.client.query_one(sql, &[&self.marker, &present]).await?;
        Ok(row.get::<_, i64>(0) > 0)
    }
}

/// How a session is called: by its `application_name`, or else by its role.
fn called(application: &str, role: &str) -> String {
    if application.is_empty() { format!("a session of {role}") } else { application.to_owned() }
}

/// Whether a session that has ended is counted: up to PostgreSQL 14 that takes its time.
async fn counts_at_once(client: &Client) -> Result<bool, Error> {
    let sql = "SELECT current_setting('server_version_num')::int4 >= 150000";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Sessions ever established to this database; counted since PostgreSQL 14.
async fn session_count(client: &Client) -> Result<Option<i64>, Error> {
    let sql = "SELECT to_jsonb(s)->>'sessions' FROM pg_stat_database s
                WHERE datname = current_database()";
    let row = client.query_opt(sql, &[]).await?;
    let text: Option<String> = row.and_then(|row| row.get(0));
    Ok(text.and_then(|text| text.parse().ok()))
}
