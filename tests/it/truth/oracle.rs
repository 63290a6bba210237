//! What really happened: every row and every value before, looked for afterwards.
//!
//! Written without a look at how rowsafe compares: all rows are held as text, known by their table's
//! oid, their primary key and their columns' attnums, or by all they hold where there is no key.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rowsafe::text::name::quote;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

type Values = Vec<Option<String>>;

/// A column as the catalogue has it.
#[derive(Debug, Clone)]
pub struct Column {
    pub attnum: i16,
    pub name: String,
    kind: String,
    generated: bool,
}

/// A table, or a partitioned one with its partitions.
#[derive(Debug, Clone)]
pub struct Held {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// What holds its rows: itself, or its partitions.
    pub leaves: Vec<u32>,
    pub columns: Vec<Column>,
    key: Vec<i16>,
    is_partitioned: bool,
    rows: Vec<Values>,
}

/// Everything at one moment.
#[derive(Debug, Clone)]
pub struct Truth {
    pub tables: BTreeMap<u32, Held>,
    names: BTreeMap<u32, String>,
}

/// What is gone of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// The table is gone, and none holds its rows under its name.
    pub table: bool,
    /// Rows are known by a key, on both sides.
    pub keyed: bool,
    pub rows: u64,
    /// Columns that are gone, and how many values they held.
    pub columns: BTreeMap<i16, u64>,
    /// Values that went while their rows and columns stayed.
    pub values: BTreeMap<i16, u64>,
}

impl Gone {
    /// Whether a row or a value is gone.
    pub fn is_loss(&self) -> bool {
        self.rows > 0 || self.total_values() > 0
    }

    pub fn total_values(&self) -> u64 {
        self.columns.values().chain(self.values.values()).sum()
    }
}

const TABLES: &str = "
    SELECT c.oid, n.nspname, c.relname, c.relkind = 'p',
           coalesce(pg_partition_root(c.oid)::oid, c.oid)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)' ORDER BY c.oid";
const COLUMNS: &str = "
    SELECT attrelid, attnum, attname, format_type(atttypid, atttypmod), attgenerated <> ''
      FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
       AND nspname !~ '^(pg_|information_schema)' ORDER BY attrelid, attnum";
const KEYS: &str = "SELECT indrelid, unnest(indkey::int2[]) FROM pg_index WHERE indisprimary";

impl Truth {
    /// Reads everything.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let mut truth = Self::listed(client).await?;
        let oids: Vec<u32> = truth.tables.keys().copied().collect();
        for oid in oids {
            let held = truth.tables[&oid].clone();
            let columns: Vec<String> =
                held.columns.iter().map(|column| quote(&column.name)).collect();
            let mut rows = Vec::new();
            for leaf in &held.leaves {
                rows.extend(truth.rows(client, *leaf, &columns).await?);
            }
            truth.tables.get_mut(&oid).expect("listed").rows = rows;
        }
        Ok(truth)
    }

    async fn listed(client: &Client) -> Result<Self, Error> {
        let mut truth = Self { tables: BTreeMap::new(), names: BTreeMap::new() };
        let mut leaves: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for row in client.query(TABLES, &[]).await? {
            let (oid, root): (u32, u32) = (row.get(0), row.get(4));
            let (schema, name, is_partitioned): (String, String, bool) =
                (row.get(1), row.get(2), row.get(3));
            truth.names.insert(oid, format!("{}.{}", quote(&schema), quote(&name)));
            if !is_partitioned {
                leaves.entry(root).or_default().push(oid);
            }
            if oid == root {
                let (columns, key, rows) = Default::default();
                let held = Held {
                    oid,
                    schema,
                    name,
                    leaves: Vec::new(),
                    columns,
                    key,
                    is_partitioned,
                    rows,
                };
                truth.tables.insert(oid, held);
            }
        }
        for (root, leaves) in leaves {
            truth.tables.entry(root).and_modify(|held| held.leaves = leaves);
        }
        for row in client.query(COLUMNS, &[]).await? {
            let column = Column {
                attnum: row.get(1),
                name: row.get(2),
                kind: row.get(3),
                generated: row.get(4),
            };
            truth.tables.entry(row.get(0)).and_modify(|held| held.columns.push(column));
        }
        for row in client.query(KEYS, &[]).await? {
            truth.tables.entry(row.get(0)).and_modify(|held| held.key.push(row.get(1)));
        }
        Ok(truth)
    }

    async fn rows(
        &self,
        client: &Client,
        leaf: u32,
        columns: &[String],
    ) -> Result<Vec<Values>, Error> {
        let sql = format!("SELECT {} FROM ONLY {}", columns.join(", "), self.names[&leaf]);
        let rows = client.simple_query(&sql).await?;
        let values = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            }
            _ => None,
        };
        Ok(rows.into_iter().filter_map(values).collect())
    }

    /// Looks for everything of before in the database as it is now.
    pub async fn gone(&self, client: &Client) -> Result<BTreeMap<u32, Gone>, Error> {
        let now = Self::listed(client).await?;
        let mut all = BTreeMap::new();
        for held in self.tables.values() {
            let gone = of_table(held, &now, client).await?;
            if gone != (Gone { keyed: gone.keyed, ..Gone::default() }) {
                all.insert(held.oid, gone);
            }
        }
        Ok(all)
    }
}

