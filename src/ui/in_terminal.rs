//! For tests: a test of this program, started again in a terminal of its own.

use std::process::{Command, Stdio};

/// Types keys once it is asked, and prints what the terminal shows.
const TYPIST: &str = r#"
import os, pty, sys
keys = sys.argv[1].encode().decode("unicode_escape").encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown, typed = b"", False
try:
    while True:
        part = os.read(terminal, 4096)
        if not part:
            break
        shown += part
        if b"to go on: " in shown and not typed:
            typed = True
            os.write(terminal, keys)
except OSError:
    pass
os.waitpid(pid, 0)
sys.stdout.write(shown.decode().replace("\r\n", "\n"))
"#;

/// What a terminal shows while the test runs in it.
pub(super) fn show(test: &str, keys: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("python3")
        .args(["-c", TYPIST, keys])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
