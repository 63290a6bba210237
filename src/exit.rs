//! The exit codes, and the only place where their numbers stand.
//!
//! They are a contract: scripts branch on them, and the output format never changes them.

/// How a rowsafe command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to object to; or the run ended and every row is accounted for.
    Ok,
    /// Findings or policy say no; nothing was run.
    Blocked,
    /// rowsafe could not answer: usage, configuration, unreadable input.
    NoAnswer,
    /// The migration command itself failed, or did nothing while saying it had; no unplanned loss.
    CommandFailed,
    /// Unplanned loss was found and put back.
    LossRestored,
    /// Unplanned loss was found and not put back; the snapshot is named.
    Loss,
    /// The snapshot could not be taken or verified; nothing was run.
    SnapshotFailed,
    /// The database is unreachable, missing, or not the one on record; nothing was run.
    DatabaseUnavailable,
    /// Interrupted by SIGINT; the outcome was still compared and is printed.
    Interrupted,
    /// Interrupted by SIGTERM; the outcome was still compared and is printed.
    Terminated,
}

impl Exit {
    /// Every way to end, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Blocked,
        Self::NoAnswer,
        Self::CommandFailed,
        Self::LossRestored,
        Self::Loss,
        Self::SnapshotFailed,
        Self::DatabaseUnavailable,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number the process exits with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Blocked => 1,
            Self::NoAnswer => 2,
            Self::CommandFailed => 3,
            Self::LossRestored => 4,
            Self::Loss => 5,
            Self::SnapshotFailed => 6,
            Self::DatabaseUnavailable => 7,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// One sentence for the documentation.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "nothing to object to; or the run ended and every row is accounted for",
            Self::Blocked => "blocked: findings or policy say no; nothing was run",
            Self::NoAnswer => "rowsafe could not answer: usage, configuration, unreadable input",
            Self::CommandFailed => {
                "the migration command itself failed, or did nothing here although it said it had; no unplanned loss"
            }
            Self::LossRestored => "unplanned loss found and put back",
            Self::Loss => "unplanned loss found and not put back; the snapshot is named",
            Self::SnapshotFailed => "the snapshot could not be taken or verified; nothing was run",
            Self::DatabaseUnavailable => {
                "the database is unreachable, missing, or not the one on record; nothing was run"
            }
            Self::Interrupted => {
                "interrupted by SIGINT; the outcome was still compared and is printed"
            }
            Self::Terminated => {
                "interrupted by SIGTERM; the outcome was still compared and is printed"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn every_code_is_its_own() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130, 143]);
    }
}
