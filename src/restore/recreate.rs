//! Tables that are gone, with their indexes, constraints, foreign keys, sequences, defaults,
//! triggers, policies and grants: the archive's entries that belong to them, in one transaction.

use super::RestoreRequest;
use crate::hint::Refusal;
use crate::snapshot::manifest::KeptTable;
use crate::snapshot::store::Stored;
use crate::snapshot::{archive, list_file, toc, unwritable_list};

/// Brings the tables back, all or none.
pub async fn recreate(
    request: &RestoreRequest,
    stored: &Stored,
    tables: &[&KeptTable],
    missing_schemas: &[String],
) -> Result<(), Refusal> {
    let entries = archive::entries(stored, &request.tools).await?;
    let mut wanted = toc::schemas(&entries, missing_schemas);
    wanted.extend(toc::whole_tables(&entries, tables));
    let is_gone = |oid: u32| tables.iter().any(|table| table.oid == oid);
    let stayed = tables.iter().filter(|table| table.root.is_some_and(|root| !is_gone(root)));
    let stayed: Vec<&KeptTable> = stayed.copied().collect();
    let list = list_file(&toc::list_to_recreate(&entries, &wanted, &stayed))?;
    let environment =
        request.target.client_environment().map_err(|error| unwritable_list(&error))?;
    let invocation = request
        .tools
        .restore_into(&request.target)
        .environment(&environment.set, &environment.remove)
        .arg("--single-transaction")
        .arg("--exit-on-error")
        .arg(format!("--use-list={}", list.path().display()));
    // pg_restore commits when it has found what it wants, be the rest what it may.
    archive::refuse_damaged(stored).await?;
    archive::apply(stored, &invocation).await.map_err(|refusal| {
        refusal
            .hint("nothing of it was kept: it is one transaction")
            .hint("what else is missing comes back in a new database: --into NAME")
    })
}
