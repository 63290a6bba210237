//! What goes along with deleted rows by foreign keys, table by table: semi-joins from the rows that
//! the statement's own WHERE selects, all in one query.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Error;

use super::Measuring;
use super::as_written::Written;
use super::keys::{Action, Key, oids, row_of};
use super::rows::number;
use crate::text::name::quote;

/// More tables than this are not followed.
const MOST_TABLES: usize = 60;

/// What hangs on the rows that a DELETE selects.
pub(super) struct Graph {
    /// The sets of rows that go, the statement's own first, each before those that hang on it.
    nodes: Vec<Node>,
    /// What refers to them.
    edges: Vec<Edge>,
}

/// Rows that go of one table and its partitions.
struct Node {
    table: u32,
    /// Where they are.
    places: BTreeSet<u32>,
    /// The columns that others refer to.
    columns: Vec<String>,
}

/// A foreign key from one set of rows to another.
struct Edge {
    key: Key,
    /// The set that it refers to.
    parent: usize,
    /// The set that it belongs to, where rows of its table go.
    child: Option<usize>,
    /// Where the rows are that it can refer to.
    referred: BTreeSet<u32>,
    /// Where the rows are that refer.
    referring: BTreeSet<u32>,
}

/// What a DELETE takes, counted.
#[derive(Default)]
pub(super) struct Taken {
    /// Rows of the statement's own table, by table.
    pub(super) own: BTreeMap<u32, u64>,
    /// Rows of other tables.
    pub(super) others: BTreeMap<u32, u64>,
    /// Rows that stay and lose the values of a key's columns: the key, the table, how many.
    pub(super) emptied: Vec<(Key, u32, u64)>,
    /// Rows that refuse the statement: the key, the table, how many.
    pub(super) refusing: Vec<(String, u32, u64)>,
}

impl Graph {
    /// Whether nothing refers to the rows.
    pub(super) const fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Every table in it.
    pub(super) fn tables(&self) -> Vec<u32> {
        let referring = self.edges.iter().flat_map(|edge| edge.referring.iter().copied());
        self.nodes.iter().flat_map(|node| node.places.iter().copied()).chain(referring).collect()
    }
}

