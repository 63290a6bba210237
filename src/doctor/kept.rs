//! What is kept, how old it is, and whether there is room for more.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Client;

use super::DoctorRequest;
use crate::db::postgres::{relations, server_message};
use crate::inventory::Identity;
use crate::keep;
use crate::policy::SnapshotMode;
use crate::record::Check;
use crate::request::RunRequest;
use crate::snapshot::Manifest;
use crate::text::number::{bytes, plural, seconds};

/// Whether a snapshot of everything would find room.
pub async fn space(client: &Client, run: &RunRequest) -> Check {
    const NAME: &str = "space";
    let place = run.store.place();
    if run.keep == SnapshotMode::None {
        return Check::warning(NAME, "no snapshot is taken: snapshot is `none`");
    }
    let sizes = match relations::read(client).await {
        Ok(found) => relations::sizes(client, &found).await,
        Err(error) => Err(error),
    };
    let sizes = match sizes {
        Ok(sizes) => sizes,
        Err(error) => {
            let message =
                format!("how large the tables are is not known: {}", server_message(&error));
            return Check::warning(NAME, message);
        }
    };
    let needed = keep::space_for(sizes.values().sum(), run.min_free_space);
    let Some(free) = run.store.free_space() else {
        return Check::ok(NAME, format!("a snapshot needs ~{}, in `{place}`", bytes(needed)));
    };
    match free {
        Err(error) => Check::failed(NAME, format!("`{place}` can't be looked at: {error}")),
        Ok(free) if free < needed => Check::failed(
            NAME,
            format!("a snapshot needs ~{}, and `{place}` has {} free", bytes(needed), bytes(free)),
        )
        .hint("free some space, or point --store at another place"),
        Ok(free) => {
            let (needed, free) = (bytes(needed), bytes(free));
            Check::ok(NAME, format!("a snapshot needs ~{needed}, and `{place}` has {free} free"))
        }
    }
}

/// How old the last snapshot is that holds everything, and when it was taken.
pub async fn snapshot(request: &DoctorRequest, identity: &Identity) -> (Check, Option<Timestamp>) {
    const NAME: &str = "snapshot";
    let mut damaged = Vec::new();
    let store = &request.run.store;
    let stored = match store.list(|refusal| damaged.push(refusal.to_string())).await {
        Ok(stored) => stored,
        Err(refusal) => return (Check::refused(NAME, &refusal), None),
    };
    let is_of_this = |manifest: &&Manifest| manifest.database.is(identity);
    let known = match crate::snapshots::known_damaged(&request.run.journal) {
        Ok(known) => known,
        Err(refusal) => return (Check::refused(NAME, &refusal), None),
    };
    let (broken, stored): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|stored| known.contains(&stored.manifest.id));
    damaged.extend(broken.iter().map(|stored| {
        format!("snapshot {} is damaged: rowsafe snapshot verify says how", stored.manifest.id)
    }));
    let mut of_this = stored.iter().map(|stored| &stored.manifest).filter(is_of_this);
    // What holds only the tables that were at risk is no way back for all of it, and what there was
    // before a restore is no state that anybody wants back.
    let is_verified = |manifest: &Manifest| {
        manifest.elsewhere.as_ref().is_none_or(|elsewhere| elsewhere.is_verified())
    };
    let last = of_this.find(|manifest| manifest.is_whole_state() && is_verified(manifest));
    let mut check = match (last, request.rpo) {
        (Some(last), rpo) => aged(NAME, last, age(last.created_at), rpo),
        (None, Some(_)) => {
            Check::failed(NAME, "there is none of this database that holds everything")
                .hint("take one: rowsafe snapshot create; every day: rowsafe snapshot schedule")
        }
        (None, None) => Check::note(NAME, "there is none of this database that holds everything"),
    };
    check.hints.extend(damaged);
    (check, last.map(|manifest| manifest.created_at))
}

fn aged(name: &'static str, last: &Manifest, age: Duration, rpo: Option<Duration>) -> Check {
    let how = match &last.elsewhere {
        Some(elsewhere) => elsewhere.said(),
        None => format!("verified with {}", plural(last.verified.rows, "row")),
    };
    let said = format!("{} is {} old, {how}", last.id, seconds(age));
    match rpo {
        Some(rpo) if age > rpo => Check::failed(name, format!("{said}; rpo is {}", seconds(rpo)))
            .hint("take one: rowsafe snapshot create; every day: rowsafe snapshot schedule"),
        Some(rpo) => Check::ok(name, format!("{said}; rpo is {}", seconds(rpo))),
        None => Check::ok(name, said),
    }
}

pub(super) fn age(since: Timestamp) -> Duration {
    Timestamp::now().duration_since(since).try_into().unwrap_or_default()
}
