//! A line for a user's crontab (crontab(5)).

use super::{At, MARKER, ScheduleRequest};
use crate::record::shelf::Written;

/// Two comments and the line.
pub(super) fn files(request: &ScheduleRequest) -> Vec<Written> {
    let At { hour, minute } = request.at;
    let path = shell_words::quote(&request.path).into_owned();
    // `%` ends the command, and what is behind it becomes its input.
    let command = format!("export PATH={path}; {}", request.shell()).replace('%', "\\%");
    let text = format!(
        "# {MARKER}, for {}\n\
         # No password stands here: it comes from ~/.pgpass, or from variables in {}\n\
         {minute} {hour} * * * {command}\n",
        request.directory.display(),
        request.variables().display(),
    );
    vec![Written { path: String::new(), text, done: "shown" }]
}
