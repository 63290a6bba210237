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
        lost: "Every row of the table; with CASCADE also the foreign keys, views and columns of \
               its row type that lean on it.",
        why: "A table that the new code no longer reads may still be read by the old code while \
               both run, by a report, or by the person who has to undo the release. Nothing in \
               the migration says how many rows there are, and `downgrade` brings back an empty \
               table.",
        example: "DROP TABLE users;",
        safe: "ALTER TABLE users RENAME TO users_retired;",
    },
    Rule {
        id: "drop-column",
        title: "Dropping a column destroys its values",
        lost: "Every value of the column, in every row; indexes, constraints and views on it go \
               too.",
        why: "The rows stay, so row counts show nothing, and the values cannot be computed \
               again. A rename that a tool writes as drop and add looks harmless and loses them \
               all.",
        example: "ALTER TABLE users DROP COLUMN legacy_id;",
        safe: "ALTER TABLE users RENAME COLUMN legacy_id TO legacy_id_retired;",
    },
    Rule {
        id: "drop-schema",
        title: "Dropping a schema destroys every table in it",
        lost: "With CASCADE every table, type and function in the schema, and every column and \
               view elsewhere that uses them.",
        why: "CASCADE takes what was forgotten, and the statement names none of it; without \
               CASCADE PostgreSQL refuses while anything is left, which is only noted.",
        example: "DROP SCHEMA archive CASCADE;",
        safe: "DROP SCHEMA archive;",
    },
    Rule {
        id: "drop-database",
        title: "Dropping a database destroys everything in it",
        lost: "All schemas, tables and large objects of the database.",
        why: "A migration works inside one database; one that drops another was written for a \
               laptop or a test, and runs just as well against what it was not meant for.",
        example: "DROP DATABASE app;",
        safe: "ALTER DATABASE app RENAME TO app_retired;",
    },
    Rule {
        id: "drop-type",
        title: "Dropping a type with CASCADE drops the columns that use it",
        lost: "Every column of that type or domain, in every table, with all its values.",
        why: "The statement names no table, so nobody sees which columns go, and row counts stay \
               as they are. Without CASCADE PostgreSQL refuses while a column uses it, which is \
               only noted; so is CASCADE behind a rebuild that moved columns to the new type, for \
               it takes only what was forgotten.",
        example: "DROP TYPE status CASCADE;",
        safe: "DROP TYPE status;",
    },
    Rule {
        id: "drop-attribute",
        title: "Dropping an attribute destroys its values in every column of the type",
        lost: "The attribute's part of every value of the composite type.",
        why: "The statement names the type, not the tables that hold its values; these keep all \
               their rows and columns.",
        example: "ALTER TYPE address DROP ATTRIBUTE street;",
        safe: "ALTER TYPE address RENAME ATTRIBUTE street TO street_retired;",
    },
    Rule {
        id: "drop-extension",
        title: "Dropping an extension drops what it brought along",
        lost: "The rows of the extension's own tables, and with CASCADE every column of one of \
               its types.",
        why: "An extension's types sit in tables of yours: dropping hstore with CASCADE drops \
               every hstore column, and the message that says so is a notice.",
        example: "DROP EXTENSION hstore CASCADE;",
        safe: "DROP EXTENSION hstore;",
    },
    Rule {
        id: "drop-owned",
        title: "DROP OWNED destroys every table of a role",
        lost: "Every table, schema and type that the role owns in this database.",
        why: "It is used for removing the privileges of a role before the role is dropped, and \
               it takes the tables along.",
        example: "DROP OWNED BY reporting;",
        safe: "REASSIGN OWNED BY reporting TO app;",
    },
    Rule {
        id: "drop-partition",
        title: "A partition leaves its table, or is dropped",
        lost: "Detached: nothing is destroyed, but queries on the parent no longer see the rows. \
               Dropped: every row of the partition.",
        why: "The parent keeps its name and its other rows, so nothing fails. A later clean-up \
               of the detached table destroys what everybody took for archived.",
        example: "ALTER TABLE events DETACH PARTITION events_2024;",
        safe: "ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES IN (2024);",
    },
    Rule {
        id: "recreate-table",
        title: "A table that is dropped and made again loses its rows",
        lost: "Every row that was in the table before; where a copy takes its place, the rows and \
               columns that the copy leaves out.",
        why: "Afterwards a table of that name is there, so a check for its existence sees \
               nothing, and a count does not tell what a WHERE or a column list left behind. A \
               copy of everything is only noted.",
        example: "DROP TABLE users; CREATE TABLE users (id bigint);",
        safe: "ALTER TABLE users RENAME TO users_old; CREATE TABLE users (id bigint);",
    },
    Rule {
        id: "truncate",
        title: "TRUNCATE destroys every row",
        lost: "Every row of the table and of the tables that inherit from it; with CASCADE those \
               of every table that refers to it.",
        why: "It is as fast on a billion rows as on ten, fires no trigger per row and has no \
               WHERE that could be wrong: it just empties. CASCADE ignores what the foreign keys \
               say about deleting.",
        example: "TRUNCATE sessions;",
        safe: "CREATE TEMP TABLE sessions_seen (id bigint); TRUNCATE sessions_seen;",
    },
    Rule {
        id: "delete-all",
        title: "A DELETE without a selective condition destroys every row",
        lost: "Every row of the table, and of tables that cascade from it.",
        why: "A missing WHERE, one that is always true (`id = id`, `1 = 1 OR …`, `id IN (SELECT \
               id FROM the_same_table)`), one that names no column of the table and a USING that \
               joins nothing all reach every row, and all but the first look as if they selected \
               some.",
        example: "DELETE FROM sessions WHERE id = id;",
        safe: "DELETE FROM sessions WHERE expires_at < now();",
    },
    Rule {
        id: "delete",
        title: "A DELETE destroys the rows that its condition selects",
        lost: "The selected rows.",
        why: "It is named and counted and needs no agreement. Measured on the database it is a \
               warning when it takes more than a tenth of the table or reaches other tables, and an \
               error when it takes every row.",
        example: "DELETE FROM sessions WHERE expires_at < now();",
        safe: "SELECT count(*) FROM sessions WHERE expires_at < now();",
    },
    Rule {
        id: "delete-cascade",
        title: "A DELETE takes rows of other tables along",
        lost: "Rows of tables whose foreign keys say ON DELETE CASCADE, and values where they say \
               SET NULL or SET DEFAULT.",
        why: "The statement names one table; foreign keys, often written years before, decide \
               about the others. Without a database only keys of the same batch are known.",
        example: "ALTER TABLE steps ADD FOREIGN KEY (flow_id) REFERENCES flows ON DELETE CASCADE; \
               DELETE FROM flows WHERE id = 1;",
        safe: "ALTER TABLE steps ADD FOREIGN KEY (flow_id) REFERENCES flows ON DELETE RESTRICT; \
               DELETE FROM flows WHERE id = 1;",
    },
    Rule {
        id: "update-all",
        title: "An UPDATE without a selective condition overwrites every row",
        lost: "The old values of the columns that it sets, in every row.",
        why: "Row counts stay as they are, and so do null counts unless it sets NULL, so nothing \
               shows until somebody misses a value. Filling a column that was added in the same \
               batch overwrites nothing and is not reported.",
        example: "UPDATE users SET plan = 'free';",
        safe: "UPDATE users SET plan = 'free' WHERE plan IS NULL;",
    },
    Rule {
        id: "update-overwrite",
        title: "An UPDATE overwrites values",
        lost: "The old values of the columns that it sets, in the selected rows.",
        why: "It is named and counted and needs no agreement; filling in what is null overwrites \
               nothing and is not reported.",
        example: "UPDATE users SET plan = 'free' WHERE plan = 'trial';",
        safe: "UPDATE users SET plan = 'free' WHERE plan IS NULL;",
    },
    Rule {
        id: "merge-delete",
        title: "A MERGE deletes rows",
        lost: "The rows for which a branch says DELETE.",
        why: "A MERGE reads like an upsert, and with NOT MATCHED BY SOURCE a source that is too \
               short deletes what it does not hold.",
        example: "MERGE INTO prices p USING feed f ON p.sku = f.sku WHEN MATCHED AND f.gone THEN \
               DELETE;",
        safe: "MERGE INTO prices p USING feed f ON p.sku = f.sku WHEN NOT MATCHED THEN INSERT \
               (sku) VALUES (f.sku);",
    },
    Rule {
        id: "upsert-overwrite",
        title: "An upsert overwrites rows that are already there",
        lost: "The old values of the columns that it sets, in rows that meet the conflict.",
        why: "It is written as an INSERT, so it is read as one; what was changed by hand since \
               the last import is replaced without a trace.",
        example: "INSERT INTO prices (sku, price) VALUES ('a', 1) ON CONFLICT (sku) DO UPDATE SET \
               price = excluded.price;",
        safe: "INSERT INTO prices (sku, price) VALUES ('a', 1) ON CONFLICT (sku) DO NOTHING;",
    },
    Rule {
        id: "narrow-type",
        title: "A narrower type cuts or rounds values",
        lost: "What does not fit: digits, letters behind a cast, times of day, zones; what USING \
               leaves out, and everything where USING is a constant.",
        why: "PostgreSQL rewrites every row and says nothing about those that it rounds, and \
               what was rounded cannot be brought back. A length without a cast is only noted, \
               for PostgreSQL refuses what is too long. The old type is not in the text, so a \
               change to `integer` is reported even where it comes from a smaller one; with a \
               database it is not.",
        example: "ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 0);",
        safe: "ALTER TABLE orders ALTER COLUMN total TYPE numeric;",
    },
    Rule {
        id: "set-unlogged",
        title: "An unlogged table is empty after a crash",
        lost: "Every row, when the server crashes or a standby takes over.",
        why: "Nothing is lost on the day of the migration. It is a promise that the rows can be \
               made again, and backups of the write-ahead log do not hold them either.",
        example: "ALTER TABLE orders SET UNLOGGED;",
        safe: "ALTER TABLE orders SET LOGGED;",
    },
    Rule {
        id: "unlink-large-object",
        title: "lo_unlink destroys a large object",
        lost: "The content of the large object; with lo_put and lo_truncate the bytes that are \
               overwritten or cut.",
        why: "Large objects are in no table of yours, so neither row counts nor a dump of single \
               tables show them, and the call stands in a SELECT.",
        example: "SELECT lo_unlink(16411);",
        safe: "SELECT lo_get(16411);",
    },
    Rule {
        id: "dynamic-sql",
        title: "SQL built at run time may do anything",
        lost: "What the built statement says.",
        why: "The text that runs is put together of variables, rows or parameters, so it can be \
               known only by running it, on a copy. What is put together of constants is read \
               like any other statement.",
        example: "EXECUTE cleanup(30);",
        safe: "SELECT count(*) FROM sessions;",
    },
    Rule {
        id: "calls-function",
        title: "A function of your own is called",
        lost: "What the function's body does.",
        why: "The call shows a name; a body that deletes looks the same as one that adds up. \
               PostgreSQL's own functions are known one by one, and a function that the same \
               batch defines is read. With a database the body is read there, and those that it \
               calls: one that only reads and adds is quiet, and what another destroys is found \
               by its own rule, as if it stood in the migration. The call itself is found where \
               that does not tell everything: another language, text that is built at run time. \
               Who agrees to a call does not agree to what is found in its body.",
        example: "SELECT purge_old_sessions();",
        safe: "SELECT count(*) FROM sessions;",
    },
    Rule {
        id: "fires-trigger",
        title: "A trigger does more than the statement says",
        lost: "What the function of the trigger, or the action of the rule, does to other tables.",
        why: "The trigger is not in the migration, so only a database can tell that there is \
               one. Triggers and rules of the table are looked up, of its partitions and children, \
               of the tables that foreign keys lead to, of a view and what is behind it, and event \
               triggers; what they run is read, with the functions that it calls. One that only \
               sets columns of the row at hand, adds rows, notifies or refuses is quiet. One that \
               is written in another language or builds its text at run time is a warning.",
        example: "UPDATE flows SET state = 'done' WHERE id = 1;",
        safe: "SELECT state FROM flows WHERE id = 1;",
    },
    Rule {
        id: "client-command",
        title: "A psql command runs outside of the server's rules",
        lost: "What the shell, another database, the generated statements or an included file do.",
        why: "The text of the migration does not hold what will run. Files that `\\i` and `\\ir` \
               name are read and checked in their place; what is left are those that nobody has \
               at hand.",
        example: "\\! psql other < cleanup.sql\n",
        safe: "\\echo cleaning up\n",
    },
    Rule {
        id: "opaque",
        title: "What could not be read may destroy anything",
        lost: "Nobody can tell.",
        why: "Nothing is safe because it could not be read: a statement that no parser knows, a \
               template, code in another language, a revision that looks at the database before \
               it decides.",
        example: "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE users') $$;",
        safe: "DO $$ BEGIN RAISE NOTICE 'hello'; END $$;",
    },
    Rule {
        id: "rehearsed-loss",
        title: "The rehearsal on a copy lost something",
        lost: "What the rehearsal measured.",
        why: "It ran the real command on a copy of the real rows, so the run will lose the same, \
               whatever could or could not be read beforehand.",
        example: "",
        safe: "",
    },
    Rule {
        id: "unused-allowance",
        title: "An agreement that covers nothing",
        lost: "Nothing.",
        why: "It was written for a statement that is gone or has another name, or it is \
               malformed and counts for nothing; left where it is, it would silently cover the \
               next one.",
        example: "",
        safe: "",
    },
];
