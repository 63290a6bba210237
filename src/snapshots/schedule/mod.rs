//! A snapshot every day, and pruning after it: for systemd, cron or launchd, shown or written.
//!
//! What is written holds absolute paths and no password. A file that rowsafe did not write, or wrote
//! for another project, is never overwritten.

mod cron;
mod launchd;
mod systemd;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::shelf::Written;
use crate::record::{Answer, Record, Verdict};
use crate::text::file::write_for_all;

/// What stands in every file, so that it is recognised as ours.
const MARKER: &str = "written by `rowsafe snapshot schedule`";

/// What starts it every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// A timer of the user's systemd.
    Systemd,
    /// A line for `crontab`.
    Cron,
    /// An agent of the user's launchd.
    Launchd,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// What `rowsafe snapshot schedule` was asked for.
#[derive(Debug, Clone)]
pub struct ScheduleRequest {
    /// Who starts it.
    pub scheduler: Scheduler,
    /// When.
    pub at: At,
    /// What tells it from others: a part of file names.
    pub name: String,
    /// rowsafe, absolute.
    pub program: PathBuf,
    /// Where it runs.
    pub directory: PathBuf,
    /// The words that both commands take: where configuration and store are.
    pub settings: Vec<String>,
    /// The words that only taking one takes: which database.
    pub create_settings: Vec<String>,
    /// The words of pruning: `--keep-within 30d`; empty where the configuration says it.
    pub keep: Vec<String>,
    /// Where programs are looked for: pg_dump may not be where a timer looks.
    pub path: String,
    /// The user's home directory.
    pub home: PathBuf,
    /// Write it.
    pub install: bool,
    /// The database is named by something that a timer does not know, or with a password.
    pub needs_variables: bool,
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |text: &str, limit: u8| -> Option<u8> {
            let is_plain =
                (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && *number < limit)
        };
        let parts = text.split_once(':').and_then(|(hour, minute)| {
            Some(Self { hour: part(hour, 24)?, minute: part(minute, 60)? })
        });
        parts.ok_or_else(|| format!("`{text}` is no time of day; write 03:00"))
    }
}

impl ScheduleRequest {
    /// The two commands, one after the other.
    fn commands(&self) -> [Vec<String>; 2] {
        let command = |name: &str, more: &[String]| {
            let words = [self.program.display().to_string(), "snapshot".into(), name.into()];
            [&words[..], &self.settings, more].concat()
        };
        [command("create", &self.create_settings), command("prune", &self.keep)]
    }

    /// The commands as a line for a shell, the variables of the file read first.
    fn shell(&self) -> String {
        let variables = quoted(&self.variables());
        let commands = self.commands().map(|words| shell_words::join(&words));
        format!(
            "cd {} && {{ [ ! -r {variables} ] || {{ set -a; . {variables}; }}; }} && {}",
            quoted(&self.directory),
            commands.join(" && ")
        )
    }

    /// Where variables of the commands may stand: the place for a password.
    fn variables(&self) -> PathBuf {
        self.home.join(".config/rowsafe").join(format!("{}.env", self.name))
    }

    fn files(&self) -> Vec<Written> {
        match self.scheduler {
            Scheduler::Systemd => systemd::files(self),
            Scheduler::Cron => cron::files(self),
            Scheduler::Launchd => launchd::files(self),
        }
    }
}

fn quoted(path: &Path) -> String {
    shell_words::quote(&path.display().to_string()).into_owned()
}

/// Shows what starts a snapshot every day, or writes it.
pub fn schedule(request: &ScheduleRequest, record: &mut Record) -> Result<(), Refusal> {
    refuse_unwritable_words(request)?;
    record.files = request.files();
    if request.install {
        if request.scheduler == Scheduler::Cron {
            return Err(Refusal::new(Exit::NoAnswer, "a crontab is not rowsafe's to write")
                .hint("add it: (crontab -l; rowsafe snapshot schedule --for cron) | crontab -")
                .hint("or, where systemd is: rowsafe snapshot schedule --for systemd --install"));
        }
        // All of them are looked at before the first is written.
        for file in &record.files {
            refuse_foreign(Path::new(&file.path), request)?;
        }
        for file in &mut record.files {
            file.done = write(Path::new(&file.path), &file.text)?;
        }
    }
    record.answer = Some(answer(request, record));
    Ok(())
}

