//! The answer: one verdict, one exit code, one sentence, and what to do next.

use crate::db::postgres::watch::Seen;
use crate::exit::Exit;
use crate::finding::{Certainty, Finding, Severity};
use crate::hint::Refusal;
use crate::loss::{Count, Loss};
use crate::record::{Answer, Kept, Record, Verdict};
use crate::text::number::{grouped, plural};
use crate::verdict::{By, Comparison, Lost, LostKind, Status, TableChange};

/// What was observed besides the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was observed")]
pub struct Evidence {
    /// Both inventories show the same.
    pub is_unchanged: bool,
    /// The database is the one that was counted before.
    pub same_database: bool,
    /// What was seen of the command on the server.
    pub seen: Seen,
    /// The signal that asked to stop.
    pub interrupted_by: Option<i32>,
    /// Revisions were pending, so the version table had to move.
    pub expects_move: bool,
    /// It has moved.
    pub has_moved: bool,
}

/// The answer after the comparison.
pub fn answer(record: &Record, evidence: &Evidence) -> Answer {
    let comparison = record.comparison.as_ref().expect("the answer follows the comparison");
    if !evidence.same_database {
        return lost(
            record,
            "the database is not the one that was counted before the run".to_owned(),
        );
    }
    let gone: Vec<String> =
        comparison.breaches.iter().cloned().chain(unplanned(comparison)).collect();
    if !gone.is_empty() {
        return lost(record, gone.join("; "));
    }
    if let Some(signal) = evidence.interrupted_by {
        return stopped(record, signal);
    }
    let child = record.child.as_ref().expect("the answer follows the command");
    if !child.succeeded() {
        return failed(record, command_failed(record), Vec::new());
    }
    let was_here = was_here(evidence);
    if !was_here && !is_anybodys_guess(evidence) {
        return elsewhere(record, evidence);
    }
    if evidence.seen.still_here {
        return still_running(record);
    }
    if evidence.expects_move && !evidence.has_moved {
        let revision = revisions(&record.revisions.before);
        return failed(
            record,
            format!(
                "the command said it succeeded, but {} is still at {revision}",
                record.database_name()
            ),
            not_moved(was_here),
        );
    }
    let mut answer = ok(record, comparison);
    if !was_here {
        answer.hints.push(format!(
            "the command was not seen on {}: up to PostgreSQL 14 a short session can pass unnoticed",
            record.database_name()
        ));
    }
    if let Some(other) = &evidence.seen.marked_elsewhere {
        answer
            .hints
            .push(format!("the command was on database {other} too, which was not watched"));
    }
    answer
}

/// Something that the command left running may yet take rows: nothing vouches for it.
fn still_running(record: &Record) -> Answer {
    let sentence = format!(
        "the command has ended, but a session of it is still at work on {}: what it does from here \
         on is not compared",
        record.database_name()
    );
    let hint = "wait for what it started, in the command itself".to_owned();
    failed(record, sentence, vec![hint])
}

/// Whether the command was seen on the watched database, or left something there.
fn was_here(evidence: &Evidence) -> bool {
    let seen = &evidence.seen;
    seen.marked_here || seen.sessions_here || evidence.has_moved || !evidence.is_unchanged
}

/// What to look at when the version table should have moved.
fn not_moved(was_here: bool) -> Vec<String> {
    let commit = "look at env.py: an async one has to commit (`await connection.commit()`, or `connection.begin()`)";
    let elsewhere = "or name the database that the command uses: --database URL";
    let hints = [Some(commit), (!was_here).then_some(elsewhere)];
    hints.into_iter().flatten().map(str::to_owned).collect()
}

/// Whether nobody can tell if the command was here: it may have come and gone unseen.
fn is_anybodys_guess(evidence: &Evidence) -> bool {
    evidence.seen.uncounted && evidence.seen.marked_elsewhere.is_none()
}

