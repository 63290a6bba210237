use super::{Case, Explanation, Likelihood};
use crate::aftermath::{
    Judged, Key, Presence, Recorded, Remembered, Rows, Sameness, Source, There, Trace, Whole, judge,
};
use crate::text::QualifiedName;

struct Traces(Vec<Judged>, Vec<Key>, Whole, Vec<Remembered>);

impl Traces {
    fn of(tables: impl IntoIterator<Item = Trace>) -> Self {
        let tables = tables.into_iter().map(|trace| judge(trace, false)).collect();
        Self(tables, Vec::new(), Whole::default(), Vec::new())
    }

    fn with_key(mut self, child: u32, parent: u32) -> Self {
        self.1.push(Key { name: "k".into(), child, parent, on_delete: "CASCADE" });
        self
    }

    fn explained(&self) -> Vec<Explanation> {
        let Self(tables, keys, whole, statements) = self;
        Case { tables, keys, whole, statements }.explanations()
    }

    /// Kind, likelihood and tables.
    fn kinds(&self) -> Vec<(&'static str, Likelihood, String)> {
        let told = self.explained().into_iter().map(|found| {
            let tables: Vec<String> = found.tables.iter().map(QualifiedName::short).collect();
            (found.kind, found.likelihood, tables.join(" "))
        });
        told.collect()
    }

    fn kind(&self, kind: &str) -> Option<Likelihood> {
        self.kinds().into_iter().find(|found| found.0 == kind).map(|found| found.1)
    }
}

fn table(oid: u32, inserted: u64, deleted: u64, found: u64) -> Trace {
    let there = There { oid, filenode: oid, inserted, deleted, ..There::default() };
    Trace {
        name: QualifiedName::new("public", format!("t{oid}")),
        there: Some(there),
        rows: Rows::Counted(found),
        recorded: Vec::new(),
        is_volatile: false,
        min_rows: None,
    }
}

fn new_file(mut trace: Trace, writer: u32) -> Trace {
    let there = trace.there.as_mut().unwrap();
    there.filenode += 1000;
    there.writer = writer;
    trace
}

fn on_record(mut trace: Trace, rows: u64, oid: u32) -> Trace {
    let source = Source::Record;
    trace.recorded = vec![Recorded { rows, at: 1, source, oid, filenode: None, is_here: true }];
    trace
}

use Likelihood::{Likely, Possible, Unlikely};

#[test]
fn nothing_is_explained_where_nothing_is_missing() {
    assert_eq!(Traces::of([table(1, 10, 0, 10), table(2, 0, 0, 0)]).kinds(), []);
}

#[test]
fn truncated_tables_of_one_transaction_and_those_that_hang_on_them() {
    let traces = Traces::of([
        new_file(table(1, 10, 0, 0), 7),
        new_file(table(2, 30, 0, 0), 7),
        new_file(table(3, 5, 0, 0), 8),
        table(4, 9, 0, 9),
    ]);
    let kinds = traces.with_key(2, 1).with_key(4, 3).kinds();
    let told = |kind, tables: &str| (kind, Likely, tables.to_owned());
    assert_eq!(
        kinds,
        [told("truncate-cascade", "t2"), told("truncate", "t1"), told("truncate", "t3")]
    );
}

#[test]
fn deleted_rows_are_no_truncate_and_may_be_a_clean_up() {
    let traces = Traces::of([table(1, 10, 10, 0), table(2, 10, 0, 10)]);
    assert_eq!(traces.kind("delete"), Some(Possible));
    assert_eq!(traces.kind("clean-up"), Some(Possible));
    assert_eq!(traces.kind("truncate"), None);
    // A record says that they should be there.
    let known = Traces::of([on_record(table(1, 10, 10, 0), 10, 1), table(2, 10, 0, 10)]);
    assert_eq!(known.kind("delete"), Some(Likely));
    // VACUUM FULL after the DELETE.
    let rewritten =
        Traces::of([on_record(new_file(table(1, 10, 10, 0), 7), 10, 1), table(2, 9, 0, 9)]);
    assert_eq!(rewritten.kind("delete"), Some(Likely));
    assert_eq!(rewritten.kind("truncate"), None);
}

#[test]
fn a_statement_that_is_remembered_speaks_for_it() {
    let mut traces = Traces::of([table(1, 10, 10, 0), table(2, 10, 0, 10)]);
    traces.3.push(Remembered {
        text: "DELETE FROM t1".into(),
        rule: "delete-all",
        table: Some(QualifiedName::bare("t1")),
        calls: 1,
        rows: 10,
        role: None,
    });
    assert_eq!(traces.kind("delete"), Some(Likely));
    let found = &traces.explained()[0];
    assert!(found.speaks_for.iter().any(|text| text.contains("DELETE FROM t1")), "{found:?}");
    traces.3[0].table = Some(QualifiedName::new("other", "t1"));
    assert_eq!(traces.kind("delete"), Some(Possible));
}

