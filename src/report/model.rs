//! The report as other programs read it: `rowsafe.report/1`, described in docs/reference/report.md.
//!
//! Version matrix: fields may be added within version 1 and readers must ignore those they don't
//! know; a field is never renamed or removed without a new version.

use serde::Serialize;

use super::incident::model::IncidentModel;
use super::restoring;
use super::shelf_model::{self, FileModel, Shelved};
use crate::finding::{AllowanceSource, Finding};
use crate::loss::Loss;
use crate::record::{Check, KeepSummary, PlannedStatement, Record};
use crate::text::QualifiedName;
use crate::verdict::{Compared, Lost, Status, TableChange, ValuesGone};

/// The version this program writes.
pub const SCHEMA: &str = "rowsafe.report/1";

/// A report.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    rowsafe_version: &'static str,
    command: &'static str,
    run: &'a str,
    started_at: String,
    verdict: &'static str,
    exit: Option<u8>,
    message: &'a str,
    hints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity<'a>>,
    migration: &'a [String],
    revisions: Revisions<'a>,
    scripts: Vec<Script<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<StatementModel<'a>>,
    findings: Vec<FindingModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<KeepModel<'a>>,
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Snapshot<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore: Option<restoring::Model<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<Child<'a>>,
    tables: Vec<TableModel<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckModel<'a>>,
    /// The id of the snapshot that was taken, where taking one was all that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<Shelved<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<IncidentModel<'a>>,
    phases: Vec<Phase>,
}

#[derive(Debug, Serialize)]
struct Identity<'a> {
    /// `user@host:port/db`, never a password.
    label: &'a str,
    /// What named the database.
    source: &'a str,
    database: &'a str,
    role: &'a str,
    /// A string, because JSON's numbers are too small for it.
    system_identifier: Option<String>,
    database_oid: u32,
    server_version: &'a str,
    is_standby: bool,
}

#[derive(Debug, Serialize)]
struct Revisions<'a> {
    before: &'a [String],
    target: &'a [String],
    after: Option<&'a [String]>,
}

#[derive(Debug, Serialize)]
struct Script<'a> {
    name: &'a str,
    path: Option<&'a str>,
    revision: Option<&'a str>,
    knowledge: &'static str,
    reasons: &'a [String],
    statements: usize,
}

#[derive(Debug, Serialize)]
struct StatementModel<'a> {
    /// The script, by its place in `scripts`.
    script: usize,
    line: Option<usize>,
    text: &'a str,
    /// The findings that speak of it, by their place in `findings`.
    findings: &'a [usize],
}

#[derive(Debug, Serialize)]
struct KeepModel<'a> {
    scope: &'static str,
    why: &'a [String],
    tables: Vec<KeptModel<'a>>,
    of_tables: usize,
    bytes: u64,
    seconds: Option<f64>,
    free_space: Option<u64>,
}

#[derive(Debug, Serialize)]
struct KeptModel<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct FindingModel<'a> {
    rule: &'static str,
    severity: &'static str,
    certainty: &'static str,
    object: ObjectModel<'a>,
    place: PlaceModel<'a>,
    statement: &'a str,
    loss: Option<LossModel<'a>>,
    message: &'a str,
    instead: &'a str,
    allowance: Option<AllowanceModel<'a>>,
}

#[derive(Debug, Serialize)]
struct ObjectModel<'a> {
    kind: &'static str,
    schema: Option<&'a str>,
    table: Option<&'a str>,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct PlaceModel<'a> {
    path: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    revision: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct LossModel<'a> {
    /// Null when it is not known.
    rows: Option<u64>,
    /// Null when it is not known.
    values: Option<u64>,
    exact: bool,
    through: &'a [String],
}

#[derive(Debug, Serialize)]
struct AllowanceModel<'a> {
    object: &'a str,
    reason: &'a str,
    max_rows: Option<u64>,
    /// `comment`, `command-line`, `configuration` or `prompt`.
    source: &'static str,
    path: Option<&'a str>,
    line: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    id: &'a str,
    path: &'a str,
    bytes: u64,
    dump_bytes: u64,
    tables: u64,
    rows: u64,
    verified: bool,
    scope: &'a str,
    of_tables: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<ElsewhereModel<'a>>,
}

#[derive(Debug, Serialize)]
struct ElsewhereModel<'a> {
    driver: &'a str,
    program: &'a str,
    reference: &'a str,
    restore: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Child<'a> {
    exit: Option<i32>,
    signal: Option<&'a str>,
    seconds: f64,
    abandoned: bool,
}

