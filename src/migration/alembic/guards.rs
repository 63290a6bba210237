//! Why the SQL that a revision printed offline may not be all that it will do.
//!
//! A search of the function that will run and of the file's own functions that it calls, over
//! tokens, so that comments and strings count for nothing. It errs on the side of doubt.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Direction;
use super::python::{self, Kind, Line, Token};

/// What is known about the function that will run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Why its SQL may be incomplete, a clause each.
    pub doubts: Vec<String>,
    /// Whether its body does nothing (`pass`, a docstring), or does it on other dialects only, so
    /// that no SQL is right.
    pub is_empty: bool,
}

/// Reads what a revision file's `upgrade()` or `downgrade()` does besides printing SQL.
pub(super) fn read(source: &str, direction: Direction) -> Reading {
    let lines = python::lines(source);
    let functions = functions(&lines);
    let name = direction.name();
    let Some(body) = functions.get(name) else {
        return Reading {
            doubts: vec![format!("its `{name}()` is not defined in its file")],
            is_empty: false,
        };
    };
    let is_empty = is_for_other_dialects(body)
        || body.iter().all(|line| {
            let rest = match line.first() {
                Some(first) if first.is_word("return") => &line[1..],
                _ => line,
            };
            rest.iter().all(|token| {
                matches!(token.kind, Kind::Text { .. })
                    || token.is_word("pass")
                    || token.is_word("None")
                    || token.is_symbol('.')
            })
        });
    let foreign = foreign_names(&lines);
    let mut doubts: Vec<String> = Vec::new();
    for function in reachable(name, &functions) {
        let body = &functions[function];
        let found = search(body).into_iter().chain(foreign_calls(body, &foreign));
        for doubt in found.chain(reaches_outside(body, &foreign)) {
            if !doubts.contains(&doubt) {
                doubts.push(doubt);
            }
        }
    }
    Reading { doubts, is_empty }
}

type Body<'a> = Vec<&'a [Token]>;

/// The functions at the top of the module, each with the lines of its body.
fn functions(lines: &[Line]) -> BTreeMap<&str, Body<'_>> {
    let mut functions = BTreeMap::new();
    let mut index = 0;
    while index < lines.len() {
        let tokens = &lines[index].tokens;
        let start = usize::from(tokens[0].is_word("async"));
        index += 1;
        if lines[index - 1].indent != 0 || !tokens.get(start).is_some_and(|t| t.is_word("def")) {
            continue;
        }
        let Some(name) = tokens.get(start + 1).and_then(Token::word) else { continue };
        let mut body: Body<'_> = Vec::new();
        let signature = python::closing(tokens, start + 2);
        let colon = tokens.iter().skip(signature).position(|token| token.is_symbol(':'));
        if let Some(colon) = colon {
            let inline = &tokens[signature + colon + 1..];
            body.extend((!inline.is_empty()).then_some(inline));
        }
        while index < lines.len() && lines[index].indent > 0 {
            body.push(&lines[index].tokens);
            index += 1;
        }
        functions.insert(name, body);
    }
    functions
}

/// The function and every other of the file that it mentions, directly or through others.
fn reachable<'a>(name: &str, functions: &BTreeMap<&'a str, Body<'a>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&str> =
        functions.get_key_value(name).map(|(name, _)| *name).into_iter().collect();
    while let Some(name) = todo.pop() {
        if !found.insert(name) {
            continue;
        }
        for token in functions[name].iter().flat_map(|line| line.iter()) {
            if let Some((called, _)) = token.word().and_then(|word| functions.get_key_value(word)) {
                todo.push(called);
            }
        }
    }
    found
}

const HIDDEN: &str = "rows may be read or changed that offline mode does not show";

