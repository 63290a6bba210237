use super::{check, script};

#[test]
fn every_function_of_a_script_is_read_once() {
    check(
        script,
        &[
            (
                "import psycopg2\nconn = psycopg2.connect('x')\ncur = conn.cursor()\ncur.execute('DELETE FROM users')\nconn.commit()",
                &["4: DELETE FROM users"],
            ),
            (
                "def clean(cursor):\n    cursor.execute('DELETE FROM users')\n",
                &["2: DELETE FROM users"],
            ),
            (
                "def clean(cursor, table):\n    cursor.execute(f'DELETE FROM {table}')\ndef main():\n    clean(c, 'users')\nif __name__ == '__main__':\n    main()",
                &["2: DELETE FROM users"],
            ),
            (
                "class Job:\n    def run(self):\n        self.db.execute('DELETE FROM users')\n",
                &["3: DELETE FROM users"],
            ),
            (
                "async def main():\n    async with pool.acquire() as conn:\n        await conn.execute('DELETE FROM users')",
                &["3: DELETE FROM users"],
            ),
            ("def f(x):\n    return x + 1\n", &[]),
        ],
    );
}

#[test]
fn django_operations_are_their_sql() {
    let migration = |operations: &str| {
        let head = "from django.db import migrations, models\nclass Migration(migrations.Migration):\n    operations = [\n";
        script(&format!("{head}{operations}\n    ]\n"))
    };
    check(
        migration,
        &[
            (
                "migrations.RunSQL('DELETE FROM a', reverse_sql='DROP TABLE b'),",
                &["4: DELETE FROM a"],
            ),
            (
                "migrations.RunSQL(['DELETE FROM a', ('UPDATE b SET c = %s', [1])]),",
                &["4: DELETE FROM a", "4: UPDATE b SET c = %s"],
            ),
            (
                "migrations.RunSQL(sql='DROP TABLE a', state_operations=[migrations.DeleteModel(name='A')]),",
                &["4: DROP TABLE a"],
            ),
            ("migrations.DeleteModel(name='User'),", &["4: DROP TABLE \"user\""]),
            (
                "migrations.RemoveField(model_name='user', name='age'),",
                &["4: ALTER TABLE \"user\" DROP COLUMN age"],
            ),
            ("migrations.RemoveField('Post', 'age'),", &["4: ALTER TABLE post DROP COLUMN age"]),
            (
                "migrations.AddField('post', 'age', models.IntegerField()), migrations.AlterField('post', 'age', models.TextField()), migrations.CreateModel(name='x', fields=[]),",
                &["4: ALTER TABLE post ADD COLUMN age text", "4: CREATE TABLE x ()"],
            ),
            ("migrations.RunSQL(sql),", &["4: ? `sql` is not a constant: SQL that is not known"]),
            (
                "migrations.RunPython(forwards, migrations.RunPython.noop),",
                &[
                    "4: ? `forwards` runs Python on the project's models: what it changes is not known",
                ],
            ),
            ("migrations.RunPython(migrations.RunPython.noop),", &[]),
            (
                "migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel('A')], database_operations=[migrations.RunSQL('DROP TABLE a')]),",
                &["4: DROP TABLE a"],
            ),
            (
                "migrations.AddIndex('post', models.Index(fields=['a'])), migrations.RemoveIndex('post', 'i'), migrations.AlterModelOptions('post', {}),",
                &[],
            ),
        ],
    );
}
