//! Queries and data-modifying statements, read from sqlparser's tree: every INSERT, UPDATE, DELETE
//! and MERGE at any depth.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    self, AssignmentTarget, Expr, FromTable, ObjectName, ObjectNamePart, OnConflictAction,
    OnInsert, SetExpr, Statement, TableFactor, TableObject, UpdateTableFromKind, Visit as _,
    Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::tokens::Tokens;
use super::tripwire::Explained;
use super::{Effect, calls, grammar, reach};
use crate::sql::lexer::TokenKind;
use crate::sql::too_much_of;
use crate::text::QualifiedName;

/// Nesting is measured before parsing, and sqlparser takes a few steps for each level.
const MAX_RECURSION: usize = 1_000;
/// The DO of an ON CONFLICT is looked for this many tokens ahead.
const LONGEST_TARGET: usize = 500;

/// Reads one query or data-modifying statement; `None` where neither grammar knows it.
pub(super) fn read(tokens: &Tokens<'_>) -> Option<(Vec<Effect>, Explained)> {
    let (text, left) = tokens.left();
    if let Some(why) = too_much_of(text, left.iter().copied()) {
        return Some((vec![Effect::Opaque { why }], Explained::all()));
    }
    let reading =
        by_sqlparser(tokens).or_else(|| grammar::read(&masked(tokens, Mask::Parameters)))?;
    Some((reading.effects, reading.explained))
}

/// What both readers of queries fill in.
pub(super) struct Reading {
    /// Whether a call of an unknown function counts; see `runs_for_its_calls`.
    reports_calls: bool,
    pub(super) effects: Vec<Effect>,
    called: HashSet<QualifiedName>,
    pub(super) explained: Explained,
}

impl Reading {
    pub(super) fn new(reports_calls: bool) -> Self {
        let (effects, called) = (Vec::new(), HashSet::new());
        Self { reports_calls, effects, called, explained: Explained::default() }
    }

    pub(super) fn call(&mut self, name: &QualifiedName) {
        let effect = calls::read(name, self.reports_calls);
        if effect.is_some() && self.called.insert(name.clone()) {
            self.effects.extend(effect);
        }
    }

    /// A MERGE that does these things, each of which fires triggers.
    pub(super) fn merged(
        &mut self,
        table: QualifiedName,
        inserts: bool,
        updates: bool,
        deletes: bool,
    ) {
        if inserts {
            self.effects.push(Effect::Insert { table: table.clone() });
        }
        if deletes || updates {
            self.effects.push(Effect::Merge { table, deletes });
        }
    }

    pub(super) fn opaque(&mut self, why: &str) {
        self.effects.push(Effect::Opaque { why: why.to_owned() });
    }
}

/// The reading of sqlparser's tree; `None` where it has none.
pub(super) fn by_sqlparser(tokens: &Tokens<'_>) -> Option<Reading> {
    let statements = parse(tokens)?;
    let [statement] = statements.as_slice() else { return None };
    let mut reading = Reading::new(runs_for_its_calls(statement));
    let _ = statement.visit(&mut reading);
    Some(reading)
}

/// sqlparser's tree of a condition; `None` where it refuses it.
pub(super) fn condition(text: &str) -> Option<Expr> {
    let text = masked(&Tokens::new(text), Mask::Everything);
    let mut parser = parser(&text)?;
    let expr = parser.parse_expr().ok()?;
    (parser.peek_token().token == sqlparser::tokenizer::Token::EOF).then_some(expr)
}

/// A name as PostgreSQL folds it.
pub(super) fn folded(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// `schema.name` of a path; a database in front of it is left out.
pub(super) fn qualified(name: &ObjectName) -> QualifiedName {
    let mut parts: Vec<String> = name.0.iter().filter_map(part).collect();
    let last = parts.pop().unwrap_or_default();
    QualifiedName { schema: parts.pop(), name: last }
}

fn part(part: &ObjectNamePart) -> Option<String> {
    part.as_ident().map(folded)
}

fn parse(tokens: &Tokens<'_>) -> Option<Vec<Statement>> {
    let sql = masked(tokens, Mask::Everything);
    parser(&sql)?.parse_statements().ok()
}

fn parser(sql: &str) -> Option<Parser<'static>> {
    const DIALECT: &PostgreSqlDialect = &PostgreSqlDialect {};
    Parser::new(DIALECT).with_recursion_limit(MAX_RECURSION).try_with_sql(sql).ok()
}

