//! The only reader of the process environment, and every variable that rowsafe itself looks at.
//!
//! libpq's and the migration tool's own variables (`PGHOST`, `DATABASE_URL` …) are read by the
//! modules that know what they mean, from the [`Environment`] made here.

use crate::environment::{CI, Environment, PRE_COMMIT};

/// `--database`.
pub const DATABASE: &str = "ROWSAFE_DATABASE";
/// `--config`.
pub const CONFIG: &str = "ROWSAFE_CONFIG";
/// `--store`.
pub const STORE: &str = "ROWSAFE_STORE";
/// `encrypt-to`.
pub const ENCRYPT_TO: &str = "ROWSAFE_ENCRYPT_TO";
/// `--identity`.
pub const IDENTITY: &str = "ROWSAFE_IDENTITY";
/// `--snapshot`.
pub const SNAPSHOT: &str = "ROWSAFE_SNAPSHOT";
/// `driver`.
pub const DRIVER: &str = "ROWSAFE_DRIVER";
/// `--compare`.
pub const COMPARE: &str = "ROWSAFE_COMPARE";
/// `--pg-dump`.
pub const PG_DUMP: &str = "ROWSAFE_PG_DUMP";
/// `--pg-restore`.
pub const PG_RESTORE: &str = "ROWSAFE_PG_RESTORE";
/// `--on-loss`.
pub const ON_LOSS: &str = "ROWSAFE_ON_LOSS";
/// `--fail-on`.
pub const FAIL_ON: &str = "ROWSAFE_FAIL_ON";
/// `--jobs`.
pub const JOBS: &str = "ROWSAFE_JOBS";
/// `statement-timeout`.
pub const STATEMENT_TIMEOUT: &str = "ROWSAFE_STATEMENT_TIMEOUT";
/// `lock-timeout`.
pub const LOCK_TIMEOUT: &str = "ROWSAFE_LOCK_TIMEOUT";
/// `min-free-space`.
pub const MIN_FREE_SPACE: &str = "ROWSAFE_MIN_FREE_SPACE";
/// `render-timeout`.
pub const RENDER_TIMEOUT: &str = "ROWSAFE_RENDER_TIMEOUT";

/// `rpo`.
pub const RPO: &str = "ROWSAFE_RPO";
/// `rto`.
pub const RTO: &str = "ROWSAFE_RTO";

/// A variable that rowsafe looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// One sentence for the documentation.
    pub meaning: &'static str,
}

/// Every variable that rowsafe itself looks at, in the order of the reference.
pub const VARIABLES: &[Variable] = &[
    of(DATABASE, "the database's URL, as `--database`"),
    of(CONFIG, "the configuration file, as `--config`"),
    of(STORE, "where snapshots are kept, as `--store`"),
    of(ENCRYPT_TO, "age recipients, separated by spaces, as `encrypt-to` in the configuration"),
    of(IDENTITY, "the file with the age identity, as `--identity`"),
    of(SNAPSHOT, "`auto`, `all`, `at-risk` or `none`, as `--snapshot`"),
    of(DRIVER, "`pg_dump`, `command` or `pgbackrest`, as `driver` in the configuration"),
    of(COMPARE, "`auto`, `counts` or `values`, as `--compare`"),
    of(PG_DUMP, "the command line of pg_dump, as `--pg-dump`"),
    of(PG_RESTORE, "the command line of pg_restore, as `--pg-restore`"),
    of(ON_LOSS, "`stop` or `restore`, as `--on-loss`"),
    of(FAIL_ON, "`error`, `warning` or `never`, as `--fail-on`"),
    of(JOBS, "how many connections count rows at once, as `--jobs`"),
    of(STATEMENT_TIMEOUT, "as `statement-timeout` in the configuration"),
    of(LOCK_TIMEOUT, "as `lock-timeout` in the configuration"),
    of(MIN_FREE_SPACE, "as `min-free-space` in the configuration"),
    of(RENDER_TIMEOUT, "as `render-timeout` in the configuration"),
    of(RPO, "as `rpo` in the configuration"),
    of(RTO, "as `rto` in the configuration"),
    of(CI, "set: no questions, no moving cursor"),
    of(PRE_COMMIT, "set by pre-commit: no questions"),
    of("NO_COLOR", "set: no color"),
    of("CLICOLOR_FORCE", "set to anything but 0: color everywhere"),
    of("CLICOLOR", "set to 0: no color"),
];

/// Variables for rowsafe's own tests and demo, which no typo of a real one resembles.
const RESERVED: [&str; 2] = ["ROWSAFE_TEST_", "ROWSAFE_DEMO_"];

const fn of(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, meaning }
}

/// Reads the environment and the working directory.
///
/// A variable that is not UTF-8 is left out here ([`unreadable`] names it) and still reaches the
/// command, which inherits the environment as it is.
pub fn read() -> Environment {
    let (variables, _) = split();
    // Without a working directory relative paths fail where they are used, and name themselves.
    Environment::new(variables, std::env::current_dir().unwrap_or_default())
}

/// Where this program is, for whoever starts it later.
pub fn program() -> std::io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// The names of the variables that could not be read, for `-v`.
pub fn unreadable() -> Vec<String> {
    split().1
}

/// Variables that start like rowsafe's and are none of them, with the one that was meant.
pub fn unknown(environment: &Environment) -> Vec<(String, Option<&'static str>)> {
    let known: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    let is_ours = |name: &str| {
        name.starts_with("ROWSAFE_")
            && !known.contains(&name)
            && !RESERVED.iter().any(|reserved| name.starts_with(reserved))
    };
    environment
        .iter()
        .filter(|(name, _)| is_ours(name))
        .map(|(name, _)| (name.to_owned(), super::value::closest(name, &known)))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn split() -> (Vec<(String, String)>, Vec<String>) {
    let mut readable = Vec::new();
    let mut unreadable = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => readable.push((name, value)),
            (Ok(name), Err(_)) => unreadable.push(name),
            (Err(name), _) => unreadable.push(name.to_string_lossy().into_owned()),
        }
    }
    (readable, unreadable)
}

#[cfg(test)]
mod tests {
    use super::{STORE, VARIABLES, read, unknown};
    use crate::environment::Environment;

    #[test]
    fn a_misspelled_variable_is_noticed() {
        let names = ["ROWSAFE_STOER", "ROWSAFE_STORE", "ROWSAFE_TEST_X", "ROWSAFE_XYZZY"];
        let variables = names.map(|name| (name.to_owned(), "x".to_owned()));
        let found = unknown(&Environment::new(variables, "/"));
        let expected =
            [("ROWSAFE_STOER".to_owned(), Some(STORE)), ("ROWSAFE_XYZZY".to_owned(), None)];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_reference_names_every_variable() {
        let page = include_str!("../../docs/reference/configuration.md");
        for variable in VARIABLES {
            let row = format!("| `{}` | {} |", variable.name, variable.meaning);
            assert!(page.contains(&row), "docs/reference/configuration.md lacks: {row}");
        }
    }

    #[test]
    fn the_environment_is_read() {
        assert!(read().has("PATH"));
        assert!(read().directory().is_absolute());
    }
}
