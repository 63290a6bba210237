//! Explanations table by table: what leaves the traces that are there.

use std::collections::BTreeMap;

use super::{Case, Explanation, Likelihood, listed, missing, names_of};
use crate::aftermath::{Judged, Source, Status, There};
use crate::text::number::{grouped, plural};

/// What took the rows of a table away, as its traces say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is not there any more.
    Dropped,
    /// It is another one of the same name.
    Recreated,
    /// Its rows went without being deleted: it has a new file.
    Truncated,
    /// Its file is the one it was: its rows were deleted.
    Deleted,
    /// It is unlogged and empty, and nothing was deleted from it.
    Reset,
    /// The database is another one, which explains it.
    Elsewhere,
}

/// Out of so many expected rows one or less is missing: inserts that failed are as likely.
const FEW: u64 = 10;

impl Case<'_> {
    pub(super) fn of_tables(&self) -> Vec<Explanation> {
        let of = |way| -> Vec<&Judged> {
            self.tables.iter().filter(|table| table.misses() && went(table) == way).collect()
        };
        let mut found = Vec::new();
        found.extend(self.dropped(&of(Way::Dropped)));
        found.extend(self.recreated(&of(Way::Recreated)));
        found.extend(self.truncated(&of(Way::Truncated)));
        found.extend(rolled_back(&of(Way::Truncated)));
        found.extend(reset(&of(Way::Reset)));
        found.extend(self.deleted(&of(Way::Deleted)));
        if self.tables.iter().any(Judged::misses) {
            found.extend(self.newer());
        }
        found
    }

    fn dropped(&self, tables: &[&Judged]) -> Option<Explanation> {
        let mut speaks_for = vec![
            "neither their names nor their oids are in the catalogue; a rename keeps the oid"
                .to_owned(),
        ];
        speaks_for.extend(self.remembered(&["drop-table", "drop-schema"], tables));
        explained(
            "drop",
            format!("DROP TABLE of {}, or of what they stood in", listed(tables)),
            Likelihood::Likely,
            tables,
            speaks_for,
        )
    }

    fn recreated(&self, tables: &[&Judged]) -> Option<Explanation> {
        let mut speaks_for: Vec<String> = tables
            .iter()
            .filter_map(|table| {
                let (there, then) = (table.trace.there.as_ref()?, table.trace.recorded.first()?);
                let name = table.trace.name.short();
                Some(format!("`{name}` had oid {} on record and has {} now", then.oid, there.oid))
            })
            .collect();
        speaks_for.extend(self.remembered(&["drop-table", "recreate-table"], tables));
        explained(
            "recreate",
            format!("DROP TABLE and CREATE TABLE of {}", listed(tables)),
            Likelihood::Likely,
            tables,
            speaks_for,
        )
    }

    /// Tables whose rows in the catalogue were written by one transaction went together.
    fn truncated(&self, tables: &[&Judged]) -> Vec<Explanation> {
        let mut together: BTreeMap<u32, Vec<&Judged>> = BTreeMap::new();
        for table in tables {
            let writer = table.trace.there.as_ref().map_or(0, |there| there.writer);
            together.entry(writer).or_default().push(table);
        }
        let mut found = Vec::new();
        for (writer, group) in together {
            let (along, first): (Vec<&Judged>, Vec<&Judged>) =
                group.iter().copied().partition(|table| self.parent(table, &group).is_some());
            // Keys in a circle: nobody is first.
            let (along, first) = if first.is_empty() { (first, along) } else { (along, first) };
            let likelihood = if group.iter().all(|table| is_little(table)) {
                Likelihood::Possible
            } else {
                Likelihood::Likely
            };
            let mut speaks_for = new_files(&first);
            speaks_for.extend(in_one_transaction(writer, &group));
            speaks_for.extend(self.remembered(&["truncate"], &group));
            let mut truncate = explained(
                "truncate",
                format!("TRUNCATE of {}", listed(&first)),
                likelihood,
                &first,
                speaks_for,
            );
            if let Some(truncate) = &mut truncate {
                truncate.against.push(
                    "VACUUM FULL, CLUSTER and rewriting ALTER TABLE give a new file too, but keep \
                     the rows"
                        .to_owned(),
                );
            }
            found.extend(truncate);
            found.extend(self.taken_along(writer, &along, &first, likelihood));
        }
        found
    }

    fn taken_along(
        &self,
        writer: u32,
        along: &[&Judged],
        first: &[&Judged],
        likelihood: Likelihood,
    ) -> Option<Explanation> {
        let mut speaks_for = self.keys_of(along);
        speaks_for.extend(new_files(along));
        speaks_for.extend(in_one_transaction(writer, along));
        let mut found = explained(
            "truncate-cascade",
            format!("TRUNCATE … CASCADE of {} took {} along", listed(first), listed(along)),
            likelihood,
            along,
            speaks_for,
        )?;
        found.against.push("the same TRUNCATE may have named them".to_owned());
        Some(found)
    }

    /// Rows that were deleted one by one: by a DELETE of their own, or with those they refer to.
    fn deleted(&self, tables: &[&Judged]) -> Vec<Explanation> {
        let deleted_from: Vec<&Judged> =
            self.tables.iter().filter(|table| deletes(table) > 0).collect();
        let is_cascade = |table: &&&Judged| {
            deletes(table) > 0
                && self.keys.iter().any(|key| {
                    key.on_delete == "CASCADE"
                        && is_of(key.child, table)
                        && deleted_from.iter().any(|parent| {
                            is_of(key.parent, parent) && !std::ptr::eq(*parent, **table)
                        })
                })
        };
        let along: Vec<&Judged> = tables.iter().filter(is_cascade).copied().collect();
        let own: Vec<&Judged> = tables.iter().filter(|table| !is_cascade(table)).copied().collect();
        let mut found = Vec::new();
        let cascade = explained(
            "delete-cascade",
            format!("DELETE of rows that {} refer to, by ON DELETE CASCADE", listed(&along)),
            Likelihood::Likely,
            &along,
            [self.keys_of(&along), counters(&along)].concat(),
        );
        found.extend(cascade.map(|mut cascade| {
            cascade.against.push("they may have been deleted by themselves as well".to_owned());
            cascade
        }));
        let remembered = self.remembered(&["delete-all", "delete", "delete-cascade"], &own);
        let is_certain = own.iter().any(|table| table.status == Status::Wiped);
        let likelihood = if is_certain || !remembered.is_empty() {
            Likelihood::Likely
        } else {
            Likelihood::Possible
        };
        let mut speaks_for = counters(&own);
        speaks_for.push("the files are the first ones or those on record: no TRUNCATE".to_owned());
        speaks_for.extend(remembered);
        let delete = explained(
            "delete",
            format!("DELETE of {}, without a WHERE or with one that was too wide", listed(&own)),
            likelihood,
            &own,
            speaks_for,
        );
        found.extend(delete.map(|mut delete| {
            if own.iter().any(|table| deletes(table) == 0) {
                let text = "the statistics know of no DELETE: they were reset or lost since";
                delete.against.push(text.to_owned());
            }
            delete
        }));
        let clean_up = explained(
            "clean-up",
            format!(
                "an ordinary clean-up of {}: a queue, sessions, a retention job",
                listed(tables)
            ),
            Likelihood::Possible,
            tables,
            vec!["deleting row by row is how applications clean up".to_owned()],
        );
        found.extend(clean_up);
        found
    }

    /// Empty tables that are younger than all that hold rows, and that nobody knows.
    fn newer(&self) -> Option<Explanation> {
        let oid = |table: &Judged| table.trace.there.as_ref().map_or(0, |there| there.oid);
        let full = self.tables.iter().filter(|table| table.found().is_some_and(|found| found > 0));
        let newest = full.map(oid).max()?;
        let newer: Vec<&Judged> = self
            .tables
            .iter()
            .filter(|table| table.status == Status::Empty && table.counts())
            .filter(|table| table.trace.recorded.is_empty() && oid(table) > newest)
            .collect();
        let mut found = explained(
            "recreate",
            format!("DROP TABLE and CREATE TABLE of {}", listed(&newer)),
            Likelihood::Possible,
            &newer,
            vec!["they were made after every table that holds rows, and hold none".to_owned()],
        )?;
        found.against.push("tables that are new look the same".to_owned());
        Some(found)
    }

    /// The table of this group that a table refers to.
    fn parent<'a>(&self, table: &Judged, group: &[&'a Judged]) -> Option<&'a Judged> {
        let referred = self.keys.iter().filter(|key| is_of(key.child, table));
        let mut parents = referred.flat_map(|key| {
            group.iter().filter(move |other| is_of(key.parent, other) && !is_of(key.child, other))
        });
        parents.next().copied()
    }

    /// The keys by which these tables hang on others, in words.
    fn keys_of(&self, tables: &[&Judged]) -> Vec<String> {
        let name = |oid: u32| {
            let named = self.tables.iter().find(|table| is_of(oid, table));
            named.map_or_else(|| format!("oid {oid}"), |table| table.trace.name.short())
        };
        let keys = self.keys.iter().filter(|key| {
            key.child != key.parent && tables.iter().any(|table| is_of(key.child, table))
        });
        let told = keys.map(|key| {
            let (child, parent) = (name(key.child), name(key.parent));
            format!("`{child}` refers to `{parent}` with ON DELETE {}", key.on_delete)
        });
        told.collect()
    }
}

