use proptest::prelude::*;

use super::split;
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::{Statement, StatementKind};

/// One line per statement: its place, its kind and its text on one line.
fn check(text: &str) -> String {
    let line = |statement: &Statement| {
        let kind = match &statement.kind {
            StatementKind::Sql => "sql".to_owned(),
            StatementKind::CopyFromStdin => "copy".to_owned(),
            StatementKind::ClientCommand => "psql".to_owned(),
            StatementKind::Unreadable(why) => format!("unreadable ({why})"),
        };
        let position = statement.position;
        let text = statement.text.replace(['\n', '\r'], "~");
        format!("{}:{} {kind} | {text}", position.line, position.column)
    };
    split(text).iter().map(line).collect::<Vec<_>>().join("\n")
}

macro_rules! script {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/scripts/", $name, ".sql"))
    };
}

#[test]
fn dollar_quotes() {
    insta::assert_snapshot!(check(script!("dollar-quotes")), @r"
    1:1 sql | SELECT foo$$ AS a
    1:20 sql | SELECT bar$$
    2:1 sql | SELECT $a$ ; $$ ; $a$ AS b
    2:29 sql | SELECT $é$;$é$
    3:1 sql | CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN DELETE FROM a; RETURN 1; END $body$
    ");
}

#[test]
fn strings() {
    insta::assert_snapshot!(check(script!("strings")), @r#"
    1:1 sql | SELECT 'it''s; fine', 'back\'
    1:32 sql | SELECT E'it\'s; fine'
    2:1 sql | SELECT E'goes'~  'on\'; here'
    3:17 sql | SELECT U&'\0041;' , B'1;0', N'n;'
    4:1 sql | SELECT "odd ""; name", U&"x;y"
    "#);
}

#[test]
fn comments() {
    insta::assert_snapshot!(check(script!("comments")), @r"
    2:29 sql | SELECT 1 /* ; */ + 2
    4:1 sql | SELECT 3 +-- ;~4
    ");
    insta::assert_snapshot!(check("SELECT 1 -- a;\r, 2; SELECT 3"), @r"
    1:1 sql | SELECT 1 -- a;~, 2
    2:6 sql | SELECT 3
    ");
}

#[test]
fn bodies_and_parentheses() {
    insta::assert_snapshot!(check(script!("begin-atomic")), @r"
    1:1 sql | CREATE OR REPLACE FUNCTION f() RETURNS int~BEGIN ATOMIC~  SELECT CASE WHEN true THEN 1 END;~  DELETE FROM a;~END
    6:1 sql | BEGIN
    6:8 sql | SELECT 1
    6:18 sql | END
    ");
    insta::assert_snapshot!(check(script!("rule-with-two-actions")), @r"
    1:1 sql | CREATE RULE r AS ON DELETE TO a DO ALSO (DELETE FROM b; DELETE FROM c)
    2:1 unreadable (a semicolon stands between its parentheses) | SELECT (1;
    ");
}

#[test]
fn copy_data_is_no_text() {
    insta::assert_snapshot!(check(script!("copy-from-stdin")), @r#"
    1:1 copy | COPY public.a (x, "from") FROM stdin WITH (FORMAT text)
    5:1 sql | SELECT 1
    6:1 copy | COPY a FROM STDIN
    8:1 sql | SELECT 2
    "#);
    insta::assert_snapshot!(check("COPY a FROM stdin;\n1\nDROP TABLE a;\n"), @r"
    1:1 unreadable (the data of a COPY does not end with `\.`) | COPY a FROM stdin
    2:1 sql | 1~DROP TABLE a
    ");
    insta::assert_snapshot!(check("COPY a FROM stdin; DROP TABLE a;\n1\n\\.\n"), @r"
    1:1 unreadable (something stands between a COPY and its data) | COPY a FROM stdin
    1:20 sql | DROP TABLE a
    2:1 unreadable (a psql command stands in the middle of it) | 1
    3:1 psql | \.
    ");
}

#[test]
fn psql_commands() {
    insta::assert_snapshot!(check(script!("psql-commands")), @r"
    1:1 psql | \set ON_ERROR_STOP on
    2:1 psql | \i other.sql
    3:1 sql | SELECT 'DROP TABLE a;'
    3:24 psql | \gexec
    4:1 sql | SELECT 1
    4:10 psql | \g
    5:1 psql | \echo one
    5:14 sql | SELECT 2
    6:1 sql | SELECT 3
    6:13 sql | SELECT 4
    7:1 unreadable (a psql command stands in the middle of it) | SELECT a
    8:1 psql | \echo middle
    9:1 sql | FROM b
    10:1 sql | SELECT '\not a command'
    ");
}

#[test]
fn what_is_not_sql() {
    insta::assert_snapshot!(check(script!("templates")), @r#"
    1:1 unreadable (it holds a template marker, which another program fills in) | DROP TABLE {{ schema }}.a
    1:28 sql | SELECT 1
    2:1 unreadable (it holds a template marker, which another program fills in) | {% if x %} SELECT 2
    2:22 unreadable (it holds a template marker, which another program fills in) | {% endif %}~INSERT INTO a VALUES ('{{"json": {}}}')
    4:1 unreadable (a name in it is a template marker, filled in by another program) | DELETE FROM "${name}"
    "#);
    insta::assert_snapshot!(check(script!("no-break-space")), @r"
    1:1 unreadable (a no-break or invisible space in it is a letter to PostgreSQL) | DELETE FROM a WHERE id = 1
    2:1 sql | SELECT ' '
    ");
    insta::assert_snapshot!(check(script!("unterminated")), @r"
    1:1 sql | SELECT 1
    1:11 unreadable (a string in it does not end) | SELECT 'open; DROP TABLE a;~
    ");
    insta::assert_snapshot!(check(script!("conforming-strings")), @r"
    1:1 sql | SET standard_conforming_strings = on
    2:1 sql | SELECT 'a\'
    3:1 unreadable (it changes how strings are read (standard_conforming_strings)) | SET standard_conforming_strings TO off
    4:1 sql | SELECT 'plain'
    5:1 unreadable (it follows a backslash in a string, with standard_conforming_strings off) | SELECT 'a\'
    5:14 unreadable (it follows a backslash in a string, with standard_conforming_strings off) | DROP TABLE b
    ");
}

#[test]
fn positions_count_characters_and_every_kind_of_line() {
    insta::assert_snapshot!(check("\u{feff}SELECT 'é';  SELECT 2;\r\n\rSELECT 3;\n\n  SELECT 4"), @r"
    1:1 sql | SELECT 'é'
    1:14 sql | SELECT 2
    3:1 sql | SELECT 3
    5:3 sql | SELECT 4
    ");
}

#[test]
fn allow_comments() {
    let shown: Vec<String> = split(script!("allow-comments"))
        .iter()
        .map(|statement| {
            let allows = statement.allows.iter().map(|allow| match &allow.parsed {
                Ok(text) => format!("{}: {} {}", allow.position.line, text.rule, text.object),
                Err(why) => format!("{}: {why}", allow.position.line),
            });
            format!(
                "{} <- {}",
                statement.text.replace('\n', "~"),
                allows.collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    DROP TABLE a <- 1: drop-table a
    DROP TABLE b <- 3: drop-table b
    DROP TABLE c <- 5: drop-table c
    ALTER TABLE d -- rowsafe: allow[drop-column] d.e rows<=5: at the end of its first line~  DROP COLUMN e <- 8: drop-column d.e
    DROP TABLE f <- 10: it stands neither on the line before a statement nor at its end
    DROP TABLE g <- 13: say why, after a colon, 15: it stands neither on the line before a statement nor at its end
    ");
}

fn covers_everything(text: &str) {
    let statements = split(text);
    let mut end = 0;
    for statement in &statements {
        assert!(end <= statement.span.start && statement.span.start < statement.span.end);
        end = statement.span.end;
        crate::effect::read(statement);
    }
    if statements.iter().any(|statement| statement.kind == StatementKind::CopyFromStdin) {
        return;
    }
    for token in Lexer::new(text).filter(crate::sql::lexer::Token::is_significant) {
        let covered = statements.iter().any(|statement| {
            statement.span.start <= token.span.start && token.span.end <= statement.span.end
        });
        let is_mark = token.kind == TokenKind::Semicolon || token.span.of(text) == "\u{feff}";
        assert!(covered || is_mark, "{:?} of {text:?}", token.span.of(text));
    }
}

/// Pieces that mean something to the lexer, the splitter or the reader.
const PIECES: [&str; 64] = [
    "SELECT ",
    "DELETE FROM ",
    "UPDATE ",
    "SET ",
    "WHERE ",
    "DROP ",
    "TABLE ",
    "ALTER ",
    "COLUMN ",
    "TYPE ",
    "a",
    "b.c",
    "\"x\"",
    "\"",
    "'",
    "''",
    "E'",
    "\\'",
    "U&'",
    "U&\"",
    "$$",
    "$a$",
    "$1",
    "$",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    "\n",
    "\r",
    "--",
    "/*",
    "*/",
    "\\",
    "\\.",
    "\\g",
    "\\;",
    ":",
    "::",
    ":x",
    "%(a)s",
    "{{",
    "}}",
    "BEGIN ",
    "ATOMIC ",
    "CASE ",
    "END ",
    "CREATE ",
    "FUNCTION ",
    "COPY a FROM stdin",
    "WITH ",
    "AS ",
    "INSERT INTO ",
    "VALUES ",
    "ON CONFLICT ",
    "DO ",
    "é",
    "\u{a0}",
    "\0",
    "1.5e",
    "MERGE INTO ",
    "TRUNCATE ",
];

#[test]
fn what_is_left_out_before_parsing_may_overlap() {
    covers_everything("SELECT ON CONFLICT ON CONFLICT U&'\\.'TRUNCATE DO");
}

#[test]
fn two_backslashes_in_quotes_do_not_end_a_psql_command() {
    insta::assert_snapshot!(check("\\pset null '\\\\N'\nSELECT 1;\n\\echo \"a'b\" \\\\ SELECT 2;\n\\echo don't \\\\ go\nSELECT 3"), @r#"
    1:1 psql | \pset null '\\N'
    2:1 sql | SELECT 1
    3:1 psql | \echo "a'b"
    3:16 sql | SELECT 2
    4:1 psql | \echo don't \\ go
    5:1 sql | SELECT 3
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_soup_is_dropped_or_panics(indexes in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = indexes.into_iter().map(|index| PIECES[index]).collect();
        covers_everything(&text);
    }

    #[test]
    fn no_text_is_dropped_or_panics(text in "\\PC{0,60}") {
        covers_everything(&text);
    }
}
