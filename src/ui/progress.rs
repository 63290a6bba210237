//! How far a long phase is: a moving line on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::Printer;
use crate::text::number;

/// How often a log gets a line.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(120);

/// The progress of one phase after the other.
#[derive(Debug)]
pub struct Progress<'a> {
    printer: &'a Printer,
    phase: Option<Phase>,
}

#[derive(Debug)]
struct Phase {
    label: String,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Progress that is told through this printer.
    pub const fn new(printer: &'a Printer) -> Self {
        Self { printer, phase: None }
    }

    /// A phase starts; one that has not finished ends without a word.
    pub fn start(&mut self, label: &str) {
        let bar = self.printer.is_live().then(|| moving_line(label));
        self.printer.show(bar.clone());
        let now = Instant::now();
        self.phase = Some(Phase { label: label.to_owned(), started: now, said: now, bar });
    }

    /// So many of so many tables are done, so many bytes were written.
    pub fn update(&mut self, done: u64, total: u64, bytes: u64) {
        let Some(phase) = &mut self.phase else { return };
        let text = describe(done, total, bytes, phase.started.elapsed());
        match &phase.bar {
            Some(bar) => bar.set_message(text),
            None => {
                if let Some(line) = phase.line_now(&text, Instant::now()) {
                    self.printer.label(&phase.label, &line);
                }
            }
        }
    }

    /// The phase is over; the line says what came of it.
    pub fn finish(&mut self, line: &str) {
        self.printer.show(None);
        if let Some(phase) = self.phase.take() {
            self.printer.label(&phase.label, line);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.phase.is_some() {
            self.printer.show(None);
        }
    }
}

impl Phase {
    /// The line for a log, when it is time for one.
    fn line_now(&mut self, text: &str, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.said) < INTERVAL {
            return None;
        }
        self.said = now;
        let elapsed = now.saturating_duration_since(self.started);
        Some(format!("{text}, {}", number::seconds(elapsed)))
    }
}

fn moving_line(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:<10}{spinner} {elapsed:>4}  {wide_msg}")
        .expect("the template is constant")
        .tick_strings(&["|", "/", "-", "\\", " "]);
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.set_prefix(label.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

/// `12 of 41 tables, 412 MB, 32 MB/s`; what is not known is left out.
fn describe(done: u64, total: u64, bytes: u64, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if total > 0 {
        parts.push(format!("{} of {}", number::grouped(done), number::plural(total, "table")));
    }
    if bytes > 0 {
        parts.push(number::bytes(bytes));
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        // The first second's rate says nothing.
        if milliseconds >= 1000 {
            let rate = u128::from(bytes) * 1000 / u128::from(milliseconds);
            parts.push(format!("{}/s", number::bytes(u64::try_from(rate).unwrap_or(u64::MAX))));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Phase, Progress, describe};
    use crate::environment::Environment;
    use crate::ui::in_terminal::show;
    use crate::ui::printer::{Options, Printer};

    #[test]
    fn what_is_known_is_said() {
        let elapsed = Duration::from_secs(13);
        assert_eq!(describe(12, 41, 416_000_000, elapsed), "12 of 41 tables, 416 MB, 32 MB/s");
        assert_eq!(describe(0, 1, 0, elapsed), "0 of 1 table");
        assert_eq!(describe(0, 0, 500, Duration::ZERO), "500 B");
    }

    #[test]
    fn a_log_gets_a_line_every_ten_seconds() {
        let start = Instant::now();
        let mut phase = Phase { label: String::new(), started: start, said: start, bar: None };
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(phase.line_now("x", after(9)), None);
        assert_eq!(phase.line_now("x", after(10)).as_deref(), Some("x, 10 s"));
        assert_eq!(phase.line_now("x", after(19)), None);
        assert_eq!(phase.line_now("x", after(140)).as_deref(), Some("x, 2 min 20 s"));
    }

    /// Not a test of its own: what the started-again test program does.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "how a test tells its second process what to do")]
    fn stand_in() {
        if std::env::var_os("ROWSAFE_TEST_PROGRESS").is_none() {
            return;
        }
        let names = ["CI", "TERM"];
        let variables = std::env::vars().filter(|(name, _)| names.contains(&name.as_str()));
        let environment = Environment::new(variables, "/");
        let options = Options { beside_child: true, ..Options::default() };
        let printer = Printer::new(options, &environment);
        let mut progress = Progress::new(&printer);
        progress.start("snapshot");
        progress.update(3, 41, 1000);
        printer.warning("disk is nearly full");
        progress.update(40, 41, 2000);
        progress.finish("7k2m9q1c");
        printer.answer("ok");
    }

    #[test]
    fn the_moving_line_moves_and_is_gone_at_the_end() {
        let variables = [("ROWSAFE_TEST_PROGRESS", "1"), ("CI", "")];
        let shown = show("ui::progress::tests::stand_in", "", &variables);
        assert!(shown.contains("3 of 41 tables"), "{shown:?}");
        let warning = "\x1b[1;33mwarning\x1b[0m: disk is nearly full\n";
        assert!(shown.contains(warning), "{shown:?}");
        assert!(shown.contains("snapshot  7k2m9q1c\nok\n"), "{shown:?}");

        let variables = [("ROWSAFE_TEST_PROGRESS", "1"), ("CI", "true"), ("NO_COLOR", "1")];
        let shown = show("ui::progress::tests::stand_in", "", &variables);
        let expected =
            "rowsafe: warning: disk is nearly full\nrowsafe: snapshot  7k2m9q1c\nrowsafe: ok\n";
        assert!(shown.contains(expected), "{shown:?}");
        assert!(!shown.contains("41 tables"), "{shown:?}");
    }
}
