//! Rows by chance, and what reacts to them: triggers, functions, views.

use super::dice::Dice;
use super::schema::{Column, Kind, Model, Shape, Table, named};

/// The rows of every table; of parents before those that point to them.
pub fn filled(model: &Model, dice: &mut Dice) -> String {
    let mut sql = String::new();
    let mut ids: Vec<(String, Vec<usize>)> = Vec::new();
    for table in model.tables.iter().filter(|table| table.shape != Shape::Leaf) {
        let count = if dice.chance(10) { 0 } else { 3 + dice.below(25) };
        let mut rows: Vec<String> = Vec::new();
        let mut given = Vec::new();
        for number in 1..=count {
            if let Some(row) = row(table, number, &ids, dice) {
                given.push(number);
                // Tables without a key may hold a row twice.
                let copies = if table.key.is_empty() && dice.chance(15) { 2 } else { 1 };
                rows.extend(std::iter::repeat_n(row, copies));
            }
        }
        ids.push((table.sql(), given));
        if rows.is_empty() {
            continue;
        }
        let columns: Vec<String> = written(table).map(Column::sql).collect();
        sql += &format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {};\n",
            table.sql(),
            columns.join(", "),
            rows.join(", ")
        );
    }
    sql
}

fn written(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !column.generated)
}

/// `None` where it has to point to a row and there is none.
fn row(
    table: &Table,
    number: usize,
    ids: &[(String, Vec<usize>)],
    dice: &mut Dice,
) -> Option<String> {
    let mut values = Vec::new();
    for column in written(table) {
        values.push(value(table, column, number, ids, dice)?);
    }
    Some(format!("({})", values.join(", ")))
}

fn value(
    table: &Table,
    column: &Column,
    number: usize,
    ids: &[(String, Vec<usize>)],
    dice: &mut Dice,
) -> Option<String> {
    if table.key.contains(&column.name) {
        return Some(match column.kind {
            Kind::Text => format!("'k{number}'"),
            _ => number.to_string(),
        });
    }
    if let Some((target, _)) = &column.references {
        let known = ids.iter().find(|(name, _)| name == target).map_or(&[][..], |(_, ids)| ids);
        return match dice.any(known) {
            Some(id) if column.not_null || dice.chance(75) => Some(id.to_string()),
            _ if column.not_null => None,
            _ => Some("NULL".to_owned()),
        };
    }
    let is_null = !column.not_null && dice.chance(25);
    Some(if is_null { "NULL".to_owned() } else { column.kind.value(dice) })
}

/// Triggers, functions, views: made when the rows are there.
pub fn reactions(model: &mut Model, dice: &mut Dice) -> String {
    let mut sql = String::new();
    let tables: Vec<Table> =
        model.tables.iter().filter(|table| table.shape != Shape::Leaf).cloned().collect();
    if dice.chance(30) {
        sql += &trigger(dice.pick(&tables), dice.pick(&tables), dice);
    }
    if dice.chance(8) {
        let event = dice.pick(&["DELETE", "UPDATE"]);
        let (on, other) = (dice.pick(&tables).sql(), dice.pick(&tables).sql());
        if on != other {
            sql +=
                &format!("CREATE RULE also AS ON {event} TO {on} DO ALSO DELETE FROM {other};\n");
        }
    }
    if dice.chance(25) {
        let table = dice.pick(&tables);
        let column = dice.pick(&table.columns).clone();
        sql += &format!("CREATE VIEW shown AS SELECT {} FROM {};\n", column.sql(), table.sql());
        model.views.push(("shown".to_owned(), column.name));
    }
    if dice.chance(15) {
        sql += &format!(
            "CREATE MATERIALIZED VIEW held AS SELECT * FROM {};\n",
            dice.pick(&tables).sql()
        );
    }
    if dice.chance(40) {
        let table = dice.pick(&tables);
        let body = match dice.below(4) {
            0 => "LANGUAGE sql AS $$ SELECT $$".to_owned(),
            1 => format!("LANGUAGE sql AS $$ DELETE FROM {} $$", table.sql()),
            2 => format!("LANGUAGE plpgsql AS $$ BEGIN DELETE FROM {}; END $$", table.sql()),
            _ => format!(
                "LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'TRUNCATE ' || {} || ' CASCADE'; END $$",
                rowsafe::text::name::quote_literal(&table.sql())
            ),
        };
        sql += &format!("CREATE FUNCTION purge() RETURNS void {body};\n");
        model.functions.push("purge".to_owned());
    }
    sql
}

/// A trigger on one table that does something to another, or to the row itself.
fn trigger(on: &Table, other: &Table, dice: &mut Dice) -> String {
    let event = *dice.pick(&["DELETE", "UPDATE", "INSERT", "UPDATE OR DELETE"]);
    let settable = on.settable();
    let column = settable.iter().find(|column| !column.not_null);
    let (when, body) = match (dice.below(4), column) {
        (0, Some(column)) if !event.contains("DELETE") => {
            ("BEFORE", format!("NEW.{} := NULL; RETURN NEW;", named(&column.name)))
        }
        (1, _) => ("AFTER", format!("DELETE FROM {}; RETURN NULL;", other.sql())),
        (2, _) => ("BEFORE", "RETURN coalesce(NEW, OLD);".to_owned()),
        _ => ("AFTER", "PERFORM 1; RETURN NULL;".to_owned()),
    };
    format!(
        "CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER reacts {when} {event} ON {} FOR EACH ROW EXECUTE FUNCTION react();\n",
        on.sql()
    )
}
