//! The user's own command line, and the same command asked to render instead of to run.

use super::wrapper::{self, Layer};
use crate::child::Invocation;

/// A command line that runs Alembic, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlembicCommand {
    /// Whose command line it is.
    pub flavor: Flavor,
    /// What it asks for.
    pub task: Task,
    /// The files named by `-c`; Alembic takes an ini file and a pyproject.toml.
    pub configs: Vec<String>,
    /// The section of the ini file (`-n`).
    pub section: String,
    /// The arguments of `-x`.
    pub x_args: Vec<String>,
    /// Flask-Migrate's directory (`-d`).
    pub migrations: Option<String>,
    /// Variables that stand in front of it, as in `env DATABASE_URL=… alembic`.
    pub assigned: Vec<(String, String)>,
    /// The directory that a wrapper changes to, as in `uv run --directory api alembic`.
    pub directory: Option<String>,
    layers: Vec<Layer>,
    program: Vec<String>,
    globals: Vec<String>,
}

/// Whose command line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// `alembic`.
    Alembic,
    /// `flask db`.
    Flask,
}

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `upgrade`.
    Upgrade,
    /// `downgrade`.
    Downgrade,
}

impl Direction {
    /// The subcommand, which is also the function that a revision file defines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
        }
    }
}

/// What the command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// `upgrade` or `downgrade`: runs revisions.
    Move {
        /// Up or down.
        direction: Direction,
        /// Where to, as written.
        target: String,
        /// `--sql`: the user wants the text only; nothing will run.
        is_offline: bool,
        /// Other options, such as `--tag`.
        options: Vec<String>,
    },
    /// `stamp`: rewrites the version table and no other.
    Stamp {
        /// `--sql`: nothing will run.
        is_offline: bool,
    },
    /// A subcommand that reads: `current`, `history`, `check`.
    Look(String),
    /// A subcommand that writes files: `revision`, `merge`, `init`.
    WriteFiles(String),
}

impl AlembicCommand {
    /// Recognizes a command line; `None` when it is not certainly Alembic's.
    pub fn recognize(words: &[String]) -> Option<Self> {
        let peeled = wrapper::peel(words)?;
        let (program, rest) = program(&peeled.words)?;
        let mut command = Self {
            flavor: Flavor::Alembic,
            task: Task::Look(String::new()),
            configs: Vec::new(),
            section: "alembic".to_owned(),
            x_args: Vec::new(),
            migrations: None,
            assigned: peeled.assigned,
            directory: peeled.directory,
            layers: peeled.layers,
            program: peeled.words[..peeled.words.len() - rest.len()].to_vec(),
            globals: Vec::new(),
        };
        command.flavor = program;
        match program {
            Flavor::Alembic => command.read_alembic(rest)?,
            Flavor::Flask => command.read_flask(rest)?,
        }
        Some(command)
    }

    /// Up or down and where to, when it runs revisions.
    pub fn movement(&self) -> Option<(Direction, &str)> {
        match &self.task {
            Task::Move { direction, target, is_offline: false, .. } => Some((*direction, target)),
            _ => None,
        }
    }

    /// The same command, asked to print the SQL from `from` to `to` instead of running it.
    ///
    /// `None` when it does not run revisions.
    pub fn render(&self, from: &str, to: &str) -> Option<Invocation> {
        Invocation::from_words(&self.rendering(from, to, None)?)
    }

    /// The same with one more variable, put where the program will see it: in a container our own
    /// environment is not seen, and one set by a wrapper would hide ours.
    pub fn render_with(&self, from: &str, to: &str, name: &str, value: &str) -> Option<Invocation> {
        let words = self.rendering(from, to, Some((name, value)))?;
        let is_hidden = self.assigned.iter().any(|(assigned, _)| assigned == name);
        let invocation = Invocation::from_words(&words)?;
        Some(if is_hidden { invocation } else { invocation.env(name, value) })
    }

