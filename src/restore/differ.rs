//! Staged rows against those of now: what would come back, what stays as it is, what cannot.
//!
//! Everything is said as set operations of the server, so that it is right whatever happened
//! meanwhile: what was shown to a person is worked out again under lock before it is done.

use super::RestoreMode;
use super::pair::{Pair, Unit, staged};
use super::session::Session;
use crate::db::postgres::shape::{Reference, Shape};
use crate::hint::Refusal;
use crate::record::{Cannot, Changed};
use crate::text::name::quote;
use crate::text::number::plural;

/// The units of a restore, and what is done with them.
pub struct Differ<'d, 'a> {
    /// The session that staged them.
    pub session: &'d Session,
    /// The units.
    pub units: &'d [Unit<'a>],
    /// Every table as it is now.
    pub shapes: &'d [Shape],
    /// Whether rows of now may be overwritten.
    pub mode: RestoreMode,
}

/// What stands in the way of a staged row: `why` of the staged table begins with one of these.
const THERE: &str = "=";
const TAKEN: &str = "u";
const ORPHAN: &str = "f";
const EMPTY: &str = "n";
const CHECKED: &str = "c";
const KEYLESS: &str = "k";

/// Everything that a unit says of its rows in one look.
struct Look {
    missing: u64,
    newer: u64,
    changed: u64,
    /// Values that are NULL now and were not, by pair.
    wiped: Vec<u64>,
}

impl Differ<'_, '_> {
    /// Works out what would be done with every unit.
    pub async fn changes(&self) -> Result<Vec<Changed>, Refusal> {
        let mut looks = Vec::new();
        for unit in self.units {
            looks.push(self.look(unit).await?);
        }
        for (unit, look) in self.units.iter().zip(&looks) {
            self.mark(unit, look).await?;
        }
        self.mark_orphans(&looks).await?;
        let mut changes = Vec::new();
        for (unit, look) in self.units.iter().zip(looks) {
            changes.push(self.change(unit, look).await?);
        }
        Ok(changes)
    }

    /// The same again, with nothing left of an earlier look.
    pub async fn again(&self) -> Result<Vec<Changed>, Refusal> {
        for unit in self.units {
            let sql = format!("UPDATE {} SET why = NULL WHERE why IS NOT NULL", unit.staged);
            self.session.change(&sql, "look again").await?;
        }
        self.changes().await
    }

