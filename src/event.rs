//! How the stories speak: events as they happen, to whoever observes. Nothing below prints.

use std::time::Duration;

use crate::record::{ChildOutcome, Kept, Reached, Record, RestorePlan, SwapPlan};

/// Something that happened, or is going on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The database was reached.
    Connected(&'a Reached),
    /// Something to know that is no finding.
    Warning(&'a str),
    /// A step began that may take long; it is told what is being done.
    Working(&'a str),
    /// The plan is made: revisions, scripts and findings are in the record.
    Planned(&'a Record),
    /// Rows are being counted.
    Counting {
        /// Tables counted.
        done: usize,
        /// Tables in all.
        total: usize,
    },
    /// Values are being compared.
    Comparing {
        /// Tables compared.
        done: usize,
        /// Tables to compare.
        total: usize,
    },
    /// Everything was counted.
    Counted {
        /// Tables.
        tables: usize,
        /// Rows.
        rows: u64,
        /// How long it took.
        took: Duration,
    },
    /// pg_dump is writing.
    Dumping {
        /// Tables begun.
        tables: u64,
        /// Tables in all.
        total: u64,
        /// Bytes that pg_dump wrote.
        read: u64,
        /// Bytes that it is thought to write in all.
        expected: u64,
        /// Bytes kept.
        written: u64,
    },
    /// The archive is being read back.
    Verifying {
        /// Bytes read.
        read: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The snapshot is kept and verified.
    Kept {
        /// What was kept.
        kept: &'a Kept,
        /// How long it took, verification included.
        took: Duration,
    },
    /// No snapshot is taken, because that was asked for.
    NotKept,
    /// The migration command starts; from here on the terminal is its own.
    Starting(&'a str),
    /// It was asked to stop; a second request stops the waiting.
    Interrupted {
        /// The signal's name.
        signal: &'a str,
        /// The command's program.
        program: &'a str,
    },
    /// The migration command ended.
    Ended(&'a ChildOutcome),
    /// Before and after were compared; the comparison is in the record.
    Compared(&'a Record),
    /// Rows of a snapshot are being brought beside those of now.
    Staging {
        /// Tables whose rows are there.
        done: usize,
        /// Tables in all.
        total: usize,
    },
    /// A restore is prepared; nothing is changed yet.
    Prepared(&'a RestorePlan),
    /// An exchange of databases is prepared; nothing is changed yet.
    Exchanging(&'a SwapPlan),
    /// Rows of a large table are being put back.
    Inserting {
        /// Rows so far.
        done: u64,
        /// Rows in all.
        total: u64,
    },
    /// Rows of a table were put back.
    Restoring {
        /// What is being put back.
        what: &'a str,
        /// Rows so far.
        rows: u64,
    },
}

/// Somebody who listens to a story.
pub trait Observer {
    /// Called for every event, in order.
    fn notice(&mut self, event: Event<'_>);

    /// Asks a person to type `name` to go on; `false` where nobody can be asked.
    fn confirm(&mut self, question: &str, name: &str) -> bool;
}
