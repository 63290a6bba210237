//! End to end: the built program, real PostgreSQL, real Alembic.

#![allow(
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking, and prepares its own files"
)]

#[macro_use]
mod harness;
mod story;

mod alembic;
mod along;
mod architecture;
mod at_risk;
mod cases;
mod check;
mod connect;
mod corpus;
mod counted;
mod docs;
mod doctor;
mod doomed;
mod drivers;
mod explain;
mod faults;
mod formats;
mod fuzz_regressions;
mod identity;
mod incident;
mod interrupt;
mod inventory;
mod killed;
mod meanwhile;
mod measured;
mod plan;
mod precommit;
mod projects;
mod report;
mod restore;
mod roundtrip;
mod run;
mod schema;
mod selftest;
mod snapshot;
mod snapshots;
mod store;
mod thresholds;
mod tools;
mod truth;
