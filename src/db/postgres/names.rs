//! What names mean while a batch runs: a table that was renamed before it is dropped is still the
//! table that is in the catalogue now.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Listed;
use crate::effect::Effect;
use crate::text::QualifiedName;

/// The names of tables and columns at one point of a batch.
#[derive(Debug, Clone)]
pub struct Names {
    tables: Vec<(QualifiedName, u32)>,
    /// The names before the batch, which a rollback brings back.
    catalog: Vec<(QualifiedName, u32)>,
    /// Temporary tables that hide others, and whether they end with the transaction.
    temporary: BTreeMap<String, bool>,
    /// Columns by table: name to attnum.
    columns: BTreeMap<u32, BTreeMap<String, i16>>,
    /// Types that were renamed: the name now, the name in the catalogue.
    types: Vec<(QualifiedName, QualifiedName)>,
    search_path: Vec<String>,
    /// Tables that the batch may have made itself, as they were written.
    born: Vec<QualifiedName>,
    unsure: Option<String>,
    /// The search path may be another one by now.
    has_moved: bool,
    /// What was made, renamed or dropped so far, by its last name: it meant something else before.
    new: BTreeSet<String>,
}

impl Names {
    /// The names as the catalogue has them.
    pub fn of(listed: &[Listed], search_path: Vec<String>) -> Self {
        let tables = listed.iter().map(|listed| (listed.table.name.clone(), listed.table.oid));
        let columns = listed.iter().map(|listed| {
            let columns = listed.table.columns.iter();
            let named = columns.map(|column| (column.name.clone(), column.attnum)).collect();
            (listed.table.oid, named)
        });
        let tables: Vec<(QualifiedName, u32)> = tables.collect();
        Self {
            catalog: tables.clone(),
            tables,
            temporary: BTreeMap::new(),
            columns: columns.collect(),
            types: Vec::new(),
            search_path,
            born: Vec::new(),
            unsure: None,
            has_moved: false,
            new: BTreeSet::new(),
        }
    }

