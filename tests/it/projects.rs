//! The fixture projects do what fixtures/projects/README.md says, with plain Alembic and without
//! rowsafe: a test that stands on them may rely on it.

use crate::harness::rowsafe::Outcome;
use crate::harness::{Database, Rowsafe, Sandbox};

/// A project with its tables prepared.
struct Project {
    db: Database,
    sandbox: Sandbox,
    variable: &'static str,
}

impl Project {
    fn prepared(name: &str, database: &str) -> Self {
        Self::with_url_in(name, database, "DATABASE_URL")
    }

    fn with_url_in(name: &str, database: &str, variable: &'static str) -> Self {
        let db = Database::new(database);
        let project = Self { db, sandbox: Sandbox::of_project(name), variable };
        let _ = project.alembic(&["upgrade", "0001"]).exits_with(0);
        project
    }

    fn command(&self, program: &str, args: &[&str]) -> Rowsafe<'_> {
        Rowsafe::program(&self.sandbox, program).args(args).env(self.variable, self.db.url())
    }

    fn alembic(&self, args: &[&str]) -> Outcome {
        self.command("alembic", args).run()
    }

    fn version(&self) -> String {
        self.db.rows("SELECT version_num FROM alembic_version")[0][0].clone()
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = '{table}'::regclass \
             AND attname = '{column}' AND NOT attisdropped"
        );
        self.db.query_one_i64(&sql) == 1
    }
}

#[test]
fn incident_a() {
    needs_postgres!();
    let project = Project::prepared("incident-a", "projects_incident_a");
    let count = |table: &str| project.db.count(&format!("migration.{table}"));
    let rows = [
        ("assets", 4800),
        ("discovery_flows", 700),
        ("data_imports", 800),
        ("raw_import_records", 11_500),
        ("collection_flows", 4200),
        ("crewai_flow_state_extensions", 6600),
        ("users", 1100),
        ("canonical_applications", 800),
    ];
    for (table, expected) in rows {
        assert_eq!(count(table), expected, "{table}");
    }
    let cascades = "SELECT count(*) FROM pg_constraint WHERE confdeltype = 'c' \
                    AND confrelid = 'migration.collection_flows'::regclass";
    assert_eq!(project.db.query_one_i64(cascades), 6);
    let offline = project.alembic(&["upgrade", "0001:head", "--sql"]).exits_with(0);
    let offline = offline.prints("DROP TYPE IF EXISTS migration.collectionflowstatus CASCADE");
    let _ = offline.prints("SELECT migration.refresh_statistics()");

    let completed = "SELECT count(*) FROM migration.collection_flows WHERE status = 'completed'";
    assert_eq!(project.db.query_one_i64(completed), 840);
    let _ = project.alembic(&["upgrade", "0002"]).exits_with(0);
    assert_eq!((count("collection_flows"), project.db.query_one_i64(completed)), (4200, 0));
    let _ = project.alembic(&["upgrade", "0003"]).exits_with(0);
    assert_eq!((count("assets"), count("asset_dependencies")), (4800, 2400));
    let _ = project.alembic(&["upgrade", "head"]).exits_with(0);
    assert_eq!((count("assets"), count("asset_dependencies")), (0, 0));
    assert_eq!(count("raw_import_records"), 11_500);
}

#[test]
fn offline_fails() {
    needs_postgres!();
    let project = Project::prepared("offline-fails", "projects_offline_fails");
    for range in ["0001:0002", "0002:0003"] {
        let outcome = project.alembic(&["upgrade", range, "--sql"]);
        assert_ne!(outcome.code, Some(0), "{range}");
    }
    let last = project.alembic(&["upgrade", "0003:0004", "--sql"]).exits_with(0);
    let _ = last.prints("ALTER TABLE jobs DROP COLUMN legacy_state");
    let _ = project.alembic(&["upgrade", "head"]).exits_with(0);
    assert_eq!(project.db.query_one_i64("SELECT count(*) FROM jobs WHERE payload IS NULL"), 50);
    assert!(project.has_column("jobs", "state") && !project.has_column("jobs", "legacy_state"));
}

