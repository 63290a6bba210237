//! Event triggers: functions that run by themselves when the shape of the database changes.

use tokio_postgres::{Client, Error};

/// An event trigger that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The oid of its function.
    pub function: u32,
    /// Off, or for replication only.
    pub is_off: bool,
    event: String,
    tags: Vec<String>,
}

/// Those of extensions look after the extension's own tables.
const EVENT_TRIGGERS: &str = "
SELECT e.oid, e.evtname::text, e.evtfoid, e.evtenabled IN ('D', 'R'), e.evtevent::text,
       coalesce(e.evttags, '{}')
  FROM pg_event_trigger e
 WHERE e.evtevent <> 'login'
   AND NOT EXISTS (
         SELECT FROM pg_depend d
          WHERE d.deptype = 'e'
            AND (d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid
              OR d.classid = 'pg_proc'::regclass AND d.objid = e.evtfoid))
 ORDER BY e.evtname";

/// Reads them.
pub async fn read(client: &Client) -> Result<Vec<EventTrigger>, Error> {
    let rows = client.query(EVENT_TRIGGERS, &[]).await?;
    let read = |row: &tokio_postgres::Row| EventTrigger {
        oid: row.get(0),
        name: row.get(1),
        function: row.get(2),
        is_off: row.get(3),
        event: row.get(4),
        tags: row.get(5),
    };
    Ok(rows.iter().map(read).collect())
}

/// The words that start a change of shape, and what they may not be followed by: objects that
/// all databases share, and event triggers themselves (PostgreSQL 40.2).
const STARTS: [&str; 9] =
    ["create", "alter", "drop", "grant", "revoke", "comment", "reindex", "refresh", "security"];
const SHARED: [&str; 8] =
    ["database", "role", "user", "group", "tablespace", "event", "system", "subscription"];

/// How many of a statement's first words make up its tag.
const LONGEST_TAG: usize = 8;

impl EventTrigger {
    /// Whether a statement of this text fires it, as far as its first words tell.
    pub fn fires(&self, text: &str) -> bool {
        let words: Vec<String> =
            text.split_whitespace().take(LONGEST_TAG).map(str::to_ascii_lowercase).collect();
        let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
        if !STARTS.contains(&word(0)) || SHARED.contains(&word(1)) {
            return false;
        }
        let is_event = match self.event.as_str() {
            "sql_drop" => text.to_ascii_lowercase().contains("drop"),
            "table_rewrite" => word(0) == "alter",
            _ => true,
        };
        let is_tag = |tag: &String| {
            tag.split(' ').all(|part| words.iter().any(|word| word.eq_ignore_ascii_case(part)))
        };
        is_event && (self.tags.is_empty() || self.tags.iter().any(is_tag))
    }
}

#[cfg(test)]
mod tests {
    use super::EventTrigger;

    fn check(event: &str, tags: &[&str], text: &str) -> bool {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let (name, event) = (String::new(), event.to_owned());
        EventTrigger { oid: 1, name, function: 2, is_off: false, event, tags }.fires(text)
    }

    #[test]
    fn a_statement_fires_what_its_first_words_say() {
        let end = "ddl_command_end";
        assert!(check(end, &[], "CREATE TABLE a (b int)"));
        assert!(check(end, &["CREATE INDEX"], "create unique index i on a (b)"));
        assert!(!check(end, &["CREATE INDEX"], "CREATE TABLE a (b int)"));
        assert!(!check(end, &[], "INSERT INTO a VALUES (1)"));
        assert!(!check(end, &[], "ALTER ROLE a LOGIN"));
        assert!(check("sql_drop", &[], "ALTER TABLE a DROP COLUMN b"));
        assert!(!check("sql_drop", &[], "ALTER TABLE a ADD b int"));
        assert!(check("table_rewrite", &[], "ALTER TABLE a ALTER b TYPE text"));
        assert!(!check("table_rewrite", &[], "CREATE TABLE a (b int)"));
    }
}
