//! What people put in front of a command: `poetry run`, `env X=y`, `docker compose exec app`.
//!
//! Only what is known for certain is taken off. A wrapper that is not in the list, or an option
//! that changes what is run, leaves the command unrecognized, because rendering starts it.

use super::command::basename;

/// One wrapper around a command, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layer {
    /// Words that stand in front.
    Words(Vec<String>),
    /// `sh -c`: what is inside becomes one quoted word.
    Shell(Vec<String>),
    /// A program in a container, the environment of which is not ours.
    Container {
        /// The words in front.
        words: Vec<String>,
        /// Where its options may be put; `None` when variables can't be passed as options.
        options_at: Option<usize>,
        /// `docker compose`, which wants a terminal unless told `-T`.
        is_compose: bool,
    },
}

/// A command without what stands in front of it.
#[derive(Debug, Default)]
pub(super) struct Peeled {
    /// What stood in front, from the outside in.
    pub layers: Vec<Layer>,
    /// The command itself.
    pub words: Vec<String>,
    /// Variables that were set on the way.
    pub assigned: Vec<(String, String)>,
    /// The directory that a wrapper changes to.
    pub directory: Option<String>,
}

/// Takes off every wrapper; `None` when one can't be understood for certain.
pub(super) fn peel(words: &[String]) -> Option<Peeled> {
    let mut peeled = Peeled { words: words.to_vec(), ..Peeled::default() };
    loop {
        let program = basename(peeled.words.first()?).to_owned();
        let known = WRAPPERS.iter().find(|wrapper| wrapper.fits(&program, &peeled.words));
        let taken = if SHELLS.contains(&program.as_str()) {
            shell(&mut peeled)?
        } else if let Some(layer) = container(&program, &peeled.words)? {
            let length = layer_length(&layer);
            peeled.layers.push(layer);
            length
        } else if let Some(wrapper) = known {
            let length = wrapper.length(&mut peeled)?;
            peeled.layers.push(Layer::Words(peeled.words[..length].to_vec()));
            length
        } else {
            return Some(peeled);
        };
        peeled.words.drain(..taken);
    }
}

/// A program that runs the program named in its arguments.
struct Wrapper {
    name: &'static str,
    /// The subcommand that makes it one; empty when it needs none.
    subcommand: &'static [&'static str],
    /// Options with a value; in front of the subcommand and behind it alike.
    valued: &'static [&'static str],
    /// Words between the options and the program, such as the duration of `timeout`.
    positionals: usize,
}

const fn plain(name: &'static str, valued: &'static [&'static str]) -> Wrapper {
    Wrapper { name, subcommand: &[], valued, positionals: 0 }
}

const fn runner(
    name: &'static str,
    subcommand: &'static [&'static str],
    valued: &'static [&'static str],
) -> Wrapper {
    Wrapper { name, subcommand, valued, positionals: 0 }
}

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "ash"];

/// Options that name what is run themselves, or are a command of their own.
const REFUSED: [&str; 8] =
    ["-S", "--split-string", "--command", "--entrypoint", "--help", "--version", "-s", "--script"];

/// Options that change the directory in which the command is run.
const DIRECTORY: [&str; 4] = ["--directory", "-C", "--chdir", "--cwd"];

const UV: &[&str] = &[
    "--allow-insecure-host",
    "--cache-dir",
    "--color",
    "--config-file",
    "--config-setting",
    "--default-index",
    "--directory",
    "--env-file",
    "--exclude-newer",
    "--extra",
    "--extra-index-url",
    "--find-links",
    "--from",
    "--group",
    "--index",
    "--index-strategy",
    "--index-url",
    "--keyring-provider",
    "--link-mode",
    "--no-extra",
    "--no-group",
    "--only-group",
    "--package",
    "--prerelease",
    "--project",
    "--python",
    "--python-platform",
    "--refresh-package",
    "--resolution",
    "--with",
    "--with-editable",
    "--with-requirements",
    "-C",
    "-P",
    "-f",
    "-i",
    "-p",
    "-w",
];

