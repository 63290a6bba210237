//! Connection URLs (PostgreSQL 34.1.1.2), and the two grammars they are written in.
//!
//! libpq and SQLAlchemy disagree about URLs whose password holds an unescaped `/` or `@`. Whoever
//! guesses there connects to the wrong place or prints half a password, so those are refused.

use percent_encoding::percent_decode_str;

use super::parameters::{Malformed, Parameters};
use super::sqlalchemy_url;

/// Whose rules a URL is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// libpq's: a `%` must begin an escape, `+` is a plus.
    Libpq,
    /// SQLAlchemy's (that is, Python's): a lone `%` is a percent sign, in the query `+` is a space.
    SqlAlchemy,
}

/// The parts of a URL behind its scheme, still escaped.
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    hosts: &'a str,
    database: Option<&'a str>,
    query: Option<&'a str>,
}

/// Reads what stands behind `scheme://`.
pub fn parse(rest: &str, grammar: Grammar) -> Result<Parameters, Malformed> {
    let parts = split(rest)?;
    let mut parameters = Parameters::default();
    for (name, value) in [("user", parts.user), ("password", parts.password)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameters.set(name, decode(value, grammar)?)?;
        }
    }
    set_hosts(&mut parameters, parts.hosts, grammar)?;
    if let Some(database) = parts.database.filter(|database| !database.is_empty()) {
        parameters.set("dbname", decode(database, grammar)?)?;
    }
    set_query(&mut parameters, parts.query.unwrap_or_default(), grammar)?;
    Ok(parameters)
}

fn split(rest: &str) -> Result<Parts<'_>, Malformed> {
    let before_slash = &rest[..rest.find('/').unwrap_or(rest.len())];
    let (userinfo, behind) = match before_slash.find('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let (place, query) = match behind.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (behind, None),
    };
    if place.contains('@') {
        return Err(ambiguous());
    }
    let (hosts, database) = match place.split_once('/') {
        Some((hosts, database)) => (hosts, Some(database)),
        None => (place, None),
    };
    let (user, password) = match userinfo {
        // Every grammar ends the user's name at the first colon, so a second one is no puzzle.
        Some(userinfo) => match userinfo.split_once(':') {
            Some((user, password)) => (Some(user), Some(password)),
            None => (Some(userinfo), None),
        },
        None => (None, None),
    };
    Ok(Parts { user, password, hosts, database, query })
}

fn ambiguous() -> Malformed {
    Malformed::new("has an `@` or a `/` in its user name or password that is not percent-encoded")
        .hint("write `/` as %2F, `@` as %40, `:` as %3A and `%` as %25 there")
}

/// The port as a number is checked later; here a port that cannot be one is most often a piece of
/// a password, so that it is not shown.
fn set_hosts(parameters: &mut Parameters, hosts: &str, grammar: Grammar) -> Result<(), Malformed> {
    if hosts.is_empty() {
        return Ok(());
    }
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (name, behind) = bracketed.split_once(']').ok_or_else(|| {
                    Malformed::new("has a `[` before its host that is never closed")
                })?;
                let is_end = behind.is_empty() || behind.starts_with(':');
                let port = behind.strip_prefix(':').unwrap_or_default();
                (name, if is_end { port } else { behind })
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        if !port.chars().all(|digit| digit.is_ascii_digit()) {
            return Err(Malformed::new("has a port that is not a number")
                .hint("is there an unescaped character in the password? `/` is written %2F, `?` %3F, `@` %40"));
        }
        names.push(decode(name, grammar)?);
        ports.push(port);
    }
    if names.iter().any(|name| !name.is_empty()) {
        parameters.set("host", names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.set("port", ports.join(","))?;
    }
    Ok(())
}

fn set_query(parameters: &mut Parameters, query: &str, grammar: Grammar) -> Result<(), Malformed> {
    let mut hosts = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            // Not shown: with an unescaped `?` in a password this is its other half.
            return Err(Malformed::new("has a parameter without a value behind its `?`"));
        };
        let (name, value) = (decode_query(name, grammar)?, decode_query(value, grammar)?);
        if name == "host" {
            hosts.push(value);
        } else {
            for (name, value) in sqlalchemy_url::translate(&name, value)? {
                parameters.set(name, value)?;
            }
        }
    }
    if let [host] = hosts.as_slice()
        && split_port(host).is_none()
    {
        return parameters.set("host", host.as_str());
    }
    if !hosts.is_empty() {
        // SQLAlchemy's own way to write several hosts: `?host=a:5432&host=b:5432`.
        let pairs = hosts.iter().map(|host| split_port(host).unwrap_or((host, "")));
        let (names, ports): (Vec<&str>, Vec<&str>) = pairs.unzip();
        parameters.set("host", names.join(","))?;
        if ports.iter().any(|port| !port.is_empty()) {
            parameters.set("port", ports.join(","))?;
        }
    }
    Ok(())
}

