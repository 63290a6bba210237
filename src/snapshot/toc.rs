//! An archive's table of contents, and which of its entries make up a table.
//!
//! `pg_restore -l` prints one line an entry: `ID; CATALOGUE OID KIND SCHEMA NAME OWNER`. Most
//! entries are recognized by catalogue and oid, which the manifest keeps; those that carry none
//! (data, grants, comments, sequence values) by their text.

use super::manifest::{KeptTable, Manifest};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole line, as `pg_restore -L` reads it.
    pub line: String,
    /// The catalogue's oid, 0 for entries without one.
    pub catalog: u32,
    /// The object's oid in there.
    pub oid: u32,
    /// Kind, schema, name and owner.
    pub text: String,
}

impl Entry {
    /// Its number in the archive.
    pub fn id(&self) -> Option<u64> {
        self.line.split_once(';')?.0.parse().ok()
    }
}

/// The numbers of all entries but rows, in the order in which they are made.
#[derive(Debug, Default)]
pub struct Order {
    /// What rows need.
    pub before: Vec<u64>,
    /// What needs rows.
    pub after: Vec<u64>,
}

/// Reads the lines of `pg_restore -l`; comments start with a semicolon.
pub fn parse(listing: &str) -> Vec<Entry> {
    listing.lines().filter_map(entry).collect()
}

fn entry(line: &str) -> Option<Entry> {
    let (id, rest) = line.split_once("; ")?;
    id.parse::<u64>().ok()?;
    let mut words = rest.splitn(3, ' ');
    let catalog = words.next()?.parse().ok()?;
    let oid = words.next()?.parse().ok()?;
    Some(Entry { line: line.to_owned(), catalog, oid, text: words.next()?.to_owned() })
}

/// The entries that bring a table that is gone: itself, its rows, everything that belongs to it.
pub fn whole_tables<'a>(entries: &'a [Entry], tables: &[&KeptTable]) -> Vec<&'a Entry> {
    let is_wanted = |entry: &&Entry| tables.iter().any(|table| belongs(entry, table));
    let mut wanted: Vec<&Entry> = entries.iter().filter(is_wanted).collect();
    for table in tables.iter().filter(|table| table.root.is_some()) {
        let prefix = format!("INDEX ATTACH {} ", table.schema);
        let attached = |entry: &Entry| entry.text.strip_prefix(&prefix).map(str::to_owned);
        let comes_with_root = tables.iter().any(|root| table.root == Some(root.oid));
        if comes_with_root {
            let own: Vec<String> = wanted.iter().filter_map(|entry| index(entry, table)).collect();
            let is_own = |entry: &&Entry| attached(entry).is_some_and(|name| own.contains(&name));
            wanted.extend(entries.iter().filter(is_own));
        } else {
            // A partition gets these from the parent that is still there, when it is attached.
            let given: Vec<String> = entries.iter().filter_map(attached).collect();
            wanted.retain(|entry| index(entry, table).is_none_or(|name| !given.contains(&name)));
        }
    }
    wanted
}

/// The name of an index of the table, or of its constraint, with the owner behind it.
fn index(entry: &Entry, table: &KeptTable) -> Option<String> {
    let (schema, name) = (&table.schema, &table.name);
    let of_index = format!("INDEX {schema} ");
    let of_constraint = format!("CONSTRAINT {schema} {name} ");
    let is_own = table.belongings.contains(&(entry.catalog, entry.oid));
    let text = entry.text.strip_prefix(&of_constraint).or(entry.text.strip_prefix(&of_index));
    text.filter(|_| is_own).map(str::to_owned)
}

/// The entries that bring the rows of tables.
pub fn rows<'a>(entries: &'a [Entry], tables: &[&KeptTable]) -> Vec<&'a Entry> {
    entries.iter().filter(|entry| tables.iter().any(|table| is_data(entry, table))).collect()
}

/// The entries that bring schemas, by name.
pub fn schemas<'a>(entries: &'a [Entry], names: &[String]) -> Vec<&'a Entry> {
    let is_wanted = |entry: &&Entry| {
        names.iter().any(|name| {
            entry.text.starts_with(&format!("SCHEMA - {name} "))
                || entry.text.starts_with(&format!("ACL - SCHEMA {name} "))
                || entry.text.starts_with(&format!("COMMENT - SCHEMA {name} "))
        })
    };
    entries.iter().filter(is_wanted).collect()
}

