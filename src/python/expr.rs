//! Expressions into values.

use std::rc::Rc;

use ruff_python_ast::{
    BoolOp, CmpOp, Comprehension, Expr, ExprFString, FStringPart, InterpolatedStringElement,
    Number, Operator, StringLiteral, UnaryOp,
};
use ruff_text_size::{Ranged, TextRange};

use super::expressions;
use super::strings;
use super::text::{Piece, Place, Text};
use super::value::{Lambda, Value};
use super::walk::Walker;

/// Longer lists are not built.
const LONGEST: usize = 5_000;

impl Walker<'_> {
    /// The value of an expression; what it sends on the way is sent.
    pub(super) fn eval(&mut self, expr: &Expr) -> Value {
        if !self.spend(1, expr.range()) || self.is_too_deep(expr.range()) {
            return self.unknown(expr.range());
        }
        self.depth += 1;
        let value = self.value(expr);
        self.depth -= 1;
        value
    }

    /// Nothing is known but where it is written.
    pub(super) fn unknown(&self, range: TextRange) -> Value {
        Value::unknown(self.written(range))
    }

    fn value(&mut self, expr: &Expr) -> Value {
        match expr {
            Expr::StringLiteral(it) => {
                let pieces = it.value.iter().map(|part| self.literal(part)).collect();
                Value::of(Text { pieces })
            }
            Expr::BytesLiteral(it) => {
                let bytes: Vec<u8> = it.value.iter().flat_map(|part| part.value.to_vec()).collect();
                String::from_utf8(bytes).map_or_else(|_| self.unknown(it.range), Value::text)
            }
            Expr::FString(it) => self.format_string(it),
            Expr::NumberLiteral(it) => match &it.value {
                Number::Int(number) => match number.as_i64() {
                    Some(number) => Value::Int(number),
                    None => Value::Number(self.written(it.range).into()),
                },
                _ => Value::Number(self.written(it.range).into()),
            },
            Expr::BooleanLiteral(it) => Value::Bool(it.value),
            Expr::NoneLiteral(_) => Value::None,
            Expr::Name(it) => self.name(it.id.as_str()),
            Expr::Attribute(it) => {
                let object = self.eval(&it.value);
                self.attribute(&object, it.attr.as_str(), it.range)
            }
            Expr::Call(it) => self.call(it),
            Expr::BinOp(_) => self.chain(expr),
            Expr::BoolOp(it) => self.either(it.op, &it.values, it.range),
            Expr::UnaryOp(it) => {
                let operand = self.eval(&it.operand);
                self.unary(it.op, &operand, it.range)
            }
            Expr::Compare(it) => self.compare(it),
            Expr::If(it) => {
                let test = self.eval(&it.test).truth();
                match test {
                    Some(true) => self.eval(&it.body),
                    Some(false) => self.eval(&it.orelse),
                    None => {
                        let depth = self.branch.len();
                        self.enter_branch();
                        let body = self.eval(&it.body);
                        let orelse = self.eval(&it.orelse);
                        self.branch.truncate(depth);
                        Value::one_of([body, orelse], self.written(it.range))
                    }
                }
            }
            Expr::List(it) => self.elements(&it.elts),
            Expr::Tuple(it) => self.elements(&it.elts),
            Expr::Set(it) => self.elements(&it.elts),
            Expr::Dict(it) => self.dict(it),
            Expr::ListComp(it) => self.comprehension(&it.generators, &it.elt, it.range),
            Expr::SetComp(it) => self.comprehension(&it.generators, &it.elt, it.range),
            Expr::Generator(it) => self.comprehension(&it.generators, &it.elt, it.range),
            Expr::DictComp(it) => self.dict_comprehension(it),
            Expr::Lambda(it) => {
                let (module, definition) = (self.module(), it.clone());
                let frame = Some(self.frame().id);
                Value::Lambda(Rc::new(Lambda { module, definition, frame }))
            }
            Expr::Await(it) => self.eval(&it.value),
            Expr::Named(it) => {
                let value = self.eval(&it.value);
                self.assign(&it.target, &value);
                value
            }
            Expr::Subscript(it) => {
                let object = self.eval(&it.value);
                let index = self.eval(&it.slice);
                self.item(&object, &index, it.range)
            }
            Expr::Yield(it) => {
                let value = it.value.as_ref().map_or(Value::None, |value| self.eval(value));
                self.frame().yielded.push(value);
                self.unknown(it.range)
            }
            Expr::YieldFrom(it) => {
                self.eval(&it.value);
                self.unknown(it.range)
            }
            Expr::Starred(it) => self.eval(&it.value),
            Expr::Slice(it) => {
                for part in [&it.lower, &it.upper, &it.step].into_iter().flatten() {
                    self.eval(part);
                }
                self.unknown(it.range)
            }
            Expr::TString(_) | Expr::EllipsisLiteral(_) | Expr::IpyEscapeCommand(_) => {
                self.unknown(expr.range())
            }
        }
    }

    fn name(&mut self, name: &str) -> Value {
        match name {
            "__name__" if self.module() == 0 => Value::text("__main__"),
            _ => self.lookup(name),
        }
    }

    /// A string literal, with its place where it says byte by byte what it holds.
    fn literal(&self, part: &StringLiteral) -> Piece {
        let content = part.content_range();
        let written = self.written(content);
        let place = Place { module: self.module(), start: content.start().to_usize() };
        let place = (written == &*part.value).then_some(place);
        Piece::Known(part.value.to_string(), place)
    }

    fn format_string(&mut self, it: &ExprFString) -> Value {
        let mut parts: Vec<Vec<Text>> = Vec::new();
        for part in &it.value {
            match part {
                FStringPart::Literal(literal) => {
                    parts.push(vec![Text { pieces: vec![self.literal(literal)] }]);
                }
                FStringPart::FString(string) => {
                    for element in &string.elements {
                        parts.push(self.element(element));
                    }
                }
            }
        }
        strings::concatenated(&parts, self.written(it.range))
    }

    fn element(&mut self, element: &InterpolatedStringElement) -> Vec<Text> {
        match element {
            InterpolatedStringElement::Literal(literal) => {
                let written = self.written(literal.range);
                let place =
                    Place { module: self.module(), start: literal.range.start().to_usize() };
                let place = (written == &*literal.value).then_some(place);
                vec![Text { pieces: vec![Piece::Known(literal.value.to_string(), place)] }]
            }
            InterpolatedStringElement::Interpolation(it) => {
                let value = self.eval(&it.expression);
                let source = self.written(it.expression.range()).to_owned();
                if it.format_spec.is_some() {
                    return vec![Text::hole(source)];
                }
                let texts = strings::shown(&value, &source);
                if it.conversion as i8 == ruff_python_ast::ConversionFlag::Repr as i8 {
                    let quoted = |text: Text| match (&value, text.as_known()) {
                        (Value::Text(_), Some(known)) => format!("'{known}'").as_str().into(),
                        (_, Some(_)) => text,
                        _ => Text::hole(source.clone()),
                    };
                    return texts.into_iter().map(quoted).collect();
                }
                texts
            }
        }
    }

    /// `a + b + c …`, without a step down for each part.
    fn chain(&mut self, expr: &Expr) -> Value {
        let mut parts = Vec::new();
        let mut first = expr;
        while let Expr::BinOp(it) = first {
            parts.push((it.op, &*it.right, it.range));
            first = &it.left;
        }
        let mut value = self.eval(first);
        for (op, right, range) in parts.into_iter().rev() {
            let right = self.eval(right);
            value = self.binary(&value, op, &right, range);
        }
        value
    }

    pub(super) fn binary(
        &mut self,
        left: &Value,
        op: Operator,
        right: &Value,
        range: TextRange,
    ) -> Value {
        if !self.spend(1, range) {
            return self.unknown(range);
        }
        let source = self.written(range);
        if is_sql(left) || is_sql(right) {
            return self.sql_binary(left, op, right, range);
        }
        match (left, op, right) {
            (Value::Text(_), Operator::Add, _) | (_, Operator::Add, Value::Text(_)) => {
                let parts = [strings::shown(left, source), strings::shown(right, source)];
                strings::concatenated(&parts, source)
            }
            (Value::OneOf(values), Operator::Add, _)
                if values.iter().any(|value| matches!(value, Value::Text(_))) =>
            {
                let parts = [strings::shown(left, source), strings::shown(right, source)];
                strings::concatenated(&parts, source)
            }
            (Value::List(a), Operator::BitAnd, Value::List(b)) => {
                Value::list(a.iter().filter(|item| b.contains(item)).cloned().collect())
            }
            (Value::List(a), Operator::Sub, Value::List(b)) => {
                Value::list(a.iter().filter(|item| !b.contains(item)).cloned().collect())
            }
            (Value::List(items), Operator::BitAnd | Operator::Sub, _)
            | (_, Operator::BitAnd, Value::List(items)) => Value::some_of(items.as_ref().clone()),
            (Value::OneOf(values), _, _) => {
                let source = source.to_owned();
                let all: Vec<Value> =
                    values.iter().map(|value| self.binary(value, op, right, range)).collect();
                Value::one_of(all, &source)
            }
            (Value::Text(text), Operator::Mod, _) => strings::percent(text, right, source),
            (Value::Int(a), Operator::Add, Value::Int(b)) => {
                a.checked_add(*b).map_or_else(|| Value::unknown(source), Value::Int)
            }
            (Value::Int(a), Operator::Sub, Value::Int(b)) => {
                a.checked_sub(*b).map_or_else(|| Value::unknown(source), Value::Int)
            }
            (Value::Int(a), Operator::Mult, Value::Int(b)) => {
                a.checked_mul(*b).map_or_else(|| Value::unknown(source), Value::Int)
            }
            (Value::List(a), Operator::Add, Value::List(b)) if a.len() + b.len() <= LONGEST => {
                Value::list(a.iter().chain(b.iter()).cloned().collect())
            }
            (Value::Dict(a), Operator::BitOr, Value::Dict(b)) if a.len() + b.len() <= LONGEST => {
                Value::Dict(Rc::new(a.iter().chain(b.iter()).cloned().collect()))
            }
            _ => Value::unknown(source),
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Value, range: TextRange) -> Value {
        match (op, operand) {
            (UnaryOp::Not, value) => match value.truth() {
                Some(truth) => Value::Bool(!truth),
                None => self.unknown(range),
            },
            (UnaryOp::Invert, value) if is_sql(value) => {
                Value::sql(Text::known("NOT (").plus(&value.operand()).and(")"))
            }
            (UnaryOp::USub, Value::Int(number)) => {
                number.checked_neg().map_or_else(|| self.unknown(range), Value::Int)
            }
            _ => self.unknown(range),
        }
    }

    fn either(&mut self, op: BoolOp, values: &[Expr], range: TextRange) -> Value {
        let mut open = Vec::new();
        let depth = self.branch.len();
        for (index, expr) in values.iter().enumerate() {
            let value = self.eval(expr);
            let decides = value.truth() == Some(op == BoolOp::Or);
            let passes = value.truth() == Some(op == BoolOp::And);
            if decides || (index + 1 == values.len()) || !passes {
                open.push(value);
            }
            if decides {
                break;
            }
            if !passes {
                self.enter_branch();
            }
        }
        self.branch.truncate(depth);
        // `unknown and False` is never true, `unknown or True` always.
        if open.last().and_then(Value::truth) == Some(op == BoolOp::Or)
            && open.iter().all(|value| !matches!(value, Value::Text(_)))
        {
            return Value::Bool(op == BoolOp::Or);
        }
        Value::one_of(open, self.written(range))
    }

    fn compare(&mut self, it: &ruff_python_ast::ExprCompare) -> Value {
        let left = self.eval(&it.left);
        let rights: Vec<Value> = it.comparators.iter().map(|right| self.eval(right)).collect();
        let ([op], [right]) = (&*it.ops, rights.as_slice()) else { return self.unknown(it.range) };
        if is_sql(&left) || is_sql(right) {
            return expressions::compare(&left, *op, right);
        }
        compared(&left, *op, right).map_or_else(|| self.unknown(it.range), Value::Bool)
    }

    fn elements(&mut self, items: &[Expr]) -> Value {
        let mut out = Vec::new();
        for item in items {
            let value = self.eval(item);
            match (item, value) {
                (Expr::Starred(_), Value::List(inner)) => out.extend(inner.iter().cloned()),
                (Expr::Starred(_), _) => return Value::unknown(self.written(item.range())),
                (_, value) => out.push(value),
            }
        }
        Value::list(out)
    }

    fn dict(&mut self, it: &ruff_python_ast::ExprDict) -> Value {
        let mut pairs = Vec::new();
        for item in &it.items {
            let value = self.eval(&item.value);
            match &item.key {
                Some(key) => pairs.push((self.eval(key), value)),
                None => match value {
                    Value::Dict(inner) => pairs.extend(inner.iter().cloned()),
                    _ => return self.unknown(it.range),
                },
            }
        }
        Value::Dict(Rc::new(pairs))
    }

    fn comprehension(
        &mut self,
        generators: &[Comprehension],
        elt: &Expr,
        range: TextRange,
    ) -> Value {
        match self.rounds_of(generators, &mut |walker| walker.eval(elt)) {
            Some((items, true)) => Value::list(items),
            Some((items, false)) => Value::some_of(items),
            None => self.unknown(range),
        }
    }

    fn dict_comprehension(&mut self, it: &ruff_python_ast::ExprDictComp) -> Value {
        let pairs = self.rounds_of(&it.generators, &mut |walker| {
            let key = it.key.as_ref().map_or(Value::None, |key| walker.eval(key));
            Value::list(vec![key, walker.eval(&it.value)])
        });
        let Some((pairs, true)) = pairs else { return self.unknown(it.range) };
        let pairs = pairs.into_iter().filter_map(|pair| match pair {
            Value::List(items) => Some((items.first()?.clone(), items.get(1)?.clone())),
            _ => None,
        });
        Value::Dict(Rc::new(pairs.collect()))
    }

    /// What `each` makes of every round of a comprehension, and whether all of them happen; `None`
    /// where the rounds are not known, after it was gone through once.
    fn rounds_of(
        &mut self,
        generators: &[Comprehension],
        each: &mut dyn FnMut(&mut Self) -> Value,
    ) -> Option<(Vec<Value>, bool)> {
        let Some((first, rest)) = generators.split_first() else {
            return Some((vec![each(self)], true));
        };
        let over = self.eval(&first.iter);
        let known = over.items().filter(|items| items.len() <= LONGEST);
        let is_known = known.is_some();
        let mut is_sure = !matches!(over, Value::OneOf(_));
        let element = match &over {
            Value::Rows(found) => Value::Row(Rc::clone(found)),
            Value::Query(query) => Value::Row(query.found()),
            _ => Value::unknown(self.written(first.target.range())),
        };
        let mut all = is_known.then(Vec::new);
        for item in known.unwrap_or_else(|| vec![element]) {
            if !self.spend(1, first.target.range()) {
                return None;
            }
            self.assign(&first.target, &item);
            let passes: Vec<Option<bool>> =
                first.ifs.iter().map(|test| self.eval(test).truth()).collect();
            if passes.contains(&Some(false)) {
                continue;
            }
            is_sure &= !passes.contains(&None);
            let inner = self.rounds_of(rest, each);
            all = match (all, inner) {
                (Some(mut all), Some((inner, inner_is_sure))) if all.len() < LONGEST => {
                    is_sure &= inner_is_sure;
                    all.extend(inner);
                    Some(all)
                }
                _ => None,
            };
        }
        all.map(|all| (all, is_sure))
    }

    fn item(&mut self, object: &Value, index: &Value, range: TextRange) -> Value {
        if let Value::OneOf(objects) = object {
            let all: Vec<Value> =
                objects.iter().map(|object| self.item(object, index, range)).collect();
            return Value::one_of(all, self.written(range));
        }
        let found = match (object, index) {
            (Value::List(items), Value::Int(at)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *at < 0 { at + length } else { *at };
                usize::try_from(at).ok().and_then(|at| items.get(at)).cloned()
            }
            (Value::List(items), Value::Unknown(_)) if !items.is_empty() => {
                Some(Value::one_of(items.iter().cloned(), self.written(range)))
            }
            (Value::Dict(pairs), Value::Text(key)) if key.as_known().is_none() => {
                // The keys that start as this one does.
                let start = match key.pieces.first() {
                    Some(Piece::Known(start, _)) => start.as_str(),
                    _ => "",
                };
                let fits = |name: &Value| name.as_str().is_none_or(|name| name.starts_with(start));
                let fitting = pairs.iter().filter(|(name, _)| fits(name));
                Some(Value::one_of(fitting.map(|(_, v)| v.clone()), self.written(range)))
            }
            (Value::Dict(pairs), Value::Text(_) | Value::Int(_) | Value::None) => {
                pairs.iter().rev().find(|(key, _)| key == index).map(|(_, value)| value.clone())
            }
            (Value::Dict(pairs), _) if !pairs.is_empty() => {
                Some(Value::one_of(pairs.iter().map(|(_, v)| v.clone()), self.written(range)))
            }
            (Value::Class(class), Value::Text(_)) if class.is_enum => {
                let name = index.as_str();
                let member = class.members.iter().find(|(own, _)| Some(own) == name.as_ref());
                member.map(|(_, value)| value.clone())
            }
            (Value::Column(..) | Value::Sql(_), _) => {
                Some(Value::sql(object.operand().and(" -> ").plus(&index.operand())))
            }
            (Value::External(path), _) if path.ends_with(".tables") => {
                let name = self.name_of(Some(index.clone()), range);
                Some(Value::Table(Rc::new(name)))
            }
            (Value::External(path), _) => Some(Value::External(Rc::clone(path))),
            (Value::Table(table), Value::Text(_)) => {
                index.as_str().map(|name| super::methods::column(table, &name))
            }
            _ => None,
        };
        found.unwrap_or_else(|| self.unknown(range))
    }
}

