//! Where the missing rows still are, and the commands that bring them back.

use crate::aftermath::{Judged, WayBack, Whole};
use crate::snapshot::Manifest;

/// The way back for each table that misses rows, in the order of the tables.
pub fn back(tables: &[Judged], manifests: &[Manifest], whole: &Whole) -> Vec<WayBack> {
    let missing = tables.iter().filter(|table| table.misses());
    missing.map(|table| of(table, manifests, whole)).collect()
}

/// The newest snapshot that holds as many rows as there should be, or else the fullest that holds
/// more than there are.
fn of(table: &Judged, manifests: &[Manifest], whole: &Whole) -> WayBack {
    let name = &table.trace.name;
    let found = table.found().unwrap_or(0);
    let expected = table.expected.as_ref().map_or(1, |expected| expected.rows);
    let oid = table.trace.there.as_ref().map(|there| there.oid);
    let holding: Vec<(&Manifest, u64)> = manifests
        .iter()
        .filter_map(|manifest| {
            let tables = || manifest.tables.iter().filter(|kept| kept.holds_rows());
            let kept = tables()
                .find(|kept| !whole.is_another() && Some(kept.oid) == oid)
                .or_else(|| tables().find(|kept| kept.qualified() == *name))?;
            Some((manifest, kept.rows_kept()))
        })
        .filter(|(_, rows)| *rows > found)
        .collect();
    // They are listed newest first: of several that are as full, the first is the newest.
    let enough = holding.iter().find(|(_, rows)| *rows >= expected);
    let fullest =
        || holding.iter().reduce(|best, other| if other.1 > best.1 { other } else { best });
    let chosen = enough.or_else(fullest);
    let dead = table.trace.there.as_ref().filter(|there| there.deleted > 0);
    WayBack {
        table: name.clone(),
        snapshot: chosen
            .map(|(manifest, rows)| (manifest.id.clone(), *rows, manifest.created_at.as_second())),
        commands: chosen.map_or_else(Vec::new, |(manifest, _)| {
            let table = shell_words::quote(&name.to_string()).into_owned();
            if whole.is_missing() || whole.is_another() {
                // Rows of one database are not put into another without being looked at.
                return vec![whole_into(manifest)];
            }
            let id = &manifest.id;
            vec![
                format!("rowsafe diff {id} --table {table}"),
                format!("rowsafe restore {id} --table {table}"),
            ]
        }),
        dead: dead.map_or(0, |there| there.dead),
    }
}

/// The commands that bring back all of it, one a snapshot: rows that refer to each other come back
/// together only.
pub fn together(ways: &[WayBack]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for command in ways.iter().filter_map(|way| way.commands.last()) {
        let (restore, table) = command.split_once(TABLE).unwrap_or((command, ""));
        let starts = |known: &&mut String| known.split(TABLE).next() == Some(restore);
        match commands.iter_mut().find(starts) {
            Some(known) if !table.is_empty() => known.extend([TABLE, table]),
            Some(_) => {}
            None => commands.push(command.clone()),
        }
    }
    commands
}

const TABLE: &str = " --table ";

/// Everything of a snapshot into a database of its own.
pub fn whole_into(manifest: &Manifest) -> String {
    let name = format!("{}_before", manifest.database.name);
    let name = shell_words::quote(&name).into_owned();
    format!("rowsafe restore {} --into {name}", manifest.id)
}
