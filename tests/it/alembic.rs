//! Rendering with a real Alembic, without a database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rowsafe::environment::Environment;
use rowsafe::migration::alembic::render::pending;
use rowsafe::migration::alembic::{AlembicCommand, Pending, Revisions};
use rowsafe::script::Knowledge;
use rowsafe::text::write_atomically;

use crate::harness::venv_bin;

/// Runs on a runtime of its own, with the fixtures' virtual environment.
fn with_venv(test: impl AsyncFnOnce(&Path)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(venv_bin().parent().unwrap()));
}

const ENV: &str = r#"
from alembic import context
from sqlalchemy.dialects import postgresql
if not context.is_offline_mode():
    raise SystemExit("this must never run")
context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
"#;

struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    fn new(driver: &str, env: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let project = Self { directory };
        std::fs::create_dir(project.path("versions")).expect("is new");
        let ini = format!(
            "[alembic]\nscript_location = %(here)s\nsqlalchemy.url = postgresql+{driver}://u:p@localhost:1/x\n"
        );
        project.write("alembic.ini", &ini);
        project.write("env.py", env);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write_atomically(&self.path(name), text.as_bytes()).expect("can be written");
    }

    /// A revision; a body of several lines is given with `\n    ` between them.
    fn revision(&self, id: &str, down: &str, upgrade: &str) {
        self.write(
            &format!("versions/{id}_.py"),
            &format!(
                "from alembic import op, context\nimport sqlalchemy as sa\nrevision: str = '{id}'\ndown_revision = {down}\n\ndef upgrade():\n    {upgrade}\n\ndef downgrade():\n    op.execute('DROP TABLE t_{id}')\n"
            ),
        );
    }

    async fn ask(&self, venv: &Path, current: &[&str], task: &str, seconds: u64) -> Pending {
        let program = venv.join("bin/alembic").display().to_string();
        let ini = self.path("alembic.ini").display().to_string();
        let mut words = vec![program, "-c".to_owned(), ini];
        words.extend(task.split(' ').map(str::to_owned));
        let command = AlembicCommand::recognize(&words).expect("is alembic");
        let revisions = Revisions::scan(&[self.path("versions")], false);
        let current: Vec<String> = current.iter().map(ToString::to_string).collect();
        let own = ("PGOPTIONS".to_owned(), "-c search_path=app".to_owned());
        let environment = Environment::new([own], self.directory.path());
        let deadline = Duration::from_secs(seconds);
        pending(&command, &current, &revisions, &environment, deadline).await
    }
}

