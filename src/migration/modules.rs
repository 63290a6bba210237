//! The Python modules that migration files import from their own project.

use std::path::{Path, PathBuf};

use super::content;
use crate::python::Modules;

/// Longer modules are no helpers of migrations.
const LONGEST: u64 = 1024 * 1024;

/// The project's modules, as they are found from one of its files; never outside of the project.
#[derive(Debug, Clone)]
pub struct ProjectModules {
    /// The folder of the file that imports.
    folder: PathBuf,
    /// Where modules are looked for by their full name, in this order.
    roots: Vec<PathBuf>,
}

impl ProjectModules {
    /// The modules as `file` sees them, with the project's `roots` behind its own folder.
    pub fn of(file: &Path, roots: &[PathBuf]) -> Self {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let roots = std::iter::once(folder.clone()).chain(roots.iter().cloned());
        Self { roots: roots.chain(home(&folder)).collect(), folder }
    }

    fn read(&self, base: &Path, name: &str) -> Option<String> {
        let relative: PathBuf = name.split('.').filter(|part| !part.is_empty()).collect();
        let path = base.join(relative);
        let file = (!name.is_empty()).then(|| path.with_added_extension("py"));
        let candidates = file.into_iter().chain([path.join("__init__.py")]);
        candidates.into_iter().find(|path| path.is_file()).and_then(|path| self.inside(&path))
    }

    /// A module of the package that the file belongs to: it may be installed, or stand below `src/`.
    fn of_own_package(&self, name: &str) -> Option<String> {
        let first = name.split('.').next()?;
        let folder = self.folder.canonicalize().ok()?;
        let package = folder.ancestors().find(|folder| {
            folder.file_name().is_some_and(|own| own == first)
                && folder.join("__init__.py").is_file()
        })?;
        let root = package.parent()?.to_owned();
        let own = Self { folder: self.folder.clone(), roots: vec![package.to_owned()] };
        own.read(&root, name)
    }

    /// The text of a file that lies in the project, whatever links lead to it.
    fn inside(&self, path: &Path) -> Option<String> {
        let real = path.canonicalize().ok()?;
        let is_ours = self
            .roots
            .iter()
            .filter_map(|root| root.canonicalize().ok())
            .any(|root| real.starts_with(root));
        let is_short = std::fs::metadata(&real).is_ok_and(|metadata| metadata.len() <= LONGEST);
        if is_ours && is_short { content::of_file(&real).ok() } else { None }
    }
}

/// The folder above with the alembic.ini, where a project lies in a folder of a larger one.
fn home(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors();
    let end = above.find(|it| it.join("alembic.ini").is_file() || it.join(".git").exists())?;
    end.join("alembic.ini").is_file().then(|| end.to_owned())
}

impl Modules for ProjectModules {
    fn source(&self, level: u32, name: &str) -> Option<String> {
        // A name is words and dots: anything else would be a path.
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if !is_name || (level == 0 && name.is_empty()) {
            return None;
        }
        if level == 0 {
            let found = self.roots.iter().find_map(|root| self.read(root, name));
            return found.or_else(|| self.of_own_package(name));
        }
        let base = self.folder.ancestors().nth(level as usize - 1)?;
        self.read(base, name)
    }
}

#[cfg(test)]
mod tests {
    use super::ProjectModules;
    use crate::python::Modules;

    #[test]
    fn helpers_are_found_in_the_project_and_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        for (path, text) in [
            ("project/m/versions/a.py", "a"),
            ("project/m/versions/helper.py", "helper"),
            ("project/m/shared/__init__.py", "shared"),
            ("project/m/shared/sql.py", "sql"),
            ("project/app/db.py", "db"),
            ("outside.py", "outside"),
        ] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::text::write_atomically(&path, text.as_bytes()).unwrap();
        }
        std::os::unix::fs::symlink(directory.path().join("outside.py"), root.join("link.py"))
            .unwrap();
        let file = root.join("m/versions/a.py");
        let modules = ProjectModules::of(&file, &[]);
        assert_eq!(modules.source(0, "app.db"), None);
        crate::text::write_atomically(&root.join("alembic.ini"), b"").unwrap();
        assert_eq!(ProjectModules::of(&file, &[]).source(0, "app.db").as_deref(), Some("db"));
        let modules = ProjectModules::of(&file, std::slice::from_ref(&root));
        for (level, name, expected) in [
            (0, "helper", Some("helper")),
            (1, "helper", Some("helper")),
            (2, "shared", Some("shared")),
            (2, "shared.sql", Some("sql")),
            (3, "app.db", Some("db")),
            (0, "app.db", Some("db")),
            (0, "m.shared", Some("shared")),
            (0, "gone", None),
            (0, "link", None),
            (4, "outside", None),
            (99, "outside", None),
            (0, "../../outside", None),
            (0, "", None),
        ] {
            assert_eq!(modules.source(level, name).as_deref(), expected, "{level} {name}");
        }
    }

    #[test]
    fn a_file_knows_the_package_it_belongs_to() {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("src/app/__init__.py", ""),
            ("src/app/utils/sql.py", "sql"),
            ("src/app/migrations/versions/a.py", "a"),
            ("src/other.py", "other"),
            ("plain/helper.py", "helper"),
            ("plain/versions/a.py", "a"),
        ] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::text::write_atomically(&path, text.as_bytes()).unwrap();
        }
        let of = |file: &str| ProjectModules::of(&directory.path().join(file), &[]);
        let installed = of("src/app/migrations/versions/a.py");
        assert_eq!(installed.source(0, "app.utils.sql").as_deref(), Some("sql"));
        assert_eq!(installed.source(0, "other"), None, "what stands beside it is not its own");
        assert_eq!(of("plain/versions/a.py").source(0, "plain.helper"), None, "no package");
    }
}
