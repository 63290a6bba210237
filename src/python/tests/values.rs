use super::{body, check, module, project};

#[test]
fn strings_are_built_from_what_is_known() {
    check(
        body,
        &[
            ("t = 'a'\nop.execute('DELETE FROM ' + t)", &["4: DELETE FROM a"]),
            ("op.execute('DELETE FROM %s' % 'a')", &["3: DELETE FROM a"]),
            (
                "op.execute('DELETE FROM %s WHERE b = %d' % ('a', 3))",
                &["3: DELETE FROM a WHERE b = 3"],
            ),
            ("op.execute('DELETE FROM %(t)s' % {'t': 'a'})", &["3: DELETE FROM a"]),
            ("op.execute('DELETE FROM {}'.format('a'))", &["3: DELETE FROM a"]),
            ("op.execute('DELETE FROM {t} {0}'.format('x', t='a'))", &["3: DELETE FROM a x"]),
            (
                "t = 'a'\nop.execute(f'DELETE FROM {t} WHERE b = {1 + 1}')",
                &["4: DELETE FROM a WHERE b = 2"],
            ),
            ("op.execute(f'DELETE FROM {\"A\".lower()}')", &["3: DELETE FROM a"]),
            (
                "import textwrap\nop.execute(textwrap.dedent('''\\\n    DELETE FROM a\n    '''))",
                &["4: DELETE FROM a"],
            ),
            ("op.execute(' DELETE FROM a; '.strip())", &["3: DELETE FROM a"]),
            ("op.execute('DELETE FROM x'.replace('x', 'a'))", &["3: DELETE FROM a"]),
            (
                "op.execute('DELETE FROM a WHERE b IN (' + ', '.join(['1', '2']) + ')')",
                &["3: DELETE FROM a WHERE b IN (1, 2)"],
            ),
            (
                "op.execute(f'DELETE FROM a WHERE b IN {(1, 2)}')",
                &["3: DELETE FROM a WHERE b IN (1, 2)"],
            ),
            (
                "for s in '''DROP TABLE a;DROP TABLE b'''.split(';'):\n    op.execute(s)",
                &["3: DROP TABLE a", "3: DROP TABLE b"],
            ),
            ("s = 'DROP '\ns += 'TABLE a'\nop.execute(s)", &["3: DROP TABLE a"]),
            ("op.execute(b'DROP TABLE a'.decode())", &["3: DROP TABLE a"]),
            ("if (t := 'a'):\n    op.drop_table(t)", &["4: DROP TABLE a"]),
            (
                "quote = op.get_bind().dialect.identifier_preparer.quote\n\
                 op.execute(f'DROP TABLE {quote(\"A b\")}')",
                &["4: DROP TABLE \"A b\""],
            ),
        ],
    );
}

#[test]
fn loops_over_what_is_written_down_are_unrolled() {
    check(
        body,
        &[
            ("for t in ('a', 'b'):\n    op.drop_table(t)", &["4: DROP TABLE a", "4: DROP TABLE b"]),
            (
                "for t, c in [('a', 'x'), ('b', 'y')]:\n    op.drop_column(t, c)",
                &["4: ALTER TABLE a DROP COLUMN x", "4: ALTER TABLE b DROP COLUMN y"],
            ),
            (
                "for t, c in {'a': 'x'}.items():\n    op.drop_column(t, c)",
                &["4: ALTER TABLE a DROP COLUMN x"],
            ),
            (
                "for i in range(2):\n    op.drop_table(f't{i}')",
                &["4: DROP TABLE t0", "4: DROP TABLE t1"],
            ),
            ("for i, t in enumerate(['a'], 0):\n    op.drop_table(t)", &["4: DROP TABLE a"]),
            (
                "for a, b in zip(['a'], ['b']):\n    op.drop_column(a, b)",
                &["4: ALTER TABLE a DROP COLUMN b"],
            ),
            (
                "for t in [x + '_old' for x in ('a', 'b') if x != 'a']:\n    op.drop_table(t)",
                &["4: DROP TABLE b_old"],
            ),
            ("[op.drop_table(t) for t in ('a', 'b')]", &["3: DROP TABLE a", "3: DROP TABLE b"]),
            (
                "l = []\nl.append('a')\nl.extend(['b'])\nfor t in l:\n    op.drop_table(t)",
                &["7: DROP TABLE a", "7: DROP TABLE b"],
            ),
            (
                "for t in ['a', 'b', 'c']:\n    if t == 'a':\n        continue\n    if t == 'c':\n        break\n    op.drop_table(t)",
                &["8: DROP TABLE b"],
            ),
            (
                "for t in sorted({'a'}):\n    op.drop_table(t)\nelse:\n    op.drop_table('z')",
                &["4: DROP TABLE a", "6: DROP TABLE z"],
            ),
            ("d = {}\nd['k'] = 'a'\nop.drop_table(d['k'])", &["5: DROP TABLE a"]),
            ("op.drop_table(['a', 'b'][-1])", &["3: DROP TABLE b"]),
        ],
    );
}

