//! Where the database is: which of its version tables belongs to this project, and what it says.

use super::command::Direction;
use super::graph::Graph;
use super::revisions::Revisions;
use crate::text::QualifiedName;

/// A table that could be Alembic's version table: its only column is a `version_num` of a
/// character type. Its name and schema are the project's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The table.
    pub table: QualifiedName,
    /// Its rows.
    pub rows: Vec<String>,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The current revisions; none when nothing was applied yet.
    ///
    /// When several tables disagree, these are chosen so that nothing pending for any is missed.
    pub heads: Vec<String>,
    /// The version tables that belong to this project.
    pub tables: Vec<QualifiedName>,
    /// Why it is not certain, a sentence each; empty when it is.
    pub doubts: Vec<String>,
}

/// Picks the version tables that fit the project's revisions.
///
/// Names prove nothing (a database may hold the tables of several projects), so a table fits when
/// every revision it holds is one of the project's. An empty one fits only when no other does.
pub fn choose(candidates: &[Candidate], revisions: &Revisions, direction: Direction) -> Current {
    let is_known = |row: &String| revisions.get(row).is_some();
    let fitting: Vec<&Candidate> =
        candidates.iter().filter(|c| !c.rows.is_empty() && c.rows.iter().all(is_known)).collect();
    let partly: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| c.rows.iter().any(is_known) && !c.rows.iter().all(is_known))
        .collect();
    let mut doubts: Vec<String> =
        partly.iter().map(|candidate| half_known(candidate, revisions)).collect();
    let chosen: Vec<&Candidate> = if fitting.is_empty() {
        doubts.extend(foreign(candidates, revisions, &partly));
        candidates.iter().filter(|candidate| candidate.rows.is_empty()).collect()
    } else {
        fitting
    };
    let tables = chosen.iter().map(|candidate| candidate.table.clone()).collect();
    let mut rows: Vec<Vec<String>> = chosen.iter().map(|candidate| sorted(candidate)).collect();
    rows.sort();
    rows.dedup();
    let heads = match rows.as_slice() {
        [] => Vec::new(),
        [only] => only.clone(),
        several => {
            doubts.push(disagreement(&chosen));
            // Without a trustworthy graph, starting below everything misses nothing of an upgrade.
            Graph::new(revisions).and_then(|graph| graph.common(several, direction)).unwrap_or_else(
                |problem| {
                    doubts.push(problem);
                    Vec::new()
                },
            )
        }
    };
    Current { heads, tables, doubts }
}

fn sorted(candidate: &Candidate) -> Vec<String> {
    let mut rows = candidate.rows.clone();
    rows.sort();
    rows.dedup();
    rows
}

fn half_known(candidate: &Candidate, revisions: &Revisions) -> String {
    let unknown: Vec<&str> = candidate
        .rows
        .iter()
        .map(String::as_str)
        .filter(|row| revisions.get(row).is_none())
        .collect();
    format!("version table `{}` holds {}, which no file has", candidate.table, unknown.join(", "))
}

/// Tables with rows of which none is known: another project's, or files are missing here.
fn foreign(
    candidates: &[Candidate],
    revisions: &Revisions,
    already_said: &[&Candidate],
) -> Vec<String> {
    candidates
        .iter()
        .filter(|c| !c.rows.is_empty() && !already_said.contains(c))
        .map(|candidate| half_known(candidate, revisions))
        .collect()
}

fn disagreement(chosen: &[&Candidate]) -> String {
    let tables: Vec<String> = chosen
        .iter()
        .map(|candidate| format!("`{}` is at {}", candidate.table, candidate.rows.join(" and ")))
        .collect();
    format!("several version tables fit and disagree: {}", tables.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::command::Direction;
    use super::{Candidate, Revisions, choose};
    use crate::text::QualifiedName;

    fn revisions() -> Revisions {
        let file = |id: &str, down: &str| {
            (PathBuf::from(id), format!("revision = '{id}'\ndown_revision = {down}\n"))
        };
        Revisions::from_files([file("a1", "None"), file("b2", "'a1'"), file("c3", "'b2'")])
    }

    fn table(schema: &str, name: &str, rows: &[&str]) -> Candidate {
        let rows = rows.iter().map(ToString::to_string).collect();
        Candidate { table: QualifiedName::new(schema, name), rows }
    }

    #[test]
    fn the_table_whose_rows_are_ours_wins_whatever_its_name() {
        let candidates = [
            table("public", "alembic_version", &["zz99"]),
            table("audit", "alembic_version_audit", &["b2"]),
            table("old", "alembic_version", &[]),
        ];
        let current = choose(&candidates, &revisions(), Direction::Upgrade);
        assert_eq!(current.heads, ["b2"]);
        assert_eq!(current.tables, [QualifiedName::new("audit", "alembic_version_audit")]);
        assert!(current.doubts.is_empty(), "{}", current.doubts.join("; "));
    }

    #[test]
    fn nothing_applied_yet_is_certain() {
        for candidates in [vec![], vec![table("public", "alembic_version", &[])]] {
            let current = choose(&candidates, &revisions(), Direction::Upgrade);
            assert!(current.heads.is_empty() && current.doubts.is_empty());
        }
    }

    #[test]
    fn revisions_without_a_file_are_a_doubt() {
        let candidates = [table("public", "alembic_version", &["zz99"])];
        let current = choose(&candidates, &revisions(), Direction::Upgrade);
        assert!(current.heads.is_empty());
        let doubts = current.doubts.join("; ");
        assert_eq!(doubts, "version table `public.alembic_version` holds zz99, which no file has");
        let candidates = [table("app", "v", &["zz99", "a1"])];
        let current = choose(&candidates, &revisions(), Direction::Upgrade);
        assert_eq!(current.doubts.len(), 1);
    }

    #[test]
    fn of_tables_that_disagree_nothing_pending_is_missed() {
        let candidates = [table("t1", "v", &["c3"]), table("t2", "v", &["a1"])];
        let up = choose(&candidates, &revisions(), Direction::Upgrade);
        assert_eq!((up.heads, up.doubts.len(), up.tables.len()), (vec!["a1".to_owned()], 1, 2));
        let down = choose(&candidates, &revisions(), Direction::Downgrade);
        assert_eq!(down.heads, ["c3"]);
        let same = [table("t1", "v", &["b2"]), table("t2", "v", &["b2"])];
        let current = choose(&same, &revisions(), Direction::Upgrade);
        assert_eq!((current.heads, current.doubts.len()), (vec!["b2".to_owned()], 0));
    }
}
