//! `--format` for standard output, and `--output FORMAT=PATH`: files, opened before the work starts.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::exit::Exit;
use crate::hint::Refusal;
use crate::record::Record;
use crate::report::{self, Format, human};
use crate::text::similar::nearest;
use crate::ui::Printer;

/// The values of `--format`, for commands that print a report.
pub fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::names())
        .map(|name| name.parse().expect("clap lets only names of formats through"))
}

/// Prints the report to standard output; only what is for a person has colors.
pub fn print(printer: &Printer, format: Format, record: &Record) -> std::io::Result<()> {
    match format {
        Format::Human => printer.data(human::report(record).trim_end()),
        _ => printer.document(&report::render(format, record)),
    }
}

/// The files to write.
pub struct Outputs {
    files: Vec<(Format, PathBuf, File)>,
}

impl Outputs {
    /// Opens and empties every file: a bad path fails before anything is done, and what an earlier
    /// run said can't be taken for the word of a run that was killed.
    pub fn open(wanted: &[String]) -> Result<Self, Refusal> {
        let files = wanted.iter().map(|text| open(text)).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// Writes the report to each; one that can't be written does not keep the others from it.
    pub fn write(&self, record: &Record) -> anyhow::Result<()> {
        let written = self.files.iter().map(|(format, path, file)| {
            let text = report::render(*format, record);
            let mut file = file;
            file.write_all(text.as_bytes())
                .and_then(|()| file.flush())
                .with_context(|| format!("write the report `{}`", path.display()))
        });
        written.fold(Ok(()), anyhow::Result::and)
    }
}

fn open(text: &str) -> Result<(Format, PathBuf, File), Refusal> {
    let refused =
        |message: String| Refusal::new(Exit::NoAnswer, format!("--output {text}: {message}"));
    let Some((name, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
        return Err(refused("names no format and path".to_owned())
            .hint("write --output FORMAT=PATH, for example --output json=rowsafe.json"));
    };
    let format: Format = name.parse().map_err(|why| match nearest(name, Format::names()) {
        Some(meant) => refused(why).hint(format!("did you mean `{meant}`?")),
        None => refused(why),
    })?;
    let opened = File::options().write(true).create(true).truncate(true).open(path);
    opened.map(|file| (format, PathBuf::from(path), file)).map_err(|error| {
        Refusal::new(Exit::NoAnswer, format!("the report `{path}` can't be written: {error}"))
    })
}
