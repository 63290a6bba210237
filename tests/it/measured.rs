//! What the plan counts beforehand is what then happens: rows, values, and what goes along.

use crate::story::{Story, Told};

/// A hundred users, thirty of them with a plan, and three orders of user 1.
const SHOP: &str = "
    CREATE TABLE users (id int PRIMARY KEY, plan text, seats int NOT NULL DEFAULT 1);
    INSERT INTO users SELECT n, CASE WHEN n <= 30 THEN 'gold' END, n % 5 FROM generate_series(1, 100) n;
    CREATE TABLE visits (id int PRIMARY KEY, user_id int, day date);
    INSERT INTO visits SELECT n, n % 7, date '2024-01-01' + n FROM generate_series(1, 50) n;";

/// Runs it whatever is found, and so that what is found can be held against what happened.
fn run(story: &Story, sql: &str) -> Told {
    story.migrate(sql, &["--fail-on", "never"])
}

fn check(name: &str, seed: &str, sql: &str, findings: &[&str], changes: &[&str]) -> Told {
    let story = Story::of_sql(name, seed);
    let told = run(&story, sql);
    assert_eq!(told.outcome.code, Some(0), "{}", told.outcome);
    assert_eq!(told.findings(), findings, "{}", told.outcome);
    assert_eq!(told.changes(), changes, "{}", told.outcome);
    told
}

fn is_exact(told: &Told, finding: usize) -> bool {
    told.report["findings"][finding]["loss"]["exact"].as_bool().unwrap()
}

fn message(told: &Told, finding: usize) -> &str {
    told.report["findings"][finding]["message"].as_str().unwrap()
}

#[test]
fn a_delete_is_counted_by_its_own_where() {
    needs_postgres!();
    let few = "DELETE FROM users WHERE id <= 4 AND plan = 'gold'";
    let told = check(
        "measured_few",
        SHOP,
        few,
        &["note delete public.users 4+0"],
        &["users 100→96 shrank, planned"],
    );
    assert!(is_exact(&told, 0));
    assert!(message(&told, 0).ends_with("(4 of 100 rows)"), "{}", message(&told, 0));
    let some = "DELETE FROM users WHERE plan IS NOT NULL";
    let told = check(
        "measured_some",
        SHOP,
        some,
        &["warning delete public.users 30+0"],
        &["users 100→70 shrank, planned"],
    );
    assert!(message(&told, 0).ends_with("(30 of 100 rows)"), "{}", message(&told, 0));
    let all = "DELETE FROM users WHERE seats >= 0";
    let told = check(
        "measured_all",
        SHOP,
        all,
        &["error delete public.users 100+0"],
        &["users 100→0 wiped, planned"],
    );
    assert!(message(&told, 0).ends_with("(all of 100 rows)"), "{}", message(&told, 0));
    let none = "DELETE FROM users WHERE plan = 'silver'";
    check("measured_none", SHOP, none, &["note delete public.users 0+0"], &[]);
}

#[test]
fn rows_that_a_join_finds_several_times_go_once() {
    needs_postgres!();
    let sql = "WITH early AS (SELECT user_id FROM visits WHERE day < '2024-02-01')
               DELETE FROM ONLY public.users AS u USING early, visits v
                WHERE u.id = early.user_id AND v.user_id = u.id RETURNING u.id";
    let told = check(
        "measured_join",
        SHOP,
        sql,
        &["note delete public.users 6+0"],
        &["users 100→94 shrank, planned"],
    );
    assert!(is_exact(&told, 0));
    let sub = "DELETE FROM users u WHERE NOT EXISTS (SELECT FROM visits WHERE user_id = u.id)
               AND u.id IN (SELECT max(id) FROM users GROUP BY seats)";
    let _ = check(
        "measured_sub",
        SHOP,
        sub,
        &["note delete public.users 5+0"],
        &["users 100→95 shrank, planned"],
    );
}

#[test]
fn rows_of_partitions_are_counted_where_they_are() {
    needs_postgres!();
    let seed = "
        CREATE TABLE logs (day date, n int) PARTITION BY RANGE (day);
        CREATE TABLE logs_23 PARTITION OF logs FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE logs_24 PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO logs SELECT date '2023-12-01' + n, n FROM generate_series(1, 100) n;
        CREATE TABLE animals (name text);
        CREATE TABLE cats (lives int) INHERITS (animals);
        INSERT INTO animals SELECT 'rex' || n FROM generate_series(1, 40) n;
        INSERT INTO cats SELECT 'tom' || n, 9 FROM generate_series(1, 30) n;";
    let sql = "DELETE FROM logs WHERE n > 94 OR n IN (1, 2, 3); DELETE FROM ONLY animals WHERE name LIKE '%1'";
    let findings = ["note delete public.logs 9+0", "warning delete public.animals 4+0"];
    let changes = [
        "animals 40→36 shrank, planned",
        "logs_23 30→27 shrank, planned",
        "logs_24 70→64 shrank, planned",
    ];
    let story = Story::of_sql("measured_tree", seed);
    let told = run(&story, sql);
    assert_eq!(told.findings()[0], findings[0], "{}", told.outcome);
    assert_eq!(told.changes(), changes, "{}", told.outcome);
    assert_eq!(told.outcome.code, Some(0));
}

