//! What several versions of Alembic really printed, and output that is hard to read.

use super::{Direction, Output, bare, parse};

fn known(id: &str) -> bool {
    ["aaaa01", "bbbb02", "cccc03", "dddd04", "eeee05", "noisy0001", "noisy0002"].contains(&id)
}

fn printed(name: &str) -> Output {
    let path = format!("{}/fixtures/alembic-output/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    parse(&std::fs::read_to_string(path).expect("the fixture is there"), &known)
}

fn summary(output: &Output) -> Vec<(String, String, String)> {
    let of = |section: &super::Section| {
        (section.from.join("+"), section.to.join("+"), section.text.replace('\n', " "))
    };
    output.sections.iter().map(of).collect()
}

fn row(from: &str, to: &str, text: &str) -> (String, String, String) {
    (from.to_owned(), to.to_owned(), text.to_owned())
}

const USERS: &str =
    "CREATE TABLE users (     id SERIAL NOT NULL,      name TEXT,      PRIMARY KEY (id) );";

#[test]
fn merges_and_bases_of_every_version_without_bookkeeping() {
    for version in ["1.4", "1.8", "1.20"] {
        let output = printed(&format!("upgrade-merge-{version}"));
        assert_eq!(
            summary(&output),
            [
                row("", "aaaa01", USERS),
                row("aaaa01", "cccc03", "DELETE FROM users;"),
                row("aaaa01", "bbbb02", "ALTER TABLE users DROP COLUMN name;"),
                row("bbbb02+cccc03", "dddd04", ""),
            ],
            "{version}"
        );
        assert!(output.sections.iter().all(|s| s.is_complete && s.doubts.is_empty()), "{version}");
        assert_eq!((output.preamble.as_str(), &output.failure), ("", &None), "{version}");
    }
}

#[test]
fn the_version_table_that_old_versions_drop_is_theirs_and_the_users_table_is_not() {
    for version in ["1.4", "1.8", "1.20"] {
        let output = printed(&format!("downgrade-base-{version}"));
        assert_eq!(
            summary(&output),
            [row("cccc03", "aaaa01", ""), row("aaaa01", "", "DROP TABLE users;")],
            "{version}"
        );
        assert_eq!(output.sections[0].revision(), "cccc03");
        assert_eq!(output.sections[0].direction, Direction::Downgrade);
    }
}

#[test]
fn a_revision_that_broke_off_is_not_complete() {
    for version in ["1.4", "1.8", "1.20"] {
        let output = printed(&format!("upgrade-failing-{version}"));
        let last = output.sections.last().expect("some were rendered");
        assert_eq!((last.revision(), last.text.as_str()), ("eeee05", "select 1;"), "{version}");
        assert!(!last.is_complete);
        assert!(output.sections[..3].iter().all(|section| section.is_complete), "{version}");
    }
}

#[test]
fn prose_between_the_sql_is_dropped_and_no_sql_is() {
    let output = printed("noisy-1.20");
    let [first, second] = output.sections.as_slice() else { panic!("two revisions") };
    assert_eq!(
        first.text,
        "CREATE TABLE users (\n    id INTEGER\n);\n\nUPDATE users\n    SET id = 1\n\n    WHERE id = 2;\n\nDELETE FROM users;"
    );
    assert_eq!(first.doubts.len(), 1, "{}", first.doubts.join("; "));
    assert!(first.doubts[0].contains("Creating the users' table"), "{}", first.doubts[0]);
    for part in [
        "Drop the old table;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$\nBEGIN\n  DELETE FROM users;\nEND\n$body$;",
        "-- a comment",
        "DELETE FROM users WHERE name = 'it''s; here\n-- Running upgrade noisy0001 -> nowhere\n';",
        "COMMIT;\n\nALTER TYPE mood ADD VALUE 'x';\n\nBEGIN;",
    ] {
        assert!(second.text.contains(part), "{part} in\n{}", second.text);
    }
    assert!(!second.text.contains("everything") && !second.text.contains("alembic_version"));
    assert!(second.is_complete);
    assert_eq!(output.preamble, "");
}

#[test]
fn only_the_exact_statements_on_the_version_table_are_alembics() {
    let text = |sql: &str| {
        let output = parse(&format!("-- Running upgrade aaaa01 -> bbbb02\n\n{sql}\n"), &known);
        output.sections[0].text.clone()
    };
    for theirs in [
        "UPDATE alembic_version SET version_num='bbbb02' WHERE alembic_version.version_num = 'aaaa01';",
        "UPDATE \"App\".\"v 1\" SET version_num='bbbb02' WHERE \"App\".\"v 1\".version_num = 'aaaa01';",
        "INSERT INTO alembic_version (version_num) VALUES ('bbbb02');",
        "INSERT INTO app.v (version_num) VALUES ('bbbb02') RETURNING app.v.version_num;",
        "DELETE FROM alembic_version WHERE alembic_version.version_num = 'aaaa01';",
        "CREATE TABLE v (\n    version_num VARCHAR(32) NOT NULL\n);",
    ] {
        assert_eq!(text(theirs), "", "{theirs}");
    }
    for ours in [
        "DELETE FROM alembic_version;",
        "DELETE FROM alembic_version WHERE alembic_version.version_num = 'other';",
        "DELETE FROM users WHERE alembic_version.version_num = 'aaaa01';",
        "DROP TABLE alembic_version;",
        "UPDATE alembic_version SET version_num='bbbb02';",
        "DELETE FROM v WHERE v.version_num = 'aaaa01'; DROP TABLE users;",
    ] {
        assert!(text(ours).ends_with(ours.rsplit("; ").next().unwrap_or(ours)), "{ours}");
    }
}

#[test]
fn statements_survive_what_stands_around_them() {
    let parse = |body: &str| {
        let output = parse(&format!("-- Running upgrade aaaa01 -> bbbb02\n\n{body}"), &known);
        let section = output.sections.into_iter().next().expect("one section");
        (section.text.replace('\n', " "), section.doubts.len())
    };
    for (body, text, n_doubts) in [
        ("working...\nDROP TABLE a;\n", "DROP TABLE a;", 0),
        ("Update complete\nDROP TABLE a;\n", "Update complete;  DROP TABLE a;", 1),
        ("about to drop table a\nDROP TABLE a;\n", "about to drop table a;  DROP TABLE a;", 1),
        ("done. DROP TABLE a;\n", "DROP TABLE a;", 1),
        ("Delete all\nTRUNCATE a;\n", "Delete all;  TRUNCATE a;", 1),
        ("DELETE /* all */ FROM a\nWHERE b;\n", "DELETE /* all */ FROM a WHERE b;", 1),
        ("WITH x AS (SELECT 1)\nDELETE FROM a;\n", "WITH x AS (SELECT 1) DELETE FROM a;", 0),
        ("UPDATE a\nSET b = 1;\n", "UPDATE a SET b = 1;", 0),
        ("DO $$ BEGIN\n  oops;\nEND $$;\n", "DO $$ BEGIN   oops; END $$;", 0),
        ("SELECT E'it\\'s; x';\nDROP TABLE a;", "SELECT E'it\\'s; x';  DROP TABLE a;", 0),
        ("/* a; /* b */ c */ DROP TABLE a;", "/* a; /* b */ c */ DROP TABLE a;", 0),
        ("DROP TABLE a", "DROP TABLE a;", 1),
        ("2024-01-01 10:00:00,123 INFO drop table b\nDROP TABLE a;", "DROP TABLE a;", 0),
        ("FAILED: no such thing\n\nDROP TABLE a;", "DROP TABLE a;", 0),
        ("\\connect other\nDROP TABLE a;", "\\connect other  DROP TABLE a;", 0),
        ("é drôle\nDROP TABLE a; é\n", "DROP TABLE a;", 0),
    ] {
        assert_eq!(parse(body), (text.to_owned(), n_doubts), "{body}");
    }
}

#[test]
fn bare_text_is_what_stands_outside_literals() {
    assert_eq!(bare("a = ':x' -- :y\n/* :z */ \":q\" $$ :w $$ :v"), "a =    \n      :v");
    assert_eq!(bare("é $1 $a$ :b $a$"), "é $1  ");
}

#[test]
fn a_revision_without_a_file_is_a_revision() {
    let output = parse(
        "INFO x\n-- Running upgrade aaaa01 -> ffff99\n\nDROP TABLE a;\n\nUPDATE v SET version_num='ffff99' WHERE v.version_num = 'aaaa01';\n",
        &known,
    );
    assert_eq!(summary(&output), [row("aaaa01", "ffff99", "DROP TABLE a;")]);
    assert!(output.sections[0].is_complete);
}
