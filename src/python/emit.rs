//! What the file sends becomes statements with their places in it.

use std::fmt::Write as _;

use crate::effect::{self, Effect};
use crate::python::text::{Piece, Text};
use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::sql::{self, Statement, StatementKind};
use crate::text::name::quote;
use crate::text::{LineMap, QualifiedName, Span};

/// Stands for a part that is not known while a statement is read.
const MARKER: &str = "rowsafe_hole_";

/// Words that can't be names without quotes where a query names a table or column.
const RESERVED: [&str; 62] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "authorization",
    "between",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_date",
    "current_user",
    "default",
    "delete",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "index",
    "insert",
    "into",
    "is",
    "join",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "primary",
    "references",
    "select",
    "set",
    "table",
    "then",
    "to",
    "true",
    "union",
    "update",
    "user",
    "values",
];

/// A name for SQL, in quotes where it needs them.
pub(super) fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !is_reserved(name);
    if is_plain { name.to_owned() } else { quote(name) }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name == "where" || name == "with" || name == "using"
}

/// A bare word made from a piece of source.
pub(super) fn bare(source: &str) -> String {
    let mut word = String::new();
    for c in source.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('_') {
            word.push('_');
        }
        if word.len() >= 30 {
            break;
        }
    }
    let word = word.trim_end_matches('_');
    if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) || is_reserved(word) {
        format!("value_{word}").trim_end_matches('_').to_owned()
    } else {
        word.to_owned()
    }
}

/// A statement together with the branches in which it runs.
#[derive(Debug)]
pub(super) struct Sent {
    pub statement: Statement,
    pub branch: Vec<u32>,
}

/// Collects the statements of one file.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    source: &'a str,
    lines: LineMap,
    pub sent: Vec<Sent>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, lines: LineMap::new(source), sent: Vec::new() }
    }

    fn push(&mut self, text: String, span: Span, kind: StatementKind, branch: &[u32]) {
        let position = self.lines.position(self.source, span.start);
        let statement = Statement { text, span, position, kind, allows: Vec::new() };
        let is_repeated = self.sent.last().is_some_and(|last| {
            last.statement.text == statement.text
                && last.statement.span == span
                && last.statement.kind == statement.kind
        });
        if !is_repeated {
            self.sent.push(Sent { statement, branch: branch.to_vec() });
        }
    }

    /// Something there can't be known.
    pub(super) fn unreadable(&mut self, why: String, at: Span, branch: &[u32]) {
        let is_said = self.sent.last().is_some_and(|last| {
            last.statement.span == at && matches!(last.statement.kind, StatementKind::Unreadable(_))
        });
        if is_said {
            return;
        }
        let text = at.of(self.source).to_owned();
        self.push(text, at, StatementKind::Unreadable(why), branch);
    }

    /// SQL is sent at `at`; where it is written in this file (`main`), each statement keeps its own
    /// place.
    pub(super) fn sql(&mut self, text: &Text, at: Span, main: usize, branch: &[u32]) {
        let flat = Flat::new(text);
        for statement in sql::split(&flat.text) {
            let span = flat.place(self.source, statement.span, main).unwrap_or(at);
            if statement.text.contains(MARKER) {
                self.with_holes(&statement, &flat, span, branch);
            } else {
                self.push(statement.text, span, statement.kind, branch);
            }
        }
    }

    fn with_holes(&mut self, statement: &Statement, flat: &Flat, span: Span, branch: &[u32]) {
        let effects = effect::read(statement);
        if let Some(what) = effects.iter().find_map(unknown_object) {
            let why = format!("{}: {what}", flat.not_constant(&statement.text));
            self.push(flat.shown(&statement.text), span, StatementKind::Unreadable(why), branch);
            return;
        }
        if let Some(Effect::Opaque { why }) =
            effects.iter().find(|effect| matches!(effect, Effect::Opaque { .. }))
        {
            let what = known_part(&statement.text).unwrap_or_else(|| why.clone());
            let why = format!("{}: {what}", flat.not_constant(&statement.text));
            self.push(flat.shown(&statement.text), span, StatementKind::Unreadable(why), branch);
            return;
        }
        if effects.iter().any(makes_unknown) {
            return;
        }
        let same = |text: &String| {
            let kind = statement.kind.clone();
            let found = effect::read(&Statement { text: text.clone(), kind, ..statement.clone() });
            found.len() == effects.len()
                && found
                    .iter()
                    .zip(&effects)
                    .all(|(a, b)| std::mem::discriminant(a) == std::mem::discriminant(b))
        };
        let as_parameters = flat.filled(&statement.text, true);
        let text =
            if same(&as_parameters) { as_parameters } else { flat.filled(&statement.text, false) };
        self.push(text, span, statement.kind.clone(), branch);
    }
}

