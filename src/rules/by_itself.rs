//! What happens by itself when a statement runs: a trigger or a rule fires, a function is called.

use super::{excerpt, instead, place, say, snippet};
use crate::effect::Effect;
use crate::effect::batch::Standing;
use crate::finding::{Certainty, Finding, Object, ObjectKind, Place, Severity};
use crate::script::Script;
use crate::sql::Statement;
use crate::text::QualifiedName;

/// What an effect of a body would be found for; nothing, where it is nothing to speak of.
pub fn harm(script: &Script, effect: &Effect, standing: &Standing) -> Option<Finding> {
    let said = say::say(script, effect, standing)?;
    Some(Finding {
        rule: said.rule,
        severity: said.severity,
        certainty: said.certainty,
        object: said.object,
        place: Place::default(),
        statement: String::new(),
        snippet: None,
        loss: None,
        message: said.message,
        instead: instead::instead(effect, said.rule),
        allowance: None,
    })
}

/// A trigger or rule, as it is named.
#[derive(Debug, Clone, Copy)]
pub struct Reacting<'a> {
    /// `trigger`, `rule`, `event trigger`.
    pub word: &'static str,
    /// Its own name.
    pub name: &'a str,
    /// The table that has it; an event trigger has none.
    pub on: Option<&'a QualifiedName>,
}

impl Reacting<'_> {
    /// The finding that a statement fires it; what it does is the caller's to say.
    pub fn finding(self, script: &Script, statement: &Statement) -> Finding {
        let object = Object {
            kind: ObjectKind::Trigger,
            schema: self.on.and_then(|table| table.schema.clone()),
            table: self.on.map(|table| table.name.clone()),
            name: self.name.to_owned(),
        };
        Finding {
            rule: "fires-trigger",
            severity: Severity::Note,
            certainty: Certainty::DependsOnData,
            place: place::of(script, statement, "fires-trigger", &object),
            statement: excerpt(&statement.text),
            snippet: snippet::of(script, statement),
            loss: None,
            message: self.said(),
            instead: self.instead(),
            object,
            allowance: None,
        }
    }

    /// ``the trigger `purge` of `orders` fires``.
    fn said(self) -> String {
        let (word, name) = (self.word, self.name);
        match self.on {
            Some(table) => format!("the {word} `{name}` of `{}` fires", table.short()),
            None => format!("the {word} `{name}` fires"),
        }
    }

    fn instead(self) -> String {
        let name = crate::text::name::quote_if_needed(self.name);
        match self.on {
            Some(table) if self.word == "trigger" => {
                let table = table.sql();
                format!(
                    "ALTER TABLE {table} DISABLE TRIGGER {name};\n\
                     -- … the statement …\n\
                     ALTER TABLE {table} ENABLE TRIGGER {name};"
                )
            }
            Some(table) => format!("DROP RULE {name} ON {};", table.sql()),
            None => format!("ALTER EVENT TRIGGER {name} DISABLE;"),
        }
    }
}

/// The finding that a column, or a table, goes along with what a statement drops.
pub fn dragged(
    script: &Script,
    statement: &Statement,
    effect: &Effect,
    used: &str,
) -> Option<Finding> {
    let mut finding = harm(script, effect, &Standing::AtRisk)?;
    finding.message = match effect {
        Effect::DropColumn { .. } => {
            format!("dropping {used} drops the column `{}` and its values", finding.object)
        }
        _ => format!("dropping {used} drops the table `{}` and its rows", finding.object),
    };
    Some(Finding {
        place: place::of(script, statement, finding.rule, &finding.object),
        statement: excerpt(&statement.text),
        snippet: snippet::of(script, statement),
        instead: "drop what goes along first, each by itself, so that it is named".to_owned(),
        ..finding
    })
}
