//! What the project says of its tables and databases: how few rows are too few, which rows others
//! write too, which databases need more care.

use std::fmt;

use crate::text::QualifiedName;
use crate::text::glob;

/// A part of a whole, in hundredths of a percent, so that it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Of this many hundredths of a percent; more than all of it is no share.
    pub const fn of_hundredths(hundredths: u32) -> Option<Self> {
        if hundredths <= 10_000 { Some(Self(hundredths)) } else { None }
    }

    /// The whole rows or bytes that this is of `number`, rounded down.
    pub fn of(self, number: u64) -> u64 {
        let part = u128::from(number) * u128::from(self.0) / 10_000;
        u64::try_from(part).expect("a share is no more than the whole")
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match (hundredths, hundredths % 10) {
            (0, _) => write!(formatter, "{whole}%"),
            (_, 0) => write!(formatter, "{whole}.{}%", hundredths / 10),
            _ => write!(formatter, "{whole}.{hundredths:02}%"),
        }
    }
}

/// What is said of a table, or of those that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableRule {
    /// Fewer rows than this are too few.
    pub min_rows: Option<u64>,
    /// More of the rows than this may not go.
    pub max_shrink: Option<Share>,
    /// Others write its rows while a migration runs.
    pub is_volatile: Option<bool>,
}

impl TableRule {
    /// Others write its rows while a migration runs.
    pub fn is_volatile(&self) -> bool {
        self.is_volatile.unwrap_or_default()
    }

    /// It says how many rows there have to be.
    pub fn has_threshold(&self) -> bool {
        self.min_rows.is_some() || self.max_shrink.is_some()
    }
}

/// `[tables]` of the configuration: patterns and what they say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableRules(Vec<(String, TableRule)>);

impl TableRules {
    /// The rules as they are written; the most specific pattern goes first, whatever their order.
    pub fn new(rules: impl IntoIterator<Item = (String, TableRule)>) -> Self {
        let mut rules: Vec<_> = rules.into_iter().collect();
        rules.sort_by_cached_key(|(pattern, _)| {
            (pattern.contains('*'), std::cmp::Reverse(pattern.len()), pattern.clone())
        });
        Self(rules)
    }

    /// What holds for this table: each word from the most specific pattern that says it.
    pub fn for_table(&self, table: &QualifiedName) -> TableRule {
        let mut found = TableRule::default();
        for (_, rule) in self.0.iter().filter(|(pattern, _)| covers(pattern, table)) {
            found.min_rows = found.min_rows.or(rule.min_rows);
            found.max_shrink = found.max_shrink.or(rule.max_shrink);
            found.is_volatile = found.is_volatile.or(rule.is_volatile);
        }
        found
    }

    /// The tables that are spoken of by their own name, not by a pattern.
    pub fn named(&self) -> impl Iterator<Item = (QualifiedName, &TableRule)> {
        let exact = self.0.iter().filter(|(pattern, _)| !pattern.contains('*'));
        exact.map(|(pattern, rule)| {
            let plain = pattern.replace('"', "");
            let (schema, name) = plain.split_once('.').unwrap_or(("public", &plain));
            (QualifiedName::new(schema, name), rule)
        })
    }

    /// Every pattern with what it says, the most specific first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TableRule)> {
        self.0.iter().map(|(pattern, rule)| (pattern.as_str(), rule))
    }
}

/// `users` is `public.users`, as in allowances, and never `app.users`.
fn covers(pattern: &str, table: &QualifiedName) -> bool {
    let pattern = pattern.replace('"', "");
    let schema = table.schema.as_deref().unwrap_or("public");
    glob::matches(&pattern, &format!("{schema}.{}", table.name))
        || (schema == "public" && glob::matches(&pattern, &table.name))
}

/// `protected` of the configuration: patterns for the names of databases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protected(pub Vec<String>);

impl Protected {
    /// The pattern that this database's name matches.
    pub fn covers(&self, database: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|pattern| glob::matches(pattern, database))
    }
}

#[cfg(test)]
mod tests {
    use super::{Protected, Share, TableRule, TableRules};
    use crate::text::QualifiedName;

    #[test]
    fn a_share_is_exact_and_reads_as_it_is_written() {
        let share = |hundredths| Share::of_hundredths(hundredths).unwrap();
        assert_eq!(share(500).of(11_204), 560);
        assert_eq!(share(1).of(9_999), 0);
        assert_eq!(share(10_000).of(u64::MAX), u64::MAX);
        assert_eq!(Share::of_hundredths(10_001), None);
        let shown = [500, 1250, 1205].map(|hundredths| share(hundredths).to_string());
        assert_eq!(shown, ["5%", "12.5%", "12.05%"]);
    }

    #[test]
    fn each_word_comes_from_the_most_specific_pattern() {
        let few = |min_rows| TableRule { min_rows: Some(min_rows), ..TableRule::default() };
        let volatile = TableRule { is_volatile: Some(true), ..TableRule::default() };
        let rules = TableRules::new([
            ("*".to_owned(), few(1)),
            ("public.log_*".to_owned(), volatile),
            ("users".to_owned(), few(10)),
        ]);
        let rule = |schema, name| rules.for_table(&QualifiedName::new(schema, name));
        assert_eq!(rule("public", "users").min_rows, Some(10));
        assert_eq!(rule("app", "users").min_rows, Some(1), "`users` is no other schema's");
        assert!(rule("public", "log_day").is_volatile());
        assert_eq!(rule("public", "log_day").min_rows, Some(1));
        assert!(!rule("public", "users").is_volatile());
        let named: Vec<_> = rules.named().map(|(name, _)| name.to_string()).collect();
        assert_eq!(named, ["public.users"]);
    }

    #[test]
    fn a_database_is_protected_by_its_name() {
        let protected = Protected(vec!["*prod*".to_owned(), "main".to_owned()]);
        assert_eq!(protected.covers("app_prod"), Some("*prod*"));
        assert_eq!(protected.covers("main"), Some("main"));
        assert_eq!(protected.covers("maintenance"), None);
    }
}
