//! Python's `configparser` as Alembic uses it: strict, no inline comments, `%(name)s` expanded
//! only when an option is asked for.

use std::collections::BTreeMap;

const DEFAULT: &str = "DEFAULT";
/// `configparser.MAX_INTERPOLATION_DEPTH`.
const MAX_DEPTH: usize = 10;

/// A file that was read. It has no `Debug`: values may hold passwords.
pub(super) struct Ini {
    defaults: Options,
    sections: BTreeMap<String, Options>,
}

type Options = BTreeMap<String, Entry>;

struct Entry {
    value: String,
    line: usize,
}

/// Why the file, or one option of it, can't be read; never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) message: String,
}

impl Ini {
    /// Reads a file's text; `here` is its directory, which every section knows by that name.
    pub(super) fn parse(text: &str, here: &str) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut reader = Reader::new(here);
        for (index, line) in text.split('\n').enumerate() {
            reader.read(index + 1, line)?;
        }
        reader.finish()
    }

    /// Whether the section is in the file; `[DEFAULT]` is none.
    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// The option's value with its references resolved; the name is in lower case.
    pub(super) fn get(&self, section: &str, option: &str) -> Result<Option<String>, Problem> {
        let Some(entry) = self.find(section, option) else { return Ok(None) };
        let mut value = String::new();
        self.expand(section, &entry.value, &mut value, 1).map_err(|reason| Problem {
            line: entry.line,
            message: format!("the value of `{option}` {reason}"),
        })?;
        Ok(Some(value))
    }

    fn find(&self, section: &str, option: &str) -> Option<&Entry> {
        let own = match self.sections.get(section) {
            Some(options) => options.get(option),
            None if section == DEFAULT => None,
            None => return None,
        };
        own.or_else(|| self.defaults.get(option))
    }

    /// `BasicInterpolation._interpolate_some`.
    fn expand(
        &self,
        section: &str,
        mut rest: &str,
        result: &mut String,
        depth: usize,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("refers to options that refer to each other".to_owned());
        }
        while let Some(at) = rest.find('%') {
            result.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                result.push('%');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('(') {
                let reference = after.split_once(')').filter(|(name, _)| !name.is_empty());
                let reference =
                    reference.and_then(|(name, after)| Some((name, after.strip_prefix('s')?)));
                let (name, after) =
                    reference.ok_or("has a `%(` that is not of the form `%(x)s`")?;
                let name = name.to_lowercase();
                let entry = self
                    .find(section, &name)
                    .ok_or_else(|| format!("refers to `{name}`, which the file does not set"))?;
                // Python counts only values that refer further.
                if entry.value.contains('%') {
                    self.expand(section, &entry.value, result, depth + 1)?;
                } else {
                    result.push_str(&entry.value);
                }
                rest = after;
            } else {
                return Err("has a `%` that is not written `%%`".to_owned());
            }
        }
        result.push_str(rest);
        Ok(())
    }
}

/// The state of `RawConfigParser._read` between two lines.
struct Reader {
    sections: BTreeMap<String, BTreeMap<String, Written>>,
    section: Option<String>,
    option: Option<String>,
    indent: usize,
    problem: Option<Problem>,
}

/// An option's value, line by line.
struct Written {
    lines: Vec<String>,
    line: usize,
}

impl Reader {
    fn new(here: &str) -> Self {
        // Line 0: the file may set `here` once itself.
        let here = Written { lines: vec![here.to_owned()], line: 0 };
        let defaults = BTreeMap::from([("here".to_owned(), here)]);
        Self {
            sections: BTreeMap::from([(DEFAULT.to_owned(), defaults)]),
            section: None,
            option: None,
            indent: 0,
            problem: None,
        }
    }