pub(super) fn is_sql(value: &Value) -> bool {
    match value {
        Value::Column(..) | Value::Sql(_) | Value::Query(_) => true,
        Value::OneOf(values) => values.iter().any(is_sql),
        _ => false,
    }
}

fn compared(left: &Value, op: CmpOp, right: &Value) -> Option<bool> {
    let equal = match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.as_known()? == b.as_known()?),
        (Value::Int(a), Value::Int(b)) => Some(a == b),
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::None, Value::None) => Some(true),
        (Value::None, other) | (other, Value::None) => match other {
            Value::Unknown(_)
            | Value::OneOf(_)
            | Value::External(_)
            | Value::Row(_)
            | Value::Rows(_)
            | Value::Method(_)
            | Value::File(_) => None,
            _ => Some(false),
        },
        _ => None,
    };
    let within = |needle: &Value, list: &[Value]| {
        let found: Vec<Option<bool>> =
            list.iter().map(|item| compared(needle, CmpOp::Eq, item)).collect();
        if found.contains(&Some(true)) {
            Some(true)
        } else {
            found.iter().all(Option::is_some).then_some(false)
        }
    };
    let contains = match right {
        Value::List(items) => within(left, items),
        Value::Dict(pairs) => {
            let keys: Vec<Value> = pairs.iter().map(|(key, _)| key.clone()).collect();
            within(left, &keys)
        }
        Value::Text(text) => Some(text.as_known()?.contains(&left.as_str()?)),
        _ => None,
    };
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match op {
        CmpOp::Eq | CmpOp::Is => equal,
        CmpOp::NotEq | CmpOp::IsNot => equal.map(|equal| !equal),
        CmpOp::In => contains,
        CmpOp::NotIn => contains.map(|contains| !contains),
        CmpOp::Lt => order.map(std::cmp::Ordering::is_lt),
        CmpOp::LtE => order.map(std::cmp::Ordering::is_le),
        CmpOp::Gt => order.map(std::cmp::Ordering::is_gt),
        CmpOp::GtE => order.map(std::cmp::Ordering::is_ge),
    }
}
