//! What was planned and what was seen, held against what really happened.

use std::collections::{BTreeMap, BTreeSet};

use rowsafe::finding::{Certainty, Finding, Severity};
use rowsafe::loss::{Count, TableFate, TableLoss};
use rowsafe::verdict::{Lost, LostKind};

use super::case::Outcome;
use super::oracle::{Gone, Held};
use super::tally::{Numbers, Tally, Told};

/// What is wrong with a case; empty where nothing is.
pub fn judge(outcome: &Outcome, tally: &mut Tally) -> Vec<String> {
    let mut wrong = Vec::new();
    tally.cases += 1;
    tally.statements += outcome.case.migration.statements;
    if let Some(why) = &outcome.failed {
        tally.failed += 1;
        *tally.refusals.entry(why.clone()).or_default() += 1;
        if why.contains("syntax error") {
            wrong.push(format!("the migration is no SQL: {why}"));
        }
    }
    let planned = outcome.plan.planned();
    for (oid, gone) in outcome.gone.iter().filter(|(_, gone)| gone.is_loss()) {
        let unit = Unit::of(outcome, &outcome.truth.tables[oid]);
        unit.is_accounted_for(gone, &planned, tally, &mut wrong);
    }
    for (oid, held) in &outcome.truth.tables {
        let nothing = Gone { keyed: true, ..Gone::default() };
        let gone = outcome.gone.get(oid).unwrap_or(&nothing);
        Unit::of(outcome, held).is_no_false_loss(gone, &mut wrong);
    }
    wrong.extend(outcome.left_out.iter().map(|table| format!("not compared: {table}")));
    if outcome.failed.is_none() {
        numbers(outcome, tally, &mut wrong);
        alarms(outcome, tally, &mut wrong);
    }
    wrong
}

/// A table with what belongs to it, as everybody sees it.
struct Unit<'a> {
    outcome: &'a Outcome,
    held: &'a Held,
    oids: BTreeSet<u32>,
    losses: Vec<&'a Lost>,
}

