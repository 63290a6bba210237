//! rowsafe stands between a migration command and a PostgreSQL database: no migration loses a row,
//! a column or a value that was not named beforehand and agreed to, and what is lost can be put
//! back. The layers below may use only what stands above them; `tests/it/architecture.rs` checks.

// Layer 0: words everyone uses.
pub mod environment;
pub mod exit;
pub mod hint;
pub mod secret;
pub mod text;

// Layer 1: the pure core. No IO, no clock, no environment; it cannot fail.
pub mod aftermath;
pub mod effect;
pub mod finding;
pub mod inventory;
pub mod loss;
pub mod policy;
pub mod python;
pub mod retention;
pub mod rules;
pub mod script;
pub mod sql;
pub mod values;
pub mod verdict;

// Layer 2: one piece of the outside world each.
pub mod child;
pub mod db;
pub mod driver;
pub mod journal;
pub mod known;
pub mod migration;
pub mod snapshot;

// Layer 3: the stories. They speak through events only.
pub mod check;
pub mod compare;
pub mod database;
pub mod doctor;
pub mod event;
pub mod incident;
pub mod judge;
pub mod keep;
pub mod pending;
pub mod plan;
pub mod planning;
pub mod recognize;
pub mod record;
pub mod request;
pub mod restore;
pub mod run;
pub mod snapshots;
pub mod thresholds;

// Layer 4: how it is told.
pub mod report;
pub mod ui;

// Layer 5: the command line.
pub mod cli;
pub mod config;
