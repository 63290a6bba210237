use super::{body, check, module};

#[test]
fn every_branch_that_may_run_is_read() {
    check(
        body,
        &[
            (
                "if x:\n    op.drop_table('a')\nelif y:\n    op.drop_table('b')\nelse:\n    op.drop_table('c')",
                &["4: DROP TABLE a", "6: DROP TABLE b", "8: DROP TABLE c"],
            ),
            (
                "try:\n    op.drop_table('a')\nexcept Exception:\n    op.drop_table('b')\nfinally:\n    op.drop_table('c')",
                &["4: DROP TABLE a", "6: DROP TABLE b", "8: DROP TABLE c"],
            ),
            (
                "match x:\n    case 1:\n        op.drop_table('a')\n    case _:\n        op.drop_table('b')",
                &["5: DROP TABLE a", "7: DROP TABLE b"],
            ),
            ("while x:\n    op.drop_table('a')", &["4: DROP TABLE a"]),
            (
                "if sa.inspect(op.get_bind()).has_table('a'):\n    op.drop_table('a')",
                &["4: DROP TABLE a"],
            ),
            ("t = 'a' if x else 'b'\nop.drop_table(t)", &["4: DROP TABLE a", "4: DROP TABLE b"]),
            (
                "if x:\n    t = 'a'\nelse:\n    t = 'b'\nop.execute(f'DELETE FROM {t}')",
                &["7: DELETE FROM a", "7: DELETE FROM b"],
            ),
            ("if x:\n    return\nop.drop_table('a')", &["5: DROP TABLE a"]),
            ("x and op.drop_table('a')", &["3: DROP TABLE a"]),
            (
                "for t in x:\n    if t:\n        found = 'a'\n        break\nop.drop_table(found)",
                &["7: DROP TABLE a"],
            ),
        ],
    );
}

#[test]
fn branches_that_can_not_run_are_not() {
    check(
        body,
        &[
            (
                "if op.get_bind().dialect.name == 'sqlite':\n    op.drop_table('a')\nelse:\n    op.drop_table('b')",
                &["6: DROP TABLE b"],
            ),
            (
                "if op.get_context().dialect.name != 'postgresql':\n    return\nop.drop_table('a')",
                &["5: DROP TABLE a"],
            ),
            ("if op.get_bind().engine.name == 'postgresql':\n    return\nop.drop_table('a')", &[]),
            ("if op.get_bind().dialect.name in ('mysql', 'sqlite'):\n    op.drop_table('a')", &[]),
            (
                "if context.is_offline_mode():\n    op.drop_table('a')\nelse:\n    op.drop_table('b')",
                &["6: DROP TABLE b"],
            ),
            ("if op.get_context().as_sql:\n    return\nop.drop_table('a')", &["5: DROP TABLE a"]),
            ("if False:\n    op.drop_table('a')", &[]),
            ("return\nop.drop_table('a')", &[]),
        ],
    );
}

#[test]
fn what_is_made_under_a_condition_proves_nothing_outside_of_it() {
    check(
        body,
        &[
            (
                "import contextlib\nwith contextlib.suppress(Exception):\n    op.create_table('a')\nop.drop_table('a')",
                &["5: CREATE TABLE IF NOT EXISTS a ()", "6: DROP TABLE a"],
            ),
            (
                "if x:\n    op.create_table('a')\nop.drop_table('a')",
                &["4: CREATE TABLE IF NOT EXISTS a ()", "5: DROP TABLE a"],
            ),
            (
                "if x:\n    op.create_table('a')\n    op.drop_table('a')",
                &["4: CREATE TABLE a ()", "5: DROP TABLE a"],
            ),
            (
                "op.create_table('a')\nif x:\n    op.drop_table('a')",
                &["3: CREATE TABLE a ()", "5: DROP TABLE a"],
            ),
            (
                "try:\n    op.add_column('a', sa.Column('b'))\nexcept Exception:\n    pass\nop.execute('UPDATE a SET b = 1')",
                &["4: ALTER TABLE a ADD COLUMN IF NOT EXISTS b text", "7: UPDATE a SET b = 1"],
            ),
            (
                "if x:\n    op.execute('CREATE TABLE a (b int)')\nop.drop_table('a')",
                &["4: CREATE TABLE IF NOT EXISTS a (b int)", "5: DROP TABLE a"],
            ),
            (
                "for t in rows:\n    op.create_table('a')\nop.drop_table('a')",
                &["4: CREATE TABLE IF NOT EXISTS a ()", "5: DROP TABLE a"],
            ),
        ],
    );
    check(
        module,
        &[
            (
                "def make():\n    if x:\n        return\n    op.create_table('a')\ndef upgrade():\n    make()\n    op.drop_table('a')",
                &["5: CREATE TABLE IF NOT EXISTS a ()", "8: DROP TABLE a"],
            ),
            (
                "def make():\n    op.create_table('a')\ndef upgrade():\n    make()\n    op.drop_table('a')",
                &["3: CREATE TABLE a ()", "6: DROP TABLE a"],
            ),
        ],
    );
}

#[test]
fn what_a_loop_changes_is_not_taken_for_constant() {
    check(
        body,
        &[
            (
                "i = 0\nwhile x:\n    op.drop_table('t' + str(i))\n    i += 1",
                &["5: ? `i` is not a constant: a DROP TABLE of an unknown table"],
            ),
            ("t = 'a'\nfor r in rows:\n    op.drop_table(t)", &["5: DROP TABLE a"]),
            (
                "names = []\nfor r in rows:\n    names.append(r)\nfor n in names:\n    op.drop_table(n)",
                &["7: ? `n` is not a constant: a DROP TABLE of an unknown table"],
            ),
        ],
    );
    check(
        module,
        &[(
            "T = 'a'\ndef other():\n    global T\n    T = 'b'\ndef upgrade():\n    other()\n    op.drop_table(T)",
            &["8: ? `T` is not a constant: a DROP TABLE of an unknown table"],
        )],
    );
}
