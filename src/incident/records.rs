//! What rowsafe wrote down before: counts of rows on record and in manifests, and runs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aftermath::{Recorded, RunSeen, Source};
use crate::inventory::Identity;
use crate::journal::{Action, Entry, Journal, Step};
use crate::known::Known;
use crate::request::RunRequest;
use crate::snapshot::Manifest;
use crate::text::QualifiedName;

/// Seconds in which an earlier count still says more than a later one that is smaller: what was
/// counted right after a loss is no reason to take it for none.
const FRESH: i64 = 7 * 24 * 3600;

/// What was agreed to in a run that went on.
#[derive(Debug)]
struct Agreed {
    /// Tables, as they are called there.
    objects: Vec<String>,
    /// When the run began.
    begun: Timestamp,
    /// The snapshots that it took, which hold what was there before.
    snapshots: Vec<String>,
}

/// How many runs are told of.
const RUNS: usize = 10;

/// What was written down about a database.
#[derive(Debug, Default)]
pub struct Records {
    /// Its record.
    pub known: Option<Known>,
    /// Its snapshots, the newest first.
    pub manifests: Vec<Manifest>,
    /// Runs on it, the newest first.
    pub runs: Vec<RunSeen>,
    /// What somebody agreed to lose, run by run.
    agreed: Vec<Agreed>,
    /// What could not be read.
    pub unseen: Vec<String>,
}

impl Records {
    /// Reads everything that is on disk about the database of the request.
    pub async fn read(run: &RunRequest) -> Self {
        let mut records = Self::default();
        match run.known.read() {
            Ok(known) => records.known = known,
            Err(refusal) => records.unseen.push(refusal.to_string()),
        }
        let mut damaged = Vec::new();
        match run.store.list(|refusal| damaged.push(refusal.to_string())).await {
            Ok(stored) => {
                let manifests = stored.into_iter().map(|stored| stored.manifest);
                records.manifests = manifests.collect();
            }
            Err(refusal) => records.unseen.push(refusal.to_string()),
        }
        records.unseen.extend(damaged);
        records.read_journal(&run.journal, &run.known.path().display().to_string());
        records
    }

    /// Leaves only the snapshots of this database, or of one at the same address.
    pub fn keep_own(&mut self, identity: Option<&Identity>, address: &str) {
        self.manifests.retain(|manifest| {
            identity.is_some_and(|identity| is_of(manifest, identity))
                || manifest.database.server.rsplit('@').next() == Some(address)
        });
    }

    fn read_journal(&mut self, journal: &Journal, known: &str) {
        let history = match journal.read() {
            Ok(history) => history,
            Err(error) => return self.unseen.push(error.to_string()),
        };
        let mut runs: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &history.entries {
            runs.entry(&entry.run).or_default().push(entry);
        }
        for entries in runs.values().filter(|entries| is_about(entries, known)) {
            self.agreed.extend(agreed(entries));
            self.runs.extend(told(entries));
        }
        self.runs.sort_by_key(|run| std::cmp::Reverse(run.at));
        self.runs.truncate(RUNS);
    }

    /// What was counted in a table before. The first is what it is held against: the highest count
    /// of the last days, or else the last one.
    pub fn of_table(
        &self,
        name: &QualifiedName,
        oid: Option<u32>,
        identity: Option<&Identity>,
        now: i64,
    ) -> Vec<Recorded> {
        let mut found: Vec<Recorded> = Vec::new();
        if let Some(known) = &self.known {
            let is_here = identity.is_some_and(|identity| is_same(known, identity));
            let same = |oid_then: u32, then: &QualifiedName| {
                if is_here && oid.is_some_and(|oid| oid == oid_then) { true } else { then == name }
            };
            let table = known.tables.iter().find(|table| is_here && Some(table.oid) == oid);
            let table = table
                .or_else(|| known.tables.iter().find(|table| same(table.oid, &table.qualified())));
            let table = table.filter(|_| !self.is_over(name, known.recorded_at, None));
            found.extend(table.map(|table| Recorded {
                rows: table.rows,
                at: known.recorded_at.as_second(),
                source: Source::Record,
                oid: table.oid,
                filenode: table.filenode,
                is_here,
            }));
        }
        for manifest in &self.manifests {
            let is_here = identity.is_some_and(|identity| is_of(manifest, identity));
            let holding = || manifest.tables.iter().filter(|table| table.holds_rows());
            let table = holding().find(|table| is_here && Some(table.oid) == oid);
            let table = table.or_else(|| holding().find(|table| table.qualified() == *name));
            let table =
                table.filter(|_| !self.is_over(name, manifest.created_at, Some(&manifest.id)));
            found.extend(table.map(|table| Recorded {
                rows: table.rows,
                at: manifest.created_at.as_second(),
                source: Source::Snapshot(manifest.id.clone()),
                oid: table.oid,
                filenode: None,
                is_here,
            }));
        }
        // A record of the database that is there now knows better than that of one before.
        let is_known_here = self
            .known
            .as_ref()
            .is_some_and(|known| identity.is_some_and(|identity| is_same(known, identity)));
        if is_known_here {
            found.retain(|then| then.is_here);
        }
        in_order(found, now)
    }

    /// Whether somebody agreed to lose the table's rows after this count was made.
    fn is_over(&self, name: &QualifiedName, at: Timestamp, snapshot: Option<&String>) -> bool {
        self.agreed.iter().any(|agreed| {
            let is_before =
                at < agreed.begun || snapshot.is_some_and(|id| agreed.snapshots.contains(id));
            is_before && agreed.objects.iter().any(|object| is_called(name, object))
        })
    }

