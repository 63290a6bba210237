//! The rules: which effects are findings, and how they are said.

mod by_itself;
mod instead;
mod narrow;
mod place;
mod reconcile;
mod say;
mod snippet;
mod text;

pub use by_itself::{Reacting, dragged, harm};
pub use narrow::widens;
pub use reconcile::{Reconciled, is_unreadable, reconcile};
pub use text::{RULES, Rule};

use crate::effect::batch::{self, Standing};
use crate::effect::called::Definitions;
use crate::effect::{self, Effect};
use crate::finding::{
    AllowComment, Certainty, Finding, Object, ObjectKind, Place, Severity, Snippet,
};
use crate::script::{Knowledge, Script};
use crate::sql::{self, Statement};
use crate::text::Position;

/// More of a statement than this is not repeated in its findings.
const LONGEST_EXCERPT: usize = 2_000;

/// A script with what was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptReading<'a> {
    /// The script.
    pub script: &'a Script,
    /// Its statements in order, each with its effects.
    pub statements: Vec<(Statement, Vec<Effect>)>,
}

impl ScriptReading<'_> {
    /// The `rowsafe: allow[…]` comments of the migration file: of the file itself where the text
    /// was rendered from one.
    ///
    /// In SQL each comes with the place of the statement that it stands at; in Python a statement
    /// may be in a literal far below the comment, so there it speaks of the file.
    pub fn allows(&self) -> Vec<(AllowComment, Option<Position>)> {
        let source = self.script.source.as_deref().unwrap_or_default();
        let of_file = sql::python_allows(source).into_iter().map(|allow| (allow, None));
        let of_statement = |statement: &Statement| {
            let at = statement.position;
            statement.allows.clone().into_iter().map(move |allow| (allow, Some(at)))
        };
        let statements = self.statements.iter();
        of_file.chain(statements.flat_map(|(statement, _)| of_statement(statement))).collect()
    }
}

/// A finding together with what it was found in.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// The finding.
    pub finding: Finding,
    /// The script it is in.
    pub script: &'a Script,
    /// The statement and the effect; `None` for a finding about the whole script.
    pub effect: Option<(&'a Statement, &'a Effect)>,
}

/// Reads a script.
pub fn read(script: &Script) -> ScriptReading<'_> {
    let statements = script.statements.clone().unwrap_or_else(|| sql::split(&script.text));
    let statements = statements
        .into_iter()
        .map(|statement| {
            let effects = effect::read(&statement);
            (statement, effects)
        })
        .collect();
    ScriptReading { script, statements }
}

