//! Methods and formatting of strings.

use std::rc::Rc;

use super::call::Args;
use super::text::{Piece, Text};
use super::value::Value;

/// Texts that come from alternatives; more are not told apart.
const MOST_TEXTS: usize = 16;

/// A value within a string.
pub(super) fn shown(value: &Value, source: &str) -> Vec<Text> {
    let one = |value: &Value| match value {
        Value::Text(text) => text.as_ref().clone(),
        Value::Int(number) => Text::known(number.to_string()),
        Value::Number(number) => Text::known(&**number),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::None => "None".into(),
        Value::Table(name) | Value::Column(name, _) | Value::Sql(name) => name.as_ref().clone(),
        Value::Type(of) => of.sql.clone(),
        Value::List(items) => listed(items).unwrap_or_else(|| Text::hole(source)),
        Value::Unknown(inner) => Text::hole(&**inner),
        _ => Text::hole(source),
    };
    value.alternatives().iter().map(one).collect()
}

/// `str((1, 'a'))`, which people put behind IN.
fn listed(items: &[Value]) -> Option<Text> {
    let items: Option<Vec<Text>> = items
        .iter()
        .map(|item| match item {
            Value::Int(number) => Some(Text::known(number.to_string())),
            Value::Text(text) => Some(format!("'{}'", text.as_known()?).as_str().into()),
            _ => None,
        })
        .collect();
    Some(Text::known("(").plus(&Text::joined(&items?, &", ".into())).and(")"))
}

/// Every combination of the parts.
pub(super) fn concatenated(parts: &[Vec<Text>], source: &str) -> Value {
    let mut all = vec![Text::default()];
    for part in parts {
        if all.len() * part.len() > MOST_TEXTS {
            let hole = Text::hole(source);
            for text in &mut all {
                text.append(&hole);
            }
            continue;
        }
        if let [only] = part.as_slice() {
            for text in &mut all {
                text.append(only);
            }
        } else {
            all =
                all.iter().flat_map(|text| part.iter().map(|end| text.clone().plus(end))).collect();
        }
    }
    Value::one_of(all.into_iter().map(Value::of), source)
}

/// `text % values`.
pub(super) fn percent(text: &Text, values: &Value, source: &str) -> Value {
    let items: Vec<Value> = match values {
        Value::List(items) => items.as_ref().clone(),
        other => vec![other.clone()],
    };
    let named = |name: &str| match values {
        Value::Dict(pairs) => find(pairs, name),
        _ => None,
    };
    let mut next = items.iter();
    let mut parts: Vec<Vec<Text>> = Vec::new();
    for piece in &text.pieces {
        let Piece::Known(known, place) = piece else {
            parts.push(vec![Text { pieces: vec![piece.clone()] }]);
            continue;
        };
        let (mut from, mut at) = (0, 0);
        while let Some(found) = known[at..].find('%') {
            let start = at + found;
            let rest = &known[start + 1..];
            let (name, rest) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                Some((name, rest)) => (Some(name), rest),
                None => (None, rest),
            };
            let flags =
                rest.len() - rest.trim_start_matches(|c: char| "0123456789.-+ #".contains(c)).len();
            let Some(letter) = rest[flags..].chars().next() else { break };
            at = known.len() - rest.len() + flags + letter.len_utf8();
            parts.push(vec![Text { pieces: vec![Text::cut(known, *place, from, start)] }]);
            from = at;
            if letter == '%' {
                parts.push(vec!["%".into()]);
                continue;
            }
            let value = match name {
                Some(name) => named(name),
                None => next.next().cloned(),
            };
            parts.push(
                value.map_or_else(|| vec![Text::hole(source)], |value| shown(&value, source)),
            );
        }
        parts.push(vec![Text { pieces: vec![Text::cut(known, *place, from, known.len())] }]);
    }
    concatenated(&parts, source)
}

fn find(pairs: &[(Value, Value)], name: &str) -> Option<Value> {
    pairs
        .iter()
        .rev()
        .find(|(key, _)| key.as_str().as_deref() == Some(name))
        .map(|(_, v)| v.clone())
}

