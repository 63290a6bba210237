//! Which process wrote a line, and whether it is still there.

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// When it was started, in clock ticks since the system's start (`/proc/PID/stat`, Linux).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The id of the system's start (Linux).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The namespace of its process id: two containers may both have a process 1 (Linux).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Whether a process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Alive,
    /// It is gone.
    Gone,
    /// It is, or was, on another host or in another container.
    Elsewhere,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        Self::numbered(std::process::id())
    }

    /// The process with this id on this host, as it is now.
    pub fn numbered(pid: u32) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid,
            started: start_time(pid),
            boot: boot.map(|id| id.trim().to_owned()),
            namespace: namespace.map(|link| link.display().to_string()),
        }
    }

    /// Whether it is still there, seen from `here`.
    pub fn life(&self, here: &Self) -> Life {
        let same_boot = self.boot == here.boot && self.boot.is_some();
        if self.host != here.host && !same_boot {
            return Life::Elsewhere;
        }
        if self.boot != here.boot {
            // The same host has been started anew since.
            return Life::Gone;
        }
        if self.namespace != here.namespace {
            return Life::Elsewhere;
        }
        if exists(self.pid) && (self.started.is_none() || self.started == start_time(self.pid)) {
            Life::Alive
        } else {
            Life::Gone
        }
    }
}

/// The user's id, for the record of who ran what.
pub(super) fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // A process of somebody else answers EPERM, which is an answer.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Field 22 of `/proc/PID/stat`; a process that has ended and was not waited for has none.
fn start_time(pid: u32) -> Option<u64> {
    read_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in field 2 may hold spaces and parentheses, so the fields are counted from its end.
fn read_start_time(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Life, Process, read_start_time};

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let here = Process::current();
        assert_eq!(here.life(&here), Life::Alive);
        let earlier = Process { started: Some(1), ..here.clone() };
        assert_eq!(earlier.life(&here), Life::Gone);
        let rebooted = Process { boot: Some("before".to_owned()), ..here.clone() };
        assert_eq!(rebooted.life(&here), Life::Gone);
        let container = Process { namespace: Some("pid:[1]".to_owned()), ..here.clone() };
        assert_eq!(container.life(&here), Life::Elsewhere);
        let other = Process { host: "other".to_owned(), ..rebooted };
        assert_eq!(other.life(&here), Life::Elsewhere);
    }

    #[test]
    fn the_start_is_read_behind_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(read_start_time(&format!("12 (a) b (c)) {tail}")), Some(4711));
        assert_eq!(read_start_time("12 (gone) Z 1 2"), None);
        assert_eq!(read_start_time(""), None);
    }
}
