//! Piecing together what several calls print, without a real Alembic.

use std::cell::RefCell;
use std::path::PathBuf;

use super::{Answer, Inquiry, Pending, Revisions, output, reason};
use crate::migration::alembic::command::Direction;
use crate::script::Knowledge;

const LINE: &[(&str, &str)] = &[("aaaa", ""), ("bbbb", "aaaa"), ("cccc", "bbbb"), ("dddd", "cccc")];
const FORK: &[(&str, &str)] = &[("aaaa", ""), ("bbbb", "aaaa"), ("cccc", "aaaa"), ("dddd", "bbbb")];

fn revisions(all: &[(&str, &str)]) -> Revisions {
    Revisions::from_files(all.iter().map(|(id, down)| {
        let down = if down.is_empty() { "None".to_owned() } else { format!("'{down}'") };
        let source = format!(
            "from alembic import op\nrevision = '{id}'\ndown_revision = {down}\ndef upgrade():\n    op.drop_table('{id}')\ndef downgrade():\n    op.drop_table('{id}')\n"
        );
        (PathBuf::from(format!("{id}.py")), source)
    }))
}

/// Sections as Alembic prints them; `!` marks the one that breaks off.
fn printed(direction: &str, sections: &str) -> String {
    let mut out = String::from("BEGIN;\n\n");
    for word in sections.split_whitespace() {
        let (word, breaks) = word.strip_suffix('!').map_or((word, false), |word| (word, true));
        let (from, to) = word.split_once('>').expect("from>to");
        let id = if direction == "upgrade" { to } else { from };
        let end = if breaks {
            String::new()
        } else {
            format!("UPDATE v SET version_num='{id}' WHERE v.version_num = '{id}';\n\n")
        };
        let section = format!("-- Running {direction} {from} -> {to}\n\nDROP TABLE {id};\n\n{end}");
        out.push_str(&section);
    }
    out
}

/// Asks, with the answer to each range given beforehand; also which ranges were asked for.
async fn ask(
    all: &[(&str, &str)],
    current: &[&str],
    direction: Direction,
    target: &str,
    answers: &[(&str, &str)],
) -> (Pending, Vec<String>) {
    let revisions = revisions(all);
    let current: Vec<String> = current.iter().map(ToString::to_string).collect();
    let asked = RefCell::new(Vec::new());
    let inquiry = Inquiry::new(&current, &revisions, direction, target);
    let pending = inquiry
        .answer(async |from: &str, to: &str| {
            let range = format!("{from}:{to}");
            let sections = answers.iter().find(|(of, _)| *of == range).map(|(_, s)| *s);
            asked.borrow_mut().push(range);
            let fails = sections.is_none_or(|sections| sections.ends_with('!'));
            let stdout = printed(direction.name(), sections.unwrap_or_default());
            let output = output::parse(&stdout, &|id| revisions.get(id).is_some());
            let failure = fails.then(|| "ValueError: no".to_owned());
            Answer { output, failure, is_last: false }
        })
        .await;
    (pending, asked.into_inner())
}

/// `bbbb` where it was printed, `bbbb?` where it was not.
fn summary(pending: &Pending) -> String {
    let of = |script: &crate::script::Script| {
        let is_opaque = matches!(script.knowledge, Knowledge::Opaque(_));
        let mark = if is_opaque || script.text.is_empty() { "?" } else { "" };
        format!("{}{mark}", script.origin.revision.as_deref().unwrap_or(&script.origin.label))
    };
    pending.scripts.iter().map(of).collect::<Vec<_>>().join(" ")
}

use Direction::{Downgrade, Upgrade};

#[tokio::test]
async fn one_call_is_enough_when_it_succeeds() {
    let answers = [("aaaa:head", "aaaa>bbbb bbbb>cccc cccc>dddd")];
    let (pending, asked) = ask(LINE, &["aaaa"], Upgrade, "head", &answers).await;
    assert_eq!(summary(&pending), "bbbb cccc dddd");
    assert_eq!(asked, ["aaaa:head"]);
    assert_eq!(pending.after.as_deref(), Some(&["dddd".to_owned()][..]));
    assert_eq!(pending.scripts[0].text, "DROP TABLE bbbb;");
    assert_eq!(pending.scripts[0].knowledge, Knowledge::Known);
    assert!(pending.scripts[0].source.is_some() && pending.warnings.is_empty());
}

#[tokio::test]
async fn rendering_goes_on_behind_the_revision_that_broke_it() {
    let answers = [("base:head", ">aaaa aaaa>bbbb!"), ("bbbb:head", "bbbb>cccc cccc>dddd!")];
    let (pending, asked) = ask(LINE, &[], Upgrade, "head", &answers).await;
    assert_eq!(summary(&pending), "aaaa bbbb cccc dddd");
    assert_eq!(asked, ["base:head", "bbbb:head"]);
    assert_eq!(pending.scripts[1].text, "DROP TABLE bbbb;");
    let answers = [("dddd:-3", "dddd>cccc!"), ("cccc:aaaa", "cccc>bbbb bbbb>aaaa")];
    let (pending, asked) = ask(LINE, &["dddd"], Downgrade, "-3", &answers).await;
    assert_eq!(summary(&pending), "dddd cccc bbbb");
    assert_eq!(asked, ["dddd:-3", "cccc:aaaa"]);
    assert_eq!(pending.after.as_deref(), Some(&["aaaa".to_owned()][..]));
}

