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
    for sub in command.get_subcommands_mut() {
        let help = sub.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let section = ["\n## rowsafe ", sub.get_name(), "\n\n```\n", &lines.join("\n"), "\n```\n"];
        page.push_str(&section.concat());
    }
    page
}
