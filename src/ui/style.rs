//! Color as an echo of the words: whoever sees none misses nothing. The printer takes the codes
//! out again where they don't belong.

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

#[cfg(test)]
mod tests {
    use super::Paint;

    #[test]
    fn a_word_stands_out() {
        assert_eq!(Paint::Red.on("lost"), "\x1b[1;31mlost\x1b[0m");
    }
}
