//! Function calls: PostgreSQL's own, those that destroy, and the ones nobody knows.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Effect;
use crate::text::QualifiedName;

/// Functions of large objects that take bytes away.
pub(super) const LARGE_OBJECT_CALLS: [&str; 5] =
    ["lo_unlink", "lo_truncate", "lo_truncate64", "lo_put", "lowrite"];

/// Functions that run SQL they are given as text.
const RUNS_TEXT: [&str; 9] = [
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "dblink",
    "dblink_exec",
];

/// What PostgreSQL parses like a function although pg_proc has none of that name.
pub(super) const SYNTAX: [&str; 46] = [
    "any",
    "array",
    "all",
    "cast",
    "ceiling",
    "coalesce",
    "collation",
    "cube",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "exists",
    "extract",
    "greatest",
    "grouping",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "least",
    "localtime",
    "localtimestamp",
    "merge_action",
    "nullif",
    "normalize",
    "overlay",
    "position",
    "rollup",
    "row",
    "session_user",
    "some",
    "substring",
    "trim",
    "user",
    "values",
    "xmlelement",
];

/// What calling this function does, where it does anything; `reports` says whether an unknown one
/// counts.
pub(super) fn read(name: &QualifiedName, reports: bool) -> Option<Effect> {
    let is_own = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    let bare = name.name.as_str();
    if is_own && LARGE_OBJECT_CALLS.contains(&bare) {
        return Some(Effect::UnlinkLargeObject { call: bare.to_owned() });
    }
    if RUNS_TEXT.contains(&bare) {
        return Some(Effect::DynamicSql { why: format!("{bare}() runs SQL given as text") });
    }
    if is_own && bare == "set_config" {
        return Some(Effect::NamesMoved { why: "a call of set_config()".to_owned() });
    }
    let is_known = is_builtin(name);
    (reports && !is_known).then(|| Effect::CallsFunction { name: name.clone() })
}

/// Whether a bare name, in lower case, can be called without anything being destroyed; where it only
/// computes a value, an unknown one can.
pub(super) fn is_harmless(bare: &str, computes: bool) -> bool {
    let is_special =
        LARGE_OBJECT_CALLS.contains(&bare) || RUNS_TEXT.contains(&bare) || bare == "set_config";
    !is_special && (computes || is_known(bare))
}

fn is_known(bare: &str) -> bool {
    FUNCTIONS.own.contains(bare)
        || FUNCTIONS.contrib.contains(bare)
        || SYNTAX.contains(&bare)
        || bare.starts_with("xml")
}

/// Whether PostgreSQL or a contrib module that changes no table brings this function along.
pub(super) fn is_builtin(name: &QualifiedName) -> bool {
    let bare = name.name.as_str();
    match name.schema.as_deref() {
        Some("pg_catalog") => FUNCTIONS.own.contains(bare),
        None => is_known(bare),
        Some("public" | "extensions") => FUNCTIONS.contrib.contains(bare),
        Some(_) => false,
    }
}

struct Functions {
    own: HashSet<&'static str>,
    contrib: HashSet<&'static str>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let (own, contrib) = include_str!("builtin_functions.txt")
        .split_once("[contrib]")
        .expect("the list has both parts");
    let names = |text: &'static str| {
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
            .collect::<HashSet<_>>()
    };
    Functions { own: names(own), contrib: names(contrib) }
});

#[cfg(test)]
mod tests {
    use super::is_builtin;
    use crate::text::QualifiedName;

    #[test]
    fn a_schema_decides_whose_function_it_is() {
        assert!(is_builtin(&QualifiedName::bare("now")));
        assert!(is_builtin(&QualifiedName::new("pg_catalog", "setval")));
        assert!(is_builtin(&QualifiedName::new("public", "uuid_generate_v4")));
        assert!(is_builtin(&QualifiedName::bare("coalesce")));
        assert!(!is_builtin(&QualifiedName::new("app", "now")));
        assert!(!is_builtin(&QualifiedName::bare("purge_old_rows")));
        assert!(!is_builtin(&QualifiedName::bare("lo_unlink")));
        assert!(!is_builtin(&QualifiedName::bare("")));
    }
}
