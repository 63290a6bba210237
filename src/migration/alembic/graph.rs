//! What stands on what: which revisions a command will run, and in which order.
//!
//! It follows Alembic's own `RevisionMap`. Where Alembic itself would refuse, or versions of it
//! differ, the answer is an error with the reason, and only Alembic's own output decides.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Direction;
use super::revisions::{Revision, Revisions};

type Ids<'a> = BTreeSet<&'a str>;

/// Which revisions stand on which.
#[derive(Debug)]
pub struct Graph<'a> {
    revisions: &'a Revisions,
    /// What each stands on, without dependencies.
    downs: BTreeMap<&'a str, Vec<&'a str>>,
    /// What each depends on, resolved to identifiers.
    dependencies: BTreeMap<&'a str, Vec<&'a str>>,
    labels: BTreeMap<&'a str, &'a str>,
}

/// A target as Alembic reads it.
#[derive(Debug, PartialEq, Eq)]
struct Target<'t> {
    branch: Option<&'t str>,
    symbol: Option<&'t str>,
    steps: Option<i64>,
}

impl<'a> Graph<'a> {
    /// The graph of these revisions; an error when their files were not understood in full.
    pub fn new(revisions: &'a Revisions) -> Result<Self, String> {
        if let Some(problem) = revisions.problems().first() {
            return Err(problem.clone());
        }
        let mut graph = Self {
            revisions,
            downs: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        for revision in revisions.iter() {
            let downs = revision.down.iter().map(String::as_str).collect();
            graph.downs.insert(&revision.id, downs);
            for label in &revision.labels {
                graph.labels.insert(label, &revision.id);
            }
        }
        for revision in revisions.iter() {
            let needs: Result<_, _> =
                revision.depends_on.iter().map(|name| graph.find(name)).collect();
            graph.dependencies.insert(&revision.id, needs?);
        }
        Ok(graph)
    }

    /// The revisions that a command will run, in order.
    pub fn pending(
        &self,
        current: &[String],
        direction: Direction,
        target: &str,
    ) -> Result<Vec<&'a Revision>, String> {
        let current = self.known(current)?;
        let applied = self.ancestors(&current);
        let wanted = match direction {
            Direction::Upgrade => {
                let targets = self.upgrade_targets(&current, target)?;
                self.ancestors(&targets).difference(&applied).copied().collect()
            }
            Direction::Downgrade => self.downgraded(&current, &applied, target)?,
        };
        let mut order = self.sorted(&wanted)?;
        if direction == Direction::Downgrade {
            order.reverse();
        }
        Ok(order)
    }

    /// What the version table will hold once these revisions have been run.
    pub fn after(
        &self,
        current: &[String],
        direction: Direction,
        run: &[&str],
    ) -> Result<Vec<String>, String> {
        let mut applied = self.ancestors(&self.known(current)?);
        for id in run {
            match direction {
                Direction::Upgrade => applied.insert(id),
                Direction::Downgrade => applied.remove(id),
            };
        }
        Ok(self.tops(&applied).into_iter().map(str::to_owned).collect())
    }

    /// Where several version tables disagree: the revisions that all of them have (for an upgrade)
    /// or that any of them has (for a downgrade), as the heads that stand for them.
    pub fn common(
        &self,
        tables: &[Vec<String>],
        direction: Direction,
    ) -> Result<Vec<String>, String> {
        let mut applied: Option<Ids<'a>> = None;
        for rows in tables {
            let next = self.ancestors(&self.known(rows)?);
            applied = Some(match (applied, direction) {
                (None, _) => next,
                (Some(sofar), Direction::Upgrade) => sofar.intersection(&next).copied().collect(),
                (Some(sofar), Direction::Downgrade) => sofar.union(&next).copied().collect(),
            });
        }
        let applied = applied.unwrap_or_default();
        Ok(self.tops(&applied).into_iter().map(str::to_owned).collect())
    }

