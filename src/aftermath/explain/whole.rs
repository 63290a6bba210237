//! Explanations for the whole database: it is not there, or not the one that it was.

use super::{Case, Explanation, Likelihood};
use crate::aftermath::{Judged, Sameness};
use crate::text::number::plural;

impl Case<'_> {
    pub(super) fn of_the_whole(&self) -> Vec<Explanation> {
        let whole = self.whole;
        let mut found = Vec::new();
        match whole.sameness {
            Sameness::Same => {}
            Sameness::OtherServer => found.push(self.told(
                "new-data-directory",
                "the server came back on another data directory or volume, or another server \
                 answers at this address",
                Likelihood::Likely,
                &["a planned move or upgrade to another server looks the same"],
            )),
            Sameness::Recreated => found.push(self.told(
                "database-recreated",
                "the database was dropped and created again on the same server",
                Likelihood::Likely,
                &["a restore with --clean --create or a swap by rename looks the same"],
            )),
            Sameness::Older => found.push(self.told(
                "older-backup",
                "the server was put back to an older state, as from a backup or a snapshot of its \
                 disk",
                Likelihood::Likely,
                &[],
            )),
        }
        if whole.is_missing() && !whole.is_another() {
            found.extend(self.gone());
        }
        if !whole.is_missing() && !whole.is_another() && !whole.is_unreachable() {
            found.extend(self.bare());
        }
        found
    }

    /// The database is not there, and the server is the one on record or nothing is on record.
    fn gone(&self) -> Vec<Explanation> {
        let is_known = self.whole.recorded_at.is_some();
        let dropped = self.told(
            "database-dropped",
            "the database was dropped or renamed",
            if is_known { Likelihood::Likely } else { Likelihood::Possible },
            &[],
        );
        let volume = self.told(
            "new-data-directory",
            "the server's volume or data directory was removed or replaced, and it came up without \
             the database",
            if is_known { Likelihood::Unlikely } else { Likelihood::Possible },
            if is_known { &["the server is the one on record"] } else { &[] },
        );
        vec![dropped, volume]
    }

    /// No table holds a row, and nobody says that one ever did.
    fn bare(&self) -> Vec<Explanation> {
        let counting = || self.tables.iter().filter(|table| table.counts());
        if counting().any(|table| table.found() != Some(0) || table.misses()) {
            return Vec::new();
        }
        let anew = self.told(
            "database-made-anew",
            "the database was made anew: a new volume, or DROP DATABASE and CREATE DATABASE, and \
             migrations since",
            Likelihood::Possible,
            &["there is no record of rows that were here"],
        );
        let never = self.told(
            "never-here",
            "no row was ever here: a database that was only set up",
            Likelihood::Possible,
            &[],
        );
        vec![anew, never]
    }

    fn told(
        &self,
        kind: &'static str,
        what: &str,
        likelihood: Likelihood,
        against: &[&str],
    ) -> Explanation {
        let rows = self.tables.iter().map(Judged::missing).sum();
        let mut speaks_for = self.whole.differences.clone();
        if rows > 0 {
            speaks_for.push(format!("{} of the record are not here", plural(rows, "row")));
        }
        Explanation {
            kind,
            what: what.to_owned(),
            likelihood,
            tables: Vec::new(),
            rows,
            speaks_for,
            against: against.iter().map(|text| (*text).to_owned()).collect(),
        }
    }
}