/// What took the rows of a table away.
fn went(table: &Judged) -> Way {
    let then = table.trace.recorded.first();
    let Some(there) = &table.trace.there else {
        let is_here = then.is_some_and(|then| then.is_here);
        return if is_here { Way::Dropped } else { Way::Elsewhere };
    };
    if table.expected.as_ref().is_some_and(|expected| expected.source != Source::Statistics)
        && let Some(then) = then
    {
        if !then.is_here {
            return Way::Elsewhere;
        }
        if then.oid != there.oid {
            return Way::Recreated;
        }
    }
    if there.is_unlogged && there.deleted == 0 && table.found() == Some(0) {
        return Way::Reset;
    }
    let is_same = |filenode: u32| filenode == there.filenode;
    let known = table.trace.recorded.iter().filter(|then| then.is_here && then.oid == there.oid);
    if there.has_first_file() || known.filter_map(|then| then.filenode).any(is_same) {
        return Way::Deleted;
    }
    // All that is missing was deleted, so that the new file took nothing.
    if there.deleted > 0
        && there.inserted.saturating_sub(there.deleted) <= table.found().unwrap_or(0)
    {
        return Way::Deleted;
    }
    Way::Truncated
}

/// Unlogged tables are emptied when the server comes up after a crash, or from a base backup.
fn reset(tables: &[&Judged]) -> Option<Explanation> {
    let mut found = explained(
        "unlogged",
        format!("a crash of the server: {} unlogged, and empty after it", are(tables)),
        Likelihood::Likely,
        tables,
        vec!["nothing is known to have been deleted from them".to_owned()],
    )?;
    found.against.push("TRUNCATE leaves the same traces in an unlogged table".to_owned());
    Some(found)
}