fn ok(record: &Record, comparison: &Comparison) -> Answer {
    let at = match &record.revisions.after {
        Some(after) if !after.is_empty() => {
            format!("{} is at {}, ", record.database_name(), revisions(after))
        }
        _ => String::new(),
    };
    let agreed = comparison.losses().filter(|lost| lost.planned);
    let agreed: Vec<&str> = agreed.map(|lost| lost.what.as_str()).collect();
    let accounted = match agreed.as_slice() {
        [] => "every row accounted for".to_owned(),
        [one] => format!("every row accounted for; gone as planned: {one}"),
        several => format!("every row accounted for; {} losses as planned", several.len()),
    };
    let mut hints = match &record.snapshot {
        Some(kept) if !agreed.is_empty() && kept.elsewhere.is_some() => holding(kept, comparison),
        Some(kept) if !agreed.is_empty() => {
            let back = ways_back(kept, comparison).into_iter();
            back.map(|way| format!("what went is in the snapshot: {way}")).collect()
        }
        _ => Vec::new(),
    };
    hints.extend(by_others(&comparison.meanwhile()));
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence: format!("{at}{accounted}"), hints }
}

/// What other sessions changed, which is no business of the migration's.
fn by_others(meanwhile: &[&Lost]) -> Option<String> {
    let what: Vec<&str> = meanwhile.iter().map(|lost| lost.what.as_str()).collect();
    let said = match what.as_slice() {
        [] => return None,
        [one] => (*one).to_owned(),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    };
    Some(format!("changed by other sessions meanwhile: {said}"))
}

/// Tables whose overwritten values get a command of their own.
const NAMED: usize = 3;

/// The commands that bring back what went: rows and columns in place, values column by column, large
/// objects and tables that were made anew beside the database.
fn ways_back(kept: &Kept, comparison: &Comparison) -> Vec<String> {
    let only_unplanned = comparison.losses().any(|lost| !lost.planned);
    let concerns = |lost: &&Lost| !(only_unplanned && lost.planned) && lost.by != By::Others;
    let lost_of = |change: &TableChange| -> Vec<Lost> {
        change.losses.iter().filter(concerns).cloned().collect()
    };
    let all: Vec<(&TableChange, Vec<Lost>)> =
        comparison.tables.iter().map(|change| (change, lost_of(change))).collect();
    // Rows of a table that another one has taken the place of may have no place in that one.
    let is_beside = |(change, lost): &(&TableChange, Vec<Lost>)| {
        let is_object = change.name.schema.as_deref() == Some("pg_catalog");
        !lost.is_empty() && (is_object || change.status == Status::Recreated)
    };
    if all.iter().any(is_beside) {
        return vec![format!("rowsafe restore {} --into NEW_DATABASE", kept.id)];
    }
    let is_value = |lost: &Lost| lost.kind == LostKind::Values && lost.column.is_some();
    let mut ways = Vec::new();
    if all.iter().any(|(_, lost)| lost.iter().any(|lost| !is_value(lost))) {
        ways.push(format!("rowsafe restore {}", kept.id));
    }
    let overwritten: Vec<String> = all
        .iter()
        .filter(|(_, lost)| lost.iter().any(is_value))
        .map(|(change, lost)| {
            let mut words = vec!["rowsafe", "restore", &kept.id, "--table"];
            let table = change.name.short();
            words.push(&table);
            for column in
                lost.iter().filter(|lost| is_value(lost)).filter_map(|l| l.column.as_ref())
            {
                words.extend(["--column", column]);
            }
            shell_words::join(words)
        })
        .collect();
    if overwritten.len() > NAMED {
        ways.push(format!("rowsafe diff {} says which values, table by table", kept.id));
    }
    ways.extend(overwritten.into_iter().take(NAMED));
    ways
}

fn unplanned(comparison: &Comparison) -> Option<String> {
    let mut unplanned = comparison.unplanned();
    unplanned.sort_by_key(|lost| std::cmp::Reverse(lost.rows));
    let rows: u64 = unplanned.iter().map(|lost| lost.rows).sum();
    let what: Vec<&str> = unplanned.iter().map(|lost| lost.what.as_str()).collect();
    let said = match what.as_slice() {
        [] => return None,
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => {
            format!("{one}, {two} and {} more ({} in all)", rest.len(), plural(rows, "row"))
        }
    };
    let others = if unplanned.iter().any(|lost| lost.by == By::Either) {
        "; other sessions wrote at the same time, and whose work it is can't be told"
    } else {
        ""
    };
    Some(format!("{said}, which the plan did not name{others}"))
}