const WRAPPERS: &[Wrapper] = &[
    plain("env", &["-u", "--unset", "-C", "--chdir"]),
    plain("nice", &["-n", "--adjustment"]),
    plain("ionice", &["-c", "--class", "-n", "--classdata"]),
    plain("nohup", &[]),
    plain("setsid", &[]),
    plain("time", &["-f", "-o", "--format", "--output"]),
    plain("chronic", &[]),
    plain("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"]),
    plain("ddtrace-run", &[]),
    plain("sudo", &["-u", "--user", "-g", "--group", "-D", "--chdir"]),
    plain("uvx", UV),
    Wrapper {
        name: "timeout",
        subcommand: &[],
        valued: &["-s", "--signal", "-k", "--kill-after"],
        positionals: 1,
    },
    runner("poetry", &["run"], &["-C", "--directory", "-P", "--project"]),
    runner("uv", &["run"], UV),
    runner("uv", &["tool", "run"], UV),
    runner("pipenv", &["run"], &["--python", "--pypi-mirror"]),
    runner("pdm", &["run"], &["-c", "--config", "-p", "--project", "--venv"]),
    runner("hatch", &["run"], &["-e", "--env", "-p", "--project", "--config", "--data-dir"]),
    runner("rye", &["run"], &["--pyproject"]),
    runner("pixi", &["run"], &["-e", "--environment", "--manifest-path"]),
    runner("pipx", &["run"], &["--spec", "--python", "--index-url", "-i", "--pip-args"]),
    runner("conda", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    runner("mamba", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    runner("micromamba", &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    runner("mise", &["exec"], &["-j", "--jobs", "-E", "--env"]),
    runner("mise", &["x"], &["-j", "--jobs", "-E", "--env"]),
    runner("dotenv", &["run"], &["-f", "--file", "-q", "--quote", "-e", "--export"]),
    runner("doppler", &["run"], &["-p", "--project", "-c", "--config", "-t", "--token"]),
    runner("infisical", &["run"], &["--env", "--path", "--projectId", "--token"]),
    runner("op", &["run"], &["--env-file", "--account"]),
    Wrapper { name: "direnv", subcommand: &["exec"], valued: &[], positionals: 1 },
    Wrapper { name: "aws-vault", subcommand: &["exec"], valued: &[], positionals: 1 },
];

impl Wrapper {
    fn fits(&self, program: &str, words: &[String]) -> bool {
        self.name == program && self.behind_subcommand(words).is_some()
    }

    /// The index behind the subcommand.
    fn behind_subcommand(&self, words: &[String]) -> Option<usize> {
        let mut at = 1;
        for (index, word) in self.subcommand.iter().enumerate() {
            if index == 0 {
                at = skip_options(words, at, self.valued)?;
            }
            if words.get(at).map(String::as_str) != Some(*word) {
                return None;
            }
            at += 1;
        }
        Some(at)
    }

    /// How many words it takes, and what they set.
    fn length(&self, peeled: &mut Peeled) -> Option<usize> {
        let words = &mut peeled.words;
        let start = self.behind_subcommand(words)?;
        let mut at = skip_options(words, start, self.valued)?;
        peeled.directory = directory_in(&words[..at], self.valued).or(peeled.directory.take());
        if matches!(self.name, "env" | "sudo") {
            while let Some((name, value)) = words.get(at).and_then(|word| assignment(word)) {
                peeled.assigned.push((name.to_owned(), value.to_owned()));
                at += 1;
            }
        }
        at += self.positionals;
        if words.get(at).is_some_and(|word| word == "--") {
            at += 1;
        }
        // The program's name may carry an environment (hatch) or a version (uvx).
        (at < words.len()).then_some(at)
    }
}

/// `NAME=value`.
pub(super) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}

/// The index of the first word that is no option; `None` when one of them is not for us.
fn skip_options(words: &[String], from: usize, valued: &[&str]) -> Option<usize> {
    let mut at = from;
    while let Some(word) = words.get(at) {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if word == "--" {
            return Some(at + 1);
        }
        if !word.starts_with('-') || word == "-" {
            break;
        }
        if REFUSED.contains(&name) && !valued.contains(&name) {
            return None;
        }
        at += if valued.contains(&word.as_str()) { 2 } else { 1 };
    }
    Some(at)
}

fn directory_in(words: &[String], valued: &[&str]) -> Option<String> {
    DIRECTORY.iter().filter(|name| valued.contains(name)).find_map(|name| {
        words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix(name) {
            Some("") => words.get(index + 1).cloned(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        })
    })
}

/// `sh -c 'one simple command'`; anything that only a shell could work out is refused.
fn shell(peeled: &mut Peeled) -> Option<usize> {
    let words = &peeled.words;
    let position =
        words.iter().skip(1).position(|word| {
            word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
        })? + 1;
    let are_flags = words[1..position].iter().all(|word| word.starts_with('-'));
    if !are_flags || words.len() != position + 2 {
        return None;
    }
    let script = &words[position + 1];
    if script.contains([
        ';', '&', '|', '<', '>', '$', '`', '(', ')', '{', '}', '*', '?', '[', ']', '~', '#', '!',
        '\n',
    ]) {
        return None;
    }
    let mut inner = shell_words::split(script).ok()?;
    peeled.layers.push(Layer::Shell(words[..=position].to_vec()));
    let count = inner.iter().take_while(|word| assignment(word).is_some()).count();
    if count > 0 {
        // Quoting would turn an assignment into a command's name; `env` takes it quoted.
        let mut prefix = vec!["env".to_owned()];
        prefix.extend(inner.drain(..count));
        peeled.assigned.extend(prefix.iter().filter_map(|word| {
            assignment(word).map(|(name, value)| (name.to_owned(), value.to_owned()))
        }));
        peeled.layers.push(Layer::Words(prefix));
    }
    if inner.first().is_some_and(|word| word == "exec") {
        inner.remove(0);
    }
    peeled.words = inner;
    Some(0)
}

const EXEC_OPTIONS: &[&str] = &[
    "-e",
    "--env",
    "-u",
    "--user",
    "-w",
    "--workdir",
    "--index",
    "--env-file",
    "--detach-keys",
    "-v",
    "--volume",
    "--name",
    "--network",
    "-p",
    "--publish",
    "--platform",
    "--memory",
    "--label",
];
const COMPOSE_OPTIONS: &[&str] = &[
    "-f",
    "--file",
    "-p",
    "--project-name",
    "--profile",
    "--env-file",
    "--project-directory",
    "--ansi",
    "--progress",
    "--parallel",
];
const DOCKER_OPTIONS: &[&str] = &["-c", "--context", "-H", "--host", "--config", "-l"];

/// `docker compose exec app`, `docker exec app`, `docker-compose run app`, `kubectl exec pod --`.
///
/// The outer `None` says that it is a container after all, but not one that can be understood.
#[expect(clippy::option_option, reason = "no container, one, or one that is refused")]
fn container(program: &str, words: &[String]) -> Option<Option<Layer>> {
    if matches!(program, "kubectl" | "oc") {
        let end = words.iter().position(|word| word == "--")?;
        if words.get(1).map(String::as_str) != Some("exec") {
            return None;
        }
        let words = words[..=end].to_vec();
        return Some(Some(Layer::Container { words, options_at: None, is_compose: false }));
    }
    let (mut at, mut is_compose) = match program {
        "docker-compose" | "podman-compose" => (skip_options(words, 1, COMPOSE_OPTIONS)?, true),
        "docker" | "podman" | "nerdctl" => (skip_options(words, 1, DOCKER_OPTIONS)?, false),
        _ => return Some(None),
    };
    if !is_compose && words.get(at).is_some_and(|word| word == "compose") {
        is_compose = true;
        at = skip_options(words, at + 1, COMPOSE_OPTIONS)?;
    } else if words.get(at).is_some_and(|word| word == "container") {
        at += 1;
    }
    if !matches!(words.get(at)?.as_str(), "exec" | "run") {
        return None;
    }
    let options_at = at + 1;
    let name = skip_options(words, options_at, EXEC_OPTIONS)?;
    if words[options_at..name].iter().any(|word| matches!(word.as_str(), "-d" | "--detach")) {
        return None;
    }
    let words = words.get(..=name)?.to_vec();
    Some(Some(Layer::Container { words, options_at: Some(options_at), is_compose }))
}

fn layer_length(layer: &Layer) -> usize {
    match layer {
        Layer::Words(words) | Layer::Shell(words) | Layer::Container { words, .. } => words.len(),
    }
}

/// Puts the layers around a command again, with one more variable set where it will be seen.
pub(super) fn wrap(
    layers: &[Layer],
    words: Vec<String>,
    variable: Option<(&str, &str)>,
) -> Vec<String> {
    layers.iter().rev().fold(words, |inner, layer| match layer {
        Layer::Words(words) => {
            let words = words.iter().map(|word| match (assignment(word), variable) {
                // The wrapper's own value would hide ours.
                (Some((name, own)), Some((ours, value))) if name == ours => {
                    format!("{name}={own} {value}")
                }
                _ => word.clone(),
            });
            words.chain(inner).collect()
        }
        Layer::Shell(words) => {
            let mut words = words.clone();
            words.push(shell_words::join(inner));
            words
        }
        Layer::Container { words, options_at, is_compose } => {
            enter(words, *options_at, *is_compose, inner, variable)
        }
    })
}

fn enter(
    words: &[String],
    options_at: Option<usize>,
    is_compose: bool,
    inner: Vec<String>,
    variable: Option<(&str, &str)>,
) -> Vec<String> {
    let set = variable.map(|(name, value)| format!("{name}={value}"));
    let mut words = words.to_vec();
    let Some(at) = options_at else {
        let env = set.map(|set| ["env".to_owned(), set]);
        return words.into_iter().chain(env.into_iter().flatten()).chain(inner).collect();
    };
    for word in &mut words[at..] {
        // Nobody types into a rendering, and docker refuses a terminal that is not there.
        if matches!(word.as_str(), "-it" | "-ti" | "-t" | "--tty") {
            "-i".clone_into(word);
        }
    }
    let mut options = Vec::new();
    if is_compose && !words.iter().any(|word| word == "-T") {
        options.push("-T".to_owned());
    }
    options.extend(set.into_iter().flat_map(|set| ["-e".to_owned(), set]));
    words.splice(at..at, options);
    words.into_iter().chain(inner).collect()
}
