//! What became of each table: how many rows there should be, and how many there are.

use super::{Recorded, Rows, Source, There, Trace};
use crate::text::number::{grouped, plural};

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It held rows and is not there any more.
    Gone,
    /// Rows are expected, and it holds none.
    Wiped,
    /// It holds fewer rows than are expected.
    Partial,
    /// It held rows and holds none; each was deleted on its own, which may be a clean-up.
    Emptied,
    /// It can't be told.
    Unknown,
    /// It holds as many rows as are expected, or more.
    Intact,
    /// It holds none, and nothing says that it ever did.
    Empty,
}

impl Status {
    /// The word of the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Wiped => "wiped",
            Self::Partial => "partial",
            Self::Emptied => "emptied",
            Self::Unknown => "unknown",
            Self::Intact => "intact",
            Self::Empty => "empty",
        }
    }
}

/// How many rows there should be, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// How many.
    pub rows: u64,
    /// Who says so.
    pub source: Source,
}

/// A table and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What is known of it.
    pub trace: Trace,
    /// What became of it.
    pub status: Status,
    /// How many rows there should be, where anything says so.
    pub expected: Option<Expected>,
    /// What to know of the numbers.
    pub notes: Vec<String>,
}

impl Judged {
    /// Rows that it holds; none where it is gone.
    pub fn found(&self) -> Option<u64> {
        if self.trace.there.is_none() { Some(0) } else { self.trace.rows.number() }
    }

    /// Rows that are missing, as far as they are known to have been there.
    pub fn missing(&self) -> u64 {
        match (self.status, &self.expected, self.found()) {
            (Status::Gone | Status::Wiped | Status::Partial, Some(expected), Some(found)) => {
                expected.rows.saturating_sub(found)
            }
            _ => 0,
        }
    }

    /// Whether rows are missing, or may be.
    pub fn misses(&self) -> bool {
        self.status <= Status::Emptied
    }

    /// Whether it says something about how full the database is.
    pub fn counts(&self) -> bool {
        !self.trace.is_volatile && !self.trace.there.as_ref().is_some_and(|there| there.is_of_tool)
    }
}

/// A part of a table that goes by DELETE without being a loss yet: a tenth.
const ORDINARY: u64 = 10;

/// Judges one table. `was_reset`: the statistics of the database were reset at some time, so that a
/// table about which they say nothing may have held rows before.
pub fn judge(trace: Trace, was_reset: bool) -> Judged {
    let Some(there) = &trace.there else { return gone(trace) };
    let found = match &trace.rows {
        Rows::Counted(found) | Rows::Estimated(found, _) => *found,
        Rows::Unknown(why) => {
            let notes = vec![why.clone()];
            return Judged { status: Status::Unknown, expected: None, notes, trace };
        }
    };
    let mut notes = Vec::new();
    let statistics = by_statistics(there, &trace.recorded, found, &mut notes);
    let record = by_record(there, &trace.recorded, found, &mut notes);
    let threshold = trace.min_rows.map(|rows| Expected { rows, source: Source::Threshold });
    let short = [record, statistics, threshold].into_iter().flatten();
    // Of two that say the same, the one that was counted comes first.
    let worst = short
        .filter(|expected| expected.rows > found)
        .reduce(|worst, other| if other.rows > worst.rows { other } else { worst });
    let status = match &worst {
        Some(_) if trace.is_volatile => {
            notes.push("volatile: its rows come and go".to_owned());
            Status::Intact
        }
        Some(_) if found == 0 => Status::Wiped,
        Some(_) => Status::Partial,
        None if found == 0 => bare(there, &trace, was_reset, &mut notes),
        None => full(there, &trace.recorded, found, &mut notes),
    };
    // All that was ever inserted less all that was deleted: that it is nothing is no expectation.
    let is_told = !matches!(status, Status::Emptied | Status::Unknown);
    let expected = worst.or_else(|| satisfied(there, &trace.recorded, found).filter(|_| is_told));
    Judged { trace, status, expected, notes }
}

fn gone(trace: Trace) -> Judged {
    let newest = trace.recorded.first();
    let expected = newest.map(|then| Expected { rows: then.rows, source: then.source.clone() });
    let held = expected.as_ref().is_some_and(|expected| expected.rows > 0);
    let status = if held && !trace.is_volatile { Status::Gone } else { Status::Empty };
    Judged { status, expected, notes: vec!["the table is not there".to_owned()], trace }
}

