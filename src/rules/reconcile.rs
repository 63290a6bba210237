//! Two readings of one revision hold each other to account: the SQL that offline mode printed, and
//! the file itself, read without running it.
//!
//! Offline mode knows the values, the file knows the places and what only runs online.

use std::collections::{HashMap, VecDeque};

use super::say;
use crate::effect::batch::Standing;
use crate::effect::{self, Effect};
use crate::script::{Origin, Script};
use crate::sql::{self, Statement, StatementKind};
use crate::text::Span;

/// What both readings together say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// The statements in order. Their places are those in the file; where the file does not show
    /// one that was printed, its span is empty.
    pub statements: Vec<Statement>,
    /// What one reading saw and the other did not, a clause each.
    pub doubts: Vec<String>,
    /// Some statement takes the rows that a condition selects; how many, the file does not show.
    pub selects_rows: bool,
}

/// Whether this statement of a file could not be read.
pub fn is_unreadable(statement: &Statement) -> bool {
    matches!(statement.kind, StatementKind::Unreadable(_))
}

/// Joins the SQL that offline mode printed with the statements that the file shows.
///
/// `is_complete` says that nothing in the file can behave otherwise online: then what the file does
/// not let read has been printed.
pub fn reconcile(printed: &str, read: Vec<Statement>, is_complete: bool) -> Reconciled {
    let printed: Vec<Seen> = sql::split(printed).into_iter().map(Seen::new).collect();
    let read: Vec<Seen> = read.into_iter().map(Seen::new).collect();
    let twins = twins(&printed, &read);
    let all_is_read = !read.iter().any(|seen| is_unreadable(&seen.statement));
    let mut only_read = read.iter().enumerate().filter(|(index, seen)| {
        let is_open = is_unreadable(&seen.statement);
        !twins.contains(&Some(*index)) && (seen.destroys() || is_open && !is_complete)
    });
    let mut only_read = only_read.by_ref().peekable();
    let mut joined = Reconciled {
        selects_rows: printed.iter().chain(&read).any(Seen::selects_rows),
        ..Reconciled::default()
    };
    for (mut seen, twin) in printed.into_iter().zip(&twins) {
        if let Some(twin) = *twin {
            while let Some((_, unprinted)) = only_read.next_if(|(index, _)| *index < twin) {
                joined.add_unprinted(&unprinted.statement);
            }
            seen.statement.span = read[twin].statement.span;
            seen.statement.position = read[twin].statement.position;
        } else {
            seen.statement.span = Span::default();
            if seen.destroys() && !seen.only_retypes() && all_is_read {
                let shown = shown(&seen.statement);
                joined.doubts.push(format!("its file does not show `{shown}`, which it printed"));
            }
        }
        joined.statements.push(seen.statement);
    }
    for (_, unprinted) in only_read {
        joined.add_unprinted(&unprinted.statement);
    }
    joined
}

impl Reconciled {
    fn add_unprinted(&mut self, statement: &Statement) {
        if !is_unreadable(statement) {
            let line = statement.position.line;
            let shown = shown(statement);
            self.doubts.push(format!("line {line} says `{shown}`, which it did not print"));
        }
        self.statements.push(statement.clone());
    }
}

/// For each printed statement the one of the file that does the same, the first that is left.
fn twins(printed: &[Seen], read: &[Seen]) -> Vec<Option<usize>> {
    let mut waiting: HashMap<&[Deed], VecDeque<usize>> = HashMap::new();
    for (index, seen) in read.iter().enumerate().filter(|(_, seen)| seen.destroys()) {
        waiting.entry(&seen.deeds).or_default().push_back(index);
    }
    printed.iter().map(|seen| waiting.get_mut(seen.deeds.as_slice())?.pop_front()).collect()
}

/// A statement and what it would be found for.
struct Seen {
    statement: Statement,
    deeds: Vec<Deed>,
}

