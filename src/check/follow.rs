//! Scripts that include others: what psql would read in their place is read in their place.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::finding::Finding;
use crate::migration::include::included;
use crate::migration::{content, tree};
use crate::record::{Record, ScriptSummary};
use crate::script::{Origin, Script};
use crate::sql::{self, Statement, StatementKind};

/// Files within files are followed this deep; what lies deeper stays a command nobody followed.
const DEEPEST: usize = 8;

/// The script in pieces, with the files that it includes between them. A command that can't be
/// followed stays where it is, and is a finding there.
pub(super) fn followed(script: Script, path: &Path, directory: &Path) -> Vec<Script> {
    if script.statements.is_some() || !script.text.contains("\\i") {
        return vec![script];
    }
    let mut pieces = Vec::new();
    follow(&script, &mut vec![path.to_owned()], directory, &mut pieces);
    pieces
}

fn follow(script: &Script, open: &mut Vec<PathBuf>, directory: &Path, pieces: &mut Vec<Script>) {
    let path = open.last().expect("the script itself is open").clone();
    let piece = |statements: Vec<Statement>| Script {
        statements: Some(statements),
        ..Script::known(script.origin.clone(), String::new())
    };
    let mut statements = Vec::new();
    for statement in sql::split(&script.text) {
        let file = match statement.kind {
            StatementKind::ClientCommand => included(&statement.text, &path, directory),
            _ => None,
        };
        let file = file.filter(|file| !open.contains(file) && open.len() < DEEPEST);
        match file.map(|file| (content::of_file(&file), file)) {
            Some((Ok(text), file)) => {
                pieces.push(piece(std::mem::take(&mut statements)));
                let shown = tree::of(&file, directory).shown;
                let origin = Origin { path: Some(shown), ..Origin::default() };
                open.push(file);
                follow(&Script::known(origin, text), open, directory, pieces);
                open.pop();
            }
            _ => statements.push(statement),
        }
    }
    pieces.push(piece(statements));
}

/// One summary for all the pieces of a script.
pub(super) fn joined(pieces: impl Iterator<Item = ScriptSummary>) -> Vec<ScriptSummary> {
    let mut whole: Vec<ScriptSummary> = Vec::new();
    for piece in pieces {
        let Some(known) = whole.iter_mut().find(|script| script.name == piece.name) else {
            whole.push(piece);
            continue;
        };
        if known.statements == 0 {
            known.knowledge = piece.knowledge;
        } else if piece.statements > 0 && known.knowledge != piece.knowledge {
            known.knowledge = "partly-known";
        }
        known.statements += piece.statements;
        known.reasons.extend(piece.reasons);
    }
    whole
}

/// What is read for itself and once more where another file includes it is told once.
pub(super) fn once(record: &mut Record) {
    let mut seen = HashSet::new();
    record.scripts.retain(|script| seen.insert(script.name.clone()));
    let mut seen = HashSet::new();
    let key = |it: &Finding| {
        let at = it.place.position.map(|at| (at.line, at.column));
        (it.place.path.clone(), at, it.rule, it.object.to_string(), it.message.clone())
    };
    record.findings.retain(|finding| finding.place.path.is_none() || seen.insert(key(finding)));
}
