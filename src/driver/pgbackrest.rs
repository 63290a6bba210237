//! pgBackRest: whether its archive and its last backup are good, and whether a restore point is in
//! the archive.
//!
//! The point is as good as the WAL that holds it: until that segment is in a repository, a restore
//! to the point ends with an error. `check` makes the server close its segment and waits for that
//! one; afterwards the point's own segment is looked for by name, since an archive that is allowed
//! to drop WAL (`archive-push-queue-max`) may hold the later one without it.

use super::{Taken, ask, failed, info, line};
use crate::child::Invocation;
use crate::hint::Refusal;
use crate::policy::PgBackRest;

pub use super::info::Health;

/// Digits of a WAL segment's name by which pgBackRest groups them in directories.
const GROUP: usize = 16;

/// Checks that WAL is archived, and finds the backup to start from.
pub async fn health(options: &PgBackRest, system: Option<u64>) -> Result<Health, Refusal> {
    check(options).await?;
    let info = call(options, &["--output=json", "info"]).await?;
    info::health(&info, &options.stanza, system)
        .map_err(|why| failed(why).hint(format!("take a backup: {}", shown(options, &["backup"]))))
}

/// Makes the server archive the WAL it has written so far, and waits for it.
async fn check(options: &PgBackRest) -> Result<(), Refusal> {
    call(options, &["check"]).await.map(drop)
}

/// Waits until the segment with a restore point is in the archive, and says how to go back to it.
pub async fn archived(
    options: &PgBackRest,
    health: &Health,
    point: &str,
    segment: &str,
) -> Result<Taken, Refusal> {
    check(options).await?;
    let (Some(group), Some(timeline)) = (segment.get(..GROUP), timeline(segment)) else {
        return Err(failed(format!("`{segment}` is no name of a WAL segment")));
    };
    for (repository, archive) in &health.archives {
        let repository = format!("--repo={repository}");
        let directory = format!("archive/{}/{archive}/{group}", options.stanza);
        let filter = format!("--filter=^{segment}-");
        let found = call(options, &[&repository, &filter, "repo-ls", &directory]).await?;
        if found.lines().any(|name| name.starts_with(segment)) {
            return Ok(Taken {
                reference: point.to_owned(),
                restore: Some(way_back(options, health, point, timeline)),
                verified_at: Some(jiff::Timestamp::now()),
            });
        }
    }
    Err(failed(format!("the WAL with restore point {point} ({segment}) is not in the archive"))
        .hint("is `archive-push-queue-max` set, and was it reached? WAL is dropped then"))
}

/// The command that restores to the point. Without the backup's label pgBackRest would start from
/// the newest backup, which may be one from after the point; without the timeline it would follow
/// the newest one, which after a restore may have branched off before it.
fn way_back(options: &PgBackRest, health: &Health, point: &str, timeline: u32) -> String {
    let set = format!("--set={}", health.backup);
    let target = format!("--target={point}");
    let timeline = format!("--target-timeline={timeline}");
    let name = "--type=name";
    shown(options, &[name, &target, "--target-action=promote", &timeline, &set, "restore"])
}

/// The timeline of a segment: its first eight hexadecimal digits.
fn timeline(segment: &str) -> Option<u32> {
    u32::from_str_radix(segment.get(..8)?, 16).ok()
}

async fn call(options: &PgBackRest, args: &[&str]) -> Result<String, Refusal> {
    // What it logs for a person would stand in the middle of what it answers.
    let logging = ["--log-level-console=off", "--log-level-stderr=error"];
    let words = words(options, &[&logging, args].concat());
    let invocation = Invocation::from_words(&words)
        .ok_or_else(|| failed("the command line of pgbackrest is empty".to_owned()))?;
    ask(&invocation, options.timeout).await.map(|captured| captured.stdout)
}

fn words(options: &PgBackRest, args: &[&str]) -> Vec<String> {
    let mut words = options.command.clone();
    words.extend(options.config.as_ref().map(|config| format!("--config={config}")));
    words.push(format!("--stanza={}", options.stanza));
    words.extend(args.iter().map(|arg| (*arg).to_owned()));
    words
}

fn shown(options: &PgBackRest, args: &[&str]) -> String {
    line(&words(options, args))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Health, timeline, way_back};
    use crate::policy::PgBackRest;

    #[test]
    fn the_way_back_is_whole() {
        let options = PgBackRest {
            command: ["docker", "exec", "-i", "db", "pgbackrest"].map(str::to_owned).to_vec(),
            stanza: "shop".to_owned(),
            config: Some("/etc/my backrest.conf".to_owned()),
            timeout: Duration::ZERO,
            rpo: None,
        };
        let ended = jiff::Timestamp::UNIX_EPOCH;
        let backup = "20261121-195217F".to_owned();
        let health = Health { backup, ended, damaged: None, archives: Vec::new() };
        assert_eq!(timeline("0000001A0000000000000003"), Some(26));
        assert_eq!(
            way_back(&options, &health, "rowsafe-98ys4g17", 26),
            "docker exec -i db pgbackrest '--config=/etc/my backrest.conf' --stanza=shop \
             --type=name --target=rowsafe-98ys4g17 --target-action=promote --target-timeline=26 \
             --set=20261121-195217F restore"
        );
    }
}
