//! What to write or do instead, with the user's own names, ready to paste. What only the user knows
//! stands in angle brackets.

use crate::effect::{Effect, Reach};
use crate::text::{QualifiedName, name};

/// The way out of an effect's finding.
pub(super) fn instead(effect: &Effect, rule: &str) -> String {
    of_catalogue(rule, effect)
        .or_else(|| dropped(effect, rule))
        .or_else(|| deleted_rows(effect, rule))
        .or_else(|| changed_values(effect))
        .unwrap_or_else(|| unknown(effect))
}

/// The way out where a whole script is not known.
pub(super) fn for_script(script: &str) -> String {
    format!(
        "write it as plain statements, or name its SQL with --sql or --sql-command;\n\
         or agree to `{script}` as it is: everything is kept in a snapshot and compared"
    )
}

fn of_catalogue(rule: &str, effect: &Effect) -> Option<String> {
    match effect {
        Effect::Delete { .. } | Effect::Update { .. } if rule == "opaque" => {
            Some("use the ALTER or DROP that is made for it".to_owned())
        }
        Effect::Delete { .. } if rule == "unlink-large-object" => Some(exported()),
        _ => None,
    }
}

fn dropped(effect: &Effect, rule: &str) -> Option<String> {
    Some(match effect {
        Effect::DropTable { table, .. } if rule == "recreate-table" => recreate(table),
        Effect::DropTable { table, .. } => drop_table(table),
        Effect::DropMaterializedView { view, .. } => {
            format!("keep its definition, so that `{}` can be computed again", view.short())
        }
        Effect::DropColumn { table, column, .. } => drop_column(table, column),
        Effect::DropSchema { schema, .. } => format!(
            "drop what is in it by name, then the empty schema; PostgreSQL refuses what was \
             forgotten:\n  DROP SCHEMA {};\nor move what is still needed out of it first:\n  \
             ALTER TABLE {0}.<table> SET SCHEMA <other schema>;",
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
            name.pasted(),
            shown(attribute),
            shown(&format!("{attribute}_retired"))
        ),
        Effect::DropExtension { name, .. } => format!(
            "drop it without CASCADE, so that PostgreSQL refuses while something uses it:\n  \
             DROP EXTENSION {};",
            shown(name)
        ),
        Effect::DropOwned { roles, .. } => {
            let roles: Vec<String> = roles.iter().map(|role| role_shown(role)).collect();
            format!(
                "give what is owned to another role first, then only privileges are left:\n  \
                 REASSIGN OWNED BY {} TO <new owner>;",
                roles.join(", ")
            )
        }
        Effect::DetachPartition { parent, partition } => format!(
            "keep it readable through `{}` until its rows were archived, or leave it attached; to \
             bring it back:\n  ALTER TABLE {} ATTACH PARTITION {} FOR VALUES <bounds>;",
            parent.short(),
            parent.pasted(),
            partition.pasted()
        ),
        _ => return None,
    })
}

fn deleted_rows(effect: &Effect, rule: &str) -> Option<String> {
    Some(match effect {
        Effect::Truncate { table, cascade, .. } => {
            let (kept, table) = (beside(table), table.pasted());
            let refuse = if *cascade {
                format!(
                    "\nor without CASCADE, so that PostgreSQL refuses while other tables refer to \
                     it:\n  TRUNCATE {table};"
                )
            } else {
                String::new()
            };
            format!(
                "delete the rows that must go, by name:\n  DELETE FROM {table} WHERE <condition>;\n\
                 or keep them beside it first:\n  CREATE TABLE {kept} AS TABLE {table};{refuse}"
            )
        }
        Effect::Delete { table, .. } if rule == "delete-cascade" => format!(
            "delete the rows that refer to `{}` by name first, and let the foreign key refuse what \
             was forgotten: ON DELETE RESTRICT",
            table.short()
        ),
        Effect::Delete { table, reach: Reach::All { .. } } => format!(
            "say which rows, by a column of `{}`:\n  DELETE FROM {} WHERE <condition>;\nor keep \
             them beside it first:\n  CREATE TABLE {} AS TABLE {1};",
            table.short(),
            table.pasted(),
            beside(table)
        ),
        Effect::Delete { table, reach: Reach::Some { condition } } => format!(
            "keep them beside it first:\n  CREATE TABLE {} AS SELECT * FROM {} WHERE {condition};",
            beside(table),
            table.pasted()
        ),
        Effect::Merge { table, deletes: true } => format!(
            "leave out WHEN … THEN DELETE, and delete what must go by name:\n  \
             DELETE FROM {} WHERE <condition>;",
            table.pasted()
        ),
        _ => return None,
    })
}

