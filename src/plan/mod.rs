//! Everything a run will do, as a value: what is pending, what it destroys here, who agreed.

mod along;
pub mod at_risk;
mod firing;
pub mod keep_plan;
mod named;
mod outline;
pub mod scope;
mod walk;

use tokio_postgres::Client;

use self::along::Along;
use self::walk::{Measured, Walk};
use crate::db::postgres::measure::Measuring;
use crate::db::postgres::{refusal, relations, version_table};
use crate::exit::Exit;
use crate::finding::{
    Allowance, AllowanceSource, Certainty, Finding, Object, ObjectKind, Place, Severity,
};
use crate::hint::Refusal;
use crate::loss::{TableFate, TableLoss};
use crate::pending::Pending;
use crate::plan::at_risk::{Risk, Touched};
use crate::policy;
use crate::record::{PlannedStatement, ScriptSummary};
use crate::rules::{self, ScriptReading};
use crate::script::{Knowledge, Script};
use crate::sql::Statement;
use crate::text::QualifiedName;

/// What is pending, and what is known of it.
#[derive(Debug)]
pub struct Plan {
    /// The pending scripts, with what was read of each.
    pub scripts: Vec<ScriptSummary>,
    /// Every pending statement, in order.
    pub statements: Vec<PlannedStatement>,
    /// What a person should know, agreed to or not.
    pub findings: Vec<Finding>,
    /// The tables that are at risk, as far as that is known.
    pub risk: Risk,
    /// What triggers set in rows that a statement changes anyway: nothing to agree to.
    pub quiet: Vec<TableLoss>,
    /// The statements that will fail on what is there.
    pub doomed: Vec<Doomed>,
}

/// A statement that will fail, which is no loss by itself; but what came before it may stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// Where it is.
    pub place: Place,
    /// The statement, as written.
    pub statement: String,
    /// Why it fails: PostgreSQL's own words where it has said them.
    pub why: String,
}

impl Doomed {
    /// The warning of it: where, and why.
    pub fn warning(&self) -> String {
        let line = self.place.position.map(|at| format!(":{}", at.line)).unwrap_or_default();
        let path = self.place.path.as_deref().or(self.place.revision.as_deref());
        match path {
            Some(path) => format!("{path}{line} will fail: {}", self.why),
            None => format!("the command will fail: {}", self.why),
        }
    }

    fn of(script: &Script, statement: &Statement, why: String) -> Self {
        let place = rules::place_of(script, statement);
        Self { place, statement: statement.text.clone(), why }
    }
}

impl Plan {
    /// Whether it knows everything that the migration does.
    pub fn is_whole(&self) -> bool {
        self.scripts.iter().all(|script| script.knowledge == "known")
            && self.findings.iter().all(|finding| finding.certainty != Certainty::Unknown)
    }

    /// What the findings take, table by table: what the outcome is compared with.
    ///
    /// An opaque finding that was agreed to names nothing, so it covers nothing.
    pub fn planned(&self) -> Vec<TableLoss> {
        let mut planned = Vec::new();
        let mut bounds = Bounds::default();
        for finding in &self.findings {
            let Some(loss) = &finding.loss else { continue };
            for table in &loss.tables {
                match bounded(&table.fate, finding) {
                    // What was counted adds up.
                    TableFate::Rows { limit: Some(most) }
                        if finding.allowance.is_some() || !loss.rows.is_exact() =>
                    {
                        bounds.add(table.table, finding.allowance.as_ref(), most);
                    }
                    fate => planned.push(TableLoss { table: table.table, fate }),
                }
            }
        }
        planned.extend(bounds.found.into_iter().map(|(table, _, most)| TableLoss {
            table,
            fate: TableFate::Rows { limit: Some(most) },
        }));
        planned.extend(self.quiet.iter().cloned());
        planned
    }
}

/// The bounds on the rows of each table, once for each agreement, and once for all that needed
/// none: ten statements that may each take a tenth may not take the table.
#[derive(Default)]
struct Bounds<'a> {
    found: Vec<(u32, Option<&'a Allowance>, u64)>,
}

