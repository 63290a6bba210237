//! Statements that change the shape of tables; the model is led through them.

use super::dice::Dice;
use super::migration::condition;
use super::schema::{Column, Kind, Model, Shape, Table, named};

/// A table with its partitions and children is gone from the model.
fn forget(model: &mut Model, table: &Table) {
    let prefix = format!("{}_", table.name);
    model.tables.retain(|other| {
        other.sql() != table.sql()
            && !(other.schema == table.schema && other.name.starts_with(&prefix))
    });
}

pub fn drop_table(model: &mut Model, dice: &mut Dice) -> String {
    let table = dice.pick(&model.tables).clone();
    let exists = if dice.chance(20) { "IF EXISTS " } else { "" };
    let cascade = if dice.chance(70) { " CASCADE" } else { "" };
    let sql = format!("DROP TABLE {exists}{}{cascade}", table.written(dice));
    forget(model, &table);
    sql
}

/// A table whose shape may change, by its place.
fn shapely(model: &Model, dice: &mut Dice) -> Option<usize> {
    let is_free = |table: &Table| !matches!(table.shape, Shape::Leaf | Shape::Child);
    let free: Vec<usize> =
        (0..model.tables.len()).filter(|at| is_free(&model.tables[*at])).collect();
    dice.any(&free).copied()
}

/// Takes the column from the table, its partitions and children.
fn lose(model: &mut Model, at: usize, column: &str) {
    let (name, schema) = (model.tables[at].name.clone(), model.tables[at].schema);
    let prefix = format!("{name}_");
    for table in &mut model.tables {
        if table.schema == schema && (table.name == name || table.name.starts_with(&prefix)) {
            // What is computed from it goes along.
            let takes_generated = !column.starts_with("ref");
            table
                .columns
                .retain(|other| other.name != column && !(other.generated && takes_generated));
            if table.key.iter().any(|key| key == column) {
                table.key.clear();
            }
        }
    }
    model.tables.retain(|table| !table.columns.is_empty());
}

pub fn drop_column(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    let column = dice.pick(&table.columns).clone();
    let cascade = if dice.chance(50) { " CASCADE" } else { "" };
    let exists = if dice.chance(15) { "IF EXISTS " } else { "" };
    let sql = format!(
        "ALTER TABLE {} DROP COLUMN {exists}{}{cascade}",
        table.written(dice),
        column.sql()
    );
    lose(model, at, &column.name);
    Some(sql)
}

pub fn drop_type(dice: &mut Dice) -> String {
    let what = *dice.pick(&["TYPE mood", "DOMAIN plate", "TYPE public.plate"]);
    format!("DROP {what}{}", if dice.chance(85) { " CASCADE" } else { "" })
}

pub fn drop_schema(model: &mut Model, dice: &mut Dice) -> String {
    let cascade = if dice.chance(85) { " CASCADE" } else { "" };
    model.tables.retain(|table| table.schema != "app");
    format!("DROP SCHEMA app{cascade}")
}

pub fn change_type(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    let settable = table.settable();
    let column = dice.any(&settable)?.clone();
    let name = column.sql();
    let (to, kind, using) = match (column.kind, dice.below(3)) {
        (Kind::Int, 0) => ("bigint", Kind::Big, String::new()),
        (Kind::Int | Kind::Big, 1) => {
            ("smallint", Kind::Int, format!(" USING ({name} % 10)::smallint"))
        }
        (Kind::Int | Kind::Big, _) => ("text", Kind::Text, String::new()),
        (Kind::Numeric, 0) => ("int", Kind::Int, String::new()),
        (Kind::Numeric, 1) => ("numeric(8, 1)", Kind::Numeric, String::new()),
        (Kind::Text, 0) => ("varchar(3)", Kind::Varchar, String::new()),
        (Kind::Text | Kind::Varchar, 1) => {
            ("varchar(3)", Kind::Varchar, format!(" USING left({name}, 3)"))
        }
        (Kind::Text | Kind::Varchar, _) => {
            ("varchar(2)", Kind::Varchar, format!(" USING {name}::varchar(2)"))
        }
        (Kind::Time, 0) => ("date", Kind::Text, String::new()),
        (Kind::Time, _) => ("timestamp", Kind::Time, format!(" USING {name} AT TIME ZONE 'UTC'")),
        (Kind::Json, _) => ("json", Kind::Text, String::new()),
        (Kind::Flag, _) => ("int", Kind::Int, format!(" USING {name}::int")),
        (Kind::Ints, _) => ("bigint[]", Kind::Text, String::new()),
        (Kind::Mood | Kind::Plate, 0) => ("text", Kind::Text, " USING NULL".to_owned()),
        _ => ("text", Kind::Text, format!(" USING {name}::text")),
    };
    let changed = model.tables[at].columns.iter_mut().find(|other| other.name == column.name)?;
    changed.kind = kind;
    Some(format!("ALTER TABLE {} ALTER COLUMN {name} TYPE {to}{using}", table.written(dice)))
}

