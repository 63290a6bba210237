//! Statements that will fail on what is there: named beforehand, for a migration that fails half way
//! is how losses begin. Only what is sure is said; what earlier statements may mend is not.

use std::collections::BTreeSet;

use tokio_postgres::Error;

use super::Measuring;
use super::keys::row_of;
use super::rows::number;
use crate::effect::Effect;
use crate::effect::demands::{self, Demand};
use crate::effect::selection::Words;
use crate::sql::Statement;
use crate::text::QualifiedName;
use crate::text::name::{quote, quote_if_needed};
use crate::text::number::plural;

/// What a DROP without CASCADE takes along by itself, and the first thing that is not among it and
/// would have to go too.
const REFUSES: &str = "
WITH RECURSIVE gone(classid, objid, objsubid) AS (
    SELECT c::regclass::oid, o, s FROM unnest($1::text[], $2::oid[], $3::int4[]) AS r(c, o, s)
    UNION
    SELECT next.classid, next.objid, next.objsubid
      FROM gone g CROSS JOIN LATERAL (
        SELECT d.classid, d.objid, d.objsubid FROM pg_depend d
         WHERE d.refclassid = g.classid AND d.refobjid = g.objid
           AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)
           AND d.deptype IN ('a', 'i', 'P', 'S', 'e')
      ) next
)
SELECT CASE WHEN w.ev_class IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
            ELSE pg_describe_object('pg_class'::regclass, w.ev_class, 0) END
  FROM gone g
  JOIN pg_depend d ON d.refclassid = g.classid AND d.refobjid = g.objid
                  AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)
  LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
 WHERE d.deptype = 'n'
   AND NOT EXISTS (SELECT FROM gone o
                    WHERE o.classid = d.classid AND o.objid = d.objid
                      AND (o.objsubid = 0 OR o.objsubid = d.objsubid))
   AND NOT EXISTS (SELECT FROM pg_depend i JOIN gone o ON o.classid = i.refclassid
                      AND o.objid = i.refobjid AND o.objsubid IN (0, i.refobjsubid)
                    WHERE i.classid = d.classid AND i.objid = d.objid
                      AND i.deptype IN ('a', 'i', 'P', 'S', 'e'))
 ORDER BY 1 LIMIT 1";

