//! The database: where it is, and talking to it.
//!
//! A connection string, a service file and libpq's environment are read into one
//! [`target::Target`], and that one value is given to tokio-postgres ([`connect`]) and, as an
//! environment and a passfile ([`passfile`]), to `pg_dump`: both talk to the same place.

pub mod connect;
pub mod libpq;
pub mod parameters;
pub mod passfile;
pub mod pgpass;
pub mod postgres;
pub mod target;

mod connect_error;
mod connect_failure;
mod conninfo;
mod defaults;
mod service;
mod sqlalchemy_url;
mod tls;
mod url;
