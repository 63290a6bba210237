//! `driver = "pgbackrest"`, with a real pgBackRest, a real archive and a real restore.
//!
//! pgBackRest can't be fetched as PostgreSQL is: where it is not installed, or too old for the
//! server, these tests say aloud that they are skipped. `ROWSAFE_TEST_NEEDS_PGBACKREST=1` makes
//! that a failure.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use rowsafe::exit::Exit;

use crate::harness::scene::HARMLESS;
use crate::harness::{Database, Scene, Server};

/// A server that archives its WAL with pgBackRest.
struct Archiving {
    /// What both the server and pgBackRest may read.
    ground: tempfile::TempDir,
    server: Arc<Server>,
    /// The words that run pgBackRest as whom the server runs as.
    words: Vec<String>,
}

impl Archiving {
    /// The server with a stanza and no backup; `None` where there is no pgBackRest for it.
    fn start() -> Option<Self> {
        let ground = tempfile::Builder::new().prefix("rowsafe-stanza-").tempdir_in("/tmp").unwrap();
        open_to_all(ground.path().to_owned());
        for name in ["repo", "log", "lock", "spool"] {
            let path = ground.path().join(name);
            std::fs::create_dir(&path).unwrap();
            open_to_all(path);
        }
        let path = ground.path().display().to_string();
        let push = format!("archive_command=sh {path}/pgbackrest-push %p");
        let settings = ["archive_mode=on", "wal_level=replica", "full_page_writes=on", &push];
        let server = Server::start(&settings);
        let data = server.admin("postgres").rows("SHOW data_directory")[0][0].clone();
        let (socket, port) = (server.socket.display(), server.port);
        std::fs::write(
            ground.path().join("pgbackrest.conf"),
            format!(
                "[global]\nrepo1-path={path}/repo\nrepo1-retention-full=9\nlog-path={path}/log\n\
                 lock-path={path}/lock\nspool-path={path}/spool\nstart-fast=y\n\
                 [shop]\npg1-path={data}\npg1-socket-path={socket}\npg1-port={port}\n\
                 pg1-user=postgres\n"
            ),
        )
        .unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut words: Vec<String> = Vec::new();
        words.extend(nobody.iter().filter(|_| is_root).map(|word| (*word).to_owned()));
        words.push("pgbackrest".to_owned());
        let archiving = Self { ground, server, words };
        archiving.push_by(&format!(
            "exec pgbackrest --config={path}/pgbackrest.conf --stanza=shop archive-push \"$1\""
        ));
        archiving.create_stanza().then_some(archiving)
    }

    fn create_stanza(&self) -> bool {
        let Ok(output) = self.command(&["stanza-create"]).output() else {
            return skipped("pgbackrest is not installed");
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if said.contains("unexpected control version") || said.contains("No such file or directory")
        {
            return skipped(&said);
        }
        assert!(output.status.success(), "stanza-create: {said}");
        true
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).arg(format!("--config={}", self.config()));
        command.arg("--stanza=shop").args(args).current_dir("/");
        command
    }

    fn pgbackrest(&self, args: &[&str]) {
        done(args, &self.command(args).output().unwrap());
    }

    fn config(&self) -> String {
        self.ground.path().join("pgbackrest.conf").display().to_string()
    }

