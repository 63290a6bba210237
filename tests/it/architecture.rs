//! The house keeps its shape: who may use whom, and which door leads outside.
//!
//! The layers are read from `src/lib.rs`; docs/ARCHITECTURE.md says why they are as they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::harness::root;
use crate::harness::source::Source;

/// The longest a file may be, its unit tests included.
const CEILING: usize = 600;

/// What a module of layer 2 may use of its own layer: from, to, why.
const NEIGHBORS: [(&str, &[&str], &str); 8] = [
    ("snapshot", &["db", "target"], "pg_dump goes where the inventory was taken"),
    ("snapshot", &["db", "connect"], "a restore writes through the same connection"),
    ("snapshot", &["db", "session"], "a restore writes through the same connection"),
    ("snapshot", &["child"], "pg_dump and pg_restore are programs"),
    ("driver", &["db", "target"], "a snapshot command goes where the inventory was taken"),
    ("driver", &["child"], "snapshot commands and pgBackRest are programs"),
    ("migration", &["child"], "the user's command renders its own SQL"),
    ("journal", &["child"], "it records how the command ended"),
];

/// What the pure core may not touch, by the first parts of a path.
const IMPURE: [&[&str]; 9] = [
    &["std", "fs"],
    &["std", "env"],
    &["std", "io"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "os"],
];

#[test]
fn modules_use_only_what_stands_below_them() {
    let layers = layers();
    let mut faults = Faults::default();
    for source in Source::all() {
        for (path, line) in source.own_paths() {
            if let Some(why) = objection(&layers, source.top(), &path) {
                faults.add(&source, line, &format!("crate::{}: {why}", path.join("::")));
            }
        }
    }
    faults.report("the layers (docs/ARCHITECTURE.md, Who may use whom)");
}

#[test]
fn every_module_has_a_layer() {
    let layers = layers();
    for source in Source::all() {
        let top = source.top();
        assert!(top.is_empty() || layers.contains_key(top), "{top} stands in no layer of lib.rs");
    }
}

#[test]
fn the_core_is_pure() {
    let layers = layers();
    let mut faults = Faults::default();
    for source in Source::all() {
        let Some(layer @ 0..=1) = layers.get(source.top()).copied() else { continue };
        for crate_name in ["serde", "serde_json", "tokio", "tokio_postgres", "jiff", "anyhow"] {
            for line in source.lines_with(&format!(r"\b{crate_name}::")) {
                faults.add(&source, line, &format!("uses {crate_name}"));
            }
        }
        // Layer 0 holds the few words about files that everyone needs (`text::write_atomically`).
        if layer == 1 {
            for (mut path, line) in source.foreign_paths("std") {
                path.insert(0, "std".to_owned());
                if IMPURE.iter().any(|impure| starts_with(&path, impure)) {
                    faults.add(&source, line, &format!("uses {}", path.join("::")));
                }
            }
        }
    }
    faults.report("invariant: layers 0 and 1 know no IO, clock, environment, runtime or format");
}

#[test]
fn each_door_has_one_place() {
    let doors = [
        (r"\be?print(ln)?!", &["ui/", "report/"][..], "only ui/ and report/ print"),
        (
            r"(^|[^.\w])std(out|err)\(\)",
            // `attended` asks whose terminal it is, and writes nothing.
            &["ui/", "report/", "child/attended.rs"],
            "only ui/ and report/ write to the standard streams",
        ),
        (r"\bprocess::exit\b", &[], "the process ends in main, with what it returns"),
        (
            r"\bExitCode::(from\(\s*\d|SUCCESS|FAILURE)",
            &["exit.rs"],
            "only exit.rs holds exit numbers",
        ),
        (r"\bsqlparser::", &["sql/", "effect/"], "only sql/ and effect/ see a parser's tree"),
        (r"\bsquawk_\w+::", &["sql/", "effect/"], "only sql/ and effect/ see a parser's tree"),
        (r"\bprocess::Command\b", &["child/"], "only child/ starts programs"),
    ];
    let mut faults = Faults::default();
    for source in Source::all() {
        for (pattern, homes, invariant) in doors {
            if !homes.iter().any(|home| source.path.starts_with(home)) {
                for line in source.lines_with(pattern) {
                    faults.add(&source, line, invariant);
                }
            }
        }
        for (path, line) in source.foreign_paths("std") {
            if path[0] == "env" && source.path != "config/env.rs" {
                faults.add(&source, line, "only config/env.rs reads the environment");
            }
        }
    }
    faults.report("invariants (docs/ARCHITECTURE.md)");
}

