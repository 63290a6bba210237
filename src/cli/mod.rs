//! The command line: words to a request, the story, the answer to an exit code.

mod args;
mod check;
mod config;
mod diff;
mod doctor;
mod explain;
mod incident;
mod init;
mod outputs;
mod plan;
pub mod reference;
mod restore;
mod run;
mod snapshot;
mod snapshot_args;

use anyhow::Context as _;
use clap::Parser;

use crate::child::Signals;
use crate::config::{Flags, Origin, Settings, env};
use crate::database::{self, Told};
use crate::db::target::Target;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::record::{Record, Verdict};
use crate::report::{Format, human};
use crate::run::answer_to;
use crate::secret::Secret;
use crate::ui::{Color, Options, Printer, Verbosity};
use args::{Cli, ColorChoice, Command, ConnectionArgs, Global};
use outputs::Outputs;

/// Parses, runs, and says how it ended.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap prints help to stdout and mistakes to stderr; a closed pipe is no mistake.
        Err(error) => {
            let error = args::with_tip(error);
            let _ = error.print();
            return if error.use_stderr() { Exit::NoAnswer } else { Exit::Ok };
        }
    };
    let environment = env::read();
    log(cli.global.verbose);
    let printer = Printer::new(
        Options {
            color: match cli.global.color {
                ColorChoice::Auto => Color::Auto,
                ColorChoice::Always => Color::Always,
                ColorChoice::Never => Color::Never,
            },
            verbosity: match (cli.global.quiet, cli.global.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, 0) => Verbosity::Normal,
                (false, _) => Verbosity::Verbose,
            },
            beside_child: matches!(cli.command, Command::Run(_)),
            no_progress: cli.global.no_progress,
        },
        &environment,
    );
    let context = Context { environment, printer, global: cli.global };
    match cli.command {
        Command::Check(args) => check::main(&args, &context),
        Command::Init(args) => init::main(&args, &context),
        Command::Plan(args) => plan::main(&args, &context),
        Command::Run(args) => run::main(&args, &context),
        Command::Doctor(args) => doctor::main(&args, &context),
        Command::Snapshot(args) => snapshot::main(&args, &context),
        Command::Restore(args) => restore::main(&args, &context),
        Command::Diff(args) => diff::main(&args, &context),
        Command::Incident(args) => incident::main(&args, &context),
        Command::Config(args) => config::main(&args, &context),
        Command::Explain(args) => explain::main(&args, &context),
    }
}

/// What every command has.
struct Context {
    environment: Environment,
    printer: Printer,
    global: Global,
}

impl Context {
    /// How a command ends that makes no report: a mistake is told and decides.
    fn ended(&self, story: anyhow::Result<()>) -> Exit {
        let Err(error) = story else { return Exit::Ok };
        let answer = answer_to(&error);
        self.printer.error(&answer.sentence, &answer.hints);
        answer.exit
    }

    /// The flags that every command has.
    fn flags(&self) -> Flags {
        let (config, no_config) = (self.global.config.clone(), self.global.no_config);
        Flags { config, no_config, ..Flags::default() }
    }

    /// The settings; `flags` are those that only some commands have.
    fn settings(&self, args: &ConnectionArgs, mut flags: Flags) -> anyhow::Result<Settings> {
        let words = |text: &Option<String>| {
            text.as_deref().map(crate::config::value::words).transpose().map_err(anyhow::Error::msg)
        };
        flags.database = args.database.clone().map(Secret::new);
        flags.store.clone_from(&args.store);
        flags.identity.clone_from(&args.identity);
        flags.pg_dump = words(&args.pg_dump)?;
        flags.pg_restore = words(&args.pg_restore)?;
        flags.jobs = args.jobs;
        let Flags { config, no_config, .. } = self.flags();
        let flags = Flags { config, no_config, ..flags };
        let settings = Settings::resolve(flags, &self.environment)?;
        for warning in &settings.warnings {
            self.printer.warning(warning);
        }
        Ok(settings)
    }