fn are(tables: &[&Judged]) -> String {
    let is = if tables.len() == 1 { "is" } else { "are" };
    format!("{} {is}", listed(tables))
}

/// Inserts that failed, where there is no record and the file says nothing.
fn rolled_back(tables: &[&Judged]) -> Option<Explanation> {
    let by_statistics = |table: &&&Judged| {
        table.expected.as_ref().is_some_and(|expected| expected.source == Source::Statistics)
            && table.found() != Some(0)
    };
    let tables: Vec<&Judged> = tables.iter().filter(by_statistics).copied().collect();
    let is_likely = tables.iter().all(|table| is_little(table));
    let mut found = explained(
        "rolled-back",
        format!(
            "inserts into {} that were rolled back: the statistics count those too",
            listed(&tables)
        ),
        if is_likely { Likelihood::Likely } else { Likelihood::Unlikely },
        &tables,
        vec![
            "nothing was counted there before; the number of rows is inserts less deletes"
                .to_owned(),
        ],
    )?;
    if !is_likely {
        found.against.push("more than a tenth of all inserts would have failed".to_owned());
    }
    Some(found)
}

fn explained(
    kind: &'static str,
    what: String,
    likelihood: Likelihood,
    tables: &[&Judged],
    speaks_for: Vec<String>,
) -> Option<Explanation> {
    let (names, rows) = (names_of(tables), missing(tables));
    let against = Vec::new();
    let found = Explanation { kind, what, likelihood, tables: names, rows, speaks_for, against };
    (!tables.is_empty()).then_some(found)
}

fn is_of(oid: u32, table: &Judged) -> bool {
    let is = |there: &There| there.oid == oid || there.root == Some(oid);
    table.trace.there.as_ref().is_some_and(is)
}

fn deletes(table: &Judged) -> u64 {
    table.trace.there.as_ref().map_or(0, |there| there.deleted)
}

/// Some rows are there, and few are missing.
fn is_little(table: &Judged) -> bool {
    let expected = table.expected.as_ref().map_or(0, |expected| expected.rows);
    table.found() != Some(0) && table.missing().saturating_mul(FEW) <= expected
}

/// Tables whose rows went without being deleted.
fn new_files(tables: &[&Judged]) -> Vec<String> {
    let told = tables.iter().filter_map(|table| {
        let there = table.trace.there.as_ref()?;
        Some(format!(
            "`{}`: {} inserted, {} deleted, and its file is new ({} instead of {})",
            table.trace.name.short(),
            grouped(there.inserted),
            grouped(there.deleted),
            there.filenode,
            there.oid
        ))
    });
    told.collect()
}

fn counters(tables: &[&Judged]) -> Vec<String> {
    let told = tables.iter().filter_map(|table| {
        let deleted = table.trace.there.as_ref()?.deleted;
        let name = table.trace.name.short();
        Some(format!("{} deleted from `{name}`", plural(deleted, "row")))
    });
    told.collect()
}

/// One transaction wrote the catalogue's rows of all these tables.
fn in_one_transaction(writer: u32, tables: &[&Judged]) -> Option<String> {
    let there = tables.first()?.trace.there.as_ref()?;
    if writer == 0 {
        return None;
    }
    let ago = plural(there.age, "transaction");
    Some(match tables.len() {
        1 => format!("transaction {writer} did it, {ago} ago, or one before it"),
        count => format!("one transaction, {writer}, {ago} ago, gave {count} tables a new file"),
    })
}