/// What inserts less deletes say, where they can tell a loss.
fn by_statistics(
    there: &There,
    recorded: &[Recorded],
    found: u64,
    notes: &mut Vec<String>,
) -> Option<Expected> {
    let rows = there.inserted.checked_sub(there.deleted)?;
    let short = rows.checked_sub(found).filter(|short| *short > 0)?;
    if there.has_first_file() || same_file(there, recorded).is_some() {
        // Nothing but a counted DELETE has taken rows out of this file.
        let whose = if there.has_first_file() { "its first" } else { "the one on record" };
        notes.push(format!(
            "{} rolled back: its file is {whose}, so that it was not truncated",
            plural(short, "insert")
        ));
        return None;
    }
    Some(Expected { rows, source: Source::Statistics })
}

/// The record of the very file that the table has now.
fn same_file<'a>(there: &There, recorded: &'a [Recorded]) -> Option<&'a Recorded> {
    let is_same = |then: &&Recorded| {
        then.is_here && then.oid == there.oid && then.filenode == Some(there.filenode)
    };
    recorded.iter().find(is_same)
}

/// What was counted before, unless what is missing since is little and was deleted row by row.
fn by_record(
    there: &There,
    recorded: &[Recorded],
    found: u64,
    notes: &mut Vec<String>,
) -> Option<Expected> {
    let then = recorded.first()?;
    let short = then.rows.checked_sub(found).filter(|short| *short > 0)?;
    let is_little = found > 0 && short.saturating_mul(ORDINARY) <= then.rows;
    if is_little && then.is_here && then.oid == there.oid && there.deleted >= short {
        let (short, deleted) = (grouped(short), plural(there.deleted, "row"));
        notes.push(format!("{short} fewer than on record; {deleted} were deleted by DELETE"));
        return None;
    }
    Some(Expected { rows: then.rows, source: then.source.clone() })
}

/// An empty table of which nobody says that it should hold rows.
fn bare(there: &There, trace: &Trace, was_reset: bool, notes: &mut Vec<String>) -> Status {
    // It was counted, and it was empty then too.
    if trace.recorded.first().is_some_and(|then| then.is_here && then.oid == there.oid) {
        return Status::Empty;
    }
    if there.deleted > 0 {
        notes.push(format!(
            "every row was deleted by DELETE: {} inserted, {} deleted",
            grouped(there.inserted),
            grouped(there.deleted)
        ));
    } else if let Some(ids) = there.ids.filter(|_| there.inserted == 0) {
        notes.push(format!("its sequence has given out numbers up to {}", grouped(ids)));
    } else if there.was_analyzed {
        notes.push("it held rows when it was analyzed".to_owned());
    } else if was_reset {
        notes.push("the statistics were reset, and nothing else tells of it".to_owned());
        return Status::Unknown;
    } else {
        return Status::Empty;
    }
    if trace.is_volatile { Status::Intact } else { Status::Emptied }
}

/// A table that holds as many rows as anybody expects.
fn full(there: &There, recorded: &[Recorded], found: u64, notes: &mut Vec<String>) -> Status {
    let knows = there.inserted.checked_sub(there.deleted).is_some_and(|rows| rows >= found);
    if recorded.is_empty() && !knows {
        notes.push(
            "the statistics do not know all of its rows, so that they can't say how many it held"
                .to_owned(),
        );
        return Status::Unknown;
    }
    Status::Intact
}

/// Who says that there are rows enough.
fn satisfied(there: &There, recorded: &[Recorded], found: u64) -> Option<Expected> {
    if let Some(then) = recorded.first() {
        return Some(Expected { rows: then.rows, source: then.source.clone() });
    }
    let rows = there.inserted.checked_sub(there.deleted)?;
    let is_known = there.inserted > 0 && rows >= found;
    is_known.then_some(Expected { rows, source: Source::Statistics })
}

#[cfg(test)]
mod tests {
    use super::{Status, judge};
    use crate::aftermath::{Recorded, Rows, Source, There, Trace};
    use crate::text::QualifiedName;

    fn table(inserted: u64, deleted: u64, found: u64, is_new_file: bool) -> Trace {
        let there = There {
            oid: 20,
            filenode: if is_new_file { 99 } else { 20 },
            inserted,
            deleted,
            ..There::default()
        };
        Trace {
            name: QualifiedName::new("public", "t"),
            there: Some(there),
            rows: Rows::Counted(found),
            recorded: Vec::new(),
            is_volatile: false,
            min_rows: None,
        }
    }

    fn on_record(trace: Trace, rows: u64, oid: u32, filenode: Option<u32>) -> Trace {
        let then = Recorded { rows, at: 1, source: Source::Record, oid, filenode, is_here: true };
        Trace { recorded: vec![then], ..trace }
    }

