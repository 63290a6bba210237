//! One database, one project, one shell script as the migration: the shortest run there is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Database, Rowsafe, Sandbox};

/// A database and the project from which rowsafe is run on it.
pub struct Scene {
    /// The database.
    pub db: Database,
    /// The project.
    pub sandbox: Sandbox,
}

impl Scene {
    /// A database of this name, prepared by `sql` as its owner.
    pub fn new(name: &str, sql: &str) -> Self {
        Self::of(Database::new(name).may_create_databases(), sql)
    }

    /// The same for a database that is there.
    pub fn of(db: Database, sql: &str) -> Self {
        if !sql.is_empty() {
            db.execute(sql);
        }
        Self { db, sandbox: Sandbox::new() }
    }

    /// `rowsafe run` of a script, agreed to beforehand; `$DB` is the database's URL there.
    pub fn run(&self, script: &str) -> Rowsafe<'_> {
        self.run_with(&[], script)
    }

    /// The same with more flags.
    pub fn run_with(&self, flags: &[&str], script: &str) -> Rowsafe<'_> {
        self.rowsafe("run")
            .args(["--allow", "opaque *: a test"])
            .args(flags)
            .args(["--", "sh", "-c", script])
    }

    /// A command of rowsafe that is told the database by a variable, so that no password is in argv.
    pub fn rowsafe(&self, command: &str) -> Rowsafe<'_> {
        Rowsafe::new(&self.sandbox)
            .arg(command)
            .env("ROWSAFE_DATABASE", self.db.url())
            .env("DB", self.db.socket_url())
    }

    /// A program called `name` in a directory of its own, which is returned for `path_first`;
    /// `$REAL` is the program that it stands in front of, and its version is answered by that.
    pub fn in_front_of(&self, name: &str, script: &str) -> PathBuf {
        let real = self.real(name);
        let text = format!(
            "REAL='{}'\ncase \"$*\" in *--version*) exec \"$REAL\" \"$@\";; esac\n{script}",
            real.display()
        );
        let path = self.sandbox.write_program(&format!("bin/{name}"), &text);
        path.parent().unwrap().to_owned()
    }

    /// PostgreSQL's own program.
    pub fn real(&self, name: &str) -> PathBuf {
        self.db.server().bin.join(name)
    }

    /// Where snapshots are kept.
    pub fn store(&self) -> PathBuf {
        self.sandbox.path().join(".rowsafe/snapshots")
    }

    /// Whatever is in the store but its `.gitignore`: complete snapshots and what is left of others.
    pub fn kept(&self) -> Vec<String> {
        names(&self.store()).into_iter().filter(|name| name != ".gitignore").collect()
    }

    /// The manifest of the only snapshot.
    pub fn manifest(&self) -> serde_json::Value {
        let kept = self.kept();
        assert_eq!(kept.len(), 1, "one snapshot: {kept:?}");
        let path = self.store().join(&kept[0]).join("manifest.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Rows of a table in the only snapshot, by the manifest.
    pub fn kept_rows(&self, name: &str) -> i64 {
        let manifest = self.manifest();
        let tables = manifest["tables"].as_array().unwrap();
        let table = tables.iter().find(|table| table["name"] == name);
        table.unwrap_or_else(|| panic!("{name} is in no manifest"))["rows"].as_i64().unwrap()
    }

    /// A file of the project by which a script tells the test something, or the test the script.
    pub fn flag(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// Makes such a file.
    pub fn raise(&self, name: &str) {
        std::fs::write(self.flag(name), "").unwrap();
    }

    /// The steps that the journal holds, in order.
    pub fn steps(&self) -> Vec<String> {
        steps(&self.sandbox.path().join(".rowsafe/journal.jsonl"))
    }

    /// Waits until the server answers `true` to the question, asked by the superuser.
    pub fn wait_until(&self, question: &str) {
        let admin = self.db.server().admin("postgres");
        wait_for(question, || admin.rows(question)[0][0] == "t");
    }

    /// Waits until no session of anybody is left on the database.
    pub fn wait_until_left_alone(&self) {
        self.wait_until(&format!(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{}')",
            self.db.name
        ));
    }

    /// Nothing was run, and nothing of a snapshot is there.
    #[track_caller]
    pub fn assert_nothing_happened(&self) {
        assert!(!self.flag("ran").exists(), "the command was run");
        assert_eq!(self.kept(), [""; 0], "something of a snapshot is left");
    }
}

/// Waits for a condition; a test never waits by the clock.
#[track_caller]
pub fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_mins(1), "no sign of: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The steps in a journal.
pub fn steps(journal: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let step = |line: &str| -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(value["step"].as_str()?.to_owned())
    };
    text.lines().filter_map(step).collect()
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A script that does what a harmless migration does: it is seen, and changes a table of its own.
pub const HARMLESS: &str =
    r#"touch ran; psql -qX "$DB" -c 'CREATE TABLE IF NOT EXISTS made_by_the_migration ()'"#;

/// The processes that run with `text` somewhere in their command line.
pub fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}
