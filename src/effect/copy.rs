//! Rows that are copied from one table into another, read from the words of the query: whether all
//! rows and all columns come along.

use super::tokens::Tokens;
use super::{Effect, LeavesOut};
use crate::text::QualifiedName;

/// A longer INSERT holds values, or a query that nobody reads as a copy.
const LONGEST_INSERT: usize = 64 * 1024;

/// More of a condition than this is not repeated.
const LONGEST: usize = 200;

/// `INSERT INTO x SELECT * FROM t`, as far as its words tell.
pub(super) fn of_insert(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    if !tokens.eat(&["insert", "into"]) || tokens.rest().len() > LONGEST_INSERT {
        return None;
    }
    let to = tokens.qualified()?;
    tokens.eat_group();
    if tokens.eat(&["overriding"]) {
        tokens.skip();
        tokens.skip();
    }
    of_query(to, &tokens)
}

/// What the query copies into a table.
pub(super) fn of_query(to: QualifiedName, query: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = query.clone();
    if tokens.eat(&["table"]) {
        let (from, leaves_out) = source(&mut tokens)?;
        return Some(Effect::CopyRows { from, to, leaves_out });
    }
    if !tokens.eat(&["select"]) {
        return None;
    }
    tokens.eat(&["all"]);
    let is_distinct = tokens.is_word(0, "distinct");
    let items = tokens.clone();
    if !tokens.find(&["from", "into"]) || !tokens.is_word(0, "from") {
        return None;
    }
    let items = items.up_to(&tokens);
    tokens.skip();
    let (from, mut leaves_out) = source(&mut tokens)?;
    if is_distinct {
        leaves_out = LeavesOut::Rows("rows that are not DISTINCT".to_owned());
    } else if leaves_out == LeavesOut::Nothing {
        leaves_out = of_items(items);
    }
    Some(Effect::CopyRows { from, to, leaves_out })
}

/// The one table or view that a query reads as it stands: the FROM of a simple view.
pub fn source_of(query: &str) -> Option<QualifiedName> {
    let query = query.trim().trim_end_matches(';');
    match of_query(QualifiedName::bare(""), &Tokens::new(query))? {
        Effect::CopyRows { from, .. } => Some(from),
        _ => None,
    }
}

/// A list of plain columns leaves out others, an expression may be an aggregate.
fn of_items(items: &str) -> LeavesOut {
    let is_star = |item: &str| item == "*" || item.ends_with(".*");
    let is_all = items.split(',').any(|item| is_star(item.trim()));
    if is_all {
        LeavesOut::Nothing
    } else if items.contains('(') {
        LeavesOut::Rows(format!("what is not in {}", shortened(items)))
    } else {
        LeavesOut::Columns(shortened(items))
    }
}

/// What stands behind FROM: one table and nothing that leaves rows out.
fn source(tokens: &mut Tokens<'_>) -> Option<(QualifiedName, LeavesOut)> {
    let is_only = tokens.eat(&["only"]);
    let from = tokens.qualified()?;
    if tokens.text(0) == "*" {
        tokens.skip();
    }
    let is_clause = |tokens: &Tokens<'_>| tokens.is_any(0, &CLAUSES) || tokens.token(0).is_none();
    if tokens.eat(&["as"]) || !is_clause(tokens) {
        tokens.name();
    }
    let rest = shortened(tokens.rest());
    let is_ordered = tokens.eat(&["order", "by"])
        && !tokens.find(&[
            "limit",
            "offset",
            "fetch",
            "union",
            "intersect",
            "except",
            "on",
            "returning",
        ]);
    let leaves_out = if is_only {
        LeavesOut::Rows("the rows of tables that inherit from it".to_owned())
    } else if rest.is_empty() || is_ordered {
        LeavesOut::Nothing
    } else {
        LeavesOut::Rows(format!("what `{rest}` leaves out"))
    };
    Some((from, leaves_out))
}

/// What may follow a table, so that it is no alias.
const CLAUSES: [&str; 24] = [
    "where",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "tablesample",
    "on",
    "returning",
    "with",
    "using",
];

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
