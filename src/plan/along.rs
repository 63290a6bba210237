//! What happens by itself when a statement runs: the triggers and rules that fire, the functions
//! that are called, read in the database and followed as far as they lead.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio_postgres::{Client, Error};

use crate::db::postgres::functions::{self, Body, Function};
use crate::db::postgres::measure::Measuring;
use crate::db::postgres::reactions::{Deed, Event, Kind, Reaction, Reactions};
use crate::effect::batch::{self, Standing};
use crate::effect::{Effect, Reach};
use crate::finding::{Certainty, Finding, Severity};
use crate::loss::{Count, Loss, TableFate, TableLoss};
use crate::policy;
use crate::rules::{self, Reacting};
use crate::script::Script;
use crate::sql::Statement;
use crate::text::QualifiedName;

/// More bodies than that are not followed from one statement.
const MAX_BODIES: usize = 200;

/// The effects that a statement has beside its own.
pub struct Along<'a> {
    client: &'a Client,
    reactions: Reactions,
    functions: HashMap<u32, Function>,
    /// What the batch has defined so far.
    defined: Vec<(QualifiedName, String, Vec<Effect>)>,
    /// What was told of this script already, or had nothing to tell.
    told: HashSet<(usize, u32)>,
    /// What triggers set in the row at hand: part of the plan, and nothing to agree to.
    quiet: Vec<TableLoss>,
    /// What the bodies do that fired since somebody asked.
    ran: Vec<Effect>,
}

/// What calling a function comes to.
pub struct Called {
    /// What a person should know of it: what it destroys, as if the migration said so itself, and
    /// the call where that does not tell everything. Who agreed to a call without knowing what it
    /// does has not agreed to that.
    pub findings: Vec<Finding>,
    /// Everything that it does, where all of that is known.
    pub effects: Option<Vec<Effect>>,
}

/// What the bodies that were followed come to.
#[derive(Default)]
struct Findings {
    harms: Vec<Finding>,
    unknown: Vec<String>,
    effects: Vec<Effect>,
}

/// A body to be followed.
struct Task {
    effects: Vec<Effect>,
    search_path: Option<Vec<String>>,
}

impl<'a> Along<'a> {
    /// Reads what can fire.
    pub async fn start(client: &'a Client) -> Result<Self, Error> {
        Ok(Self {
            client,
            reactions: Reactions::read(client).await?,
            functions: HashMap::new(),
            defined: Vec::new(),
            told: HashSet::new(),
            quiet: Vec::new(),
            ran: Vec::new(),
        })
    }