async fn of_table(held: &Held, now: &Truth, client: &Client) -> Result<Gone, Error> {
    let same = now.tables.get(&held.oid);
    let namesake = || {
        now.tables.values().find(|other| (&other.schema, &other.name) == (&held.schema, &held.name))
    };
    let detached: Vec<u32> = held
        .leaves
        .iter()
        .copied()
        .filter(|leaf| held.is_partitioned && now.names.contains_key(leaf))
        .collect();
    let mut gone = Gone { keyed: !held.key.is_empty(), ..Gone::default() };
    let Some(table) = same.or_else(namesake) else {
        // Partitions that were detached outlive their table.
        let mut kept = 0;
        for leaf in &detached {
            kept += now.rows(client, *leaf, &["1".to_owned()]).await?.len();
        }
        gone.table = true;
        gone.rows = held.rows.len().saturating_sub(kept) as u64;
        return Ok(gone);
    };
    let sources: BTreeSet<u32> = table.leaves.iter().copied().chain(detached).collect();
    let mut shared = Vec::new();
    for (field, column) in held.columns.iter().enumerate() {
        let by_number =
            table.columns.iter().find(|other| same.is_some() && other.attnum == column.attnum);
        let by_name = || table.columns.iter().find(|other| other.name == column.name);
        if let Some(other) = by_number.or_else(by_name) {
            shared.push((field, other));
        } else {
            let values = held.rows.iter().filter(|row| row[field].is_some()).count();
            gone.columns.insert(column.attnum, values as u64);
        }
    }
    let rows = rows_now(held, &shared, &sources, now, client).await?;
    let fields: Vec<usize> = shared.iter().map(|(field, _)| *field).collect();
    let key: Option<Vec<usize>> = held
        .key
        .iter()
        .map(|attnum| fields.iter().position(|field| held.columns[*field].attnum == *attnum))
        .collect();
    match key.filter(|key| !key.is_empty()) {
        Some(key) => by_key(held, &fields, &key, &rows, &mut gone),
        None => by_all(held, &fields, &rows, &mut gone),
    }
    // Another column under the name of one that went is one that went, unless all values are there.
    let attnums: BTreeSet<i16> = table.columns.iter().map(|column| column.attnum).collect();
    for column in
        held.columns.iter().filter(|column| same.is_some() && !attnums.contains(&column.attnum))
    {
        if let Some(values) = gone.values.remove(&column.attnum) {
            gone.columns.insert(column.attnum, values);
        }
    }
    if same.is_none() && gone.rows > 0 && gone.rows == held.rows.len() as u64 {
        gone = Gone { table: true, rows: gone.rows, keyed: gone.keyed, ..Gone::default() };
    }
    Ok(gone)
}

