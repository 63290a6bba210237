//! The hooks of .pre-commit-hooks.yaml, run by pre-commit itself on a commit.

use crate::harness::{Outcome, Rowsafe, Sandbox, root};

/// A repository whose commits go through the hook that needs `rowsafe` on PATH.
struct Repository(Sandbox);

impl Repository {
    /// With the hook as the guide writes it down for a project.
    fn of_the_guide() -> Self {
        let guide = std::fs::read_to_string(root().join("docs/guide/ci.md")).unwrap();
        let config = guide.split("```yaml\n").find(|block| block.starts_with("repos:")).unwrap();
        Self::with(Sandbox::new(), config.split("```").next().unwrap())
    }

    /// With the hook of .pre-commit-hooks.yaml.
    fn of_the_hooks() -> Self {
        let sandbox = Sandbox::new();
        let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
        sandbox.write("hooks/.pre-commit-hooks.yaml", &hooks);
        // pre-commit takes hooks from a repository at a revision, and from nothing else.
        let repository = Self(sandbox);
        for args in [
            &["init", "--quiet"][..],
            &["add", "."],
            &["commit", "--quiet", "--message", "the hooks"],
            &["tag", "v1.0"],
        ] {
            let git = repository.program("git").directory(repository.0.path().join("hooks"));
            let _ = git.args(args).run().exits_with(0);
        }
        let hooks = repository.0.path().join("hooks").display().to_string();
        let config =
            format!("repos:\n- repo: {hooks}\n  rev: v1.0\n  hooks:\n  - id: rowsafe-system\n");
        Self::with(repository.0, &config)
    }

    fn with(sandbox: Sandbox, config: &str) -> Self {
        let repository = Self(sandbox);
        repository.0.write(".gitignore", "hooks\n");
        repository.0.write(".pre-commit-config.yaml", config);
        repository.git(&["init", "--quiet"]);
        let installed = repository.program("pre-commit").arg("install").run().exits_with(0);
        let _ = installed.prints("pre-commit installed");
        repository
    }

    /// A program that finds the built `rowsafe`, as it is installed for a person.
    fn program(&self, program: &str) -> Rowsafe<'_> {
        let built = std::path::Path::new(env!("CARGO_BIN_EXE_rowsafe")).parent().unwrap();
        let mut command = Rowsafe::program(&self.0, program).path_first(built);
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            command = command.env(name, "A Person");
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            command = command.env(name, "person@example.org");
        }
        command
    }

    fn git(&self, args: &[&str]) {
        let _ = self.program("git").args(args).run().exits_with(0);
    }

    /// Writes a file and tries to commit it.
    fn commit(&self, path: &str, text: &str) -> Outcome {
        self.0.write(path, text);
        self.git(&["add", "."]);
        self.program("git").args(["commit", "--message", "a change"]).run()
    }
}

#[test]
fn a_migration_that_destroys_is_not_committed_and_its_twin_is() {
    let repository = Repository::of_the_hooks();
    let path = "db/migrations/001_users.sql";
    let outcome = repository.commit(path, "ALTER TABLE users DROP COLUMN legacy_id;\n");
    let outcome = outcome.exits_with(1).says("rowsafe check").says("Failed");
    let outcome = outcome.says("error[drop-column]: dropping `users.legacy_id`");
    let _ = outcome.says("--> db/migrations/001_users.sql:1:1");
    let agreed = "-- rowsafe: allow[drop-column] users.legacy_id: superseded by external_id\n\
        ALTER TABLE users DROP COLUMN legacy_id;\n";
    let _ = repository.commit(path, agreed).exits_with(0).says("Passed");
    let harmless = "ALTER TABLE users ADD COLUMN note text;\n";
    let _ = repository.commit("db/migrations/002_note.sql", harmless).exits_with(0).says("Passed");
}

#[test]
fn a_revision_of_alembic_is_read_where_it_stands() {
    let repository = Repository::of_the_hooks();
    let revision = |body: &str| {
        format!(
            "from alembic import op\nimport sqlalchemy as sa\n\nrevision = \"7b20e4\"\n\
             down_revision = None\n\n\ndef upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n"
        )
    };
    let path = "alembic/versions/7b20e4_users.py";
    let bad = revision("op.drop_table(\"users\")");
    let outcome = repository.commit(path, &bad).exits_with(1).says("error[drop-table]");
    let _ = outcome.says("--> alembic/versions/7b20e4_users.py:9:5");
    let good = revision("op.add_column(\"users\", sa.Column(\"note\", sa.Text()))");
    let _ = repository.commit(path, &good).exits_with(0).says("Passed");
}

#[test]
fn what_is_no_migration_is_not_looked_at() {
    for repository in [Repository::of_the_hooks(), Repository::of_the_guide()] {
        for path in ["queries/report.sql", "alembic/env.py", "migrations/env.py", "app/models.py"] {
            let outcome = repository.commit(path, "DROP TABLE users;\n").exits_with(0);
            let _ = outcome.says("(no files to check)Skipped");
        }
    }
}

#[test]
fn the_hook_of_the_guide_does_the_same() {
    let repository = Repository::of_the_guide();
    let path = "migrations/001_users.sql";
    let outcome = repository.commit(path, "DROP TABLE users;\n").exits_with(1);
    let _ = outcome.says("error[drop-table]: dropping `users`");
    let _ = repository.commit(path, "CREATE TABLE users (id int);\n").exits_with(0).says("Passed");
}