#[derive(Debug, Serialize)]
struct TableModel<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    rows_before: Option<u64>,
    rows_after: Option<u64>,
    planned: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_to: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnModel<'a>>,
    /// `counts`, `untouched`, `values` or `sampled`.
    compared: &'static str,
    /// Of so many rows one was compared, where that is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    one_in: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<ValuesModel<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    losses: Vec<LostModel<'a>>,
}

#[derive(Debug, Serialize)]
struct ValuesModel<'a> {
    column: &'a str,
    overwritten: u64,
    wiped: u64,
}

#[derive(Debug, Serialize)]
struct LostModel<'a> {
    what: &'a str,
    rows: u64,
    values: u64,
    planned: bool,
    /// `migration`, `either` or `others`.
    by: &'static str,
}

#[derive(Debug, Serialize)]
struct ColumnModel<'a> {
    name: &'a str,
    status: &'static str,
}

/// One thing that `rowsafe doctor` looked at.
#[derive(Debug, Serialize)]
struct CheckModel<'a> {
    name: &'static str,
    /// `ok`, `note`, `warning`, `failed`.
    status: &'static str,
    message: &'a str,
    hints: &'a [String],
}

#[derive(Debug, Serialize)]
struct Phase {
    name: &'static str,
    seconds: f64,
}

impl<'a> Report<'a> {
    /// The report of what is known so far.
    pub fn of(record: &'a Record) -> Self {
        let answer = record.answer.as_ref();
        Self {
            schema: SCHEMA,
            rowsafe_version: env!("CARGO_PKG_VERSION"),
            command: record.command,
            run: &record.run_id,
            started_at: record.started_at.to_string(),
            verdict: answer.map_or("error", |answer| answer.verdict.name()),
            exit: answer.map(|answer| answer.exit.code()),
            message: answer.map_or("", |answer| &answer.sentence),
            hints: answer.map_or(&[], |answer| &answer.hints),
            identity: identity(record),
            migration: &record.migration,
            revisions: Revisions {
                before: &record.revisions.before,
                target: &record.revisions.target,
                after: record.revisions.after.as_deref(),
            },
            scripts: scripts(record),
            statements: record.statements.iter().map(statement).collect(),
            findings: record.findings.iter().map(finding).collect(),
            keep: record.keep.as_ref().map(keep),
            warnings: &record.warnings,
            snapshot: snapshot(record),
            restore: record.restore.as_ref().map(restoring::Model::of),
            child: child(record),
            tables: tables(record),
            checks: record.checks.iter().map(check).collect(),
            id: record
                .snapshot
                .as_ref()
                .filter(|_| record.command == "snapshot create")
                .map(|kept| kept.id.as_str()),
            snapshots: shelf_model::snapshots(record),
            files: record.files.iter().map(FileModel::of).collect(),
            incident: record.incident.as_deref().map(IncidentModel::of),
            phases: record
                .phases
                .iter()
                .map(|phase| Phase { name: phase.name, seconds: phase.seconds })
                .collect(),
        }
    }
}

fn identity(record: &Record) -> Option<Identity<'_>> {
    record.database.as_ref().map(|reached| Identity {
        label: &reached.label,
        source: &reached.source,
        database: &reached.identity.database,
        role: &reached.identity.role,
        system_identifier: reached.identity.system_identifier.map(|id| id.to_string()),
        database_oid: reached.identity.database_oid,
        server_version: &reached.identity.server_version,
        is_standby: reached.identity.is_standby,
    })
}

fn scripts(record: &Record) -> Vec<Script<'_>> {
    let mut scripts = Vec::with_capacity(record.scripts.len());
    for script in &record.scripts {
        scripts.push(Script {
            name: &script.name,
            path: script.path.as_deref(),
            revision: script.revision.as_deref(),
            knowledge: script.knowledge,
            reasons: &script.reasons,
            statements: script.statements,
        });
    }
    scripts
}

fn statement(statement: &PlannedStatement) -> StatementModel<'_> {
    StatementModel {
        script: statement.script,
        line: statement.line,
        text: &statement.text,
        findings: &statement.findings,
    }
}

fn keep(keep: &KeepSummary) -> KeepModel<'_> {
    KeepModel {
        scope: keep.scope,
        why: &keep.why,
        tables: keep.tables.iter().map(kept_table).collect(),
        of_tables: keep.of_tables,
        bytes: keep.bytes,
        seconds: keep.seconds,
        free_space: keep.free_space,
    }
}

