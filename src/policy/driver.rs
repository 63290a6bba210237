//! How a snapshot is taken: by pg_dump into rowsafe's own store, or by what keeps backups anyway.

use std::time::Duration;

/// What takes the snapshot before a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Driver {
    /// pg_dump, into rowsafe's store.
    #[default]
    PgDump,
    /// A command of the user's own: a branch, a snapshot of a managed service.
    Command(SnapshotCommand),
    /// A named restore point that pgBackRest can go back to.
    PgBackRest(PgBackRest),
}

/// The name of a driver, as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriverName {
    /// `pg_dump`
    #[default]
    PgDump,
    /// `command`
    Command,
    /// `pgbackrest`
    PgBackRest,
}

/// A snapshot command of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotCommand {
    /// Takes the snapshot.
    pub create: Template,
    /// Says whether it is there and whole; without one nobody has looked.
    pub verify: Option<Template>,
    /// Brings it back; only ever shown.
    pub restore: Option<Template>,
    /// How long `create` may take, and how long `verify`.
    pub timeout: Duration,
}

/// Where pgBackRest keeps the backups of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBackRest {
    /// The words that run it, such as `docker exec -i db pgbackrest`.
    pub command: Vec<String>,
    /// The stanza.
    pub stanza: String,
    /// Its configuration file, where it is not pgBackRest's default.
    pub config: Option<String>,
    /// How long each call may take.
    pub timeout: Duration,
    /// How old the last backup may be before that is said.
    pub rpo: Option<Duration>,
}

/// What a snapshot command is told; each stands for one text, inside one word of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `{id}`
    Id,
    /// `{database}`
    Database,
    /// `{host}`
    Host,
    /// `{port}`
    Port,
    /// `{user}`
    User,
    /// `{reference}`: what `create` said that the snapshot is called.
    Reference,
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Self; 6] =
        [Self::Id, Self::Database, Self::Host, Self::Port, Self::User, Self::Reference];

    /// Its name between the braces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Database => "database",
            Self::Host => "host",
            Self::Port => "port",
            Self::User => "user",
            Self::Reference => "reference",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|placeholder| placeholder.name() == name)
    }
}

/// The words of a command line with placeholders in them.
///
/// No shell reads them: the words are taken apart first and filled in afterwards, so that what is
/// filled in stays inside its word whatever characters it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    words: Vec<String>,
}

impl Template {
    /// Reads the words; what looks like a placeholder and is none is refused, because a misspelled
    /// one would name the wrong thing. What stands in two braces is somebody else's template.
    pub fn new(words: Vec<String>, knows_reference: bool) -> Result<Self, String> {
        for word in &words {
            for name in parts(word).filter_map(Part::name) {
                let known = Placeholder::named(name);
                let known = known.filter(|it| knows_reference || *it != Placeholder::Reference);
                if known.is_none() {
                    let known = Placeholder::ALL.into_iter();
                    let known = known.filter(|it| knows_reference || *it != Placeholder::Reference);
                    let known: Vec<String> = known.map(|it| format!("{{{}}}", it.name())).collect();
                    return Err(format!("`{{{name}}}` is none of {}", known.join(", ")));
                }
            }
        }
        Ok(Self { words })
    }

    /// The words as they were written.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The words with every placeholder filled in.
    pub fn fill(&self, value: impl Fn(Placeholder) -> String) -> Vec<String> {
        let fill = |word: &String| {
            let filled = parts(word).map(|part| match part {
                Part::Text(text) => text.to_owned(),
                Part::Name(name) => Placeholder::named(name).map_or_else(String::new, &value),
            });
            filled.collect()
        };
        self.words.iter().map(fill).collect()
    }
}

/// A piece of a word.
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl<'a> Part<'a> {
    fn name(self) -> Option<&'a str> {
        match self {
            Self::Text(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// A word as texts and names in braces, in order.
fn parts(word: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (text, after) = rest.split_at(next_brace(rest).unwrap_or(rest.len()));
        if !text.is_empty() {
            rest = after;
            return Some(Part::Text(text));
        }
        let end = after.find('}').expect("a name is found with its closing brace");
        rest = &after[end + 1..];
        Some(Part::Name(&after[1..end]))
    })
}

/// Where the next `{name}` begins.
fn next_brace(text: &str) -> Option<usize> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    starts.into_iter().find(|&at| {
        let is_doubled = text[..at].ends_with('{') || text[at + 1..].starts_with('{');
        let name = text[at + 1..].split_once('}').map_or("", |(name, _)| name);
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        };
        !is_doubled && is_name(name)
    })
}

#[cfg(test)]
mod tests {
    use super::{Placeholder, Template};

    fn template(words: &[&str]) -> Result<Template, String> {
        Template::new(words.iter().map(|word| (*word).to_owned()).collect(), true)
    }

    fn filled(words: &[&str]) -> Vec<String> {
        let value = |it: Placeholder| match it {
            Placeholder::Database => "a b; '$(rm)' {id}".to_owned(),
            other => other.name().to_uppercase(),
        };
        template(words).unwrap().fill(value)
    }

    #[test]
    fn what_is_filled_in_stays_in_its_word() {
        assert_eq!(
            filled(&["take", "rowsafe-{id}-{port}", "{database}", "{host}{user}", "é{reference}é"]),
            ["take", "rowsafe-ID-PORT", "a b; '$(rm)' {id}", "HOSTUSER", "éREFERENCEé"]
        );
    }

    #[test]
    fn braces_of_others_stay() {
        let words = ["{{json .}}", "{{id}}", "Foo[].{a:b}", "{}", "{", "x{", "{1}", "{i d}"];
        assert_eq!(filled(&words), words);
    }

    #[test]
    fn a_misspelled_placeholder_is_refused() {
        let why = template(&["a", "b-{Id}"]).unwrap_err();
        let known = "{id}, {database}, {host}, {port}, {user}, {reference}";
        assert_eq!(why, format!("`{{Id}}` is none of {known}"));
        assert!(template(&["{password}"]).is_err());
        // What the snapshot is called is known only once it was taken.
        let words = || vec!["{reference}".to_owned()];
        assert!(Template::new(words(), false).is_err());
        assert!(Template::new(words(), true).is_ok());
    }
}