#[test]
fn async_env() {
    needs_postgres!();
    let project = Project::with_url_in("async-env", "projects_async_env", "APP_DATABASE_URL");
    let offline = project.alembic(&["upgrade", "0001:head", "--sql"]).exits_with(0);
    let _ = offline.prints("DROP COLUMN nickname");
    let upgrade = || project.command("alembic", &["upgrade", "head"]);
    let _ = upgrade().env("FORGET_TO_COMMIT", "1").run().exits_with(0).says("0001 -> 0002");
    assert_eq!(project.version(), "0001");
    assert!(project.has_column("accounts", "nickname"));
    let _ = upgrade().run().exits_with(0);
    assert_eq!(project.version(), "0002");
    assert!(!project.has_column("accounts", "nickname"));
}

#[test]
fn multiple_heads() {
    needs_postgres!();
    let project = Project::prepared("multiple-heads", "projects_multiple_heads");
    let outcome = project.alembic(&["upgrade", "head"]);
    assert_ne!(outcome.code, Some(0));
    let _ = outcome.says("Multiple head revisions");
    let _ = project.alembic(&["upgrade", "sales@head"]).exits_with(0);
    assert!(!project.has_column("orders", "note") && project.has_column("invoices", "memo"));
    let _ = project.alembic(&["upgrade", "heads"]).exits_with(0);
    assert_eq!(project.db.count("alembic_version"), 2);
}

#[test]
fn version_table_elsewhere() {
    needs_postgres!();
    let project = Project::prepared("version-table-elsewhere", "projects_version_table");
    assert_eq!(project.db.rows("SELECT version_num FROM ops.schema_version"), [["0001"]]);
    assert_eq!(project.db.rows("SELECT to_regclass('alembic_version')"), [["NULL"]]);
    let offline = project.alembic(&["upgrade", "0001:head", "--sql"]).exits_with(0);
    let _ = offline.prints("UPDATE ops.schema_version");
    let _ = project.alembic(&["upgrade", "head"]).exits_with(0);
    assert_eq!(project.db.count("sensors"), 0);
}

#[test]
fn other_database() {
    needs_postgres!();
    let project =
        Project::with_url_in("other-database", "projects_other_database", "SERVICE_DATABASE_URL");
    let elsewhere = Database::new("projects_other_elsewhere");
    let upgrade = project.command("alembic", &["upgrade", "head"]);
    let _ = upgrade.env("DATABASE_URL", elsewhere.url()).run().exits_with(0);
    assert!(!project.has_column("members", "phone"));
    assert_eq!(elsewhere.rows("SELECT to_regclass('members')"), [["NULL"]]);
}

#[test]
fn half_done() {
    needs_postgres!();
    let project = Project::prepared("half-done", "projects_half_done");
    let outcome = project.alembic(&["upgrade", "head"]).says("division by zero");
    assert_ne!(outcome.code, Some(0));
    assert_eq!((project.version().as_str(), project.db.count("events")), ("0002", 750));
}

#[test]
fn url_in_ini() {
    needs_postgres!();
    let server = crate::harness::Server::shared();
    let db = Database::on(&server, "projects_url_in_ini", "p%4@/planted");
    let sandbox = Sandbox::of_project("url-in-ini");
    let values = [
        ("@USER@", db.name.as_str()),
        ("@PASSWORD@", "p%%254%%40%%2Fplanted"),
        ("@PORT@", &server.port.to_string()),
        ("@DATABASE@", &db.name),
    ];
    sandbox.fill("alembic.ini", &values);
    let outcome = Rowsafe::program(&sandbox, "alembic").args(["upgrade", "head"]).run();
    let _ = outcome.exits_with(0);
    assert_eq!(db.count("parcels"), 80);
}

