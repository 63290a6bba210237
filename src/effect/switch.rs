//! What turns triggers and rules on and off: `DISABLE TRIGGER`, `DROP TRIGGER`, a session that plays
//! the replica.

use super::Effect;
use super::tokens::Tokens;
use crate::text::QualifiedName;

/// Reads the action of an ALTER TABLE that starts with ENABLE or DISABLE; nothing, where it speaks
/// of row security.
pub(super) fn of_table(table: &QualifiedName, action: &Tokens<'_>) -> Option<Effect> {
    let mut action = action.clone();
    let on = action.is_word(0, "enable");
    if !on && !action.is_word(0, "disable") {
        return None;
    }
    action.skip();
    let _ = on && (action.eat(&["replica"]) || action.eat(&["always"]));
    if !action.eat(&["trigger"]) && !action.eat(&["rule"]) {
        return None;
    }
    let is_all = action.is_any(0, &["all", "user"]);
    let name = action.name()?;
    let name = (!is_all).then_some(name);
    Some(Effect::Switches { table: Some(table.clone()), name, on })
}

/// Reads what follows DROP: TRIGGER, RULE or EVENT TRIGGER.
pub(super) fn of_drop(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    if tokens.eat(&["event", "trigger"]) {
        tokens.eat(&["if", "exists"]);
        return Some(Effect::Switches { table: None, name: Some(tokens.name()?), on: false });
    }
    if !tokens.eat(&["trigger"]) && !tokens.eat(&["rule"]) {
        return None;
    }
    tokens.eat(&["if", "exists"]);
    let name = Some(tokens.name()?);
    let table = tokens.eat(&["on"]).then(|| tokens.qualified()).flatten()?;
    Some(Effect::Switches { table: Some(table), name, on: false })
}

/// Reads what follows CREATE: a trigger that was dropped may be made again.
pub(super) fn of_create(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    tokens.eat(&["constraint"]);
    if !tokens.eat(&["trigger"]) {
        return None;
    }
    let name = Some(tokens.name()?);
    tokens.find(&["on"]);
    tokens.skip();
    Some(Effect::Switches { table: Some(tokens.qualified()?), name, on: true })
}

/// Reads what follows ALTER EVENT TRIGGER.
pub(super) fn of_event_trigger(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    let name = Some(tokens.name()?);
    let on = tokens.is_word(0, "enable");
    (on || tokens.is_word(0, "disable")).then_some(Effect::Switches { table: None, name, on })
}

/// Reads what follows SET or RESET: a replica's session fires no triggers but those made for it.
pub(super) fn of_session(tokens: &Tokens<'_>) -> Option<Effect> {
    let mut tokens = tokens.clone();
    let _ = tokens.eat(&["local"]) || tokens.eat(&["session"]);
    if !tokens.eat(&["session_replication_role"]) {
        return None;
    }
    let is_replica = tokens.rest().to_ascii_lowercase().contains("replica");
    Some(Effect::Switches { table: None, name: None, on: !is_replica })
}
