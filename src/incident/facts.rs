//! What was looked at besides the rows, in words, and what happened when.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::gather::Evidence;
use super::records::{Records, is_same};
use crate::aftermath::{Fact, Happened, Judged, Moment, Sameness, Whole};
use crate::inventory::{Identity, Standing};
use crate::known::Known;
use crate::policy::TableRules;
use crate::text::number::{grouped, plural};

/// Tables that are named in one line.
const NAMED: usize = 4;

/// A moment as people read it.
pub fn when(moment: Moment) -> String {
    let Ok(time) = Timestamp::from_second(moment) else { return format!("second {moment}") };
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// When the data directory was made: the upper half of the system identifier.
fn initialized(identity: &Identity) -> Option<Moment> {
    let system = identity.system_identifier?;
    i64::try_from(system >> 32).ok()
}

/// How the database stands against its record.
pub fn whole(
    known: Option<&Known>,
    identity: &Identity,
    standing: &Standing,
    rules: &TableRules,
) -> Whole {
    let mut whole = Whole { initialized_at: initialized(identity), ..Whole::default() };
    let Some(known) = known else { return whole };
    whole.recorded_at = Some(known.recorded_at.as_second());
    let system = identity.system_identifier.map(|system| system.to_string());
    let position = standing.wal.map(|wal| wal.position);
    let is_behind = identity.snapshot_xmax < known.snapshot_xmax
        || known.wal_position.zip(position).is_some_and(|(then, now)| now < then);
    whole.sameness = if known.system_identifier.is_some()
        && system.is_some()
        && known.system_identifier != system
    {
        Sameness::OtherServer
    } else if known.oid != identity.database_oid {
        Sameness::Recreated
    } else if is_behind {
        Sameness::Older
    } else {
        Sameness::Same
    };
    let differences = known.differs(identity, standing, rules).into_iter();
    whole.differences.extend(differences.map(|difference| difference.what));
    if whole.sameness == Sameness::OtherServer
        && let Some(made) = whole.initialized_at.filter(|made| Some(*made) > whole.recorded_at)
    {
        whole
            .differences
            .push(format!("its data directory was made on {}, after the record", when(made)));
    }
    whole
}

/// The server of a database that is not there, against the record.
pub fn server(whole: &mut Whole, records: &Records, server: &Identity) {
    whole.initialized_at = initialized(server);
    let Some(known) = &records.known else { return };
    let system = server.system_identifier.map(|system| system.to_string());
    let (Some(then), Some(now)) = (&known.system_identifier, system) else { return };
    if *then == now {
        whole.differences.push("the server is the one on record".to_owned());
        return;
    }
    whole.sameness = Sameness::OtherServer;
    let made = whole.initialized_at.map_or_else(String::new, |made| {
        format!("; its data directory was made on {}", when(made))
    });
    whole.differences.push(format!(
        "another server answers than on {} (system identifier {then} then, {now} now{made})",
        known.when()
    ));
}

/// What was looked at, in words.
pub fn all(
    whole: &Whole,
    evidence: &Evidence,
    identity: Option<&Identity>,
    known: Option<&Known>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name, text: String| facts.push(Fact { name, text });
    match known {
        Some(known) => add(
            "record",
            format!(
                "of {}: {} in {}",
                known.when(),
                plural(known.rows(), "row"),
                plural(known.tables.len() as u64, "table")
            ),
        ),
        None => add("record", "rowsafe has none of this database".to_owned()),
    }
    for difference in &whole.differences {
        add("differs", difference.clone());
    }
    if let Some(made) = whole.initialized_at {
        add("data directory", format!("made on {}: no row is older on this server", when(made)));
    }
    let Some(identity) = identity else { return facts };
    database(&mut add, evidence, identity);
    statistics(&mut add, evidence);
    revisions(&mut add, evidence, known);
    facts
}

fn database(add: &mut impl FnMut(&'static str, String), evidence: &Evidence, identity: &Identity) {
    let server = &evidence.server;
    let made = server.database_made_at.map_or_else(String::new, |made| {
        format!(", its row in the catalogue written on {}", when(made))
    });
    add("database", format!("oid {}{made}", identity.database_oid));
    let youngest = evidence.tables.iter().map(|seen| seen.there.oid).max();
    if youngest.is_some_and(|oid| oid < identity.database_oid) {
        let text = "all tables are older than the database: it is a copy of another (TEMPLATE), or \
                    a physical restore";
        add("database", text.to_owned());
    }
    if let Some(started) = server.started_at {
        add("server", format!("started on {}", when(started)));
    }
    let logs = match server.logs.as_str() {
        "" => None,
        "none" => Some("its log holds no statements but those that failed (log_statement is none)"),
        "ddl" => {
            Some("its log holds DROP, TRUNCATE and ALTER, but no DELETE (log_statement is ddl)")
        }
        _ => Some("its log holds the statements that changed rows (log_statement)"),
    };
    if let Some(logs) = logs {
        add("log", logs.to_owned());
    }
    let archives = if server.archives {
        "on: a recovery to a point in time may be possible"
    } else {
        "off: there is no recovery to a point in time"
    };
    add("wal archive", archives.to_owned());
}

fn statistics(add: &mut impl FnMut(&'static str, String), evidence: &Evidence) {
    let server = &evidence.server;
    let since = match server.statistics_reset_at {
        Some(at) => format!("reset on {}: what was before is not in them", when(at)),
        None => {
            "never reset by hand; a crash of the server resets them too, without a word".to_owned()
        }
    };
    add("statistics", since);
    if !server.counts {
        let text = "track_counts is off: inserts and deletes are not counted";
        add("statistics", text.to_owned());
    }
    if server.rollbacks > 0 {
        let text = format!(
            "{} rolled back: their inserts and deletes are counted all the same",
            plural(server.rollbacks, "transaction")
        );
        add("statistics", text);
    }
    if !evidence.remembers {
        let text =
            "pg_stat_statements is not installed here: which statements were run is not known";
        add("statements", text.to_owned());
    }
}

fn revisions(
    add: &mut impl FnMut(&'static str, String),
    evidence: &Evidence,
    known: Option<&Known>,
) {
    for table in &evidence.versions {
        let then = known
            .and_then(|known| known.revisions.iter().find(|then| then.qualified() == table.name))
            .map(|then| then.revisions.join(", "))
            .filter(|then| *then != table.revisions.join(", "));
        let then = then.map_or_else(String::new, |then| format!(", {then} on record"));
        let now = match table.revisions.as_slice() {
            [] => "at no revision".to_owned(),
            now => format!("at {}", now.join(", ")),
        };
        add("revision", format!("`{}` is {now}{then}", table.name.short()));
    }
}

/// Which transactions gave tables that miss rows their new files, as far as it can be dated.
pub fn files(tables: &[Judged], identity: Option<&Identity>, known: Option<&Known>) -> Vec<Fact> {
    let mut writers: BTreeMap<u32, Vec<&Judged>> = BTreeMap::new();
    for table in tables.iter().filter(|table| table.misses()) {
        let there = table.trace.there.as_ref().filter(|there| !there.has_first_file());
        if let Some(there) = there {
            writers.entry(there.writer).or_default().push(table);
        }
    }
    let told = writers.iter().map(|(writer, tables)| {
        let there = tables[0].trace.there.as_ref().expect("only tables that are there were taken");
        let named: Vec<String> =
            tables.iter().take(NAMED).map(|table| table.trace.name.short()).collect();
        let more = match tables.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let at = there.written_at.map_or_else(String::new, |at| format!(", on {}", when(at)));
        let dated = dated(there.age, identity, known);
        let ago = plural(there.age, "transaction");
        let text = format!(
            "new since transaction {writer} or one before, {ago} ago{at}{dated}: {}{more}",
            named.join(", ")
        );
        Fact { name: "files", text }
    });
    told.collect()
}

/// Before or after the record, by the numbers of transactions.
fn dated(age: u64, identity: Option<&Identity>, known: Option<&Known>) -> String {
    let (Some(identity), Some(known)) = (identity, known) else { return String::new() };
    if !is_same(known, identity) || identity.snapshot_xmax < known.snapshot_xmax {
        return String::new();
    }
    let is_after = identity.snapshot_xmax.saturating_sub(age) >= known.snapshot_xmax;
    let side = if is_after { "after" } else { "before" };
    format!(", {side} the record of {}", known.when())
}

/// How many moments are told.
const MOMENTS: usize = 40;

/// What happened when, the oldest first.
pub fn timeline(
    whole: &Whole,
    evidence: &Evidence,
    tables: &[Judged],
    records: &Records,
) -> Vec<Happened> {
    let mut found = Vec::new();
    let mut add = |at: Option<Moment>, what: String| {
        found.extend(at.map(|at| Happened { at, what }));
    };
    add(whole.initialized_at, "the server's data directory was made".to_owned());
    add(
        evidence.server.database_made_at,
        "the database's row in the catalogue was written".to_owned(),
    );
    add(evidence.server.statistics_reset_at, "the statistics were reset".to_owned());
    add(evidence.server.started_at, "the server was started".to_owned());
    add(whole.recorded_at, "rowsafe counted every table and made its record".to_owned());
    for manifest in &records.manifests {
        let rows = plural(manifest.verified.rows, "row");
        let at = manifest.created_at.as_second();
        add(Some(at), format!("snapshot {} was taken: {rows}", manifest.id));
    }
    for run in &records.runs {
        add(Some(run.at), format!("run {}: {} ({})", run.id, run.command, run.outcome));
    }
    for table in tables.iter().filter(|table| table.misses()) {
        let Some(there) = &table.trace.there else { continue };
        let name = table.trace.name.short();
        add(there.written_at, format!("`{name}`: its row in the catalogue was written"));
        add(there.vacuumed_at, format!("`{name}` was vacuumed"));
        add(there.analyzed_at, format!("`{name}` was analyzed"));
    }
    add(Some(Timestamp::now().as_second()), told_now(tables));
    found.sort_by_key(|happened| happened.at);
    let first = found.len().saturating_sub(MOMENTS);
    found.split_off(first)
}

fn told_now(tables: &[Judged]) -> String {
    let missing: u64 = tables.iter().map(Judged::missing).sum();
    format!("this report: {} rows missing", grouped(missing))
}