/// `text.format(…)`.
fn format(text: &Text, args: &Args, source: &str) -> Value {
    let mut parts: Vec<Vec<Text>> = Vec::new();
    let mut automatic = 0_usize;
    for piece in &text.pieces {
        let Piece::Known(known, place) = piece else {
            parts.push(vec![Text { pieces: vec![piece.clone()] }]);
            continue;
        };
        let (mut from, mut at) = (0, 0);
        while let Some(found) = known[at..].find(['{', '}']) {
            let start = at + found;
            let brace = &known[start..=start];
            parts.push(vec![Text { pieces: vec![Text::cut(known, *place, from, start)] }]);
            if known[start + 1..].starts_with(brace) {
                parts.push(vec![brace.into()]);
                at = start + 2;
            } else if let Some(length) = known[start..].find('}').filter(|_| brace == "{") {
                let field = &known[start + 1..start + length];
                let name = field.split([':', '!']).next().unwrap_or_default();
                let index = if name.is_empty() {
                    automatic += 1;
                    Some(automatic - 1)
                } else {
                    name.parse().ok()
                };
                let value = match index {
                    Some(index) => args.positional.get(index).cloned(),
                    None => args.keyword(name),
                };
                let hole = || vec![Text::hole(if name.is_empty() { source } else { name })];
                parts.push(value.map_or_else(hole, |value| shown(&value, source)));
                at = start + length + 1;
            } else {
                at = start + 1;
            }
            from = at;
        }
        parts.push(vec![Text { pieces: vec![Text::cut(known, *place, from, known.len())] }]);
    }
    concatenated(&parts, source)
}

/// A method of a string.
pub(super) fn method(text: &Rc<Text>, name: &str, args: &Args, source: &str) -> Value {
    let known = text.as_known();
    let first = args.positional.first();
    let first_text = first.and_then(Value::as_str);
    let unknown = || Value::of(Text::hole(source));
    match name {
        "format" => format(text, args, source),
        "strip" => Value::of(text.trimmed(first_text.as_deref(), true, true)),
        "lstrip" => Value::of(text.trimmed(first_text.as_deref(), true, false)),
        "rstrip" => Value::of(text.trimmed(first_text.as_deref(), false, true)),
        "lower" | "casefold" => Value::of(text.map(str::to_lowercase)),
        "upper" => Value::of(text.map(str::to_uppercase)),
        "encode" | "decode" | "__str__" | "expandtabs" => Value::Text(Rc::clone(text)),
        "format_map" | "title" | "capitalize" | "swapcase" | "zfill" | "ljust" | "rjust"
        | "center" => unknown(),
        "join" => match first {
            Some(Value::List(items)) => {
                let parts: Vec<Vec<Text>> = items.iter().map(|item| shown(item, source)).collect();
                let mut with_separators = Vec::new();
                for (index, part) in parts.into_iter().enumerate() {
                    if index > 0 {
                        with_separators.push(vec![text.as_ref().clone()]);
                    }
                    with_separators.push(part);
                }
                concatenated(&with_separators, source)
            }
            _ => unknown(),
        },
        "replace" => {
            let to = args.positional.get(1).and_then(Value::as_str);
            match (&first_text, to, args.positional.len()) {
                (Some(from), Some(to), 2) if !from.is_empty() => {
                    Value::of(text.map(|part| part.replace(from.as_str(), &to)))
                }
                _ => unknown(),
            }
        }
        "removeprefix" | "removesuffix" => match (known, first_text) {
            (Some(known), Some(part)) => {
                let rest = if name == "removeprefix" {
                    known.strip_prefix(&*part)
                } else {
                    known.strip_suffix(&*part)
                };
                Value::text(rest.unwrap_or(&known))
            }
            _ => unknown(),
        },
        "startswith" | "endswith" => match (known, first_text) {
            (Some(known), Some(part)) if name == "startswith" => {
                Value::Bool(known.starts_with(&*part))
            }
            (Some(known), Some(part)) => Value::Bool(known.ends_with(&*part)),
            _ => Value::unknown(source),
        },
        "split" | "splitlines" | "rsplit" => match split(text, name, args) {
            Some(parts) => Value::list(parts.into_iter().map(Value::of).collect()),
            None => Value::unknown(source),
        },
        _ => Value::unknown(source),
    }
}

/// The parts of a string, each with the place where it is written.
fn split(text: &Text, name: &str, args: &Args) -> Option<Vec<Text>> {
    let [Piece::Known(known, place)] = text.pieces.as_slice() else {
        let known = text.as_known()?;
        return split(&Text::known(known), name, args);
    };
    let separator = match (name, args.positional.first()) {
        ("splitlines", _) => Some("\n".to_owned()),
        (_, None | Some(Value::None)) => None,
        (_, Some(separator)) => Some(separator.as_str()?),
    };
    if args.positional.len() > 1 || args.keyword("maxsplit").is_some() {
        return None;
    }
    let parts: Vec<&str> = match &separator {
        Some(separator) if !separator.is_empty() => known.split(separator.as_str()).collect(),
        Some(_) => return None,
        None => known.split_whitespace().collect(),
    };
    let offset = |part: &str| part.as_ptr() as usize - known.as_ptr() as usize;
    Some(
        parts
            .into_iter()
            .map(|part| {
                let start = offset(part);
                Text { pieces: vec![Text::cut(known, *place, start, start + part.len())] }
            })
            .collect(),
    )
}
