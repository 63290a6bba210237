//! Reading an archive back: decompressed into pg_restore, its text out again.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::process::ChildStdin;

use super::directory::Sums;
use super::dump::hex;
use super::encryption::Keys;
use super::store::{Pump, Reader, Source, Stored};
use super::toc::{self, Entry};
use super::tools::Tools;
use crate::child::Invocation;
use crate::exit::Exit;
use crate::hint::Refusal;

/// Bytes moved at a time.
const CHUNK: usize = 256 * 1024;

/// How much of an archive is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it, whatever pg_restore wants: only then it is known to be what was written.
    Whole,
    /// As much as pg_restore wants.
    Wanted,
}

/// How a reading ended.
#[derive(Debug)]
pub struct Ended {
    /// How pg_restore ended.
    pub status: ExitStatus,
    /// The last of what it said on standard error.
    pub said: String,
    /// SHA-256 of the file, in hex; `None` when only its beginning was read.
    pub sha256: Option<String>,
}

/// Feeds the archive to `invocation`'s standard input; `consume` gets its standard output, on a
/// thread of its own.
///
/// `read` counts the bytes of the file that were read, for progress.
pub async fn through<T: Send + 'static>(
    archive: &Source,
    invocation: &Invocation,
    read: Arc<AtomicU64>,
    extent: Extent,
    consume: impl FnOnce(File) -> io::Result<T> + Send + 'static,
) -> Result<(T, Ended), Refusal> {
    let failed = |error: io::Error| {
        let message = format!("`{}` can't be run: {error}", invocation.program);
        Refusal::new(Exit::SnapshotFailed, message)
            .because(error)
            .hint("pg_restore is needed beside pg_dump; name it with --pg-restore")
    };
    let directory = archive.directory();
    let mut command = invocation.command();
    command.args(&directory);
    command.stdin(if directory.is_some() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take().map(ChildStdin::into_owned_fd).transpose().map_err(failed)?;
    let stdout = child.stdout.take().expect("stdout is piped").into_owned_fd().map_err(failed)?;
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let unreadable = |error: io::Error| {
        let what = format!("the archive `{}` can't be read back", archive.location());
        unreadable(error, &what).with_exit(Exit::SnapshotFailed)
    };
    let keys = archive.keys().cloned();
    let (feeding, downloading): (_, Pump) = match (directory, stdin) {
        (None, Some(stdin)) => {
            let (reader, downloading) = archive.open().map_err(unreadable)?;
            let feed = move || feed(reader, keys.as_ref(), File::from(stdin), &read, extent);
            (tokio::task::spawn_blocking(feed), downloading)
        }
        // pg_restore reads a directory itself; that it is still what was written is seen beside.
        (directory, _) => {
            let path = directory.filter(|_| extent == Extent::Whole);
            let digest = move |path: PathBuf| Sums::of(&path, &read).map(|sums| sums.digest());
            let hashing = tokio::task::spawn_blocking(move || path.map(digest).transpose());
            (hashing, Box::pin(std::future::ready(Ok(()))))
        }
    };
    let consuming = tokio::task::spawn_blocking(move || consume(File::from(stdout)));
    let listening = async {
        let mut said = Vec::new();
        // What it said is for the message only; that it ended badly is told by its status.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stderr, &mut said).await;
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let (consumed, fed, said, status, downloaded) =
        tokio::join!(consuming, feeding, listening, child.wait(), downloading);
    downloaded?;
    let sha256 = fed.expect("feeding does not panic").map_err(unreadable)?;
    let consumed = consumed.expect("consuming does not panic").map_err(unreadable)?;
    let status = status.map_err(failed)?;
    Ok((consumed, Ended { status, said: last_line(&said), sha256 }))
}

/// The line of what pg_restore said that says why it failed.
pub(super) fn last_line(said: &str) -> String {
    let error = said.lines().find_map(|line| line.split_once("error: ").map(|(_, rest)| rest));
    error.or(said.lines().last()).unwrap_or("it said nothing").to_owned()
}

/// Why something could not be read: in its own words where somebody found some.
fn unreadable(error: io::Error, what: &str) -> Refusal {
    match error.downcast::<Refusal>() {
        Ok(refusal) => refusal,
        Err(error) => Refusal::new(Exit::NoAnswer, format!("{what}: {error}")).because(error),
    }
}

/// Decrypts and decompresses the file into `sink`, hashing the file's bytes on the way.
///
/// pg_restore may stop reading early, when it lists or has found what it wants: no error.
fn feed(
    reader: Reader,
    keys: Option<&Keys>,
    mut sink: File,
    read: &AtomicU64,
    extent: Extent,
) -> io::Result<Option<String>> {
    let hashing = Rc::new(RefCell::new(HashingReader { reader, digest: Sha256::new(), read }));
    let stored = Shared(Rc::clone(&hashing));
    let plain: Box<dyn Read + '_> = match keys {
        None => Box::new(stored),
        Some(keys) => keys.decrypt(stored)?,
    };
    let mut decoder = zstd::stream::read::Decoder::new(plain)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        match sink.write_all(&buffer[..length]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => match extent {
                Extent::Whole => break,
                Extent::Wanted => return Ok(None),
            },
            Err(error) => return Err(error),
        }
    }
    drop((sink, decoder));
    let hashing = &mut *hashing.borrow_mut();
    // What pg_restore did not want and what follows the last zstd frame belongs to the file too.
    io::copy(hashing, &mut io::sink())?;
    Ok(Some(hex(&hashing.digest.finalize_reset())))
}

