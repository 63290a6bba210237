use super::{body, check, module, project};

#[test]
fn what_runs_elsewhere_is_not_known() {
    check(
        module,
        &[
            (
                "import os\ndef upgrade():\n    os.system(\"psql -c 'DROP TABLE t'\")\n    x = os.popen('psql').read()",
                &[
                    "4: ? `os.system` is not in this project: what it does is not known",
                    "5: ? `os.popen` is not in this project: what it does is not known",
                ],
            ),
            ("import os\ndef upgrade():\n    os.getcwd()\n    os.path.join('a', 'b')", &[]),
            (
                "import app.util\ndef upgrade():\n    app.util.cleanup()",
                &["4: ? `app.util.cleanup` is not in this project: what it does is not known"],
            ),
            (
                "import importlib\ndef upgrade():\n    importlib.import_module('app.wipe').run()",
                &["4: ? `app.wipe.run` is not in this project: what it does is not known"],
            ),
            (
                "import os.path, sqlalchemy.orm\ndef upgrade():\n    os.path.exists('a')\n    sqlalchemy.orm.configure_mappers()",
                &[],
            ),
            (
                "from alembic import command\ndef upgrade():\n    command.downgrade(cfg, 'base')\n    command.heads(cfg)",
                &[
                    "4: ? `alembic.command.downgrade` is not in this project: what it does is not known",
                ],
            ),
        ],
    );
    let files = [("app.util", "from alembic import op\ndef cleanup():\n    op.drop_table('t')\n")];
    let found = project("import app.util\ndef upgrade():\n    app.util.cleanup()", &files);
    assert_eq!(found, ["4: DROP TABLE t"]);
}

#[test]
fn an_upgrade_that_is_not_defined_here_is_followed() {
    let foreign = "2: ? `app.wipe.go` is not in this project: what it does is not known";
    check(
        module,
        &[
            ("from app.wipe import go as upgrade", &[foreign]),
            (
                "from app.wipe import *",
                &["2: ? `app.wipe.upgrade` is not in this project: what it does is not known"],
            ),
            ("upgrade = lambda: op.drop_table('t')", &["2: DROP TABLE t"]),
            ("from app.names import *\ndef upgrade():\n    pass", &[]),
        ],
    );
    let files =
        [("app.wipe", "from alembic import op\ndef go():\n    op.drop_table('t')\nupgrade = go\n")];
    for source in ["from app.wipe import go as upgrade", "from app.wipe import *"] {
        assert_eq!(project(source, &files), ["2: DROP TABLE t"], "{source}");
    }
}

#[test]
fn a_select_that_calls_functions_is_sent() {
    check(
        body,
        &[
            (
                "op.execute(sa.select(sa.func.lo_unlink(1)))",
                &["3: SELECT lo_unlink(1) WHERE id = :id"],
            ),
            (
                "op.get_bind().execute(sa.select(sa.text('wipe_all()')))",
                &["3: SELECT wipe_all() WHERE id = :id"],
            ),
            (
                "t = sa.table('t')\nop.execute(sa.select(sa.delete(t).cte('d')))",
                &["4: DELETE FROM t"],
            ),
            ("t = sa.table('t')\nop.get_bind().execute(sa.select(t.c.id).where(t.c.a == 1))", &[]),
        ],
    );
}

#[test]
fn what_operations_run_on_runs_them_too() {
    check(
        body,
        &[
            ("op.get_context().impl.execute('DELETE FROM t')", &["3: DELETE FROM t"]),
            ("op.get_context().impl.drop_table(sa.table('t'))", &["3: DROP TABLE t"]),
            ("op.impl.drop_table(sa.table('t'))", &["3: DROP TABLE t"]),
            ("op.get_context().impl.dialect.name", &[]),
            (
                "from alembic.operations import Operations\nOperations(op.get_context()).drop_table('t')",
                &["4: DROP TABLE t"],
            ),
        ],
    );
}

#[test]
fn a_string_of_sql_given_to_a_cursor_is_read() {
    check(
        body,
        &[
            (
                "op.get_bind().connection.cursor().copy_expert('COPY t TO STDOUT', f)",
                &["3: COPY t TO STDOUT"],
            ),
            (
                "op.get_bind().connection.dbapi_connection.run('DELETE FROM t')",
                &["3: DELETE FROM t"],
            ),
            ("op.get_bind().connection.cursor().copy_from(f, 't')\nop.get_bind().note('t')", &[]),
        ],
    );
}

