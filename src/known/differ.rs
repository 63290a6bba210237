//! What is on record against what is there.

use std::collections::BTreeMap;

use super::{Known, KnownTable, system_of};
use crate::inventory::{Identity, Inventory, Standing, TableKind};
use crate::policy::TableRules;
use crate::text::QualifiedName;
use crate::text::number::{bytes, grouped, plural};

/// How many tables are named.
const NAMED: usize = 3;

/// With fewer rows on record than this, half of them says nothing.
const FEW: u64 = 10;

/// Something that is not as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In words, with since when.
    pub what: String,
    /// Whether it means that this is not the database on record, or not what it was.
    pub refuses: bool,
}

impl Difference {
    /// One that is a reason to stop.
    pub fn refusing(what: String) -> Self {
        Self { what, refuses: true }
    }

    /// One to know of.
    pub fn noted(what: String) -> Self {
        Self { what, refuses: false }
    }
}

impl Known {
    /// What differs as far as the catalogue says it, before anything is counted.
    pub fn differs(
        &self,
        identity: &Identity,
        standing: &Standing,
        rules: &TableRules,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        let is_same_system = match (&self.system_identifier, system_of(identity)) {
            (Some(then), Some(now)) if *then != now => {
                found.push(self.other_server(then, &now, identity));
                false
            }
            _ => true,
        };
        if is_same_system && self.oid != identity.database_oid {
            found.push(Difference::refusing(format!(
                "`{}` was dropped and created again since {} (oid {} then, {} now)",
                identity.database,
                self.when(),
                self.oid,
                identity.database_oid
            )));
        }
        if is_same_system && self.oid == identity.database_oid {
            found.extend(self.recreated_schemas(standing, rules));
            found.extend(self.older(identity, standing));
        }
        found.extend(self.emptied(standing, rules));
        found
    }

    fn other_server(&self, then: &str, now: &str, identity: &Identity) -> Difference {
        let versions = if self.server_version == identity.server_version {
            String::new()
        } else {
            format!("; PostgreSQL {} then, {} now", self.server_version, identity.server_version)
        };
        Difference::refusing(format!(
            "another server answers at {} than on {} (system identifier {then} then, {now} \
             now{versions})",
            self.address,
            self.when()
        ))
    }

    /// Schemas that held rows and are others of the same name now, or gone.
    fn recreated_schemas(&self, standing: &Standing, rules: &TableRules) -> Vec<Difference> {
        let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
        for table in self.tables.iter().filter(|table| self.counts(table, rules)) {
            *rows.entry(&table.schema).or_default() += table.rows;
        }
        let held = self.schemas.iter().filter(|(name, _)| rows.get(name.as_str()) > Some(&0));
        let differs = held.filter_map(|(name, then)| {
            let held = plural(rows[name.as_str()], "row");
            let when = self.when();
            match standing.schemas.get(name) {
                Some(now) if now == then => None,
                Some(now) => Some(Difference::refusing(format!(
                    "schema `{name}`, which held {held} on {when}, was dropped and created again \
                     since (oid {then} then, {now} now)"
                ))),
                None => Some(Difference::noted(format!(
                    "schema `{name}`, which held {held} on {when}, is gone"
                ))),
            }
        });
        differs.collect()
    }

    /// Counters that only ever go forward.
    fn older(&self, identity: &Identity, standing: &Standing) -> Vec<Difference> {
        let when = self.when();
        let restored = |counter: &str, then: u64, now: u64| {
            Difference::refusing(format!(
                "the server was put back to a state from before {when}, as from an older backup: \
                 its {counter} went back from {} to {}",
                grouped(then),
                grouped(now)
            ))
        };
        let mut found = Vec::new();
        if identity.snapshot_xmax < self.snapshot_xmax {
            found.push(restored("transaction id", self.snapshot_xmax, identity.snapshot_xmax));
        }
        let Some(wal) = standing.wal else { return found };
        if let Some(then) = self.wal_position.filter(|then| wal.position < *then) {
            found.push(restored("write-ahead log", then, wal.position));
        }
        if let Some(then) = self.timeline.filter(|then| *then != wal.timeline)
            && found.is_empty()
        {
            found.push(Difference::noted(format!(
                "the server is on timeline {} since {when}, on {then} before: a standby took over, \
                 or it was recovered to a point in time",
                wal.timeline
            )));
        }
        found
    }

    /// Every table that held rows is gone.
    fn emptied(&self, standing: &Standing, rules: &TableRules) -> Option<Difference> {
        let mut held: Vec<&KnownTable> = self
            .tables
            .iter()
            .filter(|table| table.rows > 0 && self.counts(table, rules))
            .collect();
        let is_there = |table: &&KnownTable| {
            standing.tables.contains_key(&table.qualified())
                || standing.tables.values().any(|oid| *oid == table.oid)
        };
        if held.is_empty() || held.iter().any(is_there) {
            return None;
        }
        held.sort_by_key(|table| std::cmp::Reverse(table.rows));
        let rows = held.iter().map(|table| table.rows).sum();
        let what = match held.as_slice() {
            [one] => {
                format!("table `{}`, which held {}", one.qualified().short(), plural(rows, "row"))
            }
            _ => format!(
                "all {} that held {}, the most of them `{}` with {},",
                plural(held.len() as u64, "table"),
                plural(rows, "row"),
                held[0].qualified().short(),
                grouped(held[0].rows)
            ),
        };
        let is = if held.len() == 1 { "is" } else { "are" };
        Some(Difference::refusing(format!("{what} on {} {is} gone", self.when())))
    }

