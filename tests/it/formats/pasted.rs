//! The line that a finding offers for agreeing to it, pasted where it belongs, agrees to it.

use rowsafe::exit::Exit;
use rowsafe::rules::RULES;

use crate::harness::{Outcome, Rowsafe, Sandbox};

fn check(sandbox: &Sandbox, path: &str) -> Outcome {
    Rowsafe::new(sandbox).args(["check", path]).run()
}

/// Line number and agreement of each finding that has one, from the report for a person.
fn offered(report: &str) -> Vec<(usize, String)> {
    let mut line = 0;
    let mut found = Vec::new();
    for text in report.lines() {
        if let Some(place) = text.trim_start().strip_prefix("--> ") {
            line = place.rsplit(':').nth(1).map_or(0, |number| number.parse().unwrap());
        } else if let Some(agreement) = text.trim_start().strip_prefix("= agree:") {
            found.push((line, agreement.trim().to_owned()));
        }
    }
    found
}

/// Pastes each agreement above the line it is for, as a person does.
fn paste(text: &str, offered: &[(usize, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (line, agreement) in offered.iter().rev() {
        let above = &lines[line - 1];
        let indent = above.len() - above.trim_start().len();
        lines.insert(line - 1, format!("{}{agreement}", " ".repeat(indent)));
    }
    lines.join("\n") + "\n"
}

fn agrees(path: &str, text: &str) {
    let sandbox = Sandbox::new();
    sandbox.write(path, text);
    let outcome = check(&sandbox, path);
    let offered = offered(&outcome.stdout);
    // What is only a note needs no agreement.
    if outcome.code == Some(0) {
        assert!(offered.is_empty());
        return;
    }
    assert!(!offered.is_empty(), "{}", outcome.stdout);
    let pasted = paste(text, &offered);
    sandbox.write(path, &pasted);
    let outcome = check(&sandbox, path).exits(Exit::Ok);
    assert!(outcome.stdout.contains("agreed["), "{pasted}\n{}", outcome.stdout);
    assert!(!outcome.stdout.contains("[unused-allowance]"), "{pasted}\n{}", outcome.stdout);
}

#[test]
fn in_sql_for_every_rule() {
    for rule in RULES.iter().filter(|rule| !rule.example.is_empty()) {
        agrees("migrations/1.sql", &format!("SELECT 1;\n\n{}\n", rule.example.trim_end()));
    }
    agrees("migrations/1.sql", "DROP TABLE \"Odd: \"\"one\";\nTRUNCATE app.\"A.b\";\n");
}

#[test]
fn on_the_command_line_through_a_shell() {
    let sandbox = Sandbox::new();
    let sql = "DROP TABLE \"it's: $HOME\";\n";
    let run = |flag: &str| {
        let line = format!("\"$0\" check {flag} -");
        let program = env!("CARGO_BIN_EXE_rowsafe");
        Rowsafe::program(&sandbox, "sh").args(["-c", &line, program]).stdin(sql).run()
    };
    let offered = offered(&run("").exits(Exit::Blocked).stdout);
    assert_eq!(offered.len(), 1);
    let _ = run(&offered[0].1).exits(Exit::Ok).prints("agreed[drop-table]");
}

#[test]
fn in_python() {
    let revision = |body: &str| {
        format!(
            "from alembic import op\n\nrevision = \"7b20e4\"\ndown_revision = None\n\n\n\
             def upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n"
        )
    };
    for body in [
        "op.drop_table(\"users\")",
        "op.drop_column(\"users\", \"legacyId\", schema=\"app\")",
        "op.execute(\"TRUNCATE sessions\")",
        "op.execute(input())",
    ] {
        agrees("versions/7b20e4_x.py", &revision(body));
    }
}
