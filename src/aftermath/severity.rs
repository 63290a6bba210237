//! How bad it is, by rules that fit one sentence each.

use super::{Judged, Sameness, Status, Whole};
use crate::text::number::{grouped, plural};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Everything is gone.
    P0,
    /// Half of the rows or more are missing, or a table holds fewer than it ever may.
    P1,
    /// A table is gone or wiped, or misses half of its rows or more.
    P2,
    /// Tables miss some rows, or were emptied row by row, which may be a clean-up.
    P3,
    /// Nobody could look.
    Unknown,
    /// Nothing is missing as far as can be told.
    None,
}

impl Severity {
    /// The word of the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::Unknown => "unknown",
            Self::None => "none",
        }
    }
}

/// The severity, and the rule that decided it.
pub fn severity(whole: &Whole, tables: &[Judged]) -> (Severity, String) {
    if whole.is_missing() {
        return (Severity::P0, "the database does not exist".to_owned());
    }
    if whole.is_unreachable() {
        return (Severity::Unknown, "the server could not be asked".to_owned());
    }
    let counting = || tables.iter().filter(|table| table.counts());
    let missing: u64 = counting().map(Judged::missing).sum();
    if let Some(why) = everything(whole, tables) {
        return (Severity::P0, why);
    }
    let in_all: u64 = counting().map(|table| expected(table).max(table.found().unwrap_or(0))).sum();
    let of = format!("{} of {}", grouped(missing), plural(in_all, "expected row"));
    if missing > 0 && missing >= in_all.div_ceil(2) {
        return (Severity::P1, format!("half of all rows or more are missing: {of}"));
    }
    let is_below = |table: &&Judged| {
        table.trace.min_rows.zip(table.found()).is_some_and(|(least, found)| found < least)
    };
    if let Some(table) = tables.iter().find(is_below) {
        let name = table.trace.name.short();
        return (Severity::P1, format!("`{name}` holds fewer rows than its min-rows"));
    }
    let with = |status: &[Status]| {
        tables.iter().filter(|table| status.contains(&table.status)).count() as u64
    };
    let wiped = with(&[Status::Gone, Status::Wiped]);
    if wiped > 0 {
        let wiped = plural(wiped, "table");
        return (Severity::P2, format!("{wiped} gone or wiped, {of} missing"));
    }
    let is_halved = |table: &&Judged| {
        table.status == Status::Partial && table.missing() >= expected(table).div_ceil(2)
    };
    if let Some(table) = tables.iter().find(is_halved) {
        let name = table.trace.name.short();
        return (Severity::P2, format!("`{name}` misses half of its rows or more"));
    }
    match (with(&[Status::Partial]), with(&[Status::Emptied])) {
        (0, 0) => (Severity::None, "no table misses rows as far as can be told".to_owned()),
        (0, emptied) => {
            let emptied = plural(emptied, "table");
            (Severity::P3, format!("{emptied} emptied by DELETE, which may be a clean-up"))
        }
        (partial, _) => {
            let partial = plural(partial, "table");
            (Severity::P3, format!("{partial} with less than half of the rows missing, {of}"))
        }
    }
}

fn expected(table: &Judged) -> u64 {
    table.expected.as_ref().map_or(0, |expected| expected.rows)
}

/// Why everything is gone, if it is.
fn everything(whole: &Whole, tables: &[Judged]) -> Option<String> {
    let counting = || tables.iter().filter(|table| table.counts());
    let found: u64 = counting().filter_map(Judged::found).sum();
    let held: u64 = counting().map(expected).sum();
    let is_known = counting().all(|table| table.found().is_some());
    if matches!(whole.sameness, Sameness::OtherServer | Sameness::Recreated) {
        let missing: u64 = counting().map(Judged::missing).sum();
        if missing > 0 {
            let of = format!("{} of {} are missing", grouped(missing), plural(held, "row"));
            return Some(format!("another database answers than the one on record, and {of}"));
        }
    }
    if counting().next().is_none() {
        return Some("the database holds no table".to_owned());
    }
    if is_known && found == 0 {
        let tables = plural(counting().count() as u64, "table");
        return Some(format!("no table holds a row: {tables}, all empty or gone"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Severity, severity};
    use crate::aftermath::{
        Expected, Judged, Presence, Rows, Sameness, Source, Status, There, Trace, Whole,
    };
    use crate::text::QualifiedName;

    fn table(status: Status, expected: u64, found: u64) -> Judged {
        let trace = Trace {
            name: QualifiedName::new("public", "t"),
            there: (status != Status::Gone).then(There::default),
            rows: Rows::Counted(found),
            recorded: Vec::new(),
            is_volatile: false,
            min_rows: None,
        };
        let expected = Some(Expected { rows: expected, source: Source::Record });
        Judged { trace, status, expected, notes: Vec::new() }
    }

    fn of(tables: &[Judged]) -> Severity {
        severity(&Whole::default(), tables).0
    }

    #[test]
    fn each_degree_and_its_neighbour() {
        use Status::{Emptied, Gone, Intact, Partial, Wiped};
        let intact = || table(Intact, 100, 100);
        assert_eq!(of(&[]), Severity::P0);
        assert_eq!(of(&[table(Wiped, 10, 0)]), Severity::P0);
        assert_eq!(of(&[table(Wiped, 10, 0), table(Intact, 10, 10)]), Severity::P1);
        assert_eq!(of(&[table(Wiped, 10, 0), intact()]), Severity::P2);
        assert_eq!(of(&[table(Gone, 10, 0), intact()]), Severity::P2);
        assert_eq!(of(&[table(Partial, 10, 5), intact()]), Severity::P2);
        assert_eq!(of(&[table(Partial, 10, 6), intact()]), Severity::P3);
        assert_eq!(of(&[table(Emptied, 0, 0), intact()]), Severity::P3);
        assert_eq!(of(&[table(Status::Empty, 0, 0), intact()]), Severity::None);
    }

    #[test]
    fn the_database_itself() {
        let missing = Whole { presence: Presence::Missing, ..Whole::default() };
        assert_eq!(severity(&missing, &[]).0, Severity::P0);
        let away = Whole { presence: Presence::Unreachable, ..Whole::default() };
        assert_eq!(severity(&away, &[]).0, Severity::Unknown);
        let other = Whole { sameness: Sameness::Recreated, ..Whole::default() };
        let little = [table(Status::Partial, 1000, 1), table(Status::Intact, 0, 9)];
        assert_eq!(severity(&other, &little).0, Severity::P0);
        // Moved with every row.
        let moved = [table(Status::Intact, 10, 10)];
        assert_eq!(severity(&other, &moved).0, Severity::None);
    }

    #[test]
    fn a_threshold_and_what_does_not_count() {
        let mut few = table(Status::Partial, 10, 9);
        few.trace.min_rows = Some(10);
        assert_eq!(of(&[few, table(Status::Intact, 100, 100)]), Severity::P1);
        // A version table and a volatile one do not make a database full.
        let mut version = table(Status::Intact, 1, 1);
        version.trace.there.as_mut().unwrap().is_of_tool = true;
        assert_eq!(of(&[version, table(Status::Wiped, 5, 0)]), Severity::P0);
    }
}