impl<'a> Bounds<'a> {
    fn add(&mut self, table: u32, agreed: Option<&'a Allowance>, most: u64) {
        let known = self.found.iter_mut().find(|known| (known.0, known.1) == (table, agreed));
        match known {
            Some(known) => known.2 = known.2.max(most),
            None => self.found.push((table, agreed, most)),
        }
    }
}

/// An agreement covers every row, or as many as were agreed to. What needed no agreement covers no
/// more than was counted then: rows that came since were never named.
fn bounded(fate: &TableFate, finding: &Finding) -> TableFate {
    let counted = finding.loss.as_ref().and_then(|loss| loss.rows.number());
    match (fate, &finding.allowance) {
        (TableFate::Rows { .. }, Some(allowed)) => TableFate::Rows { limit: allowed.max_rows },
        (TableFate::Dropped { .. }, Some(allowed)) => {
            TableFate::Dropped { limit: allowed.max_rows }
        }
        (TableFate::Values { columns, .. }, Some(allowed)) => {
            TableFate::Values { columns: columns.clone(), limit: allowed.max_rows }
        }
        (TableFate::Rows { limit: None }, None) => {
            TableFate::Rows { limit: Some(counted.unwrap_or_default()) }
        }
        (TableFate::Dropped { .. }, None) => {
            TableFate::Dropped { limit: Some(counted.unwrap_or_default()) }
        }
        _ => fate.clone(),
    }
}

/// Reads the pending scripts, measures what they destroy, and applies the allowances.
pub async fn make(
    client: &Client,
    pending: &Pending,
    allowances: &[Allowance],
) -> Result<Plan, Refusal> {
    let readings: Vec<ScriptReading> = pending.scripts.iter().map(rules::read).collect();
    let asked = |error| refusal(Exit::NoAnswer, "measure what would be destroyed", error);
    let mut measuring = Measuring::start(client).await.map_err(asked)?;
    let mut along = Along::start(client).await.map_err(asked)?;
    let mut touched = Touched::default();
    let mut walk = Walk { measuring: &mut measuring, along: &mut along, touched: &mut touched };
    let Measured { findings, doomed } = walk.through(&readings).await.map_err(asked)?;
    let (mut findings, schemas): (Vec<_>, Vec<_>) = findings.into_iter().unzip();
    let (comments, malformed) = written(&readings);
    let all: Vec<Allowance> = comments.into_iter().chain(allowances.iter().cloned()).collect();
    let used = policy::agree(&mut findings, &schemas, &all);
    for (finding, schema) in findings.iter_mut().zip(schemas) {
        let exceeded = policy::exceeded(finding, schema.as_deref(), &all);
        if let Some(why) = exceeded.filter(|_| finding.allowance.is_none()) {
            finding.message = format!("{}: {why}", finding.message);
            // A person has said how many are too many.
            finding.severity = finding.severity.max(Severity::Warning);
        }
        finding.object.schema = finding.object.schema.take().or(schema);
    }
    let unused = all.iter().zip(used).filter(|(_, used)| !used).map(|(allowance, _)| allowance);
    let is_known = |reading: &ScriptReading<'_>| reading.script.knowledge == Knowledge::Known;
    let now = if readings.iter().all(is_known) {
        None
    } else {
        Some(Measuring::start(client).await.map_err(asked)?)
    };
    for allowance in unused {
        let named = match &now {
            Some(now) => named::finding(allowance, now).await.map_err(asked)?,
            None => None,
        };
        findings.push(named.unwrap_or_else(|| unused_allowance(allowance)));
    }
    findings.extend(malformed);
    for finding in &findings {
        touched.finding(finding);
    }
    if let Some(why) = &pending.unasked {
        touched.doubt(why);
    }
    let relations = relations::read(client).await.map_err(asked)?;
    for doubt in firing::doubts(&readings, &relations.event_triggers) {
        touched.doubt(doubt);
    }
    let is_of_tool = |name: &QualifiedName| {
        version_table::is_of_tool(name) || pending.version_tables.contains(name)
    };
    touched.always(&relations, is_of_tool);
    let risk = touched.risk(relations);
    let statements = outline::of(&readings, &findings);
    let scripts = readings.iter().map(summary).collect();
    Ok(Plan { scripts, statements, findings, doomed, risk, quiet: along.into_quiet() })
}

