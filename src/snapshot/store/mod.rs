//! Where snapshots are kept.
//!
//! A snapshot is there when it has been verified and published, and not a moment before: what is
//! half-written or damaged is listed as that, and never offered.

mod local;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use jiff::Timestamp;

use super::Manifest;
use super::manifest::Archive;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::number;
use local::Directory;

/// A place for snapshots.
#[derive(Debug, Clone)]
pub struct Store {
    directory: Directory,
}

/// What stands in a store under one id.
#[derive(Debug)]
pub enum Entry {
    /// A verified snapshot.
    Complete(Stored),
    /// One that is being written or removed at this moment, or never was to its end.
    HalfWritten(Remains),
    /// One whose manifest can't be read, or whose archive is not the one that was written.
    Damaged(Damaged),
}

/// A snapshot in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    location: String,
    archive: Source,
    /// What it holds.
    pub manifest: Manifest,
}

/// Something that is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The id that it has or would have had.
    pub id: String,
    /// Where it is, for people.
    pub location: String,
    /// When something was last written there.
    pub since: Timestamp,
    /// What it occupies.
    pub bytes: u64,
}

/// A snapshot that must not be used.
#[derive(Debug)]
pub struct Damaged {
    /// What is there.
    pub remains: Remains,
    /// When it was taken, where its manifest still says that.
    pub created_at: Option<Timestamp>,
    /// What is wrong with it.
    pub why: Refusal,
}

/// A snapshot that is being written; what is left of it goes when it is dropped unpublished.
#[derive(Debug)]
pub struct Partial {
    inner: local::Partial,
}

/// An archive that can be read, as often as one likes.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
}

/// The bytes of an archive, for a thread that may block.
pub type Reader = Box<dyn Read + Send>;

/// Takes the bytes of an archive, from a thread that may block.
pub struct Sink {
    file: std::fs::File,
}

/// What has to be awaited beside a [`Sink`] or a [`Reader`], or its bytes go nowhere.
pub type Pump = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

impl Store {
    /// The store in a directory; nothing is made until something is kept.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Directory::at(directory.into()) }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// Its directory, where it is one.
    pub fn directory(&self) -> Option<&Path> {
        Some(self.directory.path())
    }

    /// Makes what has to be there, so that a bad place fails before any work.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn prepare(&self) -> Result<(), Refusal> {
        self.directory.prepare().map_err(|error| {
            let message = format!("the snapshot store `{}` can't be used: {error}", self.place());
            Refusal::new(Exit::SnapshotFailed, message).hint("choose another place with --store")
        })
    }

    /// Refuses when less than `needed` bytes are free on its disk.
    pub fn refuse_without_space(&self, needed: u64) -> Result<(), Refusal> {
        let free = self.directory.free_bytes().map_err(|error| {
            let message = format!("free space of `{}`: {error}", self.place());
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
                self.place(),
                number::bytes(free)
            ),
        )
        .hint("free some space, or point --store at another place"))
    }

    /// Bytes that this user may still write there, even before anything was made there; `None`
    /// where no disk sets a limit.
    pub fn free_space(&self) -> Option<io::Result<u64>> {
        Some(self.directory.free_bytes_there())
    }

    /// Starts a snapshot.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn begin(&self, id: &str) -> Result<Partial, Refusal> {
        let begun = self.directory.begin(id);
        begun.map(|inner| Partial { inner }).map_err(|error| unwritable(&self.place(), &error))
    }

    /// Everything that is there: snapshots newest first, then what is none, oldest first.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn entries(&self) -> Result<Vec<Entry>, Refusal> {
        let mut entries = self.directory.entries().map_err(|error| {
            let message = format!("`{}` can't be listed: {error}", self.place());
            Refusal::new(Exit::NoAnswer, message)
        })?;
        entries.sort_by_key(|entry| match entry {
            Entry::Complete(stored) => {
                (0, std::cmp::Reverse(Some(stored.manifest.created_at)), None)
            }
            Entry::HalfWritten(remains) | Entry::Damaged(Damaged { remains, .. }) => {
                (1, std::cmp::Reverse(None), Some(remains.since))
            }
        });
        Ok(entries)
    }

    /// Every complete snapshot, newest first; a damaged one is told to `damaged` and left out.
    pub async fn list(&self, mut damaged: impl FnMut(Refusal)) -> Result<Vec<Stored>, Refusal> {
        let mut found = Vec::new();
        for entry in self.entries().await? {
            match entry {
                Entry::Complete(stored) => found.push(stored),
                Entry::Damaged(broken) => damaged(broken.why),
                Entry::HalfWritten(_) => {}
            }
        }
        Ok(found)
    }

    /// The snapshot with this id, a unique beginning of one, or the newest for `latest`.
    pub async fn find(&self, id: &str) -> Result<Stored, Refusal> {
        let entries = self.entries().await?;
        if id == "latest" {
            return self.latest(entries);
        }
        let is_meant = |entry: &Entry| !id.is_empty() && entry.id().starts_with(id);
        let (whole, half): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().filter(is_meant).partition(|entry| !entry.is_half_written());
        let count = whole.len();
        let exactly = whole.iter().position(|entry| entry.id() == id);
        let mut whole = whole.into_iter();
        match (whole.nth(exactly.unwrap_or_default()), half.first()) {
            (Some(_), _) if count > 1 && exactly.is_none() => Err(Refusal::new(
                Exit::NoAnswer,
                format!("`{id}` is the beginning of {count} snapshots"),
            )
            .hint("write more of the id")),
            (Some(Entry::Complete(stored)), _) => Ok(stored),
            (Some(Entry::Damaged(broken)), _) => Err(broken.why),
            (Some(Entry::HalfWritten(remains)), _) => Err(unfinished(&remains)),
            (None, Some(Entry::HalfWritten(remains))) => Err(unfinished(remains)),
            (None, _) => Err(self.unknown(id)),
        }
    }

    fn latest(&self, entries: Vec<Entry>) -> Result<Stored, Refusal> {
        let mut newest: Option<Stored> = None;
        let mut broken: Vec<Damaged> = Vec::new();
        for entry in entries {
            match entry {
                Entry::Complete(stored) => drop(newest.get_or_insert(stored)),
                Entry::Damaged(damaged) => broken.push(damaged),
                Entry::HalfWritten(_) => {}
            }
        }
        // When a damaged one was taken may be in what can't be read: it may be the latest.
        let taken = newest.as_ref().map(|stored| stored.manifest.created_at);
        let is_older = |damaged: &Damaged| damaged.created_at.is_some_and(|at| Some(at) <= taken);
        match (broken.into_iter().find(|damaged| !is_older(damaged)), newest) {
            (Some(damaged), _) => Err(damaged.why.hint("another snapshot is restored by its id")),
            (None, Some(stored)) => Ok(stored),
            (None, None) => {
                let message = format!("there is no snapshot in `{}`", self.place());
                Err(Refusal::new(Exit::NoAnswer, message))
            }
        }
    }

    /// Removes what stands under this whole id, complete or not. From its first step on it is not
    /// offered any more; what is broken off is removed by doing it again.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn remove(&self, id: &str) -> Result<(), Refusal> {
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(self.unknown(id));
        }
        match self.directory.remove(id) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.unknown(id)),
            Err(error) => {
                let message = format!("snapshot {id} in `{}`: {error}", self.place());
                Err(Refusal::new(Exit::NoAnswer, message).hint("remove it again"))
            }
        }
    }

    fn unknown(&self, id: &str) -> Refusal {
        let store = self.place();
        Refusal::new(Exit::NoAnswer, format!("no snapshot `{id}` in `{store}`"))
            .hint("what is there: rowsafe snapshot list")
            .hint("another store is named with --store")
    }
}

