//! Random schemas, random rows, random migrations: what rowsafe says beforehand and sees afterwards
//! against what really happened, row by row and value by value.
//!
//! `make truth` plays 2,000 cases and prints the table of docs/accuracy.md. One case again:
//! `ROWSAFE_TRUTH_SEED=17 cargo test --test it truth -- --nocapture`.

mod case;
mod changes;
pub mod dice;
mod judged;
mod migration;
mod oracle;
mod rows;
pub mod schema;
mod shapes;
mod tally;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::harness::Database;
use case::{Case, Ground};
use tally::Tally;

/// Cases of every test run.
const CASES: u64 = 80;
/// Databases that cases are played on at the same time.
const GROUNDS: usize = 2;

fn asked(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

#[test]
fn no_loss_is_unplanned_and_unnoticed() {
    needs_postgres!();
    let seeds = match asked("ROWSAFE_TRUTH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("ROWSAFE_TRUTH_CASES").unwrap_or(CASES),
    };
    let is_long = seeds.end - seeds.start != CASES;
    let next = AtomicU64::new(seeds.start);
    let played = std::thread::scope(|threads| {
        let play = |at| {
            let (next, end) = (&next, seeds.end);
            move || played(&format!("truth_{at}"), next, end)
        };
        let all: Vec<_> = (0..GROUNDS).map(|at| threads.spawn(play(at))).collect();
        let joined = all.into_iter().map(|one| one.join().unwrap_or_else(|why| resume_unwind(why)));
        joined.collect::<Vec<_>>()
    });
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for (counted, found) in played {
        tally.add(counted);
        wrong.extend(found);
    }
    if is_long {
        tally.refusals.iter().for_each(|(why, count)| eprintln!("refused {count} times: {why}"));
        tally.remarks.iter().for_each(|remark| eprintln!("{remark}"));
    }
    eprintln!("{tally}");
    assert!(wrong.is_empty(), "these cases are wrong: {wrong:?}");
}

/// Plays cases until none is left; what they came to, and what is wrong.
fn played(name: &str, next: &AtomicU64, end: u64) -> (Tally, Vec<u64>) {
    let database = Database::new(name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ground = Ground::open(&database.socket_url()).await;
        let (mut tally, mut wrong) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (tally, wrong);
            }
            let case = Case::of(seed);
            let (schema, sql) = (case.seed.clone(), case.migration.sql.clone());
            let found = match ground.play(case).await {
                Ok(outcome) => judged::judge(&outcome, &mut tally),
                Err(why) => vec![why],
            };
            if !found.is_empty() {
                let found = found.join("\n  ");
                let found = format!("ROWSAFE_TRUTH_SEED={seed}\n  {found}\n{schema}--\n{sql}");
                eprintln!("{found}");
                wrong.push(seed);
            }
        }
    })
}
