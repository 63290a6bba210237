//! The signals that ask rowsafe to stop, with who sent them.
//!
//! Who sent them matters: what the terminal sends (Ctrl-C, Ctrl-\, a hangup) reaches every process
//! of the foreground group by itself, what `kill` sends to rowsafe reaches rowsafe alone.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::getsid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The same signal again within this time is the same request: `timeout` and some supervisors send
/// one to the process and one to its group, and nobody presses Ctrl-C twice this fast.
pub(super) const ECHO: Duration = Duration::from_millis(100);

/// The signals that are waited for.
const NUMBERS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// One request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its number, such as 2 for SIGINT.
    pub number: i32,
    /// Whether the terminal sent it, to every process of its foreground group.
    pub from_terminal: bool,
}

impl Signal {
    /// Its name, such as `SIGINT`.
    pub fn name(self) -> String {
        name(self.number)
    }
}

/// The name of a signal's number, such as `SIGKILL` for 9.
pub fn name(number: i32) -> String {
    signal_hook::low_level::signal_name(number)
        .map_or_else(|| format!("signal {number}"), str::to_owned)
}

/// Every request to stop that reaches this process, in the order of arrival.
///
/// Install it once, before anything that must be able to end cleanly: from then on these signals
/// no longer end the process, also after this value is dropped.
#[derive(Debug)]
pub struct Signals {
    arrivals: UnboundedReceiver<(Signal, Instant)>,
    waiting: VecDeque<Signal>,
    last: Option<(Signal, Instant)>,
    first: Option<Signal>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Takes INT, TERM, HUP and QUIT over, except those that were ignored when rowsafe started.
    ///
    /// An ignored one (`nohup`, `cmd &` in a script) stays ignored, in the command too.
    pub fn install() -> io::Result<Self> {
        let ignored = ignored_signals();
        if !ignored.contains(&SIGXFSZ) {
            // With somebody listening, a file that grows beyond `ulimit -f` is an error to report
            // and clean up after, and no end without a word. Programs we start begin anew.
            signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        }
        let wanted = NUMBERS.into_iter().filter(|number| !ignored.contains(number));
        let mut source = SignalsInfo::<WithOrigin>::new(wanted)?;
        let handle = source.handle();
        let (sender, arrivals) = unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || pass_on(&mut source, &sender))?;
        Ok(Self {
            arrivals,
            waiting: VecDeque::new(),
            last: None,
            first: None,
            handle,
            thread: Some(thread),
        })
    }

    /// Waits for the next request to stop; one that is dropped half-way loses nothing.
    pub async fn recv(&mut self) -> Signal {
        loop {
            if let Some(signal) = self.waiting.pop_front() {
                return signal;
            }
            match self.arrivals.recv().await {
                Some(arrival) => self.admit(arrival),
                // The thread ends only when this value is dropped.
                None => std::future::pending().await,
            }
        }
    }

    /// The first request to stop that has come so far, however often this is asked.
    pub fn interrupted(&mut self) -> Option<Signal> {
        while let Ok(arrival) = self.arrivals.try_recv() {
            self.admit(arrival);
        }
        self.first
    }

    fn admit(&mut self, (signal, at): (Signal, Instant)) {
        let is_echo = self.last.is_some_and(|(last, then)| {
            last.number == signal.number && at.saturating_duration_since(then) < ECHO
        });
        self.last = Some((signal, at));
        if !is_echo {
            self.first.get_or_insert(signal);
            self.waiting.push_back(signal);
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there has already been printed.
            let _ = thread.join();
        }
    }
}

fn pass_on(source: &mut SignalsInfo<WithOrigin>, sender: &UnboundedSender<(Signal, Instant)>) {
    for origin in source.forever() {
        let signal = Signal { number: origin.signal, from_terminal: is_from_terminal(&origin) };
        if sender.send((signal, Instant::now())).is_err() {
            return;
        }
    }
}

fn is_from_terminal(origin: &Origin) -> bool {
    if origin.cause == Cause::Kernel {
        return true;
    }
    // A shell that is losing its terminal passes the hangup on to whole jobs, never to one process.
    let sender = origin.process.map(|process| process.pid);
    let leader = getsid(None).ok().map(nix::unistd::Pid::as_raw);
    origin.signal == SIGHUP && sender.is_some() && sender == leader
}

/// The signals that this process was told to ignore, where the system says so (Linux).
fn ignored_signals() -> Vec<i32> {
    std::fs::read_to_string("/proc/self/status").map(|text| read_ignored(&text)).unwrap_or_default()
}

fn read_ignored(status: &str) -> Vec<i32> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let looked_at = NUMBERS.into_iter().chain([SIGXFSZ]);
    looked_at.filter(|number| mask & (1 << (number - 1)) != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::{SIGHUP, SIGINT, SIGQUIT, name, read_ignored};

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(read_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"), [SIGHUP]);
        assert_eq!(read_ignored("SigIgn:\t0000000000000006\n"), [SIGINT, SIGQUIT]);
        assert_eq!(read_ignored("nothing"), [0; 0]);
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(2), "SIGINT");
        assert_eq!(name(64), "signal 64");
    }
}
