//! Statements that a few words decide: DROP, TRUNCATE, CREATE, and all the ones that destroy
//! nothing. The lists of harmless kinds are complete on purpose; what they don't name is opaque.

use super::tokens::Tokens;
use super::{Effect, alter, body, copy, switch, used};

/// What a statement turned out to be from its first words.
pub(super) enum Head<'a> {
    /// Read to the end.
    Effects(Vec<Effect>),
    /// What runs is this query, after these effects.
    Query(Vec<Effect>, Tokens<'a>),
    /// A statement within a statement (EXPLAIN ANALYZE), to be read for itself.
    Inner(Tokens<'a>),
    /// PREPARE of this name and statement.
    Prepare(String, Tokens<'a>),
    /// What follows DO.
    Do(Tokens<'a>),
    /// What follows CREATE FUNCTION or PROCEDURE.
    Routine(Tokens<'a>),
}

/// Statements that destroy nothing, by their first word.
const HARMLESS: [&str; 30] = [
    "grant",
    "revoke",
    "comment",
    "reset",
    "show",
    "begin",
    "start",
    "savepoint",
    "release",
    "lock",
    "vacuum",
    "analyze",
    "analyse",
    "cluster",
    "reindex",
    "refresh",
    "checkpoint",
    "listen",
    "unlisten",
    "notify",
    "deallocate",
    "close",
    "fetch",
    "move",
    "load",
    "security",
    "import",
    "reassign",
    "repack",
    "wait",
];

/// What is dropped without any row or value going.
const HARMLESS_DROPS: [&str; 27] = [
    "aggregate",
    "cast",
    "conversion",
    "event",
    "foreign",
    "function",
    "group",
    "index",
    "language",
    "operator",
    "policy",
    "procedural",
    "procedure",
    "publication",
    "role",
    "routine",
    "rule",
    "sequence",
    "server",
    "statistics",
    "subscription",
    "tablespace",
    "text",
    "transform",
    "trigger",
    "user",
    "view",
];

/// What is created without touching what is there; tables, types, schemas and rules are not here.
const HARMLESS_CREATES: [&str; 30] = [
    "access",
    "aggregate",
    "cast",
    "collation",
    "constraint",
    "conversion",
    "database",
    "event",
    "extension",
    "group",
    "index",
    "language",
    "operator",
    "policy",
    "procedural",
    "publication",
    "recursive",
    "role",
    "routine",
    "sequence",
    "server",
    "statistics",
    "subscription",
    "tablespace",
    "text",
    "transform",
    "trigger",
    "trusted",
    "unique",
    "user",
];

/// Reads a statement from its tokens; `None` where it must be parsed or can't be read.
pub(super) fn read<'a>(tokens: &Tokens<'a>) -> Option<Head<'a>> {
    let tokens = &mut tokens.clone();
    let word = tokens.text(0).to_ascii_lowercase();
    tokens.skip();
    match &*word {
        "drop" => drop(tokens).map(Head::Effects),
        "truncate" => truncate(tokens).map(Head::Effects),
        "alter" => alter::read(tokens).map(Head::Effects),
        "create" => create(tokens),
        "do" => Some(Head::Do(tokens.clone())),
        "copy" => copy(tokens),
        "call" => call(tokens).map(Head::Effects),
        "explain" => Some(explain(tokens)),
        "prepare" if tokens.is_word(0, "transaction") => Some(Head::Effects(Vec::new())),
        "prepare" => {
            let name = tokens.name()?;
            tokens.find(&["as"]).then(|| {
                tokens.skip();
                Head::Prepare(name, tokens.clone())
            })
        }
        "execute" => Some(Head::Effects(vec![Effect::ExecutesPrepared { name: tokens.name()? }])),
        "declare" => tokens.find(&["for"]).then(|| {
            tokens.skip();
            Head::Query(Vec::new(), tokens.clone())
        }),
        "commit" | "end" => Some(Head::Effects(vec![Effect::Commit])),
        "rollback" | "abort" => Some(moved(!tokens.is_word(0, "prepared"), "a ROLLBACK")),
        "set" | "reset" if let Some(effect) = switch::of_session(tokens) => {
            Some(Head::Effects(vec![effect]))
        }
        "set" => Some(moved(is_search_path(tokens), "a new search_path")),
        "discard" => Some(moved(true, "a DISCARD")),
        _ => HARMLESS.contains(&&*word).then(|| Head::Effects(Vec::new())),
    }
}

fn moved<'a>(is_so: bool, why: &str) -> Head<'a> {
    let why = why.to_owned();
    Head::Effects(is_so.then_some(Effect::NamesMoved { why }).into_iter().collect())
}

fn is_search_path(tokens: &Tokens<'_>) -> bool {
    let ahead = usize::from(tokens.is_any(0, &["local", "session"]));
    tokens.is_any(ahead, &["search_path", "schema"])
        || tokens.text(ahead).eq_ignore_ascii_case("\"search_path\"")
}

fn drop(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if tokens.eat(&["table"]) {
        return dropped(tokens, Tokens::qualified, |table, cascade| Effect::DropTable {
            table,
            cascade,
        });
    }
    if tokens.eat(&["materialized", "view"]) {
        return dropped(tokens, Tokens::qualified, |view, cascade| Effect::DropMaterializedView {
            view,
            cascade,
        });
    }
    if tokens.eat(&["schema"]) {
        return dropped(tokens, Tokens::name, |schema, cascade| Effect::DropSchema {
            schema,
            cascade,
        });
    }
    if tokens.is_any(0, &["type", "domain"]) {
        let domain = tokens.is_word(0, "domain");
        tokens.skip();
        return dropped(tokens, Tokens::qualified, |name, cascade| Effect::DropType {
            name,
            domain,
            cascade,
        });
    }
    if tokens.eat(&["extension"]) {
        return dropped(tokens, Tokens::name, |name, cascade| Effect::DropExtension {
            name,
            cascade,
        });
    }
    if tokens.eat(&["owned", "by"]) {
        let roles = tokens.list(Tokens::name)?;
        let cascade = tokens.cascade();
        return tokens.is_done().then(|| vec![Effect::DropOwned { roles, cascade }]);
    }
    if tokens.eat(&["database"]) {
        tokens.eat(&["if", "exists"]);
        let database = tokens.name()?;
        return Some(vec![Effect::DropDatabase { database }]);
    }
    if let Some(effects) = used::dropped(tokens) {
        return Some(effects);
    }
    if tokens.is_word(0, "collation") || tokens.is_word(0, "access") {
        let why = "CASCADE takes along the tables or columns that use it".to_owned();
        let cascades = tokens.find(&["cascade"]);
        return Some(cascades.then_some(Effect::Opaque { why }).into_iter().collect());
    }
    let switches = switch::of_drop(tokens);
    tokens.is_any(0, &HARMLESS_DROPS).then(|| switches.into_iter().collect())
}

fn dropped<'a, T>(
    tokens: &mut Tokens<'a>,
    name: impl Fn(&mut Tokens<'a>) -> Option<T>,
    effect: impl Fn(T, bool) -> Effect,
) -> Option<Vec<Effect>> {
    tokens.eat(&["if", "exists"]);
    let names = tokens.list(name)?;
    let cascade = tokens.cascade();
    tokens.is_done().then(|| names.into_iter().map(|name| effect(name, cascade)).collect())
}

fn truncate(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    tokens.eat(&["table"]);
    let tables = tokens.list(|tokens| {
        let only = tokens.eat(&["only"]);
        let table = tokens.qualified()?;
        if tokens.text(0) == "*" {
            tokens.skip();
        }
        Some((table, only))
    })?;
    if !tokens.eat(&["restart", "identity"]) {
        tokens.eat(&["continue", "identity"]);
    }
    let cascade = tokens.cascade();
    let effect = |(table, only)| Effect::Truncate { table, only, cascade };
    tokens.is_done().then(|| tables.into_iter().map(effect).collect())
}

fn create<'a>(tokens: &mut Tokens<'a>) -> Option<Head<'a>> {
    tokens.eat(&["or", "replace"]);
    if tokens.is_word(0, "rule") {
        return Some(Head::Effects(body::read_rule(tokens)));
    }
    if tokens.eat(&["function"]) || tokens.eat(&["procedure"]) {
        return Some(Head::Routine(tokens.clone()));
    }
    if tokens.eat(&["materialized", "view"]) {
        return Some(created_by_query(tokens, Vec::new()));
    }
    if tokens.eat(&["schema"]) {
        let is_proof = !tokens.eat(&["if", "not", "exists"]);
        tokens.eat(&["authorization"]);
        let schema = tokens.name()?;
        let effect = is_proof.then_some(Effect::CreateSchema { schema });
        return Some(Head::Effects(effect.into_iter().collect()));
    }
    if tokens.eat(&["type"]) || tokens.eat(&["domain"]) {
        return Some(Head::Effects(vec![Effect::CreateType { name: tokens.qualified()? }]));
    }
    let _ = tokens.eat(&["global"]) || tokens.eat(&["local"]);
    let temporary = tokens.eat(&["temporary"]) || tokens.eat(&["temp"]);
    let _ = tokens.eat(&["unlogged"]) || tokens.eat(&["recursive"]);
    if tokens.eat(&["table"]) || tokens.eat(&["foreign", "table"]) {
        return create_table(tokens, temporary);
    }
    let is_harmless = tokens.is_any(0, &HARMLESS_CREATES)
        || tokens.is_any(0, &["view"])
        || (tokens.is_word(0, "foreign") && tokens.is_word(1, "data"));
    let switches = switch::of_create(tokens);
    is_harmless.then(|| Head::Effects(switches.into_iter().collect()))
}

