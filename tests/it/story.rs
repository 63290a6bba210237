//! A project with its database, and what rowsafe answered about it: code, last line and report.

use std::path::PathBuf;

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::rowsafe::Outcome;
use crate::harness::{Database, Rowsafe, Sandbox};

/// psql as people write it in a script, stopping at the first error.
pub const PSQL: &str = "psql -X -q -v ON_ERROR_STOP=1 -f migration.sql \"$DATABASE_URL\"";

/// A project and the database that it migrates.
pub struct Story {
    pub db: Database,
    pub sandbox: Sandbox,
    variable: &'static str,
}

impl Story {
    /// A fixture project at revision 0001.
    pub fn prepared(project: &str, database: &str) -> Self {
        Self::with_url_in(project, database, "DATABASE_URL")
    }

    /// The same, with the URL in another variable.
    pub fn with_url_in(project: &str, database: &str, variable: &'static str) -> Self {
        let db = Database::new(database);
        let story = Self { db, sandbox: Sandbox::of_project(project), variable };
        story.alembic("0001");
        story
    }

    /// An empty project and a database in which these statements were run.
    pub fn of_sql(database: &str, sql: &str) -> Self {
        let db = Database::new(database).may_create_databases();
        db.execute(sql);
        Self { db, sandbox: Sandbox::new(), variable: "DATABASE_URL" }
    }

    /// Upgrades with Alembic alone.
    pub fn alembic(&self, target: &str) {
        let alembic = Rowsafe::program(&self.sandbox, "alembic").args(["upgrade", target]);
        let _ = alembic.env(self.variable, self.db.url()).run().exits_with(0);
    }

    /// rowsafe with the URL in the project's variable, and a report.
    pub fn rowsafe(&self, args: &[&str]) -> Rowsafe<'_> {
        let rowsafe = Rowsafe::new(&self.sandbox).args(args).with_report();
        rowsafe.env(self.variable, self.db.url())
    }

    /// `rowsafe run FLAGS -- COMMAND`.
    pub fn command(&self, flags: &[&str], command: &str) -> Rowsafe<'_> {
        let words = shell_words::split(command).unwrap();
        self.rowsafe(&["run"]).args(flags).arg("--").args(words)
    }

    /// The same, run to its end.
    pub fn run(&self, flags: &[&str], command: &str) -> Told {
        Told::by(self.command(flags, command))
    }

    /// Writes `migration.sql` and runs it with psql, pending as `--sql migration.sql`.
    pub fn migrate(&self, sql: &str, flags: &[&str]) -> Told {
        self.sandbox.write("migration.sql", sql);
        let command = shell_words::join(["sh", "-c", PSQL]);
        self.run(&[&["--sql", "migration.sql"], flags].concat(), &command)
    }

    /// Runs the statements with psql while rowsafe was told of another file: what nobody planned.
    pub fn surprise(&self, sql: &str) -> Told {
        self.sandbox.write("migration.sql", sql);
        self.sandbox.write("told.sql", "SELECT 1;\n");
        self.run(&["--sql", "told.sql"], &shell_words::join(["sh", "-c", PSQL]))
    }

    /// `rowsafe restore ARGS`.
    pub fn restore(&self, args: &[&str]) -> Told {
        Told::by(self.rowsafe(&["restore"]).args(args))
    }

    /// The same into this database, agreed to.
    pub fn restore_here(&self, args: &[&str]) -> Told {
        let name = self.db.name.as_str();
        self.restore(&[args, &["--confirm", name]].concat())
    }

    /// The directories of all snapshots.
    pub fn snapshots(&self) -> Vec<PathBuf> {
        let store = self.sandbox.path().join(".rowsafe/snapshots");
        let entries = std::fs::read_dir(store).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.join("manifest.json").exists())
            .collect()
    }

    pub fn has_column(&self, table: &str, column: &str) -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = '{table}'::regclass \
             AND attname = '{column}' AND NOT attisdropped"
        );
        self.db.query_one_i64(&sql) == 1
    }

    pub fn version(&self) -> String {
        self.db.rows("SELECT version_num FROM alembic_version")[0][0].clone()
    }
}

/// What rowsafe answered.
pub struct Told {
    pub outcome: Outcome,
    pub report: Value,
}

impl Told {
    /// Runs it; there must be a report.
    #[track_caller]
    pub fn by(command: Rowsafe<'_>) -> Self {
        Self::of(command.run())
    }