#[test]
fn functions_get_their_arguments() {
    check(
        module,
        &[
            (
                "def upgrade(engine):\n    globals()[f'upgrade_{engine}']()\ndef upgrade_a():\n    op.drop_table('a')\ndef upgrade_b():\n    op.drop_table('b')\ndef downgrade_b():\n    op.drop_table('c')",
                &["5: DROP TABLE a", "7: DROP TABLE b"],
            ),
            ("x = 1", &["2: ? it has no function `upgrade` that could be read"]),
            (
                "T = 'a'\ndef go(t, c='x', *, s=None):\n    op.drop_column(t, c, schema=s)\ndef upgrade():\n    go(T)\n    go('b', s='q')\n    go(c='y', t='d')",
                &[
                    "4: ALTER TABLE a DROP COLUMN x",
                    "4: ALTER TABLE q.b DROP COLUMN x",
                    "4: ALTER TABLE d DROP COLUMN y",
                ],
            ),
            (
                "def go(*ts, **kw):\n    for t in ts:\n        op.drop_table(t, **kw)\ndef upgrade():\n    go('a', 'b', schema='s')",
                &["4: DROP TABLE s.a", "4: DROP TABLE s.b"],
            ),
            (
                "def name():\n    return 'a'\ndef upgrade():\n    op.drop_table(name())",
                &["5: DROP TABLE a"],
            ),
            (
                "def go(conn):\n    conn.execute('DELETE FROM a')\ndef upgrade():\n    go(op.get_bind())",
                &["3: DELETE FROM a"],
            ),
            (
                "drop = lambda t: op.drop_table(t)\ndef upgrade():\n    drop('a')",
                &["2: DROP TABLE a"],
            ),
            (
                "class T:\n    NAME = 'a'\n    @staticmethod\n    def go():\n        op.drop_table(T.NAME)\ndef upgrade():\n    T.go()",
                &["6: DROP TABLE a"],
            ),
            (
                "import enum\nclass K(str, enum.Enum):\n    A = 'a'\ndef upgrade():\n    op.drop_table(K.A.value)",
                &["6: DROP TABLE a"],
            ),
            (
                "def upgrade():\n    def inner(t):\n        op.drop_table(t)\n    inner('a')",
                &["4: DROP TABLE a"],
            ),
            (
                "def unused():\n    op.drop_table('b')\ndef upgrade():\n    op.drop_table('a')",
                &["5: DROP TABLE a"],
            ),
            (
                "from contextlib import contextmanager\n@contextmanager\ndef bind():\n    yield op.get_bind()\ndef upgrade():\n    with bind() as b:\n        b.execute('DELETE FROM a')",
                &["8: DELETE FROM a"],
            ),
        ],
    );
}

#[test]
fn helpers_of_the_project_are_followed_to_the_call() {
    let helper = "from alembic import op\nT = 'a'\ndef drop(t=T):\n    op.drop_table(t)\n";
    assert_eq!(
        project(
            "from app.db import drop\ndef upgrade():\n    drop()\n    drop('b')",
            &[("app.db", helper)]
        ),
        ["4: DROP TABLE a", "5: DROP TABLE b"]
    );
    assert_eq!(
        project("from .tools import drop as d\ndef upgrade():\n    d()", &[(".tools", helper)]),
        ["4: DROP TABLE a"]
    );
    assert_eq!(
        project("from app import db\ndef upgrade():\n    db.drop('c')", &[("app.db", helper)]),
        ["4: DROP TABLE c"]
    );
    let again = ("app.again", "from .db import drop\n");
    assert_eq!(
        project(
            "from app.again import *\ndef upgrade():\n    drop()",
            &[again, ("app.db", helper)]
        ),
        ["4: DROP TABLE a"]
    );
    let circle = ("app.a", "from app.b import x\n");
    assert_eq!(
        project(
            "from app.a import x\ndef upgrade():\n    op.drop_table(x)",
            &[circle, ("app.b", "from app.a import x\n")]
        ),
        ["4: ? `op.drop_table(x)` is not a constant: a DROP TABLE of an unknown table"]
    );
}
