//! Snapshots in a local directory, one folder each.
//!
//! A snapshot is written under a name that starts with `.partial-` and renamed when it has been
//! verified: whatever carries a plain name is complete. One that is removed is renamed first, too.
//! Nobody but the owner can read any of it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Damaged, Entry, Manifest, Remains, Source, Stored};
use crate::snapshot::{directory, manifest};

const PARTIAL: &str = ".partial-";
const REMOVING: &str = ".removing-";

/// A directory of snapshots.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

/// A snapshot that is being written; what is left of it goes when it is dropped unpublished.
#[derive(Debug)]
pub struct Partial {
    directory: PathBuf,
    published: PathBuf,
    is_published: bool,
}

impl Directory {
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directories.
    pub fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))?;
        self.ignore_in_git()
    }

    /// Snapshots hold production rows: they must not end up in a commit.
    fn ignore_in_git(&self) -> io::Result<()> {
        let path = self.path.join(".gitignore");
        if path.exists() { Ok(()) } else { crate::text::write_atomically(&path, b"*\n") }
    }

    /// Bytes that this user may still write there.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The same before anything was made there: of the nearest directory above that is there.
    pub fn free_bytes_there(&self) -> io::Result<u64> {
        let path = std::path::absolute(&self.path)?;
        let there = path.ancestors().find(|above| above.is_dir()).unwrap_or(&path);
        Self::at(there.to_owned()).free_bytes()
    }

    /// Starts a snapshot.
    pub fn begin(&self, id: &str) -> io::Result<Partial> {
        let directory = self.path.join(format!("{PARTIAL}{id}"));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Partial { directory, published: self.path.join(id), is_published: false })
    }

    /// Everything that is there, in no order.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let listed = match fs::read_dir(&self.path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for listed in listed {
            let listed = listed?;
            let name = listed.file_name().to_string_lossy().into_owned();
            // Others write and remove meanwhile: what is gone by now never was.
            if listed.file_type().is_ok_and(|kind| kind.is_dir())
                && let Some(entry) = entry(&name, &listed.path())
                && listed.path().exists()
            {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Removes a snapshot and what is left of one; `false` where there is nothing.
    pub fn remove(&self, id: &str) -> io::Result<bool> {
        let removing = self.path.join(format!("{REMOVING}{id}"));
        let mut was_there = false;
        for name in [id.to_owned(), format!("{PARTIAL}{id}"), format!("{REMOVING}{id}")] {
            let directory = self.path.join(name);
            if !directory.is_dir() {
                continue;
            }
            was_there = true;
            if directory != removing {
                gone_is_fine(fs::rename(&directory, &removing))?;
            }
            gone_is_fine(fs::remove_dir_all(&removing))?;
        }
        Ok(was_there)
    }
}

/// Somebody else may remove the same thing.
fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// What a directory of the store is.
fn entry(name: &str, path: &Path) -> Option<Entry> {
    if let Some(id) = name.strip_prefix(PARTIAL).or(name.strip_prefix(REMOVING)) {
        return Some(Entry::HalfWritten(remains(id, path)));
    }
    if name.starts_with('.') {
        return None;
    }
    let location = path.display().to_string();
    let damaged = |created_at, why| {
        Some(Entry::Damaged(Damaged { remains: remains(name, path), created_at, why }))
    };
    let text = fs::read_to_string(path.join(manifest::FILE)).map_err(|error| error.to_string());
    let manifest = match Manifest::parse(text, &path.join(manifest::FILE).display().to_string()) {
        Ok(manifest) => manifest,
        Err(why) => return damaged(None, why),
    };
    let archive = path.join(&manifest.archive.file);
    let found = match fs::metadata(&archive) {
        Ok(metadata) if metadata.is_dir() => directory::size(&archive).ok(),
        Ok(metadata) => Some(metadata.len()),
        Err(_) => None,
    };
    if let Some(why) = manifest.objection(name, found) {
        return damaged(Some(manifest.created_at), why);
    }
    Some(Entry::Complete(Box::new(Stored { location, archive: Source::file(archive), manifest })))
}

fn remains(id: &str, path: &Path) -> Remains {
    let mut since = Timestamp::UNIX_EPOCH;
    let mut bytes = 0;
    let inside = fs::read_dir(path).into_iter().flatten().flatten().map(|file| file.path());
    for (place, is_file) in inside.map(|file| (file, true)).chain([(path.to_owned(), false)]) {
        let Ok(metadata) = fs::metadata(&place) else { continue };
        bytes += if is_file { metadata.len() } else { 0 };
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        since = since.max(modified.unwrap_or(since));
    }
    Remains { id: id.to_owned(), location: path.display().to_string(), since, bytes }
}

impl Partial {
    /// Where to write.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of the store.
    pub fn store(&self) -> &Path {
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// A new file in it.
    pub fn create(&self, name: &str) -> io::Result<fs::File> {
        let path = self.directory.join(name);
        fs::File::options().write(true).create_new(true).mode(0o600).open(path)
    }

    /// Writes the manifest and gives the snapshot its name: from now on it is there.
    pub fn publish(mut self, manifest: &Manifest) -> io::Result<PathBuf> {
        let text = manifest.to_text();
        crate::text::write_atomically(&self.directory.join(manifest::FILE), text.as_bytes())?;
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
