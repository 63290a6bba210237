//! What goes along when something is dropped that holds no rows itself.

use tokio_postgres::Error;

use super::{Along, Told};
use crate::db::postgres::measure::Measuring;
use crate::db::postgres::used;
use crate::effect::Effect;
use crate::finding::Finding;
use crate::loss::{Count, TableFate, TableLoss};
use crate::policy;
use crate::rules;
use crate::script::Script;
use crate::sql::Statement;
use crate::text::QualifiedName;

impl Along<'_> {
    /// The columns and tables that go along with a `DROP … CASCADE`, each measured; `None` where
    /// there is nothing of that name, and of other effects.
    pub async fn dragged(
        &self,
        measuring: &mut Measuring<'_>,
        (script, statement): (&Script, &Statement),
        effect: &Effect,
    ) -> Result<Option<Vec<Told>>, Error> {
        let Effect::DropUsed { what, name, arguments } = effect else { return Ok(None) };
        let path = measuring.names().search_path().to_vec();
        let (class, oids) =
            used::named(self.client, *what, name, arguments.as_deref(), &path).await?;
        if oids.is_empty() {
            return Ok(None);
        }
        let loss = measuring.dropped(class, &oids, true).await?;
        let used = format!("the {} `{}`", what.word().to_lowercase(), name.short());
        let mut told = Vec::new();
        for table in &loss.tables {
            let Some(of) = measuring.names().table_name(table.table).cloned() else { continue };
            for gone in self.gone(table.table, &of, &table.fate) {
                let finding = rules::dragged(script, statement, &gone, &used);
                let Some(mut finding) = finding else { continue };
                finding.loss = measuring.loss(&gone, None).await?;
                told.push((policy::weighed(finding), None));
            }
        }
        Ok(Some(told))
    }

    /// Adds the materialised views that show what was before: they become stale, and lose nothing.
    pub fn note_stale(&self, finding: &mut Finding) {
        let Some(loss) = &mut finding.loss else { return };
        let is_nothing = loss.rows == Count::default() && loss.values == Count::default();
        let stays = |table: &&TableLoss| {
            matches!(table.fate, TableFate::Rows { .. } | TableFate::Values { .. })
        };
        let touched = loss.tables.iter().filter(stays).map(|table| table.table);
        if !is_nothing {
            let shown = self.reactions.showing(touched);
            let stale = shown.iter().map(|name| format!("materialized view {name} becomes stale"));
            loss.through.extend(stale);
        }
    }

    /// The same as if the table, or each of its columns, were dropped by itself.
    fn gone(&self, oid: u32, table: &QualifiedName, fate: &TableFate) -> Vec<Effect> {
        match fate {
            TableFate::Columns(attnums) => {
                let columns =
                    attnums.iter().filter_map(|attnum| self.reactions.column(oid, *attnum));
                columns
                    .map(|column| Effect::DropColumn {
                        table: table.clone(),
                        column: column.to_owned(),
                        cascade: true,
                    })
                    .collect()
            }
            _ => vec![Effect::DropTable { table: table.clone(), cascade: true }],
        }
    }
}
