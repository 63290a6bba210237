//! An incident in the JSON report.

use jiff::Timestamp;
use serde::Serialize;

use crate::aftermath::{
    Explanation, Incident, Judged, Moment, Remembered, Rows, RunSeen, Session, Source, WayBack,
};
use crate::text::QualifiedName;

/// What `rowsafe incident` found.
#[derive(Debug, Serialize)]
pub struct IncidentModel<'a> {
    severity: &'static str,
    rule: &'a str,
    tables: Vec<TableModel<'a>>,
    explanations: Vec<ExplanationModel<'a>>,
    relations: Vec<RelationModel<'a>>,
    ways_back: Vec<WayModel<'a>>,
    steps: Vec<StepModel<'a>>,
    timeline: Vec<HappenedModel<'a>>,
    facts: Vec<FactModel<'a>>,
    sessions: Vec<SessionModel<'a>>,
    statements: Vec<StatementModel<'a>>,
    runs: Vec<RunModel<'a>>,
    unseen: &'a [String],
}

#[derive(Debug, Serialize)]
struct NameModel<'a> {
    schema: Option<&'a str>,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct TableModel<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    status: &'static str,
    expected: Option<u64>,
    expected_by: Option<&'static str>,
    snapshot: Option<&'a str>,
    found: Option<u64>,
    /// `counted`, `estimated`, `unknown`, `gone`.
    found_by: &'static str,
    missing: u64,
    inserted: Option<u64>,
    updated: Option<u64>,
    deleted: Option<u64>,
    dead: Option<u64>,
    oid: Option<u32>,
    filenode: Option<u32>,
    vacuumed_at: Option<String>,
    analyzed_at: Option<String>,
    notes: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct ExplanationModel<'a> {
    kind: &'static str,
    likelihood: &'static str,
    what: &'a str,
    rows: u64,
    tables: Vec<NameModel<'a>>,
    #[serde(rename = "for")]
    speaks_for: &'a [String],
    against: &'a [String],
}

#[derive(Debug, Serialize)]
struct RelationModel<'a> {
    key: &'a str,
    child: NameModel<'a>,
    parent: NameModel<'a>,
    on_delete: &'static str,
}

#[derive(Debug, Serialize)]
struct WayModel<'a> {
    table: NameModel<'a>,
    snapshot: Option<&'a str>,
    rows: Option<u64>,
    taken_at: Option<String>,
    commands: &'a [String],
    dead: u64,
}

#[derive(Debug, Serialize)]
struct StepModel<'a> {
    phase: &'static str,
    what: &'a str,
    commands: &'a [String],
}

#[derive(Debug, Serialize)]
struct HappenedModel<'a> {
    at: Option<String>,
    what: &'a str,
}

#[derive(Debug, Serialize)]
struct FactModel<'a> {
    name: &'static str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct SessionModel<'a> {
    pid: i32,
    role: Option<&'a str>,
    application: &'a str,
    client: Option<&'a str>,
    since: Option<String>,
    state: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct StatementModel<'a> {
    rule: &'static str,
    text: &'a str,
    table: Option<NameModel<'a>>,
    calls: u64,
    rows: u64,
    role: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RunModel<'a> {
    run: &'a str,
    at: Option<String>,
    command: &'a str,
    user: Option<u32>,
    host: &'a str,
    outcome: &'a str,
    findings: &'a [String],
}

impl<'a> IncidentModel<'a> {
    /// The incident as it is written.
    pub fn of(incident: &'a Incident) -> Self {
        Self {
            severity: incident.severity.name(),
            rule: &incident.rule,
            tables: incident.tables.iter().map(table).collect(),
            explanations: incident.explanations.iter().map(explanation).collect(),
            relations: incident
                .relations
                .iter()
                .map(|relation| RelationModel {
                    key: &relation.key,
                    child: name(&relation.child),
                    parent: name(&relation.parent),
                    on_delete: relation.on_delete,
                })
                .collect(),
            ways_back: incident.ways_back.iter().map(way).collect(),
            steps: incident
                .steps
                .iter()
                .map(|it| StepModel { phase: it.phase, what: &it.what, commands: &it.commands })
                .collect(),
            timeline: incident
                .timeline
                .iter()
                .map(|it| HappenedModel { at: time(Some(it.at)), what: &it.what })
                .collect(),
            facts: incident
                .facts
                .iter()
                .map(|it| FactModel { name: it.name, text: &it.text })
                .collect(),
            sessions: incident.sessions.iter().map(session).collect(),
            statements: incident.statements.iter().map(statement).collect(),
            runs: incident.runs.iter().map(run).collect(),
            unseen: &incident.unseen,
        }
    }
}

