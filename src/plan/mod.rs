//! Everything a run will do, as a value: what is pending, what it destroys here, who agreed.

mod named;

use tokio_postgres::Client;

use crate::db::postgres::measure::Measuring;
use crate::db::postgres::refusal;
use crate::effect::Effect;
use crate::exit::Exit;
use crate::finding::{
    Allowance, AllowanceSource, Certainty, Finding, Object, ObjectKind, Place, Severity,
};
use crate::hint::Refusal;
use crate::loss::{TableFate, TableLoss};
use crate::pending::Pending;
use crate::policy;
use crate::record::ScriptSummary;
use crate::rules::{self, Found, ScriptReading};
use crate::script::{Knowledge, Script};
use crate::sql::Statement;

/// What is pending, and what is known of it.
#[derive(Debug)]
pub struct Plan {
    /// The pending scripts, with what was read of each.
    pub scripts: Vec<ScriptSummary>,
    /// What a person should know, agreed to or not.
    pub findings: Vec<Finding>,
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
    fn of(script: &Script, statement: &Statement, why: String) -> Self {
        let place = rules::place_of(script, statement);
        Self { place, statement: statement.text.clone(), why }
    }
}

impl Plan {
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
    let measured = measured(&mut measuring, &readings).await.map_err(asked)?;
    let doomed = measured.doomed;
    let (mut findings, schemas): (Vec<_>, Vec<_>) = measured.findings.into_iter().unzip();
    let (comments, malformed) = written(&readings);
    let all: Vec<Allowance> = comments.into_iter().chain(allowances.iter().cloned()).collect();
    let used = policy::agree(&mut findings, &schemas, &all);
    for (finding, schema) in findings.iter_mut().zip(schemas) {
        let exceeded = policy::exceeded(finding, schema.as_deref(), &all);
        if let Some(why) = exceeded.filter(|_| finding.allowance.is_none()) {
            finding.message = format!("{}: {why}", finding.message);
            // A bound that somebody wrote holds for what needs no agreement too.
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
    Ok(Plan { scripts: readings.iter().map(summary).collect(), findings, doomed })
}

/// What was measured of a batch.
#[derive(Default)]
struct Measured {
    /// The findings, and the schemas of names that were written without one.
    findings: Vec<(Finding, Option<String>)>,
    doomed: Vec<Doomed>,
}

/// Measures each statement where it stands in the batch, with what the names mean at that point.
async fn measured(
    measuring: &mut Measuring<'_>,
    readings: &[ScriptReading<'_>],
) -> Result<Measured, tokio_postgres::Error> {
    let mut found = rules::found(readings).into_iter().peekable();
    let mut all = Measured::default();
    measuring.expect(readings.iter().flat_map(|r| &r.statements).flat_map(|(_, effects)| effects));
    for (reading, caused) in readings.iter().zip(rules::resolved(readings)) {
        if !matches!(reading.script.knowledge, Knowledge::Known) {
            measuring.names().lose("a script before it could not be read in full");
        }
        measuring.begin(reading.script);
        let mut caused = caused.into_iter().peekable();
        for (statement, effects) in &reading.statements {
            let mut fails = measuring.fails(statement, effects).await?;
            while let Some((_, effect)) = caused.next_if(|(of, _)| std::ptr::eq(*of, statement)) {
                // Those about the whole script come before those of its statements.
                let is_next =
                    |found: &Found<'_>| found.effect.is_none_or(|(_, of)| std::ptr::eq(of, effect));
                while let Some(Found { mut finding, effect: of, .. }) = found.next_if(is_next) {
                    if of.is_some() {
                        if is_widening(effect, measuring) {
                            continue;
                        }
                        finding.loss = measuring.loss(effect, Some(statement)).await?;
                        let loss = finding.loss.as_ref();
                        fails = fails.or(loss.and_then(|loss| loss.fails.clone()));
                        policy::weigh(&mut finding);
                    }
                    let schema = schema_of(&finding.object, measuring);
                    all.findings.push((finding, schema));
                }
                measuring.names().advance(effect);
            }
            all.doomed.extend(fails.map(|why| Doomed::of(reading.script, statement, why)));
            measuring.pass(statement, effects);
        }
    }
    all.findings.extend(found.map(|found| (found.finding, None)));
    Ok(all)
}

/// Whether it changes a column to a type that holds whatever the column holds now.
fn is_widening(effect: &Effect, measuring: &Measuring<'_>) -> bool {
    let Effect::ChangeType { table, column, to, using: None } = effect else { return false };
    let types = measuring.column_types(table, column);
    !types.is_empty() && types.iter().all(|old| rules::widens(old, to))
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
