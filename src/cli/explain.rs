//! `rowsafe explain`: the documentation of the rules, where they are met.

use std::io::ErrorKind;

use anyhow::Context as _;

use super::Context;
use super::args::{ExplainArgs, Format};
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::report::reference;
use crate::rules::{self, RULES};
use crate::text::similar::nearest;

/// Runs it.
pub fn main(args: &ExplainArgs, context: &Context) -> Exit {
    context.ended(story(args, context))
}

fn story(args: &ExplainArgs, context: &Context) -> anyhow::Result<()> {
    let text = match (&args.rule, args.format) {
        (None, Format::Human) => reference::listed(),
        (None, Format::Json) => reference::listed_json(),
        (Some(id), format) => {
            let rule = rules::rule(id).ok_or_else(|| unknown(id))?;
            match format {
                Format::Human => reference::explained(rule),
                Format::Json => reference::explained_json(rule),
            }
        }
    };
    match context.printer.data(text.trim_end()) {
        // `rowsafe explain | head` has seen what it wanted to see.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("print the rule"),
    }
}

fn unknown(id: &str) -> Refusal {
    let refusal = Refusal::new(Exit::NoAnswer, format!("there is no rule `{id}`"));
    match nearest(id, RULES.iter().map(|rule| rule.id)) {
        Some(meant) => refusal.hint(format!("did you mean `{meant}`?")),
        None => refusal.hint("`rowsafe explain` lists every rule"),
    }
}
