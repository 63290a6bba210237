//! Triggers and rules that a pending statement may make fire: what they do is not in the statement.

use std::collections::BTreeSet;

use crate::db::postgres::relations::{Firing, Relations};
use crate::effect::Effect;
use crate::rules::ScriptReading;

/// The words that make triggers and rules fire.
const VERBS: [&str; 6] = ["insert", "update", "delete", "merge", "copy", "truncate"];

/// Words behind which such a word is part of a definition: `ON DELETE CASCADE`, `FOR UPDATE`,
/// `BEFORE INSERT OR UPDATE`.
const DEFINING: [&str; 6] = ["on", "for", "before", "after", "or", "of"];

/// What may fire, a clause each: a statement changes rows and names the table, or rows of the table
/// follow others.
pub fn doubts(
    readings: &[ScriptReading<'_>],
    followed: &BTreeSet<u32>,
    relations: &Relations,
) -> Vec<String> {
    let statements = readings.iter().flat_map(|reading| &reading.statements);
    let texts = statements.map(|(statement, _)| statement.text.to_lowercase());
    let changing: Vec<String> = texts.filter(|text| changes_rows(text)).collect();
    let may_fire = |firing: &&Firing| {
        let names = with_renamed(&firing.names, readings);
        followed.contains(&firing.table)
            || changing.iter().any(|text| names.iter().any(|name| mentions(text, name)))
    };
    let fires = relations.firing.iter().filter(may_fire);
    let mut doubts: Vec<String> = fires
        .map(|firing| format!("what {} does could not be read in full", firing.what))
        .collect();
    let has_statements = readings.iter().any(|reading| !reading.statements.is_empty());
    if has_statements {
        let events = relations.event_triggers.iter();
        doubts.extend(events.map(|name| format!("what event trigger {name} does is not known")));
    }
    doubts
}

/// The names in lower case, and what the batch renames them to.
fn with_renamed(names: &BTreeSet<String>, readings: &[ScriptReading<'_>]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let effects = readings.iter().flat_map(|reading| &reading.statements).flat_map(|(_, all)| all);
    for effect in effects {
        if let Effect::RenameTable { from, to } = effect
            && all.contains(&from.name.to_lowercase())
        {
            all.insert(to.name.to_lowercase());
        }
    }
    all
}

/// Whether a name stands in a text, both in lower case. Escaped it can be any name.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = name.chars().all(is_of_word);
    text.contains("u&\"")
        || if is_word { words(text).any(|word| word == name) } else { text.contains(name) }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character| !is_of_word(character)).filter(|word| !word.is_empty())
}

/// Whether a statement in lower case may change rows, as far as its words tell; what a body or a
/// string holds counts too.
fn changes_rows(text: &str) -> bool {
    let mut words = words(text);
    let mut before = match words.next() {
        Some("grant" | "revoke" | "comment") | None => return false,
        Some(first) if VERBS.contains(&first) => return true,
        Some(first) => first,
    };
    for word in words {
        if VERBS.contains(&word) && !DEFINING.contains(&before) {
            return true;
        }
        before = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{changes_rows, mentions};

    #[test]
    fn what_changes_rows_is_told_from_what_defines() {
        for text in [
            "insert into a values (1)",
            "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x",
            "DO $$ BEGIN UPDATE a SET b = 1; END $$",
            "COPY a FROM stdin",
            "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
        ] {
            assert!(changes_rows(&text.to_lowercase()), "{text}");
        }
        for text in [
            "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON DELETE CASCADE ON UPDATE SET NULL",
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE OF b ON a EXECUTE FUNCTION f()",
            "SELECT * FROM a FOR UPDATE",
            "GRANT INSERT, UPDATE ON a TO b",
            "CREATE TABLE updates (last_update timestamp)",
            "",
        ] {
            assert!(!changes_rows(&text.to_lowercase()), "{text}");
        }
    }

    #[test]
    fn a_name_is_a_word_of_the_text() {
        assert!(mentions("insert into app.users values (1)", "users"));
        assert!(mentions("insert into \"my users\" values (1)", "my users"));
        assert!(mentions("insert into u&\"\\0061\" values (1)", "users"));
        assert!(!mentions("update alembic_version set version_num = '1'", "version"));
    }
}
