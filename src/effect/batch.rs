//! What the pending statements say about each other: what was born in the same batch holds nothing
//! that could be lost, and a table that is dropped and made again is not just dropped.
//!
//! A birth counts only while its name surely still means the same object. Where that is in doubt
//! (another search_path, a rollback, a rename on top) it is forgotten, and the effect is at risk.

use std::collections::{HashMap, HashSet};

use super::{Effect, LeavesOut, successor};
use crate::text::QualifiedName;

/// How an effect stands in its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// What it touches may hold data.
    AtRisk,
    /// What it touches was born in the same batch.
    Born,
    /// The table that it drops is made again later in the batch.
    Recreated,
    /// The rows of the table that it drops were copied into another one, which stays.
    Copied {
        /// Whether a table of its name is made again later in the batch.
        again: bool,
        /// What the copy does not hold.
        leaves_out: LeavesOut,
    },
    /// The table that it drops holds a part of this one's rows.
    Partition {
        /// The partitioned table.
        parent: QualifiedName,
    },
    /// The columns of the type that it drops were moved to another one of that name.
    Replaced,
    /// Rows of these tables go or change with the rows that it deletes.
    Followed {
        /// The tables whose foreign keys say so.
        children: Vec<QualifiedName>,
    },
}

/// Weighs the effects of a whole batch, in the order in which they happen.
pub fn standings<'a>(effects: impl Iterator<Item = &'a Effect>) -> Vec<Standing> {
    let effects: Vec<&Effect> = effects.collect();
    let made_at = makings(effects.iter().copied());
    let (copies, replaced) = (successor::copies(&effects), successor::retypings(&effects));
    let mut births = Births::default();
    let mut weigh = |index: usize, effect: &Effect| {
        let context = births.context(effect);
        match (births.step(effect), effect) {
            (Standing::AtRisk, Effect::DropTable { table, .. }) => {
                let again = made_at.get(&Key::of(table)).is_some_and(|made| *made > index);
                match (copies.get(&index), again) {
                    (Some(leaves_out), _) => {
                        Standing::Copied { again, leaves_out: leaves_out.clone() }
                    }
                    (None, true) => Standing::Recreated,
                    (None, false) => context.unwrap_or(Standing::AtRisk),
                }
            }
            (Standing::AtRisk, Effect::DropType { .. }) if replaced.contains(&index) => {
                Standing::Replaced
            }
            (Standing::AtRisk, _) => context.unwrap_or(Standing::AtRisk),
            (standing, _) => standing,
        }
    };
    effects.iter().enumerate().map(|(index, effect)| weigh(index, effect)).collect()
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
pub(super) struct Key {
    schema: Option<String>,
    name: String,
}

impl Key {
    pub(super) fn of(name: &QualifiedName) -> Self {
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
    /// The parent of each partition that the batch speaks of.
    parents: HashMap<Key, QualifiedName>,
    /// The tables whose foreign keys let their rows follow those of another.
    followers: HashMap<Key, Vec<QualifiedName>>,
}

impl Births {
    /// What the batch has said about an effect's table before it.
    fn context(&mut self, effect: &Effect) -> Option<Standing> {
        match effect {
            Effect::DropTable { table, .. } => {
                let parent = self.parents.remove(&Key::of(table))?;
                Some(Standing::Partition { parent })
            }
            Effect::Delete { table, .. } => {
                let children = self.followers.get(&Key::of(table))?.clone();
                Some(Standing::Followed { children })
            }
            _ => None,
        }
    }

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
                self.parents.insert(Key::of(partition), parent.clone());
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
        if let Effect::AttachPartition { parent, partition }
        | Effect::PartitionOf { parent, partition } = effect
        {
            self.parents.insert(Key::of(partition), parent.clone());
        }
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
            Effect::Follows { child, parent } if !self.holds(child) => {
                self.followers.entry(Key::of(parent)).or_default().push(child.clone());
            }
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
        if let Some(parent) = self.parents.remove(&Key::of(from)) {
            self.parents.insert(Key::of(to), parent);
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
