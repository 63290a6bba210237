//! Whether a restore brought everything back: the state of the snapshot (before), the state that
//! was restored into (now), and the state after, row by row and value by value.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::state::{State, Table, Values};

/// The three states of one world.
pub struct Trip<'a> {
    pub before: &'a State,
    pub now: &'a State,
    pub after: &'a State,
    /// Tables of which rowsafe said what can't be put back, by their names in SQL.
    pub told: &'a BTreeSet<String>,
}

/// What came of one world.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What was there before the restore and is not, or came from nowhere.
    pub harm: Vec<String>,
    /// What the snapshot holds and did not come back.
    pub missing: Vec<String>,
    /// Rows of the snapshot that were gone and are back.
    pub rows_back: usize,
    /// Values that were gone from rows that stayed and are back.
    pub values_back: usize,
    /// Rows and values written since, still there.
    pub newer: usize,
    /// Rows that could not come back beside a newer one, and were named.
    pub kept_newer: usize,
}

impl Verdict {
    fn harmed(&mut self, what: String) {
        self.harm.push(what);
    }

    fn missed(&mut self, what: String) {
        self.missing.push(what);
    }
}

impl Trip<'_> {
    /// Every row and value of the snapshot is there, every newer one still is, and what hung on
    /// the tables hangs on them.
    pub fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for (name, before) in &self.before.tables {
            let Some(after) = self.after.tables.get(name) else {
                let was_there = self.now.tables.contains_key(name);
                let what = format!("{name} is not there");
                if was_there {
                    verdict.harmed(what);
                } else {
                    verdict.missed(what);
                }
                continue;
            };
            let now = self.now.tables.get(name);
            if before.key.is_empty() {
                self.unkeyed(before, now, after, &mut verdict);
            } else {
                self.keyed(before, now, after, &mut verdict);
            }
        }
        for (name, now) in &self.now.tables {
            if !self.before.tables.contains_key(name) {
                let is_same = self.after.tables.get(name).is_some_and(|t| t.rows == now.rows);
                if !is_same {
                    verdict.harmed(format!("{name}, which is newer, changed"));
                }
            }
        }
        for line in self.before.lines.difference(&self.after.lines) {
            if !self.is_excused(line) && !self.is_unneeded(line) {
                verdict.missed(format!("was and is not: {line}"));
            }
        }
        verdict
    }

    /// A foreign key that newer rows break comes back without being checked, and is named.
    fn is_excused(&self, line: &str) -> bool {
        let unchecked = format!("{line} NOT VALID");
        line.starts_with("constraint ") && self.after.lines.contains(&unchecked)
    }

    fn keyed(&self, before: &Table, now: Option<&Table>, after: &Table, verdict: &mut Verdict) {
        let name = before.sql();
        let after_rows = by_key(after, &before.key);
        let now_key_is_there = now.filter(|now| before.key.iter().all(|key| now.at(key).is_some()));
        let now_rows = now_key_is_there.map(|now| by_key(now, &before.key)).unwrap_or_default();
        let before_rows = by_key(before, &before.key);
        let mut expected: HashSet<&Vec<Option<&str>>> = HashSet::new();
        for (key, old) in &before_rows {
            expected.insert(key);
            let Some(row) = after_rows.get(key) else {
                match self.why_not(before, old, after) {
                    Some(_) => verdict.kept_newer += 1,
                    None if now_rows.contains_key(key) => {
                        verdict.harmed(format!("{name}: row {key:?} is gone now"));
                    }
                    None if self.is_told(before) => verdict.kept_newer += 1,
                    None => verdict.missed(format!("{name}: row {key:?} is not there")),
                }
                continue;
            };
            let newer = now_rows.get(key);
            if newer.is_none() {
                verdict.rows_back += 1;
            }
            for (at, column) in before.columns.iter().enumerate() {
                let Some(at_after) = after.at(&column.name) else { continue };
                let is = row[at_after].as_deref();
                let was = old[at].as_deref();
                let written = newer.and_then(|newer| {
                    let at = now.expect("has rows").at(&column.name)?;
                    newer[at].as_deref()
                });
                if column.is_generated {
                    continue;
                }
                let wanted = written.or(was);
                if is == wanted {
                    verdict.values_back +=
                        usize::from(newer.is_some() && written.is_none() && was.is_some());
                    verdict.newer += usize::from(written.is_some() && written != was);
                    continue;
                }
                let is_excused = self.is_told(before) || self.why_not(before, old, after).is_some();
                if is.is_none() && written.is_none() && is_excused {
                    verdict.kept_newer += 1;
                    continue;
                }
                let what = format!(
                    "{name}: {} of row {key:?} is {is:?}, wanted {wanted:?} (was {was:?}, newer {written:?})",
                    column.name
                );
                if written.is_some() || is.is_some() {
                    verdict.harmed(what);
                } else {
                    verdict.missed(what);
                }
            }
        }
        if let Some(now) = now_key_is_there {
            Self::newer_rows(now, &now_rows, &before_rows, after, &after_rows, verdict);
            expected.extend(now_rows.keys());
        }
        for key in after_rows.keys().filter(|key| !expected.contains(key)) {
            if now_key_is_there.is_some() || now.is_none() {
                verdict.harmed(format!("{name}: row {key:?} came from nowhere"));
            }
        }
        let has_key = before.key.iter().all(|key| after.at(key).is_some());
        if has_key && after.rows.len() != after_rows.len() {
            verdict.harmed(format!("{name}: rows without or with the same key"));
        }
    }

    fn newer_rows(
        now: &Table,
        now_rows: &Rows,
        before_rows: &Rows,
        after: &Table,
        after_rows: &Rows,
        verdict: &mut Verdict,
    ) {
        let name = now.sql();
        for (key, newer) in now_rows.iter().filter(|(key, _)| !before_rows.contains_key(*key)) {
            let Some(row) = after_rows.get(key) else {
                verdict.harmed(format!("{name}: newer row {key:?} is not there any more"));
                continue;
            };
            let has = |column: &str| after.at(column).and_then(|at| row[at].as_deref());
            let changed = now.columns.iter().enumerate().find(|(at, column)| {
                !column.is_generated && has(&column.name) != newer[*at].as_deref()
            });
            match changed {
                None => verdict.newer += 1,
                Some((at, column)) => verdict.harmed(format!(
                    "{name}: {} of newer row {key:?} is {:?}, was {:?}",
                    column.name,
                    has(&column.name),
                    newer[at]
                )),
            }
        }
    }

    /// Why a row can't be back as it was: a newer one holds what only one can have, or what it
    /// refers to can't be back either.
    fn why_not(&self, before: &Table, old: &Values, after: &Table) -> Option<&'static str> {
        for unique in &before.uniques {
            let Some(wanted) = before.values(old, unique) else { continue };
            if wanted.iter().any(Option::is_none) || *unique == before.key {
                continue;
            }
            let is_other = |row: &&Values| {
                after.values(row, unique).as_ref() == Some(&wanted)
                    && after.values(row, &before.key) != before.values(old, &before.key)
            };
            if after.rows.iter().any(|row| is_other(&row)) {
                return Some("a newer row has its unique value");
            }
        }
        for reference in &before.references {
            let Some(wanted) = before.values(old, &reference.columns) else { continue };
            if wanted.iter().any(Option::is_none) {
                continue;
            }
            let parent = self.after.tables.get(&reference.table)?;
            let is_there =
                |row: &Values| parent.values(row, &reference.other).as_ref() == Some(&wanted);
            if !parent.rows.iter().any(is_there) {
                return Some("what it refers to is not there");
            }
        }
        None
    }

    /// Without a key rows are known by all they hold: none of now is gone, all of before are there.
    fn unkeyed(&self, before: &Table, now: Option<&Table>, after: &Table, verdict: &mut Verdict) {
        let name = before.sql();
        let columns: Vec<String> = before
            .columns
            .iter()
            .filter(|column| !column.is_generated)
            .map(|column| column.name.clone())
            .collect();
        let is_there =
            |c: &&String| after.at(c).is_some() && now.is_none_or(|now| now.at(c).is_some());
        let shared: Vec<String> = columns.iter().filter(is_there).cloned().collect();
        let old = counted(before, &shared);
        let newer = now.map(|now| counted(now, &shared)).unwrap_or_default();
        let found = counted(after, &shared);
        if shared.len() == columns.len() {
            for (row, count) in &old {
                let is = found.get(row).copied().unwrap_or_default();
                if is < *count {
                    // Rows that changed since are not known again.
                    if !self.is_told(before) {
                        verdict.missed(format!("{name}: {count} of {row:?} were there, {is} are"));
                    }
                } else {
                    verdict.rows_back +=
                        count - newer.get(row).copied().unwrap_or_default().min(*count);
                }
            }
        } else if !self.is_told(before) {
            verdict.missed(format!("{name}: values of a column without a key were not spoken of"));
        }
        for (row, count) in &newer {
            let is = found.get(row).copied().unwrap_or_default();
            if is < *count {
                verdict.harmed(format!("{name}: {count} of newer {row:?}, {is} are left"));
            } else {
                verdict.newer += count - old.get(row).copied().unwrap_or_default().min(*count);
            }
        }
        for (row, count) in &found {
            let most = old
                .get(row)
                .copied()
                .unwrap_or_default()
                .max(newer.get(row).copied().unwrap_or_default());
            if *count > most {
                verdict.harmed(format!("{name}: {row:?} is there {count} times, was {most} times"));
            }
        }
    }

    /// Whether the report says of a table that something of it could not be put back.
    fn is_told(&self, table: &Table) -> bool {
        let names = std::iter::once(table.sql()).chain(table.partitions.iter().cloned());
        names.into_iter().any(|name| self.told.contains(&name))
    }

    /// Whether a line is of a table of which that is said, or of what nothing is left to need.
    fn is_unneeded(&self, line: &str) -> bool {
        let plain = line.replace('"', "");
        let is_told = self.told.iter().any(|name| plain.contains(&name.replace('"', "")));
        let kind = line.split(' ').next().unwrap_or_default();
        let is_used = |what: &str| {
            let in_column = |table: &Table| table.columns.iter().any(|c| c.kind.contains(what));
            self.before.tables.values().any(in_column)
        };
        let is_type = ["mood", "plate", "pair"].into_iter().any(|what| {
            let says = match kind {
                "type" => line.contains(&format!(" {what} ")),
                "relation" | "column" => line.contains(&format!(".{what} ")),
                _ => false,
            };
            says && !is_used(what)
        });
        let is_function = kind == "function" && {
            let name = line.split(' ').nth(2).unwrap_or_default();
            let calls = format!(".{name}()");
            let mut lines = self.before.lines.iter();
            !lines.any(|other| other.starts_with("trigger") && other.contains(&calls))
        };
        is_told || is_type || is_function
    }
}

type Rows<'a> = BTreeMap<Vec<Option<&'a str>>, &'a Values>;

fn by_key<'a>(table: &'a Table, key: &[String]) -> Rows<'a> {
    table.rows.iter().filter_map(|row| Some((table.values(row, key)?, row))).collect()
}

fn counted<'a>(table: &'a Table, columns: &[String]) -> HashMap<Vec<Option<&'a str>>, usize> {
    let mut counts = HashMap::new();
    for row in &table.rows {
        if let Some(values) = table.values(row, columns) {
            *counts.entry(values).or_default() += 1;
        }
    }
    counts
}

/// What differs between two states that should be the same.
pub fn differing(one: &State, other: &State) -> Vec<String> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = one.tables.keys().chain(other.tables.keys()).collect();
    for name in names {
        let sorted = |state: &State| {
            let mut rows = state.tables.get(name).map(|table| table.rows.clone());
            if let Some(rows) = &mut rows {
                rows.sort();
            }
            rows
        };
        if sorted(one) != sorted(other) {
            found.push(format!("{name} changed"));
        }
    }
    let lines = one.lines.symmetric_difference(&other.lines);
    found.extend(lines.map(|line| format!("changed: {line}")));
    found
}
