//! Where snapshots are kept.
//!
//! A snapshot is there when it has been verified and published, and not a moment before: what is
//! half-written or damaged is listed as that, and never offered.

mod bucket;
mod local;
mod transfer;
mod trouble;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use jiff::Timestamp;

use super::Manifest;
use super::encryption::Keys;
use super::manifest::Archive;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::location::Location;
use crate::text::number;
use bucket::Bucket;
use local::Directory;

/// A place for snapshots.
#[derive(Debug, Clone)]
pub struct Store {
    place: Place,
    keys: Keys,
}

#[derive(Debug, Clone)]
enum Place {
    Directory(Directory),
    Bucket(Bucket),
}

/// What stands in a store under one id.
#[derive(Debug)]
pub enum Entry {
    /// A verified snapshot.
    Complete(Box<Stored>),
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
    kind: PartialKind,
    keys: Option<Keys>,
}

#[derive(Debug)]
enum PartialKind {
    Local(local::Partial),
    Remote(bucket::Partial),
}

/// An archive that can be read, as often as one likes.
#[derive(Debug, Clone)]
pub struct Source {
    kind: SourceKind,
    keys: Option<Keys>,
}

#[derive(Debug, Clone)]
enum SourceKind {
    File(PathBuf),
    Object { bucket: Bucket, path: object_store::path::Path, bytes: u64 },
}

/// The bytes of an archive, for a thread that may block.
pub type Reader = Box<dyn Read + Send>;

/// Takes the bytes of an archive, from a thread that may block.
pub struct Sink {
    kind: SinkKind,
}

enum SinkKind {
    File(std::fs::File),
    Upload(transfer::UploadSink),
}

/// What has to be awaited beside a [`Sink`] or a [`Reader`], or its bytes go nowhere.
pub type Pump = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

