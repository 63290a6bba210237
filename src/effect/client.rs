//! psql's meta-commands: which of them can change data or read other files.

use super::Effect;

/// Commands that show, format or remember something, and nothing else.
const HARMLESS: [&str; 41] = [
    "a",
    "bind",
    "C",
    "cd",
    "conninfo",
    "crosstabview",
    "echo",
    "elif",
    "else",
    "encoding",
    "endif",
    "errverbose",
    "f",
    "g",
    "gdesc",
    "getenv",
    "gset",
    "gx",
    "H",
    "h",
    "help",
    "if",
    "l",
    "o",
    "p",
    "prompt",
    "pset",
    "q",
    "qecho",
    "r",
    "restrict",
    "s",
    "set",
    "setenv",
    "t",
    "T",
    "timing",
    "unrestrict",
    "unset",
    "warn",
    "x",
];

/// Reads a meta-command.
pub(super) fn read(text: &str) -> Vec<Effect> {
    let command = text.trim_start_matches('\\');
    let name: &str = command.split(|c: char| c.is_whitespace() || c == '\\').next().unwrap_or("");
    let arguments = command[name.len()..].trim();
    let is_harmless = HARMLESS.contains(&name)
        || name == "?"
        // `\d…` and friends describe.
        || name.starts_with('d')
        || matches!(name, "z" | "sf" | "sv" | "sf+" | "sv+" | "l+");
    // `\g |program` and `\o |program` hand the result to a shell; backquotes run one too.
    let runs_a_shell = arguments.starts_with('|') || arguments.contains('`');
    if is_harmless && !runs_a_shell || is_copy_out(name, arguments) {
        return Vec::new();
    }
    vec![Effect::ClientCommand { command: text.trim().to_owned() }]
}

/// `\copy … to file` only reads; a query in it may do anything.
fn is_copy_out(name: &str, arguments: &str) -> bool {
    let lower = arguments.to_ascii_lowercase();
    name == "copy"
        && !lower.starts_with('(')
        && lower.contains(" to ")
        && !lower.contains(" from ")
        && !lower.contains("program")
}
