//! The files that are walked: the one that is read, and the helpers that it imports.

use std::collections::HashMap;
use std::rc::Rc;

use ruff_python_ast::{Stmt, StmtImport, StmtImportFrom};

use super::outside::is_foreign;
use super::parse;
use super::value::{Imported, Value};
use super::walk::Walker;

/// Helpers of helpers of helpers: more files are not opened.
const MOST_MODULES: usize = 60;
/// Imports within imports.
const DEEPEST: usize = 8;

/// A file, with what its names hold once it was walked.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub source: String,
    /// How it was imported: dots, and the name behind them.
    pub address: (u32, String),
    pub body: Vec<Rc<Stmt>>,
    pub names: HashMap<String, Value>,
    /// What it imports with a star.
    pub stars: Vec<Star>,
}

/// `from … import *`.
#[derive(Debug, Clone)]
pub(super) enum Star {
    Module(usize),
    External(String),
}

impl Walker<'_> {
    /// Walks the body of a module.
    pub(super) fn run_module(&mut self, index: usize) {
        let body = self.loaded[index].body.clone();
        self.push_frame(index, None);
        for statement in &body {
            self.block(std::slice::from_ref(statement.as_ref()));
        }
        if let Some(frame) = self.frames.pop() {
            self.loaded[index].names.extend(frame.names);
        }
    }

    /// The module of this address, walked; `None` where it is not a file of the project.
    fn load(&mut self, level: u32, name: &str) -> Option<usize> {
        let address = (level, name.to_owned());
        if let Some(known) = self.loaded.iter().skip(1).position(|m| m.address == address) {
            return Some(known + 1);
        }
        let n_open = self.frames.iter().filter(|frame| frame.definition.is_none()).count();
        if self.loaded.len() >= MOST_MODULES || n_open >= DEEPEST {
            return None;
        }
        let source = self.modules.source(level, name)?;
        let body = parse::module(&source).ok()?.into_iter().map(Rc::new).collect();
        let index = self.loaded.len();
        self.loaded.push(Module { source, address, body, ..Module::default() });
        let was_silent = std::mem::replace(&mut self.is_silent, true);
        self.run_module(index);
        self.is_silent = was_silent;
        Some(index)
    }

    /// The addresses that an import in the current module may mean, best first.
    fn addresses(&self, level: u32, name: &str) -> Vec<(u32, String)> {
        let (own_level, own_name) = &self.loaded[self.module()].address;
        if level == 0 || (*own_level == 0 && own_name.is_empty()) {
            return vec![(level, name.to_owned())];
        }
        // A helper's own relative import: from its package, or from itself where it is one.
        let parts: Vec<&str> = own_name.split('.').filter(|part| !part.is_empty()).collect();
        let dots = level as usize;
        [dots, dots - 1]
            .into_iter()
            .filter(|up| *up <= parts.len())
            .map(|up| {
                let mut path = parts[..parts.len() - up].to_vec();
                path.extend(name.split('.').filter(|part| !part.is_empty()));
                (*own_level, path.join("."))
            })
            .collect()
    }

    pub(super) fn import(&mut self, it: &StmtImport) {
        for alias in &it.names {
            let path = alias.name.as_str();
            // `import a.b` brings in `a`; `import a.b as c` brings in `a.b`.
            let first = path.split('.').next().unwrap_or(path);
            let (name, path) =
                alias.asname.as_ref().map_or((first, first), |name| (name.as_str(), path));
            self.frame().names.insert(name.to_owned(), Value::External(path.into()));
        }
    }

    pub(super) fn import_from(&mut self, it: &StmtImportFrom) {
        let module = it.module.as_ref().map_or("", |module| module.as_str());
        let addresses = self.addresses(it.level, module);
        let is_foreign = it.level == 0 && is_known_package(module);
        for alias in &it.names {
            let wanted = alias.name.as_str();
            let name = alias.asname.as_ref().map_or(wanted, |name| name.as_str()).to_owned();
            let path = external_path(it.level, module);
            if wanted == "*" {
                let found = if is_foreign { None } else { self.member(&addresses, wanted) };
                let star = match found {
                    Some(Value::Int(index)) => {
                        Star::Module(usize::try_from(index).unwrap_or_default())
                    }
                    _ => Star::External(path),
                };
                let own = self.module();
                self.loaded[own].stars.push(star);
                continue;
            }
            let path = format!("{path}.{wanted}");
            let value = if is_foreign {
                Value::External(path.into())
            } else {
                let addresses = addresses.clone();
                Value::Imported(Rc::new(Imported { addresses, name: wanted.to_owned(), path }))
            };
            self.frame().names.insert(name, value);
        }
    }

    /// A name of a module of the project; for `*` the number of the module.
    fn member(&mut self, addresses: &[(u32, String)], wanted: &str) -> Option<Value> {
        for (level, name) in addresses {
            if !(name.is_empty() && wanted != "*")
                && let Some(index) = self.load(*level, name)
            {
                if wanted == "*" {
                    return Some(Value::Int(i64::try_from(index).unwrap_or_default()));
                }
                if let Some(value) = self.member_of(index, wanted) {
                    return Some(value);
                }
            }
            let submodule =
                if name.is_empty() { wanted.to_owned() } else { format!("{name}.{wanted}") };
            if wanted != "*"
                && let Some(index) = self.load(*level, &submodule)
            {
                let path = format!("module {index}");
                return Some(Value::External(path.into()));
            }
        }
        None
    }

    pub(super) fn member_of(&mut self, index: usize, wanted: &str) -> Option<Value> {
        if let Some(value) = self.loaded.get(index)?.names.get(wanted).cloned() {
            return Some(self.arrived(value));
        }
        let open = self.frames.iter().find(|f| f.module == index && f.definition.is_none());
        if let Some(value) = open.and_then(|frame| frame.names.get(wanted)).cloned() {
            return Some(self.arrived(value));
        }
        let stars = self.loaded[index].stars.clone();
        stars.iter().find_map(|star| match star {
            Star::Module(star) if *star > index => self.member_of(*star, wanted),
            _ => None,
        })
    }

    /// `importlib.import_module("…")`.
    pub(super) fn imported_by_name(&mut self, name: &str) -> Option<Value> {
        let index = self.load(0, name)?;
        Some(Value::External(format!("module {index}").into()))
    }

    /// `package.name` behind `import package`: from the project where it is there.
    pub(super) fn below(&mut self, package: &str, name: &str) -> Value {
        let path = format!("{package}.{name}");
        if package.starts_with('.') || !is_foreign(package) {
            return Value::External(path.into());
        }
        let addresses = vec![(0, package.to_owned())];
        self.arrived(Value::Imported(Rc::new(Imported { addresses, name: name.to_owned(), path })))
    }

    /// The value itself, where it is still only named by an import.
    pub(super) fn arrived(&mut self, value: Value) -> Value {
        let Value::Imported(it) = &value else { return value };
        if let Some(known) = self.imports.get(&it.path) {
            return known.clone();
        }
        // An import that leads back to itself ends here.
        let outside = Value::External(it.path.as_str().into());
        self.imports.insert(it.path.clone(), outside.clone());
        let found = self.member(&it.addresses, &it.name).unwrap_or(outside);
        self.imports.insert(it.path.clone(), found.clone());
        found
    }

    /// A name that some `import *` brought in.
    pub(super) fn starred(&mut self, name: &str) -> Option<Value> {
        let stars = self.loaded[self.module()].stars.clone();
        let own = stars.iter().find_map(|star| match star {
            Star::Module(index) => self.member_of(*index, name),
            Star::External(_) => None,
        });
        own.or_else(|| {
            stars.iter().find_map(|star| match star {
                Star::External(path) => Some(Value::External(format!("{path}.{name}").into())),
                Star::Module(_) => None,
            })
        })
    }
}

