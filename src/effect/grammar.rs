//! What sqlparser refuses, read from squawk-syntax's tree: the same effects from another grammar.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::query::{Reading, condition};
use super::reach::Others;
use super::tokens::Tokens;
use super::{Effect, Reach, reach};
use crate::text::QualifiedName;

/// Reads one query or data-modifying statement; `None` where it is none, or has an error in it.
///
/// The text must be neither deep nor long (`sql::too_much`), for the parser recurses.
pub(super) fn read(sql: &str) -> Option<Reading> {
    let parse = SourceFile::parse(sql);
    if !parse.errors().is_empty() {
        return None;
    }
    let file = parse.tree();
    let mut statements = file.stmts();
    let statement = statements.next().filter(|_| statements.next().is_none())?;
    let mut reading = Reading::new(runs_for_its_calls(&statement)?);
    for node in file.syntax().descendants() {
        visit(&mut reading, node);
    }
    Some(reading)
}

/// `None` for what is neither a query nor changes rows.
fn runs_for_its_calls(statement: &ast::Stmt) -> Option<bool> {
    match statement {
        ast::Stmt::Update(_) | ast::Stmt::Delete(_) | ast::Stmt::Merge(_) => Some(false),
        ast::Stmt::Insert(insert) => match insert.insert_source()? {
            ast::InsertSource::DefaultValues(_) => Some(false),
            ast::InsertSource::SelectVariant(source) => {
                Some(!matches!(source, ast::SelectVariant::Values(_)))
            }
        },
        other => ast::SelectVariant::cast(other.syntax().clone()).map(|_| true),
    }
}

fn visit(reading: &mut Reading, node: SyntaxNode) {
    let read = match node.kind() {
        SyntaxKind::DELETE => ast::Delete::cast(node).map(|node| delete(reading, &node)),
        SyntaxKind::UPDATE => ast::Update::cast(node).map(|node| update(reading, &node)),
        SyntaxKind::MERGE => ast::Merge::cast(node).map(|node| merge(reading, &node)),
        SyntaxKind::INSERT => ast::Insert::cast(node).map(|node| insert(reading, &node)),
        SyntaxKind::SELECT_INTO => {
            ast::SelectInto::cast(node).map(|node| select_into(reading, &node))
        }
        SyntaxKind::CALL_EXPR => ast::CallExpr::cast(node).map(|node| call(reading, &node)),
        _ => Some(Some(())),
    };
    if read.flatten().is_none() {
        reading.opaque("a part of it has a form that is not known");
    }
}

fn delete(reading: &mut Reading, delete: &ast::Delete) -> Option<()> {
    reading.explained.deletes += 1;
    let table = relation(&delete.relation_name()?)?;
    let alias = delete.alias().and_then(|alias| alias.name()).and_then(|name| name_of(&name));
    let others = delete.using_clause().map(|_| &[][..]);
    let reach =
        reach_of(delete.where_clause_or_current_of().as_ref(), &table, alias.as_deref(), others);
    reading.effects.push(Effect::Delete { table, reach });
    Some(())
}

fn update(reading: &mut Reading, update: &ast::Update) -> Option<()> {
    reading.explained.updates += 1;
    let table = relation(&update.relation_name()?)?;
    let alias = update.alias().and_then(|alias| alias.name()).and_then(|name| name_of(&name));
    let selection = update.where_clause_or_current_of();
    let parsed = match &selection {
        Some(ast::WhereClauseOrCurrentOf::WhereClause(clause)) => {
            clause.expr().and_then(|expr| condition(&text_of(&expr)))
        }
        _ => None,
    };
    let (filled, columns): (Vec<_>, Vec<_>) = assigned(&update.set_clause()?)?
        .into_iter()
        .partition(|(column, itself)| *itself || reach::demands_null(parsed.as_ref(), column));
    let (filled, columns) = (names(filled), names(columns));
    if !filled.is_empty() {
        reading.effects.push(Effect::Fill { table: table.clone(), columns: filled });
    }
    if !columns.is_empty() {
        let others = update.from_clause().map(|_| &[][..]);
        let reach = reach_of(selection.as_ref(), &table, alias.as_deref(), others);
        reading.effects.push(Effect::Update { table, columns, reach });
    }
    Some(())
}

