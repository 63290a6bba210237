//! The process environment as a value, so that whoever needs it can be tested without one.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Set by nearly every CI service: no questions, no moving cursor.
pub const CI: &str = "CI";
/// Set by pre-commit while its hooks run: no questions.
pub const PRE_COMMIT: &str = "PRE_COMMIT";

/// Environment variables and the working directory, read once by `config::env`.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    directory: PathBuf,
}

impl Environment {
    /// An environment of these variables, seen from `directory`.
    pub fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        directory: impl Into<PathBuf>,
    ) -> Self {
        Self { variables: variables.into_iter().collect(), directory: directory.into() }
    }

    /// The variable's value; an empty one counts as unset, as it does for libpq.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the variable is set to something.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every variable.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The working directory.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The user's home directory, where one is known.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}
