//! Staged values as the types of now: a column may have another type by now, and a type other
//! values.

use super::pair::{Pair, Unit, staged};
use super::session::Session;
use crate::hint::Refusal;
use crate::record::Cannot;
use crate::snapshot::manifest::KeptColumn;
use crate::text::name::quote_literal;
use crate::text::number::plural;

/// Whether a text is a value of a type. An error of the server would end the statement, so that it is
/// caught row by row; this is asked only where it is known that some are none.
const FITS: &str = "
    CREATE OR REPLACE FUNCTION pg_temp.rowsafe_fits(value text, type text) RETURNS boolean
    LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('SELECT %L::%s', value, type);
        RETURN true;
    EXCEPTION WHEN OTHERS THEN
        RETURN false;
    END $$";

/// Gives the staged columns the types of now; what does not fit becomes NULL and is told.
pub async fn convert(session: &Session, unit: &Unit<'_>) -> Result<Vec<Cannot>, Refusal> {
    let mut cannot = Vec::new();
    for (pair, staged_type) in staged_types(session, unit).await? {
        if staged_type == pair.live.type_name {
            continue;
        }
        cannot.extend(convert_one(session, unit, pair, &staged_type).await?);
    }
    Ok(cannot)
}

/// The pairs with the types that they were staged as.
async fn staged_types<'u>(
    session: &Session,
    unit: &'u Unit<'_>,
) -> Result<Vec<(&'u Pair, String)>, Refusal> {
    let sql = format!(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
          WHERE attrelid = '{}'::regclass AND attnum > 0",
        unit.staged
    );
    let rows = session.rows(&sql, "look at the staged columns").await?;
    let type_of = |pair: &Pair| -> Option<String> {
        let row = rows.iter().find(|row| row.get::<_, String>(0) == staged(pair.attnum))?;
        Some(row.get(1))
    };
    Ok(unit.columns.iter().filter_map(|pair| Some((pair, type_of(pair)?))).collect())
}

async fn convert_one(
    session: &Session,
    unit: &Unit<'_>,
    pair: &Pair,
    staged_type: &str,
) -> Result<Vec<Cannot>, Refusal> {
    let (table, column) = (&unit.staged, staged(pair.attnum));
    let (now, with_collation) = (&pair.live.type_name, pair.live_type());
    let what = format!("bring values of `{}.{}` to its type now", unit.name(), pair.live.name);
    let mut cannot = Vec::new();
    let mut value = format!("{column}::text::{now}");
    let fits =
        |column: &str| format!("pg_temp.rowsafe_fits({column}::text, {})", quote_literal(now));
    let try_all = format!("SELECT count({value}) FROM {table}");
    session.execute("BEGIN", &what).await?;
    let all_fit = session.attempt(&try_all).await.is_ok();
    session.execute("COMMIT", &what).await?;
    let tell = |values: u64, why: String| Cannot { rows: 0, values, why };
    if !all_fit {
        session.execute(FITS, &what).await?;
        let sql = format!("SELECT count(*) FROM {table} WHERE NOT {}", fits(&column));
        let unfit = session.numbers(&sql, &what).await?[0];
        let why = format!(
            "{} of {} in the snapshot can't be: its type is {now} now, and was {}",
            plural(unfit, "value"),
            pair.live.name,
            pair.kept_type
        );
        cannot.push(tell(unfit, why));
        value = format!("CASE WHEN {} THEN {value} END", fits(&column));
    }
    // A type of the same name takes a value as it is or not at all.
    if pair.kept_type != *now {
        let back = format!("({value})::text::{staged_type}::text");
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE ({value}) IS NOT NULL
                AND {back} COLLATE \"C\" IS DISTINCT FROM {column}::text COLLATE \"C\""
        );
        let altered = session.numbers(&sql, &what).await.map_or(0, |numbers| numbers[0]);
        if altered > 0 {
            let why = format!(
                "{} of {} come back altered: its type is {now} now, and was {}",
                plural(altered, "value"),
                pair.live.name,
                pair.kept_type
            );
            cannot.push(tell(altered, why));
        }
    }
    let sql =
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {with_collation} USING {value}");
    session.execute(&sql, &what).await?;
    Ok(cannot)
}

/// The value of a column that is gone, of a staged row `s`, as its type; and how many values that type
/// does not have by now. A type that is gone too comes back as it was.
pub async fn text_as(
    session: &Session,
    unit: &Unit<'_>,
    column: &KeptColumn,
) -> Result<(String, u64), Refusal> {
    let (place, type_name) = (staged(column.attnum), &column.type_name);
    let what = format!("look at the values of `{}.{}`", unit.name(), column.name);
    let value = format!("s.{place}::text::{type_name}");
    let sql = format!(
        "SELECT (to_regtype({}) IS NOT NULL)::int::int8, (SELECT atttypid = 'text'::regtype
           FROM pg_attribute WHERE attrelid = '{}'::regclass AND attname = '{place}')::int::int8",
        quote_literal(type_name),
        unit.staged
    );
    let looked = session.numbers(&sql, &what).await?;
    let (is_there, is_text) = (looked[0] == 1, looked[1] == 1);
    if !is_text || type_name == "text" {
        return Ok((format!("s.{place}"), 0));
    }
    if !is_there {
        return Ok((value, 0));
    }
    session.execute(FITS, &what).await?;
    let fits = format!("pg_temp.rowsafe_fits(s.{place}, {})", quote_literal(type_name));
    let sql = format!("SELECT count(*) FROM {} s WHERE NOT {fits}", unit.staged);
    match session.numbers(&sql, &what).await?[0] {
        0 => Ok((value, 0)),
        unfit => Ok((format!("CASE WHEN {fits} THEN {value} END"), unfit)),
    }
}
