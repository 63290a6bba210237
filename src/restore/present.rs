//! The present state of what will be written to, kept before it is: a restore can be taken back.

use std::collections::BTreeSet;

use super::RestoreRequest;
use super::session::Session;
use crate::db::postgres::shape::Shape;
use crate::event::Observer;
use crate::hint::Refusal;
use crate::journal::RunJournal;
use crate::keep::{Taking, take};
use crate::plan::scope::{AtRisk, Scope};
use crate::policy::Driver;
use crate::record::Record;
use crate::request::{Jobs, TakeRequest};
use crate::snapshot::manifest;

/// Keeps the rows of these tables, partitions included; the record says which snapshot holds them.
pub async fn keep(
    request: &RestoreRequest,
    session: &Session,
    tables: &BTreeSet<u32>,
    shapes: &[Shape],
    journal: &RunJournal,
    observer: &mut dyn Observer,
    record: &mut Record,
) -> Result<(), Refusal> {
    let is_written = |shape: &Shape| {
        tables.contains(&shape.oid) || shape.root.is_some_and(|root| tables.contains(&root))
    };
    let (written, others): (Vec<&Shape>, Vec<&Shape>) =
        shapes.iter().partition(|shape| is_written(shape));
    let views = "SELECT oid FROM pg_class WHERE relkind = 'm'";
    let views = session.rows(views, "list the materialised views").await?;
    let views = views.iter().map(|row| row.get::<_, u32>(0));
    let scope = Scope::AtRisk(AtRisk {
        tables: written.iter().map(|shape| shape.oid).collect(),
        left_out: others.iter().map(|shape| shape.oid).chain(views).collect(),
        ..AtRisk::default()
    });
    let restored = record.snapshot.take();
    let command: Vec<String> = manifest::RESTORE.iter().map(|word| (*word).to_owned()).collect();
    let taking = Taking {
        request: TakeRequest {
            target: &request.target,
            command: &command,
            store: &request.store,
            min_free_space: request.min_free_space,
            tools: &request.tools,
            jobs: Jobs::ONE,
            counting: &request.counting,
            // A restore reads what pg_dump wrote, and so would the one that takes this one back.
            driver: &Driver::PgDump,
        },
        journal,
        observer,
        record,
    };
    let taken = take(taking, &scope).await;
    let kept = std::mem::replace(&mut record.snapshot, restored);
    taken?;
    if let Some(plan) = &mut record.restore {
        plan.present = kept;
    }
    Ok(())
}
