//! A column that gets another type: which of its values come out differently, and which can't be
//! converted at all.

use std::collections::BTreeSet;

use tokio_postgres::Error;

use super::rows::number;
use super::{Measuring, at_most, sum};
use crate::db::postgres::message_without_values;
use crate::effect::selection::Words;
use crate::inventory::TableKind;
use crate::loss::{Count, Loss, Share, TableFate, TableLoss};
use crate::text::QualifiedName;
use crate::text::name::{quote, quote_if_needed, quote_literal};

/// `ALTER TABLE … ALTER COLUMN … TYPE … USING …`.
pub(super) struct Change<'a> {
    pub(super) table: &'a QualifiedName,
    pub(super) column: &'a str,
    pub(super) to: &'a str,
    pub(super) using: Option<&'a str>,
}

/// One column of one table, and the expression for its new value.
struct Column {
    table: u32,
    attnum: i16,
    /// `FROM ONLY app.users`.
    from: String,
    /// The column, quoted.
    name: String,
    old: String,
    /// Its new value, of the new type.
    new: String,
}

/// What came of one column.
struct Outcome {
    altered: Count,
    of: u64,
    fails: Option<String>,
}

/// Whether a value of type `$1` may be assigned to a column of type `$2`: arrays by their elements,
/// domains by what they are made of, and text takes everything. Null where nobody knows.
const ASSIGNABLE: &str = "
WITH RECURSIVE base(side, oid, dims) AS (
    SELECT s, to_regtype(t)::oid, 0 FROM (VALUES (1, $1::text), (2, $2::text)) v(s, t)
    UNION
    SELECT side, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE WHEN t.typtype = 'd' THEN dims ELSE dims + 1 END
      FROM base JOIN pg_type t USING (oid)
     WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
), ends AS (
    SELECT b.side, b.oid, b.dims, t.typcategory::text AS category, t.typtype::text AS kind
      FROM base b JOIN pg_type t USING (oid)
     WHERE NOT (t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0)
)
SELECT CASE WHEN a.kind NOT IN ('b', 'e') OR b.kind NOT IN ('b', 'e') THEN NULL
            WHEN b.category = 'S' AND b.dims = 0 THEN true
            WHEN a.dims <> b.dims THEN false
            WHEN a.oid = b.oid OR b.category = 'S' THEN true
            ELSE EXISTS (SELECT FROM pg_cast c
                          WHERE c.castsource = a.oid AND c.casttarget = b.oid
                            AND c.castcontext IN ('i', 'a'))
       END
  FROM ends a, ends b WHERE a.side = 1 AND b.side = 2";

