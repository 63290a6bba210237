//! What takes snapshots, where that is not pg_dump.

use jiff::Timestamp;
use tokio_postgres::Client;

use super::kept::age;
use crate::db::postgres::{restore_point, server_message};
use crate::driver::pgbackrest;
use crate::inventory::Identity;
use crate::keep;
use crate::policy::{Driver, PgBackRest};
use crate::record::Check;
use crate::request::RunRequest;
use crate::text::number::seconds;

/// What the driver can do; `None` where it is pg_dump. For pgBackRest also when the backup ended
/// from which a restore would start.
pub async fn check(
    client: &Client,
    run: &RunRequest,
    identity: &Identity,
) -> Option<(Vec<Check>, Option<Timestamp>)> {
    match &run.driver {
        Driver::PgDump => None,
        Driver::Command(_) => Some((vec![command(run)], None)),
        Driver::PgBackRest(options) => Some(backups(client, options, identity).await),
    }
}

fn command(run: &RunRequest) -> Check {
    const NAME: &str = "snapshot-command";
    let Driver::Command(command) = &run.driver else {
        return Check::note(NAME, "no snapshot command is used");
    };
    if let Err(refusal) = keep::refuse_missing(&run.driver, &run.environment) {
        return Check::refused(NAME, &refusal);
    }
    let program = &command.create.words()[0];
    let said = format!("`{program}` takes snapshots, and holds them");
    if command.verify.is_none() {
        let message = format!("{said}; nothing says whether one is there");
        return Check::warning(NAME, message)
            .hint("name a command in [snapshot-command] `verify` that fails when it is not");
    }
    match command.restore {
        Some(_) => Check::ok(NAME, said),
        None => Check::warning(NAME, format!("{said}; how one is brought back is not known here"))
            .hint("write the command into [snapshot-command] `restore`; it is shown, never run"),
    }
}

async fn backups(
    client: &Client,
    options: &PgBackRest,
    identity: &Identity,
) -> (Vec<Check>, Option<Timestamp>) {
    let right = right(client, &identity.role).await;
    let health = match pgbackrest::health(options, identity.system_identifier).await {
        Ok(health) => health,
        Err(refusal) => return (vec![right, Check::refused("pgbackrest", &refusal)], None),
    };
    let (stanza, backup, old) = (&options.stanza, &health.backup, seconds(age(health.ended)));
    let said = format!("WAL is archived; backup {backup} of stanza `{stanza}` is {old} old");
    let is_old = options.rpo.is_some_and(|rpo| age(health.ended) > rpo);
    let check = match (keep::warnings(options, &health, Timestamp::now()).pop(), options.rpo) {
        (Some(warning), _) if is_old => Check::failed("pgbackrest", warning),
        (Some(warning), _) => Check::warning("pgbackrest", warning),
        (None, Some(rpo)) => Check::ok("pgbackrest", format!("{said}; rpo is {}", seconds(rpo))),
        (None, None) => Check::ok("pgbackrest", said),
    };
    (vec![right, check], Some(health.ended))
}

async fn right(client: &Client, role: &str) -> Check {
    const NAME: &str = "restore-point";
    match restore_point::is_allowed(client).await {
        Ok(true) => Check::ok(NAME, "the role may make restore points"),
        Ok(false) => Check::refused(NAME, &keep::without_right(role)),
        Err(error) => Check::failed(NAME, server_message(&error)),
    }
}
