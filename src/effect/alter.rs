//! `ALTER …`, read from its tokens: each action of an ALTER TABLE for itself.

use super::tokens::Tokens;
use super::{Effect, Reach, switch};
use crate::text::QualifiedName;

/// What is altered without any data going.
const HARMLESS: [&str; 30] = [
    "aggregate",
    "collation",
    "conversion",
    "database",
    "default",
    "event",
    "extension",
    "function",
    "group",
    "index",
    "language",
    "large",
    "materialized",
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
    "system",
    "tablespace",
    "text",
    "trigger",
    "user",
];

/// Reads what follows ALTER; `None` where it can't.
pub(super) fn read(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if tokens.eat(&["table"]) || tokens.eat(&["foreign", "table"]) {
        return alter_table(tokens);
    }
    if tokens.eat(&["type"]) {
        return alter_type(tokens);
    }
    if tokens.eat(&["domain"]) {
        let name = tokens.qualified()?;
        return Some(rename_type(&name, tokens).into_iter().collect());
    }
    if tokens.eat(&["schema"]) {
        let why = "a schema was renamed".to_owned();
        let renames = tokens.find(&["rename"]);
        return Some(renames.then_some(Effect::NamesMoved { why }).into_iter().collect());
    }
    if tokens.eat(&["event", "trigger"]) {
        return Some(switch::of_event_trigger(tokens).into_iter().collect());
    }
    let is_harmless = tokens.is_any(0, &HARMLESS)
        || tokens.is_any(0, &["view"])
        || (tokens.is_word(0, "foreign") && tokens.is_word(1, "data"));
    is_harmless.then(Vec::new)
}

fn alter_table(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if tokens.eat(&["all", "in", "tablespace"]) {
        return Some(Vec::new());
    }
    tokens.eat(&["if", "exists"]);
    tokens.eat(&["only"]);
    let table = tokens.qualified()?;
    if tokens.text(0) == "*" {
        tokens.skip();
    }
    let mut effects = Vec::new();
    for mut action in tokens.clone().split_at_commas() {
        effects.extend(table_action(&table, &mut action)?);
    }
    effects.sort_by_key(pass);
    Some(effects)
}

/// PostgreSQL drops first, then changes types, then adds, whatever the order of the actions: of
/// `ADD COLUMN a …, DROP COLUMN a` the old column goes.
const fn pass(effect: &Effect) -> u8 {
    match effect {
        Effect::DropColumn { .. } => 0,
        Effect::ChangeType { .. } => 1,
        Effect::Update { .. } => 2,
        _ => 3,
    }
}

fn table_action(table: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    let table = table.clone();
    if action.eat(&["add"]) {
        return add(&table, action);
    }
    if action.eat(&["drop"]) {
        return drop(&table, action);
    }
    if action.eat(&["alter"]) {
        return alter_column(&table, action);
    }
    if action.eat(&["rename"]) {
        return rename(&table, action);
    }
    if action.eat(&["set", "schema"]) {
        let to = QualifiedName::new(action.name()?, table.name.clone());
        return Some(vec![Effect::RenameTable { from: table, to }]);
    }
    if action.eat(&["set", "unlogged"]) {
        return Some(vec![Effect::SetUnlogged { table }]);
    }
    if action.eat(&["detach", "partition"]) {
        let partition = action.qualified()?;
        return Some(vec![Effect::DetachPartition { parent: table, partition }]);
    }
    if action.eat(&["no", "inherit"]) {
        let parent = action.qualified()?;
        return Some(vec![Effect::DetachPartition { parent, partition: table }]);
    }
    if action.eat(&["attach", "partition"]) {
        let partition = action.qualified()?;
        return Some(vec![Effect::AttachPartition { parent: table, partition }]);
    }
    if action.eat(&["inherit"]) {
        let parent = action.qualified()?;
        return Some(vec![Effect::AttachPartition { parent, partition: table }]);
    }
    let switches = switch::of_table(&table, action);
    is_harmless_action(action).then(|| switches.into_iter().collect())
}

fn is_harmless_action(action: &Tokens<'_>) -> bool {
    let set = action.is_word(0, "set")
        && (action.is_any(1, &["logged", "tablespace", "without", "access"])
            || action.is_symbol(1, b'('));
    let other = action.is_any(
        0,
        &[
            "validate", "enable", "disable", "cluster", "reset", "of", "owner", "replica", "force",
            "options",
        ],
    );
    let not = (action.is_word(0, "not") && action.is_word(1, "of"))
        || (action.is_word(0, "no") && action.is_word(1, "force"));
    set || other || not
}

fn add(table: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    let is_constraint = action.is_any(0, &["constraint", "check", "unique", "primary", "foreign"])
        || (action.is_word(0, "exclude")
            && (action.is_word(1, "using") || action.is_symbol(1, b'(')));
    let mut effects: Vec<Effect> = follows(table, action).into_iter().collect();
    if is_constraint {
        return Some(effects);
    }
    action.eat(&["column"]);
    if action.eat(&["if", "not", "exists"]) {
        return Some(effects);
    }
    let column = action.name()?;
    effects.push(Effect::AddColumn { table: table.clone(), column });
    Some(effects)
}

