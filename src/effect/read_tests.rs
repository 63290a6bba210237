use super::read;
use crate::effect::Effect;
use crate::sql::split;

/// The effects of a text, one a line, in short.
fn check(text: &str) -> String {
    let effects: Vec<Effect> = split(text).iter().flat_map(read).filter(is_told).collect();
    effects.iter().map(|effect| format!("{effect:?}")).collect::<Vec<_>>().join("\n")
}

/// What an INSERT does is told by a test of its own.
fn is_told(effect: &Effect) -> bool {
    !matches!(effect, Effect::Insert { .. } | Effect::Fill { .. } | Effect::Switches { .. })
}

#[test]
fn what_fires_triggers_and_loses_nothing_is_seen() {
    for (text, seen) in [
        ("INSERT INTO a VALUES (1)", "+a"),
        ("INSERT INTO s.a SELECT * FROM b", "+s.a"),
        ("WITH x AS (INSERT INTO a VALUES (1) RETURNING *) INSERT INTO b SELECT * FROM x", "+a +b"),
        ("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 1", "+a"),
        ("COPY a (n) FROM '/tmp/a'", "+a"),
        ("\\copy s.a (n) from a.csv", "+s.a"),
        ("COPY a TO '/tmp/a'", ""),
        ("MERGE INTO a USING b ON a.id = b.id WHEN NOT MATCHED THEN INSERT VALUES (1)", "+a"),
        ("UPDATE a SET n = 1 WHERE n IS NULL", "~a(n)"),
        ("UPDATE a SET n = 1, m = 2 WHERE n IS NULL", "~a(n)"),
        ("UPDATE a SET n = n", "~a(n)"),
        ("UPDATE a SET n = 1", ""),
        ("DO $$ BEGIN INSERT INTO a VALUES (1); END $$", "+a"),
    ] {
        let effects: Vec<Effect> = split(text).iter().flat_map(read).collect();
        let said = effects.iter().filter_map(|effect| match effect {
            Effect::Insert { table } => Some(format!("+{}", table.short())),
            Effect::Fill { table, columns } => {
                Some(format!("~{}({})", table.short(), columns.join(",")))
            }
            _ => None,
        });
        assert_eq!(said.collect::<Vec<_>>().join(" "), seen, "{text}: {effects:?}");
    }
}

#[test]
fn what_turns_triggers_on_and_off_is_seen() {
    for (text, seen) in [
        ("ALTER TABLE s.a DISABLE TRIGGER t", "s.a t off"),
        ("ALTER TABLE a DISABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER t", "a * off; a t on"),
        ("ALTER TABLE a ENABLE ROW LEVEL SECURITY", ""),
        ("ALTER TABLE a DISABLE RULE r", "a r off"),
        ("DROP TRIGGER IF EXISTS t ON a CASCADE", "a t off"),
        (
            "CREATE OR REPLACE TRIGGER t AFTER UPDATE OF b OR DELETE ON s.a EXECUTE FUNCTION f()",
            "s.a t on",
        ),
        ("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()", "a t on"),
        ("DROP EVENT TRIGGER e; ALTER EVENT TRIGGER e ENABLE", "- e off; - e on"),
        ("SET session_replication_role = replica", "- * off"),
        ("SET LOCAL session_replication_role TO 'origin'", "- * on"),
        ("RESET session_replication_role", "- * on"),
        ("SET lock_timeout = 1", ""),
    ] {
        let effects: Vec<Effect> = split(text).iter().flat_map(read).collect();
        let said = effects.iter().filter_map(|effect| match effect {
            Effect::Switches { table, name, on } => Some(format!(
                "{} {} {}",
                table.as_ref().map_or_else(|| "-".to_owned(), crate::text::QualifiedName::short),
                name.as_deref().unwrap_or("*"),
                if *on { "on" } else { "off" }
            )),
            _ => None,
        });
        assert_eq!(said.collect::<Vec<_>>().join("; "), seen, "{text}: {effects:?}");
    }
}

