//! `rowsafe restore`, from the snapshot back to the rows.

mod beside;
mod corners;
mod edges;
mod in_place;
mod missing;
mod refused;
mod swap;