    /// Whether the program runs in a container, where files and variables are not ours.
    pub fn is_in_container(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Container { .. }))
    }

    /// Why our environment may not reach the program.
    pub fn loses_environment(&self) -> Option<&'static str> {
        let starts_with = |layer: &Layer, name: &str| match layer {
            Layer::Words(words) => words.first().is_some_and(|word| basename(word) == name),
            _ => false,
        };
        let clears = |layer: &Layer| match layer {
            Layer::Words(words) => {
                words.iter().any(|w| matches!(w.as_str(), "-i" | "--ignore-environment" | "-"))
            }
            _ => false,
        };
        self.layers.iter().find_map(|layer| {
            if starts_with(layer, "sudo") {
                Some("sudo starts it with an environment of its own")
            } else if starts_with(layer, "env") && clears(layer) {
                Some("env starts it with an empty environment")
            } else {
                None
            }
        })
    }

    fn rendering(
        &self,
        from: &str,
        to: &str,
        variable: Option<(&str, &str)>,
    ) -> Option<Vec<String>> {
        let Task::Move { direction, options, .. } = &self.task else { return None };
        let mut words = self.program.clone();
        words.extend(self.globals.iter().cloned());
        words.push(direction.name().to_owned());
        words.extend(options.iter().cloned());
        words.push("--sql".to_owned());
        words.push(format!("{from}:{to}"));
        Some(wrapper::wrap(&self.layers, words, variable))
    }

    /// `[-c FILE] [-n NAME] [-x ARG] [--raiseerr] [-q] SUBCOMMAND …`, as argparse reads it.
    fn read_alembic(&mut self, words: &[String]) -> Option<()> {
        const OPTIONS: &[(&str, &str, bool)] = &[
            ("-c", "--config", true),
            ("-n", "--name", true),
            ("-x", "-x", true),
            ("", "--raiseerr", false),
            ("-q", "--quiet", false),
        ];
        let mut at = 0;
        loop {
            let word = words.get(at)?;
            if !word.starts_with('-') {
                break;
            }
            let (option, value, length) = option(&words[at..], OPTIONS, true)?;
            match (option, value) {
                ("--config", Some(value)) => self.configs.push(value),
                ("--name", Some(value)) => self.section = value,
                ("-x", Some(value)) => self.x_args.push(value),
                _ => {}
            }
            at += length;
        }
        self.globals = words[..at].to_vec();
        self.read_task(&words[at], &words[at + 1..])
    }

    /// `[-A APP] [--debug] db [-d DIR] [-x ARG] SUBCOMMAND …`, as click reads it.
    fn read_flask(&mut self, words: &[String]) -> Option<()> {
        const OUTER: &[(&str, &str, bool)] = &[
            ("-A", "--app", true),
            ("-e", "--env-file", true),
            ("", "--debug", false),
            ("", "--no-debug", false),
        ];
        const GROUP: &[(&str, &str, bool)] =
            &[("-d", "--directory", true), ("-x", "--x-arg", true)];
        let mut at = 0;
        let mut is_in_group = false;
        loop {
            let word = words.get(at)?;
            if word.starts_with('-') {
                let table = if is_in_group { GROUP } else { OUTER };
                let (name, value, length) = option(&words[at..], table, false)?;
                match (name, value) {
                    ("--directory", Some(value)) => self.migrations = Some(value),
                    ("--x-arg", Some(value)) => self.x_args.push(value),
                    _ => {}
                }
                at += length;
            } else if is_in_group {
                break;
            } else if word == "db" {
                is_in_group = true;
                at += 1;
            } else {
                return None;
            }
        }
        self.globals = words[..at].to_vec();
        self.read_task(&words[at], &words[at + 1..])
    }

    fn read_task(&mut self, subcommand: &str, words: &[String]) -> Option<()> {
        self.task = match subcommand {
            "upgrade" => self.read_move(Direction::Upgrade, words)?,
            "downgrade" => self.read_move(Direction::Downgrade, words)?,
            "stamp" => Task::Stamp { is_offline: words.iter().any(|word| word == "--sql") },
            "branches" | "check" | "current" | "heads" | "history" | "list_templates"
            | "list-templates" | "show" => Task::Look(subcommand.to_owned()),
            "edit" | "init" | "merge" | "migrate" | "revision" | "ensure_version" => {
                Task::WriteFiles(subcommand.to_owned())
            }
            _ => return None,
        };
        Some(())
    }

    fn read_move(&mut self, direction: Direction, words: &[String]) -> Option<Task> {
        const ALEMBIC: &[(&str, &str, bool)] = &[("", "--sql", false), ("", "--tag", true)];
        const FLASK: &[(&str, &str, bool)] = &[
            ("", "--sql", false),
            ("", "--tag", true),
            ("-d", "--directory", true),
            ("-x", "--x-arg", true),
        ];
        let is_alembic = self.flavor == Flavor::Alembic;
        let table = if is_alembic { ALEMBIC } else { FLASK };
        let (mut targets, mut options) = (Vec::new(), Vec::new());
        let (mut is_offline, mut at) = (false, 0);
        let mut is_positional = false;
        while let Some(word) = words.get(at) {
            // argparse takes `-1` for a number, click for an option.
            let digits = word.strip_prefix('-').filter(|_| is_alembic);
            let is_number =
                digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
            if is_positional || !word.starts_with('-') || is_number {
                targets.push(word.clone());
                at += 1;
            } else if word == "--" {
                is_positional = true;
                at += 1;
            } else {
                let (name, value, length) = option(&words[at..], table, is_alembic)?;
                match (name, value) {
                    ("--sql", _) => is_offline = true,
                    ("--directory", value) => self.migrations = value,
                    ("--x-arg", Some(value)) => self.x_args.push(value),
                    _ => {}
                }
                if name != "--sql" {
                    options.extend(words[at..at + length].iter().cloned());
                }
                at += length;
            }
        }
        let target = match (targets.len(), self.flavor, direction) {
            (1, ..) => targets.remove(0),
            (0, Flavor::Flask, Direction::Upgrade) => "head".to_owned(),
            (0, Flavor::Flask, Direction::Downgrade) => "-1".to_owned(),
            _ => return None,
        };
        Some(Task::Move { direction, target, is_offline, options })
    }
}

