//! Alembic's configuration: alembic.ini and `[tool.alembic]` of pyproject.toml, read by the rules
//! of its `config.py` (1.20) without running Python.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use regex::Regex;
use toml::{Table, Value};

use super::configparser::{Ini, Problem};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::secret::Secret;

/// What Alembic's configuration says, as far as rowsafe needs it.
#[derive(Debug, Clone)]
pub struct AlembicConfig {
    url: Option<Secret>,
    url_source: String,
    script_location: Option<PathBuf>,
    version_directories: Vec<PathBuf>,
    is_recursive: bool,
    python_path: Vec<PathBuf>,
    warnings: Vec<String>,
}

impl AlembicConfig {
    /// Finds and reads the configuration that `alembic` run in `directory` would read; `configs`
    /// are the values of its `-c`, `section` that of `-n`.
    ///
    /// `None` when there is none.
    pub fn load(
        configs: &[String],
        section: &str,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Option<Self>, Refusal> {
        let names = Names::choose(configs, environment)?;
        let sources = Sources {
            ini: IniFile::read(directory, &names.ini)?,
            toml: TomlFile::read(directory, &names.toml)?,
            section,
            directory,
            environment,
        };
        if sources.ini.is_none() && sources.toml.is_none() {
            return Ok(None);
        }
        let location = sources.text("script_location")?;
        sources.resolve(location).map(Some)
    }

    /// The same for Flask-Migrate, which takes `alembic.ini` from its own directory, takes that
    /// directory for the script location whatever the file says, and reads no pyproject.toml.
    ///
    /// `None` when the directory does not exist.
    pub fn load_flask(
        migrations: &str,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Option<Self>, Refusal> {
        if !directory.join(migrations).is_dir() {
            return Ok(None);
        }
        let name = Path::new(migrations).join("alembic.ini").display().to_string();
        let ini = IniFile::read(directory, &name)?;
        let sources = Sources { ini, toml: None, section: "alembic", directory, environment };
        sources.resolve(Some(migrations.to_owned())).map(Some)
    }

    /// The database's URL, with its references resolved.
    ///
    /// `None` when it is missing, a placeholder, or left to `env.py` to complete. It may hold a
    /// password.
    pub fn sqlalchemy_url(&self) -> Option<&str> {
        self.url.as_ref().map(Secret::reveal)
    }

    /// The file the URL is from, as the user would write it: `alembic.ini`.
    pub fn url_source(&self) -> String {
        self.url_source.clone()
    }

    /// The directory with `env.py`; `None` when it is not set or is in a package not found here.
    pub fn script_location(&self) -> Option<PathBuf> {
        self.script_location.clone()
    }

    /// The directories with the revision files; they need not exist.
    pub fn version_directories(&self) -> Vec<PathBuf> {
        self.version_directories.clone()
    }

    /// Whether revision files are in the directories below as well.
    pub fn is_recursive(&self) -> bool {
        self.is_recursive
    }

    /// Where Python would look for the project's own packages; not every folder needs to exist.
    pub fn python_path(&self) -> Vec<PathBuf> {
        self.python_path.clone()
    }

    /// What the configuration asks for that can't be followed here.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The two files that Alembic looks for (`CommandLine._inis_from_config`).
struct Names {
    ini: String,
    toml: String,
}

impl Names {
    fn choose(configs: &[String], environment: &Environment) -> Result<Self, Refusal> {
        let mut names = Self { ini: "alembic.ini".to_owned(), toml: "pyproject.toml".to_owned() };
        if let Some(name) = environment.get("ALEMBIC_CONFIG") {
            name.clone_into(names.slot(name));
        }
        let (tomls, inis): (Vec<&String>, Vec<&String>) =
            configs.iter().partition(|name| is_pyproject(name));
        for (kind, named) in [("pyproject.toml", tomls), ("ini file", inis)] {
            if named.len() > 1 {
                let message = format!("Alembic takes one {kind}, and `-c` names {}", named.len());
                return Err(Refusal::new(Exit::NoAnswer, message));
            }
            for name in named {
                name.clone_into(names.slot(name));
            }
        }
        Ok(names)
    }

    fn slot(&mut self, name: &str) -> &mut String {
        if is_pyproject(name) { &mut self.toml } else { &mut self.ini }
    }
}

fn is_pyproject(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == "pyproject.toml")
}

struct IniFile {
    name: String,
    ini: Ini,
}

impl IniFile {
    fn read(directory: &Path, name: &str) -> Result<Option<Self>, Refusal> {
        let Some(text) = read(directory, name)? else { return Ok(None) };
        let ini = Ini::parse(&text, &here(directory, name))
            .map_err(|problem| refuse(name, Some(problem.line), &problem.message))?;
        Ok(Some(Self { name: name.to_owned(), ini }))
    }

    fn get(&self, section: &str, option: &str) -> Result<Option<String>, Refusal> {
        let explain = |problem: Problem| refuse(&self.name, Some(problem.line), &problem.message);
        self.ini.get(section, option).map_err(explain)
    }
}

struct TomlFile {
    name: String,
    here: String,
    table: Table,
}

impl TomlFile {
    /// `None` when the file has no `[tool.alembic]`.
    fn read(directory: &Path, name: &str) -> Result<Option<Self>, Refusal> {
        let Some(text) = read(directory, name)? else { return Ok(None) };
        let mut whole: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().and_then(|span| text.get(..span.start));
            refuse(name, line.map(|before| before.matches('\n').count() + 1), error.message())
        })?;
        let tool = whole.remove("tool");
        let table = match tool {
            Some(Value::Table(mut tool)) => tool.remove("alembic"),
            _ => None,
        };
        match table {
            None => Ok(None),
            Some(Value::Table(table)) => {
                Ok(Some(Self { name: name.to_owned(), here: here(directory, name), table }))
            }
            Some(_) => Err(refuse(name, None, "`tool.alembic` is not a table")),
        }
    }

