use super::{body, check, module};

#[test]
fn directives_that_change_data_are_their_sql() {
    check(
        body,
        &[
            ("op.drop_table('users')", &["3: DROP TABLE users"]),
            ("op.drop_table('Users', schema='app')", &["3: DROP TABLE app.\"Users\""]),
            (
                "op.drop_table(table_name='order', if_exists=True)",
                &["3: DROP TABLE IF EXISTS \"order\""],
            ),
            (
                "op.drop_column('users', 'legacy_id')",
                &["3: ALTER TABLE users DROP COLUMN legacy_id"],
            ),
            (
                "op.drop_column(\n    table_name='users',\n    column_name='a b',\n    schema='s')",
                &["3: ALTER TABLE s.users DROP COLUMN \"a b\""],
            ),
            ("op.rename_table('a', 'b')", &["3: ALTER TABLE a RENAME TO b"]),
            (
                "op.add_column('a', sa.Column('b', sa.Text()))",
                &["3: ALTER TABLE a ADD COLUMN b text"],
            ),
            ("op.create_table('a', sa.Column('b', sa.Text()))", &["3: CREATE TABLE a ()"]),
            (
                "op.create_table('a', prefixes=['TEMPORARY'])\nop.create_table('b', if_not_exists=True)",
                &["3: CREATE TEMPORARY TABLE a ()", "4: CREATE TABLE IF NOT EXISTS b ()"],
            ),
            (
                "op.bulk_insert(sa.table('a', sa.column('b')), [{'b': 1}])",
                &["3: INSERT INTO a VALUES (:values)"],
            ),
            ("context.execute('DELETE FROM a')", &["3: DELETE FROM a"]),
            (
                "op.execute(sa.text('DELETE FROM a WHERE b = :b').bindparams(b=1))",
                &["3: DELETE FROM a WHERE b = :b"],
            ),
            ("op.execute(sa.DDL('DROP TABLE a'))", &["3: DROP TABLE a"]),
        ],
    );
}

#[test]
fn directives_that_leave_data_alone_are_silent() {
    check(
        body,
        &[
            ("op.create_index(op.f('ix'), 't', ['a'])\nop.drop_index('ix', table_name='t')", &[]),
            (
                "op.drop_constraint('c', 't', type_='foreignkey')\nop.create_foreign_key('a', 'b', 'c', ['d'], ['e'])",
                &[],
            ),
            ("op.create_table_comment('t', 'x')\nop.drop_table_comment('t')", &[]),
            ("op.alter_column('t', 'a', nullable=False, server_default='x')", &[]),
            ("print('DROP TABLE a')\nx = 'DROP TABLE a'", &[]),
            ("pass", &[]),
            ("raise NotImplementedError('op.drop_table')\nop.drop_table('a')", &[]),
        ],
    );
}

#[test]
fn a_column_changes_its_type_and_its_name() {
    check(
        body,
        &[
            (
                "op.alter_column('t', 'a', type_=sa.Integer(), postgresql_using='a::integer')",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE integer USING a::integer"],
            ),
            (
                "op.alter_column('t', 'a', new_column_name='b', existing_type=sa.Text())",
                &["3: ALTER TABLE t RENAME COLUMN a TO b"],
            ),
            (
                "op.alter_column('t', 'a', type_=sa.DateTime(timezone=True), new_column_name='b')",
                &[
                    "3: ALTER TABLE t ALTER COLUMN a TYPE timestamp with time zone",
                    "3: ALTER TABLE t RENAME COLUMN a TO b",
                ],
            ),
            // What widens is quiet, and its twin is not.
            ("op.alter_column('t', 'a', existing_type=sa.String(10), type_=sa.String(20))", &[]),
            (
                "op.alter_column('t', 'a', existing_type=sa.String(length=20), type_=sa.String(10))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE varchar(10)"],
            ),
            (
                "op.alter_column('t', 'a', existing_type=sa.Numeric(5, 2), type_=sa.Numeric(8, 2))",
                &[],
            ),
            ("op.alter_column('t', 'a', existing_type=sa.SmallInteger(), type_=sa.Integer)", &[]),
            (
                "op.alter_column('t', 'a', existing_type=sa.BigInteger(), type_=sa.Integer())",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE integer"],
            ),
            (
                "op.alter_column('t', 'a', existing_type=sa.String(10), type_=sa.String(20), postgresql_using='left(a, 3)')",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE varchar(20) USING left(a, 3)"],
            ),
            (
                "op.alter_column('t', 'a', type_=postgresql.JSONB(astext_type=sa.Text()))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE jsonb"],
            ),
            (
                "op.alter_column('t', 'a', type_=sa.Enum('x', name='kind'))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE kind"],
            ),
            (
                "op.alter_column('t', 'a', type_=sa.Enum('x', 'four', native_enum=False))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE varchar(4)"],
            ),
            (
                "op.alter_column('t', 'a', type_=postgresql.ARRAY(sa.Integer))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE integer[]"],
            ),
            (
                "op.alter_column('t', 'a', type_=sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'))",
                &["3: ALTER TABLE t ALTER COLUMN a TYPE jsonb"],
            ),
        ],
    );
}

