//! Statements that change or delete rows.

use rowsafe::text::name::quote_literal;

use super::dice::Dice;
use super::migration::condition;
use super::schema::{Column, Kind, Model, Shape, Table, named};

pub fn truncate(model: &Model, dice: &mut Dice) -> String {
    let (one, two) = (dice.pick(&model.tables), dice.pick(&model.tables));
    let mut names = one.written(dice);
    if dice.chance(15) && one.name != two.name {
        names = format!("{names}, {}", two.sql());
    }
    let only = if dice.chance(10) { "ONLY " } else { "" };
    let restart = if dice.chance(20) { " RESTART IDENTITY" } else { "" };
    let cascade = if dice.chance(60) { " CASCADE" } else { "" };
    format!("TRUNCATE TABLE {only}{names}{restart}{cascade}")
}

pub fn delete(model: &Model, dice: &mut Dice) -> String {
    let table = dice.pick(&model.tables);
    let name = table.written(dice);
    match dice.below(8) {
        0 => format!("DELETE FROM {name}"),
        1 => {
            let other = dice.pick(&model.tables);
            let on = joined(table, other, dice);
            format!("DELETE FROM {name} AS d USING {} AS o WHERE {on}", other.sql())
        }
        2 => format!("DELETE FROM ONLY {name} WHERE {}", condition(table, &model.tables, "", dice)),
        3 => {
            let first = condition(table, &model.tables, "d.", dice);
            format!(
                "DELETE FROM {name} d WHERE {first} OR {}",
                condition(table, &model.tables, "d.", dice)
            )
        }
        _ => format!("DELETE FROM {name} WHERE {}", condition(table, &model.tables, "", dice)),
    }
}

/// How `d` and `o` hang together: by a reference, or by any two numbers.
fn joined(table: &Table, other: &Table, dice: &mut Dice) -> String {
    let is_number = |column: &&Column| matches!(column.kind, Kind::Int | Kind::Big);
    let (ours, theirs): (Vec<_>, Vec<_>) = (
        table.columns.iter().filter(is_number).collect(),
        other.columns.iter().filter(is_number).collect(),
    );
    match (dice.any(&ours).map(|c| c.sql()), dice.any(&theirs).map(|c| c.sql())) {
        (Some(our), Some(their)) => format!("d.{our} = o.{their}"),
        _ => condition(table, std::slice::from_ref(other), "d.", dice),
    }
}

/// A new value for a column, in the words of the columns of `prefix`.
fn value(table: &Table, column: &Column, prefix: &str, dice: &mut Dice) -> String {
    let own = format!("{prefix}{}", column.sql());
    let same: Vec<&Column> =
        table.columns.iter().filter(|other| other.kind == column.kind).collect();
    match (dice.below(8), column.kind) {
        (0, _) if !column.not_null => "NULL".to_owned(),
        (1, _) => own,
        (2, _) => format!("coalesce({own}, {})", column.kind.value(dice)),
        (3, _) => format!("{prefix}{}", dice.pick(&same).sql()),
        (4 | 5, Kind::Int | Kind::Numeric) => format!("{own} + 1"),
        (4 | 5, Kind::Text) => format!("upper({own})"),
        (4 | 5, Kind::Json) => format!("{own} || '{{\"n\": 0}}'"),
        (6, Kind::Text) => format!("nullif({own}, 'a')"),
        _ => column.kind.value(dice),
    }
}

pub fn update(model: &Model, dice: &mut Dice) -> Option<String> {
    let table = dice.pick(&model.tables);
    let name = table.written(dice);
    let settable = table.settable();
    let column = dice.any(&settable)?.clone();
    let mut set = format!("{} = {}", column.sql(), value(table, &column, "", dice));
    let second = dice.pick(&settable);
    if dice.chance(30) && second.name != column.name {
        set += &format!(", {} = {}", second.sql(), value(table, second, "", dice));
    }
    Some(match dice.below(7) {
        0 => format!("UPDATE {name} SET {set}"),
        1 => {
            let other = dice.pick(&model.tables);
            let on = joined(table, other, dice);
            let new = value(table, &column, "d.", dice);
            format!(
                "UPDATE {name} AS d SET {} = {new} FROM {} AS o WHERE {on}",
                column.sql(),
                other.sql()
            )
        }
        2 if table.id().is_some_and(|id| !id.words.contains("ALWAYS")) => {
            let id = table.id()?;
            format!("UPDATE {name} SET {0} = {0} + 100 WHERE {0} <= {1}", id.sql(), dice.below(9))
        }
        _ => format!("UPDATE {name} SET {set} WHERE {}", condition(table, &model.tables, "", dice)),
    })
}

