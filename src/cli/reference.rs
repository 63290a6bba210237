//! The command line as a page of the reference, generated from its definition.

use clap::CommandFactory;

use super::args::Cli;

/// Every command with its help, as Markdown.
pub fn markdown() -> String {
    let mut command = Cli::command().term_width(80);
    command.build();
    let mut page =
        "# Commands\n\nGenerated from the program; every text is what `--help` prints.\n"
            .to_owned();
    sections(&mut command, "## rowsafe", &mut page);
    page
}

/// A section for each command, those of commands within commands below them.
fn sections(command: &mut clap::Command, title: &str, page: &mut String) {
    for sub in command.get_subcommands_mut() {
        let help = sub.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let title = [title, " ", sub.get_name()].concat();
        page.push_str(&["\n", &title, "\n\n```\n", &lines.join("\n"), "\n```\n"].concat());
        sections(sub, &["#", &title].concat(), page);
    }
}
