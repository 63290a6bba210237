//! Words everyone uses: names, places in a text, numbers as people read them, atomic writes.

pub mod clean;
pub mod file;
pub mod glob;
pub mod name;
pub mod number;
pub mod similar;
pub mod span;

pub use file::write_atomically;
pub use name::QualifiedName;
pub use span::{LineMap, Position, Span};
