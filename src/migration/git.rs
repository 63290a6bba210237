//! What git says is new in the working tree, against the point where its branch left another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::Invocation;
use crate::child::capture::{Captured, capture};
use crate::exit::Exit;
use crate::hint::Refusal;

/// git answers within a second; a minute means that it waits for something.
const DEADLINE: Duration = Duration::from_mins(1);

/// The files that were added or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What they were compared with, as it was asked for.
    pub base: String,
    /// The root of the working tree, links resolved.
    root: PathBuf,
    /// Their paths below the root, and whether they are new; bytes that are not UTF-8 are replaced.
    files: HashMap<String, Novelty>,
}

/// How a file differs from what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It was not there, so nothing of it has run.
    Added,
    /// It was there, perhaps by another name, and may have run.
    Changed,
}

impl Changed {
    /// How a file is new here; `None` where it is not. git can't say for one outside of its working
    /// tree: it counts as changed.
    pub fn novelty(&self, file: &Path) -> Option<Novelty> {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        let named = folder.zip(file.file_name()).map(|(folder, name)| folder.join(name));
        // A link and the file that it leads to have each their own history.
        let paths: Vec<PathBuf> = named.into_iter().chain(file.canonicalize()).collect();
        let below = paths.iter().filter_map(|path| path.strip_prefix(&self.root).ok());
        let found = below.filter_map(|path| self.files.get(path.to_string_lossy().as_ref()));
        if paths.iter().all(|path| !path.starts_with(&self.root)) {
            return Some(Novelty::Changed);
        }
        found.copied().max_by_key(|novelty| *novelty == Novelty::Changed)
    }
}

/// What was added or changed since the branch left `base`: committed, staged, or not even known to
/// git yet.
pub async fn changed(base: &str, directory: &Path) -> Result<Changed, Refusal> {
    if base.is_empty() || base.starts_with('-') {
        let message = format!("--diff `{base}` names no commit or branch");
        return Err(Refusal::new(Exit::NoAnswer, message).hint("write --diff origin/main"));
    }
    let top = git(directory, &["rev-parse", "--show-toplevel"]).await?;
    if !top.status.success() {
        let message =
            format!("--diff needs a git repository, and `{}` is in none", directory.display());
        return Err(said(Refusal::new(Exit::NoAnswer, message), &top)
            .hint("name the files instead, or use --since"));
    }
    let root = PathBuf::from(top.stdout.trim_end_matches(['\r', '\n']));
    let fork = fork(base, directory).await?;
    let diff = ["diff", "--name-status", "-z", "--find-renames", "--no-ext-diff", &fork, "--"];
    let changed = answered(git(&root, &diff).await?)?;
    let others = ["ls-files", "--others", "--exclude-standard", "-z"];
    let untracked = answered(git(&root, &others).await?)?;
    let mut files = listed(&changed);
    let untracked = untracked.split('\0').filter(|path| !path.is_empty());
    files.extend(untracked.map(|path| (path.to_owned(), Novelty::Added)));
    let root = root.canonicalize().unwrap_or(root);
    Ok(Changed { base: base.to_owned(), root, files })
}

/// `A\0path\0M\0path\0R100\0old\0new\0` as `git diff --name-status -z` prints it.
fn listed(text: &str) -> HashMap<String, Novelty> {
    let mut files = HashMap::new();
    let mut words = text.split('\0');
    while let (Some(status), Some(path)) = (words.next(), words.next()) {
        match status.as_bytes().first() {
            Some(b'D') => {}
            Some(b'A') => drop(files.insert(path.to_owned(), Novelty::Added)),
            Some(b'R' | b'C') => {
                files.extend(words.next().map(|new| (new.to_owned(), Novelty::Changed)));
            }
            _ => drop(files.insert(path.to_owned(), Novelty::Changed)),
        }
    }
    files
}

fn answered(captured: Captured) -> Result<String, Refusal> {
    if captured.status.success() {
        return Ok(captured.stdout);
    }
    Err(said(Refusal::new(Exit::NoAnswer, "git could not say what changed"), &captured))
}

/// The commit at which the branch left `base`.
async fn fork(base: &str, directory: &Path) -> Result<String, Refusal> {
    let commit = format!("{base}^{{commit}}");
    let found = git(directory, &["rev-parse", "--verify", "--quiet", &commit]).await?;
    if found.status.success() {
        let fork = git(directory, &["merge-base", base, "HEAD"]).await?;
        let id = fork.stdout.trim();
        if fork.status.success() && !id.is_empty() {
            return Ok(id.to_owned());
        }
    }
    let message = if found.status.success() {
        format!("git knows no commit that `{base}` and the working tree have in common")
    } else {
        format!("git knows no commit or branch `{base}`")
    };
    let refusal = Refusal::new(Exit::NoAnswer, message);
    let shallow = git(directory, &["rev-parse", "--is-shallow-repository"]).await?;
    Err(if shallow.stdout.trim() == "true" {
        refusal
            .hint("this clone is shallow: with actions/checkout set `fetch-depth: 0`")
            .hint("elsewhere: git fetch --unshallow")
    } else {
        refusal.hint("fetch it first, or name a branch that is here: --diff origin/main")
    })
}

async fn git(directory: &Path, arguments: &[&str]) -> Result<Captured, Refusal> {
    let mut words = vec!["git".to_owned(), "-C".to_owned(), directory.display().to_string()];
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    let invocation = Invocation::from_words(&words).expect("there is a program");
    // Prose is shown to people who may not share git's locale; nothing here may wait for a lock.
    let invocation = invocation.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    capture(&invocation, DEADLINE).await.map_err(|error| {
        let message = if error.kind() == std::io::ErrorKind::NotFound {
            "--diff asks git, which was not found in PATH".to_owned()
        } else {
            format!("git could not be asked: {error}")
        };
        Refusal::new(Exit::NoAnswer, message).because(error)
    })
}

/// The refusal with what git said, which often names the remedy (`safe.directory`).
fn said(refusal: Refusal, captured: &Captured) -> Refusal {
    match captured.stderr.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => refusal.hint(format!("git said: {}", line.trim())),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::{Novelty, listed};

    #[test]
    fn what_git_lists_is_told_apart() {
        let files = listed("A\0a b\0M\0m\0R096\0old\0new\0D\0gone\0T\0link\0");
        let mut found: Vec<_> = files.iter().map(|(path, how)| (path.as_str(), *how)).collect();
        found.sort_by_key(|(path, _)| *path);
        let changed = ["link", "m", "new"].map(|path| (path, Novelty::Changed));
        assert_eq!(found, [&[("a b", Novelty::Added)], &changed[..]].concat());
        assert!(listed("").is_empty());
    }
}
