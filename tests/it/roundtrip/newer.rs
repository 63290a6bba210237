//! What is written after the loss: new rows, new values, and rows under keys that were freed.

use rowsafe::text::name::{quote, quote_literal};

use super::kinds;
use super::state::{State, Table};
use crate::truth::dice::Dice;

/// Statements by chance; each may fail on its own.
pub fn drawn(before: &State, now: &State, dice: &mut Dice) -> Vec<String> {
    let tables: Vec<&Table> = now.tables.values().filter(|table| table.name != "log").collect();
    let count = dice.below(7);
    let mut sql = Vec::new();
    for number in 0..count {
        let Some(table) = dice.any(&tables) else { break };
        let statement = if dice.chance(60) {
            insert(before, now, table, number, dice)
        } else {
            update(now, table, dice)
        };
        sql.extend(statement);
    }
    sql
}

fn insert(
    before: &State,
    now: &State,
    table: &Table,
    number: usize,
    dice: &mut Dice,
) -> Option<String> {
    let freed = freed_key(before, table, dice);
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for column in table.columns.iter().filter(|column| !column.is_generated) {
        let at = table.key.iter().position(|key| *key == column.name);
        let value = match (at, &freed) {
            (Some(at), Some(freed)) => freed[at].clone(),
            (Some(_), None) if column.fills_itself => continue,
            (Some(_), None) => new_key(&column.kind, number, dice)?,
            (None, _) => {
                if column.fills_itself && dice.chance(40) {
                    continue;
                }
                value(now, table, &column.name, &column.kind, column.is_needed, dice)?
            }
        };
        columns.push(quote(&column.name));
        values.push(value);
    }
    if columns.is_empty() {
        return Some(format!("INSERT INTO {} DEFAULT VALUES", table.sql()));
    }
    Some(format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
        table.sql(),
        columns.join(", "),
        values.join(", ")
    ))
}

/// The key of a row that was there before and is not now.
fn freed_key(before: &State, table: &Table, dice: &mut Dice) -> Option<Vec<String>> {
    let old = before.tables.get(&table.sql())?;
    if old.key.is_empty() || old.key != table.key || !dice.chance(30) {
        return None;
    }
    let row = dice.any(&old.rows)?;
    let values = old.values(row, &old.key)?;
    values.into_iter().map(|value| value.map(quote_literal)).collect()
}

fn new_key(kind: &str, number: usize, dice: &mut Dice) -> Option<String> {
    Some(match kind {
        "integer" | "bigint" => (500 + number * 40 + dice.below(40)).to_string(),
        "text" => format!("'new {number}'"),
        "uuid" => format!("md5('new {number}')::uuid"),
        _ => return None,
    })
}

fn value(
    now: &State,
    table: &Table,
    column: &str,
    kind: &str,
    is_needed: bool,
    dice: &mut Dice,
) -> Option<String> {
    if let Some(reference) =
        table.references.iter().find(|reference| reference.columns.iter().any(|own| own == column))
    {
        let parent = now.tables.get(&reference.table)?;
        if reference.columns.len() > 1 {
            return Some("NULL".to_owned());
        }
        let at = parent.at(&reference.other[0])?;
        let row = dice.any(&parent.rows).filter(|_| is_needed || dice.chance(70));
        return match row.and_then(|row| row[at].as_deref()) {
            Some(value) => Some(quote_literal(value)),
            None => Some("NULL".to_owned()),
        };
    }
    let kind = kinds::called(kind)?;
    let number = 60 + dice.below(40);
    let cast = match kind.sql {
        "mood" | "plate" | "pair" => format!("::{}.{}", quote(&table.schema), kind.sql),
        _ => String::new(),
    };
    Some(if is_needed || dice.chance(75) {
        format!("{}{cast}", (kind.value)(number))
    } else {
        "NULL".to_owned()
    })
}

fn update(now: &State, table: &Table, dice: &mut Dice) -> Option<String> {
    let row = dice.any(&table.rows)?;
    let columns: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !column.is_generated && !table.key.contains(&column.name))
        .collect();
    let column = dice.any(&columns)?;
    let value = value(now, table, &column.name, &column.kind, true, dice)?;
    let wanted: Vec<String> = table
        .values(row, &table.key)?
        .iter()
        .zip(&table.key)
        .map(|(value, column)| {
            format!("{}::text = {}", quote(column), quote_literal(value.unwrap_or_default()))
        })
        .collect();
    let wanted = if wanted.is_empty() { "true".to_owned() } else { wanted.join(" AND ") };
    Some(format!("UPDATE {} SET {} = {value} WHERE {wanted}", table.sql(), quote(&column.name)))
}
