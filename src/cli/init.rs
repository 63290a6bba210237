//! `rowsafe init`: a configuration to start from; what else there is to set up is shown, not done.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Context;
use super::args::InitArgs;
use super::check::request;
use crate::check;
use crate::config::Settings;
use crate::config::file::NAME;
use crate::config::write::{self, Wanted};
use crate::exit::Exit;
use crate::text::write_atomically;

/// What a hook and a CI job look like.
const SNIPPETS: &str = r#"
A hook for every commit, in .pre-commit-config.yaml:

  - repo: local
    hooks:
      - id: rowsafe
        name: rowsafe check
        entry: rowsafe check
        language: system
        files: \.(sql|py)$

A job for every pull request:

  - uses: actions/checkout@v4
    with:
      fetch-depth: 0
  - run: rowsafe check --diff "origin/$GITHUB_BASE_REF""#;

/// Runs it.
pub fn main(args: &InitArgs, context: &Context) -> Exit {
    context.ended(story(args, context))
}

fn story(args: &InitArgs, context: &Context) -> anyhow::Result<()> {
    let settings = Settings::resolve(context.flags(), &context.environment)?;
    let baseline = match &args.baseline {
        Some(name) => baseline(name, args, &settings, context)?,
        None => Vec::new(),
    };
    let directory = context.environment.directory();
    let path = settings.file.clone().unwrap_or_else(|| directory.join(NAME));
    let shown = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
    let is_there = settings.file.is_some() || path.exists();
    let beside = path.parent().unwrap_or(directory);
    let wanted = Wanted { paths: relative(&args.paths, directory, beside), baseline };
    let said = match (is_there, wanted == Wanted::default()) {
        (true, true) => format!("`{shown}` is there already, and stays as it is"),
        (true, false) => {
            add(&path, &wanted)?;
            format!("`{shown}` now holds {}", summary(&wanted))
        }
        (false, _) => {
            create(&path, &write::new(&wanted))?;
            format!("`{shown}` is written: {}", summary(&wanted))
        }
    };
    let text = if context.printer.is_quiet() { said } else { said + "\n" + SNIPPETS };
    context.printer.data(&text).context("print what was written")
}

/// The revisions or files of the baseline; one that does not exist would hide nothing or all.
fn baseline(
    name: &str,
    args: &InitArgs,
    settings: &Settings,
    context: &Context,
) -> anyhow::Result<Vec<String>> {
    let mut request = request(&args.paths, settings, context);
    request.baseline = Vec::new();
    if matches!(name, "head" | "heads") {
        return Ok(check::newest(&request)?);
    }
    request.since = vec![name.to_owned()];
    check::exists(&request)?;
    Ok(request.since)
}

/// The paths as they are seen from the file that holds them.
fn relative(paths: &[PathBuf], directory: &Path, beside: &Path) -> Vec<String> {
    let below = |path: &PathBuf| {
        let full = directory.join(path);
        full.strip_prefix(beside).unwrap_or(&full).display().to_string()
    };
    paths.iter().map(below).collect()
}

fn summary(wanted: &Wanted) -> String {
    let parts = [("paths", &wanted.paths), ("baseline", &wanted.baseline)];
    let parts = parts.iter().filter(|(_, values)| !values.is_empty());
    let said: Vec<String> =
        parts.map(|(key, values)| format!("{key} {}", values.join(" "))).collect();
    if said.is_empty() { "every setting is a comment in it".to_owned() } else { said.join(", ") }
}

/// Makes the file; one that appeared meanwhile is somebody's.
fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = File::create_new(path).with_context(|| format!("write `{}`", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write `{}`", path.display()))
}

/// Adds to the file, whoever may read it and whatever link leads to it.
fn add(path: &Path, wanted: &Wanted) -> anyhow::Result<()> {
    let what = || format!("write `{}`", path.display());
    let real = path.canonicalize().with_context(what)?;
    let text = fs::read_to_string(&real).with_context(what)?;
    let permissions = fs::metadata(&real).with_context(what)?.permissions();
    let text = write::set(path, &text, wanted)?;
    write_atomically(&real, text.as_bytes()).with_context(what)?;
    fs::set_permissions(&real, permissions).with_context(what)
}