    fn read(&mut self, number: usize, line: &str) -> Result<(), Problem> {
        let value = line.trim();
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            if let Some(written) = self.written() {
                written.lines.push(String::new());
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if indent > self.indent
            && let Some(written) = self.written()
        {
            written.lines.push(value.to_owned());
            return Ok(());
        }
        self.indent = indent;
        match header(value) {
            Some(name) => self.open(number, name),
            None => self.set(number, value),
        }
    }

    /// What a continuation line belongs to.
    fn written(&mut self) -> Option<&mut Written> {
        self.sections.get_mut(self.section.as_ref()?)?.get_mut(self.option.as_ref()?)
    }

    fn open(&mut self, line: usize, name: &str) -> Result<(), Problem> {
        if name != DEFAULT && self.sections.contains_key(name) {
            let message = format!("the section `[{name}]` is there twice");
            return Err(Problem { line, message });
        }
        self.sections.entry(name.to_owned()).or_default();
        self.section = Some(name.to_owned());
        self.option = None;
        Ok(())
    }

    fn set(&mut self, line: usize, text: &str) -> Result<(), Problem> {
        let Some(section) = &self.section else {
            let message = "the line stands before any `[section]`".to_owned();
            return Err(Problem { line, message });
        };
        let split = text.split_once(['=', ':']);
        let Some((name, value)) = split.filter(|(name, _)| !name.trim().is_empty()) else {
            // Python reads on and raises this at the end, unless something worse comes first.
            let message = "the line is neither `[section]` nor `option = value`".to_owned();
            self.problem.get_or_insert(Problem { line, message });
            return Ok(());
        };
        let name = name.trim_end().to_lowercase();
        let options = self.sections.get_mut(section).expect("an open section is in the map");
        if options.get(&name).is_some_and(|written| written.line > 0) {
            let message = format!("`{name}` is there twice in section `[{section}]`");
            return Err(Problem { line, message });
        }
        options.insert(name.clone(), Written { lines: vec![value.trim().to_owned()], line });
        self.option = Some(name);
        Ok(())
    }

    fn finish(self) -> Result<Ini, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let join = |written: Written| Entry {
            value: written.lines.join("\n").trim_end().to_owned(),
            line: written.line,
        };
        let mut sections: BTreeMap<String, Options> = self
            .sections
            .into_iter()
            .map(|(name, options)| {
                (name, options.into_iter().map(|(name, w)| (name, join(w))).collect())
            })
            .collect();
        let defaults = sections.remove(DEFAULT).unwrap_or_default();
        Ok(Ini { defaults, sections })
    }
}

/// The name in `[name]`; what follows the last bracket is ignored.
fn header(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('[')?;
    inner.rfind(']').filter(|end| *end > 0).map(|end| &inner[..end])
}

#[cfg(test)]
mod tests {
    use super::Ini;

