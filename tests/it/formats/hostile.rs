//! Names that try to break out of a format come back whole from a real parser of it, or as escapes
//! that anybody can see.

use rowsafe::record::Record;
use rowsafe::report::{Format, render};
use rowsafe::text::clean::{clean, clean_lines, is_hidden};
use serde_json::Value;

use super::{checked, flag, json};

/// Everything that ends a string, a command, a property, an element, a section or a line.
const NAME: &str = "a\"'\n::error::x\r%0A%25,=`]]><script>&amp;--\u{1b}[31m\u{9b}2J\u{7f}\
    \u{202e}\u{2066}\u{200b}\u{feff}\u{fffe}{0}[b](c)##[error]##vso[x]\\";

const REASON: &str = "because\n::warning::\u{1b}]0;x\u{7}\"/><failure/>";

/// In the name of a file, of a table, in a statement and in a reason.
pub(super) fn hostile() -> Record {
    let quoted = NAME.replace('"', "\"\"");
    let text = format!("DROP TABLE \"{quoted}\";\nTRUNCATE \"{quoted}\";\nSELECT 1 \0;\n");
    let path = format!("migrations/{NAME}.sql");
    let mut record = checked(&[(&path, &text), ("<stdin>", "DROP TABLE b;")], &[]);
    let agreed = record.findings.iter_mut().find(|finding| finding.rule == "truncate").unwrap();
    agreed.allowance = Some(flag("truncate", NAME, REASON));
    record.answer.as_mut().unwrap().sentence = format!("{NAME} is blocked");
    record.warnings.push(REASON.to_owned());
    record
}

/// The finding about the table of that name, as the formats are told of it.
fn message(record: &Record) -> &str {
    assert!(record.findings[0].message.contains("::error::x"), "{record:#?}");
    assert!(record.findings.iter().any(|finding| finding.rule == "opaque"), "{record:#?}");
    &record.findings[0].message
}

#[test]
fn nothing_hidden_is_in_any_format() {
    let mut rendered = hostile();
    for finding in &mut rendered.findings {
        // As in SQL that Alembic rendered, whose place in the file is a guess.
        finding.snippet = None;
    }
    for (format, record) in
        Format::ALL.iter().flat_map(|it| [(it, hostile()), (it, rendered.clone())])
    {
        let text = render(*format, &record);
        let hidden = text.chars().find(|c| is_hidden(*c) && *c != '\n');
        assert_eq!(hidden, None, "{}\n{text}", format.name());
    }
}

/// Whichever is printed in a job of GitHub Actions: only what is meant for it is a command there.
#[test]
fn no_line_is_a_command() {
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Github) {
        let text = render(format, &hostile());
        let command = text.lines().find(|line| {
            let line = line.trim_start();
            line.starts_with("::") || line.contains("##[") || line.contains("##vso[")
        });
        assert_eq!(command, None, "{}", format.name());
    }
}

#[test]
fn json_gives_every_name_back() {
    let record = hostile();
    let report = json(Format::Json, &record);
    assert_eq!(report["findings"][0]["message"], message(&record));
    assert_eq!(report["findings"][0]["object"]["name"], NAME);
    assert_eq!(report["findings"][0]["place"]["path"], format!("migrations/{NAME}.sql"));
    assert_eq!(report["findings"][1]["allowance"]["reason"], REASON);
}

#[test]
fn sarif_gives_them_back_readable() {
    let record = hostile();
    let report = json(Format::Sarif, &record);
    let result = &report["runs"][0]["results"][0];
    let text = result["message"]["text"].as_str().unwrap();
    assert!(text.contains("{{0}}\\[b\\](c)"), "{text}");
    let plain = text.replace("{{", "{").replace("}}", "}");
    let plain = plain.replace("\\[", "[").replace("\\]", "]");
    let said = message(&record).lines().map(clean).collect::<Vec<_>>().join("\n");
    assert!(plain.starts_with(&said), "{plain}\n{said}");
    let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
    let uri = artifact["uri"].as_str().unwrap();
    let decoded = percent_encoding::percent_decode_str(uri).decode_utf8().unwrap();
    assert_eq!(decoded, format!("migrations/{NAME}.sql"));
    let suppression = &report["runs"][0]["results"][1]["suppressions"][0];
    assert_eq!(suppression["kind"], "external");
    assert_eq!(suppression["justification"], clean(REASON));
}

/// A workflow command: name, properties, message.
type Command = (String, Vec<(String, String)>, String);

/// As the runner of GitHub Actions reads a line of a log.
fn command(line: &str) -> Option<Command> {
    let (head, message) = line.strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let message = message.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let properties = properties.split(',').map(|property| {
        let (key, value) = property.split_once('=').expect("a property has a value");
        let value = value.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":");
        (key.to_owned(), value.replace("%2C", ",").replace("%25", "%"))
    });
    Some((name.to_owned(), properties.collect(), message))
}

#[test]
fn github_reads_as_many_commands_as_were_meant() {
    let record = hostile();
    let text = render(Format::Github, &record);
    let commands: Vec<_> = text.lines().filter_map(command).collect();
    let names: Vec<&str> = commands.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["error", "error", "error"], "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
    let (_, properties, said) = &commands[0];
    let instead = &record.findings[0].instead;
    assert_eq!(*said, format!("{}\n{}", clean(message(&record)), clean_lines(instead)));
    let path = clean(&format!("migrations/{NAME}.sql"));
    assert_eq!(properties[0], ("file".to_owned(), path));
    let keys: Vec<&str> = properties.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["file", "line", "endLine", "title"]);
    // What was piped in is no file of the repository.
    assert_eq!(commands[2].1, [("title".to_owned(), "drop-table".to_owned())]);
}

#[test]
fn gitlab_gives_them_back_readable() {
    let record = hostile();
    let issues = json(Format::Gitlab, &record);
    let description = format!("drop-table: {}", clean(message(&record)));
    assert_eq!(issues[0]["description"], description);
    assert_eq!(issues[0]["location"]["path"], format!("migrations/{NAME}.sql"));
    let all: &Vec<Value> = issues.as_array().unwrap();
    assert_eq!(all.len(), record.findings.len());
    assert_eq!(all.last().unwrap()["location"]["path"], "<stdin>");
}

#[test]
fn junit_is_xml_with_as_many_cases_as_findings() {
    let record = hostile();
    let text = render(Format::Junit, &record);
    let document =
        roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let elements = |name: &'static str| {
        document.descendants().filter(move |node| node.has_tag_name(name)).collect::<Vec<_>>()
    };
    assert_eq!((elements("testsuite").len(), elements("testcase").len()), (2, 4));
    assert_eq!((elements("failure").len(), elements("skipped").len()), (3, 1));
    let shown = clean(message(&record));
    assert_eq!(elements("failure")[0].attribute("message"), Some(shown.as_str()));
    let skipped = elements("skipped")[0].attribute("message").unwrap().to_owned();
    assert!(skipped.ends_with(&format!("agreed: {}", clean(REASON))), "{skipped}");
    let suite = elements("testsuite")[0];
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("3"), Some("2")));
}

#[test]
fn a_person_sees_every_line_that_is_one() {
    let mut record = hostile();
    // What the rules say is looked at elsewhere.
    for finding in &mut record.findings {
        finding.message = format!("what `{}` says of `{}`", finding.rule, finding.object);
        finding.instead = format!("set {NAME} aside:\n  SELECT '{NAME}';");
    }
    let text = render(Format::Human, &record);
    assert!(text.contains("::error::x"), "{text}");
    insta::assert_snapshot!("human-hostile", text);
}
