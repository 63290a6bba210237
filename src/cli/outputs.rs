//! `--output FORMAT=PATH`: files for reports, opened before the work starts.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::Record;
use crate::report::json;

/// The files to write.
pub struct Outputs {
    files: Vec<(PathBuf, File)>,
}

impl Outputs {
    /// Opens and empties every file: a bad path fails before anything is done, and what an earlier
    /// run said can't be taken for the word of a run that was killed.
    pub fn open(wanted: &[String]) -> Result<Self, Refusal> {
        let files = wanted.iter().map(|text| open(text)).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// Writes the report to each.
    pub fn write(&self, record: &Record) -> anyhow::Result<()> {
        let text = json::render(record);
        for (path, file) in &self.files {
            let mut file = file;
            let write = |file: &mut &File| -> std::io::Result<()> {
                file.write_all(text.as_bytes())?;
                file.flush()
            };
            write(&mut file).with_context(|| format!("write the report `{}`", path.display()))?;
        }
        Ok(())
    }
}

fn open(text: &str) -> Result<(PathBuf, File), Refusal> {
    let (format, path) = text.split_once('=').unwrap_or((text, ""));
    if format != "json" || path.is_empty() {
        return Err(Refusal::new(
            Exit::NoAnswer,
            format!("--output {text} names no format and path"),
        )
        .hint("write --output json=PATH"));
    }
    let opened = File::options().write(true).create(true).truncate(true).open(path);
    opened.map(|file| (PathBuf::from(path), file)).map_err(|error| {
        Refusal::new(Exit::NoAnswer, format!("the report `{path}` can't be written: {error}"))
    })
}