/// The schema that a name written without one means on this database.
fn schema_of(object: &Object, measuring: &Measuring<'_>) -> Option<String> {
    let table = match object.kind {
        ObjectKind::Table => &object.name,
        ObjectKind::Column => object.table.as_ref()?,
        _ => return None,
    };
    if object.schema.is_some() { None } else { measuring.schema_of(table) }
}

/// The agreements written in the migration files, and findings for those that can't be read.
pub(crate) fn written(readings: &[ScriptReading]) -> (Vec<Allowance>, Vec<Finding>) {
    let mut agreed = Vec::new();
    let mut malformed = Vec::new();
    for reading in readings {
        for (comment, statement) in reading.allows() {
            let place = Place {
                path: reading.script.origin.path.clone(),
                position: Some(comment.position),
                revision: reading.script.origin.revision.clone(),
            };
            match comment.parsed {
                Ok(text) if !rules::exists(&text.rule) => {
                    let why = format!("there is no rule `{}`", text.rule);
                    malformed.push(malformed_allowance(place, &why));
                }
                Ok(text) => {
                    let source = AllowanceSource::Comment(place);
                    agreed.push(Allowance { statement, ..text.into_allowance(source) });
                }
                Err(why) => malformed.push(malformed_allowance(place, &why)),
            }
        }
    }
    (agreed, malformed)
}

fn malformed_allowance(place: Place, why: &str) -> Finding {
    allowance_finding(
        Severity::Warning,
        Object::bare(ObjectKind::Script, place.path.clone().unwrap_or_default()),
        place,
        format!("this allowance counts for nothing: {why}"),
    )
}

pub(crate) fn unused_allowance(allowance: &Allowance) -> Finding {
    let place = match &allowance.source {
        AllowanceSource::Comment(place) => place.clone(),
        _ => Place::default(),
    };
    let is_comment = matches!(allowance.source, AllowanceSource::Comment(_));
    let is_glob = is_comment && allowance.object.contains('*');
    let whose = if allowance.statement.is_some() { " in its statement" } else { " pending" };
    allowance_finding(
        Severity::Note,
        Object::bare(ObjectKind::Script, &allowance.object),
        place,
        format!(
            "nothing{whose} needs the allowance of {} {}{}",
            allowance.rule,
            allowance.object,
            if is_glob { ": a `*` counts with --allow and in the configuration only" } else { "" }
        ),
    )
}

fn allowance_finding(severity: Severity, object: Object, place: Place, message: String) -> Finding {
    Finding {
        rule: "unused-allowance",
        severity,
        certainty: Certainty::Certain,
        object,
        place,
        statement: String::new(),
        snippet: None,
        loss: None,
        message,
        instead: "-- rowsafe: allow[rule] object: reason".to_owned(),
        allowance: None,
    }
}

pub(crate) fn summary(reading: &ScriptReading) -> ScriptSummary {
    let script: &Script = reading.script;
    let (knowledge, reasons) = match &script.knowledge {
        Knowledge::Known => ("known", Vec::new()),
        Knowledge::PartlyKnown(reasons) => ("partly-known", reasons.clone()),
        Knowledge::Opaque(reason) => ("opaque", vec![reason.clone()]),
    };
    ScriptSummary {
        name: script.origin.name().to_owned(),
        path: script.origin.path.clone(),
        revision: script.origin.revision.clone(),
        knowledge,
        reasons,
        statements: reading.statements.len(),
    }
}
