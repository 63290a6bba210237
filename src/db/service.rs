//! The connection service file (PostgreSQL 34.17), read as libpq reads it.

use std::path::{Path, PathBuf};

use super::defaults;
use super::parameters::{Malformed, Parameters};
use crate::environment::Environment;

/// The parameters of a service, and the file they were found in.
pub fn load(
    name: &str,
    file: Option<&str>,
    environment: &Environment,
) -> Result<(Parameters, PathBuf), Malformed> {
    let mut searched = Vec::new();
    for (path, must_exist) in candidates(file, environment) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => continue,
            Err(error) => {
                let what =
                    format!("names a service, and service file `{}`: {error}", path.display());
                return Err(Malformed::new(what));
            }
        };
        if let Some(parameters) = section(&text, name, &path)? {
            return Ok((parameters, path));
        }
        searched.push(format!("`{}`", path.display()));
    }
    let missing = Malformed::new(format!("names the service `{name}`, which no service file has"));
    Err(if searched.is_empty() {
        missing.hint("service files are ~/.pg_service.conf and the one that PGSERVICEFILE names")
    } else {
        missing.hint(format!("looked in {}", searched.join(", ")))
    })
}

/// The files in libpq's order, and whether each must be there.
fn candidates(file: Option<&str>, environment: &Environment) -> Vec<(PathBuf, bool)> {
    let mut paths = match file.or_else(|| environment.get("PGSERVICEFILE")) {
        Some(path) => vec![(environment.directory().join(path), true)],
        None => defaults::home_file(environment, ".pg_service.conf")
            .map(|path| (path, false))
            .into_iter()
            .collect(),
    };
    // libpq has one directory built in; these are Debian's, Red Hat's and PostgreSQL's own.
    let built_in = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];
    match environment.get("PGSYSCONFDIR") {
        Some(directory) => paths.push((Path::new(directory).join("pg_service.conf"), false)),
        None => paths.extend(built_in.map(|d| (Path::new(d).join("pg_service.conf"), false))),
    }
    paths
}

fn section(text: &str, name: &str, path: &Path) -> Result<Option<Parameters>, Malformed> {
    let mut found: Option<Parameters> = None;
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end().trim_start();
        let at = || format!("service file `{}` line {}", path.display(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            // Like libpq, the first section of that name counts and nothing behind it.
            if found.is_some() {
                break;
            }
            is_inside = header.strip_suffix(']') == Some(name);
            if is_inside {
                found = Some(Parameters::default());
            }
        } else if let Some(parameters) = found.as_mut().filter(|_| is_inside) {
            set(parameters, line).map_err(|error| Malformed {
                message: format!("names a service, and {} {}", at(), error.message),
                hints: error.hints,
            })?;
        }
    }
    Ok(found)
}

fn set(parameters: &mut Parameters, line: &str) -> Result<(), Malformed> {
    if line.starts_with("ldap://") {
        return Err(Malformed::new("looks the service up by LDAP, which rowsafe cannot")
            .hint("pass --database with the address that LDAP gives"));
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err(Malformed::new("is not key=value"));
    };
    if key == "service" {
        return Err(Malformed::new("names another service, which libpq does not allow"));
    }
    parameters.set(key, value)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{load, section};
    use crate::environment::Environment;

    const TEXT: &str = "# services\n\
        [test]\nhost=test\n\n\
        [prod]\nhost=db.internal\nport=5433\npassword=a = b\ndbname=prod\n\
        [prod]\nhost=late\n";

    #[test]
    fn the_first_section_of_the_name_counts() {
        let parameters = section(TEXT, "prod", Path::new("s")).ok().flatten().unwrap();
        assert_eq!(parameters.get("host"), Some("db.internal"));
        assert_eq!(parameters.get("password"), Some("a = b"));
        assert!(section(TEXT, "other", Path::new("s")).ok().unwrap().is_none());
    }

    #[test]
    fn mistakes_name_the_line_and_not_the_value() {
        for (text, expected) in [
            ("[s]\nhost\n", "line 2 is not key=value"),
            ("[s]\nhost=a\nhots =secret\n", "line 3 has the unknown parameter `hots `"),
            ("[s]\nservice=t\n", "line 2 names another service"),
            ("[s]\nldap://x\n", "line 2 looks the service up by LDAP"),
        ] {
            let error = section(text, "s", Path::new("s")).err().unwrap();
            assert!(error.message.contains(expected), "{}", error.message);
            assert!(!error.message.contains("secret"));
        }
    }

    #[test]
    fn files_are_searched_in_libpqs_order() {
        let home = tempfile::tempdir().unwrap();
        let system = tempfile::tempdir().unwrap();
        let own = "[a]\nhost=home\n";
        let shared = "[a]\nhost=system\n[b]\nhost=system\n";
        crate::text::write_atomically(&home.path().join(".pg_service.conf"), own.as_bytes())
            .unwrap();
        crate::text::write_atomically(&system.path().join("pg_service.conf"), shared.as_bytes())
            .unwrap();
        let variable = |name: &str, value: &Path| (name.to_owned(), value.display().to_string());
        let variables = [variable("HOME", home.path()), variable("PGSYSCONFDIR", system.path())];
        let environment = Environment::new(variables.clone(), "/");
        let host =
            |name| load(name, None, &environment).ok().unwrap().0.get("host").map(String::from);
        assert_eq!(host("a").as_deref(), Some("home"));
        assert_eq!(host("b").as_deref(), Some("system"));
        let error = load("c", None, &environment).err().unwrap();
        assert!(error.hints[0].contains(".pg_service.conf"), "{:?}", error.hints);
        let missing = variable("PGSERVICEFILE", Path::new("/nowhere/s.conf"));
        let environment = Environment::new(variables.into_iter().chain([missing]), "/");
        assert!(load("a", None, &environment).is_err());
    }
}