/// A text with a marker for each part that is not known.
struct Flat {
    text: String,
    /// Where known parts start, how long they are and where they are written.
    parts: Vec<(usize, usize, Option<super::text::Place>)>,
    holes: Vec<String>,
}

impl Flat {
    fn new(text: &Text) -> Self {
        let mut flat = Self { text: String::new(), parts: Vec::new(), holes: Vec::new() };
        for piece in &text.pieces {
            let start = flat.text.len();
            match piece {
                Piece::Known(known, place) => {
                    flat.text.push_str(known);
                    flat.parts.push((start, known.len(), *place));
                }
                Piece::Qualifier(table) => {
                    flat.text.push_str(table);
                    flat.text.push('.');
                }
                Piece::Hole(source) => {
                    let _ = write!(flat.text, "{MARKER}{}_", flat.holes.len());
                    flat.holes.push(source.clone());
                }
            }
        }
        flat
    }

    /// Where a statement is written in the file, if it is.
    fn place(&self, source: &str, span: Span, main: usize) -> Option<Span> {
        let find = |offset: usize| {
            let index = self.parts.partition_point(|(start, ..)| *start <= offset);
            let (start, length, place) = self.parts.get(index.checked_sub(1)?)?;
            let place = place.filter(|place| place.module == main)?;
            (offset < start + length).then_some(place.start + offset - start)
        };
        let start = find(span.start)?;
        let end = span.end.checked_sub(1).and_then(find).map_or(start, |last| last + 1);
        let end = if end > start && source.is_char_boundary(end) { end } else { start };
        source.is_char_boundary(start).then_some(Span::new(start, end.max(start)))
    }

    fn hole_numbers(text: &str) -> Vec<usize> {
        let mut numbers: Vec<usize> = text
            .split(MARKER)
            .skip(1)
            .filter_map(|rest| rest.split('_').next()?.parse().ok())
            .collect();
        numbers.dedup();
        numbers
    }

    /// Which names are not constants.
    fn not_constant(&self, text: &str) -> String {
        let mut names: Vec<String> = Vec::new();
        for number in Self::hole_numbers(text) {
            let Some(source) = self.holes.get(number) else { continue };
            let name = format!("`{source}`");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [one] => format!("{one} is not a constant"),
            [first, .., last] if names.len() == 2 => {
                format!("{first} and {last} are not constants")
            }
            [first, rest @ ..] => {
                format!("{first} and {} other parts are not constants", rest.len())
            }
            [] => "a part of it is not a constant".to_owned(),
        }
    }

    /// The statement as a person would write it down.
    fn shown(&self, text: &str) -> String {
        self.replaced(text, |source| format!("{{{source}}}"))
    }

    fn replaced(&self, text: &str, with: impl Fn(&str) -> String) -> String {
        let mut parts = text.split(MARKER);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (number, rest) = part.split_once('_').unwrap_or((part, ""));
            let source = number.parse::<usize>().ok().and_then(|number| self.holes.get(number));
            out.push_str(&with(source.map_or("value", String::as_str)));
            out.push_str(rest);
        }
        out
    }

    /// The statement with something in place of what is not known: a parameter, or a name.
    fn filled(&self, text: &str, parameters: bool) -> String {
        let mut out = String::new();
        for token in Lexer::new(text) {
            let Token { kind, span } = token;
            let part = span.of(text);
            let is_whole = kind == TokenKind::Word
                && part.starts_with(MARKER)
                && part[MARKER.len()..].find('_') == Some(part.len() - MARKER.len() - 1);
            if is_whole && parameters {
                out.push_str(&self.replaced(part, |source| format!(":{}", bare(source))));
            } else {
                out.push_str(&self.replaced(part, bare));
            }
        }
        out
    }
}