#[test]
fn an_update_loses_the_values_that_really_change() {
    needs_postgres!();
    // Of 30 plans 5 are in rows 1 to 5; a plan that stays the same is no loss, and neither is a null.
    let same = "UPDATE users SET plan = 'gold' WHERE id BETWEEN 20 AND 40";
    check("measured_same", SHOP, same, &["note update-overwrite public.users.plan 0+0"], &[]);
    let few = "UPDATE users SET plan = 'free', seats = 1 WHERE id IN (1, 2, 50, 51)";
    let told = check("measured_value", SHOP, few, &["note update-overwrite public.users 0+4"], &[]);
    assert!(is_exact(&told, 0), "{}", told.outcome);
    let many = "UPDATE users SET plan = upper(plan) WHERE id > 10";
    let findings = ["warning update-overwrite public.users.plan 0+20"];
    let told = check("measured_values", SHOP, many, &findings, &[]);
    assert!(message(&told, 0).ends_with("(20 of 30 values)"), "{}", message(&told, 0));
    let every = "UPDATE users SET plan = NULL WHERE id < 50";
    check("measured_every", SHOP, every, &["error update-overwrite public.users.plan 0+30"], &[]);
    let joined =
        "UPDATE users SET seats = v.id FROM visits v WHERE v.user_id = users.id AND v.id <= 7";
    check("measured_from", SHOP, joined, &["note update-overwrite public.users.seats 0+2"], &[]);
}

#[test]
fn what_cannot_be_counted_says_why_and_stays_a_bound() {
    needs_postgres!();
    let seed = &format!(
        "{SHOP} CREATE FUNCTION is_old(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < 3';
         CREATE VIEW old_users AS SELECT id FROM users WHERE id < 3;"
    );
    for (name, sql, why) in [
        ("function", "DELETE FROM users WHERE is_old(id)", "it calls is_old()"),
        ("volatile", "DELETE FROM users WHERE id < 3 + random() * 0", "answer may differ"),
        ("view", "DELETE FROM users WHERE id IN (SELECT id FROM old_users)", "reads the view"),
        (
            "renamed",
            "ALTER TABLE users RENAME COLUMN seats TO places; DELETE FROM users WHERE places = 9 OR id < 3",
            "`places` is made or renamed before it",
        ),
        (
            "insert",
            "INSERT INTO users VALUES (101); DELETE FROM users WHERE id < 3",
            "change `users`",
        ),
        ("time", "DELETE FROM users WHERE id < 3 AND now() > '2020-01-01'", "depends on when"),
    ] {
        let story = Story::of_sql(&format!("measured_{name}"), seed);
        let told = run(&story, sql);
        assert_eq!(told.outcome.code, Some(0), "{}", told.outcome);
        assert!(!is_exact(&told, 0), "{sql}");
        assert!(message(&told, 0).contains(why), "{}", message(&told, 0));
    }
}

/// Flows with steps, which have notes; a log that only points to flows; a tree of folders.
const FLOWS: &str = "
    CREATE TABLE flows (id int PRIMARY KEY, done boolean NOT NULL);
    CREATE TABLE steps (id int PRIMARY KEY, flow_id int REFERENCES flows ON DELETE CASCADE);
    CREATE TABLE notes (id int PRIMARY KEY, flow_id int REFERENCES flows ON DELETE SET NULL,
                        step_id int REFERENCES steps ON DELETE CASCADE);
    CREATE TABLE log (id int PRIMARY KEY, flow_id int REFERENCES flows ON DELETE SET NULL);
    INSERT INTO flows SELECT n, n <= 3 FROM generate_series(1, 100) n;
    INSERT INTO steps SELECT n, n % 50 + 1 FROM generate_series(1, 200) n;
    INSERT INTO notes SELECT n, n % 100 + 1, n FROM generate_series(1, 150) n;
    INSERT INTO log SELECT n, n % 10 + 1 FROM generate_series(1, 60) n;";

