//! A database to play worlds on: make them, keep a snapshot, lose, write, restore, look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use rowsafe::text::name::quote;

use tokio_postgres::{Client, Config, NoTls};

use super::judged::{Trip, Verdict, differing};
use super::state::State;
use super::{damage, newer, world};
use crate::harness::{Database, Outcome, Rowsafe, Sandbox};
use crate::truth::dice::Dice;

/// Whether all of it has to come back; otherwise only that nothing is harmed.
const EVERYTHING: bool = true;

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Tally {
    cases: usize,
    refused: usize,
    rows: usize,
    rows_back: usize,
    values_back: usize,
    newer: usize,
    kept_newer: usize,
    /// Why something could not be put back, and how often that was said.
    reasons: BTreeMap<String, usize>,
    pub wrong: Vec<u64>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.refused += other.refused;
        self.rows += other.rows;
        self.rows_back += other.rows_back;
        self.values_back += other.values_back;
        self.newer += other.newer;
        self.kept_newer += other.kept_newer;
        for (why, count) in other.reasons {
            *self.reasons.entry(why).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "| cases | refused | rows | rows back | values back | newer rows and values | not back beside newer ones | wrong |"
        )?;
        writeln!(formatter, "|---|---|---|---|---|---|---|---|")?;
        write!(
            formatter,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.cases,
            self.refused,
            self.rows,
            self.rows_back,
            self.values_back,
            self.newer,
            self.kept_newer,
            self.wrong.len()
        )?;
        self.reasons.iter().try_for_each(|(why, count)| write!(formatter, "\n{count}: {why}"))
    }
}

/// One case on its way.
struct World {
    seed: u64,
    schema: String,
    dice: Dice,
    made: String,
    damage: Vec<String>,
    newer: Vec<String>,
}

impl World {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let schema = format!("w{}", seed % super::TOGETHER);
        let made = world::made(&schema, &mut dice);
        Self { seed, schema, dice, made, damage: Vec::new(), newer: Vec::new() }
    }

    /// All of it, as it can be played by hand.
    fn sql(&self) -> String {
        format!(
            "{}-- rowsafe run, with this as the command:\n{};\n-- written afterwards:\n{};\n-- rowsafe restore latest\n",
            self.made,
            self.damage.join(";\n"),
            self.newer.join(";\n")
        )
    }
}

/// The states of a database with several worlds.
struct Played {
    before: State,
    now: State,
    after: State,
    /// Sequences whose next value a row has, with their schemas.
    spent: Vec<(String, String)>,
    restored: Outcome,
}

pub struct Ground {
    database: Database,
    runtime: tokio::runtime::Runtime,
}

impl Ground {
    pub fn new(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { database: Database::new(name), runtime }
    }

    /// Plays these cases together; those that are wrong, and all when the restore itself is, alone.
    pub fn play(&self, seeds: &[u64], tally: &mut Tally) {
        let mut worlds: Vec<World> = seeds.iter().copied().map(World::of).collect();
        let played = self.runtime.block_on(self.trip(&mut worlds));
        let is_alone = seeds.len() == 1;
        let mut wrong = Vec::new();
        for world in &worlds {
            let faults = played.faults(world, tally);
            if !faults.is_empty() {
                wrong.push((world, faults));
            }
        }
        tally.cases += seeds.len();
        if wrong.is_empty() {
            return;
        }
        if is_alone {
            let (world, faults) = &wrong[0];
            let said = &played.restored.stderr;
            eprintln!(
                "ROWSAFE_ROUNDTRIP_SEED={}\n  {}\n{said}\n{}",
                world.seed,
                faults.join("\n  "),
                world.sql()
            );
            tally.wrong.push(world.seed);
            return;
        }
        let known = tally.wrong.len();
        let mut alone = Tally::default();
        for (world, _) in &wrong {
            self.play(&[world.seed], &mut alone);
        }
        tally.wrong.extend(alone.wrong);
        if tally.wrong.len() == known {
            eprintln!("wrong only together: {seeds:?}\n{}", played.restored.stderr);
            tally.wrong.extend(seeds);
        }
    }

    async fn trip(&self, worlds: &mut [World]) -> Played {
        let client = self.session().await;
        let schemas: Vec<String> = worlds.iter().map(|world| world.schema.clone()).collect();
        let gone: Vec<String> = (0..super::TOGETHER)
            .map(|at| format!("DROP SCHEMA IF EXISTS w{at} CASCADE;"))
            .collect();
        client.batch_execute(&gone.concat()).await.unwrap();
        for world in worlds.iter() {
            let made = client.batch_execute(&world.made).await;
            made.unwrap_or_else(|error| panic!("seed {}: {error:?}\n{}", world.seed, world.made));
        }
        let read = || State::read(&client, &schemas);
        let before = read().await.unwrap();
        for world in worlds.iter_mut() {
            world.damage = damage::drawn(&world.schema, &before.of(&world.schema), &mut world.dice);
        }
        let sandbox = Sandbox::new();
        let sql: Vec<String> = worlds
            .iter()
            .flat_map(|world| &world.damage)
            .map(|line| format!("{line};\n"))
            .collect();
        sandbox.write("damage.sql", &sql.concat());
        let lost = self.rowsafe(&sandbox, "run");
        let lost =
            lost.args(["--snapshot", "all", "--compare", "counts", "--allow", "opaque *: a test"]);
        let psql = "psql -qX -f damage.sql \"$DB\"";
        let lost = lost.args(["--", "sh", "-c", psql]).run();
        assert!(lost.stderr.contains("read back and counted"), "{lost}");
        let damaged = read().await.unwrap();
        for world in worlds.iter_mut() {
            let (before, now) = (before.of(&world.schema), damaged.of(&world.schema));
            world.newer = newer::drawn(&before, &now, &mut world.dice);
            for statement in &world.newer {
                // Some can't be, for a reference or a key.
                let _ = client.batch_execute(statement).await;
            }
        }
        let now = read().await.unwrap();
        let restored = self.rowsafe(&sandbox, "restore");
        let restored = restored.args(["latest", "--confirm", &self.database.name]);
        let restored = restored.with_report().run();
        let after = read().await.unwrap();
        let spent = spent(&client, &schemas).await.unwrap();
        Played { before, now, after, spent, restored }
    }

