//! What SQLAlchemy and its drivers call things, in libpq's words.

use super::parameters::Malformed;

/// The drivers of SQLAlchemy's PostgreSQL dialect, now and in old versions.
const DRIVERS: &[&str] = &[
    "psycopg2",
    "psycopg",
    "psycopg_async",
    "asyncpg",
    "pg8000",
    "psycopg2cffi",
    "pygresql",
    "pypostgresql",
];

/// A URL's scheme, as far as rowsafe is concerned.
#[derive(Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `postgresql` or `postgres`, with the driver behind its plus sign.
    PostgreSql {
        /// SQLAlchemy's driver, where one is named.
        driver: Option<&'a str>,
    },
    /// Another database, or nothing that is known.
    Other,
}

/// Reads the scheme, without its `://`.
pub fn scheme(scheme: &str) -> Scheme<'_> {
    let (name, driver) = match scheme.split_once('+') {
        Some((name, driver)) => (name, Some(driver)),
        None => (scheme, None),
    };
    let is_driver_known = driver.is_none_or(|driver| DRIVERS.contains(&driver));
    if matches!(name, "postgres" | "postgresql") && is_driver_known {
        Scheme::PostgreSql { driver }
    } else {
        Scheme::Other
    }
}

/// libpq's names and values for a parameter as a driver calls it.
pub fn translate(name: &str, value: String) -> Result<Vec<(&str, String)>, Malformed> {
    let pairs = match name {
        // asyncpg's name for sslmode; libpq itself takes JDBC's `ssl=true`.
        "ssl" => vec![("sslmode", ssl(value))],
        "sslmode" if value == "no-verify" => vec![("sslmode", "require".to_owned())],
        // asyncpg and pg8000.
        "timeout" => vec![("connect_timeout", whole_seconds(value))],
        "database" => vec![("dbname", value)],
        "unix_sock" => unix_socket(&value)?,
        // `sslrootcert` of other drivers by another name would be trust that rowsafe cannot see.
        "ssl_context" => {
            return Err(Malformed::new("has `ssl_context`, which is a Python object")
                .hint("say it as sslmode and sslrootcert"));
        }
        _ => vec![(name, value)],
    };
    Ok(pairs)
}

fn ssl(value: String) -> String {
    match value.as_str() {
        "true" | "True" | "1" | "on" | "yes" | "no-verify" => "require".to_owned(),
        "false" | "False" | "0" | "off" | "no" => "disable".to_owned(),
        _ => value,
    }
}

/// Python's timeouts may have a fraction, libpq's may not.
fn whole_seconds(value: String) -> String {
    match value.split_once('.') {
        Some((whole, _)) => whole.parse::<u32>().map_or(value.clone(), |n| (n + 1).to_string()),
        None => value,
    }
}

/// pg8000 names the socket itself: `/run/postgresql/.s.PGSQL.5432`.
fn unix_socket(path: &str) -> Result<Vec<(&'static str, String)>, Malformed> {
    match path.rsplit_once("/.s.PGSQL.") {
        Some((directory, port)) if directory.starts_with('/') => {
            Ok(vec![("host", directory.to_owned()), ("port", port.to_owned())])
        }
        _ => Err(Malformed::new("has a `unix_sock` that is not a path like /run/.s.PGSQL.5432")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, scheme, translate};

    #[test]
    fn every_driver_of_sqlalchemy_is_postgresql() {
        for driver in super::DRIVERS {
            let text = format!("postgresql+{driver}");
            let expected = Scheme::PostgreSql { driver: Some(driver) };
            assert_eq!(scheme(&text), expected);
        }
        assert_eq!(scheme("postgres"), Scheme::PostgreSql { driver: None });
        for other in ["mysql", "sqlite+aiosqlite", "postgresql+nope", "driver", "jdbc:postgresql"] {
            assert_eq!(scheme(other), Scheme::Other, "{other}");
        }
    }

    #[test]
    fn drivers_names_become_libpqs() {
        let one = |name: &str, value: &str| {
            let pairs = translate(name, value.to_owned()).unwrap();
            pairs
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(one("ssl", "verify-full"), "sslmode=verify-full");
        assert_eq!(one("ssl", "true"), "sslmode=require");
        assert_eq!(one("ssl", "false"), "sslmode=disable");
        assert_eq!(one("sslmode", "no-verify"), "sslmode=require");
        assert_eq!(one("timeout", "2.5"), "connect_timeout=3");
        assert_eq!(one("unix_sock", "/tmp/.s.PGSQL.5433"), "host=/tmp port=5433");
        assert_eq!(one("user", "u"), "user=u");
        assert!(translate("unix_sock", "tmp".to_owned()).is_err());
    }
}
