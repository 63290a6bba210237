//! What takes the snapshot, as the configuration says it: `driver`, `[snapshot-command]` and
//! `[pgbackrest]`.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::value::{Text, Words};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::policy::{Driver, DriverName, PgBackRest, SnapshotCommand, Template};
use crate::secret::mask_words;
use crate::text::number;

/// Every key of the `[snapshot-command]` table.
pub const COMMAND_KEYS: [&str; 4] = ["create", "verify", "restore", "timeout"];
/// Every key of the `[pgbackrest]` table.
pub const PGBACKREST_KEYS: [&str; 4] = ["stanza", "command", "config", "timeout"];

/// Services take their time over a snapshot; half an hour means that it waits for something.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(30);
/// Longer than pgBackRest itself waits for a segment to arrive (`archive-timeout`, a minute).
const PGBACKREST_TIMEOUT: Duration = Duration::from_mins(10);

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawCommand {
    pub create: Option<Spanned<Words>>,
    pub verify: Option<Spanned<Words>>,
    pub restore: Option<Spanned<Words>>,
    pub timeout: Option<Spanned<Text>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPgBackRest {
    pub stanza: Option<String>,
    pub command: Option<Words>,
    pub config: Option<String>,
    pub timeout: Option<Spanned<Text>>,
}

/// `[snapshot-command]` as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandTable {
    /// `create`
    pub create: Option<Template>,
    /// `verify`
    pub verify: Option<Template>,
    /// `restore`
    pub restore: Option<Template>,
    /// `timeout`
    pub timeout: Option<Duration>,
}

/// `[pgbackrest]` as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PgBackRestTable {
    /// `stanza`
    pub stanza: Option<String>,
    /// `command`, the words of a command line.
    pub command: Option<Vec<String>>,
    /// `config`: a path where pgBackRest runs, which need not be here.
    pub config: Option<String>,
    /// `timeout`
    pub timeout: Option<Duration>,
}

/// The driver of this name with what its table says; what it can't do without must be there.
pub(super) fn resolve(
    name: DriverName,
    command: CommandTable,
    pgbackrest: PgBackRestTable,
    rpo: Option<Duration>,
) -> Result<Driver, Refusal> {
    match name {
        DriverName::PgDump => Ok(Driver::PgDump),
        DriverName::Command => {
            let create = command.create.ok_or_else(|| {
                lacking("command", "snapshot-command", "create")
                    .hint("for example create = 'neonctl branches create --name rowsafe-{id}'")
            })?;
            Ok(Driver::Command(SnapshotCommand {
                create,
                verify: command.verify,
                restore: command.restore,
                timeout: command.timeout.unwrap_or(COMMAND_TIMEOUT),
            }))
        }
        DriverName::PgBackRest => {
            let stanza = pgbackrest.stanza.ok_or_else(|| {
                lacking("pgbackrest", "pgbackrest", "stanza")
                    .hint("its name is in pgbackrest.conf: a section that has pg1-path")
            })?;
            let pgbackrest_itself = || vec!["pgbackrest".to_owned()];
            Ok(Driver::PgBackRest(PgBackRest {
                stanza,
                command: pgbackrest.command.unwrap_or_else(pgbackrest_itself),
                config: pgbackrest.config,
                timeout: pgbackrest.timeout.unwrap_or(PGBACKREST_TIMEOUT),
                rpo,
            }))
        }
    }
}

fn lacking(driver: &str, table: &str, key: &str) -> Refusal {
    let message = format!("driver is `{driver}`, and [{table}] has no `{key}`");
    Refusal::new(Exit::NoAnswer, message)
}

/// `create …, verify …`, whatever of it is set.
pub(super) fn command_said(table: &CommandTable) -> String {
    let line = |words: &[String]| shell_words::join(mask_words(words));
    let template = |template: &Option<Template>| template.as_ref().map(|it| line(it.words()));
    said([
        ("create", template(&table.create)),
        ("verify", template(&table.verify)),
        ("restore", template(&table.restore)),
        ("timeout", table.timeout.map(number::seconds)),
    ])
}

/// `stanza …, command …`, whatever of it is set.
pub(super) fn pgbackrest_said(table: &PgBackRestTable) -> String {
    let line = |words: &Vec<String>| shell_words::join(mask_words(words));
    said([
        ("stanza", table.stanza.clone()),
        ("command", table.command.as_ref().map(line)),
        ("config", table.config.clone()),
        ("timeout", table.timeout.map(number::seconds)),
    ])
}

fn said<const N: usize>(parts: [(&str, Option<String>); N]) -> String {
    let parts = parts.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?)));
    parts.collect::<Vec<_>>().join(", ")
}
