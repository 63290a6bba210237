//! A value that cannot be printed, and text with its passwords masked.

use std::fmt;

use zeroize::Zeroizing;

/// A secret such as a password: no `Display`, a masked `Debug`, wiped from memory on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret over.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself. Each caller hands it to a driver or a 0600 file, and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What stands where a password stood.
const MASK: &str = "***";

/// Names whose value is masked when they stand before `=`; the end of the name counts, so that
/// `PGPASSWORD` and `db.password` do too.
const SECRET_NAMES: [&str; 7] =
    ["password", "passwd", "pwd", "pass", "passphrase", "secret", "token"];

/// The text with every password masked: `scheme://user:…@`, `password=…`, `PGPASSWORD='…'`.
///
/// Where a password ends cannot always be told; then more is masked rather than less.
pub fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let url = rest.find("://").map(|at| at + 3);
        let assignment = rest.find('=').map(|at| at + 1);
        let Some(at) = [url, assignment].into_iter().flatten().min() else { break };
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let masked = if url == Some(at) {
            user_info(after)
        } else if is_secret_name(before) {
            Some((0, value_length(after)))
        } else {
            None
        };
        rest = match masked {
            Some((start, end)) if end > start => {
                out.push_str(&after[..start]);
                out.push_str(MASK);
                &after[end..]
            }
            _ => after,
        };
    }
    out.push_str(rest);
    out
}

/// The words of a command line with every password masked, that after `--password` too.
pub fn mask_words(words: &[String]) -> Vec<String> {
    let mut is_value = false;
    let masked = words.iter().map(|word| {
        let was_value =
            std::mem::replace(&mut is_value, word.starts_with("--") && names_secret(word));
        if was_value { MASK.to_owned() } else { mask_urls(word) }
    });
    masked.collect()
}

/// The bytes of the password in what follows `://`.
///
/// A password may hold a bare `/`, `?` or `@`, so it reaches to the last `@` of the word.
fn user_info(after: &str) -> Option<(usize, usize)> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>');
    let word = &after[..after.find(ends).unwrap_or(after.len())];
    let end = word.rfind('@')?;
    let start = word[..end].find(':')? + 1;
    Some((start, end))
}

/// Whether the text ends in a secret's name and `=`, spaces between them allowed (libpq has them).
fn is_secret_name(before: &str) -> bool {
    let before = before.trim_end_matches('=').trim_end();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    names_secret(&before[before.trim_end_matches(is_name).len()..])
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// How long the value after `=` is: quoted, or up to white space or the `&` of a URL's query.
fn value_length(after: &str) -> usize {
    let blank = after.len() - after.trim_start_matches(' ').len();
    let value = &after[blank..];
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        return blank + value.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(value.len());
    };
    let mut is_escaped = false;
    let closing = value.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        closes
    });
    blank + closing.map_or(value.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{Secret, mask_urls, mask_words};

    #[test]
    fn passwords_in_text_are_masked_and_nothing_else() {
        let same =
            ["", "alembic upgrade head", "postgres://app@db:5432/prod?sslmode=require", "a=b"];
        for text in same {
            assert_eq!(mask_urls(text), text);
        }
        let masked = [
            ("x postgresql://u:pw@h/db y", "x postgresql://u:***@h/db y"),
            ("'postgresql+psycopg://u:p:w@h' z@z", "'postgresql+psycopg://u:***@h' z@z"),
            ("redis://:pw@h", "redis://:***@h"),
            ("a://u:p/w@x@h/db b://v:q@i", "a://u:***@h/db b://v:***@i"),
            (
                "postgresql://h/db?user=u&password=p%20w&x=1",
                "postgresql://h/db?user=u&password=***&x=1",
            ),
            ("host=h password = 'p \\' w' user=u", "host=h password =*** user=u"),
            ("PGPASSWORD=pw psql", "PGPASSWORD=*** psql"),
            ("--db-pass=pw --passfile=x", "--db-pass=*** --passfile=x"),
            ("password='open", "password=***"),
            ("password=", "password="),
            ("pässword=é token=é", "pässword=é token=***"),
        ];
        for (text, expected) in masked {
            assert_eq!(mask_urls(text), expected);
        }
    }

    #[test]
    fn the_word_after_a_password_flag_is_masked() {
        let words = ["x", "--password", "pw", "--user", "u", "-x", "url=a://u:pw@h"];
        let expected = ["x", "--password", "***", "--user", "u", "-x", "url=a://u:***@h"];
        assert_eq!(mask_words(&words.map(str::to_owned)), expected);
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