fn merge(reading: &mut Reading, merge: &ast::Merge) -> Option<()> {
    reading.explained.merges += 1;
    let table = qualified(&merge.table_relation_name()?.table_name_ref()?)?;
    let mut deletes = false;
    let mut updates = false;
    let mut inserts = false;
    for action in merge.syntax().descendants().filter_map(ast::MergeAction::cast) {
        match action {
            ast::MergeAction::MergeDelete(_) => deletes = true,
            ast::MergeAction::MergeUpdate(_) => updates = true,
            ast::MergeAction::MergeInsert(_) => inserts = true,
            ast::MergeAction::MergeDoNothing(_) => {}
        }
    }
    reading.merged(table, inserts, updates, deletes);
    Some(())
}

fn insert(reading: &mut Reading, insert: &ast::Insert) -> Option<()> {
    let table = qualified(&insert.relation_name_ref()?)?;
    reading.effects.push(Effect::Insert { table: table.clone() });
    let Some(conflict) = insert.on_conflict_clause() else { return Some(()) };
    if let ast::ConflictAction::ConflictDoUpdateSet(update) = conflict.conflict_action()? {
        reading.explained.upserts += 1;
        let columns = assigned(&update.set_clause()?)?;
        let columns = names(columns.into_iter().filter(|(_, itself)| !itself).collect());
        reading.effects.push(Effect::Upsert { table, columns });
    }
    Some(())
}

fn select_into(reading: &mut Reading, select: &ast::SelectInto) -> Option<()> {
    let into = select.into_clause()?;
    let temporary = into
        .persistence()
        .is_some_and(|persistence| text_of(&persistence).to_ascii_lowercase().contains("temp"));
    let table = qualified(&into.table_name()?)?;
    let (if_not_exists, until_commit) = (false, false);
    reading.effects.push(Effect::CreateTable { table, temporary, if_not_exists, until_commit });
    Some(())
}

/// What is called without an expression in front is syntax, such as `extract(… FROM …)`.
fn call(reading: &mut Reading, call: &ast::CallExpr) -> Option<()> {
    if let Some(function) = call.expr() {
        reading.call(&qualified(&function)?);
    }
    Some(())
}

fn reach_of(
    selection: Option<&ast::WhereClauseOrCurrentOf>,
    table: &QualifiedName,
    alias: Option<&str>,
    others: Others<'_>,
) -> Reach {
    match selection {
        Some(ast::WhereClauseOrCurrentOf::WhereCurrentOf(clause)) => {
            let text = text_of(clause);
            Reach::Some { condition: text.get("where".len()..).unwrap_or("").trim().to_owned() }
        }
        Some(ast::WhereClauseOrCurrentOf::WhereClause(clause)) => match clause.expr() {
            Some(expr) => reach_of_text(&expr, table, alias, others),
            None => reach::read(None, table, alias, others),
        },
        None => reach::read(None, table, alias, others),
    }
}

/// sqlparser judges the condition too, so that both readers agree. Where it is the condition that
/// it refuses, each alternative is judged for itself.
fn reach_of_text(
    expr: &ast::Expr,
    table: &QualifiedName,
    alias: Option<&str>,
    others: Others<'_>,
) -> Reach {
    let text = text_of(expr);
    if let Some(parsed) = condition(&text) {
        return reach::read(Some(&parsed), table, alias, others);
    }
    let mut alternatives = vec![expr.clone()];
    while let Some(ast::Expr::BinExpr(pair)) = alternatives.pop() {
        if !matches!(pair.op(), Some(ast::BinOp::Or(_))) {
            break;
        }
        for side in [pair.lhs(), pair.rhs()].into_iter().flatten() {
            let judged = condition(&text_of(&side));
            let reach = judged.map(|parsed| reach::read(Some(&parsed), table, alias, others));
            match reach {
                Some(reach @ Reach::All { .. }) => return reach,
                Some(Reach::Some { .. }) => {}
                None => alternatives.push(side),
            }
        }
    }
    Reach::Some { condition: text }
}

/// The columns that a SET gives another value than their own.
/// The columns that are set, and whether to themselves.
fn assigned(set: &ast::SetClause) -> Option<Vec<(String, bool)>> {
    let mut columns = Vec::new();
    for column in set.set_column_list()?.set_columns() {
        match column {
            ast::SetColumn::SetSingleColumn(single) => {
                let target = single.column_target()?;
                let name = name_of(&target.name()?)?;
                let value = single.set_expr()?;
                let is_itself = target.accessors().next().is_none()
                    && name_of(&value).is_some_and(|value| value == name);
                columns.push((name, is_itself));
            }
            ast::SetColumn::SetMultipleColumns(several) => {
                for target in several.column_target_list()?.column_targets() {
                    columns.push((name_of(&target.name()?)?, false));
                }
            }
        }
    }
    Some(columns)
}

