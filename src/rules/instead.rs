//! What to write or do instead, with the user's own names, ready to paste.

use crate::effect::{Effect, Reach};
use crate::text::{QualifiedName, name};

/// The way out of an effect's finding.
pub(super) fn instead(effect: &Effect, rule: &str) -> String {
    rows_and_shape(effect, rule).unwrap_or_else(|| unknown(effect))
}

/// The way out where a whole script is not known.
pub(super) fn for_script(script: &str) -> String {
    format!(
        "write it as plain statements, or name its SQL with --sql or --sql-command;\n\
         or agree to `{script}` as it is: everything is kept in a snapshot and compared"
    )
}

fn rows_and_shape(effect: &Effect, rule: &str) -> Option<String> {
    Some(match effect {
        Effect::DropTable { table, .. } if rule == "recreate-table" => recreate(table),
        Effect::DropTable { table, .. } => drop_table(table),
        Effect::DropMaterializedView { view, .. } => {
            format!("keep its definition, so that `{}` can be computed again", view.short())
        }
        Effect::DropColumn { table, column, .. } => drop_column(table, column),
        Effect::DropSchema { schema, .. } => format!(
            "drop what is in it by name, then the empty schema; PostgreSQL refuses what was \
             forgotten:\n  DROP SCHEMA {};",
            shown(schema)
        ),
        Effect::DropDatabase { database } => format!(
            "keep it out of reach until nobody misses it:\n  ALTER DATABASE {} RENAME TO {};",
            shown(database),
            shown(&format!("{database}_retired"))
        ),
        Effect::DropType { name, domain, .. } => drop_type(name, *domain),
        Effect::DropAttribute { name, attribute, .. } => format!(
            "stop using it first; under another name its values stay:\n  \
             ALTER TYPE {} RENAME ATTRIBUTE {} TO {};",
            name,
            shown(attribute),
            shown(&format!("{attribute}_retired"))
        ),
        Effect::DropExtension { name, .. } => format!(
            "drop it without CASCADE, so that PostgreSQL refuses while something uses it:\n  \
             DROP EXTENSION {};",
            shown(name)
        ),
        Effect::DropOwned { roles, .. } => {
            let roles: Vec<String> = roles.iter().map(|role| shown(role)).collect();
            format!(
                "give what is owned to another role first, then only privileges are left:\n  \
                 REASSIGN OWNED BY {} TO <new owner>;",
                roles.join(", ")
            )
        }
        Effect::DetachPartition { parent, partition } => format!(
            "keep it readable through `{}` until its rows were archived, or leave it attached; to \
             bring it back:\n  ALTER TABLE {} ATTACH PARTITION {} FOR VALUES …;",
            parent.short(),
            parent,
            partition
        ),
        Effect::Truncate { table, .. } => format!(
            "delete the rows that must go, by name:\n  DELETE FROM {table} WHERE …;\nor keep them \
             beside it first:\n  CREATE TABLE {} AS TABLE {table};",
            beside(table)
        ),
        Effect::Delete { table, reach: Reach::All { .. } } => format!(
            "say which rows, by a column of `{}`:\n  DELETE FROM {table} WHERE …;",
            table.short()
        ),
        Effect::Delete { table, reach: Reach::Some { condition } } => format!(
            "keep them beside it first:\n  CREATE TABLE {} AS SELECT * FROM {table} WHERE \
             {condition};",
            beside(table)
        ),
        _ => return changed_values(effect),
    })
}

