//! What is there at one moment, in plain SQL: every row as text, and every object as a line.
//!
//! Written without a look at how rowsafe reads a catalogue.

use std::collections::{BTreeMap, BTreeSet};

use rowsafe::text::name::quote;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The values of a row, in the order of its table's columns.
pub type Values = Vec<Option<String>>;

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub is_generated: bool,
    pub is_needed: bool,
    /// It makes its own values when none is given.
    pub fills_itself: bool,
}

/// Columns that refer to those of another table.
#[derive(Debug, Clone)]
pub struct Reference {
    pub columns: Vec<String>,
    pub table: String,
    pub other: Vec<String>,
}

/// A table with its rows, those of its partitions among them.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// Its relations by their oids: itself, or its partitions.
    leaves: Vec<String>,
    /// Its partitions, as they are written in SQL.
    pub partitions: Vec<String>,
    pub columns: Vec<Column>,
    pub key: Vec<String>,
    /// Column lists of which no two rows have the same values.
    pub uniques: Vec<Vec<String>>,
    pub references: Vec<Reference>,
    pub rows: Vec<Values>,
}

impl Table {
    /// Its name in SQL.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// Where a column stands.
    pub fn at(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// The values of these columns, where the table has all of them.
    pub fn values<'a>(&self, row: &'a Values, columns: &[String]) -> Option<Vec<Option<&'a str>>> {
        columns.iter().map(|column| Some(row[self.at(column)?].as_deref())).collect()
    }
}

/// Everything of some schemas.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Tables by their names in SQL; a partition is in its table.
    pub tables: BTreeMap<String, Table>,
    /// Tables, columns, constraints, indexes, triggers and all else, a line each.
    pub lines: BTreeSet<String>,
}

const TABLES: &str = "
    SELECT c.oid::text, n.nspname, c.relname, c.relkind = 'p',
           coalesce(pg_partition_root(c.oid)::oid, c.oid)::text
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) ORDER BY n.nspname, c.relname";
const COLUMNS: &str = "
    SELECT attrelid::text, attname, format_type(atttypid, atttypmod), attgenerated <> '', attnotnull,
           atthasdef OR attidentity <> ''
      FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped AND nspname = ANY ($1)
     ORDER BY attrelid, attnum";
const KEYS: &str = "
    SELECT i.indrelid::text, i.indisprimary,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (n, at)
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.at)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = relnamespace
     WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND nspname = ANY ($1)";
const REFERENCES: &str = "
    SELECT k.conrelid::text, k.confrelid::text, k.conname,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (n, at)
                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.at),
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (n, at)
                  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.at)
      FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND nspname = ANY ($1) ORDER BY k.conname";