    fn text(&self, option: &str) -> Result<Option<String>, Refusal> {
        match self.table.get(option) {
            None => Ok(None),
            Some(Value::String(text)) => self.expand(option, text).map(Some),
            Some(_) => Err(self.refuse(option, "is not a string")),
        }
    }

    fn list(&self, option: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.table.get(option) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| self.refuse(option, "is not a list"))?;
        let item = |item: &Value| match item.as_str() {
            Some(text) => self.expand(option, text),
            None => Err(self.refuse(option, "holds something that is not a string")),
        };
        items.iter().map(item).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// Python's `text % {"here": here}`.
    fn expand(&self, option: &str, text: &str) -> Result<String, Refusal> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            result.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                result.push('%');
                rest = after;
            } else if let Some(after) = after.strip_prefix("(here)s") {
                result.push_str(&self.here);
                rest = after;
            } else {
                return Err(self.refuse(option, "has a `%` that is neither `%(here)s` nor `%%`"));
            }
        }
        result.push_str(rest);
        Ok(result)
    }

    fn refuse(&self, option: &str, reason: &str) -> Refusal {
        refuse(&self.name, None, &format!("`{option}` of `[tool.alembic]` {reason}"))
    }
}

/// Both files; the ini file goes before pyproject.toml, option by option.
struct Sources<'a> {
    ini: Option<IniFile>,
    toml: Option<TomlFile>,
    section: &'a str,
    directory: &'a Path,
    environment: &'a Environment,
}