/// The rows of now in the columns that both have; values of another type as the type of before has
/// them, where they fit.
async fn rows_now(
    held: &Held,
    shared: &[(usize, &Column)],
    sources: &BTreeSet<u32>,
    now: &Truth,
    client: &Client,
) -> Result<Vec<Values>, Error> {
    let plain = |(_, other): &(usize, &Column)| quote(&other.name);
    let cast = |both: &(usize, &Column)| {
        let kind = &held.columns[both.0].kind;
        if *kind == both.1.kind { plain(both) } else { format!("({})::{kind}", plain(both)) }
    };
    let mut rows = Vec::new();
    let cast: Vec<String> = shared.iter().map(cast).collect();
    for source in sources {
        if let Ok(found) = now.rows(client, *source, &cast).await {
            rows.extend(found);
            continue;
        }
        let plain: Vec<String> = shared.iter().map(plain).collect();
        rows.clear();
        for source in sources {
            rows.extend(now.rows(client, *source, &plain).await?);
        }
        break;
    }
    Ok(rows)
}

fn by_key(held: &Held, fields: &[usize], key: &[usize], rows: &[Values], gone: &mut Gone) {
    let found: HashMap<Vec<&str>, &Values> = rows
        .iter()
        .filter_map(|row| {
            Some((key.iter().map(|at| row[*at].as_deref()).collect::<Option<_>>()?, row))
        })
        .collect();
    for before in &held.rows {
        let known: Option<Vec<&str>> =
            key.iter().map(|at| before[fields[*at]].as_deref()).collect();
        let Some(now) = known.and_then(|known| found.get(&known)) else {
            gone.rows += 1;
            continue;
        };
        for (at, field) in fields.iter().enumerate() {
            let column = &held.columns[*field];
            if before[*field].is_some() && before[*field] != now[at] && !column.generated {
                *gone.values.entry(column.attnum).or_default() += 1;
            }
        }
    }
}

/// Without a key: rows that have no counterpart are gone, or changed where others came.
fn by_all(held: &Held, fields: &[usize], rows: &[Values], gone: &mut Gone) {
    gone.keyed = false;
    let fields: Vec<(usize, usize)> = fields
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, field)| !held.columns[*field].generated)
        .collect();
    let mut found: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    for row in rows {
        *found.entry(fields.iter().map(|(at, _)| row[*at].as_deref()).collect()).or_default() += 1;
    }
    let mut missing = Vec::new();
    for row in &held.rows {
        match found
            .get_mut(&fields.iter().map(|(_, field)| row[*field].as_deref()).collect::<Vec<_>>())
        {
            Some(left) if *left > 0 => *left -= 1,
            _ => missing.push(row),
        }
    }
    let new: usize = found.values().sum();
    gone.rows = missing.len().saturating_sub(new) as u64;
    let changed = missing.len().min(new);
    if changed == 0 {
        return;
    }
    // Which columns changed: those whose values are not all there any more.
    for (at, field) in &fields {
        let column = &held.columns[*field];
        let mut left: HashMap<&str, usize> = HashMap::new();
        for value in rows.iter().filter_map(|row| row[*at].as_deref()) {
            *left.entry(value).or_default() += 1;
        }
        let mut lost = 0;
        for value in held.rows.iter().filter_map(|row| row[*field].as_deref()) {
            match left.get_mut(value) {
                Some(count) if *count > 0 => *count -= 1,
                _ => lost += 1,
            }
        }
        // The rows that are gone took as many along.
        let lost = u64::saturating_sub(lost, gone.rows);
        if lost > 0 {
            gone.values.insert(column.attnum, lost);
        }
    }
    let is_shown = gone.values.values().sum::<u64>() > 0;
    // Values that changed places, and NULLs that were filled: only the former are a loss, and which
    // of both it was can't be told by columns.
    if !is_shown && gone.rows == 0 && !is_only_filled(&missing, &fields, rows) {
        let attnum = held.columns[fields[0].1].attnum;
        gone.values.insert(attnum, changed as u64);
    }
}

/// Whether every missing row is there with no more than its NULLs filled.
fn is_only_filled(missing: &[&Values], fields: &[(usize, usize)], rows: &[Values]) -> bool {
    let mut used = vec![false; rows.len()];
    missing.iter().all(|before| {
        let fits = |row: &Values| {
            fields.iter().all(|(at, field)| before[*field].is_none() || before[*field] == row[*at])
        };
        let found = (0..rows.len()).find(|at| !used[*at] && fits(&rows[*at]));
        if let Some(at) = found {
            used[at] = true;
        }
        found.is_some()
    })
}
