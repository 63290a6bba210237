//! Real processes: a stand-in for rowsafe (this test program, started again) attends a small Python
//! program that writes down each signal it gets.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{AttendEvent, attend};
use crate::child::{Invocation, Signals};

/// Writes down signals; ends soon after the first one, or when told if it is stubborn.
const LOGGER: &str = r#"
import os, signal, sys, time
log, stop, mode = open(sys.argv[1], "a", buffering=1), sys.argv[2], sys.argv[3]
deadline = time.time() + 20
def note(number, frame):
    global deadline
    log.write(signal.Signals(number).name + "\n")
    if mode == "polite":
        deadline = time.time() + 0.4
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, note)
if mode == "asks":
    log.write("ready\n")
    log.write("answer " + input("go on? ") + "\n")
    sys.exit(0)
log.write("ready\n")
while time.time() < deadline and not os.path.exists(stop):
    time.sleep(0.02)
if mode == "stubborn":
    log.write("told to stop\n")
sys.exit(7)
"#;

/// The smallest shell with job control: puts a job in the foreground of a new terminal, types what
/// it is told to as soon as the log says `ready`, and brings the job back when it was stopped.
const SHELL: &str = r#"
import os, pty, signal, sys, time
log, typed, job = sys.argv[1], sys.argv[2].encode().decode("unicode_escape"), sys.argv[3:]
leader, terminal = pty.fork()
if leader == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(job[0], job)
    open(log + ".job", "w").write(str(pid))
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        os.tcsetpgrp(0, os.getpgrp())
        states = [open(f"/proc/{p}/stat").read().split(") ")[1][0]
                  for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{p}/stat")
                  and os.getpgid(int(p)) == pid]
        open(log, "a").write("stopped " + "".join(states) + "\n")
        os.tcsetpgrp(0, pid)
        os.killpg(pid, signal.SIGCONT)
end = time.time() + 20
while time.time() < end and not (os.path.exists(log) and "ready" in open(log).read()):
    time.sleep(0.02)
for key in typed:
    os.write(terminal, key.encode())
    time.sleep(0.3)
try:
    while os.read(terminal, 4096):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]))
"#;

/// Not a test of its own: what the started-again test program does.
#[test]
#[expect(clippy::disallowed_methods, reason = "how a test tells its second process what to do")]
fn stand_in() {
    let Some(report) = std::env::var_os("ROWSAFE_TEST_REPORT") else { return };
    let words = std::env::var("ROWSAFE_TEST_COMMAND").unwrap();
    let invocation = Invocation::from_words(&shell_words::split(&words).unwrap()).unwrap();
    let mut text = String::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut signals = Signals::install().unwrap();
        let note = |event| {
            text += match event {
                AttendEvent::Started { .. } => "started ",
                AttendEvent::Interrupted(signal) if signal.from_terminal => "by-terminal ",
                AttendEvent::Interrupted(_) => "by-kill ",
                AttendEvent::StoppedWaiting { .. } => "stopped-waiting ",
            };
        };
        let ended = attend(&invocation, &mut signals, note).await;
        let outcome = match ended {
            Ok(ended) => format!(
                "exit={:?} signal={:?} abandoned={} by={:?}",
                ended.exit, ended.signal, ended.abandoned, ended.interrupted_by
            ),
            Err(error) => format!("not started: {error}"),
        };
        text.push_str(&outcome);
    });
    crate::text::write_atomically(Path::new(&report), text.as_bytes()).unwrap();
}

struct Scene {
    directory: tempfile::TempDir,
    mode: &'static str,
}