    fn rowsafe<'a>(&self, sandbox: &'a Sandbox, command: &str) -> Rowsafe<'a> {
        Rowsafe::new(sandbox)
            .arg(command)
            .env("ROWSAFE_DATABASE", self.database.url())
            .env("DB", self.database.socket_url())
    }

    async fn session(&self) -> Client {
        let config: Config = self.database.socket_url().parse().expect("a URL");
        let (client, connection) = config.connect(NoTls).await.expect("a session");
        tokio::spawn(connection);
        client
    }
}

/// Sequences that would give a value that a row of their column has or that is below one.
async fn spent(
    client: &Client,
    schemas: &[String],
) -> Result<Vec<(String, String)>, tokio_postgres::Error> {
    let owned = "
        SELECT n.nspname, quote_literal(s.oid::regclass), d.refobjid::regclass::text, quote_ident(attname)
          FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
          JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE s.relkind = 'S' AND n.nspname = ANY ($1)";
    let mut found = Vec::new();
    for row in client.query(owned, &[&schemas]).await? {
        let (schema, sequence): (String, String) = (row.get(0), row.get(1));
        let (table, column): (&str, &str) = (row.get(2), row.get(3));
        let taken = format!("SELECT nextval({sequence}) <= max({column}) FROM {table}");
        if client.query_one(&taken, &[]).await?.get::<_, Option<bool>>(0) == Some(true) {
            found.push((schema, sequence));
        }
    }
    Ok(found)
}

/// A reason as it can be counted: without numbers and names.
fn without_names(why: &str) -> String {
    static NAMES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"`[^`]*`|\bw\d\.("[^"]*"|\S+)|"[^"]*"|\d+"#).unwrap());
    NAMES.replace_all(why, "…").into_owned()
}

impl Played {
    /// What is wrong with one world.
    fn faults(&self, world: &World, tally: &mut Tally) -> Vec<String> {
        let of = |state: &State| state.of(&world.schema);
        let (before, now, after) = (of(&self.before), of(&self.now), of(&self.after));
        let code = self.restored.code;
        let told = self.told();
        let mut faults = Vec::new();
        if !matches!(code, Some(0 | 5)) {
            tally.refused += 1;
            faults = differing(&now, &after);
        }
        if EVERYTHING && !matches!(code, Some(0 | 1 | 5)) {
            faults.push(format!("it ended with exit code {code:?}"));
        }
        if EVERYTHING
            && code == Some(0)
            && told.iter().any(|(name, _)| before.tables.contains_key(name))
        {
            faults.push("exit code 0, and something can't be put back".to_owned());
        }
        for (_, why) in told.iter().filter(|(name, _)| before.tables.contains_key(name)) {
            *tally.reasons.entry(without_names(why)).or_default() += 1;
        }
        let told = told.into_iter().map(|(name, _)| name).collect();
        let trip = Trip { before: &before, now: &now, after: &after, told: &told };
        let Verdict { harm, missing, rows_back, values_back, newer, kept_newer } = trip.judge();
        tally.rows += before.tables.values().map(|table| table.rows.len()).sum::<usize>();
        tally.rows_back += rows_back;
        tally.values_back += values_back;
        tally.newer += newer;
        tally.kept_newer += kept_newer;
        let spent = self.spent.iter().filter(|(schema, _)| *schema == world.schema);
        let spent = spent.map(|(_, sequence)| format!("{sequence} gives values that are taken"));
        let missing: Vec<String> = missing.into_iter().chain(spent).collect();
        faults.extend(harm);
        if EVERYTHING {
            faults.extend(missing);
        }
        faults
    }

    /// What can't be put back, as the report says it: tables in SQL, and why.
    fn told(&self) -> Vec<(String, String)> {
        let report = self.restored.report.as_ref();
        let tables = report.and_then(|report| report["restore"]["tables"].as_array());
        let mut told = Vec::new();
        for table in tables.into_iter().flatten() {
            let part = |key: &str| quote(table[key].as_str().unwrap_or_default());
            for cannot in table["cannot"].as_array().into_iter().flatten() {
                let why = cannot["why"].as_str().unwrap_or_default().to_owned();
                told.push((format!("{}.{}", part("schema"), part("name")), why));
            }
        }
        told
    }
}
