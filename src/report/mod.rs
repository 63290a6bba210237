//! How a story is told to people and programs. Reports read a `Record` and nothing else.

pub mod human;
pub mod json;
pub mod model;
pub mod reference;
