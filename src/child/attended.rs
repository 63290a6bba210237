//! Running the user's command so that it keeps the terminal as if rowsafe were not there.
//!
//! Standard input, output and error are inherited. Where rowsafe is in the foreground of a
//! terminal, the command stays in rowsafe's process group: Ctrl-C and Ctrl-Z reach it from the
//! terminal, and only what `kill` sends to rowsafe is passed on. Elsewhere the command gets a
//! process group of its own and everything is passed on to that group. Either way each signal
//! arrives exactly once.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::process::{Pid, kill_process, kill_process_group};

use super::Invocation;
use super::locate::StartError;
use super::signals::{Signal, Signals};

/// How long the command may take to end after it was asked a second time; most end at once, and
/// an exit code is worth more than not knowing.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// What happens while the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttendEvent {
    /// It was started.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The first request to stop came, and has reached the command.
    Interrupted(Signal),
    /// After a second request rowsafe no longer waits; the command may still run.
    StoppedWaiting {
        /// Its process id.
        pid: u32,
    },
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, when it ended by itself.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it ran, or was waited for.
    pub duration: Duration,
    /// rowsafe stopped waiting; the command may still run and change rows.
    pub abandoned: bool,
    /// The first signal that asked rowsafe to stop while the command ran.
    pub interrupted_by: Option<i32>,
}

impl Ended {
    /// Whether it ended by itself with exit code 0.
    pub const fn succeeded(&self) -> bool {
        matches!(self.exit, Some(0))
    }
}

/// Starts the command and waits for its end.
///
/// The command is never killed, not even when this future is dropped: a migration that is cut off
/// half-way can be worse than one that is left running.
pub async fn attend(
    invocation: &Invocation,
    signals: &mut Signals,
    mut on_event: impl FnMut(AttendEvent),
) -> Result<Ended, StartError> {
    if let Some(signal) = signals.interrupted() {
        return Err(StartError::Interrupted { signal });
    }
    let shares_group = is_in_foreground();
    let mut command = invocation.command();
    command.kill_on_drop(false);
    if !shares_group {
        command.process_group(0);
    }
    let started = Instant::now();
    let mut child = command.spawn().map_err(|source| why(invocation, source))?;
    let pid = child.id().expect("a child that was not waited for has an id");
    on_event(AttendEvent::Started { pid });

    let mut attended = Attended { pid, shares_group, interrupted_by: None, deadline: None };
    let status = loop {
        tokio::select! {
            biased;
            status = child.wait() => {
                break Some(status.map_err(|source| why(invocation, source))?);
            }
            signal = signals.recv() => {
                if attended.take(signal) {
                    on_event(AttendEvent::Interrupted(signal));
                }
            }
            () = until(attended.deadline) => {
                on_event(AttendEvent::StoppedWaiting { pid });
                break None;
            }
        }
    };
    Ok(Ended {
        exit: status.and_then(|status| status.code()),
        signal: status.and_then(|status: ExitStatus| status.signal()),
        duration: started.elapsed(),
        abandoned: status.is_none(),
        interrupted_by: attended.interrupted_by,
    })
}

/// A command that runs, and what it was sent.
struct Attended {
    pid: u32,
    shares_group: bool,
    interrupted_by: Option<i32>,
    deadline: Option<tokio::time::Instant>,
}

impl Attended {
    /// Passes a signal on where it has not arrived by itself; true for the first one.
    fn take(&mut self, signal: Signal) -> bool {
        if !(self.shares_group && signal.from_terminal) {
            self.forward(signal.number);
        }
        let is_first = self.interrupted_by.is_none();
        if is_first {
            self.interrupted_by = Some(signal.number);
        } else if self.deadline.is_none() {
            self.deadline = Some(tokio::time::Instant::now() + LAST_CHANCE);
        }
        is_first
    }

    fn forward(&self, number: i32) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a running process has a positive id");
        let Some(signal) = rustix::process::Signal::from_named_raw(number) else { return };
        // The only way to fail is that it has ended, and then there is nobody to tell.
        let _ = if self.shares_group {
            kill_process(pid, signal)
        } else {
            kill_process_group(pid, signal)
        };
    }
}

/// Never, when there is no deadline.
async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Whether rowsafe is in the foreground process group of its terminal.
///
/// The controlling terminal is asked first: it is there even when all three streams are redirected,
/// and the command may still open it to ask for a password.
fn is_in_foreground() -> bool {
    let own = getpgrp();
    if let Ok(terminal) = std::fs::File::open("/dev/tty") {
        return tcgetpgrp(terminal.as_fd()).is_ok_and(|group| group == own);
    }
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == own)
        || tcgetpgrp(io::stderr()).is_ok_and(|group| group == own)
}

fn why(invocation: &Invocation, source: io::Error) -> StartError {
    let program = invocation.program.clone();
    match source.kind() {
        io::ErrorKind::NotFound if program.contains('/') => StartError::NoSuchFile { program },
        io::ErrorKind::NotFound => StartError::NotInPath { program },
        io::ErrorKind::PermissionDenied => StartError::NotExecutable { program },
        _ => StartError::Other { program, source },
    }
}

#[cfg(test)]
#[path = "attended_tests.rs"]
mod tests;