fn kept_table((name, bytes): &(QualifiedName, u64)) -> KeptModel<'_> {
    KeptModel { schema: name.schema.as_deref(), name: &name.name, bytes: *bytes }
}

fn snapshot(record: &Record) -> Option<Snapshot<'_>> {
    record.snapshot.as_ref().map(|kept| Snapshot {
        id: &kept.id,
        path: &kept.path,
        bytes: kept.bytes,
        dump_bytes: kept.dump_bytes,
        tables: kept.tables,
        rows: kept.rows,
        verified: kept.is_verified(),
        scope: &kept.scope,
        of_tables: kept.of_tables,
        elsewhere: kept.elsewhere.as_ref().map(|elsewhere| ElsewhereModel {
            driver: &elsewhere.driver,
            program: &elsewhere.program,
            reference: &elsewhere.reference,
            restore: elsewhere.restore.as_deref(),
        }),
    })
}

fn child(record: &Record) -> Option<Child<'_>> {
    record.child.as_ref().map(|child| Child {
        exit: child.exit,
        signal: child.signal.as_deref(),
        seconds: child.seconds,
        abandoned: child.is_abandoned,
    })
}

fn check(check: &Check) -> CheckModel<'_> {
    let (message, hints) = (check.message.as_str(), check.hints.as_slice());
    CheckModel { name: check.name, status: check.status.name(), message, hints }
}

fn tables(record: &Record) -> Vec<TableModel<'_>> {
    let tables = record.comparison.as_ref().map_or(&[][..], |comparison| &comparison.tables);
    tables.iter().map(table).collect()
}

fn table(change: &TableChange) -> TableModel<'_> {
    TableModel {
        schema: change.name.schema.as_deref(),
        name: &change.name.name,
        rows_before: change.rows_before,
        rows_after: change.rows_after,
        // Nothing happened that anybody had to plan.
        planned: change.planned
            && (change.status != Status::Intact
                || !change.columns.is_empty()
                || !change.values.is_empty()),
        status: change.status.name(),
        renamed_to: change.renamed_to.as_ref().map(ToString::to_string),
        columns: change
            .columns
            .iter()
            .map(|column| ColumnModel { name: &column.name, status: column.status.name() })
            .collect(),
        compared: change.compared.name(),
        one_in: match change.compared {
            Compared::Sampled(one_in) => Some(one_in),
            _ => None,
        },
        values: change.values.iter().map(values).collect(),
        losses: change.losses.iter().map(lost).collect(),
    }
}

fn values(gone: &ValuesGone) -> ValuesModel<'_> {
    let ValuesGone { column, overwritten, wiped } = gone;
    ValuesModel { column, overwritten: *overwritten, wiped: *wiped }
}

fn lost(lost: &Lost) -> LostModel<'_> {
    LostModel {
        what: &lost.what,
        rows: lost.rows,
        values: lost.values,
        planned: lost.planned,
        by: lost.by.name(),
    }
}

fn finding(finding: &Finding) -> FindingModel<'_> {
    FindingModel {
        rule: finding.rule,
        severity: finding.severity.name(),
        certainty: finding.certainty.name(),
        object: ObjectModel {
            kind: finding.object.kind.name(),
            schema: finding.object.schema.as_deref(),
            table: finding.object.table.as_deref(),
            name: &finding.object.name,
        },
        place: PlaceModel {
            path: finding.place.path.as_deref(),
            line: finding.place.position.map(|position| position.line),
            column: finding.place.position.map(|position| position.column),
            revision: finding.place.revision.as_deref(),
        },
        statement: &finding.statement,
        loss: finding.loss.as_ref().map(loss),
        message: &finding.message,
        instead: &finding.instead,
        allowance: finding.allowance.as_ref().map(|allowance| {
            let (source, place) = match &allowance.source {
                AllowanceSource::Comment(place) => ("comment", Some(place)),
                AllowanceSource::CommandLine => ("command-line", None),
                AllowanceSource::Configuration => ("configuration", None),
                AllowanceSource::Prompt => ("prompt", None),
            };
            AllowanceModel {
                object: &allowance.object,
                reason: &allowance.reason,
                max_rows: allowance.max_rows,
                source,
                path: place.and_then(|place| place.path.as_deref()),
                line: place.and_then(|place| place.position).map(|position| position.line),
            }
        }),
    }
}

fn loss(loss: &Loss) -> LossModel<'_> {
    LossModel {
        rows: loss.rows.number(),
        values: loss.values.number(),
        exact: loss.rows.is_exact() && loss.values.is_exact(),
        through: &loss.through,
    }
}
