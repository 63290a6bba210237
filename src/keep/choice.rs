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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Choice;
    use crate::db::postgres::catalog::{Listed, Readable};
    use crate::inventory::{Table, TableKind};
    use crate::plan::scope::{AtRisk, Scope};
    use crate::text::QualifiedName;

    fn listed(oid: u32, kind: TableKind) -> Listed {
        Listed {
            table: Table {
                oid,
                filenode: oid,
                name: QualifiedName::new("public", format!("table_{oid:06}")),
                kind,
                root: None,
                extension: None,
                rows: 0,
                columns: Vec::new(),
            },
            bytes: 100,
            readable: Readable::Yes,
            is_populated: true,
        }
    }

    fn at_risk(left_out: impl IntoIterator<Item = u32>, large_objects: bool) -> Scope {
        let left_out: BTreeSet<u32> = left_out.into_iter().collect();
        Scope::AtRisk(AtRisk { left_out, large_objects, ..AtRisk::default() })
    }

    #[test]
    fn what_came_since_the_plan_is_kept() {
        let tables = [1, 2, 3].map(|oid| listed(oid, TableKind::Ordinary));
        let choice = Choice::of(&tables, 4, &at_risk([2, 9], true));
        assert_eq!((choice.tables, choice.bytes, choice.large_objects), (2, 200, 4));
        assert_eq!(choice.options, ["--exclude-table-data=\"public\".(\"table_000002\")"]);
    }

    #[test]
    fn where_nothing_is_left_out_everything_is_kept() {
        let tables = [listed(1, TableKind::Ordinary), listed(2, TableKind::MaterializedView)];
        for scope in [Scope::All { why: Vec::new() }, at_risk([2], true), at_risk([9], true)] {
            let choice = Choice::of(&tables, 4, &scope);
            assert!(choice.options.is_empty() && choice.left_out.is_empty(), "{scope:?}");
            assert_eq!(choice.large_objects, 4);
        }
        let without_objects = Choice::of(&tables, 4, &at_risk([], false));
        assert_eq!((without_objects.large_objects, without_objects.options.len()), (0, 1));
        assert!(Choice::of(&tables, 0, &at_risk([], false)).options.is_empty());
    }

    #[test]
    fn too_many_to_name_are_all_kept_and_that_is_said() {
        let tables: Vec<Listed> = (0..60_000).map(|oid| listed(oid, TableKind::Ordinary)).collect();
        let choice = Choice::of(&tables, 1, &at_risk(1..60_000, false));
        assert!(choice.warning.expect("it is said").starts_with("59,999 tables not at risk"));
        assert!(choice.options.is_empty() && choice.left_out.is_empty());
        assert_eq!((choice.tables, choice.large_objects), (60_000, 1));
    }
}
