use std::path::Path;
use std::time::Duration;

use super::{ConfigFile, Search, find, parse};
use crate::environment::Environment;
use crate::policy::{Compare, FailOn, SnapshotMode};
use crate::snapshot::store::Location;
use crate::text::QualifiedName;

const FULL: &str = r#"
database = "postgresql://app@db/prod"
store = "../kept"
snapshot = "all"
compare = "values"
pg-dump = "docker exec -i db pg_dump"
pg-restore = ["docker", "exec", "-i", "my db", "pg_restore"]
fail-on = "error"
jobs = 4
statement-timeout = "1h"
lock-timeout = 5
min-free-space = "2 GB"
render-timeout = "90s"
protected = ["*prod*", "main"]
rpo = "24h"
rto = "4h"

[env]
APP_ENV = "migration"

[tables."public.users"]
min-rows = 10
max-shrink = "5%"

[tables.sessions]
volatile = true

[[allow]]
rule = "drop-column"
object = "users.legacy_id"
reason = "superseded by external_id"
max-rows = 500
"#;

fn read(text: &str) -> ConfigFile {
    parse(Path::new("/p/rowsafe.toml"), text).unwrap().expect("a rowsafe.toml always counts")
}

/// What is said about a text that is refused, hints included.
fn says(text: &str) -> String {
    let refusal = parse(Path::new("/p/rowsafe.toml"), text).unwrap_err();
    std::iter::once(refusal.to_string())
        .chain(refusal.hints().to_vec())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_key_is_read() {
    let file = read(FULL);
    assert_eq!(file.database.as_deref(), Some("postgresql://app@db/prod"));
    assert_eq!(file.store, Some(Location::Directory("/p/../kept".into())));
    assert_eq!(file.snapshot, Some(SnapshotMode::All));
    assert_eq!(file.pg_dump.unwrap(), ["docker", "exec", "-i", "db", "pg_dump"]);
    assert_eq!(file.pg_restore.unwrap()[3], "my db");
    assert_eq!(file.fail_on, Some(FailOn::Error));
    assert_eq!(file.jobs, Some(4));
    assert_eq!(file.statement_timeout, Some(Duration::from_hours(1)));
    assert_eq!(file.lock_timeout, Some(Duration::from_secs(5)));
    assert_eq!(file.min_free_space, Some(2_000_000_000));
    assert_eq!(file.render_timeout, Some(Duration::from_secs(90)));
    assert_eq!(file.compare, Some(Compare::Values));
    assert_eq!(file.protected.covers("my_prod"), Some("*prod*"));
    assert_eq!(file.rpo, Some(Duration::from_hours(24)));
    assert_eq!(file.rto, Some(Duration::from_hours(4)));
    let users = file.tables.for_table(&QualifiedName::new("public", "users"));
    assert_eq!(users.min_rows, Some(10));
    assert_eq!(users.max_shrink.unwrap().of(100), 5);
    assert!(!users.is_volatile());
    assert!(file.tables.for_table(&QualifiedName::new("public", "sessions")).is_volatile());
    assert_eq!(file.env["APP_ENV"], "migration");
    assert_eq!(file.allow[0].object, "users.legacy_id");
    assert_eq!(file.allow[0].max_rows, Some(500));
    let empty = ConfigFile { path: "/p/rowsafe.toml".into(), ..ConfigFile::default() };
    assert_eq!(read(""), empty);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let cases = [
        ("a = 1\n", "/p/rowsafe.toml:1: there is no setting `a`\nthe settings are: database,"),
        (
            "\n\ndatabse = 'x'",
            "/p/rowsafe.toml:3: there is no setting `databse`\ndid you mean `database`?",
        ),
        ("pg_dump = 'x'", "there is no setting `pg_dump`\ndid you mean `pg-dump`?"),
        ("password = 'x'", "`password`\npasswords are read from PGPASSWORD"),
        (
            "[[allow]]\nrul = 'x'",
            "/p/rowsafe.toml:2: there is no setting `rul`\ndid you mean `rule`?",
        ),
        ("[[allow]]\nrule = 'x'\nobject = 'y'", "/p/rowsafe.toml:1: missing field `reason`"),
        ("[[allow]]\nrule = 'x'\nobject = 'y'\nreason = ' '", "an [[allow]] needs a `reason`"),
        ("jobs = 'many'", "/p/rowsafe.toml:1: `jobs`: `many` is no number from 1 to 64"),
        ("jobs = 1.5", "expected a string or a whole number"),
        ("snapshot = 'some'", "`snapshot`: `some` is not one of auto, all, at-risk, none"),
        ("compare = 'some'", "`compare`: `some` is not one of auto, counts, values"),
        (
            "[tables.users]\nmin-row = 3",
            "/p/rowsafe.toml:2: there is no setting `min-row`\ndid you mean `min-rows`?",
        ),
        ("[tables.users]\nmax-shrink = 0.05", "expected a string or a whole number"),
        ("[tables.users]\n\nmax-shrink = '5'", "/p/rowsafe.toml:3: `max-shrink`: `5` is no share"),
        ("[tables.users]\nmin-rows = -1", "/p/rowsafe.toml:2: "),
        ("[tables.public.users]\nmin-rows = 1", "is quoted: [tables.\"public.users\"]"),
        ("rpo = '1 moon'", "`rpo`: `moon` is no unit of time"),
        ("lock-timeout = 'x'", "`lock-timeout`: `x` is no duration"),
        ("pg-dump = ''", "the command line is empty"),
        ("allow = 3", "/p/rowsafe.toml:1: invalid type: integer"),
        ("x = ", "/p/rowsafe.toml:1: "),
    ];
    for (text, expected) in cases {
        assert!(says(text).contains(expected), "{text:?} says {}", says(text));
    }
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    let texts = [
        "database = 'postgresql://u:hunter2@h/db'",
        "database = 'host=h password=hunter2'",
        "jobs = [1, 'postgresql://u:hunter2@h/db']",
        "fail-on = 'postgresql://u:hunter2@h/db'",
        "store = { a = 'postgresql://u:hunter2@h' }",
        "store = 's3://key:hunter2@bucket/app'",
        "[env]\nDATABASE_URL = 'postgresql://u:hunter2@h/db'",
        "[env]\nPGPASSWORD = 'hunter2'",
        "database = 'postgresql://u:hunter2@h/db",
        "x = 'postgresql://u:hunter2@h/db' y",
    ];
    for text in texts {
        assert!(!says(text).contains("hunter2"), "{text:?} says {}", says(text));
    }
    assert!(says(texts[0]).contains("`database` holds a password"));
    assert!(says(texts[6]).contains("`DATABASE_URL` holds a password"));
}

#[test]
fn a_pyproject_counts_only_with_its_table() {
    let path = Path::new("/p/pyproject.toml");
    assert_eq!(parse(path, "[tool.ruff]\nline-length = 1").unwrap(), None);
    assert_eq!(parse(path, "[tool.ruff\n").unwrap(), None, "somebody else's broken file");
    assert!(parse(path, "[tool.rowsafe\n").is_err());
    let file = parse(path, "[project]\nname = 'x'\n[tool.rowsafe]\nstore = 's'").unwrap().unwrap();
    assert_eq!(file.store, Some(Location::Directory("/p/s".into())));
    let refusal = parse(path, "[tool.rowsafe]\nstor = 's'").unwrap_err();
    assert_eq!(refusal.to_string(), "/p/pyproject.toml:2: there is no setting `stor`");
    assert!(parse(path, "[tool]\nrowsafe = 1").is_err());
}

#[test]
fn the_nearest_file_wins_and_nothing_is_merged() {
    let root = tempfile::tempdir().unwrap();
    let below = root.path().join("a/b/c");
    std::fs::create_dir_all(&below).unwrap();
    let write = |name: &str, text: &str| {
        crate::text::write_atomically(&root.path().join(name), text.as_bytes()).unwrap();
    };
    let environment = Environment::new([], &below);
    write("rowsafe.toml", "jobs = 1\nlock-timeout = 1");
    write("a/pyproject.toml", "[tool.rowsafe]\njobs = 2");
    write("a/b/pyproject.toml", "[tool.other]");
    let found = find(&Search::Upward, &environment).unwrap().unwrap();
    assert_eq!((found.jobs, found.lock_timeout), (Some(2), None));
    write("a/rowsafe.toml", "jobs = 3");
    assert_eq!(find(&Search::Upward, &environment).unwrap().unwrap().jobs, Some(3));
    assert_eq!(find(&Search::Nowhere, &environment).unwrap(), None);

    let exactly = |path: &str| find(&Search::Exactly(path.into()), &environment);
    assert_eq!(exactly("../../../rowsafe.toml").unwrap().unwrap().jobs, Some(1));
    assert!(exactly("gone.toml").unwrap_err().to_string().starts_with("there is no configuration"));
    assert!(
        exactly("../pyproject.toml").unwrap_err().to_string().ends_with("has no [tool.rowsafe]")
    );
}

#[test]
fn a_policy_is_read_and_a_careless_one_refused() {
    let text = "[retention]\nkeep-daily = 7\nkeep-weekly = \"5\"\nkeep-within = \"30d\"";
    let policy = parse(Path::new("rowsafe.toml"), text).unwrap().unwrap().retention;
    assert_eq!(policy.said(), "keep-daily 7, keep-weekly 5, keep-within 30 d");
    for (text, said) in [
        ("keep-last = 0", "rowsafe.toml:2: `keep-last`: `0` is no number from 1 on"),
        ("keep-dayly = 1", "rowsafe.toml:2: there is no setting `keep-dayly`"),
        ("keep-within = \"a moon\"", "rowsafe.toml:2: `keep-within`: `a moon` is no duration"),
    ] {
        let text = format!("[retention]\n{text}");
        let refusal = parse(Path::new("rowsafe.toml"), &text).unwrap_err();
        assert!(refusal.to_string().starts_with(said), "{refusal}");
    }
}
