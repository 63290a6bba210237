//! How an effect is said: its rule, how bad it is, and the fate of the rows in one sentence.

use super::narrow;
use crate::effect::batch::Standing;
use crate::effect::{Effect, LeavesOut, Reach, Used};
use crate::finding::{Certainty, Object, ObjectKind, Severity};
use crate::script::Script;
use crate::text::{QualifiedName, name};

/// The part of a finding that depends on the effect alone.
pub(super) struct Said {
    pub(super) rule: &'static str,
    pub(super) severity: Severity,
    pub(super) certainty: Certainty,
    pub(super) object: Object,
    pub(super) message: String,
}

/// Extensions that own no table, so that dropping one takes nothing along that PostgreSQL would not
/// refuse to drop.
const WITHOUT_TABLES: [&str; 23] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "unaccent",
    "uuid-ossp",
    "vector",
    "xml2",
];

/// Tables of PostgreSQL's own in which tables, columns and values are defined.
const CATALOGUE: [&str; 20] = [
    "pg_am",
    "pg_attrdef",
    "pg_attribute",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_database",
    "pg_depend",
    "pg_enum",
    "pg_extension",
    "pg_index",
    "pg_inherits",
    "pg_namespace",
    "pg_opclass",
    "pg_partitioned_table",
    "pg_proc",
    "pg_rewrite",
    "pg_trigger",
    "pg_type",
];

/// Says an effect; `None` where it is nothing to speak of.
pub(super) fn say(script: &Script, effect: &Effect, standing: &Standing) -> Option<Said> {
    if *standing == Standing::Born {
        return None;
    }
    drops_table(effect, standing)
        .or_else(|| drops(effect, standing))
        .or_else(|| changes_catalogue(effect))
        .or_else(|| changes_rows(effect))
        .or_else(|| changes_shape(effect))
        .or_else(|| unknown(script, effect))
}

/// Says which tables follow a DELETE by foreign keys of the batch.
pub(super) fn followers<'a>(
    effect: &'a Effect,
    standing: &'a Standing,
) -> impl Iterator<Item = Said> + use<'a> {
    let (parent, children): (_, &[QualifiedName]) = match (effect, standing) {
        (Effect::Delete { table, .. }, Standing::Followed { children }) => (Some(table), children),
        _ => (None, &[]),
    };
    let said = move |parent: &'a QualifiedName| {
        children.iter().map(move |child| {
            let message = format!(
                "rows of `{}` go or change with those of `{}`, because of its foreign key",
                child.short(),
                parent.short()
            );
            depends("delete-cascade", Severity::Warning, Object::table(child), message)
        })
    };
    parent.into_iter().flat_map(said)
}

fn certain(rule: &'static str, object: Object, message: String) -> Said {
    let (severity, certainty) = (Severity::Error, Certainty::Certain);
    Said { rule, severity, certainty, object, message }
}

fn depends(rule: &'static str, severity: Severity, object: Object, message: String) -> Said {
    Said { rule, severity, certainty: Certainty::DependsOnData, object, message }
}

fn drops_table(effect: &Effect, standing: &Standing) -> Option<Said> {
    let Effect::DropTable { table, .. } = effect else { return None };
    let (short, object) = (table.short(), Object::table(table));
    Some(match standing {
        Standing::Recreated => {
            let message = format!("`{short}` is dropped and made again: its rows are destroyed");
            certain("recreate-table", object, message)
        }
        Standing::Copied { again, leaves_out } => {
            let rule = if *again { "recreate-table" } else { "drop-table" };
            drops_copied(rule, object, &short, leaves_out)
        }
        Standing::Partition { parent } => {
            let parent = parent.short();
            let message =
                format!("dropping `{short}`, a partition of `{parent}`, destroys its rows");
            certain("drop-partition", object, message)
        }
        _ => {
            let message = format!("dropping `{short}` destroys its rows");
            certain("drop-table", object, message)
        }
    })
}

fn drops_copied(rule: &'static str, object: Object, short: &str, leaves_out: &LeavesOut) -> Said {
    match leaves_out {
        LeavesOut::Nothing => {
            let message = format!("`{short}` is dropped after its rows were copied, all of them");
            depends(rule, Severity::Note, object, message)
        }
        LeavesOut::Columns(columns) => {
            let message =
                format!("`{short}` is dropped; the copy of its rows holds only {columns}");
            depends(rule, Severity::Warning, object, message)
        }
        LeavesOut::Rows(why) => {
            let message = format!("`{short}` is dropped; the copy of its rows lacks {why}");
            certain(rule, object, message)
        }
    }
}