/// A rule and its object: the same in both readings, however the statement is written.
type Deed = (&'static str, String);

impl Seen {
    fn new(statement: Statement) -> Self {
        let script = Script::known(Origin::default(), String::new());
        let deed = |effect: &Effect| {
            let said = say::say(&script, effect, &Standing::AtRisk)?;
            Some((said.rule, said.object.to_string()))
        };
        let deeds = if is_unreadable(&statement) {
            Vec::new()
        } else {
            effect::read(&statement).iter().filter_map(deed).collect()
        };
        Self { statement, deeds }
    }

    fn selects_rows(&self) -> bool {
        self.deeds.iter().any(|(rule, _)| matches!(*rule, "delete" | "update-overwrite"))
    }

    /// A file that names the type of before is silent about a column that only widens; what is
    /// printed does not name it. It is measured in the database.
    fn only_retypes(&self) -> bool {
        self.deeds.iter().all(|(rule, _)| *rule == "narrow-type")
    }

    fn destroys(&self) -> bool {
        !self.deeds.is_empty()
    }
}

/// The start of a statement on one line.
fn shown(statement: &Statement) -> String {
    const LONGEST: usize = 60;
    let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{Reconciled, reconcile};
    use crate::sql::{self, Statement, StatementKind};
    use crate::text::{Position, Span};

    /// Statements of a file, a line each; `?` is one that could not be read.
    fn file(text: &str) -> Vec<Statement> {
        let mut read = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let unreadable = Statement {
                text: line.to_owned(),
                span: Span::default(),
                position: Position { line: 1, column: 1 },
                kind: StatementKind::Unreadable("`x` is not a constant".to_owned()),
                allows: Vec::new(),
            };
            let found = if line == "?" { vec![unreadable] } else { sql::split(line) };
            read.extend(found.into_iter().map(|mut statement| {
                statement.position.line = index + 10;
                statement.span = Span::new(index * 100, index * 100 + 1);
                statement
            }));
        }
        read
    }

    /// `line: statement`, `-` where the file does not show it; then the doubts.
    fn check(printed: &str, read: &str, is_complete: bool) -> Vec<String> {
        let Reconciled { statements, doubts, .. } = reconcile(printed, file(read), is_complete);
        let line = |statement: &Statement| match statement.span {
            Span { end: 0, .. } => "-".to_owned(),
            _ => statement.position.line.to_string(),
        };
        let told = statements.iter().map(|one| format!("{} {}", line(one), one.text));
        told.chain(doubts).collect()
    }

    #[test]
    fn what_both_show_stands_where_the_file_says_it() {
        let printed = "CREATE INDEX i ON a (b); ALTER TABLE a DROP COLUMN b; DROP TABLE c; \
                       DELETE FROM d WHERE d.x = 3;";
        let read = "DROP TABLE c\nALTER TABLE a DROP COLUMN b\nDELETE FROM d WHERE x = :x";
        let together = [
            "- CREATE INDEX i ON a (b)",
            "11 ALTER TABLE a DROP COLUMN b",
            "10 DROP TABLE c",
            "12 DELETE FROM d WHERE d.x = 3",
        ];
        assert_eq!(check(printed, read, false), together);
    }

    #[test]
    fn what_only_one_shows_is_named_and_doubted() {
        let read = "DROP TABLE a\nTRUNCATE c\nCREATE TABLE d (x int)";
        let together = [
            "10 DROP TABLE a",
            "- DROP TABLE b",
            "11 TRUNCATE c",
            "its file does not show `DROP TABLE b`, which it printed",
            "line 11 says `TRUNCATE c`, which it did not print",
        ];
        assert_eq!(check("DROP TABLE a; DROP TABLE b;", read, true), together);
    }

    #[test]
    fn a_change_of_type_that_the_file_knows_to_widen_is_no_doubt() {
        let printed = "ALTER TABLE a ALTER COLUMN b TYPE varchar(5000);";
        let together = ["- ALTER TABLE a ALTER COLUMN b TYPE varchar(5000)"];
        assert_eq!(check(printed, "CREATE TABLE d (x int)", true), together);
    }

    #[test]
    fn what_could_not_be_read_was_printed_where_nothing_else_can_happen_online() {
        let read = "?\nCREATE TABLE d (x int)";
        assert_eq!(check("DROP TABLE a;", read, true), ["- DROP TABLE a"]);
        assert_eq!(check("DROP TABLE a;", read, false), ["- DROP TABLE a", "10 ?"]);
    }
}
