//! A migration by chance: statements of all kinds against the schema as it is at that point.

use super::changes;
use super::dice::Dice;
use super::schema::{Column, Kind, Model, Shape, Table};
use super::shapes;

/// A migration.
#[derive(Debug, Clone)]
pub struct Migration {
    pub sql: String,
    /// Statements that were drawn; one of them may be several in SQL.
    pub statements: usize,
    /// It was drawn from what can't take anything.
    pub is_harmless: bool,
}

/// Draws a migration; the model is led through it.
pub fn drawn(model: &mut Model, dice: &mut Dice) -> Migration {
    let is_harmless = dice.chance(15);
    let wanted = if dice.chance(45) { 1 } else { 2 + dice.below(5) };
    let mut sql = Vec::new();
    while sql.len() < wanted && !model.tables.is_empty() {
        let statement = if is_harmless || wanted > 1 && dice.chance(15) {
            harmless(model, dice)
        } else {
            destructive(model, dice)
        };
        sql.extend(statement);
    }
    Migration { statements: sql.len(), sql: sql.join(";\n") + ";\n", is_harmless }
}

fn destructive(model: &mut Model, dice: &mut Dice) -> Option<String> {
    match dice.below(30) {
        0 | 1 => Some(shapes::drop_table(model, dice)),
        2..=4 => shapes::drop_column(model, dice),
        5 => Some(shapes::drop_type(dice)),
        6 => Some(shapes::drop_schema(model, dice)),
        7 | 8 => Some(changes::truncate(model, dice)),
        9..=13 => Some(changes::delete(model, dice)),
        14..=17 => changes::update(model, dice),
        18 => changes::merge(model, dice),
        19 => changes::upsert(model, dice),
        20 | 21 => shapes::change_type(model, dice),
        22 => shapes::rename(model, dice),
        23 => shapes::swap(model, dice),
        24 => shapes::rebuild(model, dice),
        25 => shapes::drop_and_add(model, dice),
        26 => shapes::detach_or_unlog(model, dice),
        27 => Some(changes::block(model, dice)),
        28 => Some(changes::call(model, dice)),
        _ => changes::roundabout(model, dice),
    }
}

/// What takes no row and no value from anybody.
fn harmless(model: &mut Model, dice: &mut Dice) -> Option<String> {
    let at = dice.below(model.tables.len());
    let table = model.tables[at].clone();
    let name = table.written(dice);
    let column = dice.pick(&table.columns).clone();
    let number = dice.below(1000);
    Some(match dice.below(9) {
        0 => {
            if table.shape == Shape::Leaf {
                return None;
            }
            let new = format!("new{number}");
            model.tables[at].columns.push(Column::of(&new, Kind::Text));
            format!("ALTER TABLE {name} ADD COLUMN {new} text DEFAULT 'x'")
        }
        1 => format!("CREATE INDEX ON {name} ({})", column.sql()),
        2 => format!("CREATE TABLE fresh{number} (id int PRIMARY KEY, body text)"),
        3 => format!("COMMENT ON TABLE {name} IS 'said; DROP TABLE {number}'"),
        4 if !column.generated && table.shape != Shape::Leaf => {
            format!("ALTER TABLE {name} ALTER COLUMN {} SET DEFAULT NULL", column.sql())
        }
        5 => format!("CREATE VIEW seen{number} AS SELECT * FROM {name} WHERE false"),
        6 => format!("CREATE TABLE copied{number} AS SELECT * FROM {name}"),
        7 if table.shape != Shape::Leaf
            && table
                .settable()
                .iter()
                .any(|c| c.name == column.name && c.kind == Kind::Varchar) =>
        {
            model.tables[at]
                .columns
                .iter_mut()
                .filter(|c| c.name == column.name)
                .for_each(|c| c.kind = Kind::Text);
            format!("ALTER TABLE {name} ALTER COLUMN {} TYPE text", column.sql())
        }
        _ => format!("SELECT count(*) FROM {name} WHERE {} IS NULL", column.sql()),
    })
}

/// A condition on the rows of a table, whose columns are called with this prefix.
pub fn condition(table: &Table, others: &[Table], prefix: &str, dice: &mut Dice) -> String {
    let of = |column: &Column| format!("{prefix}{}", column.sql());
    let column = dice.pick(&table.columns).clone();
    let number = dice.below(22);
    match (dice.below(9), table.id()) {
        (0 | 1, Some(id)) => format!("{} <= {number}", of(id)),
        (2, Some(id)) => format!("{} % 3 = 0", of(id)),
        (3, Some(id)) => {
            let other = dice.pick(others);
            match other.columns.iter().find(|column| matches!(column.kind, Kind::Int | Kind::Big)) {
                Some(number) => {
                    format!("{} IN (SELECT {} FROM {})", of(id), number.sql(), other.sql())
                }
                None => format!("EXISTS (SELECT FROM {})", other.sql()),
            }
        }
        (4, _) => format!("{} IS NOT NULL", of(&column)),
        (5, _) => format!("{} IS NULL", of(&column)),
        (6, _) => (*dice.pick(&["true", "1 = 1", "1 = 0", "now() > '2000-01-01'"])).to_owned(),
        (_, _) => format!("{} = {}", of(&column), column.kind.value(dice)),
    }
}