fn external_path(level: u32, module: &str) -> String {
    let dots = ".".repeat(level as usize);
    format!("{dots}{module}")
}

/// Packages that are no part of anybody's project.
pub(super) fn is_known_package(path: &str) -> bool {
    const PACKAGES: [&str; 75] = [
        "__future__",
        "abc",
        "alembic",
        "alembic_postgresql_enum",
        "alembic_utils",
        "argparse",
        "asyncio",
        "base64",
        "bcrypt",
        "binascii",
        "cachetools",
        "calendar",
        "click",
        "codecs",
        "collections",
        "contextlib",
        "copy",
        "cryptography",
        "csv",
        "dataclasses",
        "dateutil",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "faker",
        "fnmatch",
        "functools",
        "geoalchemy2",
        "getpass",
        "glob",
        "hashlib",
        "hmac",
        "importlib",
        "inspect",
        "io",
        "itertools",
        "json",
        "logging",
        "loguru",
        "math",
        "numbers",
        "operator",
        "orjson",
        "os",
        "packaging",
        "passlib",
        "pathlib",
        "pendulum",
        "pgvector",
        "pickle",
        "platform",
        "pprint",
        "pydantic",
        "pytz",
        "random",
        "re",
        "rich",
        "secrets",
        "slugify",
        "sqlalchemy",
        "sqlalchemy_json",
        "sqlalchemy_utils",
        "sqlmodel",
        "sqlparse",
        "string",
        "structlog",
        "sys",
        "textwrap",
        "threading",
        "time",
        "tqdm",
        "typing",
        "typing_extensions",
        "uuid",
    ];
    const MORE: [&str; 17] = [
        "builtins",
        "atexit",
        "dotenv",
        "gc",
        "html",
        "locale",
        "psycopg2",
        "psycopg",
        "sqlite3",
        "struct",
        "tempfile",
        "traceback",
        "types",
        "unicodedata",
        "urllib",
        "warnings",
        "zoneinfo",
    ];
    let root = path.split('.').next().unwrap_or(path);
    PACKAGES.contains(&root) || MORE.contains(&root)
}