    async fn look(&self, unit: &Unit<'_>) -> Result<Look, Refusal> {
        let what = format!("compare `{}` with the snapshot", unit.name());
        let Some(same) = unit.same_row() else { return self.look_by_all(unit, &what).await };
        let wiped = |pair: &Pair| unit.gone(pair);
        let both = "l.\"rowsafe there\" IS NOT NULL AND s.\"rowsafe there\" IS NOT NULL";
        let changed: Vec<String> = unit
            .columns
            .iter()
            .map(|pair| match self.mode {
                RestoreMode::Missing => format!("({} AND NOT {})", pair.differs(), wiped(pair)),
                RestoreMode::Replace => pair.differs(),
            })
            .collect();
        let changed = any(&changed);
        let counts: Vec<String> = unit
            .columns
            .iter()
            .map(|pair| format!(", count(*) FILTER (WHERE {both} AND {})", wiped(pair)))
            .collect();
        let sql = format!(
            "SELECT count(*) FILTER (WHERE l.\"rowsafe there\" IS NULL),
                    count(*) FILTER (WHERE s.\"rowsafe there\" IS NULL),
                    count(*) FILTER (WHERE {both} AND {changed}){}
               FROM (SELECT 1 AS \"rowsafe there\", * FROM {}) s
               FULL JOIN (SELECT 1 AS \"rowsafe there\", * FROM {}) l ON {same}",
            counts.concat(),
            unit.staged,
            unit.live.from()
        );
        let numbers = self.session.numbers(&sql, &what).await?;
        let (missing, newer, changed) = (numbers[0], numbers[1], numbers[2]);
        Ok(Look { missing, newer, changed, wiped: numbers[3..].to_vec() })
    }

    /// Without a key rows are known by all that they hold, as often as they are there.
    async fn look_by_all(&self, unit: &Unit<'_>, what: &str) -> Result<Look, Refusal> {
        let text = |value: &dyn Fn(&Pair) -> String| -> String {
            let values: Vec<String> =
                unit.columns.iter().map(|pair| format!("{}::text", value(pair))).collect();
            format!("ROW({})::text COLLATE \"C\"", values.join(", "))
        };
        let (then, now) = (text(&Pair::staged), text(&Pair::live));
        let sql = format!(
            "UPDATE {staged} t SET why = '{THERE}'
               FROM (SELECT s.ctid AS place, {then} AS everything,
                            row_number() OVER (PARTITION BY {then}) AS nth
                       FROM {staged} s) s
               JOIN (SELECT {now} AS everything, count(*) AS times FROM {live} l GROUP BY 1) l
                 ON l.everything = s.everything AND s.nth <= l.times
              WHERE t.ctid = s.place",
            staged = unit.staged,
            live = unit.live.from()
        );
        let there = self.session.change(&sql, what).await?;
        let sql = format!(
            "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})",
            unit.staged,
            unit.live.from()
        );
        let counts = self.session.numbers(&sql, what).await?;
        let (missing, newer) = (counts[0] - there, counts[1].saturating_sub(there));
        Ok(Look { missing, newer, changed: 0, wiped: vec![0; unit.columns.len()] })
    }

    /// The condition under which the staged row `s` is gone, whatever stands in its way.
    pub fn missing(unit: &Unit<'_>) -> String {
        match unit.same_row() {
            Some(same) => {
                format!("NOT EXISTS (SELECT FROM {} l WHERE {same})", unit.live.from())
            }
            None => "true".to_owned(),
        }
    }

    /// Marks staged rows that something stands in the way of.
    async fn mark(&self, unit: &Unit<'_>, look: &Look) -> Result<(), Refusal> {
        if look.missing == 0 || !unit.asked.rows() {
            return Ok(());
        }
        let has_key = unit.key.is_some();
        if !has_key && look.newer > 0 && self.mode == RestoreMode::Missing {
            return self.mark_those(unit, KEYLESS, "true").await;
        }
        for column in &unit.live.columns {
            let fills_itself = column.has_default || column.is_generated;
            match unit.by_live(column.attnum) {
                Some(pair) if column.is_not_null => {
                    let is_empty = format!("{} IS NULL", pair.staged());
                    self.mark_those(unit, &format!("{EMPTY}{}", column.name), &is_empty).await?;
                }
                None if column.is_not_null && !fills_itself => {
                    self.mark_those(unit, &format!("{EMPTY}{}", column.name), "true").await?;
                }
                _ => {}
            }
        }
        for check in &unit.live.checks {
            if let Some(fails) = failing(unit, &check.columns, &check.expression) {
                self.mark_those(unit, &format!("{CHECKED}{}", check.name), &fails).await?;
            }
        }
        let rows_of_now_stay = look.newer > 0 || look.missing < unit.rows();
        if rows_of_now_stay && self.mode == RestoreMode::Missing {
            self.mark_taken(unit).await?;
        }
        Ok(())
    }

    /// Rows whose values of another unique index belong to a row of now.
    async fn mark_taken(&self, unit: &Unit<'_>) -> Result<(), Refusal> {
        let is_key = |name: &str| unit.key.as_ref().is_some_and(|key| key.index == name);
        for unique in unit.live.uniques.iter().filter(|unique| !is_key(&unique.name)) {
            let pairs: Option<Vec<&Pair>> =
                unique.columns.iter().map(|attnum| unit.by_live(*attnum)).collect();
            let Some(pairs) = pairs else { continue };
            let equal = |(pair, operator): (&&Pair, &String)| {
                format!("{} {operator} {}", pair.staged(), pair.live())
            };
            let equal: Vec<String> = pairs.iter().zip(&unique.operators).map(equal).collect();
            let taken = format!(
                "EXISTS (SELECT FROM {} l WHERE {})",
                unit.live.from(),
                equal.join(" AND ")
            );
            self.mark_those(unit, &format!("{TAKEN}{}", unique.name), &taken).await?;
        }
        Ok(())
    }

    async fn mark_those(&self, unit: &Unit<'_>, why: &str, those: &str) -> Result<(), Refusal> {
        let sql = format!(
            "UPDATE {} s SET why = {} WHERE why IS NULL AND ({those}) AND {}",
            unit.staged,
            crate::text::name::quote_literal(why),
            Self::missing(unit)
        );
        let what = format!("look what stands in the way in `{}`", unit.name());
        self.session.change(&sql, &what).await.map(drop)
    }

    /// Rows whose parent is gone and does not come back, until there are none: a row that can't come
    /// back is no parent.
    async fn mark_orphans(&self, looks: &[Look]) -> Result<(), Refusal> {
        let comes_back = |(unit, look): &(&Unit<'_>, &Look)| unit.asked.rows() && look.missing > 0;
        loop {
            let mut marked = 0;
            for (unit, _) in self.units.iter().zip(looks).filter(comes_back) {
                for reference in &unit.live.references {
                    marked += self.mark_orphans_of(unit, reference).await?;
                }
            }
            if marked == 0 {
                return Ok(());
            }
        }
    }

    async fn mark_orphans_of(
        &self,
        unit: &Unit<'_>,
        reference: &Reference,
    ) -> Result<u64, Refusal> {
        let pairs: Option<Vec<&Pair>> =
            reference.columns.iter().map(|attnum| unit.by_live(*attnum)).collect();
        let Some(pairs) = pairs else { return Ok(0) };
        let values: Vec<String> = pairs.iter().map(|pair| pair.staged()).collect();
        let Some(is_orphan) = self.is_orphan(reference, &values) else { return Ok(0) };
        let refers: Vec<String> =
            values.iter().map(|value| format!("{value} IS NOT NULL")).collect();
        let sql = format!(
            "UPDATE {} s SET why = {} WHERE why IS NULL AND {} AND {is_orphan} AND {}",
            unit.staged,
            crate::text::name::quote_literal(&format!("{ORPHAN}{}", reference.name)),
            refers.join(" AND "),
            Self::missing(unit)
        );
        let what = format!("look for the parents of the rows of `{}`", unit.name());
        self.session.change(&sql, &what).await
    }

    /// The condition under which a row with these values has no parent: none is there, and none comes
    /// back.
    fn is_orphan(&self, reference: &Reference, values: &[String]) -> Option<String> {
        let parent = self.shapes.iter().find(|shape| shape.oid == reference.parent)?;
        let names: Option<Vec<String>> = reference
            .parent_columns
            .iter()
            .map(|attnum| Some(format!("p.{}", quote(&parent.column(*attnum)?.name))))
            .collect();
        let there = matching(&parent.from(), &names?, reference, values, "true");
        let unit = self.units.iter().find(|unit| unit.live.oid == reference.parent);
        let staged_parent = unit.filter(|unit| unit.asked.rows()).and_then(|unit| {
            let columns: Option<Vec<String>> = reference
                .parent_columns
                .iter()
                .map(|attnum| Some(format!("p.{}", staged(unit.by_live(*attnum)?.attnum))))
                .collect();
            let free = format!("(p.why IS NULL OR p.why = '{THERE}')");
            Some(matching(&unit.staged, &columns?, reference, values, &free))
        });
        Some(match staged_parent {
            Some(comes_back) => format!("NOT {there} AND NOT {comes_back}"),
            None => format!("NOT {there}"),
        })
    }

    async fn change(&self, unit: &Unit<'_>, look: Look) -> Result<Changed, Refusal> {
        let mut changed = Changed::default();
        let what = format!("compare `{}` with the snapshot", unit.name());
        if unit.asked.rows() && look.missing > 0 {
            let sql = format!(
                "SELECT coalesce(why, ''), count(*) FROM {} s
                  WHERE why IS DISTINCT FROM '{THERE}' AND {} GROUP BY 1 ORDER BY 1",
                unit.staged,
                Self::missing(unit)
            );
            for row in self.session.rows(&sql, &what).await? {
                let why: String = row.get(0);
                let rows = u64::try_from(row.get::<_, i64>(1)).unwrap_or_default();
                if why.is_empty() {
                    changed.insert = rows;
                } else {
                    changed.cannot.push(Cannot {
                        rows,
                        values: 0,
                        why: self.said(unit, &why, rows),
                    });
                }
            }
        }
        match self.mode {
            RestoreMode::Missing => {
                changed.newer = look.newer;
                changed.changed = look.changed;
                self.wiped(unit, &look, &mut changed).await?;
            }
            RestoreMode::Replace => {
                changed.overwrite = look.changed;
                if look.newer > 0 {
                    self.deleted(unit, &look, &mut changed).await?;
                }
            }
        }
        Ok(changed)
    }

    /// Values that are NULL now and were not, in a table of their own beside the staged rows.
    async fn wiped(
        &self,
        unit: &Unit<'_>,
        look: &Look,
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        let filled: Vec<&Pair> = unit
            .columns
            .iter()
            .zip(&look.wiped)
            .filter(|(pair, wiped)| **wiped > 0 && unit.asked.column(pair.attnum))
            .map(|(pair, _)| pair)
            .collect();
        let Some((same, key)) = unit.same_row().zip(unit.key.as_ref()) else { return Ok(()) };
        let fills = unit.fills();
        let what = format!("look for values of `{}` that are gone", unit.name());
        self.session.execute(&format!("DROP TABLE IF EXISTS {fills}"), &what).await?;
        if filled.is_empty() {
            return Ok(());
        }
        let keys = key.columns.iter().map(|pair| format!("s.{}", staged(pair.attnum)));
        let is_key = |pair: &&&Pair| key.columns.iter().any(|part| part.attnum == pair.attnum);
        let values = filled.iter().filter(|pair| !is_key(pair)).map(|pair| {
            format!(
                "CASE WHEN {} THEN {} END AS {}",
                unit.gone(pair),
                pair.staged(),
                staged(pair.attnum)
            )
        });
        let wiped: Vec<String> = filled.iter().map(|pair| unit.gone(pair)).collect();
        let sql = format!(
            "CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} s JOIN {} l ON {same} WHERE {}",
            fills.trim_start_matches("pg_temp."),
            keys.chain(values).collect::<Vec<_>>().join(", "),
            unit.staged,
            unit.live.from(),
            any(&wiped)
        );
        self.session.execute(&sql, &what).await?;
        for reference in &unit.live.references {
            self.empty_orphans(unit, reference, &filled, changed).await?;
        }
        for unique in &unit.live.uniques {
            self.empty_taken(
                unit,
                &unique.columns,
                &unique.operators,
                &unique.name,
                &filled,
                changed,
            )
            .await?;
        }
        let counts: Vec<String> =
            filled.iter().map(|pair| format!("count({})", staged(pair.attnum))).collect();
        let sql = format!("SELECT {} FROM {fills}", counts.join(", "));
        let counts = self.session.numbers(&sql, &what).await?;
        let named = filled.iter().zip(counts).filter(|(_, values)| *values > 0);
        changed.fill = named.map(|(pair, values)| (pair.live.name.clone(), values)).collect();
        changed.filled = filled.iter().map(|pair| pair.attnum).collect();
        Ok(())
    }

    /// Values of a foreign key whose parent is gone stay NULL.
    async fn empty_orphans(
        &self,
        unit: &Unit<'_>,
        reference: &Reference,
        filled: &[&Pair],
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        let pairs: Option<Vec<&Pair>> =
            reference.columns.iter().map(|attnum| unit.by_live(*attnum)).collect();
        let Some(pairs) = pairs else { return Ok(()) };
        let Some(values) = then(&pairs, filled) else { return Ok(()) };
        let Some(is_orphan) = self.is_orphan(reference, &values) else { return Ok(()) };
        let refers: Vec<String> =
            values.iter().map(|value| format!("{value} IS NOT NULL")).collect();
        let those = format!("{} AND {is_orphan}", refers.join(" AND "));
        let why = self.parent_is_gone(reference);
        self.empty(unit, &pairs, filled, &those, &why, changed).await
    }

    /// Values of a unique index that belong to another row now stay NULL.
    async fn empty_taken(
        &self,
        unit: &Unit<'_>,
        columns: &[i16],
        operators: &[String],
        name: &str,
        filled: &[&Pair],
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        let pairs: Option<Vec<&Pair>> =
            columns.iter().map(|attnum| unit.by_live(*attnum)).collect();
        let Some(pairs) = pairs else { return Ok(()) };
        let Some(values) = then(&pairs, filled) else { return Ok(()) };
        let equal: Vec<String> = pairs
            .iter()
            .zip(operators)
            .zip(&values)
            .map(|((pair, operator), value)| {
                format!("o.{} {operator} {value}", quote(&pair.live.name))
            })
            .collect();
        let those =
            format!("EXISTS (SELECT FROM {} o WHERE {})", unit.live.from(), equal.join(" AND "));
        let why = format!("another row has the value by now (`{name}`)");
        self.empty(unit, &pairs, filled, &those, &why, changed).await
    }

    async fn empty(
        &self,
        unit: &Unit<'_>,
        pairs: &[&Pair],
        filled: &[&Pair],
        those: &str,
        why: &str,
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        let concerned: Vec<String> = pairs
            .iter()
            .filter(|pair| filled.iter().any(|other| other.attnum == pair.attnum))
            .map(|pair| staged(pair.attnum))
            .collect();
        let set: Vec<String> = concerned.iter().map(|column| format!("{column} = NULL")).collect();
        let has: Vec<String> =
            concerned.iter().map(|column| format!("s.{column} IS NOT NULL")).collect();
        let sql = format!(
            "UPDATE {} s SET {} FROM {} l WHERE {} AND {} AND {those}",
            unit.fills(),
            set.join(", "),
            unit.live.from(),
            unit.same_row().unwrap_or_else(|| "false".to_owned()),
            any(&has)
        );
        let what = format!("look what stands in the way in `{}`", unit.name());
        let values = self.session.change(&sql, &what).await?;
        if values > 0 {
            let names: Vec<&str> = pairs.iter().map(|pair| pair.live.name.as_str()).collect();
            let why = format!("{} of {}: {why}", plural(values, "value"), names.join(", "));
            changed.cannot.push(Cannot { rows: 0, values, why });
        }
        Ok(())
    }

    /// Rows of now that the snapshot does not have: deleted, but for those that others refer to.
    async fn deleted(
        &self,
        unit: &Unit<'_>,
        look: &Look,
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        changed.delete = look.newer;
        let what = format!("look who refers to rows of `{}`", unit.name());
        let referred = self.referred(unit);
        if referred.is_empty() || unit.key.is_none() {
            return Ok(());
        }
        let sql = format!(
            "SELECT count(*) FROM {} l WHERE {} AND {}",
            unit.live.from(),
            Self::newer(unit),
            any(&referred)
        );
        let held = self.session.numbers(&sql, &what).await?[0];
        if held > 0 {
            changed.delete -= held;
            let why = format!(
                "{} that are not in the snapshot stay: rows of other tables refer to them",
                plural(held, "row")
            );
            changed.cannot.push(Cannot { rows: held, values: 0, why });
        }
        Ok(())
    }

    /// The condition under which the row `l` is not in the snapshot.
    pub fn newer(unit: &Unit<'_>) -> String {
        match unit.same_row() {
            Some(same) => format!("NOT EXISTS (SELECT FROM {} s WHERE {same})", unit.staged),
            None => "true".to_owned(),
        }
    }

    /// The conditions under which rows of tables that stay as they are refer to the row `l`.
    pub fn referred(&self, unit: &Unit<'_>) -> Vec<String> {
        let is_replaced =
            |shape: &Shape| self.units.iter().any(|other| other.live.oid == shape.oid);
        let mut conditions = Vec::new();
        for child in self.shapes.iter().filter(|shape| !is_replaced(shape)) {
            for reference in child.references.iter().filter(|it| it.parent == unit.live.oid) {
                let equal: Option<Vec<String>> = reference
                    .columns
                    .iter()
                    .zip(&reference.parent_columns)
                    .zip(&reference.operators)
                    .map(|((column, parent), operator)| {
                        let column = quote(&child.column(*column)?.name);
                        let parent = quote(&unit.live.column(*parent)?.name);
                        Some(format!("l.{parent} {operator} r.{column}"))
                    })
                    .collect();
                let Some(equal) = equal else { continue };
                conditions.push(format!(
                    "EXISTS (SELECT FROM {} r WHERE {})",
                    child.from(),
                    equal.join(" AND ")
                ));
            }
        }
        conditions
    }

    fn parent_is_gone(&self, reference: &Reference) -> String {
        let parent = self.shapes.iter().find(|shape| shape.oid == reference.parent);
        let parent = parent.map_or_else(String::new, |shape| shape.name.short());
        format!("the row of {parent} that they refer to is gone and does not come back")
    }

    /// Why rows cannot come back, in words.
    fn said(&self, unit: &Unit<'_>, why: &str, rows: u64) -> String {
        let n = plural(rows, "row");
        let (kind, name) = why.split_at(1);
        match kind {
            TAKEN => format!("{n}: another row has their value by now (`{name}`)"),
            ORPHAN => {
                let reference = unit.live.references.iter().find(|it| it.name == name);
                let gone = reference.map(|it| self.parent_is_gone(it)).unwrap_or_default();
                format!("{n}: {gone} (`{name}`)")
            }
            EMPTY => format!("{n}: {name} is NOT NULL now, and they have no value for it"),
            CHECKED => format!("{n}: they do not pass the check `{name}` of now"),
            KEYLESS => format!(
                "{n}: without a key a row that was changed can't be told from one that is gone; --mode replace --table {} makes the table as it was",
                unit.name().pasted()
            ),
            _ => n,
        }
    }
}

/// What the columns would hold once they are filled; `None` where none of them is.
fn then(pairs: &[&Pair], filled: &[&Pair]) -> Option<Vec<String>> {
    let is_filled = |pair: &Pair| filled.iter().any(|other| other.attnum == pair.attnum);
    if !pairs.iter().any(|pair| is_filled(pair)) {
        return None;
    }
    let value = |pair: &&Pair| {
        if is_filled(pair) {
            format!("coalesce({}, {})", pair.staged(), pair.live())
        } else {
            pair.live()
        }
    };
    Some(pairs.iter().map(value).collect())
}

fn matching(
    from: &str,
    columns: &[String],
    reference: &Reference,
    values: &[String],
    and: &str,
) -> String {
    let equal = |((column, operator), value): ((&String, &String), &String)| {
        format!("{column} {operator} {value}")
    };
    let equal: Vec<String> =
        columns.iter().zip(&reference.operators).zip(values).map(equal).collect();
    format!("EXISTS (SELECT FROM {from} p WHERE {} AND {and})", equal.join(" AND "))
}

/// The condition under which the staged row `s` does not pass a check of now, where all columns that
/// it speaks of are staged.
fn failing(unit: &Unit<'_>, columns: &[i16], expression: &str) -> Option<String> {
    let named: Option<Vec<String>> = columns
        .iter()
        .map(|attnum| {
            let pair = unit.by_live(*attnum)?;
            Some(format!("{} AS {}", pair.staged(), quote(&pair.live.name)))
        })
        .collect();
    Some(format!("(SELECT ({expression}) FROM (SELECT {}) row_of_then) = false", named?.join(", ")))
}

/// Any of these conditions.
fn any(conditions: &[String]) -> String {
    if conditions.is_empty() {
        "false".to_owned()
    } else {
        format!("({})", conditions.join(" OR "))
    }
}
