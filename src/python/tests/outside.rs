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
