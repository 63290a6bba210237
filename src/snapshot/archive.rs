//! Reading an archive back: decompressed into pg_restore, its text out again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::process::ChildStdin;

use super::directory::Sums;
use super::dump::hex;
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
pub enum Reading {
    /// All of it, although pg_restore may have found what it wants before: its SHA-256 is known then.
    Whole,
    /// What pg_restore wants.
    Wanted,
}

/// How a reading ended.
#[derive(Debug)]
pub struct Ended {
    /// How pg_restore ended.
    pub status: ExitStatus,
    /// The last of what it said on standard error.
    pub said: String,
    /// SHA-256 of the file, in hex; `None` when it was not read to its end.
    pub sha256: Option<String>,
}

/// Feeds the archive to `invocation`'s standard input; `consume` gets its standard output, on a
/// thread of its own.
///
/// `read` counts the bytes of the file that were read, for progress.
pub async fn through<T: Send + 'static>(
    archive: &Source,
    invocation: &Invocation,
    reading: Reading,
    read: Arc<AtomicU64>,
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
        let message = format!("the archive `{}` can't be read back: {error}", archive.location());
        Refusal::new(Exit::SnapshotFailed, message).because(error)
    };
    let (feeding, downloading): (_, Pump) = match (directory, stdin) {
        (None, Some(stdin)) => {
            let (reader, downloading) = archive.open().await.map_err(unreadable)?;
            let feed = move || feed(reader, File::from(stdin), reading, &read);
            (tokio::task::spawn_blocking(feed), downloading)
        }
        // pg_restore reads a directory itself; that it is still what was written is seen beside.
        (directory, _) => {
            let path = directory.filter(|_| reading == Reading::Whole);
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

/// Decompresses the file into `sink`, hashing the file's bytes on the way.
///
/// pg_restore may stop reading early, when it lists or has found what it wants: no error.
fn feed(
    reader: Reader,
    mut sink: File,
    reading: Reading,
    read: &AtomicU64,
) -> io::Result<Option<String>> {
    let hashing = HashingReader { reader, digest: Sha256::new(), read };
    let mut decoder = zstd::stream::read::Decoder::new(hashing)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        match sink.write_all(&buffer[..length]) {
            Ok(()) => {}
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Err(_) if reading == Reading::Wanted => return Ok(None),
            Err(_) => break,
        }
    }
    drop(sink);
    let mut hashing = decoder.finish().into_inner();
    // Whatever follows belongs to the file too: what nobody decodes, and what is behind the last
    // zstd frame.
    io::copy(&mut hashing, &mut io::sink())?;
    Ok(Some(hex(&hashing.digest.finalize())))
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
    let (reader, downloading) = stored.archive().open().await.map_err(unreadable)?;
    let feeding = tokio::task::spawn_blocking({
        let read = AtomicU64::new(0);
        move || feed(reader, file, Reading::Whole, &read)
    });
    let (fed, downloaded) = tokio::join!(feeding, downloading);
    downloaded?;
    let found = fed.expect("feeding does not panic").map_err(unreadable)?;
    if found.as_deref() == Some(stored.manifest.archive.sha256.as_str()) {
        return Ok(());
    }
    Err(damaged(stored))
}

/// Refuses a directory that is not what was written.
pub(super) async fn refuse_damaged(stored: &Stored, directory: &Path) -> Result<(), Refusal> {
    let path = directory.to_owned();
    let hashing = tokio::task::spawn_blocking(move || Sums::of(&path, &AtomicU64::new(0)));
    match hashing.await.expect("hashing does not panic") {
        Ok(sums) if sums.digest() == stored.manifest.archive.sha256 => Ok(()),
        _ => Err(damaged(stored)),
    }
}

/// Restores the archive with `invocation`, which names a database.
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
    let ((), sha256) = ended_well(stored, invocation, Reading::Whole, consume).await?;
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
    Ok(ended_well(stored, invocation, Reading::Wanted, read).await?.0)
}

async fn ended_well<T: Send + 'static>(
    stored: &Stored,
    invocation: &Invocation,
    reading: Reading,
    consume: impl FnOnce(File) -> io::Result<T> + Send + 'static,
) -> Result<(T, Option<String>), Refusal> {
    let read = Arc::new(AtomicU64::new(0));
    let (consumed, ended) = through(stored.archive(), invocation, reading, read, consume)
        .await
        .map_err(|refusal| refusal.with_exit(Exit::NoAnswer))?;
    if !ended.status.success() {
        return Err(Refusal::new(Exit::NoAnswer, format!("pg_restore failed: {}", ended.said)));
    }
    Ok((consumed, ended.sha256))
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