/// What a parser is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mask {
    /// All that sqlparser does not know.
    Everything,
    /// A driver's parameters, which are no SQL.
    Parameters,
}

/// The same text without words that sqlparser does not know and that change no reading: ONLY,
/// OVERRIDING, the target of ON CONFLICT, a driver's parameters.
fn masked<'a>(tokens: &Tokens<'a>, mask: Mask) -> Cow<'a, str> {
    let all = mask == Mask::Everything;
    let (sql, left) = tokens.left();
    let Some(first) = left.first() else { return Cow::Borrowed("") };
    let behind = left.last().map_or(0, |last| last.span.end);
    let tokens = left;
    let is = |index: usize, word: &str| {
        tokens.get(index).is_some_and(|token| {
            token.kind == TokenKind::Word && token.span.of(sql).eq_ignore_ascii_case(word)
        })
    };
    let mut out = String::new();
    let mut copied = first.span.start;
    let mut put = |first: usize, behind: usize, with: &str| {
        // What stands inside a part that was left out already is left out with it.
        if first < behind && tokens[first].span.start >= copied {
            out.push_str(&sql[copied..tokens[first].span.start]);
            out.push_str(with);
            copied = tokens[behind - 1].span.end;
        }
    };
    for (index, token) in tokens.iter().enumerate() {
        let follows = |words: &[&str]| index > 0 && words.iter().any(|word| is(index - 1, word));
        let names_follow = tokens
            .get(index + 1)
            .is_some_and(|next| matches!(next.kind, TokenKind::Word | TokenKind::QuotedName));
        if all
            && is(index, "only")
            && follows(&["from", "update", "into", "using", "join"])
            && names_follow
        {
            put(index, index + 1, "");
        } else if all && is(index, "overriding") && is(index + 2, "value") {
            put(index, index + 3, "");
        } else if all && is(index, "conflict") && follows(&["on"]) {
            let end = tokens.len().min(index + LONGEST_TARGET);
            let behind = (index + 1..end).find(|at| is(*at, "do"));
            put(index + 1, behind.unwrap_or(index + 1), "");
        } else if token.kind == TokenKind::Parameter && follows(&["in"]) {
            put(index, index + 1, "($1)");
        } else if token.kind == TokenKind::Parameter
            && matches!(token.span.of(sql).as_bytes(), [b'%', ..] | [b':', b'\'' | b'"', ..])
        {
            put(index, index + 1, "$1");
        }
    }
    if out.is_empty() && copied == first.span.start {
        return Cow::Borrowed(&sql[copied..behind]);
    }
    out.push_str(&sql[copied..behind]);
    Cow::Owned(out)
}

/// Whether a function called in it is called for its own sake: a SELECT, or rows that a SELECT feeds
/// into a table. A function in VALUES, in the SET of an UPDATE or in a DEFAULT computes a value:
/// PostgreSQL asks for those to have no effect, nearly every migration has some (`gen_id()`,
/// `slugify(name)`), and a warning at each of them would be learned to be overlooked.
fn runs_for_its_calls(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => match &*query.body {
            SetExpr::Insert(insert) => runs_for_its_calls(insert),
            SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
            _ => true,
        },
        Statement::Insert(insert) => {
            insert.source.as_ref().is_some_and(|source| !matches!(*source.body, SetExpr::Values(_)))
        }
        _ => false,
    }
}

