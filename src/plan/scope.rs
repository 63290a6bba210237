//! Which rows the snapshot holds.

use std::collections::BTreeSet;

/// Which rows the snapshot holds; the definitions of everything are always in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The rows of every table.
    All {
        /// Why the tables at risk are not enough; empty where everything was asked for.
        why: Vec<String>,
    },
    /// The rows of the tables at risk.
    AtRisk(AtRisk),
}

/// The tables at risk. What is left out is named, so that a table that nobody knew of is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AtRisk {
    /// The tables at risk, and those that they refer to, by oid.
    pub tables: BTreeSet<u32>,
    /// The tables, materialised views included, whose rows nothing pending can reach.
    pub left_out: BTreeSet<u32>,
    /// Whether large objects are kept.
    pub large_objects: bool,
    /// What is not covered, because somebody asked for the tables at risk where not everything is
    /// known; a reason each.
    pub uncovered: Vec<String>,
}

impl Scope {
    /// The tables whose rows are left out.
    pub fn left_out(&self) -> BTreeSet<u32> {
        match self {
            Self::All { .. } => BTreeSet::new(),
            Self::AtRisk(at_risk) => at_risk.left_out.clone(),
        }
    }

    /// Whether large objects are kept.
    pub fn keeps_large_objects(&self) -> bool {
        match self {
            Self::All { .. } => true,
            Self::AtRisk(at_risk) => at_risk.large_objects,
        }
    }

    /// What a person should know about it, beyond the numbers.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::AtRisk(AtRisk { uncovered, .. }) if !uncovered.is_empty() => Some(format!(
                "the snapshot holds only what is known to be at risk: {}",
                uncovered.join("; ")
            )),
            _ => None,
        }
    }
}