    /// Tables that were there, as the record and the snapshots of the last days say.
    pub fn tables(&self, now: i64) -> Vec<(QualifiedName, u32)> {
        let known = self
            .known
            .iter()
            .flat_map(|known| known.tables.iter().map(|table| (table.qualified(), table.oid)));
        let newest = self.manifests.first().map(|manifest| manifest.id.as_str());
        let kept = self.manifests.iter().filter(|manifest| {
            now - manifest.created_at.as_second() <= FRESH || Some(manifest.id.as_str()) == newest
        });
        let kept = kept.flat_map(|manifest| {
            let tables = manifest.tables.iter().filter(|table| table.holds_rows());
            tables.map(|table| (table.qualified(), table.oid))
        });
        known.chain(kept).collect()
    }
}

/// The count that a table is held against comes first, then the others, the newest first.
fn in_order(mut found: Vec<Recorded>, now: i64) -> Vec<Recorded> {
    found.sort_by_key(|then| std::cmp::Reverse(then.at));
    let fresh = found.iter().enumerate().filter(|(_, then)| now - then.at <= FRESH);
    // Of two that are the same, the newer one.
    let highest = fresh.rev().max_by_key(|(_, then)| then.rows).map(|(at, _)| at);
    if let Some(at) = highest {
        let then = found.remove(at);
        found.insert(0, then);
    }
    found
}

/// Whether a record is of the very database that was reached.
pub fn is_same(known: &Known, identity: &Identity) -> bool {
    let system = identity.system_identifier.map(|system| system.to_string());
    known.oid == identity.database_oid
        && (known.system_identifier == system
            || known.system_identifier.is_none()
            || system.is_none())
}

/// Whether a snapshot is of the very database that was reached.
pub fn is_of(manifest: &Manifest, identity: &Identity) -> bool {
    manifest.database.is(identity)
}

fn is_called(name: &QualifiedName, object: &str) -> bool {
    object == name.short() || object == name.to_string()
}

/// Whether a run was about this database, as far as it says.
fn is_about(entries: &[&Entry], known: &str) -> bool {
    entries.iter().all(|entry| match &entry.step {
        Step::IdentityRecorded { path } => path == known,
        _ => true,
    })
}

/// Rules that take whole tables, or all rows of one.
const TAKING: [&str; 6] =
    ["drop-table", "drop-partition", "recreate-table", "truncate", "delete-all", "delete"];

/// What was agreed to in a run that went on.
fn agreed(entries: &[&Entry]) -> Option<Agreed> {
    let has_run = entries.iter().any(|entry| matches!(entry.step, Step::ChildStarted { .. }));
    let begun = entries.first().filter(|_| has_run)?.time;
    let planned = entries.iter().filter_map(|entry| match &entry.step {
        Step::Planned { agreed, .. } => Some(agreed),
        _ => None,
    });
    let objects = planned.flatten().filter_map(|text| {
        let (rule, rest) = text.split_once(' ')?;
        let object = rest.split_once(": ").map_or(rest, |(object, _)| object);
        TAKING.contains(&rule).then(|| object.to_owned())
    });
    let snapshots = entries.iter().filter_map(|entry| match &entry.step {
        Step::SnapshotVerified { id } => Some(id.clone()),
        _ => None,
    });
    Some(Agreed { objects: objects.collect(), begun, snapshots: snapshots.collect() })
}

fn told(entries: &[&Entry]) -> Option<RunSeen> {
    let first = entries.first()?;
    let Step::Begun { action, command, user, .. } = &first.step else { return None };
    let findings = entries.iter().find_map(|entry| match &entry.step {
        Step::Planned { findings, .. } => Some(findings.clone()),
        _ => None,
    });
    let command = match action {
        Action::Run => format!("rowsafe run -- {}", shell_words::join(command)),
        Action::Restore => "rowsafe restore".to_owned(),
        Action::Snapshot => "rowsafe snapshot create".to_owned(),
        Action::Unknown => "a command of a later rowsafe".to_owned(),
    };
    Some(RunSeen {
        id: first.run.clone(),
        at: first.time.as_second(),
        command,
        user: Some(*user),
        host: first.process.host.clone(),
        outcome: outcome(entries),
        findings: findings.unwrap_or_default(),
    })
}

fn outcome(entries: &[&Entry]) -> String {
    let verdict = entries.iter().rev().find_map(|entry| match &entry.step {
        Step::Compared { verdict } => Some(verdict.clone()),
        Step::Blocked { .. } => Some("blocked".to_owned()),
        _ => None,
    });
    let exit = entries.iter().rev().find_map(|entry| match entry.step {
        Step::Finished { exit } => Some(exit),
        _ => None,
    });
    match (verdict, exit) {
        (Some(verdict), Some(exit)) => format!("{verdict}, exit {exit}"),
        (None, Some(exit)) => format!("exit {exit}"),
        (_, None) => "it has no end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use crate::aftermath::{Recorded, Source};

    #[test]
    fn the_highest_count_of_the_last_days_is_what_a_table_is_held_against() {
        const DAY: i64 = 24 * 3600;
        let then = |rows, days: i64| Recorded {
            rows,
            at: 100 * DAY - days * DAY,
            source: Source::Record,
            oid: 1,
            filenode: None,
            is_here: true,
        };
        let first = |found| in_order(found, 100 * DAY).first().map(|then: &Recorded| then.rows);
        // Counted again after the loss.
        assert_eq!(first(vec![then(40, 1), then(0, 0)]), Some(40));
        assert_eq!(first(vec![then(0, 0), then(40, 8)]), Some(0));
        assert_eq!(first(vec![then(30, 20), then(40, 30)]), Some(30));
        assert_eq!(first(Vec::new()), None);
    }
}