impl Measuring<'_> {
    /// What a change of type does to the values that are there.
    pub(super) async fn retyped(&self, change: &Change<'_>) -> Result<Loss, Error> {
        let columns = [change.column.to_owned()];
        let tables = self.closure(&self.tables(change.table), true, None).await?;
        let texts = [Some(change.to), change.using];
        let words = Words::of(&texts.into_iter().flatten().collect::<Vec<_>>());
        let why = match (self.names.doubt(), self.unsafe_words(&words).await?) {
            (Some(why), _) => Some(why.to_owned()),
            (None, Some(why)) => Some(why),
            (None, None) if change.using.is_some() && self.is_renamed(&tables, change.column) => {
                Some(format!("`{}` is renamed before it", change.column))
            }
            (None, None) => self.changed_before(&tables).await?,
        };
        if let Some(why) = why {
            let bound = self.overwritten(change.table, &columns).await?;
            return Ok(Loss { doubt: Some(why), ..bound });
        }
        let mut loss = Loss::default();
        let mut share = Share { taken: 0, of: 0 };
        for column in tables.iter().filter_map(|oid| self.column(*oid, change)) {
            let outcome = self.converted(&column, change).await?;
            loss.values = sum(&loss.values, &outcome.altered);
            share.taken += outcome.altered.number().unwrap_or_default();
            share.of += outcome.of;
            loss.fails = loss.fails.or(outcome.fails);
            let limit = outcome.altered.number();
            let columns = BTreeSet::from([column.attnum]);
            let fate = TableFate::Values { columns, limit };
            loss.tables.push(TableLoss { table: column.table, fate });
        }
        loss.share = Some(share);
        Ok(loss)
    }

    fn is_renamed(&self, tables: &[u32], column: &str) -> bool {
        let is_so = |oid: &u32| {
            let attnum = self.attnum(*oid, column);
            attnum.is_some_and(|attnum| self.column_name(*oid, attnum) != column)
        };
        tables.iter().any(is_so)
    }

    fn column(&self, oid: u32, change: &Change<'_>) -> Option<Column> {
        let attnum = self.attnum(oid, change.column)?;
        let table = &self.listed(oid)?.table;
        if table.kind != TableKind::Ordinary {
            return None;
        }
        let column = table.columns.iter().find(|column| column.attnum == attnum)?;
        let written = change.using.map_or_else(|| quote(&column.name), str::to_owned);
        Some(Column {
            table: oid,
            attnum,
            from: format!("FROM ONLY {}", table.name.sql()),
            name: quote(&column.name),
            old: column.type_name.clone(),
            new: format!("({written})::{}", change.to),
        })
    }

    async fn converted(&self, column: &Column, change: &Change<'_>) -> Result<Outcome, Error> {
        let Column { from, name, old, new, .. } = column;
        let of = self.values(column.table, column.attnum).await;
        let unknown = |of: u64, fails| Outcome { altered: Count::AtMost(of), of, fails };
        let Some(of) = of.number() else { return Ok(unknown(0, None)) };
        if change.using.is_none() && self.is_assignable(old, change.to).await? == Some(false) {
            return Ok(unknown(of, None));
        }
        if of == 0 && change.using.is_none() {
            return Ok(Outcome { altered: Count::Exact(0), of, fails: None });
        }
        // Spaces at the end are cut off from a text that is too long, everything else is refused.
        let differs = |value: &str| {
            let (new, old) =
                (format!("({value})::pg_catalog.text"), format!("{name}::pg_catalog.text"));
            format!(
                "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE \
                        pg_catalog.rtrim({new}) IS DISTINCT FROM pg_catalog.rtrim({old})) \
                   {from} WHERE {name} IS NOT NULL AND {new} IS DISTINCT FROM {old}"
            )
        };
        if let Ok(row) = self.one_as_written(&differs(&format!("({new})::{old}"))).await? {
            let (altered, cut) = (number(row.get(0)), number(row.get(1)));
            if cut > 0 && change.using.is_none() && is_refused_when_cut(change.to) {
                let why = format!("value too long for type {} ({cut} of {of} values)", change.to);
                return Ok(Outcome { altered: Count::Exact(0), of, fails: Some(why) });
            }
            // The same JSON is written in another way.
            let is_other_form = old == "json" && change.to.eq_ignore_ascii_case("jsonb");
            let altered = Count::Exact(altered);
            let altered = if is_other_form { at_most(&altered) } else { altered };
            return Ok(Outcome { altered, of, fails: None });
        }
        // There may be no way back from the new type; what can't go forth fails.
        match self.one_as_written(&differs(new)).await? {
            Ok(row) => {
                let altered = at_most(&Count::Exact(number(row.get(0))));
                Ok(Outcome { altered, of, fails: None })
            }
            Err(error) => {
                let why = message_without_values(&error);
                let is_of_data = error.code().is_some_and(|code| code.code().starts_with("22"));
                let failing = if is_of_data { self.failing(column, change).await? } else { None };
                let counted = failing.map(|failing| format!(" ({failing} of {of} values)"));
                let why = why + &counted.unwrap_or_default();
                Ok(unknown(of, Some(why).filter(|_| is_of_data)))
            }
        }
    }

    /// How many values the new type can't hold, where the server can tell (16 and later).
    async fn failing(&self, column: &Column, change: &Change<'_>) -> Result<Option<u64>, Error> {
        let is_text = ["text", "character varying", "character", "numeric", "bigint", "integer"];
        let is_plain = is_text.iter().any(|known| column.old.starts_with(known));
        let is_itself = change.using.is_none_or(|using| {
            let short = using.split("::").next().unwrap_or(using).trim().trim_matches('"');
            short == change.column
        });
        if !is_plain || !is_itself {
            return Ok(None);
        }
        let sql = format!(
            "SELECT pg_catalog.count(*) {} WHERE NOT pg_catalog.pg_input_is_valid({}::pg_catalog.text, {})",
            column.from,
            column.name,
            quote_literal(change.to),
        );
        let counted = self.one_as_written(&sql).await?.ok().map(|row| number(row.get(0)));
        Ok(counted.filter(|failing| *failing > 0))
    }

    /// Why a change of type without USING is refused, whatever the rows are.
    pub(super) async fn uncast(
        &self,
        table: &QualifiedName,
        column: &str,
        to: &str,
    ) -> Result<Option<String>, Error> {
        let tables = self.tables(table);
        let is_sure = self.names.renewed(&Words::of(&[to]).names).is_none()
            && self.changed_before(&tables).await?.is_none();
        let change = Change { table, column, to, using: None };
        for column in tables.iter().filter_map(|oid| self.column(*oid, &change)) {
            if is_sure && self.is_assignable(&column.old, to).await? == Some(false) {
                return Ok(Some(format!(
                    "column {} of type {} cannot be cast automatically to type {to}",
                    quote_if_needed(change.column),
                    column.old
                )));
            }
        }
        Ok(None)
    }

    async fn is_assignable(&self, old: &str, new: &str) -> Result<Option<bool>, Error> {
        self.client.batch_execute("BEGIN READ ONLY; SET LOCAL search_path TO DEFAULT").await?;
        let row = self.client.query_opt(ASSIGNABLE, &[&old, &new]).await;
        self.client.batch_execute("ROLLBACK").await?;
        Ok(row.ok().flatten().and_then(|row| row.get(0)))
    }
}

/// Without a cast that somebody wrote PostgreSQL refuses to cut a text or bit string.
fn is_refused_when_cut(to: &str) -> bool {
    let lower = to.trim().to_ascii_lowercase();
    let lower = lower.trim_start_matches("pg_catalog.");
    ["varchar", "character", "char", "bpchar", "varbit", "bit"]
        .iter()
        .any(|name| lower.strip_prefix(name).is_some_and(|rest| !rest.contains('[')))
}
