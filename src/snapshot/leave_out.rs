//! Tables whose rows stay out of a dump, said in pg_dump's patterns.
//!
//! A pattern is a regular expression in which `"…"` makes everything literal, as in psql
//! (PostgreSQL, psql, Patterns); `|` and parentheses outside the quotes keep their meaning. One
//! pattern names many tables, because pg_dump asks the server once for each.

use std::collections::BTreeMap;

use crate::text::QualifiedName;
use crate::text::name::quote;

/// A pattern stays below this many bytes, so that the server's regular expressions stay small.
const LONGEST_PATTERN: usize = 4 * 1024;

/// All patterns together: Linux takes 2 MB of arguments and environment where the stack may grow to
/// 8 MB, and less where it may not.
const LONGEST_LIST: usize = 512 * 1024;

/// pg_dump's options that leave out the rows of these tables; `None` where there are too many to
/// name.
pub fn options(tables: &[QualifiedName]) -> Option<Vec<String>> {
    let mut by_schema: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for table in tables {
        let schema = table.schema.as_deref().unwrap_or("public");
        by_schema.entry(schema).or_default().push(quote(&table.name));
    }
    let mut options = Vec::new();
    for (schema, names) in by_schema {
        let mut pattern = String::new();
        for name in names {
            if !pattern.is_empty() && pattern.len() + name.len() > LONGEST_PATTERN {
                options.push(option(schema, &std::mem::take(&mut pattern)));
            }
            if !pattern.is_empty() {
                pattern.push('|');
            }
            pattern.push_str(&name);
        }
        options.push(option(schema, &pattern));
    }
    // Each argument ends with a NUL and is pointed at.
    let length: usize = options.iter().map(|option| option.len() + 9).sum();
    (length <= LONGEST_LIST).then_some(options)
}

fn option(schema: &str, names: &str) -> String {
    format!("--exclude-table-data={}.({names})", quote(schema))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_LIST, LONGEST_PATTERN, options};
    use crate::text::QualifiedName;

    #[test]
    fn one_pattern_names_the_tables_of_a_schema_literally() {
        let tables = [
            QualifiedName::new("app", "users"),
            QualifiedName::new("app", "a.b|c\"d"),
            QualifiedName::new("My App", "x*"),
        ];
        assert_eq!(
            options(&tables).unwrap(),
            [
                "--exclude-table-data=\"My App\".(\"x*\")",
                "--exclude-table-data=\"app\".(\"users\"|\"a.b|c\"\"d\")",
            ]
        );
        assert_eq!(options(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn many_tables_are_several_patterns_and_too_many_none() {
        let tables = |n: usize| -> Vec<QualifiedName> {
            (0..n).map(|n| QualifiedName::new("public", format!("table_{n:05}"))).collect()
        };
        let several = options(&tables(3_000)).unwrap();
        assert!(several.len() > 5, "{}", several.len());
        assert!(several.iter().all(|option| option.len() < LONGEST_PATTERN + 100));
        let named: usize = several.iter().map(|option| option.matches("table_").count()).sum();
        assert_eq!(named, 3_000);
        assert_eq!(options(&tables(LONGEST_LIST / 10)), None);
    }
}
