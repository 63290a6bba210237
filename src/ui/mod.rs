//! The terminal: the only place, besides the reports, that writes to the standard streams.

pub mod ask;
pub mod live;
pub mod printer;
pub mod progress;
pub mod style;
pub mod table;

pub use ask::Answer;
pub use live::Live;
pub use printer::{Color, Options, Printer, Verbosity};
pub use progress::Progress;
pub use table::{Align, Table};

#[cfg(test)]
mod in_terminal;