fn drops(effect: &Effect, standing: &Standing) -> Option<Said> {
    Some(match effect {
        Effect::DropMaterializedView { view, .. } => {
            let message = format!(
                "dropping the materialized view `{}` destroys rows that its query can compute again",
                view.short()
            );
            depends("drop-table", Severity::Note, Object::table(view), message)
        }
        Effect::DropColumn { table, column, .. } => {
            let message = format!("dropping `{}` destroys its values", column_name(table, column));
            certain("drop-column", Object::column(table, column), message)
        }
        Effect::DropSchema { schema, cascade } => drop_schema(schema, *cascade),
        Effect::DropDatabase { database } => {
            let message = format!("dropping the database `{database}` destroys everything in it");
            certain("drop-database", Object::bare(ObjectKind::Database, database), message)
        }
        Effect::DropType { name, .. } if *standing == Standing::Replaced => {
            let short = name.short();
            let message = format!(
                "the type `{short}` is dropped after columns of it were moved; CASCADE drops any \
                 that was not"
            );
            depends("drop-type", Severity::Note, Object::named(ObjectKind::Type, name), message)
        }
        Effect::DropType { name, domain, cascade } => drop_type(name, *domain, *cascade),
        Effect::DropAttribute { name, attribute, .. } => {
            let object = Object { kind: ObjectKind::Attribute, ..Object::column(name, attribute) };
            let message = format!(
                "dropping the attribute `{}` destroys its values in every column of the type",
                column_name(name, attribute)
            );
            depends("drop-attribute", Severity::Error, object, message)
        }
        Effect::DropExtension { name, cascade } => drop_extension(name, *cascade),
        Effect::DropOwned { roles, .. } => {
            let roles = roles.join(", ");
            let message = format!("dropping what `{roles}` owns destroys every table of that role");
            certain("drop-owned", Object::bare(ObjectKind::Role, roles), message)
        }
        Effect::DetachPartition { parent, partition } => Said {
            rule: "drop-partition",
            severity: Severity::Warning,
            certainty: Certainty::Certain,
            object: Object::table(partition),
            message: format!(
                "the rows of `{}` leave `{}`; they stay in their own table",
                partition.short(),
                parent.short()
            ),
        },
        _ => return None,
    })
}

fn drop_schema(schema: &str, cascade: bool) -> Said {
    let object = Object::bare(ObjectKind::Schema, schema);
    if cascade {
        let message = format!("dropping the schema `{schema}` destroys every table in it");
        return certain("drop-schema", object, message);
    }
    let message = format!(
        "the schema `{schema}` is dropped; PostgreSQL refuses that while it holds anything"
    );
    depends("drop-schema", Severity::Note, object, message)
}

fn drop_type(name: &QualifiedName, domain: bool, cascade: bool) -> Said {
    let object = Object::named(ObjectKind::Type, name);
    let word = if domain { "domain" } else { "type" };
    let short = name.short();
    if cascade {
        let message = format!("dropping the {word} `{short}` drops every column that uses it");
        return depends("drop-type", Severity::Error, object, message);
    }
    let message =
        format!("the {word} `{short}` is dropped; PostgreSQL refuses that while a column uses it");
    depends("drop-type", Severity::Note, object, message)
}

fn drop_extension(name: &str, cascade: bool) -> Said {
    let object = Object::bare(ObjectKind::Extension, name);
    if cascade {
        let message =
            format!("dropping the extension `{name}` drops every column that uses its types");
        return depends("drop-extension", Severity::Error, object, message);
    }
    if WITHOUT_TABLES.contains(&name) {
        let message = format!(
            "the extension `{name}` is dropped; PostgreSQL refuses that while a column uses it"
        );
        return depends("drop-extension", Severity::Note, object, message);
    }
    let message = format!("dropping the extension `{name}` destroys the rows of its own tables");
    depends("drop-extension", Severity::Warning, object, message)
}

/// Who writes into the catalogue drops a table without a word, or breaks it.
fn changes_catalogue(effect: &Effect) -> Option<Said> {
    let (Effect::Delete { table, .. }
    | Effect::Update { table, .. }
    | Effect::Merge { table, .. }
    | Effect::Upsert { table, .. }) = effect
    else {
        return None;
    };
    if table.schema.as_deref().is_some_and(|schema| schema != "pg_catalog") {
        return None;
    }
    if matches!(table.name.as_str(), "pg_largeobject" | "pg_largeobject_metadata") {
        let object = Object::bare(ObjectKind::LargeObject, &table.name);
        let message = "it destroys the content of large objects".to_owned();
        return Some(certain("unlink-large-object", object, message));
    }
    if !CATALOGUE.contains(&table.name.as_str()) {
        return None;
    }
    let message = format!(
        "`{}` is PostgreSQL's own: what changing it does to tables and values cannot be read",
        table.short()
    );
    let (severity, certainty) = (Severity::Error, Certainty::Unknown);
    Some(Said { rule: "opaque", severity, certainty, object: Object::table(table), message })
}

