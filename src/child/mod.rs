//! Programs that rowsafe starts: the only module that does.

pub mod attended;
pub mod capture;
pub mod locate;
pub mod signals;

pub use attended::{AttendEvent, Ended, attend};
pub use locate::{StartError, locate};
pub use signals::{Signal, Signals};

/// A program to start, with what its environment has on top of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, looked up in PATH when it has no slash.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set on top of the inherited environment.
    pub env: Vec<(String, String)>,
    /// Variables of the inherited environment that it does not get to see.
    pub env_remove: Vec<String>,
}

impl Invocation {
    /// The words of a command line, the first of which is the program; `None` when there are none.
    pub fn from_words(words: &[String]) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self {
            program: program.clone(),
            args: args.to_vec(),
            env: Vec::new(),
            env_remove: Vec::new(),
        })
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The same with these variables set and those taken away.
    #[must_use]
    pub fn environment(mut self, set: &[(String, String)], remove: &[String]) -> Self {
        self.env.extend_from_slice(set);
        self.env_remove.extend_from_slice(remove);
        self
    }

    /// The command line as a person would type it; variables are left out.
    pub fn display(&self) -> String {
        shell_words::join(std::iter::once(&self.program).chain(&self.args))
    }

    /// The process to spawn: killed when its handle is dropped, so that nothing outlives us.
    pub fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        for name in &self.env_remove {
            command.env_remove(name);
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.kill_on_drop(true);
        command
    }
}
