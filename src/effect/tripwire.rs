//! The second opinion: destructive keywords among a statement's tokens that its effects don't
//! explain. It knows no grammar, only what stands beside a word, so a mistake of the reader and one
//! of the parser can't both hide a loss.

use super::Effect;
use super::tokens::Tokens;
use crate::sql::lexer::{Token, TokenKind};

/// How many statements of each kind the reader saw, whether or not each has an effect.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Explained {
    pub(super) deletes: usize,
    pub(super) updates: usize,
    pub(super) merges: usize,
    pub(super) upserts: usize,
}

impl Explained {
    /// For a statement that is opaque as it is.
    pub(super) const fn all() -> Self {
        Self { deletes: usize::MAX, updates: usize::MAX, merges: usize::MAX, upserts: usize::MAX }
    }
}

/// Statements that only define what others may do later, or say who may do it.
const DEFINITIONS: [&str; 6] = ["grant", "revoke", "comment", "do", "security", "explain"];

/// What is created with statements, or words for statements, inside.
const DEFINED: [&str; 9] = [
    "function",
    "procedure",
    "trigger",
    "constraint",
    "event",
    "policy",
    "rule",
    "view",
    "routine",
];

/// What an ALTER can drop values of, or keep from surviving a crash.
const HOLDERS: [&str; 4] = ["table", "foreign", "type", "materialized"];

/// The keyword that nothing explains, if there is one.
pub(super) fn unexplained(
    tokens: &Tokens<'_>,
    effects: &[Effect],
    explained: Explained,
) -> Option<String> {
    let (text, tokens) = tokens.left();
    let words = Words { text, tokens };
    if effects.iter().any(|effect| matches!(effect, Effect::Opaque { .. })) || words.define() {
        return None;
    }
    let mut found = Found { alters: words.alters_what_holds_rows(), ..Found::default() };
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Symbol(b'(') => depth += 1,
            TokenKind::Symbol(b')') => depth = depth.saturating_sub(1),
            TokenKind::Word if may_matter(token.span.of(text)) => found.look(words, at, depth),
            _ => {}
        }
    }
    found.unexplained(effects, explained)
}

/// A look at the first letter and the length, for nearly every word is none of those.
fn may_matter(word: &str) -> bool {
    matches!(word.len(), 4..=14)
        && matches!(
            word.as_bytes()[0].to_ascii_lowercase(),
            b'd' | b'i' | b'l' | b'm' | b't' | b'u'
        )
}

/// The tokens of a statement, by number.
#[derive(Clone, Copy)]
struct Words<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl<'a> Words<'a> {
    /// The text of a token; nothing before the first and behind the last.
    fn at(self, index: Option<usize>) -> &'a str {
        let token = index.and_then(|index| self.tokens.get(index));
        token.map_or("", |token| token.span.of(self.text))
    }

    fn is(self, index: Option<usize>, words: &[&str]) -> bool {
        let found = self.at(index);
        words.iter().any(|word| found.eq_ignore_ascii_case(word))
    }

    fn define(self) -> bool {
        let kind = if self.is(Some(1), &["or"]) && self.is(Some(2), &["replace"]) { 3 } else { 1 };
        self.is(Some(0), &DEFINITIONS)
            || (self.is(Some(0), &["create"]) && self.is(Some(kind), &DEFINED))
            || (self.is(Some(0), &["alter"])
                && self.is(Some(1), &["default", "policy", "trigger", "publication"]))
    }

    fn alters_what_holds_rows(self) -> bool {
        self.is(Some(0), &["alter"])
            && self.is(Some(1), &HOLDERS)
            && !(self.is(Some(1), &["foreign"]) && self.is(Some(2), &["data"]))
    }
}

#[derive(Debug, Default)]
struct Found {
    /// It is an ALTER of something that holds rows or values.
    alters: bool,
    deletes: usize,
    updates: usize,
    merges: usize,
    upserts: usize,
    merge_deletes: usize,
    truncates: usize,
    drops: usize,
    detaches: usize,
    unlogged: usize,
    retypes: usize,
    unlinks: usize,
}

