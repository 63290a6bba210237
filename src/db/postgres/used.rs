//! Functions, operators, collations and the like by their names: what columns may depend on.

use tokio_postgres::{Client, Error};

use crate::effect::Used;
use crate::text::QualifiedName;

/// Where they are in the catalogue: the catalogue, the column of the name, and that of the schema.
const fn place(what: Used) -> (&'static str, &'static str, &'static str) {
    match what {
        Used::Function => ("pg_proc", "proname", "pronamespace"),
        Used::Operator => ("pg_operator", "oprname", "oprnamespace"),
        Used::OperatorClass => ("pg_opclass", "opcname", "opcnamespace"),
        Used::OperatorFamily => ("pg_opfamily", "opfname", "opfnamespace"),
        Used::Collation => ("pg_collation", "collname", "collnamespace"),
        Used::Sequence | Used::View => ("pg_class", "relname", "relnamespace"),
        Used::TextConfiguration => ("pg_ts_config", "cfgname", "cfgnamespace"),
        Used::TextDictionary => ("pg_ts_dict", "dictname", "dictnamespace"),
        Used::Language => ("pg_language", "lanname", "0"),
        Used::Server => ("pg_foreign_server", "srvname", "0"),
        Used::Wrapper => ("pg_foreign_data_wrapper", "fdwname", "0"),
    }
}

/// The types that arguments are written with, their names left out; null for one that is not known.
const TYPES: &str = "
SELECT ARRAY(
    SELECT to_regtype(CASE
             WHEN a !~ '\\s' OR a ~* '^(double|character|bit|timestamp|time|national)\\y' THEN a
             ELSE regexp_replace(a, '^\\S+\\s+', '') END)::oid
      FROM unnest($1::text[]) WITH ORDINALITY t(a, n) ORDER BY n)";

/// Those of this name: the catalogue that holds them, and their oids. Where a name without a schema
/// is found on the path, the others of it do not count, and where functions take just these
/// arguments, the others of the name do not.
pub async fn named(
    client: &Client,
    what: Used,
    name: &QualifiedName,
    arguments: Option<&[String]>,
    path: &[String],
) -> Result<(&'static str, Vec<u32>), Error> {
    let (class, column, schema) = place(what);
    let kind = match what {
        Used::Sequence => "AND o.relkind = 'S'",
        Used::View => "AND o.relkind = 'v'",
        _ => "",
    };
    let types = if what == Used::Function { "o.proargtypes::oid[]" } else { "'{}'::oid[]" };
    let schema = if schema == "0" { "oid AND false" } else { schema };
    let sql = format!(
        "SELECT o.oid, coalesce(n.nspname::text, ''), {types}
           FROM {class} o LEFT JOIN pg_namespace n ON n.oid = o.{schema}
          WHERE o.{column} = $1 AND ($2::text IS NULL OR n.nspname = $2) {kind} ORDER BY o.oid"
    );
    let rows = client.query(&sql, &[&name.name, &name.schema]).await?;
    let mut found: Vec<(u32, String, Vec<u32>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    if name.schema.is_none() && found.iter().any(|(_, schema, _)| path.contains(schema)) {
        found.retain(|(_, schema, _)| path.contains(schema));
    }
    if let (Used::Function, Some(arguments)) = (what, arguments) {
        // What the server does not take for a type tells nothing.
        let types = client.query_one(TYPES, &[&arguments]).await.map(|row| row.get(0));
        let types: Vec<Option<u32>> = types.unwrap_or_default();
        let types: Option<Vec<u32>> = types.into_iter().collect();
        let is_one = |(_, _, of): &&(u32, String, Vec<u32>)| types.as_ref() == Some(of);
        if let Some(one) = found.iter().find(is_one).cloned() {
            found = vec![one];
        }
    }
    Ok((class, found.into_iter().map(|(oid, ..)| oid).collect()))
}
