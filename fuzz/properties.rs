//! What must hold whatever the input: called by the fuzz targets, and by the tests with the inputs
//! that once broke it (fixtures/fuzz) and with a fixed number of mutated seeds.

use std::path::PathBuf;

use rowsafe::db::libpq;
use rowsafe::db::pgpass;
use rowsafe::db::target::{Address, Host};
use rowsafe::environment::Environment;
use rowsafe::python::{self, Modules, NoModules, Reading};
use rowsafe::rules;
use rowsafe::script::{Origin, Script};
use rowsafe::sql::{self, Statement};

/// A word that no message may repeat.
const MARK: &str = "S3CR3T";

/// Statements stand in order in the text, and are its text.
pub fn split(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut end = 0;
    for statement in sql::split(&text) {
        let span = statement.span;
        assert!(end <= span.start && span.start < span.end, "{span:?} behind {end}");
        // What closes a psql command belongs to its place, not to its text.
        assert!(span.of(&text).starts_with(&statement.text), "{:?}", statement.text);
        end = span.end;
    }
}

/// Every statement has effects that can be told.
pub fn effects(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let script = Script::known(Origin::default(), text);
    tell(&script);
}

/// Whatever stands in a Python file has its place there, and effects that can be told.
pub fn python(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes).into_owned();
    let itself = EveryModuleIs(&source);
    for reading in [
        python::read_alembic(&source, "upgrade", &NoModules),
        python::read_alembic(&source, "downgrade", &itself),
        python::read_any(&source, &NoModules),
    ] {
        tell_python(&source, reading);
    }
}

/// The URL is understood or refused, and neither repeats the password.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A file that it names might be anything, a device that never ends as well.
    if text.contains("passfile") || text.contains("service") {
        return;
    }
    let nowhere = Environment::new([], PathBuf::from("/nonexistent"));
    for written in [text.to_string(), marked(&text)] {
        for resolve in [resolve_libpq, libpq::resolve_sqlalchemy_url] {
            let said = match resolve(&written, "--database", &nowhere) {
                Ok(resolved) => format!("{resolved:?} {}", resolved.target.label()),
                Err(refusal) => format!("{refusal} {refusal:?} {:?}", refusal.hints()),
            };
            assert!(text.contains(MARK) || !said.contains(MARK), "{said}");
        }
    }
}

/// A password is found or not, for hosts of both kinds.
pub fn pgpass(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let tcp = Address::Tcp { host: "db.example.org".to_owned(), hostaddr: None };
    let unix = Address::Unix(PathBuf::from("/var/run/postgresql"));
    for address in [tcp, unix] {
        let host = Host { address, port: 5432 };
        let _ = pgpass::find(&text, &host, "app", "alice");
        // What is written for a password is read back as that password.
        let password = text.replace(['\n', '\r', '\0'], "");
        let line = format!("*:*:*:*:{}\n", pgpass::escape(&password));
        let found = pgpass::find(&line, &host, "app", "alice");
        assert_eq!(found.as_ref().map_or("", |secret| secret.reveal()), password);
    }
}

/// What a target does with any bytes: it panics, or all is well.
pub type Target = fn(&[u8]);

/// The targets by name, for those who go through all of them.
pub const ALL: [(&str, Target); 5] =
    [("split", split), ("effects", effects), ("python", python), ("url", url), ("pgpass", pgpass)];

fn tell(script: &Script) {
    let reading = rules::read(script);
    for finding in rules::findings(std::slice::from_ref(&reading)) {
        assert!(!finding.message.is_empty() && !finding.rule.is_empty());
    }
}

fn tell_python(source: &str, reading: Reading) {
    for Statement { span, position, .. } in &reading.statements {
        assert!(span.start <= span.end && span.end <= source.len(), "{span:?}");
        assert!(source.is_char_boundary(span.start) && source.is_char_boundary(span.end));
        assert!(position.line >= 1 && position.column >= 1);
    }
    tell(&Script {
        statements: Some(reading.statements),
        source: Some(source.to_owned()),
        ..Script::known(Origin::default(), String::new())
    });
}

/// A project in which whatever a file imports is that file again.
struct EveryModuleIs<'a>(&'a str);

impl Modules for EveryModuleIs<'_> {
    fn source(&self, _level: u32, _name: &str) -> Option<String> {
        Some(self.0.to_owned())
    }
}

/// The URL with the mark where its password stands, or with one.
fn marked(url: &str) -> String {
    // In a list of key=value pairs it would stand in a value that may be shown.
    let is_url = |(scheme, _): &(&str, &str)| !scheme.contains('=');
    let (scheme, rest) = url.split_once("://").filter(is_url).unwrap_or(("postgresql", url));
    let behind = rest.split_once('@').map_or(rest, |(_, behind)| behind);
    format!("{scheme}://alice:{MARK}@{behind}")
}

fn resolve_libpq(
    string: &str,
    source: &str,
    environment: &Environment,
) -> Result<libpq::Resolved, rowsafe::hint::Refusal> {
    libpq::resolve(Some(string), source, environment)
}