/// A line's end in a path would begin another setting.
fn refuse_unwritable_words(request: &ScheduleRequest) -> Result<(), Refusal> {
    let commands = request.commands().concat();
    let paths = [&request.directory, &request.home].map(|path| path.display().to_string());
    let all = commands.iter().chain(&paths).chain([&request.path]);
    for word in all {
        if word.chars().any(char::is_control) {
            let message = format!("`{}` can't stand in a file of a scheduler", word.escape_debug());
            return Err(Refusal::new(Exit::NoAnswer, message).hint("run it from another directory"));
        }
    }
    Ok(())
}

fn refuse_foreign(path: &Path, request: &ScheduleRequest) -> Result<(), Refusal> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(path, &error)),
    };
    let shown = path.display();
    if !text.contains(MARKER) {
        return Err(Refusal::new(
            Exit::NoAnswer,
            format!("`{shown}` is not of rowsafe, and stays"),
        )
        .hint("choose another name: --name NAME"));
    }
    if text.contains(&own_directory(request)) || !names_directory(&text) {
        return Ok(());
    }
    Err(Refusal::new(Exit::NoAnswer, format!("`{shown}` was written for another project"))
        .hint("choose another name: --name NAME"))
}

/// The line by which a file says what project it is for.
fn own_directory(request: &ScheduleRequest) -> String {
    match request.scheduler {
        Scheduler::Launchd => launchd::directory(request),
        Scheduler::Systemd | Scheduler::Cron => systemd::directory(request),
    }
}

/// A timer says what it starts, and not where.
fn names_directory(text: &str) -> bool {
    text.contains("WorkingDirectory")
}

/// Writes the file; what is there already to the letter stays untouched.
fn write(path: &Path, text: &str) -> Result<&'static str, Refusal> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok("unchanged");
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)
        .and_then(|()| write_for_all(path, text.as_bytes()))
        .map_err(|error| unwritable(path, &error))?;
    Ok("written")
}

fn unwritable(path: &Path, error: &io::Error) -> Refusal {
    Refusal::new(Exit::NoAnswer, format!("`{}` can't be written: {error}", path.display()))
}

fn answer(request: &ScheduleRequest, record: &Record) -> Answer {
    let At { hour, minute } = request.at;
    let every = format!("a snapshot of everything every day at {hour:02}:{minute:02}");
    let mut hints = Vec::new();
    if request.needs_variables {
        hints.push(format!(
            "it does not know this shell's variables: write ROWSAFE_DATABASE='postgresql://…' into {} (chmod 600), or name the database in rowsafe.toml and its password in ~/.pgpass",
            request.variables().display()
        ));
    }
    if !request.install {
        let how = match request.scheduler {
            Scheduler::Cron => {
                "add it: (crontab -l; rowsafe snapshot schedule --for cron) | crontab -"
            }
            _ => "write it: rowsafe snapshot schedule --install",
        };
        hints.push(how.to_owned());
        let sentence = format!("{every}, shown and not written");
        return Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints };
    }
    let place = record.files.first().map_or("", |file| &file.path);
    match request.scheduler {
        Scheduler::Systemd => {
            let timer = systemd::timer_name(request);
            hints.push(format!(
                "start it: systemctl --user daemon-reload && systemctl --user enable --now {timer}"
            ));
            hints.push("also while nobody is logged in: loginctl enable-linger".to_owned());
        }
        _ => hints.push(format!(
            "start it: launchctl bootstrap gui/$(id -u) {}",
            shell_words::quote(place)
        )),
    }
    let is_new = record.files.iter().any(|file| file.done == "written");
    let sentence =
        if is_new { format!("{every} is written") } else { format!("{every} is there already") };
    Answer { verdict: Verdict::Ok, exit: Exit::Ok, sentence, hints }
}

#[cfg(test)]
mod tests;
