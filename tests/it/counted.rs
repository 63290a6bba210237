//! Random tables, rows, foreign keys and statements: what the plan counts is what the statement
//! then does, to the row and to the value.

use fastrand::Rng;
use rowsafe::effect::Effect;
use rowsafe::loss::{Count, Loss};
use rowsafe::pending::Pending;
use rowsafe::plan::{self, Plan};
use rowsafe::script::{Origin, Script};

use crate::harness::Database;
use crate::harness::postgres::Session;

/// How many statements are tried; `ROWSAFE_TEST_CASES` tries more.
const CASES: u64 = 60;
const TABLES: usize = 4;

#[test]
fn what_is_counted_is_what_happens() {
    needs_postgres!();
    let db = Database::new("counted_random");
    let session = db.session();
    let (mut exact, mut ran, mut doomed) = (0_u64, 0_u64, 0_u64);
    let cases = std::env::var("ROWSAFE_TEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(CASES);
    for seed in 0..cases {
        let mut random = Rng::with_seed(seed);
        session.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public");
        let tables = tables(&mut random);
        session.execute(&tables);
        let statement = statement(&mut random);
        let plan = plan(&db, &statement);
        let said = || format!("case {seed}\n{tables}\n{statement}\n{plan:?}");
        match happens(&session, &statement) {
            None => doomed += u64::from(!plan.doomed.is_empty()),
            Some(lost) => {
                ran += 1;
                assert!(plan.doomed.is_empty(), "it was to fail\n{}", said());
                exact += u64::from(check(plan.findings[0].loss.as_ref().unwrap(), lost, &said));
            }
        }
    }
    eprintln!("{ran} of {cases} ran, {exact} of them counted exactly, {doomed} were said to fail");
    assert!(ran * 2 > cases, "only {ran} statements ran");
    assert!(exact * 10 > ran * 7, "only {exact} of {ran} were counted exactly");
    assert!(doomed > 0, "none was said to fail");
}

/// Holds a loss against what happened; whether it was exact.
fn check(loss: &Loss, happened: (u64, u64), said: &dyn Fn() -> String) -> bool {
    let is_exact = loss.rows.is_exact() && loss.values.is_exact();
    for (count, lost) in [(&loss.rows, happened.0), (&loss.values, happened.1)] {
        match count {
            Count::Exact(counted) if is_exact => assert_eq!(*counted, lost, "{}", said()),
            Count::Exact(most) | Count::AtMost(most) => assert!(*most >= lost, "{}", said()),
            Count::About(_) | Count::Unknown(_) => panic!("no bound\n{}", said()),
        }
    }
    is_exact
}

fn tables(random: &mut Rng) -> String {
    let mut sql = String::new();
    let parted = random.usize(0..TABLES * 2);
    for table in 0..TABLES {
        sql += &format!(
            "CREATE TABLE t{table} (key int, id int PRIMARY KEY, v int, w text, p int, q int)"
        );
        sql += if table == parted { " PARTITION BY RANGE (id);" } else { ";" };
        if table == parted {
            sql += &format!(
                "CREATE TABLE t{table}_low PARTITION OF t{table} FOR VALUES FROM (0) TO (14);
                             CREATE TABLE t{table}_rest PARTITION OF t{table} DEFAULT;"
            );
        }
        let (a, b) = (random.u32(1..40), random.u32(1..40));
        sql += &format!(
            "INSERT INTO t{table} SELECT n, n, n * {a} % 17, CASE WHEN n % 4 > 0 THEN 'w' || n * {b} % 5 END,
                    nullif(1 + n * {a} % 31, 31), nullif(1 + n * {b} % 32, 32) FROM generate_series(1, 31) n;"
        );
    }
    for table in 0..TABLES {
        for column in ["p", "q"] {
            if random.u32(0..10) < 6 {
                // Mostly to an earlier table, so that rings stay rare.
                let to = if random.u32(0..10) < 8 {
                    random.usize(0..=table)
                } else {
                    random.usize(0..TABLES)
                };
                let delete =
                    random.choice(["CASCADE", "CASCADE", "SET NULL", "NO ACTION"]).unwrap();
                let update = random.choice(["CASCADE", "SET NULL", "NO ACTION"]).unwrap();
                sql += &format!(
                    "ALTER TABLE t{table} ADD FOREIGN KEY ({column}) REFERENCES t{to} ON DELETE {delete} ON UPDATE {update};"
                );
            }
        }
    }
    sql
}

fn statement(random: &mut Rng) -> String {
    let n = random.u32(1..12);
    let condition = match random.u32(0..7) {
        0 => format!("a.v < {n}"),
        1 => format!("a.id % {} = 1", n + 1),
        2 => "a.w IS NULL".to_owned(),
        3 => format!("a.w LIKE 'w%' AND length(a.w) > 1 AND a.v > {n}"),
        4 => format!("EXISTS (SELECT FROM t1 WHERE t1.p = a.id AND t1.v < {n})"),
        5 => format!("a.id IN (SELECT max(id) FROM t0 GROUP BY v % {n})"),
        _ => format!("a.id = {n}"),
    };
    let only = if random.u32(0..5) == 0 { "ONLY " } else { "" };
    match random.u32(0..8) {
        0..=2 => format!("DELETE FROM {only}t0 a WHERE {condition}"),
        3 => format!(
            "DELETE FROM t0 AS a USING t1 b, t2 c WHERE a.p = b.id AND c.v = b.v AND {condition}"
        ),
        4 => format!(
            "WITH low AS (SELECT id FROM t2 WHERE v < {n}) DELETE FROM t1 a USING low WHERE a.q = low.id"
        ),
        5 => format!(
            "UPDATE {only}t0 a SET v = a.v / 2, w = CASE WHEN a.v > {n} THEN 'w1' END WHERE {condition}"
        ),
        6 => format!("UPDATE t0 a SET v = b.v, w = b.w FROM t1 b WHERE b.p = a.id AND {condition}"),
        _ => format!("UPDATE t0 a SET id = a.id + 100 WHERE {condition}"),
    }
}

/// The plan for one statement.
fn plan(db: &Database, statement: &str) -> Plan {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connect = tokio_postgres::connect(&db.url(), tokio_postgres::NoTls).await;
        let (client, connection) = connect.unwrap();
        tokio::spawn(connection);
        let ours = "SET search_path = pg_catalog, pg_temp; SET default_transaction_read_only = on";
        client.batch_execute(ours).await.unwrap();
        let scripts = vec![Script::known(Origin::default(), statement.to_owned())];
        let pending = Pending { scripts, ..Pending::default() };
        plan::make(&client, &pending, &[]).await.unwrap()
    })
}

