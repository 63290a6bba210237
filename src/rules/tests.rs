use super::{RULES, exists, findings, read};
use crate::finding::{Finding, Severity};
use crate::script::{Knowledge, Origin, Script};

fn script(text: &str) -> Script {
    let origin = Origin { path: Some("a.sql".to_owned()), revision: None, label: String::new() };
    Script::known(origin, text.to_owned())
}

fn found(text: &str) -> Vec<Finding> {
    let script = script(text);
    findings(&[read(&script)])
}

/// One line per finding: severity, rule, object, message.
fn check(text: &str) -> String {
    let line = |finding: &Finding| {
        format!(
            "{}[{}] {}: {}",
            finding.severity.name(),
            finding.rule,
            finding.object,
            finding.message
        )
    };
    found(text).iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_quiet(text: &str) {
    assert_eq!(check(text), "", "{text}");
}

#[test]
fn every_rule_finds_its_example_and_not_its_twin() {
    for rule in RULES.iter().filter(|rule| !rule.example.is_empty()) {
        if rule.id == "fires-trigger" {
            continue;
        }
        let counts = |finding: &Finding| finding.severity > Severity::Note;
        let example = found(rule.example);
        let rules: Vec<&str> = example
            .iter()
            .filter(|finding| finding.rule == rule.id || counts(finding))
            .map(|finding| finding.rule)
            .collect();
        assert_eq!(rules, [rule.id], "{}", rule.example);
        let twin = found(rule.safe);
        assert!(!twin.iter().any(counts), "{}: {twin:?}", rule.safe);
    }
    assert!(exists("drop-column") && !exists("drop-colum"));
}

#[test]
fn the_fate_of_rows_is_said_first() {
    insta::assert_snapshot!(check(
        "ALTER TABLE users DROP COLUMN legacy_id;
         DROP TABLE app.users;
         DROP SCHEMA s CASCADE; DROP SCHEMA s;
         DROP DATABASE d;
         DROP TYPE migration.collectionflowstatus CASCADE; DROP DOMAIN d;
         ALTER TYPE address DROP ATTRIBUTE street;
         DROP EXTENSION \"uuid-ossp\"; DROP EXTENSION pg_cron; DROP EXTENSION hstore CASCADE;
         DROP OWNED BY a, b;
         ALTER TABLE events DETACH PARTITION events_2024;"
    ), @r"
    error[drop-column] users.legacy_id: dropping `users.legacy_id` destroys its values
    error[drop-table] app.users: dropping `app.users` destroys its rows
    error[drop-schema] s: dropping the schema `s` destroys every table in it
    note[drop-schema] s: the schema `s` is dropped; PostgreSQL refuses that while it holds anything
    error[drop-database] d: dropping the database `d` destroys everything in it
    error[drop-type] migration.collectionflowstatus: dropping the type `migration.collectionflowstatus` drops every column that uses it
    note[drop-type] d: the domain `d` is dropped; PostgreSQL refuses that while a column uses it
    error[drop-attribute] address.street: dropping the attribute `address.street` destroys its values in every column of the type
    note[drop-extension] uuid-ossp: the extension `uuid-ossp` is dropped; PostgreSQL refuses that while a column uses it
    warning[drop-extension] pg_cron: dropping the extension `pg_cron` destroys the rows of its own tables
    error[drop-extension] hstore: dropping the extension `hstore` drops every column that uses its types
    error[drop-owned] a, b: dropping what `a, b` owns destroys every table of that role
    warning[drop-partition] events_2024: the rows of `events_2024` leave `events`; they stay in their own table
    ");
    insta::assert_snapshot!(check(
        "TRUNCATE a, b CASCADE;
         DELETE FROM a; DELETE FROM a WHERE b < now();
         UPDATE a SET b = NULL, \"C\" = 1; UPDATE a SET b = 2 WHERE c = 3;
         MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE;
         MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET c = 1;
         INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 2;
         ALTER TABLE a ALTER b TYPE date, ALTER c TYPE text, ALTER d TYPE int USING 0;
         ALTER TABLE a SET UNLOGGED;
         SELECT lo_unlink(1), app.purge();
         EXECUTE p;
         DO $$ BEGIN DELETE FROM a; END $$;
         DROP MATERIALIZED VIEW v;"
    ), @r#"
    error[truncate] a: truncating `a` destroys its rows and those of tables that refer to it
    error[truncate] b: truncating `b` destroys its rows and those of tables that refer to it
    error[delete-all] a: every row of `a` is deleted: no WHERE
    note[delete] a: rows of `a` are deleted where b < now()
    error[update-all] a: `b`, `"C"` of every row of `a` is overwritten: no WHERE
    note[update-overwrite] a.b: `b` of `a` is overwritten where c = 3
    error[merge-delete] a: a MERGE deletes rows of `a`
    warning[upsert-overwrite] a: a MERGE overwrites values of `a`
    warning[upsert-overwrite] a: rows of `a` that are already there get new values of `b`
    warning[narrow-type] a.b: values of `a.b` become date: they are rounded or cut where the new type holds less
    error[narrow-type] a.d: values of `a.d` become int: they are replaced by `0`, whatever they were
    warning[set-unlogged] a: after a crash of the server `a` is empty
    error[unlink-large-object] lo_unlink: lo_unlink() destroys the content of a large object
    warning[calls-function] app.purge: `app.purge` is called; what it does to rows is not known
    error[dynamic-sql] a.sql: what it runs is not known: `p` was prepared elsewhere
    error[delete-all] a: every row of `a` is deleted: no WHERE
    note[drop-table] v: dropping the materialized view `v` destroys rows that its query can compute again
    "#);
}

#[test]
fn what_to_do_instead_has_the_names_in_it() {
    let instead =
        |text: &str| found(text).first().map(|finding| finding.instead.clone()).expect(text);
    insta::assert_snapshot!(instead("ALTER TABLE app.users DROP COLUMN \"Legacy\""), @r#"
    1. stop reading and writing "Legacy", deploy
    2. drop it in a later release
    or keep the values beside it first:
      CREATE TABLE app."users_Legacy" AS
        SELECT <key>, "Legacy" FROM app.users WHERE "Legacy" IS NOT NULL;
    "#);
    insta::assert_snapshot!(instead("DROP TABLE users"), @r"
    1. stop reading and writing `users`, deploy
    2. set it aside, where nothing is lost:
         ALTER TABLE users RENAME TO users_retired;
    3. drop it in a later release
    ");
    insta::assert_snapshot!(instead("DELETE FROM users WHERE a = 1"), @r"
    keep them beside it first:
      CREATE TABLE users_kept AS SELECT * FROM users WHERE a = 1;
    ");
    insta::assert_snapshot!(instead("ALTER TABLE orders ALTER total TYPE int"), @r"
    keep the old values in place while the new column proves itself:
      ALTER TABLE orders ADD COLUMN total_new int;
      UPDATE orders SET total_new = total;
    and drop total in a later release
    ");
    for rule in RULES.iter().filter(|rule| !rule.example.is_empty()) {
        assert!(
            found(rule.example).iter().all(|finding| !finding.instead.is_empty()),
            "{}",
            rule.id
        );
    }
}

#[test]
fn what_to_do_instead_can_be_pasted() {
    for text in [
        "DROP TABLE \"order\"",
        "DROP TABLE \"order\"; CREATE TABLE \"order\" (id int)",
        "ALTER TABLE \"order\" DROP COLUMN \"it's \"\"odd\"\"\"",
        "DROP SCHEMA \"User\" CASCADE",
        "DROP DATABASE \"my app\"",
        "DROP TYPE app.\"User\" CASCADE",
        "ALTER TYPE \"table\" DROP ATTRIBUTE \"from\"",
        "DROP EXTENSION \"uuid-ossp\" CASCADE",
        "DROP OWNED BY \"Some One\", CURRENT_USER",
        "ALTER TABLE \"select\" DETACH PARTITION \"group\"",
        "TRUNCATE \"user\" CASCADE",
        "DELETE FROM \"user\"",
        "DELETE FROM \"user\" WHERE \"Name\" = 'it''s'",
        "UPDATE \"user\" SET \"Name\" = 'x'",
        "UPDATE \"user\" SET \"Name\" = 'x' WHERE \"order\" = 3",
        "MERGE INTO \"user\" USING b ON \"user\".id = b.id WHEN MATCHED THEN DELETE",
        "INSERT INTO \"user\" VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1",
        "ALTER TABLE \"user\" ALTER COLUMN \"Total\" TYPE numeric(5, 2)",
        "ALTER TABLE \"user\" SET UNLOGGED",
        "SELECT lo_unlink(1)",
    ] {
        let finding = found(text).into_iter().next().expect(text);
        let pasted = statements(&finding.instead);
        assert!(!pasted.is_empty(), "{text}: {}", finding.instead);
        let unread: Vec<String> = found(&pasted)
            .into_iter()
            .filter(|finding| finding.rule == "opaque")
            .map(|finding| finding.message)
            .collect();
        assert!(unread.is_empty(), "{text}: {pasted}: {unread:?}");
        let name = text.split('"').nth(1).map(|name| format!("\"{name}\""));
        assert!(name.is_none_or(|name| pasted.contains(&name)), "{text}: {pasted}");
    }
}

/// The indented lines of a hint, with something in place of what only the user knows.
fn statements(instead: &str) -> String {
    let lines: Vec<&str> = instead.lines().filter(|line| line.starts_with("  ")).collect();
    let mut sql = lines.join("\n").replace(" … ", " VALUES (1) ");
    for (placeholder, with) in [
        ("<condition>", "id = 1"),
        ("<bounds>", "IN (1)"),
        ("<value>", "1"),
        ("<oid>", "1"),
        ("<type>", "text"),
    ] {
        sql = sql.replace(placeholder, with);
    }
    sql.split('<')
        .enumerate()
        .map(|(index, part)| match part.split_once('>') {
            Some((_, rest)) if index > 0 => format!("x{rest}"),
            _ => part.to_owned(),
        })
        .collect()
}

#[test]
fn what_was_born_in_the_batch_is_not_at_risk() {
    for text in [
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1); TRUNCATE a; DELETE FROM a; DROP TABLE a",
        "CREATE TABLE a (id int); ALTER TABLE a RENAME TO b; DROP TABLE public.b",
        "CREATE TABLE a (id int); ALTER TABLE a DROP COLUMN id, ALTER b TYPE date, SET UNLOGGED",
        "CREATE TEMP TABLE a (id int); TRUNCATE a; DROP TABLE a",
        "CREATE SCHEMA s; CREATE TABLE IF NOT EXISTS s.a (id int); DROP TABLE s.a; DROP SCHEMA s CASCADE",
        "CREATE TYPE e AS ENUM ('a'); DROP TYPE e CASCADE",
        "ALTER TABLE a ADD COLUMN b int; UPDATE a SET b = 1; ALTER TABLE a ALTER b TYPE smallint; ALTER TABLE a DROP b",
        "ALTER TABLE a ADD b int; ALTER TABLE a RENAME b TO c; UPDATE a SET c = 1",
        "ALTER TABLE a ADD b int; ALTER TABLE a RENAME TO z; UPDATE z SET b = 1",
        "SELECT 1 AS x INTO a; DROP TABLE a",
        "SET search_path TO app; CREATE TABLE a (id int); COMMIT; DROP TABLE a",
        "UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'",
        "DELETE FROM alembic_version WHERE alembic_version.version_num = 'a'",
    ] {
        is_quiet(text);
    }
    let (one, two) = (script("CREATE TABLE a (id int)"), script("DROP TABLE a"));
    assert_eq!(findings(&[read(&one), read(&two)]).len(), 0);
    assert_eq!(findings(&[read(&two), read(&one)])[0].rule, "recreate-table");
}

#[test]
fn a_birth_that_is_not_proven_does_not_count() {
    let rules =
        |text: &str| -> Vec<&str> { found(text).iter().map(|finding| finding.rule).collect() };
    for (text, rule) in [
        ("CREATE TABLE IF NOT EXISTS a (id int); DROP TABLE a", "drop-table"),
        ("CREATE TABLE a (id int); DROP TABLE app.a", "drop-table"),
        ("CREATE TABLE a (id int); ROLLBACK; DROP TABLE a", "drop-table"),
        ("CREATE TABLE a (id int); SET search_path TO b; TRUNCATE a", "truncate"),
        ("CREATE TEMP TABLE a (id int); TRUNCATE public.a", "truncate"),
        ("CREATE TEMP TABLE a (id int); DROP TABLE a; TRUNCATE a", "truncate"),
        ("CREATE TEMP TABLE a (id int) ON COMMIT DROP; COMMIT; TRUNCATE a", "truncate"),
        ("CREATE TABLE a (id int); DROP TABLE a; DROP TABLE a", "drop-table"),
        ("CREATE SCHEMA s; ALTER TABLE a SET SCHEMA s; DROP SCHEMA s CASCADE", "drop-schema"),
        ("CREATE SCHEMA IF NOT EXISTS s; DROP SCHEMA s CASCADE", "drop-schema"),
        (
            "CREATE TABLE p (id int) PARTITION BY LIST (id); ALTER TABLE p ATTACH PARTITION old FOR VALUES IN (1); DROP TABLE p",
            "drop-table",
        ),
        (
            "CREATE TYPE e AS ENUM ('a'); ALTER TABLE a ALTER b TYPE e USING b::e; DROP TYPE e CASCADE",
            "drop-type",
        ),
        ("ALTER TABLE a ADD COLUMN IF NOT EXISTS b int; UPDATE a SET b = 1", "update-all"),
        ("ALTER TABLE a ADD b int; UPDATE a SET b = 1, c = 2", "update-all"),
        ("ALTER TABLE a RENAME TO b; DROP TABLE b", "drop-table"),
        ("CREATE TABLE n (id int); TRUNCATE n CASCADE", "truncate"),
    ] {
        assert!(rules(text).contains(&rule), "{text}: {:?}", rules(text));
    }
    insta::assert_snapshot!(check(
        "CREATE TABLE a_new AS SELECT * FROM a; DROP TABLE a; ALTER TABLE a_new RENAME TO a; TRUNCATE a"
    ), @r"
    error[recreate-table] a: `a` is dropped and made again: its rows are destroyed
    error[truncate] a: truncating `a` destroys its rows
    ");
    insta::assert_snapshot!(check(
        "ALTER TABLE a ADD b_new int; UPDATE a SET b_new = b; ALTER TABLE a DROP b; ALTER TABLE a RENAME b_new TO b; UPDATE a SET b = 0"
    ), @r"
    error[drop-column] a.b: dropping `a.b` destroys its values
    error[update-all] a.b: `b` of every row of `a` is overwritten: no WHERE
    ");
}

#[test]
fn what_a_script_keeps_to_itself_is_a_finding() {
    let mut script = script("SELECT 1");
    script.origin.revision = Some("7b20e4".to_owned());
    script.knowledge = Knowledge::Opaque("offline mode failed".to_owned());
    let found = findings(&[read(&script)]);
    insta::assert_snapshot!(found[0].message, @"`7b20e4` could not be read, so rowsafe cannot vouch for it: offline mode failed");
    assert_eq!(
        (found[0].severity.name(), found[0].object.to_string()),
        ("error", "7b20e4".to_owned())
    );
    script.knowledge =
        Knowledge::PartlyKnown(vec!["it uses get_bind".to_owned(), "it inspects".to_owned()]);
    let found = findings(&[read(&script)]);
    insta::assert_snapshot!(found[0].message, @"`7b20e4` may do more than could be read: it uses get_bind; it inspects");
    assert_eq!(found[0].severity.name(), "warning");
    script.knowledge = Knowledge::Known;
    script.text = "-- nothing\n".to_owned();
    assert_eq!(findings(&[read(&script)]), []);
}

#[test]
fn places_are_in_the_file_that_a_person_edits() {
    let place = |script: &Script| {
        let position = findings(&[read(script)])[0].place.position;
        position.map(|position| (position.line, position.column))
    };
    let mut script = script("SELECT 1;\n  ALTER TABLE users DROP COLUMN legacy_id;");
    assert_eq!(place(&script), Some((2, 3)));
    script.source = Some(
        "# legacy_id is dropped\ndef upgrade():\n    op.add_column('users', x)\n    \
         op.drop_column('users', 'legacy_id')\n\ndef downgrade():\n    op.add_column('users', legacy_id)\n"
            .to_owned(),
    );
    assert_eq!(place(&script), Some((4, 5)));
    script.text = "DROP TYPE migration.status CASCADE".to_owned();
    script.source = Some(
        "def upgrade():\n  op.execute(\"\"\"\n    DROP TYPE migration.status CASCADE\"\"\")\n"
            .to_owned(),
    );
    assert_eq!(place(&script), Some((3, 5)));
    script.source = Some("def upgrade():\n    helper()\n".to_owned());
    assert_eq!(place(&script), None);
}
