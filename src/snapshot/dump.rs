//! Running pg_dump and keeping what it writes.
//!
//! pg_dump writes its custom format uncompressed to a pipe; we compress with zstd, which is faster
//! and smaller than its gzip, the same for every version, and works through `docker exec`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;

use super::encryption::Keys;
use super::manifest::Archive;
use super::store::{Partial, Sink};
use crate::child::Invocation;
use crate::exit::Exit;
use crate::hint::Refusal;

/// The archive's name in a snapshot's directory.
pub const FILE: &str = "archive.dump.zst";

/// What is added to it when it is encrypted.
const ENCRYPTED: &str = ".age";

/// The smallest of the fast levels: as small as gzip, in a fraction of its time.
const LEVEL: i32 = 1;

/// Bytes moved at a time.
const CHUNK: usize = 256 * 1024;

/// How far a dump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tables begun.
    pub tables: u64,
    /// Bytes that pg_dump wrote.
    pub read: u64,
    /// Bytes kept.
    pub written: u64,
}

/// What to dump, and under which snapshot.
#[derive(Debug)]
pub struct Dump<'a> {
    /// The pg_dump command with the database to dump.
    pub invocation: Invocation,
    /// The exported snapshot to see the database under.
    pub snapshot: &'a str,
    /// How long to wait for somebody's exclusive lock.
    pub lock_timeout: Duration,
    /// The encoding to write; `None` for the database's own.
    pub encoding: Option<&'a str>,
    /// Bytes that the tables to dump occupy: about the most that it will hold.
    pub bytes: u64,
    /// Options that leave out rows of tables and large objects.
    pub leaving_out: Vec<String>,
}

/// Dumps into a snapshot and gives back what was written.
pub async fn write(
    dump: Dump<'_>,
    partial: &Partial,
    mut progress: impl FnMut(Progress),
) -> Result<Archive, Refusal> {
    let begun = Instant::now();
    let options = options(&dump);
    let mut invocation = dump.invocation;
    invocation.args.extend(["--format=custom".to_owned(), "--compress=0".to_owned()]);
    invocation.args.extend(options);
    let mut command = invocation.command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // An interrupt from the terminal is for rowsafe, which then ends the dump itself.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| not_started(&invocation, error))?;
    let stdout = child.stdout.take().expect("stdout is piped").into_owned_fd();
    let stderr = child.stderr.take().expect("stderr is piped");
    let counters = Arc::new(Counters::default());
    let keys = partial.keys().cloned();
    let file = format!("{FILE}{}", keys.as_ref().map_or("", |_| ENCRYPTED));
    let (sink, uploading) = partial.writer(&file, dump.bytes).await?;
    let compressing = {
        let counters = Arc::clone(&counters);
        let stdout = stdout.map_err(|error| not_started(&invocation, error))?;
        let keys = keys.clone();
        tokio::task::spawn_blocking(move || {
            compress(File::from(stdout), sink, keys.as_ref(), &counters)
        })
    };
    let ending =
        async { tokio::join!(listen(stderr, &counters), child.wait(), compressing, uploading) };
    let (said, status, kept, uploaded) = report_during(ending, || progress(counters.now())).await;
    // A full disk ends pg_dump with a broken pipe: the first cause is ours.
    uploaded?;
    let kept = kept.expect("compressing does not panic");
    let kept = kept.map_err(|error| not_kept(&partial.place(), error))?;
    let status = status.map_err(|error| not_started(&invocation, error))?;
    if !status.success() {
        return Err(dump_failed(&said, status));
    }
    progress(counters.now());
    let encryption = keys.and_then(|keys| keys.encryption());
    Ok(Archive { file, encryption, seconds: Some(begun.elapsed().as_secs_f64()), ..kept })
}

/// What pg_dump is told whatever the format.
pub(super) fn options(dump: &Dump<'_>) -> Vec<String> {
    let mut options = vec![
        "--verbose".to_owned(),
        // Rows of partitions find their way even when the partitions are other ones by then.
        "--load-via-partition-root".to_owned(),
        format!("--snapshot={}", dump.snapshot),
        format!("--lock-wait-timeout={}", dump.lock_timeout.as_millis()),
    ];
    options.extend(dump.encoding.map(|encoding| format!("--encoding={encoding}")));
    options.extend(dump.leaving_out.iter().cloned());
    options
}