impl Store {
    /// The store in a directory; nothing is made until something is kept.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { place: Place::Directory(Directory::at(directory.into())), keys: Keys::default() }
    }

    /// The store at a location; an object store's credentials are in the environment.
    pub fn open(location: &Location, environment: &Environment) -> Result<Self, Refusal> {
        match location {
            Location::Directory(path) => Ok(Self::at(path)),
            Location::Bucket(url) => {
                let bucket = Bucket::open(url.clone(), environment)?;
                Ok(Self { place: Place::Bucket(bucket), keys: Keys::default() })
            }
        }
    }

    /// The same with what its archives are encrypted to and opened with.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Directory(directory) => directory.path().display().to_string(),
            Place::Bucket(bucket) => bucket.url().to_string(),
        }
    }

    /// Its directory, where it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(directory) => Some(directory.path()),
            Place::Bucket(_) => None,
        }
    }

    /// Makes what has to be there, so that a bad place fails before any work.
    pub async fn prepare(&self) -> Result<(), Refusal> {
        let prepared = match &self.place {
            Place::Directory(directory) => directory.prepare(),
            Place::Bucket(bucket) => return bucket.prepare().await,
        };
        prepared.map_err(|error| {
            let message = format!("the snapshot store `{}` can't be used: {error}", self.place());
            Refusal::new(Exit::SnapshotFailed, message).hint("choose another place with --store")
        })
    }

    /// Refuses when less than `needed` bytes are free on its disk.
    pub fn refuse_without_space(&self, needed: u64) -> Result<(), Refusal> {
        let Place::Directory(directory) = &self.place else { return Ok(()) };
        let free = directory.free_bytes().map_err(|error| {
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
        match &self.place {
            Place::Directory(directory) => Some(directory.free_bytes_there()),
            Place::Bucket(_) => None,
        }
    }

    /// Starts a snapshot.
    pub async fn begin(&self, id: &str) -> Result<Partial, Refusal> {
        let kind = match &self.place {
            Place::Directory(directory) => {
                let begun = directory.begin(id);
                PartialKind::Local(begun.map_err(|error| unwritable(&self.place(), &error))?)
            }
            Place::Bucket(bucket) => PartialKind::Remote(bucket.begin(id).await?),
        };
        let keys = self.keys.encryption().map(|_| self.keys.clone());
        Ok(Partial { kind, keys })
    }

    /// Everything that is there: snapshots newest first, then what is none, oldest first.
    pub async fn entries(&self) -> Result<Vec<Entry>, Refusal> {
        let mut entries = match &self.place {
            Place::Directory(directory) => directory.entries().map_err(|error| {
                let message = format!("`{}` can't be listed: {error}", self.place());
                Refusal::new(Exit::NoAnswer, message)
            })?,
            Place::Bucket(bucket) => bucket.entries().await?,
        };
        for entry in &mut entries {
            if let Entry::Complete(stored) = entry {
                let encryption = &stored.manifest.archive.encryption;
                stored.archive.keys = encryption.as_ref().map(|_| self.keys.clone());
            }
        }
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
                Entry::Complete(stored) => found.push(*stored),
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
            (Some(Entry::Complete(stored)), _) => Ok(*stored),
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
                Entry::Complete(stored) if stored.manifest.is_present_state() => {}
                Entry::Complete(stored) => drop(newest.get_or_insert(*stored)),
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
    pub async fn remove(&self, id: &str) -> Result<(), Refusal> {
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(self.unknown(id));
        }
        let was_there = match &self.place {
            Place::Directory(directory) => directory.remove(id).map_err(|error| {
                let place = self.place();
                let message = format!("snapshot {id} can't be removed, in `{place}`: {error}");
                Refusal::new(Exit::NoAnswer, message).hint("remove it again")
            })?,
            Place::Bucket(bucket) => bucket.remove(id).await?,
        };
        if was_there { Ok(()) } else { Err(self.unknown(id)) }
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
        match &self.kind {
            PartialKind::Local(partial) => partial.directory().display().to_string(),
            PartialKind::Remote(partial) => partial.location(),
        }
    }

    /// Where the store is, for people.
    pub fn place(&self) -> String {
        match &self.kind {
            PartialKind::Local(partial) => partial.store().display().to_string(),
            PartialKind::Remote(partial) => partial.place(),
        }
    }

    /// Where a program may write files of its own: a directory that is not to be encrypted.
    pub fn directory(&self) -> Option<&Path> {
        match &self.kind {
            PartialKind::Local(partial) if self.keys.is_none() => Some(partial.directory()),
            PartialKind::Local(_) | PartialKind::Remote(_) => None,
        }
    }

    /// What the archive has to be encrypted with, where it has to.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Takes the archive under this name, of about so many bytes.
    pub async fn writer(&self, name: &str, expected: u64) -> Result<(Sink, Pump), Refusal> {
        match &self.kind {
            PartialKind::Local(partial) => {
                let created = partial.create(name);
                let file = created.map_err(|error| unwritable(&self.place(), &error))?;
                Ok((Sink { kind: SinkKind::File(file) }, idle()))
            }
            PartialKind::Remote(partial) => {
                let (sink, pump) = partial.writer(name, expected).await?;
                Ok((Sink { kind: SinkKind::Upload(sink) }, pump))
            }
        }
    }

    /// What was written of the archive.
    pub fn archive(&self, archive: &Archive) -> Source {
        let source = match &self.kind {
            PartialKind::Local(partial) => Source::file(partial.directory().join(&archive.file)),
            PartialKind::Remote(partial) => partial.archive(&archive.file, archive.bytes),
        };
        Source { keys: self.keys.clone(), ..source }
    }

    /// Writes the manifest and gives the snapshot its name: from now on it is there. Says where.
    pub async fn publish(self, manifest: &Manifest) -> Result<String, Refusal> {
        match self.kind {
            PartialKind::Local(partial) => {
                let place = partial.store().display().to_string();
                let published = partial.publish(manifest);
                let path = published.map_err(|error| unwritable(&place, &error))?;
                Ok(path.display().to_string())
            }
            PartialKind::Remote(partial) => partial.publish(manifest).await,
        }
    }
}

/// Nothing to do beside a file.
fn idle() -> Pump {
    Box::pin(std::future::ready(Ok(())))
}

impl Source {
    /// Its directory, where it is one: pg_restore reads that by itself.
    pub fn directory(&self) -> Option<PathBuf> {
        match &self.kind {
            SourceKind::File(path) => path.is_dir().then(|| path.clone()),
            SourceKind::Object { .. } => None,
        }
    }

    fn file(path: PathBuf) -> Self {
        Self { kind: SourceKind::File(path), keys: None }
    }

    /// What opens it, where it is encrypted.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Where it is, for people.
    pub fn location(&self) -> String {
        match &self.kind {
            SourceKind::File(path) => path.display().to_string(),
            SourceKind::Object { bucket, path, .. } => bucket.object(path),
        }
    }

    /// Opens it from the beginning.
    pub fn open(&self) -> io::Result<(Reader, Pump)> {
        match &self.kind {
            SourceKind::File(path) => Ok((Box::new(std::fs::File::open(path)?), idle())),
            SourceKind::Object { bucket, path, bytes } => Ok(bucket.read(path, *bytes)),
        }
    }
}

impl Sink {
    /// Says that this was all; without it nothing of it counts.
    pub fn finish(self) -> io::Result<()> {
        match self.kind {
            SinkKind::File(file) => file.sync_all(),
            SinkKind::Upload(sink) => sink.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            SinkKind::File(file) => file.write(bytes),
            SinkKind::Upload(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            SinkKind::File(file) => file.flush(),
            SinkKind::Upload(sink) => sink.flush(),
        }
    }
}