/// The answer after what was `lost` was put back and compared again, with the answer of `now`.
pub fn put_back(record: &Record, lost: &Answer, now: Answer) -> Answer {
    if now.exit == Exit::Loss {
        let sentence = format!("{}; what could be put back is back", now.sentence);
        return Answer { sentence, ..now };
    }
    let snapshot = record.snapshot.as_ref().map_or("the snapshot", |kept| kept.id.as_str());
    let sentence = format!(
        "{}; put back from {snapshot} and compared again: nothing is missing",
        lost.sentence
    );
    let suspects = lost.hints.iter().filter(|hint| hint.starts_with(SUSPECT)).cloned();
    let mut hints: Vec<String> = suspects.collect();
    if now.exit != Exit::Ok {
        hints.push(now.sentence);
    }
    hints.extend(now.hints);
    Answer { verdict: Verdict::Restored, exit: Exit::LossRestored, sentence, hints }
}

fn lost(record: &Record, sentence: String) -> Answer {
    let mut hints = Vec::new();
    match &record.snapshot {
        Some(kept) => {
            let comparison = record.comparison.as_ref().expect("a loss follows the comparison");
            hints.extend(record.findings.iter().filter(|finding| is_unknown(finding)).map(suspect));
            if comparison.unplanned().iter().any(|lost| lost.by == By::Either) {
                let hint = "a table that others always write: volatile = true in rowsafe.toml";
                hints.push(hint.to_owned());
            }
            hints.extend(holding(kept, comparison));
        }
        None => hints.push("no snapshot was taken, because --snapshot none was given".to_owned()),
    }
    Answer { verdict: Verdict::Lost, exit: Exit::Loss, sentence, hints }
}

/// What the snapshot holds of what was lost, and how to put it back.
fn holding(kept: &Kept, comparison: &Comparison) -> Vec<String> {
    if let Some(elsewhere) = &kept.elsewhere {
        let mut said = vec![format!("snapshot {} is {}", kept.id, elsewhere.said())];
        said.extend(elsewhere.ways_back());
        return said;
    }
    if kept.left_out.is_empty() {
        let rows = plural(kept.rows, "row");
        return vec![format!("snapshot {} holds all {rows} from before, read back", kept.id)]
            .into_iter()
            .chain(ways_back(kept, comparison).iter().map(|way| format!("put them back: {way}")))
            .collect();
    }
    // Below a threshold even what was planned is wanted back.
    let is_below = !comparison.breaches.is_empty();
    let is_unplanned = |lost: &Lost| (!lost.planned || is_below) && lost.by != By::Others;
    let lost = comparison.tables.iter().filter(|table| table.losses.iter().any(is_unplanned));
    let (missing, held): (Vec<_>, Vec<_>) =
        lost.partition(|table| kept.left_out.contains(&table.name));
    let mut said = vec![format!("snapshot {} holds {}, read back", kept.id, kept.holding())];
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|table| table.name.short()).collect();
        said.push(format!(
            "not in it, because nothing pending was known to touch it: {}",
            names.join(", ")
        ));
    }
    if !held.is_empty() {
        let ways = ways_back(kept, comparison);
        said.extend(ways.iter().map(|way| format!("put back what is in it: {way}")));
    }
    said
}

/// A finding whose effect nobody could tell: where an unplanned loss may come from.
fn is_unknown(finding: &Finding) -> bool {
    finding.certainty == Certainty::Unknown
}

/// How a hint begins that names where an unplanned loss may come from.
const SUSPECT: &str = "suspect: ";

fn suspect(finding: &Finding) -> String {
    let place = &finding.place;
    let path = place.path.as_deref().or(place.revision.as_deref());
    let line = place.position.map(|position| format!(":{}", position.line)).unwrap_or_default();
    let place = path.map(|path| format!("{path}{line}: ")).unwrap_or_default();
    format!("{SUSPECT}{place}{} {}", finding.rule, finding.object)
}

fn stopped(record: &Record, signal: i32) -> Answer {
    let exit = if signal == 15 { Exit::Terminated } else { Exit::Interrupted };
    let kept = record
        .snapshot
        .as_ref()
        .map_or_else(String::new, |kept| format!("; snapshot {} is kept", kept.id));
    let sentence = if record.child.as_ref().is_some_and(|child| child.is_abandoned) {
        format!(
            "rowsafe stopped waiting, the command may still be running; nothing lost so far{kept}"
        )
    } else {
        format!("nothing lost{kept}")
    };
    Answer { verdict: Verdict::Stopped, exit, sentence, hints: Vec::new() }
}

