//! Running a program to its end and keeping what it printed.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::Invocation;

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
}

/// Runs the program with no standard input and keeps its output.
///
/// It is killed when it has not ended after `deadline`, which is an error of kind `TimedOut`.
pub async fn capture(invocation: &Invocation, deadline: Duration) -> io::Result<Captured> {
    let mut command = invocation.command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn()?.wait_with_output();
    let output = tokio::time::timeout(deadline, output)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not end in time"))??;
    Ok(Captured {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