fn is_unknown(name: &QualifiedName) -> bool {
    name.name.contains(MARKER) || name.schema.as_ref().is_some_and(|s| s.contains(MARKER))
}

/// What a statement does to something that is not known.
fn unknown_object(effect: &Effect) -> Option<String> {
    let on = |verb: &str, table: &QualifiedName, column: Option<&str>| {
        if is_unknown(table) {
            Some(format!("{verb} on an unknown table"))
        } else if column.is_some_and(|column| column.contains(MARKER)) {
            Some(format!("{verb} of an unknown column of {}", table.short()))
        } else {
            None
        }
    };
    let whole = |what: &str, is_unknown: bool| is_unknown.then(|| what.to_owned());
    match effect {
        Effect::DropTable { table, .. } => {
            whole("a DROP TABLE of an unknown table", is_unknown(table))
        }
        Effect::DropMaterializedView { view, .. } => {
            whole("a DROP of an unknown materialized view", is_unknown(view))
        }
        Effect::DropColumn { table, column, .. } => on("a DROP COLUMN", table, Some(column)),
        Effect::DropSchema { schema, .. } => {
            whole("a DROP SCHEMA of an unknown schema", schema.contains(MARKER))
        }
        Effect::DropDatabase { database } => {
            whole("a DROP DATABASE of an unknown database", database.contains(MARKER))
        }
        Effect::DropType { name, cascade: true, .. } => {
            whole("a DROP TYPE … CASCADE of an unknown type", is_unknown(name))
        }
        Effect::DropExtension { name, .. } => {
            whole("a DROP EXTENSION of an unknown extension", name.contains(MARKER))
        }
        Effect::DropAttribute { name, attribute, .. } => {
            on("a DROP ATTRIBUTE", name, Some(attribute))
        }
        Effect::DetachPartition { parent, .. } => on("a DETACH PARTITION", parent, None),
        Effect::Truncate { table, .. } => on("a TRUNCATE", table, None),
        Effect::Delete { table, .. } => on("a DELETE", table, None),
        Effect::Update { table, .. } => on("an UPDATE", table, None),
        Effect::Merge { table, .. } => on("a MERGE", table, None),
        Effect::Upsert { table, .. } => on("an upsert", table, None),
        Effect::ChangeType { table, column, to, .. } => {
            if to.contains(MARKER) {
                return Some(format!("a change of type of {}.{column}", table.short()));
            }
            on("a change of type", table, Some(column))
        }
        Effect::SetUnlogged { table } => on("a SET UNLOGGED", table, None),
        Effect::CallsFunction { name } => whole("a call of an unknown function", is_unknown(name)),
        _ => None,
    }
}

/// Whether it only makes or renames something whose name is not known.
fn makes_unknown(effect: &Effect) -> bool {
    match effect {
        Effect::CreateTable { table, .. }
        | Effect::AddColumn { table, .. }
        | Effect::RenameColumn { table, .. } => is_unknown(table),
        Effect::CreateSchema { schema } => schema.contains(MARKER),
        Effect::CreateType { name } => is_unknown(name),
        Effect::RenameTable { from, to } | Effect::RenameType { from, to } => {
            is_unknown(from) || is_unknown(to)
        }
        Effect::AttachPartition { parent, partition } => {
            is_unknown(parent) || is_unknown(partition)
        }
        _ => false,
    }
}

/// What the first words of a statement say that could not be read to the end.
fn known_part(text: &str) -> Option<String> {
    let mut words = Lexer::new(text).filter(Token::is_significant).map(|token| token.span.of(text));
    let first = words.next()?.to_ascii_uppercase();
    if first.starts_with(&MARKER.to_ascii_uppercase()) {
        return Some("SQL that is not known".to_owned());
    }
    let article = if matches!(&*first, "UPDATE" | "INSERT" | "ALTER") { "an" } else { "a" };
    let is_word = first.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word.then(|| format!("{article} {first} that is not known in full"))
}
