//! What a table's definition in the archive says of single columns.

use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::text::name::quote;

/// A column's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name, type, collation, default, but no NOT NULL: there is no value yet.
    pub sql: String,
    /// Whether it refuses NULL.
    pub is_not_null: bool,
    /// Whether it is computed from others.
    pub is_generated: bool,
}

/// A constraint in a table's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// `CONSTRAINT name CHECK (…)`.
    pub sql: String,
}

/// The definition of a column in `CREATE TABLE …`, as pg_dump writes it.
pub fn column(create_table: &str, name: &str) -> Option<Column> {
    let element = elements(create_table).into_iter().find(|element| {
        first(element).is_some_and(|(text, kind)| is_name(text, kind, name))
            && constraint(element).is_none()
    })?;
    let tokens = top_level(element);
    let mut kept = element.to_owned();
    let mut is_not_null = false;
    if let Some((start, end)) = not_null(element, &tokens) {
        is_not_null = true;
        kept.replace_range(start..end, "");
    }
    let is_generated = tokens
        .windows(2)
        .any(|pair| word(element, &pair[0]) == "GENERATED" && word(element, &pair[1]) == "ALWAYS");
    Some(Column { sql: kept.trim().to_owned(), is_not_null, is_generated })
}

/// The constraints in `CREATE TABLE …`.
pub fn constraints(create_table: &str) -> Vec<Constraint> {
    elements(create_table).into_iter().filter_map(constraint).collect()
}

/// Whether statements name a column, or anything else of that name.
pub fn mentions(sql: &str, name: &str) -> bool {
    Lexer::new(sql).any(|token| is_name(&sql[token.span.start..token.span.end], token.kind, name))
}

fn is_name(text: &str, kind: TokenKind, name: &str) -> bool {
    match kind {
        TokenKind::Word => text == name,
        TokenKind::QuotedName => text == quote(name),
        _ => false,
    }
}

fn constraint(element: &str) -> Option<Constraint> {
    let tokens: Vec<Token> = Lexer::new(element).filter(Token::is_significant).collect();
    let (first, second) = (tokens.first()?, tokens.get(1)?);
    if first.kind != TokenKind::Word || word(element, first) != "CONSTRAINT" {
        return None;
    }
    let name = word(element, second);
    let name = match second.kind {
        TokenKind::QuotedName => name.trim_matches('"').replace("\"\"", "\""),
        _ => name.to_owned(),
    };
    Some(Constraint { name, sql: element.trim().to_owned() })
}

fn first(element: &str) -> Option<(&str, TokenKind)> {
    let token = Lexer::new(element).find(Token::is_significant)?;
    Some((&element[token.span.start..token.span.end], token.kind))
}

fn word<'t>(text: &'t str, token: &Token) -> &'t str {
    &text[token.span.start..token.span.end]
}

/// What stands between the parentheses of `CREATE TABLE name (…)`, part by part.
fn elements(create_table: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for token in Lexer::new(create_table) {
        match token.kind {
            TokenKind::Symbol(b'(' | b'[') => {
                depth += 1;
                if depth == 1 {
                    start = token.span.end;
                }
            }
            TokenKind::Symbol(b')' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    elements.push(&create_table[start..token.span.start]);
                    return elements;
                }
            }
            TokenKind::Symbol(b',') if depth == 1 => {
                elements.push(&create_table[start..token.span.start]);
                start = token.span.end;
            }
            _ => {}
        }
    }
    elements
}

/// The tokens that stand in no parentheses.
fn top_level(element: &str) -> Vec<Token> {
    let mut depth = 0_usize;
    let mut tokens = Vec::new();
    for token in Lexer::new(element).filter(Token::is_significant) {
        match token.kind {
            TokenKind::Symbol(b'(' | b'[') => depth += 1,
            TokenKind::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
            _ if depth == 0 => tokens.push(token),
            _ => {}
        }
    }
    tokens
}

/// Where `NOT NULL` stands, with the name that version 18 gives it.
fn not_null(element: &str, tokens: &[Token]) -> Option<(usize, usize)> {
    let is =
        |token: &Token, text: &str| token.kind == TokenKind::Word && word(element, token) == text;
    let at = tokens.windows(2).position(|pair| is(&pair[0], "NOT") && is(&pair[1], "NULL"))?;
    let is_named = at >= 2 && is(&tokens[at - 2], "CONSTRAINT");
    let start = tokens[if is_named { at - 2 } else { at }].span.start;
    let inherits = tokens.get(at + 2).is_some_and(|token| is(token, "NO"));
    let last = if inherits { at + 3 } else { at + 1 };
    Some((start, tokens.get(last)?.span.end))
}

#[cfg(test)]
mod tests {
    use super::{column, constraints, mentions};

    const TABLE: &str = "CREATE TABLE m.p (\n    id integer NOT NULL,\n    s m.st DEFAULT 'b,c'::m.st NOT NULL,\n\
    \x20   g integer GENERATED ALWAYS AS (((q)::integer + 1)) STORED,\n    \"Odd, (x)\" text DEFAULT E'a\\'\\n,b'::text COLLATE pg_catalog.\"C\",\n\
    \x20   n integer DEFAULT ((1 IS NOT NULL))::integer CONSTRAINT named NOT NULL NO INHERIT,\n\
    \x20   tags text[] DEFAULT ARRAY['a'::text, 'b'::text],\n    CONSTRAINT p_h_check CHECK ((h > 0))\n);\n\nALTER TABLE m.p OWNER TO app;";

    #[test]
    fn a_column_is_found_with_all_that_stands_in_its_definition() {
        let sql = |name: &str| column(TABLE, name).expect("it is there").sql;
        assert_eq!(sql("id"), "id integer");
        assert_eq!(sql("s"), "s m.st DEFAULT 'b,c'::m.st");
        assert_eq!(sql("n"), "n integer DEFAULT ((1 IS NOT NULL))::integer");
        assert_eq!(sql("tags"), "tags text[] DEFAULT ARRAY['a'::text, 'b'::text]");
        assert!(sql("Odd, (x)").ends_with("COLLATE pg_catalog.\"C\""));
        assert!(column(TABLE, "s").is_some_and(|column| column.is_not_null));
        assert!(column(TABLE, "n").is_some_and(|column| column.is_not_null));
        assert!(column(TABLE, "g").is_some_and(|it| it.is_generated && !it.is_not_null));
        assert_eq!(column(TABLE, "h"), None);
    }

    #[test]
    fn constraints_are_told_from_columns() {
        let found = constraints(TABLE);
        assert_eq!((found.len(), found[0].name.as_str()), (1, "p_h_check"));
        assert_eq!(found[0].sql, "CONSTRAINT p_h_check CHECK ((h > 0))");
    }

    #[test]
    fn a_name_is_a_word_of_its_own() {
        assert!(mentions("CREATE INDEX i ON p USING btree (\"Odd, (x)\")", "Odd, (x)"));
        assert!(mentions("CREATE INDEX i ON p USING btree (s)", "s"));
        assert!(!mentions("CREATE INDEX i ON p USING btree (status) WHERE (x = 's')", "s"));
    }
}