impl Sources<'_> {
    fn resolve(&self, location: Option<String>) -> Result<AlembicConfig, Refusal> {
        let mut warnings = Vec::new();
        if location.is_none() {
            warnings.push(self.lacks_location());
        }
        let script_location = location.and_then(|location| self.locate(&location, &mut warnings));
        let version_directories = match self.version_locations()? {
            Some(locations) => {
                locations.iter().filter_map(|place| self.locate(place, &mut warnings)).collect()
            }
            None => script_location.iter().map(|location| location.join("versions")).collect(),
        };
        if self.flag("sourceless")? {
            warnings
                .push("`sourceless` is set: revisions without a source are not read".to_owned());
        }
        let (url, url_source) = self.url();
        Ok(AlembicConfig {
            url,
            url_source,
            script_location,
            version_directories,
            is_recursive: self.flag("recursive_version_locations")?,
            python_path: self.python_path(),
            warnings,
        })
    }

    fn lacks_location(&self) -> String {
        match (&self.ini, &self.toml) {
            (Some(file), _) if !file.ini.has_section(self.section) => {
                format!("`{}` has no section `[{}]`", file.name, self.section)
            }
            (Some(file), _) => format!("`{}` does not say its `script_location`", file.name),
            (None, Some(file)) => format!("`{}` does not say its `script_location`", file.name),
            (None, None) => "nothing says where the revisions are".to_owned(),
        }
    }

    fn ini(&self, option: &str) -> Result<Option<String>, Refusal> {
        self.ini.as_ref().map_or(Ok(None), |file| file.get(self.section, option))
    }

    /// `Config.get_alembic_option`.
    fn text(&self, option: &str) -> Result<Option<String>, Refusal> {
        match (self.ini(option)?, &self.toml) {
            (None, Some(file)) => file.text(option),
            (value, _) => Ok(value),
        }
    }

    /// `Config.get_alembic_boolean_option`: in the ini file only `true` is true.
    fn flag(&self, option: &str) -> Result<bool, Refusal> {
        if let Some(value) = self.ini(option)? {
            return Ok(value == "true");
        }
        let value = self.toml.as_ref().and_then(|file| Some((file, file.table.get(option)?)));
        match value {
            None => Ok(false),
            Some((_, Value::Boolean(value))) => Ok(*value),
            Some((file, _)) => Err(file.refuse(option, "is neither true nor false")),
        }
    }

    /// A list: split at the separator in the ini file, as it is in pyproject.toml.
    fn list(
        &self,
        option: &str,
        separators: &[&str],
        legacy: &str,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let written = self.ini(option)?.filter(|text| !text.is_empty());
        let Some(written) = written else {
            return self.toml.as_ref().map_or(Ok(None), |file| file.list(option));
        };
        let Some(separator) = self.separator(separators)? else {
            let legacy = Regex::new(legacy).expect("the pattern is ours");
            return Ok(Some(legacy.split(&written).map(str::to_owned).collect()));
        };
        let items = written.split(separator).filter(|item| !item.is_empty());
        Ok(Some(items.map(|item| item.trim().to_owned()).collect()))
    }

    /// `Config.get_version_locations_list`; an empty list counts as none.
    fn version_locations(&self) -> Result<Option<Vec<String>>, Refusal> {
        let separators = ["path_separator", "version_path_separator"];
        let locations = self.list("version_locations", &separators, ", *| +")?;
        Ok(locations.filter(|locations| !locations.is_empty()))
    }

    fn separator(&self, options: &[&str]) -> Result<Option<char>, Refusal> {
        for option in options {
            let Some(value) = self.ini(option)? else { continue };
            return match value.as_str() {
                "space" => Ok(Some(' ')),
                "newline" => Ok(Some('\n')),
                "os" => Ok(Some(if cfg!(windows) { ';' } else { ':' })),
                ":" => Ok(Some(':')),
                ";" => Ok(Some(';')),
                _ => {
                    let name = self.ini.as_ref().map_or("alembic.ini", |file| file.name.as_str());
                    let reason = "is none of `space`, `newline`, `os`, `:` and `;`";
                    Err(refuse(name, None, &format!("`{option}` {reason}")))
                }
            };
        }
        Ok(None)
    }

    /// The URL and the file it is from. Whatever keeps it from being read is `env.py`'s business.
    fn url(&self) -> (Option<Secret>, String) {
        const OPTION: &str = "sqlalchemy.url";
        let from_ini = self.ini(OPTION).unwrap_or_default().filter(|url| is_complete(url));
        if let (Some(url), Some(file)) = (from_ini, &self.ini) {
            return (Some(Secret::new(url)), file.name.clone());
        }
        // An ini file that says something incomplete still hides pyproject.toml.
        let is_silent = matches!(self.ini(OPTION), Ok(None));
        let toml = self.toml.as_ref().filter(|_| is_silent);
        let from_toml = toml.and_then(|file| Some((file, file.text(OPTION).ok()??)));
        if let Some((file, url)) = from_toml.filter(|(_, url)| is_complete(url)) {
            return (Some(Secret::new(url)), file.name.clone());
        }
        let names = [self.ini.as_ref().map(|f| &f.name), self.toml.as_ref().map(|f| &f.name)];
        (None, names.into_iter().flatten().next().cloned().unwrap_or_default())
    }

    /// `coerce_resource_to_filename`: a path seen from the working directory, or `package:path`.
    fn locate(&self, location: &str, warnings: &mut Vec<String>) -> Option<PathBuf> {
        if Path::new(location).is_absolute() || !location.contains(':') {
            return Some(tidy(&self.directory.join(location)));
        }
        let mut parts = location.split(':');
        let package = parts.next().unwrap_or_default().replace('.', "/");
        let path: PathBuf = std::iter::once(package.as_str()).chain(parts).collect();
        let found = self.python_path().into_iter().map(|root| tidy(&root.join(&path)));
        let found = found.into_iter().find(|path| path.is_dir());
        if found.is_none() {
            let directory = self.directory.display();
            warnings.push(format!("`{location}` is in a package not found in `{directory}`"));
        }
        found
    }

    /// Where Python would look for a package of the project's own.
    fn python_path(&self) -> Vec<PathBuf> {
        let prepended = self.list("prepend_sys_path", &["path_separator"], ", *| +|:");
        let mut roots: Vec<PathBuf> =
            prepended.ok().flatten().unwrap_or_default().into_iter().map(PathBuf::from).collect();
        if let Some(paths) = self.environment.get("PYTHONPATH") {
            roots.extend(paths.split(':').map(PathBuf::from));
        }
        roots.extend([PathBuf::new(), PathBuf::from("src")]);
        roots.into_iter().map(|root| self.directory.join(root)).collect()
    }
}