    /// What a revision stands on, first its down revisions, then what it depends on.
    pub fn needs(&self, id: &str) -> Vec<&'a str> {
        let of = |map: &BTreeMap<&'a str, Vec<&'a str>>| map.get(id).cloned().unwrap_or_default();
        let mut needs = of(&self.downs);
        needs.extend(of(&self.dependencies));
        needs
    }

    /// Those of a set that nothing else in the set stands on.
    fn tops(&self, set: &Ids<'a>) -> Vec<&'a str> {
        let below: Ids<'a> = set.iter().flat_map(|id| self.needs(id)).collect();
        set.difference(&below).copied().collect()
    }

    fn known(&self, ids: &[String]) -> Result<Ids<'a>, String> {
        ids.iter()
            .map(|id| {
                let found = self.revisions.get(id).map(|revision| revision.id.as_str());
                found.ok_or_else(|| format!("no file has the current revision {id}"))
            })
            .collect()
    }

    fn heads(&self) -> Ids<'a> {
        let below: Ids<'a> = self.downs.values().flatten().copied().collect();
        self.downs.keys().copied().filter(|id| !below.contains(id)).collect()
    }

    /// These and everything below them, dependencies included.
    fn ancestors(&self, ids: &Ids<'a>) -> Ids<'a> {
        closure(ids, |id| self.needs(id))
    }

    fn above(&self, id: &str, with_dependencies: bool) -> Vec<&'a str> {
        let stands_on = |other: &str| {
            if with_dependencies {
                self.needs(other).contains(&id)
            } else {
                self.downs[other].contains(&id)
            }
        };
        self.downs.keys().copied().filter(|other| stands_on(other)).collect()
    }

    /// An identifier, a branch label, or the beginning of exactly one identifier.
    fn find(&self, name: &str) -> Result<&'a str, String> {
        if let Some(revision) = self.revisions.get(name) {
            return Ok(&revision.id);
        }
        if let Some(id) = self.labels.get(name) {
            return Ok(id);
        }
        // Alembic matches identifiers of more than three characters by their beginning.
        let mut matching =
            self.downs.keys().filter(|id| id.len() > 3 && id.starts_with(name)).copied();
        match (matching.next(), matching.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(format!("several revisions start with `{name}`")),
            (None, _) => Err(format!("no revision or branch is called `{name}`")),
        }
    }

    /// Those on the same line as the branch: above or below the revision that carries its label.
    fn on_branch(&self, ids: &Ids<'a>, branch: &str) -> Result<Ids<'a>, String> {
        let root = BTreeSet::from([self.find(branch)?]);
        let mut line = closure(&root, |id| self.downs[id].clone());
        line.extend(closure(&root, |id| self.above(id, false)));
        Ok(ids.intersection(&line).copied().collect())
    }

    fn upgrade_targets(&self, current: &Ids<'a>, target: &str) -> Result<Ids<'a>, String> {
        let parsed = Target::parse(target);
        let Some(steps) = parsed.steps else { return self.absolute(&parsed) };
        let start = match parsed.symbol {
            Some(_) => self.single(&Target { steps: None, ..parsed })?,
            None if steps <= 0 => return Err(format!("`{target}` is no target of an upgrade")),
            None => {
                let mut starts = current.clone();
                if let Some(branch) = parsed.branch {
                    starts = self.on_branch(current, branch)?;
                    if starts.is_empty() && !current.is_empty() {
                        return Err(format!("nothing of branch `{branch}` is current"));
                    }
                }
                at_most_one(&starts, target)?
            }
        };
        let branch = if steps > 0 { parsed.branch } else { None };
        Ok(self.walk(start, steps, branch)?.into_iter().collect())
    }

    fn absolute(&self, target: &Target<'_>) -> Result<Ids<'a>, String> {
        let heads = || match target.branch {
            Some(branch) => self.on_branch(&self.heads(), branch),
            None => Ok(self.heads()),
        };
        match target.symbol.unwrap_or("base") {
            "base" => Ok(Ids::new()),
            "heads" => heads(),
            "head" => {
                let heads = heads()?;
                at_most_one(&heads, "head")?;
                Ok(heads)
            }
            name => Ok(BTreeSet::from([self.find(name)?])),
        }
    }

    fn single(&self, target: &Target<'_>) -> Result<Option<&'a str>, String> {
        at_most_one(&self.absolute(target)?, target.symbol.unwrap_or("base"))
    }

    /// Steps up (positive) or down from a revision; `None` is the base.
    fn walk(
        &self,
        start: Option<&'a str>,
        steps: i64,
        branch: Option<&str>,
    ) -> Result<Option<&'a str>, String> {
        let mut at = start;
        for _ in 0..steps.unsigned_abs() {
            let next: Ids<'a> = match (steps > 0, at) {
                (true, Some(id)) => self.above(id, false).into_iter().collect(),
                (true, None) => {
                    self.downs.keys().copied().filter(|id| self.downs[id].is_empty()).collect()
                }
                (false, Some(id)) => self.downs[id].iter().copied().collect(),
                (false, None) => return Err("there is nothing below the base".to_owned()),
            };
            let next = match branch {
                Some(branch) => self.on_branch(&next, branch)?,
                None => next,
            };
            if next.is_empty() && steps > 0 {
                return Err("there are not that many revisions".to_owned());
            }
            at = at_most_one(&next, "a relative target")?;
        }
        Ok(at)
    }

    fn downgraded(
        &self,
        current: &Ids<'a>,
        applied: &Ids<'a>,
        target: &str,
    ) -> Result<Ids<'a>, String> {
        let parsed = Target::parse(target);
        let floor = match parsed.steps {
            None => self.single(&parsed)?,
            Some(steps) => {
                let start = match (parsed.symbol, parsed.branch) {
                    (Some(_), _) => self.single(&Target { steps: None, ..parsed })?,
                    (None, _) if steps >= 0 => {
                        return Err(format!("`{target}` is no target of a downgrade"));
                    }
                    (None, Some(branch)) => at_most_one(&self.on_branch(current, branch)?, target)?,
                    (None, None) => at_most_one(current, target)?,
                };
                self.walk(start, steps, None)?
            }
        };
        let mut roots: Ids<'a> = match floor {
            Some(id) => self.above(id, false).into_iter().collect(),
            None => self.downs.keys().copied().filter(|id| self.downs[id].is_empty()).collect(),
        };
        if roots.len() > 1 {
            if let Some(branch) = parsed.branch {
                roots = self.on_branch(&roots, branch)?;
            } else if parsed.steps.is_some() {
                roots = roots.intersection(applied).copied().collect();
                at_most_one(&roots, target)?;
            }
        }
        let doomed = closure(&roots, |id| self.above(id, true));
        Ok(doomed.intersection(applied).copied().collect())
    }

    /// Every revision of the set after those it stands on.
    fn sorted(&self, wanted: &Ids<'a>) -> Result<Vec<&'a Revision>, String> {
        let mut order: Vec<&'a Revision> = Vec::new();
        let mut left: Vec<&'a Revision> =
            self.revisions.iter().filter(|r| wanted.contains(r.id.as_str())).collect();
        let mut waiting: Ids<'a> = wanted.clone();
        while !left.is_empty() {
            // What lies between two revisions of the set is in the set, so neighbors are enough.
            let is_ready = |r: &&Revision| !self.needs(&r.id).iter().any(|id| waiting.contains(id));
            let Some(next) = left.iter().position(is_ready) else {
                return Err("the revisions stand on each other in a circle".to_owned());
            };
            let revision = left.remove(next);
            waiting.remove(revision.id.as_str());
            order.push(revision);
        }
        Ok(order)
    }
}

