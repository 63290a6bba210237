//! `narrow-type`: which type changes can lose something, judged from the new type and the USING
//! alone; the old type is known only once a database can be asked.

use crate::finding::{Certainty, Severity};
use crate::sql::lexer::{Lexer, TokenKind};

/// What a type change may lose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Narrowing {
    pub(super) severity: Severity,
    pub(super) certainty: Certainty,
    /// The end of a sentence about the column's values.
    pub(super) fate: String,
}

/// Types that hold whatever the old one held.
const WIDE: [&str; 17] = [
    "text",
    "citext",
    "varchar",
    "character varying",
    "bigint",
    "int8",
    "numeric",
    "decimal",
    "timestamptz",
    "timestamp with time zone",
    "bytea",
    "uuid",
    "json",
    "xml",
    "interval",
    "bit varying",
    "varbit",
];

/// Types whose assignment rounds or cuts without an error.
const LOSSY: [&str; 22] = [
    "integer",
    "int",
    "int4",
    "smallint",
    "int2",
    "real",
    "float4",
    "double precision",
    "float8",
    "float",
    "date",
    "time",
    "time without time zone",
    "time with time zone",
    "timetz",
    "money",
    "boolean",
    "bool",
    "\"char\"",
    "name",
    "tsvector",
    "halfvec",
];

/// Types with a length of their own, which is 1 where none is written (but for the varying ones).
const WITH_LENGTH: [&str; 8] =
    ["char", "character", "bpchar", "bit", "varchar", "character varying", "varbit", "bit varying"];

/// Functions of one value that keep it, in another form.
const KEEPING: [&str; 5] =
    ["to_json", "to_jsonb", "to_timestamp", "array_to_json", "hstore_to_jsonb"];

/// Judges a type change; `None` where it can only widen.
pub(super) fn judge(column: &str, to: &str, using: Option<&str>) -> Option<Narrowing> {
    let Some(using) = using else { return by_type(to, false) };
    if keeps_the_moment(column, to, using) {
        return None;
    }
    match cast_chain(column, using) {
        Some(casts) => {
            // What USING answers is assigned to the column, so the last step is no cast.
            let found = casts.iter().filter_map(|cast| by_type(cast, true));
            let last = if casts.is_empty() { by_type(to, false) } else { assigned(to, &casts) };
            found.chain(last).max_by_key(|narrowing| narrowing.severity)
        }
        None if !names(using, column) => Some(Narrowing {
            severity: Severity::Error,
            certainty: Certainty::Certain,
            fate: format!("are replaced by `{}`, whatever they were", using.trim()),
        }),
        None => Some(Narrowing {
            severity: Severity::Warning,
            certainty: Certainty::DependsOnData,
            fate: format!("are replaced by what `{}` makes of them", using.trim()),
        }),
    }
}

/// The assignment behind a chain of casts: nothing more happens where the last cast was to the
/// same type.
fn assigned(to: &str, casts: &[&str]) -> Option<Narrowing> {
    let is_same = casts.last().is_some_and(|last| canonical(last) == canonical(to));
    if is_same { None } else { by_type(to, false) }
}

/// `AT TIME ZONE` with a constant: forth to a moment, or back to the clock of UTC, which has no
/// hour twice.
fn keeps_the_moment(column: &str, to: &str, using: &str) -> bool {
    let using = unwrapped(using);
    let lower = using.to_ascii_lowercase();
    let Some(at) = lower.find(" at time zone ") else { return false };
    let zone = unwrapped(&lower[at + " at time zone ".len()..]).trim_end_matches("::text");
    let is_constant = zone.len() > 2
        && zone.starts_with('\'')
        && zone.ends_with('\'')
        && !zone[1..zone.len() - 1].contains('\'');
    let (base, precision) = canonical(to);
    let is_exact = precision.is_none_or(|digits| digits == "6");
    let is_utc = matches!(zone.trim_matches('\''), "utc" | "gmt" | "etc/utc" | "z" | "zulu");
    is_constant
        && is_exact
        && cast_chain(column, &using[..at]).is_some_and(|casts| casts.is_empty())
        && (base == "timestamp with time zone" || base == "timestamp without time zone" && is_utc)
}

/// Whether every value of the old type is one of the new type, so that a change of type without
/// USING loses nothing.
pub fn widens(old: &str, new: &str) -> bool {
    let (old_base, old_modifier) = canonical(old);
    let (new_base, new_modifier) = canonical(new);
    if old_base != new_base {
        return matches!(
            (&*old_base, &*new_base),
            ("smallint", "integer" | "real" | "double precision")
                | ("integer" | "real", "double precision")
        );
    }
    if new_modifier.is_none() || old_modifier == new_modifier {
        // `char` without a length is `char(1)`, and `bit` is `bit(1)`.
        return old_modifier == new_modifier || !matches!(&*new_base, "character" | "bit");
    }
    let (Some(old), Some(new)) = (numbers(old_modifier), numbers(new_modifier)) else {
        return false;
    };
    match (&*new_base, old.as_slice(), new.as_slice()) {
        ("character varying" | "character" | "bit varying", [old], [new]) => new >= old,
        ("numeric", [digits, scale], [more, further]) => {
            further >= scale && more - further >= digits - scale
        }
        (base, [old], [new]) if base.starts_with("time") => new >= old,
        _ => false,
    }
}