#[test]
fn what_goes_along_by_foreign_key_is_counted_table_by_table() {
    needs_postgres!();
    // 3 flows, 4 steps each, and the notes of those steps that there are; of the other notes of the
    // flows only the flow goes.
    let sql = "DELETE FROM flows WHERE done";
    let told = check(
        "measured_cascade",
        FLOWS,
        sql,
        &["warning delete public.flows 24+18"],
        &[
            "flows 100→97 shrank, planned",
            "notes 150→141 shrank, planned",
            "steps 200→188 shrank, planned",
        ],
    );
    assert!(is_exact(&told, 0));
    let through = told.report["findings"][0]["loss"]["through"].to_string();
    for part in [
        "table steps (12 rows) by foreign key",
        "table notes (9 rows) by foreign key",
        "column log.flow_id (18 values) by foreign key",
    ] {
        assert!(through.contains(part), "{through}");
    }
    // The twin: nothing hangs on these.
    let quiet = "DELETE FROM flows WHERE id > 95 AND id NOT IN (SELECT flow_id FROM notes)";
    let seed = format!("{FLOWS} DELETE FROM notes WHERE flow_id > 90;");
    let _ = check(
        "measured_no_cascade",
        &seed,
        quiet,
        &["note delete public.flows 5+0"],
        &["flows 100→95 shrank, planned"],
    );
}

#[test]
fn a_tree_goes_with_its_root_and_a_key_of_two_columns_is_one_key() {
    needs_postgres!();
    let tree = "
        CREATE TABLE folders (id int PRIMARY KEY, parent int REFERENCES folders ON DELETE CASCADE);
        INSERT INTO folders SELECT n, CASE WHEN n > 1 THEN n / 2 END FROM generate_series(1, 127) n;
        CREATE TABLE files (id int PRIMARY KEY, folder int REFERENCES folders ON DELETE CASCADE);
        INSERT INTO files SELECT n, n FROM generate_series(1, 127) n;";
    let sql = "DELETE FROM folders WHERE id IN (2, 4, 127)";
    check(
        "measured_folders",
        tree,
        sql,
        &["warning delete public.folders 128+0"],
        &["files 127→63 shrank, planned", "folders 127→63 shrank, planned"],
    );
    let pairs = "
        CREATE TABLE a (x int, y int, z int, PRIMARY KEY (x, y));
        CREATE TABLE b (id int PRIMARY KEY, y bigint, x smallint, FOREIGN KEY (x, y) REFERENCES a (x, y) ON DELETE CASCADE);
        INSERT INTO a SELECT n % 10, n, n FROM generate_series(1, 100) n;
        INSERT INTO b SELECT n, n, n % 10 FROM generate_series(1, 100) n;
        INSERT INTO b VALUES (101, 1, NULL), (102, NULL, 1), (103, 1, 1);";
    let sql = "DELETE FROM a WHERE z = 1";
    check(
        "measured_pairs",
        pairs,
        sql,
        &["warning delete public.a 3+0"],
        &["a 100→99 shrank, planned", "b 103→101 shrank, planned"],
    );
}

#[test]
fn keys_of_partitions_and_of_parents_are_followed() {
    needs_postgres!();
    let seed = "
        CREATE TABLE logs (day date, n int, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
        CREATE TABLE logs_23 PARTITION OF logs FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE logs_24 PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO logs SELECT date '2023-12-01' + n, n FROM generate_series(1, 100) n;
        CREATE TABLE lines (day date, n int, id int, FOREIGN KEY (day, n) REFERENCES logs ON DELETE CASCADE)
          PARTITION BY HASH (n);
        CREATE TABLE lines_0 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE lines_1 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO lines SELECT day, n, n FROM logs;
        CREATE TABLE marks (day date, n int, FOREIGN KEY (day, n) REFERENCES logs_23 ON DELETE CASCADE);
        INSERT INTO marks SELECT day, n FROM logs_23;";
    for (name, sql) in [
        ("root", "DELETE FROM logs WHERE n BETWEEN 28 AND 34"),
        ("leaf", "DELETE FROM logs_23 WHERE n > 27"),
    ] {
        let story = Story::of_sql(&format!("measured_keys_{name}"), seed);
        let told = run(&story, sql);
        assert_eq!(told.outcome.code, Some(0), "{}", told.outcome);
        assert!(is_exact(&told, 0), "{}", told.outcome);
        let gone: i64 = told.report["tables"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|table| !["logs", "lines"].contains(&table["name"].as_str().unwrap()))
            .map(|table| {
                table["rows_before"].as_i64().unwrap() - table["rows_after"].as_i64().unwrap()
            })
            .sum();
        assert_eq!(told.report["findings"][0]["loss"]["rows"], gone, "{}", told.outcome);
        assert!(gone > 5);
    }
}

#[test]
fn tables_that_refer_to_each_other_stay_a_bound() {
    needs_postgres!();
    let seed = "
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE);
        ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
        BEGIN; INSERT INTO a SELECT n, n + 1 FROM generate_series(1, 50) n;
        INSERT INTO b SELECT n, n FROM generate_series(1, 50) n; INSERT INTO b VALUES (51, NULL); COMMIT;";
    let story = Story::of_sql("measured_ring", seed);
    let told = run(&story, "DELETE FROM a WHERE id = 45");
    assert!(!is_exact(&told, 0));
    assert!(message(&told, 0).contains("refer to each other"), "{}", message(&told, 0));
}

