//! `rowsafe init`.

use super::Context;
use super::args::InitArgs;
use crate::exit::Exit;

/// Runs it.
pub fn main(_args: &InitArgs, _context: &Context) -> Exit {
    Exit::Ok
}
