//! What the bodies that were followed come to, and how it is told.

use tokio_postgres::Error;

use super::Along;
use crate::db::postgres::measure::Measuring;
use crate::effect::{Effect, Reach};
use crate::finding::{Certainty, Finding, Severity};
use crate::loss::{Count, Loss};
use crate::policy;

/// What the bodies that were followed come to.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) harms: Vec<Finding>,
    pub(super) unknown: Vec<String>,
    pub(super) effects: Vec<Effect>,
}

impl Findings {
    pub(super) fn add(&mut self, harm: Finding) {
        if harm.certainty == Certainty::Unknown && harm.loss.is_none() {
            self.unknown.push(harm.message);
        } else if !self.harms.iter().any(|known| known.message == harm.message) {
            self.harms.push(harm);
        }
    }

    /// All of it as one finding; none, where nothing is destroyed.
    pub(super) fn summed_up(self, mut finding: Finding) -> Option<Finding> {
        let Self { harms, unknown, .. } = self;
        if harms.is_empty() && unknown.is_empty() {
            return None;
        }
        let severities = harms.iter().map(|harm| harm.severity);
        finding.severity = severities.max().unwrap_or(Severity::Note);
        let is_single = harms.len() == 1;
        finding.certainty = match harms.as_slice() {
            [harm] => harm.certainty,
            _ => Certainty::DependsOnData,
        };
        let mut said: Vec<String> = harms.iter().map(|harm| harm.message.clone()).collect();
        let mut loss = Loss::default();
        let has_loss = !harms.is_empty();
        for harm in harms {
            absorb(&mut loss, harm.loss.unwrap_or_default(), is_single);
        }
        if !unknown.is_empty() {
            let why = joined(unknown);
            said.push(format!("what it does to rows is not known: {why}"));
            finding.severity = finding.severity.max(Severity::Warning);
            finding.certainty = Certainty::Unknown;
            let unknown = || Count::Unknown(why.clone());
            (loss.rows, loss.values) = (unknown(), unknown());
        }
        finding.message = format!("{}: {}", finding.message, said.join("; "));
        finding.loss = has_loss.then_some(loss);
        Some(finding)
    }
}

/// What one effect of a body takes, at the most: the values that its conditions speak of are known
/// only when it runs.
pub(super) async fn weighed(
    along: &Along<'_>,
    measuring: &mut Measuring<'_>,
    effect: &Effect,
    mut harm: Finding,
) -> Result<Finding, Error> {
    let all = || Reach::All { why: String::new() };
    let (widest, is_some) = match effect {
        Effect::Delete { table, reach: Reach::Some { .. } } => {
            (Effect::Delete { table: table.clone(), reach: all() }, true)
        }
        Effect::Update { table, columns, reach: Reach::Some { .. } } => {
            let (table, columns) = (table.clone(), columns.clone());
            (Effect::Update { table, columns, reach: all() }, true)
        }
        other => (other.clone(), false),
    };
    harm.loss = along.loss(measuring, &widest, None).await?;
    if is_some && let Some(loss) = &mut harm.loss {
        loss.rows = at_most(&loss.rows);
        loss.values = at_most(&loss.values);
        (loss.share, loss.doubt) = (None, None);
    }
    if matches!(effect, Effect::Delete { .. }) {
        harm.severity = harm.severity.max(Severity::Warning);
    }
    Ok(policy::weighed(harm))
}

pub(super) fn joined(mut reasons: Vec<String>) -> String {
    reasons.sort();
    reasons.dedup();
    reasons.join("; ")
}

fn absorb(sum: &mut Loss, other: Loss, is_single: bool) {
    if is_single {
        *sum = other;
        return;
    }
    sum.doubt = sum.doubt.take().or(other.doubt);
    sum.rows = together(&sum.rows, &other.rows);
    sum.values = together(&sum.values, &other.values);
    for through in other.through {
        if !sum.through.contains(&through) {
            sum.through.push(through);
        }
    }
    for table in other.tables {
        if !sum.tables.contains(&table) {
            sum.tables.push(table);
        }
    }
}

/// No more than both: they may take the same rows.
pub(super) fn together(left: &Count, right: &Count) -> Count {
    match (left.number(), right.number()) {
        (Some(a), Some(b)) if [left, right].iter().any(|it| matches!(it, Count::About(_))) => {
            Count::About(a + b)
        }
        (Some(a), Some(b)) => at_most(&Count::Exact(a + b)),
        _ if left.number().is_none() => left.clone(),
        _ => right.clone(),
    }
}

fn at_most(count: &Count) -> Count {
    match count {
        Count::Exact(number) if *number > 0 => Count::AtMost(*number),
        other => other.clone(),
    }
}
