//! `rowsafe doctor`: each check as it should be, and as it should not.

use std::os::unix::fs::PermissionsExt as _;

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::scene::HARMLESS;
use crate::harness::{Outcome, Rowsafe, Scene};

/// A healthy database, and a run that has left a snapshot and a record.
fn scene(name: &str) -> Scene {
    let sql = "CREATE TABLE users AS SELECT n AS id FROM generate_series(1, 50) n; \
               CREATE TABLE \"order\" (id serial)";
    Scene::new(name, sql)
}

/// The checks, and the exit code.
struct Looked {
    outcome: Outcome,
    report: Value,
}

impl Looked {
    #[track_caller]
    fn by(rowsafe: Rowsafe<'_>) -> Self {
        let outcome = rowsafe.with_report().run();
        let report = outcome.report.clone().expect("there is a report");
        crate::schema::check(&report);
        assert_eq!(report["command"], "doctor");
        assert_eq!(report["findings"].as_array().map(Vec::is_empty), Some(true));
        Self { outcome, report }
    }

    #[track_caller]
    fn exits(self, exit: Exit) -> Self {
        assert_eq!(self.outcome.code, Some(exit.code().into()), "{}", self.outcome);
        assert_eq!(self.report["exit"], exit.code());
        self
    }

    fn check(&self, name: &str) -> Option<&Value> {
        self.report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name)
    }

    /// This check is so, and says this.
    #[track_caller]
    fn is(self, name: &str, status: &str, said: &str) -> Self {
        let check = self.check(name).unwrap_or_else(|| panic!("no {name} in {}", self.report));
        assert_eq!(check["status"], status, "{check}");
        let message = check["message"].as_str().unwrap();
        assert!(message.contains(said), "{name} lacks: {said}\n{message}");
        self
    }

    fn hints(&self, name: &str) -> Vec<&str> {
        let check = self.check(name).expect("it was looked at");
        check["hints"].as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect()
    }
}

fn doctor(scene: &Scene) -> Looked {
    Looked::by(scene.rowsafe("doctor"))
}

#[test]
fn a_healthy_database_before_and_after_its_first_run() {
    needs_postgres!();
    let scene = scene("doctor_healthy");
    let looked = doctor(&scene).exits(Exit::Ok);
    let looked = looked.is("identity", "note", "never seen before");
    let looked = looked.is("snapshot", "note", "there is none of this database");
    let looked = looked.is("rows", "ok", "50 rows in 2 tables");
    let looked = looked.is("rights", "ok", "every row of 2 tables").is("pg_dump", "ok", "pg_dump");
    let _ = looked.is("space", "ok", "a snapshot needs ~").is("clock", "ok", "agree");
    assert!(!scene.sandbox.path().join(".rowsafe").exists(), "doctor writes nothing down");

    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    scene.db.execute("INSERT INTO users VALUES (51)");
    let looked = doctor(&scene).exits(Exit::Ok);
    let looked = looked.is("identity", "ok", "the one on record since 20");
    let _ = looked.is("rows", "ok", "51 rows in 3 tables").is("snapshot", "ok", "with 50 rows");
    scene.sandbox.write("rowsafe.toml", "rpo = \"1h\"\nrto = \"4h\"\n");
    let looked = doctor(&scene).exits(Exit::Ok);
    let _ = looked.is("snapshot", "ok", "; rpo is").is("restore-time", "note", "no restore was");
}

#[test]
fn what_keeps_from_connecting_is_told_apart() {
    needs_postgres!();
    let scene = scene("doctor_connection");
    let port = scene.db.server().port;
    let url = |user: &str, password: &str, port: u16, database: &str| {
        format!("postgresql://{user}:{password}@127.0.0.1:{port}/{database}")
    };
    let (name, password) = (&scene.db.name, &scene.db.password);
    for (url, said) in [
        (url(name, "wrong", port, name), "cannot log in to"),
        (url(name, password, port, "doctor_connectoin"), "does not exist"),
        (url(name, password, 1, name), "cannot reach"),
    ] {
        let looked = Looked::by(scene.rowsafe("doctor").env("ROWSAFE_DATABASE", url));
        let looked = looked.exits(Exit::DatabaseUnavailable).is("connection", "failed", said);
        assert!(!looked.hints("connection").is_empty(), "what to do is said");
    }
    let none = Rowsafe::new(&scene.sandbox).arg("doctor").run();
    let _ = none.exits(Exit::NoAnswer);
}

