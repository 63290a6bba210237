//! Types of columns, and values of each.

use crate::truth::dice::Dice;

/// A type: as `format_type` writes it, and a value by a number.
pub struct Kind {
    pub sql: &'static str,
    pub value: fn(usize) -> String,
}

/// Types of every world; `mood`, `plate` and `pair` are its own.
pub const KINDS: [Kind; 24] = [
    Kind { sql: "integer", value: |n| n.to_string() },
    Kind { sql: "bigint", value: |n| (n as u64 * 10_000_000_000 + 7).to_string() },
    Kind { sql: "smallint", value: |n| format!("-{n}") },
    Kind { sql: "numeric", value: numeric },
    Kind { sql: "numeric(8,2)", value: |n| format!("{n}.{:02}", n * 7 % 100) },
    Kind { sql: "double precision", value: double },
    Kind { sql: "text", value: text },
    Kind { sql: "character varying(12)", value: |n| format!("'v{}'", "x".repeat(n % 11)) },
    Kind { sql: "character(6)", value: |n| format!("'c{} '", n % 1000) },
    Kind { sql: "timestamp with time zone", value: moment },
    Kind {
        sql: "timestamp without time zone",
        value: |n| format!("'2024-01-{:02} 00:00:00.{n:06}'", n % 28 + 1),
    },
    Kind {
        sql: "date",
        value: |n| {
            if n % 9 == 0 {
                "'infinity'".to_owned()
            } else {
                format!("'0044-03-{:02} BC'", n % 28 + 1)
            }
        },
    },
    Kind { sql: "interval", value: |n| format!("'{n} mons -{n} days 00:00:{:02}.5'", n % 60) },
    Kind { sql: "json", value: |n| format!(r#"'{{"a" : {n},  "a":null, "ü": "\u00e9\\n"}}'"#) },
    Kind {
        sql: "jsonb",
        value: |n| {
            if n % 8 == 0 {
                "'null'".to_owned()
            } else {
                format!(r#"'{{"n": {n}, "t": ["a", null]}}'"#)
            }
        },
    },
    Kind { sql: "bytea", value: |n| format!(r"'\x00{:02x}ff0a5c'", n % 256) },
    Kind { sql: "uuid", value: |n| format!("md5('{n}')::uuid") },
    Kind { sql: "boolean", value: |n| (n % 2 == 0).to_string() },
    Kind { sql: "integer[]", value: |n| format!("'{{{n},NULL,3}}'") },
    Kind { sql: "text[]", value: |n| format!(r#"ARRAY['a,{n}', '"', NULL, '\', '{{}}']"#) },
    Kind { sql: "int4range", value: |n| format!("'[{n},{})'", n + 3) },
    Kind { sql: "mood", value: |n| ["'sad'", "'ok'", "'happy'"][n % 3].to_owned() },
    Kind { sql: "plate", value: |n| format!("'B-{n}'") },
    Kind { sql: "pair", value: |n| format!(r#"ROW({n}, 'it''s \ "{n}"')"#) },
];

fn numeric(n: usize) -> String {
    match n % 6 {
        0 => "'NaN'".to_owned(),
        1 => format!("0.{}1", "0".repeat(n)),
        2 => format!("-1{}.5", "0".repeat(n)),
        _ => n.to_string(),
    }
}

fn double(n: usize) -> String {
    match n % 5 {
        0 => "'-Infinity'".to_owned(),
        1 => "'NaN'".to_owned(),
        2 => "1e-300".to_owned(),
        _ => format!("{n} / 3.0"),
    }
}

fn text(n: usize) -> String {
    const TEXTS: [&str; 9] = [
        "''",
        "'a'",
        "'it''s'",
        r"E'tab\tand\nline\r'",
        r"E'\\N'",
        "'NULL'",
        r"E'\\.'",
        "'naïve 😀'",
        "repeat('longer text ', 300)",
    ];
    TEXTS[n % TEXTS.len()].to_owned()
}

fn moment(n: usize) -> String {
    match n % 7 {
        0 => "'-infinity'".to_owned(),
        _ => format!("'2024-03-{:02} 10:00:0{}.123456+02'", n % 28 + 1, n % 10),
    }
}

/// Any type.
pub fn any(dice: &mut Dice) -> &'static Kind {
    dice.pick(&KINDS)
}

/// The type that `format_type` calls so, whatever schema it is in.
pub fn called(sql: &str) -> Option<&'static Kind> {
    let plain = sql.rsplit('.').next().unwrap_or(sql);
    KINDS.iter().find(|kind| kind.sql == sql || kind.sql == plain)
}
