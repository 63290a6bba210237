//! Which tables are held in memory as images, because no snapshot will hold their rows.

use std::collections::BTreeSet;

use crate::compare::Look;
use crate::db::postgres::catalog::Listed;
use crate::plan::at_risk::Risk;
use crate::plan::scope::Scope;
use crate::policy::{Compare, SnapshotMode};

/// Bytes of tables on the server that are read for images before a run: what takes seconds.
const READ_AT_MOST: u64 = 256 << 20;

/// What says which tables are held.
#[derive(Clone, Copy)]
pub struct Imaging<'a> {
    /// The first look.
    pub look: &'a Look,
    /// What is at risk.
    pub risk: &'a Risk,
    /// How before and after are compared.
    pub compare: Compare,
}

impl Imaging<'_> {
    /// The tables to hold, the smallest first, as far as reading them takes seconds. `kept` is what
    /// the snapshot will hold; without one the tables at risk are held, or all where not
    /// everything is known.
    pub fn wanted(&self, listed: &[Listed], kept: Option<&Scope>) -> BTreeSet<u32> {
        let is_kept = |oid: u32| match kept {
            None => false,
            Some(scope) => !scope.left_out().contains(&oid),
        };
        let at_risk = self.risk.scope(SnapshotMode::Auto);
        let is_at_risk = |oid: u32| match &at_risk {
            Some(Scope::AtRisk(at_risk)) => at_risk.tables.contains(&oid),
            _ => true,
        };
        let is_wanted = |listed: &&Listed| {
            let oid = listed.table.oid;
            match self.compare {
                Compare::Counts => false,
                Compare::Values => !is_kept(oid),
                Compare::Auto => kept.is_none() && is_at_risk(oid),
            }
        };
        let mut wanted: Vec<&Listed> = listed.iter().filter(is_wanted).collect();
        wanted.sort_by_key(|listed| listed.bytes);
        let mut bytes = 0;
        let fits = |listed: &&Listed| {
            bytes += listed.bytes;
            bytes <= READ_AT_MOST
        };
        wanted.into_iter().take_while(fits).map(|listed| listed.table.oid).collect()
    }
}
