//! Reading our own source: the code without comments, literals and unit tests, and its paths.

use std::sync::LazyLock;

use regex::Regex;

/// `#[cfg(test)] mod name`, with more attributes in between, up to the semicolon or brace.
const TEST_MODULE: &str =
    r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*";

/// One file below `src/`.
pub struct Source {
    /// Its path from `src/`, such as `db/target.rs`.
    pub path: String,
    /// Its text with comments, literals and unit tests blanked out; lines keep their numbers.
    pub code: String,
    /// How many lines it has, with everything.
    pub lines: usize,
}

impl Source {
    /// A file of this text, for a test of the tests.
    pub fn new(path: &str, text: &str) -> Self {
        let code = without_unit_tests(&blanked(text));
        Self { path: path.to_owned(), code, lines: text.lines().count() }
    }

    /// Every file below `src/`; files of unit tests alone are only counted.
    pub fn all() -> Vec<Self> {
        let src = super::root().join("src");
        let mut found: Vec<Self> = super::sandbox::files(&src)
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| {
                let name = path.strip_prefix(&src).unwrap().display().to_string();
                Self::new(&name, &std::fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        let of_tests: Vec<String> = found.iter().flat_map(Self::test_modules).collect();
        for source in &mut found {
            let module = source.module().join("::");
            let is_test =
                |test: &String| module == *test || module.starts_with(&format!("{test}::"));
            // A file that `#[path]` names stands elsewhere; its name says what it is.
            if source.path.ends_with("tests.rs") || of_tests.iter().any(is_test) {
                source.code.clear();
            }
        }
        found
    }

    /// The modules that it declares for tests only, by their paths.
    fn test_modules(&self) -> Vec<String> {
        static DECLARED: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(&format!(r"{TEST_MODULE};")).unwrap());
        let declared = DECLARED.captures_iter(&self.code);
        declared
            .map(|found| {
                let mut parts = self.module();
                parts.push(found.get(1).expect("the pattern has a name").as_str());
                parts.join("::")
            })
            .collect()
    }

    /// Its module path: `["db", "target"]`; `mod.rs` is its directory.
    pub fn module(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&"mod" | &"lib" | &"main")) {
            parts.pop();
        }
        parts
    }

    /// The top-level module it belongs to; empty for `lib.rs` and `main.rs`.
    pub fn top(&self) -> &str {
        self.module().first().copied().unwrap_or_default()
    }

    /// Paths of this crate that it mentions, each as its parts after `crate`, with the line.
    pub fn own_paths(&self) -> Vec<(Vec<String>, usize)> {
        static ROOTS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"\b(crate|super(?:::super)*)::").unwrap());
        let mut found = Vec::new();
        for root in ROOTS.captures_iter(&self.code) {
            let whole = root.get(0).expect("the whole match");
            let line = self.line_of(whole.start());
            let module = self.module();
            let up = root[1].split("::").filter(|part| *part == "super").count();
            let base = if up == 0 { &[] } else { &module[..module.len().saturating_sub(up)] };
            for path in expand(&self.code[whole.end()..]) {
                let parts = base.iter().map(|part| (*part).to_owned()).chain(path);
                found.push((parts.collect(), line));
            }
        }
        found
    }

    /// Paths below a crate of another name, such as `std`, each with its parts and line.
    pub fn foreign_paths(&self, root: &str) -> Vec<(Vec<String>, usize)> {
        let start = Regex::new(&format!(r"(?:^|[^\w:]){root}::")).unwrap();
        let starts = start.find_iter(&self.code);
        starts
            .flat_map(|found| {
                let line = self.line_of(found.end());
                expand(&self.code[found.end()..]).into_iter().map(move |path| (path, line))
            })
            .collect()
    }

    /// The lines on which the pattern is found.
    pub fn lines_with(&self, pattern: &str) -> Vec<usize> {
        let pattern = Regex::new(pattern).unwrap();
        pattern.find_iter(&self.code).map(|found| self.line_of(found.end() - 1)).collect()
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
}

/// The paths of a `use` tree, or the one path, at the start of `text`.
fn expand(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return parts_of_group(group).into_iter().flat_map(expand).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        return Vec::new();
    }
    let (head, rest) = text.split_at(end);
    let Some(rest) = rest.strip_prefix("::") else { return vec![vec![head.to_owned()]] };
    let mut tails = expand(rest);
    if tails.is_empty() {
        // `a::*` and `a::<T>` are about `a` itself.
        tails.push(Vec::new());
    }
    tails.into_iter().map(|tail| std::iter::once(head.to_owned()).chain(tail).collect()).collect()
}

/// What stands between the commas of a group, whose opening brace is already behind.
fn parts_of_group(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (offset, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                parts.push(&text[start..offset]);
                break;
            }
            ',' if depth == 0 => {
                parts.push(&text[start..offset]);
                start = offset + 1;
            }
            _ => {}
        }
    }
    parts
}

/// Comments and the insides of literals become spaces.
fn blanked(text: &str) -> String {
    static SKIPPED: LazyLock<Regex> = LazyLock::new(|| {
        let comment = r"//[^\n]*|/\*(?s:.*?)\*/";
        // No raw literal of the source has more than two hashes.
        let raw = r###"\bb?r(?s:"[^"]*"|#".*?"#|##".*?"##)"###;
        let string = r#"b?"(?s:\\.|[^"\\])*""#;
        // Exactly one character, so that a lifetime is none.
        let character = r"b?'(?:\\(?:u\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])'";
        Regex::new(&format!("{raw}|{comment}|{string}|{character}")).unwrap()
    });
    SKIPPED
        .replace_all(text, |found: &regex::Captures<'_>| {
            found[0].chars().map(|c| if c == '\n' { c } else { ' ' }).collect::<String>()
        })
        .into_owned()
}

/// Inline modules under `#[cfg(test)]` become spaces; a declaration `mod tests;` stays, it is empty.
fn without_unit_tests(code: &str) -> String {
    static START: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod \w+ \{").unwrap());
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = START.find(rest) {
        kept.push_str(&rest[..start.start()]);
        let mut depth = 1;
        let end = rest[start.end()..].find(|c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let end = end.map_or(rest.len(), |end| start.end() + end + 1);
        let gone = &rest[start.start()..end];
        kept.extend(gone.chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    kept + rest
}