/// Whether a URL is meant to be used as it stands: not the template's, nothing left to fill in.
fn is_complete(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let is_variable = |part: &str| {
        part.strip_prefix('$').is_some_and(|name| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    let encloses = |open: &str, close: char| {
        url.split_once(open).is_some_and(|(_, after)| after.contains(close))
    };
    scheme != "driver"
        && !encloses("{", '}')
        && !encloses("<", '>')
        && !encloses("%(", ')')
        && !rest.split(['/', ':', '@', '?', '&', '=']).any(is_variable)
}

fn read(directory: &Path, name: &str) -> Result<Option<String>, Refusal> {
    match std::fs::read(directory.join(name)) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..at]).count() + 1;
            refuse(name, Some(line), "the file is not UTF-8")
        }),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Refusal::new(Exit::NoAnswer, format!("read `{name}`: {error}"))),
    }
}

fn refuse(name: &str, line: Option<usize>, reason: &str) -> Refusal {
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    Refusal::new(Exit::NoAnswer, format!("read `{name}{place}`: {reason}"))
}

/// The value of `%(here)s`: the directory of the file, as pathlib writes it.
fn here(directory: &Path, name: &str) -> String {
    let path = tidy(&directory.join(name));
    let here = path.parent().unwrap_or(&path).display().to_string();
    if cfg!(windows) { here.replace('\\', "/") } else { here }
}

/// The same path without `.` and doubled separators.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
