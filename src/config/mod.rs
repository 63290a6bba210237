//! Settings: from the command line, the environment and the configuration file, in that order.

mod driver;
pub mod env;
pub mod file;
pub mod settings;
pub mod value;
pub mod write;

pub use file::{ConfigFile, Search};
pub use settings::{Described, Flags, Origin, Setting, Settings};
