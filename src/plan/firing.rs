//! What may fire without having been read: triggers and rules that the batch itself makes, and event
//! triggers where DDL is in a body.

use crate::rules::ScriptReading;

/// The words that make triggers and rules fire.
const VERBS: [&str; 6] = ["insert", "update", "delete", "merge", "copy", "truncate"];

/// Words behind which such a word is part of a definition: `ON DELETE CASCADE`, `FOR UPDATE`,
/// `BEFORE INSERT OR UPDATE`.
const DEFINING: [&str; 6] = ["on", "for", "before", "after", "or", "of"];

/// What may fire unread, a clause each.
pub fn doubts(readings: &[ScriptReading<'_>], event_triggers: &[String]) -> Vec<String> {
    let statements = readings.iter().flat_map(|reading| &reading.statements);
    let texts: Vec<String> =
        statements.map(|(statement, _)| statement.text.to_lowercase()).collect();
    let mut doubts = Vec::new();
    let made = texts.iter().position(|text| makes_fire(text));
    if made.is_some_and(|made| texts[made..].iter().any(|text| changes_rows(text))) {
        doubts.push("a trigger that is made here may fire: it was not read".to_owned());
    }
    if texts.iter().any(|text| changes_shape_within(text)) {
        let events = event_triggers.iter();
        doubts.extend(events.map(|name| format!("what event trigger `{name}` does is not known")));
    }
    doubts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_of_word = |character: char| character.is_alphanumeric() || character == '_';
    text.split(move |character| !is_of_word(character)).filter(|word| !word.is_empty())
}

/// Whether a statement in lower case makes a trigger or a rule.
fn makes_fire(text: &str) -> bool {
    let has = |wanted: &str| words(text).any(|word| word == wanted);
    has("create") && (has("trigger") || has("rule"))
}

/// Whether there may be DDL in it that is not the statement itself.
fn changes_shape_within(text: &str) -> bool {
    let is_ddl = |word: &str| matches!(word, "create" | "alter" | "drop" | "comment" | "security");
    !words(text).next().is_none_or(is_ddl) && words(text).any(is_ddl)
}

/// Whether it may change rows; what a body or a string holds counts too.
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
    use super::{changes_rows, doubts};
    use crate::rules;
    use crate::script::{Origin, Script};

    fn check(sql: &str) -> usize {
        let script = Script::known(Origin::default(), sql.to_owned());
        doubts(&[rules::read(&script)], &["log_ddl".to_owned()]).len()
    }

    #[test]
    fn what_changes_rows_is_told_from_what_defines() {
        for text in [
            "insert into a values (1)",
            "with x as (delete from a returning *) select * from x",
            "do $$ begin update a set b = 1; end $$",
            "copy a from stdin",
            "merge into a using b on true when matched then delete",
        ] {
            assert!(changes_rows(text), "{text}");
        }
        for text in [
            "alter table a add foreign key (b) references c on delete cascade on update set null",
            "create trigger t before insert or update of b on a execute function f()",
            "select * from a for update",
            "grant insert, update on a to b",
            "create table updates (last_update timestamp)",
            "",
        ] {
            assert!(!changes_rows(text), "{text}");
        }
    }

    #[test]
    fn a_trigger_of_the_batch_counts_where_rows_change_after_it() {
        let make = "CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()";
        assert_eq!(check(&format!("{make}; INSERT INTO a VALUES (1)")), 1);
        assert_eq!(check(&format!("INSERT INTO a VALUES (1); {make}")), 0);
        assert_eq!(check(make), 0);
    }

    #[test]
    fn event_triggers_fire_by_ddl_in_a_body() {
        assert_eq!(check("DELETE FROM a"), 0);
        assert_eq!(check("DROP TABLE a"), 0, "read where the statement is");
        assert_eq!(check("DO $$ BEGIN DROP TABLE a; END $$"), 1);
    }
}