fn command_failed(record: &Record) -> String {
    let child = record.child.as_ref().expect("the answer follows the command");
    let program = record.migration.first().map_or("the command", String::as_str);
    let how = match (child.exit, &child.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let moved = match &record.revisions.after {
        Some(after) if *after != record.revisions.before => {
            format!("; {} is at {} now", record.database_name(), revisions(after))
        }
        _ => String::new(),
    };
    format!("{program} {how}; nothing was lost that the plan did not name{moved}")
}

fn failed(record: &Record, sentence: String, mut hints: Vec<String>) -> Answer {
    if let Some(kept) = &record.snapshot {
        hints.push(format!("snapshot {} holds {} from before the run", kept.id, kept.holding()));
    }
    Answer { verdict: Verdict::Failed, exit: Exit::CommandFailed, sentence, hints }
}

fn elsewhere(record: &Record, evidence: &Evidence) -> Answer {
    let watched = record.database_name();
    let sentence = match &evidence.seen.marked_elsewhere {
        Some(other) => format!(
            "the migration ran on another database than rowsafe watched: on {other}, not on {watched}"
        ),
        None => format!(
            "the command was not seen on {watched}: it did nothing, or the migration ran on another database than rowsafe watched"
        ),
    };
    let hints = vec![
        "name the database that the command uses: --database URL".to_owned(),
        "an env.py can override the URL of alembic.ini".to_owned(),
    ];
    failed(record, sentence, hints)
}

/// A comparison that could not be made is no good news.
pub fn uncompared(record: &Record, error: &Refusal) -> Refusal {
    let snapshot = record.snapshot.as_ref();
    let mut refusal = Refusal::new(
        Exit::Loss,
        format!("the command has ended, but the database could not be compared: {error}"),
    );
    for hint in error.hints() {
        refusal = refusal.hint(hint.clone());
    }
    match snapshot {
        Some(kept) => refusal.hint(format!(
            "snapshot {} holds {} from before the run",
            kept.id,
            kept.holding()
        )),
        None => refusal,
    }
}

/// The answer when findings are not agreed to.
pub fn blocked(blocking: &[&Finding]) -> Answer {
    let count = |severity| blocking.iter().filter(|f| f.severity == severity).count() as u64;
    let counts: Vec<String> = [Severity::Error, Severity::Warning]
        .into_iter()
        .filter(|severity| count(*severity) > 0)
        .map(|severity| plural(count(severity), severity.name()))
        .collect();
    let gone = would_go(blocking);
    Answer {
        verdict: Verdict::Blocked,
        exit: Exit::Blocked,
        sentence: format!("{}{gone}; nothing was run", counts.join(", ")),
        hints: vec![format!(
            "agree:  --allow '{} {}: why it is safe'",
            blocking[0].rule, blocking[0].object
        )],
    }
}

fn would_go(blocking: &[&Finding]) -> String {
    let losses = || blocking.iter().filter_map(|finding| finding.loss.as_ref());
    let sum = |pick: fn(&Loss) -> &Count| -> u64 {
        losses().filter_map(|loss| pick(loss).number()).sum()
    };
    let (rows, values) = (sum(|loss| &loss.rows), sum(|loss| &loss.values));
    let is_bound = |count: &Count| matches!(count, Count::AtMost(_));
    let up_to = losses().any(|loss| is_bound(&loss.rows) || is_bound(&loss.values));
    let gone = match (rows, values) {
        (0, 0) => return String::new(),
        (rows, 0) => plural(rows, "row"),
        (0, values) => plural(values, "value"),
        (rows, values) => format!("{} and {}", plural(rows, "row"), plural(values, "value")),
    };
    format!(": {}{gone} would be gone", if up_to { "up to " } else { "" })
}

/// What is asked on a terminal.
pub fn question(blocking: &[&Finding], database: &str) -> String {
    format!("This agrees to {} on {database}.", plural(blocking.len() as u64, "finding"))
}

fn revisions(revisions: &[String]) -> String {
    if revisions.is_empty() { "base".to_owned() } else { revisions.join(", ") }
}

/// Rows before and after as people compare them.
pub fn before_after(before: Option<u64>, after: Option<u64>) -> String {
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), grouped);
    format!("{} → {}", number(before), number(after))
}
