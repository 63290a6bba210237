//! What happens by itself when a statement changes rows: triggers and rules, of the table that it
//! names and of those that inheritance, foreign keys and views lead to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::{Client, Error};

use crate::effect::{self, Effect};
use crate::text::QualifiedName;

/// What a statement does to the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// INSERT, COPY.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

/// One event on one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deed {
    /// The table or view.
    pub table: u32,
    /// What is done.
    pub event: Event,
    /// The columns that an UPDATE sets, as the catalogue names them; `None` where any may be.
    pub columns: Option<BTreeSet<String>>,
    /// Reached through inheritance: statement triggers are those of the table that was named.
    pub rows_only: bool,
}

/// What fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Its oid, in `pg_trigger` or `pg_rewrite`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The table or view that has it.
    pub table: u32,
    /// The name of that.
    pub on: QualifiedName,
    /// What it is, with what it runs.
    pub kind: Kind,
    /// Whether it fires only under a condition.
    pub is_conditional: bool,
    /// Off (`DISABLE TRIGGER`), or for replication only.
    pub is_off: bool,
}

/// The kinds of reactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A trigger that runs this function.
    Trigger {
        /// The function's oid.
        function: u32,
        /// Whether it may change the row before it is written.
        sets_row: bool,
    },
    /// A rule with these actions.
    Rule {
        /// What it does.
        actions: Vec<Effect>,
    },
}

#[derive(Debug)]
struct Held {
    reaction: Reaction,
    /// Bits of `tgtype`; for a rule, in the same places, the event and INSTEAD.
    bits: i16,
    /// The columns of `UPDATE OF`; empty for all.
    columns: BTreeSet<String>,
}

const ROW: i16 = 1;
const BEFORE: i16 = 2;
const INSTEAD: i16 = 64;

impl Event {
    const fn bit(self) -> i16 {
        match self {
            Self::Insert => 4,
            Self::Delete => 8,
            Self::Update => 16,
            Self::Truncate => 32,
        }
    }
}

#[derive(Debug)]
struct ForeignKey {
    child: u32,
    parent: u32,
    on_delete: String,
    on_update: String,
    child_columns: BTreeSet<String>,
    parent_columns: BTreeSet<String>,
}

/// A view, and the tables that it reads.
#[derive(Debug)]
struct View {
    name: QualifiedName,
    oid: u32,
    sources: Vec<u32>,
}

/// All of them, read from the catalogue once.
#[derive(Debug, Default)]
pub struct Reactions {
    held: HashMap<u32, Vec<Held>>,
    /// Child, parent, whether it is a partition.
    inherits: Vec<(u32, u32, bool)>,
    foreign_keys: Vec<ForeignKey>,
    views: Vec<View>,
    /// Views and materialised views, and what they read.
    reads: Vec<(u32, u32)>,
    materialized: BTreeMap<u32, QualifiedName>,
    columns: BTreeMap<(u32, i16), String>,
}

/// A column that is computed from others changes with them, so that its triggers fire for any.
const TRIGGERS: &str = "
SELECT t.oid, t.tgname::text, t.tgrelid, n.nspname::text, c.relname::text, t.tgfoid, t.tgtype,
       t.tgqual IS NOT NULL, t.tgenabled IN ('D', 'R'),
       CASE WHEN bool_or(a.attgenerated <> '') THEN '{}'
            ELSE coalesce(array_agg(a.attname::text) FILTER (WHERE a.attname IS NOT NULL), '{}') END
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
 WHERE NOT t.tgisinternal
 GROUP BY t.oid, t.tgname, t.tgrelid, n.nspname, c.relname, t.tgfoid, t.tgtype, t.tgqual, t.tgenabled
 ORDER BY t.tgrelid, t.tgname";

const RULES: &str = "
SELECT r.oid, r.rulename::text, r.ev_class, n.nspname::text, c.relname::text, r.ev_type::text,
       r.is_instead, r.ev_qual::text <> '<>', r.ev_enabled IN ('D', 'R'), pg_get_ruledef(r.oid)
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY r.ev_class, r.rulename";