/// One query of lines; `$1` are the schemas.
const LINES: &str = "
    WITH c AS (SELECT c.*, quote_ident(nspname) || '.' || quote_ident(relname) AS called
                 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ANY ($1))
    SELECT concat_ws(' ', 'relation', called, relkind, relpersistence, relrowsecurity,
                     relforcerowsecurity, reloptions, relreplident, relowner::regrole,
                     (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(relacl) a),
                     CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
                     CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END) FROM c
     WHERE relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT concat_ws(' ', 'column', called, attname, format_type(atttypid, atttypmod),
                     CASE WHEN attnotnull THEN 'NOT NULL' END, attidentity, attgenerated, attstorage,
                     (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(attacl) x),
                     pg_get_expr(adbin, adrelid), nullif(attcollation, 0)::regcollation)
      FROM c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE relkind NOT IN ('i', 'I', 'S')
    UNION ALL
    SELECT concat_ws(' ', 'constraint', called, conname, pg_get_constraintdef(k.oid))
      FROM c JOIN pg_constraint k ON conrelid = c.oid AND contype <> 'n'
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid)
      FROM c JOIN pg_index ON indrelid = c.oid
    UNION ALL
    SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), tgenabled)
      FROM c JOIN pg_trigger t ON tgrelid = c.oid AND NOT tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'policy', called, polname, polcmd, polpermissive, polroles,
                     pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
      FROM c JOIN pg_policy ON polrelid = c.oid
    UNION ALL
    SELECT concat_ws(' ', 'inherits', called, inhparent::regclass) FROM c JOIN pg_inherits ON inhrelid = c.oid
     WHERE relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT concat_ws(' ', 'view', called, pg_get_viewdef(oid)) FROM c WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT concat_ws(' ', 'comment', called, a.attname, description)
      FROM c JOIN pg_description d ON d.objoid = c.oid AND classoid = 'pg_class'::regclass
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
    UNION ALL
    SELECT concat_ws(' ', 'sequence', called, seqtypid::regtype, seqincrement, seqmin, seqmax, seqcycle,
                     refobjid::regclass, attname, d.deptype)
      FROM c JOIN pg_sequence ON seqrelid = c.oid
      LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    UNION ALL
    SELECT concat_ws(' ', 'type', nspname, typname, typtype,
                     (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
                     (SELECT string_agg(pg_get_constraintdef(k.oid), ',') FROM pg_constraint k WHERE contypid = t.oid))
      FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
     WHERE nspname = ANY ($1) AND typtype IN ('e', 'd')
    UNION ALL
    SELECT concat_ws(' ', 'function', nspname, proname, md5(prosrc))
      FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = ANY ($1)";

impl State {
    /// Reads everything of these schemas.
    pub async fn read(client: &Client, schemas: &[String]) -> Result<Self, Error> {
        let mut state = Self::default();
        let mut of_oid: BTreeMap<String, String> = BTreeMap::new();
        let listed = client.query(TABLES, &[&schemas]).await?;
        let mut roots = BTreeMap::new();
        for row in &listed {
            let (oid, root): (String, String) = (row.get(0), row.get(4));
            if oid == root {
                let table = Table { schema: row.get(1), name: row.get(2), ..Table::default() };
                roots.insert(oid.clone(), table.sql());
                of_oid.insert(oid, table.sql());
                state.tables.insert(table.sql(), table);
            }
        }
        for row in &listed {
            let (oid, root): (String, String) = (row.get(0), row.get(4));
            let table = state.tables.get_mut(&roots[&root]).expect("listed above");
            let own = format!("{}.{}", quote(row.get(1)), quote(row.get(2)));
            if !row.get::<_, bool>(3) {
                table.leaves.push(own.clone());
            }
            if oid != root {
                table.partitions.push(own);
            }
        }
        for row in client.query(COLUMNS, &[&schemas]).await? {
            let Some(table) = of_oid.get(row.get::<_, &str>(0)) else { continue };
            let column = Column {
                name: row.get(1),
                kind: row.get(2),
                is_generated: row.get(3),
                is_needed: row.get(4),
                fills_itself: row.get(5),
            };
            state.tables.get_mut(table).expect("listed").columns.push(column);
        }
        state.read_keys(client, schemas, &of_oid).await?;
        for row in client.query(LINES, &[&schemas]).await? {
            state.lines.insert(row.get(0));
        }
        state.read_rows(client).await?;
        Ok(state)
    }

    async fn read_keys(
        &mut self,
        client: &Client,
        schemas: &[String],
        of_oid: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        for row in client.query(KEYS, &[&schemas]).await? {
            let Some(table) = of_oid.get(row.get::<_, &str>(0)) else { continue };
            let table = self.tables.get_mut(table).expect("listed");
            if row.get(1) {
                table.key = row.get(2);
            }
            table.uniques.push(row.get(2));
        }
        for row in client.query(REFERENCES, &[&schemas]).await? {
            let own = of_oid.get(row.get::<_, &str>(0));
            let other = of_oid.get(row.get::<_, &str>(1));
            let (Some(own), Some(other)) = (own, other) else { continue };
            let reference =
                Reference { columns: row.get(3), table: other.clone(), other: row.get(4) };
            self.tables.get_mut(own).expect("listed").references.push(reference);
        }
        Ok(())
    }

    /// All rows in one go: a database of a case has many tables and few rows.
    async fn read_rows(&mut self, client: &Client) -> Result<(), Error> {
        let mut sql = String::new();
        let mut order = Vec::new();
        for (name, table) in &self.tables {
            let columns: Vec<String> =
                table.columns.iter().map(|column| quote(&column.name)).collect();
            for leaf in &table.leaves {
                sql += &format!("SELECT {} FROM ONLY {leaf};\n", columns.join(", "));
                order.push(name.clone());
            }
        }
        let mut at = 0;
        for message in client.simple_query(&sql).await? {
            match message {
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect();
                    self.tables.get_mut(&order[at]).expect("listed").rows.push(values);
                }
                SimpleQueryMessage::CommandComplete(_) => at += 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// The part of one schema.
    pub fn of(&self, schema: &str) -> Self {
        let tables = self.tables.iter().filter(|(_, table)| table.schema == schema);
        let begins = format!(" {schema}");
        let lines = self.lines.iter().filter(|line| line.contains(&begins));
        Self {
            tables: tables.map(|(name, table)| (name.clone(), table.clone())).collect(),
            lines: lines.cloned().collect(),
        }
    }
}
