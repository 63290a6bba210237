//! Everything that can break while rowsafe works, broken: what is in the database and what is
//! offered as a snapshot afterwards, and whether the next command says what happened.
//!
//! `make faults` plays many trials of each and prints the matrix of docs/reliability.md; a test run
//! plays each once. When it strikes is left to chance, what has to hold afterwards is not.

mod checks;
mod strike;
mod trial;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use rowsafe::exit::Exit;

use crate::harness::Server;
use strike::Fault;
use trial::{Came, Ground, Work};

/// Servers that trials are played on at the same time: a killed backend takes the others along.
const GROUNDS: usize = 2;

const WORK: [Work; 4] = [Work::Create, Work::Run, Work::Restore, Work::Beside];

/// What each kind of work can suffer.
fn faults(work: Work) -> Vec<Fault> {
    use Fault::{Backend, BitFlipped, Full, NewShape, Rowsafe, Server, Tool, Truncated, Twice};
    let killed = [Rowsafe, Tool("pg_dump"), Tool("pg_restore"), Backend, Server];
    let others = match work {
        Work::Create => vec![Full, Twice],
        Work::Run => vec![Full],
        Work::Restore => vec![Truncated, BitFlipped, Twice, NewShape],
        Work::Beside => vec![Truncated, BitFlipped],
    };
    let has_dump = |fault: &Fault| *fault != Tool("pg_dump") || work != Work::Beside;
    killed.into_iter().filter(has_dump).chain(others).collect()
}

#[test]
fn nothing_is_lost_whatever_breaks() {
    needs_postgres!();
    let each: usize =
        std::env::var("ROWSAFE_FAULT_TRIALS").map_or(1, |text| text.parse().expect("a number"));
    let pairs: Vec<(Work, Fault)> = WORK
        .into_iter()
        .flat_map(|work| faults(work).into_iter().map(move |fault| (work, fault)))
        .collect();
    let next = AtomicUsize::new(0);
    let counted = std::thread::scope(|threads| {
        let play = |at: usize| {
            let (next, pairs) = (&next, &pairs);
            move || played(at, next, pairs, each)
        };
        let all: Vec<_> = (0..GROUNDS).map(|at| threads.spawn(play(at))).collect();
        let joined = all.into_iter().map(|one| one.join().unwrap_or_else(|why| resume_unwind(why)));
        joined.flatten().collect::<Vec<_>>()
    });
    let mut matrix: BTreeMap<(Work, Fault), Vec<Came>> = BTreeMap::new();
    for (pair, came) in counted {
        matrix.entry(pair).or_default().push(came);
    }
    print(&matrix);
    let wrong: Vec<&String> = matrix.values().flatten().flat_map(|came| &came.wrong).collect();
    for what in &wrong {
        eprintln!("{what}");
    }
    assert!(wrong.is_empty(), "{} things are wrong, see above", wrong.len());
}

/// Plays trials until none is left.
fn played(
    at: usize,
    next: &AtomicUsize,
    pairs: &[(Work, Fault)],
    each: usize,
) -> Vec<((Work, Fault), Came)> {
    // What was committed has to be there after a crash.
    let server = Server::start(&["synchronous_commit=on"]);
    let ground = Ground::new(&server, &format!("faults_{at}"));
    let mut came = Vec::new();
    loop {
        let trial = next.fetch_add(1, Ordering::Relaxed);
        if trial >= pairs.len() * each {
            return came;
        }
        let (work, fault) = pairs[trial % pairs.len()];
        came.push(((work, fault), ground.play(work, fault, trial as u64)));
    }
}

fn print(matrix: &BTreeMap<(Work, Fault), Vec<Came>>) {
    eprintln!(
        "| while | broken | trials | struck | done all the same | stopped and said why | wrong |"
    );
    eprintln!("|---|---|---|---|---|---|---|");
    for ((work, fault), all) in matrix {
        let count = |is: fn(&&Came) -> bool| all.iter().filter(is).count();
        let done = count(|came| came.code == Some(Exit::Ok.code().into()) || came.is_lost_as_meant);
        eprintln!(
            "| {work} | {fault} | {} | {} | {done} | {} | {} |",
            all.len(),
            count(|came| came.has_struck),
            all.len() - done,
            count(|came| !came.wrong.is_empty())
        );
    }
    eprintln!("\n| rowsafe killed during | last step in the journal | trials |\n|---|---|---|");
    for ((work, _), all) in matrix.iter().filter(|((_, fault), _)| *fault == Fault::Rowsafe) {
        let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
        for came in all.iter().filter(|came| came.has_struck) {
            *steps.entry(&came.last_step).or_default() += 1;
        }
        for (step, count) in &steps {
            eprintln!("| {work} | {step} | {count} |");
        }
    }
}
