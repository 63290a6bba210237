//! What the pending statements say about each other: what was born in the same batch holds nothing
//! that could be lost, and a table that is dropped and made again is not just dropped.
//!
//! A birth counts only while its name surely still means the same object. Where that is in doubt
//! (another search_path, a rollback, a rename on top) it is forgotten, and the effect is at risk.

use std::collections::{HashMap, HashSet};

use super::Effect;
use crate::text::QualifiedName;

/// How an effect stands in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What it touches may hold data.
    AtRisk,
    /// What it touches was born in the same batch.
    Born,
    /// The table that it drops is made again later in the batch.
    Recreated,
}

/// Weighs the effects of a whole batch, in the order in which they happen.
pub fn standings<'a>(effects: impl Iterator<Item = &'a Effect> + Clone) -> Vec<Standing> {
    let made_at = makings(effects.clone());
    let mut births = Births::default();
    effects
        .enumerate()
        .map(|(index, effect)| match (births.step(effect), effect) {
            (Standing::AtRisk, Effect::DropTable { table, .. })
                if made_at.get(&Key::of(table)).is_some_and(|made| *made > index) =>
            {
                Standing::Recreated
            }
            (standing, _) => standing,
        })
        .collect()
}

/// Where each table is made last, by CREATE or by a rename.
fn makings<'a>(effects: impl Iterator<Item = &'a Effect>) -> HashMap<Key, usize> {
    let made = effects.enumerate().filter_map(|(index, effect)| match effect {
        Effect::CreateTable { table, temporary: false, .. }
        | Effect::RenameTable { to: table, .. } => Some((Key::of(table), index)),
        _ => None,
    });
    made.collect()
}

/// A name, with `public` and no schema taken for the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    schema: Option<String>,
    name: String,
}

impl Key {
    fn of(name: &QualifiedName) -> Self {
        let schema = name.schema.clone().filter(|schema| schema != "public");
        Self { schema, name: name.name.clone() }
    }
}

/// What was born so far, and what was there before and went.
#[derive(Debug, Default)]
struct Births {
    tables: HashSet<Key>,
    /// Temporary tables hide others of the same name, but only where no schema is written.
    temporary: HashSet<String>,
    /// Those of them that end with the transaction.
    until_commit: HashSet<String>,
    columns: HashMap<Key, HashSet<String>>,
    schemas: HashSet<String>,
    /// The schemas in which a type of that name, in lower case, was born.
    types: HashMap<String, HashSet<Key>>,
    gone_tables: HashSet<Key>,
    gone_columns: HashMap<Key, HashSet<String>>,
}

impl Births {
    fn step(&mut self, effect: &Effect) -> Standing {
        let born = match effect {
            Effect::DropTable { table, .. } => self.drop_table(table),
            Effect::DropColumn { table, column, .. } => {
                let key = Key::of(table);
                let columns = self.columns.get_mut(&key);
                let born = columns.is_some_and(|columns| columns.remove(column));
                self.gone_columns.entry(key).or_default().insert(column.clone());
                born || self.holds(table)
            }
            // Whatever has a name in it from here on was made after it.
            Effect::DropSchema { schema, .. } => self.schemas.remove(schema),
            Effect::DropType { name, .. } => self.forget_type(name),
            // CASCADE reaches tables that refer to it and are older.
            Effect::Truncate { table, cascade, .. } => !cascade && self.holds(table),
            Effect::Delete { table, .. }
            | Effect::Merge { table, .. }
            | Effect::Upsert { table, .. }
            | Effect::SetUnlogged { table } => self.holds(table),
            Effect::Update { table, columns, .. } => {
                let is_new = |column: &String| self.holds_column(table, column);
                self.holds(table) || (!columns.is_empty() && columns.iter().all(is_new))
            }
            Effect::ChangeType { table, column, to, .. } => {
                // The type now has a column that is older than it is.
                for word in to.split(['.', '[', '(']) {
                    self.types.remove(&word.trim_matches(['"', ' ', ']']).to_lowercase());
                }
                self.holds(table) || self.holds_column(table, column)
            }
            Effect::DetachPartition { parent, partition } => {
                self.holds(parent) || self.holds(partition)
            }
            _ => {
                self.learn(effect);
                false
            }
        };
        if born { Standing::Born } else { Standing::AtRisk }
    }

