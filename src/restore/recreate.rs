//! Tables that are gone, with their indexes, constraints, foreign keys, sequences, defaults,
//! triggers, policies and grants: the archive's entries that belong to them. What they need and is
//! gone too comes along (types, functions, sequences), and so do the views that went with them.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;

use super::RestoreRequest;
use super::pair::Paired;
use super::script::Item;
use super::session::Session;
use super::stage::Blocks;
use crate::db::postgres::{is_state, message_without_values};
use crate::event::{Event, Observer};
use crate::hint::Refusal;
use crate::record::Cannot;
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::store::Stored;
use crate::snapshot::toc::{self, Entry};
use crate::text::QualifiedName;
use crate::text::name::quote;

/// What an object may need that comes along when it is gone.
const NEEDED: [&str; 10] = [
    "SCHEMA",
    "EXTENSION",
    "TYPE",
    "SHELL TYPE",
    "DOMAIN",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "SEQUENCE",
    "COLLATION",
];

/// What goes with a table by CASCADE and is no part of it.
const VIEWS: [&str; 2] = ["VIEW", "MATERIALIZED VIEW"];

/// What is said of something.
pub const SAID: [&str; 3] = ["ACL", "COMMENT", "SECURITY LABEL"];

/// What belongs to something that comes along.
const BELONGING: [&str; 9] = [
    "ACL",
    "COMMENT",
    "SECURITY LABEL",
    "INDEX",
    "TRIGGER",
    "RULE",
    "MATERIALIZED VIEW DATA",
    "SEQUENCE SET",
    "DEFAULT",
];

/// What is made again, in the order of the archive.
#[derive(Debug, Default)]
pub struct Revival<'a> {
    /// Definitions that rows need.
    pub before: Vec<Item>,
    /// The tables whose rows are put back.
    pub tables: Vec<&'a KeptTable>,
    /// The same that are partitions of a table that stayed: their rows go into themselves.
    pub leaves: BTreeSet<u32>,
    /// Definitions that need the rows.
    pub after: Vec<Item>,
    /// What comes along, in words.
    pub along: Vec<String>,
}

impl<'a> Revival<'a> {
    /// What tables that are gone come back from.
    pub fn of(
        paired: &Paired<'a>,
        entries: &[Entry],
        items: &[Item],
        there: &BTreeSet<u64>,
    ) -> Self {
        let gone = &paired.gone;
        if gone.is_empty() {
            return Self::default();
        }
        let is_gone = |oid: u32| gone.iter().any(|table| table.oid == oid);
        let is_leaf = |table: &&KeptTable| table.root.is_some_and(|root| !is_gone(root));
        let leaves: Vec<&KeptTable> = gone.iter().copied().filter(is_leaf).collect();
        let mut own: BTreeSet<u64> =
            toc::whole_tables(entries, gone).iter().filter_map(|entry| entry.id()).collect();
        // Their names in the contents are quoted as the tables' are not.
        let is_said_of = |item: &&Item| SAID.contains(&item.kind.as_str());
        let said_of: Vec<u64> = items
            .iter()
            .filter(is_said_of)
            .filter(|item| item.needs.iter().any(|id| own.contains(id)))
            .map(|item| item.id)
            .collect();
        own.extend(said_of);
        let along = along(items, &own, there, |_| true);
        let order = toc::in_order(entries, &leaves);
        let wanted = |id: &u64| own.contains(id) || along.contains(id);
        let item = |id: u64| items.iter().find(|item| item.id == id).cloned();
        let before = order.before.iter().copied().filter(wanted).filter_map(item).collect();
        let after = order.after.iter().copied().filter(wanted).filter_map(item).collect();
        let named = items.iter().filter(|item| along.contains(&item.id));
        let is_worth_naming = |item: &&Item| {
            NEEDED.contains(&item.kind.as_str()) || VIEWS.contains(&item.kind.as_str())
        };
        Self {
            before,
            tables: gone.iter().copied().filter(|table| table.holds_rows()).collect(),
            leaves: leaves.iter().map(|table| table.oid).collect(),
            after,
            along: named.filter(|item| is_worth_naming(item)).map(said).collect(),
        }
    }

    /// All that is made again.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.before.iter().chain(&self.after)
    }

    /// Makes what the rows need, and puts them in.
    pub async fn begin(
        &self,
        request: &RestoreRequest,
        stored: &Stored,
        entries: &[Entry],
        session: &Session,
        observer: &mut dyn Observer,
    ) -> Result<u64, Refusal> {
        for item in &self.before {
            session.execute(&item.sql, &format!("make {}", said(item))).await?;
        }
        if self.tables.is_empty() {
            return Ok(0);
        }
        let (reading, mut blocks) = Blocks::open(request, stored, entries, &self.tables)?;
        let mut rows = 0;
        let taking = async {
            while let Some((oid, statement)) = blocks.next().await? {
                let Some(table) = self.tables.iter().find(|table| table.oid == oid) else {
                    continue;
                };
                let statement = self.statement(table, statement);
                let what = format!("put rows back into `{}`", table.qualified());
                let taken = blocks.copy_as(session, &statement, &what).await?;
                rows += taken;
                observer.notice(Event::Restoring { what: &table.qualified().short(), rows: taken });
            }
            Ok::<(), Refusal>(())
        };
        let (read, taken) = tokio::join!(reading, taking);
        taken?;
        read?;
        Ok(rows)
    }

    /// COPY names the partitioned table; where that stayed, the rows go into the partition, which is
    /// attached when it has them.
    fn statement(&self, table: &KeptTable, statement: String) -> String {
        if !self.leaves.contains(&table.oid) {
            return statement;
        }
        let Some(columns) = crate::snapshot::scan::copy_columns(&statement) else {
            return statement;
        };
        let columns: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        let list =
            if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        format!("COPY {}{list} FROM stdin", table.qualified().sql())
    }

    /// Makes what needs the rows: indexes, constraints, triggers.
    pub async fn end(&self, session: &Session) -> Result<Vec<(QualifiedName, Cannot)>, Refusal> {
        let cannot = finish(session, &self.after, false).await?;
        let Some(table) = self.tables.first() else { return Ok(Vec::new()) };
        Ok(cannot.into_iter().map(|cannot| (table.qualified(), cannot)).collect())
    }
}

