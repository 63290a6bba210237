use super::{body, check, module};

const TABLE: &str = "t = sa.table('t', sa.column('id'), sa.column('a'))\n";

fn on_table(text: &str) -> Vec<String> {
    body(&format!("{TABLE}{text}"))
}

#[test]
fn core_changes_are_their_sql() {
    check(
        on_table,
        &[
            ("op.execute(t.delete())", &["4: DELETE FROM t"]),
            ("op.execute(sa.delete(t))", &["4: DELETE FROM t"]),
            ("op.execute(t.delete().where(t.c.id == 3))", &["4: DELETE FROM t WHERE (id = 3)"]),
            ("op.execute(sa.delete(t).where(sa.true()))", &["4: DELETE FROM t WHERE true"]),
            (
                "op.execute(t.delete().where(t.c.id == t.c.id))",
                &["4: DELETE FROM t WHERE (id = id)"],
            ),
            (
                "op.execute(t.delete().where(sa.and_(t.c.id > 3, t.c.a == 'x')))",
                &["4: DELETE FROM t WHERE (((id > 3) AND (a = 'x')))"],
            ),
            (
                "op.execute(t.delete().where(t.c.a.is_(None) | t.c.a.in_(['x', 'y'])))",
                &["4: DELETE FROM t WHERE (((a IS NULL) OR (a IN ('x', 'y'))))"],
            ),
            (
                "op.execute(t.delete().where(~t.c.a.like('x%')))",
                &["4: DELETE FROM t WHERE (NOT (a LIKE 'x%'))"],
            ),
            (
                "op.execute(t.delete().where(condition))",
                &["4: DELETE FROM t WHERE id = :condition"],
            ),
            ("op.execute(t.update().values(a=1))", &["4: UPDATE t SET a = 1"]),
            (
                "op.execute(t.update().where(t.c.id == x).values({'a': None}))",
                &["4: UPDATE t SET a = NULL WHERE (id = :x)"],
            ),
            (
                "op.execute(sa.update(t).values({t.c.a: sa.func.lower(t.c.a)}))",
                &["4: UPDATE t SET a = lower(a)"],
            ),
            ("op.execute(sa.insert(t).values(a=1))", &["4: INSERT INTO t VALUES (:values)"]),
            (
                "op.execute(postgresql.insert(t).values(a=1).on_conflict_do_update(index_elements=['id'], set_={'a': 2}))",
                &["4: INSERT INTO t VALUES (:values) ON CONFLICT (id) DO UPDATE SET a = 2"],
            ),
            (
                "op.execute(postgresql.insert(t).on_conflict_do_nothing())",
                &["4: INSERT INTO t VALUES (:values) ON CONFLICT DO NOTHING"],
            ),
            (
                "u = sa.table('u', sa.column('id'))\nop.execute(t.delete().where(t.c.id.in_(sa.select(u.c.id).where(u.c.id == t.c.a))))",
                &["5: DELETE FROM t WHERE (id IN (SELECT id FROM u WHERE (id = t.a)))"],
            ),
            ("op.get_bind().execute(sa.select(t.c.id))", &[]),
            (
                "stmt = t.delete()\nstmt = stmt.where(t.c.id == 1)\nop.execute(stmt)",
                &["6: DELETE FROM t WHERE (id = 1)"],
            ),
        ],
    );
}