fn changed_values(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Update { table, columns, reach: Reach::All { .. } } => {
            let table = table.pasted();
            let (column, new) = match columns.first() {
                Some(column) => (shown(column), shown(&format!("{column}_new"))),
                None => ("<column>".to_owned(), "<column>_new".to_owned()),
            };
            format!(
                "write into a new column and keep the old values until nobody needs them:\n  \
                 ALTER TABLE {table} ADD COLUMN {new} <type>;\n  UPDATE {table} SET {new} = \
                 <value>;\nor fill only what is empty:\n  UPDATE {table} SET {column} = <value> \
                 WHERE {column} IS NULL;"
            )
        }
        Effect::Update { table, columns, reach: Reach::Some { condition } } => {
            let columns: Vec<String> = columns.iter().map(|column| shown(column)).collect();
            format!(
                "keep the old values beside it first:\n  CREATE TABLE {} AS SELECT <key>, {} FROM \
                 {} WHERE {condition};",
                beside(table),
                columns.join(", "),
                table.pasted()
            )
        }
        Effect::Merge { table, .. } => {
            format!(
                "insert only what is missing from `{}`: WHEN NOT MATCHED THEN INSERT",
                table.short()
            )
        }
        Effect::Upsert { table, .. } => format!(
            "leave what is there as it is:\n  INSERT INTO {} … ON CONFLICT DO NOTHING;",
            table.pasted()
        ),
        Effect::ChangeType { table, column, to, .. } => change_type(table, column, to),
        Effect::SetUnlogged { table } => format!(
            "leave it logged; only what can be rebuilt belongs in an unlogged table:\n  \
             ALTER TABLE {} SET LOGGED;",
            table.pasted()
        ),
        Effect::UnlinkLargeObject { .. } => exported(),
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

fn exported() -> String {
    "export what is still needed first:\n  SELECT lo_export(<oid>, '<file>');".to_owned()
}

fn drop_table(table: &QualifiedName) -> String {
    format!(
        "1. stop reading and writing `{}`, deploy\n2. set it aside, where nothing is lost:\n     \
         ALTER TABLE {} RENAME TO {};\n3. drop it in a later release",
        table.short(),
        table.pasted(),
        shown(&format!("{}_retired", table.name))
    )
}

fn recreate(table: &QualifiedName) -> String {
    let old = QualifiedName { schema: table.schema.clone(), name: format!("{}_old", table.name) };
    format!(
        "change `{}` in place with ALTER TABLE, or set the old one aside before the new one is \
         made, and copy every row and column:\n  ALTER TABLE {} RENAME TO {};\n  \
         INSERT INTO {1} SELECT * FROM {};",
        table.short(),
        table.pasted(),
        shown(&old.name),
        old.pasted()
    )
}

fn drop_column(table: &QualifiedName, column: &str) -> String {
    let aside =
        QualifiedName { schema: table.schema.clone(), name: format!("{}_{column}", table.name) };
    let (aside, column) = (aside.pasted(), shown(column));
    format!(
        "1. stop reading and writing {column}, deploy\n2. drop it in a later release\nor keep the \
         values beside it first:\n  CREATE TABLE {aside} AS\n    SELECT <key>, {column} FROM \
         {} WHERE {column} IS NOT NULL;",
        table.pasted()
    )
}

fn drop_type(name: &QualifiedName, domain: bool) -> String {
    let word = if domain { "DOMAIN" } else { "TYPE" };
    format!(
        "move each column to the new type, then drop the old one without CASCADE, so that \
         PostgreSQL refuses while a column still uses it:\n  ALTER TABLE <table> ALTER COLUMN \
         <column> TYPE <new type> USING <column>::text::<new type>;\n  DROP {word} {};",
        name.pasted()
    )
}

fn change_type(table: &QualifiedName, column: &str, to: &str) -> String {
    let (new, column) = (shown(&format!("{column}_new")), shown(column));
    format!(
        "keep the old values in place while the new column proves itself:\n  \
         ALTER TABLE {0} ADD COLUMN {new} {to};\n  UPDATE {0} SET {new} = {column};\nand drop \
         {column} in a later release",
        table.pasted()
    )
}

/// Where rows are put before they go.
fn beside(table: &QualifiedName) -> String {
    let name = format!("{}_kept", table.name);
    QualifiedName { schema: table.schema.clone(), name }.pasted()
}

fn shown(identifier: &str) -> String {
    name::pasted(identifier)
}

/// `CURRENT_USER` and its kin are no names.
fn role_shown(role: &str) -> String {
    match role {
        "current_user" | "current_role" | "session_user" => role.to_uppercase(),
        _ => shown(role),
    }
}