impl Measuring<'_> {
    /// What hangs on the rows of these tables, which the statement's table holds; the reason where
    /// that can't be counted in one go.
    pub(super) async fn graph(
        &self,
        table: u32,
        places: BTreeSet<u32>,
    ) -> Result<Result<Graph, String>, Error> {
        let keys = self.keys().await?;
        let mut graph =
            Graph { nodes: vec![Node { table, places, columns: Vec::new() }], edges: Vec::new() };
        let mut at = 0;
        while at < graph.nodes.len() {
            for key in &keys {
                if let Err(why) = self.refer(&mut graph, at, key).await? {
                    return Ok(Err(why));
                }
            }
            if graph.nodes.len() > MOST_TABLES {
                return Ok(Err("too many tables hang on it".to_owned()));
            }
            at += 1;
        }
        let sorted = sorted(graph);
        Ok(sorted.ok_or_else(|| "tables that hang on it refer to each other".to_owned()))
    }

    /// Adds what a key says about the rows of a set.
    async fn refer(
        &self,
        graph: &mut Graph,
        parent: usize,
        key: &Key,
    ) -> Result<Result<(), String>, Error> {
        let referred = self.leaves(key.parent).await?;
        if referred.is_disjoint(&graph.nodes[parent].places) {
            return Ok(Ok(()));
        }
        if key.is_period {
            return Ok(Err(format!("`{}` compares periods", key.name)));
        }
        for column in &key.referred {
            let node = &mut graph.nodes[parent];
            let is_known = self.columns(node.table).any(|known| known == column);
            if !is_known {
                return Ok(Err(format!("`{}` refers to a table that inherits from it", key.name)));
            }
            if !node.columns.contains(column) {
                node.columns.push(column.clone());
            }
        }
        let root = self.root(key.child);
        let referring = self.leaves(key.child).await?;
        let known = graph.nodes.iter().position(|node| !node.places.is_disjoint(&referring));
        if let Some(known) = known
            && !referring.is_subset(&self.leaves(graph.nodes[known].table).await?)
        {
            return Ok(Err(format!("`{}` is a key of a part of a table", key.name)));
        }
        let child = if key.on_delete == Action::Cascade {
            if known.is_none() {
                let places = self.leaves(root).await?;
                graph.nodes.push(Node { table: root, places, columns: Vec::new() });
            }
            Some(known.unwrap_or(graph.nodes.len() - 1))
        } else {
            None
        };
        graph.edges.push(Edge { key: key.clone(), parent, child, referred, referring });
        Ok(Ok(()))
    }

    fn columns(&self, table: u32) -> impl Iterator<Item = &String> {
        let columns = self.listed(table).map(|listed| listed.table.columns.as_slice());
        columns.unwrap_or_default().iter().map(|column| &column.name)
    }

    /// Counts all of it; the reason where the query can't be run.
    pub(super) async fn follow_exactly(
        &self,
        graph: &Graph,
        written: &Written<'_>,
    ) -> Result<Result<Taken, String>, Error> {
        let Some(sql) = self.semi_joins(graph, written) else {
            return Ok(Err("a table that hangs on it is not there any more".to_owned()));
        };
        let rows = self.as_written(&sql, written).await?;
        Ok(rows.map(|rows| {
            let mut taken = graph.untouched();
            for row in rows {
                let (kind, at): (i32, i32) = (row.get(0), row.get(1));
                let (place, count): (u32, u64) = (row.get(2), number(row.get(3)));
                let edge = usize::try_from(at).ok().and_then(|at| graph.edges.get(at));
                match (kind, edge) {
                    (0, _) if at == 0 => drop(taken.own.insert(place, count)),
                    (0, _) => drop(taken.others.insert(place, count)),
                    (_, Some(edge)) if edge.key.on_delete == Action::Empty => {
                        taken.emptied.push((edge.key.clone(), place, count));
                    }
                    (_, Some(edge)) if !edge.key.is_deferrable => {
                        taken.refusing.push((edge.key.name.clone(), place, count));
                    }
                    _ => {}
                }
            }
            taken
        }))
    }

    /// One set of rows after another, and what is counted of them.
    fn semi_joins(&self, graph: &Graph, written: &Written<'_>) -> Option<String> {
        let (mut sets, mut counts) = (Vec::new(), Vec::new());
        for at in 0..graph.nodes.len() {
            sets.push(format!("rowsafe_{at} AS MATERIALIZED ({})", self.set(graph, at, written)?));
            counts.push(format!(
                "SELECT 0, {at}, place, pg_catalog.count(*) FROM rowsafe_{at} GROUP BY place"
            ));
        }
        for (at, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| edge.child.is_none()) {
            let nodes = graph.nodes.iter().enumerate();
            let going = nodes.filter(|(_, node)| !node.places.is_disjoint(&edge.referring));
            let stays: Vec<String> = going
                .map(|(at, _)| {
                    format!(
                        " AND NOT EXISTS (SELECT FROM rowsafe_{at} g \
                           WHERE g.place = x.tableoid AND g.tid = x.ctid)"
                    )
                })
                .collect();
            let stays = stays.concat();
            counts.push(format!(
                "SELECT 1, {at}, x.tableoid, pg_catalog.count(*) FROM {} x WHERE {}{stays} \
                  GROUP BY x.tableoid",
                self.from(edge.key.child)?,
                graph.refers(edge),
            ));
        }
        let with = written.parts.with;
        let start = if with.is_empty() { "WITH ".to_owned() } else { format!("{with}, ") };
        Some(format!("{start}{} {}", sets.join(", "), counts.join(" UNION ALL ")))
    }

    /// The rows of one table that go.
    fn set(&self, graph: &Graph, at: usize, written: &Written<'_>) -> Option<String> {
        let node = &graph.nodes[at];
        let own = written.parts.own;
        let select = |alias: &str| {
            let keys = node.columns.iter().enumerate();
            let keys: Vec<String> =
                keys.map(|(at, key)| format!(", {alias}.{} AS k{at}", quote(key))).collect();
            format!("SELECT {alias}.tableoid AS place, {alias}.ctid AS tid{}", keys.concat())
        };
        let incoming = || graph.edges.iter().filter(|edge| edge.child == Some(at));
        let first = if at == 0 {
            let selected = format!("{} {}", select(own), written.parts.from_where());
            // A row that finds several others goes once.
            match written.parts.others {
                Some(_) => format!("SELECT DISTINCT found.* FROM ({selected}) found"),
                None => selected,
            }
        } else {
            let conditions: Vec<String> = incoming()
                .filter(|edge| edge.parent != at)
                .map(|edge| format!("({})", graph.refers(edge)))
                .collect();
            format!(
                "{} FROM {} x WHERE {}",
                select("x"),
                self.from(node.table)?,
                conditions.join(" OR ")
            )
        };
        let own_edges: Vec<String> = incoming()
            .filter(|edge| edge.parent == at)
            .map(|edge| format!("({})", graph.refers_to(edge, "r")))
            .collect();
        if own_edges.is_empty() {
            return Some(first);
        }
        Some(format!(
            "WITH RECURSIVE r AS ({first} UNION {} FROM {} x JOIN r ON {}) SELECT * FROM r",
            select("x"),
            self.from(node.table)?,
            own_edges.join(" OR "),
        ))
    }
}

