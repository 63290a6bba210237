//! Which statement a `rowsafe: allow[…]` comment belongs to.
//!
//! A comment counts for the statement on whose line it ends, in which it stands, or on whose first
//! line's eve it stands, alone or as the last of several comment lines. Anywhere else it covers
//! nothing, and says so instead of being passed over.

use crate::finding::AllowComment;
use crate::sql::Statement;
use crate::sql::comment;
use crate::text::Position;

/// The comments that wait for their statement.
#[derive(Debug, Default)]
pub(super) struct Allows {
    waiting: Vec<Waiting>,
    /// Those before this one are known to stand too far above.
    settled: usize,
    /// Line on which the newest comment ended.
    last_comment_line: usize,
    /// The statement that ended last, and the line on which it did.
    ended: Option<(usize, usize)>,
    /// Found inside or behind a statement: its number and the comment.
    placed: Vec<(usize, AllowComment)>,
}

#[derive(Debug)]
struct Waiting {
    comment: AllowComment,
    /// Inside the statement that is being read.
    inside: bool,
    adjacent: bool,
}

impl Allows {
    /// A comment was read.
    pub(super) fn comment(&mut self, text: &str, at: Position, end_line: usize, inside: bool) {
        let is_below_a_comment = self.last_comment_line + 1 >= at.line;
        if !inside && !is_below_a_comment {
            // A blank line, so what stood above belongs to nothing.
            self.settle();
        }
        self.last_comment_line = end_line;
        let Some(parsed) = comment::allow_comment(text) else { return };
        let comment = AllowComment { position: at, parsed };
        match self.ended {
            Some((number, line)) if !inside && line == at.line => {
                self.placed.push((number, comment));
            }
            _ => self.waiting.push(Waiting { comment, inside, adjacent: true }),
        }
    }

    /// The next statement starts on `line`.
    pub(super) fn statement_starts(&mut self, line: usize) {
        if self.last_comment_line + 1 < line {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for waiting in &mut self.waiting[self.settled..] {
            waiting.adjacent = false;
        }
        self.settled = self.waiting.len();
    }

    /// The statement that was being read is now the last of `n_statements`.
    pub(super) fn statement_pushed(&mut self, n_statements: usize) {
        let number = n_statements - 1;
        self.settled = 0;
        for waiting in self.waiting.drain(..) {
            let comment = if waiting.adjacent || waiting.inside {
                waiting.comment
            } else {
                orphan(waiting.comment)
            };
            self.placed.push((number, comment));
        }
    }

    /// The last of `n_statements` ended on `line`.
    pub(super) fn statement_ended(&mut self, line: usize, n_statements: usize) {
        if let Some(number) = n_statements.checked_sub(1) {
            if !self.waiting.is_empty() {
                self.statement_pushed(n_statements);
            }
            self.ended = Some((number, line));
        }
    }

    /// Hands every comment to its statement.
    pub(super) fn close(&mut self, statements: &mut [Statement]) {
        if let Some(last) = statements.len().checked_sub(1) {
            let left = self.waiting.drain(..);
            self.placed.extend(left.map(|waiting| (last, orphan(waiting.comment))));
        }
        for (number, comment) in self.placed.drain(..) {
            statements[number].allows.push(comment);
        }
    }
}

fn orphan(comment: AllowComment) -> AllowComment {
    let why = "it stands neither on the line before a statement nor at its end";
    AllowComment { parsed: comment.parsed.and_then(|_| Err(why.to_owned())), ..comment }
}
