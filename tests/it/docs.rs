//! The documentation is true: generated pages are current, and what prose says exists.

use std::path::{Path, PathBuf};

use rowsafe::exit::Exit;
use rowsafe::report::reference;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a generated page; `UPDATE_DOCS=1` writes it.
fn check(name: &str, text: &str) {
    let path = root().join("docs/reference").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert!(
        path.exists() && read(&path) == text,
        "docs/reference/{name} is not what the program says; run: \
         UPDATE_DOCS=1 cargo test --test it docs"
    );
}

#[test]
fn generated_pages_are_current() {
    check("rules.md", &reference::rules());
    check("exit-codes.md", &reference::exit_codes());
    check("commands.md", &rowsafe::cli::reference::markdown());
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/guide", "docs/reference"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        pages.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    for page in pages() {
        let text = read(&page);
        for found in link.captures_iter(&text) {
            let target = page.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{}: {} leads nowhere", page.display(), &found[1]);
        }
    }
}

/// Commands and flags that the guide and README show are those of the program.
#[test]
fn every_flag_that_is_shown_exists() {
    let commands = rowsafe::cli::reference::markdown();
    let line = regex::Regex::new(
        r"(?m)^\s*(?:\$ )?rowsafe (doctor|run|check|restore|diff|incident|config|explain|init|snapshot)\b([^\n]*)",
    )
    .unwrap();
    let flag = regex::Regex::new(r"--[a-z][a-z-]+").unwrap();
    let mut seen = 0;
    for page in pages().iter().filter(|page| !page.ends_with("commands.md")) {
        for found in line.captures_iter(&read(page)) {
            // Behind ` -- ` stands the user's own command.
            let own = found[2].split(" -- ").next().unwrap_or_default();
            for name in flag.find_iter(own) {
                seen += 1;
                let is_known = commands.contains(name.as_str());
                assert!(is_known, "{}: {} does not exist", page.display(), name.as_str());
            }
        }
    }
    assert!(seen > 5, "the pages show hardly any flag");
}

#[test]
fn the_readme_names_every_exit_code() {
    let readme = read(&root().join("README.md"));
    for exit in Exit::ALL {
        assert!(readme.contains(&format!("`{}`", exit.code())), "README.md lacks {}", exit.code());
    }
}

/// The report's reference names every field that the program writes.
#[test]
fn the_report_reference_names_every_field() {
    let page = read(&root().join("docs/reference/report.md"));
    let model = read(&root().join("src/report/model.rs"));
    let field = regex::Regex::new(r"(?m)^    ([a-z_]+): ").unwrap();
    for found in field.captures_iter(model.split("impl<'a> Report").next().unwrap()) {
        assert!(page.contains(&format!("`{}`", &found[1])), "report.md lacks `{}`", &found[1]);
    }
}
