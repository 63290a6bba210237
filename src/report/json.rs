//! The report as JSON.

use crate::record::Record;

use super::model::Report;

/// The report, indented, with a line end.
pub fn render(record: &Record) -> String {
    let mut text = serde_json::to_string_pretty(&Report::of(record))
        .expect("a report has only string keys and finite numbers");
    text.push('\n');
    text
}