impl Scene {
    fn new(mode: &'static str) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), mode }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the stand-in behind `before`, the words that lead to it.
    fn start(&self, before: &[&str]) -> Child {
        let [log, stop] = ["log", "stop"].map(|name| self.path(name).display().to_string());
        let logger = match self.mode {
            "missing" => "no-such-program-at-all".to_owned(),
            mode => shell_words::join(["python3", "-c", LOGGER, &log, &stop, mode]),
        };
        let this = std::env::current_exe().unwrap().display().to_string();
        let name = "child::attended::tests::stand_in";
        let words = [before, &[&this, "--exact", name, "--nocapture"]].concat();
        Command::new(words[0])
            .args(&words[1..])
            .env("ROWSAFE_TEST_REPORT", self.path("report"))
            .env("ROWSAFE_TEST_COMMAND", logger)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// The same in the foreground of a terminal of its own, typing `keys` there.
    fn start_in_terminal(&self, keys: &str) -> Child {
        let log = self.path("log").display().to_string();
        self.start(&["python3", "-c", SHELL, &log, keys])
    }

    /// Waits until the log holds `line` so many times.
    fn wait_for(&self, line: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.log().lines().filter(|logged| *logged == line).count() < times {
            assert!(Instant::now() < deadline, "{line} is missing in {:?}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits for the stand-in; its report and what the child logged.
    fn end(&self, mut process: Child) -> (String, String) {
        process.wait().unwrap();
        let report = std::fs::read_to_string(self.path("report")).expect("a report was written");
        (report, self.log())
    }
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap()
}

#[test]
fn a_signal_to_rowsafe_alone_is_passed_on_once() {
    let scene = Scene::new("polite");
    let process = scene.start(&[]);
    scene.wait_for("ready", 1);
    kill_process(pid(&process), Signal::TERM).unwrap();
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGTERM\n");
    assert_eq!(report, "started by-kill exit=Some(7) signal=None abandoned=false by=Some(15)");
}

#[test]
fn a_signal_to_the_whole_group_arrives_once() {
    let scene = Scene::new("polite");
    let process = scene.start(&[]);
    scene.wait_for("ready", 1);
    kill_process_group(pid(&process), Signal::INT).unwrap();
    let (_, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGINT\n");
}

#[test]
fn one_to_the_process_and_one_to_its_group_count_as_one() {
    let scene = Scene::new("polite");
    let process = scene.start(&[]);
    scene.wait_for("ready", 1);
    kill_process(pid(&process), Signal::TERM).unwrap();
    kill_process_group(pid(&process), Signal::TERM).unwrap();
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGTERM\n");
    assert!(report.contains("abandoned=false"), "{report}");
}

/// As in a container's namespace entered from outside: session and group have no number there.
#[test]
fn a_session_outside_the_pid_namespace_is_no_reason_to_stop_listening() {
    let unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork"];
    let allowed = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return;
    }
    let scene = Scene::new("polite");
    let process = scene.start(&unshare);
    scene.wait_for("ready", 1);
    kill_process_group(pid(&process), Signal::TERM).unwrap();
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGTERM\n");
    assert!(report.starts_with("started by-kill exit=Some(7)"), "{report}");
}

#[test]
fn a_second_signal_stops_waiting_and_kills_nobody() {
    let scene = Scene::new("stubborn");
    let process = scene.start(&[]);
    scene.wait_for("ready", 1);
    for times in 1..=2 {
        kill_process(pid(&process), Signal::INT).unwrap();
        scene.wait_for("SIGINT", times);
        std::thread::sleep(super::super::signals::ECHO);
    }
    let (report, _) = scene.end(process);
    let expected =
        "started by-kill stopped-waiting exit=None signal=None abandoned=true by=Some(2)";
    assert_eq!(report, expected);
    // It still answers: nobody killed it.
    std::fs::File::create(scene.path("stop")).unwrap();
    scene.wait_for("told to stop", 1);
    assert_eq!(scene.log(), "ready\nSIGINT\nSIGINT\ntold to stop\n");
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let scene = Scene::new("polite");
    let process = scene.start(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    scene.wait_for("ready", 1);
    kill_process_group(pid(&process), Signal::HUP).unwrap();
    kill_process(pid(&process), Signal::TERM).unwrap();
    let (_, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGTERM\n");
}

#[test]
fn ctrl_c_arrives_once() {
    let scene = Scene::new("polite");
    let process = scene.start_in_terminal("\\x03");
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGINT\n");
    assert_eq!(report, "started by-terminal exit=Some(7) signal=None abandoned=false by=Some(2)");
}

#[test]
fn in_a_terminal_a_signal_to_rowsafe_alone_is_passed_on_once() {
    let scene = Scene::new("polite");
    let process = scene.start_in_terminal("");
    scene.wait_for("ready", 1);
    let job = std::fs::read_to_string(scene.path("log.job")).unwrap();
    kill_process(Pid::from_raw(job.parse().unwrap()).unwrap(), Signal::INT).unwrap();
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nSIGINT\n");
    assert!(report.starts_with("started by-kill exit=Some(7)"), "{report}");
}

#[test]
fn ctrl_z_stops_both_and_the_shell_brings_both_back() {
    let scene = Scene::new("polite");
    let process = scene.start_in_terminal("\\x1a\\x03");
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nstopped TT\nSIGINT\n");
    assert!(report.contains("exit=Some(7)"), "{report}");
}

#[test]
fn a_prompt_of_the_command_is_answered_in_the_terminal() {
    let scene = Scene::new("asks");
    let process = scene.start_in_terminal("yes\\n");
    let (report, log) = scene.end(process);
    assert_eq!(log, "ready\nanswer yes\n");
    assert_eq!(report, "started exit=Some(0) signal=None abandoned=false by=None");
}

#[test]
fn what_cannot_be_started_is_named() {
    let scene = Scene::new("missing");
    let (report, _) = scene.end(scene.start(&[]));
    assert_eq!(report, "not started: `no-such-program-at-all` was not found in PATH");
}
