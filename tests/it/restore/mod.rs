//! `rowsafe restore`, from the snapshot back to the rows.

mod beside;
mod bookkeeping;
mod columns;
mod corners;
mod edges;
mod in_place;
mod missing;
mod one_column;
mod refused;
mod replace;
mod shape;
mod swap;
