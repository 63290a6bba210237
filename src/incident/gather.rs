//! Reading the traces: what can be seen without counting, then the counts.

use std::cell::RefCell;

use futures_util::future::join_all;
use tokio_postgres::Client;

use super::{APPLICATION, Count, IncidentRequest};
use crate::aftermath::{Key, Remembered, Rows, Session};
use crate::db::connect::connect;
use crate::db::postgres::evidence::{self, Seen, ServerSeen};
use crate::db::postgres::version_table::{self, VersionTable};
use crate::db::postgres::{refusal, server_message};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::QualifiedName;

/// How many statements are told of.
const STATEMENTS: usize = 20;

/// What can be seen without counting.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Every table with its statistics.
    pub tables: Vec<Seen>,
    /// Every foreign key.
    pub keys: Vec<Key>,
    /// The server.
    pub server: ServerSeen,
    /// Who is connected.
    pub sessions: Vec<Session>,
    /// Destructive statements that it remembers.
    pub statements: Vec<Remembered>,
    /// Whether it remembers statements at all.
    pub remembers: bool,
    /// Version tables of migration tools.
    pub versions: Vec<VersionTable>,
    /// What could not be seen.
    pub unseen: Vec<String>,
}

/// Reads all of it; what is denied is said and left out, but for the tables, without which there
/// is nothing to say.
pub async fn evidence(client: &Client) -> Result<Evidence, Refusal> {
    let tables = evidence::tables(client).await.map_err(|error| {
        refusal(Exit::DatabaseUnavailable, "read the statistics of the tables", error)
    })?;
    let mut found = Evidence { tables, ..Evidence::default() };
    match evidence::keys(client).await {
        Ok(keys) => found.keys = keys,
        Err(error) => found.miss("foreign keys", &server_message(&error)),
    }
    match evidence::server(client).await {
        Ok(server) => found.server = server,
        Err(error) => found.miss("the server's settings and statistics", &server_message(&error)),
    }
    match evidence::sessions(client).await {
        Ok(sessions) => found.sessions = sessions,
        Err(error) => found.miss("sessions", &server_message(&error)),
    }
    match version_table::read(client).await {
        Ok(versions) => found.versions = versions,
        Err(error) => found.miss("version tables", &server_message(&error)),
    }
    match evidence::statements(client).await {
        None => {}
        Some(Ok(statements)) => found.remember(&statements),
        Some(Err(why)) => found.miss("pg_stat_statements", &why),
    }
    if !found.server.sees_others {
        found.unseen.push(
            "what sessions and statements of other roles do: GRANT pg_read_all_stats TO the role \
             shows it"
                .to_owned(),
        );
    }
    Ok(found)
}

impl Evidence {
    fn miss(&mut self, what: &str, why: &str) {
        self.unseen.push(format!("{what}: {why}"));
    }

    fn remember(&mut self, statements: &[evidence::Statement]) {
        self.remembers = true;
        let told = statements.iter().flat_map(|told| {
            let role = told.role.as_deref();
            crate::aftermath::remembered::remembered(&told.text, told.calls, told.rows, role)
        });
        self.statements = told.take(STATEMENTS).collect();
    }
}

const NOT_ASKED: &str = "not counted: --count none";
const NOT_READ: &str = "not counted: reading would clear deleted rows out of its file";

/// How many rows each table holds, in the order of the tables.
pub async fn count(
    request: &IncidentRequest,
    tables: &[Seen],
    observer: &mut dyn Observer,
) -> Vec<Rows> {
    let mut rows: Vec<Rows> = tables.iter().map(|seen| estimated(seen, request.count)).collect();
    let to_count: Vec<usize> =
        (0..tables.len()).filter(|at| rows[*at] == Rows::Counted(0)).collect();
    let total = to_count.len();
    let queue = RefCell::new(to_count.iter().copied());
    let counted: RefCell<Vec<(usize, Rows)>> = RefCell::default();
    let observer = RefCell::new(observer);
    let worker = async || {
        let client = counting_session(request).await;
        loop {
            let next = queue.borrow_mut().next();
            let Some(at) = next else { break };
            let found = match &client {
                Ok(client) => one(client, &tables[at].name).await,
                Err(why) => Rows::Unknown(why.clone()),
            };
            counted.borrow_mut().push((at, found));
            let done = counted.borrow().len();
            observer.borrow_mut().notice(Event::Counting { done, total });
        }
    };
    let connections = request.run.counting.connections.clamp(1, total.max(1));
    join_all((0..connections).map(|_| worker())).await;
    for (at, found) in counted.into_inner() {
        rows[at] = found;
    }
    rows
}

async fn one(client: &Client, table: &QualifiedName) -> Rows {
    match evidence::count(client, table).await {
        Ok(rows) => Rows::Counted(rows),
        Err(why) => Rows::Unknown(format!("could not be counted: {why}")),
    }
}

/// What there is to say without reading the table; `Counted(0)` where it is to be counted.
fn estimated(seen: &Seen, count: Count) -> Rows {
    if let Some(why) = seen.hidden {
        return Rows::Unknown(why.to_owned());
    }
    let there = &seen.there;
    let may_hold_deleted = there.live == 0 && there.dead > 0 && there.deleted > 0;
    match count {
        Count::None => Rows::Estimated(there.live, NOT_ASKED),
        Count::Auto if may_hold_deleted => Rows::Estimated(there.live, NOT_READ),
        Count::Auto | Count::All => Rows::Counted(0),
    }
}

async fn counting_session(request: &IncidentRequest) -> Result<Client, String> {
    let options = request.run.counting.session();
    let connected = connect(&request.run.target, APPLICATION, &options).await;
    let client = connected.map_err(|error| error.to_string())?;
    // Row-level security would hide rows without a word; this makes it an error.
    let prepared = client.batch_execute("SET row_security = off").await;
    prepared.map(|()| client).map_err(|error| server_message(&error))
}