    #[test]
    fn the_statistics_alone() {
        let status = |trace| judge(trace, false).status;
        assert_eq!(status(table(81, 33, 0, true)), Status::Wiped);
        assert_eq!(status(table(143, 101, 2, true)), Status::Partial);
        assert_eq!(status(table(11, 0, 11, false)), Status::Intact);
        assert_eq!(status(table(10, 10, 0, false)), Status::Emptied);
        assert_eq!(status(table(0, 0, 0, false)), Status::Empty);
        // As many rows in a new file: VACUUM FULL.
        assert_eq!(status(table(10, 0, 10, true)), Status::Intact);
        // The statistics are younger than the rows.
        assert_eq!(status(table(3, 0, 10, false)), Status::Unknown);
        assert_eq!(judge(table(0, 0, 0, false), true).status, Status::Unknown);
    }

    #[test]
    fn rolled_back_inserts_are_no_loss_in_the_first_file() {
        let judged = judge(table(17, 0, 10, false), false);
        assert_eq!(judged.status, Status::Intact);
        assert!(judged.notes[0].starts_with("7 inserts rolled back"), "{:?}", judged.notes);
        assert_eq!(judge(table(17, 0, 10, true), false).status, Status::Partial);
        assert_eq!(judge(table(17, 0, 0, false), false).status, Status::Empty);
        // The same file as on record: not truncated since.
        let same = on_record(table(17, 0, 10, true), 10, 20, Some(99));
        assert_eq!(judge(same, false).status, Status::Intact);
    }

    #[test]
    fn a_record_knows_what_the_statistics_do_not() {
        let judged = judge(on_record(table(10, 10, 0, false), 10, 20, None), false);
        assert_eq!((judged.status, judged.missing()), (Status::Wiped, 10));
        // Made anew under the same name.
        let judged = judge(on_record(table(1, 0, 1, false), 500, 7, None), false);
        assert_eq!((judged.status, judged.missing()), (Status::Partial, 499));
        // It has grown since, and was truncated then.
        let judged = judge(on_record(table(900, 0, 600, true), 500, 20, Some(20)), false);
        let expected = judged.expected.unwrap();
        assert_eq!((judged.status, expected.rows), (Status::Partial, 900));
        assert_eq!(expected.source, Source::Statistics);
        // It was empty then as well.
        assert_eq!(
            judge(on_record(table(10, 10, 0, false), 0, 20, None), false).status,
            Status::Empty
        );
    }

    #[test]
    fn a_few_rows_that_were_deleted_are_ordinary_and_many_are_not() {
        let few = on_record(table(100, 10, 90, false), 100, 20, None);
        assert_eq!(judge(few, false).status, Status::Intact);
        let many = on_record(table(100, 11, 89, false), 100, 20, None);
        assert_eq!(judge(many, false).status, Status::Partial);
        // Gone without a DELETE.
        let odd = on_record(table(0, 0, 95, false), 100, 20, None);
        assert_eq!(judge(odd, false).status, Status::Partial);
    }

    #[test]
    fn what_is_gone_and_what_says_nothing() {
        let there = on_record(table(0, 0, 0, false), 40, 20, None);
        let gone = Trace { there: None, ..there };
        assert_eq!(judge(gone.clone(), false).status, Status::Gone);
        assert_eq!(judge(Trace { is_volatile: true, ..gone.clone() }, false).status, Status::Empty);
        let mut empty = gone;
        empty.recorded[0].rows = 0;
        assert_eq!(judge(empty, false).status, Status::Empty);
        let hidden = Trace { rows: Rows::Unknown("no right".into()), ..table(9, 0, 0, true) };
        assert_eq!(judge(hidden, false).status, Status::Unknown);
        let volatile = Trace { is_volatile: true, ..table(10, 0, 0, true) };
        assert_eq!(judge(volatile, false).status, Status::Intact);
    }

    #[test]
    fn thresholds_sequences_and_column_statistics_tell_of_rows() {
        let few = Trace { min_rows: Some(10), ..table(3, 0, 3, false) };
        let judged = judge(few, false);
        assert_eq!((judged.status, judged.missing()), (Status::Partial, 7));
        let mut given = table(0, 0, 0, false);
        given.there.as_mut().unwrap().ids = Some(81);
        assert_eq!(judge(given, false).status, Status::Emptied);
        let mut analyzed = table(0, 0, 0, false);
        analyzed.there.as_mut().unwrap().was_analyzed = true;
        assert_eq!(judge(analyzed, true).status, Status::Emptied);
        // Given out by inserts that were rolled back.
        let mut given = table(3, 0, 0, false);
        given.there.as_mut().unwrap().ids = Some(3);
        assert_eq!(judge(given, false).status, Status::Empty);
    }
}
