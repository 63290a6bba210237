//! Losses that a person names for what can't be read: an opaque revision that drops a column shows
//! no finding, but the one who wrote it knows, and can agree to exactly that.

use tokio_postgres::Error;

use crate::db::postgres::measure::Measuring;
use crate::effect::{Effect, Reach};
use crate::finding::{Allowance, Certainty, Finding, Object, Place, Severity};
use crate::policy;
use crate::text::QualifiedName;

/// The finding that an allowance speaks of, measured; `None` when it names no single table or
/// column that is there.
pub async fn finding(
    allowance: &Allowance,
    measuring: &Measuring<'_>,
) -> Result<Option<Finding>, Error> {
    let Some((rule, effect, mut object)) = read(allowance) else { return Ok(None) };
    let schema = super::schema_of(&object, measuring);
    object.schema = object.schema.or(schema);
    let Some(loss) = measuring.loss(&effect, None).await?.filter(|loss| !loss.tables.is_empty())
    else {
        return Ok(None);
    };
    let finding = Finding {
        rule,
        severity: Severity::Error,
        certainty: Certainty::DependsOnData,
        message: format!("what could not be read may take `{object}`, as was said beforehand"),
        object,
        place: Place::default(),
        statement: String::new(),
        snippet: None,
        loss: Some(loss),
        instead: String::new(),
        allowance: Some(allowance.clone()),
    };
    Ok(Some(policy::weighed(finding)))
}

/// What an allowance names, as an effect. A glob names nothing.
fn read(allowance: &Allowance) -> Option<(&'static str, Effect, Object)> {
    if allowance.object.contains('*') {
        return None;
    }
    let parts: Vec<String> =
        allowance.object.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
    let table = |parts: &[String]| match parts {
        [name] => Some(QualifiedName::bare(name)),
        [schema, name] => Some(QualifiedName::new(schema, name)),
        _ => None,
    };
    if allowance.rule == "drop-column" {
        let (column, of) = parts.split_last()?;
        let table = table(of)?;
        let object = Object::column(&table, column);
        let effect = Effect::DropColumn { table, column: column.clone(), cascade: false };
        return Some(("drop-column", effect, object));
    }
    let table = table(&parts)?;
    let object = Object::table(&table);
    let (rule, effect) = match allowance.rule.as_str() {
        "drop-table" => ("drop-table", Effect::DropTable { table, cascade: false }),
        "truncate" => ("truncate", Effect::Truncate { table, only: false, cascade: false }),
        "delete-all" => {
            let reach = Reach::All { why: "as was said".to_owned() };
            ("delete-all", Effect::Delete { table, reach })
        }
        _ => return None,
    };
    Some((rule, effect, object))
}