#[tokio::test]
async fn where_the_files_are_not_found_rendering_goes_on_and_nothing_counts_as_all() {
    let answers = [("base:head", ">aaaa aaaa>bbbb!"), ("bbbb:head", "bbbb>cccc")];
    let (pending, asked) = ask(&[], &[], Upgrade, "head", &answers).await;
    assert_eq!(summary(&pending), "aaaa bbbb? cccc");
    assert_eq!(asked, ["base:head", "bbbb:head"]);
    assert!(pending.scripts.iter().all(|script| script.knowledge != Knowledge::Known));
    assert_eq!(pending.warnings.len(), 1);
    let (pending, _) = ask(&[], &[], Upgrade, "head", &answers[..1]).await;
    assert_eq!(summary(&pending), "aaaa bbbb? what else is pending?");
}

#[tokio::test]
async fn a_command_that_never_renders_is_not_asked_for_each_revision() {
    let (pending, asked) = ask(LINE, &[], Upgrade, "head", &[]).await;
    assert_eq!(summary(&pending), "aaaa? bbbb? cccc? dddd?");
    assert_eq!(asked, ["base:head", "base:aaaa"]);
    let (pending, asked) = ask(LINE, &[], Upgrade, "head", &[("base:head", "")]).await;
    assert_eq!(summary(&pending), "aaaa? bbbb? cccc? dddd?");
    assert_eq!(asked, ["base:head"]);
}

#[tokio::test]
async fn of_several_heads_only_what_is_pending_is_kept() {
    let answers = [("bbbb:heads", "aaaa>cccc bbbb>dddd")];
    let (pending, asked) = ask(FORK, &["bbbb", "cccc"], Upgrade, "heads", &answers).await;
    assert_eq!((summary(&pending).as_str(), asked.len()), ("dddd", 1));
    assert_eq!(pending.after.as_deref(), Some(&["cccc".to_owned(), "dddd".to_owned()][..]));
    let answers =
        [("cccc:aaaa", "cccc>aaaa"), ("dddd:bbbb", "dddd>bbbb"), ("bbbb:aaaa", "bbbb>aaaa")];
    let (pending, _) = ask(FORK, &["cccc", "dddd"], Downgrade, "aaaa", &answers).await;
    let mut found: Vec<String> = summary(&pending).split(' ').map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["bbbb", "cccc", "dddd"]);
}

#[tokio::test]
async fn what_nobody_can_tell_is_opaque_and_nothing_pending_is_not() {
    let (pending, _) = ask(FORK, &["bbbb", "cccc"], Upgrade, "+1", &[]).await;
    assert_eq!(summary(&pending), "what else is pending?");
    assert_eq!(pending.after, None);
    let (pending, _) = ask(FORK, &["zzzz"], Upgrade, "heads", &[]).await;
    assert_eq!(summary(&pending), "what else is pending?");
    let (pending, asked) = ask(LINE, &["dddd"], Upgrade, "head", &[("dddd:head", "")]).await;
    assert_eq!((summary(&pending).as_str(), asked.len()), ("", 1));
    assert!(pending.warnings.is_empty());
    let (pending, _) = ask(LINE, &["dddd"], Upgrade, "head", &[]).await;
    assert_eq!((summary(&pending).as_str(), pending.warnings.len()), ("", 1));
}

#[tokio::test]
async fn a_failure_behind_the_last_revision_is_a_doubt() {
    let revisions = revisions(LINE);
    let current = ["cccc".to_owned()];
    let inquiry = Inquiry::new(&current, &revisions, Upgrade, "head");
    let pending = inquiry
        .answer(async |_: &str, _: &str| Answer {
            output: output::parse(&printed("upgrade", "cccc>dddd"), &|_| true),
            failure: Some("OSError: late".to_owned()),
            is_last: false,
        })
        .await;
    let doubt = "the command failed behind it: OSError: late".to_owned();
    assert_eq!(pending.scripts[0].knowledge, Knowledge::PartlyKnown(vec![doubt]));
}

#[test]
fn the_reason_is_the_last_meaningful_line_without_passwords() {
    for (stderr, failure, expected) in [
        (
            "INFO x\nTraceback (most recent call last):\n  File\nNotImplementedError: no\n(Background on\n",
            None,
            "NotImplementedError: no",
        ),
        ("INFO  [x] y\nERROR [alembic] Can't locate\n", Some("Can't locate"), "Can't locate"),
        (
            "Traceback (most recent call last):\n  a\nE: x postgresql://me:s3@cr3t@h/d\n",
            None,
            "E: x postgresql://me:***@h/d",
        ),
        ("E: password=abc host\n", None, "E: password=*** host"),
        ("", None, "the command failed without a word"),
        (
            "x: cannot execute CREATE TABLE in a read-only transaction\n",
            None,
            "loading the application writes to the database, which rendering does not allow",
        ),
    ] {
        assert_eq!(reason(stderr, failure), expected);
    }
}
