//! The one question rowsafe asks: type the database's name.
//!
//! It is asked only where a person can answer, and whatever is not the name is a no. The answer is
//! read a line at a time and without a buffer, so that what was typed after it stays for the
//! user's command.

use std::io::{self, IsTerminal};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::printer::Printer;
use crate::environment::{CI, Environment, PRE_COMMIT};
use crate::text::clean::clean;

/// How often a question that waits looks whether it was interrupted: a fifth of a second.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The name was typed.
    Yes,
    /// Something else was typed, or nothing.
    No,
    /// Nobody is there who could answer; the reason says why.
    NotAsked(&'static str),
}

/// Asks to type `database`, after the printer has said what for.
///
/// `interrupted` is asked several times a second, because a signal that rowsafe handles does not
/// end the wait for a line.
pub fn type_name(
    database: &str,
    printer: &Printer,
    environment: &Environment,
    mut interrupted: impl FnMut() -> bool,
) -> io::Result<Answer> {
    if let Some(reason) = why_not(environment) {
        return Ok(Answer::NotAsked(reason));
    }
    printer.question(&format!("Type {} to go on: ", clean(database)));
    match read_line(&mut interrupted)? {
        Some(line) if line.trim() == database => Ok(Answer::Yes),
        Some(_) => Ok(Answer::No),
        None => {
            printer.end_line();
            Ok(Answer::No)
        }
    }
}

/// Whether somebody is there who could answer.
pub fn can_ask(environment: &Environment) -> bool {
    why_not(environment).is_none()
}

/// Why nobody could answer.
fn why_not(environment: &Environment) -> Option<&'static str> {
    if environment.has(CI) {
        Some("CI is set")
    } else if environment.has(PRE_COMMIT) {
        Some("PRE_COMMIT is set")
    } else if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        Some("there is no terminal to ask on")
    } else {
        None
    }
}

/// One line; nothing when the input ended or the wait was interrupted.
fn read_line(interrupted: &mut impl FnMut() -> bool) -> io::Result<Option<String>> {
    let stdin = io::stdin();
    let mut line = Vec::new();
    loop {
        if interrupted() {
            return Ok(None);
        }
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 1024];
        // A terminal hands over one line at most, however much was typed.
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) | Err(Errno::IO) => return Ok(None),
            Ok(read) => line.extend_from_slice(&bytes[..read]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        if line.ends_with(b"\n") {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Answer, type_name};
    use crate::environment::Environment;
    use crate::ui::in_terminal::show;
    use crate::ui::printer::{Options, Printer};

    /// Not a test of its own: what the started-again test program does.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "how a test tells its second process what to do")]
    fn stand_in() {
        let Some(report) = std::env::var_os("ROWSAFE_TEST_ANSWER") else { return };
        let variables = std::env::vars().filter(|(name, _)| name == "CI");
        let environment = Environment::new(variables, "/");
        let printer = Printer::new(Options::default(), &environment);
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&flag)).unwrap();
        let answer = type_name("prod", &printer, &environment, || flag.load(Ordering::Relaxed));
        // What was typed after the answer is still there for the next program.
        let mut rest = String::new();
        if answer.as_ref().is_ok_and(|answer| *answer == Answer::Yes) {
            std::io::stdin().read_line(&mut rest).unwrap();
        }
        let text = format!("{:?} {}", answer.unwrap(), rest.trim());
        crate::text::write_atomically(Path::new(&report), text.trim().as_bytes()).unwrap();
    }

    /// The answer to these keys, and what the terminal showed.
    fn answer(keys: &str, ci: &str) -> (String, String) {
        let directory = tempfile::tempdir().unwrap();
        let report = directory.path().join("answer");
        let variables = [("ROWSAFE_TEST_ANSWER", report.to_str().unwrap()), ("CI", ci)];
        let shown = show("ui::ask::tests::stand_in", keys, &variables);
        (std::fs::read_to_string(report).expect("an answer was written"), shown)
    }

    #[test]
    fn only_the_name_is_a_yes() {
        let (given, shown) = answer("prod\\nnext\\n", "");
        assert_eq!(given, "Yes next");
        assert!(shown.contains("Type prod to go on: "), "{shown}");
        for keys in ["\\n", "y\\n", "PROD\\n", "production\\n", "\\x04", "pro\\x03"] {
            assert_eq!(answer(keys, "").0, "No", "{keys}");
        }
    }

    #[test]
    fn nobody_is_asked_where_nobody_can_answer() {
        let (given, shown) = answer("prod\\n", "true");
        assert_eq!(given, "NotAsked(\"CI is set\")");
        assert!(!shown.contains("to go on"), "{shown}");
    }
}
