//! One trial: a database, some work on it, something that breaks, and a look at what is left.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rowsafe::exit::Exit;

use super::checks;
use super::strike::{Fault, strike};
use crate::harness::rowsafe::Running;
use crate::harness::{Database, Outcome, Rowsafe, Sandbox, Server};
use crate::truth::dice::Dice;

/// What rowsafe is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    Create,
    Run,
    Restore,
    Beside,
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "`snapshot create`",
            Self::Run => "`run` of a command that deletes",
            Self::Restore => "`restore` in place",
            Self::Beside => "`restore --into`",
        })
    }
}

/// What came of a trial.
pub struct Came {
    /// Something was there to be broken when it struck.
    pub has_struck: bool,
    /// rowsafe's exit code, where it was not killed.
    pub code: Option<i32>,
    /// The run went to its end: what the command deletes is gone, said, and kept.
    pub is_lost_as_meant: bool,
    /// The last step that was in the journal.
    pub last_step: String,
    /// What does not hold and has to.
    pub wrong: Vec<String>,
}

const SEED: &str = "
    DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    CREATE TABLE parents (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE children (id serial PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE, body text);
    CREATE TABLE notes (body text);
    CREATE TABLE parts (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (500);
    CREATE TABLE parts_high PARTITION OF parts DEFAULT;
    INSERT INTO parents SELECT n, 'name ' || n FROM generate_series(1, 1000) n;
    INSERT INTO children (parent, body) SELECT 1 + n % 1000, repeat(md5(n::text), 20) FROM generate_series(1, 3000) n;
    INSERT INTO notes SELECT md5(n::text) FROM generate_series(1, 500) n;
    INSERT INTO parts SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, 1000) n;";
/// What the command of a run does, or what was lost before a restore.
const LOSS: &str = "TRUNCATE parents CASCADE; DROP TABLE parts; DELETE FROM notes;";
const NEWER: &str =
    "CREATE TABLE since (id int PRIMARY KEY); INSERT INTO since VALUES (1), (2), (3);";
/// The database that is made beside.
const BESIDE: &str = "_beside";

/// A server of the trials' own, and a database on it.
pub struct Ground {
    pub database: Database,
}

impl Ground {
    pub fn new(server: &Arc<Server>, name: &str) -> Self {
        Self { database: Database::on(server, name, "planted-in-a-trial").may_create_databases() }
    }

    /// Plays one trial.
    pub fn play(&self, work: Work, fault: Fault, seed: u64) -> Came {
        let mut dice = Dice::of(seed);
        let sandbox = Sandbox::new();
        self.drop_beside();
        self.database.execute(SEED);
        let whole = checks::state(&self.database);
        if matches!(work, Work::Restore | Work::Beside) {
            let _ = self.rowsafe(&sandbox, &["snapshot", "create"]).run().exits(Exit::Ok);
            self.database.execute(LOSS);
            self.database.execute(NEWER);
            self.spoil(fault, &sandbox, &mut dice);
        }
        let now = checks::state(&self.database);
        let (has_struck, outcomes) = self.suffered(work, fault, &sandbox, &mut dice);
        let last_step = checks::last_step(&sandbox);
        self.server().wait_until_ready();
        self.wait_until_left_alone();
        let after = checks::state(&self.database);
        let trial = checks::Trial {
            ground: self,
            sandbox: &sandbox,
            work,
            fault,
            seed,
            wrong: RefCell::default(),
        };
        let came = trial.check(&whole, &now, &after, &outcomes);
        Came { has_struck, last_step, ..came }
    }

    pub fn server(&self) -> &Arc<Server> {
        self.database.server()
    }

    /// A command of rowsafe on this database.
    pub fn rowsafe<'a>(&self, sandbox: &'a Sandbox, words: &[&str]) -> Rowsafe<'a> {
        Rowsafe::new(sandbox)
            .args(words)
            .env("ROWSAFE_DATABASE", self.database.url())
            .env("DB", self.database.socket_url())
            .env("LOSS", LOSS)
    }

    /// The work as a person would start it.
    pub fn words(&self, work: Work) -> Vec<String> {
        let name = self.database.name.as_str();
        let beside = format!("{name}{BESIDE}");
        let words: Vec<&str> = match work {
            Work::Create => vec!["snapshot", "create"],
            Work::Run => vec![
                "run",
                "--snapshot",
                "all",
                "--allow",
                "opaque *: a test",
                "--",
                "sh",
                "-c",
                "psql -qX \"$DB\" -c \"$LOSS\"",
            ],
            Work::Restore => vec!["restore", "latest", "--confirm", name],
            Work::Beside => vec!["restore", "latest", "--into", &beside, "--confirm", &beside],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    pub fn start<'a>(&self, work: Work, sandbox: &'a Sandbox) -> Rowsafe<'a> {
        let words = self.words(work);
        self.rowsafe(sandbox, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Does the work while it breaks.
    fn suffered(
        &self,
        work: Work,
        fault: Fault,
        sandbox: &Sandbox,
        dice: &mut Dice,
    ) -> (bool, Vec<Outcome>) {
        match fault {
            Fault::Full => {
                let size = format!("--fsize={}", 1 + dice.below(400_000));
                let words = self.words(work);
                let limited = Rowsafe::program(sandbox, "prlimit")
                    .env("ROWSAFE_DATABASE", self.database.url())
                    .env("DB", self.database.socket_url())
                    .env("LOSS", LOSS)
                    .args([&size, "--core=0", env!("CARGO_BIN_EXE_rowsafe")])
                    .args(words);
                (true, vec![limited.run()])
            }
            Fault::Twice => {
                let both = [self.start(work, sandbox).spawn(), self.start(work, sandbox).spawn()];
                (true, both.into_iter().map(Running::finish).collect())
            }
            Fault::Truncated | Fault::BitFlipped | Fault::NewShape => {
                (true, vec![self.start(work, sandbox).run()])
            }
            _ => {
                let mut running = self.start(work, sandbox).spawn();
                let has_struck = strike(fault, &mut running, self.server(), dice);
                (has_struck, vec![running.finish()])
            }
        }
    }

    /// Breaks the snapshot or the database before the work begins.
    fn spoil(&self, fault: Fault, sandbox: &Sandbox, dice: &mut Dice) {
        const SHAPES: [&str; 6] = [
            "ALTER TABLE parents RENAME COLUMN name TO title",
            "ALTER TABLE children ALTER COLUMN body TYPE int USING 0",
            "ALTER TABLE parents ADD COLUMN age int NOT NULL",
            "ALTER TABLE notes ADD CHECK (body = 'none of it')",
            "ALTER TABLE children DROP COLUMN body, ADD COLUMN parts int REFERENCES since",
            "DROP TABLE notes; CREATE VIEW notes AS SELECT 'a view'::text AS body",
        ];
        match fault {
            Fault::NewShape => self.database.execute(dice.pick::<&str>(&SHAPES)),
            Fault::Truncated | Fault::BitFlipped => {
                let files = checks::archives(sandbox);
                let path = &files[0];
                let mut bytes = std::fs::read(path).unwrap();
                let at = dice.below(bytes.len());
                match fault {
                    Fault::Truncated => bytes.truncate(at),
                    _ => bytes[at] ^= 1 << dice.below(8),
                }
                std::fs::write(path, bytes).unwrap();
            }
            _ => {}
        }
    }

    /// A command that outlives rowsafe, and backends that have not noticed yet.
    fn wait_until_left_alone(&self) {
        let question = format!(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname LIKE '{}%')",
            self.database.name
        );
        crate::harness::scene::wait_for("nobody on the database", || {
            self.server().admin("postgres").rows(&question)[0][0] == "t"
        });
    }

    /// The name of the database beside.
    pub fn beside(&self) -> String {
        format!("{}{BESIDE}", self.database.name)
    }

    pub fn drop_beside(&self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.beside());
        self.server().admin("postgres").execute(&sql);
    }
}
