//! The tables at risk: what the pending statements touch, what goes along, and the tables that those
//! refer to, so that what is restored from them is whole in itself.
//!
//! Whatever is not known is a reason to keep everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::postgres::names::Names;
use crate::db::postgres::relations::Relations;
use crate::effect::Effect;
use crate::finding::{Certainty, Finding};
use crate::loss::{Count, LARGE_OBJECTS};
use crate::plan::scope::{AtRisk, Scope};
use crate::policy::SnapshotMode;
use crate::script::{Knowledge, Script};
use crate::text::QualifiedName;

/// Findings whose tables are known by what the statement names, without a measured loss.
const NAMED_BY_THE_STATEMENT: [&str; 6] = [
    "delete-cascade",
    "drop-partition",
    "drop-table",
    "merge-delete",
    "set-unlogged",
    "upsert-overwrite",
];

/// What the pending statements touch, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Tables whose rows, columns or values may go.
    tables: BTreeSet<u32>,
    /// Those of them whose rows are deleted or changed: rows that refer to them may follow.
    changed: BTreeSet<u32>,
    /// Those of them that are truncated together with all that refer to them.
    truncated: BTreeSet<u32>,
    /// Tables that become partitions or children in the batch, by their parent.
    attached: Vec<(u32, u32)>,
    /// Foreign keys that the batch makes, with which rows of the child follow: parent and child.
    follows: Vec<(u32, u32)>,
    objects: bool,
    why: Vec<String>,
}

/// What is at risk, and why that may not be all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Risk {
    known: AtRisk,
    why: Vec<String>,
    relations: Relations,
}

impl Touched {
    /// Something is not known: a reason to keep everything.
    pub fn doubt(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.why.contains(&why) {
            self.why.push(why);
        }
    }

    /// The migration tool's own tables are touched whatever is pending.
    pub fn always(&mut self, relations: &Relations, is_of_tool: impl Fn(&QualifiedName) -> bool) {
        let of_tool = relations.tables.iter().filter(|table| is_of_tool(&table.name));
        self.tables.extend(of_tool.map(|table| table.oid));
    }

    /// Takes a script into account, before its effects.
    pub fn script(&mut self, script: &Script) {
        if script.knowledge != Knowledge::Known {
            self.doubt(format!("`{}` could not be read in full", called(script)));
        }
    }

    /// Takes an effect into account, with what names mean just before it.
    pub fn effect(&mut self, script: &Script, effect: &Effect, names: &Names) {
        match effect {
            Effect::DropTable { table, .. }
            | Effect::DropColumn { table, .. }
            | Effect::ChangeType { table, .. }
            | Effect::SetUnlogged { table }
            | Effect::RenameTable { from: table, .. }
            | Effect::RenameColumn { table, .. }
            | Effect::DetachPartition { partition: table, .. } => {
                self.tables.extend(names.every(table));
            }
            Effect::Delete { table, .. }
            | Effect::Update { table, .. }
            | Effect::Merge { table, .. }
            | Effect::Upsert { table, .. }
            | Effect::Fill { table, .. } => {
                let found = self.rows_of(table, names);
                self.changed.extend(found);
            }
            Effect::Truncate { table, cascade, .. } => {
                let found = self.rows_of(table, names);
                self.truncated.extend(found.into_iter().filter(|_| *cascade));
            }
            Effect::CopyRows { from, to, .. } => {
                self.tables.extend(names.every(from).into_iter().chain(names.every(to)));
            }
            Effect::AttachPartition { parent, partition } => {
                self.tables.extend(names.every(partition));
                self.attached.extend(pairs(parent, partition, names));
            }
            Effect::Follows { child, parent } => self.follows.extend(pairs(parent, child, names)),
            Effect::UnlinkLargeObject { .. } => self.objects = true,
            Effect::DropMaterializedView { view, cascade: true } => {
                self.doubt(format!("what goes along with `{}` is not known", view.short()));
            }
            Effect::DropDatabase { database } => self.doubt(format!("`{database}` is dropped")),
            Effect::NamesMoved { why } => {
                self.doubt(format!("`{}` moves names: {why}", called(script)));
            }
            Effect::ClientCommand { command } => {
                self.doubt(format!("psql may do anything: `{command}`"));
            }
            Effect::ExecutesPrepared { name } => {
                self.doubt(format!("`{name}` was prepared elsewhere"));
            }
            Effect::DynamicSql { why } | Effect::Opaque { why } => {
                let name = called(script);
                self.doubt(format!("a statement of `{name}` could not be read: {why}"));
            }
            // What goes along with a schema, type, extension or role is in the loss of its finding,
            // what a function does in its own effects. The others take nothing away.
            Effect::DropSchema { .. }
            | Effect::DropType { .. }
            | Effect::DropAttribute { .. }
            | Effect::DropExtension { .. }
            | Effect::DropUsed { .. }
            | Effect::DropOwned { .. }
            | Effect::CallsFunction { .. }
            | Effect::DropMaterializedView { .. }
            | Effect::CreateTable { .. }
            | Effect::CreateSchema { .. }
            | Effect::CreateType { .. }
            | Effect::RenameType { .. }
            | Effect::AddColumn { .. }
            | Effect::PartitionOf { .. }
            | Effect::Commit
            | Effect::DefinesFunction { .. }
            | Effect::Prepares { .. }
            | Effect::PerhapsOlder { .. }
            | Effect::Insert { .. }
            | Effect::Switches { .. } => {}
        }
    }

