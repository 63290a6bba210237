//! Pages of the reference that are made from the program: rules and exit codes.

use crate::exit::Exit;
use crate::rules::RULES;

/// Every rule, as Markdown.
pub fn rules() -> String {
    let mut page = "# Rules\n\n\
        Generated from the program.\n\
        A rule's id is stable: allowances and reports name it.\n\
        What a finding says of your own tables, and how much they hold, is in the plan that \
        `rowsafe run` prints.\n"
        .to_owned();
    for rule in RULES {
        let head = ["\n## ", rule.id, "\n\n", rule.title, ".\n\n"].concat();
        let text = ["**Lost:** ", rule.lost, "\n\n**Why:** ", rule.why, "\n"].concat();
        page.push_str(&(head + &text));
        for (title, sql) in [("Found", rule.example), ("Loses nothing", rule.safe)] {
            if !sql.is_empty() {
                page.push_str(&["\n", title, ":\n\n```sql\n", sql, "\n```\n"].concat());
            }
        }
    }
    page
}

/// Every exit code, as Markdown.
pub fn exit_codes() -> String {
    let mut page = "# Exit codes\n\n\
        Generated from the program.\n\
        The output format never changes the code; any other code is reserved and means failure.\n\
        The migration command's own code is in the report (`child.exit`).\n\n\
        | code | meaning |\n|---|---|\n"
        .to_owned();
    for exit in Exit::ALL {
        let code = exit.code().to_string();
        page.push_str(&["| ", &code, " | ", exit.meaning(), " |\n"].concat());
    }
    page
}
