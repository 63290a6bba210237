//! Snapshots in a local directory, one folder each.
//!
//! A snapshot is written under a name that starts with `.partial-` and renamed when it has been
//! verified: whatever carries a plain name is complete. Nobody but the owner can read any of it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Manifest;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::number;

const PARTIAL: &str = ".partial-";

/// A directory of snapshots.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// A snapshot that is being written; what is left of it goes when it is dropped unpublished.
#[derive(Debug)]
pub struct Partial {
    directory: PathBuf,
    published: PathBuf,
    is_published: bool,
}

/// A snapshot in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its directory.
    pub directory: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
}

impl Store {
    /// The store at `directory`; nothing is made until something is kept.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directories, so that a bad path fails before any work.
    pub fn prepare(&self) -> Result<(), Refusal> {
        let make = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o700))?;
            self.ignore_in_git()
        };
        make().map_err(|error| {
            let message =
                format!("the snapshot store `{}` can't be used: {error}", self.directory.display());
            Refusal::new(Exit::SnapshotFailed, message).hint("choose another place with --store")
        })
    }

    /// Snapshots hold production rows: they must not end up in a commit.
    fn ignore_in_git(&self) -> io::Result<()> {
        let path = self.directory.join(".gitignore");
        if path.exists() { Ok(()) } else { crate::text::write_atomically(&path, b"*\n") }
    }

    /// Refuses when less than `needed` bytes are free.
    pub fn refuse_without_space(&self, needed: u64) -> Result<(), Refusal> {
        let free = self.free_bytes().map_err(|error| {
            let message = format!("free space of `{}`: {error}", self.directory.display());
            Refusal::new(Exit::SnapshotFailed, message)
        })?;
        if free >= needed {
            return Ok(());
        }
        Err(Refusal::new(
            Exit::SnapshotFailed,
            format!(
                "the snapshot needs ~{} and `{}` has {}",
                number::bytes(needed),
                self.directory.display(),
                number::bytes(free)
            ),
        )
        .hint("free some space, or point --store at another place"))
    }

    /// Bytes that this user may still write there.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The same before anything was made there: of the nearest directory above that is there.
    pub fn free_bytes_there(&self) -> io::Result<u64> {
        let path = std::path::absolute(&self.directory)?;
        let there = path.ancestors().find(|above| above.is_dir()).unwrap_or(&path);
        Self::at(there).free_bytes()
    }

    /// Starts a snapshot.
    pub fn begin(&self, id: &str) -> io::Result<Partial> {
        let directory = self.directory.join(format!("{PARTIAL}{id}"));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Partial { directory, published: self.directory.join(id), is_published: false })
    }

    /// Every complete snapshot, newest first; a damaged one is told to `damaged` and left out.
    pub fn list(&self, mut damaged: impl FnMut(Refusal)) -> io::Result<Vec<Stored>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if is_hidden || !entry.file_type()?.is_dir() {
                continue;
            }
            match Manifest::read(&entry.path()) {
                Ok(manifest) => found.push(Stored { directory: entry.path(), manifest }),
                Err(refusal) => damaged(refusal),
            }
        }
        found.sort_by_key(|stored| std::cmp::Reverse(stored.manifest.created_at));
        Ok(found)
    }

    /// The snapshot with this id, a unique beginning of one, or the newest for `latest`.
    pub fn find(&self, id: &str) -> Result<Stored, Refusal> {
        let store = self.directory.display();
        let mut damaged = None;
        let all = self
            .list(|refusal| damaged = Some(refusal))
            .map_err(|error| Refusal::new(Exit::NoAnswer, format!("list `{store}`: {error}")))?;
        if id == "latest" {
            // When the unreadable one was taken is in what can't be read: it may be the latest.
            if let Some(refusal) = damaged {
                return Err(refusal.hint("another snapshot is restored by its id"));
            }
            let none =
                || Refusal::new(Exit::NoAnswer, format!("there is no snapshot in `{store}`"));
            return all.into_iter().next().ok_or_else(none);
        }
        let mut matching: Vec<Stored> =
            all.into_iter().filter(|stored| stored.manifest.id.starts_with(id)).collect();
        match matching.len() {
            1 if !id.is_empty() => Ok(matching.remove(0)),
            0 => Err(self.unknown(id)),
            _ => Err(Refusal::new(
                Exit::NoAnswer,
                format!("`{id}` is the beginning of {} snapshots", matching.len()),
            )
            .hint("write more of the id")),
        }
    }

    fn unknown(&self, id: &str) -> Refusal {
        let store = self.directory.display();
        if !id.is_empty() && !id.contains('/') && self.directory.join(id).is_dir() {
            let why = Manifest::read(&self.directory.join(id)).err();
            return why.unwrap_or_else(|| Refusal::new(Exit::NoAnswer, "no such snapshot"));
        }
        Refusal::new(Exit::NoAnswer, format!("no snapshot `{id}` in `{store}`"))
            .hint(format!("what is there: ls {store}"))
            .hint("another store is named with --store")
    }
}

impl Partial {
    /// Where to write.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the snapshot its name: from now on it is there.
    pub fn publish(mut self) -> io::Result<PathBuf> {
        fs::File::open(&self.directory)?.sync_all()?;
        fs::rename(&self.directory, &self.published)?;
        self.is_published = true;
        if let Some(store) = self.published.parent() {
            fs::File::open(store)?.sync_all()?;
        }
        Ok(self.published.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_published {
            // Nothing can be done about a failure here; `.partial-` keeps it from being offered.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
