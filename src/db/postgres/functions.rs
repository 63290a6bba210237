//! Functions of the database, with bodies that can be read: what a call of them does.

use tokio_postgres::{Client, Error, Row};

use crate::effect::{self, Effect};
use crate::sql;
use crate::text::QualifiedName;

/// A function, procedure or aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// Whether it takes no arguments, as the function of a trigger.
    pub is_bare: bool,
    /// The functions that an aggregate is made of.
    pub parts: Vec<u32>,
    /// The `search_path` that it sets for itself.
    pub search_path: Option<Vec<String>>,
    is_aggregate: bool,
    language: String,
    is_volatile: bool,
    extension: Option<String>,
    definition: Option<String>,
}

const FUNCTIONS: &str = "
SELECT p.oid, n.nspname::text, p.proname::text, p.pronargs = 0, l.lanname::text,
       p.provolatile = 'v',
       (SELECT e.extname::text
          FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
           AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
       CASE WHEN p.prokind <> 'a' AND l.lanname IN ('plpgsql', 'sql')
            THEN pg_get_functiondef(p.oid) END,
       (SELECT substr(setting, 13) FROM unnest(p.proconfig) setting
         WHERE setting LIKE 'search\\_path=%' LIMIT 1),
       ARRAY(SELECT part FROM unnest(ARRAY[
                 a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid,
                 a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid,
                 a.aggmfinalfn::oid]) part
              WHERE part >= 16384),
       p.prokind = 'a'
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid";

/// The functions of these oids.
pub async fn by_oid(client: &Client, oids: &[u32]) -> Result<Vec<Function>, Error> {
    let sql = format!("{FUNCTIONS} WHERE p.oid = ANY ($1) ORDER BY p.oid");
    Ok(client.query(&sql, &[&oids]).await?.iter().map(function).collect())
}

/// All functions of this name that a call may mean, whatever their arguments: those in the schemas
/// of `path`; where there is none in these, or `everywhere` is said, those in any schema.
pub async fn by_name(
    client: &Client,
    name: &QualifiedName,
    path: &[String],
    everywhere: bool,
) -> Result<Vec<Function>, Error> {
    let sql = format!(
        "{FUNCTIONS} WHERE p.proname = $1 AND ($2::text IS NULL OR n.nspname = $2)
            AND n.nspname <> 'information_schema' ORDER BY p.oid"
    );
    let rows = client.query(&sql, &[&name.name, &name.schema]).await?;
    let all: Vec<Function> = rows.iter().map(function).collect();
    let is_near = |function: &&Function| {
        function.name.schema.as_ref().is_some_and(|schema| path.contains(schema))
    };
    let near: Vec<Function> = all.iter().filter(is_near).cloned().collect();
    let by_path = name.schema.is_none() && !everywhere && !near.is_empty();
    Ok(if by_path { near } else { all })
}

fn function(row: &Row) -> Function {
    let path: Option<String> = row.get(8);
    let schemas = |path: String| {
        let schema = |part: &str| part.trim().trim_matches('"').to_owned();
        path.split(',').map(schema).filter(|schema| !schema.is_empty()).collect()
    };
    Function {
        oid: row.get(0),
        name: QualifiedName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
        is_bare: row.get(3),
        language: row.get(4),
        is_volatile: row.get(5),
        extension: row.get(6),
        definition: row.get(7),
        search_path: path.map(schemas),
        parts: row.get(9),
        is_aggregate: row.get(10),
    }
}

/// What became of reading a body.
pub enum Body {
    /// What a call does.
    Effects(Vec<Effect>),
    /// It can't be known; this says why.
    Unknown(String),
}

impl Function {
    /// What a call of it does.
    ///
    /// PostgreSQL keeps a function that is not volatile from writing by itself, but not from calling
    /// one that does; what an extension declares so is trusted, what others declare is read.
    pub fn body(&self) -> Body {
        if self.extension.is_some() && !self.is_volatile
            || self.name.schema.as_deref() == Some("pg_catalog")
            || self.is_aggregate
        {
            return Body::Effects(Vec::new());
        }
        let short = self.name.short();
        let Some(definition) = &self.definition else {
            return Body::Unknown(match &self.extension {
                Some(extension) => format!("`{short}` is a part of the extension {extension}"),
                None => format!("`{short}` is written in {}", self.language),
            });
        };
        let defined = |effect| match effect {
            Effect::DefinesFunction { effects, .. } => Some(effects),
            _ => None,
        };
        let read = sql::split(definition).iter().flat_map(effect::read).find_map(defined);
        read.map_or_else(
            || Body::Unknown(format!("the body of `{short}` could not be read")),
            Body::Effects,
        )
    }

    /// The columns of the row at hand that the body of a trigger's function sets; `None` where
    /// they can't be told from its text.
    pub fn sets_of_new(&self) -> Option<Vec<String>> {
        effect::sets_of_new(self.definition.as_deref()?)
    }
}