#[test]
fn files_fit_a_reader() {
    let mut faults = Faults::default();
    for source in Source::all() {
        if source.lines > CEILING {
            faults.add(&source, source.lines, &format!("longer than {CEILING} lines: split it"));
        }
    }
    faults.report("invariant: no file is longer than a person reads in one go");
}

#[test]
fn the_code_map_names_every_module() {
    let map = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (module, _) in layers() {
        let named = [format!("`{module}/`"), format!("`{module}.rs`"), format!("`{module}`")];
        assert!(
            named.iter().any(|name| map.contains(name)),
            "docs/ARCHITECTURE.md, Code map: say what `{module}` is for"
        );
    }
}

#[test]
fn the_check_sees_what_it_looks_for() {
    let layers = layers();
    let objections = |path: &str, text: &str| {
        let source = Source::new(path, text);
        let paths = source.own_paths().into_iter();
        paths.filter(|(path, _)| objection(&layers, source.top(), path).is_some()).count()
    };
    assert_eq!(
        objections("rules/mod.rs", "use crate::{exit::Exit, db::{self, target::Target}};"),
        2
    );
    assert_eq!(objections("rules/a.rs", "fn f() { super::super::run::run() }"), 1);
    assert_eq!(
        objections("rules/a.rs", "use super::text; // crate::db\nlet s = \"crate::db\";"),
        0
    );
    assert_eq!(objections("rules/a.rs", "#[cfg(test)]\nmod tests {\n use crate::db; {}\n}\n"), 0);
    assert_eq!(objections("rules/a.rs", "#[cfg(test)]\nmod tests;\nuse crate::db;"), 1);
    assert_eq!(objections("migration/a.rs", "use crate::db::target::Target;"), 1);
    assert_eq!(objections("snapshot/a.rs", "use crate::db::target::Target;"), 0);
    assert_eq!(objections("snapshot/a.rs", "use crate::db::inventory;"), 1);
    assert_eq!(objections("report/json.rs", "use crate::snapshot::Manifest;"), 1);
    let source = Source::new("sql/a.rs", "use std::{\n  fmt, env::{var},\n};\nlet c = '\"'; x();");
    assert_eq!(source.foreign_paths("std")[1], (vec!["env".to_owned(), "var".to_owned()], 1));
    assert_eq!(source.lines_with(r"\bx\("), [4]);
}

/// The layer of every top-level module, as `src/lib.rs` lists them.
fn layers() -> BTreeMap<String, u8> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut layer = None;
    let mut layers = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("// Layer ") {
            layer = rest.split(':').next().and_then(|number| number.parse().ok());
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            let layer = layer.unwrap_or_else(|| panic!("{line} stands in no layer"));
            layers.insert(name.trim_end_matches(';').to_owned(), layer);
        }
    }
    layers
}

/// Why the module `from` may not use the path, or `None`.
fn objection(layers: &BTreeMap<String, u8>, from: &str, path: &[String]) -> Option<String> {
    // `lib.rs` and `main.rs` name everything; a path to something else of the root is a macro.
    let (own, other) = (*layers.get(from)?, *layers.get(path.first()?)?);
    let to = &path[0];
    if from == to || from == "cli" {
        return None;
    }
    let fine = match (own, from) {
        (0 | 1, _) => other <= own,
        (2, _) => {
            other < 2
                || NEIGHBORS.iter().any(|(who, what, _)| *who == from && starts_with(path, what))
        }
        (3, _) => other <= 3,
        (4, _) => other <= 1 || other == 4 || to == "event" || to == "record",
        _ => other <= 1,
    };
    let why = match own {
        0 | 1 => "the core uses nothing above it",
        2 => "pieces of the outside world do not know each other",
        3 => "a story does not know how it is told",
        4 => "the telling sees the core's words, events and the record only",
        _ => "configuration resolves to the core's words only",
    };
    (!fine).then(|| format!("{from} (layer {own}) uses {to} (layer {other}): {why}"))
}

fn starts_with(path: &[String], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| one == other)
}

/// All faults of one kind, reported together.
#[derive(Default)]
struct Faults(String);

impl Faults {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        writeln!(self.0, "src/{}:{line}: {what}", source.path).expect("a string takes everything");
    }

    fn report(self, invariant: &str) {
        assert!(self.0.is_empty(), "{invariant}\n{}", self.0);
    }
}
