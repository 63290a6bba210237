//! The second opinion: destructive keywords among a statement's tokens that its effects don't
//! explain. It knows no grammar, only what stands beside a word, so a mistake of the reader and one
//! of the parser can't both hide a loss.

use super::Effect;
use crate::sql::lexer::{Lexer, Token, TokenKind};

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

/// The keyword that nothing explains, if there is one.
pub(super) fn unexplained(text: &str, effects: &[Effect], explained: Explained) -> Option<String> {
    if effects.iter().any(|effect| matches!(effect, Effect::Opaque { .. })) {
        return None;
    }
    let mut words = Words::default();
    let mut found = Found::default();
    for token in Lexer::new(text).filter(Token::is_significant) {
        let word = match token.kind {
            TokenKind::Word => token.span.of(text).to_ascii_lowercase(),
            TokenKind::QuotedName => "\"".to_owned(),
            _ => token.span.of(text).chars().take(2).collect(),
        };
        words.push(word);
        if words.n == 3 && words.is_definition() {
            return None;
        }
        found.look(&words);
    }
    for _ in 0..2 {
        words.push(String::new());
        found.look(&words);
    }
    if words.is_definition() {
        return None;
    }
    found.unexplained(effects, explained)
}

/// The first words, and a window of four over the rest: two before, the word, one behind.
#[derive(Default)]
struct Words {
    n: usize,
    head: Vec<String>,
    window: [String; 4],
}

impl Words {
    fn push(&mut self, word: String) {
        if self.head.len() < 4 {
            self.head.push(word.clone());
        }
        self.window.rotate_left(1);
        self.window[3] = word;
        self.n += 1;
    }

    fn is_definition(&self) -> bool {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        match head.as_slice() {
            [first, ..] if DEFINITIONS.contains(first) => true,
            ["create", "or", "replace", kind, ..] | ["create", kind, ..] => DEFINED.contains(kind),
            ["alter", "default" | "policy" | "trigger" | "publication", ..] => true,
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
struct Found {
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
    fn look(&mut self, words: &Words) {
        let [before, previous, word, next] = words.window.each_ref().map(String::as_str);
        let head = words.head.first().map_or("", String::as_str);
        // A statement starts the text, or stands behind `(`, `)`, AS or the options of EXPLAIN.
        let can_start = matches!(previous, "" | "(" | ")" | "as" | ";");
        match word {
            "delete" if next == "from" && can_start => self.deletes += 1,
            "delete" if previous == "then" => self.merge_deletes += 1,
            "update" if can_start && is_name(next) => self.updates += 1,
            "update" if previous == "do" && before != "instead" => self.upserts += 1,
            "merge" if can_start && next == "into" => self.merges += 1,
            "truncate" if previous.is_empty() => self.truncates += 1,
            "drop" if previous.is_empty() => self.drops += usize::from(DESTROYS.contains(&next)),
            "drop" if head == "alter" && before != "on" && !SPARES.contains(&next) => {
                self.drops += 1;
            }
            "detach" if head == "alter" && next == "partition" => self.detaches += 1,
            "inherit" if head == "alter" && previous == "no" => self.detaches += 1,
            "unlogged" if head == "alter" && previous == "set" => self.unlogged += 1,
            // `ALTER COLUMN c TYPE t` and `ALTER c SET DATA TYPE t`; not `RENAME COLUMN type TO`,
            // nor `ALTER COLUMN type`, where it is the column's name.
            "type" if head == "alter" && previous == "data" && before == "set" => self.retypes += 1,
            "type"
                if head == "alter"
                    && is_name(next)
                    && matches!(before, "alter" | "column")
                    && previous != "column"
                    && words.n > 5
                    && next != "to" =>
            {
                self.retypes += 1;
            }
            _ if next == "("
                && previous != "."
                && super::calls::LARGE_OBJECT_CALLS.contains(&word) =>
            {
                self.unlinks += 1;
            }
            _ => {}
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