#[test]
fn a_batch_speaks_of_its_table() {
    check(
        body,
        &[
            (
                "with op.batch_alter_table('t', schema='s', recreate='always') as batch_op:\n    batch_op.drop_column('a')\n    batch_op.alter_column('b', new_column_name='c')\n    batch_op.drop_index('i')\n    batch_op.add_column(sa.Column('d', sa.Text))",
                &[
                    "4: ALTER TABLE s.t DROP COLUMN a",
                    "5: ALTER TABLE s.t RENAME COLUMN b TO c",
                    "7: ALTER TABLE s.t ADD COLUMN d text",
                ],
            ),
            (
                "with op.batch_alter_table('t') as b, op.batch_alter_table('u') as c:\n    c.drop_column('x')",
                &["4: ALTER TABLE u DROP COLUMN x"],
            ),
        ],
    );
}

#[test]
fn types_and_metadata_are_dropped() {
    check(
        body,
        &[
            (
                "sa.Enum('a', name='kind').drop(op.get_bind(), checkfirst=True)",
                &["3: DROP TYPE IF EXISTS kind"],
            ),
            ("postgresql.ENUM(name='kind').drop(op.get_bind())", &["3: DROP TYPE kind"]),
            ("postgresql.ENUM('a', name='kind').create(op.get_bind())", &[]),
            ("sa.Enum(name='kind', schema='s').drop(op.get_bind())", &["3: DROP TYPE s.kind"]),
            ("sa.Table('t', sa.MetaData()).drop(op.get_bind())", &["3: DROP TABLE t"]),
            (
                "meta = sa.MetaData()\nmeta.drop_all(op.get_bind())",
                &["4: ? it drops every table of the metadata"],
            ),
            (
                "meta = sa.MetaData()\nmeta.create_all(op.get_bind())\nmeta.reflect(bind=op.get_bind())",
                &[],
            ),
        ],
    );
    check(
        module,
        &[(
            "from app.models import Base\ndef upgrade():\n    Base.metadata.drop_all(bind=op.get_bind())",
            &["4: ? it drops every table of the metadata"],
        )],
    );
}

#[test]
fn literal_sql_keeps_its_own_lines() {
    check(
        body,
        &[
            (
                "op.execute('''\n    -- first\n    DELETE FROM a;\n\n    UPDATE b SET c = 1\n''')",
                &["5: DELETE FROM a", "7: UPDATE b SET c = 1"],
            ),
            (
                "op.execute(\n    'DELETE FROM a '\n    'WHERE b = 1'\n)",
                &["4: DELETE FROM a WHERE b = 1"],
            ),
            ("op.execute('DELETE FROM a WHERE b = \\'x\\'')", &["3: DELETE FROM a WHERE b = 'x'"]),
            (
                "SQL = \"\"\"\n  DROP TABLE a\n\"\"\"\nfor sql in [SQL]:\n    op.execute(sql)",
                &["4: DROP TABLE a"],
            ),
        ],
    );
}

#[test]
fn only_the_function_that_is_asked_for_is_read() {
    let source = "from alembic import op\ndef upgrade():\n    op.drop_table('a')\ndef downgrade():\n    op.drop_table('b')\n";
    let read = |function| super::lines(&super::read_alembic(source, function, &super::NoModules));
    assert_eq!(read("upgrade"), ["3: DROP TABLE a"]);
    assert_eq!(read("downgrade"), ["5: DROP TABLE b"]);
}