/// Polls `work`, and calls `tell` ten times a second until it has ended.
pub async fn report_during<T>(work: impl Future<Output = T>, mut tell: impl FnMut()) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            () = tokio::time::sleep(Duration::from_millis(100)) => tell(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    tables: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Counters {
    pub(super) fn now(&self) -> Progress {
        Progress {
            tables: self.tables.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
        }
    }
}

/// Compresses what the source gives, encrypts it where there are keys, and hashes what is stored.
fn compress(
    source: File,
    sink: Sink,
    keys: Option<&Keys>,
    counters: &Counters,
) -> io::Result<Archive> {
    let hashing = Hashing { sink, digest: Sha256::new(), counters };
    let (hashing, dump_bytes) = match keys {
        None => squeeze(source, hashing, counters)?,
        Some(keys) => {
            let (encrypting, dump_bytes) = squeeze(source, keys.encrypt(hashing)?, counters)?;
            (encrypting.finish()?, dump_bytes)
        }
    };
    hashing.sink.finish()?;
    Ok(Archive {
        format: "pg_dump custom format, zstd".to_owned(),
        bytes: counters.written.load(Ordering::Relaxed),
        dump_bytes,
        sha256: hex(&hashing.digest.finalize()),
        ..Archive::default()
    })
}

/// Compresses everything into a writer, and gives it back with the bytes that there were.
fn squeeze<W: Write>(mut source: File, writer: W, counters: &Counters) -> io::Result<(W, u64)> {
    let mut encoder = zstd::stream::write::Encoder::new(writer, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut buffer = vec![0; CHUNK];
    let mut dump_bytes = 0;
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        encoder.write_all(&buffer[..length])?;
        dump_bytes += length as u64;
        counters.read.store(dump_bytes, Ordering::Relaxed);
    }
    Ok((encoder.finish()?, dump_bytes))
}

/// A sink that knows the digest of what was written to it.
struct Hashing<'a> {
    sink: Sink,
    digest: Sha256,
    counters: &'a Counters,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.sink.write(bytes)?;
        self.digest.update(&bytes[..length]);
        self.counters.written.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// Reads pg_dump's messages: counts the tables, keeps what is no progress message.
pub(super) async fn listen(stderr: ChildStderr, counters: &Counters) -> Vec<String> {
    let mut said = Vec::new();
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if text.contains("dumping contents of table") {
            counters.tables.fetch_add(1, Ordering::Relaxed);
        } else if is_trouble(&text) && said.len() < 50 {
            said.push(text);
        }
    }
    said
}

/// Verbose messages say what is done; these say what went wrong.
fn is_trouble(line: &str) -> bool {
    let program = line.strip_prefix("pg_dump: ");
    program.is_none_or(|rest| {
        ["error:", "warning:", "hint:", "detail:"].iter().any(|word| rest.starts_with(word))
    })
}

pub(super) fn dump_failed(said: &[String], status: ExitStatus) -> Refusal {
    let reason = said
        .iter()
        .find_map(|line| line.strip_prefix("pg_dump: error: "))
        .or(said.last().map(String::as_str))
        .unwrap_or("it said nothing");
    let message = match status_words(status) {
        Some(signal) => format!("pg_dump was ended by {signal}"),
        None => format!("pg_dump failed: {reason}"),
    };
    Refusal::new(Exit::SnapshotFailed, message)
        .hint("nothing of this snapshot is kept; run it again when the cause is gone")
}

/// The signal that ended a process, in words; `None` when it ended by itself.
pub fn status_words(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map(|signal| {
        let known = rustix::process::Signal::from_named_raw(signal);
        known.map_or_else(
            || format!("signal {signal}"),
            |named| match named {
                rustix::process::Signal::KILL => "SIGKILL (out of memory?)".to_owned(),
                rustix::process::Signal::TERM => "SIGTERM".to_owned(),
                rustix::process::Signal::INT => "SIGINT".to_owned(),
                _ => format!("signal {signal}"),
            },
        )
    })
}

pub(super) fn not_started(invocation: &Invocation, error: io::Error) -> Refusal {
    let message = format!("`{}` can't be run: {error}", invocation.program);
    Refusal::new(Exit::SnapshotFailed, message)
        .because(error)
        .hint("name the pg_dump to use with --pg-dump")
}

pub(super) fn not_kept(store: &str, error: io::Error) -> Refusal {
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("no space left in `{store}` for the snapshot")
        }
        io::ErrorKind::FileTooLarge => {
            format!("`{store}` can't hold a file as large as the snapshot")
        }
        _ => format!("the snapshot can't be written to `{store}`: {error}"),
    };
    Refusal::new(Exit::SnapshotFailed, message)
        .because(error)
        .hint("free some space, or point --store at another place")
}
