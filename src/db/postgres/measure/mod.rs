//! Measuring an effect on the live database: which rows, columns and values it takes, and through
//! what. Only counts are asked, of the tables concerned, in a read-only session.

mod as_written;
mod before;
mod cascade;
mod count;
mod doom;
mod enums;
mod keys;
mod rekeyed;
mod retype;
mod rows;
mod values;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use tokio_postgres::{Client, Error};

use crate::db::postgres::catalog::{self, Listed};
use crate::db::postgres::dependents::{self, Dependents, Root};
use crate::db::postgres::names::Names;
use crate::effect::{Effect, Reach};
use crate::loss::{Count, LARGE_OBJECTS, Loss, TableFate, TableLoss};
use crate::sql::Statement;
use crate::text::QualifiedName;

use self::before::Before;
use self::count::Counts;
use self::enums::NewValues;

/// A live database to measure on.
pub struct Measuring<'a> {
    client: &'a Client,
    listed: Vec<Listed>,
    names: Names,
    counts: Counts,
    before: Before,
    new_values: NewValues,
    /// The SQL that was printed for the script, where its statements are read from its file too.
    printed: Option<String>,
    /// Rows of each table that the statements so far delete by their WHERE.
    deleted: RefCell<HashMap<u32, u64>>,
}

impl<'a> Measuring<'a> {
    /// Reads the catalogue once; counts are made when they are asked for.
    pub async fn start(client: &'a Client) -> Result<Self, Error> {
        let listed = catalog::tables(client).await?;
        let names = Names::of(&listed, search_path(client).await?);
        let (counts, before) = (Counts::default(), Before::default());
        let new_values = NewValues::of(client).await?;
        let deleted = RefCell::default();
        Ok(Self { client, listed, names, counts, before, new_values, printed: None, deleted })
    }

    /// The names at this point of the batch; the caller leads them through it.
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// What the effect destroys here; `None` where that can't be known before it runs.
    ///
    /// An object that is not there has nothing to lose, unless something before it in the batch
    /// could not be followed: then nobody knows. Where the effect is that of a statement as it stands,
    /// the rows that it selects are counted by its own WHERE.
    pub async fn loss(
        &self,
        effect: &Effect,
        statement: Option<&Statement>,
    ) -> Result<Option<Loss>, Error> {
        let loss = self.measured(effect, statement).await?;
        let why = match self.names.doubt() {
            Some(why) => Some(format!("it is not there yet: {why}")),
            None => self.no_table(effect),
        };
        Ok(match (loss, why) {
            (Some(loss), Some(why)) if is_empty(&loss) => {
                let unknown = || Count::Unknown(why.clone());
                Some(Loss { rows: unknown(), values: unknown(), ..loss })
            }
            (loss, _) => loss,
        })
    }

    /// Why a statement that PostgreSQL would refuse without a table may take rows all the same: its
    /// table may be a view, whose rows are others'.
    fn no_table(&self, effect: &Effect) -> Option<String> {
        let (Effect::Delete { table, .. }
        | Effect::Update { table, .. }
        | Effect::Merge { table, .. }
        | Effect::Truncate { table, .. }) = effect
        else {
            return None;
        };
        let is_accounted_for = !self.tables(table).is_empty() || self.names.may_be_born(table);
        let why = "it is no table of this database: a view, or not there";
        (!is_accounted_for).then(|| why.to_owned())
    }

