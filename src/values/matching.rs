//! The rows of now held against an image of before.

use std::collections::HashMap;

use super::filled;
use super::image::{Image, NULL, combined, hash_fields};
use super::{ColumnValues, Values};

/// Rows without a counterpart that are held to tell in which columns they differ.
const STRAYS: usize = 200_000;

/// A comparison in progress; feed it every row that is there now.
pub struct Matching<'a> {
    image: &'a Image,
    /// The columns of the image that a row of now has, in the order of its fields.
    compared: &'a [usize],
    /// The fields of now that make up the key; empty where rows are told apart by all they hold.
    key: Vec<usize>,
    index: Index,
    columns: Vec<ColumnValues>,
    changed: u64,
    new: u64,
    /// Rows of now that nothing of before fits to, where there is no key.
    strays: Vec<u64>,
    row: Vec<u64>,
}

impl<'a> Matching<'a> {
    /// Compares these columns of the image. `None` when that can't be told: rows were chosen by a
    /// key that is not among the columns.
    pub fn new(image: &'a Image, compared: &'a [usize]) -> Option<Self> {
        let place = |column: &usize| compared.iter().position(|at| at == column);
        let key: Option<Vec<usize>> = image.layout.key.iter().map(place).collect();
        let key = key.filter(|key| !key.is_empty());
        let chose_by_all = image.layout.key.is_empty() && compared.len() == image.layout.columns;
        if image.one_in > 1 && key.is_none() && !chose_by_all {
            return None;
        }
        let held = |row: usize| match &key {
            Some(_) => image.keys[row],
            None => combined(compared.iter().map(|column| &image.row(row)[*column])),
        };
        let index = Index::of((0..image.keys.len()).map(held));
        let column = |column: &usize| ColumnValues { column: *column, ..ColumnValues::default() };
        Some(Self {
            image,
            compared,
            key: key.unwrap_or_default(),
            index,
            columns: compared.iter().map(column).collect(),
            changed: 0,
            new: 0,
            strays: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Takes one row of now: a line of COPY's text format with the compared columns, without its
    /// end.
    pub fn add(&mut self, line: &[u8]) {
        let mut row = std::mem::take(&mut self.row);
        hash_fields(&self.image.hashing, line, &mut row);
        row.resize(self.compared.len(), NULL);
        self.matched(&row);
        self.row = row;
    }

    fn matched(&mut self, row: &[u64]) {
        let has_key = !self.key.is_empty();
        let held = if has_key {
            combined(self.key.iter().map(|field| &row[*field]))
        } else {
            combined(row)
        };
        if !held.is_multiple_of(self.image.one_in) {
            return;
        }
        let Some(before) = self.index.take(held) else {
            self.new += 1;
            if !has_key && self.strays.len() < STRAYS * row.len() {
                self.strays.extend_from_slice(row);
            }
            return;
        };
        if !has_key {
            return;
        }
        let before = self.image.row(before);
        let mut has_lost = false;
        for (column, now) in self.columns.iter_mut().zip(row) {
            let was = before[column.column];
            if was == *now || was == NULL {
                continue;
            }
            has_lost = true;
            if *now == NULL {
                column.wiped += 1;
            } else {
                column.overwritten += 1;
            }
        }
        self.changed += u64::from(has_lost);
    }

    /// What became of the rows, once all of now were given.
    pub fn finish(mut self) -> Values {
        let mut rows: Vec<usize> = self.index.left().collect();
        let (gone, changed, new) = if self.key.is_empty() {
            if self.has_all_strays() {
                self.new -=
                    filled::take_out(self.image, self.compared, &mut rows, &mut self.strays);
            }
            let left = rows.len() as u64;
            // What is left on both sides is as well the same rows with other values.
            let changed = left.min(self.new);
            self.attribute(changed, &rows);
            (left - changed, changed, self.new - changed)
        } else {
            (rows.len() as u64, self.changed, self.new)
        };
        let scale = self.image.one_in;
        let mut columns = self.columns;
        columns.retain(|column| column.gone() > 0);
        for column in &mut columns {
            column.overwritten *= scale;
            column.wiped *= scale;
        }
        Values {
            rows_gone: gone * scale,
            rows_new: new * scale,
            rows_changed: changed * scale,
            columns,
            one_in: scale,
        }
    }

    fn has_all_strays(&self) -> bool {
        self.strays.len() as u64 == self.new * self.compared.len() as u64
    }

    /// Without a key: the columns whose values of before are not all among those of now, in the
    /// rows that are left on both sides. Where that shows none (values changed places), or where
    /// too much is left to tell, all of them.
    fn attribute(&mut self, changed: u64, rows: &[usize]) {
        if changed == 0 {
            return;
        }
        let width = self.compared.len().max(1);
        let is_complete = self.has_all_strays();
        for (field, column) in self.columns.iter_mut().enumerate() {
            let mut now: HashMap<u64, u64> = HashMap::new();
            for row in self.strays.chunks_exact(width) {
                *now.entry(row[field]).or_default() += 1;
            }
            for row in rows {
                let was = self.image.row(*row)[column.column];
                match now.get_mut(&was).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None if was != NULL => column.overwritten += 1,
                    None => {}
                }
            }
        }
        let shown = self.columns.iter().any(|column| column.overwritten > 0);
        if !is_complete || !shown {
            for column in &mut self.columns {
                column.overwritten = changed;
            }
        }
    }
}

/// The rows of before by key, each to be taken once; rows of one key hang on each other.
struct Index {
    first: HashMap<u64, u32>,
    next: Vec<u32>,
}

impl Index {
    /// No row.
    const NONE: u32 = u32::MAX;

    fn of(keys: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut first = HashMap::with_capacity(keys.len());
        let mut next = vec![Self::NONE; keys.len()];
        for (row, key) in keys.enumerate() {
            let row = u32::try_from(row).expect("the budget holds fewer rows than that");
            next[row as usize] = first.insert(key, row).unwrap_or(Self::NONE);
        }
        Self { first, next }
    }

    fn take(&mut self, key: u64) -> Option<usize> {
        let first = self.first.get_mut(&key)?;
        let row = *first as usize;
        match self.next[row] {
            Self::NONE => drop(self.first.remove(&key)),
            next => *first = next,
        }
        Some(row)
    }

    /// The rows that nobody took.
    fn left(&self) -> impl Iterator<Item = usize> {
        let after = |row: &u32| Some(self.next[*row as usize]).filter(|next| *next != Self::NONE);
        let chain = move |first: &u32| std::iter::successors(Some(*first), after);
        self.first.values().flat_map(chain).map(|row| row as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Matching;
    use crate::values::{ColumnValues, Image, Layout, Values};

    fn image(key: &[usize], rows: &[&str], budget: usize) -> Image {
        let columns = rows.first().map_or(0, |row| row.split('\t').count());
        let layout = Layout { columns, key: key.to_vec() };
        let mut image = Image::new(layout, rows.len() as u64, budget);
        let places: Vec<usize> = (0..columns).collect();
        for row in rows {
            image.add(row.as_bytes(), &places);
        }
        image
    }

    fn compared(image: &Image, columns: &[usize], rows: &[&str]) -> Values {
        let mut matching = Matching::new(image, columns).expect("the image is whole");
        for row in rows {
            matching.add(row.as_bytes());
        }
        matching.finish()
    }

    fn check(key: &[usize], before: &[&str], after: &[&str]) -> Values {
        let image = image(key, before, 1 << 20);
        let columns: Vec<usize> = (0..image.layout().columns).collect();
        compared(&image, &columns, after)
    }

    fn gone(column: usize, overwritten: u64, wiped: u64) -> ColumnValues {
        ColumnValues { column, overwritten, wiped }
    }

    #[test]
    fn a_row_is_known_by_its_key() {
        let before = ["1\ta\tx", "2\tb\t\\N", "3\tc\tz"];
        assert!(check(&[0], &before, &before).is_intact());
        let values = check(&[0], &before, &["2\tb\tnew", "1\tA\t\\N", "4\tc\tz"]);
        assert_eq!((values.rows_gone, values.rows_new, values.rows_changed), (1, 1, 1));
        assert_eq!(values.columns, [gone(1, 1, 0), gone(2, 0, 1)]);
    }

    #[test]
    fn a_null_that_is_filled_is_no_loss() {
        assert!(check(&[0], &["1\t\\N"], &["1\tvalue"]).is_intact());
        // The text of a backslash and an N is `\\N` in COPY.
        assert!(!check(&[0], &["1\t\\\\N"], &["1\t\\N"]).is_intact());
        assert!(!check(&[0], &["1\t"], &["1\t\\N"]).is_intact(), "empty is a value");
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_that_of_fields_does() {
        assert!(check(&[], &["a\tb", "c\td"], &["c\td", "a\tb"]).is_intact());
        assert!(!check(&[], &["a\tb"], &["b\ta"]).is_intact());
        assert!(!check(&[0, 1], &["a\tb\tx"], &["b\ta\tx"]).is_intact());
    }

    #[test]
    fn fields_may_come_in_another_order() {
        let mut image = Image::new(Layout { columns: 2, key: vec![0] }, 2, 1 << 20);
        image.add(b"1\ta", &[0, 1]);
        image.add(b"b\t2", &[1, 0]);
        assert!(compared(&image, &[0, 1], &["1\ta", "2\tb"]).is_intact());
    }

    #[test]
    fn without_a_key_equal_rows_are_counted() {
        let before = ["a\tx", "a\tx", "b\ty"];
        let fewer = check(&[], &before, &["a\tx", "b\ty"]);
        assert_eq!((fewer.rows_gone, fewer.rows_changed), (1, 0));
        let changed = check(&[], &before, &["a\tx", "a\tz", "b\ty", "n\tn"]);
        assert_eq!((changed.rows_gone, changed.rows_changed, changed.rows_new), (0, 1, 1));
        assert_eq!(changed.columns, [gone(1, 1, 0)]);
        let swapped = check(&[], &["a\tx", "b\ty"], &["a\ty", "b\tx"]);
        assert_eq!(swapped.columns, [gone(0, 2, 0), gone(1, 2, 0)]);
    }

    #[test]
    fn without_a_key_filled_nulls_are_no_loss() {
        let before = ["a\t\\N\t1", "a\t\\N\t1", "b\t\\N\t\\N", "c\tx\t3"];
        let check = |now: &[&str]| compared(&image(&[], &before, 1 << 20), &[0, 1, 2], now);
        let filled = check(&["a\ty\t1", "a\tz\t1", "b\t\\N\t2", "c\tx\t3"]);
        assert!(filled.is_intact());
        assert_eq!(filled.rows_new, 0);
        let changed = check(&["a\ty\t1", "a\tz\t9", "b\t\\N\t2", "c\tx\t3"]);
        assert_eq!((changed.rows_gone, changed.rows_changed), (0, 1));
        assert_eq!(changed.columns, [gone(2, 1, 0)]);
        let fewer = check(&["a\ty\t1", "b\t\\N\t2", "c\tx\t3"]);
        assert_eq!((fewer.rows_gone, fewer.rows_changed), (1, 0));
    }

    #[test]
    fn columns_that_went_are_left_out_and_a_key_that_went_is_no_key() {
        let before = image(&[0], &["1\ta\tx", "2\tb\ty"], 1 << 20);
        assert_eq!(before.present(1), 2);
        assert!(compared(&before, &[0, 2], &["2\ty", "1\tx"]).is_intact());
        assert!(compared(&before, &[1, 2], &["b\ty", "a\tx"]).is_intact());
        assert_eq!(compared(&before, &[1, 2], &["b\ty", "b\tx"]).rows_changed, 1);
    }

    #[test]
    fn of_too_many_rows_some_are_compared_and_it_is_said() {
        let rows: Vec<String> = (0..1000).map(|id| format!("{id}\tvalue")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let image = image(&[0], &rows, 100 * Layout { columns: 2, key: vec![0] }.bytes_per_row());
        let same = compared(&image, &[0, 1], &rows);
        assert_eq!((same.is_intact(), same.one_in), (true, 10));
        let wiped: Vec<String> = (0..1000).map(|id| format!("{id}\t\\N")).collect();
        let wiped: Vec<&str> = wiped.iter().map(String::as_str).collect();
        let gone = compared(&image, &[0, 1], &wiped).columns[0].wiped;
        assert!((700..1300).contains(&gone), "{gone}");
        assert!(Matching::new(&image, &[1]).is_none(), "the key went");
    }
}