/// Whether a person should know that it comes along.
pub fn is_worth_naming(item: &Item) -> bool {
    NEEDED.contains(&item.kind.as_str()) || VIEWS.contains(&item.kind.as_str())
}

/// Why a foreign key can't be made of which the other side is there and another by now: its column
/// is gone, is no key any more, or of another type.
const REFERS_NOWHERE: [SqlState; 3] =
    [SqlState::UNDEFINED_COLUMN, SqlState::INVALID_FOREIGN_KEY, SqlState::DATATYPE_MISMATCH];

/// Makes what needs rows. A foreign key that cannot hold is added for what comes from now on, and
/// that is told; a view that cannot be made is told, and whatever rows of now are in the way of, where
/// those may be.
pub async fn finish(
    session: &Session,
    items: &[Item],
    beside_newer: bool,
) -> Result<Vec<Cannot>, Refusal> {
    let mut cannot = Vec::new();
    let tell = |why: String| Cannot { rows: 0, values: 0, why };
    for item in items {
        let what = format!("make {}", said(item));
        let is_optional = beside_newer || VIEWS.contains(&item.kind.as_str());
        if item.kind != "FK CONSTRAINT" && !is_optional {
            session.execute(&item.sql, &what).await?;
            continue;
        }
        let Err(error) = session.attempt(&item.sql).await else { continue };
        if is_state(&error, &SqlState::FOREIGN_KEY_VIOLATION) {
            cannot.push(tell(unvalidated(session, item).await?));
        } else if is_state(&error, &SqlState::UNDEFINED_TABLE) {
            cannot.push(tell(format!(
                "{} is not there: the table that it refers to is gone",
                said(item)
            )));
        } else if is_optional || REFERS_NOWHERE.iter().any(|state| is_state(&error, state)) {
            let why = message_without_values(&error);
            cannot.push(tell(format!("{} can't be made again: {why}", said(item))));
        } else {
            return Err(session.refusal(&what, error));
        }
    }
    Ok(cannot)
}

async fn unvalidated(session: &Session, item: &Item) -> Result<String, Refusal> {
    let not_valid = format!("{} NOT VALID", item.sql.trim_end().trim_end_matches(';'));
    let named = said(item);
    Ok(match session.attempt(&not_valid).await {
        Ok(()) => format!(
            "{named} holds for new rows only (NOT VALID): rows that are there refer to rows that are gone"
        ),
        Err(_) => format!("{named} is not there: rows that are there refer to rows that are gone"),
    })
}

/// An entry for people: `index app.by_email`.
pub fn said(item: &Item) -> String {
    let kind = item.kind.to_lowercase().replace("fk constraint", "foreign key");
    match &item.schema {
        Some(schema) if schema != "public" => format!("{kind} {schema}.{}", item.name),
        _ => format!("{kind} {}", item.name),
    }
}

/// The numbers of what comes along with entries: what they need, the views that need them, and what
/// belongs to those.
/// `may_come` says which views do.
pub fn along(
    items: &[Item],
    own: &BTreeSet<u64>,
    there: &BTreeSet<u64>,
    may_come: impl Fn(&Item) -> bool,
) -> BTreeSet<u64> {
    let mut wanted = own.clone();
    let is_kind = |item: &Item, kinds: &[&str]| kinds.contains(&item.kind.as_str());
    loop {
        let before = wanted.len();
        let mut more = BTreeSet::new();
        for item in items.iter().filter(|item| !there.contains(&item.id)) {
            let is_needed = || {
                items
                    .iter()
                    .any(|other| wanted.contains(&other.id) && other.needs.contains(&item.id))
            };
            let needs_ours = || item.needs.iter().any(|id| wanted.contains(id));
            if (is_kind(item, &NEEDED) && is_needed())
                || (is_kind(item, &VIEWS) && needs_ours() && may_come(item))
            {
                more.insert(item.id);
            }
        }
        wanted.extend(more);
        let comes_along = |id: &u64| wanted.contains(id) && !own.contains(id);
        let belongs =
            |item: &&Item| is_kind(item, &BELONGING) && item.needs.iter().any(comes_along);
        let more: Vec<u64> = items.iter().filter(belongs).map(|item| item.id).collect();
        wanted.extend(more);
        if wanted.len() == before {
            return wanted.difference(own).copied().collect();
        }
    }
}
