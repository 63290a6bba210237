//! Statements that the server remembers: which of them destroy, and their text without values.

use super::Remembered;
use crate::finding::Severity;
use crate::rules;
use crate::script::{Origin, Script};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::text::QualifiedName;

/// More of a statement than this is not repeated.
const LONGEST: usize = 300;

/// What a statement destroys, if it destroys anything; one for each table.
pub fn remembered(text: &str, calls: u64, rows: u64, role: Option<&str>) -> Vec<Remembered> {
    let origin = Origin { label: "pg_stat_statements".to_owned(), ..Origin::default() };
    let script = Script::known(origin, text.to_owned());
    let readings = [rules::read(&script)];
    let findings = rules::findings(&readings);
    let destroys = findings.into_iter().filter(|finding| {
        finding.severity > Severity::Note || matches!(finding.rule, "delete" | "update-overwrite")
    });
    let told = destroys.filter(|finding| DESTROYING.contains(&finding.rule)).map(|finding| {
        let object = &finding.object;
        let table = object.table.clone().unwrap_or_else(|| object.name.clone());
        Remembered {
            text: without_values(text),
            rule: finding.rule,
            table: Some(QualifiedName { schema: object.schema.clone(), name: table }),
            calls,
            rows,
            role: role.map(str::to_owned),
        }
    });
    told.collect()
}

/// The rules that say of a single statement that rows or values go.
const DESTROYING: [&str; 10] = [
    "drop-table",
    "drop-schema",
    "drop-column",
    "drop-type",
    "truncate",
    "delete-all",
    "delete",
    "delete-cascade",
    "update-all",
    "merge-delete",
];

/// The text in one line, every constant in it left out: those of DDL and of `DO` are no parameters.
pub fn without_values(text: &str) -> String {
    let mut out = String::new();
    for token in Lexer::new(text) {
        let word = &text[token.span.start..token.span.end];
        match token.kind {
            TokenKind::Space | TokenKind::Comment => {
                if !out.ends_with(' ') && !out.is_empty() {
                    out.push(' ');
                }
            }
            TokenKind::String(_) | TokenKind::Number | TokenKind::Bad(_) => out.push('…'),
            _ => out.push_str(word),
        }
    }
    let out = out.trim_end();
    if out.len() <= LONGEST {
        return out.to_owned();
    }
    format!("{} …", &out[..out.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests {
    use super::{remembered, without_values};

    #[test]
    fn what_destroys_is_told_from_what_does_not() {
        let rules = |text: &str| -> Vec<(&str, String)> {
            let told = remembered(text, 1, 2, None).into_iter();
            told.map(|statement| (statement.rule, statement.table.unwrap().to_string())).collect()
        };
        assert_eq!(rules("TRUNCATE app.users"), [("truncate", "app.users".to_owned())]);
        assert_eq!(rules("DELETE FROM users"), [("delete-all", "users".to_owned())]);
        assert_eq!(rules("DELETE FROM users WHERE id = $1"), [("delete", "users".to_owned())]);
        assert_eq!(rules("DROP TABLE users CASCADE"), [("drop-table", "users".to_owned())]);
        assert_eq!(rules("UPDATE users SET a = $1"), [("update-all", "users".to_owned())]);
        assert_eq!(rules("SELECT 'delete from users'"), []);
        assert_eq!(rules("INSERT INTO users VALUES ($1)"), []);
        assert_eq!(rules("<insufficient privilege>"), []);
    }

    #[test]
    fn no_value_is_in_the_text() {
        let text = "ALTER TABLE t -- secret\n ALTER a SET DEFAULT 'se''cret', ADD CHECK (b > 4711)";
        assert_eq!(without_values(text), "ALTER TABLE t ALTER a SET DEFAULT …, ADD CHECK (b > …)");
        assert_eq!(without_values("DO $x$ DELETE FROM t WHERE a = 'secret' $x$"), "DO …");
        assert_eq!(
            without_values("DELETE FROM t WHERE a = 'unclosed secret"),
            "DELETE FROM t WHERE a = …"
        );
        assert!(without_values(&"ä, ".repeat(900)).ends_with(" …"));
    }
}
