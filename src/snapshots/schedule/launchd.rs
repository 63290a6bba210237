//! An agent of the user's launchd (launchd.plist(5)).

use super::{At, MARKER, ScheduleRequest};
use crate::record::shelf::Written;

/// The property list.
pub(super) fn files(request: &ScheduleRequest) -> Vec<Written> {
    let label = format!("dev.rowsafe.snapshot.{}", request.name);
    let path = request.home.join("Library/LaunchAgents").join(format!("{label}.plist"));
    let log = request.home.join("Library/Logs").join(format!("rowsafe-{}.log", request.name));
    let log = escaped(&log.display().to_string());
    let At { hour, minute } = request.at;
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARKER}. No password stands here: it comes from ~/.pgpass, or from
     variables in ~/.config/rowsafe, in a file that only you should be able to read. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{}</string>
  <key>ProgramArguments</key>
  <array>
    <string>/bin/sh</string>
    <string>-c</string>
    <string>{}</string>
  </array>
{}
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    <string>{}</string>
  </dict>
  <key>StartCalendarInterval</key>
  <dict>
    <key>Hour</key>
    <integer>{hour}</integer>
    <key>Minute</key>
    <integer>{minute}</integer>
  </dict>
  <key>StandardOutPath</key>
  <string>{log}</string>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
"#,
        escaped(&label),
        escaped(&request.shell()),
        directory(request),
        escaped(&request.path),
    );
    vec![Written { path: path.display().to_string(), text, done: "shown" }]
}

/// The lines that say where it runs.
pub(super) fn directory(request: &ScheduleRequest) -> String {
    let directory = escaped(&request.directory.display().to_string());
    format!("  <key>WorkingDirectory</key>\n  <string>{directory}</string>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
