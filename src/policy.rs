//! Which findings need agreement, and which agreements cover them.

mod driver;
mod tables;

pub use driver::{Driver, DriverName, PgBackRest, Placeholder, SnapshotCommand, Template};
pub use tables::{Protected, Share, TableRule, TableRules};

use crate::finding::{Allowance, AllowanceSource, Certainty, Finding, Severity};
use crate::loss::{self, Count, Loss};
use crate::text::Position;
use crate::text::number::{grouped, plural};

/// The share of a table that a DELETE or UPDATE with a WHERE may take without being agreed to, in
/// percent.
pub const NOTED_SHARE: u64 = 10;

/// Which rows are kept before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotMode {
    /// What is at risk, where the plan knows all that can be touched; otherwise everything.
    #[default]
    Auto,
    /// What the plan knows to be at risk, even where it does not know everything.
    AtRisk,
    /// Everything.
    All,
    /// Nothing: said aloud, by somebody who keeps backups elsewhere.
    None,
}

/// How before and after are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compare {
    /// Rows and columns of everything; values of what was touched or is at risk.
    #[default]
    Auto,
    /// Rows and columns only.
    Counts,
    /// Values of every table.
    Values,
}

/// What a run does when it finds a loss that nobody had agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// It stops, and a person decides.
    #[default]
    Stop,
    /// It puts back at once what the snapshot holds of it.
    Restore,
}

/// From which severity on a finding stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Errors and warnings.
    #[default]
    Warning,
    /// Nothing stops it; everything is still said and compared.
    Never,
}

impl FailOn {
    /// Whether a finding of this severity needs agreement.
    pub const fn needs_agreement(self, severity: Severity) -> bool {
        match self {
            Self::Error => matches!(severity, Severity::Error),
            Self::Warning => !matches!(severity, Severity::Note),
            Self::Never => false,
        }
    }

    /// The findings that stop the run.
    pub fn blocking<'a>(&self, findings: &'a [Finding]) -> Vec<&'a Finding> {
        let stops = |finding: &&Finding| {
            finding.allowance.is_none() && self.needs_agreement(finding.severity)
        };
        findings.iter().filter(stops).collect()
    }
}

/// Lowers or raises a finding by what was measured, and says how much goes: nothing there to
/// destroy is a note.
pub fn weigh(finding: &mut Finding) {
    let Some(loss) = &finding.loss else { return };
    let is_nothing = loss.rows == Count::Exact(0) && loss.values == Count::Exact(0);
    let is_data_rule = !matches!(finding.rule, "opaque" | "calls-function" | "drop-partition");
    if is_nothing && is_data_rule {
        finding.severity = Severity::Note;
        finding.certainty = Certainty::Certain;
    }
    finding.severity = finding.severity.max(by_share(finding.rule, loss));
    finding.message = counted(&finding.message, loss);
}

/// How bad it is that a statement with a WHERE takes that much, or reaches other tables.
fn by_share(rule: &str, loss: &Loss) -> Severity {
    if rule == "narrow-type" {
        let is_loss = loss.values.is_exact() && loss.values != Count::Exact(0);
        return if is_loss { Severity::Warning } else { Severity::Note };
    }
    if !matches!(rule, "delete" | "update-overwrite") {
        return Severity::Note;
    }
    // What could not be counted may be all of it; and what is no table here may be a view, of which
    // nobody knows the rows.
    let is_unknown =
        rule == "delete" && matches!(loss.rows, Count::Unknown(_) | Count::AtMost(1..));
    match loss.share {
        Some(share) if share.is_everything() => Severity::Error,
        Some(share) if share.exceeds(NOTED_SHARE) => Severity::Warning,
        _ if !loss.through.is_empty() || is_unknown => Severity::Warning,
        _ => Severity::Note,
    }
}

/// The same finding, weighed; what was agreed to stays what it is.
pub fn weighed(mut finding: Finding) -> Finding {
    weigh(&mut finding);
    finding
}

/// The message with its amounts: `destroys its values` becomes `destroys 48,210 values`; and why
/// they are not exact.
fn counted(message: &str, loss: &Loss) -> String {
    let amounts = with_amounts(message, loss);
    let is_exact = loss.rows.is_exact() && loss.values.is_exact();
    match loss.doubt.as_ref().filter(|_| !is_exact) {
        Some(why) => format!("{amounts}; not counted exactly: {why}"),
        None => amounts,
    }
}

fn with_amounts(message: &str, loss: &Loss) -> String {
    let rows = of_how_many(&loss.rows, "row", loss.share);
    let values = of_how_many(&loss.values, "value", loss.share);
    if message.contains("its rows") {
        return message.replacen("its rows", &rows, 1);
    }
    if message.contains("its values") {
        return message.replacen("its values", &values, 1);
    }
    if let (Count::Unknown(_), Count::Unknown(_)) = (&loss.rows, &loss.values) {
        return format!("{message} (how much is not known)");
    }
    match (loss.rows == Count::Exact(0), loss.values == Count::Exact(0)) {
        (true, true) => match loss.share {
            Some(share) if share.of > 0 => {
                format!("{message} (0 of {} change)", plural(share.of, "value"))
            }
            _ => format!("{message} (nothing is there to lose)"),
        },
        (false, true) => format!("{message} ({rows})"),
        (true, false) => format!("{message} ({values})"),
        (false, false) => format!("{message} ({rows} and {values})"),
    }
}

