//! Running what a migration wrote as a count: its names mean what they mean to the migration, and
//! nothing runs that could do more than read.
//!
//! A read-only transaction refuses writes to tables, but a function may send, lock or reach another
//! server; whatever is not known to be PostgreSQL's own and to change nothing is not called.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::Measuring;
use crate::db::postgres::message_without_values;
use crate::effect::selection::{Selection, Words};
use crate::sql::Statement;
use crate::text::QualifiedName;

/// Names mean what they mean in a new session of this role, and not what they mean in ours.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                     SET LOCAL search_path TO DEFAULT";

/// Why these words may call something that is not PostgreSQL's own, or that changes something.
///
/// `$1` holds what is called, with `$2` the schemas in front; `$3` everything in front of a
/// parenthesis; `$4` every name. A name alone calls too: `users.purge` is `purge(users)`. What views,
/// casts, domains and operators call is known to the catalogue only.
const UNSAFE: &str = "
WITH called AS (
    SELECT * FROM unnest($1::text[], $2::text[]) AS c(name, schema)
), foreign_functions AS (
    SELECT p.*, n.nspname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.oid >= 16384
)
SELECT why FROM (
    SELECT 1 AS rank, format('it calls %s()', c.name) AS why FROM called c
     WHERE coalesce(c.schema, 'pg_catalog') <> 'pg_catalog'
        OR NOT EXISTS (SELECT FROM pg_proc p
                        WHERE p.proname = c.name AND p.oid < 16384
                          AND p.pronamespace = 'pg_catalog'::regnamespace)
    UNION ALL
    SELECT 2, format('it calls %s(), whose answer may differ each time', c.name) FROM called c
     WHERE EXISTS (SELECT FROM pg_proc p
                    WHERE p.proname = c.name AND p.oid < 16384 AND p.provolatile = 'v')
    UNION ALL
    SELECT 3, format('it may call %I.%I()', f.nspname, f.proname) FROM foreign_functions f
     WHERE f.proname = ANY ($3)
        OR f.proname = ANY ($4) AND f.pronargs >= 1 AND f.pronargs - f.pronargdefaults <= 1
           AND EXISTS (SELECT FROM pg_type t
                        WHERE t.oid = f.proargtypes[0] AND t.typtype IN ('c', 'p'))
    UNION ALL
    SELECT 4, format('it reads the view %I', c.relname) FROM pg_class c
     WHERE c.oid >= 16384 AND c.relkind IN ('v', 'f') AND c.relname = ANY ($4)
       AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    UNION ALL
    SELECT 5, format('the domain %I calls a function', t.typname)
      FROM pg_type t
      JOIN pg_constraint k ON k.contypid = t.oid
      JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
                      AND d.refclassid = 'pg_proc'::regclass
    UNION ALL
    SELECT 6, format('the operator %s is no operator of PostgreSQL', o.oprname)
      FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode JOIN pg_language l ON l.oid = p.prolang
     WHERE o.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.provolatile = 'v')
    UNION ALL
    SELECT 7, format('the cast to %s is no cast of PostgreSQL', c.casttarget::regtype)
      FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_language l ON l.oid = p.prolang
     WHERE c.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.provolatile = 'v')
) reasons ORDER BY rank LIMIT 1";

/// Rules rewrite a statement into another one.
const RULES: &str = "
SELECT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = ANY ($1) AND ev_type <> '1')";

/// The bits of a trigger that fires at a DELETE, and at an UPDATE.
pub(super) const DELETES: i16 = 8;
pub(super) const UPDATES: i16 = 16;

/// Triggers that come before may keep rows, or change them again.
const TRIGGERS: &str = "
SELECT format('the trigger %I may change what it does', tgname) FROM pg_trigger
 WHERE tgrelid = ANY ($1) AND NOT tgisinternal AND tgenabled <> 'D'
   AND tgtype & 2 <> 0 AND tgtype & $2 <> 0
 ORDER BY tgname LIMIT 1";

/// A statement that can be counted by its own words.
pub(super) struct Written<'s> {
    pub(super) parts: Selection<'s>,
    /// The table that it names.
    pub(super) table: u32,
    /// Why what is counted may not be what it finds.
    pub(super) doubt: Option<String>,
}