pub fn rename(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    if dice.chance(50) && table.shape == Shape::Plain {
        let new = format!("renamed{}", dice.below(100));
        model.tables[at].name.clone_from(&new);
        return Some(format!("ALTER TABLE {} RENAME TO {new}", table.written(dice)));
    }
    let column = dice.pick(&table.columns).clone();
    let new = format!("called{}", dice.below(100));
    let renamed = |name: &mut String| {
        if *name == column.name {
            name.clone_from(&new);
        }
    };
    model.tables[at].columns.iter_mut().for_each(|column| renamed(&mut column.name));
    model.tables[at].key.iter_mut().for_each(renamed);
    Some(format!("ALTER TABLE {} RENAME COLUMN {} TO {new}", table.written(dice), column.sql()))
}

/// Two tables or two columns that change names.
pub fn swap(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    if dice.chance(50) {
        let same = |one: &&Table| {
            one.sql() != table.sql() && one.schema == table.schema && one.shape == Shape::Plain
        };
        let others: Vec<Table> = model.tables.iter().filter(same).cloned().collect();
        let other = dice.any(&others).filter(|_| table.shape == Shape::Plain)?;
        let place = model.tables.iter().position(|one| one.sql() == other.sql())?;
        model.tables[at].name.clone_from(&other.name);
        model.tables[place].name.clone_from(&table.name);
        return Some(format!(
            "ALTER TABLE {} RENAME TO aside; ALTER TABLE {} RENAME TO {}; ALTER TABLE {}.aside RENAME TO {}",
            table.sql(),
            other.sql(),
            named(&table.name),
            table.schema,
            named(&other.name)
        ));
    }
    let (one, two) = (dice.pick(&table.columns).sql(), dice.pick(&table.columns).sql());
    if one == two {
        return None;
    }
    let name = table.sql();
    let swapped = |text: String| match text {
        text if text == one => two.clone(),
        text if text == two => one.clone(),
        text => text,
    };
    let before = table.columns.iter().map(|column| swapped(column.sql()));
    let names: Vec<String> = before.collect();
    for (column, sql) in model.tables[at].columns.iter_mut().zip(names) {
        let new = table.columns.iter().find(|other| other.sql() == sql)?;
        column.name.clone_from(&new.name);
    }
    model.tables[at].key.clear();
    Some(format!(
        "ALTER TABLE {name} RENAME COLUMN {one} TO aside; ALTER TABLE {name} RENAME COLUMN {two} TO {one}; ALTER TABLE {name} RENAME COLUMN aside TO {two}"
    ))
}

/// New table, copy, drop, rename: with every row and value, or not.
pub fn rebuild(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    if table.shape != Shape::Plain {
        return None;
    }
    let (schema, name) = (table.schema, table.sql());
    let copied: Vec<&Column> = table.columns.iter().filter(|column| !column.generated).collect();
    let columns: Vec<String> = copied.iter().map(|column| column.sql()).collect();
    let mut values = columns.clone();
    let mut wanted = String::new();
    match dice.below(4) {
        0 => wanted = format!(" WHERE {}", condition(&table, &model.tables, "", dice)),
        1 => {
            let place = dice.below(columns.len());
            if !copied[place].not_null {
                "NULL".clone_into(&mut values[place]);
            }
        }
        _ => {}
    }
    Some(format!(
        "CREATE TABLE {schema}.rebuilt (LIKE {name} INCLUDING ALL); \
         INSERT INTO {schema}.rebuilt ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {name}{wanted}; \
         DROP TABLE {name} CASCADE; ALTER TABLE {schema}.rebuilt RENAME TO {}",
        columns.join(", "),
        values.join(", "),
        named(&table.name)
    ))
}

/// A column that goes and comes again under its name.
pub fn drop_and_add(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = shapely(model, dice)?;
    let table = model.tables[at].clone();
    let column = dice.any(&table.settable())?.clone();
    let (name, column_name) = (table.sql(), column.sql());
    let kind = column.kind.sql();
    let found = model.tables[at].columns.iter_mut().find(|other| other.name == column.name)?;
    *found = Column::of(&column.name, column.kind);
    if dice.chance(35) && table.shape == Shape::Plain {
        // The values take the way over another column.
        return Some(format!(
            "ALTER TABLE {name} ADD COLUMN moved {kind}; UPDATE {name} SET moved = {column_name}; \
             ALTER TABLE {name} DROP COLUMN {column_name} CASCADE; ALTER TABLE {name} RENAME COLUMN moved TO {column_name}"
        ));
    }
    if dice.chance(50) {
        return Some(format!(
            "ALTER TABLE {name} DROP COLUMN {column_name} CASCADE, ADD COLUMN {column_name} {kind}"
        ));
    }
    Some(format!(
        "ALTER TABLE {name} DROP COLUMN {column_name}; ALTER TABLE {name} ADD COLUMN {column_name} {kind}"
    ))
}

pub fn detach_or_unlog(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let leaves: Vec<&Table> =
        model.tables.iter().filter(|table| table.shape == Shape::Leaf).collect();
    if let Some(leaf) = dice.any(&leaves) {
        let (root, _) = leaf.name.rsplit_once('_')?;
        let parent = format!("{}.{}", leaf.schema, named(root));
        let (leaf, then) = (leaf.sql(), dice.below(3));
        let detach = format!("ALTER TABLE {parent} DETACH PARTITION {leaf}");
        return Some(match then {
            0 => format!("{detach}; DROP TABLE {leaf}"),
            1 => format!("{detach}; DELETE FROM {leaf}"),
            _ => detach,
        });
    }
    let table = dice.pick(&model.tables);
    Some(format!("ALTER TABLE {} SET UNLOGGED", table.sql()))
}
