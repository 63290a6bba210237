//! Django's migrations: the operations of `class Migration`.
//!
//! The label of the app is not in the file, so a table is named after its model alone.

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef};
use ruff_text_size::Ranged as _;

use super::call::Args;
use super::emit::identifier;
use super::text::Text;
use super::value::Value;
use super::walk::Walker;

/// Operations within operations (`SeparateDatabaseAndState`).
const DEEPEST: usize = 8;

/// Reads the operations of a Django migration, where the file is one.
pub(super) fn read(walker: &mut Walker<'_>) {
    let body = walker.loaded[0].body.clone();
    walker.push_frame(0, None);
    for statement in &body {
        let Stmt::ClassDef(class) = statement.as_ref() else { continue };
        if class.name.as_str() != "Migration" {
            continue;
        }
        if let Some(operations) = operations(class) {
            run_all(walker, operations, 0);
        }
    }
    walker.frames.pop();
}

fn operations(class: &StmtClassDef) -> Option<&Expr> {
    class.body.iter().find_map(|statement| {
        let (target, value) = match statement {
            Stmt::Assign(it) => (it.targets.first()?, &*it.value),
            Stmt::AnnAssign(it) => (&*it.target, it.value.as_deref()?),
            _ => return None,
        };
        matches!(target, Expr::Name(name) if name.id.as_str() == "operations").then_some(value)
    })
}

fn run_all(walker: &mut Walker<'_>, list: &Expr, depth: usize) {
    let items = match list {
        Expr::List(list) => &list.elts[..],
        Expr::Tuple(tuple) => &tuple.elts[..],
        other => {
            let written = walker.written(other.range()).to_owned();
            let why = format!("`{written}` is not a list of operations that is written down");
            walker.unreadable(why, other.range());
            return;
        }
    };
    for item in items {
        match item {
            Expr::Call(call) => run(walker, call, depth),
            other => {
                let written = walker.written(other.range()).to_owned();
                let why = format!("`{written}` is an operation that is not known");
                walker.unreadable(why, other.range());
            }
        }
    }
}

fn run(walker: &mut Walker<'_>, call: &ExprCall, depth: usize) {
    let name = match &*call.func {
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        Expr::Name(name) => name.id.as_str(),
        _ => "",
    };
    let range = call.range();
    if name == "SeparateDatabaseAndState" && depth < DEEPEST {
        let keyword = call.arguments.keywords.iter().find(|keyword| {
            keyword.arg.as_ref().is_some_and(|name| name.as_str() == "database_operations")
        });
        let list = keyword.map(|keyword| &keyword.value).or(call.arguments.args.first());
        if let Some(list) = list {
            run_all(walker, list, depth + 1);
        }
        return;
    }
    let args = walker.arguments(call);
    let model = |name: &str| match args.get(0, name).and_then(|value| value.as_str()) {
        Some(model) => Text::known(identifier(&model.to_lowercase())),
        None => Text::hole(name),
    };
    let field = || match args.get(1, "name").and_then(|value| value.as_str()) {
        Some(field) => Text::known(identifier(&field)),
        None => Text::hole("name"),
    };
    let alter = |model: Text| Text::known("ALTER TABLE ").plus(&model);
    let sql = match name {
        "RunSQL" => return run_sql(walker, &args, call),
        "RunPython" => return run_python(walker, call),
        "DeleteModel" => Text::known("DROP TABLE ").plus(&model("name")),
        "CreateModel" => Text::known("CREATE TABLE ").plus(&model("name")).and(" ()"),
        "RemoveField" => alter(model("model_name")).and(" DROP COLUMN ").plus(&field()),
        "AddField" => alter(model("model_name")).and(" ADD COLUMN ").plus(&field()).and(" text"),
        // The old type is in another file; what else there is changes neither row nor value.
        _ if is_harmless(name) => return,
        _ => {
            let written = walker.written(call.func.range()).to_owned();
            let why = format!("`{written}` is an operation that is not known");
            walker.unreadable(why, range);
            return;
        }
    };
    walker.send(&sql, range);
}

fn is_harmless(name: &str) -> bool {
    const EXTENSIONS: [&str; 9] = [
        "CreateExtension",
        "BtreeGinExtension",
        "BtreeGistExtension",
        "CITextExtension",
        "CryptoExtension",
        "HStoreExtension",
        "TrigramExtension",
        "UnaccentExtension",
        "ValidateConstraint",
    ];
    let is_schema = ["Add", "Remove", "Rename", "Alter"].iter().any(|verb| {
        name.strip_prefix(verb).is_some_and(|rest| {
            matches!(
                rest,
                "Index"
                    | "Constraint"
                    | "IndexConcurrently"
                    | "Field"
                    | "Model"
                    | "ModelOptions"
                    | "ModelTable"
                    | "ModelTableComment"
                    | "ModelManagers"
                    | "UniqueTogether"
                    | "IndexTogether"
                    | "OrderWithRespectTo"
                    | "ConstraintNotValid"
            )
        })
    });
    is_schema || EXTENSIONS.contains(&name)
}

fn run_sql(walker: &mut Walker<'_>, args: &Args, call: &ExprCall) {
    let range = call.range();
    let statements = match args.get(0, "sql") {
        Some(Value::List(items)) => items.as_ref().clone(),
        Some(other) => vec![other],
        None => Vec::new(),
    };
    for statement in statements {
        let statement = match &statement {
            Value::List(pair) => pair.first().cloned().unwrap_or(Value::None),
            _ => statement,
        };
        if !matches!(&statement, Value::External(path) if path.ends_with(".noop")) {
            let text = walker.as_sql(&statement, range);
            walker.send(&text, range);
        }
    }
}

fn run_python(walker: &mut Walker<'_>, call: &ExprCall) {
    let code = call.arguments.args.first().or_else(|| {
        let mut keywords = call.arguments.keywords.iter();
        let is_code = |name: &str| name == "code";
        keywords
            .find(|keyword| keyword.arg.as_ref().is_some_and(|name| is_code(name.as_str())))
            .map(|keyword| &keyword.value)
    });
    let Some(code) = code else { return };
    let written = walker.written(code.range()).to_owned();
    if written.ends_with("noop") {
        return;
    }
    let why =
        format!("`{written}` runs Python on the project's models: what it changes is not known");
    walker.unreadable(why, call.range());
}
