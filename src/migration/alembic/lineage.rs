//! The order of a project's revisions, and what lies behind one of them, for reading without a
//! database: it makes do with files that can't all be understood.
//!
//! [`super::graph`] follows Alembic where a command is about to run and must not guess; here a
//! revision whose place is not known is simply among those to be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Revisions;

/// Which revisions stand on which, as far as the files say.
#[derive(Debug)]
pub struct Lineage<'a> {
    /// In the order in which the files were read.
    ids: Vec<&'a str>,
    needs: HashMap<&'a str, Vec<&'a str>>,
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> Lineage<'a> {
    /// Reads it from the files.
    pub fn of(revisions: &'a Revisions) -> Self {
        let ids: Vec<&str> = revisions.iter().map(|revision| revision.id.as_str()).collect();
        let labels = revisions.iter().flat_map(|revision| {
            revision.labels.iter().map(move |label| (label.as_str(), revision.id.as_str()))
        });
        let mut lineage = Self { ids, needs: HashMap::new(), labels: labels.collect() };
        for revision in revisions.iter() {
            let needed = revision.down.iter().chain(&revision.depends_on);
            let needed = needed.filter_map(|name| lineage.find(name).ok()).collect();
            lineage.needs.insert(&revision.id, needed);
        }
        lineage
    }

    /// Every revision behind those it stands on; where they stand on each other in a circle, in the
    /// order of their files.
    pub fn order(&self) -> Vec<&'a str> {
        let mut order = Vec::with_capacity(self.ids.len());
        let mut settled = BTreeSet::new();
        for id in &self.ids {
            // Not by recursion: a history may be thousands of revisions long.
            let mut stack = vec![*id];
            let mut entered = BTreeSet::new();
            while let Some(id) = stack.last().copied() {
                if settled.contains(id) {
                    stack.pop();
                } else if entered.insert(id) {
                    let open = self.needs[id].iter().rev();
                    stack
                        .extend(open.filter(|id| !settled.contains(*id) && !entered.contains(*id)));
                } else {
                    stack.pop();
                    settled.insert(id);
                    order.push(id);
                }
            }
        }
        order
    }

    /// These revisions and everything they stand on: what a database that is at them has behind it.
    pub fn behind(&self, names: &[&'a str]) -> BTreeSet<&'a str> {
        let mut behind = BTreeSet::new();
        let mut left = names.to_vec();
        while let Some(id) = left.pop() {
            if behind.insert(id) {
                left.extend(&self.needs[id]);
            }
        }
        behind
    }

    /// Those that nothing else stands on.
    pub fn heads(&self) -> Vec<&'a str> {
        let below: BTreeSet<&str> = self.needs.values().flatten().copied().collect();
        self.ids.iter().copied().filter(|id| !below.contains(id)).collect()
    }

    /// A revision by its identifier, by a branch label, or by the beginning of its identifier.
    pub fn find(&self, name: &str) -> Result<&'a str, Unknown> {
        let exact = self.ids.iter().find(|id| **id == name);
        if let Some(id) = exact.or_else(|| self.labels.get(name)) {
            return Ok(id);
        }
        // As Alembic does: identifiers of more than three characters, by their beginning.
        let mut matching = self
            .ids
            .iter()
            .filter(|id| id.len() > 3 && !name.is_empty() && id.starts_with(name))
            .copied();
        match (matching.next(), matching.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(Unknown::Several),
            (None, _) => Err(Unknown::None),
        }
    }
}

/// Why a name means no revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing is called like that.
    None,
    /// Several revisions start like that.
    Several,
}

#[cfg(test)]
mod tests {
    use super::{Lineage, Unknown};
    use crate::migration::alembic::revisions::drawn as revisions;

    #[test]
    fn revisions_come_behind_those_they_stand_on() {
        for (files, expected) in [
            ("c003<b002 b002<a001 a001", "a001 b002 c003"),
            ("d004<b002,c003 b002<a001 c003<a001 a001", "a001 b002 c003 d004"),
            ("b001!c1 c001#c1 a001<gone", "c001 b001 a001"),
            ("a001<b001 b001<a001 c001<b001", "b001 a001 c001"),
        ] {
            let revisions = revisions(files);
            assert_eq!(Lineage::of(&revisions).order().join(" "), expected, "{files}");
        }
        let long: Vec<String> =
            (0..5_000).rev().map(|n| format!("r{n:05}<r{:05}", n.max(1) - 1)).collect();
        let revisions = revisions(&long.join(" "));
        assert_eq!(Lineage::of(&revisions).order().len(), 5_000);
    }

    #[test]
    fn what_lies_behind_a_revision_and_where_it_all_ends() {
        let revisions =
            revisions("a001 b002<a001#left c003<a001 d004<b002,c003 e005<d004 x001!c003");
        let lineage = Lineage::of(&revisions);
        let behind = |name| {
            let id = lineage.find(name).unwrap();
            lineage.behind(&[id]).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(behind("a001"), "a001");
        assert_eq!(behind("left"), "a001 b002");
        assert_eq!(behind("d0"), "a001 b002 c003 d004");
        assert_eq!(behind("x001"), "a001 c003 x001");
        assert_eq!(lineage.heads(), ["e005", "x001"]);
        assert_eq!(lineage.find("gone"), Err(Unknown::None));
        let revisions = super::tests::revisions("ab01 ab02");
        assert_eq!(Lineage::of(&revisions).find("ab"), Err(Unknown::Several));
    }
}
