use super::{body, check, module};

#[test]
fn what_is_not_known_says_what_it_is() {
    check(
        body,
        &[
            (
                "op.execute(f'DELETE FROM {name}')",
                &["3: ? `name` is not a constant: a DELETE on an unknown table"],
            ),
            (
                "op.execute('DROP TABLE ' + name)",
                &["3: ? `name` is not a constant: a DROP TABLE of an unknown table"],
            ),
            (
                "op.execute(f'DROP TABLE \"{name}\"')",
                &["3: ? `name` is not a constant: a DROP TABLE of an unknown table"],
            ),
            (
                "op.execute(f'DROP TABLE users_{suffix}')",
                &["3: ? `suffix` is not a constant: a DROP TABLE of an unknown table"],
            ),
            (
                "op.execute(f'TRUNCATE {schema}.users')",
                &["3: ? `schema` is not a constant: a TRUNCATE on an unknown table"],
            ),
            (
                "op.drop_column('users', name)",
                &["3: ? `name` is not a constant: a DROP COLUMN of an unknown column of users"],
            ),
            (
                "op.drop_table(names[0])",
                &["3: ? `names[0]` is not a constant: a DROP TABLE of an unknown table"],
            ),
            ("op.execute(sql)", &["3: ? `sql` is not a constant: SQL that is not known"]),
            (
                "op.execute(open('x.sql').read())",
                &["3: ? `the file x.sql` is not a constant: SQL that is not known"],
            ),
            (
                "op.execute(f'ALTER TABLE users {action}')",
                &["3: ? `action` is not a constant: an ALTER that is not known in full"],
            ),
            (
                "op.alter_column('users', 'a', type_=kind)",
                &["3: ? `kind` is not a constant: a change of type of users.a"],
            ),
            (
                "op.execute(f'DELETE FROM {a} WHERE x = {b}')",
                &["3: ? `a` and `b` are not constants: a DELETE on an unknown table"],
            ),
            (
                "op.my_operation('x')",
                &["3: ? `op.my_operation` is not one of Alembic's own operations"],
            ),
            (
                "for row in op.get_bind().execute('SELECT name FROM pg_tables'):\n    op.drop_table(row.name)",
                &[
                    "3: SELECT name FROM pg_tables",
                    "4: ? `row.name` is not a constant: a DROP TABLE of an unknown table",
                ],
            ),
        ],
    );
}

#[test]
fn an_unknown_value_in_a_harmless_place_does_no_harm() {
    check(
        body,
        &[
            ("op.execute(f'INSERT INTO a VALUES ({v})')", &["3: INSERT INTO a VALUES (:v)"]),
            (
                "op.execute(f\"UPDATE a SET b = '{v}' WHERE id = {row['id']}\")",
                &["3: UPDATE a SET b = 'v' WHERE id = :row_id"],
            ),
            ("op.execute(f'CREATE INDEX {name} ON a (b)')", &["3: CREATE INDEX :name ON a (b)"]),
            (
                "op.execute(f'ALTER TABLE a DROP CONSTRAINT {name}')",
                &["3: ALTER TABLE a DROP CONSTRAINT :name"],
            ),
            ("op.execute('DELETE FROM a WHERE id = %s' % x)", &["3: DELETE FROM a WHERE id = :x"]),
            (
                "op.execute(f'UPDATE a SET {field} = 1 WHERE id = 2')",
                &["3: UPDATE a SET field = 1 WHERE id = 2"],
            ),
            ("op.create_table(name)\nop.create_index('i', name, ['a'])", &[]),
            ("op.execute(f'DROP INDEX {name}')", &["3: DROP INDEX :name"]),
        ],
    );
}

#[test]
fn whoever_gets_the_connection_is_asked_what_he_does_with_it() {
    check(
        module,
        &[
            (
                "def upgrade():\n    STEPS[name]()",
                &["3: ? `STEPS[name]` is not in this project: what it does is not known"],
            ),
            (
                "from app.tools import clean\ndef upgrade():\n    clean(op.get_bind())",
                &["4: ? `clean` gets the connection, and what it does is not known"],
            ),
            (
                "from app.tools import clean\ndef upgrade():\n    clean('users')",
                &["4: ? `app.tools.clean` is not in this project: what it does is not known"],
            ),
            (
                "from app.tools import name\ndef upgrade():\n    x = name('users')\n    op.create_index(x, 'a', ['b'])",
                &[],
            ),
            (
                "import logging, json, uuid\nlog = logging.getLogger()\ndef upgrade():\n    log.info('x')\n    json.dumps({})\n    uuid.uuid4()",
                &[],
            ),
            ("from app.log import logger\ndef upgrade():\n    logger.info('x')", &[]),
            (
                "def upgrade():\n    inspector = sa.inspect(op.get_bind())\n    inspector.get_columns('x')",
                &[],
            ),
            (
                "def upgrade():\n    exec('op.drop_table(1)')",
                &["3: ? `exec` runs Python that is built at run time"],
            ),
            (
                "import pandas\ndef upgrade():\n    getattr(op, name)('a')",
                &["4: ? `op.an unknown method` is not one of Alembic's own operations"],
            ),
        ],
    );
}

#[test]
fn a_file_that_is_no_python_3_says_so_where_it_stops() {
    check(
        module,
        &[(
            "def upgrade():\n    print 'x'\n",
            &[
                "3: ? it is not Python 3: simple statements must be separated by newlines or semicolons",
            ],
        )],
    );
}
