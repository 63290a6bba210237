//! Reading SQL text: lexing, splitting into statements, parsing. Pure, and cannot fail: what can't
//! be read says so and is carried on.

mod allows;
mod comment;
pub mod lexer;
mod split;

pub use comment::{allow_text, python_allows};
pub use split::split;
pub(crate) use split::{too_much, too_much_of};

use crate::finding::AllowComment;
use crate::text::{Position, Span};

/// One statement of a script, with its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement as written, without leading comments and the closing semicolon.
    pub text: String,
    /// Its bytes in the script's text.
    pub span: Span,
    /// Where it starts, 1-based.
    pub position: Position,
    /// What kind of thing it is to the client.
    pub kind: StatementKind,
    /// `rowsafe: allow[…]` comments on the line before it or at the end of its first line.
    pub allows: Vec<AllowComment>,
}

/// What a statement is to the program that sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// SQL for the server.
    Sql,
    /// `COPY … FROM stdin` with its inline data, which is not part of the text.
    CopyFromStdin,
    /// A psql meta-command such as `\i file`.
    ClientCommand,
    /// Something the lexer could not make sense of; the reason says what.
    Unreadable(String),
}
