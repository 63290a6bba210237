//! The rows of a table as they are now, in COPY's text format.

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio_postgres::{Client, Error};

use crate::text::QualifiedName;
use crate::text::name::{quote, quote_literal};

/// What a session's settings make of a value's text (PostgreSQL 20.11.2, Locale and Formatting),
/// besides those that pg_dump sets itself.
const SETTINGS: [&str; 4] = ["TimeZone", "bytea_output", "lc_monetary", "xmlbinary"];

/// How a session writes values as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatting(Vec<(&'static str, String)>);

impl Formatting {
    /// The role's and the database's defaults, which pg_dump works with.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let mut settings = Vec::new();
        for name in SETTINGS {
            let sql = "SELECT reset_val FROM pg_settings WHERE lower(name) = lower($1)";
            let row = client.query_one(sql, &[&name]).await?;
            settings.push((name, row.get(0)));
        }
        Ok(Self(settings))
    }

    /// Makes a session write values as pg_dump does (pg_dump.c, `setup_connection`).
    pub async fn apply(&self, client: &Client) -> Result<(), Error> {
        let mut sql = "SET datestyle = ISO; SET intervalstyle = postgres; \
                       SET extra_float_digits = 3; SET synchronize_seqscans = off"
            .to_owned();
        for (name, value) in &self.0 {
            sql.extend(["; SET ", name, " = ", &quote_literal(value)]);
        }
        client.batch_execute(&sql).await
    }
}

/// A column to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its name.
    pub name: String,
    /// The type to read it as, where it had another one before.
    pub as_type: Option<String>,
}

impl Read {
    fn expression(&self) -> String {
        let name = quote(&self.name);
        match &self.as_type {
            Some(type_name) => format!("({name})::{type_name}"),
            None => name,
        }
    }
}

/// Reads the columns of every row of this table alone, without children; `take` gets each row
/// without its line end. The rows go by, they are not held.
pub async fn read(
    client: &Client,
    table: &QualifiedName,
    columns: &[Read],
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let columns: Vec<String> = columns.iter().map(Read::expression).collect();
    let sql = format!("COPY (SELECT {} FROM ONLY {}) TO STDOUT", columns.join(", "), table.sql());
    let stream = client.copy_out(&sql).await?;
    futures_util::pin_mut!(stream);
    let mut rest = BytesMut::new();
    while let Some(bytes) = stream.try_next().await? {
        if rest.is_empty() && bytes.last() == Some(&b'\n') {
            lines(&bytes, &mut take);
            continue;
        }
        rest.extend_from_slice(&bytes);
        if let Some(end) = memchr::memrchr(b'\n', &rest) {
            lines(&rest.split_to(end + 1), &mut take);
        }
    }
    Ok(())
}

/// Hands on each line of a text that ends with one.
pub fn lines(text: &[u8], take: &mut impl FnMut(&[u8])) {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        take(&text[start..end]);
        start = end + 1;
    }
}
