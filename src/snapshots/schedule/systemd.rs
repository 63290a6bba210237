//! A service and a timer of the user's systemd (systemd.service, systemd.timer, systemd.syntax).

use super::{At, MARKER, ScheduleRequest};
use crate::record::shelf::Written;

/// The two units.
pub(super) fn files(request: &ScheduleRequest) -> Vec<Written> {
    let directory = request.home.join(".config/systemd/user");
    let file = |name: String, text| Written {
        path: directory.join(name).display().to_string(),
        text,
        done: "shown",
    };
    vec![
        file(unit(request) + ".service", service(request)),
        file(timer_name(request), timer(request)),
    ]
}

/// The timer's name, which is what is started.
pub(super) fn timer_name(request: &ScheduleRequest) -> String {
    unit(request) + ".timer"
}

/// The line that says where it runs.
pub(super) fn directory(request: &ScheduleRequest) -> String {
    format!("WorkingDirectory={}\n", percent(&request.directory.display().to_string()))
}

fn unit(request: &ScheduleRequest) -> String {
    format!("rowsafe-snapshot-{}", request.name)
}

fn service(request: &ScheduleRequest) -> String {
    let commands = request.commands().map(|words| {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        format!("ExecStart={}\n", words.join(" "))
    });
    format!(
        "# {MARKER}\n\
         # No password stands here. It comes from ~/.pgpass, or from PGPASSWORD or ROWSAFE_DATABASE in\n\
         # the EnvironmentFile, which only you should be able to read.\n\
         [Unit]\n\
         Description=Snapshot of the database of {}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         {}\
         Environment={}\n\
         EnvironmentFile=-{}\n\
         # The second runs only where the first did what it should.\n\
         {}",
        percent(&request.name),
        directory(request),
        quoted_once(&format!("PATH={}", request.path)),
        percent(&request.variables().display().to_string()),
        commands.concat(),
    )
}

fn timer(request: &ScheduleRequest) -> String {
    let At { hour, minute } = request.at;
    format!(
        "# {MARKER}\n\
         [Unit]\n\
         Description=Snapshot of the database of {} every day\n\
         \n\
         [Timer]\n\
         OnCalendar=*-*-* {hour:02}:{minute:02}:00\n\
         # What was missed while the machine was off is made up for.\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        percent(&request.name),
    )
}

/// `%` begins a specifier.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a setting that is taken apart into words.
fn quoted_once(word: &str) -> String {
    format!("\"{}\"", percent(word).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word of a command line, where `$` begins a variable, too.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.:=@+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    quoted_once(word).replace('$', "$$")
}