/// Names whose mere mention says that the database is read or written beside `op`.
const NAMES: &[(&str, &str)] = &[
    ("is_offline_mode", "it asks whether it runs offline: online it may do something else"),
    ("as_sql", "it asks whether it runs offline: online it may do something else"),
    ("Inspector", "it inspects the database"),
    ("reflect", "it inspects the database"),
    ("autoload_with", "it inspects the database"),
    ("autoload", "it inspects the database"),
    ("has_table", "it inspects the database"),
    ("get_columns", "it inspects the database"),
    ("get_table_names", "it inspects the database"),
    ("Session", "it uses an ORM session"),
    ("sessionmaker", "it uses an ORM session"),
    ("scoped_session", "it uses an ORM session"),
    ("AsyncSession", "it uses an ORM session"),
    ("object_session", "it uses an ORM session"),
    ("run_async", "it runs asynchronous code"),
    ("raw_connection", "it uses the driver's own connection"),
    ("cursor", "it uses the driver's own connection"),
    ("driver_connection", "it uses the driver's own connection"),
    ("exec_driver_sql", "it executes SQL of its own"),
    ("create_engine", "it opens a connection of its own"),
    ("globals", "it chooses what to run at run time"),
    ("getattr", "it chooses what to run at run time"),
    ("exec", "it chooses what to run at run time"),
    ("eval", "it chooses what to run at run time"),
    ("__import__", "it chooses what to run at run time"),
];

/// Methods that read rows back, which nobody can offline.
const METHODS: &[&str] = &[
    "fetchall",
    "fetchone",
    "fetchmany",
    "first",
    "scalar",
    "scalars",
    "scalar_one",
    "mappings",
    "rowcount",
    "query",
    "all",
    "one",
];

fn search(body: &Body<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    let bind_is_harmless = bind_is_harmless(body);
    for line in body {
        for (index, token) in line.iter().enumerate() {
            let Some(word) = token.word() else { continue };
            let is_call = line.get(index + 1).is_some_and(|next| next.is_symbol('('));
            let owner = owner(line, index);
            let is_op = matches!(owner, Some("op" | "context" | "batch_op"));
            if word == "get_bind" {
                if !bind_is_harmless {
                    doubts.push(format!("it calls `op.get_bind()`: {HIDDEN}"));
                }
            } else if word == "inspect" && is_call {
                doubts.push(format!("it inspects the database: {HIDDEN}"));
            } else if word == "execute" && !is_op && owner.is_some() {
                doubts.push(format!("it executes SQL on a connection of its own: {HIDDEN}"));
            } else if METHODS.contains(&word) && owner.is_some() && is_call && !is_op {
                doubts.push(format!("it reads rows (`.{word}()`): {HIDDEN}"));
            } else if matches!(word, "bind" | "connection") && is_context(line, index) {
                doubts.push(format!("it uses the connection: {HIDDEN}"));
            } else if let Some((_, why)) = NAMES.iter().find(|(name, _)| *name == word) {
                // A keyword argument such as `cursor=` is not a use; neither is a definition.
                doubts.push(format!("{why} (`{word}`): {HIDDEN}"));
            }
        }
    }
    if builds_sql_in_a_loop(body) {
        doubts.push("it builds SQL in a loop: online it may run other statements".to_owned());
    }
    doubts
}

/// The name in front of the dot in front of this one; `""` when that is no name.
fn owner(line: &[Token], index: usize) -> Option<&str> {
    if index == 0 || !line[index - 1].is_symbol('.') {
        return None;
    }
    Some(index.checked_sub(2).and_then(|before| line[before].word()).unwrap_or(""))
}

/// Whether it is `op.get_context().bind` or `context.bind`.
fn is_context(line: &[Token], index: usize) -> bool {
    owner(line, index).is_some()
        && line[..index].iter().any(|t| t.is_word("get_context") || t.is_word("context"))
}

/// Whether every `get_bind()` is asked only for its dialect, or handed to a type's or table's
/// `create()` or `drop()`, which offline mode prints unconditionally.
fn bind_is_harmless(body: &Body<'_>) -> bool {
    let mut names = BTreeSet::new();
    for line in body {
        for index in 0..line.len() {
            if !line[index].is_word("get_bind") {
                continue;
            }
            let end = python::closing(line, (index + 1).min(line.len()));
            let is_alone = end + 1 == line.len();
            let assigned = match line {
                [name, equals, op, ..] if equals.is_symbol('=') && op.start < line[index].start => {
                    name.word().filter(|_| is_alone && index == 4)
                }
                _ => None,
            };
            match assigned {
                Some(name) => _ = names.insert(name),
                None if is_harmless_use(line, index.saturating_sub(2), end) => {}
                None => return false,
            }
        }
    }
    body.iter().all(|line| {
        line.iter().enumerate().all(|(index, token)| {
            let Some(name) = token.word().filter(|word| names.contains(word)) else { return true };
            let is_definition = index == 0
                && line.get(1).is_some_and(|t| t.is_symbol('='))
                && line.get(4).is_some_and(|t| t.is_word("get_bind"));
            let is_keyword = name == "bind"
                && line.get(index + 1).is_some_and(|t| t.is_symbol('='))
                && index > 0;
            is_definition || is_keyword || is_harmless_use(line, index, index)
        })
    })
}

