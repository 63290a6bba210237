//! What the server, the role and the tools can do, and what the rows say.

use tokio_postgres::Client;

use crate::db::postgres::catalog::{self, Readable};
use crate::db::postgres::health;
use crate::db::postgres::{inventory, server_message};
use crate::event::{Event, Observer};
use crate::inventory::Identity;
use crate::known::Known;
use crate::recognize::{self, Expected};
use crate::record::{Check, CheckStatus};
use crate::request::RunRequest;
use crate::snapshot::tools;
use crate::text::number::{bytes as sized, grouped, plural};
use crate::thresholds as limits;

/// How far two clocks may be apart.
const SKEW: f64 = 5.0;

/// How many tables or statements are named one by one.
const NAMED: usize = 20;

/// pg_dump and pg_restore: there, and new enough.
pub async fn tools(run: &RunRequest, identity: &Identity) -> Check {
    const NAME: &str = "pg_dump";
    let dump = match tools::version(&run.tools.dump).await {
        Ok(version) => version,
        Err(refusal) => return Check::refused(NAME, &refusal),
    };
    let num = identity.server_version_num;
    if let Err(refusal) = tools::refuse_older(&dump, &identity.server_version, num) {
        return Check::refused(NAME, &refusal);
    }
    match tools::version(&run.tools.restore).await {
        Ok(restore) => Check::ok(NAME, format!("{}, {}", dump.text, restore.text)),
        Err(refusal) => Check::refused(NAME, &refusal),
    }
}

/// Whether the role may read everything that a count and a dump read.
pub async fn rights(client: &Client) -> Vec<Check> {
    const NAME: &str = "rights";
    let asked = match (health::denied(client).await, catalog::tables(client).await) {
        (Ok(denied), Ok(tables)) => (denied, tables),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Check::failed(
                NAME,
                format!("could not be asked: {}", server_message(&error)),
            )];
        }
    };
    let (denied, tables) = asked;
    let mut checks = Vec::new();
    if let Some(first) = denied.first() {
        let more = match denied.len() - 1 {
            0 => String::new(),
            more => format!(" and {} more", grouped(more as u64)),
        };
        let mut check =
            Check::failed(NAME, format!("the role may not read {}{more}", first.object));
        check.hints = denied.iter().take(NAMED).map(|denied| denied.grant.clone()).collect();
        if denied.len() > NAMED {
            check =
                check.hint("or, on PostgreSQL 14 and later: GRANT pg_read_all_data TO the role");
        }
        checks.push(check);
    }
    let hidden: Vec<String> = tables
        .iter()
        .filter(|listed| listed.readable == Readable::RowSecurity)
        .map(|listed| listed.table.name.short())
        .collect();
    if let Some(first) = hidden.first() {
        let tables = plural(hidden.len() as u64, "table");
        let message = format!("row-level security hides rows of {tables}, the first is `{first}`");
        checks.push(
            Check::failed("row-security", message)
                .hint("run as the tables' owner (without FORCE ROW LEVEL SECURITY), or ALTER ROLE … BYPASSRLS"),
        );
    }
    if checks.is_empty() {
        let said = plural(tables.len() as u64, "table");
        checks.push(Check::ok(NAME, format!("the role may read every row of {said}")));
    }
    checks
}

/// What the server says of itself.
pub async fn health(client: &Client) -> Vec<Check> {
    let before = now();
    let health = match health::read(client).await {
        Ok(health) => health,
        Err(error) => {
            let message = format!("the server does not say how it is: {}", server_message(&error));
            return vec![Check::warning("server", message)];
        }
    };
    let archiving = match (health.archives, health.archiving_fails) {
        (true, false) => Check::ok("wal-archiving", "the write-ahead log is archived"),
        (true, true) => Check::warning("wal-archiving", "the last attempt to archive has failed")
            .hint("the server's log and pg_stat_archiver say why"),
        (false, _) => Check::note(
            "wal-archiving",
            "off: between two snapshots there is no way back to a point in time",
        ),
    };
    let checksums = if health.has_checksums {
        Check::ok("checksums", "pages have checksums")
    } else {
        Check::note("checksums", "off: damage of the storage is not noticed")
    };
    let mut checks = vec![archiving, checksums, clock(health.clock, before, now())];
    if !health.sees_others {
        checks.push(
            Check::note("statistics", "what sessions of other roles do is not visible to this one")
                .hint(
                    "GRANT pg_read_all_stats lets rowsafe tell their writes from the migration's",
                ),
        );
    }
    checks
}

