//! The text of one pending revision or file, and how much of its effect it shows.

use crate::sql::Statement;

/// One pending revision or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where the text comes from, as it is shown to people.
    pub origin: Origin,
    /// The SQL. For Alembic it is what `--sql` rendered for this revision.
    pub text: String,
    /// How much of what will happen the text shows.
    pub knowledge: Knowledge,
    /// The migration file as it is written (Python for Alembic): its `# rowsafe: allow[…]`
    /// comments count for this script. `None` where `text` itself is the file.
    pub source: Option<String>,
    /// The statements, where the file is not SQL: read from `source` by the reader of its language,
    /// with their places in it. `None`: `text` is split.
    pub statements: Option<Vec<Statement>>,
}

impl Script {
    /// A script whose text is all there is to know.
    pub fn known(origin: Origin, text: String) -> Self {
        Self { origin, text, knowledge: Knowledge::Known, source: None, statements: None }
    }
}

/// Where a script comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The migration file, relative to the working directory where it lies below it.
    pub path: Option<String>,
    /// The revision it brings the database to (Alembic's revision id).
    pub revision: Option<String>,
    /// What to call it when it has neither: `--sql-command`, the command itself.
    pub label: String,
}

impl Origin {
    /// The name to show: the path, else the revision, else the label.
    pub fn name(&self) -> &str {
        self.path.as_deref().or(self.revision.as_deref()).unwrap_or(&self.label)
    }
}

/// How much of a revision's effect is known before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knowledge {
    /// The text is all that will be executed.
    Known,
    /// The text may be incomplete; each reason says why. None: statements that could not be read
    /// say it themselves.
    PartlyKnown(Vec<String>),
    /// Nothing could be read; the reason says why.
    Opaque(String),
}
