//! Text that is shown to people: nothing in it moves the cursor, hides or reorders other text.

use std::fmt::Write as _;

/// What the runners of GitHub and Azure take for a command wherever in a line it stands.
pub const COMMANDS: [&str; 2] = ["##[", "##vso["];

/// The text without anything that moves the cursor or hides other text, or is a command to whoever
/// keeps the log.
///
/// Names come from the database and from migration files, and may hold any character.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            write!(out, "{}", character.escape_default()).expect("a string takes everything");
        } else {
            out.push(character);
        }
    }
    COMMANDS
        .iter()
        .fold(out, |out, command| out.replace(command, &format!("\\u{{23}}{}", &command[1..])))
}

/// Several lines, each of them clean and no command.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(|line| no_command(clean(line))).collect::<Vec<_>>().join("\n")
}

/// The line as a log may have it: GitHub takes a line for a command that starts with `::`, behind
/// blanks too.
pub fn no_command(line: String) -> String {
    match line.trim_start().strip_prefix("::") {
        Some(rest) => {
            let blanks = line.len() - line.trim_start().len();
            format!("{}\\u{{3a}}:{rest}", &line[..blanks])
        }
        None => line,
    }
}

/// Whether a character acts on others instead of being seen: controls, line separators, marks and
/// overrides of the writing direction, blanks without width, what is no character at all.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_lines};

    #[test]
    fn a_hostile_name_is_harmless() {
        assert_eq!(clean("users\x1b[2J\n\u{202e}é"), "users\\u{1b}[2J\\n\\u{202e}é");
        assert_eq!(
            clean("a\u{200b}\u{9b}\u{7f}\0b\u{2028}"),
            r"a\u{200b}\u{9b}\u{7f}\u{0}b\u{2028}"
        );
        assert_eq!(clean("表 'ok' \\ \"✓\""), "表 'ok' \\ \"✓\"");
        assert_eq!(clean_lines("a\r\n\tb\x07\rc"), "a\n\\tb\\u{7}\\rc");
    }

    #[test]
    fn no_line_is_a_command_to_whoever_keeps_the_log() {
        assert_eq!(
            clean_lines("a::b\n  ::error::c\n##[x]"),
            "a::b\n  \\u{3a}:error::c\n\\u{23}#[x]"
        );
        assert_eq!(clean_lines(" é: :\n# #\n:\n"), " é: :\n# #\n:");
    }
}
