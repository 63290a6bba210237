//! What takes the place of a thing that is dropped: a table into which its rows were copied, a type
//! to which its columns were moved. Names are followed through the batch.

use std::collections::{HashMap, HashSet};

use super::batch::Key;
use super::{Effect, LeavesOut};

/// With more copies than this in a batch none is followed.
const MAX_COPIES: usize = 1_000;

/// For each DROP TABLE by its place in the batch: what the best of the copies that stay leaves out.
pub(super) fn copies(effects: &[&Effect]) -> HashMap<usize, LeavesOut> {
    let mut tables = Tables::default();
    for (at, effect) in effects.iter().enumerate() {
        tables.follow(at, effect);
    }
    if tables.copies.is_empty() || tables.copies.len() > MAX_COPIES {
        return HashMap::new();
    }
    tables.weigh()
}

/// The tables of a batch by number, for a name may come to mean another table.
#[derive(Debug, Default)]
struct Tables {
    numbers: HashMap<Key, usize>,
    n: usize,
    temporary: HashSet<usize>,
    added: HashSet<(usize, String)>,
    copies: Vec<Copy>,
    /// Where each table is changed so that it no longer holds what was copied into it.
    harmed: HashMap<usize, Vec<usize>>,
    /// Where something is dropped that may take any table or column along.
    all_harmed: Vec<usize>,
    drops: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Copy {
    at: usize,
    from: usize,
    to: usize,
    leaves_out: LeavesOut,
}

impl Tables {
    fn follow(&mut self, at: usize, effect: &Effect) {
        match effect {
            Effect::CreateTable { table, temporary, if_not_exists: false, .. } => {
                let number = self.new_number();
                self.numbers.insert(Key::of(table), number);
                if *temporary {
                    self.temporary.insert(number);
                }
            }
            Effect::RenameTable { from, to } => {
                let number = self.number(&Key::of(from));
                self.numbers.remove(&Key::of(from));
                self.numbers.insert(Key::of(to), number);
            }
            Effect::CopyRows { from, to, leaves_out } => {
                let (from, to) = (self.number(&Key::of(from)), self.number(&Key::of(to)));
                self.copies.push(Copy { at, from, to, leaves_out: leaves_out.clone() });
            }
            Effect::AddColumn { table, column } => {
                let number = self.number(&Key::of(table));
                self.added.insert((number, column.clone()));
            }
            Effect::DropTable { table, .. } => {
                let number = self.number(&Key::of(table));
                self.numbers.remove(&Key::of(table));
                self.drops.push((at, number));
                self.harmed.entry(number).or_default().push(at);
            }
            Effect::Update { table, columns, .. } => {
                let number = self.number(&Key::of(table));
                let is_new = |column: &String| self.added.contains(&(number, column.clone()));
                if !columns.iter().all(is_new) {
                    self.harmed.entry(number).or_default().push(at);
                }
            }
            Effect::Truncate { table, .. }
            | Effect::Delete { table, .. }
            | Effect::Merge { table, .. }
            | Effect::Upsert { table, .. }
            | Effect::ChangeType { table, .. }
            | Effect::DropColumn { table, .. }
            | Effect::SetUnlogged { table } => {
                let number = self.number(&Key::of(table));
                self.harmed.entry(number).or_default().push(at);
            }
            Effect::DropSchema { .. }
            | Effect::DropType { cascade: true, .. }
            | Effect::DropExtension { cascade: true, .. }
            | Effect::DropUsed { .. }
            | Effect::DropOwned { .. } => self.all_harmed.push(at),
            // From here on the names mean others, so what was copied is out of sight.
            Effect::NamesMoved { .. } => {
                self.numbers.clear();
                self.copies.clear();
                self.temporary.clear();
            }
            _ => {}
        }
    }

    fn new_number(&mut self) -> usize {
        self.n += 1;
        self.n
    }

    fn number(&mut self, name: &Key) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.new_number();
        self.numbers.insert(name.clone(), number);
        number
    }

