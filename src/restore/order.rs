//! The order in which rows go in: what is referred to comes first.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::Unit;

/// Units whose parents are all placed, level by level, as indexes; a circle becomes one last level,
/// whose rows go in with one statement, because foreign keys are checked at its end.
pub fn levels(units: &[Unit<'_>]) -> Vec<Vec<usize>> {
    let place: BTreeMap<u32, usize> =
        units.iter().enumerate().map(|(at, unit)| (unit.live.oid, at)).collect();
    let parents: Vec<BTreeSet<usize>> = units
        .iter()
        .map(|unit| {
            let parents = unit.live.references.iter().map(|reference| reference.parent);
            parents.filter_map(|oid| place.get(&oid).copied()).collect()
        })
        .collect();
    in_order(&parents)
}

fn in_order(parents: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut left: BTreeSet<usize> = (0..parents.len()).collect();
    let mut levels = Vec::new();
    while !left.is_empty() {
        let waits =
            |at: usize| parents[at].iter().any(|parent| *parent != at && left.contains(parent));
        let mut ready: Vec<usize> = left.iter().copied().filter(|at| !waits(*at)).collect();
        if ready.is_empty() {
            ready = left.iter().copied().collect();
        }
        left.retain(|at| !ready.contains(at));
        levels.push(ready);
    }
    levels
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::in_order;

    #[test]
    fn parents_come_first_and_circles_at_once() {
        let parents = |of: &[&[usize]]| -> Vec<BTreeSet<usize>> {
            of.iter().map(|parents| parents.iter().copied().collect()).collect()
        };
        assert_eq!(in_order(&parents(&[&[1, 0], &[2], &[]])), [[2], [1], [0]]);
        assert_eq!(in_order(&parents(&[&[], &[2, 0], &[1]])), [vec![0], vec![1, 2]]);
        assert!(in_order(&[]).is_empty());
    }
}