#[test]
fn noisy_stdout() {
    needs_postgres!();
    let project = Project::prepared("noisy-stdout", "projects_noisy_stdout");
    let offline = project.alembic(&["upgrade", "0001:head", "--sql"]).exits_with(0);
    let offline = offline.prints("it's 5 o'clock").prints("DELETE FROM caches: skipped;");
    let _ = offline.prints("ALTER TABLE notes DROP COLUMN color;").prints("Goodbye --");
    let _ = project.alembic(&["upgrade", "head"]).exits_with(0);
}

#[test]
fn writes_while_rendering() {
    needs_postgres!();
    let project = Project::prepared("writes-while-rendering", "projects_writes");
    let render = || project.command("alembic", &["upgrade", "0001:head", "--sql"]);
    let starts = || project.db.count("application_starts");
    let read_only = "-c default_transaction_read_only=on";
    assert_eq!(starts(), 1);
    let _ = render().run().exits_with(0).prints("DROP COLUMN floor");
    assert_eq!(starts(), 2);
    let refused = render().env("PGOPTIONS", read_only).run();
    assert_ne!(refused.code, Some(0));
    let _ = refused.says("read-only transaction");
    assert_eq!(starts(), 2);
    let asyncpg = render().env("PGOPTIONS", read_only).env("APPLICATION_DRIVER", "asyncpg");
    let _ = asyncpg.run().exits_with(0).prints("DROP COLUMN floor");
    assert_eq!(starts(), 3);
}

#[test]
fn flask_project() {
    needs_postgres!();
    let db = Database::new("projects_flask");
    let project =
        Project { db, sandbox: Sandbox::of_project("flask-project"), variable: "DATABASE_URL" };
    let flask = |args: &[&str]| project.command("flask", args).run().exits_with(0);
    let _ = flask(&["db", "upgrade", "0001"]);
    assert_eq!(project.db.count("books"), 150);
    let _ = flask(&["db", "upgrade", "0001:head", "--sql"]).prints("DROP COLUMN isbn");
    let _ = flask(&["db", "upgrade"]);
    assert!(!project.has_column("books", "isbn"));
}

#[test]
fn plain_sql() {
    needs_postgres!();
    let db = Database::new("projects_plain_sql");
    let sandbox = Sandbox::of_project("plain-sql");
    let psql = |file: &str| {
        let args = ["-X", "-v", "ON_ERROR_STOP=1", "-f", file, &db.url()];
        Rowsafe::program(&sandbox, "psql").args(args).run()
    };
    let rows = || (db.count("customers"), db.count("purchases"));
    let _ = psql("001_create.sql").exits_with(0);
    let _ = psql("002_drop_column.sql").exits_with(0);
    assert_eq!(rows(), (400, 2000));
    let _ = psql("003_delete_with_children.sql").exits_with(0);
    assert_eq!(rows(), (360, 1800));
    let _ = psql("004_copy.sql").exits_with(0);
    assert_eq!(rows(), (362, 1800));
    let _ = psql("008_add_only.sql").exits_with(0);
    assert_eq!(rows(), (362, 1800));
    db.execute("DELETE FROM customers WHERE id <> 41");
    let _ = psql("005_fails_half_way.sql").exits_with(0);
    db.execute("INSERT INTO purchases VALUES (1, 41, 5)");
    let _ = psql("005_fails_half_way.sql").exits_with(3).says("duplicate key");
    assert_eq!(rows(), (2, 0));
    db.execute("INSERT INTO purchases VALUES (1, 41, 5)");
    let _ = psql("007_inside_a_block.sql").exits_with(0);
    assert_eq!(rows(), (2, 0));
    db.execute("ALTER TABLE customers ADD COLUMN fax text");
    let _ = psql("006_client_commands.sql").exits_with(0);
    assert_eq!(db.rows("SELECT to_regclass('purchases')"), [["NULL"]]);
}
