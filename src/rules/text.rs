//! The rules' own texts: title, what is lost, why, an example and its safe twin. Messages with the
//! user's names are in `say` and `instead`.

/// A rule and its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The stable id.
    pub id: &'static str,
    /// The rows' fate, as a sentence.
    pub title: &'static str,
    /// What is lost.
    pub lost: &'static str,
    /// Why it goes unnoticed, or why it matters.
    pub why: &'static str,
    /// SQL that the rule finds; empty where no text can show it.
    pub example: &'static str,
    /// SQL that loses nothing.
    pub safe: &'static str,
}

/// Every rule, in the order of the documentation.
pub const RULES: &[Rule] = &[
    Rule {
        id: "drop-table",
        title: "Dropping a table destroys its rows",
        lost: "Every row of the table, and with CASCADE the foreign keys and views that lean on \
               it.",
        why: "A table that the new code no longer reads may still be read by the old code, by \
               a report, or by the person who has to undo the release.",
        example: "DROP TABLE users;",
        safe: "ALTER TABLE users RENAME TO users_retired;",
    },
    Rule {
        id: "drop-column",
        title: "Dropping a column destroys its values",
        lost: "Every value of the column, in every row; indexes and constraints on it go too.",
        why: "The rows stay, so row counts show nothing, and the values cannot be computed again.",
        example: "ALTER TABLE users DROP COLUMN legacy_id;",
        safe: "ALTER TABLE users RENAME COLUMN legacy_id TO legacy_id_retired;",
    },
    Rule {
        id: "drop-schema",
        title: "Dropping a schema destroys every table in it",
        lost: "With CASCADE every table, type and function in the schema, and what elsewhere \
               uses them.",
        why: "CASCADE takes what was forgotten; without it PostgreSQL refuses while anything \
               is left.",
        example: "DROP SCHEMA archive CASCADE;",
        safe: "DROP SCHEMA archive;",
    },
    Rule {
        id: "drop-database",
        title: "Dropping a database destroys everything in it",
        lost: "All tables of the database.",
        why: "A migration works inside a database; one that drops it was written for another \
               place.",
        example: "DROP DATABASE app;",
        safe: "ALTER DATABASE app RENAME TO app_retired;",
    },
    Rule {
        id: "drop-type",
        title: "Dropping a type with CASCADE drops the columns that use it",
        lost: "Every column of that type, in every table, with all values; domains are types.",
        why: "The statement names no table, so nobody sees which columns go.",
        example: "DROP TYPE status CASCADE;",
        safe: "DROP TYPE status;",
    },
    Rule {
        id: "drop-attribute",
        title: "Dropping an attribute destroys its values in every column of the type",
        lost: "The attribute's part of every value of the composite type.",
        why: "The statement names the type, not the tables that hold its values.",
        example: "ALTER TYPE address DROP ATTRIBUTE street;",
        safe: "ALTER TYPE address RENAME ATTRIBUTE street TO street_retired;",
    },
    Rule {
        id: "drop-extension",
        title: "Dropping an extension drops what it brought along",
        lost: "Tables of the extension, and with CASCADE every column of one of its types.",
        why: "An extension's types sit in tables of yours: dropping hstore with CASCADE drops \
               every hstore column.",
        example: "DROP EXTENSION hstore CASCADE;",
        safe: "DROP EXTENSION hstore;",
    },
    Rule {
        id: "drop-owned",
        title: "DROP OWNED destroys every table of a role",
        lost: "Every table, schema and type that the role owns in this database.",
        why: "It is meant for removing privileges, and it takes the tables along.",
        example: "DROP OWNED BY reporting;",
        safe: "REASSIGN OWNED BY reporting TO app;",
    },
    Rule {
        id: "drop-partition",
        title: "A detached partition's rows are no longer in the table",
        lost: "Nothing is destroyed, but queries on the parent no longer see the rows.",
        why: "A later clean-up of the detached table destroys what everybody took for archived.",
        example: "ALTER TABLE events DETACH PARTITION events_2024;",
        safe: "ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES IN (2024);",
    },
    Rule {
        id: "recreate-table",
        title: "A table that is dropped and made again loses its rows",
        lost: "Every row that was in the table before.",
        why: "Afterwards a table of that name is there, so a check for its existence sees nothing.",
        example: "DROP TABLE users; CREATE TABLE users (id bigint);",
        safe: "ALTER TABLE users RENAME TO users_old; CREATE TABLE users (id bigint);",
    },
    Rule {
        id: "truncate",
        title: "TRUNCATE destroys every row",
        lost: "Every row of the table, and with CASCADE those of every table that refers to it.",
        why: "No statistics of deleted rows, no trigger per row, no WHERE that could be wrong: \
               it just empties.",
        example: "TRUNCATE sessions;",
        safe: "CREATE TEMP TABLE sessions_seen (id bigint); TRUNCATE sessions_seen;",
    },
    Rule {
        id: "delete-all",
        title: "A DELETE without a selective condition destroys every row",
        lost: "Every row of the table, and of tables that cascade from it.",
        why: "A missing WHERE, one that is always true, and a USING that joins nothing all \
               reach every row.",
        example: "DELETE FROM sessions WHERE id = id;",
        safe: "DELETE FROM sessions WHERE expires_at < now();",
    },
    Rule {
        id: "delete",
        title: "A DELETE destroys the rows that its condition selects",
        lost: "The selected rows.",
        why: "It is named and counted; a database can tell how many rows they are.",
        example: "DELETE FROM sessions WHERE expires_at < now();",
        safe: "SELECT count(*) FROM sessions WHERE expires_at < now();",
    },
    Rule {
        id: "delete-cascade",
        title: "A DELETE takes rows of other tables along",
        lost: "Rows of tables whose foreign keys say ON DELETE CASCADE, and values where they \
               say SET NULL.",
        why: "The statement names one table; the foreign keys decide about the others.",
        example: "DELETE FROM flows WHERE id = 1;",
        safe: "DELETE FROM steps WHERE flow_id = 1 AND state = 'done';",
    },
    Rule {
        id: "update-all",
        title: "An UPDATE without a selective condition overwrites every row",
        lost: "The old values of the columns that it sets, in every row.",
        why: "Row counts stay as they are, so nothing shows until somebody misses a value.",
        example: "UPDATE users SET plan = 'free';",
        safe: "UPDATE users SET plan = 'free' WHERE plan IS NULL;",
    },
    Rule {
        id: "update-overwrite",
        title: "An UPDATE overwrites values",
        lost: "The old values of the columns that it sets, in the selected rows.",
        why: "It is named and counted; filling in what is null overwrites nothing and is not \
               reported.",
        example: "UPDATE users SET plan = 'free' WHERE plan = 'trial';",
        safe: "UPDATE users SET plan = 'free' WHERE plan IS NULL;",
    },
    Rule {
        id: "merge-delete",
        title: "A MERGE deletes rows",
        lost: "The rows for which a branch says DELETE.",
        why: "A MERGE reads like an upsert, and a source that is too short deletes what it \
               does not hold.",
        example: "MERGE INTO prices p USING feed f ON p.sku = f.sku WHEN MATCHED AND f.gone THEN \
               DELETE;",
        safe: "MERGE INTO prices p USING feed f ON p.sku = f.sku WHEN NOT MATCHED THEN INSERT \
               (sku) VALUES (f.sku);",
    },
    Rule {
        id: "upsert-overwrite",
        title: "An upsert overwrites rows that are already there",
        lost: "The old values of the columns that it sets, in rows that meet the conflict.",
        why: "What was changed by hand since the last import is replaced without a trace.",
        example: "INSERT INTO prices (sku, price) VALUES ('a', 1) ON CONFLICT (sku) DO UPDATE SET \
               price = excluded.price;",
        safe: "INSERT INTO prices (sku, price) VALUES ('a', 1) ON CONFLICT (sku) DO NOTHING;",
    },
    Rule {
        id: "narrow-type",
        title: "A narrower type cuts or rounds values",
        lost: "What does not fit: digits, letters behind a cast, times of day, zones; all of it \
               where USING is a constant.",
        why: "PostgreSQL rewrites every row, and what was rounded cannot be brought back.",
        example: "ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 0);",
        safe: "ALTER TABLE orders ALTER COLUMN total TYPE numeric;",
    },
    Rule {
        id: "set-unlogged",
        title: "An unlogged table is empty after a crash",
        lost: "Every row, when the server crashes or a standby takes over.",
        why: "It is a promise that the rows can be made again.",
        example: "ALTER TABLE orders SET UNLOGGED;",
        safe: "ALTER TABLE orders SET LOGGED;",
    },
    Rule {
        id: "unlink-large-object",
        title: "lo_unlink destroys a large object",
        lost: "The content of the large object.",
        why: "Large objects are in no table, so neither row counts nor a dump of single tables \
               show them.",
        example: "SELECT lo_unlink(16411);",
        safe: "SELECT lo_get(16411);",
    },
    Rule {
        id: "dynamic-sql",
        title: "SQL built at run time may do anything",
        lost: "What the built statement says.",
        why: "It can be known only by running it, on a copy.",
        example: "EXECUTE cleanup(30);",
        safe: "SELECT count(*) FROM sessions;",
    },
    Rule {
        id: "calls-function",
        title: "A function of your own is called",
        lost: "What the function's body does.",
        why: "The call shows a name; a body that deletes looks the same as one that adds up.",
        example: "SELECT purge_old_sessions();",
        safe: "SELECT count(*) FROM sessions;",
    },
    Rule {
        id: "fires-trigger",
        title: "A trigger does more than the statement says",
        lost: "What the trigger's function does.",
        why: "The trigger is not in the migration, so only a database can tell.",
        example: "UPDATE flows SET state = 'done' WHERE id = 1;",
        safe: "SELECT state FROM flows WHERE id = 1;",
    },
    Rule {
        id: "client-command",
        title: "A psql command runs outside of the server's rules",
        lost: "What the included file, the shell or the generated statements do.",
        why: "The text of the migration does not hold what will run.",
        example: "\\i cleanup.sql\n",
        safe: "\\echo cleaning up\n",
    },
    Rule {
        id: "opaque",
        title: "What could not be read may destroy anything",
        lost: "Nobody can tell.",
        why: "Nothing is safe because it could not be read.",
        example: "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE users') $$;",
        safe: "DO $$ BEGIN RAISE NOTICE 'hello'; END $$;",
    },
    Rule {
        id: "rehearsed-loss",
        title: "The rehearsal on a copy lost something",
        lost: "What the rehearsal measured.",
        why: "It ran the real command on real rows, so the run will lose the same.",
        example: "",
        safe: "",
    },
    Rule {
        id: "unused-allowance",
        title: "An agreement that covers nothing",
        lost: "Nothing.",
        why: "It was written for a statement that is gone or has another name, and would \
               silently cover the next one.",
        example: "",
        safe: "",
    },
];