/// The findings of a batch of scripts, in the order in which they would run.
pub fn findings(readings: &[ScriptReading<'_>]) -> Vec<Finding> {
    found(readings).into_iter().map(|found| found.finding).collect()
}

/// An effect, and the statement that has it.
pub type Caused<'a> = (&'a Statement, &'a Effect);

/// What each script does, in order; in place of a call of what the batch defines, what it comes to.
pub fn resolved<'a>(readings: &'a [ScriptReading<'a>]) -> Vec<Vec<Caused<'a>>> {
    let mut definitions = Definitions::default();
    let mut of_script = |reading: &'a ScriptReading<'a>| {
        let mut all = Vec::new();
        for (statement, effects) in &reading.statements {
            for effect in effects {
                definitions.resolve(effect, |effect| all.push((statement, effect)));
            }
        }
        all
    };
    readings.iter().map(&mut of_script).collect()
}

/// The findings of a batch, each with the effect that it speaks of, so that it can be measured.
pub fn found<'a>(readings: &'a [ScriptReading<'a>]) -> Vec<Found<'a>> {
    let resolved = resolved(readings);
    let effects = resolved.iter().flatten().map(|(_, effect)| *effect);
    let mut standings = batch::standings(effects).into_iter();
    let mut all = Vec::new();
    for (reading, caused) in readings.iter().zip(resolved) {
        let script = reading.script;
        all.extend(of_knowledge(script).map(|finding| Found { finding, script, effect: None }));
        // Made once for a statement, however many effects it has.
        let mut last: Option<(&Statement, Option<Snippet>)> = None;
        for ((statement, effect), standing) in caused.into_iter().zip(&mut standings) {
            let own = of_effect(script, statement, effect, &standing);
            let own = own.map(|finding| (finding, Some((statement, effect))));
            let followers = of_followers(script, statement, effect, &standing);
            for (mut finding, effect) in own.into_iter().chain(followers.map(|it| (it, None))) {
                if last.as_ref().is_none_or(|(shown, _)| !std::ptr::eq(*shown, statement)) {
                    last = Some((statement, snippet::of(script, statement)));
                }
                finding.snippet = last.as_ref().and_then(|(_, snippet)| snippet.clone());
                all.push(Found { finding, script, effect });
            }
        }
    }
    all
}

/// The place of a statement, for what is no finding.
pub fn place_of(script: &Script, statement: &Statement) -> Place {
    place::of(script, statement, "", &Object::bare(ObjectKind::Script, ""))
}

/// Whether there is a rule of this id.
pub fn exists(id: &str) -> bool {
    rule(id).is_some()
}

/// The rule of this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

fn of_effect(
    script: &Script,
    statement: &Statement,
    effect: &Effect,
    standing: &Standing,
) -> Option<Finding> {
    let said = say::say(script, effect, standing)?;
    Some(of_said(script, statement, effect, said))
}

/// What goes along by foreign keys that the batch itself shows; they are not measured for
/// themselves, for the database does not have them yet.
fn of_followers<'a>(
    script: &'a Script,
    statement: &'a Statement,
    effect: &'a Effect,
    standing: &'a Standing,
) -> impl Iterator<Item = Finding> + use<'a> {
    let said = say::followers(effect, standing);
    said.map(move |said| of_said(script, statement, effect, said))
}

fn of_said(script: &Script, statement: &Statement, effect: &Effect, said: say::Said) -> Finding {
    Finding {
        rule: said.rule,
        severity: said.severity,
        certainty: said.certainty,
        place: place::of(script, statement, said.rule, &said.object),
        statement: excerpt(&statement.text),
        snippet: None,
        loss: None,
        message: said.message,
        instead: instead::instead(effect, said.rule),
        object: said.object,
        allowance: None,
    }
}

/// The statement as written; of a very long one the start, for each of its findings holds a copy.
pub fn excerpt(text: &str) -> String {
    if text.len() <= LONGEST_EXCERPT {
        return text.to_owned();
    }
    format!("{} …", &text[..text.floor_char_boundary(LONGEST_EXCERPT)])
}

/// What a script keeps to itself is a finding, however harmless its text looks.
fn of_knowledge(script: &Script) -> Option<Finding> {
    let name = script.origin.revision.as_deref().unwrap_or_else(|| script.origin.name());
    let (severity, message) = match &script.knowledge {
        Knowledge::Known => return None,
        // What could not be read is found statement by statement, each in its place.
        Knowledge::PartlyKnown(reasons) if reasons.is_empty() => return None,
        Knowledge::Opaque(why) => (
            Severity::Error,
            format!("`{name}` could not be read, so rowsafe cannot vouch for it: {why}"),
        ),
        Knowledge::PartlyKnown(reasons) => (
            Severity::Warning,
            format!("`{name}` may do more than could be read: {}", reasons.join("; ")),
        ),
    };
    Some(Finding {
        rule: "opaque",
        severity,
        certainty: Certainty::Unknown,
        object: Object::bare(ObjectKind::Script, name),
        place: place::of_script(script),
        statement: String::new(),
        snippet: None,
        loss: None,
        message,
        instead: instead::for_script(name),
        allowance: None,
    })
}

#[cfg(test)]
mod tests;
