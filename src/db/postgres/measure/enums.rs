//! Values that are added to an enum and used before the transaction ends: PostgreSQL refuses that
//! (SQLSTATE 55P04), unless the type was made in the same transaction (17 and later).

use std::collections::BTreeSet;

use tokio_postgres::{Client, Error};

use super::Measuring;
use crate::db::postgres::catalog::Listed;
use crate::effect::Effect;
use crate::effect::demands::{self, NewValue};
use crate::effect::selection::Words;
use crate::script::Script;
use crate::sql::Statement;

/// The values that were added since the transaction began.
#[derive(Debug, Default)]
pub(super) struct NewValues {
    /// Every value of every enum, before the batch: type and value.
    known: BTreeSet<(String, String)>,
    is_in_transaction: bool,
    /// With the script that added it.
    added: Vec<(NewValue, usize)>,
    /// Types that were made since the transaction began.
    made: BTreeSet<String>,
    /// Values of those may be used at once.
    is_lenient: bool,
    script: usize,
}

impl Measuring<'_> {
    /// From here on the statements are those of this script. Alembic runs each revision in a
    /// transaction, and all of them in one unless it is told otherwise; a file has what it says.
    pub fn begin(&mut self, script: &Script) {
        self.printed = script.statements.is_some().then(|| script.text.clone());
        let is_revision = script.origin.revision.is_some();
        let values = &mut self.new_values;
        values.script += 1;
        if !is_revision {
            values.end();
        }
        values.is_in_transaction = is_revision;
    }
}

impl NewValues {
    /// What the enums hold now.
    pub(super) async fn of(client: &Client) -> Result<Self, Error> {
        let sql = "SELECT t.typname::text, e.enumlabel::text
                     FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid";
        let rows = client.query(sql, &[]).await?;
        let known = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let sql = "SELECT current_setting('server_version_num')::int4 >= 170000";
        let is_lenient = client.query_one(sql, &[]).await?.get(0);
        Ok(Self { known, is_lenient, ..Self::default() })
    }

    fn end(&mut self) {
        self.added.clear();
        self.made.clear();
    }

    /// Takes note of a statement that later ones come after.
    pub(super) fn pass(&mut self, statement: &Statement, effects: &[Effect]) {
        if let Some(opens) = demands::opens_transaction(&statement.text) {
            self.is_in_transaction = opens;
            if !opens {
                self.end();
            }
        }
        if !self.is_in_transaction {
            return;
        }
        for effect in effects {
            if let Effect::CreateType { name } = effect {
                self.made.insert(name.name.clone());
            }
        }
        if let Some(new) = demands::new_value(&statement.text) {
            let is_known = self.known.contains(&(new.name.name.clone(), new.value.clone()));
            let is_usable = self.is_lenient && self.made.contains(&new.name.name);
            if !is_known && !is_usable {
                self.added.push((new, self.script));
            }
        }
    }

    /// Why a statement fails that uses a value too early.
    pub(super) fn used_in(&self, statement: &Statement, listed: &[Listed]) -> Option<String> {
        if self.added.is_empty() || demands::new_value(&statement.text).is_some() {
            return None;
        }
        let strings = demands::strings(&statement.text);
        let words = Words::of(&[&statement.text]);
        let (new, script) = self.added.iter().find(|(new, _)| {
            strings.contains(&new.value) && means(&new.name.name, &words.names, listed)
        })?;
        let unless = if *script == self.script {
            ""
        } else {
            ", unless each revision has a transaction of its own"
        };
        Some(format!(
            "unsafe use of new value `{}` of enum type `{}`: it is added in the same transaction{unless}",
            new.value,
            new.name.short()
        ))
    }
}

/// Whether a statement of these words speaks of a type: by its name, or by a column of it.
fn means(type_name: &str, names: &BTreeSet<String>, listed: &[Listed]) -> bool {
    if names.contains(type_name) {
        return true;
    }
    let is_of_type = |known: &str| {
        let known = known.trim_end_matches("[]").rsplit('.').next().unwrap_or(known);
        known.trim_matches('"') == type_name
    };
    let mut tables = listed.iter().map(|listed| &listed.table);
    tables.any(|table| {
        names.contains(&table.name.name)
            && table.columns.iter().any(|column| {
                is_of_type(&column.type_name)
                    && (names.contains(&column.name) || names.contains("insert"))
            })
    })
}