#[test]
fn a_with_runs_what_its_class_does_around_it() {
    let class = "class Quiet:\n    def __enter__(self):\n        op.execute('DELETE FROM a')\n    def __exit__(self, *args):\n        op.execute('DELETE FROM c')\n";
    let source =
        format!("{class}def upgrade():\n    with Quiet():\n        op.execute('DELETE FROM b')\n");
    assert_eq!(module(&source), ["4: DELETE FROM a", "9: DELETE FROM b", "6: DELETE FROM c"]);
    check(
        module,
        &[
            (
                "from app.db import managed\ndef upgrade():\n    with managed():\n        pass",
                &["4: ? `app.db.managed` is not in this project: what it does is not known"],
            ),
            ("def upgrade():\n    with open('x') as f:\n        f.read()", &[]),
        ],
    );
}

#[test]
fn a_list_has_what_others_put_into_it() {
    check(
        module,
        &[
            (
                "STEPS = []\ndef step(fn):\n    STEPS.append(fn)\n    return fn\ndef one():\n    op.drop_table('t')\nstep(one)\ndef upgrade():\n    for s in STEPS:\n        s()",
                &["7: DROP TABLE t"],
            ),
            (
                "def fill(them):\n    them.append('DELETE FROM t')\ndef upgrade():\n    a = []\n    b = a\n    fill(b)\n    for s in a:\n        op.execute(s)",
                &["3: DELETE FROM t"],
            ),
            (
                "def upgrade():\n    a = []\n    b = a.copy()\n    b.append('DELETE FROM t')\n    for s in a:\n        op.execute(s)",
                &[],
            ),
        ],
    );
}

#[test]
fn a_property_runs_where_it_is_read() {
    let class = "class Job:\n    @property\n    def go(self):\n        op.drop_table('t')\n    def stay(self):\n        op.drop_table('u')\n";
    let found = module(&format!("{class}def upgrade():\n    Job().go\n    Job().stay\n"));
    assert_eq!(found, ["5: DROP TABLE t"]);
}

#[test]
fn an_object_that_is_merged_takes_the_place_of_a_row() {
    check(
        module,
        &[
            (
                "from app.models import User\ndef upgrade():\n    Session().merge(User(id=1))",
                &[
                    "4: ? `the table of User(id=1)` is not a constant: an UPDATE on an unknown table",
                ],
            ),
            ("from app.models import User\ndef upgrade():\n    Session().add(User(id=1))", &[]),
        ],
    );
}

#[test]
fn a_decorator_gets_the_function() {
    check(
        module,
        &[
            (
                "def deco(fn):\n    def wrapper():\n        op.execute('DELETE FROM a')\n        fn()\n    return wrapper\n@deco\ndef step():\n    op.execute('DELETE FROM b')\ndef upgrade():\n    step()",
                &["4: DELETE FROM a", "9: DELETE FROM b"],
            ),
            (
                "STEPS = []\ndef step(fn):\n    STEPS.append(fn)\n    return fn\n@step\ndef one():\n    op.drop_table('t')\ndef upgrade():\n    for s in STEPS:\n        s()",
                &["8: DROP TABLE t"],
            ),
            (
                "from app.steps import step\n@step\ndef one():\n    pass\ndef upgrade():\n    one()",
                &["7: ? `app.steps.step` is not in this project: what it does is not known"],
            ),
            (
                "import functools, contextlib\n@functools.lru_cache\ndef one():\n    pass\n@contextlib.contextmanager\ndef two():\n    yield\ndef upgrade():\n    one()\n    with two():\n        pass",
                &[],
            ),
        ],
    );
}

#[test]
fn rows_of_a_model_that_is_not_known_are_written_back() {
    let update = "5: ? `the table of User` is not a constant: an UPDATE on an unknown table";
    check(
        |text| {
            module(&format!(
                "from app.models import User\ndef upgrade():\n    s = Session(bind=op.get_bind())\n{text}"
            ))
        },
        &[
            ("    for u in s.scalars(sa.select(User)): u.name = None", &[update]),
            ("    for u in s.execute(sa.select(User)).scalars(): u.name = None", &[update]),
            ("    s.execute(sa.select(User)).scalar_one().name = None", &[update]),
            (
                "    User.query.delete()",
                &[
                    "5: ? `app.models.User.query.delete` is not in this project: what it does is not known",
                ],
            ),
            ("    for u in s.scalars(sa.select(User)): print(u.name)", &[]),
        ],
    );
}

#[test]
fn sql_that_an_attribute_executes_is_read() {
    let class = |held: &str| {
        format!(
            "class Job:\n    def __init__(self):\n        self.bind = op.get_bind()\n    def run(self):\n        self.bind.{held}\n"
        )
    };
    let upgrade = "def upgrade():\n    Job().run()\n";
    let found = module(&format!("{}{upgrade}", class("execute(sa.text('DELETE FROM t'))")));
    assert_eq!(found, ["6: DELETE FROM t"]);
    assert!(module(&format!("{}{upgrade}", class("close()"))).is_empty());
}
