//! What of the tables that are held still is kept, and how pg_dump is told.

use std::collections::BTreeSet;

use crate::db::postgres::catalog::Listed;
use crate::inventory::TableKind;
use crate::plan::scope::Scope;
use crate::snapshot::leave_out;
use crate::text::QualifiedName;
use crate::text::number::plural;

/// What is kept.
#[derive(Debug, Default)]
pub struct Choice {
    /// The tables whose rows are left out.
    pub left_out: BTreeSet<u32>,
    /// pg_dump's options for that.
    pub options: Vec<String>,
    /// Bytes that the kept tables occupy.
    pub bytes: u64,
    /// Tables that are kept.
    pub tables: u64,
    /// Large objects that are kept.
    pub large_objects: u64,
    /// What a person should know.
    pub warning: Option<String>,
}

impl Choice {
    /// What a scope comes to for these tables and so many large objects.
    pub fn of(listed: &[Listed], large_objects: u64, scope: &Scope) -> Self {
        let left_out = scope.left_out();
        let is_left_out = |listed: &&Listed| left_out.contains(&listed.table.oid);
        let is_table = |listed: &Listed| listed.table.kind == TableKind::Ordinary;
        let names = |listed: &Listed| listed.table.name.clone();
        let holding = listed.iter().filter(|it| it.table.kind != TableKind::Partitioned);
        let without: Vec<QualifiedName> = holding.filter(is_left_out).map(names).collect();
        let leaves_tables_out = listed.iter().any(|it| is_table(it) && is_left_out(&it));
        let keeps_objects = scope.keeps_large_objects() || large_objects == 0;
        if !leaves_tables_out && keeps_objects {
            return Self::all(listed, large_objects);
        }
        let Some(mut options) = leave_out::options(&without) else {
            let n = plural(without.len() as u64, "table");
            let warning = format!(
                "{n} not at risk are too many to leave out one by one: every table is kept"
            );
            return Self { warning: Some(warning), ..Self::all(listed, large_objects) };
        };
        if !keeps_objects {
            // The name that every version takes; newer ones call it --no-large-objects.
            options.push("--no-blobs".to_owned());
        }
        let kept = || listed.iter().filter(|it| !is_left_out(it));
        Self {
            options,
            bytes: kept().map(|listed| listed.bytes).sum(),
            tables: kept().filter(|listed| is_table(listed)).count() as u64,
            large_objects: if keeps_objects { large_objects } else { 0 },
            left_out,
            warning: None,
        }
    }

    fn all(listed: &[Listed], large_objects: u64) -> Self {
        Self {
            bytes: listed.iter().map(|listed| listed.bytes).sum(),
            tables: listed.len() as u64,
            large_objects,
            ..Self::default()
        }
    }
}