#[test]
fn values_that_follow_a_key_are_counted() {
    needs_postgres!();
    let seed = "
        CREATE TABLE plans (code text PRIMARY KEY, price int);
        INSERT INTO plans SELECT 'p' || n, n FROM generate_series(1, 40) n;
        CREATE TABLE users (id int PRIMARY KEY, plan text REFERENCES plans ON UPDATE CASCADE);
        INSERT INTO users SELECT n, 'p' || n % 40 + 1 FROM generate_series(1, 100) n;
        CREATE TABLE trials (id int PRIMARY KEY, plan text REFERENCES plans ON UPDATE SET NULL);
        INSERT INTO trials SELECT n, 'p' || n FROM generate_series(1, 10) n;";
    let sql = "UPDATE plans SET code = 'old-' || code WHERE price IN (2, 3)";
    // Of p2 and p3: themselves, three users each, and two trials.
    let findings = ["warning update-overwrite public.plans.code 0+10"];
    let told = check("measured_rekeyed", seed, sql, &findings, &[]);
    assert!(is_exact(&told, 0), "{}", told.outcome);
    let through = told.report["findings"][0]["loss"]["through"].to_string();
    assert!(through.contains("column users.plan (6 values) by foreign key"), "{through}");
    assert!(through.contains("column trials.plan (2 values) by foreign key"), "{through}");
    let price = "UPDATE plans SET price = 0 WHERE price IN (2, 3)";
    check("measured_unkeyed", seed, price, &["note update-overwrite public.plans.price 0+2"], &[]);
}

#[test]
fn a_table_is_read_once_for_all_columns_that_go_and_no_other_is_read() {
    needs_postgres!();
    let seed = &format!("{SHOP} ALTER TABLE users ADD CONSTRAINT few CHECK (seats < 100);");
    let story = Story::of_sql("measured_cost", seed);
    let scans =
        "SELECT relname, seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables ORDER BY 1";
    let before = settled(&story, scans);
    let sql = "ALTER TABLE users DROP COLUMN plan; ALTER TABLE users DROP COLUMN seats;";
    let told = story.migrate(sql, &[]);
    assert_eq!(told.outcome.code, Some(1), "{}", told.outcome);
    assert_eq!(
        told.findings(),
        ["error drop-column public.users.plan 0+30", "error drop-column public.users.seats 0+100",]
    );
    let after = settled(&story, scans);
    let reads: Vec<i64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| after[1].parse::<i64>().unwrap() - before[1].parse::<i64>().unwrap())
        .collect();
    // users, visits
    assert_eq!(reads, [1, 0]);
}

/// What the statistics say once every other session has ended and handed in its own.
fn settled(story: &Story, sql: &str) -> Vec<Vec<String>> {
    let session = story.db.session();
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while session.query_one_i64(others) > 0 {}
    session.rows(sql)
}

#[test]
fn a_truncate_takes_what_refers_and_not_what_inherits() {
    needs_postgres!();
    let seed = "
        CREATE TABLE a (id int PRIMARY KEY);
        CREATE TABLE a_child () INHERITS (a);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
        CREATE TABLE b_child () INHERITS (b);
        CREATE TABLE c (b int REFERENCES b) PARTITION BY LIST (b);
        CREATE TABLE c_1 PARTITION OF c DEFAULT;
        INSERT INTO a VALUES (1), (2); INSERT INTO a_child VALUES (3), (4), (5);
        INSERT INTO b VALUES (1, 1); INSERT INTO b_child VALUES (2, 9), (3, 9);
        INSERT INTO c VALUES (1), (1), (1), (1);";
    let all = ["error truncate public.a 10+0"];
    check(
        "measured_truncate",
        seed,
        "TRUNCATE a CASCADE",
        &all,
        &[
            "a 2→0 wiped, planned",
            "a_child 3→0 wiped, planned",
            "b 1→0 wiped, planned",
            "c_1 4→0 wiped, planned",
        ],
    );
    let only = ["error truncate public.a 7+0"];
    check(
        "measured_truncate_only",
        seed,
        "TRUNCATE ONLY a CASCADE",
        &only,
        &["a 2→0 wiped, planned", "b 1→0 wiped, planned", "c_1 4→0 wiped, planned"],
    );
}
