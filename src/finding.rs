//! A rule applied to an effect: what is destroyed, how sure that is, and who agreed to it.

use std::fmt;

use crate::loss::Loss;
use crate::text::{Position, QualifiedName, glob};

/// One thing that a person should know before the migration runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule's stable id, such as `drop-column`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure that is.
    pub certainty: Certainty,
    /// What would be destroyed.
    pub object: Object,
    /// Where it says so.
    pub place: Place,
    /// The statement, as written.
    pub statement: String,
    /// The lines that say so; `None` where the place is not known to the character.
    pub snippet: Option<Snippet>,
    /// What it destroys on the live database, where that was measured.
    pub loss: Option<Loss>,
    /// One sentence: the fate of the rows.
    pub message: String,
    /// What to write or do instead, with the user's own names; may have several lines.
    pub instead: String,
    /// The agreement that covers it.
    pub allowance: Option<Allowance>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Named and counted, needs no agreement.
    Note,
    /// Data may be destroyed, depending on what is there.
    Warning,
    /// Data is destroyed, or nobody can tell.
    Error,
}

impl Severity {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It happens whenever the statement runs.
    Certain,
    /// It depends on the rows that are there.
    DependsOnData,
    /// Nobody can tell before it runs.
    Unknown,
}

impl Certainty {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::DependsOnData => "depends-on-data",
            Self::Unknown => "unknown",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What kind of thing.
    pub kind: ObjectKind,
    /// Its schema, where known.
    pub schema: Option<String>,
    /// Its table, for a column.
    pub table: Option<String>,
    /// Its own name; the reason's subject for `opaque` (a revision, a file, `command`).
    pub name: String,
}

/// The kinds of things findings are about; the words of the JSON contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// An ordinary, partitioned or foreign table, or a materialised view.
    Table,
    /// A column of a table.
    Column,
    /// A schema.
    Schema,
    /// A database.
    Database,
    /// A type or domain.
    Type,
    /// An attribute of a composite type.
    Attribute,
    /// An extension.
    Extension,
    /// A role.
    Role,
    /// A function or procedure.
    Function,
    /// A trigger or rule of a table, or an event trigger.
    Trigger,
    /// A large object.
    LargeObject,
    /// A revision, a file or a command that could not be read.
    Script,
}

impl ObjectKind {
    /// The word in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Schema => "schema",
            Self::Database => "database",
            Self::Type => "type",
            Self::Attribute => "attribute",
            Self::Extension => "extension",
            Self::Role => "role",
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::LargeObject => "large-object",
            Self::Script => "script",
        }
    }
}

impl Object {
    /// A table.
    pub fn table(name: &QualifiedName) -> Self {
        Self::named(ObjectKind::Table, name)
    }

    /// A column of a table.
    pub fn column(table: &QualifiedName, column: &str) -> Self {
        Self {
            kind: ObjectKind::Column,
            schema: table.schema.clone(),
            table: Some(table.name.clone()),
            name: column.to_owned(),
        }
    }

    /// Anything else that has a schema and a name.
    pub fn named(kind: ObjectKind, name: &QualifiedName) -> Self {
        Self { kind, schema: name.schema.clone(), table: None, name: name.name.clone() }
    }

    /// Anything else that has just a name.
    pub fn bare(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self { kind, schema: None, table: None, name: name.into() }
    }
}

impl fmt::Display for Object {
    /// As an allowance names it: `users.legacy_id`, `app.users`, `users`; `public` is left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = self.schema.as_deref().filter(|schema| *schema != "public") {
            write!(formatter, "{schema}.")?;
        }
        if let Some(table) = &self.table {
            write!(formatter, "{table}.")?;
        }
        formatter.write_str(&self.name)
    }
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The migration file.
    pub path: Option<String>,
    /// The position in that file, where it is known.
    pub position: Option<Position>,
    /// The revision.
    pub revision: Option<String>,
}

/// The lines of a migration file that a finding speaks of, the first of them at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The first lines of the statement.
    pub lines: Vec<SourceLine>,
    /// One past the statement's last character; its line may lie beyond those kept.
    pub end: Position,
}

/// A line of a migration file, or the part of a long one around the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// What stands in front of the statement.
    pub before: String,
    /// The statement's part of the line.
    pub marked: String,
    /// What stands behind the statement.
    pub after: String,
}

/// Somebody's recorded agreement to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The rule agreed to.
    pub rule: String,
    /// The object agreed to: a name, or a glob where the source may hold one.
    pub object: String,
    /// The most rows agreed to, from `rows<=500`.
    pub max_rows: Option<u64>,
    /// Why it is safe, in the person's words.
    pub reason: String,
    /// Where it was written.
    pub source: AllowanceSource,
    /// Where the statement starts that a comment stands at: it agrees to what starts in that line
    /// and to nothing else. `None` where
    /// it speaks of its whole file, or of the run.
    pub statement: Option<Position>,
}

/// Where an agreement was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowanceSource {
    /// A comment in a migration file: path and line.
    Comment(Place),
    /// `--allow` on the command line.
    CommandLine,
    /// `[[allow]]` in the configuration.
    Configuration,
    /// Typed at the prompt.
    Prompt,
}

