//! Values that are gone from rows that are there: which come back, and which cannot.

use super::differ::{Differ, Look, any};
use super::pair::{Pair, Unit, staged};
use crate::db::postgres::shape::Reference;
use crate::hint::Refusal;
use crate::record::{Cannot, Changed};
use crate::text::name::quote;
use crate::text::number::plural;

impl Differ<'_, '_> {
    /// Values that are NULL now and were not, in a table of their own beside the staged rows.
    pub async fn wiped(
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
