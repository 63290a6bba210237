//! Text that is shown to people: nothing in it moves the cursor, hides or reorders other text.

use std::fmt::Write as _;

/// The text without anything that moves the cursor or hides other text.
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
    out
}

/// Several lines, each of them clean.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
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
}