impl<'t> Target<'t> {
    /// `[branch@]symbol`, `[branch@][symbol]+2` or `-2`, as in Alembic's `_relative_destination`.
    fn parse(target: &'t str) -> Self {
        let (branch, rest) = match target.split_once('@') {
            Some((branch, rest)) => (Some(branch), rest),
            None => (None, target),
        };
        if let Some(sign) = rest.rfind(['+', '-'])
            && let Ok(steps) = rest[sign..].parse()
        {
            let symbol = Some(&rest[..sign]).filter(|symbol| !symbol.is_empty());
            return Self { branch, symbol, steps: Some(steps) };
        }
        Self { branch, symbol: Some(rest), steps: None }
    }
}

/// Whether the target counts from where the database is or from another revision.
pub(super) fn is_relative(target: &str) -> bool {
    Target::parse(target).steps.is_some()
}

fn at_most_one<'a>(ids: &Ids<'a>, what: &str) -> Result<Option<&'a str>, String> {
    if ids.len() > 1 {
        let ids: Vec<&str> = ids.iter().copied().collect();
        return Err(format!("`{what}` could mean any of {}", ids.join(", ")));
    }
    Ok(ids.first().copied())
}

fn closure<'a>(from: &Ids<'a>, next: impl Fn(&str) -> Vec<&'a str>) -> Ids<'a> {
    let mut found = from.clone();
    let mut todo: Vec<&str> = from.iter().copied().collect();
    while let Some(id) = todo.pop() {
        todo.extend(next(id).into_iter().filter(|id| found.insert(id)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::command::Direction::{self, Downgrade, Upgrade};
    use super::super::revisions::drawn as revisions;
    use super::{Graph, Target};

    fn pending(
        all: &str,
        current: &str,
        direction: Direction,
        target: &str,
    ) -> Result<String, String> {
        let revisions = revisions(all);
        let current: Vec<String> = current.split_whitespace().map(str::to_owned).collect();
        let graph = Graph::new(&revisions)?;
        let steps = graph.pending(&current, direction, target)?;
        Ok(steps.iter().map(|r| r.id.as_str()).collect::<Vec<_>>().join(" "))
    }

    const LINE: &str = "r001 r002<r001 r003<r002 r004<r003";
    const DIAMOND: &str = "r001 r002<r001#left r003<r001#right r004<r002,r003 r005<r004";
    const BASES: &str = "a001#a a002<a001 b001#b b002<b001!a002 c001!b#c";

    #[test]
    fn targets_are_taken_apart() {
        let target = |branch, symbol, steps| Target { branch, symbol, steps };
        for (text, expected) in [
            ("head", target(None, Some("head"), None)),
            ("+1", target(None, None, Some(1))),
            ("-2", target(None, None, Some(-2))),
            ("ae10+2", target(None, Some("ae10"), Some(2))),
            ("one@head", target(Some("one"), Some("head"), None)),
            ("one@+1", target(Some("one"), None, Some(1))),
            ("my-branch@head-1", target(Some("my-branch"), Some("head"), Some(-1))),
        ] {
            assert_eq!(Target::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_will_run_and_in_which_order() {
        for (all, current, direction, target, expected) in [
            (LINE, "", Upgrade, "head", "r001 r002 r003 r004"),
            (LINE, "r002", Upgrade, "head", "r003 r004"),
            (LINE, "r002", Upgrade, "heads", "r003 r004"),
            (LINE, "r002", Upgrade, "+1", "r003"),
            (LINE, "", Upgrade, "+2", "r001 r002"),
            (LINE, "r001", Upgrade, "r002+1", "r002 r003"),
            (LINE, "r001", Upgrade, "head-1", "r002 r003"),
            (LINE, "r001", Upgrade, "r003", "r002 r003"),
            (LINE, "r004", Upgrade, "head", ""),
            (LINE, "r004", Upgrade, "r002", ""),
            (LINE, "r004", Downgrade, "-1", "r004"),
            (LINE, "r004", Downgrade, "-2", "r004 r003"),
            (LINE, "r004", Downgrade, "base", "r004 r003 r002 r001"),
            (LINE, "r003", Downgrade, "r001", "r003 r002"),
            (LINE, "r001", Downgrade, "-1", "r001"),
            (LINE, "r004", Downgrade, "r003-1", "r004 r003"),
            (DIAMOND, "", Upgrade, "head", "r001 r002 r003 r004 r005"),
            (DIAMOND, "r002", Upgrade, "head", "r003 r004 r005"),
            (DIAMOND, "r002 r003", Upgrade, "head", "r004 r005"),
            (DIAMOND, "r001", Upgrade, "left", "r002"),
            (DIAMOND, "r001", Upgrade, "left@+1", "r002"),
            (DIAMOND, "r002 r003", Downgrade, "left@-1", "r002"),
            (DIAMOND, "r004", Downgrade, "r002", "r004"),
            (DIAMOND, "r004", Downgrade, "r001", "r004 r003 r002"),
            (BASES, "", Upgrade, "b@head", "a001 a002 b001 b002"),
            (BASES, "a001", Upgrade, "b@head", "a002 b001 b002"),
            (BASES, "", Upgrade, "heads", "a001 a002 b001 b002 c001"),
            (BASES, "a002 b002", Downgrade, "b@base", "b002 b001"),
            (BASES, "a002 b002", Downgrade, "a@base", "b002 a002 a001"),
        ] {
            let found = pending(all, current, direction, target);
            assert_eq!(found.as_deref(), Ok(expected), "{current}:{target} of {all}");
        }
    }

    #[test]
    fn what_alembic_leaves_open_stays_open() {
        for (all, current, direction, target) in [
            (DIAMOND, "r001", Upgrade, "+1"),
            (DIAMOND, "r002 r003", Upgrade, "+1"),
            (DIAMOND, "r002 r003", Downgrade, "-1"),
            (DIAMOND, "r004", Downgrade, "-1"),
            (BASES, "", Upgrade, "head"),
            (LINE, "r00", Upgrade, "head"),
            (LINE, "r001", Upgrade, "r00"),
            (LINE, "r001", Upgrade, "nope"),
            (LINE, "r004", Upgrade, "+1"),
            ("r001<r002 r002<r001", "", Upgrade, "r001"),
            ("r002<r001", "", Upgrade, "head"),
        ] {
            let found = pending(all, current, direction, target);
            assert!(found.is_err(), "{current}:{target} of {all} gave {found:?}");
        }
    }

    #[test]
    fn what_the_version_table_holds_afterwards() {
        let after = |all: &str, current: &[&str], direction, run: &[&str]| {
            let current: Vec<String> = current.iter().map(ToString::to_string).collect();
            let revisions = revisions(all);
            Graph::new(&revisions).unwrap().after(&current, direction, run).unwrap()
        };
        assert_eq!(after(LINE, &["r001"], Upgrade, &["r002", "r003"]), ["r003"]);
        assert_eq!(after(LINE, &["r001"], Downgrade, &["r001"]), Vec::<String>::new());
        assert_eq!(after(DIAMOND, &["r004"], Downgrade, &["r004"]), ["r002", "r003"]);
        assert_eq!(after(DIAMOND, &["r002"], Upgrade, &["r003"]), ["r002", "r003"]);
        assert_eq!(after(BASES, &["a002"], Upgrade, &["b001", "b002"]), ["b002"]);
    }
}