    /// The database that the settings or the migration command name.
    fn target(
        &self,
        command: &[String],
        settings: &Settings,
        record: &mut Record,
    ) -> anyhow::Result<Target> {
        let told = settings.database.as_ref().map(|setting| Told {
            url: &setting.value,
            source: match &setting.origin {
                Origin::Flag => "--database".to_owned(),
                other => other.to_string(),
            },
        });
        let resolved = database::choose(told, command, &self.environment)?;
        for warning in resolved.warnings {
            self.printer.warning(&warning);
            record.warnings.push(warning);
        }
        Ok(resolved.target)
    }

    /// Tells a story to its end: the answer on the terminal, the reports in their files.
    fn answer(
        &self,
        command: &'static str,
        outputs: &[String],
        story: impl FnOnce(&mut Record) -> anyhow::Result<()>,
    ) -> Exit {
        self.said(&self.tell(command, outputs, story))
    }

    /// Says the answer, and exits with it.
    fn said(&self, record: &Record) -> Exit {
        let answer = record.answer.as_ref().expect("every story ends with an answer");
        self.printer.answer(human::answer(answer).trim_end());
        answer.exit
    }

    /// Prints a report that is the product: to standard output, the answer included.
    fn product(&self, record: &Record, format: Format) -> Exit {
        let answer = record.answer.as_ref().expect("every story ends with an answer");
        // What is printed for a person says them itself.
        for warning in record.warnings.iter().filter(|_| format != Format::Human) {
            self.printer.warning(warning);
        }
        // A doctor that has found something wrong has something to show, and so has a look at
        // snapshots or at an incident.
        let has_found =
            !record.checks.is_empty() || !record.shelf.is_empty() || record.incident.is_some();
        if answer.verdict == Verdict::Error && !has_found {
            self.printer.error(&answer.sentence, &answer.hints);
            if format == Format::Human {
                return answer.exit;
            }
        }
        if self.printer.is_quiet() && format == Format::Human {
            return self.printed(record, |printer| {
                printer.data(human::answer(answer).lines().next().unwrap_or_default())
            });
        }
        self.printed(record, |printer| outputs::print(printer, format, record))
    }

    /// Prints what was asked for, and exits as the answer says where that could be done.
    fn printed(
        &self,
        record: &Record,
        print: impl FnOnce(&Printer) -> std::io::Result<()>,
    ) -> Exit {
        match print(&self.printer) {
            // `rowsafe check | head` has seen what it wanted to see.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                self.printer.error(&format!("the report could not be printed: {error}"), &[]);
                Exit::NoAnswer
            }
            _ => record.answer.as_ref().expect("every story ends with an answer").exit,
        }
    }

    /// Tells a story to its end, the reports in their files; the record has an answer.
    fn tell(
        &self,
        command: &'static str,
        outputs: &[String],
        story: impl FnOnce(&mut Record) -> anyhow::Result<()>,
    ) -> Record {
        let mut record = Record::start(command, String::new());
        let opened = Outputs::open(outputs);
        let done = match &opened {
            Ok(_) => story(&mut record),
            Err(_) => Ok(()),
        };
        let opened = opened.map_err(|refusal| record.answer = Some(answer_to(&refusal.into())));
        if let Err(error) = done {
            record.answer = Some(answer_to(&error));
        }
        if let Some(Err(error)) = opened.ok().map(|outputs| outputs.write(&record)) {
            self.printer.warning(&format!("{error:#}"));
        }
        record
    }
}

/// Tells a story that only reads: a signal ends it where it stands.
fn unless_interrupted(story: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("listen to signals")?;
    runtime()?.block_on(async {
        tokio::select! {
            biased;
            signal = signals.recv() => Err(crate::run::interrupted(signal.number).into()),
            told = story => told,
        }
    })
}

/// One thread: rowsafe waits for others most of the time.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("start the runtime")
}

/// `-v` shows what rowsafe does, `-vv` in detail. tokio-postgres logs parameter values at debug,
/// which are row data: it stays silent unless RUST_LOG names it.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "rowsafe=warn",
        1 => "rowsafe=info",
        _ => "rowsafe=debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .init();
}
