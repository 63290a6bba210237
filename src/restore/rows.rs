//! The statements that put rows and values back.

use super::RestoreMode;
use super::columns::Return;
use super::differ::Differ;
use super::pair::{Pair, Unit, staged};
use crate::hint::Refusal;
use crate::record::Changed;
use crate::text::name::quote;

/// From so many rows on they are put back part by part, so that one sees how far it is.
pub const LARGE: u64 = 100_000;

/// Into so many parts.
const PARTS: u64 = 20;

/// What was really done with a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that were put back.
    pub inserted: u64,
    /// Rows in which values were put back.
    pub filled: u64,
    /// Rows that were overwritten.
    pub overwritten: u64,
    /// Rows that were deleted.
    pub deleted: u64,
}

impl Differ<'_, '_> {
    /// Puts the rows of these units back with one statement; foreign keys are checked at its end.
    pub async fn insert(&self, units: &[(&Unit<'_>, &Return)]) -> Result<Vec<u64>, Refusal> {
        let inserts: Vec<String> =
            units.iter().map(|(unit, found)| insertion(unit, found, "")).collect();
        let names: Vec<String> = units.iter().map(|(unit, _)| unit.name().short()).collect();
        let what = format!("put rows back into {}", names.join(", "));
        if let [insert] = inserts.as_slice() {
            return Ok(vec![self.session.change(insert, &what).await?]);
        }
        let parts: Vec<String> = inserts
            .iter()
            .enumerate()
            .map(|(at, insert)| format!("i{at} AS ({insert} RETURNING 1)"))
            .collect();
        let counts: Vec<String> =
            (0..inserts.len()).map(|at| format!("(SELECT count(*) FROM i{at})")).collect();
        let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
        self.session.numbers(&sql, &what).await
    }

    /// The same for one large table, part by part; `tell` hears how many rows are in.
    pub async fn insert_parts(
        &self,
        unit: &Unit<'_>,
        found: &Return,
        mut tell: impl FnMut(u64),
    ) -> Result<u64, Refusal> {
        let what = format!("put rows back into {}", unit.name().short());
        let size = format!(
            "SELECT pg_relation_size('{}') / current_setting('block_size')::int8",
            unit.staged
        );
        let blocks = self.session.numbers(&size, &what).await?[0];
        // Rounded up: the last part ends beyond the last block.
        let step = blocks / PARTS + 1;
        let mut inserted = 0;
        for part in 0..PARTS {
            let (start, end) = (part * step, (part + 1) * step);
            let sql = insertion(
                unit,
                found,
                &format!(" AND s.ctid >= '({start},0)'::tid AND s.ctid < '({end},0)'::tid"),
            );
            inserted += self.session.change(&sql, &what).await?;
            tell(inserted);
        }
        Ok(inserted)
    }

    /// Puts values back where they are still gone.
    pub async fn fill(&self, unit: &Unit<'_>, changed: &Changed) -> Result<u64, Refusal> {
        let Some(same) = unit.same_row().filter(|_| !changed.fill.is_empty()) else {
            return Ok(0);
        };
        let is_filled = |pair: &&Pair| changed.filled.contains(&pair.attnum);
        let filled: Vec<&Pair> = unit.columns.iter().filter(is_filled).collect();
        let set: Vec<String> = filled
            .iter()
            .map(|pair| {
                let name = quote(&pair.live.name);
                format!("{name} = coalesce({}, {})", pair.staged(), pair.live())
            })
            .collect();
        let gone: Vec<String> = filled.iter().map(|pair| unit.gone(pair)).collect();
        let sql = format!(
            "UPDATE {} l SET {} FROM {} s WHERE {same} AND ({})",
            unit.live.from(),
            set.join(", "),
            unit.fills(),
            gone.join(" OR ")
        );
        self.session.change(&sql, &format!("put values back into {}", unit.name().short())).await
    }

    /// Deletes what the snapshot does not have, but for rows that others refer to.
    pub async fn delete(&self, unit: &Unit<'_>) -> Result<u64, Refusal> {
        if self.mode != RestoreMode::Replace {
            return Ok(0);
        }
        let what = format!("delete rows of {} that are not in the snapshot", unit.name().short());
        let from = unit.live.from();
        if unit.key.is_none() {
            return self.delete_by_all(unit, &what).await;
        }
        let kept: String =
            self.referred(unit).iter().map(|held| format!(" AND NOT {held}")).collect();
        let sql = format!("DELETE FROM {from} l WHERE {}{kept}", Self::newer(unit));
        self.session.change(&sql, &what).await
    }

    /// Without a key: of each content as many rows as the snapshot has stay.
    async fn delete_by_all(&self, unit: &Unit<'_>, what: &str) -> Result<u64, Refusal> {
        let text = |value: &dyn Fn(&Pair) -> String| -> String {
            let values: Vec<String> =
                unit.columns.iter().map(|pair| format!("{}::text", value(pair))).collect();
            format!("ROW({})::text COLLATE \"C\"", values.join(", "))
        };
        let (then, now) = (text(&Pair::staged), text(&Pair::live));
        let from = unit.live.from();
        let sql = format!(
            "DELETE FROM {from} t USING (
                 SELECT l.tableoid AS part, l.ctid AS place, {now} AS everything,
                        row_number() OVER (PARTITION BY {now}) AS nth FROM {from} l) l
               LEFT JOIN (SELECT {then} AS everything, count(*) AS times FROM {} s GROUP BY 1) s
                 ON s.everything = l.everything
              WHERE t.ctid = l.place AND t.tableoid = l.part AND l.nth > coalesce(s.times, 0)",
            unit.staged
        );
        self.session.change(&sql, what).await
    }

    /// Overwrites rows that hold other values.
    pub async fn overwrite(&self, unit: &Unit<'_>) -> Result<u64, Refusal> {
        let Some((same, key)) = unit.same_row().zip(unit.key.as_ref()) else { return Ok(0) };
        let is_key = |pair: &&Pair| key.columns.iter().any(|part| part.attnum == pair.attnum);
        let others: Vec<&Pair> = unit
            .columns
            .iter()
            .filter(|pair| !is_key(pair) && !pair.live.is_always_identity)
            .collect();
        if self.mode != RestoreMode::Replace || others.is_empty() {
            return Ok(0);
        }
        let set: Vec<String> = others
            .iter()
            .map(|pair| format!("{} = {}", quote(&pair.live.name), pair.staged()))
            .collect();
        let differs: Vec<String> = others.iter().map(|pair| pair.differs()).collect();
        let sql = format!(
            "UPDATE {} l SET {} FROM {} s WHERE {same} AND ({})",
            unit.live.from(),
            set.join(", "),
            unit.staged,
            differs.join(" OR ")
        );
        self.session.change(&sql, &format!("overwrite rows of {}", unit.name().short())).await
    }
}

/// `INSERT … SELECT` of the staged rows that are gone and that nothing stands in the way of.
fn insertion(unit: &Unit<'_>, found: &Return, and: &str) -> String {
    let pairs = unit.columns.iter();
    let pairs = pairs.map(|pair| (quote(&pair.live.name), format!("s.{}", staged(pair.attnum))));
    let back = found.columns.iter();
    let back = back.filter_map(|column| Some((quote(&column.name), column.value.clone()?)));
    let (names, values): (Vec<String>, Vec<String>) = pairs.chain(back).unzip();
    // A table without columns takes no list of them.
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    // PostgreSQL refuses the clause where a unique constraint is checked at the end.
    let on_conflict = if unit.live.takes_on_conflict { " ON CONFLICT DO NOTHING" } else { "" };
    format!(
        "INSERT INTO {}{list} OVERRIDING SYSTEM VALUE SELECT {} FROM {} s
          WHERE s.why IS NULL AND {}{and}{on_conflict}",
        unit.live.name.sql(),
        values.join(", "),
        unit.staged,
        Differ::missing(unit)
    )
}