fn changed_values(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Update { table, columns, reach: Reach::All { .. } } => {
            let column = columns.first().map_or("…".to_owned(), |column| shown(column));
            format!(
                "write into a new column and keep the old values until nobody needs them:\n  \
                 ALTER TABLE {table} ADD COLUMN {}_new …;\nor fill only what is empty:\n  \
                 UPDATE {table} SET … WHERE {column} IS NULL;",
                column.trim_matches('"')
            )
        }
        Effect::Update { table, columns, reach: Reach::Some { condition } } => {
            let columns: Vec<String> = columns.iter().map(|column| shown(column)).collect();
            format!(
                "keep the old values beside it first:\n  CREATE TABLE {} AS SELECT <key>, {} FROM \
                 {table} WHERE {condition};",
                beside(table),
                columns.join(", ")
            )
        }
        Effect::Merge { table, deletes: true } => format!(
            "leave out WHEN … THEN DELETE, and delete what must go from `{}` by name",
            table.short()
        ),
        Effect::Merge { table, .. } => {
            format!(
                "insert only what is missing from `{}`: WHEN NOT MATCHED THEN INSERT",
                table.short()
            )
        }
        Effect::Upsert { table, .. } => format!(
            "leave what is there as it is:\n  INSERT INTO {table} … ON CONFLICT DO NOTHING;"
        ),
        Effect::ChangeType { table, column, to, .. } => {
            let (new, column) = (shown(&format!("{column}_new")), shown(column));
            format!(
                "keep the old values in place while the new column proves itself:\n  \
                 ALTER TABLE {table} ADD COLUMN {new} {to};\n  \
                 UPDATE {table} SET {new} = {column};\nand drop {column} in a later release"
            )
        }
        Effect::SetUnlogged { table } => {
            format!(
                "leave it logged; only what can be rebuilt belongs in an unlogged table:\n  \
                     ALTER TABLE {table} SET LOGGED;"
            )
        }
        Effect::UnlinkLargeObject { .. } => {
            "export what is still needed first: SELECT lo_export(oid, '/path')".to_owned()
        }
        _ => return None,
    })
}

fn unknown(effect: &Effect) -> String {
    match effect {
        Effect::CallsFunction { name } => {
            format!("write what `{}` does as statements in the migration", name.short())
        }
        Effect::DynamicSql { .. } => "write the statement out with its names".to_owned(),
        Effect::ClientCommand { .. } => "put the SQL itself into the migration".to_owned(),
        _ => "write it as plain statements, so that it can be read".to_owned(),
    }
}

fn drop_table(table: &QualifiedName) -> String {
    format!(
        "1. stop reading and writing `{}`, deploy\n2. set it aside, where nothing is lost:\n     \
         ALTER TABLE {table} RENAME TO {};\n3. drop it in a later release",
        table.short(),
        shown(&format!("{}_retired", table.name))
    )
}

fn recreate(table: &QualifiedName) -> String {
    format!(
        "change `{}` in place with ALTER TABLE, or set the old one aside before the new one is \
         made:\n  ALTER TABLE {table} RENAME TO {};",
        table.short(),
        shown(&format!("{}_old", table.name))
    )
}

fn drop_column(table: &QualifiedName, column: &str) -> String {
    let aside =
        QualifiedName { schema: table.schema.clone(), name: format!("{}_{column}", table.name) };
    let column = shown(column);
    format!(
        "1. stop reading and writing {column}, deploy\n2. drop it in a later release\nor keep the \
         values beside it first:\n  CREATE TABLE {aside} AS\n    SELECT <key>, {column} FROM \
         {table} WHERE {column} IS NOT NULL;"
    )
}

fn drop_type(name: &QualifiedName, domain: bool) -> String {
    let word = if domain { "DOMAIN" } else { "TYPE" };
    format!(
        "move each column to the new type, then drop the old one without CASCADE, so that \
         PostgreSQL refuses while a column still uses it:\n  ALTER TABLE <table> ALTER COLUMN \
         <column> TYPE <new type> USING <column>::text::<new type>;\n  DROP {word} {name};"
    )
}

fn beside(table: &QualifiedName) -> QualifiedName {
    QualifiedName { schema: table.schema.clone(), name: format!("{}_kept", table.name) }
}

fn shown(identifier: &str) -> String {
    name::quote_if_needed(identifier)
}
