//! What git says is new in the working tree, against the point where its branch left another.

use std::collections::HashSet;
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
    /// Their paths below the root; bytes that are not UTF-8 are replaced.
    files: HashSet<String>,
}

impl Changed {
    /// Whether a file is new here. git can't say for one outside of its working tree: it counts.
    pub fn has(&self, file: &Path) -> bool {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        let named = folder.zip(file.file_name()).map(|(folder, name)| folder.join(name));
        // A link and the file that it leads to have each their own history.
        let paths: Vec<PathBuf> = named.into_iter().chain(file.canonicalize()).collect();
        let mut below = paths.iter().filter_map(|path| path.strip_prefix(&self.root).ok());
        let is_outside = paths.iter().all(|path| !path.starts_with(&self.root));
        is_outside || below.any(|path| self.files.contains(path.to_string_lossy().as_ref()))
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
    let diff = ["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--diff-filter=d"];
    let changed = git(&root, &[&diff[..], &[&fork, "--"]].concat()).await?;
    let untracked = git(&root, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
    let mut files = HashSet::new();
    for listed in [changed, untracked] {
        if !listed.status.success() {
            let refusal = Refusal::new(Exit::NoAnswer, "git could not say what changed");
            return Err(said(refusal, &listed));
        }
        files.extend(listed.stdout.split('\0').filter(|it| !it.is_empty()).map(str::to_owned));
    }
    let root = root.canonicalize().unwrap_or(root);
    Ok(Changed { base: base.to_owned(), root, files })
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
