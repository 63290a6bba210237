//! Reading holds for whatever is thrown at it: it neither panics nor overlooks a statement that
//! stands plainly in the middle.

use proptest::prelude::*;

use super::tokens::Tokens;
use super::{Effect, clear, query, read};
use crate::sql::split;

const SQL: [&str; 66] = [
    "SELECT ",
    "a",
    "b.c",
    "\"X\"",
    "f(",
    "(",
    ")",
    ",",
    "1",
    "'x'",
    "E'\\''",
    "$$y$$",
    "$1",
    "%(p)s",
    ":q",
    ":'q'",
    "FROM ",
    "WHERE ",
    " AND ",
    " OR ",
    "NOT ",
    "= ",
    "||",
    "::text",
    "IN ",
    "EXISTS ",
    "CASE ",
    "WHEN ",
    "THEN ",
    "ELSE ",
    "END ",
    "WITH ",
    "AS ",
    "INSERT INTO ",
    "VALUES ",
    "ON CONFLICT ",
    "DO UPDATE SET ",
    "UPDATE ",
    "SET ",
    "DELETE FROM ",
    "USING ",
    "MERGE INTO ",
    "MATCHED ",
    "RETURNING ",
    "ONLY ",
    "UNION ",
    "ARRAY[",
    "]",
    ".",
    "*",
    "INTO ",
    "STRICT ",
    "CURRENT OF ",
    "PREPARE p AS ",
    "EXECUTE p ",
    "EXPLAIN ANALYZE ",
    "COPY ",
    "TO STDOUT ",
    "CREATE TABLE t ",
    "CREATE RULE r AS ",
    "ALTER TABLE t ",
    "DROP ",
    "ALTER TYPE t ",
    "IS JSON ",
    "FOR UPDATE ",
    "--x\n",
];

const CODE: [&str; 48] = [
    "DECLARE ",
    "BEGIN ",
    "END ",
    "END IF;",
    "END LOOP;",
    "IF ",
    "ELSIF ",
    "ELSE ",
    "THEN ",
    "LOOP ",
    "FOR r IN ",
    "FOREACH x IN ARRAY ",
    "WHILE ",
    "CASE ",
    "WHEN ",
    "EXCEPTION ",
    "RAISE NOTICE ",
    "RETURN ",
    "RETURN QUERY ",
    "PERFORM ",
    "EXECUTE ",
    "format(",
    "'DROP TABLE %I'",
    "'%s %L %%'",
    "quote_ident(",
    "v",
    ":= ",
    "= ",
    "||",
    "'x'",
    ";",
    "; ",
    "(",
    ")",
    ",",
    "SELECT 1 ",
    "INTO ",
    "USING ",
    "GET DIAGNOSTICS ",
    "OPEN c FOR ",
    "<<l>>",
    "1..2 ",
    "ARRAY[",
    "]",
    "::regclass",
    "text ",
    "CURSOR FOR ",
    "#option dump\n",
];

const HEADS: [&str; 5] = [
    "SELECT ",
    "INSERT INTO t VALUES (1, ",
    "INSERT INTO t SELECT a FROM ",
    "WITH x AS (SELECT ",
    "VALUES (",
];

fn effects(text: &str) -> Vec<Effect> {
    split(text).iter().flat_map(read).collect()
}

fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let indexes = prop::collection::vec(0..pieces.len(), 0..30);
    indexes.prop_map(|indexes| indexes.into_iter().map(|index| pieces[index]).collect())
}

/// Whether the table that stands plainly in it is spoken of, or something could not be read.
fn is_noticed(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Delete { table, .. } => table.name == "victim",
        Effect::Opaque { .. } | Effect::DynamicSql { .. } => true,
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sql_is_read_without_a_panic(text in soup(&SQL)) {
        effects(&text);
    }

    #[test]
    fn code_is_read_without_a_panic(text in soup(&CODE)) {
        effects(&format!("DO $do$ {text} $do$"));
        effects(&format!("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $do$ {text} $do$; SELECT f()"));
        effects(&format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $do$ {text} $do$; SELECT f()"));
    }

    #[test]
    fn a_statement_in_the_middle_of_code_is_noticed(before in soup(&CODE), after in soup(&CODE)) {
        let text = format!("DO $do$ {before}; DELETE FROM victim; {after} $do$");
        prop_assert!(is_noticed(&effects(&text)), "{text}: {:?}", effects(&text));
    }

    #[test]
    fn a_statement_between_others_is_noticed(before in soup(&SQL), after in soup(&SQL)) {
        let text = format!("{before}; DELETE FROM victim; {after}");
        prop_assert!(is_noticed(&effects(&text)), "{text}: {:?}", effects(&text));
    }

    #[test]
    fn what_its_words_clear_a_grammar_clears_too(head in 0..HEADS.len(), rest in soup(&SQL)) {
        let text = format!("{}{rest}", HEADS[head]);
        // A grammar is shown `IN ($1)`, which in the wrong place looks like a call.
        prop_assume!(!["IN $", "IN %", "IN :"].iter().any(|it| text.contains(it)));
        let tokens = Tokens::new(&text);
        if clear::destroys_nothing(&tokens) && let Some((effects, _)) = query::read(&tokens) {
            let is_harmless = |effect: &Effect| matches!(effect, Effect::Insert { .. });
            prop_assert!(effects.iter().all(is_harmless), "{text}: {effects:?}");
        }
    }

    #[test]
    fn a_statement_within_a_query_is_noticed(before in soup(&SQL), after in soup(&SQL)) {
        let text = format!("SELECT {before} WITH x AS (DELETE FROM victim RETURNING a) {after}");
        prop_assert!(is_noticed(&effects(&text)), "{text}: {:?}", effects(&text));
    }
}