fn time(moment: Option<Moment>) -> Option<String> {
    let time = Timestamp::from_second(moment?).ok()?;
    Some(time.to_string())
}

fn name(name: &QualifiedName) -> NameModel<'_> {
    NameModel { schema: name.schema.as_deref(), name: &name.name }
}

fn table(judged: &Judged) -> TableModel<'_> {
    let trace = &judged.trace;
    let there = trace.there.as_ref();
    let source = judged.expected.as_ref().map(|expected| &expected.source);
    TableModel {
        schema: trace.name.schema.as_deref(),
        name: &trace.name.name,
        status: judged.status.name(),
        expected: judged.expected.as_ref().map(|expected| expected.rows),
        expected_by: source.map(Source::name),
        snapshot: match source {
            Some(Source::Snapshot(id)) => Some(id),
            _ => None,
        },
        found: there.and_then(|_| trace.rows.number()),
        found_by: match (&trace.rows, there) {
            (_, None) => "gone",
            (Rows::Counted(_), _) => "counted",
            (Rows::Estimated(..), _) => "estimated",
            (Rows::Unknown(_), _) => "unknown",
        },
        missing: judged.missing(),
        inserted: there.map(|there| there.inserted),
        updated: there.map(|there| there.updated),
        deleted: there.map(|there| there.deleted),
        dead: there.map(|there| there.dead),
        oid: there.map(|there| there.oid),
        filenode: there.map(|there| there.filenode),
        vacuumed_at: time(there.and_then(|there| there.vacuumed_at)),
        analyzed_at: time(there.and_then(|there| there.analyzed_at)),
        notes: match &trace.rows {
            Rows::Estimated(_, why) => {
                judged.notes.iter().map(String::as_str).chain([*why]).collect()
            }
            _ => judged.notes.iter().map(String::as_str).collect(),
        },
    }
}

fn explanation(found: &Explanation) -> ExplanationModel<'_> {
    ExplanationModel {
        kind: found.kind,
        likelihood: found.likelihood.name(),
        what: &found.what,
        rows: found.rows,
        tables: found.tables.iter().map(name).collect(),
        speaks_for: &found.speaks_for,
        against: &found.against,
    }
}

fn way(way: &WayBack) -> WayModel<'_> {
    let snapshot = way.snapshot.as_ref();
    WayModel {
        table: name(&way.table),
        snapshot: snapshot.map(|(id, _, _)| id.as_str()),
        rows: snapshot.map(|(_, rows, _)| *rows),
        taken_at: time(snapshot.map(|(_, _, at)| *at)),
        commands: &way.commands,
        dead: way.dead,
    }
}

fn session(session: &Session) -> SessionModel<'_> {
    SessionModel {
        pid: session.pid,
        role: session.role.as_deref(),
        application: &session.application,
        client: session.client.as_deref(),
        since: time(session.since),
        state: session.state.as_deref(),
    }
}

fn statement(statement: &Remembered) -> StatementModel<'_> {
    StatementModel {
        rule: statement.rule,
        text: &statement.text,
        table: statement.table.as_ref().map(name),
        calls: statement.calls,
        rows: statement.rows,
        role: statement.role.as_deref(),
    }
}

fn run(run: &RunSeen) -> RunModel<'_> {
    RunModel {
        run: &run.id,
        at: time(Some(run.at)),
        command: &run.command,
        user: run.user,
        host: &run.host,
        outcome: &run.outcome,
        findings: &run.findings,
    }
}
