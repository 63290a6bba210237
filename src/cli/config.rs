//! `rowsafe config`: every setting with where it comes from.

use anyhow::Context as _;

use super::Context;
use super::args::{ConfigArgs, Format};
use crate::config::Settings;
use crate::exit::Exit;
use crate::ui::{Align, Table};

/// Runs it.
pub fn main(args: &ConfigArgs, context: &Context) -> Exit {
    context.ended(story(args, context))
}

fn story(args: &ConfigArgs, context: &Context) -> anyhow::Result<()> {
    let settings = Settings::resolve(context.flags(), &context.environment)?;
    for warning in &settings.warnings {
        context.printer.warning(warning);
    }
    let text = match args.format {
        Format::Human => human(&settings),
        Format::Json => json(&settings),
    };
    context.printer.data(&text).context("print the settings")
}

fn human(settings: &Settings) -> String {
    let mut table = Table::new([Align::Left, Align::Left, Align::Left]);
    for row in settings.describe() {
        let value = if row.value.is_empty() { "not set" } else { &row.value };
        table.row([row.key, value, &row.origin]);
    }
    table.lines(120).join("\n")
}

fn json(settings: &Settings) -> String {
    let rows: Vec<serde_json::Value> = settings
        .describe()
        .into_iter()
        .map(|row| serde_json::json!({"key": row.key, "value": row.value, "origin": row.origin}))
        .collect();
    serde_json::to_string_pretty(&rows).expect("settings are strings")
}