/// A `rowsafe: allow[…]` comment as the splitter found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowComment {
    /// Where the comment is.
    pub position: Position,
    /// The agreement, or what is wrong with the comment.
    pub parsed: Result<AllowText, String>,
}

/// `rule`, object, bound and reason, from `allow[rule] object rows<=n: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowText {
    /// The rule agreed to.
    pub rule: String,
    /// The object agreed to.
    pub object: String,
    /// The most rows agreed to.
    pub max_rows: Option<u64>,
    /// Why it is safe.
    pub reason: String,
}

impl AllowText {
    /// The agreement, once it is known where it was written.
    pub fn into_allowance(self, source: AllowanceSource) -> Allowance {
        Allowance {
            rule: self.rule,
            object: self.object,
            max_rows: self.max_rows,
            reason: self.reason,
            source,
            statement: None,
        }
    }
}

/// Whether an allowance speaks of this finding; its bound on rows is for the caller, who has counted.
///
/// The object is named as [`Object`] shows it, with or without `public`, quoted or not. A `*` stands
/// for anything, but only where a person agrees to a whole run: in a migration file names are names.
/// A name that was written without a schema may be agreed to as it is written, or with `schema`, the
/// one that it means here; `public.users` is never an agreement to `app.users`.
pub fn allows(allowance: &Allowance, finding: &Finding, schema: Option<&str>) -> bool {
    if allowance.rule != finding.rule {
        return false;
    }
    let globs =
        matches!(allowance.source, AllowanceSource::CommandLine | AllowanceSource::Configuration);
    let wanted = allowance.object.replace('"', "");
    let matches = |shown: &str| if globs { glob::matches(&wanted, shown) } else { wanted == shown };
    let written = finding.object.to_string().replace('"', "");
    // Not by taking `public.` from what is wanted: `public.*` would become everything everywhere.
    let schema = finding.object.schema.as_deref().or(schema);
    let meant = match schema {
        None | Some("public") => format!("public.{written}"),
        Some(schema) if finding.object.schema.is_none() => format!("{schema}.{written}"),
        Some(_) => written.clone(),
    };
    matches(&written) || matches(&meant)
}

#[cfg(test)]
mod tests {
    use super::{Allowance, AllowanceSource, Certainty, Finding, Object, Place, Severity, allows};
    use crate::text::QualifiedName;

    fn finding(object: Object) -> Finding {
        Finding {
            rule: "drop-column",
            severity: Severity::Error,
            certainty: Certainty::Certain,
            object,
            place: Place::default(),
            statement: String::new(),
            snippet: None,
            loss: None,
            message: String::new(),
            instead: String::new(),
            allowance: None,
        }
    }

    fn allowance(object: &str, source: AllowanceSource) -> Allowance {
        let (rule, object) = ("drop-column".to_owned(), object.to_owned());
        Allowance {
            rule,
            object,
            max_rows: None,
            reason: "because".to_owned(),
            source,
            statement: None,
        }
    }

    fn check(object: &str, source: AllowanceSource, expect: bool) {
        let table = QualifiedName::new("public", "users");
        let finding = finding(Object::column(&table, "legacy_id"));
        let allowance = allowance(object, source);
        assert_eq!(allows(&allowance, &finding, None), expect, "{allowance:?}");
        let other = Finding { rule: "drop-table", ..finding };
        assert!(!allows(&allowance, &other, None));
    }

    #[test]
    fn objects_are_named_and_globs_only_from_outside() {
        for object in ["users.legacy_id", "public.users.legacy_id", "\"users\".\"legacy_id\""] {
            check(object, AllowanceSource::Comment(Place::default()), true);
        }
        for object in ["users", "legacy_id", "app.users.legacy_id", "*", "users.*"] {
            check(object, AllowanceSource::Comment(Place::default()), false);
        }
        for object in ["*", "users.*", "public.users.*", "*.legacy_*", "*s*_id"] {
            check(object, AllowanceSource::CommandLine, true);
        }
        for object in ["orders.*", "*.id", "users.legacy_id*x", "app.*"] {
            check(object, AllowanceSource::Configuration, false);
        }
    }

    #[test]
    fn a_bare_name_is_agreed_to_as_written_or_as_meant() {
        let finding = finding(Object::column(&QualifiedName::bare("users"), "legacy_id"));
        for (object, meant, expect) in [
            ("users.legacy_id", Some("app"), true),
            ("app.users.legacy_id", Some("app"), true),
            ("public.users.legacy_id", Some("app"), false),
            ("app.users.legacy_id", Some("public"), false),
            ("public.users.legacy_id", Some("public"), true),
            ("public.users.legacy_id", None, true),
        ] {
            let allowance = allowance(object, AllowanceSource::CommandLine);
            assert_eq!(allows(&allowance, &finding, meant), expect, "{object} {meant:?}");
        }
    }

    #[test]
    fn a_glob_for_public_is_no_glob_for_other_schemas() {
        let table = QualifiedName::new("app", "users");
        let finding = finding(Object::column(&table, "legacy_id"));
        for (object, expect) in [("public.*", false), ("app.*", true), ("*", true)] {
            let allowance = allowance(object, AllowanceSource::CommandLine);
            assert_eq!(allows(&allowance, &finding, None), expect, "{object}");
        }
    }
}