    /// How a WAL file is archived from now on; `$1` is its path.
    fn push_by(&self, script: &str) {
        let path = self.ground.path().join("pgbackrest-push");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A project on a database of this server, with pgBackRest as the driver.
    fn scene(&self, name: &str, words: &[String], more: &str) -> Scene {
        let db = Database::on(&self.server, name, "planted-pgbackrest");
        let scene = Scene::of(db, "CREATE TABLE users AS SELECT generate_series(1, 1000) AS id");
        let grant = "GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO";
        scene.db.admin().execute(&format!("{grant} {name}"));
        self.configure(&scene, words, more);
        scene
    }

    fn configure(&self, scene: &Scene, words: &[String], more: &str) {
        let (config, words) = (self.config(), serde_json::to_string(words).unwrap());
        let text = format!(
            "driver = 'pgbackrest'\n{more}\n[pgbackrest]\nstanza = 'shop'\nconfig = '{config}'\n\
             command = {words}\n"
        );
        scene.sandbox.write("rowsafe.toml", &text);
    }
}

fn open_to_all(path: PathBuf) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

#[track_caller]
fn done(what: &[&str], output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
}

/// Says aloud that pgBackRest was not tested, and why.
fn skipped(why: &str) -> bool {
    let needed = std::env::var("ROWSAFE_TEST_NEEDS_PGBACKREST").is_ok_and(|value| value == "1");
    assert!(!needed, "pgBackRest is needed here: {why}");
    let version = why.lines().find(|line| line.contains("version"));
    let why = version.unwrap_or_else(|| why.trim().lines().last().unwrap_or_default());
    // Not by `eprintln!`, which the test runner would swallow.
    let line = format!("pgBackRest was NOT tested: {why} (apt-get install pgbackrest)\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    false
}

#[test]
fn the_printed_command_brings_the_lost_rows_back() {
    needs_postgres!();
    let Some(archiving) = Archiving::start() else { return };
    archiving.pgbackrest(&["--type=full", "backup"]);
    // The last backup is older than it may be: that is said, and no reason to stop.
    let scene = archiving.scene("pgbackrest_loses", &archiving.words, "rpo = '1ms'\n");
    let outcome = scene.run("psql -qX \"$DB\" -c 'TRUNCATE users'").with_report().run();
    let outcome = outcome.exits(Exit::Loss).says("its WAL is in the archive");
    let outcome = outcome.says("the last backup of stanza `shop` is").says("; rpo is");
    let snapshot = outcome.json()["snapshot"].clone();
    let point = format!("rowsafe-{}", snapshot["id"].as_str().unwrap());
    assert_eq!(
        (&snapshot["verified"], &snapshot["elsewhere"]["reference"]),
        (&true.into(), &point.clone().into())
    );
    let way_back = snapshot["elsewhere"]["restore"].as_str().unwrap();
    assert!(way_back.contains(&format!(
        "--stanza=shop --type=name --target={point} --target-action=promote --target-timeline=1 --set="
    )));
    let outcome = outcome.says(&format!("bring it back: {way_back}"));
    let journal = scene.sandbox.read(".rowsafe/journal.jsonl");
    assert!(journal.contains(way_back), "{journal}");
    assert_eq!(scene.manifest()["schema"], "rowsafe.snapshot/3");
    let told = scene.rowsafe("restore").arg("latest").run().exits(Exit::NoAnswer);
    let _ = told.says(way_back).says("every database of it");
    drop(outcome);
    // What happens afterwards is no hindrance: rows, and a backup that is later than the point.
    scene.db.execute("CREATE TABLE later (id int)");
    archiving.pgbackrest(&["--type=incr", "backup"]);
    archiving.configure(&scene, &archiving.words, "");
    let doctor = scene.rowsafe("doctor").args(["--format", "json"]).run().exits(Exit::Ok);
    let doctor =
        doctor.prints("WAL is archived; backup ").prints("the role may make restore points");
    drop(doctor);

    let restored = archiving.ground.path().join("restored");
    let [before @ .., _] = archiving.words.as_slice() else { panic!("words") };
    let mkdir = [before, &["mkdir".to_owned(), "--mode=700".to_owned()]].concat();
    let script = format!(
        "set -e; {} {path}; {way_back} --pg1-path={path} --archive-mode=off",
        shell_words::join(mkdir),
        path = restored.display()
    );
    done(&[&script], &Command::new("sh").args(["-c", &script]).current_dir("/").output().unwrap());
    let data = format!("--data={}", restored.display());
    let back = Server::start(&[&data, "hot_standby=off"]);
    let admin = back.admin(&scene.db.name);
    assert_eq!(admin.query_one_i64("SELECT count(*) FROM users"), 1000);
    assert_eq!(admin.rows("SELECT to_regclass('later')")[0][0], "NULL");
    assert_eq!(scene.db.count("users"), 0);
    drop(admin);
    back.stop();
}

#[test]
fn nothing_is_run_without_a_point_that_can_be_gone_back_to() {
    needs_postgres!();
    let Some(archiving) = Archiving::start() else { return };
    let scene = archiving.scene("pgbackrest_refuses", &archiving.words, "");
    let refused = |why: &str| {
        let outcome = scene.run(HARMLESS).run().exits(Exit::SnapshotFailed).says(why);
        scene.assert_nothing_happened();
        outcome
    };
    let _ = refused("stanza `shop` has no backup to start from: no valid backups")
        .says("--stanza=shop backup");
    archiving.pgbackrest(&["--type=full", "backup"]);

    archiving.configure(&scene, &archiving.words, "rpo = '1ms'\n");
    let doctor =
        scene.rowsafe("doctor").args(["--format", "json"]).run().exits(Exit::DatabaseUnavailable);
    let _ = doctor.prints("the last backup of stanza `shop` is");

    let function = "FUNCTION pg_create_restore_point(text)";
    let admin = scene.db.admin();
    admin.execute(&format!("REVOKE EXECUTE ON {function} FROM {}", scene.db.name));
    let _ = refused("the role `pgbackrest_refuses` may not make a restore point").says(
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_create_restore_point(text) TO pgbackrest_refuses",
    );
    admin.execute(&format!("GRANT EXECUTE ON {function} TO {}", scene.db.name));

    // The archive loses the very segment after pgBackRest has found it there.
    let losing = archiving.ground.path().join("losing");
    let repo = archiving.ground.path().join("repo/archive");
    let words = shell_words::join(&archiving.words);
    let script = format!(
        "case \"$*\" in *repo-ls*) rm -rf {}/*/*/0*;; esac\nexec {words} \"$@\"\n",
        repo.display()
    );
    std::fs::write(&losing, script).unwrap();
    let through = ["sh".to_owned(), losing.display().to_string()];
    archiving.configure(&scene, &through, "");
    let _ = refused(") is not in the archive");

    let elsewhere = Scene::new("pgbackrest_elsewhere", "");
    let grant = format!("GRANT EXECUTE ON {function} TO pgbackrest_elsewhere");
    elsewhere.db.admin().execute(&grant);
    archiving.configure(&elsewhere, &archiving.words, "");
    let outcome = elsewhere.run(HARMLESS).run().exits(Exit::SnapshotFailed);
    let _ = outcome.says("stanza `shop` is of another server than the one to be migrated");
    elsewhere.assert_nothing_happened();

    archiving.configure(&scene, &["no-such-pgbackrest".to_owned()], "");
    let _ = refused("no-such-pgbackrest");
    let impatient = [&archiving.words[..], &["--archive-timeout=0.5".to_owned()]].concat();
    archiving.configure(&scene, &impatient, "");
    archiving.push_by("exit 1");
    let _ = refused(" check` exited with ").says("archive");
    let doctor =
        scene.rowsafe("doctor").args(["--format", "json"]).run().exits(Exit::DatabaseUnavailable);
    let _ = doctor.prints(" check` exited with ");
}
