//! What each format says, to the letter.

use rowsafe::finding::Severity;
use rowsafe::record::Record;
use rowsafe::report::{Format, render};

use super::{checked, failed, findings, json, nothing};

/// The text, without what changes with every version and what the rules say, whose tests are
/// elsewhere.
fn steady(format: Format, mut record: Record) -> String {
    for finding in &mut record.findings {
        finding.message = format!("what `{}` says of `{}`", finding.rule, finding.object);
        finding.instead = String::from("what to do:\n  SELECT 1;");
    }
    let text = render(format, &record);
    if format != Format::Sarif {
        return text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    }
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let driver = &mut value["runs"][0]["tool"]["driver"];
    driver["semanticVersion"] = "VERSION".into();
    driver["rules"] = "each rule".into();
    for result in value["runs"][0]["results"].as_array_mut().unwrap() {
        result["ruleIndex"] = "its index".into();
    }
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn to_the_letter() {
    for format in Format::ALL {
        for (name, record) in
            [("nothing", nothing()), ("findings", findings()), ("failed", failed())]
        {
            insta::assert_snapshot!(format!("{}-{name}", format.name()), steady(format, record));
        }
    }
}

#[test]
fn github_shows_the_worst_ten_and_counts_the_rest() {
    let warnings = "ALTER TABLE t SET UNLOGGED;\n".repeat(9);
    let errors = "DROP TABLE t;\n".repeat(3);
    let record = checked(&[("a.sql", &(warnings + &errors))], &[]);
    let severities = |severity| record.findings.iter().filter(|f| f.severity == severity).count();
    assert_eq!((severities(Severity::Error), severities(Severity::Warning)), (3, 9));
    let text = render(Format::Github, &record);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 12, "{text}");
    assert!(lines[..3].iter().all(|line| line.starts_with("::error file=a.sql,line=1")));
    assert!(lines[3..10].iter().all(|line| line.starts_with("::warning file=a.sql,line=")));
    assert!(lines[10].starts_with("rowsafe: 2 more findings"), "{text}");
}

#[test]
fn github_gets_no_column_where_a_range_has_several_lines() {
    let record = checked(&[("a.sql", "SELECT 1; DROP TABLE\n a;\n DROP TABLE b;")], &[]);
    let text = render(Format::Github, &record);
    let place = |index| text.lines().nth(index).unwrap().split(",title").next().unwrap();
    assert_eq!(place(0), "::error file=a.sql,line=1,endLine=2");
    assert_eq!(place(1), "::error file=a.sql,line=3,col=2,endColumn=13,endLine=3");
}

/// GitHub's, GitLab's and everybody's comparison with the report before.
#[test]
fn fingerprints_are_each_their_own_and_stay_when_lines_move() {
    let prints = |text: &str| -> Vec<String> {
        let issues = json(Format::Gitlab, &checked(&[("a.sql", text)], &[]));
        let issues = issues.as_array().unwrap().iter();
        issues.map(|issue| issue["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    let before = prints("DROP TABLE a; DROP TABLE a; DROP TABLE b;");
    let mut each = before.clone();
    each.sort();
    each.dedup();
    assert_eq!((before.len(), each.len()), (3, 3));
    assert_eq!(prints("-- moved\n\nDROP TABLE a;\nDROP  TABLE a;\n\nDROP\tTABLE b;"), before);
    assert_eq!(prints("DROP TABLE a; DROP TABLE b;"), [before[0].clone(), before[2].clone()]);
}

#[test]
fn the_most_verbose_formats_end_in_a_line() {
    for format in Format::ALL {
        let text = render(format, &findings());
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name());
        assert_eq!(format.name().parse(), Ok(format));
    }
    let refusal = "yaml".parse::<Format>().unwrap_err();
    assert_eq!(refusal, "`yaml` is no format; there are human, json, sarif, github, gitlab, junit");
}
