//! What was kept before the run: a dump and its manifest, in a store, verified by reading it back.

pub mod archive;
pub mod copy;
pub mod dump;
pub mod leave_out;
pub mod manifest;
pub mod scan;
pub mod store;
pub mod toc;
pub mod tools;
pub mod verify;

pub use manifest::Manifest;
pub use store::Store;

/// A fresh snapshot id: eight characters without look-alikes, a letter or digit first.
pub fn new_id() -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..8).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect()
}