fn create_table<'a>(tokens: &mut Tokens<'a>, temporary: bool) -> Option<Head<'a>> {
    let if_not_exists = tokens.eat(&["if", "not", "exists"]);
    let table = tokens.qualified()?;
    let mut later = tokens.clone();
    let until_commit = later.find(&["commit"]) && later.is_word(1, "drop");
    let mut effects =
        vec![Effect::CreateTable { table: table.clone(), temporary, if_not_exists, until_commit }];
    if tokens.eat(&["partition", "of"]) {
        let parent = tokens.qualified()?;
        effects.push(Effect::PartitionOf { parent, partition: table });
        return Some(Head::Effects(effects));
    }
    let head = created_by_query(tokens, effects);
    let Head::Query(mut effects, query) = head else { return Some(head) };
    if !if_not_exists && !is_without_data(tokens) {
        effects.extend(copy::of_query(table, &query));
    }
    // `TABLE t` is read here, for sqlparser does not know it.
    let mut words = query.clone();
    let is_table = words.eat(&["table"]) && words.qualified().is_some() && words.is_done();
    Some(if is_table { Head::Effects(effects) } else { Head::Query(effects, query) })
}

/// Whether it ends with `WITH NO DATA`.
fn is_without_data(tokens: &Tokens<'_>) -> bool {
    let mut end = tokens.clone();
    while end.find(&["with"]) {
        if end.eat(&["with", "no", "data"]) {
            return true;
        }
        end.skip();
    }
    false
}

