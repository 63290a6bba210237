//! The same three reports in every format: one with nothing to say, one with findings and
//! agreements, one full of names that try to break out.

mod documented;
mod hostile;
mod pasted;
mod printed;
mod schemas;
mod told;

use rowsafe::exit::Exit;
use rowsafe::finding::{Allowance, AllowanceSource, Finding, allows};
use rowsafe::record::{Answer, Record, ScriptSummary, Verdict};
use rowsafe::report::{Format, render};
use rowsafe::rules;
use rowsafe::script::{Origin, Script};

/// What `check` would know of these SQL files; `-` stands for standard input.
fn checked(files: &[(&str, &str)], flags: &[Allowance]) -> Record {
    let scripts: Vec<Script> = files.iter().map(|(path, text)| script(path, text)).collect();
    let readings: Vec<_> = scripts.iter().map(rules::read).collect();
    let written = readings.iter().flat_map(|reading| {
        let path = reading.script.origin.path.clone();
        reading.allows().into_iter().filter_map(move |(comment, _)| {
            let place = rowsafe::finding::Place {
                path: path.clone(),
                position: Some(comment.position),
                ..Default::default()
            };
            Some(comment.parsed.ok()?.into_allowance(AllowanceSource::Comment(place)))
        })
    });
    let agreed: Vec<Allowance> = written.chain(flags.iter().cloned()).collect();
    let mut findings = rules::findings(&readings);
    for finding in &mut findings {
        finding.allowance =
            agreed.iter().find(|allowance| allows(allowance, finding, None)).cloned();
    }
    let is_open = |finding: &&Finding| {
        finding.allowance.is_none() && finding.severity > rowsafe::finding::Severity::Note
    };
    let open = findings.iter().filter(is_open).count();
    let summaries = readings.iter().map(|reading| ScriptSummary {
        name: reading.script.origin.name().to_owned(),
        path: reading.script.origin.path.clone(),
        revision: None,
        knowledge: "known",
        reasons: Vec::new(),
        statements: reading.statements.len(),
    });
    let (verdict, exit, sentence) = match open {
        0 => (Verdict::Ok, Exit::Ok, "nothing destructive".to_owned()),
        open => (Verdict::Blocked, Exit::Blocked, format!("{open} to agree to")),
    };
    Record {
        command: "check",
        scripts: summaries.collect(),
        findings,
        answer: Some(Answer { verdict, exit, sentence, hints: Vec::new() }),
        ..Record::default()
    }
}

fn script(path: &str, text: &str) -> Script {
    let label = "standard input".to_owned();
    let path = Some(path.to_owned());
    Script::known(Origin { path, revision: None, label }, text.to_owned())
}

fn flag(rule: &str, object: &str, reason: &str) -> Allowance {
    Allowance {
        rule: rule.to_owned(),
        object: object.to_owned(),
        max_rows: None,
        reason: reason.to_owned(),
        source: AllowanceSource::CommandLine,
        statement: None,
    }
}

fn nothing() -> Record {
    checked(&[("migrations/001.sql", "CREATE TABLE users (id int);")], &[])
}

fn findings() -> Record {
    let first = "-- rowsafe: allow[drop-column] users.legacy_id: superseded by external_id\n\
        ALTER TABLE users DROP COLUMN legacy_id;\n\
        \tTRUNCATE sessions; DELETE FROM jobs WHERE id = 7;\n";
    let second = "DELETE\n  FROM users\n  WHERE true;\n\nDROP TABLE old_users;\n\
        SELECT purge('x');\nDROP TABLE old_users;\n";
    checked(
        &[
            ("migrations/001.sql", first),
            ("./migrations/002 späť.sql", second),
            ("-", "DROP TABLE a;"),
        ],
        &[flag("truncate", "sessions", "they are stale")],
    )
}

fn json(format: Format, record: &Record) -> serde_json::Value {
    serde_json::from_str(&render(format, record)).expect("it is JSON")
}

/// An attempt that failed before anything was read.
fn failed() -> Record {
    let answer = Answer {
        verdict: Verdict::Error,
        exit: Exit::NoAnswer,
        sentence: "`a.sql` can't be read: no such file".to_owned(),
        hints: vec!["name a file that is there".to_owned()],
    };
    Record { command: "check", answer: Some(answer), ..Record::default() }
}