/// The list file for `pg_restore -L`, in the archive's own order, which a pipe can be read in.
pub fn list(entries: &[Entry], wanted: &[&Entry]) -> String {
    let lines = entries.iter().filter(|entry| wanted.contains(entry)).map(|entry| &entry.line);
    lines.fold(String::new(), |list, line| list + line + "\n")
}

/// The order in which entries are made. The indexes of partitions of a table that `stayed` come
/// before they are attached, or attaching would make those of the parent a second time; they are
/// attached when they have their rows.
pub fn in_order(entries: &[Entry], stayed: &[&KeptTable]) -> Order {
    let is_attach = |entry: &Entry| entry.text.starts_with("TABLE ATTACH ");
    let is_index = |entry: &Entry| {
        let is_kind = |kind: &str| entry.text.starts_with(kind);
        is_kind("CONSTRAINT ") || (is_kind("INDEX ") && !is_kind("INDEX ATTACH "))
    };
    let is_moved = |entry: &&Entry| {
        (is_attach(entry) || is_index(entry)) && stayed.iter().any(|table| belongs(entry, table))
    };
    let is_data = |entry: &Entry| entry.text.starts_with("TABLE DATA ");
    let first_data = entries.iter().position(is_data).unwrap_or_else(|| after_definitions(entries));
    let (moved, left): (Vec<_>, Vec<_>) =
        entries.iter().enumerate().partition(|(_, e)| is_moved(e));
    let ids = |chosen: &mut dyn Iterator<Item = &Entry>| -> Vec<u64> {
        chosen.filter_map(Entry::id).collect()
    };
    let before = ids(&mut left.iter().filter(|(at, _)| *at < first_data).map(|(_, e)| *e));
    let rest = ids(&mut left.iter().filter(|(at, _)| *at >= first_data).map(|(_, e)| *e));
    let indexes = ids(&mut moved.iter().map(|(_, e)| *e).filter(|entry| is_index(entry)));
    let attaches = ids(&mut moved.iter().map(|(_, e)| *e).filter(|entry| is_attach(entry)));
    Order { before, after: [indexes, attaches, rest].concat() }
}

/// Where no rows are: before the first entry that needs them.
fn after_definitions(entries: &[Entry]) -> usize {
    let kinds = ["CONSTRAINT ", "INDEX ", "FK CONSTRAINT ", "TRIGGER ", "RULE ", "SEQUENCE SET "];
    let needs_rows = |entry: &Entry| kinds.iter().any(|kind| entry.text.starts_with(kind));
    entries.iter().position(needs_rows).unwrap_or(entries.len())
}

fn is_data(entry: &Entry, table: &KeptTable) -> bool {
    entry.oid == table.oid && entry.text.starts_with("TABLE DATA ")
}

fn belongs(entry: &Entry, table: &KeptTable) -> bool {
    /// `pg_class`, whose oid is fixed (PostgreSQL, src/include/catalog/pg_class.h).
    const PG_CLASS: u32 = 1259;
    let is_itself = entry.catalog == PG_CLASS && entry.oid == table.oid;
    is_itself
        || is_data(entry, table)
        || table.belongings.contains(&(entry.catalog, entry.oid))
        || names(entry, table)
}

/// Entries without an oid name the table or one of its sequences. The name ends at a space or, for
/// a column, at a dot.
fn names(entry: &Entry, table: &KeptTable) -> bool {
    let (schema, name) = (&table.schema, &table.name);
    let text = &entry.text;
    let of_table = ["ACL", "COMMENT", "SECURITY LABEL"].iter().any(|kind| {
        text.starts_with(&format!("{kind} {schema} TABLE {name} "))
            || text.starts_with(&format!("{kind} {schema} COLUMN {name}."))
    });
    of_table
        || text.starts_with(&format!("ROW SECURITY {schema} {name} "))
        || text.starts_with(&format!("TABLE ATTACH {schema} {name} "))
        || table.sequences.iter().any(|sequence| {
            let (schema, name) = (&sequence.schema, &sequence.name);
            ["SEQUENCE SET", "SEQUENCE OWNED BY"]
                .iter()
                .any(|kind| text.starts_with(&format!("{kind} {schema} {name} ")))
                || text.starts_with(&format!("ACL {schema} SEQUENCE {name} "))
        })
}