impl Measuring<'_> {
    /// The parts of a statement that names this table, where they can be run; otherwise why not.
    pub(super) async fn written<'s>(
        &self,
        statement: Option<&'s Statement>,
        table: &QualifiedName,
    ) -> Result<Result<Written<'s>, String>, Error> {
        let Some(statement) = statement else { return Ok(Err("it is in no statement".to_owned())) };
        if !self.is_verbatim(statement) {
            return Ok(Err("it is read from its file, and may run otherwise".to_owned()));
        }
        let parts = match Selection::of(&statement.text) {
            Ok(parts) if parts.table == *table => parts,
            Ok(_) => return Ok(Err("it is done by another statement".to_owned())),
            Err(why) => return Ok(Err(why.to_owned())),
        };
        if let Some(why) = self.names.doubt() {
            return Ok(Err(why.to_owned()));
        }
        let &[oid] = self.tables(table).as_slice() else {
            return Ok(Err(format!("`{}` is not one table", table.short())));
        };
        let words = parts.words();
        if let Some(why) = self.unsafe_words(&words).await? {
            return Ok(Err(why));
        }
        let tree = self.closure(&[oid], true, None).await?;
        if self.client.query_one(RULES, &[&tree]).await?.get(0) {
            return Ok(Err("a rule rewrites it".to_owned()));
        }
        let moment = words.is_of_the_moment.then(|| "it depends on when it runs".to_owned());
        let mut read = self.mentioned(&words);
        read.push(oid);
        let event = if parts.set.is_empty() { DELETES } else { UPDATES };
        let trigger = self.first_trigger(&tree, event).await?;
        let doubt = self.changed_before(&read).await?.or(trigger).or(moment);
        Ok(Ok(Written { parts, table: oid, doubt }))
    }

    /// Whether it runs as it stands: what is read from a program has names where values will be, and
    /// may be under a condition.
    pub(super) fn is_verbatim(&self, statement: &Statement) -> bool {
        self.printed.as_ref().is_none_or(|printed| printed.contains(&statement.text))
    }

    /// The first trigger that comes before one of these events, as a reason.
    pub(super) async fn first_trigger(
        &self,
        tables: &[u32],
        events: i16,
    ) -> Result<Option<String>, Error> {
        let row = self.client.query_opt(TRIGGERS, &[&tables, &events]).await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Why these words can't be run as they are.
    pub(super) async fn unsafe_words(&self, words: &Words) -> Result<Option<String>, Error> {
        if let Some(name) = self.names.renewed(&words.names) {
            return Ok(Some(format!("`{name}` is made or renamed before it")));
        }
        let calls: Vec<&str> = words.calls.iter().map(|call| call.name.as_str()).collect();
        let schemas: Vec<Option<&str>> =
            words.calls.iter().map(|call| call.schema.as_deref()).collect();
        let parenthesized: Vec<&str> =
            words.syntax.iter().map(String::as_str).chain(calls.iter().copied()).collect();
        let names: Vec<&str> = words.names.iter().map(String::as_str).collect();
        let parameters: [&(dyn ToSql + Sync); 4] = [&calls, &schemas, &parenthesized, &names];
        Ok(self.client.query_opt(UNSAFE, &parameters).await?.map(|row| row.get(0)))
    }

    /// The tables that these words may mean.
    pub(super) fn mentioned(&self, words: &Words) -> Vec<u32> {
        let named = |name: &String| words.names.contains(name);
        let listed = self.listed.iter().map(|listed| &listed.table);
        listed.filter(|table| named(&table.name.name)).map(|table| table.oid).collect()
    }

    /// Runs a query in the words of the migration; the reason where it can't be run.
    pub(super) async fn as_written(
        &self,
        sql: &str,
        written: &Written<'_>,
    ) -> Result<Result<Vec<Row>, String>, Error> {
        self.client.batch_execute(BEGIN).await?;
        let rows = self.resolved(sql, written).await;
        self.client.batch_execute("ROLLBACK").await?;
        Ok(rows)
    }

    /// The same for one row of a query whose tables are named in full.
    pub(super) async fn one_as_written(&self, sql: &str) -> Result<Result<Row, Error>, Error> {
        self.client.batch_execute(BEGIN).await?;
        let row = self.client.query_one(sql, &[]).await;
        self.client.batch_execute("ROLLBACK").await?;
        Ok(row)
    }

    async fn resolved(&self, sql: &str, written: &Written<'_>) -> Result<Vec<Row>, String> {
        let said = |error: Error| message_without_values(&error);
        let named = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let meant = self.client.query_one(named, &[&written.parts.written]).await.map_err(said)?;
        if meant.get::<_, Option<u32>>(0) != Some(written.table) {
            return Err(format!("`{}` may mean another table", written.parts.table.short()));
        }
        self.client.query(sql, &[]).await.map_err(said)
    }
}