    /// What an outcome with a report says.
    #[track_caller]
    pub fn of(outcome: Outcome) -> Self {
        let report = outcome.report.clone();
        assert!(report.is_some(), "there is no report\n{outcome}");
        report.iter().for_each(crate::schema::check);
        Self { report: report.unwrap_or_default(), outcome }
    }

    /// The report's sentence.
    pub fn message(&self) -> &str {
        self.report["message"].as_str().unwrap_or_default()
    }

    /// Asserts code, verdict and sentence, the same on standard error and in the report.
    #[track_caller]
    #[must_use = "there is more to look at; `let _ =` when there is not"]
    pub fn answers(self, exit: Exit, verdict: &str, sentence: &str) -> Self {
        assert_eq!(self.outcome.code, Some(exit.code().into()), "the exit code");
        assert_eq!(self.report["exit"], exit.code(), "the exit code in the report");
        assert_eq!(self.report["verdict"], verdict, "the verdict in the report");
        assert_eq!(self.report["schema"], "rowsafe.report/1");
        let message = self.report["message"].as_str().unwrap();
        assert!(message.contains(sentence), "the report's message lacks: {sentence}\n{message}");
        let number = exit.code();
        let end = if number > 1 { format!(". exit {number}") } else { String::new() };
        assert_eq!(self.last_line(), format!("{verdict}: {message}{end}"), "the last line");
        self
    }

    /// The answer: the last line that is no hint; beside a command's output it says whose it is. A
    /// plan is printed, and so is its answer.
    pub fn last_line(&self) -> &str {
        let prefix = if self.report["command"] == "run" { "rowsafe: " } else { "" };
        let text = match self.report["command"].as_str() {
            Some("plan") => &self.outcome.stdout,
            _ => &self.outcome.stderr,
        };
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with("hint: "));
        lines.next_back().unwrap_or_default()
    }

    /// Each finding as `severity rule object rows+values`, and who agreed.
    pub fn findings(&self) -> Vec<String> {
        let findings = self.report["findings"].as_array().unwrap();
        findings.iter().map(finding).collect()
    }

    /// Each table that did not stay as it was, as `name before→after status`, `planned`, columns.
    pub fn changes(&self) -> Vec<String> {
        let tables = self.report["tables"].as_array().unwrap().iter();
        let changed =
            tables.filter(|table| table["status"] != "intact" || !table["columns"].is_null());
        changed.filter(|table| table["name"] != "alembic_version").map(change).collect()
    }

    /// The hints, one a line.
    pub fn hints(&self) -> String {
        let hints = self.report["hints"].as_array().unwrap().iter();
        hints.map(|hint| hint.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    pub fn warnings(&self) -> String {
        let warnings = self.report["warnings"].as_array().unwrap().iter();
        warnings.map(|warning| warning.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// The snapshot's id.
    pub fn snapshot(&self) -> &str {
        self.report["snapshot"]["id"].as_str().expect("a snapshot was taken")
    }

    /// Asserts that neither command nor snapshot was started.
    #[track_caller]
    pub fn nothing_was_run(&self) {
        assert!(self.report.get("child").is_none(), "a command was started");
        assert!(self.report.get("snapshot").is_none(), "a snapshot was taken");
        assert_eq!(self.report["tables"], serde_json::json!([]));
    }

    /// Asserts that no planned or unplanned loss is in the report.
    #[track_caller]
    pub fn revisions(&self, before: &[&str], after: &[&str]) {
        assert_eq!(self.report["revisions"]["before"], serde_json::json!(before), "before");
        assert_eq!(self.report["revisions"]["after"], serde_json::json!(after), "after");
    }
}

fn finding(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &finding["object"];
    let parts = [&object["schema"], &object["table"], &object["name"]];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_null()).map(text).collect();
    let mut shown =
        format!("{} {} {}", text(&finding["severity"]), text(&finding["rule"]), parts.join("."));
    if let Some(loss) = finding["loss"].as_object() {
        shown += &format!(" {}+{}", loss["rows"], loss["values"]);
    }
    if let Some(allowance) = finding["allowance"].as_object() {
        shown += &format!(" agreed by {}", text(&allowance["source"]));
    }
    shown
}

fn change(table: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut shown = format!(
        "{} {}→{} {}",
        text(&table["name"]),
        table["rows_before"],
        table["rows_after"],
        text(&table["status"])
    );
    if let Some(name) = table["renamed_to"].as_str() {
        shown += &format!(" to {name}");
    }
    for column in table["columns"].as_array().into_iter().flatten() {
        shown += &format!(", {} {}", text(&column["name"]), text(&column["status"]));
    }
    if table["planned"] == true {
        shown += ", planned";
    }
    shown
}