impl Visitor for Reading {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            _ => {
                self.opaque("rowsafe does not know this kind of statement");
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<()> {
        let into = select.into.as_ref();
        if let Some(Expr::Identifier(name)) = into.and_then(|into| into.targets.first()) {
            self.effects.push(Effect::CreateTable {
                table: QualifiedName::bare(folded(name)),
                temporary: into.is_some_and(|into| into.temporary),
                if_not_exists: false,
                until_commit: false,
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.call(&qualified(&function.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } =
            factor
        {
            self.call(&qualified(name));
        }
        ControlFlow::Continue(())
    }
}

impl Reading {
    fn insert(&mut self, insert: &ast::Insert) {
        let TableObject::TableName(name) = &insert.table else {
            self.opaque("it inserts into something that is no table");
            return;
        };
        if insert.overwrite || insert.replace_into || insert.or.is_some() {
            self.opaque("it overwrites in a way that is not PostgreSQL's");
        }
        self.effects.push(Effect::Insert { table: qualified(name) });
        let assignments = match &insert.on {
            None => return,
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoNothing => return,
                OnConflictAction::DoUpdate(update) => &update.assignments,
            },
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments,
            Some(_) => {
                self.opaque("its ON clause is not known");
                return;
            }
        };
        self.explained.upserts += 1;
        let columns = assignments.iter().flat_map(assigned).collect();
        self.effects.push(Effect::Upsert { table: qualified(name), columns });
    }

    fn update(&mut self, update: &ast::Update) {
        self.explained.updates += 1;
        let Some((table, alias)) = target(&update.table.relation) else {
            self.opaque("it updates something that is no table");
            return;
        };
        let others = update.from.as_ref().map(|from| match from {
            UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from) => {
                from.as_slice()
            }
        });
        // A column that the WHERE says is null has no value to lose.
        let (columns, filled): (Vec<_>, Vec<_>) = update
            .assignments
            .iter()
            .flat_map(|assignment| assigned(assignment).into_iter().map(move |to| (assignment, to)))
            .partition(|(assignment, column)| {
                !reach::leaves_as_is(assignment)
                    && !reach::demands_null(update.selection.as_ref(), column)
            });
        let named = |list: Vec<(_, String)>| list.into_iter().map(|(_, column)| column).collect();
        let (columns, filled): (Vec<String>, Vec<String>) = (named(columns), named(filled));
        if !filled.is_empty() {
            self.effects.push(Effect::Fill { table: table.clone(), columns: filled });
        }
        if !columns.is_empty() {
            let (set, selection) = (&update.assignments, update.selection.as_ref());
            let reach = reach::of_update(set, selection, &table, alias.as_deref(), others);
            self.effects.push(Effect::Update { table, columns, reach });
        }
    }

    fn delete(&mut self, delete: &ast::Delete) {
        self.explained.deletes += 1;
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let found = match (delete.tables.as_slice(), from.as_slice()) {
            ([], [only]) if only.joins.is_empty() => target(&only.relation),
            _ => None,
        };
        let Some((table, alias)) = found else {
            self.opaque("it deletes from something that is no single table");
            return;
        };
        let others = delete.using.as_deref();
        let reach = reach::read(delete.selection.as_ref(), &table, alias.as_deref(), others);
        self.effects.push(Effect::Delete { table, reach });
    }

    fn merge(&mut self, merge: &ast::Merge) {
        self.explained.merges += 1;
        let mut deletes = false;
        let mut updates = false;
        let mut inserts = false;
        for clause in &merge.clauses {
            match &clause.action {
                ast::MergeAction::DoNothing { .. } => {}
                ast::MergeAction::Insert(_) => inserts = true,
                ast::MergeAction::Update(_) => updates = true,
                ast::MergeAction::Delete { .. } => deletes = true,
            }
        }
        match target(&merge.table) {
            Some((table, _)) => self.merged(table, inserts, updates, deletes),
            None => {
                self.opaque("it merges into something that is no table");
            }
        }
    }
}

/// The table of a DELETE, UPDATE or MERGE, and its alias.
fn target(factor: &TableFactor) -> Option<(QualifiedName, Option<String>)> {
    match factor {
        TableFactor::Table { name, alias, args: None, .. } => {
            let alias = alias.as_ref().map(|alias| folded(&alias.name));
            Some((qualified(name), alias))
        }
        _ => None,
    }
}

fn assigned(assignment: &ast::Assignment) -> Vec<String> {
    // The first part is the column; what follows it is a field of a composite.
    let column = |name: &ObjectName| name.0.first().and_then(part);
    match &assignment.target {
        AssignmentTarget::ColumnName(name) => column(name).into_iter().collect(),
        AssignmentTarget::Tuple(names) => names.iter().filter_map(column).collect(),
    }
}