impl Graph {
    /// Every table that may be reached, with no row of it yet: rows may come until it runs.
    fn untouched(&self) -> Taken {
        let mut taken = Taken::default();
        for node in self.nodes.iter().skip(1) {
            taken.others.extend(node.places.iter().map(|place| (*place, 0)));
        }
        taken
    }

    /// Whether a row `x` refers to one of the set that the key refers to.
    fn refers(&self, edge: &Edge) -> String {
        let keys: Vec<String> =
            self.positions(edge).map(|position| format!("p.k{position}")).collect();
        format!(
            "{} IN (SELECT {} FROM rowsafe_{} p WHERE p.place = ANY ({})){}",
            row_of("x", &edge.key.columns),
            keys.join(", "),
            edge.parent,
            oids(&edge.referred),
            self.of_its_table(edge),
        )
    }

    /// Whether a row `x` refers to the row `alias` of the set that it belongs to itself.
    fn refers_to(&self, edge: &Edge, alias: &str) -> String {
        let keys: Vec<String> =
            self.positions(edge).map(|position| format!("{alias}.k{position}")).collect();
        format!(
            "{} = ({}) AND {alias}.place = ANY ({}){}",
            row_of("x", &edge.key.columns),
            keys.join(", "),
            oids(&edge.referred),
            self.of_its_table(edge),
        )
    }

    /// A key of one partition says nothing about the others.
    fn of_its_table(&self, edge: &Edge) -> String {
        let is_all = edge.child.is_none_or(|child| self.nodes[child].places == edge.referring);
        if is_all {
            String::new()
        } else {
            format!(" AND x.tableoid = ANY ({})", oids(&edge.referring))
        }
    }

    fn positions<'a>(&'a self, edge: &'a Edge) -> impl Iterator<Item = usize> + 'a {
        let columns = &self.nodes[edge.parent].columns;
        let position = |name| columns.iter().position(|column| column == name);
        edge.key.referred.iter().filter_map(position)
    }
}

/// The sets so that each stands behind those that it hangs on; `None` where two hang on each other.
fn sorted(graph: Graph) -> Option<Graph> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < graph.nodes.len() {
        let is_ready = |at: &usize| {
            let mut hangs_on = graph.edges.iter().filter(|edge| edge.child == Some(*at));
            !order.contains(at)
                && hangs_on.all(|edge| edge.parent == *at || order.contains(&edge.parent))
        };
        let next = (0..graph.nodes.len()).find(is_ready)?;
        order.push(next);
    }
    let place = |at: usize| order.iter().position(|known| *known == at);
    let Graph { nodes, mut edges } = graph;
    for edge in &mut edges {
        edge.parent = place(edge.parent)?;
        edge.child = match edge.child {
            Some(child) => Some(place(child)?),
            None => None,
        };
    }
    let mut nodes: Vec<(usize, Node)> = nodes.into_iter().enumerate().collect();
    nodes.sort_by_key(|(at, _)| place(*at));
    Some(Graph { nodes: nodes.into_iter().map(|(_, node)| node).collect(), edges })
}
