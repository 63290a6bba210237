//! `DROP FUNCTION … CASCADE` and its like: what is dropped holds no rows, but columns may be
//! computed by it, and go along.

use super::Effect;
use super::tokens::Tokens;
use crate::text::QualifiedName;

/// What columns and tables can depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// A function, procedure or aggregate.
    Function,
    /// An operator.
    Operator,
    /// An operator class.
    OperatorClass,
    /// An operator family.
    OperatorFamily,
    /// A collation, which columns have as they have a type.
    Collation,
    /// A sequence.
    Sequence,
    /// A view.
    View,
    /// A configuration of text search.
    TextConfiguration,
    /// A dictionary of text search.
    TextDictionary,
    /// A language.
    Language,
    /// A server of foreign tables.
    Server,
    /// A wrapper of foreign servers.
    Wrapper,
}

impl Used {
    /// Its word in a DROP.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Function => "FUNCTION",
            Self::Operator => "OPERATOR",
            Self::OperatorClass => "OPERATOR CLASS",
            Self::OperatorFamily => "OPERATOR FAMILY",
            Self::Collation => "COLLATION",
            Self::Sequence => "SEQUENCE",
            Self::View => "VIEW",
            Self::TextConfiguration => "TEXT SEARCH CONFIGURATION",
            Self::TextDictionary => "TEXT SEARCH DICTIONARY",
            Self::Language => "LANGUAGE",
            Self::Server => "SERVER",
            Self::Wrapper => "FOREIGN DATA WRAPPER",
        }
    }
}

const HEADS: [(&[&str], Used); 15] = [
    (&["function"], Used::Function),
    (&["procedure"], Used::Function),
    (&["routine"], Used::Function),
    (&["aggregate"], Used::Function),
    (&["operator", "class"], Used::OperatorClass),
    (&["operator", "family"], Used::OperatorFamily),
    (&["operator"], Used::Operator),
    (&["collation"], Used::Collation),
    (&["sequence"], Used::Sequence),
    (&["view"], Used::View),
    (&["text", "search", "configuration"], Used::TextConfiguration),
    (&["text", "search", "dictionary"], Used::TextDictionary),
    (&["language"], Used::Language),
    (&["server"], Used::Server),
    (&["foreign", "data", "wrapper"], Used::Wrapper),
];

/// Reads what follows DROP, where it is one of these and cascades.
pub(super) fn dropped(tokens: &Tokens<'_>) -> Option<Vec<Effect>> {
    let mut tokens = tokens.clone();
    tokens.eat(&["procedural"]);
    let (_, what) = HEADS.iter().find(|(words, _)| tokens.eat(words))?;
    let cascades = tokens.clone().find(&["cascade"]);
    if !cascades {
        return None;
    }
    tokens.eat(&["if", "exists"]);
    let each = |tokens: &mut Tokens<'_>| {
        let name = if *what == Used::Operator { operator(tokens) } else { tokens.qualified() };
        let start = tokens.clone();
        let arguments = tokens.eat_group().then(|| arguments(start.up_to_tokens(tokens)));
        if tokens.eat(&["using"]) {
            tokens.skip();
        }
        Some(Effect::DropUsed { what: *what, name: name?, arguments: arguments.flatten() })
    };
    let effects = tokens.list(each)?;
    (tokens.cascade() && tokens.is_done()).then_some(effects)
}

/// `s.+`, `||`: the symbols up to the parenthesis.
fn operator(tokens: &mut Tokens<'_>) -> Option<QualifiedName> {
    let mut schema = None;
    if tokens.is_symbol(1, b'.') {
        schema = Some(tokens.name()?);
        tokens.skip();
    }
    let mut name = String::new();
    while !tokens.is_symbol(0, b'(') && !tokens.is_done() {
        name.push_str(tokens.text(0));
        tokens.skip();
    }
    (!name.is_empty()).then_some(QualifiedName { schema, name })
}

/// The arguments of a list; unknown, where they can't be told apart.
fn arguments(group: Tokens<'_>) -> Option<Vec<String>> {
    let arguments = group.inside()?.split_at_commas();
    let is_plain = !arguments.iter().any(|it| it.mentions("out") || it.text(0) == "*");
    let written = arguments.iter().map(|argument| argument.rest().to_owned());
    is_plain.then(|| written.filter(|it| !it.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use crate::effect::{Effect, read};

    fn check(sql: &str) -> String {
        let effects: Vec<Effect> = crate::sql::split(sql).iter().flat_map(read).collect();
        let said = effects.iter().map(|effect| match effect {
            Effect::DropUsed { what, name, arguments } => {
                let arguments =
                    arguments.as_ref().map_or_else(|| "?".to_owned(), |list| list.join("+"));
                format!("{} {}/{arguments}", what.word(), name.short())
            }
            other => format!("{other:?}"),
        });
        said.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_dropped_with_cascade_is_named() {
        for (sql, said) in [
            (
                "DROP FUNCTION IF EXISTS app.f(int, text), g CASCADE",
                "FUNCTION app.f/int+text, FUNCTION g/?",
            ),
            ("DROP PROCEDURE p() CASCADE", "FUNCTION p/"),
            ("DROP FUNCTION f(numeric(4), int) CASCADE", "FUNCTION f/numeric(4)+int"),
            ("DROP OPERATOR app.||+ (int, int) CASCADE", "OPERATOR app.\"||+\"/int+int"),
            ("DROP OPERATOR CLASS c USING btree CASCADE", "OPERATOR CLASS c/?"),
            ("DROP COLLATION app.german CASCADE", "COLLATION app.german/?"),
            ("DROP TEXT SEARCH CONFIGURATION c CASCADE", "TEXT SEARCH CONFIGURATION c/?"),
            ("DROP SEQUENCE s CASCADE; DROP VIEW v CASCADE", "SEQUENCE s/?, VIEW v/?"),
            ("DROP FUNCTION f(int); DROP VIEW v RESTRICT; DROP COLLATION c", ""),
        ] {
            assert_eq!(check(sql), said, "{sql}");
        }
    }
}
