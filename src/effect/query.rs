//! Queries and data-modifying statements, read from sqlparser's tree: every INSERT, UPDATE, DELETE
//! and MERGE at any depth.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    self, AssignmentTarget, Expr, FromTable, ObjectName, ObjectNamePart, OnConflictAction,
    OnInsert, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
    Visit as _, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::tokens::Tokens;
use super::tripwire::Explained;
use super::{Effect, Reach, calls, reach};
use crate::sql::lexer::{Lexer, Token, TokenKind};
use crate::sql::too_much;
use crate::text::QualifiedName;

/// An INSERT with more text than this is parsed without its value lists.
const LONG_INSERT: usize = 16 * 1024;
/// The DO of an ON CONFLICT is looked for this many tokens ahead.
const LONGEST_TARGET: usize = 500;

/// Reads one query or data-modifying statement; `None` where sqlparser can't.
pub(super) fn read(sql: &str) -> Option<(Vec<Effect>, Explained)> {
    let shortened = shorten(sql);
    let sql = shortened.as_deref().unwrap_or(sql);
    if let Some(why) = too_much(sql) {
        return Some((vec![Effect::Opaque { why }], Explained::all()));
    }
    let statements = parse(sql)?;
    let [statement] = statements.as_slice() else { return None };
    let mut reader = Reader {
        reports_calls: runs_for_its_calls(statement),
        effects: Vec::new(),
        called: HashSet::new(),
        explained: Explained::default(),
    };
    let _ = statement.visit(&mut reader);
    Some((reader.effects, reader.explained))
}

/// Reads a DELETE or UPDATE that sqlparser refuses, as far as its words tell.
pub(super) fn read_by_words(sql: &str) -> Option<(Vec<Effect>, Explained)> {
    let mut tokens = Tokens::new(sql);
    let is_delete = tokens.eat(&["delete", "from"]);
    if !is_delete {
        return None;
    }
    tokens.eat(&["only"]);
    let table = tokens.qualified()?;
    let has_sources = tokens.clone().find(&["using"]);
    let reach = if !tokens.find(&["where"]) {
        Reach::All { why: "no WHERE".to_owned() }
    } else if tokens.eat(&["where", "current", "of"]) && !has_sources {
        Reach::Some { condition: format!("CURRENT OF {}", tokens.rest()) }
    } else {
        return None;
    };
    let explained = Explained { deletes: 1, ..Explained::default() };
    Some((vec![Effect::Delete { table, reach }], explained))
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

fn parse(sql: &str) -> Option<Vec<Statement>> {
    let sql = masked(sql);
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(&sql).ok()?;
    parser.parse_statements().ok()
}

/// The same text without words that sqlparser does not know and that change no reading: ONLY,
/// OVERRIDING, the target of ON CONFLICT, a driver's parameters.
fn masked(sql: &str) -> String {
    let tokens: Vec<Token> = Lexer::new(sql).filter(Token::is_significant).collect();
    let is = |index: usize, word: &str| {
        tokens.get(index).is_some_and(|token| {
            token.kind == TokenKind::Word && token.span.of(sql).eq_ignore_ascii_case(word)
        })
    };
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
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
        if is(index, "only")
            && follows(&["from", "update", "into", "using", "join"])
            && names_follow
        {
            put(index, index + 1, "");
        } else if is(index, "overriding") && is(index + 2, "value") {
            put(index, index + 3, "");
        } else if is(index, "conflict") && follows(&["on"]) {
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
    out.push_str(&sql[copied..]);
    out
}

/// The INSERT with only the first of its value lists; `None` where it is short or something else.
///
/// What is left out can hold no statement, for PostgreSQL allows those at the top only.
fn shorten(sql: &str) -> Option<String> {
    if sql.len() < LONG_INSERT || !sql.get(..6)?.eq_ignore_ascii_case("insert") {
        return None;
    }
    let mut depth = 0_usize;
    let mut in_values = false;
    let mut first_list_end = None;
    let mut tail = sql.len();
    for token in Lexer::new(sql).filter(Token::is_significant) {
        match token.kind {
            TokenKind::Symbol(b'(') => depth += 1,
            TokenKind::Symbol(b')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && in_values && first_list_end.is_none() {
                    first_list_end = Some(token.span.end);
                }
            }
            TokenKind::Symbol(b',') if depth == 0 => {}
            TokenKind::Word if depth == 0 && !in_values => {
                in_values = token.span.of(sql).eq_ignore_ascii_case("values");
            }
            _ if depth == 0 && first_list_end.is_some() => {
                tail = token.span.start;
                break;
            }
            _ => {}
        }
    }
    let head = &sql[..first_list_end?];
    Some(format!("{head} {}", &sql[tail..]))
}

/// Whether a function called in it is called for its own sake: a SELECT, or rows that a SELECT feeds
/// into a table; a function in the SET of an UPDATE computes a value.
fn runs_for_its_calls(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => !matches!(
            *query.body,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        ),
        Statement::Insert(insert) => {
            insert.source.as_ref().is_some_and(|source| !matches!(*source.body, SetExpr::Values(_)))
        }
        _ => false,
    }
}

