//! What was agreed to, done: one transaction, everything or nothing.

use std::collections::BTreeSet;

use super::RestoreRequest;
use super::columns::Return;
use super::differ::Differ;
use super::order::levels;
use super::pair::Unit;
use super::prepare::Prepared;
use super::rows::{Done, LARGE};
use super::sequences;
use super::session::Session;
use super::triggers::Silenced;
use crate::db::postgres::shape;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::{Cannot, Changed};
use crate::snapshot::store::Stored;
use crate::text::QualifiedName;
use crate::text::number::plural;

/// What was really done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Unit by unit.
    pub done: Vec<Done>,
    /// Rows of tables that were made again.
    pub revived: u64,
    /// What turned out to be in the way, by table.
    pub cannot: Vec<(QualifiedName, Cannot)>,
}

/// Puts everything back, or nothing.
pub async fn apply(
    request: &RestoreRequest,
    stored: &Stored,
    session: &Session,
    prepared: &Prepared<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Refusal> {
    session.execute("BEGIN", "start the transaction").await?;
    let done = within(request, stored, session, prepared, observer).await;
    match done {
        Ok(outcome) => {
            session.execute("COMMIT", "commit what was put back").await?;
            Ok(outcome)
        }
        Err(refusal) => {
            // The server does the same when the session ends.
            let _ = session.execute("ROLLBACK", "take back what was begun").await;
            Err(refusal)
        }
    }
}

async fn within(
    request: &RestoreRequest,
    stored: &Stored,
    session: &Session,
    prepared: &Prepared<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Refusal> {
    let units = &prepared.paired.units;
    let changed = lock(session, prepared).await?;
    // Keys that can wait are checked when all rows are there.
    session.execute("SET CONSTRAINTS ALL DEFERRED", "put off the checks that can wait").await?;
    let differ = Differ { session, units, shapes: &prepared.shapes, mode: prepared.mode };
    let mut outcome = Outcome::default();
    let written: Vec<u32> = units
        .iter()
        .zip(&changed)
        .filter(|(_, changed)| !changed.is_nothing())
        .map(|(unit, _)| unit.live.oid)
        .collect();
    let silenced = Silenced::during(session, &written).await?;
    outcome.revived =
        prepared.revival.begin(request, stored, &prepared.entries, session, observer).await?;
    for (unit, found) in units.iter().zip(&prepared.returns) {
        found.begin(session, unit).await?;
    }
    outcome.done = put_back(&differ, &prepared.returns, &changed, observer).await?;
    // What is checked at commit has to be checked before a table can be altered.
    session.execute("SET CONSTRAINTS ALL IMMEDIATE", "check the foreign keys").await?;
    outcome.cannot = prepared.revival.end(session).await?;
    for (unit, found) in units.iter().zip(&prepared.returns) {
        let cannot = found.end(session, unit).await?;
        outcome.cannot.extend(cannot.into_iter().map(|cannot| (unit.name().clone(), cannot)));
    }
    for (unit, _) in units.iter().zip(&changed).filter(|(_, changed)| !changed.is_nothing()) {
        sequences::advance(session, unit.name()).await?;
    }
    for table in &prepared.paired.gone {
        sequences::advance(session, &table.qualified()).await?;
    }
    silenced.end(session).await?;
    for (unit, (done, changed)) in units.iter().zip(outcome.done.iter().zip(&changed)) {
        outcome.cannot.extend(short(done, changed).map(|cannot| (unit.name().clone(), cannot)));
    }
    Ok(outcome)
}

/// Rows that did not go in although nothing was seen in their way, such as a unique index with a
/// condition.
fn short(done: &Done, changed: &Changed) -> Option<Cannot> {
    let rows = changed.insert.saturating_sub(done.inserted);
    let why = format!("{}: a unique index of now refuses them", plural(rows, "row"));
    (rows > 0).then_some(Cannot { rows, values: 0, why })
}

/// Locks what is written to, and works out under the lock what is to be done: what was shown may
/// have changed since, the tables themselves may not.
async fn lock(session: &Session, prepared: &Prepared<'_>) -> Result<Vec<Changed>, Refusal> {
    let units = &prepared.paired.units;
    let planned = units.iter().zip(&prepared.changes).filter(|(_, changed)| !changed.is_nothing());
    let mut names: Vec<(String, &str)> = planned
        .map(|(unit, changed)| {
            // A table to which a column is added can't be read meanwhile.
            let is_altered = !changed.columns.is_empty();
            (unit.live.from(), if is_altered { "ACCESS EXCLUSIVE" } else { "SHARE ROW EXCLUSIVE" })
        })
        .collect();
    names.sort();
    for (name, mode) in names {
        let sql = format!("LOCK TABLE {name} IN {mode} MODE");
        session.execute(&sql, "lock the tables against other writers").await?;
    }
    let now = shape::read(session.client()).await;
    let now = now.map_err(|error| session.refusal("look at the tables again", error))?;
    for unit in units {
        if !now.contains(&unit.live) {
            let message = format!("`{}` was altered meanwhile", unit.name());
            return Err(Refusal::new(Exit::NoAnswer, message)
                .hint("nothing was changed; run the restore again to see what it would do now"));
        }
    }
    let differ = Differ { session, units, shapes: &prepared.shapes, mode: prepared.mode };
    let mut changed = differ.again().await?;
    // What nobody was shown is not touched.
    for (now, planned) in changed.iter_mut().zip(&prepared.changes) {
        now.columns.clone_from(&planned.columns);
        if planned.is_nothing() {
            *now = Changed::default();
        }
    }
    Ok(changed)
}

async fn put_back(
    differ: &Differ<'_, '_>,
    returns: &[Return],
    changed: &[Changed],
    observer: &mut dyn Observer,
) -> Result<Vec<Done>, Refusal> {
    let units = differ.units;
    let mut done = vec![Done::default(); units.len()];
    let levels = levels(units);
    for at in levels.iter().rev().flatten() {
        if changed[*at].delete > 0 {
            done[*at].deleted = differ.delete(&units[*at]).await?;
        }
    }
    for level in &levels {
        for at in level {
            if changed[*at].overwrite > 0 {
                done[*at].overwritten = differ.overwrite(&units[*at]).await?;
            }
        }
        let inserting: Vec<usize> =
            level.iter().copied().filter(|at| changed[*at].insert > 0).collect();
        for group in groups(units, &inserting) {
            let counts = insert(differ, returns, changed, &group, observer).await?;
            for (at, rows) in group.iter().zip(counts) {
                done[*at].inserted = rows;
                let what = &units[*at].name().short();
                observer.notice(Event::Restoring { what, rows });
            }
        }
    }
    for (at, unit) in units.iter().enumerate() {
        done[at].filled = differ.fill(unit, &changed[at]).await?;
    }
    Ok(done)
}

/// Puts the rows of a group back: a large table in parts, unless its rows refer to each other.
async fn insert(
    differ: &Differ<'_, '_>,
    returns: &[Return],
    changed: &[Changed],
    group: &[usize],
    observer: &mut dyn Observer,
) -> Result<Vec<u64>, Refusal> {
    if let [at] = group {
        let (unit, total) = (&differ.units[*at], changed[*at].insert);
        let refers_to_itself =
            unit.live.references.iter().any(|reference| reference.parent == unit.live.oid);
        if total >= LARGE && !refers_to_itself {
            let tell = |done| observer.notice(Event::Inserting { done, total });
            return Ok(vec![differ.insert_parts(unit, &returns[*at], tell).await?]);
        }
    }
    let members: Vec<(&Unit<'_>, &Return)> =
        group.iter().map(|at| (&differ.units[*at], &returns[*at])).collect();
    differ.insert(&members).await
}

/// Tables of one level that refer to each other go in together, the others each for itself.
fn groups(units: &[Unit<'_>], level: &[usize]) -> Vec<Vec<usize>> {
    let oids: BTreeSet<u32> = level.iter().map(|at| units[*at].live.oid).collect();
    let refers = |at: &usize| {
        let unit = &units[*at];
        unit.live
            .references
            .iter()
            .any(|reference| reference.parent != unit.live.oid && oids.contains(&reference.parent))
    };
    if level.iter().any(refers) {
        return vec![level.to_vec()];
    }
    level.iter().map(|at| vec![*at]).collect()
}
