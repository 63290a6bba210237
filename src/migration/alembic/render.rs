//! Asking the user's own command for the SQL of what is pending.
//!
//! One call renders everything. Where it breaks off, rendering goes on behind the revision that
//! broke it, and what is still missing is asked for one revision at a time. What was rendered is
//! evidence: it is never executed, and never called complete without a look at the source.

use std::collections::BTreeSet;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use super::command::{AlembicCommand, Direction};
use super::graph::{self, Graph};
use super::guards;
use super::output::{self, Output, Section};
use super::revisions::{Revision, Revisions};
use crate::child::capture::capture;
use crate::environment::Environment;
use crate::migration::modules::ProjectModules;
use crate::script::{Knowledge, Origin, Script};
use crate::sql::Statement;
use crate::{python, rules};

/// How long all rendering together may take unless somebody says otherwise.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// What a command will run, as far as it could be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pending {
    /// One for each pending revision, in the order in which they will run.
    pub scripts: Vec<Script>,
    /// What the version table should hold afterwards, where that could be worked out.
    pub after: Option<Vec<String>>,
    /// What a person should know about how this was found.
    pub warnings: Vec<String>,
}

/// Renders what `command` will run on a database that is at `current`.
///
/// Every transaction that the rendering opens is read-only, as far as the driver heeds
/// `PGOPTIONS`; asyncpg does not. The result of a command that runs no revisions is empty.
pub async fn pending(
    command: &AlembicCommand,
    current: &[String],
    revisions: &Revisions,
    environment: &Environment,
    deadline: Duration,
) -> Pending {
    let Some((direction, target)) = command.movement() else { return Pending::default() };
    let options = read_only_options(command, environment);
    let end = Instant::now() + deadline;
    let ask = async |from: &str, to: &str| {
        let left = end.saturating_duration_since(Instant::now());
        call(command, revisions, &options, from, to, (left, deadline)).await
    };
    let mut pending = Inquiry::new(current, revisions, direction, target).answer(ask).await;
    for script in &mut pending.scripts {
        if let Some(path) = &mut script.origin.path {
            *path = relative(path, environment);
        }
    }
    if command.is_in_container() {
        let warning = "the revision files here are taken for those in the container";
        pending.warnings.push(warning.to_owned());
    }
    if let Some(why) = command.loses_environment() {
        pending.warnings.push(format!("{why}: rendering may not have been read-only"));
    }
    pending
}

const READ_ONLY: &str = "-c default_transaction_read_only=on";

/// The user's own options stay in front: they may hold the search path that the project needs.
fn read_only_options(command: &AlembicCommand, environment: &Environment) -> String {
    let is_set_by_wrapper = command.assigned.iter().any(|(name, _)| name == "PGOPTIONS");
    match environment.get("PGOPTIONS") {
        Some(own) if !is_set_by_wrapper && !command.is_in_container() => {
            format!("{own} {READ_ONLY}")
        }
        _ => READ_ONLY.to_owned(),
    }
}