/// Rows and values that are lost; `None` where the statement fails.
fn happens(session: &Session, statement: &str) -> Option<(u64, u64)> {
    session.execute("BEGIN");
    for table in 0..TABLES {
        session.execute(&format!(
            "CREATE TEMP TABLE old{table} ON COMMIT DROP AS SELECT * FROM t{table}"
        ));
    }
    let mut lost = (0, 0);
    let done = session.try_rows(statement);
    if done.is_ok() {
        for table in 0..TABLES {
            let gone = format!(
                "SELECT count(*) FROM old{table} WHERE key NOT IN (SELECT key FROM t{table})"
            );
            lost.0 += u64::try_from(session.query_one_i64(&gone)).unwrap();
            for column in ["id", "v", "w", "p", "q"] {
                let changed = format!(
                    "SELECT count(*) FROM old{table} o JOIN t{table} n USING (key)
                      WHERE o.{column} IS NOT NULL AND n.{column} IS DISTINCT FROM o.{column}"
                );
                lost.1 += u64::try_from(session.query_one_i64(&changed)).unwrap();
            }
        }
    }
    session.execute("ROLLBACK");
    done.ok().map(|_| lost)
}

/// The statements are those that rowsafe reads as one effect each.
#[test]
fn the_statements_are_read() {
    for seed in 0..CASES {
        let mut random = Rng::with_seed(seed);
        let _ = tables(&mut random);
        let text = statement(&mut random);
        let statements = rowsafe::sql::split(&text);
        let effects = rowsafe::effect::read(&statements[0]);
        let is_change = |effect: &Effect| {
            matches!(effect, Effect::Delete { .. } | Effect::Update { .. } | Effect::Fill { .. })
        };
        assert!(!effects.is_empty() && effects.iter().all(is_change), "{text}: {effects:?}");
    }
}