    async fn measured(
        &self,
        effect: &Effect,
        statement: Option<&Statement>,
    ) -> Result<Option<Loss>, Error> {
        match effect {
            Effect::DropTable { table, cascade } => {
                self.dropped("pg_class", &self.tables(table), *cascade).await.map(Some)
            }
            Effect::DropColumn { table, column, cascade } => {
                self.dropped_column(table, column, *cascade).await.map(Some)
            }
            Effect::DropSchema { schema, cascade } => {
                self.dropped_schema(schema, *cascade).await.map(Some)
            }
            Effect::DropExtension { name, cascade } => {
                let oids = self.oids("SELECT oid FROM pg_extension WHERE extname = $1", name);
                self.dropped("pg_extension", &oids.await?, *cascade).await.map(Some)
            }
            Effect::DropType { name, cascade, .. } => {
                self.dropped("pg_type", &self.types(name).await?, *cascade).await.map(Some)
            }
            Effect::Truncate { table, only, cascade } => {
                self.truncated(table, *only, *cascade).await.map(Some)
            }
            Effect::Delete { table, reach } => {
                self.deleted(table, reach, statement).await.map(Some)
            }
            Effect::Merge { table, deletes } => self.merged(table, *deletes).await.map(Some),
            Effect::Upsert { table, columns } => self.overwritten(table, columns).await.map(Some),
            Effect::DropOwned { roles, cascade } => self.disowned(roles, *cascade).await.map(Some),
            Effect::UnlinkLargeObject { .. } => self.unlinked().await.map(Some),
            Effect::Update { table, columns, reach } => {
                self.updated(table, columns, reach, statement).await.map(Some)
            }
            Effect::ChangeType { table, column, to, using } => {
                let change = retype::Change { table, column, to, using: using.as_deref() };
                self.retyped(&change).await.map(Some)
            }
            Effect::DetachPartition { partition, .. } => {
                let rows = self.rows_of(&self.tables(partition)).await;
                Ok(Some(Loss { rows, ..Loss::default() }))
            }
            _ => Ok(None),
        }
    }

    /// The schema of the one table that a bare name means here.
    pub fn schema_of(&self, table: &str) -> Option<String> {
        match self.tables(&QualifiedName::bare(table)).as_slice() {
            [oid] => self.names.table_name(*oid)?.schema.clone(),
            _ => None,
        }
    }

    /// The types that the column has in the tables of that name; empty where nobody knows, because
    /// something before it in the batch could not be followed.
    pub fn column_types(&self, table: &QualifiedName, column: &str) -> Vec<&str> {
        if self.names.doubt().is_some() {
            return Vec::new();
        }
        let of = |oid| {
            let attnum = self.attnum(oid, column)?;
            let columns = &self.listed(oid)?.table.columns;
            columns.iter().find(|c| c.attnum == attnum).map(|column| &*column.type_name)
        };
        self.tables(table).into_iter().filter_map(of).collect()
    }

    fn tables(&self, name: &QualifiedName) -> Vec<u32> {
        self.names.tables(name)
    }

    fn listed(&self, oid: u32) -> Option<&Listed> {
        self.listed.iter().find(|listed| listed.table.oid == oid)
    }

    fn attnum(&self, table: u32, column: &str) -> Option<i16> {
        self.names.attnum(table, column)
    }

