//! One case from its seed: schema, rows, plan, migration, what really happened, what rowsafe saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rowsafe::compare::{self, Images, Look, Sides};
use rowsafe::db::connect::{SessionOptions, connect};
use rowsafe::db::libpq;
use rowsafe::db::postgres::inventory::{Counting, Held};
use rowsafe::db::postgres::watch::Seen;
use rowsafe::db::target::Target;
use rowsafe::environment::Environment;
use rowsafe::inventory::Inventory;
use rowsafe::pending::Pending;
use rowsafe::plan::{self, Plan};
use rowsafe::policy::Compare;
use rowsafe::script::{Origin, Script};
use rowsafe::snapshot::tools::Tools;
use rowsafe::values::BUDGET;
use rowsafe::verdict::{self, Comparison};
use tokio_postgres::{Client, Config, NoTls};

use super::dice::Dice;
use super::migration::{self, Migration};
use super::oracle::{Gone, Truth};
use super::{rows, schema};

/// Statistics told at once; up to PostgreSQL 14, which can't, nothing is believed of them.
const FLUSH: &str = "DO $$ BEGIN
    IF to_regproc('pg_stat_force_next_flush') IS NOT NULL THEN
        PERFORM pg_stat_force_next_flush();
    END IF;
END $$";

/// A database to try cases on, and the sessions that stay.
pub struct Ground {
    target: Target,
    url: String,
    /// Makes schemas and rows, and looks at them.
    owner: Client,
    watcher: Client,
}

/// What a case is made of.
pub struct Case {
    pub seed: String,
    pub migration: Migration,
}

/// What came of it.
pub struct Outcome {
    pub case: Case,
    pub plan: Plan,
    /// Why the migration failed, where it did.
    pub failed: Option<String>,
    pub truth: Truth,
    pub gone: BTreeMap<u32, Gone>,
    pub before: Inventory,
    pub comparison: Comparison,
    /// Tables that could not be compared.
    pub left_out: Vec<String>,
}

impl Case {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let (mut model, mut sql) = schema::made(&mut dice);
        sql += &rows::filled(&model, &mut dice);
        sql += &rows::reactions(&mut model, &mut dice);
        let migration = migration::drawn(&mut model, &mut dice);
        Self { seed: sql, migration }
    }
}

fn counting() -> Counting {
    let patience = Duration::from_secs(30);
    Counting { connections: 1, lock_timeout: patience, statement_timeout: patience }
}

/// A session as a migration tool has one.
async fn session(url: &str, name: &str) -> Client {
    let mut config: Config = url.parse().expect("a URL");
    let (client, connection) =
        config.application_name(name).connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

impl Ground {
    pub async fn open(url: &str) -> Self {
        let environment = Environment::new([], "/");
        let target = libpq::resolve(Some(url), "the test", &environment).expect("a URL").target;
        let owner = session(url, "owner").await;
        let watcher =
            connect(&target, "rowsafe run", &SessionOptions::default()).await.expect("a session");
        Self { target, url: url.to_owned(), owner, watcher }
    }

    /// Plays one case; `Err` says what of it could not be played.
    pub async fn play(&self, case: Case) -> Result<Outcome, String> {
        let told = |what: &'static str| move |error| format!("{what}: {error:?}");
        self.owner.batch_execute(&case.seed).await.map_err(told("seed"))?;
        // So that what was seeded is counted before the first look.
        self.owner.batch_execute(FLUSH).await.map_err(told("flush"))?;
        let script = Script::known(Origin::default(), case.migration.sql.clone());
        let pending = Pending { scripts: vec![script], ..Pending::default() };
        let refused = |error: rowsafe::hint::Refusal| format!("rowsafe refuses: {error}");
        let plan = plan::make(&self.watcher, &pending, &[]).await.map_err(refused)?;
        let look = Look::take(&self.watcher).await.map_err(told("look"))?;
        let held = Held::hold(&self.target, &counting()).await.map_err(refused)?;
        let before = held.count(&self.target, &counting(), |_, _| {}).await.map_err(refused)?;
        let wanted: BTreeSet<u32> = before.tables.iter().map(|table| table.oid).collect();
        let images =
            compare::images(&held, &before, &look, &wanted, BUDGET).await.map_err(refused)?;
        held.release().await.map_err(refused)?;
        let truth = Truth::read(&self.owner).await.map_err(told("truth"))?;
        let failed = self.migrate(&case.migration.sql).await?;
        let (comparison, left_out) = self.compared(&look, &before, &images, &plan).await?;
        let gone = truth.gone(&self.owner).await.map_err(told("what is gone"))?;
        Ok(Outcome { case, plan, failed, truth, gone, before, comparison, left_out })
    }

    /// All of it in one transaction, by a session that then leaves; why it failed, where it did.
    async fn migrate(&self, sql: &str) -> Result<Option<String>, String> {
        let session = session(&self.url, "migration").await;
        let done = session.batch_execute(&format!("BEGIN; {sql} COMMIT")).await;
        drop(session);
        let left = "SELECT count(*) FROM pg_stat_activity
                     WHERE application_name = 'migration' AND datname = current_database()";
        loop {
            let row = self.watcher.query_one(left, &[]).await.map_err(|error| error.to_string())?;
            if row.get::<_, i64>(0) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(done.err().map(|error| {
            error
                .as_db_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned())
        }))
    }

    async fn compared(
        &self,
        look: &Look,
        before: &Inventory,
        images: &Images,
        plan: &Plan,
    ) -> Result<(Comparison, Vec<String>), String> {
        let refused = |error: rowsafe::hint::Refusal| format!("comparing: {error}");
        let touched = look.tally.since(&self.watcher, &Seen::default()).await;
        let touched = touched.map_err(|error| error.to_string())?;
        let held = Held::hold(&self.target, &counting()).await.map_err(refused)?;
        let after = held.count(&self.target, &counting(), |_, _| {}).await.map_err(refused)?;
        let sides = Sides {
            look,
            before,
            after: &after,
            now: &held,
            compare: Compare::Auto,
            touched: &touched,
            bookkeeping: &[],
            images,
        };
        let tools = Tools::new(None, None);
        let found = compare::values(&sides, None, &tools, |_, _| {}).await.map_err(refused)?;
        held.release().await.map_err(refused)?;
        let comparison = verdict::compare(before, &after, &plan.planned(), &[], &found.looked);
        let left_out = found.left_out.iter().map(|(name, why)| format!("{}: {why}", name.short()));
        Ok((comparison, left_out.collect()))
    }
}