pub fn merge(model: &Model, dice: &mut Dice) -> Option<String> {
    let (table, other) = (dice.pick(&model.tables), dice.pick(&model.tables));
    let column = dice.any(&table.settable())?.clone();
    let on = match table.id() {
        Some(id) => format!("d.{} = o.number", id.sql()),
        None => "false".to_owned(),
    };
    let when = match dice.below(3) {
        0 => "WHEN MATCHED THEN DELETE".to_owned(),
        1 => {
            "WHEN MATCHED AND o.number > 5 THEN DELETE WHEN NOT MATCHED THEN DO NOTHING".to_owned()
        }
        _ => format!("WHEN MATCHED THEN UPDATE SET {} = {}", column.sql(), column.kind.value(dice)),
    };
    Some(format!(
        "MERGE INTO {} AS d USING (SELECT row_number() OVER () AS number FROM {}) AS o ON {on} {when}",
        table.written(dice),
        other.sql()
    ))
}

pub fn upsert(model: &Model, dice: &mut Dice) -> Option<String> {
    let keyed: Vec<&Table> = model.tables.iter().filter(|table| table.id().is_some()).collect();
    let table = dice.any(&keyed)?;
    let column = dice.any(&table.settable())?.clone();
    let id = table.id()?.sql();
    let needed =
        table.columns.iter().filter(|c| c.not_null && Some(c.sql()) != table.id().map(Column::sql));
    let mut columns = vec![id.clone()];
    let mut values = vec![dice.below(20).to_string()];
    for other in needed.filter(|other| other.name != column.name) {
        columns.push(other.sql());
        values.push(other.kind.value(dice));
    }
    columns.push(column.sql());
    values.push(column.kind.value(dice));
    let action = match dice.below(4) {
        0 => "NOTHING".to_owned(),
        1 => format!(
            "UPDATE SET {} = {}",
            column.sql(),
            value(table, &column, &format!("{}.", named(&table.name)), dice)
        ),
        _ => format!("UPDATE SET {0} = excluded.{0}", column.sql()),
    };
    Some(format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT ({id}) DO {action}",
        table.sql(),
        columns.join(", "),
        values.join(", ")
    ))
}

/// A DO block, its SQL plain or put together when it runs.
pub fn block(model: &Model, dice: &mut Dice) -> String {
    let inner = match dice.below(3) {
        0 => update(model, dice).unwrap_or_else(|| delete(model, dice)),
        1 => truncate(model, dice),
        _ => delete(model, dice),
    };
    let table = dice.pick(&model.tables);
    match dice.below(5) {
        0 => format!("DO $do$ BEGIN EXECUTE {}; END $do$", quote_literal(&inner)),
        1 => format!(
            "DO $do$ DECLARE t text := {}; BEGIN EXECUTE format('DELETE FROM %s', t); END $do$",
            quote_literal(&table.sql())
        ),
        2 => format!(
            "DO $do$ BEGIN IF EXISTS (SELECT FROM {}) THEN {inner}; END IF; END $do$",
            table.sql()
        ),
        3 => format!(
            "DO $do$ DECLARE r record; BEGIN FOR r IN SELECT * FROM {} LOOP {inner}; END LOOP; END $do$",
            table.sql()
        ),
        _ => format!("DO $do$ BEGIN {inner}; END $do$"),
    }
}

/// Calls a function that is there, or one that comes with the migration.
pub fn call(model: &Model, dice: &mut Dice) -> String {
    match model.functions.first() {
        Some(function) => format!("SELECT {function}()"),
        None => format!(
            "CREATE FUNCTION sweep() RETURNS void LANGUAGE sql AS $$ {} $$; SELECT sweep()",
            delete(model, dice)
        ),
    }
}

/// Rows that go by another way: a view, a WITH, a copy that is emptied.
pub fn roundabout(model: &Model, dice: &mut Dice) -> Option<String> {
    let table = dice.pick(&model.tables);
    let name = table.written(dice);
    let wanted = condition(table, &model.tables, "", dice);
    Some(match (dice.below(8), model.views.first()) {
        (6, _) if table.shape == Shape::Child => {
            let (parent, _) = table.name.rsplit_once('_')?;
            format!("ALTER TABLE {name} NO INHERIT {}.{}", table.schema, named(parent))
        }
        (6 | 7, _) => {
            format!("ALTER TABLE {name} DISABLE TRIGGER USER; DELETE FROM {name} WHERE {wanted}")
        }
        (0 | 1, Some((view, column))) => match dice.below(3) {
            0 => format!("DELETE FROM {view}"),
            1 => format!("UPDATE {view} SET {0} = NULL", named(column)),
            _ => {
                format!("DELETE FROM {view} WHERE {} IS NOT NULL", named(column))
            }
        },
        (2, _) => format!(
            "WITH gone AS (DELETE FROM {name} WHERE {wanted} RETURNING *) SELECT count(*) FROM gone"
        ),
        (3, _) => format!(
            "CREATE TEMP TABLE aside AS SELECT * FROM {name}; DELETE FROM {name}; INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT * FROM aside"
        ),
        (4, _) => {
            let column = dice.any(&table.settable())?.clone();
            format!(
                "WITH u AS (UPDATE {name} SET {} = {} RETURNING 1) SELECT 1",
                column.sql(),
                column.kind.value(dice)
            )
        }
        _ => format!(
            "CREATE TABLE kept AS SELECT * FROM {name} WHERE {wanted}; DELETE FROM {name} WHERE {wanted}"
        ),
    })
}
