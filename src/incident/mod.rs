//! After a loss: what is gone, how bad it is, why, where the rows still are, what to do. Nothing is
//! changed, and no lock is held but while a table is counted.

mod facts;
mod gather;
mod records;
mod steps;
mod ways;

use jiff::Timestamp;
use tokio_postgres::Client;

use crate::aftermath::explain::Case;
use crate::aftermath::{
    self, Incident, Judged, Presence, Relation, Rows, Severity, Status, Trace, Whole, severity,
};
use crate::db::connect::{ConnectError, connect, connect_first};
use crate::db::postgres::{identity, refusal};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Identity;
use crate::record::{Answer, Reached, Record, Verdict};
use crate::request::RunRequest;
use crate::secret;
use crate::text::number::{grouped, plural};
use gather::Evidence;
use records::Records;

/// The `application_name` of the sessions that look.
const APPLICATION: &str = "rowsafe incident";

/// What `rowsafe incident` was asked for.
#[derive(Debug, Clone)]
pub struct IncidentRequest {
    /// What a run would be asked for: the database, its record, the store, the journal.
    pub run: RunRequest,
    /// Which tables are counted.
    pub count: Count,
}

/// Which tables are counted row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    /// All but those in whose files deleted rows may still be: reading would clear them away.
    #[default]
    Auto,
    /// All of them.
    All,
    /// None: what the statistics say has to do.
    None,
}

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(format!("`{text}` is none of auto, all, none")),
        }
    }
}

/// Looks at everything; the incident and the answer are in the record.
pub async fn incident(
    request: &IncidentRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    record.migration = secret::mask_words(&request.run.command);
    observer.notice(Event::Working("connecting"));
    let mut records = Records::read(&request.run).await;
    let address = request.run.target.address();
    let seen = match reach(&request.run, record).await {
        Ok((client, run)) => {
            let reached = record.database.as_ref().expect("the database was reached");
            let identity = reached.identity.clone();
            records.keep_own(Some(&identity), &address);
            let request = IncidentRequest { run, count: request.count };
            Box::pin(look(&client, &request, identity, &records, observer)).await?
        }
        Err(Away::Missing(refusal)) => {
            records.keep_own(None, &address);
            missing(&request.run, &records, refusal).await
        }
        Err(Away::Unreachable(refusal)) => {
            records.keep_own(None, &address);
            unreachable(&records, refusal)
        }
    };
    let told = tell(&request.run, seen, records);
    record.answer = Some(told.1);
    record.incident = Some(Box::new(told.0));
    Ok(())
}

/// Why nothing could be looked at.
enum Away {
    /// The server answers, and the database is not there.
    Missing(Refusal),
    /// Anything else.
    Unreachable(Refusal),
}

/// What was seen, before it is told.
struct Seen {
    identity: Option<Identity>,
    whole: Whole,
    evidence: Evidence,
    tables: Vec<Judged>,
    /// Why there was nothing to see.
    refused: Option<Refusal>,
}

/// Connects; of several hosts everything from here on goes to the one that was reached.
async fn reach(run: &RunRequest, record: &mut Record) -> Result<(Client, RunRequest), Away> {
    let options = run.counting.session();
    let connected = connect_first(&run.target, APPLICATION, &options).await;
    let (client, target) = connected.map_err(|error| match error {
        ConnectError::DatabaseMissing { .. } => Away::Missing(error.into()),
        _ => Away::Unreachable(error.into()),
    })?;
    let asked = |error| {
        let asked = "ask the database who it is";
        Away::Unreachable(refusal(Exit::DatabaseUnavailable, asked, error))
    };
    let identity = identity::read(&client).await.map_err(asked)?;
    let (label, source) = (run.target.label(), run.target.source.clone());
    record.database = Some(Reached { label, source, identity });
    Ok((client, RunRequest { target, ..run.clone() }))
}

