//! Snapshots that something else takes and holds.

mod command;
mod parallel;
mod pgbackrest;