impl Measuring<'_> {
    /// Why a statement will surely fail, for reasons that its effects don't tell.
    pub async fn fails(
        &self,
        statement: &Statement,
        effects: &[Effect],
    ) -> Result<Option<String>, Error> {
        if self.names.doubt().is_some() || !self.is_verbatim(statement) {
            return Ok(None);
        }
        if let Some(why) = self.new_values.used_in(statement, &self.listed) {
            return Ok(Some(why));
        }
        for demand in demands::of(&statement.text) {
            let why = self.unmet(&demand).await?;
            if why.is_some() {
                return Ok(why);
            }
        }
        for effect in effects {
            if let Effect::ChangeType { table, column, to, using: None } = effect {
                let why = self.uncast(table, column, to).await?;
                if why.is_some() {
                    return Ok(why);
                }
            }
        }
        self.refused(statement, effects).await
    }

    async fn unmet(&self, demand: &Demand<'_>) -> Result<Option<String>, Error> {
        match demand {
            Demand::NotNull { table, column } => self.nulls(table, column).await,
            Demand::Empty { table, column, type_name } => {
                self.rows_without(table, column, type_name).await
            }
            Demand::Unique { table, columns, is_primary } => {
                self.duplicates(table, columns, *is_primary).await
            }
            Demand::Check { table, condition } => self.violations(table, condition).await,
            Demand::Reference { table, columns, to, referred } => {
                self.orphans((table, columns), (to, referred)).await
            }
        }
    }

    /// The one table of that name, where it is now what it will be then.
    async fn settled(&self, table: &QualifiedName) -> Result<Option<u32>, Error> {
        let &[oid] = self.tables(table).as_slice() else { return Ok(None) };
        let is_sure =
            !self.names.may_be_born(table) && self.changed_before(&[oid]).await?.is_none();
        Ok(is_sure.then_some(oid))
    }

    /// The columns by the names that they have now; `None` where one is not there.
    fn current(&self, table: u32, columns: &[String]) -> Option<Vec<String>> {
        let name = |column: &String| Some(self.column_name(table, self.attnum(table, column)?));
        columns.iter().map(name).collect()
    }

    /// Counts, where that can be done; what can't be counted dooms nothing.
    async fn tally(&self, sql: &str) -> Result<u64, Error> {
        Ok(self.one_as_written(sql).await?.map_or(0, |row| number(row.get(0))))
    }

    async fn nulls(&self, table: &QualifiedName, column: &str) -> Result<Option<String>, Error> {
        let Some(oid) = self.settled(table).await? else { return Ok(None) };
        let Some(current) = self.current(oid, &[column.to_owned()]) else { return Ok(None) };
        let Some(listed) = self.listed(oid) else { return Ok(None) };
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {} WHERE {} IS NULL",
            listed.table.name.sql(),
            quote(&current[0])
        );
        let nulls = self.tally(&sql).await?;
        Ok((nulls > 0).then(|| {
            let column = quote_if_needed(column);
            format!("column `{column}` of `{}` contains {}", table.short(), plural(nulls, "null"))
        }))
    }

    async fn rows_without(
        &self,
        table: &QualifiedName,
        column: &str,
        type_name: &str,
    ) -> Result<Option<String>, Error> {
        let Some(oid) = self.settled(table).await? else { return Ok(None) };
        let Some(listed) = self.listed(oid) else { return Ok(None) };
        // A domain may bring a default of its own.
        let sql = "SELECT EXISTS (SELECT FROM pg_type WHERE typname = $1 AND typtype = 'd') \
                      OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        let type_name = type_name.trim_matches('"');
        if self.client.query_one(sql, &[&type_name]).await?.get(0) {
            return Ok(None);
        }
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM (SELECT FROM {} LIMIT 1) x",
            listed.table.name.sql()
        );
        Ok((self.tally(&sql).await? > 0).then(|| {
            let (column, table) = (quote_if_needed(column), table.short());
            format!("`{table}` has rows, and `{column}` is NOT NULL without a default for them")
        }))
    }

    async fn duplicates(
        &self,
        table: &QualifiedName,
        columns: &[String],
        is_primary: bool,
    ) -> Result<Option<String>, Error> {
        let Some(oid) = self.settled(table).await? else { return Ok(None) };
        let (Some(current), Some(from)) = (self.current(oid, columns), self.from(oid)) else {
            return Ok(None);
        };
        let quoted: Vec<String> = current.iter().map(|column| quote(column)).collect();
        let (list, filled) = (quoted.join(", "), quoted.join(" IS NOT NULL AND "));
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM (SELECT FROM {from} WHERE {filled} IS NOT NULL \
               GROUP BY {list} HAVING pg_catalog.count(*) > 1) x"
        );
        let said = columns.iter().map(|column| quote_if_needed(column)).collect::<Vec<_>>();
        let said = said.join(", ");
        let twice = self.tally(&sql).await?;
        if twice > 0 {
            let values = plural(twice, "value");
            let table = table.short();
            return Ok(Some(format!("{values} of ({said}) are in `{table}` more than once")));
        }
        if is_primary {
            for column in columns {
                let why = self.nulls(table, column).await?;
                if why.is_some() {
                    return Ok(why);
                }
            }
        }
        Ok(None)
    }

    async fn violations(
        &self,
        table: &QualifiedName,
        condition: &str,
    ) -> Result<Option<String>, Error> {
        let Some(oid) = self.settled(table).await? else { return Ok(None) };
        let words = Words::of(&[condition]);
        if words.is_of_the_moment || self.unsafe_words(&words).await?.is_some() {
            return Ok(None);
        }
        let Some(listed) = self.listed(oid) else { return Ok(None) };
        let name = listed.table.name.sql();
        let sql = format!("SELECT pg_catalog.count(*) FROM {name} WHERE NOT ({condition})");
        let rows = self.tally(&sql).await?;
        Ok((rows > 0)
            .then(|| format!("{} of `{}` violate the check", plural(rows, "row"), table.short())))
    }

    async fn orphans(
        &self,
        child: (&QualifiedName, &[String]),
        parent: (&QualifiedName, &[String]),
    ) -> Result<Option<String>, Error> {
        let (Some(from), Some(to)) = (self.settled(child.0).await?, self.settled(parent.0).await?)
        else {
            return Ok(None);
        };
        let referred =
            if parent.1.is_empty() { self.primary(to).await? } else { parent.1.to_vec() };
        let (Some(columns), Some(referred), Some(children), Some(parents)) = (
            self.current(from, child.1),
            self.current(to, &referred),
            self.from(from),
            self.from(to),
        ) else {
            return Ok(None);
        };
        if referred.len() != columns.len() {
            return Ok(None);
        }
        let filled: Vec<String> =
            columns.iter().map(|column| format!("x.{} IS NOT NULL", quote(column))).collect();
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {children} x WHERE {} \
                AND NOT EXISTS (SELECT FROM {parents} y WHERE {} = {})",
            filled.join(" AND "),
            row_of("x", &columns),
            row_of("y", &referred),
        );
        let rows = self.tally(&sql).await?;
        Ok((rows > 0).then(|| {
            let (child, parent) = (child.0.short(), parent.0.short());
            format!("{} of `{child}` refer to no row of `{parent}`", plural(rows, "row"))
        }))
    }

    async fn primary(&self, table: u32) -> Result<Vec<String>, Error> {
        let sql = "
            SELECT a.attname::text FROM pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(att, n)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att
             WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.n";
        let rows = self.client.query(sql, &[&table]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What depends on what is dropped, where the statement has no CASCADE.
    async fn refused(
        &self,
        statement: &Statement,
        effects: &[Effect],
    ) -> Result<Option<String>, Error> {
        let words = Words::of(&[&statement.text]);
        if words.names.contains("constraint") {
            return Ok(None);
        }
        let mut roots: (Vec<&str>, Vec<u32>, Vec<i32>) = Default::default();
        for effect in effects {
            let found = match effect {
                Effect::DropTable { table, cascade: false } => ("pg_class", self.tables(table), 0),
                Effect::DropColumn { table, column, cascade: false } => {
                    let &[oid] = self.tables(table).as_slice() else { continue };
                    let Some(attnum) = self.attnum(oid, column) else { continue };
                    ("pg_class", vec![oid], i32::from(attnum))
                }
                Effect::DropType { name, cascade: false, .. } => {
                    ("pg_type", self.types(name).await?, 0)
                }
                Effect::DropSchema { schema, cascade: false } => {
                    let sql = "SELECT oid FROM pg_namespace WHERE nspname = $1";
                    ("pg_namespace", self.oids(sql, schema).await?, 0)
                }
                Effect::DropExtension { name, cascade: false } => {
                    let sql = "SELECT oid FROM pg_extension WHERE extname = $1";
                    ("pg_extension", self.oids(sql, name).await?, 0)
                }
                _ => continue,
            };
            let &[oid] = found.1.as_slice() else { return Ok(None) };
            roots.0.push(found.0);
            roots.1.push(oid);
            roots.2.push(found.2);
        }
        if roots.0.is_empty() {
            return Ok(None);
        }
        let row = self.client.query_opt(REFUSES, &[&roots.0, &roots.1, &roots.2]).await?;
        let what = row.map(|row| row.get::<_, String>(0).replace("public.", ""));
        let Some(what) = what else { return Ok(None) };
        // An earlier statement may have removed it.
        let named: BTreeSet<String> = Words::of(&[&what]).names;
        Ok(self
            .before
            .leaves(&named)
            .then(|| format!("{what} depends on it, and there is no CASCADE")))
    }
}
