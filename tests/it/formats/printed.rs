//! `rowsafe check --format` and `--output`, by the built program.

use rowsafe::exit::Exit;
use rowsafe::report::Format;
use serde_json::Value;

use crate::harness::{Outcome, Rowsafe, Sandbox};

const BAD: &str = "CREATE TABLE new (id int);\nDROP TABLE users;\n";
const GOOD: &str = "CREATE TABLE new (id int);\n";

fn check(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Outcome {
    Rowsafe::new(sandbox).arg("check").args(args).stdin(stdin).run()
}

/// Without the moment at which it was written.
fn steady(text: &str) -> String {
    let moment = regex::Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z").unwrap();
    moment.replace_all(text, "MOMENT").into_owned()
}

#[test]
fn what_is_printed_is_what_is_written_and_the_exit_code_is_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("m/1.sql", BAD);
    sandbox.write("m/2.sql", GOOD);
    for (path, exit) in
        [("m/1.sql", Exit::Blocked), ("m/2.sql", Exit::Ok), ("m/3.sql", Exit::NoAnswer)]
    {
        for format in Format::ALL {
            let output = format!("{}=out", format.name());
            let args = ["--format", format.name(), "--output", &output, path];
            let outcome = check(&sandbox, &args, "").exits(exit);
            // A mistake is for standard error where a person reads.
            if format != Format::Human || exit != Exit::NoAnswer {
                assert_eq!(steady(&outcome.stdout), steady(&sandbox.read("out")));
            }
            assert!(!sandbox.read("out").is_empty());
        }
    }
}

#[test]
fn several_outputs_are_written_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("m/1.sql", BAD);
    let outputs = Format::ALL.map(|format| format!("{0}=out.{0}", format.name()));
    let args: Vec<&str> = outputs.iter().flat_map(|output| ["--output", output]).collect();
    let outcome = check(&sandbox, &[&args[..], &["m/1.sql"]].concat(), "").exits(Exit::Blocked);
    let outcome = outcome.prints("error[drop-table]");
    assert_eq!(outcome.stdout, sandbox.read("out.human"));
    for format in Format::ALL {
        assert!(sandbox.read(&format!("out.{}", format.name())).contains("drop-table"));
    }
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_anything_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("m/1.sql", GOOD);
    let refused = |output| {
        let outcome = check(&sandbox, &["--output", output, "m/1.sql"], "");
        outcome.exits(Exit::NoAnswer)
    };
    let _ = refused("sarif=no/such/place").says("the report `no/such/place` can't be written");
    let _ = refused("sarf=out").says("`sarf` is no format").says("did you mean `sarif`?");
    let _ = refused("sarif").says("names no format and path").says("--output FORMAT=PATH");
    let outcome = check(&sandbox, &["--format", "xml", "m/1.sql"], "").exits(Exit::NoAnswer);
    let _ = outcome.says("[possible values: human, json, sarif, github, gitlab, junit]");
}

#[test]
fn standard_input_has_a_place_in_every_format() {
    let sandbox = Sandbox::new();
    for format in Format::ALL {
        let outcome = check(&sandbox, &["--format", format.name(), "-"], BAD).exits(Exit::Blocked);
        let _ = outcome.prints("drop-table");
        let _ = check(&sandbox, &["--format", format.name(), "-"], GOOD).exits(Exit::Ok);
    }
    let outcome = check(&sandbox, &["--format", "sarif", "-"], BAD).exits(Exit::Blocked);
    let sarif: Value = outcome.json();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "%3Cstdin%3E");
    assert_eq!(place["region"]["startLine"], 2);
}

#[test]
fn color_is_for_a_person() {
    let sandbox = Sandbox::new();
    sandbox.write("m/1.sql", BAD);
    for format in Format::ALL {
        let args = ["--color", "always", "--format", format.name(), "--output", "human=out"];
        let outcome = check(&sandbox, &[&args[..], &["m/1.sql"]].concat(), "");
        let outcome = outcome.exits(Exit::Blocked);
        assert_eq!(outcome.stdout.contains('\u{1b}'), format == Format::Human);
        assert!(!sandbox.read("out").contains('\u{1b}'));
    }
    let outcome = check(&sandbox, &["m/1.sql"], "").exits(Exit::Blocked);
    assert!(!outcome.stdout.contains('\u{1b}'));
}

/// What a terminal gets of a hostile file: colors of ours, and no other control.
#[test]
fn a_terminal_gets_no_control_of_a_file() {
    let sandbox = Sandbox::new();
    let name = "a\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{1b}[31m\u{8}";
    let path = "m/\u{1b}[2Jx.sql";
    sandbox.write(path, &format!("DROP TABLE \"{name}\";\n-- {name}\nTRUNCATE\t\"{name}\";\n"));
    let outcome = Rowsafe::new(&sandbox).args(["check", "m"]).in_terminal().run();
    let outcome = outcome.exits(Exit::Blocked);
    let color = regex::Regex::new("\u{1b}\\[(0|1|1;3[1-3]|2)m").unwrap();
    assert!(color.is_match(&outcome.stdout));
    let rest = color.replace_all(&outcome.stdout, "").replace("\r\n", "\n");
    let control = rest.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(control, None, "{rest:?}");
    assert!(rest.contains("error[truncate]") && rest.contains("error[drop-table]"), "{rest}");
}
