//! After it was done: counted, and the foreign keys looked at.

use super::apply::Outcome;
use super::differ::Differ;
use super::prepare::Prepared;
use super::session::Session;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::text::number::plural;

/// Counts again; how many rows were put back.
pub async fn verify(
    session: &Session,
    prepared: &Prepared<'_>,
    outcome: &Outcome,
) -> Result<u64, Refusal> {
    for (unit, changed) in prepared.paired.units.iter().zip(&prepared.changes) {
        if changed.insert == 0 || unit.key.is_none() {
            continue;
        }
        let sql = format!(
            "SELECT count(*) FROM {} s WHERE why IS NULL AND {}",
            unit.staged,
            Differ::missing(unit)
        );
        let missing = session.numbers(&sql, "count what was put back").await?[0];
        let refused: u64 = outcome
            .cannot
            .iter()
            .filter(|(name, _)| name == unit.name())
            .map(|(_, cannot)| cannot.rows)
            .sum();
        if missing > refused {
            let what =
                format!("`{}` lacks {} of the snapshot", unit.name(), plural(missing, "row"));
            return Err(gone_again(what));
        }
    }
    for table in prepared.paired.gone.iter().filter(|table| table.holds_rows()) {
        let sql = format!("SELECT count(*) FROM ONLY {}", table.qualified().sql());
        let found = session.numbers(&sql, "count what was put back").await?[0];
        if found < table.rows {
            let (has, had) = (plural(found, "row"), plural(table.rows, "row"));
            return Err(gone_again(format!(
                "`{}` has {has} now and {had} in the snapshot",
                table.qualified()
            )));
        }
    }
    let inserted: u64 = outcome.done.iter().map(|done| done.inserted).sum();
    Ok(inserted + outcome.revived)
}

fn gone_again(what: String) -> Refusal {
    Refusal::new(Exit::Loss, what)
        .hint("somebody may be deleting from it at this moment; run the restore again")
}
