//! What goes along when an object is dropped: a walk of `pg_depend`, which takes no locks.
//!
//! PostgreSQL 51.18 (pg_depend) names the kinds of dependency. With CASCADE all of them are
//! followed; without it only those that PostgreSQL drops by itself, because it refuses the rest.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Error};

/// The data that goes along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Whole tables, by oid.
    pub tables: BTreeSet<u32>,
    /// Columns of tables that stay: table oid to attnum.
    pub columns: BTreeMap<u32, BTreeSet<i16>>,
    /// Views, functions and the like, and defaults, constraints, triggers of tables that stay, in
    /// PostgreSQL's own words.
    pub others: Vec<String>,
}

impl Dependents {
    /// Adds what another walk found.
    pub fn absorb(&mut self, other: Self) {
        self.tables.extend(other.tables);
        for (table, attnums) in other.columns {
            self.columns.entry(table).or_default().extend(attnums);
        }
        self.columns.retain(|table, _| !self.tables.contains(table));
        self.others.extend(other.others);
    }
}

/// The object a DROP names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// `pg_class`, `pg_type`, `pg_namespace`, `pg_extension`.
    pub class: &'static str,
    /// Its oid in there.
    pub oid: u32,
    /// The column's attnum, or 0 for the whole object.
    pub sub: i32,
}

const WALK: &str = "
WITH RECURSIVE gone(classid, objid, objsubid) AS (
    SELECT $1::text::regclass::oid, $2::oid, $3::int4
    UNION
    SELECT next.classid, next.objid, next.objsubid
      FROM gone g CROSS JOIN LATERAL (
        SELECT d.classid, d.objid, d.objsubid
          FROM pg_depend d
         WHERE d.refclassid = g.classid AND d.refobjid = g.objid
           AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)
           AND d.deptype::text = ANY ($4)
        UNION ALL
        SELECT d.refclassid, d.refobjid, d.refobjsubid
          FROM pg_depend d
         WHERE d.classid = g.classid AND d.objid = g.objid
           AND (g.objsubid = 0 OR d.objsubid = g.objsubid)
           AND d.deptype IN ('i', 'e')
        UNION ALL
        SELECT 'pg_class'::regclass::oid, i.inhrelid, child.attnum::int4
          FROM pg_inherits i
          JOIN pg_attribute parent ON parent.attrelid = g.objid AND parent.attnum = g.objsubid
          JOIN pg_attribute child ON child.attrelid = i.inhrelid AND child.attname = parent.attname
                                 AND NOT child.attisdropped AND NOT child.attislocal
         WHERE g.classid = 'pg_class'::regclass AND g.objsubid > 0 AND i.inhparent = g.objid
      ) next
)
SELECT g.classid::regclass::text, g.objid, g.objsubid,
       coalesce(c.relkind::text, ''),
       CASE WHEN g.classid <> 'pg_class'::regclass OR c.relkind NOT IN ('r', 'p')
            THEN pg_describe_object(g.classid, g.objid, g.objsubid) ELSE '' END,
       coalesce(part.owner, 0::oid)
  FROM gone g
  LEFT JOIN pg_class c ON g.classid = 'pg_class'::regclass AND c.oid = g.objid
  LEFT JOIN LATERAL (
        SELECT adrelid FROM pg_attrdef WHERE g.classid = 'pg_attrdef'::regclass AND oid = g.objid
        UNION ALL
        SELECT conrelid FROM pg_constraint
         WHERE g.classid = 'pg_constraint'::regclass AND oid = g.objid AND conparentid = 0
        UNION ALL
        SELECT polrelid FROM pg_policy WHERE g.classid = 'pg_policy'::regclass AND oid = g.objid
        UNION ALL
        SELECT tgrelid FROM pg_trigger
         WHERE g.classid = 'pg_trigger'::regclass AND oid = g.objid
           AND NOT tgisinternal AND tgparentid = 0
        UNION ALL
        SELECT ev_class FROM pg_rewrite
         WHERE g.classid = 'pg_rewrite'::regclass AND oid = g.objid AND rulename <> '_RETURN'
        UNION ALL
        SELECT indrelid FROM pg_index
         WHERE g.classid = 'pg_class'::regclass AND indexrelid = g.objid
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = g.objid)
       ) part(owner) ON true";

/// Walks from `root` to everything that a DROP of it takes along, the root included.
pub async fn of(client: &Client, root: Root, cascade: bool) -> Result<Dependents, Error> {
    let kinds: &[&str] =
        if cascade { &["n", "a", "i", "P", "S", "e", "x"] } else { &["a", "i", "P", "S"] };
    let rows = client.query(WALK, &[&root.class, &root.oid, &root.sub, &kinds]).await?;
    let mut found = Dependents::default();
    // Defaults, constraints and the like, with the table that each is a part of.
    let mut parts: Vec<(u32, Option<String>)> = Vec::new();
    let mut gone = BTreeSet::from([root.oid]);
    for row in rows {
        let (class, oid, sub): (String, u32, i32) = (row.get(0), row.get(1), row.get(2));
        let (kind, described): (String, Option<String>) = (row.get(3), row.get(4));
        let owner: u32 = row.get(5);
        if class == "pg_class" {
            gone.insert(oid);
        }
        match (class.as_str(), kind.as_str(), sub) {
            _ if (class.as_str(), oid) == (root.class, root.oid) && class == "pg_proc" => {}
            ("pg_class", "r" | "p", 0) => drop(found.tables.insert(oid)),
            ("pg_class", "r" | "p", sub) => {
                let attnum = i16::try_from(sub).unwrap_or_default();
                found.columns.entry(oid).or_default().insert(attnum);
            }
            ("pg_class", "v" | "m" | "f", _) | ("pg_proc", _, _) => found.others.extend(described),
            _ if owner != 0 => parts.push((owner, described)),
            _ => {}
        }
    }
    let whole = found.tables.clone();
    found.columns.retain(|table, _| !whole.contains(table));
    // What belongs to a table or column that goes needs no mention.
    let is_others = |(owner, _): &(u32, _)| !gone.contains(owner);
    found.others.extend(parts.into_iter().filter(is_others).filter_map(|(_, described)| described));
    found.others.sort();
    found.others.dedup();
    Ok(found)
}