impl<'a> Unit<'a> {
    fn of(outcome: &'a Outcome, held: &'a Held) -> Self {
        let oids: BTreeSet<u32> = held.leaves.iter().copied().chain([held.oid]).collect();
        let tables = outcome.before.tables.iter().filter(|table| oids.contains(&table.oid));
        let names: BTreeSet<_> = tables.map(|table| &table.name).collect();
        let changes =
            outcome.comparison.tables.iter().filter(|change| names.contains(&change.name));
        let losses = changes.flat_map(|change| &change.losses).collect();
        Self { outcome, held, oids, losses }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.held.schema, self.held.name)
    }

    fn column(&self, attnum: i16) -> &str {
        let column = self.held.columns.iter().find(|column| column.attnum == attnum);
        column.map_or("?", |column| &column.name)
    }

    /// Every loss is in the plan, or the comparison says that it is not; in any case it is seen.
    fn is_accounted_for(
        &self,
        gone: &Gone,
        planned: &[TableLoss],
        tally: &mut Tally,
        wrong: &mut Vec<String>,
    ) {
        let mut parts: Vec<(Part, u64)> = Vec::new();
        if gone.rows > 0 {
            parts.push((Part::Rows, gone.rows));
        }
        parts.extend(gone.columns.iter().map(|(attnum, values)| (Part::Column(*attnum), *values)));
        parts.extend(gone.values.iter().map(|(attnum, values)| (Part::Values(*attnum), *values)));
        for (part, amount) in parts.into_iter().filter(|(_, amount)| *amount > 0) {
            let of = match part {
                Part::Rows => format!("{amount} rows of {}", self.name()),
                Part::Column(column) => {
                    format!("column {}.{} with {amount} values", self.name(), self.column(column))
                }
                Part::Values(column) => {
                    format!("{amount} values of {}.{}", self.name(), self.column(column))
                }
            };
            let is_seen =
                |lost: &&&Lost| !gone.keyed || part.is_seen_as(lost, self.column(part.attnum()));
            let seen: Vec<&&Lost> = self.losses.iter().filter(is_seen).collect();
            tally.losses += 1;
            if seen.is_empty() {
                wrong.push(format!("{of}: the comparison does not see it"));
                continue;
            }
            let of_unit = |loss: &&TableLoss| self.oids.contains(&loss.table);
            let fates = planned.iter().filter(of_unit).map(|loss| &loss.fate);
            let is_planned = part.within(amount, fates);
            let is_unplanned = self.losses.iter().any(|lost| !lost.planned);
            if !is_planned && !is_unplanned {
                wrong.push(format!(
                    "{of}: the plan does not name so much, and the comparison takes it for planned"
                ));
            }
            self.attribute(part, is_planned, &of, tally);
        }
    }

    /// Who told of a loss, and when.
    fn attribute(&self, part: Part, is_planned: bool, of: &str, tally: &mut Tally) {
        let findings = &self.outcome.plan.findings;
        let strictest = |naming: &dyn Fn(&Finding) -> bool| {
            let naming = findings.iter().filter(|finding| naming(finding));
            naming.map(|finding| finding.severity).max()
        };
        let counting = strictest(&|finding| {
            let tables = finding.loss.iter().flat_map(|loss| &loss.tables);
            let mut ours = tables.filter(|loss| self.oids.contains(&loss.table));
            ours.any(|loss| part.limit(&loss.fate).is_some())
        });
        let naming = strictest(&|finding| self.is_object_of(finding)).max(counting);
        let is_doubted = findings.iter().any(|finding| finding.certainty == Certainty::Unknown);
        let asks = findings.iter().any(|finding| finding.severity > Severity::Note);
        let told = match (naming, counting) {
            (Some(Severity::Error | Severity::Warning), Some(_)) if is_planned => Told::Named,
            (_, _) if is_planned => Told::Noted,
            (Some(Severity::Error | Severity::Warning), _) => Told::NamedUncounted,
            (_, _) if is_doubted => Told::Doubted,
            (_, _) if asks => Told::Beside,
            (Some(Severity::Note), _) => Told::NotedUncounted,
            (None, _) => Told::Silent,
        };
        *tally.told.entry(told).or_default() += 1;
        if told > Told::Doubted {
            tally.tell(&format!("{told:?}: {of}"), &self.outcome.case.migration.sql);
        }
    }

    /// Whether the finding is about this table or a column of it, whatever it counts.
    fn is_object_of(&self, finding: &Finding) -> bool {
        let object = &finding.object;
        let names =
            self.outcome.before.tables.iter().filter(|table| self.oids.contains(&table.oid));
        let mut names = names.map(|table| &table.name.name);
        names.any(|name| object.table.as_ref().unwrap_or(&object.name) == name)
    }

    /// The comparison tells of nothing that did not happen, and of as much as did.
    fn is_no_false_loss(&self, gone: &Gone, wrong: &mut Vec<String>) {
        let mut told_rows = 0;
        for lost in &self.losses {
            let is_true = match lost.kind {
                LostKind::Table | LostKind::Rows => {
                    told_rows += lost.rows;
                    lost.rows == 0 || gone.rows > 0 || (!gone.keyed && gone.is_loss())
                }
                LostKind::Column => {
                    let named = |attnum: &i16| is_of_column(lost, self.column(*attnum));
                    gone.columns.keys().any(named) || (!gone.keyed && gone.is_loss())
                }
                LostKind::Values => {
                    let of = |(attnum, amount): (&i16, &u64)| {
                        is_of_column(lost, self.column(*attnum))
                            && (!gone.keyed || *amount == lost.values)
                    };
                    gone.values.iter().any(of) || (!gone.keyed && gone.is_loss())
                }
            };
            if !is_true {
                wrong.push(format!(
                    "{}: the comparison tells of `{}`, which is not so ({gone:?})",
                    self.name(),
                    lost.what
                ));
            }
        }
        if gone.keyed && told_rows != gone.rows {
            wrong.push(format!(
                "{}: the comparison tells of {told_rows} rows, {} are gone",
                self.name(),
                gone.rows
            ));
        }
    }
}

fn is_of_column(lost: &Lost, column: &str) -> bool {
    lost.what.ends_with(&format!(".{column}")) || lost.what.contains(&format!(".{column} with "))
}

/// What can go of a table.
#[derive(Debug, Clone, Copy)]
enum Part {
    Rows,
    Column(i16),
    Values(i16),
}

impl Part {
    fn attnum(self) -> i16 {
        match self {
            Self::Rows => 0,
            Self::Column(attnum) | Self::Values(attnum) => attnum,
        }
    }

