//! What was kept before the run: a dump and its manifest, in a store, verified by reading it back.

pub mod archive;
pub mod copy;
pub mod directory;
pub mod dump;
pub mod elsewhere;
pub mod encryption;
pub mod leave_out;
pub mod manifest;
pub mod parallel;
pub mod scan;
pub mod store;
pub mod toc;
pub mod tools;
pub mod verify;

pub use manifest::Manifest;
pub use store::Store;

use std::io::Write as _;

use crate::exit::Exit;
use crate::hint::Refusal;

/// A fresh snapshot id: eight characters without look-alikes, a letter or digit first.
pub fn new_id() -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..8).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect()
}

/// The list of entries for `pg_restore -L`; it needs a file, and is gone when this is dropped.
pub fn list_file(list: &str) -> Result<tempfile::NamedTempFile, Refusal> {
    let write = || -> std::io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(list.as_bytes())?;
        file.flush()?;
        Ok(file)
    };
    write().map_err(|error| unwritable_list(&error))
}

/// A temporary file that could not be written.
pub fn unwritable_list(error: &std::io::Error) -> Refusal {
    Refusal::new(Exit::NoAnswer, format!("a temporary file for pg_restore: {error}"))
}
