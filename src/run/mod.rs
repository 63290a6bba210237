//! plan → agree → snapshot → run → compare → verdict.
//!
//! Every arrow takes what the one before it made, so that nothing can be skipped; before each the
//! journal says what is about to happen.

mod comparing;
mod put_back;

use std::time::Instant;

use tokio_postgres::Client;

use crate::child::{AttendEvent, Invocation, Signals, attend, locate};
use crate::compare::{Images, Look};
use crate::db::connect::connect_first;
use crate::db::postgres::watch::{Seen, Watch};
use crate::db::postgres::{identity, lock, refusal};
use crate::db::target::Target;
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::finding::{Allowance, AllowanceSource};
use crate::hint::Refusal;
use crate::inventory::Inventory;
use crate::journal::{Action, Run, RunJournal, Step};
use crate::judge;
use crate::keep::{self, Imaging, Keeping};
use crate::loss::TableLoss;
use crate::pending::{self, Pending};
use crate::plan::{self, Plan};
use crate::policy::SnapshotMode;
use crate::recognize;
use crate::record::{Answer, ChildOutcome, Reached, Record, Verdict};
use crate::request::RunRequest;
use crate::secret;
use crate::text::QualifiedName;
use crate::thresholds;

/// Runs the migration command safely. The answer is in the record; an error is one that kept
/// rowsafe from giving one.
pub async fn run(
    request: &RunRequest,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    record.migration = secret::mask_words(&request.command);
    // What can be known to fail is refused before anything is done.
    locate(&command_of(request), &request.environment).map_err(Refusal::from)?;
    if request.keep != SnapshotMode::None {
        keep::refuse_missing(&request.driver, &request.environment)?;
        request.store.prepare().await?;
    }
    tell_of_unfinished(request, observer, record)?;
    let run = Run { action: Action::Run, command: request.command.clone(), database: None };
    let journal = request.journal.begin(&run).map_err(Refusal::from)?;
    journal.id().clone_into(&mut record.run_id);
    let done = Box::pin(with_journal(request, &journal, signals, observer, record)).await;
    let exit = match (&done, &record.answer) {
        (Ok(()), Some(answer)) => answer.exit,
        (Ok(()), None) => Exit::NoAnswer,
        (Err(error), _) => exit_of(error),
    };
    note(&journal, Step::Finished { exit: exit.code() }, observer);
    done
}

/// The exit code that an error leads to.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Refusal>())
        .map_or(Exit::NoAnswer, Refusal::exit)
}

async fn with_journal(
    request: &RunRequest,
    journal: &RunJournal,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    let prepared = tokio::select! {
        biased;
        signal = signals.recv() => return Err(interrupted(signal.number).into()),
        prepared = prepare(request, journal, &mut *observer, &mut *record) => prepared?,
    };
    let Some(ready) = prepared else {
        // Ctrl-C at the prompt is no answer to the question.
        return signals
            .interrupted()
            .map_or(Ok(()), |signal| Err(interrupted(signal.number).into()));
    };
    let ran = execute(journal, &ready, signals, observer, record).await?;
    let compared = tokio::select! {
        biased;
        compared = comparing::compare(journal, ready, ran, observer, &mut *record) => Some(compared),
        () = asked_twice(signals) => None,
    };
    compared.unwrap_or_else(|| {
        let error = Refusal::new(Exit::Interrupted, "interrupted a second time while comparing");
        Err(judge::uncompared(record, &error).into())
    })
}

/// Comparing ends at the second request only: the first may have been meant for the command.
async fn asked_twice(signals: &mut Signals) {
    signals.recv().await;
    signals.recv().await;
}

/// Everything that must be there before the command may start.
struct Ready {
    request: RunRequest,
    watcher: Client,
    look: Look,
    images: Images,
    pending: Pending,
    planned: Vec<TableLoss>,
    /// The plan knows everything that the command will do.
    plan_is_whole: bool,
    before: Inventory,
    bookkeeping: Vec<QualifiedName>,
}

/// What is known when the command has ended.
struct Ran {
    seen: Seen,
    interrupted_by: Option<i32>,
}

