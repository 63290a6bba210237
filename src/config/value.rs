//! Values as people write them: durations, sizes, command lines, and names that were meant.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::policy::Share;

/// `30s`, `500ms`, `5min`, `2h`, or a bare number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text)
        .ok_or_else(|| format!("`{text}` is no duration; write 30s, 5min or 2h"))?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{unit}` is no unit of time; write ms, s, min, h or d")),
    };
    let total = number.checked_mul(milliseconds);
    total.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long"))
}

/// Recipients of age, separated by spaces.
pub fn recipients(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(crate::snapshot::encryption::recipient).collect()
}

/// `500MB`, `2 GB`, `1GiB`, or a bare number of bytes; kB, MB … are powers of 1000.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) =
        number_and_unit(text).ok_or_else(|| format!("`{text}` is no size; write 500MB or 2GB"))?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(format!("`{unit}` is no unit of size; write kB, MB, GB or TB")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too much"))
}

/// `5%`, `12.5%`.
pub fn share(text: &str) -> Result<Share, String> {
    let refused = || format!("`{text}` is no share from 0% to 100%; write 5% or 12.5%");
    let number = text.trim().strip_suffix('%').ok_or_else(refused)?.trim();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole)
        || !is_digits(part)
        || whole.is_empty()
        || part.is_empty()
        || part.len() > 2
    {
        return Err(refused());
    }
    let hundredths = format!("{whole}{part:0<2}").parse().ok();
    hundredths.and_then(Share::of_hundredths).ok_or_else(refused)
}

/// The words of a command line, as a shell splits it.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    match shell_words::split(text) {
        Ok(words) if words.is_empty() => Err("the command line is empty".to_owned()),
        Ok(words) => Ok(words),
        Err(_) => Err(format!("a quote is not closed in `{text}`")),
    }
}

/// How many connections, 1 to 64.
pub fn jobs(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 1 to 64"))
}

/// How many snapshots are kept, at least one.
pub fn kept(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no number from 1 on"))
}

/// The candidate that was probably meant.
pub fn closest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.replace('_', "-").to_lowercase();
    let distance_to =
        |candidate: &str| distance(&word, &candidate.replace('_', "-").to_lowercase());
    let (steps, candidate) =
        candidates.iter().map(|candidate| (distance_to(candidate), *candidate)).min()?;
    (steps <= word.chars().count().div_ceil(4).clamp(1, 3)).then_some(candidate)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number = text[..digits].replace('_', "").parse().ok()?;
    Some((number, text[digits..].trim()))
}

/// Insertions, deletions, substitutions and swaps of neighbors that turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let substitution = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                substitution.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[one.len()][other.len()]
}

/// A value that the file may hold as a string or as a number; both are read as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

/// A command line that the file may hold as a string or as a list of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

/// Texts that the file may hold as a string or as a list of strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OneOrMore(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor;
        impl<'de> Visitor<'de> for OneOrMoreVisitor {
            type Value = OneOrMore;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore(texts))
            }
        }
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a command line or a list of its words")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
                words(text).map(Words).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element()? {
                    words.push(word);
                }
                if words.is_empty() {
                    return Err(A::Error::custom("the command line is empty"));
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(WordsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{closest, distance, duration, jobs, kept, share, size, words};

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration(" 5 min"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("-1s").unwrap_err(), "`-1s` is no duration; write 30s, 5min or 2h");
        assert!(duration("3 moons").unwrap_err().contains("`moons` is no unit"));
        assert!(duration("99999999999999999999h").is_err());
        assert_eq!(size("2 GB"), Ok(2_000_000_000));
        assert_eq!(size("1GiB"), Ok(1_073_741_824));
        assert_eq!(size("1_000"), Ok(1000));
        assert!(size("lots").is_err());
        assert_eq!(jobs("2"), Ok(2));
        assert!(jobs("0").is_err());
        assert_eq!(kept("7"), Ok(7));
        assert!(kept("0").is_err() && kept("-1").is_err());
        assert_eq!(words("docker exec -i 'my db' pg_dump").unwrap().len(), 5);
        assert!(words("a 'b").unwrap_err().contains("not closed"));
    }

    #[test]
    fn shares_are_percent_and_nothing_else() {
        for (text, shown) in
            [("5%", "5%"), (" 12.5 %", "12.5%"), ("0.05%", "0.05%"), ("100%", "100%")]
        {
            assert_eq!(share(text).unwrap().to_string(), shown);
        }
        for text in ["5", "0.05", "101%", "-5%", "5.%", "1.234%", "five%", "%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_found_and_nothing_far_fetched() {
        let known = ["database", "store", "pg-dump", "fail-on"];
        assert_eq!(closest("databse", &known), Some("database"));
        assert_eq!(closest("pg_dump", &known), Some("pg-dump"));
        assert_eq!(closest("stroe", &known), Some("store"));
        assert_eq!(closest("verbose", &known), None);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
