//! What is said to a person while a command works: standard error for words, standard output for
//! what was asked for.
//!
//! On a terminal a line has its label in a gutter of ten columns. Elsewhere, beside the output of
//! the user's command, every line also starts with `rowsafe: `: a log has neither color nor gutter
//! to tell two programs apart, and `grep ^rowsafe:` gives the whole story.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use indicatif::ProgressBar;

use super::style::Paint;
use crate::environment::{CI, Environment};
use crate::text::clean::clean_lines;

/// How wide the gutter of the labels is.
pub const GUTTER: usize = 10;
/// What starts a line in a log.
const PREFIX: &str = "rowsafe: ";

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// Where it is seen, as `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR` and the terminal say.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// `-q`: answers and errors only.
    Quiet,
    /// What a person wants to know.
    #[default]
    Normal,
    /// `-v`: how things were found out, too.
    Verbose,
}

/// What the command line says about printing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// `--color`.
    pub color: Color,
    /// `-q` and `-v`.
    pub verbosity: Verbosity,
    /// Whether the user's command writes to the same streams.
    pub beside_child: bool,
    /// `--no-progress`.
    pub no_progress: bool,
}

/// The way to the standard streams.
#[derive(Debug)]
pub struct Printer {
    verbosity: Verbosity,
    prefix: &'static str,
    is_live: bool,
    colors_stderr: bool,
    colors_stdout: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl Printer {
    /// A printer for these streams and this environment.
    pub fn new(options: Options, environment: &Environment) -> Self {
        let choice = match options.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let is_log = environment.has(CI) || !io::stderr().is_terminal();
        let is_dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
        let is_normal = options.verbosity == Verbosity::Normal;
        let colors = |auto: ColorChoice| match choice {
            ColorChoice::Auto => auto != ColorChoice::Never,
            _ => choice != ColorChoice::Never,
        };
        Self {
            verbosity: options.verbosity,
            prefix: if is_log && options.beside_child { PREFIX } else { "" },
            is_live: !is_log && !is_dumb && is_normal && !options.no_progress,
            colors_stderr: colors(AutoStream::choice(&io::stderr())),
            colors_stdout: colors(AutoStream::choice(&io::stdout())),
            bar: RefCell::new(None),
        }
    }

    /// Whether only answers and errors are said.
    pub fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    /// Says something; `-q` hides it.
    pub fn say(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.answer(text);
        }
    }

    /// Says something with a label in the gutter; further lines are indented. `-q` hides it.
    pub fn label(&self, label: &str, text: &str) {
        self.say(&gutter(label, text));
    }

    /// Says how something was found out; only `-v` shows it.
    pub fn detail(&self, text: &str) {
        if self.verbosity == Verbosity::Verbose {
            self.answer(text);
        }
    }

    /// Says something that nothing hides: the answer.
    pub fn answer(&self, text: &str) {
        let text = with_prefix(self.prefix, text);
        self.write_stderr(&format!("{text}\n"));
    }

    /// Says what may be wrong; nothing hides it.
    pub fn warning(&self, message: &str) {
        let message = clean_lines(message);
        self.answer(&format!("{}: {message}", Paint::Yellow.on("warning")));
    }

    /// Says what went wrong and what to try; nothing hides it.
    pub fn error(&self, message: &str, hints: &[String]) {
        let mut text = format!("{}: {}", Paint::Red.on("error"), clean_lines(message));
        for hint in hints {
            text.push_str("\nhint: ");
            text.push_str(&clean_lines(hint));
        }
        self.answer(&text);
    }

    /// Writes what was asked for to standard output, with a line's end.
    ///
    /// A closed pipe is the caller's to judge: `rowsafe … | head` is no failure.
    pub fn data(&self, text: &str) -> io::Result<()> {
        self.document(&(fitting(text, self.colors_stdout) + "\n"))
    }

    /// Writes what another program reads to standard output, to the letter.
    pub fn document(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes a question, and leaves the cursor behind it.
    pub(super) fn question(&self, text: &str) {
        self.write_stderr(&with_prefix(self.prefix, text));
    }

    /// Ends the line of a question that was not answered.
    pub(super) fn end_line(&self) {
        self.write_stderr("\n");
    }

    /// Whether a moving line may be shown.
    pub(super) const fn is_live(&self) -> bool {
        self.is_live
    }

    /// Makes room for a moving line, or for nothing; what is said goes above it.
    pub(super) fn show(&self, bar: Option<ProgressBar>) {
        if let Some(old) = self.bar.replace(bar) {
            old.finish_and_clear();
        }
    }

    /// One write for one text, so that the command's lines don't end up within it. A standard
    /// error that is closed is nobody's concern: there is nowhere to say so.
    fn write_stderr(&self, text: &str) {
        let text = fitting(text, self.colors_stderr);
        let write = || {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        };
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// `plan      prod on db.internal`: the label in its gutter, further lines below the text.
fn gutter(label: &str, text: &str) -> String {
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let label = if index == 0 { label } else { "" };
        let line = format!("{label:<GUTTER$}{line}");
        out.push_str(line.trim_end());
    }
    out
}

fn with_prefix(prefix: &str, text: &str) -> String {
    if prefix.is_empty() {
        return text.to_owned();
    }
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{prefix}{line}") };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn fitting(text: &str, colors: bool) -> String {
    if colors { text.to_owned() } else { strip_str(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::{PREFIX, Paint, fitting, gutter, with_prefix};

    #[test]
    fn labels_stand_in_their_gutter() {
        let text = "prod on db\n3f9c1a → 7b20e4\n\n-  users";
        let expected = "plan      prod on db\n          3f9c1a → 7b20e4\n\n          -  users";
        assert_eq!(gutter("plan", text), expected);
        assert_eq!(gutter("", "more"), "          more");
    }

    #[test]
    fn in_a_log_every_line_says_who_speaks() {
        let expected = "rowsafe: run       alembic\n\nrowsafe: ok";
        assert_eq!(with_prefix(PREFIX, "run       alembic\n\nok"), expected);
        assert_eq!(with_prefix("", "a\nb"), "a\nb");
    }

    #[test]
    fn colors_are_taken_out_where_nobody_sees_them() {
        assert_eq!(fitting(&Paint::Red.on("lost"), false), "lost");
        assert_eq!(fitting(&Paint::Red.on("lost"), true), "\x1b[1;31mlost\x1b[0m");
    }
}
