//! Strings of which not every part needs to be known.

/// Longer texts are not followed.
const LONGEST: usize = 4 << 20;

/// Texts of more parts are not followed.
const MOST_PIECES: usize = 10_000;

/// Where a known part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the module.
    pub module: usize,
    /// Its first byte there.
    pub start: usize,
}

/// A part of a text.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// Known, and where it is written byte by byte, if anywhere.
    Known(String, Option<Place>),
    /// The table of a column, in front of its name.
    Qualifier(String),
    /// Not known; the expression that it comes from, as written.
    Hole(String),
}

/// A string, part by part.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    /// The parts in order.
    pub pieces: Vec<Piece>,
}

/// Texts are the same where they say the same, wherever they are written.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_known(), other.as_known()) {
            (Some(own), Some(other)) => own == other,
            (None, None) => {
                self.pieces.len() == other.pieces.len()
                    && self.pieces.iter().zip(&other.pieces).all(|pair| match pair {
                        (Piece::Known(a, _), Piece::Known(b, _))
                        | (Piece::Hole(a), Piece::Hole(b))
                        | (Piece::Qualifier(a), Piece::Qualifier(b)) => a == b,
                        _ => false,
                    })
            }
            _ => false,
        }
    }
}

impl Text {
    pub(super) fn known(text: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Known(text.into(), None)] }
    }

    pub(super) fn hole(source: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Hole(source.into())] }
    }

    /// The whole string, where every part is known.
    pub(super) fn as_known(&self) -> Option<String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Known(text, _) => out.push_str(text),
                Piece::Qualifier(table) => {
                    out.push_str(table);
                    out.push('.');
                }
                Piece::Hole(_) => return None,
            }
        }
        Some(out)
    }

    /// Whether a function may be called in it.
    pub(super) fn calls(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Known(text, _) if text.contains('(')))
    }

    /// Whether it starts as a statement does.
    pub(super) fn is_like_sql(&self) -> bool {
        const WORDS: [&str; 13] = [
            "delete", "update", "drop", "truncate", "alter", "insert", "with", "copy", "do",
            "call", "select", "merge", "create",
        ];
        let Some(Piece::Known(text, _)) = self.pieces.first() else { return false };
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default().to_ascii_lowercase();
        WORDS.contains(&&*first) && (words.next().is_some() || self.pieces.len() > 1)
    }

    pub(super) fn len(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Known(text, _) | Piece::Qualifier(text) | Piece::Hole(text) => text.len(),
            })
            .sum()
    }

    pub(super) fn push(&mut self, text: &str) {
        if let Some(Piece::Known(last, None)) = self.pieces.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.pieces.push(Piece::Known(text.to_owned(), None));
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        let n_pieces = self.pieces.len() + other.pieces.len();
        if n_pieces > MOST_PIECES || self.len() + other.len() > LONGEST {
            *self = Self::hole("a very long text");
            return;
        }
        self.pieces.extend(other.pieces.iter().cloned());
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        self.append(other);
        self
    }

    pub(super) fn and(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// Every known part changed by `change`, which keeps the places where it keeps the length.
    pub(super) fn map(&self, change: impl Fn(&str) -> String) -> Self {
        let pieces = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Known(text, place) => {
                    let changed = change(text);
                    let place = place.filter(|_| changed.len() == text.len());
                    Piece::Known(changed, place)
                }
                other => other.clone(),
            })
            .collect();
        Self { pieces }
    }

    /// Without white space (or `characters`) at the ends that are chosen.
    pub(super) fn trimmed(&self, characters: Option<&str>, front: bool, back: bool) -> Self {
        let is_trimmed = |c: char| characters.map_or(c.is_whitespace(), |set| set.contains(c));
        let mut pieces = self.pieces.clone();
        let mut is_open = front;
        while is_open {
            let Some(Piece::Known(text, place)) = pieces.first_mut() else { break };
            let kept = text.trim_start_matches(is_trimmed);
            if let Some(place) = place {
                place.start += text.len() - kept.len();
            }
            *text = kept.to_owned();
            is_open = text.is_empty();
            if is_open {
                pieces.remove(0);
            }
        }
        is_open = back;
        while is_open {
            let Some(Piece::Known(text, _)) = pieces.last_mut() else { break };
            text.truncate(text.trim_end_matches(is_trimmed).len());
            is_open = text.is_empty();
            if is_open {
                pieces.pop();
            }
        }
        Self { pieces }
    }

    /// A part of a known part, with its own place.
    pub(super) fn cut(text: &str, place: Option<Place>, start: usize, end: usize) -> Piece {
        let place = place.map(|place| Place { start: place.start + start, ..place });
        Piece::Known(text[start..end].to_owned(), place)
    }

    /// `textwrap.dedent`: the white space that all lines share goes.
    pub(super) fn dedented(&self) -> Self {
        let mut margin: Option<String> = None;
        let whole: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Known(text, _) => text.as_str(),
                _ => "x",
            })
            .collect();
        for line in whole.split('\n').filter(|line| !line.trim().is_empty()) {
            let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            margin = Some(match margin {
                None => indent.to_owned(),
                Some(margin) => {
                    let common =
                        margin.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count();
                    margin[..common].to_owned()
                }
            });
        }
        let margin = margin.unwrap_or_default();
        let mut pieces = Vec::new();
        let mut at_line_start = true;
        for piece in &self.pieces {
            let Piece::Known(text, place) = piece else {
                pieces.push(piece.clone());
                at_line_start = false;
                continue;
            };
            let mut offset = 0;
            for line in text.split_inclusive('\n') {
                let skipped =
                    if at_line_start && line.starts_with(&margin) { margin.len() } else { 0 };
                pieces.push(Self::cut(text, *place, offset + skipped, offset + line.len()));
                offset += line.len();
                at_line_start = line.ends_with('\n');
            }
        }
        Self { pieces }
    }

    /// As a condition or value in a statement on `table`, whose columns need no qualifier.
    pub(super) fn within(&self, table: Option<&str>) -> Self {
        let mut out = Self::default();
        for piece in &self.pieces {
            match piece {
                Piece::Qualifier(own) if Some(own.as_str()) == table => {}
                Piece::Qualifier(other) => out.push(&format!("{other}.")),
                other => out.pieces.push(other.clone()),
            }
        }
        out
    }

    /// The texts with `separator` between them.
    pub(super) fn joined<'a>(texts: impl IntoIterator<Item = &'a Self>, separator: &Self) -> Self {
        let mut out = Self::default();
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                out.append(separator);
            }
            out.append(text);
        }
        out
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::known(text)
    }
}