/// Each of these is read and destroys nothing.
fn are_quiet(texts: &[&str]) {
    let mut wrong = Vec::new();
    for text in texts {
        let found: Vec<Effect> = split(text).iter().flat_map(read).collect();
        let harmful = found.iter().find(|effect| {
            !matches!(
                effect,
                Effect::CreateTable { .. }
                    | Effect::CreateType { .. }
                    | Effect::CreateSchema { .. }
                    | Effect::AddColumn { .. }
                    | Effect::RenameColumn { .. }
                    | Effect::RenameTable { .. }
                    | Effect::RenameType { .. }
                    | Effect::AttachPartition { .. }
                    | Effect::CopyRows { .. }
                    | Effect::Insert { .. }
                    | Effect::Fill { .. }
                    | Effect::Switches { .. }
                    | Effect::DropUsed { .. }
                    | Effect::PartitionOf { .. }
                    | Effect::Follows { .. }
                    | Effect::NamesMoved { .. }
                    | Effect::DefinesFunction { .. }
                    | Effect::PerhapsOlder { .. }
                    | Effect::Commit
            )
        });
        if let Some(effect) = harmful {
            wrong.push(format!("{text}: {effect:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each of these is opaque.
fn are_opaque(texts: &[&str]) {
    for text in texts {
        let found: Vec<Effect> = split(text).iter().flat_map(read).collect();
        let is_opaque = found
            .iter()
            .any(|effect| matches!(effect, Effect::Opaque { .. } | Effect::DynamicSql { .. }));
        assert!(is_opaque, "{text}: {found:?}");
    }
}

#[test]
fn drops() {
    insta::assert_snapshot!(check(
        "DROP TABLE IF EXISTS a, app.\"B\" CASCADE;
         DROP TYPE migration.collectionflowstatus CASCADE;
         DROP DOMAIN positive;
         DROP SCHEMA s RESTRICT;
         DROP DATABASE IF EXISTS d WITH (FORCE);
         DROP OWNED BY r, CURRENT_USER CASCADE;
         DROP EXTENSION hstore CASCADE;
         DROP MATERIALIZED VIEW v;
         ALTER TYPE address DROP ATTRIBUTE IF EXISTS street, ADD ATTRIBUTE city text;"
    ), @r#"
    DropTable { table: QualifiedName { schema: None, name: "a" }, cascade: true }
    DropTable { table: QualifiedName { schema: Some("app"), name: "B" }, cascade: true }
    DropType { name: QualifiedName { schema: Some("migration"), name: "collectionflowstatus" }, domain: false, cascade: true }
    DropType { name: QualifiedName { schema: None, name: "positive" }, domain: true, cascade: false }
    DropSchema { schema: "s", cascade: false }
    DropDatabase { database: "d" }
    DropOwned { roles: ["r", "current_user"], cascade: true }
    DropExtension { name: "hstore", cascade: true }
    DropMaterializedView { view: QualifiedName { schema: None, name: "v" }, cascade: false }
    DropAttribute { name: QualifiedName { schema: None, name: "address" }, attribute: "street", cascade: false }
    "#);
}

#[test]
fn each_action_of_an_alter_table() {
    insta::assert_snapshot!(check(
        "ALTER TABLE IF EXISTS ONLY t ADD a numeric(10, 2) DEFAULT 0, DROP b, DROP COLUMN IF EXISTS \"C\" CASCADE,
           ALTER d TYPE int USING d::int, ALTER COLUMN e SET DATA TYPE varchar(5) COLLATE \"C\" USING left(e, 5),
           ALTER f DROP NOT NULL, DROP CONSTRAINT g CASCADE;
         ALTER TABLE t DETACH PARTITION p CONCURRENTLY;
         ALTER TABLE c NO INHERIT p;
         ALTER TABLE c ADD CONSTRAINT k CHECK (a > 0) NO INHERIT NOT VALID;
         ALTER TABLE t SET UNLOGGED;
         ALTER TABLE t ALTER c SET EXPRESSION AS (a + 1);
         ALTER TABLE t RENAME type TO kind;"
    ), @r#"
    DropColumn { table: QualifiedName { schema: None, name: "t" }, column: "b", cascade: false }
    DropColumn { table: QualifiedName { schema: None, name: "t" }, column: "C", cascade: true }
    ChangeType { table: QualifiedName { schema: None, name: "t" }, column: "d", to: "int", using: Some("d::int") }
    ChangeType { table: QualifiedName { schema: None, name: "t" }, column: "e", to: "varchar(5)", using: Some("left(e, 5)") }
    AddColumn { table: QualifiedName { schema: None, name: "t" }, column: "a" }
    DetachPartition { parent: QualifiedName { schema: None, name: "t" }, partition: QualifiedName { schema: None, name: "p" } }
    DetachPartition { parent: QualifiedName { schema: None, name: "p" }, partition: QualifiedName { schema: None, name: "c" } }
    SetUnlogged { table: QualifiedName { schema: None, name: "t" } }
    Update { table: QualifiedName { schema: None, name: "t" }, columns: ["c"], reach: All { why: "every row gets the new expression's value" } }
    RenameColumn { table: QualifiedName { schema: None, name: "t" }, from: "type", to: "kind" }
    "#);
}

#[test]
fn truncates() {
    insta::assert_snapshot!(check("TRUNCATE TABLE ONLY a, s.b * RESTART IDENTITY CASCADE"), @r#"
    Truncate { table: QualifiedName { schema: None, name: "a" }, only: true, cascade: true }
    Truncate { table: QualifiedName { schema: Some("s"), name: "b" }, only: false, cascade: true }
    "#);
}

#[test]
fn deletes_that_reach_every_row() {
    let conditions = [
        "true",
        "1=1",
        "id = id",
        "'a'='a'",
        "NOT false",
        "x IS NULL OR x IS NOT NULL",
        "(TRUE)",
        "t.id = t.id",
        "1 < 2",
        "'t'::boolean",
        "id IS NOT NULL",
        "true OR a = 1",
        "NOT (1 = 2)",
        "x = 1 OR x <> 1",
        "id IN (SELECT id FROM t)",
        "name LIKE '%'",
        "1=1 AND 2=2",
        "EXISTS (SELECT 1)",
        "now() > '2020-01-01'",
    ];
    for condition in conditions {
        let found = check(&format!("DELETE FROM t WHERE {condition}"));
        assert!(found.contains("reach: All"), "{condition}: {found}");
        let found = check(&format!("UPDATE t SET a = 1 WHERE {condition}"));
        assert!(found.contains("reach: All"), "{condition}: {found}");
    }
    let joins = [
        "DELETE FROM t USING u",
        "DELETE FROM t USING u WHERE u.a = 1",
        "DELETE FROM t AS x USING u WHERE u.a = u.b",
        "UPDATE t SET a = u.a FROM u",
        "UPDATE t SET a = u.a FROM u WHERE u.a > 1",
        "DELETE FROM ONLY t AS x",
        "DELETE FROM t",
    ];
    for sql in joins {
        assert!(check(sql).contains("reach: All"), "{sql}: {}", check(sql));
    }
}

#[test]
fn deletes_that_reach_some() {
    let selective = [
        "DELETE FROM t WHERE id = 1",
        "DELETE FROM t WHERE a IS NOT NULL",
        "DELETE FROM t x USING u WHERE x.id = u.id",
        "DELETE FROM t USING u WHERE t.id = u.id AND u.a = 1",
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
        "UPDATE t SET a = 1 WHERE b = 2 OR true AND c = 1",
        "DELETE FROM ONLY t WHERE id = %(id_1)s",
        "DELETE FROM t WHERE CURRENT OF c",
        "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT 5)",
        "DELETE FROM t WHERE id = :id",
        "DELETE FROM t WHERE id IN :ids",
        "DELETE FROM t WHERE id IN %(ids)s AND a = :'b'",
    ];
    for sql in selective {
        assert!(check(sql).contains("reach: Some"), "{sql}: {}", check(sql));
    }
}

#[test]
fn filling_in_nulls_overwrites_nothing() {
    are_quiet(&[
        "UPDATE t SET a = 1 WHERE a IS NULL",
        "UPDATE t SET a = 1 WHERE b = 2 AND (t.a IS NULL)",
        "UPDATE t SET a = a",
    ]);
    insta::assert_snapshot!(check("UPDATE t SET a = 1, b = 2 WHERE a IS NULL"), @r#"Update { table: QualifiedName { schema: None, name: "t" }, columns: ["b"], reach: Some { condition: "a IS NULL" } }"#);
}

#[test]
fn statements_inside_statements() {
    insta::assert_snapshot!(check(
        "WITH x AS (WITH y AS (DELETE FROM a RETURNING *) SELECT * FROM y), z AS (UPDATE b SET c = 1 WHERE d = 2 RETURNING 1)
           INSERT INTO e SELECT * FROM x ON CONFLICT (id) DO UPDATE SET f = excluded.f;
         EXPLAIN (ANALYZE, VERBOSE) DELETE FROM g WHERE h = 1;
         PREPARE p AS DELETE FROM i WHERE j = $1;
         COPY (DELETE FROM k RETURNING *) TO STDOUT;
         EXPLAIN DELETE FROM l;
         EXPLAIN (ANALYZE off) DELETE FROM l;"
    ), @r#"
    Delete { table: QualifiedName { schema: None, name: "a" }, reach: All { why: "no WHERE" } }
    Update { table: QualifiedName { schema: None, name: "b" }, columns: ["c"], reach: Some { condition: "d = 2" } }
    Upsert { table: QualifiedName { schema: None, name: "e" }, columns: ["f"] }
    Delete { table: QualifiedName { schema: None, name: "g" }, reach: Some { condition: "h = 1" } }
    Prepares { name: "p", effects: [Delete { table: QualifiedName { schema: None, name: "i" }, reach: Some { condition: "j = $1" } }] }
    Delete { table: QualifiedName { schema: None, name: "k" }, reach: All { why: "no WHERE" } }
    "#);
}

#[test]
fn merges() {
    insta::assert_snapshot!(check(
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE;
         MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.id);
         MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id);"
    ), @r#"
    Merge { table: QualifiedName { schema: None, name: "t" }, deletes: true }
    Merge { table: QualifiedName { schema: None, name: "t" }, deletes: false }
    "#);
}

#[test]
fn calls() {
    insta::assert_snapshot!(check(
        "SELECT purge(1), now(), count(*) FROM app.list_all();
         CALL app.tidy();
         SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
         INSERT INTO t SELECT f(a) FROM u;
         INSERT INTO t VALUES (slug('a'));
         UPDATE t SET a = slug(b) WHERE a IS NULL;
         SELECT query_to_xml('DELETE FROM t', true, true, '');
         CREATE TABLE c AS SELECT f2() WITH NO DATA;"
    ), @r#"
    CallsFunction { name: QualifiedName { schema: None, name: "purge" } }
    CallsFunction { name: QualifiedName { schema: Some("app"), name: "list_all" } }
    CallsFunction { name: QualifiedName { schema: Some("app"), name: "tidy" } }
    UnlinkLargeObject { call: "lo_unlink" }
    CallsFunction { name: QualifiedName { schema: None, name: "f" } }
    CopyRows { from: QualifiedName { schema: None, name: "u" }, to: QualifiedName { schema: None, name: "t" }, leaves_out: Rows("what is not in f(a)") }
    DynamicSql { why: "query_to_xml() runs SQL given as text" }
    CreateTable { table: QualifiedName { schema: None, name: "c" }, temporary: false, if_not_exists: false, until_commit: false }
    CallsFunction { name: QualifiedName { schema: None, name: "f2" } }
    "#);
}

#[test]
fn what_destroys_nothing_is_quiet() {
    are_quiet(&[
        "CREATE TABLE a (id int REFERENCES b ON DELETE CASCADE ON UPDATE SET NULL, \"delete\" text)",
        "CREATE TEMP TABLE a ON COMMIT DROP AS SELECT 1",
        "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d ON DELETE CASCADE",
        "ALTER TABLE a ALTER COLUMN type SET NOT NULL, ALTER type SET DEFAULT 'x'",
        "ALTER TABLE a ALTER COLUMN type DROP NOT NULL, ALTER COLUMN type DROP DEFAULT",
        "ALTER TABLE a ADD COLUMN type text, ADD COLUMN b int REFERENCES c ON DELETE SET NULL",
        "SELECT * FROM a FOR UPDATE",
        "SELECT delete FROM a",
        "GRANT SELECT, UPDATE, DELETE, TRUNCATE ON a TO b",
        "REVOKE DELETE ON a FROM b",
        "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO a",
        "CREATE TRIGGER t BEFORE DELETE OR UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE POLICY p ON a FOR DELETE USING (true)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM a; DROP TABLE b $$",
        "CREATE PROCEDURE f() BEGIN ATOMIC DELETE FROM a; DELETE FROM b; END",
        "DROP INDEX CONCURRENTLY IF EXISTS i; DROP VIEW v; DROP SEQUENCE s; DROP FUNCTION f(int);
         DROP TRIGGER t ON a; DROP POLICY p ON a; DROP RULE r ON a; DROP AGGREGATE g(int)",
        "DROP SERVER s CASCADE; DROP FOREIGN TABLE f; DROP CAST (a AS b); DROP OPERATOR CLASS c USING btree",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v; CLUSTER a; VACUUM FULL a; REINDEX TABLE a",
        "ALTER TABLE a ALTER b DROP DEFAULT, ALTER b DROP NOT NULL, ALTER b DROP IDENTITY, ALTER b DROP EXPRESSION",
        "ALTER TYPE e ADD VALUE IF NOT EXISTS 'delete' BEFORE 'drop'",
        "COMMENT ON TABLE a IS 'DROP TABLE a; DELETE FROM a'",
        "INSERT INTO a (b) VALUES ('DELETE FROM a'), ($$DROP TABLE a$$)",
        "INSERT INTO a (id) OVERRIDING SYSTEM VALUE SELECT 1 FROM b ON CONFLICT DO NOTHING",
        "INSERT INTO a SELECT 1 FROM b ON CONFLICT DO NOTHING",
        "INSERT INTO a SELECT 1 FROM b WHERE c ON CONFLICT (a) WHERE b IS NULL DO NOTHING",
        "INSERT INTO a VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING RETURNING id",
        "INSERT INTO a VALUES (1) ON CONFLICT (lower(a), (b || c)) DO NOTHING",
        "INSERT INTO a AS x DEFAULT VALUES",
        "REASSIGN OWNED BY a TO b; SET LOCAL lock_timeout = '5s'; SHOW search_path",
        "DO $$ BEGIN CREATE TYPE e AS ENUM ('a', 'b'); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'e') THEN CREATE TABLE IF NOT EXISTS t (id varchar(20)); END IF; END $$",
        "BEGIN; START TRANSACTION ISOLATION LEVEL SERIALIZABLE; SAVEPOINT a; RELEASE a; COMMIT",
        "COPY a (b, c) FROM '/tmp/x' WITH (FORMAT csv); COPY a TO STDOUT",
        "CREATE RULE r AS ON INSERT TO a DO ALSO NOTIFY b",
        "CREATE INDEX CONCURRENTLY ON a (b) WHERE c IS NULL; CREATE EXTENSION IF NOT EXISTS hstore",
        "CREATE VIEW v AS SELECT a AS update, b AS drop FROM c",
        "SELECT setval('a_id_seq', (SELECT max(id) FROM a)), coalesce(1, 2), pg_catalog.now()",
        "SELECT EXTRACT(epoch FROM now()), CAST(a AS text), (a).b, ARRAY(SELECT 1), jsonb_agg(x) FILTER (WHERE true) FROM a",
        "LOCK TABLE a IN ACCESS EXCLUSIVE MODE; SET CONSTRAINTS ALL DEFERRED; ANALYZE a",
        "\\echo hello\n\\set ON_ERROR_STOP on\n\\d a\n\\copy a to 'x.csv'\n",
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO b, SET (fillfactor = 70)",
        "ALTER FUNCTION f() OWNER TO b; ALTER INDEX i RENAME TO j; ALTER ROLE r SET x = 1",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM a JOIN b USING (x) ORDER BY 1",
    ]);
}

#[test]
fn what_cannot_be_read_says_so() {
    are_opaque(&[
        "CREATE RULE r AS ON DELETE TO a DO ALSO DELETE FROM b",
        "COPY a TO PROGRAM 'sh'",
        "FROBNICATE TABLE a",
        "DELETE FROM a WHERE",
        "SELECT FROM WHERE (",
        "ALTER TABLE a FROBNICATE b",
        "ALTER TABLE a DROP b c",
        "DROP TABLE a b",
        "TRUNCATE a, ",
        "DROP TABLE {{ name }}",
        "DROP TABLE :name",
        "DELETE FROM a\u{a0}WHERE id = 1",
        "SET standard_conforming_strings = off",
        "DROP TABLE U&\"\\0061\"",
        "alter\u{0}table a",
        "EXPLAIN ANALYZE END f(; DELETE FROM a; )",
        "SELECT (1; DELETE FROM a",
        "PREPARE p AS FROBNICATE",
    ]);
    insta::assert_snapshot!(check("\\i x.sql\n\\! rm -rf /\nSELECT 'DROP TABLE a' \\gexec\n\\copy (DELETE FROM a RETURNING *) to x"), @r#"
    ClientCommand { command: "\\i x.sql" }
    ClientCommand { command: "\\! rm -rf /" }
    ClientCommand { command: "\\gexec" }
    Delete { table: QualifiedName { schema: None, name: "a" }, reach: All { why: "no WHERE" } }
    "#);
}

#[test]
fn deep_and_long_input_is_opaque_and_not_slow() {
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let comments = format!("{}{} SELECT 1", "/*".repeat(10_000), "*/".repeat(10_000));
    let chain = format!("DELETE FROM t WHERE id = 1{}", " OR id = 2".repeat(20_000));
    let nots = format!("SELECT {}true", "NOT ".repeat(20_000));
    let casts = format!("SELECT 1{}", "::int".repeat(20_000));
    let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(20_000));
    let queries = format!("SELECT {}1{}", "(SELECT ".repeat(10_000), ")".repeat(10_000));
    let exists = "EXISTS (SELECT 1 FROM u WHERE ".repeat(10_000);
    let conditions = format!("DELETE FROM t WHERE {exists}true{}", ")".repeat(10_000));
    let nested_casts = format!("SELECT {}1{}", "CAST(".repeat(10_000), " AS int)".repeat(10_000));
    let body = format!("DO $$ BEGIN {} END $$", "IF a THEN DELETE FROM t;".repeat(10_000));
    let built =
        format!("DO $$ BEGIN EXECUTE {}'a'{}; END $$", "(".repeat(10_000), ")".repeat(10_000));
    let piped = format!("DO $$ BEGIN EXECUTE a{}; END $$", "||b".repeat(10_000));
    let path = format!("DO $$ BEGIN IF {}a THEN NULL; END IF; END $$", "a.".repeat(100_000));
    are_quiet(&[&path]);
    are_opaque(&[&queries, &conditions, &nested_casts, &built, &piped]);
    assert!(check(&body).starts_with("Delete"));
    let indexes = format!("SELECT a{}", "[1]".repeat(20_000));
    are_opaque(&[&deep, &chain, &nots, &casts, &unions]);
    check(&indexes);
    are_quiet(&[&comments]);
    let just_short_enough = format!("SELECT 1{}", " + 1".repeat(990));
    are_quiet(&[&just_short_enough]);
    let list = format!("DELETE FROM t WHERE id IN (1{})", ", 2".repeat(20_000));
    assert!(check(&list).contains("reach: Some"));
}

#[test]
fn what_is_less_deep_than_the_cap_is_read_by_either_grammar() {
    for (condition, reach) in
        [("EXISTS (SELECT 1 FROM u WHERE ", "All"), ("t.a IN (SELECT ", "Some")]
    {
        let (open, close) = (condition.repeat(150), ")".repeat(150));
        let found = check(&format!("DELETE FROM t WHERE {open}u.b = 2{close}"));
        assert!(found.contains(reach), "{found}");
        let portion = "FOR PORTION OF valid FROM '2020-01-01' TO '2021-01-01'";
        let found = check(&format!("DELETE FROM t {portion} WHERE {open}u.b = 2{close}"));
        assert!(found.contains(reach), "{found}");
    }
}

#[test]
fn calls_in_a_long_insert_are_not_overlooked() {
    let rows = ", (now())".repeat(5_000);
    let insert = format!("INSERT INTO t VALUES (1){rows}, (LO_unlink(5)), (slug('x')){rows}");
    assert_eq!(check(&insert), "UnlinkLargeObject { call: \"lo_unlink\" }");
}

#[test]
fn a_long_insert_is_read_by_its_head_and_tail() {
    let rows = ", (-1, 'it''s; DROP TABLE a', now())".repeat(300_000);
    let insert = format!("INSERT INTO t (a, b, c) VALUES (1, 'x', now()){rows}");
    are_quiet(&[&insert]);
    let upsert = format!("{insert} ON CONFLICT (a) DO UPDATE SET b = excluded.b");
    assert!(check(&upsert).starts_with("Upsert"));
}

#[test]
fn the_second_grammar_reads_what_the_first_refuses() {
    insta::assert_snapshot!(check(
        "DELETE FROM ONLY app.t AS x USING u WHERE x.id = u.id;
         DELETE FROM t FOR PORTION OF valid FROM '2020-01-01' TO '2021-01-01';
         DELETE FROM t WHERE CURRENT OF c;
         UPDATE t SET a = 1, \"B\" = DEFAULT WHERE CURRENT OF c;
         MERGE INTO ONLY t AS x USING s ON x.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE
           WHEN MATCHED THEN DO NOTHING RETURNING merge_action();"
    ), @r#"
    Delete { table: QualifiedName { schema: Some("app"), name: "t" }, reach: Some { condition: "x.id = u.id" } }
    Delete { table: QualifiedName { schema: None, name: "t" }, reach: All { why: "no WHERE" } }
    Delete { table: QualifiedName { schema: None, name: "t" }, reach: Some { condition: "CURRENT OF c" } }
    Update { table: QualifiedName { schema: None, name: "t" }, columns: ["a", "B"], reach: Some { condition: "CURRENT OF c" } }
    Merge { table: QualifiedName { schema: None, name: "t" }, deletes: true }
    "#);
    are_opaque(&["DELETE FROM t WHERE CURRENT OF", "UPDATE t SET a = 1 WHERE CURRENT OF c d"]);
}