    fn weigh(&self) -> HashMap<usize, LeavesOut> {
        // What becomes of a copy depends only on later ones.
        let mut fates: Vec<Option<LeavesOut>> = vec![None; self.copies.len()];
        for index in (0..self.copies.len()).rev() {
            let copy = &self.copies[index];
            let end = self.harm_behind(copy);
            fates[index] = if end.is_none() && !self.temporary.contains(&copy.to) {
                Some(copy.leaves_out.clone())
            } else {
                let further = self.best(copy.to, copy.at, end, &fates);
                further.map(|further| further.max(copy.leaves_out.clone()))
            };
        }
        let kept = self
            .drops
            .iter()
            .filter_map(|(at, number)| Some((*at, self.best(*number, 0, Some(*at), &fates)?)));
        kept.collect()
    }

    /// The first place behind the copy at which its table loses something.
    fn harm_behind(&self, copy: &Copy) -> Option<usize> {
        let own = self.harmed.get(&copy.to).into_iter().flatten();
        own.chain(&self.all_harmed).copied().filter(|at| *at > copy.at).min()
    }

    /// The best of the copies of a table that are made between two places.
    fn best(
        &self,
        from: usize,
        after: usize,
        before: Option<usize>,
        fates: &[Option<LeavesOut>],
    ) -> Option<LeavesOut> {
        let copies = self.copies.iter().zip(fates).filter(|(copy, _)| {
            copy.from == from
                && copy.to != from
                && copy.at >= after
                && before.is_none_or(|before| copy.at < before)
        });
        copies.filter_map(|(_, fate)| fate.clone()).min()
    }
}

/// The places of each `DROP TYPE … CASCADE` of a type whose columns were moved in the batch to a
/// type that has its name in the end.
pub(super) fn retypings(effects: &[&Effect]) -> HashSet<usize> {
    let mut types = Types::default();
    for (at, effect) in effects.iter().enumerate() {
        types.follow(at, effect);
    }
    let drops = types.drops.iter().filter(|(at, number)| types.is_replaced(*at, *number));
    drops.map(|(at, _)| *at).collect()
}

#[derive(Debug, Default)]
struct Types {
    /// The number of the type that has a name, in lower case and without its schema.
    numbers: HashMap<String, usize>,
    /// The name that each had when it was seen first.
    first: Vec<String>,
    made: HashSet<usize>,
    /// Where a column was changed to which type.
    moves: Vec<(usize, (Key, String), usize)>,
    drops: Vec<(usize, usize)>,
}

impl Types {
    fn follow(&mut self, at: usize, effect: &Effect) {
        match effect {
            Effect::CreateType { name } => {
                let number = self.new_number(&name.name);
                self.made.insert(number);
            }
            Effect::RenameType { from, to } => {
                let number = self.number(&from.name);
                self.numbers.remove(&from.name.to_lowercase());
                self.numbers.insert(to.name.to_lowercase(), number);
            }
            Effect::ChangeType { table, column, to, .. } => {
                let bare = to.split(['[', '(']).next().unwrap_or(to);
                let bare = bare.rsplit('.').next().unwrap_or(bare).trim().trim_matches('"');
                let number = self.number(bare);
                self.moves.push((at, (Key::of(table), column.clone()), number));
            }
            Effect::DropType { name, cascade, .. } => {
                let number = self.number(&name.name);
                self.numbers.remove(&name.name.to_lowercase());
                if *cascade {
                    self.drops.push((at, number));
                }
            }
            Effect::NamesMoved { .. } => *self = Self::default(),
            _ => {}
        }
    }

    fn new_number(&mut self, name: &str) -> usize {
        self.first.push(name.to_lowercase());
        self.numbers.insert(name.to_lowercase(), self.first.len() - 1);
        self.first.len() - 1
    }

    fn number(&mut self, name: &str) -> usize {
        let known = self.numbers.get(&name.to_lowercase()).copied();
        known.unwrap_or_else(|| self.new_number(name))
    }

    fn is_replaced(&self, at: usize, number: usize) -> bool {
        let Some(successor) = self.numbers.get(&self.first[number]) else { return false };
        let is_moved = |column: &(Key, String)| {
            self.moves.iter().any(|(moved, other, _)| *moved < at && other == column)
        };
        *successor != number
            && self.made.contains(successor)
            && self.moves.iter().any(|(_, column, to)| to == successor && is_moved(column))
    }
}
