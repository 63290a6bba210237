//! An archive as a directory: what several connections of pg_dump write at once.
//!
//! pg_dump compresses each table into a file of its own. Beside them stands `SHA256SUMS` as
//! `sha256sum` writes it; its own digest is the one in the manifest, and so vouches for every file.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::dump::{self, Counters, Dump, Progress, hex, report_during};
use super::manifest::Archive;
use super::store::Partial;
use crate::child::Invocation;
use crate::hint::Refusal;

/// The archive's name in a snapshot's directory.
pub const NAME: &str = "archive.dump.d";

/// The file with the digest of every file of it.
const SUMS: &str = "SHA256SUMS";

/// Bytes moved at a time.
const CHUNK: usize = 256 * 1024;

/// What an old pg_dump, and one that was built without zstd, compresses with.
const GZIP: &str = "1";

/// The digest of every file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// As `sha256sum` writes them, in the order of the names.
    pub text: String,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Sums {
    /// The digest of all digests, in hex.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.text.as_bytes()))
    }

    /// Reads every file of the directory; `read` counts the bytes, for progress.
    pub fn of(directory: &Path, read: &AtomicU64) -> io::Result<Self> {
        let (mut text, mut bytes) = (String::new(), 0);
        for file in files(directory)? {
            let (digest, length) = digest(&file, read)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            writeln!(text, "{digest}  {NAME}/{name}").expect("a string takes everything");
            bytes += length;
        }
        Ok(Self { text, bytes })
    }
}

/// Bytes of all files.
pub fn size(directory: &Path) -> io::Result<u64> {
    files(directory)?.iter().map(|file| fs::metadata(file).map(|file| file.len())).sum()
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn digest(path: &Path, read: &AtomicU64) -> io::Result<(String, u64)> {
    let (mut file, mut digest) = (File::open(path)?, Sha256::new());
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((hex(&digest.finalize()), bytes));
        }
        digest.update(&buffer[..length]);
        bytes += length as u64;
        read.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// How pg_dump of this major version is told to compress: zstd:1 is the smallest of the fast ones.
fn compressions(major: u32) -> Vec<&'static str> {
    if major >= 16 { vec!["zstd:1", GZIP] } else { vec![GZIP] }
}

/// Dumps with `jobs` connections into `parent`, the directory of a snapshot that is being written.
pub async fn write(
    dump: Dump<'_>,
    partial: &Partial,
    parent: &Path,
    jobs: usize,
    major: u32,
    mut progress: impl FnMut(Progress),
) -> Result<Archive, Refusal> {
    let begun = Instant::now();
    let path = parent.join(NAME);
    let mut invocation = dump.invocation.clone();
    invocation.args.extend(dump::options(&dump));
    invocation.args.extend([
        "--format=directory".to_owned(),
        format!("--jobs={jobs}"),
        format!("--file={}", path.display()),
    ]);
    let mut compressions = compressions(major).into_iter().peekable();
    let how = loop {
        let how = compressions.next().unwrap_or(GZIP);
        let invocation = invocation.clone().arg(format!("--compress={how}"));
        match run(&invocation, &mut progress).await {
            Ok(()) => break how,
            Err(refusal) if compressions.peek().is_some() && is_about_build(&refusal) => {
                // What it has made so far would be in the way.
                let _ = fs::remove_dir_all(&path);
            }
            Err(refusal) => return Err(refusal),
        }
    };
    let sums = tokio::task::spawn_blocking(move || Sums::of(&path, &AtomicU64::new(0)));
    let unkept = |error| dump::not_kept(&partial.place(), error);
    let sums = sums.await.expect("hashing does not panic").map_err(unkept)?;
    let written = File::create_new(parent.join(SUMS)).and_then(|mut file| {
        file.write_all(sums.text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(unkept)?;
    let how = if how == GZIP { "gzip" } else { "zstd" };
    Ok(Archive {
        file: NAME.to_owned(),
        format: format!("pg_dump directory format, {how}"),
        bytes: sums.bytes,
        // What it was before compression is known once it was read back.
        dump_bytes: sums.bytes,
        sha256: sums.digest(),
        seconds: Some(begun.elapsed().as_secs_f64()),
        ..Archive::default()
    })
}

/// Whether pg_dump was built without what it was asked to compress with.
fn is_about_build(refusal: &Refusal) -> bool {
    refusal.to_string().contains("does not support compression")
}

async fn run(invocation: &Invocation, progress: &mut impl FnMut(Progress)) -> Result<(), Refusal> {
    let failed = |error| dump::not_started(invocation, error);
    let mut command = invocation.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let counters = Counters::default();
    let ending = async { tokio::join!(dump::listen(stderr, &counters), child.wait()) };
    let (said, status) = report_during(ending, || progress(counters.now())).await;
    let status = status.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(dump::dump_failed(&said, status)) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::Sums;

    #[test]
    fn every_byte_and_every_name_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let write = |name: &str, text: &str| {
            crate::text::write_atomically(&path.join(name), text.as_bytes()).unwrap();
        };
        let sums = || Sums::of(path, &AtomicU64::new(0)).unwrap();
        write("toc.dat", "abc");
        write("1.dat", "");
        let before = sums();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!("{empty}  archive.dump.d/1.dat\n{abc}  archive.dump.d/toc.dat\n");
        assert_eq!((before.text.as_str(), before.bytes), (text.as_str(), 3));
        write("toc.dat", "abd");
        assert_ne!(sums().digest(), before.digest());
        write("toc.dat", "abc");
        assert_eq!(sums().digest(), before.digest());
        write("2.dat", "");
        assert_ne!(sums().digest(), before.digest());
    }
}