async fn look(
    client: &Client,
    request: &IncidentRequest,
    identity: Identity,
    records: &Records,
    observer: &mut dyn Observer,
) -> Result<Seen, Refusal> {
    observer.notice(Event::Working("reading statistics, files, keys and sessions"));
    let evidence = gather::evidence(client).await?;
    let standing = identity::standing(client).await.map_err(|error| {
        refusal(Exit::DatabaseUnavailable, "ask how the database stands", error)
    })?;
    let mut whole = facts::whole(records.known.as_ref(), &identity, &standing, &request.run.tables);
    whole.statistics_reset_at = evidence.server.statistics_reset_at;
    let rows = gather::count(request, &evidence.tables, observer).await;
    let now = Timestamp::now().as_second();
    let rules = &request.run.tables;
    let mut traces: Vec<Trace> = Vec::new();
    for (seen, rows) in evidence.tables.iter().zip(rows) {
        let rule = rules.for_table(&seen.name);
        traces.push(Trace {
            name: seen.name.clone(),
            there: Some(seen.there.clone()),
            rows,
            recorded: records.of_table(&seen.name, Some(seen.there.oid), Some(&identity), now),
            is_volatile: rule.is_volatile(),
            min_rows: rule.min_rows,
        });
    }
    let is_there = |name: &crate::text::QualifiedName, oid: u32| {
        evidence
            .tables
            .iter()
            .any(|seen| seen.name == *name || (!whole.is_another() && seen.there.oid == oid))
    };
    traces.extend(gone(records, Some(&identity), rules, now, is_there));
    let was_reset = whole.statistics_reset_at.is_some();
    let tables = traces.into_iter().map(|trace| aftermath::judge(trace, was_reset)).collect();
    Ok(Seen { identity: Some(identity), whole, evidence, tables, refused: None })
}

/// Tables that were there and are not.
fn gone(
    records: &Records,
    identity: Option<&Identity>,
    rules: &crate::policy::TableRules,
    now: i64,
    is_there: impl Fn(&crate::text::QualifiedName, u32) -> bool,
) -> Vec<Trace> {
    let mut traces: Vec<Trace> = Vec::new();
    for (name, oid) in records.tables(now) {
        if is_there(&name, oid) || traces.iter().any(|trace| trace.name == name) {
            continue;
        }
        let recorded = records.of_table(&name, Some(oid), identity, now);
        if recorded.is_empty() {
            continue;
        }
        let rule = rules.for_table(&name);
        traces.push(Trace {
            name,
            there: None,
            rows: Rows::Counted(0),
            recorded,
            is_volatile: rule.is_volatile(),
            min_rows: rule.min_rows,
        });
    }
    traces
}

/// The server is there and the database is not: what is on record of both.
async fn missing(run: &RunRequest, records: &Records, refused: Refusal) -> Seen {
    let mut whole = Whole { presence: Presence::Missing, ..of_record(records) };
    whole.differences.push(refused.to_string());
    let elsewhere = run.target.with_database("postgres");
    let client = connect(&elsewhere, APPLICATION, &run.counting.session()).await;
    if let Ok(client) = client
        && let Ok(server) = identity::read(&client).await
    {
        facts::server(&mut whole, records, &server);
    }
    seen_from_afar(whole, records, refused, run)
}

fn unreachable(records: &Records, refused: Refusal) -> Seen {
    let mut whole = Whole { presence: Presence::Unreachable, ..of_record(records) };
    whole.differences.push(refused.to_string());
    let evidence = Evidence::default();
    Seen { identity: None, whole, evidence, tables: Vec::new(), refused: Some(refused) }
}

fn of_record(records: &Records) -> Whole {
    let known = records.known.as_ref();
    Whole { recorded_at: known.map(|known| known.recorded_at.as_second()), ..Whole::default() }
}

fn seen_from_afar(whole: Whole, records: &Records, refused: Refusal, run: &RunRequest) -> Seen {
    let now = Timestamp::now().as_second();
    let traces = gone(records, None, &run.tables, now, |_, _| false);
    let tables = traces.into_iter().map(|trace| aftermath::judge(trace, false)).collect();
    let evidence = Evidence::default();
    Seen { identity: None, whole, evidence, tables, refused: Some(refused) }
}