/// The name that PostgreSQL gives a type in its catalogue, and what stands in its parentheses.
fn canonical(name: &str) -> (String, Option<String>) {
    let (base, mut modifier) = normalized(name);
    let base = match &*base {
        "int" | "int4" => "integer",
        "int2" => "smallint",
        "int8" => "bigint",
        "float4" => "real",
        // `float(n)`: up to 24 binary digits are a real.
        "float" => match modifier.take().and_then(|digits| digits.parse::<u32>().ok()) {
            Some(..=24) => "real",
            _ => "double precision",
        },
        "float8" => "double precision",
        "decimal" => "numeric",
        "bool" => "boolean",
        "varchar" => "character varying",
        "char" => "character",
        "varbit" => "bit varying",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        other => other,
    };
    if base == "numeric" {
        // `numeric(10)` is `numeric(10,0)`.
        modifier = modifier.map(|m| if m.contains(',') { m } else { m + ",0" });
    }
    (base.to_owned(), modifier.map(|m| m.replace(' ', "")))
}

fn numbers(modifier: Option<String>) -> Option<Vec<i64>> {
    modifier?.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn by_type(to: &str, explicit: bool) -> Option<Narrowing> {
    let (base, modifier) = normalized(to);
    let may_lose = |severity, fate: &str| {
        let certainty = Certainty::DependsOnData;
        Some(Narrowing { severity, certainty, fate: fate.to_owned() })
    };
    if base.ends_with("[]") {
        return by_type(base.trim_end_matches("[]"), explicit);
    }
    let is_varying = matches!(&*base, "varchar" | "character varying" | "varbit" | "bit varying");
    if WITH_LENGTH.contains(&base.as_str()) && (modifier.is_some() || !is_varying) {
        return if explicit {
            may_lose(Severity::Warning, "are cut off where they are longer, because of the cast")
        } else {
            // Without a cast in USING PostgreSQL refuses what is too long.
            may_lose(Severity::Note, "must fit, or PostgreSQL refuses the change")
        };
    }
    if modifier.is_some() && matches!(&*base, "numeric" | "decimal") {
        return may_lose(Severity::Warning, "are rounded where they have more digits");
    }
    let is_moment = base.starts_with("timestamp") || base.starts_with("interval");
    if is_moment && modifier.is_some_and(|digits| digits != "6") {
        return may_lose(Severity::Warning, "are rounded where they are more precise");
    }
    if base.starts_with("interval ") {
        return may_lose(Severity::Warning, "keep only the fields that the type names");
    }
    if WIDE.contains(&base.as_str()) {
        return None;
    }
    match base.as_str() {
        "timestamp" | "timestamp without time zone" => {
            may_lose(Severity::Warning, "lose their time zone if they have one")
        }
        "jsonb" => may_lose(Severity::Note, "keep one of several equal keys"),
        _ if LOSSY.contains(&base.as_str()) => {
            may_lose(Severity::Warning, "are rounded or cut where the new type holds less")
        }
        // A conversion to a type of one's own fails, or is what its author wrote.
        _ => may_lose(Severity::Note, "are converted to a type that rowsafe does not know"),
    }
}

/// `numeric ( 10, 2 )` as `numeric` and `10, 2`; quotes (but those of `"char"`) and pg_catalog go.
fn normalized(to: &str) -> (String, Option<String>) {
    let lower = to.trim().to_ascii_lowercase().replace("pg_catalog.", "");
    // `"char"` is another type than `char`.
    let lower = if lower == "\"char\"" { lower } else { lower.replace('"', "") };
    let Some((before, rest)) = lower.split_once('(') else {
        return (lower.split_whitespace().collect::<Vec<_>>().join(" ").replace(" []", "[]"), None);
    };
    let (modifier, after) = rest.split_once(')').unwrap_or((rest, ""));
    let words: Vec<&str> = before.split_whitespace().chain(after.split_whitespace()).collect();
    (words.join(" ").replace(" []", "[]"), Some(modifier.trim().to_owned()))
}

/// The types of `col::a::b` or `CAST(col AS a)`; `None` where it is anything else.
fn cast_chain<'a>(column: &str, using: &'a str) -> Option<Vec<&'a str>> {
    let using = unwrapped(using);
    if let Some(inner) = using.get(..4).filter(|word| word.eq_ignore_ascii_case("cast")) {
        let inner = unwrapped(&using[inner.len()..]);
        let at = inner.to_ascii_lowercase().rfind(" as ")?;
        let mut casts = cast_chain(column, &inner[..at])?;
        casts.push(inner[at + 4..].trim());
        return Some(casts);
    }
    let mut parts = using.split("::").map(str::trim);
    let first = unwrapped(parts.next()?);
    if first.contains("::") || first.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("cast"))
    {
        let mut casts = cast_chain(column, first)?;
        casts.extend(parts);
        return Some(casts);
    }
    let casts: Vec<&str> = parts.collect();
    let is_type =
        |cast: &&str| cast.chars().all(|c| c.is_alphanumeric() || " _.\"()[],".contains(c));
    if let Some(inner) = kept(column, first) {
        return cast_chain(column, inner).filter(|_| casts.iter().all(is_type)).map(|mut inner| {
            inner.extend(casts);
            inner
        });
    }
    let name = first.rsplit('.').next().unwrap_or(first).trim();
    let is_column = match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\"") == column,
        None => name.to_ascii_lowercase() == column,
    };
    (is_column && casts.iter().all(is_type)).then_some(casts)
}

