//! What `rowsafe init` writes: a new file with every setting as a comment, or two keys of a file
//! that is there, everything else in it as it was.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::exit::Exit;
use crate::hint::Refusal;

/// What `[check]` is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `paths`; empty: as it is.
    pub paths: Vec<String>,
    /// `baseline`; empty: as it is.
    pub baseline: Vec<String>,
}

/// A new `rowsafe.toml`: what is not wanted stands in it as a comment.
pub fn new(wanted: &Wanted) -> String {
    let line = |key: &str, values: &[String], example: &str| match values {
        [] => format!("# {key} = {example}\n"),
        values => format!("{key} = {}\n", list(values)),
    };
    let head = "\
# Settings of rowsafe. `rowsafe config` shows each with where it comes from.

# From which severity on a finding without agreement blocks: error, warning, never.
# fail-on = \"warning\"

# The database and where its snapshots are kept, for `rowsafe run`. Never a password here.
# database = \"postgresql://deploy@db.internal/prod\"
# store = \"/var/lib/rowsafe\"

[check]
# Where the migrations are; without it alembic.ini or [tool.alembic] says so.
";
    let middle = "\
# What has run everywhere: `rowsafe check` passes over it and all that comes before it.
";
    let tail = "
# An agreement that holds everywhere. Better ones stand in the migration itself:
#   -- rowsafe: allow[drop-column] users.legacy_id: superseded by external_id
# [[allow]]
# rule = \"drop-table\"
# object = \"scratch.*\"
# reason = \"scratch tables of the import job\"
";
    let paths = line("paths", &wanted.paths, "[\"migrations\"]");
    let baseline = line("baseline", &wanted.baseline, "\"3f9c1a\"");
    [head, &paths, middle, &baseline, tail].concat()
}

/// The text of a file with these keys set; comments and everything else stay.
pub fn set(path: &Path, text: &str, wanted: &Wanted) -> Result<String, Refusal> {
    let refuse = |why: &str| {
        Refusal::new(Exit::NoAnswer, format!("`{}` can't be added to: {why}", path.display()))
    };
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| refuse(error.message()))?;
    let is_pyproject = path.file_name().is_some_and(|name| name == "pyproject.toml");
    let mut root = document.as_item_mut();
    for key in ["tool", "rowsafe"].into_iter().filter(|_| is_pyproject) {
        root = entry(root, key).ok_or_else(|| refuse(&format!("`{key}` is no table")))?;
    }
    let check = entry(root, "check").ok_or_else(|| refuse("`check` is no table"))?;
    for (key, values) in [("paths", &wanted.paths), ("baseline", &wanted.baseline)] {
        if !values.is_empty() {
            check[key] = match values.as_slice() {
                [one] if key == "baseline" => value(one),
                values => value(values.iter().collect::<Array>()),
            };
        }
    }
    Ok(document.to_string())
}

/// The table of this name, made where it is missing.
fn entry<'a>(item: &'a mut Item, key: &str) -> Option<&'a mut Item> {
    let table = item.as_table_like_mut()?;
    let entry = table.entry(key).or_insert_with(|| Item::Table(Table::new()));
    entry.is_table_like().then_some(entry)
}

/// One baseline is written as a string; a list is a list.
fn list(values: &[String]) -> String {
    let quoted = |text: &String| value(text).to_string();
    match values {
        [one] => quoted(one),
        several => format!("[{}]", several.iter().map(quoted).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Wanted, new, set};
    use crate::config::file::parse;

    fn wanted(paths: &[&str], baseline: &[&str]) -> Wanted {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Wanted { paths: own(paths), baseline: own(baseline) }
    }

    #[test]
    fn a_new_file_is_one_that_is_read() {
        let path = Path::new("/p/rowsafe.toml");
        for (paths, baseline) in
            [(&[][..], &[][..]), (&["m"], &["3f9c1a"]), (&["a", "b"], &["x", "odd \"one\"\n"])]
        {
            let file = parse(path, &new(&wanted(paths, baseline))).unwrap().unwrap();
            let expected: Vec<_> = paths.iter().map(|name| Path::new("/p").join(name)).collect();
            assert_eq!(file.check.paths, expected);
            assert_eq!(file.check.baseline, baseline);
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let path = Path::new("rowsafe.toml");
        let set = |text: &str| set(path, text, &wanted(&[], &["b2"])).unwrap();
        for (before, after) in [
            ("", "[check]\nbaseline = \"b2\"\n"),
            ("# mine\njobs = 3 # few\n", "# mine\njobs = 3 # few\n\n[check]\nbaseline = \"b2\"\n"),
            (
                "[check] # here\nbaseline = \"a1\" # old\npaths = [\"m\"]\n\n[env]\nA = \"b\"\n",
                "[check] # here\nbaseline = \"b2\"\npaths = [\"m\"]\n\n[env]\nA = \"b\"\n",
            ),
            ("check = { paths = \"m\" }\n", "check = { paths = \"m\" , baseline = \"b2\" }\n"),
            (
                "check.paths = \"m\"\njobs = 1\n",
                "check.paths = \"m\"\ncheck.baseline = \"b2\"\njobs = 1\n",
            ),
        ] {
            assert_eq!(set(before), after);
        }
        let refusal = super::set(path, "check = 3\n", &wanted(&[], &["b2"])).unwrap_err();
        assert_eq!(refusal.to_string(), "`rowsafe.toml` can't be added to: `check` is no table");
    }

    #[test]
    fn in_pyproject_it_is_the_tools_own_table() {
        let before = "[project]\nname = \"x\"\n\n[tool.rowsafe]\njobs = 1\n\n[tool.other]\na = 1\n";
        let path = Path::new("/p/pyproject.toml");
        let after = set(path, before, &wanted(&["m"], &["b2", "c3"])).unwrap();
        assert!(
            after.starts_with("[project]\nname = \"x\"\n\n[tool.rowsafe]\njobs = 1\n"),
            "{after}"
        );
        assert!(after.contains("[tool.other]\na = 1\n"), "{after}");
        let file = parse(path, &after).unwrap().unwrap();
        assert_eq!(file.check.baseline, ["b2", "c3"]);
        assert_eq!(file.check.paths, [Path::new("/p/m")]);
        assert_eq!(file.jobs, Some(1));
    }
}