/// `….dialect` or `….engine.name`, or the argument of `.create(` or `.drop(`, first or as `bind=`.
fn is_harmless_use(line: &[Token], first: usize, last: usize) -> bool {
    let at = |index: usize| line.get(index);
    let follows = |index: usize, word: &str| {
        at(index).is_some_and(|t| t.is_symbol('.'))
            && at(index + 1).is_some_and(|t| t.is_word(word))
    };
    let is_engine = follows(last + 1, "engine");
    let behind = if is_engine { last + 3 } else { last + 1 };
    if follows(behind, "dialect") || is_engine && follows(behind, "name") {
        return true;
    }
    let Some(mut before) = first.checked_sub(1) else { return false };
    if line[before].is_symbol('=') && before > 1 && line[before - 1].is_word("bind") {
        before -= 2;
    }
    before >= 2
        && line[before].is_symbol('(')
        && (line[before - 1].is_word("create") || line[before - 1].is_word("drop"))
        && line[before - 2].is_symbol('.')
}

/// Whether it asks for a dialect other than PostgreSQL's, and for nothing else: then printing no
/// SQL is what it does here.
fn is_for_other_dialects(body: &Body<'_>) -> bool {
    const OTHERS: [&str; 5] = ["sqlite", "mysql", "mariadb", "mssql", "oracle"];
    let asks = |line: &&&[Token]| line[0].is_word("if") || line[0].is_word("elif");
    let mut questions = body.iter().filter(asks).peekable();
    questions.peek().is_some()
        && questions.all(|line| {
            let is_equal = line.windows(2).any(|two| two.iter().all(|t| t.is_symbol('=')));
            let mut texts = line.iter().filter_map(|token| match &token.kind {
                Kind::Text { value, .. } => Some(value.as_str()),
                _ => None,
            });
            let is_other = texts.next().is_some_and(|text| OTHERS.contains(&text));
            let is_question = |t: &Token| t.word().is_some_and(|word| word.contains("dialect"));
            let asks_engine = line.iter().any(|t| t.is_word("engine"));
            is_other
                && texts.next().is_none()
                && is_equal
                && !line.iter().any(|t| t.is_word("not") || t.is_word("or"))
                && (asks_engine || line.iter().any(is_question))
        })
        && !body.iter().any(|line| line[0].is_word("else") || line[0].is_word("return"))
}

/// `op.execute` of SQL put together inside a loop over something that is not written out there.
fn builds_sql_in_a_loop(body: &Body<'_>) -> bool {
    let loops = body.iter().any(|line| match line.first() {
        Some(first) if first.is_word("while") => true,
        Some(first) if first.is_word("for") => {
            let iterated = line.iter().position(|token| token.is_word("in"));
            !iterated.and_then(|at| line.get(at + 1)).is_some_and(is_constant)
        }
        _ => false,
    });
    let builds = |line: &&[Token]| {
        let execute = line.iter().position(|token| token.is_word("execute"));
        execute.is_some_and(|at| {
            line[at..].iter().any(|token| {
                matches!(token.kind, Kind::Text { is_format: true, .. } | Kind::Symbol('%' | '+'))
                    || token.is_word("format")
            })
        })
    };
    loops && body.iter().any(builds)
}

/// A literal, or a name in capitals, which by custom is a constant of the module.
fn is_constant(token: &Token) -> bool {
    let is_capital =
        |word: &str| word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
    token.is_symbol('(')
        || token.is_symbol('[')
        || token.is_word("range")
        || token.word().is_some_and(is_capital)
}

