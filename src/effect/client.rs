//! psql's meta-commands: which of them can change data or read other files.

use super::Effect;
use super::tokens::Tokens;
use crate::sql::{Statement, StatementKind};
use crate::text::{Position, Span};

/// Commands that show, format or remember something, and nothing else.
const HARMLESS: [&str; 47] = [
    "a",
    "bind",
    "C",
    "cd",
    "conninfo",
    "crosstabview",
    "echo",
    "elif",
    "else",
    "encoding",
    "endif",
    "errverbose",
    "f",
    "g",
    "gdesc",
    "getenv",
    "gset",
    "gx",
    "H",
    "h",
    "help",
    "html",
    "if",
    "l",
    "lo_export",
    "lo_import",
    "lo_list",
    "o",
    "out",
    "p",
    "prompt",
    "pset",
    "q",
    "qecho",
    "quit",
    "r",
    "restrict",
    "s",
    "set",
    "setenv",
    "t",
    "T",
    "timing",
    "unrestrict",
    "unset",
    "warn",
    "x",
];

/// Words that make the value of a variable a statement.
const STATEMENTS: [&str; 10] =
    ["drop", "truncate", "delete", "update", "merge", "alter", "insert", "execute", "call", "do"];

/// Reads a meta-command.
pub(super) fn read(text: &str) -> Vec<Effect> {
    let command = text.trim_start_matches('\\');
    let name: &str = command.split(|c: char| c.is_whitespace() || c == '\\').next().unwrap_or("");
    let arguments = command[name.len()..].trim();
    // `\g |program` and `\o |program` hand the result to a shell; backquotes run one too.
    let runs_a_shell = arguments.starts_with('|') || arguments.contains('`');
    let unknown = || vec![Effect::ClientCommand { command: text.trim().to_owned() }];
    if runs_a_shell {
        return unknown();
    }
    match name {
        "copy" => copy(arguments).unwrap_or_else(unknown),
        "lo_unlink" => vec![Effect::UnlinkLargeObject { call: name.to_owned() }],
        // What a variable holds may be run wherever its name stands.
        "set" if has_statement(arguments) => unknown(),
        "?" | "z" | "sf" | "sv" | "sf+" | "sv+" | "l+" => Vec::new(),
        // `\d…` and friends describe.
        _ if HARMLESS.contains(&name) || name.starts_with('d') => Vec::new(),
        _ => unknown(),
    }
}

fn has_statement(value: &str) -> bool {
    value
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| STATEMENTS.iter().any(|statement| word.eq_ignore_ascii_case(statement)))
}

/// `\copy` reads or adds rows; a query in it may do anything. `None` where a program runs, or where
/// the data stand in the script itself.
fn copy(arguments: &str) -> Option<Vec<Effect>> {
    let (query, rest) = match arguments.strip_prefix('(') {
        Some(_) => {
            let end = closing(arguments)?;
            (Some(&arguments[..end]), &arguments[end..])
        }
        None => (None, arguments),
    };
    let words: Vec<String> = rest.split_whitespace().map(str::to_ascii_lowercase).collect();
    let is_direction = |word: &String| matches!(word.as_str(), "from" | "to");
    // The first word is the table's name, unless there is a query.
    let named = usize::from(query.is_none());
    let at = named + words.iter().skip(named).position(is_direction)?;
    words.get(at + 1)?;
    let is_out_of_sight = |pair: &[String]| {
        is_direction(&pair[0]) && pair[1] == "program"
            || pair[0] == "from" && matches!(pair[1].as_str(), "stdin" | "pstdin")
    };
    if words.windows(2).any(is_out_of_sight) {
        return None;
    }
    let Some(query) = query else {
        let table = Tokens::new(rest).qualified().filter(|_| words[at] == "from");
        return Some(table.map(|table| Effect::Insert { table }).into_iter().collect());
    };
    Some(super::read(&Statement {
        text: format!("COPY {query} TO STDOUT"),
        span: Span::default(),
        position: Position { line: 1, column: 1 },
        kind: StatementKind::Sql,
        allows: Vec::new(),
    }))
}

/// One past the parenthesis that closes the first; `None` where a quote makes that unsure.
fn closing(text: &str) -> Option<usize> {
    use crate::sql::lexer::{Lexer, TokenKind};

    let mut depth = 0_usize;
    for token in Lexer::new(text) {
        match token.kind {
            TokenKind::Symbol(b'(') => depth += 1,
            TokenKind::Symbol(b')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(token.span.end);
                }
            }
            TokenKind::Bad(_) => return None,
            _ => {}
        }
    }
    None
}
