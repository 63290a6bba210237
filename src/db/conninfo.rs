//! The `key=value` form of a connection string (PostgreSQL 34.1.1.1), read as libpq reads it.

use std::iter::Peekable;
use std::str::Chars;

use super::parameters::{Malformed, Parameters};

/// Reads `host=db user='a b'`.
pub fn parse(text: &str) -> Result<Parameters, Malformed> {
    let mut parameters = Parameters::default();
    let mut rest = text.chars().peekable();
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Ok(parameters);
        }
        let name = name(&mut rest);
        skip_space(&mut rest);
        // Whatever else stands there may be the second half of a password with a space in it, or a
        // URL with one whose scheme has a quote before it: neither is repeated.
        if !is_name(&name) || rest.next_if_eq(&'=').is_none() {
            return Err(Malformed::new("is not a list of key=value pairs")
                .hint("a value with spaces is put in single quotes, as in password='a b'"));
        }
        skip_space(&mut rest);
        let value =
            if rest.next_if_eq(&'\'').is_some() { quoted(&mut rest)? } else { bare(&mut rest) };
        let follows_password = parameters.get("password").is_some();
        parameters
            .set(&name, value)
            .map_err(|error| if follows_password { without_name(error) } else { error })?;
    }
}

/// An unknown name behind a password may be the end of a password with a space in it.
fn without_name(error: Malformed) -> Malformed {
    if error.hints.iter().any(|hint| hint.starts_with("did you mean")) {
        return error;
    }
    Malformed::new("has an unknown parameter after `password`")
        .hint("a value with spaces is put in single quotes, as in password='a b'")
}

// libpq means C's `isspace`, which counts the vertical tab too.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|letter| is_space(*letter)).is_some() {}
}

fn name(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| *letter != '=' && !is_space(*letter)) {
        name.push(letter);
    }
    name
}

/// Whether it could be the name of a parameter of some program.
fn is_name(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
}

fn bare(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut value = String::new();
    while let Some(letter) = rest.next_if(|letter| !is_space(*letter)) {
        // A backslash at the very end stands for nothing, as in libpq.
        let letter = if letter == '\\' { rest.next() } else { Some(letter) };
        value.extend(letter);
    }
    value
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, Malformed> {
    let mut value = String::new();
    loop {
        match rest.next() {
            Some('\'') => return Ok(value),
            Some('\\') => value.extend(rest.next()),
            Some(letter) => value.push(letter),
            None => {
                return Err(Malformed::new("has a single quote that is never closed")
                    .hint("a quote inside a value is written \\'"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_are_read_as_libpq_reads_them() {
        let parameters =
            parse(r"host = db  port=5433 user='it''' password='a \'b\\ c' dbname=a\ b").err();
        assert!(parameters.is_some(), "a doubled quote ends the value and the next must follow");
        let parameters =
            parse(r"host = db  port=5433 user='o k' password='a \'b\\ c' dbname=a\ b options=''")
                .ok()
                .unwrap();
        assert_eq!(parameters.get("host"), Some("db"));
        assert_eq!(parameters.get("port"), Some("5433"));
        assert_eq!(parameters.get("user"), Some("o k"));
        assert_eq!(parameters.get("password"), Some(r"a 'b\ c"));
        assert_eq!(parameters.get("dbname"), Some("a b"));
        assert_eq!(parameters.get("options"), None);
    }

    #[test]
    fn a_broken_list_is_refused_without_its_values() {
        for text in [
            "host=db password=a hunter2",
            "password='hunter2",
            "password=a hunter2=b",
            "'postgresql://alice:hunter2@db/app?sslmode=require",
        ] {
            let error = parse(text).err().unwrap();
            assert!(!format!("{} {:?}", error.message, error.hints).contains("hunter2"), "{text}");
        }
    }
}
