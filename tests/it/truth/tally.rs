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
    pub told: BTreeMap<Told, usize>,
    /// Cases for whoever wants to know more.
    pub remarks: Vec<String>,
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

/// Who told of a loss, and when; the worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    Named,
    Noted,
    NamedUncounted,
    Doubted,
    Beside,
    NotedUncounted,
    Silent,
}

impl Told {
    const ALL: [Self; 7] = [
        Self::Named,
        Self::Noted,
        Self::NamedUncounted,
        Self::Doubted,
        Self::Beside,
        Self::NotedUncounted,
        Self::Silent,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Named => "named and counted beforehand, to be agreed to",
            Self::Noted => "named and counted in a note",
            Self::NamedUncounted => {
                "its table named beforehand, to be agreed to; more than was counted, so the comparison told"
            }
            Self::Doubted => "something else could not be told; the comparison told",
            Self::Beside => "beside something else to be agreed to; the comparison told",
            Self::NotedUncounted => {
                "its table in a note, more than was counted; the comparison told"
            }
            Self::Silent => "nothing said beforehand; the comparison told",
        }
    }
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

    pub fn tell(&mut self, what: &str, sql: &str) {
        self.remarks.push(format!("{what}\n{sql}"));
    }

    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.statements += other.statements;
        self.failed += other.failed;
        self.losses += other.losses;
        for (told, count) in other.told {
            *self.told.entry(told).or_default() += count;
        }
        self.remarks.extend(other.remarks);
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
            let permille = 1000 * part / whole.max(1);
            format!("{part} ({}.{} %)", permille / 10, permille % 10)
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
        for told in Told::ALL {
            let count = self.told.get(&told).copied().unwrap_or_default();
            writeln!(f, "| {} | {} |", told.words(), of(count, self.losses))?;
        }
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
