//! Pending SQL that the user names: files, or a command that prints it.

use std::path::Path;
use std::time::Duration;

use crate::child::Invocation;
use crate::child::capture::capture;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::migration::psql;
use crate::script::{Origin, Script};
use crate::secret::mask_urls;

/// Reads the files of `--sql`, in the order given, and those that they include.
pub fn read(paths: &[impl AsRef<Path>]) -> Result<Vec<Script>, Refusal> {
    let scripts: Result<Vec<Script>, Refusal> =
        paths.iter().map(|path| read_one(path.as_ref())).collect();
    scripts.map(psql::follow)
}

/// Runs the command of `--sql-command`; what it prints is the SQL.
pub async fn from_command(line: &str, deadline: Duration) -> Result<Script, Refusal> {
    // People put URLs with passwords into command lines.
    let shown = mask_urls(line);
    let refuse = |message: String| Refusal::new(Exit::NoAnswer, message);
    let words = shell_words::split(line).map_err(|error| {
        refuse(format!("read the command line of --sql-command `{shown}`")).because(error)
    })?;
    let invocation = Invocation::from_words(&words).ok_or_else(|| {
        refuse("--sql-command names no program".to_owned())
            .hint("give a command that prints the pending SQL, such as 'cat next.sql'")
    })?;
    let captured = capture(&invocation, deadline).await.map_err(|error| {
        refuse(format!("run the --sql-command `{shown}`: {error}"))
            .hint("words are split as a shell would, but no shell runs: for pipes use sh -c '…'")
            .because(error)
    })?;
    if !captured.status.success() {
        let mut refusal =
            refuse(format!("the --sql-command `{shown}` failed with {}", captured.status));
        let tail = tail(&captured.stderr);
        if !tail.is_empty() {
            refusal = refusal.hint(format!("it said: {tail}"));
        }
        return Err(refusal);
    }
    if captured.stdout.contains('\u{fffd}') {
        return Err(refuse(format!("what the --sql-command `{shown}` printed is not UTF-8")));
    }
    Ok(known(None, &shown, captured.stdout))
}

fn read_one(path: &Path) -> Result<Script, Refusal> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        Refusal::new(Exit::NoAnswer, format!("read the SQL file `{name}`: {error}"))
            .hint("--sql takes a path relative to the working directory")
            .because(error)
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Refusal::new(Exit::NoAnswer, format!("`{name}` is not UTF-8 (byte {at})"))
            .hint("convert it first, for example with iconv")
            .because(error)
    })?;
    let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
    Ok(known(Some(name.clone()), &name, text))
}

fn known(path: Option<String>, label: &str, text: String) -> Script {
    let origin = Origin { path, revision: None, label: label.to_owned() };
    Script::known(origin, text)
}

/// The last lines of what a failed command said, shortened.
fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(5)..].join("\n");
    let start = last.char_indices().rev().nth(1000).map_or(0, |(index, _)| index);
    last[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{from_command, read};
    use crate::exit::Exit;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn files_are_read_in_the_order_given() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["b.sql", "a.sql"].map(|name| directory.path().join(name));
        crate::text::write_atomically(&paths[0], "\u{feff}drop table b;".as_bytes()).unwrap();
        crate::text::write_atomically(&paths[1], b"\\echo c.sql\n").unwrap();
        let scripts = read(&paths).unwrap();
        let texts: Vec<&str> = scripts.iter().map(|script| script.text.as_str()).collect();
        assert_eq!(texts, ["drop table b;", "\\echo c.sql\n"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = read(&[directory.path().join("gone.sql")]).unwrap_err();
        assert!(error.to_string().contains("gone.sql"), "{error}");
        assert_eq!(error.exit(), Exit::NoAnswer);
        let path = directory.path().join("latin1.sql");
        crate::text::write_atomically(&path, b"-- caf\xe9").unwrap();
        assert!(read(&[path]).unwrap_err().to_string().contains("is not UTF-8 (byte 6)"));
        assert!(read(&[directory.path()]).is_err());
    }

    #[tokio::test]
    async fn a_command_prints_the_sql_or_says_why_not() {
        let script = from_command("printf 'drop table %s;' users", SOON).await.unwrap();
        assert_eq!(script.text, "drop table users;");
        let error = from_command("sh -c 'echo no such file >&2; exit 3'", SOON).await.unwrap_err();
        assert_eq!(error.hints(), ["it said: no such file"]);
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        for line in ["", "'unclosed", "no-such-program-anywhere"] {
            assert_eq!(from_command(line, SOON).await.unwrap_err().exit(), Exit::NoAnswer);
        }
        let late = from_command("sleep 5", Duration::from_millis(50)).await.unwrap_err();
        assert!(late.to_string().contains("did not end in time"), "{late}");
    }
}