async fn prepare(
    request: &RunRequest,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<Option<Ready>> {
    let begun = Instant::now();
    let (watcher, target) = reach(request, journal, observer, record).await?;
    // Of several hosts everything from here on goes to the one that was reached.
    let request = &RunRequest { target, ..request.clone() };
    let means = Keeping { request, journal, observer, record }.means().await?;
    observer.notice(Event::Working("reading what is pending"));
    let pending = pending::find(request, &watcher).await?;
    record.revisions.before.clone_from(&pending.before);
    record.revisions.target.clone_from(&pending.target);
    for warning in &pending.warnings {
        observer.notice(Event::Warning(warning));
        record.warnings.push(warning.clone());
    }
    let mut plan = plan::make(&watcher, &pending, &request.allowances).await?;
    record.timed("plan", begun);
    for doomed in &plan.doomed {
        let warning = doomed.warning();
        observer.notice(Event::Warning(&warning));
        record.warnings.push(warning);
    }
    show(&plan, observer, record);
    journal.record(planned_step(&plan))?;
    thresholds::before(&watcher, request, &plan).await?;
    if !agreed(request, journal, &mut plan, observer, record)? {
        return Ok(None);
    }
    let asked = |error| refusal(Exit::DatabaseUnavailable, "look at the statistics", error);
    let look = Look::take(&watcher).await.map_err(asked)?;
    let mut keeping = Keeping { request, journal, observer, record };
    let scope = plan.risk.scope(request.keep);
    let imaging = Imaging { look: &look, risk: &plan.risk, compare: request.compare };
    let (before, images) = keeping.take(means.as_ref().zip(scope.as_ref()), imaging).await?;
    let bookkeeping = pending.version_tables.clone();
    let request = request.clone();
    let planned = plan.planned();
    let plan_is_whole = plan.is_whole();
    Ok(Some(Ready {
        request,
        watcher,
        look,
        images,
        pending,
        planned,
        plan_is_whole,
        before,
        bookkeeping,
    }))
}

/// Connects, makes sure that nobody else is at it, and notes which database it is.
async fn reach(
    request: &RunRequest,
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<(Client, Target)> {
    let name = format!("rowsafe run {}", journal.id());
    let options = request.counting.session();
    let (watcher, target) =
        connect_first(&request.target, &name, &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask the database who it is", error);
    let identity = identity::read(&watcher).await.map_err(asked)?;
    let reached =
        Reached { label: request.target.label(), source: request.target.source.clone(), identity };
    observer.notice(Event::Connected(&reached));
    let is_standby = reached.identity.is_standby;
    record.database = Some(reached);
    if is_standby {
        return Err(Refusal::new(
            Exit::DatabaseUnavailable,
            format!("{} is a standby: nothing can be migrated there", target.label()),
        )
        .hint("name the primary with --database")
        .into());
    }
    if let Some(holder) = lock::acquire(&watcher).await.map_err(asked)? {
        let who = format!("session {} as {}, since {}", holder.pid, holder.role, holder.since);
        return Err(Refusal::new(
            Exit::Blocked,
            format!("another rowsafe is at work on this database: {} ({who})", holder.application),
        )
        .hint("wait until it has ended")
        .into());
    }
    recognize::at_the_door(&watcher, request, journal, observer, record).await?;
    Ok((watcher, target))
}

fn show(plan: &Plan, observer: &mut dyn Observer, record: &mut Record) {
    record.scripts.clone_from(&plan.scripts);
    record.findings.clone_from(&plan.findings);
    observer.notice(Event::Planned(record));
}

/// Whether the run may go on; the answer is in the record when it may not.
fn agreed(
    request: &RunRequest,
    journal: &RunJournal,
    plan: &mut Plan,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<bool> {
    let blocking = request.fail_on.blocking(&plan.findings);
    if blocking.is_empty() {
        return Ok(true);
    }
    let question = judge::question(&blocking, record.database_name());
    let name = record.database_name().to_owned();
    if observer.confirm(&question, &name) {
        for finding in &mut plan.findings {
            if finding.allowance.is_none() && request.fail_on.needs_agreement(finding.severity) {
                finding.allowance = Some(typed(finding.rule, &finding.object.to_string()));
            }
        }
        record.findings.clone_from(&plan.findings);
        journal.record(planned_step(plan))?;
        return Ok(true);
    }
    let findings = blocking.iter().map(|finding| named(finding.rule, &finding.object)).collect();
    let answer = judge::blocked(&blocking);
    journal.record(Step::Blocked { findings })?;
    record.answer = Some(answer);
    Ok(false)
}

fn typed(rule: &str, object: &str) -> Allowance {
    Allowance {
        rule: rule.to_owned(),
        object: object.to_owned(),
        max_rows: None,
        reason: "typed at the prompt".to_owned(),
        source: AllowanceSource::Prompt,
        statement: None,
    }
}

fn named(rule: &str, object: &crate::finding::Object) -> String {
    format!("{rule} {object}")
}

fn planned_step(plan: &Plan) -> Step {
    let agreed = plan.findings.iter().filter_map(|finding| {
        let allowance = finding.allowance.as_ref()?;
        Some(format!("{}: {}", named(finding.rule, &finding.object), allowance.reason))
    });
    Step::Planned {
        statements: plan.scripts.iter().map(|script| script.statements as u64).sum(),
        findings: plan.findings.iter().map(|f| named(f.rule, &f.object)).collect(),
        agreed: agreed.collect(),
    }
}

/// Starts the command and waits for it; rowsafe holds no table lock and no transaction meanwhile.
async fn execute(
    journal: &RunJournal,
    ready: &Ready,
    signals: &mut Signals,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<Ran> {
    let begun = Instant::now();
    let (invocation, marker) = marked(&ready.request, journal.id());
    let asked = |error| refusal(Exit::DatabaseUnavailable, "look who is connected", error);
    let mut watch =
        Watch::start(&ready.watcher, &marker, &ready.look.tally.at).await.map_err(asked)?;
    journal.record(Step::ChildStarting)?;
    observer.notice(Event::Starting(&shell_words::join(&record.migration)));
    let mut unrecorded = None;
    let program = invocation.program.clone();
    let attending = attend(&invocation, signals, |event| match event {
        AttendEvent::Started { pid } => {
            unrecorded = journal.record(Step::child_started(pid)).err();
        }
        AttendEvent::Interrupted(signal) => {
            observer.notice(Event::Interrupted { signal: &signal.name(), program: &program });
        }
        AttendEvent::StoppedWaiting { .. } => {}
    });
    let ended = watch.during(attending).await.map_err(Refusal::from)?;
    if let Some(error) = unrecorded {
        observer.notice(Event::Warning(&error.to_string()));
    }
    let step =
        Step::ChildEnded { exit: ended.exit, signal: ended.signal, abandoned: ended.abandoned };
    note(journal, step, observer);
    let outcome = ChildOutcome {
        exit: ended.exit,
        signal: ended.signal.map(crate::child::signals::name),
        seconds: ended.duration.as_secs_f64(),
        is_abandoned: ended.abandoned,
    };
    observer.notice(Event::Ended(&outcome));
    record.child = Some(outcome);
    record.timed("command", begun);
    // A watcher whose connection is gone has seen nothing more; the comparison will tell.
    let seen = watch.finish().await.unwrap_or_default();
    Ok(Ran { seen, interrupted_by: ended.interrupted_by })
}

/// The user's command with the variables that the configuration gives it.
fn command_of(request: &RunRequest) -> Invocation {
    let invocation = Invocation::from_words(&request.command).expect("a run has a command");
    request
        .command_env
        .iter()
        .fold(invocation, |invocation, (name, value)| invocation.env(name, value))
}

/// The user's command, with an `application_name` by which its sessions are recognized. One that
/// the user has set stays.
fn marked(request: &RunRequest, run: &str) -> (Invocation, String) {
    let invocation = command_of(request);
    if let Some(name) = request.environment.get("PGAPPNAME") {
        return (invocation, name.to_owned());
    }
    let marker = format!("rowsafe-run-{run}");
    (invocation.env("PGAPPNAME", &marker), marker)
}

/// Writes a step down. Once the command was started a full disk is no reason to give no answer.
fn note(journal: &RunJournal, step: Step, observer: &mut dyn Observer) {
    if let Err(error) = journal.record(step) {
        observer.notice(Event::Warning(&error.to_string()));
    }
}

/// Stopped by a signal before anything was run.
pub fn interrupted(signal: i32) -> Refusal {
    let exit = if signal == 15 { Exit::Terminated } else { Exit::Interrupted };
    Refusal::new(exit, "interrupted before anything was run")
}

/// Runs that a killed rowsafe left behind: said once, then marked as seen.
fn tell_of_unfinished(
    request: &RunRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    for unfinished in request.journal.unfinished().map_err(Refusal::from)? {
        let mut warning = format!(
            "earlier run {} of {}: {}",
            unfinished.run,
            shell_words::join(&unfinished.command),
            unfinished.sentence
        );
        if let Some(advice) = &unfinished.advice {
            warning.push('\n');
            warning.push_str(advice);
        }
        observer.notice(Event::Warning(&warning));
        record.warnings.push(warning);
        request.journal.mark_seen(&unfinished)?;
    }
    Ok(())
}

/// The answer to an error that kept rowsafe from doing its part.
pub fn answer_to(error: &anyhow::Error) -> Answer {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>());
    let exit = exit_of(error);
    let verdict = match exit {
        Exit::Interrupted | Exit::Terminated => Verdict::Stopped,
        Exit::Blocked => Verdict::Blocked,
        _ => Verdict::Error,
    };
    Answer {
        verdict,
        exit,
        sentence: refusal.map_or_else(|| format!("{error:#}"), ToString::to_string),
        hints: refusal.map(|refusal| refusal.hints().to_vec()).unwrap_or_default(),
    }
}