fn changes_rows(effect: &Effect) -> Option<Said> {
    Some(match effect {
        Effect::Truncate { table, cascade, .. } => {
            let short = table.short();
            let message = if *cascade {
                format!(
                    "truncating `{short}` destroys its rows and those of tables that refer to it"
                )
            } else {
                format!("truncating `{short}` destroys its rows")
            };
            certain("truncate", Object::table(table), message)
        }
        Effect::Delete { table, reach: Reach::All { why } } => {
            let message = format!("every row of `{}` is deleted: {why}", table.short());
            certain("delete-all", Object::table(table), message)
        }
        Effect::Delete { table, reach: Reach::Some { condition } } => {
            if is_bookkeeping(table, &["version_num".to_owned()]) {
                return None;
            }
            let message = format!("rows of `{}` are deleted where {condition}", table.short());
            depends("delete", Severity::Note, Object::table(table), message)
        }
        Effect::Update { table, columns, reach } => return update(table, columns, reach),
        Effect::Merge { table, deletes: true } => {
            let message = format!("a MERGE deletes rows of `{}`", table.short());
            depends("merge-delete", Severity::Error, Object::table(table), message)
        }
        Effect::Merge { table, deletes: false } => {
            let message = format!("a MERGE overwrites values of `{}`", table.short());
            depends("upsert-overwrite", Severity::Warning, Object::table(table), message)
        }
        Effect::Upsert { table, columns } => {
            let message = format!(
                "rows of `{}` that are already there get new values of {}",
                table.short(),
                listed(columns)
            );
            depends("upsert-overwrite", Severity::Warning, Object::table(table), message)
        }
        _ => return None,
    })
}

fn update(table: &QualifiedName, columns: &[String], reach: &Reach) -> Option<Said> {
    let object = match columns {
        [column] => Object::column(table, column),
        _ => Object::table(table),
    };
    let (short, columns_said) = (table.short(), listed(columns));
    match reach {
        Reach::All { why } => {
            let message = format!("{columns_said} of every row of `{short}` is overwritten: {why}");
            Some(certain("update-all", object, message))
        }
        Reach::Some { .. } if is_bookkeeping(table, columns) => None,
        Reach::Some { condition } => {
            let message = format!("{columns_said} of `{short}` is overwritten where {condition}");
            Some(depends("update-overwrite", Severity::Note, object, message))
        }
    }
}

/// Alembic's own note of the revision, which every migration moves.
fn is_bookkeeping(table: &QualifiedName, columns: &[String]) -> bool {
    table.name.contains("alembic_version") && columns == ["version_num"]
}

fn changes_shape(effect: &Effect) -> Option<Said> {
    Some(match effect {
        Effect::ChangeType { table, column, to, using } => {
            let narrowing = narrow::judge(column, to, using.as_deref())?;
            let name = column_name(table, column);
            Said {
                rule: "narrow-type",
                severity: narrowing.severity,
                certainty: narrowing.certainty,
                object: Object::column(table, column),
                message: format!("values of `{name}` become {to}: they {}", narrowing.fate),
            }
        }
        Effect::SetUnlogged { table } => Said {
            rule: "set-unlogged",
            severity: Severity::Warning,
            certainty: Certainty::DependsOnData,
            object: Object::table(table),
            message: format!("after a crash of the server `{}` is empty", table.short()),
        },
        Effect::UnlinkLargeObject { call } => {
            let message = format!("{call}() destroys the content of a large object");
            let object = Object::bare(ObjectKind::LargeObject, call);
            certain("unlink-large-object", object, message)
        }
        _ => return None,
    })
}

fn unknown(script: &Script, effect: &Effect) -> Option<Said> {
    let whole = || {
        let name = script.origin.revision.as_deref().unwrap_or_else(|| script.origin.name());
        Object::bare(ObjectKind::Script, name)
    };
    let (rule, severity, object, message) = match effect {
        Effect::CallsFunction { name } => (
            "calls-function",
            Severity::Warning,
            Object::named(ObjectKind::Function, name),
            format!("`{}` is called; what it does to rows is not known", name.short()),
        ),
        Effect::DynamicSql { why } => (
            "dynamic-sql",
            Severity::Error,
            whole(),
            format!("what it runs is known only when it runs: {why}"),
        ),
        Effect::ExecutesPrepared { name } => (
            "dynamic-sql",
            Severity::Error,
            whole(),
            format!("what it runs is not known: `{name}` was prepared elsewhere"),
        ),
        Effect::ClientCommand { command } => (
            "client-command",
            Severity::Error,
            whole(),
            format!("psql does it, not the server, and it may do anything: `{command}`"),
        ),
        // A column has its collation as it has its type; by a function few columns are computed.
        Effect::DropUsed { what: Used::Collation, name, .. } => (
            "opaque",
            Severity::Error,
            whole(),
            format!(
                "dropping the collation `{}` with CASCADE drops every column that uses it",
                name.short()
            ),
        ),
        Effect::Opaque { why } => (
            "opaque",
            Severity::Error,
            whole(),
            format!("a statement could not be read, so rowsafe cannot vouch for it: {why}"),
        ),
        _ => return None,
    };
    Some(Said { rule, severity, certainty: Certainty::Unknown, object, message })
}

fn column_name(table: &QualifiedName, column: &str) -> String {
    format!("{}.{}", table.short(), name::quote_if_needed(column))
}

fn listed(columns: &[String]) -> String {
    if columns.is_empty() {
        return "what it sets".to_owned();
    }
    let quoted: Vec<String> =
        columns.iter().map(|column| format!("`{}`", name::quote_if_needed(column))).collect();
    quoted.join(", ")
}
