//! What every end-to-end test stands on: a throwaway server, a sandbox, the built program.
//!
//! ```ignore
//! needs_postgres!();
//! let db = Database::new("drops_a_column");
//! db.execute("CREATE TABLE users (id int)");
//! let sandbox = Sandbox::of_project("incident-a");
//! Rowsafe::new(&sandbox).args(["run", "--database", &db.url(), "--", "true"]).run().exits(Exit::Blocked);
//! ```

#![allow(dead_code, reason = "a harness offers more than any one state of the tests uses")]

pub mod postgres;
pub mod redact;
pub mod rowsafe;
pub mod s3;
pub mod sandbox;
pub mod scene;
pub mod secrets;
pub mod source;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use postgres::{Database, Server};
pub use redact::redact;
pub use rowsafe::{Outcome, Rowsafe};
pub use s3::S3;
pub use sandbox::Sandbox;
pub use scene::Scene;

/// Ends the test when `ROWSAFE_TEST_WITHOUT_PG=1` says that there is no server, and counts it.
macro_rules! needs_postgres {
    () => {
        if $crate::harness::without_postgres() {
            return;
        }
    };
}

/// Whether tests that need PostgreSQL were told to skip; says how many have.
pub fn without_postgres() -> bool {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let told = std::env::var("ROWSAFE_TEST_WITHOUT_PG").is_ok_and(|value| value == "1");
    if told {
        let skipped = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        // Not by `eprintln!`, which the test runner would swallow.
        let line = format!("ROWSAFE_TEST_WITHOUT_PG=1: {skipped} skipped\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    }
    told
}

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs of the virtual environment, which is made when it isn't there.
pub fn venv_bin() -> &'static Path {
    static VENV: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = VENV.get_or_init(|| {
        let output = Command::new(root().join("scripts/venv"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("scripts/venv: {error} (Python 3.9 or later is needed)"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    });
    made.as_deref().unwrap_or_else(|error| panic!("{error}"))
}