/// The foreign key that it adds, where that lets rows follow a DELETE.
fn follows(child: &QualifiedName, action: &Tokens<'_>) -> Option<Effect> {
    let mut action = action.clone();
    if !action.find(&["references"]) {
        return None;
    }
    action.skip();
    let parent = action.qualified()?;
    while action.find(&["on"]) {
        if action.eat(&["on", "delete"]) {
            let follows = action.is_word(0, "cascade") || action.is_word(0, "set");
            return follows.then(|| Effect::Follows { child: child.clone(), parent });
        }
        action.skip();
    }
    None
}

fn drop(table: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if action.eat(&["constraint"]) {
        return Some(Vec::new());
    }
    action.eat(&["column"]);
    action.eat(&["if", "exists"]);
    let column = action.name()?;
    let cascade = action.cascade();
    let effect = Effect::DropColumn { table: table.clone(), column, cascade };
    action.is_done().then(|| vec![effect])
}

fn rename(table: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if action.eat(&["constraint"]) {
        return Some(Vec::new());
    }
    if action.eat(&["to"]) {
        let to = QualifiedName { schema: table.schema.clone(), name: action.name()? };
        return Some(vec![Effect::RenameTable { from: table.clone(), to }]);
    }
    action.eat(&["column"]);
    let from = action.name()?;
    if !action.eat(&["to"]) {
        return None;
    }
    let to = action.name()?;
    Some(vec![Effect::RenameColumn { table: table.clone(), from, to }])
}

fn alter_column(table: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if action.eat(&["constraint"]) {
        return Some(Vec::new());
    }
    action.eat(&["column"]);
    let column = action.name()?;
    if action.eat(&["type"]) || action.eat(&["set", "data", "type"]) {
        return change_type(table, column, action);
    }
    if action.eat(&["set", "expression"]) {
        let why = "every row gets the new expression's value".to_owned();
        let (table, columns) = (table.clone(), vec![column]);
        return Some(vec![Effect::Update { table, columns, reach: Reach::All { why } }]);
    }
    let is_harmless = (action.is_word(0, "drop")
        && action.is_any(1, &["default", "not", "expression", "identity"]))
        || (action.is_word(0, "set")
            && (action.is_symbol(1, b'(')
                || action.is_any(
                    1,
                    &[
                        "default",
                        "not",
                        "statistics",
                        "storage",
                        "compression",
                        "generated",
                        "start",
                        "increment",
                        "minvalue",
                        "maxvalue",
                        "cache",
                        "cycle",
                        "no",
                        "sequence",
                    ],
                )))
        || action.is_any(0, &["reset", "restart", "options"])
        || (action.is_word(0, "add") && action.is_word(1, "generated"));
    is_harmless.then(Vec::new)
}

fn change_type(
    table: &QualifiedName,
    column: String,
    action: &mut Tokens<'_>,
) -> Option<Vec<Effect>> {
    let start = action.clone();
    // An attribute's type may be followed by CASCADE or RESTRICT.
    let has_more = action.find(&["using", "collate", "cascade", "restrict"]);
    let to = if has_more { start.up_to(action) } else { start.rest() }.to_owned();
    if action.eat(&["collate"]) {
        action.qualified()?;
    }
    action.cascade();
    let using = action.eat(&["using"]).then(|| action.rest().to_owned());
    let is_read = !to.is_empty() && (!has_more || using.is_some() || action.is_done());
    let effect = Effect::ChangeType { table: table.clone(), column, to, using };
    is_read.then(|| vec![effect])
}

fn alter_type(tokens: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    let name = tokens.qualified()?;
    if tokens.is_any(0, &["owner", "set", "rename"])
        || (tokens.is_word(0, "add") && tokens.is_word(1, "value"))
    {
        return Some(rename_type(&name, tokens).into_iter().collect());
    }
    let mut effects = Vec::new();
    for mut action in tokens.clone().split_at_commas() {
        effects.extend(attribute_action(&name, &mut action)?);
    }
    Some(effects)
}

fn attribute_action(name: &QualifiedName, action: &mut Tokens<'_>) -> Option<Vec<Effect>> {
    if action.eat(&["add", "attribute"]) {
        return Some(Vec::new());
    }
    if action.eat(&["alter", "attribute"]) {
        let attribute = action.name()?;
        if !action.eat(&["set", "data", "type"]) && !action.eat(&["type"]) {
            return None;
        }
        return change_type(name, attribute, action);
    }
    if !action.eat(&["drop", "attribute"]) {
        return None;
    }
    action.eat(&["if", "exists"]);
    let attribute = action.name()?;
    let cascade = action.cascade();
    Some(vec![Effect::DropAttribute { name: name.clone(), attribute, cascade }])
}

fn rename_type(name: &QualifiedName, tokens: &mut Tokens<'_>) -> Option<Effect> {
    let to = if tokens.eat(&["rename", "to"]) {
        QualifiedName { schema: name.schema.clone(), name: tokens.name()? }
    } else if tokens.eat(&["set", "schema"]) {
        QualifiedName::new(tokens.name()?, name.name.clone())
    } else {
        return None;
    };
    Some(Effect::RenameType { from: name.clone(), to })
}