/// `id`, `id~` where partly known, `id?(reason)` where nothing is.
fn summary(pending: &Pending) -> String {
    let of = |script: &rowsafe::script::Script| {
        let id = script.origin.revision.as_deref().unwrap_or(&script.origin.label);
        match &script.knowledge {
            Knowledge::Known => id.to_owned(),
            Knowledge::PartlyKnown(_) => format!("{id}~"),
            Knowledge::Opaque(reason) => format!("{id}?({reason})"),
        }
    };
    pending.scripts.iter().map(of).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_failing_revision_does_not_hide_the_others() {
    with_venv(async |venv| {
        for driver in ["psycopg2", "asyncpg"] {
            let project = Project::new(driver, ENV);
            project.revision("aaaa1", "None", "op.create_table('t', sa.Column('id', sa.Integer))");
            project.revision(
                "bbbb2",
                "'aaaa1'",
                "op.execute('TRUNCATE t')\n    raise NotImplementedError('online only')",
            );
            project.revision("cccc3", "'bbbb2'", "op.drop_column('t', 'id')");
            project.revision(
                "dddd4",
                "'cccc3'",
                "op.get_bind().execute(sa.text('SELECT 1')).fetchall()",
            );
            project.revision("eeee5", "'dddd4'", "op.get_bind().execute(sa.text('DELETE FROM t'))");
            project.revision("ffff6", "'eeee5'", "pass");
            let found = project.ask(venv, &["aaaa1"], "upgrade head", 60).await;
            assert_eq!(summary(&found), "bbbb2 cccc3 dddd4 eeee5 ffff6", "{driver}");
            assert_eq!(found.scripts[0].text, "TRUNCATE t;");
            assert_eq!(found.scripts[1].text, "ALTER TABLE t DROP COLUMN id;");
            assert_eq!(found.scripts[1].origin.path.as_deref(), Some("versions/cccc3_.py"));
            assert_eq!(found.scripts[3].text, "DELETE FROM t;");
            assert_eq!(found.after.as_deref(), Some(&["ffff6".to_owned()][..]));
            let partly = project.ask(venv, &["aaaa1"], "upgrade bbb", 60).await;
            assert_eq!(partly.scripts.len(), 1, "{}", summary(&partly));
            let partly = project.ask(venv, &[], "upgrade aaaa", 60).await;
            assert_eq!(summary(&partly), "aaaa1");
            let none = project.ask(venv, &["ffff6"], "upgrade head", 60).await;
            assert_eq!((summary(&none).as_str(), none.warnings.len()), ("", 0));
        }
    });
}

#[test]
fn several_heads() {
    with_venv(async |venv| {
        let project = Project::new("psycopg2", ENV);
        project.revision("aaaa1", "None", "raise ValueError('applied long ago')");
        project.revision("bbbb2", "'aaaa1'", "op.execute('DROP TABLE b')");
        project.revision("cccc3", "'aaaa1'", "raise ValueError('applied long ago')");
        project.revision("dddd4", "'cccc3'", "op.execute('DROP TABLE d')");
        project.revision("eeee5", "('bbbb2', 'dddd4')", "op.execute('DROP TABLE e')");
        let found = project.ask(venv, &["bbbb2", "cccc3"], "upgrade head", 60).await;
        assert_eq!(summary(&found), "dddd4 eeee5");
        assert_eq!(found.scripts[0].text, "DROP TABLE d;");
        let found = project.ask(venv, &["bbbb2", "dddd4"], "upgrade heads", 60).await;
        assert_eq!(summary(&found), "eeee5");
        let found = project.ask(venv, &["bbbb2", "dddd4"], "downgrade aaaa1", 60).await;
        assert_eq!(found.scripts.len(), 3, "{}", summary(&found));
        assert_eq!(found.after.as_deref(), Some(&["aaaa1".to_owned()][..]));
    });
}

#[test]
fn downgrades() {
    with_venv(async |venv| {
        let project = Project::new("psycopg2", ENV);
        project.revision("aaaa1", "None", "pass");
        project.revision("bbbb2", "'aaaa1'", "pass");
        project.revision("cccc3", "'bbbb2'", "pass");
        let found = project.ask(venv, &["cccc3"], "downgrade -1", 60).await;
        assert_eq!(summary(&found), "cccc3");
        assert_eq!(found.scripts[0].text, "DROP TABLE t_cccc3;");
        let found = project.ask(venv, &["cccc3"], "downgrade base", 60).await;
        assert_eq!(summary(&found), "cccc3 bbbb2 aaaa1");
        assert_eq!(found.scripts[2].text, "DROP TABLE t_aaaa1;");
        assert_eq!(found.after, Some(Vec::new()));
    });
}

#[test]
fn noise_prompts_and_silence() {
    with_venv(async |venv| {
        let noisy = format!(
            "print('Loading: don\\'t panic')\nprint({{'a': 1}})\n{ENV}\nprint('Goodbye')\n"
        );
        let project = Project::new("psycopg2", &noisy);
        project.revision(
            "aaaa1",
            "None",
            "print('working', end=' ')\n    op.execute('DROP TABLE a')\n    print(\"it's done\")",
        );
        let found = project.ask(venv, &[], "upgrade head", 60).await;
        assert_eq!(summary(&found), "aaaa1~");
        assert_eq!(found.scripts[0].text, "DROP TABLE a;");
        let prompting = Project::new("psycopg2", &format!("input('Really? ')\n{ENV}"));
        prompting.revision("aaaa1", "None", "pass");
        let found = prompting.ask(venv, &[], "upgrade head", 60).await;
        assert_eq!(summary(&found), "aaaa1");
        let silent = Project::new("psycopg2", "print('nothing to see offline')\n");
        silent.revision("aaaa1", "None", "op.execute('DROP TABLE a')");
        let found = silent.ask(venv, &[], "upgrade head", 60).await;
        assert_eq!(summary(&found), "aaaa1");
    });
}

#[test]
fn rendering_is_read_only() {
    with_venv(async |venv| {
        let project = Project::new("psycopg2", ENV);
        let show = "import os\n    op.execute('SET x = ' + repr(os.environ['PGOPTIONS']))";
        project.revision("aaaa1", "None", show);
        let found = project.ask(venv, &[], "upgrade head", 60).await;
        let expected = "SET x = '-c search_path=app -c default_transaction_read_only=on';";
        assert_eq!(found.scripts[0].text, expected);
    });
}

#[test]
fn a_slow_command_is_given_up() {
    with_venv(async |venv| {
        let project = Project::new("psycopg2", "import time\ntime.sleep(60)\n");
        project.revision("aaaa1", "None", "pass");
        project.revision("bbbb2", "'aaaa1'", "pass");
        let found = project.ask(venv, &[], "upgrade head", 1).await;
        // What is pending is read from the files then.
        assert_eq!(summary(&found), "aaaa1 bbbb2");
    });
}

#[test]
fn flask_migrate() {
    with_venv(flask);
}

async fn flask(venv: &Path) {
    let project = Project::new("psycopg2", ENV);
    std::fs::rename(project.path("versions"), project.path("unused")).expect("is there");
    let program = venv.join("bin/flask").display().to_string();
    let app = project.path("app.py").display().to_string();
    let migrations = project.path("migrations").display().to_string();
    project.write(
        "app.py",
        &format!(
            "from flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy\nfrom flask_migrate import Migrate\nprint('Starting the app')\napp = Flask(__name__)\napp.config['SQLALCHEMY_DATABASE_URI'] = 'postgresql+psycopg2://u:p@localhost:1/x'\ndb = SQLAlchemy(app)\nMigrate(app, db, directory={migrations:?})\n"
        ),
    );
    let run = |words: &[&str]| {
        let status = std::process::Command::new(&program)
            .args(["--app", &app, "db"])
            .args(words)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        assert!(status.expect("flask starts").success(), "{words:?}");
    };
    run(&["init"]);
    project.write("migrations/versions/a.py", "from alembic import op\nrevision = 'aaaa1'\ndown_revision = None\ndef upgrade():\n    op.execute('DROP TABLE a')\ndef downgrade():\n    op.execute('DROP TABLE b')\n");
    for (task, current, sql) in
        [("upgrade", "", "DROP TABLE a;"), ("downgrade", "aaaa1", "DROP TABLE b;")]
    {
        let words = [&program, "--app", &app, "db", task].map(str::to_owned);
        let command = AlembicCommand::recognize(&words).expect("is flask");
        let revisions = Revisions::scan(&[project.path("migrations/versions")], false);
        let current: Vec<String> = current.split_whitespace().map(str::to_owned).collect();
        let environment = Environment::new([], project.directory.path());
        let limit = Duration::from_mins(1);
        let found = pending(&command, &current, &revisions, &environment, limit).await;
        assert_eq!(summary(&found), "aaaa1", "{task}");
        assert_eq!(found.scripts[0].text, sql);
    }
}