fn unfinished(remains: &Remains) -> Refusal {
    let message = format!("snapshot {} was never finished", remains.id);
    Refusal::new(Exit::NoAnswer, message).hint("it holds nothing that can be trusted; use another")
}

fn unwritable(place: &str, error: &io::Error) -> Refusal {
    Refusal::new(
        Exit::SnapshotFailed,
        format!("the snapshot can't be written to `{place}`: {error}"),
    )
    .hint("choose another place with --store")
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Complete(stored) => &stored.manifest.id,
            Self::HalfWritten(remains) | Self::Damaged(Damaged { remains, .. }) => &remains.id,
        }
    }

    /// Whether it is half-written.
    pub fn is_half_written(&self) -> bool {
        matches!(self, Self::HalfWritten(_))
    }
}

impl Stored {
    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.location.clone()
    }

    /// Its archive.
    pub fn archive(&self) -> &Source {
        &self.archive
    }
}

impl Partial {
    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.inner.directory().display().to_string()
    }

    /// Where the store is, for people.
    pub fn place(&self) -> String {
        let directory = self.inner.directory();
        directory.parent().unwrap_or(directory).display().to_string()
    }

    /// Where a program may write files of its own, where that is possible.
    pub fn directory(&self) -> Option<&Path> {
        Some(self.inner.directory())
    }

    /// Takes the archive under this name.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn writer(&self, name: &str) -> Result<(Sink, Pump), Refusal> {
        let created = self.inner.create(name);
        let file = created.map_err(|error| unwritable(&self.place(), &error))?;
        Ok((Sink { file }, Box::pin(std::future::ready(Ok(())))))
    }

    /// What was written of the archive.
    pub fn archive(&self, archive: &Archive) -> Source {
        Source { path: self.inner.directory().join(&archive.file) }
    }

    /// Writes the manifest and gives the snapshot its name: from now on it is there. Says where.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn publish(self, manifest: &Manifest) -> Result<String, Refusal> {
        let place = self.place();
        let published = self.inner.publish(manifest);
        let path = published.map_err(|error| unwritable(&place, &error))?;
        Ok(path.display().to_string())
    }
}

impl Source {
    /// Its directory, where it is one: pg_restore reads that by itself.
    pub fn directory(&self) -> Option<PathBuf> {
        self.path.is_dir().then(|| self.path.clone())
    }

    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens it from the beginning.
    #[expect(clippy::unused_async, reason = "a store may be at the other end of a network")]
    pub async fn open(&self) -> io::Result<(Reader, Pump)> {
        let file = std::fs::File::open(&self.path)?;
        Ok((Box::new(file), Box::pin(std::future::ready(Ok(())))))
    }
}

impl Sink {
    /// Says that this was all; without it nothing of it counts.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