    /// What Python 3.11 says of `ConfigParser({"here": "/h"})`: the value of `x` in `[alembic]`.
    const VALUES: &[(&str, Result<Option<&str>, ()>)] = &[
        ("[alembic]\nX = 1\n", Ok(Some("1"))),
        ("[alembic]\nx: a = b\n", Ok(Some("a = b"))),
        ("[alembic]\nx = a # b ; c\n", Ok(Some("a # b ; c"))),
        ("[alembic]\n# x = 0\n; x = 0\nx =\n", Ok(Some(""))),
        ("[alembic]\nx = a\n  b\n  # no\n\n  c\n\ny = 1", Ok(Some("a\nb\n\nc"))),
        ("[alembic]\nx =\n    a\n    b\n", Ok(Some("\na\nb"))),
        ("[alembic]\n  x = a\n  y = b\n", Ok(Some("a"))),
        ("[alembic]\n  x = a\n y = b\n   z = c\n", Ok(Some("a"))),
        ("[alembic]\nx = a\n [b]\n", Ok(Some("a\n[b]"))),
        ("[alembic]\r\nx = a\r\n", Ok(Some("a"))),
        ("[alembic] trailing\nx = a\n", Ok(Some("a"))),
        ("[alembic]\nx = %(here)s/m\n", Ok(Some("/h/m"))),
        ("[DEFAULT]\nhere = /other\n[alembic]\nx = %(here)s\n", Ok(Some("/other"))),
        ("[DEFAULT]\nx = d\n[alembic]\n", Ok(Some("d"))),
        ("[DEFAULT]\nx = d\n[other]\n", Ok(None)),
        ("[alembic]\nY = %%(z)s\nx = %(y)s-%(Y)s\n", Ok(Some("%(z)s-%(z)s"))),
        ("[alembic]\nx = %(x)s\n", Err(())),
        ("[alembic]\nx = %(nowhere)s\n", Err(())),
        ("[alembic]\nx = 100%\n", Err(())),
        ("[alembic]\nx = %(y\n", Err(())),
        ("[alembic]\nx = %(here)d\n", Err(())),
        ("[alembic]\nx = 1\nother = 100%\n", Ok(Some("1"))),
        ("x = 1\n", Err(())),
        ("[alembic]\nx = 1\nx = 2\n", Err(())),
        ("[alembic]\nx = 1\nX = 2\n", Err(())),
        ("[alembic]\nx = 1\n[alembic]\n", Err(())),
        ("[DEFAULT]\n[alembic]\nx = 1\n[DEFAULT]\ny = 1\n", Ok(Some("1"))),
        ("[alembic]\nx = 1\nnothing\n", Err(())),
        ("[alembic]\nx = 1\n= 2\n", Err(())),
        ("[alembic]\nx\n", Err(())),
        ("[]\nx = 1\n", Err(())),
        ("[a]b]\nx = 1\n", Ok(None)),
        ("", Ok(None)),
    ];

    #[test]
    fn values_are_those_of_python() {
        for (text, expected) in VALUES {
            let found = Ini::parse(text, "/h").and_then(|ini| ini.get("alembic", "x"));
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(|_| ()), *expected, "{text}");
        }
    }

    #[test]
    fn a_chain_of_ten_references_is_the_longest() {
        for (length, is_read) in [(9, true), (10, false)] {
            let mut text = "[alembic]\nx = %(o1)s\n".to_owned();
            for at in 1..length {
                text.push_str(
                    &["o", &at.to_string(), " = %(o", &(at + 1).to_string(), ")s\n"].concat(),
                );
            }
            text.push_str(&["o", &length.to_string(), " = %%\n"].concat());
            let found = Ini::parse(&text, "/h").and_then(|ini| ini.get("alembic", "x"));
            assert_eq!(found.is_ok(), is_read, "{length}");
        }
    }

    #[test]
    fn a_plain_value_ends_the_chain() {
        let mut text = "[alembic]\nx = %(o1)s\no10 = end\n".to_owned();
        for at in 1..10 {
            text.push_str(
                &["o", &at.to_string(), " = %(o", &(at + 1).to_string(), ")s\n"].concat(),
            );
        }
        let found = Ini::parse(&text, "/h").and_then(|ini| ini.get("alembic", "x"));
        assert_eq!(found, Ok(Some("end".to_owned())));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let ini = Ini::parse("\u{feff}[alembic]\nx = 1\n", "/h").map_err(|p| p.message);
        assert!(ini.is_ok_and(|ini| ini.has_section("alembic")));
    }

    #[test]
    fn problems_name_the_line_and_no_value() {
        let cases = [
            ("[a]\nx = 1\n\nX = secret\n", 4, "`x` is there twice in section `[a]`"),
            ("secret\n", 1, "the line stands before any `[section]`"),
            ("[a]\nsecret\n", 2, "the line is neither `[section]` nor `option = value`"),
            ("[a]\n[a]\n", 2, "the section `[a]` is there twice"),
            ("[a]\n\nx = secret%\n", 3, "the value of `x` has a `%` that is not written `%%`"),
            ("[a]\nx=%(B)s", 2, "the value of `x` refers to `b`, which the file does not set"),
        ];
        for (text, line, message) in cases {
            let found = Ini::parse(text, "/h").and_then(|ini| ini.get("a", "x"));
            let problem = found.expect_err(text);
            assert_eq!((problem.line, problem.message.as_str()), (line, message));
        }
    }
}