/// Modules whose functions do nothing to a database by themselves.
const HARMLESS_MODULES: &[&str] = &[
    "alembic",
    "sqlalchemy",
    "sqlmodel",
    "sqlalchemy_utils",
    "alembic_utils",
    "geoalchemy2",
    "pgvector",
    "fastapi_users_db_sqlalchemy",
    "__future__",
    "typing",
    "collections",
    "datetime",
    "json",
    "re",
    "uuid",
    "logging",
    "os",
    "pathlib",
    "textwrap",
    "enum",
    "time",
    "itertools",
    "functools",
    "decimal",
    "string",
    "contextlib",
    "random",
    "hashlib",
    "base64",
    "secrets",
    "sys",
    "warnings",
    "dataclasses",
    "copy",
    "math",
    "structlog",
    "loguru",
    "zoneinfo",
    "csv",
    "io",
];

/// Names that come from modules of the application, with the module.
fn foreign_names(lines: &[Line]) -> BTreeMap<&str, String> {
    let mut names = BTreeMap::new();
    for Line { tokens, .. } in lines {
        let is_from = tokens[0].is_word("from");
        if !is_from && !tokens[0].is_word("import") {
            continue;
        }
        let import =
            tokens.iter().position(|token| token.is_word("import")).unwrap_or(tokens.len());
        let dotted = |tokens: &[Token]| -> String {
            tokens
                .iter()
                .map_while(|t| t.word().or_else(|| t.is_symbol('.').then_some(".")))
                .take_while(|word| *word != "as" && *word != "import")
                .collect()
        };
        let mut module = if is_from { dotted(&tokens[1..]) } else { String::new() };
        let items = tokens.get(import + 1..).unwrap_or_default();
        for item in items.split(|token| token.is_symbol(',')) {
            if !is_from {
                module = dotted(item);
            }
            let bound = if item.iter().any(|token| token.is_word("as")) || is_from {
                item.iter().rev().find_map(Token::word)
            } else {
                item.iter().find_map(Token::word)
            };
            let top = module.split('.').next().unwrap_or_default();
            if let Some(bound) = bound
                && !HARMLESS_MODULES.contains(&top)
            {
                names.insert(bound, module.clone());
            }
        }
    }
    names
}

/// Calls into the application that are statements of their own; inside an operation's brackets such
/// a call is nearly always a type or a default.
fn foreign_calls(body: &Body<'_>, foreign: &BTreeMap<&str, String>) -> Vec<String> {
    let mut doubts = Vec::new();
    for line in body {
        let mut index = 0;
        while index < line.len() {
            if matches!(line[index].kind, Kind::Symbol('(' | '[' | '{')) {
                index = python::closing(line, index) + 1;
                continue;
            }
            let is_root = index == 0 || !line[index - 1].is_symbol('.');
            if let Some(module) = line[index].word().and_then(|word| foreign.get(word))
                && is_root
                && is_called(line, index)
                && !line[0].is_word("from")
            {
                let name = line[index].word().unwrap_or_default();
                doubts.push(format!("it calls `{name}` of `{module}`, which was not read"));
            }
            index += 1;
        }
    }
    doubts
}

/// Modules through which a migration changes what no snapshot holds.
const OUTSIDE: &[&str] = &[
    "requests",
    "httpx",
    "urllib",
    "urllib3",
    "aiohttp",
    "http",
    "boto3",
    "redis",
    "subprocess",
    "socket",
    "smtplib",
    "shutil",
    "elasticsearch",
];

fn reaches_outside(body: &Body<'_>, foreign: &BTreeMap<&str, String>) -> Option<String> {
    let words = body.iter().flat_map(|line| line.iter()).filter_map(Token::word);
    let mut modules = words.filter_map(|word| foreign.get(word));
    let module = modules.find(|m| OUTSIDE.contains(&m.split('.').next().unwrap_or_default()))?;
    Some(format!("it reaches outside the database through `{module}`"))
}

fn is_called(line: &[Token], index: usize) -> bool {
    let tail =
        line[index + 1..].iter().find(|token| token.word().is_none() && !token.is_symbol('.'));
    tail.is_some_and(|token| token.is_symbol('('))
}

#[cfg(test)]
mod tests {
    use super::super::command::Direction;
    use super::read;

