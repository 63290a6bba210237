//! A whole archive into a database on several connections at once.
//!
//! pg_restore reads a pipe from beginning to end, and can only go about in a file: the archive is
//! unpacked into one that is gone afterwards. Where that can't be done, or does not pay, or is not
//! safe, the archive is restored from the pipe as ever.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tempfile::NamedTempFile;

use super::archive;
use super::manifest::Manifest;
use super::store::Stored;
use super::tools::Tools;
use crate::child::Invocation;
use crate::exit::Exit;
use crate::hint::Refusal;

/// Bytes of an uncompressed dump below which one connection is done before several have begun.
pub const PAYS_FROM: u64 = 16 << 20;

/// Free space to leave beside the unpacked archive.
const SPARE: u64 = 256 << 20;

/// Restores everything with `invocation`, which names a database; `jobs` connections at once where
/// that can be done. `near` is a directory to unpack into where the one for temporary files is too
/// small.
pub async fn apply(
    stored: &Stored,
    invocation: &Invocation,
    tools: &Tools,
    jobs: usize,
    near: Option<&Path>,
) -> Result<(), Refusal> {
    if !pays(&stored.manifest, tools, jobs) {
        return archive::apply(stored, invocation).await;
    }
    if let Some(directory) = stored.archive().directory() {
        archive::refuse_damaged(stored).await?;
        return restore(with_jobs(invocation, jobs, &directory)).await;
    }
    let room = room_for(stored.manifest.archive.dump_bytes, near);
    let Some(file) = room else { return archive::apply(stored, invocation).await };
    let unpacked = file.reopen().map_err(|error| unwritable(&error))?;
    archive::unpack(stored, unpacked).await?;
    restore(with_jobs(invocation, jobs, file.path())).await
}

fn with_jobs(invocation: &Invocation, jobs: usize, archive: &Path) -> Invocation {
    invocation.clone().arg(format!("--jobs={jobs}")).arg(archive.display().to_string())
}

/// Whether several connections are of use. PostgreSQL's documentation warns of restoring in
/// parallel what was dumped with `--load-via-partition-root`: which partition the rows of an entry
/// go to is not known, and a constraint may be made before they are there.
fn pays(manifest: &Manifest, tools: &Tools, jobs: usize) -> bool {
    let is_partitioned = manifest.tables.iter().any(|table| table.root.is_some());
    // A tool of several words may run where a file from here is not there.
    let is_local = tools.restore.len() == 1;
    // What is encrypted does not lie about in clear.
    let is_clear = manifest.archive.encryption.is_none();
    jobs > 1 && is_local && is_clear && !is_partitioned && manifest.archive.dump_bytes >= PAYS_FROM
}

/// A temporary file where so many bytes find room; only its owner can read it.
fn room_for(bytes: u64, near: Option<&Path>) -> Option<NamedTempFile> {
    let has_room = |file: &NamedTempFile| {
        let free = rustix::fs::statvfs(file.path());
        free.is_ok_and(|free| free.f_bavail.saturating_mul(free.f_frsize) >= bytes + SPARE)
    };
    let usual = NamedTempFile::new().ok().filter(has_room);
    usual.or_else(|| NamedTempFile::new_in(near?).ok().filter(has_room))
}

async fn restore(invocation: Invocation) -> Result<(), Refusal> {
    let failed = |error: io::Error| {
        let message = format!("`{}` can't be run: {error}", invocation.program);
        Refusal::new(Exit::NoAnswer, message).because(error)
    };
    let mut command = invocation.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0);
    let ended = command.spawn().map_err(failed)?.wait_with_output().await.map_err(failed)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = archive::last_line(String::from_utf8_lossy(&ended.stderr).trim());
    Err(Refusal::new(Exit::NoAnswer, format!("pg_restore failed: {said}")))
}

fn unwritable(error: &io::Error) -> Refusal {
    Refusal::new(Exit::NoAnswer, format!("a temporary file for pg_restore: {error}"))
}
