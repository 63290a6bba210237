//! Random schemas and rows, random losses, random newer writes: what `rowsafe restore` brings back
//! against what was there, row by row and value by value, by plain SQL.
//!
//! A case is a schema of its own, a world. Several worlds share a database, a snapshot and a
//! restore, for these are what costs time; one that goes wrong is played again alone, and printed.
//!
//! `make roundtrip` plays 5,000 cases. One case again:
//! `ROWSAFE_ROUNDTRIP_SEED=17 cargo test --test it roundtrip:: -- --nocapture`.

mod damage;
mod ground;
pub mod judged;
mod kinds;
mod newer;
pub mod state;
mod world;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use ground::{Ground, Tally};

/// Cases of every test run.
const CASES: u64 = 500;
/// Databases that cases are played on at the same time.
const GROUNDS: usize = 2;
/// Worlds that share a database.
const TOGETHER: u64 = 5;

fn asked(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

#[test]
fn every_row_comes_back_and_every_newer_one_stays() {
    needs_postgres!();
    let seeds = match asked("ROWSAFE_ROUNDTRIP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("ROWSAFE_ROUNDTRIP_CASES").unwrap_or(CASES),
    };
    let next = AtomicU64::new(seeds.start);
    let played = std::thread::scope(|threads| {
        let play = |at| {
            let (next, end) = (&next, seeds.end);
            move || played(&format!("roundtrip_{at}"), next, end)
        };
        let all: Vec<_> = (0..GROUNDS).map(|at| threads.spawn(play(at))).collect();
        let joined = all.into_iter().map(|one| one.join().unwrap_or_else(|why| resume_unwind(why)));
        joined.collect::<Vec<_>>()
    });
    let mut tally = Tally::default();
    for one in played {
        tally.add(one);
    }
    eprintln!("{tally}");
    assert!(tally.wrong.is_empty(), "these cases are wrong: {:?}", tally.wrong);
}

/// Plays cases until none is left.
fn played(name: &str, next: &AtomicU64, end: u64) -> Tally {
    let ground = Ground::new(name);
    let mut tally = Tally::default();
    loop {
        let first = next.fetch_add(TOGETHER, Ordering::Relaxed);
        if first >= end {
            return tally;
        }
        let seeds: Vec<u64> = (first..end.min(first + TOGETHER)).collect();
        ground.play(&seeds, &mut tally);
    }
}
