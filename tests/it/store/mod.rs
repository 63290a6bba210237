//! Where snapshots are kept: the same promises of a directory and of an object store.

mod contract;
mod damaged;
mod encrypted;
mod end_to_end;
mod refused;

use std::path::{Path, PathBuf};

use rowsafe::environment::Environment;
use rowsafe::snapshot::manifest::{Archive, Database, Verified};
use rowsafe::snapshot::store::{Entry, Location, Partial};
use rowsafe::snapshot::{Manifest, Store};

use crate::harness::S3;

/// The name of the archive in these tests.
const ARCHIVE: &str = "archive.dump.zst";

/// A place for snapshots.
enum Place {
    Local(tempfile::TempDir),
    Remote(S3),
}

impl Place {
    /// Every kind of place, empty.
    fn all() -> [Self; 2] {
        [Self::Local(tempfile::tempdir().unwrap()), Self::Remote(S3::start())]
    }

    fn store(&self) -> Store {
        match self {
            Self::Local(directory) => Store::at(directory.path().join("snapshots")),
            Self::Remote(server) => {
                let location = Location::parse(Path::new(&server.url()), Path::new("/")).unwrap();
                Store::open(&location, &Environment::new(server.variables(), "/")).unwrap()
            }
        }
    }

    /// Where its files are, behind its back.
    fn directory(&self) -> PathBuf {
        match self {
            Self::Local(directory) => directory.path().join("snapshots"),
            Self::Remote(server) => server.directory(),
        }
    }

    /// Nothing of any snapshot is there, nor parts of an upload.
    #[track_caller]
    fn assert_empty(&self) {
        let all = crate::harness::sandbox::files(&self.directory());
        let is_ours = |path: &&PathBuf| {
            path.is_file() && !path.ends_with(".gitignore") && !path.ends_with(".rowsafe")
        };
        let left: Vec<_> = all.iter().filter(is_ours).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        if let Self::Remote(server) = self {
            assert_eq!(server.parts(), [""; 0], "parts of an upload are left");
        }
    }
}

/// Runs a future as the program does.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A manifest of this id, taken so many seconds after some moment.
fn manifest(id: &str, second: i64, archive: Archive) -> Manifest {
    Manifest {
        schema: "rowsafe.snapshot/1".to_owned(),
        id: id.to_owned(),
        created_at: jiff::Timestamp::from_second(1_700_000_000 + second).unwrap(),
        rowsafe_version: "0".to_owned(),
        database: Database {
            name: "app".to_owned(),
            oid: 1,
            system_identifier: None,
            server_version: "15".to_owned(),
            role: "app".to_owned(),
            server: "localhost".to_owned(),
        },
        revisions: Vec::new(),
        command: Vec::new(),
        git_commit: None,
        pg_dump_version: "15".to_owned(),
        scope: "all".to_owned(),
        tables: Vec::new(),
        large_objects: 0,
        archive,
        verified: Verified { at: jiff::Timestamp::UNIX_EPOCH, rows: 1, tables: 1 },
        elsewhere: None,
    }
}

fn archive(bytes: usize) -> Archive {
    Archive {
        file: ARCHIVE.to_owned(),
        format: "bytes".to_owned(),
        bytes: bytes as u64,
        dump_bytes: 0,
        sha256: String::new(),
        encryption: None,
        seconds: None,
        table_bytes: None,
    }
}

/// Writes an archive, whole or not.
async fn write(partial: &Partial, bytes: Vec<u8>, is_whole: bool) {
    use std::io::Write as _;
    let (mut sink, pump) = partial.writer(ARCHIVE, bytes.len() as u64).await.unwrap();
    let writing = tokio::task::spawn_blocking(move || {
        sink.write_all(&bytes).unwrap();
        if is_whole {
            sink.finish().unwrap();
        }
    });
    let (written, pumped) = tokio::join!(writing, pump);
    written.unwrap();
    pumped.unwrap();
}

/// Keeps a snapshot with these bytes.
async fn keep(store: &Store, id: &str, second: i64, bytes: &[u8]) {
    store.prepare().await.unwrap();
    let partial = store.begin(id).await.unwrap();
    write(&partial, bytes.to_vec(), true).await;
    partial.publish(&manifest(id, second, archive(bytes.len()))).await.unwrap();
}

/// The bytes of a snapshot.
async fn read(store: &Store, id: &str) -> Vec<u8> {
    use std::io::Read as _;
    let (mut reader, pump) = store.find(id).await.unwrap().archive().open().unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let (read, pumped) = tokio::join!(reading, pump);
    pumped.unwrap();
    read.unwrap().unwrap()
}

/// The ids of the complete ones, in their order, and how many others there are.
async fn listed(store: &Store) -> (Vec<String>, usize) {
    let entries = store.entries().await.unwrap();
    let is_complete = |entry: &&Entry| matches!(entry, Entry::Complete(_));
    let complete = entries.iter().filter(is_complete);
    let complete: Vec<String> = complete.map(|entry| entry.id().to_owned()).collect();
    let others = entries.len() - complete.len();
    (complete, others)
}