fn created_by_query<'a>(tokens: &mut Tokens<'a>, effects: Vec<Effect>) -> Head<'a> {
    const QUERIES: [&str; 5] = ["select", "with", "values", "table", "execute"];
    while tokens.find(&["as"]) {
        tokens.skip();
        if tokens.is_any(0, &QUERIES) || tokens.is_symbol(0, b'(') {
            if tokens.is_word(0, "execute") {
                return Head::Inner(tokens.clone());
            }
            let mut end = tokens.clone();
            let mut query = tokens.clone();
            // `WITH [NO] DATA` belongs to CREATE, not to the query.
            while end.find(&["with"]) {
                let before = end.clone();
                end.skip();
                end.eat(&["no"]);
                if end.is_word(0, "data") {
                    query = tokens.up_to_tokens(&before);
                    break;
                }
            }
            return Head::Query(effects, query);
        }
    }
    Head::Effects(effects)
}

fn copy<'a>(tokens: &mut Tokens<'a>) -> Option<Head<'a>> {
    let start = tokens.clone();
    if tokens.eat_group() {
        let inner = start.up_to_tokens(tokens).inside()?;
        let runs_program = tokens.is_word(0, "to") && tokens.is_word(1, "program");
        return Some(if runs_program { program() } else { Head::Inner(inner) });
    }
    tokens.eat(&["binary"]);
    let table = tokens.qualified()?;
    tokens.eat_group();
    if !tokens.is_any(0, &["from", "to"]) {
        return None;
    }
    let inserts = tokens.is_word(0, "from").then_some(Effect::Insert { table });
    let effects = Head::Effects(inserts.into_iter().collect());
    Some(if tokens.is_word(1, "program") { program() } else { effects })
}

fn program<'a>() -> Head<'a> {
    let why = "COPY … PROGRAM runs a program on the server".to_owned();
    Head::Effects(vec![Effect::Opaque { why }])
}

fn call(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    Some(vec![Effect::CallsFunction { name: tokens.qualified()? }])
}

/// EXPLAIN plans; only EXPLAIN ANALYZE runs.
fn explain<'a>(tokens: &mut Tokens<'a>) -> Head<'a> {
    let mut runs = false;
    if tokens.is_symbol(0, b'(') {
        let start = tokens.clone();
        tokens.eat_group();
        let options = start.up_to(tokens).to_ascii_lowercase();
        for option in options.trim_matches(['(', ')']).split(',') {
            let mut words = option.split_whitespace();
            let is_analyze = matches!(words.next(), Some("analyze" | "analyse"));
            let is_off = matches!(words.next(), Some("off" | "false" | "0"));
            runs |= is_analyze && !is_off;
        }
    } else {
        loop {
            if tokens.eat(&["analyze"]) || tokens.eat(&["analyse"]) {
                runs = true;
            } else if !tokens.eat(&["verbose"]) {
                break;
            }
        }
    }
    if runs { Head::Inner(tokens.clone()) } else { Head::Effects(Vec::new()) }
}
