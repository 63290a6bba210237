//! Classes of the project and their objects.

use std::rc::Rc;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged as _, TextRange};

use super::call::Args;
use super::text::Text;
use super::value::{Class, Function, Value};
use super::walk::Walker;

impl Walker<'_> {
    /// The members of a class, with those of its bases.
    pub(super) fn class(&mut self, it: &ruff_python_ast::StmtClassDef) -> Class {
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut is_enum = false;
        let mut table = None;
        for base in it.arguments.iter().flat_map(|arguments| &arguments.args[..]) {
            let written = self.written(base.range()).to_owned();
            is_enum |= written.ends_with("Enum") || written.ends_with("Flag");
            if let Value::Class(base) = self.eval(base) {
                is_enum |= base.is_enum;
                members.extend(base.members.iter().cloned());
            }
        }
        let module = self.module();
        let parent = self.frame().definition.is_some().then(|| self.frame().id);
        self.push_frame(module, parent.or(Some(self.frames.last().map_or(0, |f| f.id))));
        let marker: *const Stmt = std::ptr::null();
        self.frame().definition = Some(marker);
        self.block(&it.body);
        let own = self.frames.pop().map(|frame| frame.names).unwrap_or_default();
        let annotated = it.body.iter().filter_map(|statement| match statement {
            Stmt::AnnAssign(it) if it.value.is_none() => match &*it.target {
                Expr::Name(name) => Some(name.id.to_string()),
                _ => None,
            },
            _ => None,
        });
        let annotated: Vec<String> = annotated.collect();
        members.retain(|(name, _)| !own.contains_key(name));
        let mut own: Vec<(String, Value)> = own.into_iter().collect();
        own.sort_by(|a, b| a.0.cmp(&b.0));
        members.extend(own);
        let text = |name: &str| {
            members.iter().find(|(own, _)| own == name).and_then(|(_, value)| value.as_str())
        };
        if let Some(name) = text("__tablename__") {
            table = Some(Rc::new(Text::known(super::emit::identifier(&name))));
        } else if let Some((_, Value::Table(name))) =
            members.iter().find(|(own, _)| own == "__table__")
        {
            table = Some(Rc::clone(name));
        }
        for name in annotated {
            if table.is_some() && !members.iter().any(|(own, _)| *own == name) {
                members.push((name, Value::None));
            }
        }
        Class { name: it.name.to_string(), members, table, is_enum }
    }

    pub(super) fn construct(&mut self, class: &Rc<Class>, args: &Args, range: TextRange) -> Value {
        if class.is_enum {
            return self.unknown(range);
        }
        let object = Value::Instance(Rc::clone(class));
        if let Some((_, Value::Function(init))) =
            class.members.iter().find(|(name, _)| name == "__init__")
        {
            let init = bound(init, object.clone());
            self.run(&init, args, range);
        }
        object
    }

    /// A method of an object or class of the project; `None` where it has none of that name.
    pub(super) fn own_method(
        &mut self,
        class: &Class,
        receiver: &Value,
        name: &str,
        args: &Args,
        range: TextRange,
    ) -> Option<Value> {
        let (_, member) = class.members.iter().find(|(own, _)| own == name)?;
        let Value::Function(function) = member else {
            return Some(self.invoke(&member.clone(), args, range));
        };
        let Stmt::FunctionDef(definition) = &*function.definition else { return None };
        let decorated = |wanted: &str| {
            definition.decorator_list.iter().any(|decorator| match &decorator.expression {
                Expr::Name(name) => name.id.as_str() == wanted,
                _ => false,
            })
        };
        let is_instance = matches!(receiver, Value::Instance(_));
        if decorated("staticmethod") || (!is_instance && !decorated("classmethod")) {
            return Some(self.run(&Rc::clone(function), args, range));
        }
        let function = bound(function, receiver.clone());
        Some(self.run(&function, args, range))
    }
}

fn bound(function: &Rc<Function>, receiver: Value) -> Rc<Function> {
    let (module, definition) = (function.module, Rc::clone(&function.definition));
    let (frame, wrapper) = (function.frame, function.wrapper.clone());
    Rc::new(Function { module, definition, frame, receiver: Some(receiver), wrapper })
}

/// Whether a method runs where its name is only read.
pub(super) fn is_property(function: &Function) -> bool {
    let Stmt::FunctionDef(definition) = &*function.definition else { return false };
    definition.decorator_list.iter().any(|decorator| match &decorator.expression {
        Expr::Name(name) => matches!(name.id.as_str(), "property" | "cached_property"),
        Expr::Attribute(it) => it.attr.as_str() == "cached_property",
        _ => false,
    })
}
