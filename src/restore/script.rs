//! The definitions of an archive, entry by entry: the text that pg_restore would run, and what each
//! of them depends on.

use super::RestoreRequest;
use crate::hint::Refusal;
use crate::snapshot::store::Stored;
use crate::snapshot::toc::{self, Entry};
use crate::snapshot::{archive, list_file};

/// One entry of the archive, as statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number in the archive.
    pub id: u64,
    /// The catalogue's oid, 0 for entries without one.
    pub catalog: u32,
    /// The object's oid in there.
    pub oid: u32,
    /// The numbers of the entries that it needs.
    pub needs: Vec<u64>,
    /// `TABLE`, `INDEX`, `FK CONSTRAINT`.
    pub kind: String,
    /// Its schema; none for a schema.
    pub schema: Option<String>,
    /// Its name; of what belongs to a table, the table's name and its own.
    pub name: String,
    /// The statements.
    pub sql: String,
}

/// Reads the definitions of everything in the archive.
pub async fn read(
    request: &RestoreRequest,
    stored: &Stored,
    entries: &[Entry],
) -> Result<Vec<Item>, Refusal> {
    let mut invocation = request.tools.restore_invocation().arg("--verbose").arg("--file=-");
    let is_data = |entry: &&Entry| {
        let starts = |kind: &str| entry.text.starts_with(kind);
        starts("TABLE DATA ") || starts("BLOB") || starts("LARGE OBJECT")
    };
    let wanted: Vec<&Entry> = entries.iter().filter(|entry| !is_data(entry)).collect();
    let list = list_file(&toc::list(entries, &wanted))?;
    // A pg_restore in a container does not see the file; then sequences start anew, and end beyond
    // the highest value all the same.
    invocation = if request.tools.restore.len() == 1 {
        invocation.arg(format!("--use-list={}", list.path().display()))
    } else {
        invocation.arg("--schema-only")
    };
    Ok(parse(&archive::text(stored, &invocation).await?))
}

const HEAD: &str = "--\n-- TOC entry ";

/// Splits what `pg_restore --verbose` prints.
fn parse(text: &str) -> Vec<Item> {
    let end = text.rfind("\n--\n-- PostgreSQL database dump complete\n").unwrap_or(text.len());
    let text = &text[..end];
    // The end may be told of in a line of its own before.
    let text = text.rfind("\n-- Completed on ").map_or(text, |at| &text[..at]);
    let mut starts: Vec<usize> =
        text.match_indices("\n--\n-- TOC entry ").map(|(at, _)| at + 1).collect();
    if text.starts_with(HEAD) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| item(&text[*start..end])).collect()
}

/// `-- TOC entry 216 (class 1259 OID 16396)`, `-- Dependencies: 846 223`,
/// `-- Name: p; Type: TABLE; Schema: m; Owner: app`, `-- Data Pos: 0`, `--`, statements.
fn item(text: &str) -> Option<Item> {
    let rest = text.strip_prefix(HEAD)?;
    let (first, rest) = rest.split_once('\n')?;
    let (id, place) = first.split_once(" (class ")?;
    let (catalog, oid) = place.strip_suffix(')')?.split_once(" OID ")?;
    let (comments, sql) = rest.split_once("\n--\n")?;
    let line = |start: &str| comments.lines().find_map(|line| line.strip_prefix(start));
    let needs = line("-- Dependencies:").unwrap_or_default().split_whitespace();
    let named = line("-- Name: ").or_else(|| line("-- Data for Name: "))?;
    // Names may hold anything, the words behind them not.
    let (named, _) = named.rsplit_once("; Owner: ")?;
    let (named, schema) = named.rsplit_once("; Schema: ")?;
    let (name, kind) = named.rsplit_once("; Type: ")?;
    Some(Item {
        id: id.parse().ok()?,
        catalog: catalog.parse().ok()?,
        oid: oid.parse().ok()?,
        needs: needs.filter_map(|id| id.parse().ok()).collect(),
        kind: kind.to_owned(),
        schema: (schema != "-").then(|| schema.to_owned()),
        name: name.to_owned(),
        sql: sql.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const TEXT: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET row_security = off;\n\n\
--\n-- TOC entry 6 (class 2615 OID 16385)\n-- Name: m; Type: SCHEMA; Schema: -; Owner: app\n-- Data Pos: 0\n--\n\n\
CREATE SCHEMA m;\n\n\n\
--\n-- TOC entry 216 (class 1259 OID 16396)\n-- Dependencies: 846 6\n\
-- Name: a; Type: b; Type: TABLE; Schema: m; Owner: app\n--\n\n\
CREATE TABLE m.\"a; Type: b\" (\n    id integer\n);\n\n\n-- Completed on 2026-11-21\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

    #[test]
    fn entries_come_with_their_statements_and_what_they_need() {
        let items = parse(TEXT);
        assert_eq!(items.len(), 2);
        assert_eq!(
            (items[0].id, items[0].kind.as_str(), items[0].name.as_str()),
            (6, "SCHEMA", "m")
        );
        assert_eq!((items[0].schema.as_deref(), items[0].sql.as_str()), (None, "CREATE SCHEMA m;"));
        assert_eq!(items[1].needs, [846, 6]);
        assert_eq!((items[1].catalog, items[1].oid), (1259, 16396));
        assert_eq!((items[1].name.as_str(), items[1].kind.as_str()), ("a; Type: b", "TABLE"));
        assert!(items[1].sql.starts_with("CREATE TABLE") && items[1].sql.ends_with(");"));
    }
}
