//! Django's migrations: the operations of `class Migration`.

use super::walk::Walker;

/// Reads the operations of a Django migration, where the file is one.
pub(super) fn read(_walker: &mut Walker<'_>) {}