    /// What the bodies do that fired since this was asked last, be it harmful or not.
    pub fn take_ran(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.ran)
    }

    /// What triggers set beside the statements, without taking anything that needs agreement.
    pub fn into_quiet(self) -> Vec<TableLoss> {
        self.quiet
    }

    /// Takes note of what the batch changes about what fires and what is called.
    pub fn advance(&mut self, effect: &Effect) {
        match effect {
            Effect::DefinesFunction { name, parameters, effects } => {
                self.defined.retain(|(known, same, _)| (known, same) != (name, parameters));
                self.defined.push((name.clone(), parameters.clone(), effects.clone()));
                self.told.clear();
            }
            Effect::NamesMoved { .. } => self.defined.clear(),
            _ => {}
        }
    }

    /// The triggers and rules that fire by an effect of a statement and destroy something, or
    /// nobody can tell. Each is told once for a script.
    pub async fn fired(
        &mut self,
        measuring: &mut Measuring<'_>,
        (number, script): (usize, &Script),
        (statement, effect): (&Statement, &Effect),
    ) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        if self.reactions.is_empty() || is_ddl(statement) {
            return Ok(findings);
        }
        let deeds = self.deeds(measuring, effect);
        let fired = self.reactions.fired(deeds);
        let fired: Vec<(Reaction, Deed)> = fired
            .into_iter()
            .filter(|(reaction, _)| !reaction.is_off)
            .map(|(reaction, deed)| (reaction.clone(), deed))
            .collect();
        for (reaction, deed) in fired {
            self.note_set_columns(&reaction, &deed).await?;
            if !self.told.insert((number, reaction.oid)) {
                continue;
            }
            let (task, unknown) = self.body_of(&reaction).await?;
            let found = self.follow(measuring, script, task, unknown).await?;
            self.ran.extend(found.effects.iter().cloned());
            let (word, on) = (reaction.word(), Some(&reaction.on));
            let finding = Reacting { word, name: &reaction.name, on }.finding(script, statement);
            findings.extend(found.summed_up(finding));
        }
        Ok(findings)
    }

    /// What a call of a function comes to here.
    pub async fn called(
        &mut self,
        measuring: &mut Measuring<'_>,
        script: &Script,
        name: &QualifiedName,
        finding: Finding,
    ) -> Result<Called, Error> {
        let (tasks, unknown) = self.bodies_named(measuring, name).await?;
        if tasks.is_empty() && unknown.is_empty() {
            return Ok(Called { findings: vec![finding], effects: None });
        }
        let Findings { harms, unknown, effects } =
            self.follow(measuring, script, tasks, unknown).await?;
        let as_said = |harm: Finding| Finding {
            place: finding.place.clone(),
            statement: finding.statement.clone(),
            snippet: finding.snippet.clone(),
            message: format!("`{}` is called: {}", name.short(), harm.message),
            ..harm
        };
        let mut findings: Vec<Finding> = harms.into_iter().map(as_said).collect();
        let effects = unknown.is_empty().then_some(effects);
        if !unknown.is_empty() {
            let message = format!("{}: {}", finding.message, joined(unknown));
            findings.push(Finding { message, ..finding });
        }
        Ok(Called { findings, effects })
    }

    /// Follows bodies, the functions that they call and the triggers that they fire.
    async fn follow(
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
                let mut harm = weighed(measuring, effect, harm).await?;
                let schema = super::schema_of(&harm.object, measuring);
                harm.object.schema = harm.object.schema.or(schema);
                found.add(harm);
            }
            if *standing == Standing::Born {
                continue;
            }
            let deeds = self.deeds(measuring, effect);
            let fired: Vec<Reaction> =
                self.reactions.fired(deeds).into_iter().map(|(it, _)| it.clone()).collect();
            for reaction in fired.into_iter().filter(|reaction| !reaction.is_off) {
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

    /// What an effect does to rows of which tables, in the catalogue's terms.
    fn deeds(&self, measuring: &mut Measuring<'_>, effect: &Effect) -> Vec<Deed> {
        let none: &[String] = &[];
        let (table, events): (_, Vec<(Event, &[String])>) = match effect {
            Effect::Insert { table } => (table, vec![(Event::Insert, none)]),
            Effect::Fill { table, columns }
            | Effect::Update { table, columns, .. }
            | Effect::Upsert { table, columns } => (table, vec![(Event::Update, columns)]),
            Effect::Delete { table, .. } => (table, vec![(Event::Delete, none)]),
            Effect::Truncate { table, .. } => (table, vec![(Event::Truncate, none)]),
            Effect::Merge { table, deletes: false } => (table, vec![(Event::Update, none)]),
            Effect::Merge { table, deletes: true } => {
                (table, vec![(Event::Update, none), (Event::Delete, none)])
            }
            _ => return Vec::new(),
        };
        let names = measuring.names();
        let mut oids = names.tables(table);
        if oids.is_empty() && !names.may_be_born(table) {
            oids = self.reactions.views(table, names.search_path());
        }
        let names = &*names;
        let deed = |oid: u32| {
            events.iter().map(move |(event, columns)| {
                let known = |column: &String| {
                    let attnum = names.attnum(oid, column)?;
                    self.reactions.column(oid, attnum).map(str::to_owned)
                };
                let columns: Option<BTreeSet<String>> = columns.iter().map(known).collect();
                let columns = columns.filter(|columns| !columns.is_empty());
                Deed { table: oid, event: *event, columns, rows_only: false }
            })
        };
        oids.into_iter().flat_map(deed).collect()
    }

    /// What a trigger or rule runs.
    async fn body_of(&mut self, reaction: &Reaction) -> Result<(Vec<Task>, Vec<String>), Error> {
        match &reaction.kind {
            Kind::Rule { actions } => {
                Ok((vec![Task { effects: actions.clone(), search_path: None }], Vec::new()))
            }
            Kind::Trigger { function, .. } => {
                let found = self.functions(&[*function]).await?;
                self.bodies(found).await
            }
        }
    }

    /// What the functions of a name do: those of the batch, then those of the database.
    async fn bodies_named(
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

    async fn functions(&mut self, oids: &[u32]) -> Result<Vec<Function>, Error> {
        let is_new = |oid: &u32| !self.functions.contains_key(oid);
        let missing: Vec<u32> = oids.iter().copied().filter(is_new).collect();
        if !missing.is_empty() {
            for function in functions::by_oid(self.client, &missing).await? {
                self.functions.insert(function.oid, function);
            }
        }
        Ok(oids.iter().filter_map(|oid| self.functions.get(oid)).cloned().collect())
    }

    /// A trigger that runs before an UPDATE may set more columns of the row than the statement says.
    async fn note_set_columns(&mut self, reaction: &Reaction, deed: &Deed) -> Result<(), Error> {
        let Kind::Trigger { function, sets_row: true } = reaction.kind else { return Ok(()) };
        if deed.event != Event::Update {
            return Ok(());
        }
        let sets = self.functions(&[function]).await?.first().map(Function::sets_of_new);
        let columns = match sets.flatten() {
            Some(names) if names.is_empty() => return Ok(()),
            Some(names) => self.reactions.attnums(deed.table, &names),
            None => BTreeSet::new(),
        };
        let fate = TableFate::Values { columns, limit: None };
        let loss = TableLoss { table: deed.table, fate };
        if !self.quiet.contains(&loss) {
            self.quiet.push(loss);
        }
        Ok(())
    }
}

/// What was followed already.
#[derive(Default)]
struct Seen {
    names: HashSet<QualifiedName>,
    reactions: HashSet<u32>,
}

impl Reaction {
    const fn word(&self) -> &'static str {
        match self.kind {
            Kind::Trigger { .. } => "trigger",
            Kind::Rule { .. } => "rule",
        }
    }
}