fn names(columns: Vec<(String, bool)>) -> Vec<String> {
    columns.into_iter().map(|(name, _)| name).collect()
}

fn relation(name: &ast::RelationName) -> Option<QualifiedName> {
    qualified(&name.relation_name_ref()?)
}

/// The name that a node is, and nothing else.
fn qualified(node: &impl AstNode) -> Option<QualifiedName> {
    let text = text_of(node);
    let mut tokens = Tokens::new(&text);
    tokens.qualified().filter(|_| tokens.is_done())
}

fn name_of(node: &impl AstNode) -> Option<String> {
    let text = text_of(node);
    let mut tokens = Tokens::new(&text);
    tokens.name().filter(|_| tokens.is_done())
}

fn text_of(node: &impl AstNode) -> String {
    node.syntax().text().to_string()
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::effect::Effect;
    use crate::effect::query::by_sqlparser;
    use crate::effect::tokens::Tokens;

    #[test]
    fn both_grammars_say_the_same() {
        for sql in [
            "DELETE FROM t",
            "DELETE FROM app.\"T\" WHERE id = 1 OR 1 = 1",
            "DELETE FROM t AS x USING u WHERE u.a = 1",
            "DELETE FROM t x USING u, v WHERE x.id = u.id AND u.id = v.id",
            "UPDATE t SET a = a, (b, c) = (SELECT 1, 2), d.e = 2 WHERE f > 3",
            "UPDATE t SET a = 1, b = 2 FROM u WHERE a IS NULL",
            "UPDATE t AS x SET a = 1 WHERE NOT false",
            "WITH d AS (DELETE FROM a WHERE b = 1 RETURNING *) SELECT * FROM d, purge(1) p",
            "WITH d AS (UPDATE a SET b = 1 RETURNING *) INSERT INTO c SELECT app.f(x) FROM d",
            "INSERT INTO t VALUES (f(1)) ON CONFLICT (id) DO UPDATE SET a = 1, b = excluded.b",
            "INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t SELECT f(1) UNION ALL SELECT g(2)",
            "SELECT 1 AS a INTO TEMP x",
            "SELECT count(*) FILTER (WHERE lo_unlink(a) = 1), extract(epoch FROM now()) FROM t",
            "SELECT * FROM t WHERE EXISTS (SELECT keep(a) FROM b) FOR UPDATE",
            "VALUES (1, f(2))",
            "(SELECT f(1)) UNION (SELECT 2) ORDER BY g(1)",
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
            "MERGE INTO t AS x USING (SELECT 1 AS id) s ON x.id = s.id
               WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (f(1))",
            "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (1)",
        ] {
            let one = by_sqlparser(&Tokens::new(sql)).expect(sql);
            let other = read(sql).expect(sql);
            let sorted = |effects: &[Effect]| {
                let mut lines: Vec<String> = effects.iter().map(|it| format!("{it:?}")).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&other.effects), sorted(&one.effects), "{sql}");
        }
    }

    #[test]
    fn a_condition_that_only_this_grammar_knows_is_judged_part_by_part() {
        let reach = |condition: &str| {
            let reading = read(&format!("DELETE FROM t WHERE {condition}")).expect(condition);
            format!("{:?}", reading.effects)
        };
        let unknown = "a IS NOT DOCUMENT";
        assert!(crate::effect::query::condition(unknown).is_none());
        assert!(reach(unknown).contains("condition: \"a IS NOT DOCUMENT\""));
        assert!(reach(&format!("{unknown} AND 1 = 1")).contains("Some"));
        for all in [format!("{unknown} OR 1 = 1"), format!("true OR b = 1 OR {unknown}")] {
            assert!(reach(&all).contains("is always true"), "{all}");
        }
    }

    #[test]
    fn other_statements_are_not_for_it() {
        for sql in ["DROP TABLE a", "DELETE FROM a; DELETE FROM b", "DELETE FROM", "", "SELECT ("] {
            assert!(read(sql).is_none(), "{sql}");
        }
    }
}