    async fn oids(&self, sql: &str, name: &str) -> Result<Vec<u32>, Error> {
        let rows = self.client.query(sql, &[&name]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn types(&self, name: &QualifiedName) -> Result<Vec<u32>, Error> {
        let name = self.names.type_name(name);
        let sql = "
            SELECT t.oid, n.nspname::text
              FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE t.typname = $1 AND ($2::text IS NULL OR n.nspname = $2)";
        let rows = self.client.query(sql, &[&name.name, &name.schema]).await?;
        let found: Vec<(u32, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let first = self
            .names
            .search_path()
            .iter()
            .find_map(|schema| found.iter().find(|(_, held)| held == schema));
        Ok(match first {
            Some((oid, _)) if name.schema.is_none() => vec![*oid],
            _ => found.into_iter().map(|(oid, _)| oid).collect(),
        })
    }

    /// What goes along with these objects of a catalogue.
    pub async fn dropped(
        &self,
        class: &'static str,
        oids: &[u32],
        cascade: bool,
    ) -> Result<Loss, Error> {
        let mut loss = Loss::default();
        for oid in oids {
            let root = Root { class, oid: *oid, sub: 0 };
            let found = dependents::of(self.client, root, cascade).await?;
            let named = if class == "pg_class" { Some(*oid) } else { None };
            self.add_dependents(&mut loss, &found, named).await;
        }
        Ok(loss)
    }

    /// A schema as it is at this point of the batch: tables may have been moved in or out of it.
    async fn dropped_schema(&self, schema: &str, cascade: bool) -> Result<Loss, Error> {
        let oids = self.oids("SELECT oid FROM pg_namespace WHERE nspname = $1", schema).await?;
        let (moved_in, moved_out) = self.names.moved(schema);
        let mut all = Dependents::default();
        for oid in oids {
            let root = Root { class: "pg_namespace", oid, sub: 0 };
            all.absorb(dependents::of(self.client, root, cascade).await?);
        }
        all.tables.retain(|oid| !moved_out.contains(oid));
        for oid in moved_in.into_iter().filter(|_| cascade) {
            let root = Root { class: "pg_class", oid, sub: 0 };
            all.absorb(dependents::of(self.client, root, cascade).await?);
        }
        let mut loss = Loss::default();
        self.add_dependents(&mut loss, &all, None).await;
        Ok(loss)
    }

    async fn dropped_column(
        &self,
        table: &QualifiedName,
        column: &str,
        cascade: bool,
    ) -> Result<Loss, Error> {
        let mut loss = Loss::default();
        for oid in self.tables(table) {
            let Some(attnum) = self.attnum(oid, column) else { continue };
            let root = Root { class: "pg_class", oid, sub: i32::from(attnum) };
            let found = dependents::of(self.client, root, cascade).await?;
            self.add_dependents(&mut loss, &found, Some(oid)).await;
        }
        Ok(loss)
    }

    /// Adds what a walk found; `named` is the table that the statement itself names, which needs
    /// no mention among what goes along.
    async fn add_dependents(&self, loss: &mut Loss, found: &Dependents, named: Option<u32>) {
        for oid in &found.tables {
            let rows = self.rows(*oid).await;
            if named != Some(*oid) {
                loss.through.push(format!("table {} ({})", self.name(*oid), rows.said("row")));
            }
            loss.rows = sum(&loss.rows, &rows);
            loss.tables.push(TableLoss { table: *oid, fate: TableFate::Dropped { limit: None } });
        }
        for (oid, attnums) in &found.columns {
            self.count_all(*oid, attnums).await;
            for attnum in attnums {
                let values = self.values(*oid, *attnum).await;
                let is_named = named == Some(*oid) && attnums.len() == 1;
                if !is_named {
                    let column = self.column_name(*oid, *attnum);
                    let name = self.name(*oid);
                    loss.through.push(format!("column {name}.{column} ({})", values.said("value")));
                }
                loss.values = sum(&loss.values, &values);
            }
            let fate = TableFate::Columns(attnums.clone());
            loss.tables.push(TableLoss { table: *oid, fate });
        }
        loss.through.extend(found.others.iter().cloned());
    }

    async fn truncated(
        &self,
        table: &QualifiedName,
        only: bool,
        cascade: bool,
    ) -> Result<Loss, Error> {
        let named = self.tables(table);
        let mut loss = Loss::default();
        // What refers to them goes without what inherits from it; its partitions refer themselves.
        let reached = self.closure(&named, !only, None).await?;
        let actions: Option<&[&str]> = cascade.then_some(&["a", "r", "c", "n", "d"]);
        for oid in self.closure(&reached, false, actions).await? {
            let rows = self.rows(oid).await;
            if !named.contains(&oid) {
                loss.through.push(format!("table {} ({})", self.name(oid), rows.said("row")));
            }
            loss.rows = sum(&loss.rows, &rows);
            loss.tables.push(TableLoss { table: oid, fate: TableFate::Rows { limit: None } });
        }
        Ok(loss)
    }

    /// A MERGE that deletes: any of the rows, and needs agreement.
    async fn merged(&self, table: &QualifiedName, deletes: bool) -> Result<Loss, Error> {
        let mut loss = Loss::default();
        if deletes {
            let all = Reach::All { why: String::new() };
            let bounded = self.bounded(table, &all).await?;
            loss = Loss { rows: at_most(&bounded.rows), ..bounded };
        }
        for oid in self.closure(&self.tables(table), true, None).await? {
            // Which columns its UPDATE sets is not read: any value may go.
            let fate = TableFate::Values { columns: BTreeSet::new(), limit: None };
            loss.tables.push(TableLoss { table: oid, fate });
        }
        if !deletes && self.rows_of(&self.tables(table)).await != Count::Exact(0) {
            loss.values = Count::Unknown("which values a MERGE sets is not read".to_owned());
        }
        Ok(loss)
    }

    /// What the roles own in this database.
    async fn disowned(&self, roles: &[String], cascade: bool) -> Result<Loss, Error> {
        let sql = "
            SELECT d.classid::regclass::text, d.objid
              FROM pg_shdepend d
              JOIN pg_database b ON b.oid = d.dbid AND b.datname = current_database()
              JOIN pg_roles r ON r.oid = d.refobjid
             WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
               AND r.rolname = ANY (CASE WHEN $1::text[] && '{current_user,current_role,session_user}'
                                         THEN $1::text[] || current_user::text ELSE $1::text[] END)";
        let mut all = Dependents::default();
        for row in self.client.query(sql, &[&roles]).await? {
            let class: String = row.get(0);
            let classes = ["pg_class", "pg_type", "pg_namespace", "pg_extension"];
            let Some(class) = classes.into_iter().find(|known| *known == class) else { continue };
            let root = Root { class, oid: row.get(1), sub: 0 };
            all.absorb(dependents::of(self.client, root, cascade).await?);
        }
        let mut loss = Loss::default();
        self.add_dependents(&mut loss, &all, None).await;
        Ok(loss)
    }

    /// Large objects are named by number only when the statement runs: any of them.
    async fn unlinked(&self) -> Result<Loss, Error> {
        let row =
            self.client.query_one("SELECT count(*) FROM pg_largeobject_metadata", &[]).await?;
        let rows = Count::Exact(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default());
        let fate = TableFate::Rows { limit: None };
        let tables = vec![TableLoss { table: LARGE_OBJECTS, fate }];
        Ok(Loss { rows: at_most(&rows), tables, ..Loss::default() })
    }

    /// The tables themselves, their partitions and inheritance children (`children`), and what
    /// refers to them by foreign keys with one of these `ON DELETE` actions (`confdeltype`).
    async fn closure(
        &self,
        tables: &[u32],
        children: bool,
        actions: Option<&[&str]>,
    ) -> Result<Vec<u32>, Error> {
        let sql = "
            WITH RECURSIVE reached(oid) AS (
                SELECT unnest($1::oid[])
                UNION
                SELECT next.oid FROM reached r CROSS JOIN LATERAL (
                    SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = r.oid AND $2
                    UNION ALL
                    SELECT conrelid FROM pg_constraint
                     WHERE contype = 'f' AND confrelid = r.oid AND confdeltype::text = ANY ($3)
                ) next
            )
            SELECT oid FROM reached";
        let actions = actions.unwrap_or_default();
        let rows = self.client.query(sql, &[&tables, &children, &actions]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn name(&self, oid: u32) -> String {
        self.listed(oid).map_or_else(|| format!("oid {oid}"), |found| found.table.name.short())
    }

    fn column_name(&self, oid: u32, attnum: i16) -> String {
        let columns = self.listed(oid).map(|found| found.table.columns.as_slice());
        let column = columns.unwrap_or_default().iter().find(|column| column.attnum == attnum);
        column.map_or_else(|| format!("{attnum}"), |column| column.name.clone())
    }
}

/// Whether nothing was found that it touches.
fn is_empty(loss: &Loss) -> bool {
    let is_zero = loss.rows == Count::Exact(0) && loss.values == Count::Exact(0);
    is_zero && loss.through.is_empty() && loss.tables.is_empty()
}

/// The schemas that a session of this role and database looks in by default.
async fn search_path(client: &Client) -> Result<Vec<String>, Error> {
    let sql = "SELECT reset_val, current_user::text FROM pg_settings WHERE name = 'search_path'";
    let row = client.query_one(sql, &[]).await?;
    let (value, role): (String, String) = (row.get(0), row.get(1));
    let schemas = value.split(',').map(|part| part.trim().trim_matches('"'));
    Ok(schemas.map(|part| if part == "$user" { role.clone() } else { part.to_owned() }).collect())
}

fn sum(left: &Count, right: &Count) -> Count {
    match (left, right) {
        (Count::Unknown(why), _) | (_, Count::Unknown(why)) => Count::Unknown(why.clone()),
        (Count::Exact(a), Count::Exact(b)) => Count::Exact(a + b),
        (Count::About(a), other) | (other, Count::About(a)) => {
            Count::About(a + other.number().unwrap_or_default())
        }
        (Count::Exact(a) | Count::AtMost(a), Count::Exact(b) | Count::AtMost(b)) => {
            Count::AtMost(a + b)
        }
    }
}

fn at_most(count: &Count) -> Count {
    match count {
        Count::Exact(number) if *number > 0 => Count::AtMost(*number),
        other => other.clone(),
    }
}
