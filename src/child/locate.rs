//! Finding the program of a command line before anything is done, and saying why it can't be
//! started.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Invocation;
use super::signals::Signal;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has no slash and no directory of PATH has it.
    #[error("`{program}` was not found in PATH")]
    NotInPath {
        /// The program as written.
        program: String,
    },
    /// It has a slash and there is no such file.
    #[error("there is no program `{program}`")]
    NoSuchFile {
        /// The program as written.
        program: String,
    },
    /// The file is there and must not be executed.
    #[error("`{program}` is not executable")]
    NotExecutable {
        /// The program as written, or where PATH has it.
        program: String,
    },
    /// The first line of the script names an interpreter that is not there.
    #[error("`{program}` needs `{interpreter}`, which is not there")]
    NoInterpreter {
        /// The program as written, or where PATH has it.
        program: String,
        /// What its first line names.
        interpreter: String,
    },
    /// rowsafe was asked to stop before the command was started.
    #[error("interrupted by {} before the command was started", .signal.name())]
    Interrupted {
        /// What asked it to stop.
        signal: Signal,
    },
    /// The system said something else.
    #[error("`{program}` could not be started")]
    Other {
        /// The program as written.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// What to try, first thing first.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotInPath { program } => vec![format!(
                "activate the virtual environment, or write the path: .venv/bin/{program}"
            )],
            Self::NoSuchFile { .. } => {
                vec!["the path is seen from the directory rowsafe was started in".to_owned()]
            }
            Self::NotExecutable { program } => {
                vec![format!("chmod +x {program}, or name its interpreter: python {program}")]
            }
            Self::NoInterpreter { .. } => {
                vec!["a virtual environment that was moved must be made anew".to_owned()]
            }
            Self::Interrupted { .. } | Self::Other { .. } => Vec::new(),
        }
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        let exit = match &error {
            StartError::Interrupted { signal } if signal.number == signal_hook::consts::SIGINT => {
                Exit::Interrupted
            }
            StartError::Interrupted { .. } => Exit::Terminated,
            _ => Exit::NoAnswer,
        };
        let hints = error.hints();
        let refusal = hints.into_iter().fold(Self::new(exit, error.to_string()), Self::hint);
        match error {
            StartError::Other { source, .. } => refusal.because(source),
            _ => refusal,
        }
    }
}

/// The file that the invocation would start, found as the system finds it.
///
/// Asking before a long snapshot saves taking one for a command that is misspelled.
pub fn locate(invocation: &Invocation, environment: &Environment) -> Result<PathBuf, StartError> {
    let own = invocation.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = own.map(|(_, value)| value.as_str()).or_else(|| environment.get("PATH"));
    let program = &invocation.program;
    let file = if program.contains('/') {
        let file = environment.directory().join(program);
        if !file.exists() {
            return Err(StartError::NoSuchFile { program: program.clone() });
        }
        file
    } else {
        search(program, path.unwrap_or_default(), environment.directory())?
    };
    if !is_executable(&file) {
        return Err(StartError::NotExecutable { program: file.display().to_string() });
    }
    match interpreter(&file).filter(|interpreter| !Path::new(interpreter).exists()) {
        Some(interpreter) => {
            Err(StartError::NoInterpreter { program: file.display().to_string(), interpreter })
        }
        None => Ok(file),
    }
}

/// Looks through PATH; an empty entry is the working directory, as POSIX has it.
fn search(program: &str, path: &str, directory: &Path) -> Result<PathBuf, StartError> {
    let mut refused = None;
    for entry in path.split(':') {
        let file = directory.join(entry).join(program);
        if is_executable(&file) {
            return Ok(file);
        }
        if file.is_file() {
            refused.get_or_insert(file);
        }
    }
    Err(match refused {
        Some(file) => StartError::NotExecutable { program: file.display().to_string() },
        None => StartError::NotInPath { program: program.to_owned() },
    })
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

/// What the `#!` line of a script names.
fn interpreter(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    std::fs::File::open(file).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{StartError, locate};
    use crate::child::Invocation;
    use crate::environment::Environment;

    fn make(path: &Path, text: &str, mode: u32) {
        let mut file = std::fs::File::create(path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn find(program: &str, directory: &Path) -> Result<String, StartError> {
        let path = format!("{}/bin:{}/later", directory.display(), directory.display());
        let environment = Environment::new([("PATH".to_owned(), path)], directory);
        let words = [program.to_owned()];
        let found = locate(&Invocation::from_words(&words).unwrap(), &environment)?;
        Ok(found.strip_prefix(directory).unwrap().display().to_string())
    }

    #[test]
    fn programs_are_found_as_the_system_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for part in ["bin", "later"] {
            std::fs::create_dir(root.join(part)).unwrap();
        }
        make(&root.join("bin/tool"), "#!/bin/sh\n", 0o644);
        make(&root.join("later/tool"), "#!/bin/sh\n", 0o755);
        make(&root.join("bin/moved"), "#!/gone/python -E\n", 0o755);
        make(&root.join("bin/plain"), "", 0o600);
        assert_eq!(find("tool", root).unwrap(), "later/tool");
        assert_eq!(find("later/tool", root).unwrap(), "later/tool");

        let says = |program| find(program, root).unwrap_err().to_string();
        assert_eq!(says("alembik"), "`alembik` was not found in PATH");
        assert_eq!(says("./alembik"), "there is no program `./alembik`");
        assert!(says("plain").ends_with("/bin/plain` is not executable"), "{}", says("plain"));
        assert!(says("bin").starts_with("`bin` was not found"), "a directory is no program");
        assert!(says("moved").ends_with("needs `/gone/python`, which is not there"));
    }
}
