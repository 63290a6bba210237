//! Every folder of `fixtures/cases` is a story: a database, a migration, and what must come of it.
//!
//! The folder's name is the sentence. `UPDATE_EXPECT=1 cargo test --test it cases` writes
//! `expected.txt` and `after.txt`, to be reviewed as a diff; the exit code is always written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::{fs, thread};

use serde::Deserialize;

use crate::harness::scene::names;
use crate::harness::{redact, root};
use crate::story::{Story, Told};

/// How many run at once; most of the time of each is PostgreSQL's.
const AT_ONCE: usize = 4;

/// Files of every case, beside one migration or more; UPDATE_EXPECT writes the last two.
const FILES: [&str; 5] = ["case.toml", "seed.sql", "after.sql", "expected.txt", "after.txt"];

/// What `case.toml` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    /// The case in one sentence.
    title: String,
    /// The exit code.
    exit: i32,
    /// The case that does much the same and passes; required where this one doesn't.
    twin: Option<String>,
    /// What is agreed to on the command line.
    #[serde(default)]
    allow: Vec<String>,
    /// More flags of `rowsafe run`.
    #[serde(default)]
    args: Vec<String>,
}

#[test]
fn every_case_comes_out_as_expected() {
    needs_postgres!();
    let queue = Mutex::new(names(&directory()).into_iter());
    let faults = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let Some(name) = queue.lock().unwrap().next() else { break };
            let outcome = catch_unwind(AssertUnwindSafe(|| play(&name)));
            let outcome = outcome.unwrap_or_else(|panic| Err(said(panic.as_ref())));
            if let Err(fault) = outcome {
                faults.lock().unwrap().insert(name, fault);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    report(&faults.into_inner().unwrap());
}

#[test]
fn every_case_that_does_not_pass_has_a_twin_that_does() {
    let mut faults = BTreeMap::new();
    let cases = names(&directory());
    assert!(!cases.is_empty(), "there are no cases");
    for name in cases {
        if let Err(fault) = meant(&name).and_then(|meant| check_twin(&meant)) {
            faults.insert(name, fault);
        }
    }
    report(&faults);
}

fn check_twin(meant: &Meant) -> Result<(), String> {
    let title = &meant.title;
    if !title.ends_with('.') || title.matches(". ").count() > 0 {
        return Err(format!("the title is no sentence: {title}"));
    }
    let Some(twin) = &meant.twin else {
        return if meant.exit == 0 { Ok(()) } else { Err("it has no twin".to_owned()) };
    };
    match self::meant(twin)?.exit {
        0 => Ok(()),
        exit => Err(format!("its twin {twin} does not pass but exits with {exit}")),
    }
}

/// Runs one case, in a database of its own.
fn play(name: &str) -> Result<(), String> {
    let meant = meant(name)?;
    let migrations = migrations(name)?;
    let database = format!("case_{}", name.replace('-', "_"));
    let story = Story::of_sql(&database, &read(name, "seed.sql")?);
    let mut flags = meant.args.clone();
    let mut files = String::new();
    for file in &migrations {
        story.sandbox.write(file, &read(name, file)?);
        flags.extend(["--sql".to_owned(), file.clone()]);
        files += &format!(" -f {file}");
    }
    for allow in &meant.allow {
        flags.extend(["--allow".to_owned(), allow.clone()]);
    }
    let after = read(name, "after.sql")?;
    let untouched = (meant.exit == 1).then(|| rows(&story, &after));

    let script = format!("psql -X -q -v ON_ERROR_STOP=1{files} \"$DATABASE_URL\"");
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let told = story.run(&flags, &shell_words::join(["sh", "-c", &script]));

    let expected = compare(name, "expected.txt", &redact(&tell(&told), &story.sandbox));
    if told.outcome.code != Some(meant.exit) {
        let code = told.outcome.code;
        let wanted = meant.exit;
        return Err(format!("it exits with {code:?} instead of {wanted}\n{}", told.outcome.stderr));
    }
    let left = rows(&story, &after);
    if untouched.is_some_and(|before| before != left) {
        return Err("it was blocked, and yet rows have changed".to_owned());
    }
    expected.and(compare(name, "after.txt", &left))
}

/// Findings with what goes along, tables that changed, and the answer.
fn tell(told: &Told) -> String {
    let mut lines = Vec::new();
    let findings = told.report["findings"].as_array().unwrap();
    for (line, finding) in told.findings().into_iter().zip(findings) {
        lines.push(line);
        let through = finding["loss"]["through"].as_array().into_iter().flatten();
        lines.extend(through.map(|through| format!("  goes too: {}", through.as_str().unwrap())));
    }
    lines.extend(told.changes().into_iter().map(|change| format!("table {change}")));
    lines.push(told.last_line().to_owned());
    lines.join("\n") + "\n"
}

/// The rows that the statements answer, one a line.
fn rows(story: &Story, sql: &str) -> String {
    let rows = story.db.rows(sql);
    rows.iter().map(|row| row.join(" | ") + "\n").collect()
}

/// Compares with a file of the case, or writes it.
fn compare(name: &str, file: &str, is: &str) -> Result<(), String> {
    let path = directory().join(name).join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return fs::write(path, is).map_err(|error| format!("{file}: {error}"));
    }
    let wanted = read(name, file)?;
    if wanted == is {
        return Ok(());
    }
    let (wanted, is): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), is.lines().collect());
    let start = wanted.iter().zip(&is).take_while(|(one, other)| one == other).count();
    let ends = wanted[start..].iter().rev().zip(is[start..].iter().rev());
    let end = ends.take_while(|(one, other)| one == other).count();
    let mut lines = vec![format!("{file} differs (- expected, + is):")];
    let mut show = |mark, part: &[&str]| lines.extend(part.iter().map(|l| format!("{mark} {l}")));
    show(' ', &wanted[..start]);
    show('-', &wanted[start..wanted.len() - end]);
    show('+', &is[start..is.len() - end]);
    show(' ', &wanted[wanted.len() - end..]);
    Err(lines.join("\n"))
}