/// Everything that is reported, and the answer.
fn tell(run: &RunRequest, seen: Seen, mut records: Records) -> (Incident, Answer) {
    let Seen { identity, whole, evidence, mut tables, refused } = seen;
    // The worst first; of the same kind the one that misses the most.
    tables.sort_by(|one, other| {
        (one.status, std::cmp::Reverse(one.missing()), &one.trace.name).cmp(&(
            other.status,
            std::cmp::Reverse(other.missing()),
            &other.trace.name,
        ))
    });
    let (severity, rule) = severity(&whole, &tables);
    let statements = &evidence.statements;
    let case = Case { tables: &tables, keys: &evidence.keys, whole: &whole, statements };
    let explanations = case.explanations();
    let ways_back = ways::back(&tables, &records.manifests, &whole);
    let mut facts = facts::all(&whole, &evidence, identity.as_ref(), records.known.as_ref());
    facts.extend(facts::files(&tables, identity.as_ref(), records.known.as_ref()));
    let timeline = facts::timeline(&whole, &evidence, &tables, &records);
    let steps = steps::all(&steps::Known {
        run,
        severity,
        whole: &whole,
        evidence: &evidence,
        tables: &tables,
        ways: &ways_back,
        manifests: &records.manifests,
    });
    let mut unseen = std::mem::take(&mut records.unseen);
    unseen.extend(evidence.unseen.iter().cloned());
    let incident = Incident {
        severity,
        rule,
        relations: relations(&tables, &evidence),
        tables,
        facts,
        sessions: evidence.sessions,
        statements: evidence.statements,
        runs: records.runs,
        explanations,
        ways_back,
        timeline,
        steps,
        unseen,
    };
    let answer = answer(&incident, &whole, refused);
    (incident, answer)
}

/// Keys between tables of which one misses rows.
fn relations(tables: &[Judged], evidence: &Evidence) -> Vec<Relation> {
    let of = |oid: u32| {
        tables.iter().find(|table| {
            let there = table.trace.there.as_ref();
            there.is_some_and(|there| there.oid == oid || there.root == Some(oid))
        })
    };
    let relations = evidence.keys.iter().filter_map(|key| {
        let (child, parent) = (of(key.child)?, of(key.parent)?);
        (child.misses() || parent.misses()).then(|| Relation {
            key: key.name.clone(),
            child: child.trace.name.clone(),
            parent: parent.trace.name.clone(),
            on_delete: key.on_delete,
        })
    });
    relations.collect()
}

fn answer(incident: &Incident, whole: &Whole, refused: Option<Refusal>) -> Answer {
    let count = |status: Status| {
        incident.tables.iter().filter(|table| table.status == status).count() as u64
    };
    if let Some(refused) = refused {
        let verdict = if whole.is_missing() { Verdict::Lost } else { Verdict::Error };
        let hints = refused.hints().to_vec();
        let sentence = format!("{}: {refused}", incident.severity.name());
        return Answer { verdict, exit: Exit::DatabaseUnavailable, sentence, hints };
    }
    let unknown = match count(Status::Unknown) {
        0 => String::new(),
        unknown => format!("; of {} it can't be told", plural(unknown, "table")),
    };
    if incident.severity == Severity::None && !whole.is_another() {
        let rows: u64 = incident.tables.iter().filter_map(Judged::found).sum();
        let tables = plural(incident.tables.len() as u64, "table");
        let sentence = format!(
            "nothing is missing as far as can be told, {} in {tables}{unknown}",
            plural(rows, "row")
        );
        return Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints: Vec::new() };
    }
    let exit = if whole.is_another() { Exit::DatabaseUnavailable } else { Exit::Loss };
    let told = [Status::Gone, Status::Wiped, Status::Partial, Status::Emptied].map(|status| {
        let count = count(status);
        (count > 0).then(|| format!("{} {}", grouped(count), status.name()))
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    let missing: u64 = incident.tables.iter().map(Judged::missing).sum();
    let what = if told.is_empty() {
        incident.rule.clone()
    } else {
        format!(
            "{} of {}; {} missing",
            told.join(", "),
            plural(incident.tables.len() as u64, "table"),
            plural(missing, "row")
        )
    };
    let verdict = if incident.severity == Severity::None { Verdict::Error } else { Verdict::Lost };
    let mut hints: Vec<String> = ways::together(&incident.ways_back);
    hints.truncate(3);
    let mut sentence = format!("{}: {what}{unknown}", incident.severity.name());
    if whole.is_another() {
        sentence.push_str("; it is not the database on record");
        hints.extend(whole.differences.first().cloned());
    }
    Answer { verdict, exit, sentence, hints }
}