#[test]
fn everything_that_runs_sql_is_known() {
    check(
        body,
        &[
            ("conn = op.get_bind()\nconn.execute(sa.text('DELETE FROM a'))", &["4: DELETE FROM a"]),
            ("op.get_bind().exec_driver_sql('DELETE FROM a')", &["3: DELETE FROM a"]),
            ("op.get_context().connection.execute('DELETE FROM a')", &["3: DELETE FROM a"]),
            (
                "with op.get_bind().engine.begin() as c:\n    c.execute('DELETE FROM a')",
                &["4: DELETE FROM a"],
            ),
            (
                "cursor = op.get_bind().connection.cursor()\ncursor.execute('DELETE FROM a')",
                &["4: DELETE FROM a"],
            ),
            (
                "with op.get_context().autocommit_block():\n    op.execute('DELETE FROM a')",
                &["3: COMMIT", "4: DELETE FROM a"],
            ),
            (
                "session = Session(bind=op.get_bind())\nsession.execute('DELETE FROM a')\nsession.commit()",
                &["4: DELETE FROM a", "5: COMMIT"],
            ),
            (
                "session = sa.orm.sessionmaker(bind=op.get_bind())()\nsession.execute(sa.text('DELETE FROM a'))",
                &["4: DELETE FROM a"],
            ),
            ("run = op.get_bind().execute\nrun('DELETE FROM a')", &["4: DELETE FROM a"]),
            (
                "op.get_bind().execution_options(isolation_level='AUTOCOMMIT').execute('DELETE FROM a')",
                &["3: DELETE FROM a"],
            ),
            ("rows = op.get_bind().execute('SELECT 1').fetchall()", &["3: SELECT 1"]),
            (
                "for row in op.get_bind().execute(sa.select(sa.column('id'))):\n    op.execute(sa.text('UPDATE a SET b = 1 WHERE id = :i').bindparams(i=row.id))",
                &["4: UPDATE a SET b = 1 WHERE id = :i"],
            ),
        ],
    );
    check(
        module,
        &[
            (
                "async def go(conn):\n    await conn.execute('DELETE FROM a')\ndef upgrade():\n    op.run_async(go)",
                &["3: DELETE FROM a"],
            ),
            (
                "async def go(conn):\n    await conn.run_sync(lambda c: c.execute('DELETE FROM a'))\ndef upgrade():\n    op.run_async(go)",
                &["3: DELETE FROM a"],
            ),
        ],
    );
}

#[test]
fn an_orm_writes_to_the_tables_of_its_classes() {
    let model = "Base = sa.orm.declarative_base()\nclass User(Base):\n    __tablename__ = 'users'\n    id = sa.Column(sa.Integer, primary_key=True)\n    email = sa.Column('mail', sa.Text)\ndef upgrade():\n    session = Session(op.get_bind())\n";
    let on_model = |text: &str| {
        let indented =
            text.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat();
        module(&format!("{model}{indented}"))
    };
    check(
        on_model,
        &[
            ("session.query(User).delete()", &["9: DELETE FROM users"]),
            (
                "session.query(User).filter(User.id == 3).delete()",
                &["9: DELETE FROM users WHERE (id = 3)"],
            ),
            (
                "session.query(User).filter_by(id=3).update({'email': None})",
                &["9: UPDATE users SET email = NULL WHERE id = 3"],
            ),
            (
                "session.query(User).filter(User.email == None).update({User.email: 'x'}, synchronize_session=False)",
                &["9: UPDATE users SET mail = 'x' WHERE (mail IS NULL)"],
            ),
            ("session.execute(sa.delete(User))", &["9: DELETE FROM users"]),
            ("op.execute(User.__table__.delete())", &["9: DELETE FROM users"]),
            (
                "for user in session.query(User).all():\n    user.email = 'x'",
                &["10: UPDATE users SET email = :value WHERE id = :id"],
            ),
            (
                "for user in session.query(User):\n    session.delete(user)",
                &["10: DELETE FROM users WHERE id = :id"],
            ),
            ("session.add(User(id=1))\nsession.flush()", &[]),
            ("User.__table__.drop(op.get_bind())", &["9: DROP TABLE users"]),
            ("n = session.query(User).count()\nprint(n)", &[]),
        ],
    );
    check(
        module,
        &[(
            "from app.models import User\ndef upgrade():\n    Session(op.get_bind()).query(User).delete()",
            &["4: ? `the table of User` is not a constant: a DELETE on an unknown table"],
        )],
    );
}
