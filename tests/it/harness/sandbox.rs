//! A directory of the test's own, with a home beside the project so that neither sees the other.

use std::fs;
use std::path::{Path, PathBuf};

/// A project in a temporary directory, removed afterwards.
pub struct Sandbox {
    directory: tempfile::TempDir,
    project: PathBuf,
}

impl Sandbox {
    /// An empty project.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("rowsafe-test-").tempdir().unwrap();
        for part in ["project", "home"] {
            fs::create_dir(directory.path().join(part)).unwrap();
        }
        let project = directory.path().join("project");
        Self { directory, project }
    }

    /// A copy of `fixtures/projects/NAME`.
    pub fn of_project(name: &str) -> Self {
        let sandbox = Self::new();
        copy(&super::root().join("fixtures/projects").join(name), sandbox.path());
        sandbox
    }

    /// The project, where commands run.
    pub fn path(&self) -> &Path {
        &self.project
    }

    /// The home directory that commands see.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Project and home together.
    pub fn everything(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the project, and the directories above it.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program of the project that a shell runs.
    pub fn write_program(&self, path: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Reads a file of the project.
    pub fn read(&self, path: &str) -> String {
        let path = self.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces placeholders in a file of the project.
    pub fn fill(&self, path: &str, values: &[(&str, &str)]) {
        let mut text = self.read(path);
        for (placeholder, value) in values {
            assert!(text.contains(placeholder), "{path} has no {placeholder}");
            text = text.replace(placeholder, value);
        }
        self.write(path, &text);
    }

    /// Every file below the project and its home, one a line, without Python's caches.
    pub fn tree(&self) -> String {
        let mut paths: Vec<String> = files(self.everything())
            .iter()
            .map(|path| path.strip_prefix(self.everything()).unwrap().display().to_string())
            .filter(|path| !path.contains("__pycache__"))
            .collect();
        paths.sort();
        paths.join("\n")
    }
}

/// Every file below `directory`.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "__pycache__" {
                fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