/// The partitions of the partitioned tables among `tables`, those tables included.
pub fn with_partitions<'a>(manifest: &'a Manifest, tables: &[&'a KeptTable]) -> Vec<&'a KeptTable> {
    let is_below = |table: &KeptTable| {
        tables.iter().any(|asked| table.oid == asked.oid || table.root == Some(asked.oid))
    };
    manifest.tables.iter().filter(|table| is_below(table)).collect()
}

#[cfg(test)]
mod tests {
    use super::{KeptTable, list, parse, rows, whole_tables};
    use crate::snapshot::manifest::KeptSequence;

    const LISTING: &str = "\
;\n; Archive created at 2026-11-21\n;\n\
215; 1259 16400 TABLE public users app\n\
214; 1259 16399 SEQUENCE public users_id_seq app\n\
3320; 0 0 SEQUENCE OWNED BY public users_id_seq app\n\
3172; 2604 16403 DEFAULT public users id app\n\
3313; 0 16400 TABLE DATA public users app\n\
3314; 0 16500 TABLE DATA public users_old app\n\
3321; 0 0 SEQUENCE SET public users_id_seq app\n\
3174; 1259 16410 INDEX public by_email app\n\
3319; 0 0 ACL public TABLE users app\n\
3322; 0 0 ACL public TABLE users_old app\n";

    fn users() -> KeptTable {
        KeptTable {
            oid: 16400,
            schema: "public".to_owned(),
            name: "users".to_owned(),
            kind: "table".to_owned(),
            root: None,
            extension: None,
            rows: 1,
            kept: true,
            columns: Vec::new(),
            belongings: vec![(1259, 16399), (2604, 16403), (1259, 16410)],
            sequences: vec![KeptSequence {
                schema: "public".to_owned(),
                name: "users_id_seq".to_owned(),
            }],
        }
    }

    #[test]
    fn a_table_comes_with_all_that_belongs_to_it_and_nothing_else() {
        let entries = parse(LISTING);
        let users = users();
        let wanted = whole_tables(&entries, &[&users]);
        let ids: Vec<&str> =
            wanted.iter().filter_map(|entry| entry.line.split(';').next()).collect();
        assert_eq!(ids, ["215", "214", "3320", "3172", "3313", "3321", "3174", "3319"]);
    }

    #[test]
    fn a_partition_gets_its_indexes_from_the_parent_or_is_attached_with_it() {
        let listing = "\
216; 1259 16400 TABLE public p app\n\
217; 1259 16401 TABLE public p1 app\n\
3300; 0 0 TABLE ATTACH public p1 app\n\
3313; 0 16401 TABLE DATA public p1 app\n\
3315; 2606 16410 CONSTRAINT public p p_pkey app\n\
3317; 2606 16411 CONSTRAINT public p1 p1_pkey app\n\
3318; 1259 16412 INDEX public p1_own app\n\
3337; 0 0 INDEX ATTACH public p1_pkey app\n";
        let entries = parse(listing);
        let kept = |oid, name: &str, root, belongings| KeptTable {
            name: name.to_owned(),
            belongings,
            oid,
            root,
            sequences: Vec::new(),
            ..users()
        };
        let root = kept(16400, "p", None, vec![(2606, 16410)]);
        let leaf = kept(16401, "p1", Some(16400), vec![(2606, 16411), (1259, 16412)]);
        let ids = |wanted: Vec<&super::Entry>| -> Vec<String> {
            let lines = list(&entries, &wanted);
            lines.lines().filter_map(|line| Some(line.split_once(';')?.0.to_owned())).collect()
        };
        assert_eq!(ids(whole_tables(&entries, &[&leaf])), ["217", "3300", "3313", "3318"]);
        assert_eq!(ids(whole_tables(&entries, &[&root, &leaf])).len(), entries.len());
    }

    #[test]
    fn rows_are_one_entry_a_table() {
        let entries = parse(LISTING);
        let users = users();
        let wanted = rows(&entries, &[&users]);
        let expected = "3313; 0 16400 TABLE DATA public users app\n";
        assert_eq!(list(&entries, &wanted), expected);
    }
}