    fn is_seen_as(self, lost: &Lost, column: &str) -> bool {
        match (self, lost.kind) {
            (Self::Rows, kind) => matches!(kind, LostKind::Table | LostKind::Rows),
            (_, LostKind::Table) => true,
            (Self::Column(_) | Self::Values(_), kind) => {
                matches!(kind, LostKind::Column | LostKind::Values) && is_of_column(lost, column)
            }
        }
    }

    /// The most that this fate names of it; the inner `None` is all.
    #[expect(clippy::option_option, reason = "no limit and no mention are two things")]
    fn limit(self, fate: &TableFate) -> Option<Option<u64>> {
        match (self, fate) {
            (_, TableFate::Dropped { limit }) => Some(*limit),
            // A key that is overwritten makes another row of the same one.
            (Self::Rows, TableFate::Rows { limit } | TableFate::Values { limit, .. }) => {
                Some(*limit)
            }
            (Self::Column(attnum) | Self::Values(attnum), TableFate::Columns(columns)) => {
                columns.contains(&attnum).then_some(None)
            }
            (Self::Values(attnum), TableFate::Values { columns, limit }) => {
                (columns.is_empty() || columns.contains(&attnum)).then_some(*limit)
            }
            _ => None,
        }
    }

    fn within<'f>(self, amount: u64, fates: impl Iterator<Item = &'f TableFate>) -> bool {
        let limits: Vec<Option<u64>> = fates.filter_map(|fate| self.limit(fate)).collect();
        let all = limits.iter().try_fold(0_u64, |sum, limit| Some(sum + (*limit)?));
        !limits.is_empty() && all.is_none_or(|most| amount <= most)
    }
}

/// What the plan counts of a single statement is what goes.
fn numbers(outcome: &Outcome, tally: &mut Tally, wrong: &mut Vec<String>) {
    let sql = &outcome.case.migration.sql;
    let is_one = sql.matches(';').count() == 1;
    // Rows of a partition that is detached leave their table, and stay.
    let is_loss = |finding: &&Finding| finding.rule != "drop-partition" || !sql.contains("DETACH");
    let losses: Vec<_> =
        outcome.plan.findings.iter().filter(is_loss).filter_map(|f| f.loss.as_ref()).collect();
    if !is_one || losses.is_empty() {
        return;
    }
    let rows: u64 = outcome.gone.values().map(|gone| gone.rows).sum();
    let values: u64 = outcome.gone.values().map(Gone::total_values).sum();
    let is_keyed = outcome.gone.values().all(|gone| gone.keyed);
    for (noun, counts, truth) in [
        ("rows", losses.iter().map(|loss| &loss.rows).collect::<Vec<_>>(), rows),
        ("values", losses.iter().map(|loss| &loss.values).collect(), values),
    ] {
        let sum: u64 = counts.iter().filter_map(|count| count.number()).sum();
        let numbers = if counts.iter().any(|count| matches!(count, Count::Unknown(_))) {
            Numbers::Unknown
        } else if counts.iter().all(|count| count.is_exact()) {
            Numbers::Exact
        } else {
            Numbers::Bounded
        };
        if truth == 0 && sum == 0 && numbers != Numbers::Unknown {
            continue;
        }
        tally.number(numbers, sum, truth);
        let is_about = counts.iter().any(|count| matches!(count, Count::About(_)));
        let is_wrong = match numbers {
            Numbers::Exact => sum != truth && is_keyed,
            Numbers::Bounded => sum < truth && !is_about && is_keyed,
            Numbers::Unknown => false,
        };
        if is_wrong {
            wrong.push(format!("the plan counts {sum} {noun} ({numbers:?}), {truth} are gone"));
        }
    }
}

/// What was said of a migration that takes nothing.
fn alarms(outcome: &Outcome, tally: &mut Tally, wrong: &mut Vec<String>) {
    if outcome.gone.values().any(|gone| gone.is_loss() || gone.table || !gone.columns.is_empty()) {
        return;
    }
    tally.harmless += 1;
    let loud = outcome.plan.findings.iter().filter(|finding| finding.severity > Severity::Note);
    let rules: BTreeMap<&str, &Finding> = loud.map(|finding| (finding.rule, finding)).collect();
    tally.alarmed += usize::from(!rules.is_empty());
    for (rule, finding) in rules {
        *tally.alarms.entry(rule).or_default() += 1;
        tally.tell(&format!("alarm: {}", finding.message), &outcome.case.migration.sql);
        if outcome.case.migration.is_harmless {
            wrong.push(format!("{rule} of what takes nothing: {}", finding.message));
        }
    }
}
