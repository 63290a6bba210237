//! Sequences beyond the highest value that was put back, or the next insert would collide; never
//! back.

use super::session::Session;
use crate::hint::Refusal;
use crate::text::QualifiedName;
use crate::text::name::{quote, quote_literal};

/// Sequences that columns of the table own, and those that their defaults draw from.
const SEQUENCES: &str = "
    SELECT d.objid::regclass::text, a.attname::text, q.seqincrement < 0
      FROM pg_depend d
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      JOIN pg_sequence q ON q.seqrelid = d.objid
      JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'N'
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.deptype IN ('a', 'i') AND d.refobjid = $1::text::regclass
     UNION
    SELECT d.refobjid::regclass::text, a.attname::text, q.seqincrement < 0
      FROM pg_attrdef f
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
       AND d.refclassid = 'pg_class'::regclass
      JOIN pg_sequence q ON q.seqrelid = d.refobjid
      JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
      JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'N'
     WHERE f.adrelid = $1::text::regclass";

/// Moves the sequences of a table on.
pub async fn advance(session: &Session, table: &QualifiedName) -> Result<(), Refusal> {
    let name = table.sql();
    let found = session.client().query(SEQUENCES, &[&name]).await;
    let found = found.map_err(|error| session.refusal("find the sequences", error))?;
    for row in found {
        let (sequence, column): (String, String) = (row.get(0), row.get(1));
        let (furthest, beyond) = if row.get(2) { ("min", "<") } else { ("max", ">") };
        let sql = format!(
            "SELECT setval({}, m.furthest)
               FROM (SELECT {furthest}({})::bigint AS furthest FROM {name}) m, {sequence} q
              WHERE m.furthest {beyond} q.last_value
                 OR (m.furthest = q.last_value AND NOT q.is_called)",
            quote_literal(&sequence),
            quote(&column)
        );
        session.execute(&sql, &format!("set the sequence {sequence}")).await?;
    }
    Ok(())
}