/// One end of a reader whose other end is still needed.
struct Shared<'a>(Rc<RefCell<HashingReader<'a>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

struct HashingReader<'a> {
    reader: Reader,
    digest: Sha256,
    read: &'a AtomicU64,
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.digest.update(&buffer[..length]);
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Decompresses the archive into a file; it must still be what was written.
pub(super) async fn unpack(stored: &Stored, file: File) -> Result<(), Refusal> {
    stored.manifest.refuse_elsewhere()?;
    let unreadable = |error: io::Error| {
        let place = stored.archive().location();
        let message = format!("the archive `{place}` can't be unpacked: {error}");
        Refusal::new(Exit::NoAnswer, message).because(error)
    };
    let (reader, downloading) = stored.archive().open().map_err(unreadable)?;
    let feeding = tokio::task::spawn_blocking({
        let read = AtomicU64::new(0);
        let keys = stored.archive().keys().cloned();
        move || feed(reader, keys.as_ref(), file, &read, Extent::Whole)
    });
    let (fed, downloaded) = tokio::join!(feeding, downloading);
    downloaded?;
    let found = fed.expect("feeding does not panic").map_err(unreadable)?;
    if found.as_deref() == Some(stored.manifest.archive.sha256.as_str()) {
        return Ok(());
    }
    Err(damaged(stored))
}

/// Restores the archive with `invocation`, which names a database. What was written into it counts
/// only when this ends well: one that is not new asks for [`refuse_damaged`] first.
pub async fn apply(stored: &Stored, invocation: &Invocation) -> Result<(), Refusal> {
    stream(stored, invocation, |mut text| io::copy(&mut text, &mut io::sink()).map(drop)).await
}

/// Feeds the archive to `invocation` and its output to `consume`; it must end well, and the file
/// must still be what was written.
pub async fn stream(
    stored: &Stored,
    invocation: &Invocation,
    consume: impl FnOnce(File) -> io::Result<()> + Send + 'static,
) -> Result<(), Refusal> {
    let ((), sha256) = ended_well(stored, invocation, Extent::Whole, consume).await?;
    match sha256 {
        Some(found) if found == stored.manifest.archive.sha256 => Ok(()),
        _ => Err(damaged(stored)),
    }
}

/// What pg_restore prints of definitions; the rest of the archive is not read.
pub async fn text(stored: &Stored, invocation: &Invocation) -> Result<String, Refusal> {
    let read = |mut text: File| {
        let mut bytes = Vec::new();
        text.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(ended_well(stored, invocation, Extent::Wanted, read).await?.0)
}

async fn ended_well<T: Send + 'static>(
    stored: &Stored,
    invocation: &Invocation,
    extent: Extent,
    consume: impl FnOnce(File) -> io::Result<T> + Send + 'static,
) -> Result<(T, Option<String>), Refusal> {
    stored.manifest.refuse_elsewhere()?;
    let read = Arc::new(AtomicU64::new(0));
    let (consumed, ended) = through(stored.archive(), invocation, read, extent, consume)
        .await
        .map_err(|refusal| refusal.with_exit(Exit::NoAnswer))?;
    if !ended.status.success() {
        return Err(Refusal::new(Exit::NoAnswer, format!("pg_restore failed: {}", ended.said)));
    }
    Ok((consumed, ended.sha256))
}

/// Reads the whole archive and refuses it when it is not what was written: before something is
/// changed that can't be taken back when its end turns out to be damaged.
pub async fn refuse_damaged(stored: &Stored) -> Result<(), Refusal> {
    stored.manifest.refuse_elsewhere()?;
    let what = format!("snapshot {} can't be read", stored.manifest.id);
    let unreadable = |error: io::Error| unreadable(error, &what);
    if let Some(path) = stored.archive().directory() {
        let hashing = tokio::task::spawn_blocking(move || Sums::of(&path, &AtomicU64::new(0)));
        let sums = hashing.await.expect("hashing does not panic").map_err(unreadable)?;
        let is_whole = sums.digest() == stored.manifest.archive.sha256;
        return if is_whole { Ok(()) } else { Err(damaged(stored)) };
    }
    let (reader, downloading) = stored.archive().open().map_err(unreadable)?;
    let hashing = tokio::task::spawn_blocking(move || {
        let read = AtomicU64::new(0);
        let mut hashing = HashingReader { reader, digest: Sha256::new(), read: &read };
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(hex(&hashing.digest.finalize()))
    });
    let (hashed, downloaded) = tokio::join!(hashing, downloading);
    downloaded?;
    let found = hashed.expect("hashing does not panic").map_err(unreadable)?;
    if found == stored.manifest.archive.sha256 { Ok(()) } else { Err(damaged(stored)) }
}

/// The archive's table of contents.
pub async fn entries(stored: &Stored, tools: &Tools) -> Result<Vec<Entry>, Refusal> {
    let invocation = tools.restore_invocation().arg("--list");
    Ok(toc::parse(&text(stored, &invocation).await?))
}

fn damaged(stored: &Stored) -> Refusal {
    let id = &stored.manifest.id;
    Refusal::new(Exit::NoAnswer, format!("snapshot {id} is damaged: its SHA-256 differs"))
        .hint("do not trust it; use another snapshot")
}