const FOREIGN_KEYS: &str = "
SELECT f.conrelid, f.confrelid, f.confdeltype::text, f.confupdtype::text,
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = f.conrelid AND attnum = ANY (f.conkey)),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = f.confrelid AND attnum = ANY (f.confkey))
  FROM pg_constraint f WHERE f.contype = 'f'";

const INHERITS: &str = "
SELECT i.inhrelid, i.inhparent, c.relispartition
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f')";

/// What a view reads, by its rule; its own definition tells which of them a change reaches.
const VIEWS: &str = "
SELECT c.oid, n.nspname::text, c.relname::text,
       CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END,
       ARRAY(SELECT DISTINCT d.refobjid FROM pg_rewrite r
               JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
              WHERE r.ev_class = c.oid AND r.rulename = '_RETURN' AND d.refobjid <> c.oid
                AND d.refclassid = 'pg_class'::regclass)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname::text
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND c.oid >= 16384";

impl Reactions {
    /// Reads them.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let mut all = Self::default();
        for row in client.query(TRIGGERS, &[]).await? {
            let bits: i16 = row.get(6);
            let reaction = Reaction {
                oid: row.get(0),
                name: row.get(1),
                table: row.get(2),
                on: QualifiedName::new(row.get::<_, String>(3), row.get::<_, String>(4)),
                kind: Kind::Trigger {
                    function: row.get(5),
                    sets_row: bits & (ROW | BEFORE) == ROW | BEFORE,
                },
                is_conditional: row.get(7),
                is_off: row.get(8),
            };
            let columns = row.get::<_, Vec<String>>(9).into_iter().collect();
            all.held.entry(reaction.table).or_default().push(Held { reaction, bits, columns });
        }
        for row in client.query(RULES, &[]).await? {
            all.add_rule(&row);
        }
        all.read_ways(client).await?;
        Ok(all)
    }

    fn add_rule(&mut self, row: &tokio_postgres::Row) {
        let event = match row.get::<_, String>(5).as_str() {
            "2" => Event::Update,
            "3" => Event::Insert,
            "4" => Event::Delete,
            _ => return,
        };
        let (is_instead, is_conditional): (bool, bool) = (row.get(6), row.get(7));
        let reaction = Reaction {
            oid: row.get(0),
            name: row.get(1),
            table: row.get(2),
            on: QualifiedName::new(row.get::<_, String>(3), row.get::<_, String>(4)),
            kind: Kind::Rule { actions: effect::rule_actions(&row.get::<_, String>(9)) },
            is_conditional,
            is_off: row.get(8),
        };
        let instead = if is_instead && !is_conditional { INSTEAD } else { 0 };
        let bits = event.bit() | instead;
        let columns = BTreeSet::new();
        self.held.entry(reaction.table).or_default().push(Held { reaction, bits, columns });
    }

    /// How one table leads to another.
    async fn read_ways(&mut self, client: &Client) -> Result<(), Error> {
        let set = |names: Vec<String>| names.into_iter().collect();
        for row in client.query(FOREIGN_KEYS, &[]).await? {
            self.foreign_keys.push(ForeignKey {
                child: row.get(0),
                parent: row.get(1),
                on_delete: row.get(2),
                on_update: row.get(3),
                child_columns: set(row.get(4)),
                parent_columns: set(row.get(5)),
            });
        }
        let inherits = client.query(INHERITS, &[]).await?;
        self.inherits = inherits.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        let rows = client.query(VIEWS, &[]).await?;
        let mut views = Vec::new();
        for row in &rows {
            let name = QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2));
            let (oid, sources): (u32, Vec<u32>) = (row.get(0), row.get(4));
            self.reads.extend(sources.iter().map(|source| (oid, *source)));
            let Some(definition) = row.get::<_, Option<String>>(3) else {
                self.materialized.insert(oid, name);
                continue;
            };
            views.push((View { name, oid, sources }, effect::source_of(&definition)));
        }
        let relations = relations(client).await?;
        self.views = views
            .into_iter()
            .map(|(view, source)| View {
                sources: match source.and_then(|name| relations.get(&name).copied()) {
                    Some(oid) if view.sources.contains(&oid) => vec![oid],
                    _ => view.sources,
                },
                ..view
            })
            .collect();
        for row in client.query(COLUMNS, &[]).await? {
            self.columns.insert((row.get(0), row.get(1)), row.get(2));
        }
        Ok(())
    }

    /// Whether there is nothing that could fire.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A column as the catalogue names it.
    pub fn column(&self, table: u32, attnum: i16) -> Option<&str> {
        self.columns.get(&(table, attnum)).map(String::as_str)
    }

    /// Columns by their names in the catalogue.
    pub fn attnums(&self, table: u32, names: &[String]) -> BTreeSet<i16> {
        let of_table = self.columns.range((table, i16::MIN)..=(table, i16::MAX));
        of_table.filter(|(_, name)| names.contains(name)).map(|((_, attnum), _)| *attnum).collect()
    }

    /// The views of this name.
    pub fn views(&self, name: &QualifiedName, path: &[String]) -> Vec<u32> {
        let is_named = |view: &&View| {
            view.name.name == name.name
                && (name.schema.is_none() || view.name.schema == name.schema)
        };
        let found: Vec<&View> = self.views.iter().filter(is_named).collect();
        let first = path
            .iter()
            .find_map(|schema| found.iter().find(|view| view.name.schema.as_ref() == Some(schema)));
        match first {
            Some(view) if name.schema.is_none() => vec![view.oid],
            _ => found.iter().map(|view| view.oid).collect(),
        }
    }

    /// The tables that a change of this view changes, where PostgreSQL does that by itself.
    pub fn behind(&self, view: u32, event: Event) -> Vec<u32> {
        let has_instead = |held: &Held| {
            held.bits & (event.bit() | INSTEAD) == event.bit() | INSTEAD && !held.reaction.is_off
        };
        if self.held.get(&view).is_some_and(|held| held.iter().any(has_instead)) {
            return Vec::new();
        }
        let view = self.views.iter().find(|known| known.oid == view);
        view.map(|view| view.sources.clone()).unwrap_or_default()
    }

    /// The same down to the tables, through views of views.
    pub fn tables_behind(&self, view: u32, event: Event) -> Vec<u32> {
        let (mut next, mut seen, mut tables) = (vec![view], BTreeSet::new(), Vec::new());
        while let Some(oid) = next.pop() {
            if !seen.insert(oid) {
                continue;
            }
            if self.views.iter().any(|known| known.oid == oid) {
                next.extend(self.behind(oid, event));
            } else {
                tables.push(oid);
            }
        }
        tables
    }

    /// The materialised views that show rows of these tables, through views too.
    pub fn showing(&self, tables: impl Iterator<Item = u32>) -> Vec<String> {
        let (mut next, mut seen): (Vec<u32>, BTreeSet<u32>) = (tables.collect(), BTreeSet::new());
        while let Some(oid) = next.pop() {
            if seen.insert(oid) {
                let readers = self.reads.iter().filter(|(_, source)| *source == oid);
                next.extend(readers.map(|(reader, _)| *reader));
            }
        }
        let shown = self.materialized.iter().filter(|(oid, _)| seen.contains(oid));
        let mut names: Vec<String> = shown.map(|(_, name)| name.short()).collect();
        names.sort();
        names
    }

    /// Everything that is done when this is done.
    fn reached(&self, deeds: Vec<Deed>) -> BTreeSet<Deed> {
        let mut all = BTreeSet::new();
        let mut next = deeds;
        while let Some(deed) = next.pop() {
            if !all.insert(deed.clone()) {
                continue;
            }
            self.down(&deed, &mut next);
            self.along_keys(&deed, &mut next);
            for table in self.behind(deed.table, deed.event) {
                next.push(Deed { table, columns: None, ..deed.clone() });
            }
        }
        all
    }

    /// To partitions and children; of an INSERT to partitions only.
    fn down(&self, deed: &Deed, next: &mut Vec<Deed>) {
        for (child, parent, is_partition) in &self.inherits {
            if *parent == deed.table && (*is_partition || deed.event != Event::Insert) {
                let rows_only = deed.event != Event::Truncate;
                next.push(Deed { table: *child, rows_only, ..deed.clone() });
            }
        }
    }

    /// To the tables whose foreign keys follow.
    fn along_keys(&self, deed: &Deed, next: &mut Vec<Deed>) {
        for key in self.foreign_keys.iter().filter(|key| key.parent == deed.table) {
            let is_hit =
                deed.columns.as_ref().is_none_or(|set| !set.is_disjoint(&key.parent_columns));
            let event = match (deed.event, key.on_delete.as_str(), key.on_update.as_str()) {
                (Event::Delete, "c", _) => Event::Delete,
                (Event::Delete, "n" | "d", _) => Event::Update,
                (Event::Update, _, "c" | "n" | "d") if is_hit => Event::Update,
                // Without CASCADE PostgreSQL refuses it.
                (Event::Truncate, ..) => Event::Truncate,
                _ => continue,
            };
            let columns = (event == Event::Update).then(|| key.child_columns.clone());
            next.push(Deed { table: key.child, event, columns, rows_only: false });
        }
    }

    /// What fires when these are done, each once.
    pub fn fired(&self, deeds: Vec<Deed>) -> Vec<(&Reaction, Deed)> {
        let mut fired: Vec<(&Reaction, Deed)> = Vec::new();
        for deed in self.reached(deeds) {
            for table in self.with_roots(deed.table) {
                let held = self.held.get(&table).map(Vec::as_slice).unwrap_or_default();
                let is_own = table == deed.table;
                for held in held.iter().filter(|held| fires(held, &deed, is_own)) {
                    let is_known = |known: &(&Reaction, Deed)| {
                        known.0.name == held.reaction.name && same_work(known.0, &held.reaction)
                    };
                    if !fired.iter().any(is_known) {
                        fired.push((&held.reaction, deed.clone()));
                    }
                }
            }
        }
        fired
    }

    /// The table and, of a partition, those that it is a part of: up to PostgreSQL 14 the copies of
    /// their row triggers are not told apart from the system's own.
    pub fn with_roots(&self, table: u32) -> Vec<u32> {
        let mut all = vec![table];
        let mut at = table;
        while let Some((_, parent, _)) =
            self.inherits.iter().find(|(child, _, is_partition)| *child == at && *is_partition)
        {
            all.push(*parent);
            at = *parent;
        }
        all
    }
}