#[test]
fn rows_that_go_with_those_they_refer_to() {
    let traces = Traces::of([table(1, 10, 10, 0), table(2, 30, 30, 0), table(3, 1, 0, 1)]);
    assert_eq!(traces.kind("delete-cascade"), None);
    let traces = traces.with_key(2, 1);
    let cascade = traces.kinds().into_iter().find(|found| found.0 == "delete-cascade").unwrap();
    assert_eq!((cascade.1, cascade.2.as_str()), (Likely, "t2"));
    let delete = traces.kinds().into_iter().find(|found| found.0 == "delete").unwrap();
    assert_eq!(delete.2, "t1");
}

#[test]
fn few_missing_rows_are_inserts_that_failed_and_many_are_not() {
    let few = Traces::of([new_file(table(1, 100, 0, 95), 7)]);
    assert_eq!(few.kind("rolled-back"), Some(Likely));
    assert_eq!(few.kind("truncate"), Some(Possible));
    let many = Traces::of([new_file(table(1, 100, 0, 5), 7)]);
    assert_eq!(many.kind("rolled-back"), Some(Unlikely));
    assert_eq!(many.kind("truncate"), Some(Likely));
    let known = Traces::of([on_record(new_file(table(1, 100, 0, 5), 7), 100, 1)]);
    assert_eq!(known.kind("rolled-back"), None);
}

#[test]
fn dropped_and_made_again_takes_a_record() {
    let again = Traces::of([on_record(table(9, 0, 0, 0), 40, 1), table(2, 10, 0, 10)]);
    assert_eq!(again.kind("recreate"), Some(Likely));
    let gone = Trace { there: None, ..on_record(table(1, 0, 0, 0), 40, 1) };
    let gone = Traces::of([gone, table(2, 10, 0, 10)]);
    assert_eq!((gone.kind("drop"), gone.kind("recreate")), (Some(Likely), None));
    // Without one it is but possible, where the table is the newest and something else is missing.
    let newer = [new_file(table(1, 10, 0, 0), 7), table(2, 10, 0, 10), table(9, 0, 0, 0)];
    assert_eq!(Traces::of(newer).kind("recreate"), Some(Possible));
    let older = [new_file(table(1, 10, 0, 0), 7), table(9, 10, 0, 10), table(2, 0, 0, 0)];
    assert_eq!(Traces::of(older).kind("recreate"), None);
}

#[test]
fn the_database_itself() {
    let kinds = |whole: Whole, tables: Vec<Trace>| {
        let mut traces = Traces::of(tables);
        traces.2 = whole;
        traces.kinds().into_iter().map(|found| (found.0, found.1)).collect::<Vec<_>>()
    };
    let elsewhere = || {
        let mut trace = on_record(table(9, 1, 0, 1), 40, 1);
        trace.recorded[0].is_here = false;
        vec![trace]
    };
    let whole = Whole { sameness: Sameness::OtherServer, ..Whole::default() };
    assert_eq!(kinds(whole, elsewhere()), [("new-data-directory", Likely)]);
    let whole = Whole { sameness: Sameness::Recreated, ..Whole::default() };
    assert_eq!(kinds(whole, elsewhere()), [("database-recreated", Likely)]);
    let whole = Whole { sameness: Sameness::Older, ..Whole::default() };
    assert_eq!(kinds(whole, Vec::new()), [("older-backup", Likely)]);
    let whole = Whole { presence: Presence::Missing, ..Whole::default() };
    assert_eq!(
        kinds(whole.clone(), Vec::new()),
        [("database-dropped", Possible), ("new-data-directory", Possible)]
    );
    let whole = Whole { recorded_at: Some(1), ..whole };
    assert_eq!(
        kinds(whole, Vec::new()),
        [("database-dropped", Likely), ("new-data-directory", Unlikely)]
    );
    let bare = vec![table(1, 0, 0, 0)];
    assert_eq!(
        kinds(Whole::default(), bare),
        [("database-made-anew", Possible), ("never-here", Possible)]
    );
}

#[test]
fn an_unlogged_table_is_emptied_by_a_crash() {
    let kind = |is_unlogged, deleted, kind: &str| {
        let mut trace = on_record(table(1, 0, deleted, 0), 40, 1);
        trace.there.as_mut().unwrap().is_unlogged = is_unlogged;
        Traces::of([trace, table(2, 10, 0, 10)]).kind(kind)
    };
    assert_eq!((kind(true, 0, "unlogged"), kind(true, 0, "delete")), (Some(Likely), None));
    assert_eq!(kind(true, 40, "unlogged"), None);
    assert_eq!(kind(false, 0, "unlogged"), None);
}
