//! What breaks, and breaking it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Server;
use crate::harness::rowsafe::Running;
use crate::truth::dice::Dice;

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// rowsafe gets SIGKILL.
    Rowsafe,
    /// A program that it started gets SIGKILL.
    Tool(&'static str),
    /// One of the server's processes gets SIGKILL, which takes all others along.
    Backend,
    /// The server goes as in a power cut.
    Server,
    /// No file may grow beyond some size.
    Full,
    /// The archive ends early.
    Truncated,
    /// One bit of the snapshot is another.
    BitFlipped,
    /// The same is started twice at once.
    Twice,
    /// The database has changed shape since.
    NewShape,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rowsafe => formatter.write_str("rowsafe killed"),
            Self::Tool(name) => write!(formatter, "{name} killed"),
            Self::Backend => formatter.write_str("a backend killed"),
            Self::Server => formatter.write_str("the server stopped at once"),
            Self::Full => formatter.write_str("no space"),
            Self::Truncated => formatter.write_str("the archive cut short"),
            Self::BitFlipped => formatter.write_str("one bit of the snapshot flipped"),
            Self::Twice => formatter.write_str("two at once"),
            Self::NewShape => formatter.write_str("the database changed shape"),
        }
    }
}

/// Strikes at a moment by chance; whether there was anything to strike at.
pub fn strike(fault: Fault, running: &mut Running, server: &Server, dice: &mut Dice) -> bool {
    let begun = Instant::now();
    // Work on these small databases takes a few hundred milliseconds.
    let moment = Duration::from_millis(dice.below(600) as u64);
    while begun.elapsed() < moment && !running.has_ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    match fault {
        Fault::Rowsafe => {
            if running.has_ended() {
                return false;
            }
            running.signal(Signal::KILL);
            true
        }
        Fault::Tool(name) => until(running, |running| kill_tool(running.pid(), name)),
        Fault::Backend => until(running, |_| kill_backend(server)),
        Fault::Server => {
            let is_at_work = !running.has_ended();
            server.crash();
            is_at_work
        }
        _ => false,
    }
}

/// Tries until it is done or the program has ended.
fn until(running: &mut Running, mut done: impl FnMut(&Running) -> bool) -> bool {
    while !running.has_ended() {
        if done(running) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn kill_tool(parent: Pid, name: &str) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    let parent = parent.as_raw_nonzero().to_string();
    for entry in entries.flatten() {
        let Some((pid, command, of)) = process(&entry.path()) else { continue };
        if of == parent && command == name {
            return Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
        }
    }
    false
}

/// A process: its number, its command, and its parent's number.
fn process(directory: &Path) -> Option<(i32, String, String)> {
    let pid = directory.file_name()?.to_str()?.parse().ok()?;
    let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
    let (command, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?;
    Some((pid, command.to_owned(), parent.to_owned()))
}

/// A backend that works for rowsafe or for a program that it started.
fn kill_backend(server: &Server) -> bool {
    let sql = "SELECT pid FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                  AND application_name ~ '^(rowsafe|pg_dump|pg_restore|psql)'
                ORDER BY random() LIMIT 1";
    let found = server.admin("postgres").try_rows(sql).unwrap_or_default();
    let Some(pid) = found.first().and_then(|row| row[0].parse().ok()) else { return false };
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}
