//! The report as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::model::Report;
use super::shelf_model;
use crate::record::{Record, Verdict};
use crate::text::clean::{COMMANDS, is_hidden};

/// The report, indented, with a line end.
pub(super) fn render(record: &Record) -> String {
    // A list is a list, but for one that could not be made: nobody may take that for an empty one.
    let is_there = record.answer.as_ref().is_some_and(|answer| answer.verdict == Verdict::Ok);
    if record.command == "snapshot list" && is_there {
        return text(&shelf_model::snapshots(record));
    }
    text(&Report::of(record))
}

/// Any value, indented, with a line end; what can't be seen is written as `\u202e`.
pub(super) fn text(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value)
        .expect("a report has only string keys and finite numbers");
    let mut out = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        // Outside of strings JSON has no such character but for the ends of lines.
        if is_hidden(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a string takes everything");
            }
        } else {
            out.push(character);
        }
    }
    out.push('\n');
    // Printed in a job of a CI, it would be read by the one who keeps the log, too.
    COMMANDS
        .iter()
        .fold(out, |out, command| out.replace(command, &format!("\\u0023{}", &command[1..])))
}