impl Found {
    fn look(&mut self, words: Words<'_>, at: usize, depth: usize) {
        let (before, previous, next) = (at.checked_sub(2), at.checked_sub(1), Some(at + 1));
        let is = |word: &str| words.is(Some(at), &[word]);
        // A statement starts the text, or stands behind `(`, `)`, AS or the options of EXPLAIN.
        let can_start = at == 0 || words.is(previous, &["(", ")", "as", ";"]);
        let is_action = self.alters && depth == 0;
        if is("delete") {
            self.deletes += usize::from(can_start && words.is(next, &["from"]));
            self.merge_deletes += usize::from(words.is(previous, &["then"]));
        } else if is("update") {
            self.updates += usize::from(can_start && is_name(words.at(next)));
            let upserts = words.is(previous, &["do"]) && !words.is(before, &["instead"]);
            self.upserts += usize::from(upserts);
        } else if is("merge") {
            self.merges += usize::from(can_start && words.is(next, &["into"]));
        } else if is("truncate") {
            self.truncates += usize::from(at == 0);
        } else if is("drop") {
            let destroys = at == 0 && words.is(next, &DESTROYS);
            let spares = words.is(before, &["on"]) || words.is(next, &SPARES);
            self.drops += usize::from(destroys || (is_action && !spares));
        } else if is("detach") {
            self.detaches += usize::from(is_action && words.is(next, &["partition"]));
        } else if is("inherit") {
            // Behind a parenthesis it belongs to a constraint: `CHECK (a > 0) NO INHERIT`.
            let parts = words.is(previous, &["no"]) && !words.is(before, &[")"]);
            self.detaches += usize::from(is_action && parts);
        } else if is("unlogged") {
            self.unlogged += usize::from(is_action && words.is(previous, &["set"]));
        } else if is("type") {
            // `ALTER COLUMN c TYPE t` and `ALTER c SET DATA TYPE t`; not `RENAME COLUMN type TO`,
            // nor `ALTER COLUMN type`, where it is the column's name.
            let set = words.is(previous, &["data"]) && words.is(before, &["set"]);
            let plain = at > 3
                && is_name(words.at(next))
                && words.is(before, &["alter", "column"])
                && !words.is(previous, &["column"])
                && !words.is(next, &["to"]);
            self.retypes += usize::from(is_action && (set || plain));
        } else if words.is(Some(at), &super::calls::LARGE_OBJECT_CALLS) {
            self.unlinks += usize::from(words.at(next) == "(" && words.at(previous) != ".");
        }
    }

    fn unexplained(&self, effects: &[Effect], explained: Explained) -> Option<String> {
        let count = |is: fn(&Effect) -> bool| effects.iter().filter(|effect| is(effect)).count();
        let merge_deletes = count(|effect| matches!(effect, Effect::Merge { deletes: true, .. }));
        let rows = [
            ("DELETE", self.deletes, explained.deletes),
            ("UPDATE", self.updates, explained.updates),
            ("MERGE", self.merges, explained.merges),
            ("DO UPDATE", self.upserts, explained.upserts),
            ("THEN DELETE", self.merge_deletes.min(1), merge_deletes),
            ("TRUNCATE", self.truncates, count(|e| matches!(e, Effect::Truncate { .. }))),
            ("DROP", self.drops, count(is_drop)),
            ("DETACH", self.detaches, count(|e| matches!(e, Effect::DetachPartition { .. }))),
            ("SET UNLOGGED", self.unlogged, count(|e| matches!(e, Effect::SetUnlogged { .. }))),
            ("TYPE", self.retypes, count(|e| matches!(e, Effect::ChangeType { .. }))),
            (
                "large object call",
                self.unlinks.min(1),
                count(|e| matches!(e, Effect::UnlinkLargeObject { .. })),
            ),
        ];
        let keyword = rows.iter().find(|(_, found, known)| found > known)?.0;
        Some(format!("its {keyword} is not explained by what was read of it"))
    }
}

/// What goes with its rows or values when it is dropped.
const DESTROYS: [&str; 10] = [
    "table",
    "column",
    "schema",
    "database",
    "type",
    "domain",
    "extension",
    "owned",
    "materialized",
    "attribute",
];

/// What an ALTER may drop without any value going.
const SPARES: [&str; 8] =
    ["constraint", "default", "not", "expression", "identity", "trigger", "function", "table"];

fn is_drop(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::DropTable { .. }
            | Effect::DropMaterializedView { .. }
            | Effect::DropColumn { .. }
            | Effect::DropSchema { .. }
            | Effect::DropDatabase { .. }
            | Effect::DropType { .. }
            | Effect::DropAttribute { .. }
            | Effect::DropExtension { .. }
            | Effect::DropOwned { .. }
    )
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '"'))
}
