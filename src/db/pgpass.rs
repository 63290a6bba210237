//! The password file (PostgreSQL 34.16), read as libpq reads it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::defaults::SOCKET_DIRECTORIES;
use super::target::{Address, Host};
use crate::secret::Secret;

/// The text of a password file, or why it is not used.
pub enum Passfile {
    /// It is there and nobody else can read it.
    Usable(String),
    /// There is none.
    Absent,
    /// It is there, and libpq would not use it either; the sentence says why.
    Refused(String),
}

/// Reads a password file unless others can.
pub fn read(path: &Path) -> Passfile {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Passfile::Absent,
        Err(error) => return Passfile::Refused(format!("password file `{shown}`: {error}")),
    };
    if !metadata.is_file() {
        return Passfile::Refused(format!(
            "password file `{shown}` is not used, because it is not a plain file"
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        return Passfile::Refused(format!(
            "password file `{shown}` is not used, because others may read it; chmod 600 it"
        ));
    }
    match std::fs::read(path) {
        Ok(bytes) => Passfile::Usable(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Passfile::Refused(format!("password file `{shown}`: {error}")),
    }
}

/// The password of the first line that fits.
pub fn find(text: &str, host: &Host, database: &str, user: &str) -> Option<Secret> {
    let name = match &host.address {
        Address::Tcp { host, .. } => host.clone(),
        // A server on the usual socket is `localhost` in password files.
        Address::Unix(directory) if is_usual(directory) => "localhost".to_owned(),
        Address::Unix(directory) => directory.display().to_string(),
    };
    let wanted = [name.as_str(), &host.port.to_string(), database, user];
    text.split('\n').find_map(|line| password(line, &wanted)).filter(|p| !p.reveal().is_empty())
}

/// A password for the last field of a line.
pub fn escape(password: &str) -> String {
    password.replace('\\', "\\\\").replace(':', "\\:")
}

fn is_usual(directory: &Path) -> bool {
    SOCKET_DIRECTORIES.iter().any(|usual| Path::new(usual) == directory)
}

fn password(line: &str, wanted: &[&str; 4]) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line.strip_suffix('\r').unwrap_or(line);
    for field in wanted {
        rest = behind_field(rest, field)?;
    }
    Some(Secret::new(field(rest).0))
}

/// What follows a field that matches, whole or as `*`.
fn behind_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    let (value, behind) = field(line);
    let is_match = line.starts_with("*:") || value == wanted;
    behind.filter(|_| is_match)
}

/// The field up to the next bare colon, without its backslashes, and what stands behind the colon.
fn field(line: &str) -> (String, Option<&str>) {
    let mut value = String::new();
    let mut letters = line.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            ':' => return (value, Some(&line[index + 1..])),
            // A backslash at the very end stands for itself.
            '\\' => value.push(letters.next().map_or('\\', |(_, escaped)| escaped)),
            _ => value.push(letter),
        }
    }
    (value, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::{Passfile, escape, find, read};
    use crate::db::target::{Address, Host};

    fn tcp(host: &str, port: u16) -> Host {
        Host { address: Address::Tcp { host: host.to_owned(), hostaddr: None }, port }
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# a comment\r\n\
            other:5432:prod:app:wrong\n\
            db:5433:prod:app:wrong\n\
            db:5432:prod:app:a\\:b\\\\c\r\n\
            *:*:*:*:last\n";
        let password = |host: &Host, database: &str| {
            find(text, host, database, "app").map(|secret| secret.reveal().to_owned())
        };
        assert_eq!(password(&tcp("db", 5432), "prod").as_deref(), Some("a:b\\c"));
        assert_eq!(password(&tcp("db", 5432), "test").as_deref(), Some("last"));
    }

    #[test]
    fn a_usual_socket_is_localhost_and_another_is_its_directory() {
        let text = "localhost:*:*:*:usual\n/srv/pg:5432:*:*:own\n\\:\\:1:*:*:*:six\n";
        let socket = |path: &str| Host { address: Address::Unix(path.into()), port: 5432 };
        let password = |host: &Host| find(text, host, "d", "u").map(|s| s.reveal().to_owned());
        assert_eq!(password(&socket("/var/run/postgresql")).as_deref(), Some("usual"));
        assert_eq!(password(&socket("/srv/pg")).as_deref(), Some("own"));
        assert_eq!(password(&socket("/srv/other")), None);
        assert_eq!(password(&tcp("::1", 1)).as_deref(), Some("six"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgpass");
        assert!(matches!(read(&path), Passfile::Absent));
        crate::text::write_atomically(&path, b"*:*:*:*:x").unwrap();
        assert!(matches!(read(&path), Passfile::Usable(_)));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let Passfile::Refused(why) = read(&path) else { panic!("it was used") };
        assert!(why.contains("chmod 600"), "{why}");
        assert!(matches!(read(directory.path()), Passfile::Refused(_)));
    }

    proptest! {
        #[test]
        fn an_escaped_password_comes_back(password in "[^\r\n\0]{1,20}") {
            let line = format!("*:*:*:*:{}\n", escape(&password));
            let found = find(&line, &tcp("h", 1), "d", "u").unwrap();
            prop_assert_eq!(found.reveal(), password);
        }
    }
}
