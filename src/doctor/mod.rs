//! Is it safe to run here at all? Everything a run depends on, looked at one by one, with what to
//! do about it. Nothing is changed, and nothing is written down.

mod driver;
mod kept;
mod restored;
mod server;

use std::time::Duration;

use tokio_postgres::Client;

use crate::db::connect::connect_first;
use crate::db::postgres::{identity, refusal};
use crate::event::{Event, Observer};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::inventory::Identity;
use crate::pending;
use crate::plan;
use crate::recognize::Expected;
use crate::record::{Answer, Check, CheckStatus, Reached, Record, Verdict, Vitals};
use crate::request::RunRequest;
use crate::secret;
use crate::text::number::plural;

/// What `rowsafe doctor` was asked for.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// What a run would be asked for.
    pub run: RunRequest,
    /// How old the last verified snapshot may be.
    pub rpo: Option<Duration>,
    /// How long a restore may take.
    pub rto: Option<Duration>,
}

impl Check {
    fn new(name: &'static str, status: CheckStatus, message: impl Into<String>) -> Self {
        Self { name, status, message: message.into(), hints: Vec::new() }
    }

    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Ok, message)
    }

    fn note(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Note, message)
    }

    fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Warning, message)
    }

    fn failed(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Failed, message)
    }

    /// What kept something from being looked at, as far as it kept a run from being safe.
    fn refused(name: &'static str, refusal: &Refusal) -> Self {
        let hints = refusal.hints().to_vec();
        Self { hints, ..Self::failed(name, refusal.to_string()) }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Looks at everything; the checks and the answer are in the record.
pub async fn doctor(
    request: &DoctorRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> anyhow::Result<()> {
    record.migration = secret::mask_words(&request.run.command);
    let database = request.run.target.database.clone();
    record.vitals = Some(Vitals { database, ..Vitals::default() });
    observer.notice(Event::Working("connecting"));
    match reach(&request.run, record).await {
        Ok((client, run)) => {
            let request = DoctorRequest { run, ..request.clone() };
            Box::pin(look(&client, &request, observer, record)).await;
        }
        Err(refusal) => record.checks.push(Check::refused("connection", &refusal)),
    }
    record.answer = Some(answer(&record.checks));
    Ok(())
}

/// Connects; of several hosts everything from here on goes to the one that was reached.
async fn reach(run: &RunRequest, record: &mut Record) -> Result<(Client, RunRequest), Refusal> {
    let options = run.counting.session();
    let (client, target) =
        connect_first(&run.target, "rowsafe doctor", &options).await.map_err(Refusal::from)?;
    let asked = |error| refusal(Exit::DatabaseUnavailable, "ask the database who it is", error);
    let identity = identity::read(&client).await.map_err(asked)?;
    let (label, source) = (run.target.label(), run.target.source.clone());
    let version = identity.server_version.split(' ').next().unwrap_or_default();
    let said = format!("{label}, PostgreSQL {version} (from {source})");
    record.checks.push(if identity.is_standby {
        Check::failed("connection", format!("{said} is a standby: nothing can be migrated there"))
            .hint("name the primary with --database")
    } else {
        Check::ok("connection", said)
    });
    record.database = Some(Reached { label, source, identity });
    Ok((client, RunRequest { target, ..run.clone() }))
}

async fn look(
    client: &Client,
    request: &DoctorRequest,
    observer: &mut dyn Observer,
    record: &mut Record,
) {
    let reached = record.database.as_ref().expect("the database was reached");
    let identity = reached.identity.clone();
    let run = &request.run;
    let driver = driver::check(client, run, &identity).await;
    let is_dump = driver.is_none();
    let (checks, last_backup) = match driver {
        Some(looked) => looked,
        None => (vec![server::tools(run, &identity).await], None),
    };
    record.checks.extend(checks);
    let health = server::health(client).await;
    let rights = server::rights(client).await;
    let may_count = rights.iter().all(|check| check.status < CheckStatus::Failed);
    record.checks.extend(rights);
    let (known, mut identity_check, bytes) = recognized(client, run, &identity).await;
    let mut rows = None;
    if may_count && identity_check.status < CheckStatus::Failed {
        let counted = server::rows(run, known.as_ref(), bytes, observer).await;
        rows = counted.rows;
        identity_check = counted.refused.unwrap_or(identity_check);
        record.checks.extend([identity_check, counted.check]);
    } else {
        record.checks.push(identity_check);
        record.checks.push(Check::note("rows", "not counted, because of what is said above"));
    }
    record.checks.extend(server::thresholds(client, run, known.as_ref()).await);
    if is_dump {
        record.checks.push(kept::space(client, run).await);
    }
    // Backups are no snapshots of a run: the age of the last one was looked at above.
    let mut last_snapshot = last_backup;
    if last_backup.is_none() {
        let (snapshot, last) = kept::snapshot(request, &identity).await;
        record.checks.push(snapshot);
        last_snapshot = last;
    }
    let database = run.target.database.clone();
    let (restored, restore_seconds) = restored::time(request);
    record.checks.extend(restored);
    record.vitals = Some(Vitals { database, last_snapshot, restore_seconds, rows, bytes });
    record.checks.extend(health);
    if !run.command.is_empty() {
        observer.notice(Event::Working("reading what is pending"));
        let check = pending(client, run, record).await;
        record.checks.push(check);
    }
}

/// Whether it is the database on record, as far as the catalogue says; what is on record, and how
/// large it is now.
async fn recognized(
    client: &Client,
    run: &RunRequest,
    identity: &Identity,
) -> (Option<crate::known::Known>, Check, Option<u64>) {
    let look = match Expected::of(run).at_the_door(client, identity).await {
        Ok(look) => look,
        Err(refusal) => return (None, Check::refused(IDENTITY, &refusal), None),
    };
    let bytes = look.standing.bytes;
    let (refusing, noted): (Vec<_>, Vec<_>) =
        look.differences.into_iter().partition(|difference| difference.refuses);
    let check = match (&look.known, noted.first()) {
        _ if !refusing.is_empty() => {
            let refused = crate::recognize::refused(&identity.database, &refusing);
            Check::refused(IDENTITY, &refused)
        }
        (_, Some(first)) => Check::warning(IDENTITY, &first.what),
        (Some(known), None) => {
            Check::ok(IDENTITY, format!("the one on record since {}", known.when()))
        }
        (None, None) => Check::note(IDENTITY, "never seen before; the first run makes its record"),
    };
    (look.known, check, bytes)
}

const IDENTITY: &str = "identity";

/// What is pending for the command that was named.
async fn pending(client: &Client, run: &RunRequest, record: &mut Record) -> Check {
    const NAME: &str = "pending";
    let found = match pending::find(run, client).await {
        Ok(found) => found,
        Err(refusal) => return Check::refused(NAME, &refusal),
    };
    record.revisions.before.clone_from(&found.before);
    record.revisions.target.clone_from(&found.target);
    let plan = match plan::make(client, &found, &run.allowances).await {
        Ok(plan) => plan,
        Err(refusal) => return Check::refused(NAME, &refusal),
    };
    record.scripts.clone_from(&plan.scripts);
    record.findings.clone_from(&plan.findings);
    let statements: usize = plan.scripts.iter().map(|script| script.statements).sum();
    let open = run.fail_on.blocking(&plan.findings).len() as u64;
    let said = plural(statements as u64, "statement");
    match open {
        0 => Check::ok(NAME, format!("{said}, nothing to agree to")),
        open => Check::note(NAME, format!("{said}, {} to agree to", plural(open, "finding")))
            .hint(format!("rowsafe plan -- {}", shell_words::join(&record.migration))),
    }
}

fn answer(checks: &[Check]) -> Answer {
    let count = |status| checks.iter().filter(|check| check.status == status).count() as u64;
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Failed)
        .map(|check| check.name)
        .collect();
    if !failed.is_empty() {
        let said = plural(failed.len() as u64, "check");
        return Answer {
            verdict: Verdict::Error,
            exit: Exit::DatabaseUnavailable,
            sentence: format!("{said} failed: {}", failed.join(", ")),
            hints: Vec::new(),
        };
    }
    let warnings = match count(CheckStatus::Warning) {
        0 => String::new(),
        warnings => format!(", {}", plural(warnings, "warning")),
    };
    let sentence =
        format!("{}{warnings}; a run is safe here", plural(checks.len() as u64, "check"));
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints: Vec::new() }
}