    fn doubts(body: &str) -> Vec<String> {
        let source = format!(
            "\"\"\"Session( op.get_bind() \"\"\"\nfrom alembic import op\nimport sqlalchemy as sa\nfrom app.models import GUID\nfrom app.tools import clean\nimport requests\n\ndef helper():\n    op.get_bind()\n\ndef upgrade():\n{body}\n\ndef downgrade():\n    Session(bind=op.get_bind()).query(User).delete()\n"
        );
        read(&source, Direction::Upgrade).doubts
    }

    #[test]
    fn what_offline_mode_shows_in_full() {
        for body in [
            "    pass",
            "    op.drop_column('users', 'name')  # op.get_bind()",
            "    op.execute(\"DELETE FROM users -- Session(\")",
            "    op.add_column('users', sa.Column('id', GUID(), nullable=False))",
            "    bind = op.get_bind()\n    if bind.dialect.name == 'postgresql':\n        op.drop_table('x')",
            "    if op.get_bind().dialect.name != 'sqlite':\n        op.drop_table('x')",
            "    if op.get_bind().engine.name == 'mysql':\n        op.drop_table('x')",
            "    bind = op.get_bind()\n    if bind.engine.dialect.name == 'x':\n        op.drop_table('x')",
            "    my_enum.create(op.get_bind(), checkfirst=True)",
            "    bind = op.get_bind()\n    sa.Enum(name='x').drop(bind, checkfirst=False)",
            "    sa.Enum(name='x').drop(bind=op.get_bind())",
            "    for t in ('a', 'b'):\n        op.execute(f'DROP TABLE {t}')",
            "    for t in TABLES:\n        op.execute(f'DROP TABLE {t}')",
            "    with op.batch_alter_table('x') as batch_op:\n        batch_op.drop_column('y')",
            "    with op.get_context().autocommit_block():\n        op.execute('x')",
        ] {
            assert_eq!(doubts(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn what_offline_mode_may_hide() {
        for body in [
            "    op.get_bind()",
            "    helper()",
            "    op.get_bind().engine.connect()",
            "    bind = op.get_bind()\n    bind.execute(sa.text('DELETE FROM users'))",
            "    conn = op.get_bind()\n    if conn.dialect.name == 'x':\n        clean_up(conn)",
            "    if not context.is_offline_mode():\n        op.drop_table('x')",
            "    if op.get_context().as_sql:\n        return",
            "    inspector = sa.inspect(op.get_bind())",
            "    Session(bind=op.get_bind())",
            "    op.get_context().bind.execute('x')",
            "    op.get_context().connection.connection.cursor()",
            "    for row in rows():\n        op.execute(f'DROP TABLE {row}')",
            "    op.run_async(work)",
            "    print(requests.post('http://search/index').text)",
            "    clean('users')",
            "    found = clean.everything('users')",
            "    if clean('users'):\n        pass",
        ] {
            assert!(!doubts(body).is_empty(), "{body}");
        }
    }

    #[test]
    fn a_missing_function_is_a_doubt_and_an_empty_one_is_not() {
        let read = |source: &str| read(source, Direction::Upgrade);
        assert_eq!(read("from x import upgrade\n").doubts.len(), 1);
        assert!(read("def upgrade():\n    \"\"\"Nothing.\"\"\"\n    pass\n").is_empty);
        assert!(read("def upgrade() -> None: ...\n").is_empty);
        assert!(!read("def upgrade(): op.drop_table('x')\n").is_empty);
        let guarded = |question: &str, more: &str| {
            read(&format!("def upgrade():\n    if {question}:\n        op.drop_table('x')\n{more}"))
                .is_empty
        };
        assert!(guarded("op.get_context().dialect.name == 'sqlite'", ""));
        assert!(guarded("op.get_bind().engine.name == 'mysql'", ""));
        assert!(!guarded("op.get_context().dialect.name != 'sqlite'", ""));
        assert!(!guarded("op.get_context().dialect.name == 'postgresql'", ""));
        assert!(!guarded("dialect == 'sqlite'", "    else:\n        tidy()\n"));
        assert!(!guarded("mode == 'sqlite'", ""));
    }
}
