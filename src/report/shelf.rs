//! Snapshots of a store, for a person: tables of 80 columns.

use jiff::Timestamp;

use super::human::{GUTTER, labelled};
use crate::record::Record;
use crate::record::shelf::{Item, Manifest, Written};
use crate::retention::State;
use crate::text::clean::clean;
use crate::text::number::{bytes, grouped, plural, seconds, span};
use crate::ui::style::Paint;
use crate::ui::table::WIDTH;
use crate::ui::{Align, Table};

/// Blanks between two columns of a table.
const GAP: usize = 2;
/// A revision is not cut below this: enough to tell one from another.
const SHORTEST_REVISION: usize = 6;

/// What `rowsafe snapshot` has to say before the answer.
pub(super) fn all(record: &Record) -> String {
    let now = Timestamp::now();
    let body = match record.command {
        "snapshot list" => listed(&record.shelf, now),
        "snapshot show" => record.shelf.iter().map(|item| shown(item, now)).collect(),
        "snapshot verify" => record.shelf.iter().map(checked).collect(),
        "snapshot prune" => pruned(&record.shelf, now),
        "snapshot schedule" => files(&record.files),
        _ => String::new(),
    };
    if body.is_empty() { body } else { body + "\n" }
}

/// Grouped by database, which a store may hold several of; newest first in each.
fn listed(shelf: &[Item], now: Timestamp) -> String {
    let mut databases: Vec<String> = Vec::new();
    for item in shelf.iter().filter(|item| item.manifest.is_some()) {
        if !databases.contains(&item.database()) {
            databases.push(item.database());
        }
    }
    let mut parts = Vec::new();
    for database in databases {
        let of_this =
            shelf.iter().filter(|item| item.manifest.is_some() && item.database() == database);
        let items: Vec<&Item> = of_this.collect();
        let manifest = items[0].manifest.as_ref();
        let server = manifest.map_or("", |manifest| &manifest.database.server);
        parts.push(clean(server) + "\n" + &table(&items, now));
    }
    let others: Vec<&Item> = shelf.iter().filter(|item| item.manifest.is_none()).collect();
    if !others.is_empty() {
        let lines = others.iter().map(|item| of_none(item, now));
        parts.push("not offered\n".to_owned() + &lines.collect::<String>());
    }
    parts.join("\n")
}

