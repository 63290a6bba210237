//! Which entries of an archive are there now, by name: what is there stays as it is.

use std::collections::BTreeSet;

use super::script::Item;
use super::session::Session;
use crate::hint::Refusal;

/// By kind, how the catalogue names it. The names of functions hold their types, those of what
/// belongs to a table the table's name, as pg_dump writes them. Of a kind that is not listed it is
/// not known, and none is made.
const THERE: &str = "
SELECT i.id
  FROM unnest($1::int8[], $2::text[], $3::text[], $4::text[]) i(id, kind, schema, name)
  LEFT JOIN pg_namespace n ON n.nspname = i.schema
 WHERE CASE
   WHEN i.kind = 'SCHEMA' THEN EXISTS (SELECT FROM pg_namespace WHERE nspname = i.name)
   WHEN i.kind = 'EXTENSION' THEN EXISTS (SELECT FROM pg_extension WHERE extname = i.name)
   WHEN i.kind IN ('TYPE', 'DOMAIN', 'SHELL TYPE') THEN EXISTS (
        SELECT FROM pg_type WHERE typnamespace = n.oid AND typname = i.name)
   WHEN i.kind IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'INDEX', 'FOREIGN TABLE') THEN
        EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = i.name)
   WHEN i.kind IN ('FUNCTION', 'PROCEDURE', 'AGGREGATE') THEN EXISTS (
        SELECT FROM pg_proc WHERE pronamespace = n.oid
           AND proname || '(' || oidvectortypes(proargtypes) || ')' = i.name)
   WHEN i.kind = 'COLLATION' THEN EXISTS (
        SELECT FROM pg_collation WHERE collnamespace = n.oid AND collname = i.name)
   WHEN i.kind = 'STATISTICS' THEN EXISTS (
        SELECT FROM pg_statistic_ext WHERE stxnamespace = n.oid AND stxname = i.name)
   WHEN i.kind IN ('CONSTRAINT', 'FK CONSTRAINT', 'CHECK CONSTRAINT') THEN EXISTS (
        SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE c.relnamespace = n.oid AND c.relname || ' ' || k.conname = i.name)
   WHEN i.kind = 'TRIGGER' THEN EXISTS (
        SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE c.relnamespace = n.oid AND c.relname || ' ' || t.tgname = i.name)
   WHEN i.kind = 'POLICY' THEN EXISTS (
        SELECT FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
         WHERE c.relnamespace = n.oid AND c.relname || ' ' || p.polname = i.name)
   WHEN i.kind = 'RULE' THEN EXISTS (
        SELECT FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
         WHERE c.relnamespace = n.oid AND c.relname || ' ' || r.rulename = i.name)
   WHEN i.kind = 'DEFAULT' THEN EXISTS (
        SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = n.oid AND c.relname || ' ' || a.attname = i.name
           AND a.atthasdef AND NOT a.attisdropped)
   ELSE true
 END";

/// The numbers of those that are there.
pub async fn there(session: &Session, items: &[Item]) -> Result<BTreeSet<u64>, Refusal> {
    let ids: Vec<i64> =
        items.iter().map(|item| i64::try_from(item.id).unwrap_or_default()).collect();
    let kinds: Vec<&str> = items.iter().map(|item| item.kind.as_str()).collect();
    let schemas: Vec<&str> =
        items.iter().map(|item| item.schema.as_deref().unwrap_or_default()).collect();
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    let found = session.client().query(THERE, &[&ids, &kinds, &schemas, &names]).await;
    let found = found.map_err(|error| session.refusal("look what is there", error))?;
    Ok(found.iter().filter_map(|row| u64::try_from(row.get::<_, i64>(0)).ok()).collect())
}
