//! A planted password must turn up nowhere.

use super::rowsafe::Outcome;
use super::sandbox::{Sandbox, files};

/// Asserts that `secret` is in no output, and in no file that rowsafe wrote.
///
/// Files of the project that held it before, such as a config with a URL, are named in `except`.
pub fn assert_nowhere(secret: &str, outcome: &Outcome, sandbox: &Sandbox, except: &[&str]) {
    assert!(secret.len() >= 8, "too short to be searched for");
    for (stream, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        assert!(!text.contains(secret), "the password is on {stream}\n{outcome}");
    }
    for path in files(sandbox.everything()) {
        let name = path.strip_prefix(sandbox.everything()).unwrap().display().to_string();
        if except.iter().any(|known| name.ends_with(known)) {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
        assert!(!found, "the password is in {name}");
    }
}
