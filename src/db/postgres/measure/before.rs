//! What the statements before one have changed: what is counted now is not what it will find.

use std::collections::BTreeSet;

use tokio_postgres::Error;

use super::Measuring;
use crate::effect::Effect;
use crate::effect::selection::Words;
use crate::effect::touches::{self, Touches};
use crate::sql::Statement;

/// The tables that earlier statements of the batch may have changed.
#[derive(Debug, Default)]
pub(super) struct Before {
    tables: BTreeSet<u32>,
    anything: bool,
    /// The names in statements that drop or alter something.
    altered: BTreeSet<String>,
}

impl Before {
    /// Whether no earlier statement may have removed what these names describe.
    pub(super) fn leaves(&self, names: &BTreeSet<String>) -> bool {
        // Words of the description, and of every ALTER.
        const WORDS: [&str; 9] =
            ["alter", "column", "constraint", "drop", "of", "on", "table", "type", "view"];
        let is_name = |name: &&String| !WORDS.contains(&name.as_str());
        !self.anything && !names.iter().filter(is_name).any(|name| self.altered.contains(name))
    }
}

impl Measuring<'_> {
    /// Takes note of a statement that later ones come after.
    pub fn pass(&mut self, statement: &Statement, effects: &[Effect]) {
        self.new_values.pass(statement, effects);
        if touches::alters(statement) {
            self.before.altered.extend(Words::of(&[&statement.text]).names);
        }
        match touches::of(statement, effects) {
            Touches::Nothing => {}
            Touches::Anything => self.before.anything = true,
            Touches::Tables(names) => {
                let tables = names.iter().flat_map(|name| self.tables(name)).collect::<Vec<_>>();
                self.before.tables.extend(tables);
            }
        }
    }

    /// Why a count over these tables is not what a statement finds when it runs.
    pub(super) async fn changed_before(&self, read: &[u32]) -> Result<Option<String>, Error> {
        if self.before.anything {
            return Ok(Some("a statement before it may change any table".to_owned()));
        }
        if self.before.tables.is_empty() {
            return Ok(None);
        }
        let named: Vec<u32> = self.before.tables.iter().copied().collect();
        let changed = self.closure(&named, true, Some(&["c", "n", "d"])).await?;
        if self.has_triggers(&changed).await? {
            return Ok(Some("statements before it fire triggers".to_owned()));
        }
        let read = self.closure(read, true, None).await?;
        let first = read.iter().find(|oid| changed.contains(oid));
        Ok(first.map(|oid| format!("statements before it change `{}`", self.name(*oid))))
    }

    async fn has_triggers(&self, tables: &[u32]) -> Result<bool, Error> {
        let sql = "
            SELECT EXISTS (SELECT FROM pg_trigger
                            WHERE tgrelid = ANY ($1) AND NOT tgisinternal AND tgenabled <> 'D')";
        Ok(self.client.query_one(sql, &[&tables]).await?.get(0))
    }
}