fn relative(path: &str, environment: &Environment) -> String {
    let path = std::path::Path::new(path);
    let path = path.strip_prefix(environment.directory()).unwrap_or(path);
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// What one call of the command printed.
#[derive(Debug, Default)]
struct Answer {
    output: Output,
    /// Why it failed; `None` when it ended well.
    failure: Option<String>,
    /// Whether there is no time left to ask again.
    is_last: bool,
}

async fn call(
    command: &AlembicCommand,
    revisions: &Revisions,
    options: &str,
    from: &str,
    to: &str,
    (left, deadline): (Duration, Duration),
) -> Answer {
    let failed =
        |failure: String, is_last| Answer { failure: Some(failure), is_last, ..Answer::default() };
    let too_long = || format!("rendering took longer than {} s", deadline.as_secs());
    if left.is_zero() {
        return failed(too_long(), true);
    }
    let Some(invocation) = command.render_with(from, to, "PGOPTIONS", options) else {
        return failed("the command runs no revisions".to_owned(), true);
    };
    match capture(&invocation, left).await {
        Ok(captured) => {
            let is_known = |id: &str| revisions.get(id).is_some() || [from, to].contains(&id);
            let output = output::parse(&captured.stdout, &is_known);
            let failure = (!captured.status.success())
                .then(|| reason(&captured.stderr, output.failure.as_deref()));
            Answer { output, failure, is_last: false }
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => failed(too_long(), true),
        Err(error) => failed(format!("start `{}`: {error}", invocation.program), true),
    }
}

/// A revision that was rendered, or that could not be.
#[derive(Debug)]
struct Rendered {
    revision: String,
    section: Option<Section>,
    failure: Option<String>,
}

impl Rendered {
    fn unread(revision: &Revision, reason: String) -> Self {
        Self { revision: revision.id.clone(), section: None, failure: Some(reason) }
    }
}

/// What is asked, and what was learned so far.
struct Inquiry<'a> {
    current: &'a [String],
    revisions: &'a Revisions,
    direction: Direction,
    target: &'a str,
    graph: Result<Graph<'a>, String>,
    expected: Result<Vec<&'a Revision>, String>,
    rendered: Vec<Rendered>,
    preamble: String,
    preamble_doubts: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Inquiry<'a> {
    fn new(
        current: &'a [String],
        revisions: &'a Revisions,
        direction: Direction,
        target: &'a str,
    ) -> Self {
        let graph = Graph::new(revisions);
        let expected = match &graph {
            Ok(graph) => graph.pending(current, direction, target),
            Err(problem) => Err(problem.clone()),
        };
        Self {
            current,
            revisions,
            direction,
            target,
            graph,
            expected,
            rendered: Vec::new(),
            preamble: String::new(),
            preamble_doubts: Vec::new(),
            warnings: Vec::new(),
        }
    }

    async fn answer(mut self, mut ask: impl AsyncFnMut(&str, &str) -> Answer) -> Pending {
        let failure = self.ask_for_all(&mut ask).await;
        let missing = self.missing();
        if !missing.is_empty() {
            self.ask_one_by_one(&missing, failure.clone(), &mut ask).await;
        } else if let Some(failure) = &failure
            && self.rendered.iter().all(|rendered| rendered.failure.is_none())
            && let Some(section) = self.rendered.last_mut().and_then(|last| last.section.as_mut())
        {
            // Everything is there, and yet something went wrong behind it.
            section.doubts.push(format!("the command failed behind it: {}", failure.reason));
        }
        self.finish(failure)
    }

    /// Asks for everything at once, and again behind each revision that breaks it off; the failure
    /// that is left at the end, if any.
    async fn ask_for_all(
        &mut self,
        ask: &mut impl AsyncFnMut(&str, &str) -> Answer,
    ) -> Option<Failure> {
        let (mut from, mut to) = match self.current {
            [] => ("base".to_owned(), self.target.to_owned()),
            [only] => (only.clone(), self.target.to_owned()),
            // A range has one start. Going up from one of the heads shows more than is pending,
            // and never less; going down, or by steps, it would show something else.
            [first, ..] => {
                let is_up = self.direction == Direction::Upgrade;
                if !is_up || graph::is_relative(self.target) {
                    return Some(Failure::new("the database has several current revisions", false));
                }
                (first.clone(), self.target.to_owned())
            }
        };
        loop {
            let mut answer = ask(&from, &to).await;
            let sections = std::mem::take(&mut answer.output.sections);
            let failed = self.keep(sections, answer.failure.as_deref(), &answer.output);
            let Some(reason) = answer.failure else {
                return (self.rendered.is_empty() && !self.expects_nothing()).then(|| Failure {
                    reason: "the command printed no revision".to_owned(),
                    is_final: true,
                });
            };
            let failure = Failure { reason, is_final: answer.is_last };
            let next = failed.and_then(|failed| self.behind(&failed));
            let Some(next) = next.filter(|_| !answer.is_last) else { return Some(failure) };
            if self.expected.is_ok() && self.missing().is_empty() && self.unexpected().is_empty() {
                return None;
            }
            (from, to) = next;
        }
    }

    /// Keeps the revisions that were not seen before; the one that broke the rendering off, when it
    /// is one of them.
    fn keep(
        &mut self,
        sections: Vec<Section>,
        failure: Option<&str>,
        output: &Output,
    ) -> Option<Section> {
        if self.preamble.is_empty() {
            self.preamble.clone_from(&output.preamble);
            self.preamble_doubts.clone_from(&output.doubts);
        }
        let mut failed = None;
        let last = sections.len().saturating_sub(1);
        for (index, section) in sections.into_iter().enumerate() {
            let id = section.revision().to_owned();
            if self.rendered.iter().any(|rendered| rendered.revision == id) {
                continue;
            }
            let reason = failure.filter(|_| index == last && !section.is_complete);
            if reason.is_some() {
                failed = Some(Section {
                    text: String::new(),
                    doubts: Vec::new(),
                    from: section.from.clone(),
                    to: section.to.clone(),
                    ..section
                });
            }
            if self.is_wanted(&id) {
                let failure = reason.map(str::to_owned);
                self.rendered.push(Rendered { revision: id, section: Some(section), failure });
            }
        }
        failed
    }

    /// With several current revisions a range shows some that were applied before.
    fn is_wanted(&self, id: &str) -> bool {
        match &self.expected {
            Ok(expected) if self.current.len() > 1 => expected.iter().any(|r| r.id == id),
            _ => true,
        }
    }

    fn expects_nothing(&self) -> bool {
        self.expected.as_ref().is_ok_and(Vec::is_empty)
    }

    /// The range that begins behind a revision; `None` where no single one does.
    fn behind(&self, failed: &Section) -> Option<(String, String)> {
        let [start] = failed.to.as_slice() else { return None };
        if !graph::is_relative(self.target) {
            return Some((start.clone(), self.target.to_owned()));
        }
        let last = self.expected.as_ref().ok()?.last()?;
        let to = match self.direction {
            Direction::Upgrade => last.id.clone(),
            Direction::Downgrade => match last.down.as_slice() {
                [] => "base".to_owned(),
                [only] => only.clone(),
                _ => return None,
            },
        };
        (*start != to).then(|| (start.clone(), to))
    }

    fn missing(&self) -> Vec<&'a Revision> {
        let seen: BTreeSet<&str> = self.rendered.iter().map(|r| r.revision.as_str()).collect();
        let expected = self.expected.as_deref().unwrap_or_default();
        expected.iter().copied().filter(|r| !seen.contains(r.id.as_str())).collect()
    }

    async fn ask_one_by_one(
        &mut self,
        missing: &[&'a Revision],
        failure: Option<Failure>,
        ask: &mut impl AsyncFnMut(&str, &str) -> Answer,
    ) {
        // A reason for which asking again is pointless: no time, no program, no offline mode.
        let mut pointless = failure.clone().filter(|f| f.is_final).map(|f| f.reason);
        let mut before = failure.filter(|_| self.rendered.is_empty()).map(|f| f.reason);
        for revision in missing {
            let rendered = if let Some(reason) = &pointless {
                Rendered::unread(revision, reason.clone())
            } else {
                let (rendered, broken) = self.ask_for_one(revision, ask).await;
                if let Some(broken) = broken {
                    let is_again = before.as_ref() == Some(&broken.reason);
                    before = Some(broken.reason.clone());
                    pointless = Some(broken.reason).filter(|_| broken.is_final || is_again);
                }
                rendered
            };
            self.rendered.push(rendered);
        }
    }

    /// Asks for one revision, from each side of a merge until one shows it; also why the last call
    /// printed no revision at all, if so.
    async fn ask_for_one(
        &self,
        revision: &Revision,
        ask: &mut impl AsyncFnMut(&str, &str) -> Answer,
    ) -> (Rendered, Option<Failure>) {
        let mut reason = None;
        let mut broken = None;
        for (from, to) in self.ranges(revision) {
            let answer = ask(&from, &to).await;
            let mut sections = answer.output.sections;
            reason = answer.failure;
            broken = reason
                .clone()
                .filter(|_| sections.is_empty())
                .map(|reason| Failure { reason, is_final: answer.is_last });
            if let Some(at) = sections.iter().position(|s| s.revision() == revision.id) {
                let is_last = at + 1 == sections.len();
                let section = sections.swap_remove(at);
                let failure = reason.filter(|_| is_last && !section.is_complete);
                let revision = revision.id.clone();
                return (Rendered { revision, section: Some(section), failure }, None);
            }
            if answer.is_last {
                break;
            }
        }
        let silent = || "the command printed nothing for it".to_owned();
        (Rendered::unread(revision, reason.unwrap_or_else(silent)), broken)
    }

    /// The ranges that end in this revision alone, where its dependencies do not come along.
    fn ranges(&self, revision: &Revision) -> Vec<(String, String)> {
        let base = ["base".to_owned()];
        let downs = if revision.down.is_empty() { &base[..] } else { &revision.down[..] };
        let range = |down: &String| match self.direction {
            Direction::Upgrade => (down.clone(), revision.id.clone()),
            Direction::Downgrade => (revision.id.clone(), down.clone()),
        };
        downs.iter().map(range).collect()
    }

    fn finish(mut self, failure: Option<Failure>) -> Pending {
        self.put_in_order();
        self.compare();
        let mut scripts: Vec<Script> = Vec::new();
        let preamble = std::mem::take(&mut self.preamble);
        if !preamble.is_empty() {
            let mut script = unplaced("env.py", preamble, Knowledge::Known);
            doubt(&mut script.knowledge, std::mem::take(&mut self.preamble_doubts));
            scripts.push(script);
        }
        scripts.extend(self.rendered.iter().map(|rendered| self.script(rendered)));
        match (&self.expected, failure) {
            (Err(problem), Some(failure)) => {
                let why = format!(
                    "{}; which revisions are pending is not known: {problem}",
                    failure.reason
                );
                scripts.push(unplaced(
                    "what else is pending",
                    String::new(),
                    Knowledge::Opaque(why),
                ));
            }
            (Ok(_), Some(failure)) if !self.unexpected().is_empty() => {
                let why = format!(
                    "{}; the revision files do not say what else is pending",
                    failure.reason
                );
                scripts.push(unplaced(
                    "what else is pending",
                    String::new(),
                    Knowledge::Opaque(why),
                ));
            }
            (Ok(expected), Some(failure)) if expected.is_empty() => {
                let warning =
                    "nothing is pending, but the command could not be asked to confirm it";
                self.warnings.push(format!("{warning}: {}", failure.reason));
            }
            _ => {}
        }
        let run: Vec<&str> = self.rendered.iter().map(|r| r.revision.as_str()).collect();
        let after = self.graph.as_ref().ok().and_then(|graph| {
            let is_known = run.iter().all(|id| self.revisions.get(id).is_some());
            let after = graph.after(self.current, self.direction, &run).ok();
            after.filter(|_| is_known && self.expected.is_ok())
        });
        Pending { scripts, after, warnings: self.warnings }
    }

    /// Alembic's own order where one call gave everything, that of the graph otherwise.
    fn put_in_order(&mut self) {
        let Ok(expected) = &self.expected else { return };
        let place = |id: &str| expected.iter().position(|revision| revision.id == id);
        let is_pieced = self.rendered.iter().any(|r| r.section.is_none() || r.failure.is_some());
        if is_pieced {
            self.rendered.sort_by_key(|rendered| place(&rendered.revision));
        }
    }

    fn compare(&mut self) {
        let unexpected = self.unexpected();
        let also = match unexpected.as_slice() {
            [] => return,
            [first, second, rest @ ..] if rest.len() > 1 => {
                format!("{first}, {second} and {} more", rest.len())
            }
            few => few.join(", "),
        };
        let warning = format!("Alembic would also run {also}, which the revision files do not say");
        self.warnings.push(warning);
    }

    /// What Alembic ran although the revision files do not name it as pending: then they don't tell
    /// what comes behind it either.
    fn unexpected(&self) -> Vec<&str> {
        let Ok(expected) = &self.expected else { return Vec::new() };
        let ran = self.rendered.iter().map(|rendered| rendered.revision.as_str());
        ran.filter(|id| !expected.iter().any(|revision| revision.id == *id)).collect()
    }

    fn script(&self, rendered: &Rendered) -> Script {
        let text = rendered.section.as_ref().map(|s| s.text.clone()).unwrap_or_default();
        let revision = self.revisions.get(&rendered.revision);
        let origin = Origin {
            path: revision.map(|revision| revision.path.display().to_string()),
            revision: Some(rendered.revision.clone()),
            label: format!("revision {}", rendered.revision),
        };
        let Some(revision) = revision else {
            let mut script = Script::known(origin, text);
            let elsewhere = "its file is not in the version directories".to_owned();
            doubt(&mut script.knowledge, doubts(rendered, &script.text));
            doubt(&mut script.knowledge, vec![elsewhere]);
            if let Some(failure) = &rendered.failure {
                script.knowledge = Knowledge::Opaque(failure.clone());
            }
            return script;
        };
        let source = Some(revision.source.clone());
        let modules = ProjectModules::of(&revision.path, self.revisions.python_path());
        let read = python::read_alembic(&revision.source, self.direction.name(), &modules);
        let has_failed = rendered.failure.is_some();
        let is_complete =
            !has_failed && guards::read(&revision.source, self.direction).doubts.is_empty();
        let joined = rules::reconcile(&text, read.statements, is_complete);
        let mut knowledge = of_statements(&joined.statements);
        if !has_failed {
            doubt(&mut knowledge, doubts(rendered, &text));
            doubt(&mut knowledge, joined.doubts);
        } else if joined.selects_rows {
            // Offline mode is one way to know; the file itself is the other. Which rows it takes
            // that it selects with what it has read, only a run can tell.
            doubt(&mut knowledge, rendered.failure.iter().cloned().collect());
        }
        Script { origin, text, knowledge, source, statements: Some(joined.statements) }
    }
}

/// Why the text that was printed may not be what runs.
fn doubts(rendered: &Rendered, text: &str) -> Vec<String> {
    let section = rendered.section.as_ref();
    let mut doubts = section.map(|section| section.doubts.clone()).unwrap_or_default();
    if let Some(placeholder) = PLACEHOLDER.captures(&output::bare(text)) {
        let name = &placeholder[1];
        doubts.push(format!("the value of `{name}` in its SQL is known only when it runs"));
    }
    doubts
}

/// How much these statements of a file show; what could not be read says so in its place.
fn of_statements(statements: &[Statement]) -> Knowledge {
    if statements.iter().any(rules::is_unreadable) {
        Knowledge::PartlyKnown(Vec::new())
    } else {
        Knowledge::Known
    }
}

/// Why a call gave less than was asked for.
#[derive(Debug, Clone)]
struct Failure {
    reason: String,
    is_final: bool,
}

impl Failure {
    fn new(reason: &str, is_final: bool) -> Self {
        Self { reason: reason.to_owned(), is_final }
    }
}

fn doubt(knowledge: &mut Knowledge, more: Vec<String>) {
    if more.is_empty() {
        return;
    }
    match knowledge {
        Knowledge::Known => *knowledge = Knowledge::PartlyKnown(more),
        Knowledge::PartlyKnown(doubts) => doubts.extend(more),
        Knowledge::Opaque(_) => {}
    }
}

fn unplaced(label: &str, text: String, knowledge: Knowledge) -> Script {
    let origin = Origin { label: label.to_owned(), ..Origin::default() };
    Script { knowledge, ..Script::known(origin, text) }
}

/// What stands for a value in SQL that was printed without it: `%(id_1)s`, `$1`, `:id_1`.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(%\(\w+\)s|(?:^|[\s(,=])(?:\$\d+|:[A-Za-z_]\w*))").expect("is valid")
});

static PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(://[^:/@\s]*:)\S+(@)|(\bpassword\s*=\s*)\S+").expect("is valid")
});

/// The last meaningful line of what a failed call said.
fn reason(stderr: &str, failure: Option<&str>) -> String {
    let traceback = stderr.rfind("Traceback (most recent call last):").and_then(|at| {
        let after = stderr[at..].lines().skip(1);
        after.into_iter().find(|line| !line.is_empty() && !line.starts_with(char::is_whitespace))
    });
    let is_noise = |line: &&str| {
        line.trim().is_empty()
            || ["INFO", "DEBUG", "WARN", "(Background on", "[SQL:"]
                .iter()
                .any(|noise| line.trim_start().starts_with(noise))
    };
    let last = stderr.lines().rev().find(|line| !is_noise(line));
    let line = traceback.or(failure).or(last).unwrap_or("the command failed without a word").trim();
    if line.contains("read-only transaction") || line.contains("ReadOnlySqlTransaction") {
        return "loading the application writes to the database, which rendering does not allow"
            .to_owned();
    }
    let masked = PASSWORD.replace_all(line, "${1}${3}***${2}");
    let mut short: String = masked.chars().take(200).collect();
    if short.len() < masked.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