    fn learn(&mut self, effect: &Effect) {
        match effect {
            Effect::CreateTable { table, temporary: true, until_commit, .. } => {
                let names =
                    if *until_commit { &mut self.until_commit } else { &mut self.temporary };
                names.insert(table.name.clone());
            }
            Effect::CreateTable { table, if_not_exists: false, .. } => {
                self.tables.insert(Key::of(table));
            }
            Effect::CreateSchema { schema } => {
                self.schemas.insert(schema.clone());
            }
            Effect::CreateType { name } => {
                self.types.entry(name.name.to_lowercase()).or_default().insert(Key::of(name));
            }
            Effect::AddColumn { table, column } => {
                self.columns.entry(Key::of(table)).or_default().insert(column.clone());
            }
            Effect::RenameTable { from, to } => self.rename_table(from, to),
            Effect::RenameColumn { table, from, to } => self.rename_column(table, from, to),
            Effect::RenameType { from, to } => {
                let born = self.forget_type(from);
                self.forget_type(to);
                if born {
                    self.learn(&Effect::CreateType { name: to.clone() });
                }
            }
            // What an older table holds is reached through its parent from now on.
            Effect::AttachPartition { parent, partition } if !self.holds(partition) => {
                self.tables.remove(&Key::of(parent));
                parent.schema.as_ref().map(|schema| self.schemas.remove(schema));
            }
            Effect::PerhapsOlder { births } => births.iter().for_each(|birth| self.doubt(birth)),
            Effect::Commit => self.until_commit.clear(),
            Effect::NamesMoved { .. } => {
                let gone_tables = std::mem::take(&mut self.gone_tables);
                let gone_columns = std::mem::take(&mut self.gone_columns);
                *self = Self { gone_tables, gone_columns, ..Self::default() };
            }
            _ => {}
        }
    }

    /// Forgets a birth that perhaps was none.
    fn doubt(&mut self, birth: &Effect) {
        match birth {
            Effect::CreateTable { table, .. } => {
                self.tables.remove(&Key::of(table));
                self.temporary.remove(&table.name);
                self.until_commit.remove(&table.name);
            }
            Effect::CreateSchema { schema } => {
                self.schemas.remove(schema);
            }
            Effect::CreateType { name } => {
                self.forget_type(name);
            }
            Effect::AddColumn { table, column } => {
                if let Some(columns) = self.columns.get_mut(&Key::of(table)) {
                    columns.remove(column);
                }
            }
            _ => {}
        }
    }

    /// Whether the table was born here.
    fn holds(&self, table: &QualifiedName) -> bool {
        match table.schema.as_deref() {
            None if self.is_temporary(&table.name) => true,
            Some("pg_temp") => true,
            Some(schema) if self.schemas.contains(schema) => true,
            _ => self.tables.contains(&Key::of(table)),
        }
    }

    fn is_temporary(&self, name: &str) -> bool {
        self.temporary.contains(name) || self.until_commit.contains(name)
    }

    fn holds_column(&self, table: &QualifiedName, column: &str) -> bool {
        self.columns.get(&Key::of(table)).is_some_and(|columns| columns.contains(column))
    }

    fn forget_type(&mut self, name: &QualifiedName) -> bool {
        let keys = self.types.get_mut(&name.name.to_lowercase());
        keys.is_some_and(|keys| keys.remove(&Key::of(name)))
    }

    fn drop_table(&mut self, table: &QualifiedName) -> bool {
        if table.schema.is_none() && self.is_temporary(&table.name) {
            self.temporary.remove(&table.name);
            self.until_commit.remove(&table.name);
            return true;
        }
        let born = self.holds(table);
        let key = Key::of(table);
        self.tables.remove(&key);
        self.columns.remove(&key);
        if !born {
            self.gone_tables.insert(key);
        }
        born
    }

    /// A table that takes the name of an older one may hold a copy of its rows: it is no newborn.
    fn rename_table(&mut self, from: &QualifiedName, to: &QualifiedName) {
        if from.schema.is_none() && self.is_temporary(&from.name) {
            if self.temporary.remove(&from.name) {
                self.temporary.insert(to.name.clone());
            }
            if self.until_commit.remove(&from.name) {
                self.until_commit.insert(to.name.clone());
            }
            return;
        }
        let born = self.holds(from);
        let (from, to_key) = (Key::of(from), Key::of(to));
        self.tables.remove(&from);
        let columns = self.columns.remove(&from).unwrap_or_default();
        if born && !self.gone_tables.contains(&to_key) {
            self.tables.insert(to_key);
            return;
        }
        self.tables.remove(&to_key);
        to.schema.as_ref().map(|schema| self.schemas.remove(schema));
        self.columns.insert(to_key, columns);
        self.gone_tables.insert(from);
    }

    fn rename_column(&mut self, table: &QualifiedName, from: &str, to: &str) {
        let key = Key::of(table);
        let gone = self.gone_columns.entry(key.clone()).or_default();
        let columns = self.columns.entry(key).or_default();
        if columns.remove(from) && !gone.contains(to) {
            columns.insert(to.to_owned());
        } else {
            columns.remove(to);
            gone.insert(from.to_owned());
        }
    }
}
