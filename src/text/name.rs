//! Names of database objects, and the one function that quotes them.

use std::fmt;

/// A name as the catalogue holds it, with or without its schema.
///
/// Both parts are already folded and unquoted: `"Users"` is held as `Users`, `Users` as `users`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// The schema, when it was written or is known.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
}

impl QualifiedName {
    /// A name within `schema`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// A name whose schema was not written.
    pub fn bare(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// The name for SQL text, every part quoted.
    pub fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }

    /// The name for a statement that a person pastes, quoted where it must be.
    pub fn pasted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", pasted(schema), pasted(&self.name)),
            None => pasted(&self.name),
        }
    }

    /// The name without `public`, as people say it.
    pub fn short(&self) -> String {
        match self.schema.as_deref() {
            None | Some("public") => quote_if_needed(&self.name),
            Some(schema) => format!("{}.{}", quote_if_needed(schema), quote_if_needed(&self.name)),
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(formatter, "{}.", quote_if_needed(schema))?;
        }
        formatter.write_str(&quote_if_needed(&self.name))
    }
}

/// The identifier in double quotes, inner quotes doubled (PostgreSQL 4.1.1, Identifiers).
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The literal in single quotes, safe whatever `standard_conforming_strings` is.
pub fn quote_literal(value: &str) -> String {
    let escaped = value.replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}

/// Words that name nothing unless they are quoted (pg_get_keywords(), reserved).
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric authorization binary \
    both case cast check collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp \
    current_user default deferrable desc distinct do else end except false fetch for foreign freeze \
    from full grant group having ilike in initially inner intersect into is isnull join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or \
    order outer overlaps placing primary references returning right select session_user similar \
    some symmetric table tablesample then to trailing true union unique user using variadic verbose \
    when where window with ";

/// Quoted where the bare word would mean something else, ready to be pasted into a statement.
pub fn pasted(identifier: &str) -> String {
    let is_word = identifier.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word && RESERVED.contains(&format!(" {identifier} ")) {
        quote(identifier)
    } else {
        quote_if_needed(identifier)
    }
}

/// Quoted only where PostgreSQL would fold or refuse the bare word; for people, not for SQL.
pub fn quote_if_needed(identifier: &str) -> String {
    let mut characters = identifier.chars();
    let is_plain = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if is_plain { identifier.to_owned() } else { quote(identifier) }
}

#[cfg(test)]
mod tests {
    use super::{QualifiedName, pasted, quote_literal};

    #[test]
    fn names_are_quoted_for_sql_and_plain_for_people() {
        let name = QualifiedName::new("public", "Odd \"one\"");
        assert_eq!(name.sql(), r#""public"."Odd ""one""""#);
        assert_eq!(name.short(), r#""Odd ""one""""#);
        assert_eq!(QualifiedName::new("app", "users").to_string(), "app.users");
    }

    #[test]
    fn reserved_words_are_quoted_where_they_are_pasted() {
        assert_eq!(pasted("order"), "\"order\"");
        assert_eq!(pasted("current_user"), "\"current_user\"");
        assert_eq!(pasted("orders"), "orders");
        assert_eq!(pasted("type"), "type");
        assert_eq!(QualifiedName::new("app", "User").pasted(), "app.\"User\"");
        assert_eq!(QualifiedName::bare("user").pasted(), "\"user\"");
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'b"), r"E'a\\''b'");
    }
}
