//! Scripts that include others come in pieces; what is told of them is told once.

use std::collections::HashSet;

use crate::finding::Finding;
use crate::record::{Record, ScriptSummary};

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