    /// The first of these names that means something else by now, or may.
    pub fn renewed<'a>(&self, names: &'a BTreeSet<String>) -> Option<&'a String> {
        names.iter().find(|name| self.new.contains(*name))
    }

    fn renew(&mut self, effect: &Effect) {
        let names: &[&String] = match effect {
            Effect::RenameTable { from, to } | Effect::RenameType { from, to } => {
                &[&from.name, &to.name]
            }
            Effect::RenameColumn { from, to, .. } => &[from, to],
            Effect::DropTable { table: name, .. }
            | Effect::CreateTable { table: name, .. }
            | Effect::CreateType { name }
            | Effect::DropType { name, .. }
            | Effect::DefinesFunction { name, .. } => &[&name.name],
            Effect::DropColumn { column, .. } | Effect::AddColumn { column, .. } => &[column],
            _ => &[],
        };
        self.new.extend(names.iter().map(|name| (*name).clone()));
    }

    /// Why a name that is not found may be there all the same.
    pub fn doubt(&self) -> Option<&str> {
        self.unsure.as_deref()
    }

    /// From here on not everything that happens is known.
    pub fn lose(&mut self, why: &str) {
        self.unsure.get_or_insert_with(|| why.to_owned());
    }

    /// Tables by name. A bare name is looked up along the role's search path; where none is found
    /// there, or where the migration has set another path, every table of that name counts.
    pub fn tables(&self, name: &QualifiedName) -> Vec<u32> {
        let named = |schema: &str| {
            let full = QualifiedName::new(schema, &name.name);
            self.tables.iter().find(|(known, _)| *known == full).map(|(_, oid)| *oid)
        };
        if let Some(schema) = &name.schema {
            let before = self.catalog.iter().find(|(known, _)| self.has_moved && known == name);
            let before = before.map(|(_, oid)| *oid);
            let found = named(schema);
            return found.into_iter().chain(before.filter(|oid| found != Some(*oid))).collect();
        }
        let found = self.search_path.iter().find_map(|schema| named(schema));
        if let Some(oid) = found.filter(|_| !self.has_moved) {
            return vec![oid];
        }
        let before: &[_] = if self.has_moved { &self.catalog } else { &[] };
        let all = self.tables.iter().chain(before);
        let same = all.filter(|(known, _)| known.name == name.name);
        let oids: BTreeSet<u32> = same.map(|(_, oid)| *oid).collect();
        oids.into_iter().collect()
    }

    /// Every table that a name may mean, whatever schemas the command's own session looks in.
    pub fn every(&self, name: &QualifiedName) -> Vec<u32> {
        if name.schema.is_some() {
            return self.tables(name);
        }
        let all = self.tables.iter().chain(&self.catalog);
        let same = all.filter(|(known, _)| known.name == name.name);
        let oids: BTreeSet<u32> = same.map(|(_, oid)| *oid).collect();
        oids.into_iter().collect()
    }

    /// The tables that the batch has moved into a schema, and those that it has moved out of it.
    pub fn moved(&self, schema: &str) -> (Vec<u32>, Vec<u32>) {
        let here = |tables: &[(QualifiedName, u32)]| -> BTreeSet<u32> {
            let here = tables.iter().filter(|(name, _)| name.schema.as_deref() == Some(schema));
            here.map(|(_, oid)| *oid).collect()
        };
        let (before, now) = (here(&self.catalog), here(&self.tables));
        let elsewhere = |oid: &u32| !self.has_moved && self.tables.iter().any(|(_, o)| o == oid);
        let out = before.difference(&now).copied().filter(elsewhere).collect();
        (now.difference(&before).copied().collect(), out)
    }

    /// The name of a table at this point.
    pub fn table_name(&self, oid: u32) -> Option<&QualifiedName> {
        self.tables.iter().find(|(_, known)| *known == oid).map(|(name, _)| name)
    }

    /// Whether the batch may have made a table of this name.
    pub fn may_be_born(&self, name: &QualifiedName) -> bool {
        let is_same = |born: &QualifiedName| {
            let (a, b) = (&born.schema, &name.schema);
            born.name == name.name && (a.is_none() || b.is_none() || a == b)
        };
        name.schema.as_deref() == Some("pg_temp") || self.born.iter().any(is_same)
    }

    /// A column by name.
    pub fn attnum(&self, table: u32, column: &str) -> Option<i16> {
        self.columns.get(&table)?.get(column).copied()
    }

    /// The name in the catalogue of a type that the batch may have renamed.
    pub fn type_name<'a>(&'a self, name: &'a QualifiedName) -> &'a QualifiedName {
        let renamed = self.types.iter().find(|(now, _)| {
            now.name == name.name && (name.schema.is_none() || now.schema == name.schema)
        });
        renamed.map_or(name, |(_, before)| before)
    }

    /// The schemas that a bare name is looked up in.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// Whether the migration may have set another search path.
    pub const fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// The same, for who looks names up in these schemas: a function that sets its own path.
    #[must_use]
    pub fn looking_in(&self, search_path: Vec<String>) -> Self {
        Self { search_path, has_moved: false, ..self.clone() }
    }

    /// Takes a statement's effect into account, once it has been measured.
    pub fn advance(&mut self, effect: &Effect) {
        self.renew(effect);
        match effect {
            Effect::RenameTable { from, to } => self.rename_table(from, to),
            Effect::RenameColumn { table, from, to } => {
                for oid in self.tables(table) {
                    let columns = self.columns.entry(oid).or_default();
                    if let Some(attnum) = columns.remove(from) {
                        columns.insert(to.clone(), attnum);
                    }
                }
            }
            Effect::RenameType { from, to } => {
                let before = self.type_name(from).clone();
                let schema = to.schema.clone().or_else(|| before.schema.clone());
                self.types.push((QualifiedName { schema, name: to.name.clone() }, before));
            }
            Effect::DropTable { table, .. } if self.is_temporary(table) => {
                self.temporary.remove(&table.name);
            }
            Effect::DropTable { table, .. } => {
                let gone = self.tables(table);
                self.tables.retain(|(_, oid)| !gone.contains(oid));
            }
            Effect::DropColumn { table, column, .. } => {
                for oid in self.tables(table) {
                    self.columns.entry(oid).or_default().remove(column);
                }
            }
            Effect::CreateTable { table, temporary: true, until_commit, .. } => {
                self.temporary.insert(table.name.clone(), *until_commit);
                self.born.push(table.clone());
            }
            Effect::CreateTable { table, .. } => self.born.push(table.clone()),
            Effect::Commit => self.temporary.retain(|_, until_commit| !*until_commit),
            Effect::NamesMoved { why } => {
                self.has_moved = true;
                self.temporary.clear();
                self.lose(why);
            }
            Effect::DynamicSql { why } | Effect::Opaque { why } => self.lose(why),
            Effect::ClientCommand { command } => self.lose(command),
            Effect::CallsFunction { name } => self.lose(&format!("{name}() was called before")),
            _ => {}
        }
    }

    fn is_temporary(&self, name: &QualifiedName) -> bool {
        match name.schema.as_deref() {
            None => self.temporary.contains_key(&name.name),
            Some(schema) => schema == "pg_temp",
        }
    }

    fn rename_table(&mut self, from: &QualifiedName, to: &QualifiedName) {
        if self.is_temporary(from) {
            let until_commit = self.temporary.remove(&from.name).unwrap_or_default();
            self.temporary.insert(to.name.clone(), until_commit);
            return;
        }
        if self.may_be_born(from) {
            self.born.push(to.clone());
        }
        for oid in self.tables(from) {
            for (name, known) in &mut self.tables {
                if *known == oid {
                    let schema = to.schema.clone().or_else(|| name.schema.clone());
                    *name = QualifiedName { schema, name: to.name.clone() };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::db::postgres::catalog::{Listed, Readable};
    use crate::effect::Effect;
    use crate::inventory::{Column, Table, TableKind};
    use crate::text::QualifiedName;

    fn names() -> Names {
        let table = |oid, name: &str| Listed {
            table: Table {
                oid,
                filenode: oid,
                name: QualifiedName::new("public", name),
                kind: TableKind::Ordinary,
                root: None,
                extension: None,
                rows: 0,
                columns: vec![Column {
                    attnum: 1,
                    name: "id".to_owned(),
                    type_name: "integer".to_owned(),
                }],
            },
            bytes: 0,
            readable: Readable::Yes,
            is_populated: true,
        };
        Names::of(&[table(1, "users"), table(2, "users_new")], vec!["public".to_owned()])
    }

    fn rename(names: &mut Names, from: &str, to: &str) {
        let (from, to) = (QualifiedName::bare(from), QualifiedName::bare(to));
        names.advance(&Effect::RenameTable { from, to });
    }

    #[test]
    fn a_swap_of_names_is_followed() {
        let mut names = names();
        rename(&mut names, "users", "users_old");
        rename(&mut names, "users_new", "users");
        assert_eq!(names.tables(&QualifiedName::bare("users_old")), [1]);
        assert_eq!(names.tables(&QualifiedName::new("public", "users")), [2]);
        assert!(names.tables(&QualifiedName::bare("users_new")).is_empty());
    }

    #[test]
    fn a_renamed_column_is_the_same_column() {
        let mut names = names();
        let table = QualifiedName::bare("users");
        let (from, to) = ("id".to_owned(), "key".to_owned());
        names.advance(&Effect::RenameColumn { table, from, to });
        assert_eq!((names.attnum(1, "key"), names.attnum(1, "id")), (Some(1), None));
    }

    #[test]
    fn what_is_not_known_makes_absence_doubtful() {
        let mut names = names();
        assert_eq!(names.doubt(), None);
        names.advance(&Effect::Opaque { why: "no parser reads it".to_owned() });
        assert_eq!(names.doubt(), Some("no parser reads it"));
    }
}
