//! The pg_dump and pg_restore to use, and whether they fit the server.

use std::time::Duration;

use crate::child::Invocation;
use crate::child::capture::capture;
use crate::db::target::Target;
use crate::exit::Exit;
use crate::hint::Refusal;

/// How long a tool may take to say its version; `docker exec` on a busy host is slow.
const VERSION_DEADLINE: Duration = Duration::from_secs(30);

/// The words of the commands; more than one when they run somewhere else, such as
/// `docker exec -i db pg_dump`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// `pg_dump`.
    pub dump: Vec<String>,
    /// `pg_restore`.
    pub restore: Vec<String>,
}

/// A tool's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolVersion {
    /// As it says it: `pg_dump (PostgreSQL) 15.8`.
    pub text: String,
    /// The major version.
    pub major: u32,
}

impl Tools {
    /// The tools named; the pg_restore beside the pg_dump where only that was named.
    pub fn new(dump: Option<Vec<String>>, restore: Option<Vec<String>>) -> Self {
        let dump = dump.unwrap_or_else(|| vec!["pg_dump".to_owned()]);
        let restore = restore.unwrap_or_else(|| {
            dump.iter()
                .map(|word| match word.strip_suffix("pg_dump") {
                    Some(before) if before.is_empty() || before.ends_with('/') => {
                        format!("{before}pg_restore")
                    }
                    _ => word.clone(),
                })
                .collect()
        });
        Self { dump, restore }
    }

    /// The dump command with what it needs to reach `target`. Role and database are arguments,
    /// the rest is environment: `docker exec` hands no environment on, and inside the container
    /// the server is on the default socket anyway.
    pub fn dump_invocation(&self, target: &Target) -> Invocation {
        invocation(&self.dump)
            .arg(format!("--username={}", target.user))
            .arg(format!("--dbname={}", conninfo(&target.database)))
    }

    /// The restore command that writes into the target's database; role and database are
    /// arguments for the same reason.
    pub fn restore_into(&self, target: &Target) -> Invocation {
        invocation(&self.restore)
            .arg(format!("--username={}", target.user))
            .arg(format!("--dbname={}", conninfo(&target.database)))
    }

    /// The restore command without a database: it writes text.
    pub fn restore_invocation(&self) -> Invocation {
        invocation(&self.restore)
    }
}

fn invocation(words: &[String]) -> Invocation {
    let invocation = Invocation::from_words(words).expect("tool words are never empty");
    // Messages are shown and searched: they must not depend on the user's language.
    invocation.env("LC_MESSAGES", "C")
}

/// A database name as a connection string, so that a name with `=` or `://` stays a name
/// (PostgreSQL 34.1.1, Connection Strings).
pub fn conninfo(database: &str) -> String {
    let escaped = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!("dbname='{escaped}'")
}

/// Asks a tool for its version.
pub async fn version(words: &[String]) -> Result<ToolVersion, Refusal> {
    let command = shell_words::join(words);
    let asked = invocation(words).arg("--version");
    let captured = capture(&asked, VERSION_DEADLINE).await.map_err(|error| {
        let message = if error.kind() == std::io::ErrorKind::NotFound {
            format!("`{}` is not there", words[0])
        } else {
            format!("`{command} --version`: {error}")
        };
        Refusal::new(Exit::SnapshotFailed, message)
            .because(error)
            .hint(
                "install PostgreSQL's client programs (Debian: apt-get install postgresql-client)",
            )
            .hint(
                "or name another with --pg-dump, for example --pg-dump 'docker exec -i db pg_dump'",
            )
    })?;
    let text = captured.stdout.trim().to_owned();
    match major(&text) {
        Some(major) if captured.status.success() => Ok(ToolVersion { text, major }),
        _ => {
            let said = captured.stderr.trim().lines().last().unwrap_or("nothing").to_owned();
            Err(Refusal::new(
                Exit::SnapshotFailed,
                format!("`{command} --version` names no version: {said}"),
            )
            .hint("check the command given with --pg-dump"))
        }
    }
}

/// Refuses a pg_dump that is older than the server, which pg_dump would do itself, later.
pub fn refuse_older(tool: &ToolVersion, server_version: &str, num: u32) -> Result<(), Refusal> {
    if tool.major >= num / 10_000 {
        return Ok(());
    }
    Err(Refusal::new(
        Exit::SnapshotFailed,
        format!("`{}` is older than the server, which is PostgreSQL {server_version}", tool.text),
    )
    .hint(format!("install postgresql-client-{}", num / 10_000))
    .hint("or use the server's own: --pg-dump 'docker exec -i CONTAINER pg_dump'"))
}

/// `pg_dump (PostgreSQL) 15.8 (Debian 15.8-1)` is 15; `18beta1` is 18.
pub fn major(text: &str) -> Option<u32> {
    let after = text.split("(PostgreSQL)").nth(1).or_else(|| text.split_once(' ').map(|p| p.1))?;
    let digits: String = after.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Tools, conninfo, major};

    #[test]
    fn versions_are_read_from_what_the_tools_say() {
        assert_eq!(major("pg_dump (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)"), Some(15));
        assert_eq!(major("pg_dump (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("hello"), None);
    }

    #[test]
    fn pg_restore_stands_beside_pg_dump() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let tools = Tools::new(Some(words("docker exec -i db /usr/bin/pg_dump")), None);
        assert_eq!(tools.restore, words("docker exec -i db /usr/bin/pg_restore"));
        assert_eq!(Tools::new(None, None).restore, ["pg_restore"]);
    }

    #[test]
    fn a_database_name_stays_a_name() {
        assert_eq!(conninfo(r"a=b's\"), r"dbname='a=b\'s\\'");
    }
}