/// Whether two are copies of one another, as those of partitions are.
fn same_work(one: &Reaction, other: &Reaction) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Trigger { function: a, .. }, Kind::Trigger { function: b, .. }) => a == b,
        _ => one.oid == other.oid,
    }
}

fn fires(held: &Held, deed: &Deed, is_own: bool) -> bool {
    let is_rule = matches!(held.reaction.kind, Kind::Rule { .. });
    let is_column = match &deed.columns {
        Some(columns) if deed.event == Event::Update && !held.columns.is_empty() => {
            !columns.is_disjoint(&held.columns)
        }
        _ => true,
    };
    let is_level = if is_rule {
        // Rules rewrite the statement, so only those of the table that it names count.
        is_own && !deed.rows_only
    } else {
        held.bits & ROW != 0 || is_own && !deed.rows_only
    };
    held.bits & deed.event.bit() != 0 && is_column && is_level
}

/// Tables and views by their names.
async fn relations(client: &Client) -> Result<HashMap<QualifiedName, u32>, Error> {
    let sql = "
        SELECT n.nspname::text, c.relname::text, c.oid
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384";
    let rows = client.query(sql, &[]).await?;
    let named = |row: &tokio_postgres::Row| {
        (QualifiedName::new(row.get::<_, String>(0), row.get::<_, String>(1)), row.get(2))
    };
    Ok(rows.iter().map(named).collect())
}
