//! What happens by itself when a statement runs: the triggers and rules that fire, the functions
//! that are called, read in the database and followed as far as they lead.

mod dragged;
mod follow;
mod told;

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio_postgres::{Client, Error};

use self::told::{Findings, joined, together};
use crate::db::postgres::event_triggers::{self, EventTrigger};
use crate::db::postgres::functions::Function;
use crate::db::postgres::measure::Measuring;
use crate::db::postgres::reactions::{Deed, Event, Kind, Reaction, Reactions};
use crate::effect::{Effect, Reach};
use crate::finding::Finding;
use crate::loss::{Count, Loss, TableFate, TableLoss};
use crate::rules::Reacting;
use crate::script::Script;
use crate::sql::Statement;
use crate::text::QualifiedName;

/// The effects that a statement has beside its own.
pub struct Along<'a> {
    client: &'a Client,
    reactions: Reactions,
    event_triggers: Vec<EventTrigger>,
    /// What the batch has turned on and off: the tables, the name, and which of both.
    switches: Vec<(Option<Vec<u32>>, Option<String>, bool)>,
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

/// A finding beside the schema of a name that was written without one; these have theirs.
type Told = (Finding, Option<String>);

/// What calling a function comes to.
pub struct Called {
    /// What a person should know of it: what it destroys, as if the migration said so itself, and
    /// the call where that does not tell everything. Who agreed to a call without knowing what it
    /// does has not agreed to that.
    pub findings: Vec<Finding>,
    /// Everything that it does, where all of that is known.
    pub effects: Option<Vec<Effect>>,
}

