//! What all cases came to.

use std::collections::BTreeMap;
use std::fmt;

/// What all cases came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: usize,
    pub statements: usize,
    pub failed: usize,
    /// Why PostgreSQL refused them.
    pub refusals: BTreeMap<String, usize>,
    /// Rows, columns or values gone of one table.
    pub losses: usize,
    pub named: usize,
    pub named_by_note: usize,
    /// Named, but with a smaller number.
    pub beyond_bound: usize,
    /// Not named, in a migration of which rowsafe said that it can't tell all.
    pub after_doubt: usize,
    /// Not named, in a migration that had to be agreed to for something else.
    pub beside: usize,
    /// Not named, in a migration that would have run without being asked about.
    pub silent: usize,
    pub silently: Vec<String>,
    exact: usize,
    bounded: usize,
    over: usize,
    unknown: usize,
    /// Migrations that took nothing.
    pub harmless: usize,
    pub alarmed: usize,
    pub alarms: BTreeMap<&'static str, usize>,
}

/// How sure the plan's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    Exact,
    Bounded,
    Unknown,
}

impl Tally {
    pub fn number(&mut self, numbers: Numbers, counted: u64, truth: u64) {
        match numbers {
            Numbers::Exact => self.exact += 1,
            Numbers::Bounded => {
                self.bounded += 1;
                self.over += usize::from(counted > truth);
            }
            Numbers::Unknown => self.unknown += 1,
        }
    }

    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.statements += other.statements;
        self.failed += other.failed;
        self.losses += other.losses;
        self.named += other.named;
        self.named_by_note += other.named_by_note;
        self.beyond_bound += other.beyond_bound;
        self.after_doubt += other.after_doubt;
        self.beside += other.beside;
        self.silent += other.silent;
        self.silently.extend(other.silently);
        self.exact += other.exact;
        self.bounded += other.bounded;
        self.over += other.over;
        self.unknown += other.unknown;
        self.harmless += other.harmless;
        self.alarmed += other.alarmed;
        for (why, count) in other.refusals {
            *self.refusals.entry(why).or_default() += count;
        }
        for (rule, count) in other.alarms {
            *self.alarms.entry(rule).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |part: usize, whole: usize| {
            format!("{part} ({:.1} %)", 100.0 * part as f64 / whole.max(1) as f64)
        };
        let numbers = self.exact + self.bounded + self.unknown;
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| migrations | {} |", self.cases)?;
        writeln!(f, "| statements | {} |", self.statements)?;
        writeln!(f, "| migrations that PostgreSQL refused | {} |", self.failed)?;
        writeln!(
            f,
            "| losses (rows, a column, or values of a column, of one table) | {} |",
            self.losses
        )?;
        writeln!(f, "| named beforehand, to be agreed to | {} |", of(self.named, self.losses))?;
        writeln!(f, "| named and counted in a note | {} |", of(self.named_by_note, self.losses))?;
        writeln!(
            f,
            "| named with a smaller number, found by the comparison | {} |",
            of(self.beyond_bound, self.losses)
        )?;
        writeln!(
            f,
            "| not named, but said that not all can be told; found by the comparison | {} |",
            of(self.after_doubt, self.losses)
        )?;
        writeln!(
            f,
            "| not named beside something else to agree to; found by the comparison | {} |",
            of(self.beside, self.losses)
        )?;
        writeln!(
            f,
            "| not named and nothing asked; found by the comparison | {} |",
            of(self.silent, self.losses)
        )?;
        writeln!(f, "| numbers of single statements | {numbers} |")?;
        writeln!(f, "| exact | {} |", of(self.exact, numbers))?;
        writeln!(f, "| bounded | {} |", of(self.bounded, numbers))?;
        writeln!(f, "| bounded, and more than what went | {} |", of(self.over, numbers))?;
        writeln!(f, "| unknown | {} |", of(self.unknown, numbers))?;
        writeln!(f, "| migrations that took nothing | {} |", self.harmless)?;
        writeln!(
            f,
            "| of these with an error or a warning | {} |",
            of(self.alarmed, self.harmless)
        )?;
        for (rule, count) in &self.alarms {
            writeln!(f, "| … by `{rule}` | {count} |")?;
        }
        Ok(())
    }
}
