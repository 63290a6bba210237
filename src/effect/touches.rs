//! Which tables a statement may leave with other rows or values than it found: what is counted
//! before it runs says little about what a later statement finds there.

use super::Effect;
use super::selection::WRITES;
use super::tokens::Tokens;
use crate::sql::{Statement, StatementKind};
use crate::text::QualifiedName;

/// What a statement changes, as far as its words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touches {
    /// No row of any table that is there.
    Nothing,
    /// Rows of these tables, and of what hangs on them; the list may hold names of other things.
    Tables(Vec<QualifiedName>),
    /// Nobody can tell.
    Anything,
}

/// Statements that leave every row as it is, by their first word.
const NOTHING: [&str; 33] = [
    "abort",
    "analyse",
    "analyze",
    "begin",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "create",
    "deallocate",
    "declare",
    "discard",
    "end",
    "fetch",
    "grant",
    "listen",
    "load",
    "lock",
    "move",
    "notify",
    "prepare",
    "reindex",
    "release",
    "reset",
    "revoke",
    "savepoint",
    "security",
    "set",
    "show",
    "start",
    "unlisten",
    "vacuum",
];

/// What `DROP` of these changes no row.
const NOTHING_DROPPED: [&str; 8] =
    ["index", "view", "policy", "trigger", "statistics", "function", "sequence", "procedure"];

/// A longer statement is not gone through word by word.
const LONG: usize = 256 * 1024;

/// What the statement may change.
pub fn of(statement: &Statement, effects: &[Effect]) -> Touches {
    if statement.kind == StatementKind::ClientCommand {
        let is_harmless = effects.is_empty();
        return if is_harmless { Touches::Nothing } else { Touches::Anything };
    }
    // The target stands at the start, whatever is fed into it.
    let text = &statement.text;
    let text = if text.len() > LONG { &text[..text.floor_char_boundary(LONG)] } else { text };
    let is_cut = text.len() < statement.text.len();
    let mut tokens = Tokens::new(text);
    let word = tokens.text(0).to_ascii_lowercase();
    let whole = tokens.clone();
    tokens.skip();
    match &*word {
        "create" if tokens.is_any(0, &["trigger", "rule", "constraint"]) => names(&whole),
        "create" if tokens.eat(&["or", "replace"]) && tokens.is_any(0, &["trigger", "rule"]) => {
            names(&whole)
        }
        "create" if whole.mentions("as") && whole.mentions("with") && writes(&whole) => {
            names(&whole)
        }
        word if NOTHING.contains(&word) => Touches::Nothing,
        "insert" | "merge" => target(&mut tokens, &["into"]),
        "delete" => target(&mut tokens, &["from"]),
        "update" => target(&mut tokens, &[]),
        "copy" if !tokens.is_symbol(0, b'(') => target(&mut tokens, &[]),
        "copy" | "with" | "select" if is_cut => Touches::Anything,
        "copy" | "with" | "select" if writes(&whole) => names(&whole),
        "copy" | "with" | "select" | "values" | "table" => Touches::Nothing,
        "alter" if !tokens.is_word(0, "table") => Touches::Nothing,
        "alter" => {
            let adds = |effect: &Effect| matches!(effect, Effect::AddColumn { .. });
            if effects.iter().all(adds) { Touches::Nothing } else { names(&whole) }
        }
        "drop" if tokens.is_any(0, &NOTHING_DROPPED) => Touches::Nothing,
        "drop" | "truncate" | "refresh" => names(&whole),
        _ => Touches::Anything,
    }
}

/// Whether it drops or alters something.
pub fn alters(statement: &Statement) -> bool {
    let tokens = Tokens::new(statement.text.get(..64).unwrap_or(&statement.text));
    tokens.is_any(0, &["drop", "alter"])
}

fn writes(tokens: &Tokens<'_>) -> bool {
    WRITES.iter().any(|word| tokens.mentions(word))
}

fn target(tokens: &mut Tokens<'_>, words: &[&str]) -> Touches {
    if !tokens.eat(words) {
        return Touches::Anything;
    }
    tokens.eat(&["only"]);
    tokens.eat_symbol(b'(');
    tokens.qualified().map_or(Touches::Anything, |table| Touches::Tables(vec![table]))
}

/// Every name in it.
fn names(tokens: &Tokens<'_>) -> Touches {
    let mut tokens = tokens.clone();
    let mut names = Vec::new();
    while !tokens.is_done() {
        match tokens.qualified() {
            Some(name) => names.push(name),
            None => tokens.skip(),
        }
    }
    Touches::Tables(names)
}

#[cfg(test)]
mod tests {
    use super::{Touches, of};
    use crate::effect::read;
    use crate::sql::split;

    fn check(text: &str, expect: &str) {
        let statement = split(text).into_iter().next().unwrap();
        let said = match of(&statement, &read(&statement)) {
            Touches::Nothing => String::new(),
            Touches::Anything => "?".to_owned(),
            Touches::Tables(names) => {
                names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(said, expect, "{text}");
    }

    #[test]
    fn who_changes_what() {
        check("INSERT INTO app.t VALUES (1)", "app.t");
        check("UPDATE ONLY t SET a = (SELECT b FROM u)", "t");
        check("DELETE FROM t", "t");
        check("COPY t FROM stdin", "t");
        check("ALTER TABLE t ADD COLUMN a int", "");
        check("ALTER TABLE t ALTER a TYPE int", "alter table t alter a type int");
        check("CREATE TABLE t AS SELECT * FROM u", "");
        check("SELECT 1", "");
        check("COMMIT", "");
        check("DO $$ BEGIN NULL; END $$", "?");
        check("EXECUTE p", "?");
        check("COPY (SELECT 1) TO stdout", "");
        check(
            "COPY (DELETE FROM t RETURNING a) TO stdout",
            "copy delete from t returning a to stdout",
        );
        check("WITH a AS (SELECT 1) SELECT * FROM a", "");
    }
}