#[test]
fn the_wrong_database_is_no_healthy_one() {
    needs_postgres!();
    let scene = scene("doctor_identity");
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    scene.db.execute("DELETE FROM users WHERE id > 40");
    let _ = doctor(&scene).exits(Exit::Ok).is("identity", "ok", "on record");
    scene.db.execute("DELETE FROM users");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let looked = looked.is("identity", "failed", "`users` held 50 rows on 20");
    let _ = looked.is("rows", "warning", "0 rows in 3 tables");
    // It has only looked: a run still refuses.
    let _ = scene.run(HARMLESS).run().exits(Exit::DatabaseUnavailable);
}

#[test]
fn each_missing_right_is_named_with_its_grant() {
    needs_postgres!();
    let scene = scene("doctor_rights");
    let admin = scene.db.admin();
    admin.execute("CREATE TABLE public.\"Hidden\" (id int); CREATE SCHEMA closed");
    admin.execute("CREATE TABLE closed.t (id serial)");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let looked = looked.is("rights", "failed", "the role may not read schema closed and 3 more");
    assert_eq!(
        looked.hints("rights"),
        [
            "GRANT USAGE ON SCHEMA closed TO doctor_rights;",
            "GRANT SELECT ON SEQUENCE closed.t_id_seq TO doctor_rights;",
            "GRANT SELECT ON TABLE closed.t TO doctor_rights;",
            "GRANT SELECT ON TABLE public.\"Hidden\" TO doctor_rights;",
        ]
    );
    // The statements are the cure.
    looked.hints("rights").iter().for_each(|grant| admin.execute(grant));
    let _ = doctor(&scene).exits(Exit::Ok).is("rights", "ok", "every row of 4 tables");
    scene.db.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let looked = looked.is("row-security", "failed", "the first is `users`");
    let _ = looked.is("statistics", "note", "not visible");
    admin.execute("GRANT pg_read_all_stats TO doctor_rights");
    admin.execute("ALTER ROLE doctor_rights BYPASSRLS");
    let looked = doctor(&scene).exits(Exit::Ok);
    assert!(looked.check("row-security").is_none() && looked.check("statistics").is_none());
}

#[test]
fn tools_space_thresholds_and_age() {
    needs_postgres!();
    let scene = scene("doctor_limits");
    let old = scene.sandbox.write_program("bin/pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.1'");
    let looked = Looked::by(scene.rowsafe("doctor").path_first(old.parent().unwrap()));
    let _ =
        looked.exits(Exit::DatabaseUnavailable).is("pg_dump", "failed", "is older than the server");
    let looked = Looked::by(scene.rowsafe("doctor").args(["--pg-dump", "/no/pg_dump"]));
    let _ = looked.exits(Exit::DatabaseUnavailable).is("pg_dump", "failed", "is not there");

    scene.sandbox.write("rowsafe.toml", "min-free-space = \"900TB\"\n");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let _ = looked.is("space", "failed", "a snapshot needs ~900");

    scene.sandbox.write("rowsafe.toml", "[tables.users]\nmin-rows = 51\n");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let _ = looked.is("thresholds", "failed", "`users` holds 50 rows, min-rows is 51");
    scene.db.execute("INSERT INTO users VALUES (51)");
    let _ = doctor(&scene).exits(Exit::Ok).is("thresholds", "ok", "1 threshold met");

    scene.sandbox.write("rowsafe.toml", "rpo = \"1h\"\n");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let _ = looked.is("snapshot", "failed", "there is none of this database that holds everything");
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    let _ = doctor(&scene).exits(Exit::Ok).is("snapshot", "ok", "; rpo is 60 min");
    scene.sandbox.write("rowsafe.toml", "rpo = \"1ms\"\n");
    let looked = doctor(&scene).exits(Exit::DatabaseUnavailable);
    let _ = looked.is("snapshot", "failed", "; rpo is 0.0 s");
}

#[test]
fn the_time_of_a_restore_is_held_against_its_objective() {
    needs_postgres!();
    let scene = scene("doctor_restore");
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    let into = ["latest", "--into", "doctor_restored", "--confirm", "doctor_restored"];
    let _ = scene.rowsafe("restore").args(into).run().exits(Exit::Ok);
    let _ = doctor(&scene).exits(Exit::Ok).is("restore-time", "ok", "50 rows were put back in");
    scene.sandbox.write("rowsafe.toml", "rto = \"1h\"\n");
    let path = scene.sandbox.path().join("rowsafe.prom");
    let output = format!("prometheus={}", path.display());
    let _ = scene.rowsafe("doctor").args(["--output", &output]).run().exits(Exit::Ok);
    let metrics = std::fs::read_to_string(&path).unwrap();
    assert!(metrics.contains("\nrowsafe_last_restore_seconds{database=\"doctor_restore\"} "));
    let looked = doctor(&scene).exits(Exit::Ok);
    let _ = looked.is("restore-time", "ok", "a whole snapshot, ");
    scene.sandbox.write("rowsafe.toml", "rto = \"0\"\n");
    let _ =
        doctor(&scene).exits(Exit::Ok).is("restore-time", "warning", "50 rows were put back in");
}

