//! Alembic: its command line, its configuration, its pending revisions.

pub mod command;
mod configparser;
pub mod current;
pub mod graph;
mod guards;
pub mod ini;
pub mod lineage;
mod output;
pub mod project;
mod python;
pub mod render;
pub mod revisions;
mod wrapper;

pub use command::{AlembicCommand, Direction, Flavor, Task};
pub use current::{Candidate, Current};
pub use ini::AlembicConfig;
pub use lineage::Lineage;
pub use project::AlembicProject;
pub use render::Pending;
pub use revisions::{Revision, Revisions};
