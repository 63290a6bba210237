//! Which snapshots stay and which go: policies as restic knows them, over moments that come in as
//! values.
//!
//! Snapshots are judged in groups: those of one database that hold everything, and those of it that
//! hold only some tables. Otherwise the one of two tables that a run took in the afternoon would be
//! the day's, and the whole one of the night would go. Days, weeks and months are those of UTC, and
//! a span of time is measured from the newest of its group: where no new ones are made, the old
//! ones stay.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::text::number::{grouped, span};

/// How long half of a snapshot is taken for one that is being written.
const AT_WORK: i64 = 24 * 3600;

/// What is to stay. A snapshot stays when any of the rules wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// So many of the newest.
    pub last: Option<u32>,
    /// The newest of so many days.
    pub daily: Option<u32>,
    /// The newest of so many weeks, from Monday.
    pub weekly: Option<u32>,
    /// The newest of so many months.
    pub monthly: Option<u32>,
    /// All that are at most this much older than the newest.
    pub within: Option<Duration>,
}

/// A snapshot as far as pruning cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// Which database it is of; the same text means the same database.
    pub database: String,
    /// Whether it holds the rows of every table.
    pub is_whole: bool,
    /// When it was taken, in seconds since 1970, UTC.
    pub taken: i64,
    /// What state it is in.
    pub state: State,
    /// Why it may not go whatever the policy says.
    pub held: Option<String>,
    /// Somebody has said that nobody needs it any more.
    pub is_released: bool,
}

/// What state a snapshot is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// Not as it was written.
    Damaged,
    /// Without a name yet: it is being written, or whoever wrote it was stopped.
    HalfWritten,
}

/// What happens to a snapshot, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub stays: bool,
    /// Why, in a few words.
    pub why: String,
}

impl Policy {
    /// Whether it says nothing: then nobody has said what may go.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As it is written in the configuration: `keep-daily 7, keep-within 30 d`.
    pub fn said(&self) -> String {
        let counts = [
            ("keep-last", self.last),
            ("keep-daily", self.daily),
            ("keep-weekly", self.weekly),
            ("keep-monthly", self.monthly),
        ];
        let counts = counts
            .into_iter()
            .filter_map(|(key, count)| Some(format!("{key} {}", grouped(u64::from(count?)))));
        let within = self.within.map(|within| format!("keep-within {}", span(within)));
        counts.chain(within).collect::<Vec<_>>().join(", ")
    }

    /// Which of a group's moments, newest first, stay by which rules.
    fn wants(&self, taken: &[i64]) -> Vec<Vec<String>> {
        let mut reasons: Vec<Vec<String>> = vec![Vec::new(); taken.len()];
        for reason in reasons.iter_mut().take(self.last.unwrap_or(0) as usize) {
            reason.push("last".to_owned());
        }
        let mut newest_of = |name: &str, count: Option<u32>, period: fn(i64) -> i64| {
            let mut left = count.unwrap_or(0);
            let mut seen = None;
            for (moment, reason) in taken.iter().zip(&mut reasons) {
                let current = Some(period(*moment));
                if left > 0 && current != seen {
                    seen = current;
                    left -= 1;
                    reason.push(name.to_owned());
                }
            }
        };
        newest_of("daily", self.daily, day);
        newest_of("weekly", self.weekly, week);
        newest_of("monthly", self.monthly, month);
        if let (Some(within), Some(newest)) = (self.within, taken.first()) {
            let within_seconds = i64::try_from(within.as_secs()).unwrap_or(i64::MAX);
            for (moment, reason) in taken.iter().zip(&mut reasons) {
                if newest.saturating_sub(*moment) <= within_seconds {
                    reason.push(format!("within {}", span(within)));
                }
            }
        }
        reasons
    }
}

/// What happens to each snapshot of a store, in the order in which they were given.
pub fn decide(policy: &Policy, shelf: &[Shelved], now: i64) -> Vec<Decision> {
    let mut decisions: Vec<Decision> =
        shelf.iter().map(|shelved| without_policy(shelved, now)).collect();
    let mut groups: BTreeMap<(&str, bool), Vec<usize>> = BTreeMap::new();
    for (index, shelved) in shelf.iter().enumerate() {
        if shelved.state == State::Good {
            groups.entry((&shelved.database, shelved.is_whole)).or_default().push(index);
        }
    }
    for ((_, is_whole), mut group) in groups {
        group.sort_by_key(|index| std::cmp::Reverse(shelf[*index].taken));
        let taken: Vec<i64> = group.iter().map(|index| shelf[*index].taken).collect();
        for (place, (index, wanted)) in group.iter().zip(policy.wants(&taken)).enumerate() {
            let is_last_whole = is_whole && place == 0;
            decisions[*index] = by_policy(&shelf[*index], &wanted, is_last_whole);
        }
    }
    decisions
}

fn by_policy(shelved: &Shelved, wanted: &[String], is_last_whole: bool) -> Decision {
    let held = shelved.held.as_ref().filter(|_| !shelved.is_released);
    let last_whole = "the last good one of everything";
    let why = match (held, wanted) {
        (Some(held), _) => held.clone(),
        (None, []) if is_last_whole => last_whole.to_owned(),
        (None, []) => {
            return Decision { stays: false, why: "no rule keeps it".to_owned() };
        }
        (None, wanted) => wanted.join(", "),
    };
    Decision { stays: true, why }
}

/// What no policy speaks of: what is damaged, and what was never finished.
fn without_policy(shelved: &Shelved, now: i64) -> Decision {
    let decision = |stays, why: &str| Decision { stays, why: why.to_owned() };
    match shelved.state {
        _ if shelved.held.is_some() && !shelved.is_released => {
            decision(true, shelved.held.as_deref().unwrap_or_default())
        }
        State::Damaged if shelved.is_released => decision(false, "damaged, and released"),
        State::Damaged => decision(true, "damaged; somebody has to look at it"),
        State::HalfWritten if now.saturating_sub(shelved.taken) < AT_WORK => {
            decision(true, "half-written, and may be at work")
        }
        State::HalfWritten => decision(false, "half-written for more than a day"),
        // Its group decides.
        State::Good => decision(true, ""),
    }
}

fn day(moment: i64) -> i64 {
    moment.div_euclid(24 * 3600)
}

/// Weeks begin on Monday, and 1970 began on a Thursday.
fn week(moment: i64) -> i64 {
    (day(moment) + 3).div_euclid(7)
}

/// Months since the year 0. Years are counted from March here, so that the day that comes and goes
/// is the last one of a year.
fn month(moment: i64) -> i64 {
    let days = day(moment) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    (era * 400 + year_of_era) * 12 + month_from_march
}

#[cfg(test)]
mod tests;