#[test]
fn what_is_pending_is_told_for_a_command() {
    needs_postgres!();
    let story = crate::story::Story::prepared("noisy-stdout", "doctor_pending");
    let outcome = story.rowsafe(&["doctor", "--", "alembic", "upgrade", "0002"]).run();
    let report = outcome.report.clone().expect("there is a report");
    crate::schema::check(&report);
    // A line of the application's prose reads like a DELETE.
    let _ = outcome.exits(Exit::Ok).prints("2 statements, 2 findings to agree to");
    let rules: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| &f["rule"]).collect();
    assert!(rules.contains(&&Value::from("drop-column")), "{rules:?}");
    let story = crate::story::Story::prepared("version-table-elsewhere", "doctor_not_pending");
    let outcome = story.rowsafe(&["doctor", "--", "alembic", "upgrade", "0001"]).run();
    let _ = outcome.exits(Exit::Ok).prints("0 statements, nothing to agree to");
}

#[test]
fn metrics_for_prometheus_are_written_whole_and_for_everybody() {
    needs_postgres!();
    let scene = scene("doctor_metrics");
    let path = scene.sandbox.path().join("rowsafe.prom");
    let output = format!("prometheus={}", path.display());
    let metrics = || {
        let _ = scene.rowsafe("doctor").args(["--output", &output]).run();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "a node exporter is another user");
        well_formed(&std::fs::read_to_string(&path).unwrap())
    };
    let value = |metrics: &[(String, f64)], name: &str| {
        metrics.iter().find(|(series, _)| series == name).map(|(_, value)| *value)
    };
    let of = |name: &str| format!("{name}{{database=\"doctor_metrics\"}}");
    let before = metrics();
    assert_eq!(value(&before, &of("rowsafe_up")), Some(1.0));
    assert_eq!(value(&before, &of("rowsafe_database_rows")), Some(50.0));
    assert_eq!(value(&before, &of("rowsafe_last_snapshot_timestamp_seconds")), None);
    let failed = "rowsafe_checks{database=\"doctor_metrics\",status=\"failed\"}";
    assert_eq!(value(&before, failed), Some(0.0));
    let _ = scene.run_with(&["--snapshot", "all"], HARMLESS).run().exits(Exit::Ok);
    scene.db.execute("DELETE FROM users");
    let after = metrics();
    assert!(value(&after, &of("rowsafe_last_snapshot_timestamp_seconds")) > Some(1.7e9));
    assert!(value(&after, &of("rowsafe_database_size_bytes")) > Some(1e6));
    assert_eq!(value(&after, failed), Some(1.0));
    assert_eq!(value(&after, &of("rowsafe_database_rows")), Some(0.0));
    let nowhere = scene.rowsafe("doctor").args(["--output", "prometheus=/no/such/a.prom"]).run();
    let _ = nowhere.exits(Exit::NoAnswer).says("can't be written there");
}

/// Every series with its value; the text is as Prometheus' exposition format wants it.
fn well_formed(text: &str) -> Vec<(String, f64)> {
    let head = regex::Regex::new(r"^# HELP (rowsafe_[a-z_]+) [A-Z].*\.$").unwrap();
    let label = r#"[a-z_]+="(?:[^"\\\n]|\\[\\"n])*""#;
    let sample =
        regex::Regex::new(&format!(r"^((rowsafe_[a-z_]+)\{{{label}(?:,{label})*\}}) (\d+)$"))
            .unwrap();
    assert!(text.ends_with('\n'), "the last line ends");
    let mut current = String::new();
    let mut series = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = head.captures(line) {
            found[1].clone_into(&mut current);
            assert_eq!(lines.next(), Some(format!("# TYPE {current} gauge").as_str()));
            continue;
        }
        let found = sample.captures(line).unwrap_or_else(|| panic!("no sample: {line}"));
        assert_eq!(&found[2], current, "samples stand under their own head");
        assert!(series.iter().all(|(known, _)| *known != found[1]), "twice: {line}");
        series.push((found[1].to_owned(), found[3].parse().unwrap()));
    }
    series
}