impl Findings {
    fn add(&mut self, harm: Finding) {
        if harm.certainty == Certainty::Unknown && harm.loss.is_none() {
            self.unknown.push(harm.message);
        } else if !self.harms.iter().any(|known| known.message == harm.message) {
            self.harms.push(harm);
        }
    }

    /// All of it as one finding; none, where nothing is destroyed.
    fn summed_up(self, mut finding: Finding) -> Option<Finding> {
        let Self { harms, unknown, .. } = self;
        if harms.is_empty() && unknown.is_empty() {
            return None;
        }
        let severities = harms.iter().map(|harm| harm.severity);
        finding.severity = severities.max().unwrap_or(Severity::Note);
        let is_single = harms.len() == 1;
        finding.certainty = match harms.as_slice() {
            [harm] => harm.certainty,
            _ => Certainty::DependsOnData,
        };
        let mut said: Vec<String> = harms.iter().map(|harm| harm.message.clone()).collect();
        let mut loss = Loss::default();
        let has_loss = !harms.is_empty();
        for harm in harms {
            absorb(&mut loss, harm.loss.unwrap_or_default(), is_single);
        }
        if !unknown.is_empty() {
            let why = joined(unknown);
            said.push(format!("what it does to rows is not known: {why}"));
            finding.severity = finding.severity.max(Severity::Warning);
            finding.certainty = Certainty::Unknown;
            let unknown = || Count::Unknown(why.clone());
            (loss.rows, loss.values) = (unknown(), unknown());
        }
        finding.message = format!("{}: {}", finding.message, said.join("; "));
        finding.loss = has_loss.then_some(loss);
        Some(finding)
    }
}

/// What one effect of a body takes, at the most: the values that its conditions speak of are known
/// only when it runs.
async fn weighed(
    measuring: &Measuring<'_>,
    effect: &Effect,
    mut harm: Finding,
) -> Result<Finding, Error> {
    let all = || Reach::All { why: String::new() };
    let (widest, is_some) = match effect {
        Effect::Delete { table, reach: Reach::Some { .. } } => {
            (Effect::Delete { table: table.clone(), reach: all() }, true)
        }
        Effect::Update { table, columns, reach: Reach::Some { .. } } => {
            let (table, columns) = (table.clone(), columns.clone());
            (Effect::Update { table, columns, reach: all() }, true)
        }
        other => (other.clone(), false),
    };
    harm.loss = measuring.loss(&widest, None).await?;
    if is_some && let Some(loss) = &mut harm.loss {
        loss.rows = at_most(&loss.rows);
        loss.values = at_most(&loss.values);
    }
    if matches!(effect, Effect::Delete { .. }) {
        harm.severity = harm.severity.max(Severity::Warning);
    }
    Ok(policy::weighed(harm))
}

fn joined(mut reasons: Vec<String>) -> String {
    reasons.sort();
    reasons.dedup();
    reasons.join("; ")
}

fn absorb(sum: &mut Loss, other: Loss, is_single: bool) {
    if is_single {
        *sum = other;
        return;
    }
    sum.rows = together(&sum.rows, &other.rows);
    sum.values = together(&sum.values, &other.values);
    for through in other.through {
        if !sum.through.contains(&through) {
            sum.through.push(through);
        }
    }
    for table in other.tables {
        if !sum.tables.contains(&table) {
            sum.tables.push(table);
        }
    }
}

/// No more than both: they may take the same rows.
fn together(left: &Count, right: &Count) -> Count {
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => at_most(&Count::Exact(left + right)),
        _ if left.number().is_none() => left.clone(),
        _ => right.clone(),
    }
}

fn at_most(count: &Count) -> Count {
    match count {
        Count::Exact(number) if *number > 0 => Count::AtMost(*number),
        other => other.clone(),
    }
}

fn is_same(one: &QualifiedName, other: &QualifiedName) -> bool {
    let (a, b) = (&one.schema, &other.schema);
    one.name == other.name && (a.is_none() || b.is_none() || a == b)
}

/// What changes a table's shape rewrites its rows without firing anything.
fn is_ddl(statement: &Statement) -> bool {
    let first = statement.text.split_whitespace().next().unwrap_or_default();
    ["alter", "create", "drop"].iter().any(|word| first.eq_ignore_ascii_case(word))
}
