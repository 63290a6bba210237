//! The text of one migration file, or why nobody can read it as text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Larger files are not read: no migration is that long, and a dump of a database is none.
pub const LARGEST: u64 = 256 * 1024 * 1024;

/// A file's text; the error says why it can't be read, as it is shown in a finding.
pub type Content = Result<String, String>;

/// Reads a file.
pub fn of_file(path: &Path) -> Content {
    let explain = |error: &io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => "permission was denied".to_owned(),
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string().to_lowercase(),
    };
    let file = File::open(path).map_err(|error| explain(&error))?;
    let metadata = file.metadata().map_err(|error| explain(&error))?;
    if metadata.len() > LARGEST {
        return Err(too_large());
    }
    // A pipe does not say its length, and a file that is being written may grow.
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    of_reader(file, length).map_err(|error| explain(&error))?
}

/// Reads standard input.
pub fn of_stdin() -> Content {
    of_reader(io::stdin().lock(), 0).map_err(|error| error.to_string())?
}

fn of_reader(reader: impl Read, length: usize) -> io::Result<Content> {
    let mut bytes = Vec::with_capacity(length + 1);
    reader.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > LARGEST { Err(too_large()) } else { text(bytes) })
}

fn too_large() -> String {
    format!("it is larger than {} MiB", LARGEST / 1024 / 1024)
}

/// UTF-8 without NUL: the one is what PostgreSQL is sent, the other it never takes.
fn text(bytes: Vec<u8>) -> Content {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16; convert it to UTF-8, for example with iconv".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..at]).count() + 1;
        format!("it is not UTF-8 (line {line}); convert it, for example with iconv")
    })?;
    match memchr::memchr(0, text.as_bytes()) {
        Some(_) => Err("it holds NUL bytes, so it is binary or UTF-16".to_owned()),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{of_file, text};

    #[test]
    fn only_text_is_read_and_the_rest_says_why() {
        assert_eq!(text("é;".into()), Ok("é;".to_owned()));
        let why = |bytes: &[u8]| text(bytes.to_vec()).unwrap_err();
        assert!(why(b"a\n-- caf\xe9").starts_with("it is not UTF-8 (line 2)"));
        assert!(why(b"\xff\xfeD\0R\0").starts_with("it is UTF-16"));
        assert!(why(b"D\0R\0O\0P\0").starts_with("it holds NUL"));
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(of_file(directory.path()).unwrap_err(), "it is a folder");
        assert_eq!(of_file(&directory.path().join("x")).unwrap_err(), "it is not there");
    }
}
