//! The way through the batch: each statement measured where it stands, with what the names mean at
//! that point.

use std::iter::Peekable;

use tokio_postgres::Error;

use super::along::{Along, Called};
use super::at_risk::Touched;
use super::{Doomed, schema_of};
use crate::db::postgres::measure::Measuring;
use crate::effect::Effect;
use crate::finding::Finding;
use crate::policy;
use crate::rules::{self, Caused, Found, ScriptReading};
use crate::script::{Knowledge, Script};
use crate::sql::Statement;

/// What was measured of a batch.
#[derive(Default)]
pub(super) struct Measured {
    /// The findings, and the schemas of names that were written without one.
    pub(super) findings: Vec<(Finding, Option<String>)>,
    /// The statements that will fail.
    pub(super) doomed: Vec<Doomed>,
}

/// On its way through a batch.
pub(super) struct Walk<'w, 'a> {
    /// The live database.
    pub(super) measuring: &'w mut Measuring<'a>,
    /// What happens by itself.
    pub(super) along: &'w mut Along<'a>,
    /// What is at risk.
    pub(super) touched: &'w mut Touched,
}

/// A statement in its script.
#[derive(Clone, Copy)]
struct At<'s> {
    number: usize,
    script: &'s Script,
    statement: &'s Statement,
}

impl Walk<'_, '_> {
    /// Goes all the way.
    pub(super) async fn through(
        &mut self,
        readings: &[ScriptReading<'_>],
    ) -> Result<Measured, Error> {
        let mut found = rules::found(readings).into_iter().peekable();
        let mut all = Measured::default();
        let effects =
            readings.iter().flat_map(|reading| &reading.statements).flat_map(|(_, all)| all);
        self.measuring.expect(effects);
        let scripts = readings.iter().zip(rules::resolved(readings)).enumerate();
        for (number, (reading, caused)) in scripts {
            let script = reading.script;
            self.touched.script(script);
            if !matches!(script.knowledge, Knowledge::Known) {
                self.measuring.names().lose("a script before it could not be read in full");
            }
            self.measuring.begin(script);
            let mut caused = caused.into_iter().peekable();
            for (statement, effects) in &reading.statements {
                let at = At { number, script, statement };
                let mut fails = self.measuring.fails(statement, effects).await?;
                self.by_shape(at, &mut all).await?;
                while let Some((_, effect)) = next_of(&mut caused, statement) {
                    let failed = self.effect(at, effect, &mut found, &mut all).await?;
                    fails = fails.or(failed);
                }
                all.doomed.extend(fails.map(|why| Doomed::of(script, statement, why)));
                self.measuring.pass(statement, effects);
            }
        }
        all.findings.extend(found.map(|found| (found.finding, None)));
        Ok(all)
    }

    /// What fires by the kind of statement, whatever its effects.
    async fn by_shape(&mut self, at: At<'_>, all: &mut Measured) -> Result<(), Error> {
        let (script, statement) = (at.script, at.statement);
        let fired = self.along.fired_by_shape(self.measuring, script, statement).await?;
        all.findings.extend(fired);
        for effect in self.along.take_ran() {
            self.touched.effect(at.script, &effect, self.measuring.names());
        }
        Ok(())
    }

    /// The findings of an effect, and what happens by itself with it; why it fails, if it does.
    async fn effect<'f>(
        &mut self,
        at: At<'_>,
        effect: &Effect,
        found: &mut Peekable<impl Iterator<Item = Found<'f>>>,
        all: &mut Measured,
    ) -> Result<Option<String>, Error> {
        let mut does = None;
        let mut fails = None;
        let dragged = self.along.dragged(self.measuring, (at.script, at.statement), effect).await?;
        // Those about the whole script come before those of its statements.
        let is_next =
            |found: &Found<'_>| found.effect.is_none_or(|(_, of)| std::ptr::eq(of, effect));
        while let Some(Found { mut finding, effect: of, .. }) = found.next_if(is_next) {
            if let (Some(_), Effect::CallsFunction { name }) = (of, effect) {
                let called = self.along.called(self.measuring, at.script, name, finding).await?;
                let Called { findings, effects } = called;
                for finding in findings {
                    let schema = schema_of(&finding.object, self.measuring);
                    all.findings.push((finding, schema));
                }
                does = effects;
                continue;
            }
            if of.is_some() && dragged.is_some() {
                continue;
            }
            if of.is_some() {
                if is_widening(effect, self.measuring) {
                    continue;
                }
                let loss = self.along.loss(self.measuring, effect, Some(at.statement)).await?;
                fails = fails.or(loss.as_ref().and_then(|loss| loss.fails.clone()));
                finding.loss = loss;
                policy::weigh(&mut finding);
                self.along.note_stale(&mut finding);
            }
            let schema = schema_of(&finding.object, self.measuring);
            all.findings.push((finding, schema));
        }
        all.findings.extend(dragged.into_iter().flatten());
        let position = (at.number, at.script);
        let fired = self.along.fired(self.measuring, position, (at.statement, effect)).await?;
        all.findings.extend(fired);
        self.along.advance(self.measuring, at.statement, effect);
        for effect in self.along.take_ran() {
            self.touched.effect(at.script, &effect, self.measuring.names());
        }
        for effect in does.as_deref().unwrap_or_else(|| std::slice::from_ref(effect)) {
            self.touched.effect(at.script, effect, self.measuring.names());
            self.measuring.names().advance(effect);
        }
        Ok(fails)
    }
}

/// The next effect of this statement.
fn next_of<'c>(
    caused: &mut Peekable<impl Iterator<Item = Caused<'c>>>,
    statement: &Statement,
) -> Option<Caused<'c>> {
    caused.next_if(|(of, _)| std::ptr::eq(*of, statement))
}

/// Whether it changes a column to a type that holds whatever the column holds now.
fn is_widening(effect: &Effect, measuring: &Measuring<'_>) -> bool {
    let Effect::ChangeType { table, column, to, using: None } = effect else { return false };
    let types = measuring.column_types(table, column);
    !types.is_empty() && types.iter().all(|old| rules::widens(old, to))
}
