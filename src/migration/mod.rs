//! Where pending SQL comes from.

pub mod alembic;
pub mod content;
pub mod files;
pub mod git;
pub mod modules;
pub mod order;
pub mod part;
pub mod psql;
pub mod psql_command;
pub mod tree;

use crate::script::{Knowledge, Origin, Script};

/// What is pending for a command that rowsafe can't ask: one script about which nothing is known.
pub fn unknown(command: &[String]) -> Script {
    let program = command.first().map_or("the command", String::as_str);
    Script {
        origin: Origin { label: shell_words::join(command), ..Origin::default() },
        text: String::new(),
        knowledge: Knowledge::Opaque(format!(
            "rowsafe cannot ask `{program}` for its SQL; name it with --sql or --sql-command"
        )),
        source: None,
        statements: None,
    }
}