    /// What differs once the rows were counted: nothing is left, or much less.
    pub fn counted(
        &self,
        inventory: &Inventory,
        bytes_now: Option<u64>,
        rules: &TableRules,
    ) -> Vec<Difference> {
        let now = Rows::of(inventory);
        let mut fewer: Vec<Fewer<'_>> = self
            .tables
            .iter()
            .filter(|table| self.counts(table, rules))
            .filter_map(|table| {
                let rows = now.of_table(table).unwrap_or(0);
                (rows < table.rows).then_some(Fewer { table, now: rows })
            })
            .collect();
        fewer.sort_by_key(|fewer| std::cmp::Reverse(fewer.table.rows - fewer.now));
        let held: u64 = self
            .tables
            .iter()
            .filter(|table| self.counts(table, rules))
            .map(|table| table.rows)
            .sum();
        // A table that is new since may hold what others held: a rebuild is no loss.
        let holds = now.all(|name| self.counts_name(name, rules));
        let is_small = held > 0 && holds == 0 || held >= FEW && holds < held.div_ceil(2);
        let is_halved =
            |fewer: &Fewer<'_>| fewer.table.rows >= FEW && fewer.now < fewer.table.rows.div_ceil(2);
        let smaller = self.bytes.zip(bytes_now).filter(|(then, now)| *now < then / 2);
        if is_small || (smaller.is_some() && fewer.iter().any(is_halved)) {
            return vec![self.shrunken(&fewer, held, holds, smaller)];
        }
        let noted = smaller.map(|(then, now)| {
            let (then, now, when) = (bytes(then), bytes(now), self.when());
            let what = format!("the database takes {now}, {then} on {when}; hardly a row is gone");
            Difference::noted(what)
        });
        noted.into_iter().collect()
    }

    /// Whether a table's rows say something: those of a volatile one come and go, and a version
    /// table says how far the schema is, not what is in it.
    fn counts(&self, table: &KnownTable, rules: &TableRules) -> bool {
        self.counts_name(&table.qualified(), rules)
    }

    fn counts_name(&self, name: &QualifiedName, rules: &TableRules) -> bool {
        !rules.for_table(name).is_volatile()
            && self.revisions.iter().all(|table| table.qualified() != *name)
    }

    /// The tables on record that held the most rows, and say something.
    pub fn largest(&self, rules: &TableRules) -> Vec<&KnownTable> {
        let counted = self.tables.iter().filter(|table| self.counts(table, rules));
        let mut tables: Vec<&KnownTable> = counted.filter(|table| table.rows > 0).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.rows));
        tables.truncate(NAMED);
        tables
    }

    /// Tables that held rows and hold none, in words.
    pub fn emptied_tables(&self, inventory: &Inventory, rules: &TableRules) -> Vec<String> {
        let now = Rows::of(inventory);
        let held = self.tables.iter().filter(|table| table.rows > 0 && self.counts(table, rules));
        let emptied = held.filter(|table| now.of_table(table) == Some(0));
        emptied.map(|table| self.held(table, 0)).collect()
    }

    /// `users held 11,204 rows on …, now 0`.
    pub fn held(&self, table: &KnownTable, now: u64) -> String {
        let (name, rows) = (table.qualified().short(), plural(table.rows, "row"));
        format!("`{name}` held {rows} on {}, now {}", self.when(), grouped(now))
    }

    fn shrunken(
        &self,
        fewer: &[Fewer<'_>],
        held: u64,
        holds: u64,
        smaller: Option<(u64, u64)>,
    ) -> Difference {
        let named: Vec<String> =
            fewer.iter().take(NAMED).map(|fewer| self.held(fewer.table, fewer.now)).collect();
        let mut what = named.join("; ");
        if fewer.len() > 1 {
            what.push_str(&in_all(held, holds));
        }
        if let Some((then, now)) = smaller {
            what.push_str(&format_sizes(then, now));
        }
        Difference::refusing(what)
    }
}

fn in_all(held: u64, holds: u64) -> String {
    format!("; in all {}, now {}", plural(held, "row"), grouped(holds))
}

fn format_sizes(then: u64, now: u64) -> String {
    format!("; {} on disk, now {}", bytes(then), bytes(now))
}

/// A table that holds fewer rows than on record.
struct Fewer<'a> {
    table: &'a KnownTable,
    now: u64,
}

/// Rows that are there, to be found as they are on record: by oid, else by name.
struct Rows<'a> {
    by_oid: BTreeMap<u32, u64>,
    by_name: BTreeMap<&'a QualifiedName, u64>,
}

impl<'a> Rows<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let own = || inventory.tables.iter().filter(|table| table.kind == TableKind::Ordinary);
        Self {
            by_oid: own().map(|table| (table.oid, table.rows)).collect(),
            by_name: own().map(|table| (&table.name, table.rows)).collect(),
        }
    }

    fn of_table(&self, table: &KnownTable) -> Option<u64> {
        let by_name = || self.by_name.get(&table.qualified());
        self.by_oid.get(&table.oid).or_else(by_name).copied()
    }

    fn all(&self, is_counted: impl Fn(&QualifiedName) -> bool) -> u64 {
        let counted = self.by_name.iter().filter(|(name, _)| is_counted(name));
        counted.map(|(_, rows)| rows).sum()
    }
}
