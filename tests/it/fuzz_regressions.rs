//! What fuzzing once broke stays mended, and a fixed number of mutated seeds holds as well.
//!
//! `make fuzz` looks for more; what it finds goes to fixtures/fuzz, into the folder of its target.

#[path = "../../fuzz/properties.rs"]
mod properties;

use std::path::{Path, PathBuf};

use crate::harness::root;

/// Mutated inputs a target.
const ROUNDS: usize = 400;
/// Longer inputs are cut: it is the turns in them that matter.
const LONGEST: usize = 1_500;

#[test]
fn what_once_broke_it_is_mended() {
    let mut read = 0;
    for (target, check) in properties::ALL {
        for path in files_below(&root().join("fixtures/fuzz").join(target)) {
            check(&std::fs::read(path).unwrap());
            read += 1;
        }
    }
    assert!(read > 0, "fixtures/fuzz is empty");
}

#[test]
fn a_fixed_number_of_mutated_seeds_breaks_nothing() {
    for (target, check) in properties::ALL {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..ROUNDS {
            let input = mutated(&seeds, &mut random);
            let outcome = std::panic::catch_unwind(|| check(&input));
            assert!(outcome.is_ok(), "{target}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}

/// What `scripts/fuzz` starts from.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut paths = files_below(&root().join("fuzz/seeds").join(target));
    let ending = match target {
        "split" | "effects" => Some("sql"),
        "python" => Some("py"),
        _ => None,
    };
    if let Some(ending) = ending {
        let fixtures = files_below(&root().join("fixtures"));
        paths.extend(
            fixtures.into_iter().filter(|path| path.extension().is_some_and(|it| it == ending)),
        );
    }
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = part(seeds, random);
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=input.len());
        match random.u8(0..5) {
            0 => input.insert(at, random.u8(..)),
            1 => input.insert(at, *random.choice(b"'\"$;()\\/*-\n\r:@{}[]%=.,# ").unwrap_or(&b';')),
            2 => input.truncate(at),
            3 => drop(input.drain(at..(at + random.usize(0..20)).min(input.len()))),
            _ => drop(input.splice(at..at, part(seeds, random))),
        }
    }
    input
}

/// A piece of a seed.
fn part(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let seed = &seeds[random.usize(0..seeds.len())];
    let start = random.usize(0..=seed.len());
    seed[start..(start + random.usize(0..LONGEST)).min(seed.len())].to_vec()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ignore::WalkBuilder::new(folder)
        .standard_filters(false)
        .build()
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .collect();
    files.sort();
    files
}
