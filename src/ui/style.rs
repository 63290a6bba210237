//! Color as an echo of the words: whoever sees none misses nothing. The printer takes the codes
//! out again where they don't belong.

use std::fmt::Write;

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Names and answers.
    Bold,
    /// What is lost or refused.
    Red,
    /// What may be lost.
    Yellow,
    /// What is well.
    Green,
    /// What matters less.
    Dim,
}

impl Paint {
    /// The text with the codes around it.
    pub fn on(self, text: &str) -> String {
        let code = match self {
            Self::Bold => "1",
            Self::Red => "1;31",
            Self::Yellow => "1;33",
            Self::Green => "1;32",
            Self::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The text without anything that moves the cursor or hides other text.
///
/// Names come from the database and from migration files, and may hold any character.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let reorders = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || reorders {
            write!(out, "{}", character.escape_default()).expect("a string takes everything");
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Paint, clean};

    #[test]
    fn a_hostile_name_is_harmless() {
        assert_eq!(clean("users\x1b[2J\n\u{202e}é"), "users\\u{1b}[2J\\n\\u{202e}é");
        assert_eq!(Paint::Red.on("lost"), "\x1b[1;31mlost\x1b[0m");
    }
}