impl<'a> Along<'a> {
    /// Reads what can fire.
    pub async fn start(client: &'a Client) -> Result<Self, Error> {
        Ok(Self {
            client,
            reactions: Reactions::read(client).await?,
            event_triggers: event_triggers::read(client).await?,
            switches: Vec::new(),
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
    ///
    /// What is turned off under a condition is not surely off: that counts where it stands at the
    /// top, as a statement of its own.
    pub fn advance(
        &mut self,
        measuring: &mut Measuring<'_>,
        statement: &Statement,
        effect: &Effect,
    ) {
        match effect {
            Effect::Switches { table, name, on }
                if *on || starts_with(statement, &["alter", "drop", "set"]) =>
            {
                let tables = table.as_ref().map(|table| measuring.names().tables(table));
                self.switches.push((tables, name.clone(), *on));
            }
            Effect::DefinesFunction { name, parameters, effects } => {
                self.defined.retain(|(known, same, _)| (known, same) != (name, parameters));
                self.defined.push((name.clone(), parameters.clone(), effects.clone()));
                self.told.clear();
            }
            Effect::NamesMoved { .. } => {
                self.defined.clear();
                self.switches.retain(|(_, _, on)| *on);
            }
            _ => {}
        }
    }

    /// The event triggers that fire by a statement. Each is told once for a batch.
    pub async fn fired_by_shape(
        &mut self,
        measuring: &mut Measuring<'_>,
        script: &Script,
        statement: &Statement,
    ) -> Result<Vec<Told>, Error> {
        let mut findings = Vec::new();
        for event_trigger in self.events(statement) {
            let told = (usize::MAX, event_trigger.oid);
            if !self.told.insert(told) {
                continue;
            }
            let (task, unknown) = self.body_of_function(event_trigger.function).await?;
            let found = self.follow(measuring, script, task, unknown).await?;
            self.ran.extend(found.effects.iter().cloned());
            let (word, name) = ("event trigger", event_trigger.name.as_str());
            let finding = Reacting { word, name, on: None }.finding(script, statement);
            findings.extend(found.summed_up(finding).map(|finding| (finding, None)));
        }
        Ok(findings)
    }

    /// The triggers and rules that fire by an effect of a statement and destroy something, or
    /// nobody can tell. Each is told once for a script.
    pub async fn fired(
        &mut self,
        measuring: &mut Measuring<'_>,
        (number, script): (usize, &Script),
        (statement, effect): (&Statement, &Effect),
    ) -> Result<Vec<Told>, Error> {
        let mut findings = Vec::new();
        if self.reactions.is_empty() || starts_with(statement, &["alter"]) {
            return Ok(findings);
        }
        let deeds = self.deeds(measuring, effect);
        let fired = self.reactions.fired(deeds);
        let fired: Vec<(Reaction, Deed)> = fired
            .into_iter()
            .filter(|(reaction, _)| !self.is_off(reaction))
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
            findings.extend(found.summed_up(finding).map(|finding| (finding, None)));
        }
        Ok(findings)
    }

    /// The event triggers that a statement fires.
    fn events(&self, statement: &Statement) -> Vec<EventTrigger> {
        let is_off = |event: &EventTrigger| {
            let switched = self.switches.iter().rev().find(|(tables, name, _)| {
                tables.is_none() && name.as_ref().is_none_or(|name| *name == event.name)
            });
            switched.map_or(event.is_off, |(_, _, on)| !on)
        };
        let fires = |event: &&EventTrigger| event.fires(&statement.text) && !is_off(event);
        self.event_triggers.iter().filter(fires).cloned().collect()
    }

    /// Whether a trigger or rule is off at this point of the batch.
    fn is_off(&self, reaction: &Reaction) -> bool {
        let tables = self.reactions.with_roots(reaction.table);
        let switched = self.switches.iter().rev().find(|(of, name, _)| match of {
            Some(of) => {
                of.iter().any(|table| tables.contains(table))
                    && name.as_ref().is_none_or(|name| *name == reaction.name)
            }
            None => name.is_none(),
        });
        match switched {
            // A session that plays no replica any more fires what the table has on.
            Some((None, _, true)) | None => reaction.is_off,
            Some((_, _, on)) => !on,
        }
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
        let mut oids = self.views(measuring, table);
        let names = &*measuring.names();
        oids.extend(names.tables(table));
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

    /// What an effect destroys here; of a view, in the tables behind it.
    pub async fn loss(
        &self,
        measuring: &mut Measuring<'_>,
        effect: &Effect,
        statement: Option<&Statement>,
    ) -> Result<Option<Loss>, Error> {
        if let Effect::DropMaterializedView { view, cascade: true } = effect {
            let oids = measuring.names().tables(view);
            return measuring.dropped("pg_class", &oids, true).await.map(Some);
        }
        let (Effect::Delete { table, .. }
        | Effect::Update { table, .. }
        | Effect::Merge { table, .. }) = effect
        else {
            return measuring.loss(effect, statement).await;
        };
        let views = self.views(measuring, table);
        if views.is_empty() {
            return measuring.loss(effect, statement).await;
        }
        let event = match effect {
            Effect::Update { .. } | Effect::Merge { deletes: false, .. } => Event::Update,
            _ => Event::Delete,
        };
        let columns = match effect {
            Effect::Update { columns, .. } => columns.len(),
            _ => 0,
        };
        let mut loss = Loss::default();
        for view in views {
            for base in self.reactions.tables_behind(view, event) {
                let Some(name) = measuring.names().table_name(base).cloned() else { continue };
                let of_base = measuring.loss(&instead_of(effect, &name), None).await?;
                absorb_view(&mut loss, columns, of_base);
                loss.through.push(format!(
                    "table {} behind the view {}",
                    name.short(),
                    table.short()
                ));
            }
        }
        Ok(Some(loss))
    }

    /// The views that a name means, where it means no table.
    fn views(&self, measuring: &mut Measuring<'_>, name: &QualifiedName) -> Vec<u32> {
        let names = measuring.names();
        if !names.tables(name).is_empty() || names.may_be_born(name) {
            return Vec::new();
        }
        self.reactions.views(name, names.search_path())
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

impl Reaction {
    const fn word(&self) -> &'static str {
        match self.kind {
            Kind::Trigger { .. } => "trigger",
            Kind::Rule { .. } => "rule",
        }
    }
}

/// The same on a table behind the view: at the most all of it, for the view shows a part.
fn instead_of(effect: &Effect, table: &QualifiedName) -> Effect {
    let (table, reach) = (table.clone(), Reach::All { why: String::new() });
    match effect {
        Effect::Update { columns, .. } => Effect::Update { table, columns: columns.clone(), reach },
        Effect::Merge { deletes, .. } => Effect::Merge { table, deletes: *deletes },
        _ => Effect::Delete { table, reach },
    }
}

/// Adds what goes of a table behind a view, whose columns may have other names there.
fn absorb_view(loss: &mut Loss, columns: usize, other: Option<Loss>) {
    let unknown = || Count::Unknown("the view shows its columns in its own way".to_owned());
    let mut other = other.unwrap_or_else(|| Loss { values: unknown(), ..Loss::default() });
    for table in &mut other.tables {
        if let TableFate::Values { columns: found, .. } = &mut table.fate {
            if found.len() != columns {
                other.values = unknown();
            }
            found.clear();
        }
    }
    loss.rows = together(&loss.rows, &other.rows);
    loss.values = together(&loss.values, &other.values);
    loss.through.extend(other.through);
    loss.tables.extend(other.tables);
}

/// Whether a statement starts with one of these words. What changes a table's shape rewrites its
/// rows without firing the triggers of rows.
fn starts_with(statement: &Statement, words: &[&str]) -> bool {
    let first = statement.text.split_whitespace().next().unwrap_or_default();
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}
