//! Appending to a file that several processes append to, and that any of them may leave half-way.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Everything in the file; nothing when there is none.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    lock(&file, FlockOperation::LockShared)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Appends one line, closing half a line that a killed writer left, and flushes it to disk.
pub(super) fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = open(path)?;
    lock(&file, FlockOperation::LockExclusive)?;
    let end = file.seek(SeekFrom::End(0))?;
    let mut bytes = Vec::with_capacity(line.len() + 1);
    if end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            bytes.push(b'\n');
        }
    }
    bytes.extend_from_slice(line);
    if let Err(error) = file.write_all(&bytes) {
        // On a full disk: half a line helps nobody, and the caller is told anyway.
        let _ = file.set_len(end);
        return Err(error);
    }
    file.sync_all()
}

/// Opens the file for appending, made with its directory (0700) when it is not there.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let file = options.create(true).open(path)?;
    // Without this the file's name could be lost in a crash that its contents survive.
    File::open(directory)?.sync_all()?;
    Ok(file)
}

/// Waits for the lock, which ends with the file's handle. Where a file system knows no locks,
/// `O_APPEND` alone keeps short lines apart.
fn lock(file: &File, operation: FlockOperation) -> io::Result<()> {
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