/// The server's clock against ours; it was asked between `before` and `after`.
fn clock(server: f64, before: f64, after: f64) -> Check {
    const NAME: &str = "clock";
    let skew = if server < before { before - server } else { (server - after).max(0.0) };
    let (seconds, way) =
        (format!("{skew:.0} s"), if server < before { "behind" } else { "ahead of" });
    if skew > SKEW {
        return Check::warning(NAME, format!("the server's clock is {seconds} {way} this one"))
            .hint("is time synchronized (NTP) on both?");
    }
    Check::ok(NAME, "the server's clock and this one agree")
}

/// Seconds since 1970 here.
fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// What was counted.
pub struct Counted {
    /// How many rows there are, against the record.
    pub check: Check,
    /// What the counts say about whether it is the database on record, where they object.
    pub refused: Option<Check>,
    /// All rows.
    pub rows: Option<u64>,
}

/// Counts every row, and holds the counts against the record.
pub async fn rows(
    run: &RunRequest,
    known: Option<&Known>,
    bytes: Option<u64>,
    observer: &mut dyn Observer,
) -> Counted {
    const NAME: &str = "rows";
    let progress = |done, total| observer.notice(Event::Counting { done, total });
    let inventory = match inventory::take(&run.target, &run.counting, progress).await {
        Ok(inventory) => inventory,
        Err(refusal) => {
            return Counted { check: Check::refused(NAME, &refusal), refused: None, rows: None };
        }
    };
    let rows = inventory.rows();
    let differences = Expected::of(run).counted(&inventory, bytes).unwrap_or_default();
    let refusing: Vec<_> =
        differences.iter().filter(|difference| difference.refuses).cloned().collect();
    let database = &inventory.identity.database;
    let refused = (!refusing.is_empty())
        .then(|| Check::refused("identity", &recognize::refused(database, &refusing)));
    let size = bytes.map_or_else(String::new, |bytes| format!(", {}", sized(bytes)));
    let tables = plural(inventory.tables.len() as u64, "table");
    let said = format!("{} in {tables}{size}", plural(rows, "row"));
    let trend = known.map_or_else(String::new, |known| {
        let size = known.bytes.map_or_else(String::new, |bytes| format!(", {}", sized(bytes)));
        format!("; {}{size} on {}", grouped(known.rows()), known.when())
    });
    let emptied =
        known.map(|known| known.emptied_tables(&inventory, &run.tables)).unwrap_or_default();
    let status = if emptied.is_empty() { CheckStatus::Ok } else { CheckStatus::Warning };
    let mut check = Check { status, ..Check::ok(NAME, said + &trend) };
    check.hints = emptied.into_iter().take(NAMED).collect();
    Counted { check, refused, rows: Some(rows) }
}

/// Thresholds of the configuration, where there are any.
pub async fn thresholds(client: &Client, run: &RunRequest, known: Option<&Known>) -> Option<Check> {
    const NAME: &str = "thresholds";
    let count = run.tables.iter().filter(|(_, rule)| rule.has_threshold()).count() as u64;
    if count == 0 {
        return None;
    }
    Some(match limits::standing(client, &run.tables, known, &[]).await {
        Err(refusal) => Check::refused(NAME, &refusal),
        Ok(breaches) if breaches.is_empty() => {
            Check::ok(NAME, format!("{} met", plural(count, "threshold")))
        }
        Ok(breaches) => {
            let what: Vec<String> = breaches.into_iter().map(|breach| breach.what).collect();
            Check::failed(NAME, what.join("; "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::clock;
    use crate::record::CheckStatus;

    #[test]
    fn clocks_that_differ_are_said_and_a_slow_answer_is_no_difference() {
        let of = |server| {
            let check = clock(server, 100.0, 103.0);
            (check.status, check.message)
        };
        for server in [98.0, 101.0, 107.0] {
            assert_eq!(of(server).0, CheckStatus::Ok, "{server}");
        }
        let behind = "the server's clock is 40 s behind this one".to_owned();
        assert_eq!(of(60.0), (CheckStatus::Warning, behind));
        assert_eq!(of(203.0).1, "the server's clock is 100 s ahead of this one");
    }
}
