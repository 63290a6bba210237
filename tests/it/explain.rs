//! `rowsafe explain`, for people and programs.

use rowsafe::exit::Exit;
use rowsafe::rules::RULES;
use serde_json::Value;

use crate::harness::{Rowsafe, Sandbox};

#[test]
fn every_rule_is_listed() {
    let sandbox = Sandbox::new();
    let outcome = Rowsafe::new(&sandbox).arg("explain").run().exits(Exit::Ok);
    let listed: Vec<&str> =
        outcome.stdout.lines().filter_map(|line| line.split("  ").next()).collect();
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(listed[..ids.len()], ids);
    let _ = outcome.prints("more: rowsafe explain RULE");
}

#[test]
fn a_rule_is_explained_with_an_example_and_its_twin() {
    let sandbox = Sandbox::new();
    for rule in RULES {
        let outcome = Rowsafe::new(&sandbox).args(["explain", rule.id]).run().exits(Exit::Ok);
        let outcome = outcome.prints(&format!("{}: {}\n", rule.id, rule.title));
        for sql in [rule.example, rule.safe] {
            let first = sql.lines().next().unwrap_or_default();
            assert!(outcome.stdout.contains(first), "{}: {first}", rule.id);
        }
        let _ = outcome.prints(&format!("allow[{}] OBJECT: why", rule.id));
    }
}

#[test]
fn a_program_gets_the_same() {
    let sandbox = Sandbox::new();
    let explain = |args: &[&str]| {
        Rowsafe::new(&sandbox)
            .args(["explain", "--format", "json"])
            .args(args)
            .run()
            .exits(Exit::Ok)
    };
    let all = explain(&[]).json();
    assert_eq!(all.as_array().map(Vec::len), Some(RULES.len()));
    for (rule, value) in RULES.iter().zip(all.as_array().unwrap()) {
        assert_eq!((&value["id"], &value["title"]), (&rule.id.into(), &rule.title.into()));
        assert_eq!((&value["lost"], &value["why"]), (&rule.lost.into(), &rule.why.into()));
    }
    let one: Value = explain(&["truncate"]).json();
    assert!(all.as_array().unwrap().contains(&one));
}

#[test]
fn another_word_gets_the_nearest_rule() {
    let sandbox = Sandbox::new();
    let explain = |word| Rowsafe::new(&sandbox).args(["explain", word]).run().exits(Exit::NoAnswer);
    let outcome = explain("drop-colunm").says("error: there is no rule `drop-colunm`");
    let _ = outcome.says("hint: did you mean `drop-column`?");
    let outcome = explain("locking").says("hint: `rowsafe explain` lists every rule");
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    let line = "trap '' PIPE; { \"$0\" explain; echo \"exit $?\" >&2; } | exec true";
    let program = env!("CARGO_BIN_EXE_rowsafe");
    let outcome = Rowsafe::program(&sandbox, "sh").args(["-c", line, program]).run();
    let outcome = outcome.exits_with(0).says("exit 0");
    assert!(!outcome.stderr.contains("error"));
}