/// `host:port`, unless it is a path, a list or an IPv6 address.
fn split_port(host: &str) -> Option<(&str, &str)> {
    let (name, port) = host.split_once(':')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    (is_name && port.chars().all(|digit| digit.is_ascii_digit())).then_some((name, port))
}

fn decode_query(text: &str, grammar: Grammar) -> Result<String, Malformed> {
    match grammar {
        Grammar::Libpq => decode(text, grammar),
        Grammar::SqlAlchemy => decode(&text.replace('+', " "), grammar),
    }
}

fn decode(text: &str, grammar: Grammar) -> Result<String, Malformed> {
    if grammar == Grammar::Libpq && !escapes_are_whole(text) {
        return Err(Malformed::new("has a `%` that is not followed by two hexadecimal digits")
            .hint("a percent sign itself is written %25"));
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| {
        Malformed::new("has an escape that is not UTF-8")
            .hint("percent-encode the UTF-8 bytes of a letter, for example é as %C3%A9")
    })?;
    if decoded.contains('\0') {
        return Err(Malformed::new("has the escape %00, which PostgreSQL cannot take"));
    }
    Ok(decoded.into_owned())
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        behind.len() >= 2 && behind.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::{Grammar, parse};

    /// host, port, user, password, dbname.
    fn read(rest: &str, grammar: Grammar) -> [String; 5] {
        let parameters = parse(rest, grammar).unwrap_or_else(|error| panic!("{rest}: {error:?}"));
        ["host", "port", "user", "password", "dbname"]
            .map(|name| parameters.get(name).unwrap_or("-").to_owned())
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (rest, expected) in [
            ("u:p@h:5433/d", ["h", "5433", "u", "p", "d"]),
            ("u@h/d", ["h", "-", "u", "-", "d"]),
            ("/d", ["-", "-", "-", "-", "d"]),
            ("", ["-", "-", "-", "-", "-"]),
            ("h", ["h", "-", "-", "-", "-"]),
            ("u:p:w@h/d", ["h", "-", "u", "p:w", "d"]),
            ("u%40x:p%2Fw%3A%25@h/d%20e", ["h", "-", "u@x", "p/w:%", "d e"]),
            ("u:p?w@h/d", ["h", "-", "u", "p?w", "d"]),
            ("[::1]:5433,b/d", ["::1,b", "5433,", "-", "-", "d"]),
            ("%2Frun%2Fpg/d", ["/run/pg", "-", "-", "-", "d"]),
            ("u@/d?host=/run/pg&port=5433", ["/run/pg", "5433", "u", "-", "d"]),
            ("/d?host=a:1&host=b:2", ["a,b", "1,2", "-", "-", "d"]),
            ("/d?host=a:1", ["a", "1", "-", "-", "d"]),
            ("/d?host=a,b&port=1,2", ["a,b", "1,2", "-", "-", "d"]),
            ("/d?host=::1", ["::1", "-", "-", "-", "d"]),
            ("h?dbname=d&user=u&password=p%3D", ["h", "-", "u", "p=", "d"]),
            ("/?host=my_db:1&dbname=d", ["my_db", "1", "-", "-", "d"]),
        ] {
            assert_eq!(read(rest, Grammar::Libpq), expected, "{rest}");
        }
    }

    #[test]
    fn python_lets_a_lone_percent_sign_stand() {
        let expected = ["h", "-", "u", "p%w", "d"];
        assert_eq!(read("u:p%w@h/d", Grammar::SqlAlchemy), expected);
        assert!(parse("u:p%w@h/d", Grammar::Libpq).is_err());
        let options = parse("u@h/d?options=-c+a%3Db", Grammar::SqlAlchemy).ok().unwrap();
        assert_eq!(options.get("options"), Some("-c a=b"));
    }

    #[test]
    fn an_ambiguous_url_is_refused_without_its_password() {
        for rest in [
            "u:hun/ter2@h/d",
            "u:hun@ter2@h/d",
            "u:hunter2@h/d@e",
            "u:hunter2/d",
            "u:hunter2?/x@h/d",
            "u:12?hunter2/@h/d",
            "u:hunter%2@h/d",
            "u:hunter2%00@h/d",
            "u:hunter2%FF@h/d",
        ] {
            let error = parse(rest, Grammar::Libpq).err().unwrap_or_else(|| panic!("{rest}"));
            let said = format!("{error:?}");
            assert!(!said.contains("hun") && !said.contains("ter2"), "{rest}: {said}");
        }
    }
}
