//! Small tables: aligned, without lines, within 80 columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::Paint;
use crate::text::clean::clean;

/// What a terminal is taken to be wide, whatever it is: reports are pasted into tickets.
pub const WIDTH: usize = 80;
/// Blanks between two columns.
const GAP: usize = 2;
/// A name is not cut below this.
const SHORTEST_NAME: usize = 12;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// To the left.
    Left,
    /// To the right, as numbers do.
    Right,
    /// To the left, and cut in the middle where the line gets too long.
    Name,
}

/// A table that grows row by row.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<Align>,
    rows: Vec<(Vec<String>, Option<Paint>)>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: impl Into<Vec<Align>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.add(cells, None);
    }

    /// Adds a row that stands out.
    pub fn row_in<T: AsRef<str>>(&mut self, paint: Paint, cells: impl IntoIterator<Item = T>) {
        self.add(cells, Some(paint));
    }

    /// Its lines, no wider than `width` as far as names can be cut.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let widths = self.widths(width);
        let lines = self.rows.iter().map(|(cells, paint)| {
            let line = self.line(cells, &widths);
            paint.map_or(line.clone(), |paint| paint.on(&line))
        });
        lines.collect()
    }

    fn add<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>, paint: Option<Paint>) {
        let cells = cells.into_iter().map(|cell| clean(cell.as_ref())).collect();
        self.rows.push((cells, paint));
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, ((cell, align), width)) in
            cells.iter().zip(&self.columns).zip(widths).enumerate()
        {
            if column > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let cell = if *align == Align::Name { cut(cell, *width) } else { cell.clone() };
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Right => line.extend([blanks, cell]),
                Align::Left | Align::Name => line.extend([cell, blanks]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The widest cell of each column, the widest names cut until the line fits.
    fn widths(&self, limit: usize) -> Vec<usize> {
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(move |(cells, _)| cells.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let gaps = GAP * self.columns.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let names = (0..widths.len()).filter(|column| self.columns[*column] == Align::Name);
            match names.max_by_key(|column| widths[*column]) {
                Some(column) if widths[column] > SHORTEST_NAME => widths[column] -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// The text in at most `width` columns: its start and its end, which tell names apart best.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let start = fitting(text.chars(), room.div_ceil(2));
    let end: String = fitting(text.chars().rev(), room / 2).chars().rev().collect();
    format!("{start}…{end}")
}

fn fitting(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::{Align, Table, cut};

    #[test]
    fn numbers_stand_to_the_right_and_lines_have_no_tail() {
        let mut table = Table::new([Align::Name, Align::Right, Align::Left]);
        table.row(["users", "51,004 rows", "same rows"]);
        table.row(["orders", "1,204,551 rows", ""]);
        table.row(["表", "0 rows"]);
        let expected = [
            "users      51,004 rows  same rows",
            "orders  1,204,551 rows",
            "表              0 rows",
        ];
        assert_eq!(table.lines(80), expected);
    }

    #[test]
    fn a_long_name_is_cut_in_the_middle() {
        assert_eq!(cut("raw_import_records_2024_archive", 15), "raw_imp…archive");
        assert_eq!(cut("short", 15), "short");
        assert_eq!(cut("表表表表表", 6).width(), 5);
        let mut table = Table::new([Align::Name, Align::Right]);
        table.row(["a".repeat(100), "1 row".to_owned()]);
        table.row(["b", "12 rows"]);
        assert!(table.lines(40).iter().all(|line| line.width() <= 40));
    }
}