fn table(items: &[&Item], now: Timestamp) -> String {
    let head = ["id", "age", "taken (UTC)", "revision", "tables", "rows", "size", "verified"];
    let head = head.map(str::to_owned);
    let mut rows: Vec<[String; 8]> = vec![head];
    rows.extend(items.iter().map(|item| row(item, now)));
    let widest = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let others: usize = (0..8).filter(|column| *column != 3).map(widest).sum();
    let room = WIDTH.saturating_sub(others + GAP * 7).max(SHORTEST_REVISION);
    let mut table = Table::new([
        Align::Left,
        Align::Right,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    for (index, mut row) in rows.into_iter().enumerate() {
        row[3] = begin_of(&row[3], room);
        match index.checked_sub(1).map(|index| items[index]) {
            None => table.row_in(Paint::Dim, row),
            Some(item) if is_troubling(item) => table.row_in(Paint::Red, row),
            Some(_) => table.row(row),
        }
    }
    table.lines(WIDTH).join("\n") + "\n"
}

/// The beginning of revisions, which is what people know them by.
fn begin_of(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn is_troubling(item: &Item) -> bool {
    item.state != State::Good || item.proofs.not_restored.is_some()
}

fn row(item: &Item, now: Timestamp) -> [String; 8] {
    let manifest = item.manifest.as_ref().expect("only snapshots stand in the table");
    let kept = item.kept.as_ref().expect("what has a manifest keeps something");
    let (tables, all) = (kept.tables, kept.of_tables);
    [
        item.id.clone(),
        age(item.taken, now),
        item.taken.strftime("%Y-%m-%d %H:%M").to_string(),
        manifest.revisions.join(","),
        if tables == all { "all".to_owned() } else { format!("{tables}/{all}") },
        grouped(kept.rows),
        bytes(item.bytes),
        standing(item, now),
    ]
}

/// When it was last found to be good, or that it is not.
fn standing(item: &Item, now: Timestamp) -> String {
    if let Some(holder) = item.holder() {
        return format!("by {holder}");
    }
    match (item.state, &item.proofs) {
        (State::Damaged, _) => "damaged".to_owned(),
        (State::HalfWritten, _) => "half-written".to_owned(),
        (_, proofs) if proofs.not_restored.is_some() => "no restore".to_owned(),
        (_, proofs) => match (proofs.restored, proofs.read_back) {
            (Some(at), _) => format!("{} restored", age(at, now)),
            (None, Some(at)) => age(at, now),
            (None, None) => String::new(),
        },
    }
}

fn of_none(item: &Item, now: Timestamp) -> String {
    let problem = item.problem.as_deref().unwrap_or_default();
    let line =
        format!("{}  {}, {} old: {problem}", item.id, name(item.state), age(item.taken, now));
    Paint::Yellow.on(&clean(&line)) + "\n"
}

/// The word for a state.
pub(super) fn name(state: State) -> &'static str {
    match state {
        State::Good => "good",
        State::Damaged => "damaged",
        State::HalfWritten => "half-written",
    }
}

/// How long ago.
fn age(since: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(since).try_into().unwrap_or_default())
}

fn shown(item: &Item, now: Timestamp) -> String {
    let Some(manifest) = &item.manifest else { return String::new() };
    let moment =
        |at: Timestamp| format!("{}, {} ago", at.strftime("%Y-%m-%d %H:%M:%S UTC"), age(at, now));
    let database = &manifest.database;
    let version = database.server_version.split(' ').next().unwrap_or_default();
    let or_none = |words: &[String], none: &str| match words {
        [] => none.to_owned(),
        words => words.join(", "),
    };
    let commit = manifest.git_commit.as_deref().unwrap_or("not known");
    let command = match manifest.command.as_slice() {
        [] => "none; it was taken by itself".to_owned(),
        words => shell_words::join(words),
    };
    let mut lines = vec![
        ("snapshot", item.id.clone()),
        ("taken", moment(item.taken)),
        ("database", format!("{}, PostgreSQL {version}", database.server)),
        (
            "",
            format!(
                "oid {}, {}",
                database.oid,
                match database.system_identifier {
                    Some(system) => format!("cluster {system}"),
                    None => "the role could not read which cluster".to_owned(),
                }
            ),
        ),
        ("command", command),
        ("revision", or_none(&manifest.revisions, "none")),
        ("commit", commit.to_owned()),
        ("size", format!("{} → {}", bytes(manifest.archive.dump_bytes), bytes(item.bytes))),
        ("where", item.location.clone()),
        ("by", format!("rowsafe {}, {}", manifest.rowsafe_version, manifest.pg_dump_version)),
    ];
    if let Some(elsewhere) = &manifest.elsewhere {
        lines.push(("held", elsewhere.said()));
        return finished(&lines, manifest);
    }
    lines.extend(item.proofs.read_back.map(|at| ("read back", moment(at))));
    match (&item.proofs.not_restored, item.proofs.restored) {
        (Some(why), _) => lines.push(("restored", format!("failed: {why}"))),
        (None, Some(at)) => lines.push(("restored", moment(at) + ", into a scratch database")),
        (None, None) => lines.push(("restored", "not tried yet".to_owned())),
    }
    lines.extend(item.held.iter().map(|why| ("needed", why.clone())));
    finished(&lines, manifest)
}

fn finished(lines: &[(&str, String)], manifest: &Manifest) -> String {
    let head: String = lines.iter().map(|(label, text)| labelled(label, text)).collect();
    let objects = match manifest.large_objects {
        0 => String::new(),
        objects => labelled("", &plural(objects, "large object")),
    };
    head + &labelled("tables", &tables(manifest)) + &objects
}

/// Every table with its rows, and whether they are in it.
fn tables(manifest: &Manifest) -> String {
    let mut table = Table::new([Align::Name, Align::Right, Align::Left]);
    for kept in manifest.tables.iter().filter(|kept| kept.holds_rows()) {
        let note = if kept.kept { "" } else { "not kept, only its definition" };
        table.row([kept.qualified().short(), grouped(kept.rows), note.to_owned()]);
    }
    let lines = table.lines(WIDTH - GUTTER);
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn checked(item: &Item) -> String {
    let Some(checked) = &item.checked else {
        return match item.holder() {
            Some(holder) => format!("{}  held by {holder}, not looked at\n", item.id),
            None => of_none(item, Timestamp::now()),
        };
    };
    let took = seconds(std::time::Duration::from_secs_f64(checked.seconds));
    let how = if checked.is_restored { "restored" } else { "read back" };
    match &checked.problem {
        None => format!("{}  good  {}, {how} in {took}\n", item.id, plural(checked.rows, "row")),
        Some(problem) => {
            let word = if item.state == State::Damaged { "damaged" } else { "not restored" };
            clean(&item.id) + "  " + &Paint::Red.on(word) + "  " + &clean(problem) + "\n"
        }
    }
}

fn pruned(shelf: &[Item], now: Timestamp) -> String {
    let mut table = Table::new([
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Name,
        Align::Right,
        Align::Left,
    ]);
    for item in shelf {
        let Some(decision) = &item.decision else { continue };
        let database = item.manifest.as_ref().map_or("", |manifest| &manifest.database.name);
        let word = if decision.stays { "keep" } else { "remove" };
        let (age, size) = (age(item.taken, now), bytes(item.bytes));
        let cells = [word, &item.id, &age, database, &size, &decision.why];
        if decision.stays { table.row(cells) } else { table.row_in(Paint::Yellow, cells) }
    }
    table.lines(WIDTH).iter().map(|line| line.clone() + "\n").collect()
}

/// The files as they are, each below its path; a line for cron as it is, because it is piped on.
pub(super) fn files(files: &[Written]) -> String {
    let text = files.iter().map(|file| match (file.done, file.path.as_str()) {
        (_, "") => file.text.clone(),
        ("unchanged", path) => format!("# {path}: unchanged\n"),
        (_, path) => format!("# {path}\n{}", file.text),
    });
    text.collect::<Vec<_>>().join("\n")
}
