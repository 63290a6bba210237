//! Bodies of triggers, rules and functions, followed into what they call and fire.

use std::collections::HashSet;

use tokio_postgres::Error;

use super::Along;
use super::told::{Findings, weighed};
use crate::db::postgres::functions::{self, Body, Function};
use crate::db::postgres::measure::Measuring;
use crate::db::postgres::reactions::{Kind, Reaction};
use crate::effect::Effect;
use crate::effect::batch::{self, Standing};
use crate::rules;
use crate::script::Script;
use crate::text::QualifiedName;

/// More bodies than that are not followed from one statement.
const MAX_BODIES: usize = 200;

/// A body to be followed.
pub(super) struct Task {
    pub(super) effects: Vec<Effect>,
    pub(super) search_path: Option<Vec<String>>,
}

/// What was followed already.
#[derive(Default)]
struct Seen {
    names: HashSet<QualifiedName>,
    reactions: HashSet<u32>,
}

impl Along<'_> {
    /// Follows bodies, the functions that they call and the triggers that they fire.
    pub(super) async fn follow(
        &mut self,
        measuring: &mut Measuring<'_>,
        script: &Script,
        tasks: Vec<Task>,
        unknown: Vec<String>,
    ) -> Result<Findings, Error> {
        let mut found = Findings { unknown, ..Findings::default() };
        let mut seen = Seen::default();
        let mut next: Vec<Task> = tasks.into_iter().rev().collect();
        let mut count = 0;
        while let Some(task) = next.pop() {
            count += 1;
            if count > MAX_BODIES {
                found.unknown.push("it calls too many functions to be followed".to_owned());
                break;
            }
            let outer = task.search_path.map(|path| {
                let inner = measuring.names().looking_in(path);
                std::mem::replace(measuring.names(), inner)
            });
            let followed = self.follow_one(measuring, script, task.effects, &mut found, &mut seen);
            let more = followed.await;
            if let Some(outer) = outer {
                *measuring.names() = outer;
            }
            next.extend(more?.into_iter().rev());
        }
        Ok(found)
    }

    /// One body; what it calls and fires comes back.
    async fn follow_one(
        &mut self,
        measuring: &mut Measuring<'_>,
        script: &Script,
        effects: Vec<Effect>,
        found: &mut Findings,
        seen: &mut Seen,
    ) -> Result<Vec<Task>, Error> {
        let mut next = Vec::new();
        let standings = batch::standings(effects.iter());
        for (effect, standing) in effects.iter().zip(&standings) {
            if let Effect::CallsFunction { name } = effect {
                if seen.names.insert(name.clone()) {
                    let (tasks, unknown) = self.bodies_named(measuring, name).await?;
                    if tasks.is_empty() && unknown.is_empty() {
                        found
                            .unknown
                            .push(format!("it calls `{}`, which is not there", name.short()));
                    }
                    next.extend(tasks);
                    found.unknown.extend(unknown);
                }
                continue;
            }
            if let Some(harm) = rules::harm(script, effect, standing) {
                let mut harm = weighed(self, measuring, effect, harm).await?;
                let schema = crate::plan::schema_of(&harm.object, measuring);
                harm.object.schema = harm.object.schema.or(schema);
                found.add(harm);
            }
            if *standing == Standing::Born {
                continue;
            }
            let deeds = self.deeds(measuring, effect);
            let fired: Vec<Reaction> = self
                .reactions
                .fired(deeds)
                .into_iter()
                .map(|(reaction, _)| reaction)
                .filter(|reaction| !self.is_off(reaction))
                .cloned()
                .collect();
            for reaction in fired {
                if seen.reactions.insert(reaction.oid) {
                    let (tasks, unknown) = self.body_of(&reaction).await?;
                    next.extend(tasks);
                    found.unknown.extend(unknown);
                }
            }
        }
        found.effects.extend(effects);
        Ok(next)
    }

    /// What a trigger or rule runs.
    pub(super) async fn body_of(
        &mut self,
        reaction: &Reaction,
    ) -> Result<(Vec<Task>, Vec<String>), Error> {
        match &reaction.kind {
            Kind::Rule { actions } => {
                Ok((vec![Task { effects: actions.clone(), search_path: None }], Vec::new()))
            }
            Kind::Trigger { function, .. } => self.body_of_function(*function).await,
        }
    }

    pub(super) async fn body_of_function(
        &mut self,
        function: u32,
    ) -> Result<(Vec<Task>, Vec<String>), Error> {
        let found = self.functions(&[function]).await?;
        self.bodies(found).await
    }

    /// What the functions of a name do: those of the batch, then those of the database.
    pub(super) async fn bodies_named(
        &mut self,
        measuring: &mut Measuring<'_>,
        name: &QualifiedName,
    ) -> Result<(Vec<Task>, Vec<String>), Error> {
        let names = measuring.names();
        let (path, has_moved) = (names.search_path().to_vec(), names.has_moved());
        let found = functions::by_name(self.client, name, &path, has_moved).await?;
        if found.is_empty() {
            let same = |(known, _, _): &&(QualifiedName, String, Vec<Effect>)| is_same(known, name);
            let task = |(_, _, effects): &(QualifiedName, String, Vec<Effect>)| Task {
                effects: effects.clone(),
                search_path: None,
            };
            return Ok((self.defined.iter().filter(same).map(task).collect(), Vec::new()));
        }
        for function in &found {
            self.functions.insert(function.oid, function.clone());
        }
        self.bodies(found).await
    }

    /// The bodies of functions; of aggregates those of their parts. What the batch has defined in
    /// place of one counts instead, or beside it where it may be another one of that name.
    async fn bodies(&mut self, found: Vec<Function>) -> Result<(Vec<Task>, Vec<String>), Error> {
        let (mut tasks, mut unknown) = (Vec::new(), Vec::new());
        let parts: Vec<u32> = found.iter().flat_map(|function| function.parts.clone()).collect();
        let parts = self.functions(&parts).await?;
        let is_single = found.len() == 1;
        for function in found.into_iter().chain(parts) {
            let mut is_replaced = false;
            for (name, parameters, effects) in &self.defined {
                if is_same(name, &function.name) {
                    let is_bare = parameters.chars().all(|c| c.is_whitespace() || "()".contains(c));
                    is_replaced |= is_bare && function.is_bare || is_single && !function.is_bare;
                    tasks.push(Task { effects: effects.clone(), search_path: None });
                }
            }
            if is_replaced {
                continue;
            }
            match function.body() {
                Body::Effects(effects) => {
                    tasks.push(Task { effects, search_path: function.search_path.clone() });
                }
                Body::Unknown(why) => unknown.push(why),
            }
        }
        Ok((tasks, unknown))
    }

    pub(super) async fn functions(&mut self, oids: &[u32]) -> Result<Vec<Function>, Error> {
        let is_new = |oid: &u32| !self.functions.contains_key(oid);
        let missing: Vec<u32> = oids.iter().copied().filter(is_new).collect();
        if !missing.is_empty() {
            for function in functions::by_oid(self.client, &missing).await? {
                self.functions.insert(function.oid, function);
            }
        }
        Ok(oids.iter().filter_map(|oid| self.functions.get(oid)).cloned().collect())
    }
}

fn is_same(one: &QualifiedName, other: &QualifiedName) -> bool {
    let (a, b) = (&one.schema, &other.schema);
    one.name == other.name && (a.is_none() || b.is_none() || a == b)
}
