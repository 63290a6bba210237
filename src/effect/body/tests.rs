use crate::effect::{Effect, read};
use crate::finding::Finding;
use crate::rules::{findings, read as read_script};
use crate::script::{Origin, Script};
use crate::sql::split;

/// What a DO block of this body is found to do, in short.
fn check(body: &str) -> String {
    let script = Script::known(Origin::default(), format!("DO $do$ {body} $do$;"));
    let line = |finding: &Finding| match finding.rule {
        "dynamic-sql" | "opaque" => {
            let why = finding.message.split_once(": ").map_or("", |(_, why)| why);
            format!("{}: {why}", finding.rule)
        }
        rule => format!("{rule} {}", finding.object),
    };
    findings(&[read_script(&script)]).iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_quiet(body: &str) {
    assert_eq!(check(body), "", "{body}");
}

#[test]
fn statements_of_a_block_are_read() {
    insta::assert_snapshot!(check(
        "<<outer>>
         DECLARE
           n int := 0;
           r record;
           c CURSOR (k int) FOR SELECT * FROM t WHERE id = k;
         BEGIN
           DELETE FROM a WHERE id = n RETURNING id INTO STRICT n;
           IF n > 0 AND EXISTS (SELECT 1 FROM b) THEN
             UPDATE b SET x = 1;
           ELSIF n = 2 THEN TRUNCATE c1, c2;
           ELSE
             ALTER TABLE d DROP COLUMN e, ALTER COLUMN f TYPE smallint;
           END IF;
           FOR r IN SELECT * FROM t FOR UPDATE LOOP
             DELETE FROM g WHERE id = r.id;
             EXIT outer WHEN r.id IS NULL;
           END LOOP;
           FOR i IN REVERSE 10..1 BY 2 LOOP DROP TABLE h; END LOOP;
           WHILE n < 3 LOOP n := n + 1; END LOOP;
           CASE n WHEN 1 THEN DROP SCHEMA s CASCADE; ELSE NULL; END CASE;
           PERFORM purge(n), count(*) FROM t;
           WITH gone AS (DELETE FROM k RETURNING *) SELECT count(*) INTO n FROM gone;
           BEGIN
             INSERT INTO l SELECT * FROM m ON CONFLICT (id) DO UPDATE SET x = 2;
           EXCEPTION WHEN unique_violation OR SQLSTATE '22012' THEN
             RAISE NOTICE 'DROP TABLE %: %', n, cleaned();
           END;
           n := (SELECT own_value());
           r.x[2] = lo_unlink(5);
         END outer"
    ), @r"
    delete a
    update-all b.x
    truncate c1
    truncate c2
    drop-column d.e
    narrow-type d.f
    delete g
    drop-table h
    drop-schema s
    calls-function purge
    delete-all k
    upsert-overwrite l
    calls-function cleaned
    calls-function own_value
    unlink-large-object lo_unlink
    ");
}

#[test]
fn sql_built_of_constants_is_read() {
    insta::assert_snapshot!(check(
        "DECLARE sql text := 'DR' || 'OP TABLE a'; names text[] := ARRAY['b', 'Odd'];
           n CONSTANT text DEFAULT 'c';
         BEGIN
           EXECUTE sql;
           FOREACH n2 IN ARRAY names LOOP EXECUTE format('TRUNCATE %I.%I', 's', n2); END LOOP;
           EXECUTE format($q$DELETE FROM %2$s WHERE id = %1$L$q$, 'it''s', quote_ident(n)) USING 1;
           EXECUTE concat('DROP TABLE ', n, '; DROP TABLE d') INTO sql2;
           EXECUTE E'DELETE\\nFROM e';
           EXECUTE ('UPDATE f ' || ('SET g = 1'))::text;
         END"
    ), @r"
    drop-table a
    truncate s.b
    truncate s.Odd
    delete c
    drop-table c
    drop-table d
    delete-all e
    update-all f.g
    ");
}

#[test]
fn sql_built_at_run_time_says_what_is_known_of_it() {
    insta::assert_snapshot!(check(
        "DECLARE sql text; t text := 'a'; BEGIN
           FOR r IN SELECT tablename FROM pg_tables LOOP
             EXECUTE 'DROP TABLE IF EXISTS ' || quote_ident(r.tablename) || ' CASCADE';
             EXECUTE 'DROP TABLE ' || r.tablename || ' CASCADE';
             EXECUTE format('DELETE FROM users WHERE org = %L', r.org);
             EXECUTE format('ALTER TABLE %I ALTER COLUMN x TYPE text', r.tablename);
           END LOOP;
           SELECT 'DELETE FROM a' INTO sql;
           EXECUTE sql;
           EXECUTE 'SELECT ' || sql || sql2;
           EXECUTE (SELECT body FROM scripts);
           t := t || 'b';
           EXECUTE format('TRUNCATE %s', t);
           RETURN QUERY EXECUTE $1;
           OPEN c FOR EXECUTE query USING 1;
         END"
    ), @r"
    dynamic-sql: `DROP TABLE IF EXISTS {r.tablename} CASCADE`, where `r.tablename` is not a constant
    dynamic-sql: `DROP TABLE {r.tablename} CASCADE`, where `r.tablename` is not a constant
    delete users
    dynamic-sql: `ALTER TABLE {r.tablename} ALTER COLUMN x TYPE text`, where `r.tablename` is not a constant
    dynamic-sql: EXECUTE of `sql`, which is not a constant
    dynamic-sql: `SELECT {sql}{sql2}`, where `sql`, `sql2` are not constant
    dynamic-sql: EXECUTE of `SELECT body FROM scripts`, which is not a constant
    dynamic-sql: `TRUNCATE {t}`, where `t` is not a constant
    dynamic-sql: EXECUTE of `$1`, which is not a constant
    dynamic-sql: EXECUTE of `query`, which is not a constant
    ");
}

#[test]
fn what_blocks_usually_do_is_quiet() {
    for body in [
        "BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'e') THEN CREATE TYPE e AS ENUM ('a'); END IF; END",
        "BEGIN CREATE TYPE e AS ENUM ('delete', 'drop'); EXCEPTION WHEN duplicate_object THEN null; END",
        "BEGIN ALTER TABLE a ADD COLUMN b text; EXCEPTION WHEN duplicate_column THEN RAISE NOTICE 'column b was not dropped'; END;",
        "begin if not exists (select from information_schema.columns where table_name = 'a' and column_name = 'b')
         then alter table a add column b varchar(20) default 'x'; update a set b = 'y'; end if; end",
        "DECLARE n int; BEGIN SELECT count(*) INTO n FROM a; IF n > 0 THEN RAISE EXCEPTION '% rows to delete', n USING HINT = 'truncate'; END IF; END",
        "DECLARE r record; BEGIN FOR r IN (SELECT * FROM a) LOOP EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (b)', r.x || '_idx', r.x); END LOOP; END",
        "BEGIN EXECUTE 'GRANT SELECT ON ' || quote_ident('a') || ' TO ' || quote_ident(current_user); END",
        "BEGIN EXECUTE format('ALTER TABLE %s OWNER TO me', a_table::regclass); END",
        "BEGIN EXECUTE 'CREATE TABLE x (a int)'; DROP TABLE x; END",
        "BEGIN IF now() > '2020-01-01' THEN CREATE TEMP TABLE x AS SELECT 1; TRUNCATE x; DROP TABLE x; END IF; END",
        "DECLARE a int = 1; b text[] := '{}'; c x.y%TYPE NOT NULL := coalesce(1, 2); d ALIAS FOR $1; BEGIN b[1] := a::text; NULL; END",
        "BEGIN PERFORM setval('a_id_seq', 1); PERFORM pg_advisory_xact_lock(1); PERFORM 1 FROM a FOR NO KEY UPDATE; END",
        "BEGIN GET DIAGNOSTICS n = ROW_COUNT; ASSERT n > 0, 'nothing to delete'; FETCH NEXT FROM c INTO n; CLOSE c; COMMIT; RETURN; END",
        "BEGIN CREATE TRIGGER t BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION f(); END",
    ] {
        is_quiet(body);
    }
}

#[test]
fn what_is_made_under_a_condition_proves_nothing_behind_it() {
    let text = |body: &str| check(body);
    assert_eq!(text("BEGIN CREATE TABLE a (b int); DROP TABLE a; END"), "");
    for body in [
        "BEGIN IF x THEN CREATE TABLE a (b int); END IF; DROP TABLE a; END",
        "BEGIN BEGIN CREATE TABLE a (b int); EXCEPTION WHEN others THEN NULL; END; DROP TABLE a; END",
        "BEGIN IF x THEN RETURN; END IF; CREATE TABLE a (b int); END; $do$; DO $do$ BEGIN DROP TABLE a; END",
        "BEGIN FOR i IN 1..n LOOP EXECUTE 'CREATE TEMP TABLE a (b int)'; END LOOP; DROP TABLE a; END",
        "BEGIN IF x THEN CREATE TABLE a (b int); ELSE DROP TABLE a; END IF; END",
    ] {
        assert_eq!(text(body), "drop-table a", "{body}");
    }
    assert_eq!(
        text("BEGIN IF x THEN ALTER TABLE a ADD b int; END IF; UPDATE a SET b = 1; END"),
        "update-all a.b"
    );
}

#[test]
fn what_cannot_be_cut_is_opaque() {
    insta::assert_snapshot!(check("BEGIN FROBNICATE a; END"), @"opaque: this FROBNICATE could not be parsed");
    insta::assert_snapshot!(check("BEGIN x := drop table a; END"), @"opaque: DROP in its body is not explained by what was read of it");
    insta::assert_snapshot!(check("BEGIN IF a DELETE FROM b; END IF; END"), @"opaque: DELETE in its body is not explained by what was read of it");
    for text in [
        "DO LANGUAGE plpython3u $$ x $$",
        "DO U&'BEGIN END'",
        "DO",
        "CREATE FUNCTION f",
        "DO $a$ DO $b$ DO $c$ DO $d$ DO $e$ DO $f$ BEGIN NULL; END $f$ $e$ $d$ $c$ $b$ $a$",
    ] {
        let effects: Vec<Effect> = split(text).iter().flat_map(read).collect();
        assert!(matches!(effects.last(), Some(Effect::Opaque { .. })), "{text}: {effects:?}");
    }
}

#[test]
fn the_bodies_of_functions_are_read_in_each_form() {
    let effects = |text: &str| match split(text).iter().flat_map(read).next() {
        Some(Effect::DefinesFunction { name, effects, .. }) => format!("{name}: {effects:?}"),
        other => format!("{other:?}"),
    };
    let delete = "Delete { table: QualifiedName { schema: None, name: \"t\" }, reach: All { why: \"no WHERE\" } }";
    for text in [
        "CREATE FUNCTION a.f() RETURNS TABLE (x int) LANGUAGE sql AS $$ SELECT 1; DELETE FROM t; $$",
        "CREATE OR REPLACE FUNCTION a.f(x text DEFAULT 'as') RETURNS void AS 'BEGIN DELETE FROM t; END' LANGUAGE 'plpgsql' SET search_path = a",
        "CREATE PROCEDURE a.f() LANGUAGE sql BEGIN ATOMIC DELETE FROM t; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE FUNCTION a.f() RETURNS void LANGUAGE plpgsql STRICT AS $f$ BEGIN EXECUTE $$DELETE FROM t$$; END $f$",
    ] {
        assert_eq!(effects(text), format!("a.f: [{delete}]"), "{text}");
    }
    for text in [
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql RETURN a + 1",
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT $1 + a'",
        "CREATE FUNCTION f(a int) RETURNS int AS $$ begin return (select max(b) from c) + a; end $$ LANGUAGE plpgsql",
    ] {
        assert_eq!(effects(text), "f: []", "{text}");
    }
    assert!(effects("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'lib', 'f'").contains("Calls"));
}
