//! One migration file into a script: the part that counts, its statements, what is known of it.

use std::path::{Path, PathBuf};

use super::select::{Kind, Migration};
use crate::effect::Effect;
use crate::migration::alembic::Direction;
use crate::migration::content::{self, Content};
use crate::migration::modules::ProjectModules;
use crate::migration::part::{self, Part, Way};
use crate::plan;
use crate::python;
use crate::record::ScriptSummary;
use crate::rules::ScriptReading;
use crate::script::{Knowledge, Origin, Script};

/// The script of a migration; `None` where the file holds nothing for this direction.
pub(super) fn script(
    migration: &Migration,
    roots: &[PathBuf],
    direction: Direction,
) -> Option<Script> {
    let way = part::way(&migration.found.path, Path::exists);
    if (direction, way) == (Direction::Upgrade, Way::Down)
        || (direction, way) == (Direction::Downgrade, Way::Up)
    {
        return None;
    }
    let origin = Origin {
        path: Some(migration.found.shown.clone()),
        revision: migration.revision.clone(),
        label: String::new(),
    };
    let source = match text(migration) {
        Ok(source) => source,
        Err(why) => {
            let unknown = Knowledge::Opaque(why);
            return Some(Script { knowledge: unknown, ..Script::known(origin, String::new()) });
        }
    };
    let modules = || ProjectModules::of(&migration.found.path, roots);
    let statements = match migration.kind {
        Kind::Sql => return of_sql(source, origin, direction, way),
        Kind::Revision => {
            let function = match direction {
                Direction::Upgrade => "upgrade",
                Direction::Downgrade => "downgrade",
            };
            python::read_alembic(&source, function, &modules()).statements
        }
        Kind::Python => python::read_any(&source, &modules()).statements,
    };
    Some(Script {
        statements: Some(statements),
        source: Some(source),
        ..Script::known(origin, String::new())
    })
}

fn text(migration: &Migration) -> Content {
    match (&migration.content, &migration.found.problem) {
        (Some(content), _) => content.clone(),
        (None, Some(problem)) => Err(problem.clone()),
        (None, None) => content::of_file(&migration.found.path),
    }
}

fn of_sql(text: String, origin: Origin, direction: Direction, way: Way) -> Option<Script> {
    match (direction, way, part::only(text, direction)) {
        // A file without a way down has nothing to say about it.
        (Direction::Downgrade, Way::Unsaid, Part::Whole(_)) => None,
        (_, _, Part::Marked(text) | Part::Whole(text)) => Some(Script::known(origin, text)),
    }
}

/// The script with how much of it is known: a statement that could not be read makes it
/// `partly-known`, and `opaque` where nothing else is in it.
pub(super) fn summary(reading: &ScriptReading<'_>) -> ScriptSummary {
    let mut summary = plan::summary(reading);
    let why = |effect: &Effect| match effect {
        Effect::Opaque { why } | Effect::DynamicSql { why } => Some(why.clone()),
        _ => None,
    };
    let is_unknown = |effects: &Vec<Effect>| effects.iter().any(|effect| why(effect).is_some());
    let n_unknown = reading.statements.iter().filter(|(_, effects)| is_unknown(effects)).count();
    if n_unknown == 0 {
        return summary;
    }
    summary.knowledge =
        if n_unknown == reading.statements.len() { "opaque" } else { "partly-known" };
    for (statement, effects) in &reading.statements {
        let line = statement.position.line;
        let reasons = effects.iter().filter_map(why).map(|why| format!("line {line}: {why}"));
        summary.reasons.extend(reasons);
    }
    summary
}