    /// The tables of a statement that changes rows. A view has a name too, and rows of others.
    fn rows_of(&mut self, table: &QualifiedName, names: &Names) -> Vec<u32> {
        let found = names.every(table);
        if found.is_empty() && !names.may_be_born(table) {
            self.doubt(format!("`{}` is no table here: a view, or not there", table.short()));
        }
        self.tables.extend(&found);
        found
    }

    /// Takes a measured finding into account, agreed to or not.
    pub fn finding(&mut self, finding: &Finding) {
        let is_told = matches!(
            finding.rule,
            "unused-allowance" | "opaque" | "dynamic-sql" | "client-command" | "drop-database"
        );
        match finding.rule {
            "unused-allowance" => return,
            // Its script or its effect has said so.
            _ if is_told && !self.why.is_empty() => {}
            _ if is_told || finding.certainty == Certainty::Unknown => {
                self.doubt(finding.message.clone());
            }
            _ => {}
        }
        let Some(loss) = &finding.loss else {
            let is_named = is_told || NAMED_BY_THE_STATEMENT.contains(&finding.rule);
            if !is_named && finding.certainty != Certainty::Unknown {
                self.doubt(format!("what goes along with `{}` is not known", finding.object));
            }
            return;
        };
        if let (Count::Unknown(why), true) = (&loss.rows, loss.tables.is_empty()) {
            self.doubt(format!("`{}`: {why}", finding.object));
        }
        for table in &loss.tables {
            if table.table == LARGE_OBJECTS {
                self.objects = true;
            } else {
                self.tables.insert(table.table);
            }
        }
    }

    /// What follows from it on this database.
    pub fn risk(self, relations: Relations) -> Risk {
        let followed = self.followed(&relations);
        let mut why = self.why.clone();
        let edges = Edges::with(&relations, &self.attached);
        let tables = edges.whole(self.tables.iter().chain(&followed).copied());
        let mut naming_objects = relations.tables.iter().filter(|table| table.names_objects);
        let large_objects = self.objects || naming_objects.any(|table| tables.contains(&table.oid));
        let oids: BTreeSet<u32> = relations.tables.iter().map(|table| table.oid).collect();
        // A table that came since the names were read is known to nobody.
        if !tables.is_subset(&oids) {
            why.push("tables came or went while the plan was made".to_owned());
        }
        let left_out = oids.difference(&tables).copied().collect();
        let tables = oids.intersection(&tables).copied().collect();
        let known = AtRisk { tables, left_out, large_objects, uncovered: Vec::new() };
        Risk { known, why, relations }
    }

    /// The tables whose rows follow those that are changed, deleted or truncated.
    fn followed(&self, relations: &Relations) -> BTreeSet<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let follows = relations.keys.iter().filter(|key| key.follows);
        let parts = relations.children.iter().chain(&self.attached).chain(&self.follows);
        let edges = follows.map(|key| (key.parent, key.child)).chain(parts.copied());
        edges.for_each(|(parent, child)| children.entry(parent).or_default().push(child));
        let mut found = reached(&children, self.changed.iter().copied());
        for key in &relations.keys {
            children.entry(key.parent).or_default().push(key.child);
        }
        found.extend(reached(&children, self.truncated.iter().copied()));
        found
    }
}

impl Risk {
    /// What is kept in this mode; `None` where nothing is to be kept.
    pub fn scope(&self, mode: SnapshotMode) -> Option<Scope> {
        match mode {
            SnapshotMode::None => None,
            SnapshotMode::All => Some(Scope::All { why: Vec::new() }),
            SnapshotMode::Auto if !self.why.is_empty() => {
                Some(Scope::All { why: self.why.clone() })
            }
            SnapshotMode::Auto | SnapshotMode::AtRisk => {
                let known = self.known.clone();
                Some(Scope::AtRisk(AtRisk { uncovered: self.why.clone(), ..known }))
            }
        }
    }

    /// How the tables hang together.
    pub fn relations(&self) -> &Relations {
        &self.relations
    }

    /// Why the tables at risk may not be all; empty where everything is known.
    pub fn why(&self) -> &[String] {
        &self.why
    }
}

/// How a script is called: by its revision, or its file.
fn called(script: &Script) -> &str {
    script.origin.revision.as_deref().unwrap_or_else(|| script.origin.name())
}

fn pairs(parent: &QualifiedName, child: &QualifiedName, names: &Names) -> Vec<(u32, u32)> {
    let children = names.every(child);
    let of = |parent: u32| children.iter().map(move |child| (parent, *child));
    names.every(parent).into_iter().flat_map(of).collect()
}

/// From a table to those without which its rows are not whole: its partitions and children, and the
/// tables that it refers to.
struct Edges(BTreeMap<u32, Vec<u32>>);

impl Edges {
    fn with(relations: &Relations, attached: &[(u32, u32)]) -> Self {
        let mut edges: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let keys = relations.keys.iter().map(|key| (key.child, key.parent));
        for (from, to) in relations.children.iter().chain(attached).copied().chain(keys) {
            edges.entry(from).or_default().push(to);
        }
        Self(edges)
    }

    fn whole(&self, tables: impl Iterator<Item = u32>) -> BTreeSet<u32> {
        reached(&self.0, tables)
    }
}

fn reached(edges: &BTreeMap<u32, Vec<u32>>, start: impl Iterator<Item = u32>) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<u32> = start.collect();
    while let Some(table) = waiting.pop() {
        if found.insert(table) {
            waiting.extend(edges.get(&table).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests;