struct Reader {
    reports_calls: bool,
    effects: Vec<Effect>,
    called: HashSet<QualifiedName>,
    explained: Explained,
}

impl Visitor for Reader {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            _ => {
                let why = "rowsafe does not know this kind of statement".to_owned();
                self.effects.push(Effect::Opaque { why });
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

impl Reader {
    fn call(&mut self, name: &QualifiedName) {
        let effect = calls::read(name, self.reports_calls);
        if effect.is_some() && self.called.insert(name.clone()) {
            self.effects.extend(effect);
        }
    }

    fn insert(&mut self, insert: &ast::Insert) {
        let TableObject::TableName(name) = &insert.table else {
            let why = "it inserts into something that is no table".to_owned();
            self.effects.push(Effect::Opaque { why });
            return;
        };
        if insert.overwrite || insert.replace_into || insert.or.is_some() {
            let why = "it overwrites in a way that is not PostgreSQL's".to_owned();
            self.effects.push(Effect::Opaque { why });
        }
        let assignments = match &insert.on {
            None => return,
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoNothing => return,
                OnConflictAction::DoUpdate(update) => &update.assignments,
            },
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments,
            Some(_) => {
                let why = "its ON clause is not known".to_owned();
                self.effects.push(Effect::Opaque { why });
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
            let why = "it updates something that is no table".to_owned();
            self.effects.push(Effect::Opaque { why });
            return;
        };
        let sources: &[TableWithJoins] = match &update.from {
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => {
                from
            }
            None => &[],
        };
        // A column that the WHERE says is null has no value to lose.
        let columns: Vec<String> = update
            .assignments
            .iter()
            .filter(|assignment| !reach::leaves_as_is(assignment))
            .flat_map(assigned)
            .filter(|column| !reach::demands_null(update.selection.as_ref(), column))
            .collect();
        if !columns.is_empty() {
            let (set, selection) = (&update.assignments, update.selection.as_ref());
            let reach = reach::of_update(set, selection, &table, alias.as_deref(), sources);
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
            let why = "it deletes from something that is no single table".to_owned();
            self.effects.push(Effect::Opaque { why });
            return;
        };
        let sources = delete.using.as_deref().unwrap_or_default();
        let reach = reach::read(delete.selection.as_ref(), &table, alias.as_deref(), sources);
        self.effects.push(Effect::Delete { table, reach });
    }

    fn merge(&mut self, merge: &ast::Merge) {
        self.explained.merges += 1;
        let mut deletes = false;
        let mut updates = false;
        for clause in &merge.clauses {
            match &clause.action {
                ast::MergeAction::Insert(_) | ast::MergeAction::DoNothing { .. } => {}
                ast::MergeAction::Update(_) => updates = true,
                ast::MergeAction::Delete { .. } => deletes = true,
            }
        }
        match target(&merge.table) {
            Some((table, _)) if deletes || updates => {
                self.effects.push(Effect::Merge { table, deletes });
            }
            Some(_) => {}
            None => {
                let why = "it merges into something that is no table".to_owned();
                self.effects.push(Effect::Opaque { why });
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