/// The last part of a program's path, without `.exe`.
pub(super) fn basename(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// Which program it is, and the words behind it.
fn program(words: &[String]) -> Option<(Flavor, &[String])> {
    let name = basename(words.first()?);
    // `hatch run test:alembic` names an environment, `uvx alembic@1.13` a version.
    let name = name.rsplit(':').next().unwrap_or(name);
    match name.split('@').next().unwrap_or(name) {
        "alembic" => Some((Flavor::Alembic, &words[1..])),
        "flask" | "manage.py" => Some((Flavor::Flask, &words[1..])),
        python if is_python(python) => module(words),
        _ => None,
    }
}

/// `python`, `python3`, `python3.11`, `pypy3`, `py`.
fn is_python(name: &str) -> bool {
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    name == "py" || rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// `python [options] -m alembic`, `python -m flask`, and Flask-Script's `python manage.py`.
fn module(words: &[String]) -> Option<(Flavor, &[String])> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let flags = word.strip_prefix('-').filter(|flags| !flags.starts_with('-'));
        let Some(flags) = flags else {
            let is_script = basename(word) == "manage.py";
            return is_script.then(|| (Flavor::Flask, &words[at + 1..]));
        };
        if let Some(before) = flags.find('m')
            && flags[..before].bytes().all(|b| b"bBdEIOPqsSuvx".contains(&b))
        {
            let attached = &flags[before + 1..];
            let (name, next) = if attached.is_empty() {
                (words.get(at + 1)?.as_str(), at + 2)
            } else {
                (attached, at + 1)
            };
            let flavor = match name {
                "alembic" | "alembic.config" => Flavor::Alembic,
                "flask" => Flavor::Flask,
                _ => return None,
            };
            return Some((flavor, &words[next..]));
        }
        if !flags.bytes().all(|b| b"bBdEIOPqsSuvxWX".contains(&b)) && !flags.starts_with(['W', 'X'])
        {
            return None;
        }
        at += if matches!(flags, "W" | "X") { 2 } else { 1 };
    }
    None
}

/// The option at the front: its long name, its value, and how many words it takes.
fn option<'t>(
    words: &[String],
    table: &'t [(&'t str, &'t str, bool)],
    may_abbreviate: bool,
) -> Option<(&'t str, Option<String>, usize)> {
    let word = words.first()?;
    let (name, attached) = match word.split_once('=') {
        Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
        _ => (word.as_str(), None),
    };
    let exact = table.iter().find(|(short, long, _)| name == *short || name == *long);
    let found = exact.or_else(|| {
        let is_start = |long: &str| may_abbreviate && name.len() > 2 && long.starts_with(name);
        let mut matching = table.iter().filter(|(_, long, _)| is_start(long));
        matching.next().filter(|_| matching.next().is_none())
    });
    if let Some((_, long, has_value)) = found {
        return match (has_value, attached) {
            (true, None) => Some((long, Some(words.get(1)?.clone()), 2)),
            (true, value) => Some((long, value, 1)),
            (false, None) => Some((long, None, 1)),
            (false, Some(_)) => None,
        };
    }
    // `-calembic.ini`, `-xkey=value`
    if word.starts_with("--") {
        return None;
    }
    table.iter().filter(|(_, _, has_value)| *has_value).find_map(|(short, long, _)| {
        let short = if short.is_empty() && long.len() == 2 { long } else { short };
        let value = word.strip_prefix(short).filter(|v| !short.is_empty() && !v.is_empty())?;
        Some((*long, Some(value.trim_start_matches('=').to_owned()), 1))
    })
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
