//! How a story is told to people and programs. Reports read a `Record` and nothing else.

mod checks;
mod facts;
mod findings;
mod github;
mod gitlab;
pub mod human;
pub mod incident;
mod json;
mod junit;
pub mod model;
mod planned;
pub mod prometheus;
pub mod reference;
pub mod restoring;
mod sarif;
mod shelf;
mod shelf_model;
mod source;

use std::str::FromStr;

use crate::record::Record;

/// How a report is written. It never changes how a command exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a person.
    #[default]
    Human,
    /// `rowsafe.report/1`.
    Json,
    /// SARIF 2.1.0, which code scanning reads.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// GitLab's code quality.
    Gitlab,
    /// JUnit's XML, which every CI shows.
    Junit,
}

impl Format {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Human, Self::Json, Self::Sarif, Self::Github, Self::Gitlab, Self::Junit];

    /// Their names, in the same order.
    pub fn names() -> [&'static str; 6] {
        Self::ALL.map(Self::name)
    }

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known
            .ok_or_else(|| format!("`{text}` is no format; there are {}", Self::names().join(", ")))
    }
}

/// The report, with the last line's end; without color, as for a file.
pub fn render(format: Format, record: &Record) -> String {
    match format {
        Format::Human => anstream::adapter::strip_str(&human::report(record)).to_string(),
        Format::Json => json::render(record),
        Format::Sarif => sarif::render(record),
        Format::Github => github::render(record),
        Format::Gitlab => gitlab::render(record),
        Format::Junit => junit::render(record),
    }
}
