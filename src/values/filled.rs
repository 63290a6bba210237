//! Rows without a key that are there again with NULLs filled: nothing of them is lost.

use std::collections::{BTreeMap, HashMap};

use super::image::{Image, NULL, combined};

/// Rows may have so many different sets of NULLs; each costs a pass over the rows of now. With more
/// of them none is followed, and what was filled counts as changed.
const SETS: usize = 64;

/// Takes out the rows of before, and each one's counterpart among the `strays` of now, that hold the
/// same values but for NULLs of before; says how many.
pub(super) fn take_out(
    image: &Image,
    compared: &[usize],
    left: &mut Vec<usize>,
    strays: &mut Vec<u64>,
) -> u64 {
    let width = compared.len();
    let mut sets: BTreeMap<(usize, Vec<usize>), Vec<usize>> = BTreeMap::new();
    for row in left.iter() {
        let holds = |field: &usize| image.row(*row)[compared[*field]] != NULL;
        let fields: Vec<usize> = (0..width).filter(holds).collect();
        if fields.len() < width {
            sets.entry((width - fields.len(), fields)).or_default().push(*row);
        }
    }
    if sets.is_empty() || sets.len() > SETS || strays.is_empty() {
        return 0;
    }
    let mut is_free = vec![true; strays.len() / width];
    let mut found: Vec<usize> = Vec::new();
    // Rows with few NULLs fit to few others, so they choose first.
    for ((_, fields), rows) in &sets {
        let mut fitting: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, stray) in strays.chunks_exact(width).enumerate().filter(|(at, _)| is_free[*at]) {
            let held = combined(fields.iter().map(|field| &stray[*field]));
            fitting.entry(held).or_default().push(at);
        }
        for row in rows {
            let held = combined(fields.iter().map(|field| &image.row(*row)[compared[*field]]));
            if let Some(at) = fitting.get_mut(&held).and_then(Vec::pop) {
                is_free[at] = false;
                found.push(*row);
            }
        }
    }
    found.sort_unstable();
    left.retain(|row| found.binary_search(row).is_err());
    let mut free = is_free.iter().flat_map(|free| std::iter::repeat_n(*free, width));
    strays.retain(|_| free.next().unwrap_or(true));
    found.len() as u64
}