/// The migrations in the order in which they run; a file that nobody reads is a mistake.
fn migrations(name: &str) -> Result<Vec<String>, String> {
    let present: BTreeSet<String> = names(&directory().join(name)).into_iter().collect();
    let (known, others): (Vec<String>, Vec<String>) =
        present.into_iter().partition(|file| FILES.contains(&file.as_str()));
    let written = if std::env::var_os("UPDATE_EXPECT").is_some() { 2 } else { 0 };
    let needed = &FILES[..FILES.len() - written];
    if let Some(file) = needed.iter().find(|file| !known.iter().any(|known| known == *file)) {
        return Err(format!("{file} is missing"));
    }
    let is_migration = |file: &str| {
        file.strip_prefix("migration").is_some_and(|rest| rest.strip_suffix(".sql").is_some())
    };
    match others.iter().find(|file| !is_migration(file)) {
        Some(file) => Err(format!("{file} is nothing that a case has")),
        None if others.is_empty() => Err("migration.sql is missing".to_owned()),
        None => Ok(others),
    }
}

fn meant(name: &str) -> Result<Meant, String> {
    toml::from_str(&read(name, "case.toml")?).map_err(|error| format!("case.toml: {error}"))
}

fn read(name: &str, file: &str) -> Result<String, String> {
    let path = directory().join(name).join(file);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn directory() -> PathBuf {
    root().join("fixtures/cases")
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

#[track_caller]
fn report(faults: &BTreeMap<String, String>) {
    let shown = faults.iter().map(|(name, fault)| format!("fixtures/cases/{name}: {fault}\n"));
    let shown: Vec<String> = shown.collect();
    let hint = "UPDATE_EXPECT=1 cargo test --test it cases writes what is; look at it";
    assert!(faults.is_empty(), "{} cases:\n\n{}\n{hint}", faults.len(), shown.join("\n"));
}
