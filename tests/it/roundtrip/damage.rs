//! What destroys: statements by chance against what is there.

use rowsafe::text::name::{quote, quote_literal};

use super::state::{State, Table};
use crate::truth::dice::Dice;

/// One to three statements; each on a line of its own, and each may fail after the one before it.
pub fn drawn(schema: &str, state: &State, dice: &mut Dice) -> Vec<String> {
    let tables: Vec<&Table> = state.tables.values().filter(|table| table.name != "log").collect();
    let count = if dice.chance(60) { 1 } else { 2 + dice.below(2) };
    (0..count).map(|_| statement(schema, &tables, dice)).collect()
}

fn statement(schema: &str, tables: &[&Table], dice: &mut Dice) -> String {
    let table = dice.pick(tables);
    let name = table.sql();
    match dice.below(20) {
        0..=3 => format!("DELETE FROM {name}"),
        4..=7 => format!("DELETE FROM {name} WHERE {}", some_rows(table, dice)),
        8 | 9 => format!("TRUNCATE {name} CASCADE"),
        10 | 11 => format!("DROP TABLE {name} CASCADE"),
        12..=14 => drop_column(table, dice).unwrap_or_else(|| format!("DELETE FROM {name}")),
        15 | 16 => wipe(table, dice).unwrap_or_else(|| format!("TRUNCATE {name} CASCADE")),
        17 => {
            let kind = dice.pick(&["TYPE mood", "DOMAIN plate", "TYPE pair"]);
            let (what, kind) = kind.split_once(' ').expect("two words");
            format!("DROP {what} {schema}.{kind} CASCADE")
        }
        18 => partition(table, dice).unwrap_or_else(|| format!("DROP TABLE {name} CASCADE")),
        _ => format!("DROP SCHEMA {schema} CASCADE"),
    }
}

/// A condition on the key, or on any column.
fn some_rows(table: &Table, dice: &mut Dice) -> String {
    let rows: Vec<_> = table.rows.iter().filter(|_| dice.chance(40)).collect();
    let columns = if table.key.is_empty() {
        let first = table.columns.first().map(|column| column.name.clone());
        first.into_iter().collect()
    } else {
        table.key.clone()
    };
    let named: Vec<String> =
        columns.iter().map(|column| format!("{}::text", quote(column))).collect();
    let literal = |value: Option<&str>| value.map_or("NULL".to_owned(), quote_literal);
    let wanted: Vec<String> = rows
        .iter()
        .filter_map(|row| table.values(row, &columns))
        .map(|values| {
            format!("({})", values.iter().copied().map(literal).collect::<Vec<_>>().join(", "))
        })
        .collect();
    if wanted.is_empty() {
        return "false".to_owned();
    }
    format!("({}) IN ({})", named.join(", "), wanted.join(", "))
}

fn drop_column(table: &Table, dice: &mut Dice) -> Option<String> {
    let column = dice.any(&table.columns)?;
    Some(format!("ALTER TABLE {} DROP COLUMN {} CASCADE", table.sql(), quote(&column.name)))
}

fn wipe(table: &Table, dice: &mut Dice) -> Option<String> {
    let is_free = |name: &String| !table.key.contains(name);
    let columns: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !column.is_generated && !column.is_needed && is_free(&column.name))
        .collect();
    let column = dice.any(&columns)?;
    let rows =
        if dice.chance(50) { String::new() } else { format!(" WHERE {}", some_rows(table, dice)) };
    Some(format!("UPDATE {} SET {} = NULL{rows}", table.sql(), quote(&column.name)))
}

fn partition(table: &Table, dice: &mut Dice) -> Option<String> {
    let leaf = dice.any(&table.partitions)?;
    Some(match dice.below(3) {
        0 => format!("TRUNCATE {leaf} CASCADE"),
        1 => format!("DROP TABLE {leaf} CASCADE"),
        _ => format!("DELETE FROM {leaf}"),
    })
}
