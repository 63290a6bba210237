//! What a batch defines and then calls: a call of a function whose definition came before it does
//! what the body says, EXECUTE of a prepared statement what the statement does.

use std::collections::HashMap;

use super::Effect;
use crate::text::QualifiedName;

/// Functions that call functions are followed this deep.
const MAX_DEPTH: usize = 16;
/// A call that comes to more effects than that stays a call.
const MAX_EFFECTS: usize = 10_000;

/// What was defined so far, in the order in which a batch runs.
#[derive(Debug, Default)]
pub struct Definitions<'a> {
    /// By parameters, because functions may share a name.
    functions: HashMap<QualifiedName, Vec<(&'a str, &'a [Effect])>>,
    prepared: HashMap<&'a str, &'a [Effect]>,
}

impl<'a> Definitions<'a> {
    /// Hands on what an effect comes to at its place in the batch: itself, or what it calls.
    pub fn resolve(&mut self, effect: &'a Effect, take: impl FnMut(&'a Effect)) {
        self.learn(effect);
        let mut all = Vec::new();
        if self.bodies(effect).is_empty() || !self.follow(effect, MAX_DEPTH, &mut all) {
            all = vec![effect];
        }
        all.into_iter().for_each(take);
    }

    /// False where it goes too far.
    fn follow(&mut self, effect: &'a Effect, depth: usize, all: &mut Vec<&'a Effect>) -> bool {
        let bodies = self.bodies(effect);
        if bodies.is_empty() {
            self.learn(effect);
            all.push(effect);
            return all.len() <= MAX_EFFECTS;
        }
        depth > 0
            && bodies.into_iter().flatten().all(|inner| {
                if inner == effect {
                    // It calls itself, or its body could not be read.
                    all.push(inner);
                    return true;
                }
                self.follow(inner, depth - 1, all)
            })
    }

    fn learn(&mut self, effect: &'a Effect) {
        match effect {
            Effect::DefinesFunction { name, parameters, effects } => {
                let same_name = self.functions.entry(key(name)).or_default();
                same_name.retain(|(known, _)| known != parameters);
                same_name.push((parameters, effects));
            }
            Effect::Prepares { name, effects } => {
                self.prepared.insert(name, effects);
            }
            // Another schema, or a definition undone.
            Effect::NamesMoved { .. } => self.functions.clear(),
            // Where it was not made, an older one of the name is called.
            Effect::PerhapsOlder { births } => {
                for birth in births {
                    if let Effect::DefinesFunction { name, .. } = birth {
                        self.functions.remove(&key(name));
                    }
                }
            }
            _ => {}
        }
    }

    fn bodies(&self, effect: &Effect) -> Vec<&'a [Effect]> {
        match effect {
            Effect::CallsFunction { name } => self
                .functions
                .get(&key(name))
                .map(|same_name| same_name.iter().map(|(_, effects)| *effects).collect())
                .unwrap_or_default(),
            Effect::ExecutesPrepared { name } => {
                self.prepared.get(name.as_str()).copied().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A name, with `public` and no schema taken for the same.
fn key(name: &QualifiedName) -> QualifiedName {
    let schema = name.schema.clone().filter(|schema| schema != "public");
    QualifiedName { schema, name: name.name.clone() }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::finding::Finding;
    use crate::rules::{findings, read};
    use crate::script::{Origin, Script};

    fn check(texts: &[&str]) -> String {
        let scripts: Vec<Script> =
            texts.iter().map(|text| Script::known(Origin::default(), (*text).to_owned())).collect();
        let readings: Vec<_> = scripts.iter().map(read).collect();
        let line = |finding: &Finding| format!("{} {}", finding.rule, finding.object);
        findings(&readings).iter().map(line).collect::<Vec<_>>().join("; ")
    }

    const PURGE: &str =
        "CREATE FUNCTION purge(a int) RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$;";

    #[test]
    fn a_call_does_what_the_body_says() {
        for call in [
            "SELECT purge(1)",
            "SELECT public.purge(a) FROM u",
            "DO $$ BEGIN PERFORM purge(1); END $$",
            "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT purge(1)'; CALL p()",
        ] {
            assert_eq!(check(&[PURGE, call]), "delete-all t", "{call}");
            assert_eq!(check(&[&format!("{PURGE}{call}")]), "delete-all t", "{call}");
        }
        assert_eq!(check(&[PURGE]), "");
        assert_eq!(check(&["SELECT purge(1)", PURGE]), "calls-function purge");
        assert_eq!(check(&[PURGE, "SELECT app.purge(1)"]), "calls-function app.purge");
    }

    #[test]
    fn a_body_that_destroys_nothing_makes_its_calls_quiet() {
        let tidy = "CREATE OR REPLACE FUNCTION tidy() RETURNS int LANGUAGE plpgsql AS $$
                    DECLARE n int; BEGIN INSERT INTO log VALUES (now()); SELECT count(*) INTO n FROM t; RETURN n; END $$;";
        assert_eq!(check(&[tidy, "SELECT tidy(); DO $$ BEGIN PERFORM tidy(); END $$"]), "");
        let trigger = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
                       BEGIN DELETE FROM t; RETURN old; END $$;
                       CREATE TRIGGER g AFTER DELETE ON u FOR EACH ROW EXECUTE FUNCTION f()";
        assert_eq!(check(&[trigger]), "");
    }

    #[test]
    fn the_latest_definition_counts() {
        let harmless =
            "CREATE OR REPLACE FUNCTION purge(a int) RETURNS void LANGUAGE sql AS $$ SELECT 1 $$;";
        assert_eq!(check(&[PURGE, harmless, "SELECT purge(1)"]), "");
        assert_eq!(check(&[harmless, PURGE, "SELECT purge(1)"]), "delete-all t");
        let other = "CREATE FUNCTION purge(a text) RETURNS void LANGUAGE sql AS $$ SELECT 1 $$;";
        assert_eq!(check(&[PURGE, other, "SELECT purge(1)"]), "delete-all t");
        let python = "CREATE OR REPLACE FUNCTION purge(a int) RETURNS void LANGUAGE plpython3u AS $$ pass $$;";
        assert_eq!(check(&[harmless, python, "SELECT purge(1)"]), "calls-function purge");
        for undone in ["ROLLBACK;", "SET search_path = app;"] {
            assert_eq!(check(&[harmless, undone, "SELECT purge(1)"]), "calls-function purge");
        }
    }

    #[test]
    fn a_definition_under_a_condition_is_not_sure_to_be_the_one_called() {
        let perhaps = "DO $do$ BEGIN IF EXISTS (SELECT 1 FROM a) THEN
            CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; END IF; END $do$;";
        assert_eq!(check(&[perhaps, "SELECT f()"]), "calls-function f");
    }

    #[test]
    fn functions_that_call_each_other_come_to_an_end() {
        let ping = "CREATE FUNCTION ping() RETURNS int LANGUAGE sql AS 'SELECT pong()';
                    CREATE FUNCTION pong() RETURNS int LANGUAGE sql AS 'SELECT ping(); DELETE FROM t';
                    CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT own(); DELETE FROM t';";
        assert_eq!(check(&[ping, "SELECT ping()"]), "calls-function ping");
        assert_eq!(check(&[ping, "SELECT own()"]), "calls-function own; delete-all t");
        let mut tower =
            "CREATE FUNCTION f0() RETURNS int LANGUAGE sql AS 'DELETE FROM t';".to_owned();
        for n in 1..14 {
            let m = n - 1;
            write!(tower, "CREATE FUNCTION f{n}() RETURNS int LANGUAGE sql AS 'SELECT f{m}(); SELECT f{m}(); SELECT f{m}()';").expect("a string takes everything");
        }
        assert_eq!(check(&[&tower, "SELECT f13()"]), "calls-function f13");
    }

    #[test]
    fn a_prepared_statement_does_nothing_before_it_is_executed() {
        let delete = "PREPARE p (int) AS DELETE FROM t WHERE id = $1;";
        assert_eq!(check(&[delete]), "");
        assert_eq!(check(&[delete, "EXECUTE p(1)"]), "delete t");
        assert_eq!(check(&[delete, "EXPLAIN ANALYZE EXECUTE p(1); DEALLOCATE p"]), "delete t");
        assert_eq!(check(&["PREPARE p AS SELECT 1; EXECUTE p"]), "");
        assert!(check(&["EXECUTE p(1)", delete]).starts_with("dynamic-sql"));
    }
}