/// The value that a function, `ARRAY[…]` or a coalesce with constants keeps.
fn kept<'a>(column: &str, expression: &'a str) -> Option<&'a str> {
    let lower = expression.to_ascii_lowercase();
    let inside = |prefix: &str, end: char| {
        let rest = lower.strip_prefix(prefix)?;
        let group = &expression[expression.len() - rest.trim_start().len()..];
        let opener = if end == ')' { '(' } else { '[' };
        let inner = group.strip_prefix(opener)?.strip_suffix(end)?;
        (!inner.contains([opener, end])).then_some(inner)
    };
    if let Some(inner) = inside("array", ']') {
        return (!inner.contains(',')).then_some(inner);
    }
    if let Some(inner) = inside("coalesce", ')') {
        let (first, others) = inner.split_once(',')?;
        return (!names(others, column)).then_some(first);
    }
    let inner = KEEPING.iter().find_map(|function| inside(function, ')'))?;
    (!inner.contains(',')).then_some(inner)
}

/// Without parentheses that enclose all of it.
fn unwrapped(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let mut depth = 0_i32;
        let closes_early = inner.chars().any(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            depth < 0
        });
        if closes_early {
            break;
        }
        text = inner.trim();
    }
    text
}

/// Whether the column stands in the expression, outside of strings.
fn names(expression: &str, column: &str) -> bool {
    Lexer::new(expression).any(|token| {
        let text = token.span.of(expression);
        match token.kind {
            TokenKind::Word => text.to_ascii_lowercase() == column,
            TokenKind::QuotedName => text.trim_matches('"').replace("\"\"", "\"") == column,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{judge, widens};
    use crate::finding::Severity;

    fn check(to: &str, using: Option<&str>, expect: Option<Severity>) {
        let severity = judge("total", to, using).map(|narrowing| narrowing.severity);
        assert_eq!(severity, expect, "{to} {using:?}");
    }

    #[test]
    fn widening_is_silent_and_narrowing_is_not() {
        for to in
            ["text", "bigint", "VARCHAR", "numeric", "timestamptz", "TIMESTAMP WITH TIME ZONE"]
        {
            check(to, None, None);
        }
        for to in
            ["integer", "numeric(10, 2)", "date", "timestamp(0) with time zone", "real", "int[]"]
        {
            check(to, None, Some(Severity::Warning));
        }
        check("varchar(20)", None, Some(Severity::Note));
        check("varchar(20)", Some("total::varchar(20)"), Some(Severity::Warning));
    }

    #[test]
    fn what_using_computes_is_looked_at() {
        check("text", Some("total::text"), None);
        check("text", Some("CAST(total AS text)"), None);
        check("status", Some("\"total\"::text::status"), Some(Severity::Note));
        check("bigint", Some("total::int::bigint"), Some(Severity::Warning));
        check("bigint", Some("0"), Some(Severity::Error));
        check("text", Some("left(total, 3)"), Some(Severity::Warning));
        check("text", Some("subtotal::text"), Some(Severity::Error));
    }

    #[test]
    fn what_holds_every_old_value() {
        for (old, new) in [
            ("double precision", "FLOAT(53)"),
            ("double precision", "FLOAT"),
            ("boolean", "BOOLEAN"),
            ("character varying(250)", "VARCHAR(5000)"),
            ("numeric(10,2)", "NUMERIC(12, 2)"),
            ("numeric(10,2)", "numeric"),
            ("numeric(5,0)", "DECIMAL(7)"),
            ("smallint", "INTEGER"),
            ("timestamp(3) without time zone", "TIMESTAMP WITHOUT TIME ZONE"),
            ("timestamp without time zone", "timestamp"),
            ("trialstate", "trialstate"),
            ("date", "DATE"),
        ] {
            assert!(widens(old, new), "{old} {new}");
        }
        for (old, new) in [
            ("double precision", "FLOAT(24)"),
            ("numeric", "FLOAT(53)"),
            ("bigint", "double precision"),
            ("bigint", "integer"),
            ("integer", "real"),
            ("integer", "boolean"),
            ("numeric", "numeric(10,2)"),
            ("numeric(10,2)", "numeric(11,4)"),
            ("numeric(12,2)", "numeric(12,0)"),
            ("timestamp without time zone", "timestamp(3)"),
            ("timestamp with time zone", "timestamp"),
            ("character(5)", "char"),
            ("interval", "interval day"),
            ("interval day", "interval hour"),
            ("character varying(9)", "varchar(8)"),
        ] {
            assert!(!widens(old, new), "{old} {new}");
        }
    }
}