/// `38 of 40 rows`: what a selective statement leaves says as much as what it takes.
fn of_how_many(count: &Count, noun: &str, share: Option<loss::Share>) -> String {
    match (count, share) {
        (Count::Exact(taken), Some(share)) if *taken == share.taken && *taken > 0 => {
            if share.is_everything() {
                format!("all of {}", plural(share.of, noun))
            } else {
                format!("{} of {}", grouped(*taken), plural(share.of, noun))
            }
        }
        _ => count.said(noun),
    }
}

/// Gives each finding the first allowance that covers it; says of each allowance whether it covered
/// anything.
///
/// Comments in a file count for the findings of that file only. `schemas` says for each finding
/// what a name that was written without a schema means here.
pub fn agree(
    findings: &mut [Finding],
    schemas: &[Option<String>],
    allowances: &[Allowance],
) -> Vec<bool> {
    let mut used = vec![false; allowances.len()];
    for (finding, schema) in findings.iter_mut().zip(schemas) {
        for (allowance, used) in allowances.iter().zip(&mut used) {
            if !covers(allowance, finding, schema.as_deref()) {
                continue;
            }
            *used = true;
            if finding.allowance.is_none() && within_bound(allowance, finding) {
                finding.allowance = Some(allowance.clone());
            }
        }
    }
    used
}

/// Why an allowance that names this finding does not cover it: more rows than agreed.
pub fn exceeded(
    finding: &Finding,
    schema: Option<&str>,
    allowances: &[Allowance],
) -> Option<String> {
    let allowance = allowances.iter().find(|allowance| {
        covers(allowance, finding, schema) && !within_bound(allowance, finding)
    })?;
    let agreed = plural(allowance.max_rows.unwrap_or_default(), "row");
    let rows = finding.loss.as_ref().map(|loss| &loss.rows);
    Some(match rows.and_then(Count::number) {
        Some(number) => format!("agreed to {agreed}, it takes {}", plural(number, "row")),
        None => format!("agreed to {agreed}, how many it takes is not known"),
    })
}

fn within_bound(allowance: &Allowance, finding: &Finding) -> bool {
    let Some(most) = allowance.max_rows else { return true };
    // What could not be counted exactly is held against it afterwards.
    let is_exact = finding.loss.as_ref().is_some_and(|loss| loss.rows.is_exact());
    if finding.rule == "delete" && !is_exact {
        return true;
    }
    let rows = finding.loss.as_ref().and_then(|loss| loss.rows.number());
    rows.is_some_and(|rows| rows <= most)
}

fn covers(allowance: &Allowance, finding: &Finding, schema: Option<&str>) -> bool {
    if let AllowanceSource::Comment(place) = &allowance.source {
        let same_file = place.path.is_some() && place.path == finding.place.path;
        let line = |position: Option<Position>| position.map(|position| position.line);
        let at = line(allowance.statement);
        if !same_file || at.is_some() && at != line(finding.place.position) {
            return false;
        }
    }
    crate::finding::allows(allowance, finding, schema)
}

#[cfg(test)]
mod tests {
    use super::{by_share, counted};
    use crate::finding::Severity;
    use crate::loss::{Count, Loss, Share};

    fn loss(taken: u64, of: u64) -> Loss {
        let share = Some(Share { taken, of });
        Loss { rows: Count::Exact(taken), share, ..Loss::default() }
    }

    #[test]
    fn a_tenth_is_a_note_and_everything_an_error() {
        for (taken, of, expect) in [
            (0, 100, Severity::Note),
            (10, 100, Severity::Note),
            (11, 100, Severity::Warning),
            (99, 100, Severity::Warning),
            (100, 100, Severity::Error),
            (1, 1, Severity::Error),
            (0, 0, Severity::Note),
        ] {
            assert_eq!(by_share("delete", &loss(taken, of)), expect, "{taken} of {of}");
            assert_eq!(by_share("truncate", &loss(taken, of)), Severity::Note);
        }
        let through = vec!["table steps (1 row) by foreign key".to_owned()];
        let along = Loss { through, ..loss(1, 100) };
        assert_eq!(by_share("delete", &along), Severity::Warning);
        let values = Loss { values: Count::Exact(1), ..Loss::default() };
        assert_eq!(by_share("narrow-type", &values), Severity::Warning);
        let bound = Loss { values: Count::AtMost(1), ..Loss::default() };
        assert_eq!(by_share("narrow-type", &bound), Severity::Note);
    }

    #[test]
    fn amounts_are_said_with_what_is_left_and_why_they_are_not_exact() {
        assert_eq!(counted("gone", &loss(4, 1000)), "gone (4 of 1,000 rows)");
        assert_eq!(counted("gone", &loss(4, 4)), "gone (all of 4 rows)");
        assert_eq!(counted("gone", &loss(0, 4)), "gone (0 of 4 values change)");
        let why = Some("it calls f()".to_owned());
        let bound = Loss { rows: Count::AtMost(4), doubt: why.clone(), ..Loss::default() };
        let expect = "gone (up to 4 rows); not counted exactly: it calls f()";
        assert_eq!(counted("gone", &bound), expect);
        assert_eq!(counted("gone", &Loss { doubt: why, ..loss(4, 9) }), "gone (4 of 9 rows)");
    }
}
