//! The built program, run as a user would: in a project, in an environment that is known in full.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rowsafe::exit::Exit;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Sandbox, Server, venv_bin, without_postgres};

/// Longer than any test may take, shorter than a person waits for a hung one.
const DEADLINE: Duration = Duration::from_mins(2);

/// A command line to run in a sandbox.
pub struct Rowsafe<'a> {
    sandbox: &'a Sandbox,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    directory: PathBuf,
    stdin: Option<Vec<u8>>,
    report: bool,
    terminal: bool,
}

impl<'a> Rowsafe<'a> {
    /// `rowsafe`, with PATH, HOME, TZ and LC_ALL and nothing else in its environment.
    pub fn new(sandbox: &'a Sandbox) -> Self {
        Self::program(sandbox, env!("CARGO_BIN_EXE_rowsafe"))
    }

    /// Any other program in the same environment: `alembic` to prepare a database.
    pub fn program(sandbox: &'a Sandbox, program: impl AsRef<OsStr>) -> Self {
        let pg = if without_postgres_set() { PathBuf::new() } else { Server::shared().bin.clone() };
        let path =
            [venv_bin().into(), pg, "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
        let path = std::env::join_paths(path.iter().filter(|part| *part != &PathBuf::new()));
        let mut made = Self {
            sandbox,
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            directory: sandbox.path().to_owned(),
            stdin: None,
            report: false,
            terminal: false,
        };
        made.env.push(("PATH".into(), path.expect("no colon in these directories")));
        made.env("HOME", sandbox.home()).env("TZ", "UTC").env("LC_ALL", "C")
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Puts a directory in front of PATH, such as one with a false `pg_dump`.
    #[must_use]
    pub fn path_first(self, directory: impl Into<PathBuf>) -> Self {
        let known = self.env.iter().find(|(name, _)| name == "PATH").expect("set in `program`");
        let parts = std::iter::once(directory.into()).chain(std::env::split_paths(&known.1));
        let path = std::env::join_paths(parts).expect("no colon in these directories");
        self.env("PATH", path)
    }

    /// Where it runs, instead of in the project's directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Its standard input; without this there is none.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Adds `--output json=…`, which `Outcome::report` then holds.
    #[must_use]
    pub fn with_report(mut self) -> Self {
        self.report = true;
        self
    }

    /// Runs it in a terminal of 80 columns: both streams are then in `stdout`, with CR before LF.
    ///
    /// What is written to its standard input is typed; `\x03` is Ctrl-C.
    #[must_use]
    pub fn in_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Starts it, so that the test can do something meanwhile.
    pub fn spawn(mut self) -> Running {
        let report = self.sandbox.everything().join("report.json");
        if self.report {
            let _ = std::fs::remove_file(&report);
            let mut json = OsString::from("json=");
            json.push(&report);
            let end = self.args.iter().position(|arg| arg == "--").unwrap_or(self.args.len());
            self.args.splice(end..end, ["--output".into(), json]);
        }
        let shown = shell_words::join(
            std::iter::once(&self.program).chain(&self.args).map(|word| word.to_string_lossy()),
        );
        let mut child = self
            .command(&shown)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let stdout = Stream::of(child.stdout.take().expect("piped"));
        let stderr = Stream::of(child.stderr.take().expect("piped"));
        let mut stdin = child.stdin.take();
        if let (Some(stdin), Some(bytes)) = (&mut stdin, &self.stdin) {
            // The program may end without reading all of it.
            let _ = stdin.write_all(bytes);
        }
        if !self.terminal {
            drop(stdin.take());
        }
        Running {
            shown,
            child,
            stdin,
            stdout,
            stderr,
            report,
            tree: self.sandbox.everything().into(),
        }
    }

    fn command(&self, shown: &str) -> Command {
        let mut command = if self.terminal {
            // The shell becomes the program, which so leads the terminal's session.
            let line = format!("stty rows 24 cols 80; exec {shown}");
            let mut command = Command::new("script");
            command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
            command
        } else {
            let mut command = Command::new(&self.program);
            command.args(&self.args);
            command
        };
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        if self.terminal {
            command.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        }
        let stdin =
            if self.stdin.is_some() || self.terminal { Stdio::piped() } else { Stdio::null() };
        command.current_dir(&self.directory).stdin(stdin);
        // A group of its own, so that a test can signal it as a terminal does, without itself.
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }
}

fn without_postgres_set() -> bool {
    std::env::var("ROWSAFE_TEST_WITHOUT_PG").is_ok_and(|value| value == "1")
}

/// A program on its way.
pub struct Running {
    shown: String,
    child: Child,
    stdin: Option<std::process::ChildStdin>,
    stdout: Stream,
    stderr: Stream,
    report: PathBuf,
    tree: PathBuf,
}

impl Running {
    /// Waits until standard error holds `text`.
    pub fn wait_for_stderr(&mut self, text: &str) {
        let stderr = Arc::clone(&self.stderr.seen);
        self.wait_for(text, move || contains(&stderr, text));
    }

    /// Waits until standard output (in a terminal, both streams) holds `text`.
    pub fn wait_for_stdout(&mut self, text: &str) {
        let stdout = Arc::clone(&self.stdout.seen);
        self.wait_for(text, move || contains(&stdout, text));
    }

    /// Waits until `condition` holds; the program must not end before.
    pub fn wait_for(&mut self, what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        loop {
            // In this order: what it printed just before it ended counts.
            let ended = self.child.try_wait().unwrap().is_some();
            if condition() {
                return;
            }
            assert!(!ended, "it ended before: {what}\n{}", self.so_far());
            assert!(started.elapsed() < DEADLINE, "no sign of: {what}\n{}", self.so_far());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Signals the program alone, as `kill PID` does.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Signals the program and what it started, as Ctrl-C in a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap();
    }

    /// Types into its terminal.
    pub fn type_in(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("`in_terminal` keeps the input open");
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Kills it at once.
    pub fn kill(self) -> Outcome {
        self.signal(Signal::KILL);
        self.finish()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > DEADLINE {
                let _ = kill_process_group(self.pid(), Signal::KILL);
                panic!("it did not end within {} s\n{}", DEADLINE.as_secs(), self.so_far());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        drop(self.stdin.take());
        self.outcome(status)
    }

    fn outcome(self, status: ExitStatus) -> Outcome {
        let report = std::fs::read(&self.report).ok();
        Outcome {
            command: self.shown,
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            report: report.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            tree: self.tree,
        }
    }

    fn so_far(&self) -> String {
        format!(
            "$ {}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            text_of(&self.stdout.seen),
            text_of(&self.stderr.seen)
        )
    }

    /// The program's process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

/// What a program has printed so far, read by a thread so that it never waits for us.
struct Stream {
    seen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { seen, reader }
    }

    /// All of it; a killed program's children may hold the pipe open, and are not waited for long.
    fn finish(self) -> String {
        let started = Instant::now();
        while !self.reader.is_finished() && started.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(2));
        }
        text_of(&self.seen)
    }
}

fn text_of(seen: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&seen.lock().unwrap()).into_owned()
}

fn contains(seen: &Mutex<Vec<u8>>, text: &str) -> bool {
    memchr::memmem::find(&seen.lock().unwrap(), text.as_bytes()).is_some()
}

/// How a program ended and what it printed. Shown in full when an assertion fails.
pub struct Outcome {
    /// The command line, as a person would type it.
    pub command: String,
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The JSON report, where `with_report` asked for one and it was written.
    pub report: Option<serde_json::Value>,
    tree: PathBuf,
}

impl Outcome {
    /// Asserts how it ended.
    #[track_caller]
    #[must_use = "the outcome has more to look at; `let _ =` when it has not"]
    pub fn exits(self, exit: Exit) -> Self {
        self.exits_with(exit.code().into())
    }

    /// Asserts the exit code of another program.
    #[track_caller]
    #[must_use = "the outcome has more to look at; `let _ =` when it has not"]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code");
        self
    }

    /// Asserts that standard error holds `text`.
    #[track_caller]
    #[must_use = "the outcome has more to look at; `let _ =` when it has not"]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "standard error lacks: {text}");
        self
    }

    /// Asserts that standard output holds `text`.
    #[track_caller]
    #[must_use = "the outcome has more to look at; `let _ =` when it has not"]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "standard output lacks: {text}");
        self
    }

    /// The report, or standard output when the program was asked to print JSON there.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match &self.report {
            Some(report) => report.clone(),
            None => serde_json::from_str(&self.stdout).expect("JSON on standard output"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "$ {}", self.command)?;
        writeln!(formatter, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)?;
        writeln!(formatter, "--- code {:?}, signal {:?}", self.code, self.signal)
    }
}

impl Drop for Outcome {
    /// Whichever assertion failed, this is what one needs to see.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let files = super::sandbox::files(&self.tree);
        let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        eprintln!("{self}--- files\n{}", files.join("\n"));
        if !without_postgres() {
            eprintln!("--- the server's log\n{}", Server::shared().log_tail());
        }
    }
}
